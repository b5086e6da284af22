"""A question and its answer over a connection that is kept: as much of HTTP/1.1 as ranges need.

General HTTP libraries take about a millisecond of a core for a request, which is as much as decoding the block that it
brings. This one asks with GET, takes the body straight into the memory where it stays, and leaves redirects, tries and
all judgement of what came to `ranges`.
"""

from __future__ import annotations

import base64
import math
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from urllib.parse import SplitResult, unquote, urlsplit

from urllib3.util import parse_url
from urllib3.util.ssltransport import SSLTransport
from urllib3.util.wait import wait_for_read

from terrascope_nb.host.bodies import memory_for
from terrascope_nb.host.waiting import current_stop

Origin = tuple[str, str, int]
"""Scheme, host and port."""
Around = tuple[str | None, ...]
"""What the environment says of proxies and certificates; other values make other connections."""
Bytes = bytes | bytearray | memoryview
"""Bytes in memory, however they are held."""

_MOST_HEAD = 64 * 1024
"""Bytes of the lines before a body."""
_FIRST = 2048
"""Bytes of the first read of an answer: the lines before the body, and little of the body, which is copied."""
_PART = 2**20
"""Bytes of the first memory for a body of unknown length; it is doubled when it is full."""
_STATUS = re.compile(r"HTTP/1\.([01]) ([1-5]\d\d)(?: .*)?")
_LENGTH = re.compile(r"[0-9]{1,18}")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLAIN = re.compile(r"https?://[^/?#@\\]+(/[A-Za-z0-9/._~!$&'()*+,;=:@%?-]*)")
"""An address whose path needs no quoting."""
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(%25\w+|%\w+)?\]")


class BrokenExchangeError(Exception):
    """The other side said something that is no answer, or nothing at all."""


class SlowExchangeError(Exception):
    """The answer comes too slowly."""


class NoWayError(Exception):
    """There is no way to the server until somebody changes what the text says."""


@lru_cache(maxsize=1024)
def origin_of(url: str) -> Origin:
    """Return which server an address belongs to.

    >>> origin_of("https://Services.terrascope.be/download/a.tif")
    ('https', 'services.terrascope.be', 443)
    """
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


