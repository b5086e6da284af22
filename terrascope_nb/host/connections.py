"""The connections and threads that a process shares for files behind HTTP; a forked process gets its own."""

from __future__ import annotations

import atexit
import os
import ssl
import threading
import time

from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy

from terrascope_nb.host.crowd import MOST_AT_ONCE, Crowd
from terrascope_nb.host.exchange import Around, Line, NoWayError, Origin, origin_of
from terrascope_nb.host.waiting import WaitingThreads

_CONNECTING = 10.0
"""Seconds for a connection to be made."""
_MOST_ORIGINS = 16
"""Servers with which connections are kept."""
_KNOWN = 1.0
"""Seconds for which the way to a server is known: many connections are made at once, and looking takes as long as one."""


_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXIES = tuple(name for kind in ("http", "https", "all", "no") for name in (f"{kind}_proxy", f"{kind}_proxy".upper()))


class _Shared:
    """What the threads of a process share."""

    def __init__(self) -> None:
        self.idle: dict[tuple[Origin, Around], list[Line]] = {}
        self.secure: dict[str, ssl.SSLContext] = {}
        self.ways: dict[tuple[Origin, Around], tuple[float, str | None]] = {}
        self.lock = threading.Lock()
        self.crowds: dict[Origin, Crowd] = {}
        self.threads = WaitingThreads(MOST_AT_ONCE, "terrascope-ranges")


_shared = _Shared()


def _start_anew() -> None:
    global _shared  # sockets, locks and threads of a parent are of no use to its child
    before, _shared = _shared, _Shared()
    for line in [line for idle in before.idle.values() for line in idle]:
        line.close()  # for this process only


atexit.register(_start_anew)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


def shared_threads() -> WaitingThreads:
    """Return the threads that wait for servers."""
    return _shared.threads


def crowd_at(url: str) -> Crowd:
    """Return the requests that are with the server of an address."""
    origin = origin_of(url)
    return _shared.crowds.get(origin) or _shared.crowds.setdefault(origin, Crowd())


def _around() -> Around:
    return tuple([os.environ.get(name) for name in _BUNDLES + _PROXIES])


def _proxy_for(origin: Origin, around: Around) -> str | None:
    ways, now = _shared.ways, time.monotonic()
    since, proxy = ways.get((origin, around), (-_KNOWN, None))
    if now - since < _KNOWN:
        return proxy
    host = f"[{origin[1]}]" if ":" in origin[1] else origin[1]
    url = f"{origin[0]}://{host}:{origin[2]}"
    proxy = select_proxy(url, get_environ_proxies(url, no_proxy=None))
    if len(ways) >= _MOST_ORIGINS:
        ways.clear()
    ways[origin, around] = now, proxy
    return proxy


def line_to(url: str, timeout: float, *, anew: bool = False) -> Line:
    """Return a connection for an address, to be given back; proxy and certificates come from the environment.

    Parameters
    ----------
    anew : bool
        True: none that served before.

    Raises
    ------
    ValueError, NoWayError
        As `Line`; also when our certificates cannot be read.
    OSError, BrokenExchangeError, SlowExchangeError
        As `Line`: there is no connection to be had now.
    """
    origin, around = origin_of(url), _around()
    idle = _shared.idle.get((origin, around)) or ()
    while idle and not anew:
        try:
            line = idle.pop()
        except IndexError:  # another thread was faster
            break
        if line.is_alive():
            return line
        line.close()
    made = Line(origin, _proxy_for(origin, around), _secure, min(timeout, _CONNECTING))
    made.around = around
    return made


def give_back(line: Line) -> None:
    """Keep a connection for the next who asks."""
    shared = _shared
    shared.idle.setdefault((line.origin, line.around), []).append(line)
    while len(shared.idle) > _MOST_ORIGINS:
        for gone in shared.idle.pop(next(iter(shared.idle)), []):
            gone.close()


def _secure() -> ssl.SSLContext:
    """Return what a connection over TLS trusts; made when first needed, since reading the certificates takes 20 ms."""
    bundle = next(filter(None, map(os.environ.get, _BUNDLES)), DEFAULT_CA_BUNDLE_PATH)
    with _shared.lock:
        if bundle not in _shared.secure:
            _shared.secure[bundle] = _trust(bundle)
        return _shared.secure[bundle]


def _trust(bundle: str) -> ssl.SSLContext:
    is_folder = os.path.isdir(bundle)  # noqa: PTH112 - a text from the environment
    try:
        made = ssl.create_default_context(cafile=None if is_folder else bundle, capath=bundle if is_folder else None)
    except OSError as error:
        raise NoWayError(f"the certificates in {bundle} cannot be read ({error})") from error
    made.set_alpn_protocols(["http/1.1"])
    return made
