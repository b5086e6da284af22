"""Where we are, from a fake environment; what answers, from small servers on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from terrascope_nb.host import where
from terrascope_nb.host.where import forget_answers, is_reachable, where_am_i, why_unreachable
from terrascope_nb.settings import options

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    forget_answers()
    with options(archive_roots=[tmp_path / "not-mounted"], offline=False):
        yield
    forget_answers()


class Server:
    """Answers every HEAD with one status, after a pause, and remembers what was asked."""

    def __init__(self, status: int = 200, pause: float = 0) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                outer.asked.append((self.path, dict(self.headers)))
                time.sleep(pause)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def start(status: int = 200, pause: float = 0) -> Server:
        running.append(Server(status, pause))
        return running[-1]

    yield start
    for server in running:
        server.close()


def test_nothing_special_is_a_laptop(tmp_path: Path) -> None:
    found = where_am_i(environ={}, root=tmp_path)
    assert (found.kind, found.mounts) == ("laptop", ())
    assert any("no such folder" in reason for reason in found.reasons)


def test_folders_of_the_platform_make_it_the_platform_even_under_a_hub(tmp_path: Path) -> None:
    (tmp_path / "data/users/Public/ann").mkdir(parents=True)
    assert where_am_i(environ={"JUPYTERHUB_USER": "ann"}, root=tmp_path).kind == "platform"


def test_an_empty_mount_point_is_not_the_archive(tmp_path: Path) -> None:
    (tmp_path / "data/MTDA").mkdir(parents=True)
    with options(archive_roots=[tmp_path / "data/MTDA"]):
        found = where_am_i(environ={}, root=tmp_path)
        assert (found.kind, found.mounts) == ("laptop", ())
        assert any("empty" in reason for reason in found.reasons)
        (tmp_path / "data/MTDA/TERRASCOPE_Sentinel2").mkdir()
        found = where_am_i(environ={}, root=tmp_path)
        assert (found.kind, found.mounts) == ("platform", (tmp_path / "data/MTDA",))


def test_an_own_archive_root_is_a_mount_but_no_platform(tmp_path: Path) -> None:
    (tmp_path / "mine/TERRASCOPE_Sentinel2").mkdir(parents=True)
    with options(archive_roots=[tmp_path / "mine"]):
        found = where_am_i(environ={}, root=tmp_path)
    assert (found.kind, found.mounts) == ("laptop", (tmp_path / "mine",))


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({"CI": "true"}, "ci"),
        ({"GITHUB_ACTIONS": "1", "JUPYTERHUB_USER": "ann"}, "ci"),
        ({"CI": "false"}, "laptop"),
        ({"JUPYTERHUB_SERVICE_PREFIX": "/user/ann/"}, "hub"),
    ],
)
def test_the_environment_tells_ci_and_hub(tmp_path: Path, environ: dict[str, str], kind: str) -> None:
    assert where_am_i(environ=environ, root=tmp_path).kind == kind


def test_a_file_in_place_of_an_archive_root_is_said_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("")
    with options(archive_roots=[tmp_path / "root"]):
        assert where_am_i(environ={}, root=tmp_path).mounts == ()


def test_asking_where_we_are_loads_nothing_heavy() -> None:
    code = (
        "import sys; from terrascope_nb.host.where import where_am_i; where_am_i();"
        "print([m for m in ('requests', 'numpy', 'xarray', 'rasterio') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("status", [200, 302, 401, 404, 405, 500, 503])
def test_any_answer_is_an_answer(serve: Callable[..., Server], status: int) -> None:
    assert is_reachable(serve(status).url + "/collections")


def test_a_closed_port_is_unreachable_and_the_reason_is_said(serve: Callable[..., Server]) -> None:
    server = serve()
    server.close()
    assert not is_reachable(server.url)
    assert "no connection" in why_unreachable(server.url)


def test_a_server_that_hangs_costs_no_more_than_the_timeout(serve: Callable[..., Server]) -> None:
    server = serve(pause=5)
    begin = time.monotonic()
    assert not is_reachable(server.url, timeout=0.3)
    assert time.monotonic() - begin < 1


def test_a_name_lookup_that_hangs_costs_no_more_than_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    test_is_over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        test_is_over.wait(5)
        raise socket.gaierror("no such host")

    monkeypatch.setattr("socket.getaddrinfo", hang)
    begin = time.monotonic()
    assert not is_reachable("http://stac.example.org", timeout=0.3)
    assert time.monotonic() - begin < 1
    test_is_over.set()


def test_the_answer_is_kept_for_a_minute_per_server(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    clock = time.monotonic()
    monkeypatch.setattr(where.time, "monotonic", lambda: clock)
    for path in ("/", "/search", "/collections"):
        assert is_reachable(server.url + path)
    assert len(server.asked) == 1
    clock += 61
    assert is_reachable(server.url)
    assert len(server.asked) == 2


def test_many_threads_ask_once(serve: Callable[..., Server]) -> None:
    server = serve(pause=0.1)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(is_reachable, [server.url] * 16))
    assert len(server.asked) == 1


def test_offline_asks_nobody_and_is_not_remembered_as_an_answer(serve: Callable[..., Server]) -> None:
    server = serve()
    with options(offline=True):
        assert why_unreachable(server.url) == "the option offline is set"
    assert server.asked == []
    assert is_reachable(server.url)


def test_the_proxy_of_the_environment_is_used(serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = serve()
    monkeypatch.setenv("http_proxy", proxy.url)
    assert is_reachable("http://stac.example.org/search")
    assert proxy.asked[0][0] == "http://stac.example.org/search"


@pytest.mark.parametrize("status", [407, 502, 504])
def test_a_proxy_that_cannot_pass_us_on_means_unreachable(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("http_proxy", serve(status).url)
    assert str(status) in why_unreachable("http://stac.example.org")


def test_a_password_in_netrc_is_not_sent_along(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = serve()
    assert is_reachable(server.url)
    assert "Authorization" not in server.asked[0][1]
