"""For every test: folders of its own, and no way out of this machine."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep cache and configuration of the person who runs the tests out of them."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent  # all workers share one unpacked sample archive
    folder = base / "terrascope_nb"
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith("TERRASCOPE_NB_")]:
        patch.delenv(name)
    patch.setenv("TERRASCOPE_NB_CACHE_DIR", str(folder / "cache"))
    patch.setenv("TERRASCOPE_NB_CONFIG_DIR", str(folder / "config"))
    yield folder
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Refuse every connection that leaves this machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        try:
            local = not host or host == "localhost" or ipaddress.ip_address(str(host)).is_loopback
        except ValueError:
            local = False
        if not local:
            raise OSError(f"a test tried to reach {host}: tests do not leave this machine")
        connect(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()
