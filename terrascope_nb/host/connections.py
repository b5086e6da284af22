"""The connections and threads that a process shares for files behind HTTP; a forked process gets its own."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import urllib3
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy

from terrascope_nb.host.crowd import MOST_AT_ONCE, Crowd

Origin = tuple[str, str, int]
"""Scheme, host and port."""


def origin_of(url: str) -> Origin:
    """Return which server an address belongs to.

    >>> origin_of("https://Services.terrascope.be/download/a.tif")
    ('https', 'services.terrascope.be', 443)
    """
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


class _Shared:
    """What the threads of a process share."""

    def __init__(self) -> None:
        self.pools: dict[str | None, urllib3.PoolManager] = {}
        self.crowds: dict[Origin, Crowd] = {}
        self.threads: ThreadPoolExecutor | None = None


_shared = _Shared()


def _start_anew() -> None:
    global _shared  # noqa: PLW0603 - sockets, locks and threads of a parent are of no use to its child
    _shared = _Shared()
    _proxy_for.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


def shared_threads() -> ThreadPoolExecutor:
    """Return the threads that wait for servers."""
    if _shared.threads is None:
        _shared.threads = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="terrascope-ranges")
    return _shared.threads


def crowd_at(url: str) -> Crowd:
    """Return the requests that are with the server of an address."""
    origin = origin_of(url)
    return _shared.crowds.get(origin) or _shared.crowds.setdefault(origin, Crowd())


@lru_cache(maxsize=64)
def _proxy_for(origin: Origin) -> str | None:
    url = f"{origin[0]}://{origin[1]}:{origin[2]}"
    return select_proxy(url, get_environ_proxies(url, no_proxy=None))


def pool_for(url: str) -> urllib3.PoolManager:
    """Return the connections for an address; proxy and certificates come from the environment, as with `get_session`."""
    proxy = _proxy_for(origin_of(url))
    known = _shared.pools.get(proxy)
    if known is None:
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
        options: dict[str, Any] = {
            "num_pools": 16,
            "maxsize": MOST_AT_ONCE,
            "ca_cert_dir" if os.path.isdir(bundle) else "ca_certs": bundle,  # noqa: PTH112 - a text from the environment
        }
        made = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
        known = _shared.pools.setdefault(proxy, made)
    return known
