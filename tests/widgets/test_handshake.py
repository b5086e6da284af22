"""Is the extension there, and does it speak as we do?"""

from __future__ import annotations

import json
import re
from pathlib import Path

from terrascope_nb import __version__
from terrascope_nb.widgets.live_map.handshake import PROTOCOL, FrontEnd, extension_version, front_end

ROOT = Path(__file__).parents[2]


def hello(front, version=None, protocol=PROTOCOL):
    front._on_message(front, {"msg": "hello", "version": version or extension_version(), "protocol": protocol}, [])


def test_nobody_is_there_until_hello_is_said():
    front = FrontEnd()
    assert not front.present
    front._on_message(front, {"msg": "something else"}, [])
    assert not front.present
    hello(front)
    assert front.present
    assert not front.trouble


def test_another_version_with_the_same_messages_works_and_is_said():
    front = FrontEnd()
    hello(front, version="9.9.9")
    assert front.present
    assert "9.9.9" in front.trouble
    assert __version__ in front.trouble


def test_an_extension_with_other_messages_is_not_used_and_is_said():
    front = FrontEnd()
    hello(front, version="9.9.9", protocol=PROTOCOL + 1)
    assert not front.present
    assert "Install the same version" in front.trouble


def test_the_kernel_asks_once():
    assert front_end() is front_end()


def test_the_extension_has_our_version_and_our_protocol():
    package = json.loads((ROOT / "labextension" / "package.json").read_text(encoding="utf-8"))
    tokens = (ROOT / "labextension" / "src" / "tokens.ts").read_text(encoding="utf-8")
    assert package["version"] == extension_version()
    assert int(re.search(r"PROTOCOL = (\d+)", tokens).group(1)) == PROTOCOL
