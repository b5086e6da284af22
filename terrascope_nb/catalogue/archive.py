"""A Terrascope archive on a disk becomes an index that can be searched without a server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from terrascope_nb.catalogue.archive_index import ArchiveIndex, default_place, open_index
from terrascope_nb.catalogue.archive_items import Measure
from terrascope_nb.catalogue.archive_store import Manifest, Writer, is_whole, locked, read_manifest, read_state
from terrascope_nb.catalogue.archive_walk import FolderState, Walker
from terrascope_nb.catalogue.own_indexes import remember
from terrascope_nb.errors import CatalogueReplyError, CatalogueUnreachableError, ExportError
from terrascope_nb.host.limits import cores

__all__ = ["ArchiveIndex", "IndexReport", "index_archive", "open_index"]

_TELL_EVERY = 0.25
"""Seconds between two calls of ``progress``."""

Progress = Callable[[int, int], None]
"""Called now and then with the number of items and files seen so far."""


@dataclass(slots=True)
class IndexReport:
    """Figures of one run; `ArchiveIndex.report` has them as a dictionary."""

    items: int = 0
    """Items in the index now."""
    files: int = 0
    """Files in the folders of the archive."""
    folders: int = 0
    """Folders walked."""
    folders_read: int = 0
    """Folders that were new or had changed."""
    added: int = 0
    """Items that are new."""
    removed: int = 0
    """Items that are gone."""
    updated: int = 0
    """Items whose folder had changed."""
    unchanged: int = 0
    """Items that were taken over as they were."""
    twice: int = 0
    """Items that the archive holds in more than one folder; a search gives them once."""
    problems: int = 0
    """Files and folders in `ArchiveIndex.problems`."""
    seconds: float = 0.0
    """Time of the whole run."""
    seconds_measuring: float = 0.0
    """Time spent on pixels for ``quality=True``, summed over threads; part of it runs at the same time."""


def index_archive(
    root: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    quality: bool = False,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ArchiveIndex:
    """Walk a Terrascope tree into an index, or bring its index up to date.

    A second run reads only folders that changed since: new scenes come in, vanished ones go. A folder whose files were
    overwritten in place, under the same names, does not count as changed; remove the index to read everything again.

    Parameters
    ----------
    root : path
        The archive (``/data/MTDA``) or any folder below it.
    out : path, optional
        Folder of the index; by default one in the cache folder, found again by `open_index` and by searches.
    quality : bool
        Also look at an overview of every scene classification, for the percent of cloud, snow, clear and valid pixels
        and the true outline of each scene. This reads pixels and takes many times longer than the headers.
    workers : int, optional
        Threads that read; 4 a core by default, since most of the time is spent waiting for the disk.
    progress : callable, optional
        Called now and then, in this thread, with the number of items and files seen so far.

    Returns
    -------
    ArchiveIndex
        ``report`` says what was added and removed, ``problems`` lists every file that was not understood.

    Raises
    ------
    CatalogueUnreachableError
        There is no such folder, or it is empty although the index knows scenes of it: a mount that is away.
    ExportError
        The folder of the index cannot be written.
    ValueError
        ``workers`` is less than one.

    Examples
    --------
    >>> index = index_archive("/data/MTDA/TERRASCOPE_Sentinel2/NDVI_V2")  # doctest: +SKIP
    >>> index.report["added"], index.report["seconds"]  # doctest: +SKIP
    (100000, 61.2)
    """
    began = time.perf_counter()
    if workers is not None and workers < 1:
        raise ValueError(f"workers={workers}: at least one thread has to read")
    archive = Path(root).expanduser().resolve()
    is_empty = _look_into(archive)
    place = default_place(archive) if out is None else Path(out).expanduser().resolve()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(place, error) from error
    if not os.access(place, os.W_OK | os.X_OK):
        raise _unwritable(place, PermissionError("no right to write there"))
    with locked(place):
        before, state = _what_was(place, archive)
        if is_empty and before is not None and before.items:
            raise CatalogueUnreachableError(
                f"{archive} is empty, but its index knows {sum(before.items.values())} items. Is it mounted? If it "
                f"really was emptied, remove {place}.",
                root=archive,
            )
        walker = Walker(str(archive), state, _below(archive, place), _measure() if quality else None)
        with Writer(place) as writer:
            report = _run(walker, writer, before, workers or 4 * cores(), progress, began)
    if place != default_place(archive).resolve():
        remember(place, archive)
    index = ArchiveIndex(place, trusted=True)
    if progress is not None:
        progress(len(index), report.files)
    return index


def _look_into(archive: Path) -> bool:
    """Return True when the folder is there but empty."""
    try:
        with os.scandir(archive) as found:
            return next(found, None) is None
    except OSError as error:
        raise CatalogueUnreachableError(
            f"{archive} cannot be walked: {error.strerror or error}. Give a folder of the archive; ts.doctor() shows "
            "what is mounted.",
            root=archive,
        ) from error


def _unwritable(place: Path, error: OSError) -> ExportError:
    return ExportError(
        f"An index was to be written to {place}, which is not possible: {error.strerror or error}. Give out= a folder "
        "of yours, or set TERRASCOPE_NB_CACHE_DIR.",
        path=place,
    )


def _measure() -> Measure:
    from terrascope_nb.catalogue.archive_quality import measure_scene  # GDAL, which headers and searches do not need

    return measure_scene


def _what_was(place: Path, archive: Path) -> tuple[Manifest | None, dict[str, FolderState]]:
    """Read manifest and state of an earlier run; nothing where there was none or its files do not fit each other."""
    try:
        manifest = read_manifest(place)
    except FileNotFoundError:
        return None, {}
    if manifest.root != str(archive):
        raise CatalogueReplyError(
            f"{place} already holds an index of {manifest.root}. Name another folder for the index of {archive}.",
            path=place,
            root=archive,
        )
    try:
        return (manifest, read_state(place)) if is_whole(place, manifest) else (None, {})
    except (pa.ArrowException, KeyError, TypeError):  # damaged, though of the right size and time
        return None, {}


def _below(archive: Path, place: Path) -> frozenset[str]:
    return frozenset({place.relative_to(archive).as_posix()}) if place.is_relative_to(archive) else frozenset()


def _run(
    walker: Walker, writer: Writer, before: Manifest | None, workers: int, progress: Progress | None, began: float
) -> IndexReport:
    report = IndexReport()
    state: dict[str, FolderState] = {}
    staying: list[str] = []
    told = began
    for seen in walker.walk(workers):
        state.update(seen.states)
        report.files += seen.files
        report.folders += 1
        report.seconds_measuring += seen.seconds_measuring
        if seen.is_lost:
            kept = [name for name in walker.state if name.startswith(f"{seen.folder}/") or not seen.folder]
            state.update((name, walker.state[name]) for name in kept if name not in state)
            staying += [seen.folder, *kept]
        elif seen.is_changed:
            report.folders_read += 1
            report.items += len(seen.rows)
            writer.add(seen.rows)
        elif seen.states:  # else it vanished while we walked
            staying.append(seen.folder)
        if progress is not None and time.perf_counter() - told > _TELL_EVERY:
            told = time.perf_counter()
            progress(report.items, report.files)
    changes = writer.merge(state, staying, list(before.items) if before is not None else []).values()
    report.items = sum(change.items for change in changes)
    report.added = sum(change.added for change in changes)
    report.removed = sum(change.removed for change in changes)
    report.updated = sum(change.updated for change in changes)
    report.twice = sum(change.twice for change in changes)
    report.unchanged = report.items - report.added - report.updated
    report.problems = sum(len(folder.problems) for folder in state.values())
    report.seconds = round(time.perf_counter() - began, 3)
    report.seconds_measuring = round(report.seconds_measuring, 3)
    writer.publish(walker.root, asdict(report))
    return report
