"""Where local paths lead once symbolic links are resolved, asking the disk little where many files share a folder."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

_LASTING = 1.0
"""Seconds for which a folder is taken to lead where it led, while it is the same folder of the disk."""
_MOST = 1024
"""Folders that are remembered."""


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder that was resolved."""

    real: str
    """Its path without symbolic links."""
    identity: tuple[int, int]
    """Device and number of what is there."""
    until: float
    """Moment after which it is resolved again."""


_folders: dict[str, _Folder] = {}


def resolve_file(path: str) -> tuple[str, os.stat_result | None]:
    """Return an absolute path without symbolic links, and what is there now; None = nothing that can be looked at.

    The path is that of `os.path.realpath`. The last part is looked at each time. Its folder is resolved once a second, and
    anew as soon as another folder is found there, so a link that is changed between two calls misleads neither.
    """
    folder, _, name = path.rpartition("/")
    if folder and os.path.normpath(path) == path:
        real = _real_folder(folder)
        if real is not None:
            found = f"{real}/{name}"
            try:
                state = os.lstat(found)
            except OSError:
                return found, None
            if not stat.S_ISLNK(state.st_mode):
                return found, state
    found = os.path.realpath(path)
    try:
        return found, os.stat(found)  # noqa: PTH116 - hot path
    except OSError:
        return found, None


def _real_folder(folder: str) -> str | None:
    try:
        there = os.stat(folder)  # noqa: PTH116 - hot path
        known, now = _folders.get(folder), time.monotonic()
        if known is not None and known.until > now and known.identity == (there.st_dev, there.st_ino):
            return known.real
        real = os.path.realpath(folder)
        there = os.stat(real)  # noqa: PTH116 - of what was resolved: a link may have been changed meanwhile
    except OSError:
        return None
    if len(_folders) >= _MOST:
        _folders.clear()
    _folders[folder] = _Folder(real, (there.st_dev, there.st_ino), now + _LASTING)
    return real


class TrustedRoots(tuple[str, ...]):  # noqa: SLOT001 - no slots: it remembers folders
    """Folders local paths may lie under, links resolved; remembers where folders lead, for many references made at once.

    A file that is opened is resolved anew (`resolve_file`), so a link that is changed later misleads nobody.
    """

    def __new__(cls, roots: Iterable[str]) -> Self:
        """Return resolved roots that know no folder yet."""
        made = super().__new__(cls, roots)
        made.plain = tuple(made)
        made._folders = {}
        return made

    plain: tuple[str, ...]
    """The same folders and no memory: one tuple for all references."""
    _folders: dict[str, tuple[str, bool]]
    """Folder, in its plainest spelling -> the folder without links, and whether what lies in it is below a root."""

    def real(self, path: str) -> str:
        """Return a path without symbolic links, as `os.path.realpath`, asking the disk once for each folder."""
        return self._resolved(path)[0]

    def hold(self, path: str) -> bool:
        """Tell whether a path lies below a root once links are resolved."""
        return self._resolved(path)[1]

    def _resolved(self, path: str) -> tuple[str, bool]:
        folder, _, name = path.rpartition("/")
        known = None if name in ("", ".", "..") else self._folders.get(folder)
        if known is None:
            if not path.startswith("/") or os.path.normpath(path) != path:
                return self._anew(path)
            real = self.real(folder) if folder else ""
            known = self._folders[folder] = (real, is_below(f"{real}/", self.plain))
        found = f"{known[0]}/{name}"
        try:
            is_link = stat.S_ISLNK(os.lstat(found).st_mode)
        except OSError:
            is_link = False
        return self._anew(found) if is_link else (found, known[1])

    def _anew(self, path: str) -> tuple[str, bool]:
        real = os.path.realpath(path)
        return real, is_below(real, self.plain)


def is_below(real: str, roots: Sequence[str]) -> bool:
    """Tell whether a resolved path lies below one of the resolved folders.

    >>> is_below("/data/MTDA/a.tif", ["/data/MTDA"]), is_below("/data/MTDA-2/a.tif", ["/data/MTDA"])
    (True, False)
    """
    return any(real.startswith(root.rstrip("/") + "/") for root in roots)
