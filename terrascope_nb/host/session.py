"""One HTTP session per thread: it tries again, it never waits for ever, it says who asks, it holds no secret."""

from __future__ import annotations

import os
import threading
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

import terrascope_nb
from terrascope_nb.host.crowd import seconds_to_wait
from terrascope_nb.settings import Settings, get_settings

_RETRIED = (429, 500, 502, 503, 504)
_PATIENCE = 60
"""Seconds; a server that asks us to come back later than this is asked again after this time."""
_local = threading.local()


class BoundedRetry(Retry):
    """Retries that honour ``Retry-After`` up to a limit, so that no server can put us to sleep for a day."""

    def get_retry_after(self, response: Any) -> float | None:
        """Return the seconds the server asks us to wait, at most a minute."""
        return min(seconds_to_wait(response.headers.get("Retry-After")), _PATIENCE)


class TimeoutAdapter(HTTPAdapter):
    """An adapter that sets a time limit on every request that has none."""

    def __init__(self, timeout: float, **options: Any) -> None:
        self._timeout = timeout
        super().__init__(**options)

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request; ``timeout=None`` means the limit of this adapter, not for ever."""
        if not args and options.get("timeout") is None:
            options["timeout"] = self._timeout
        return super().send(request, *args, **options)


def get_session() -> requests.Session:
    """Return this thread's HTTP session, made anew when the settings change.

    Returns
    -------
    requests.Session
        Tries again after 429 (waiting as ``Retry-After`` says, a minute at most), 5xx and a broken connection, as often
        as ``settings.retries`` says; gives up on an answer after ``settings.timeout`` seconds. POST is tried again too:
        the catalogues' POST only asks. Proxies and certificates come from the environment.

    Examples
    --------
    >>> get_session().headers["User-Agent"].startswith("terrascope_nb/")
    True
    """
    settings = get_settings()
    key = (os.getpid(), settings.timeout, settings.retries)  # a forked process must not share our sockets
    if getattr(_local, "key", None) != key:
        _local.session = _build_session(settings)
        _local.key = key
    session = _local.session
    assert isinstance(session, requests.Session)
    return session


def user_agent() -> str:
    """Return how we name ourselves to servers."""
    return f"terrascope_nb/{vars(terrascope_nb)['__version__']}"


def _build_session(settings: Settings) -> requests.Session:
    retries = BoundedRetry(
        total=settings.retries,
        status_forcelist=_RETRIED,
        allowed_methods=frozenset({"GET", "HEAD", "OPTIONS", "POST"}),
        backoff_factor=0.3,
        raise_on_status=False,
        respect_retry_after_header=True,
    )
    session = requests.Session()
    session.auth = _no_auth  # otherwise the "default" entry of a ~/.netrc would go to every catalogue
    session.headers["User-Agent"] = user_agent()
    adapter = TimeoutAdapter(settings.timeout, max_retries=retries)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
