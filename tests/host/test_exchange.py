"""A question and its answer over a real connection: what a server may say within HTTP/1.1, TLS, proxies, nonsense."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from terrascope_nb.errors import AssetUnreachableError
from terrascope_nb.host import connections
from terrascope_nb.host.ranges import fetch, fetch_each
from terrascope_nb.settings import options

DATA = os.urandom(200_000)


class Scripted:
    """A server that answers each request with bytes that were written down, on connections that it counts."""

    def __init__(self, *answers: bytes, close: bool = False, secure: ssl.SSLContext | None = None) -> None:
        self.answers, self.close_after, self.secure = list(answers), close, secure
        self.heads: list[str] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line = self._socket.accept()[0]
                self.connections += 1
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with suppress(OSError, IndexError), ExitStack() as stack:
            line = stack.enter_context(self.secure.wrap_socket(line, server_side=True) if self.secure else line)
            while head := self.head_of(line):
                self.heads.append(head)
                self.answer(line, head)
                if self.close_after:
                    return

    def answer(self, line: socket.socket, _head: str) -> None:
        line.sendall(self.answers.pop(0))

    @staticmethod
    def head_of(line: socket.socket) -> str:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            more = line.recv(1)
            if not more:
                return ""
            head += more
        return head.decode()

    def stop(self) -> None:
        self._socket.close()


@pytest.fixture
def scripted() -> Iterator:
    servers = []

    def make(*answers: bytes, **how) -> Scripted:
        servers.append(Scripted(*answers, **how))
        return servers[-1]

    connections._start_anew()
    with options(retries=0, timeout=5):
        yield make
    for server in servers:
        server.stop()
    connections._start_anew()


def part(start: int, stop: int, *more: str, body: bytes | None = None, length: bool = True) -> bytes:
    lines = ["HTTP/1.1 206 Partial Content", f"Content-Range: bytes {start}-{stop - 1}/{len(DATA)}", *more]
    lines += [f"Content-Length: {stop - start}"] if length else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (DATA[start:stop] if body is None else body)


def chunked(data: bytes, size: int) -> bytes:
    parts = [data[n : n + size] for n in range(0, len(data), size)]
    return b"".join(b"%x;name=value\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\nLater: said\r\n\r\n"


@pytest.mark.parametrize("size", [1, 700, 5000, 10**6])
def test_an_answer_in_chunks_is_put_together_and_frees_its_connection(scripted, size):
    body = chunked(DATA[100:9000], size)
    answers = [part(100, 9000, "Transfer-Encoding: chunked", body=body, length=False), part(5, 10)]
    server = scripted(*answers)
    url = f"http://127.0.0.1:{server.port}/a.tif"
    assert fetch(url, 100, 9000).data == DATA[100:9000]
    assert fetch(url, 5, 10).data == DATA[5:10]
    assert server.connections == 1


def test_a_sign_of_life_before_the_answer_is_passed_over(scripted):
    server = scripted(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + part(0, 50))
    assert fetch(f"http://127.0.0.1:{server.port}/a.tif", 0, 50).data == DATA[:50]


@pytest.mark.parametrize("last", [b"HTTP/1.0 206 OK", b"HTTP/1.1 206 OK\r\nConnection: close"])
def test_a_connection_that_the_server_ends_is_not_used_again(scripted, last):
    first = part(0, 50).replace(b"HTTP/1.1 206 Partial Content", last)
    server = scripted(first, part(50, 90), close=True)
    url = f"http://127.0.0.1:{server.port}/a.tif"
    assert fetch(url, 0, 50).data == DATA[:50]
    assert fetch(url, 50, 90).data == DATA[50:90]
    assert server.connections == 2


def test_a_connection_that_ended_while_it_was_idle_costs_no_try(scripted):
    server = scripted(part(0, 50), part(50, 90), close=True)  # says that it stays, and does not
    url = f"http://127.0.0.1:{server.port}/a.tif"
    fetch(url, 0, 50)
    time.sleep(0.1)
    assert fetch(url, 50, 90).data == DATA[50:90]


def test_bytes_after_an_answer_belong_to_no_other(scripted):
    server = scripted(part(0, 50) + part(0, 50, body=bytes(50)), part(50, 90))
    url = f"http://127.0.0.1:{server.port}/a.tif"
    fetch(url, 0, 50)
    assert fetch(url, 50, 90).data == DATA[50:90]
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/2 206\r\n\r\n", b"HTTP/1.1 20x\r\n\r\n", b"HTTP/1.1 206 OK\r\n nothing\r\n\r\n",
        part(0, 50, "Bad Name: 5"), part(0, 50, "Content-Length: 50"), part(0, 50, "Transfer-Encoding: gzip, chunked"),
        part(0, 50, "Content-Length: -50", length=False), part(0, 50, f"Content-Length: {'5' * 5000}", length=False),
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-49/" + b"5" * 5000 + b"\r\nContent-Length: 50\r\n\r\n",
        b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-49/0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: Mon, 01 Jan 2024 00:00:00 +99999999999999\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
        part(0, 50, "Transfer-Encoding: chunked", body=chunked(DATA[:50], 50)[:-2] + b"X: y\r\n" * 20_000, length=False), b"HTTP/1.1 206 OK\r\n" + b"X: y\r\n" * 20_000,
        part(0, 50, "Transfer-Encoding: chunked", body=b"zz\r\n" + DATA[:50], length=False),
        part(0, 50, "Transfer-Encoding: chunked", body=b"32\r\n" + DATA[:20], length=False),
        part(0, 50, "Transfer-Encoding: chunked", body=b"32" * 99_999, length=False),
    ],
)  # fmt: skip
def test_nonsense_is_a_named_error(scripted, answer):
    server = scripted(answer, close=True)
    with pytest.raises(AssetUnreachableError, match=r"1 tries: (no answer|the connection broke|the server|bytes 0-49)"):
        fetch(f"http://127.0.0.1:{server.port}/a.tif", 0, 50)


def test_an_answer_longer_than_a_first_read_comes_whole(scripted):
    server = scripted(part(0, 200_000, *(f"X-{n}: {'y' * 100}" for n in range(100))))
    assert fetch(f"http://127.0.0.1:{server.port}/a.tif", 0, 200_000).data == DATA


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/a.tif?x=1&y=a%20b", "/a.tif?x=1&y=a%20b"), ("/a b/é.tif", "/a%20b/%C3%A9.tif"), ("?x=/1", "/?x=/1"),
        ("/a.tif#part", "/a.tif"), ("/a.tif\r\nX: y", "/a.tif%0D%0AX:%20y"), ("", "/"),
    ],
)  # fmt: skip
def test_what_is_asked_for_is_one_line_without_gaps(scripted, path, target):
    server = scripted(part(0, 50))
    fetch(f"http://someone:secret@127.0.0.1:{server.port}{path}", 0, 50)
    assert server.heads[0].split("\r\n")[:2] == [f"GET {target} HTTP/1.1", f"Host: 127.0.0.1:{server.port}"]
    assert "secret" not in server.heads[0]


@pytest.mark.parametrize("url", ["http://a b/a.tif", "http://[::x]/a.tif", "http:///a.tif"])
def test_an_address_without_a_server_is_refused(scripted, url):
    with pytest.raises(AssetUnreachableError, match="cannot be asked for"):
        fetch(url, 0, 50)


def test_a_range_that_ends_before_it_begins_is_a_named_error(scripted):
    server = scripted(b"HTTP/1.1 206 OK\r\nContent-Range: bytes 10-4/5\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(AssetUnreachableError, match=r"bytes 10-19 were asked for and 10-4 came"):
        fetch(f"http://127.0.0.1:{server.port}/a.tif", 10, 20)


@pytest.mark.parametrize("location", ["http://[::1", "http://x:99999/", "http://[::x]/a.tif"])
def test_a_redirect_to_no_address_is_a_named_error(scripted, location):
    server = scripted(f"HTTP/1.1 302 There\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
    with pytest.raises(AssetUnreachableError, match="no address"):
        fetch(f"http://127.0.0.1:{server.port}/a.tif", 0, 50)


class Closing(Scripted):
    """A server that closes its connection when it is asked for the second time."""

    def answer(self, line: socket.socket, head: str) -> None:
        if len(self.heads) == 2:
            raise OSError
        super().answer(line, head)


def test_a_kept_connection_that_the_server_closes_when_asked_costs_no_try():
    connections._start_anew()
    server = Closing(part(0, 50), part(50, 90), part(90, 99))
    url = f"http://127.0.0.1:{server.port}/a.tif"
    with options(retries=0, timeout=5):
        fetch(url, 0, 50)
        assert fetch(url, 50, 90).data == DATA[50:90]
    assert server.connections == 2
    server.stop()


def test_a_connection_that_is_closed_when_first_asked_costs_a_try(scripted):
    server = scripted(close=True)
    with pytest.raises(AssetUnreachableError, match="1 tries"):
        fetch(f"http://127.0.0.1:{server.port}/a.tif", 0, 50)
    assert server.connections == 1


class Dripping(Scripted):
    """A server that says something at once, and then the same again and again."""

    def answer(self, line: socket.socket, _head: str) -> None:
        line.sendall(self.answers[0])
        for _ in range(100):
            line.sendall(self.answers[1])
            time.sleep(0.1)


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"HTTP/1.1 206 OK\r\nX: ", b"y"), (b"HTTP/1.1 206 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (part(0, 50, "Transfer-Encoding: chunked", body=chunked(DATA[:50], 50)[:-2], length=False), b"X: y\r\n"),
    ],
    ids=["header", "headers", "signs of life", "trailers"],
)  # fmt: skip
def test_an_answer_whose_lines_drip_is_left(first, again):
    server = Dripping(first, again)
    began = time.monotonic()
    with options(retries=0, timeout=0.5), pytest.raises(AssetUnreachableError, match="too slowly"):
        fetch(f"http://127.0.0.1:{server.port}/a.tif", 0, 50)
    assert time.monotonic() - began < 4
    server.stop()


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A certificate of this machine's own address: the file with it, and a server's side of it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", secure


def test_ranges_come_over_tls_from_a_server_that_is_trusted(scripted, own, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own[0]))
    server = scripted(part(0, 150_000), part(7, 9), secure=own[1])
    url = f"https://127.0.0.1:{server.port}/a.tif"
    assert dict(fetch_each(url, [(0, 150_000)])) == {0: DATA[:150_000]}
    assert fetch(url, 7, 9).data == DATA[7:9]
    assert server.connections == 1


def test_a_server_without_trust_or_of_another_name_gets_no_question(scripted, own, monkeypatch):
    server = scripted(part(0, 50), part(0, 50), secure=own[1])
    with pytest.raises(AssetUnreachableError, match="certificate"):
        fetch(f"https://127.0.0.1:{server.port}/a.tif", 0, 50)
    connections._start_anew()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own[0]))
    with pytest.raises(AssetUnreachableError, match="certificate"):
        fetch(f"https://localhost:{server.port}/a.tif", 0, 50)
    assert not server.heads


def test_certificates_that_cannot_be_read_are_named(scripted, tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    with pytest.raises(AssetUnreachableError, match=r"none\.pem cannot be read.*REQUESTS_CA_BUNDLE"):
        fetch("https://127.0.0.1:1/a.tif", 0, 50)


def test_certificates_named_after_the_first_use_are_used(scripted, own, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    server = scripted(part(0, 50), secure=own[1])
    url = f"https://127.0.0.1:{server.port}/a.tif"
    with pytest.raises(AssetUnreachableError, match="certificates of this machine"):
        fetch(url, 0, 50)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own[0]))
    assert fetch(url, 0, 50).data == DATA[:50]


class Dropping(Scripted):
    """A server that ends its first connection while TLS is agreed on."""

    def _serve(self, line: socket.socket) -> None:
        if self.connections == 1:
            line.recv(10)
            line.close()
        else:
            super()._serve(line)


def test_a_connection_that_breaks_while_tls_is_agreed_on_is_made_again(own, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own[0]))
    server = Dropping(part(0, 50), secure=own[1])
    with options(retries=1, timeout=5):
        assert fetch(f"https://127.0.0.1:{server.port}/a.tif", 0, 50).data == DATA[:50]
    assert server.connections == 2
    server.stop()


# -- proxies -----------------------------------------------------------------------------------------------------------


class Proxy(Scripted):
    """A proxy that tunnels, or hands on what is asked with a whole address."""

    def answer(self, line: socket.socket, head: str) -> None:
        verb, target, _ = head.partition("\r\n")[0].split(" ")
        host, _, port = (target if verb == "CONNECT" else target.split("/")[2]).rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            if verb == "CONNECT":
                line.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                there.sendall(head.encode())
            ends = {line: there, there: line}
            while True:
                waiting = getattr(line, "pending", int)()
                for end in [line] if waiting else select.select(list(ends), [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    ends[end].sendall(data)


@pytest.mark.parametrize("outer", ["http", "https"])
@pytest.mark.parametrize("inner", ["http", "https"])
def test_a_proxy_of_the_environment_is_gone_through(scripted, own, monkeypatch, outer, inner):
    server = scripted(part(0, 150_000), part(3, 5), secure=own[1] if inner == "https" else None)
    proxy = Proxy(secure=own[1] if outer == "https" else None)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(own[0]))
    monkeypatch.setenv(f"{inner}_proxy", f"{outer}://ann:s%20t@127.0.0.1:{proxy.port}")
    monkeypatch.setenv("no_proxy", "")
    url = f"{inner}://127.0.0.1:{server.port}/a.tif"
    assert fetch(url, 0, 150_000).data == DATA[:150_000]
    assert fetch(url, 3, 5).data == DATA[3:5]
    proxy.stop()
    assert len(proxy.heads) == 1
    wanted = f"CONNECT 127.0.0.1:{server.port}" if inner == "https" else f"GET http://127.0.0.1:{server.port}/a.tif"
    assert proxy.heads[0].startswith(f"{wanted} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n")
    assert "Proxy-Authorization: Basic YW5uOnMgdA==" in proxy.heads[0]
    assert ("Proxy-Authorization" in server.heads[0]) is (inner == "http")


@pytest.fixture
def by_proxy(monkeypatch):
    def name(proxy: str) -> None:
        for kind in ("http", "https"):
            monkeypatch.setenv(f"{kind}_proxy", proxy)
        monkeypatch.setenv("no_proxy", "")

    return name


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_to_know_who_asks_is_named_and_asked_once(scripted, by_proxy, scheme):
    proxy = scripted(*[b"HTTP/1.1 407 Sign in first\r\nContent-Length: 0\r\n\r\n"] * 3)
    by_proxy(f"127.0.0.1:{proxy.port}")
    with options(retries=2), pytest.raises(AssetUnreachableError, match=r"(?i)407.*sign in at the proxy"):
        fetch(f"{scheme}://example.org/a.tif", 0, 50)
    assert len(proxy.heads) == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_named_without_its_password(scripted, by_proxy, scheme):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    by_proxy(f"http://ann:secret@127.0.0.1:{port}")
    with pytest.raises(AssetUnreachableError, match=rf"proxy http://127.0.0.1:{port} .*cannot be reached") as caught:
        fetch(f"{scheme}://example.org/a.tif", 0, 50)
    assert "secret" not in str(caught.value)


def test_a_proxy_of_another_kind_is_refused_by_name(scripted, by_proxy):
    proxy = scripted(part(0, 50))
    by_proxy(f"socks5://127.0.0.1:{proxy.port}")
    with pytest.raises(AssetUnreachableError, match=r"socks5://127\.0\.0\.1.*kind"):
        fetch("http://example.org/a.tif", 0, 50)
    assert not proxy.connections


@pytest.mark.parametrize("host", ["[::1]:9", "example.org"])
def test_a_proxy_that_is_named_after_the_first_use_is_used_whatever_the_host(scripted, by_proxy, monkeypatch, host):
    server, proxy = scripted(part(0, 50)), scripted(part(0, 50), part(0, 50))
    url = f"http://127.0.0.1:{server.port}/a.tif"
    fetch(url, 0, 50)
    by_proxy(f"http://127.0.0.1:{proxy.port}")
    fetch(url, 0, 50)
    fetch(f"http://{host}/a.tif", 0, 50)
    assert len(server.heads) == 1
    assert [head.split(" ")[1] for head in proxy.heads] == [url, f"http://{host}/a.tif"]


def test_connections_are_kept_with_few_servers(scripted):
    servers = [scripted(part(0, 50)) for _ in range(connections._MOST_ORIGINS + 3)]
    for server in servers:
        fetch(f"http://127.0.0.1:{server.port}/a.tif", 0, 50)
    assert len(connections._shared.idle) == connections._MOST_ORIGINS


def test_the_way_to_a_server_is_looked_for_once_for_connections_made_together(scripted, monkeypatch):
    server, looked = scripted(*[part(0, 50)] * 6), []

    def look(url: str, no_proxy: str | None) -> dict[str, str]:
        looked.append(url)
        return {}

    monkeypatch.setattr(connections, "get_environ_proxies", look)
    url = f"http://127.0.0.1:{server.port}/a.tif"
    lines = [connections.line_to(url, 5, anew=True) for _ in range(6)]
    for line in lines:
        line.close()
    assert len(looked) == 1
    monkeypatch.setenv("no_proxy", "elsewhere")
    connections.line_to(url, 5, anew=True).close()
    assert len(looked) == 2
