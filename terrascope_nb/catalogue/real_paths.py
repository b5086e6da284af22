"""Where local paths lead once symbolic links are resolved, asking the disk little where many files share a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from typing import Self

_FOLDER = getattr(os, "O_PATH", 0) and os.O_PATH | os.O_DIRECTORY
"""How a folder is opened to learn where it is, without a right to read it; 0 = this system has no such way."""


def resolve_file(path: str) -> tuple[str, os.stat_result | None]:
    """Return an absolute path without symbolic links, and what is there now; None = nothing that can be looked at.

    The path is that of `os.path.realpath`, asked anew each time: no number of a folder says that it is still where it was,
    since folders move and numbers are given again.
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
    """Return where a folder is, as the system knows it: a quarter of the time of a look at each folder on the way."""
    if not _FOLDER:
        return None
    try:
        opened = os.open(folder, _FOLDER)
    except OSError:
        return None
    try:
        real = os.readlink(f"/proc/self/fd/{opened}")  # noqa: PTH115 - hot path
    except OSError:
        return None
    finally:
        os.close(opened)
    # One that is out of reach, or was removed meanwhile, is no plain path.
    return None if real == "/" or not real.startswith("/") or real.endswith(" (deleted)") else real


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
