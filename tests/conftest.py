"""For every test: folders of its own, and no way out of this machine; for some: a real file server on it."""

from __future__ import annotations

import ipaddress
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings as hypothesis_settings

# A shell that starts the tests in the background has them and all their children ignore Ctrl-C, which some of them are about.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Two test processes share two cores with servers: a slow example is no failure.
hypothesis_settings.register_profile("ours", deadline=None)
hypothesis_settings.load_profile("ours")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadgroup``, keep all tests in a browser in one process, where their servers start once.

    The mark ``xdist_group`` would say the same, but xdist 3.8 writes it where pytest 9.2 does not look.
    """
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling  # only a run with several processes has it loaded

    class OneForTheBrowser(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "browser" if nodeid.startswith("tests/browser/") else nodeid

    return OneForTheBrowser(config, log)


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


class Asked(NamedTuple):
    """One request a server got."""

    method: str
    path: str
    first: int | None
    last: int | None
    headers: dict[str, str]


class FileServer:
    """Files below a folder over HTTP/1.1 with ranges; may be slow, and may be told to misbehave."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.delay = 0.0
        self.misbehave: Callable[[BaseHTTPRequestHandler, Asked, bytes], bool] | None = None
        """Called with handler, request and the file's content; True: it has answered itself."""
        self.asked: list[Asked] = []
        self.sent = 0
        self.connections = 0
        self.most_at_once = 0
        self._inside = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(), bind_and_activate=False)
        self._server.request_queue_size = 128
        self._server.server_bind()
        self._server.server_activate()
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def url(self, path: str | Path, host: str = "127.0.0.1") -> str:
        name = str(Path(path).relative_to(self.root)) if Path(path).is_absolute() else str(path)
        return f"http://{host}:{self.port}/{name}"

    def forget(self) -> None:
        self.asked, self.sent, self.most_at_once = [], 0, 0

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20
            wbufsize = -1  # head and body leave together

            def setup(self) -> None:
                with server._lock:
                    server.connections += 1
                super().setup()

            def do_GET(self) -> None:
                with server._lock:
                    server._inside += 1
                    server.most_at_once = max(server.most_at_once, server._inside)
                try:
                    if server.delay:
                        time.sleep(server.delay)
                    self._answer()
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with server._lock:
                        server._inside -= 1

            do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

            def _answer(self) -> None:
                path = server.root / self.path.split("?")[0].lstrip("/")
                found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
                first = int(found[1]) if found else None
                last = int(found[2]) if found and found[2] else None
                asked = Asked(self.command, self.path, first, last, dict(self.headers))
                with server._lock:
                    server.asked.append(asked)
                data = path.read_bytes() if path.is_file() else b""
                if server.misbehave is not None and server.misbehave(self, asked, data):
                    return
                if not path.is_file():
                    self.reply(404)
                elif first is not None and first >= len(data):
                    self.reply(416, {"Content-Range": f"bytes */{len(data)}"})
                elif first is not None:
                    stop = len(data) if last is None else min(last + 1, len(data))
                    said = {"Content-Range": f"bytes {first}-{stop - 1}/{len(data)}", **version(path)}
                    self.reply(206, said, data[first:stop])
                else:
                    self.reply(200, {"Accept-Ranges": "bytes", **version(path)}, data)

            def reply(self, status: int, said: dict[str, str] | None = None, body: bytes = b"") -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **(said or {})}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    with server._lock:
                        server.sent += len(body)
                    self.wfile.write(body)
                self.wfile.flush()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def version(path: Path) -> dict[str, str]:
    state = path.stat()
    return {"ETag": f'"{state.st_size:x}-{state.st_mtime_ns:x}"', "Content-Type": "image/tiff"}


@pytest.fixture
def file_server(tmp_path: Path) -> Iterator[FileServer]:
    """A file server over ``tmp_path / "files"``."""
    root = tmp_path / "files"
    root.mkdir()
    server = FileServer(root)
    yield server
    server.close()


@pytest.fixture
def make_server() -> Iterator[Callable[[Path], FileServer]]:
    """Make file servers over folders."""
    made: list[FileServer] = []

    def make(root: Path) -> FileServer:
        made.append(FileServer(root))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture(autouse=True)
def no_archive_stays_trusted() -> Iterator[None]:
    """Forget the archives a test searched, as a new process would."""
    yield
    access = sys.modules.get("terrascope_nb.catalogue.access")
    if access is not None:
        access._searched.clear()
