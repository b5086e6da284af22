"""Platform, hub, laptop or CI; which archive mounts are here; whether a server answers."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from terrascope_nb.settings import get_settings

Kind = Literal["platform", "hub", "laptop", "ci"]

_CI_VARIABLES = ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TF_BUILD", "BUILDKITE", "TEAMCITY_VERSION")
_PLATFORM_FOLDERS = ("data/MTDA", "data/users/Public", "data/users/Private")
"""Folders every virtual machine and notebook of the platform has (Terrascope FAQ, 2021)."""
_WHO = re.compile(r"^(<[^>]*>|HTTPS?Connection\w*\([^)]*\)): ")
"""How urllib3 begins its messages: which object of its own says it."""
_KEEP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Where:
    """Where this process runs, and how we know."""

    kind: Kind
    """``platform``: its archive or user folders are mounted; ``hub``: another JupyterHub; ``ci``; else ``laptop``."""
    mounts: tuple[Path, ...]
    """Configured archive roots that are here and hold something."""
    reasons: tuple[str, ...]
    """What was seen, one sentence each."""


def where_am_i(*, environ: Mapping[str, str] | None = None, root: Path = Path("/")) -> Where:
    """Return on what kind of machine this process runs and which archive roots it can read.

    Parameters
    ----------
    environ : mapping, optional
        Environment variables; those of the process when None.
    root : Path
        Where ``/data`` is looked for; another folder in tests.

    Examples
    --------
    >>> where_am_i(environ={"CI": "true"}).kind
    'ci'
    """
    env = os.environ if environ is None else environ
    mounts, reasons = _find_mounts()
    platform_folders = [root / name for name in _PLATFORM_FOLDERS if _holds_something(root / name) == ""]
    ci = [name for name in _CI_VARIABLES if env.get(name, "").lower() not in {"", "0", "false"}]
    hub = env.get("JUPYTERHUB_SERVICE_PREFIX") or env.get("JUPYTERHUB_USER")
    kind: Kind
    if ci:
        kind = "ci"
        reasons.insert(0, f"the environment says it is a CI job ({', '.join(ci)})")
    elif platform_folders:
        kind = "platform"
        reasons.insert(0, f"folders of the Terrascope platform are here ({', '.join(map(str, platform_folders))})")
    elif hub:
        kind = "hub"
        reasons.insert(0, "a JupyterHub started this process, and no folder of the Terrascope platform is here")
    else:
        kind = "laptop"
        reasons.insert(0, "no folder of the Terrascope platform, no JupyterHub and no CI were seen")
    return Where(kind, tuple(mounts), tuple(reasons))


def _find_mounts() -> tuple[list[Path], list[str]]:
    mounts: list[Path] = []
    reasons: list[str] = []
    for folder in get_settings().archive_roots:
        problem = _holds_something(folder)
        if problem:
            reasons.append(f"archive root {folder} cannot be used: {problem}")
        else:
            mounts.append(folder)
            reasons.append(f"archive root {folder} is mounted")
    return mounts, reasons


def _holds_something(folder: Path) -> str:
    """Say why a folder is of no use; an empty text when it is readable and not empty."""
    try:
        with os.scandir(folder) as entries:
            return "" if next(entries, None) is not None else "it is empty, so nothing is mounted there"
    except FileNotFoundError:
        return "there is no such folder"
    except OSError as error:  # no permission, a stale network mount, not a folder
        return error.strerror or str(error)


class _Probes:
    """Answers about servers, each kept for a minute; one question at a time per server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._known: dict[str, tuple[float, str]] = {}

    def ask(self, url: str, timeout: float) -> str:
        parts = urlsplit(url)
        key = f"{parts.scheme}://{parts.netloc}"
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            asked, problem = self._known.get(key, (-_KEEP_SECONDS, ""))
            if key in self._known and time.monotonic() - asked < _KEEP_SECONDS:
                return problem
            problem = _probe(url, timeout)
            self._known[key] = (time.monotonic(), problem)
            return problem

    def forget(self) -> None:
        with self._lock:
            self._known.clear()


_probes = _Probes()


def is_reachable(url: str, timeout: float = 2.0) -> bool:
    """Return whether a server answers HTTP at all, whatever it says; proxies of the environment are used.

    Parameters
    ----------
    url : str
        Any address on the server; the answer holds for the whole server and is kept for 60 s in this process.
    timeout : float
        Seconds to wait in all, name lookup and proxy included.

    Returns
    -------
    bool
        False also when `settings.offline` is set; nothing is asked then.
    """
    return not why_unreachable(url, timeout)


def why_unreachable(url: str, timeout: float = 2.0) -> str:
    """Return why a server cannot be reached, in one sentence; an empty text when it answers (see `is_reachable`)."""
    if get_settings().offline:
        return "the option offline is set"
    return _probes.ask(url, timeout)


def forget_answers() -> None:
    """Forget what is known about servers, so that the next question is asked anew."""
    _probes.forget()


def _probe(url: str, timeout: float) -> str:
    # A name lookup has no timeout of its own and can hang for half a minute, hence the thread we may leave behind.
    answer: list[str] = []
    thread = threading.Thread(target=lambda: answer.append(_ask_server(url, timeout)), daemon=True)
    thread.start()
    thread.join(timeout)
    return answer[0] if answer else f"no answer within {timeout:g} s"


def _ask_server(url: str, timeout: float) -> str:
    import requests  # 60 ms; where_am_i() must not pay for it

    try:
        with requests.Session() as session:
            session.auth = _no_auth  # otherwise a ~/.netrc entry would be sent along
            proxied = bool(requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url)))
            reply = session.head(url, timeout=timeout, allow_redirects=False)
    except requests.exceptions.ProxyError as error:
        return f"the proxy does not let us through ({_short(error)})"
    except requests.exceptions.SSLError as error:
        return f"its certificate is not accepted ({_short(error)})"
    except requests.exceptions.Timeout:
        return f"no answer within {timeout:g} s"
    except requests.exceptions.RequestException as error:
        return f"no connection ({_short(error)})"
    if proxied and reply.status_code in {407, 502, 504}:
        return f"the proxy answers {reply.status_code} {reply.reason}"
    return ""


def _no_auth(request: Any) -> Any:
    return request


def _short(error: Exception) -> str:
    """Return the innermost reason of a nested network error, in one line."""
    inner: object = error
    while isinstance(inner, Exception):
        deeper = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
        if not isinstance(deeper, Exception):
            break
        inner = deeper
    text = str(inner).strip() or type(inner).__name__
    return _WHO.sub("", text.splitlines()[0])[:160]
