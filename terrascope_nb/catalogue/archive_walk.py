"""Walk an archive and read what is new: only folders whose time of change differs from what the last walk saw.

A product folder and its sub-folders for resolutions (``10M``, ``20M``) are read together. Symbolic links to folders and
hidden folders (snapshots of a file server) are not followed; they are listed among the problems.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from terrascope_nb.catalogue.archive_items import Entry, Measure, Problem, Row, read_folder

_RESOLUTION = re.compile(r"\d{2}M", re.ASCII)
_CHUNK = 16
"""Folders looked at by one task: fewer switches between threads."""
_SETTLED_NS = 3 * 10**9
"""A folder that changed less than three seconds before it was read may change again with the same time stamp."""
_UNSETTLED = -1


@dataclass(frozen=True, slots=True)
class FolderState:
    """What the last walk saw of one folder."""

    mtime_ns: int
    """Time of its last change; -1 = look again."""
    files: int
    """Files directly in it."""
    folders: tuple[str, ...] = ()
    """Names of its sub-folders that are walked."""
    problems: tuple[Problem, ...] = ()
    """Files of it that were not understood."""
    measured: bool = False
    """Whether the pixels of its scene classification were looked at."""


State = Mapping[str, FolderState]
"""Folder relative to the root -> what was seen; the root is the empty text."""


@dataclass(slots=True)
class Seen:
    """What a walk found in one folder (with its sub-folders for resolutions)."""

    folder: str
    states: dict[str, FolderState] = field(default_factory=dict)
    """To be kept for the next walk."""
    below: list[str] = field(default_factory=list)
    """Folders to walk next."""
    is_changed: bool = False
    """False: everything is as the last walk saw it, and ``rows`` is empty."""
    is_lost: bool = False
    """True: the folder could not be read this time; what was known of it and of all below it should stay."""
    rows: list[Row] = field(default_factory=list)
    """Its items."""
    files: int = 0
    """Files in it."""
    seconds_measuring: float = 0.0
    """Time spent on pixels, summed over threads."""


@dataclass(frozen=True, slots=True)
class Walker:
    """One walk over one root."""

    root: str
    """Absolute path."""
    state: State
    """What the last walk saw."""
    skip: frozenset[str] = frozenset()
    """Folders, relative to the root, that are none of the archive's (the index itself)."""
    measure: Measure | None = None
    """Looks at pixels; None = headers only."""

    def walk(self, workers: int) -> Iterator[Seen]:
        """Yield every folder; reading runs in threads, so the order is free."""
        waiting = [""]
        pending: set[Future[list[Seen]]] = set()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="terrascope-index")
        try:
            while waiting or pending:
                # Few tasks at a time, the newest first: memory stays small whatever the size of the archive.
                while waiting and len(pending) < 4 * workers:
                    chunk, waiting = waiting[-_CHUNK:], waiting[:-_CHUNK]
                    pending.add(pool.submit(self._look_at, chunk))
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    for seen in future.result():
                        waiting += seen.below
                        yield seen
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _look_at(self, folders: list[str]) -> list[Seen]:
        return [self._look(folder) for folder in folders]

    def _look(self, folder: str) -> Seen:
        seen = Seen(folder)
        try:
            main = self._listing(folder)
            parts = [main, *(self._listing(_join(folder, name)) for name in main.state.folders if _is_part(name))]
            if any(part.entries is not None for part in parts):
                parts = [part if part.entries is not None else self._scan(part.folder) for part in parts]
        except FileNotFoundError:
            return seen  # it vanished between the listing of its parent and now
        except OSError as error:
            return self._lost(seen, error)
        seen.states = {part.folder: part.state for part in parts}
        seen.files = sum(part.state.files for part in parts)
        read_here = {part.folder for part in parts}
        below = [_join(part.folder, name) for part in parts for name in part.state.folders]
        seen.below = [name for name in below if name not in read_here]
        if parts[0].entries is not None:
            seen.is_changed = True
            self._read(seen, parts)
        return seen

    def _lost(self, seen: Seen, error: OSError) -> Seen:
        known = self.state.get(seen.folder)
        problem = Problem(seen.folder or ".", f"the folder cannot be read: {error.strerror or error}")
        seen.states = {
            seen.folder: FolderState(
                _UNSETTLED, known.files if known else 0, known.folders if known else (), (problem,), False
            )
        }
        seen.is_lost = True
        return seen

    def _read(self, seen: Seen, parts: list[_Listing]) -> None:
        files = [
            Entry(
                _join(part.folder, entry.path)[len(seen.folder) + 1 if seen.folder else 0 :], entry.size, entry.mtime_ns
            )
            for part in parts
            for entry in part.entries or ()
        ]
        timer = _Timer(self.measure) if self.measure is not None else None
        seen.rows, problems = read_folder(self.root, seen.folder, files, measure=timer)
        seen.seconds_measuring = timer.seconds if timer is not None else 0.0
        for folder, state in seen.states.items():
            # A file that was cut short may still be growing, which its folder's time does not tell.
            mtime_ns = _UNSETTLED if any(problem.may_pass for problem in problems) else state.mtime_ns
            said = (*state.problems, *problems) if folder == seen.folder else state.problems
            seen.states[folder] = FolderState(mtime_ns, state.files, state.folders, said, timer is not None)

    def _listing(self, folder: str) -> _Listing:
        """Return what the last walk saw when the folder has not changed since, else what is in it now."""
        known = self.state.get(folder)
        if known is None or (self.measure is not None and known.files and not known.measured):
            return self._scan(folder)
        mtime_ns = os.stat(_join(self.root, folder)).st_mtime_ns  # noqa: PTH116 - a million folders
        return _Listing(folder, known, None) if mtime_ns == known.mtime_ns else self._scan(folder)

    def _scan(self, folder: str) -> _Listing:
        path = _join(self.root, folder)
        # First the time, then the content: what changes in between is seen next time.
        mtime_ns = os.stat(path).st_mtime_ns  # noqa: PTH116
        if mtime_ns > time.time_ns() - _SETTLED_NS:
            mtime_ns = _UNSETTLED
        entries: list[Entry] = []
        folders: list[str] = []
        problems: list[Problem] = []
        with os.scandir(path) as found:
            for entry in found:
                where = _join(folder, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    if entry.name.startswith("."):
                        problems.append(Problem(where, "hidden folder, not walked"))
                    elif entry.name.endswith(".SAFE"):  # one product, though it is a folder
                        entries.append(Entry(entry.name, 0, entry.stat().st_mtime_ns))
                    elif where not in self.skip:
                        folders.append(entry.name)
                elif entry.is_symlink() and not self._stays_inside(where):
                    problems.append(Problem(where, "symbolic link to a folder or out of the archive, not followed"))
                else:
                    try:
                        status = entry.stat()
                    except FileNotFoundError:
                        continue
                    entries.append(Entry(entry.name, status.st_size, status.st_mtime_ns))
        entries.sort(key=lambda entry: entry.path)
        state = FolderState(mtime_ns, len(entries), tuple(sorted(folders)), tuple(problems))
        return _Listing(folder, state, entries)

    def _stays_inside(self, where: str) -> bool:
        target = os.path.realpath(_join(self.root, where))
        return target.startswith(self.root.rstrip("/") + "/") and os.path.isfile(target)  # noqa: PTH113


@dataclass(frozen=True, slots=True)
class _Listing:
    folder: str
    state: FolderState
    entries: list[Entry] | None
    """None: unchanged, not listed."""


@dataclass(slots=True)
class _Timer:
    """Calls a measure and sums up the time it takes."""

    measure: Measure
    seconds: float = 0.0

    def __call__(self, *what: object) -> Mapping[str, object]:
        began = time.perf_counter()
        try:
            return self.measure(*what)  # type: ignore[arg-type]
        finally:
            self.seconds += time.perf_counter() - began


def _is_part(name: str) -> bool:
    return _RESOLUTION.fullmatch(name) is not None


def _join(folder: str, name: str) -> str:
    if not folder or not name:
        return folder or name
    return f"{folder.rstrip('/')}/{name}"