class Answer:
    """What came back: status and headers at once, the body when it is taken."""

    def __init__(self, line: Line, lines: list[str], rest: bytes) -> None:
        found = _STATUS.fullmatch(lines[0])
        if found is None:
            raise BrokenExchangeError("no HTTP/1.1")
        self.status = int(found[2])
        """Status code."""
        self.headers: dict[str, str] = {}
        """Name in lower case -> value."""
        for text in lines[1:]:
            name, colon, value = text.partition(":")
            if not colon or not _NAME.fullmatch(name):
                raise BrokenExchangeError("a header that is none")
            name, value = name.lower(), value.strip(" \t")
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value
        length = self.headers.get("content-length")
        if length is not None and not _LENGTH.fullmatch(length):
            raise BrokenExchangeError("a length that is no number")
        packed = self.headers.get("transfer-encoding", "").lower()
        if packed not in ("", "chunked"):
            raise BrokenExchangeError(f"a body sent as {packed!r}")
        empty = self.status < 200 or self.status in (204, 304)
        self.length = 0 if empty else None if packed or length is None else int(length)
        """Bytes of the body; None = it says so when it ends."""
        self._line, self._rest = line, rest
        self._chunk = 0 if packed and not empty else None  # bytes left of a chunk
        said = self.headers.get("connection", "").lower()
        self._stays = "close" not in said and (found[1] == "1" or "keep-alive" in said)
        self._left = self.length
        self._until = math.inf

    @property
    def frees(self) -> bool:
        """Whether the whole body was taken and the connection serves another question."""
        return self._stays and self._left == 0 and not self._rest

    def take(self, most: int, until: float) -> memoryview:
        """Return the body, or its first ``most`` bytes; fewer when it ends before.

        Parameters
        ----------
        until : float
            The value of `time.monotonic` after which it comes too slowly.
        """
        self._until = until
        with current_stop().ended_by(self._line.hang_up):
            return self._take(most)

    def _take(self, most: int) -> memoryview:
        if self._left is not None:
            most = min(most, self._left)
        memory = memory_for(most if self._left is not None else min(most, _PART))
        got = 0
        while got < most and (count := self._some(memory[got:])):
            got += count
            self._hurry()
            if got == len(memory) < most:
                wider = memory_for(min(2 * got, most))
                wider[:got] = memory
                memory = wider
        if got == most and self._chunk == 0 and self._left is None:
            self._some(memoryview(bytearray(1)))  # the end, which frees the connection
        return memory[:got]

    def _some(self, room: memoryview) -> int:
        """Take some bytes of the body; 0 = there are no more."""
        if self._left == 0:
            return 0
        if self._chunk is not None:
            if self._chunk == 0:
                self._chunk = self._next_chunk()
                if self._chunk == 0:
                    self._left = 0
                    return 0
            room = room[: self._chunk]
        if self._rest:
            count = min(len(self._rest), len(room))
            room[:count] = self._rest[:count]
            self._rest = self._rest[count:]
        else:
            count = self._line.receive(room)
        if self._chunk is not None:
            if count == 0:
                raise BrokenExchangeError("the connection broke within the answer")
            self._chunk -= count
            if self._chunk == 0:
                self._read_line()
        elif self._left is not None:
            self._left -= count
        return count

    def _next_chunk(self) -> int:
        size = self._read_line().partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
            raise BrokenExchangeError("a part of the answer without a length")
        if int(size, 16) == 0:
            most = _MOST_HEAD
            while line := self._read_line():  # what is said after the body, which nobody needs
                most -= len(line) + 2
                if most < 0:
                    raise BrokenExchangeError("an answer without end")
        return int(size, 16)

    def _hurry(self) -> None:
        if time.monotonic() > self._until:
            raise SlowExchangeError("the answer comes too slowly")

    def _read_line(self) -> bytes:
        while b"\n" not in self._rest:
            more = bytearray(_FIRST)
            count = self._line.receive(memoryview(more))
            if count == 0 or len(self._rest) > _MOST_HEAD:
                raise BrokenExchangeError("the connection broke within the answer")
            self._rest += bytes(more[:count])
            self._hurry()
        text, _, self._rest = self._rest.partition(b"\n")
        return text.rstrip(b"\r")


