"""Endpoints and paths: options set in this process, then the environment, then the file, then the default.

The file is ``config.toml`` in the user's configuration folder (``terrascope_nb``); its keys are the fields of
`Settings`. An environment variable is ``TERRASCOPE_NB_`` and the field's name in capitals; lists are separated by
``os.pathsep``. Nothing is read at import.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from terrascope_nb.errors import SettingsError, TerrascopeWarning, near_misses

_PREFIX = "TERRASCOPE_NB_"
_overrides: dict[str, Any] = {}
_lock = threading.Lock()


def _default_folder(kind: str) -> Path:
    base = _linux_base(f"XDG_{kind.upper()}_HOME", f".{kind}") if sys.platform == "linux" else None
    if base is not None:
        return Path(base, "terrascope_nb")
    import platformdirs  # only where the rule is not the plain one: it brings modules that a first picture waits for

    folder = platformdirs.user_cache_dir if kind == "cache" else platformdirs.user_config_dir
    return Path(folder("terrascope_nb", appauthor=False))


def _linux_base(variable: str, in_home: str) -> str | None:
    """Return the folder that the XDG rule names; None where it takes more than two absolute paths to tell."""
    stated, home = os.environ.get(variable, ""), os.environ.get("HOME", "")
    if "ANDROID_DATA" in os.environ or not (stated or home).startswith("/"):
        return None
    return stated or f"{home.rstrip('/')}/{in_home}"


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be configured, with the platform's values as defaults."""

    stac_url: str = "https://stac.terrascope.be"
    """Root of the STAC API (fact base, section C)."""
    archive_roots: tuple[Path, ...] = (Path("/data/MTDA"),)
    """The only folders below which a local path of a catalogue is opened."""
    cache_dir: Path | None = None
    """Where indexes and the unpacked sample archive are kept; the user's cache folder when None."""
    config_dir: Path | None = None
    """Where saved areas are kept; the user's configuration folder when None."""
    timeout: float = 30.0
    """Seconds to wait for one answer of a server."""
    retries: int = 3
    """How often a request is tried again after a 429, a 5xx or a broken connection."""
    remote_cache_mb: int = 0
    """Size of the cache on disk for headers and blocks of files behind HTTP; 0 = none, only memory is used."""
    whole_blocks: bool = True
    """True: every block is decoded whole, so that its checksum is checked. False stops at the last wanted row: faster on
    small areas, and a block that is damaged is not always noticed."""
    offline: bool = False
    """True: never ask a server, use mounts and the sample archive."""
    language: str = ""
    """Language of the widgets: ``en``, ``nl`` or ``fr``; empty = the machine's own when it is one of these, else English."""

    def cache(self) -> Path:
        """Return the cache folder (not created)."""
        return self.cache_dir or _default_folder("cache")

    def config(self) -> Path:
        """Return the configuration folder (not created)."""
        return self.config_dir or _default_folder("config")


def _coerce(name: str, value: Any) -> Any:
    if name == "archive_roots":
        parts = value.split(os.pathsep) if isinstance(value, str) else value
        return tuple(Path(part).expanduser() for part in parts if str(part))
    if name in {"cache_dir", "config_dir"}:
        return None if value in (None, "") else Path(value).expanduser()
    if name == "timeout":
        return float(value)
    if name in {"retries", "remote_cache_mb"}:
        return int(value)
    if name in {"offline", "whole_blocks"}:
        return value.strip().lower() in {"1", "true", "yes", "on"} if isinstance(value, str) else bool(value)
    if name == "language":
        short = str(value).lower()[:2]
        if short not in {"", "en", "nl", "fr"}:
            raise ValueError("the widgets speak en, nl and fr")
        return short
    return str(value)


