"""A kernel that heard no hello."""

from __future__ import annotations

import pytest

from terrascope_nb.settings import options
from terrascope_nb.widgets.live_map import handshake
from terrascope_nb.widgets.live_map.handshake import FrontEnd


@pytest.fixture(autouse=True)
def nobody_there(monkeypatch):
    """Each test begins with a kernel that heard no hello."""
    monkeypatch.setattr(handshake, "_one", [FrontEnd()])
    with options(language="en"):
        yield