class Line:
    """A connection to one server, for one thread at a time.

    Raises
    ------
    NoWayError
        The proxy of this machine is of a kind unknown here, or wants a name and a password.
    BrokenExchangeError, SlowExchangeError, OSError
        There is no connection now.
    ValueError
        The address is none, or there is no trust in the server (`ssl.SSLCertVerificationError`).
    """

    def __init__(self, origin: Origin, proxy: str | None, secure: Callable[[], ssl.SSLContext], timeout: float) -> None:
        self.origin = origin
        """Which server it leads to."""
        self.around: Around = ()
        """In which surroundings it was made."""
        self._through = proxy is not None and origin[0] == "http"
        scheme, host, port = origin
        name = host.encode("idna").decode() if not host.isascii() else host
        name = f"[{name}]" if ":" in name else name
        if not _HOST.fullmatch(name):
            raise ValueError(f"{host!r} is no name of a server")
        self._host = name if port == (443 if scheme == "https" else 80) else f"{name}:{port}"
        self._target = f"{name}:{port}"
        self._proxy_headers: dict[str, str] = {}
        self._used = self._heard = False
        there = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None
        trust = secure() if "https" in (scheme, there and there.scheme) else None
        self._socket = socket.socket()
        try:
            with current_stop().ended_by(self.hang_up):
                if there:
                    self._connect_through(there, trust, timeout)
                else:
                    self._connect(origin, timeout)
                if trust and scheme == "https":
                    self._secure(trust, host)
        except BaseException:
            self._socket.close()
            raise
        self._heard = False  # the proxy, not the server

    def _connect(self, at: Origin, timeout: float) -> None:
        problem: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(at[1], at[2], type=socket.SOCK_STREAM):
            current_stop().check()
            self._socket.close()
            try:
                self._socket = socket.socket(family, kind, protocol)
                self._socket.settimeout(timeout)
                self._socket.connect(address)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                problem = error
            else:
                return
        raise problem or OSError(f"{at[1]} has no address")

    def _connect_through(self, there: SplitResult, trust: ssl.SSLContext | None, timeout: float) -> None:
        at = origin_of(there.geturl())
        called = f"the proxy {at[0]}://{at[1]}:{at[2]} of this machine (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY)"
        if at[0] not in ("http", "https"):
            raise NoWayError(f"{called} is of a kind that is not known here; name one that begins with http or https")
        if there.username:
            user = f"{unquote(there.username)}:{unquote(there.password or '')}"
            self._proxy_headers["Proxy-Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
        try:
            self._connect(at, timeout)
            if trust and at[0] == "https":
                self._secure(trust, at[1])
        except ssl.SSLCertVerificationError:
            raise
        except OSError as error:
            raise BrokenExchangeError(f"{called} cannot be reached: {error}") from error
        if self.origin[0] == "https":
            self._send("CONNECT", self._target, self._target, self._proxy_headers)
            status = self._answer(timeout).status
            if status == 407:
                raise NoWayError(
                    f"{called} answers 407: sign in at the proxy, with a name and a password in its address "
                    "(http://name:password@proxy)"
                )
            if status != 200:
                raise BrokenExchangeError(f"the proxy answers {status}: {called}")

    def _secure(self, trust: ssl.SSLContext, host: str) -> None:
        if isinstance(self._socket, ssl.SSLSocket):  # TLS to the server within TLS to the proxy
            self._socket = SSLTransport(self._socket, trust, server_hostname=host)  # type: ignore[assignment]
        else:
            self._socket = trust.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
            self._socket.do_handshake()

    @property
    def is_stale(self) -> bool:
        """Whether it served before, and the last question was met by not a single byte: it was closed meanwhile."""
        return self._used and not self._heard

    def ask(self, url: str, headers: Mapping[str, str], timeout: float) -> Answer:
        """Send a GET and return the answer, its body not yet taken."""
        self._used, self._heard = self._heard, False
        self._socket.settimeout(timeout)
        plain = _PLAIN.fullmatch(url)
        target = plain[1] if plain else parse_url(url).request_uri
        if self._through:
            target, headers = f"http://{self._host}{target}", {**headers, **self._proxy_headers}
        with current_stop().ended_by(self.hang_up):
            self._send("GET", target, self._host, headers)
            return self._answer(timeout)

    def _send(self, verb: str, target: str, host: str, headers: Mapping[str, str]) -> None:
        lines = [f"{verb} {target} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def _answer(self, timeout: float) -> Answer:
        head, until, most = b"", time.monotonic() + timeout, _MOST_HEAD
        while True:
            lines, end, rest = head.partition(b"\r\n\r\n")
            if end:
                answer = Answer(self, lines.decode("latin-1").split("\r\n"), rest)
                if answer.status >= 200:
                    return answer
                head = rest  # that was only a sign of life
                continue
            if time.monotonic() > until:
                raise SlowExchangeError("the answer comes too slowly")
            more = self._socket.recv(_FIRST)
            most -= len(more)
            if not more or most < 0:
                raise BrokenExchangeError("the connection broke")
            self._heard = True
            head += more

    def receive(self, room: memoryview) -> int:
        """Receive bytes of a body; 0 = the other side has closed."""
        return self._socket.recv_into(room)

    def is_alive(self) -> bool:
        """Whether the other side has neither closed nor spoken unasked."""
        return not wait_for_read(self._socket, timeout=0)

    def hang_up(self) -> None:
        """Make what another thread waits for on this connection fail."""
        with suppress(OSError):  # it is down already
            inner = getattr(self._socket, "socket", self._socket)
            socket.socket.shutdown(inner, socket.SHUT_RDWR)  # TLS would change what the other thread reads from

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
