"""Ranges of a file behind HTTP: the bytes that were asked for, of one version of the file, or a named error.

One pool of connections and one of threads serve the whole process. What a server may get wrong is checked on every
answer: a page in the place of the file, the whole in the place of a part, another part, a part cut short, another
version. Nothing is ever filled up with zeros.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from ssl import SSLCertVerificationError
from urllib.parse import urljoin, urlsplit

from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError
from terrascope_nb.host.connections import crowd_at, give_back, line_to, shared_threads
from terrascope_nb.host.crowd import Crowd, seconds_to_wait
from terrascope_nb.host.exchange import (
    Answer,
    BrokenExchangeError,
    Bytes,
    Line,
    NoWayError,
    SlowExchangeError,
    origin_of,
)
from terrascope_nb.host.session import user_agent
from terrascope_nb.host.waiting import LOOK, current_stop
from terrascope_nb.settings import get_settings

Headers = Mapping[str, str]
_MOST_WHOLE = 16 * 2**20
"""Bytes of a file that is taken whole from a server that does not give parts."""
_MOST_AHEAD = 16 * 2**20
"""Bytes that one call of `fetch_each` asks for before what came is taken."""
_MOST_REDIRECTS = 5
_SLOWEST = 4096
"""Bytes per second; an answer that comes more slowly counts as broken."""
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html|\?xml[^>]*>\s*<(!doctype\s+html|html))", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_REDIRECTS, _BUSY, _BROKEN = (301, 302, 303, 307, 308), (429, 503), (408, 500, 502, 504)

_headers_hook: Callable[[str], Headers] | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one version of a file from another."""

    size: int
    """Bytes."""
    etag: str = ""
    """As the server says it."""
    modified: str = ""
    """Last-Modified, as the server says it."""

    def agrees_with(self, other: Version) -> bool:
        """Return False when something that both say differs."""
        pairs = ((self.etag.removeprefix("W/"), other.etag.removeprefix("W/")), (self.modified, other.modified))
        return self.size == other.size and all(one == two or not (one and two) for one, two in pairs)


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file."""

    data: Bytes
    """From where they were asked for; the whole file when that is what the server gives."""
    version: Version
    """Of which version."""
    whole: bool = False
    """True: ``data`` is the file from its first byte to its last."""


class _AgainError(Exception):
    """An answer that may be better next time."""

    def __init__(self, why: str, *, status: int | None = None, pause: float = 0.0) -> None:
        super().__init__(why)
        self.status = status
        self.pause = pause


def set_headers_for(hook: Callable[[str], Headers] | None) -> None:
    """Set what gives the headers of a request, asked anew with the URL of each one; None takes it away.

    The headers go to the server of the file alone, never to one it redirects to, and are kept nowhere.
    """
    global _headers_hook  # noqa: PLW0603 - one per process, like the pool
    _headers_hook = hook


def headers_for(url: str) -> dict[str, str]:
    """Return the extra headers a request for this URL bears now."""
    found = {} if _headers_hook is None else dict(_headers_hook(url))
    for name, value in found.items():
        if not (
            _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)
        ):  # said here, for others would say the value too
            raise AssetUnreachableError(
                f"The header {name!r} for {url} cannot be sent as it is.", href=url, status=None
            )
    return found


def fetch(url: str, start: int, stop: int, *, version: Version | None = None) -> Piece:
    """Return bytes ``start`` to ``stop`` of a file, fewer only where the file ends before.

    Parameters
    ----------
    url : str
        http or https.
    version : Version, optional
        Where an earlier piece came from; bytes of another version are refused.

    Returns
    -------
    Piece

    Raises
    ------
    AssetUnreachableError
        The server does not give it, after ``settings.retries`` further tries where these have sense; ``status`` is the
        server's, if it answered.
    CorruptAssetError
        The file ends before ``start``, or is another version; ``changed`` tells these apart.
    """
    settings, sign = get_settings(), current_stop()
    for attempt in range(settings.retries + 1):
        try:
            return _ask(url, start, stop, version, settings.timeout)
        except _AgainError as fault:
            sign.check()
            if attempt == settings.retries:
                raise AssetUnreachableError(
                    f"{url} did not arrive in {attempt + 1} tries: {fault}. The server may be down or too busy, or the "
                    "connection bad; try again later.",
                    href=url,
                    status=fault.status,
                ) from fault.__cause__
            # Tries of many threads must not come all at once.
            sign.pause(max(fault.pause, 0.3 * 2**attempt * random.uniform(0.5, 1.5)))  # noqa: S311 - no secret
    raise AssertionError  # the last attempt returns or raises


def fetch_each(
    url: str, spans: Sequence[tuple[int, int]], *, version: Version | None = None
) -> Iterator[tuple[int, Bytes]]:
    """Yield the number and the bytes of each ``(start, stop)``, as they arrive; many are asked for at once.

    Raises
    ------
    AssetUnreachableError, CorruptAssetError
        As `fetch`; also when the file ends inside a span.
    """
    if len(spans) == 1:
        yield 0, _exactly(url, *spans[0], version)
        return
    threads = shared_threads()
    todo = list(enumerate(spans))[::-1]
    waiting: dict[Future[Bytes], int] = {}
    ahead = 0
    try:
        while todo or waiting:
            while todo and (not waiting or ahead < _MOST_AHEAD):
                number, (start, stop) = todo.pop()
                waiting[threads.submit(_exactly, url, start, stop, version)] = number
                ahead += stop - start
            current_stop().check()
            for done in wait(waiting, LOOK, FIRST_COMPLETED).done:
                number = waiting.pop(done)
                ahead -= spans[number][1] - spans[number][0]
                yield number, done.result()
    finally:
        for future in waiting:
            future.cancel()


def in_background(task: Callable[..., object], *arguments: object) -> None:
    """Run a task in a thread of the pool; nobody waits for it, so it must take care of its own errors."""
    shared_threads().submit(task, *arguments)


def _exactly(url: str, start: int, stop: int, version: Version | None) -> Bytes:
    piece = fetch(url, start, stop, version=version)
    data = piece.data[start:stop] if piece.whole else piece.data
    if len(data) != stop - start:
        raise CorruptAssetError(f"{url} is damaged: it ends before byte {stop}, where it should have data.", href=url)
    return data


def _ask(url: str, start: int, stop: int, version: Version | None, timeout: float) -> Piece:
    """Ask once, following redirects."""
    here, at_home = url, True
    for _ in range(_MOST_REDIRECTS + 1):
        with _crowd(url, here).place() as crowd:
            headers = {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity", "User-Agent": user_agent()}
            at_home &= origin_of(here) == origin_of(url)
            if at_home:  # nobody else may see a token, nor choose for which address it is sent
                headers |= headers_for(here)
            line, answer = _answered(url, here, headers, timeout)
            try:
                if answer.status not in _REDIRECTS:
                    return _taken(url, answer, start, stop, version, timeout, crowd)
                here = _next(url, here, answer.headers.get("location", ""))
            finally:
                # A connection with an unread rest serves nobody else.
                give_back(line) if answer.frees else line.close()
    raise AssetUnreachableError(f"{url} leads to more than {_MOST_REDIRECTS} other places.", href=url, status=None)


def _crowd(url: str, here: str) -> Crowd:
    try:
        return crowd_at(here)
    except ValueError as error:
        raise _no_way(url, error) from error


def _no_way(url: str, error: Exception) -> AssetUnreachableError:
    what = (
        "the certificates of this machine (REQUESTS_CA_BUNDLE)" if isinstance(error, SSLCertVerificationError)
        else "how this machine reaches the network (HTTPS_PROXY, REQUESTS_CA_BUNDLE)" if isinstance(error, NoWayError)
        else "the address"
    )  # fmt: skip
    return AssetUnreachableError(
        f"{url} cannot be asked for: {error}. Check {what}.",
        href=url,
        status=None,
    )


def _answered(url: str, here: str, headers: Headers, timeout: float) -> tuple[Line, Answer]:
    """Return an answer and its connection; one that the server had closed meanwhile costs no try."""
    line = None
    try:
        line = line_to(here, timeout)
        try:
            return line, line.ask(here, headers, timeout)
        except (BrokenExchangeError, OSError) as error:
            if not line.is_stale or isinstance(error, TimeoutError):
                raise
            line.close()
        current_stop().check()
        line = line_to(here, timeout, anew=True)
        return line, line.ask(here, headers, timeout)
    except BaseException as error:
        if line is not None:
            line.close()
        if isinstance(error, (NoWayError, ValueError)):  # no trust is one too
            raise _no_way(url, error) from error
        if isinstance(error, (BrokenExchangeError, SlowExchangeError, OSError)):
            raise _AgainError(f"no answer ({str(error) or type(error).__name__})") from error
        raise


def _next(url: str, here: str, location: str) -> str:
    try:
        there = urljoin(here, location)
        parts = urlsplit(there)
        origin_of(there)
    except ValueError as error:
        raise AssetUnreachableError(
            f"{url} leads to {location[:200]!r}, which is no address ({error}). Tell whoever runs the server.",
            href=url,
            status=None,
        ) from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not location:
        raise AssetUnreachableError(
            f"{url} leads to {parts.scheme or 'nowhere'}:, which is not followed: only http and https are.",
            href=url,
            status=None,
        )
    if urlsplit(here).scheme == "https" and parts.scheme == "http":
        raise AssetUnreachableError(
            f"{url} leads from https to http at {parts.hostname}, which is not followed: anybody on the way could "
            "change the data.",
            href=url,
            status=None,
        )
    return there


def _taken(
    url: str, answer: Answer, start: int, stop: int, version: Version | None, timeout: float, crowd: Crowd
) -> Piece:
    """Return what an answer brings, once all it says of itself was checked."""
    _check_status(url, answer, start, crowd)
    said = answer.headers
    if said.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise AssetUnreachableError(
            f"{url} comes packed as {said['content-encoding']!r} though it was asked for as it is, so its parts have no "
            "meaning. Download the file, or tell whoever runs the server.",
            href=url,
            status=answer.status,
        )
    length = answer.length
    if answer.status == 200:
        return _whole(url, answer, length, version, timeout)
    found = _CONTENT_RANGE.fullmatch(said.get("content-range", "").strip())
    if found is None:
        raise _AgainError("the server does not say which part of the file it sends", status=206)
    first, last, size = map(int, found.groups())
    found_version = _same(url, Version(size, said.get("etag", ""), said.get("last-modified", "")), version)
    wanted = min(stop, size) - start
    if wanted < 1 or (first, last) != (start, start + wanted - 1) or length not in (None, wanted):
        until = start + wanted if wanted > 0 else stop
        raise _AgainError(f"bytes {start}-{until - 1} were asked for and {first}-{last} came", status=206)
    data = _body(answer, wanted, timeout)
    if len(data) != wanted:
        raise _AgainError(f"{len(data)} bytes came where {wanted} were promised", status=206)
    if start == 0:
        _refuse_page(url, said, data)
    crowd.went_well()
    return Piece(data, found_version)


def _check_status(url: str, answer: Answer, start: int, crowd: Crowd) -> None:
    status = answer.status
    if status in (200, 206):
        return
    if status in _BUSY or status in _BROKEN:
        pause = seconds_to_wait(answer.headers.get("retry-after"))
        if status in _BUSY:
            crowd.slow_down(pause)
        raise _AgainError(f"the server answers {status}", status=status, pause=pause)
    if status == 416:
        raise CorruptAssetError(
            f"{url} has no byte {start}: it is empty, cut off, or has changed. Search and load again.",
            href=url,
            changed=start > 0,
        )
    if status == 407:
        why = "the proxy of this machine wants a name and a password. Sign in at the proxy: put them into its address"
        why += " (HTTP_PROXY=http://name:password@proxy)"
    elif status in (401, 403):
        why = "it needs a signed-in user, or one with more rights. Sign in, or choose an open product"
    elif status in (404, 410):
        why = "it is not there. The catalogue may be older than the archive: search again, or tell the platform"
    else:
        why = "nothing can be made of that. Try the address in a browser"
    raise AssetUnreachableError(f"{url} was refused with status {status}: {why}.", href=url, status=status)


def _whole(url: str, answer: Answer, length: int | None, version: Version | None, timeout: float) -> Piece:
    """Take a small file whole; a server that does not give parts of a large one is of no use."""
    _refuse_page(url, answer.headers, b"")
    if length is not None and length > _MOST_WHOLE:
        raise _no_parts(url, f"{length} bytes")
    data = _body(answer, _MOST_WHOLE + 1 if length is None else length, timeout)
    _refuse_page(url, answer.headers, data)
    if len(data) > _MOST_WHOLE:
        raise _no_parts(url, f"more than {_MOST_WHOLE} bytes")
    if length is not None and len(data) != length:
        raise _AgainError(f"{len(data)} bytes came where {length} were promised", status=200)
    said = Version(len(data), answer.headers.get("etag", ""), answer.headers.get("last-modified", ""))
    return Piece(data, _same(url, said, version), whole=True)


def _no_parts(url: str, size: str) -> AssetUnreachableError:
    return AssetUnreachableError(
        f"{url} is given whole or not at all ({size}): its server does not know range requests. Download the file and "
        "open the copy.",
        href=url,
        status=200,
    )


def _refuse_page(url: str, said: Mapping[str, str], data: Bytes) -> None:
    kind = said.get("content-type", "").lower()
    if _PAGE.match(data[:200]) or (not data and kind.startswith(("text/html", "application/xhtml"))):
        raise AssetUnreachableError(
            f"{url} answers with a web page, not with the file: most often a page to sign in. Sign in, or choose an open "
            "product.",
            href=url,
            status=200,
        )


def _same(url: str, found: Version, expected: Version | None) -> Version:
    if expected is not None and not found.agrees_with(expected):
        raise CorruptAssetError(f"{url} changed while it was being read. Load it again.", href=url, changed=True)
    return found


def _body(answer: Answer, most: int, timeout: float) -> memoryview:
    """Take up to that many bytes; what takes for ever is broken."""
    try:
        return answer.take(most, time.monotonic() + timeout + most / _SLOWEST)
    except SlowExchangeError as error:
        raise _AgainError("the answer comes too slowly", status=answer.status) from error
    except (BrokenExchangeError, OSError) as error:
        raise _AgainError("the connection broke within the answer", status=answer.status) from error