_NAMES = tuple(field.name for field in fields(Settings))
_WATCHED = (
    *(_PREFIX + name.upper() for name in _NAMES),
    *(("USERPROFILE", "APPDATA", "LOCALAPPDATA") if sys.platform == "win32" else ("HOME", "XDG_CONFIG_HOME")),
)
"""Variables that settings come from, and those that say where the user's folders are."""
_SETTLED = 2 * 10**9
"""Nanoseconds after which a file that is written has another time than before."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """Settings, and all that they were read from."""

    seen: tuple[str | None, ...]
    """The watched variables."""
    overrides: dict[str, Any]
    """Options of this process."""
    file: str
    """Where the file is, or would be."""
    state: tuple[int, int, int] | None
    """Its state; None = there is none."""
    settings: Settings
    """What follows."""


_kept: _Kept | None = None


def _state_of(file: str | Path) -> tuple[int, int, int] | None:
    """Return time, size and number of a file, or None when there is none to read."""
    try:
        found = os.stat(file)  # noqa: PTH116 - runs for every request
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _from_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):  # the latter where HOME is /dev/null
        return {}
    except ValueError as error:
        raise SettingsError(f"The settings in {path} were asked for, but it is no TOML: {error}. Mend it.") from error


def _warn_of_unknown(names: list[str], known: set[str], file: Path) -> None:
    for name in names:
        near = near_misses(name, known)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(sorted(known))}."
        warnings.warn(f"{file} sets {name!r}, which is no option. {hint}", TerrascopeWarning, stacklevel=3)


def _read_value(name: str, value: Any, where: str) -> Any:
    try:
        return _coerce(name, value)
    except (ValueError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{where} is {value!r}, which cannot be read as {name} ({error}). Mend or remove it.",
            option=name,
            value=value,
        ) from error


def get_settings() -> Settings:
    """Return the settings in force now.

    Returns
    -------
    Settings
        Options of this process win over the environment, the environment over the file, the file over the default.

    Raises
    ------
    SettingsError
        A value cannot be read; the message names the variable or file.

    Warns
    -----
    TerrascopeWarning
        The file sets something that is no option.
    """
    # Asked for with every request and every file, so what did not change since is not read again.
    global _kept  # noqa: PLW0603 - one per process, like the options
    seen = tuple(map(os.environ.get, _WATCHED))
    kept = _kept
    if kept and kept.seen == seen and kept.overrides == _overrides and kept.state == _state_of(kept.file):
        return kept.settings
    config_dir = os.environ.get(_PREFIX + "CONFIG_DIR")
    file = (Path(config_dir).expanduser() if config_dir else _default_folder("config")) / "config.toml"
    state = _state_of(file)
    stated = _from_file(file)
    unknown = [key for key in stated if key not in _NAMES]
    _warn_of_unknown(unknown, set(_NAMES), file)
    found = {key: value for key, value in stated.items() if key in _NAMES}
    where = {key: f"{key} in {file}" for key in found}
    for name, value in zip(_NAMES, seen, strict=False):
        if value is not None:
            found[name] = value
            where[name] = f"The variable {_PREFIX}{name.upper()}"
    with _lock:
        overrides = dict(_overrides)
    found.update(overrides)
    where.update((name, f"The option {name}") for name in overrides)
    settings = replace(Settings(), **{name: _read_value(name, value, where[name]) for name, value in found.items()})
    # A file that was just written may be written again without a trace in its state; a warning is for every call.
    if not unknown and (state is None or time.time_ns() - state[0] > _SETTLED):
        _kept = _Kept(seen, overrides, str(file), state, settings)
    return settings


def set_options(**options: Any) -> None:
    """Set options for this process; `None` gives an option back to the environment and the file.

    Raises
    ------
    TypeError
        An option is not a field of `Settings`; the message lists them.
    """
    known = [field.name for field in fields(Settings)]
    for name in options:
        if name not in known:
            raise TypeError(f"{name!r} is no option of terrascope_nb; there are: {', '.join(known)}")
    with _lock:
        for name, value in options.items():
            if value is None:
                _overrides.pop(name, None)
            else:
                _overrides[name] = value


@contextmanager
def options(**changed: Any) -> Iterator[Settings]:
    """Set options for a ``with`` block only (process-wide while it lasts)."""
    with _lock:
        before = dict(_overrides)
    set_options(**changed)
    try:
        yield get_settings()
    finally:
        with _lock:
            _overrides.clear()
            _overrides.update(before)
