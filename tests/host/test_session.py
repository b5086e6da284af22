from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from terrascope_nb import __version__
from terrascope_nb.host import session as module
from terrascope_nb.host.session import get_session
from terrascope_nb.settings import options

Reply = Callable[[BaseHTTPRequestHandler, int], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Reply], tuple[str, list[dict[str, str]]]]]:
    servers: list[ThreadingHTTPServer] = []

    def start(reply: Reply) -> tuple[str, list[dict[str, str]]]:
        seen: list[dict[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                seen.append(dict(self.headers))
                reply(self, len(seen))

            do_GET = do_POST = handle_any  # noqa: N815 - names the base class asks for

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/", seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def answer(handler: BaseHTTPRequestHandler, status: int, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", "2")
    handler.end_headers()
    handler.wfile.write(b"{}")


def test_a_server_that_recovers_is_asked_again(serve):
    url, seen = serve(lambda handler, count: answer(handler, 200 if count == 3 else 503))
    assert get_session().get(url).status_code == 200
    assert len(seen) == 3


def test_retry_after_is_waited_for(serve):
    url, seen = serve(lambda handler, count: answer(handler, 200 if count > 1 else 429, Retry_After="1"))
    start = time.monotonic()
    assert get_session().post(url, json={}).status_code == 200
    assert 1.0 <= time.monotonic() - start < 5
    assert len(seen) == 2


def test_a_retry_after_of_a_day_is_cut(serve, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.2)
    url, _ = serve(lambda handler, count: answer(handler, 200 if count > 1 else 429, Retry_After="86400"))
    start = time.monotonic()
    assert get_session().get(url).status_code == 200
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("said", ["soon", "9" * 5000, "Mon, 01 Jan 2024 00:00:00 +99999999999999"])
def test_a_retry_after_that_makes_no_sense_is_no_error(serve, monkeypatch, said):
    monkeypatch.setattr(module, "_PATIENCE", 0.2)
    url, seen = serve(lambda handler, count: answer(handler, 200 if count > 1 else 429, Retry_After=said))
    assert get_session().get(url).status_code == 200
    assert len(seen) == 2


def test_after_the_last_retry_the_status_is_given_back(serve):
    url, seen = serve(lambda handler, count: answer(handler, 500))
    with options(retries=1):
        assert get_session().get(url).status_code == 500
    assert len(seen) == 2


def test_a_client_error_is_not_asked_again(serve):
    url, seen = serve(lambda handler, count: answer(handler, 404))
    assert get_session().get(url).status_code == 404
    assert len(seen) == 1


def test_a_server_that_never_answers_is_given_up_even_when_the_caller_sets_no_timeout(serve):
    url, _ = serve(lambda handler, count: time.sleep(3))
    with options(timeout=0.3, retries=0):
        session = get_session()
        prepared = session.prepare_request(requests.Request("GET", url))
        start = time.monotonic()
        with pytest.raises(requests.exceptions.RequestException):
            session.send(prepared, timeout=None)
        assert time.monotonic() - start < 2


def test_the_user_agent_names_us_and_netrc_is_not_sent(serve, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("default login somebody password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    url, seen = serve(lambda handler, count: answer(handler, 200))
    assert requests.get(url, timeout=5).status_code == 200
    assert "Authorization" in seen[0], "the trap must be set for the test to mean anything"
    get_session().get(url)
    assert seen[1]["User-Agent"] == f"terrascope_nb/{__version__}"
    assert "Authorization" not in seen[1]


def test_each_thread_has_its_own_session_and_keeps_it():
    mine = get_session()
    others: list[requests.Session] = []
    thread = threading.Thread(target=lambda: others.append(get_session()))
    thread.start()
    thread.join()
    assert get_session() is mine
    assert others[0] is not mine


def test_new_settings_make_a_new_session():
    mine = get_session()
    with options(timeout=5):
        assert get_session() is not mine
