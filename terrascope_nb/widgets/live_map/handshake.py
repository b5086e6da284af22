"""Is our part of JupyterLab there? A widget that only it can answer; until it does, maps show pictures instead of tiles."""

from __future__ import annotations

import re
import threading
from typing import Any

from ipywidgets import Widget
from traitlets import Bool, Unicode

from terrascope_nb import __version__

__all__ = ["MODULE", "PROTOCOL", "FrontEnd", "front_end"]

MODULE = "terrascope-nb"
"""The name under which the extension hands out its classes."""
PROTOCOL = 2
"""Raised when messages change so that an older extension could not follow; ``tokens.ts`` has the same number."""


class FrontEnd(Widget):  # type: ignore[misc]
    """What this kernel knows of the extension at the other end."""

    _model_module = Unicode(MODULE).tag(sync=True)
    _model_module_version = Unicode("*").tag(sync=True)
    _model_name = Unicode("TerrascopeHelloModel").tag(sync=True)
    version = Unicode(__version__).tag(sync=True)

    present = Bool(False, help="True once the extension said hello and speaks our protocol.")
    found = Unicode(help="Version of the extension; empty until it said hello.")
    dark = Bool(False, help="True while the lab has a dark theme.")
    trouble = Unicode(help="Why the extension that is there cannot be used, or differs; empty when all is well.")

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(self._on_message)

    def _on_message(self, _widget: Widget, content: dict[str, Any], _buffers: list[bytes]) -> None:
        if content.get("msg") != "hello":
            return
        self.found = str(content.get("version", ""))
        speaks = content.get("protocol")
        self.trouble = difference(self.found) if self.found != extension_version() else ""
        self.dark = bool(content.get("dark", False))
        if speaks == PROTOCOL:
            self.present = True


def extension_version(version: str = __version__) -> str:
    """Return our version as the extension writes it.

    >>> extension_version("0.2.0.dev3"), extension_version("1.0.0rc1"), extension_version("1.2.3")
    ('0.2.0-dev.3', '1.0.0-rc.1', '1.2.3')
    """
    return re.sub(r"^(\d+\.\d+\.\d+)\.?([a-z]+)(\d+)$", r"\1-\2.\3", version)


def difference(found: str) -> str:
    """Return the sentence about an extension of another version."""
    return (
        f"The JupyterLab extension is terrascope-nb {found}, the kernel has terrascope_nb {__version__}. Install the same "
        "version in the environment of JupyterLab and in that of the kernel, then reload the page."
    )


_lock = threading.Lock()
_one: list[FrontEnd] = []


def front_end() -> FrontEnd:
    """Return what is known of the front-end of this kernel; the first call asks."""
    with _lock:
        if not _one or _one[0].comm is None:
            _one[:] = [FrontEnd()]
        return _one[0]
