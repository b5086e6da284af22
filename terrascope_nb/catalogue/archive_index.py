"""ArchiveIndex: search an indexed archive in this process, without a server."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pystac
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from terrascope_nb.catalogue import item_facts as facts
from terrascope_nb.catalogue.archive_columns import numbers, to_items
from terrascope_nb.catalogue.archive_items import Problem
from terrascope_nb.catalogue.archive_store import MANIFEST, Manifest, file_of, read_manifest, read_problems
from terrascope_nb.catalogue.own_indexes import is_own
from terrascope_nb.catalogue.sources import Found, Request, in_order, matcher, normal_collection, request_area
from terrascope_nb.errors import CatalogueReplyError, NothingFoundError
from terrascope_nb.settings import get_settings

_DAY_US = 86_400_000_000
_TEXTS = ("grid:code", "platform", "sat:orbit_state", "sat:relative_orbit")
"""Columns that are compared as a whole; kept as small numbers."""
_LIGHT = ("id", "bbox", "datetime", "start_datetime", "end_datetime", "eo:cloud_cover", *_TEXTS)
_MOST_BOXES = 64
"""Parts of an area that are compared one by one; more are compared by the box round all."""
_KEPT_GROUPS = 24
"""Row groups of a collection kept in memory: 1 to 4 MB each."""
_FIRST_LOOK = 64
"""Items made at once when only the first few are wanted."""


class ArchiveIndex:
    """An index of an archive that lies on this machine.

    Parameters
    ----------
    path : path
        Folder of the index.
    trusted : bool
        Whether the user named the archive: only then is `roots` not empty.

    See Also
    --------
    index_archive, open_index : how to get one.
    """

    def __init__(self, path: str | os.PathLike[str], *, trusted: bool = False) -> None:
        self.path = Path(path)
        self._manifest: Manifest = read_manifest(self.path)
        self._trusted = trusted
        self._shelves: dict[str, _Shelf] = {}
        self._lock = threading.Lock()

    @property
    def root(self) -> Path:
        """Folder of the archive."""
        return Path(self._manifest.root)

    @property
    def name(self) -> str:
        """What to call it in a message."""
        return f"index of {self.root}"

    @property
    def roots(self) -> tuple[Path, ...]:
        """Folders that may be opened besides ``settings.archive_roots``: the root, if the user named it."""
        return (self.root,) if self._trusted else ()

    @property
    def collections(self) -> Mapping[str, int]:
        """Collection id -> number of items."""
        return dict(self._manifest.items)

    @property
    def report(self) -> Mapping[str, Any]:
        """Figures of the run that wrote the index: ``added``, ``removed``, ``unchanged``, ``files``, ``seconds``."""
        return dict(self._manifest.report)

    @property
    def problems(self) -> list[Problem]:
        """Every file that is unknown, damaged or part of no item, and why; read when asked for."""
        return read_problems(self.path)

    def __len__(self) -> int:
        return sum(self._manifest.items.values())

    def __repr__(self) -> str:
        lines = [f"<ArchiveIndex of {self.root}: {len(self)} items, {self.report.get('files', 0)} files>"]
        lines += [f"  {count:>9}  {name}" for name, count in sorted(self.collections.items())]
        if self.report:
            said = " ".join(
                f"{name} {self.report.get(name, 0)}" for name in ("added", "removed", "updated", "unchanged")
            )
            lines.append(f"  last run: {said}, {self.report.get('seconds', 0):.1f} s")
        if self.report.get("problems"):
            lines.append(f"  {self.report['problems']} files were not understood or damaged: see .problems")
        return "\n".join(lines)

    def find(self, request: Request) -> Found:
        """Return the items that fit a request, in time.

        Parameters
        ----------
        request : Request

        Returns
        -------
        Found
            ``matched`` is None only where ``max_items`` cut before it was known.

        Raises
        ------
        FilterError
            The CQL2 expression of the request cannot be read.
        CatalogueReplyError
            The files of the index are gone or damaged.
        """
        fits, fits_besides = matcher(request), matcher(replace(request, geometry=None, bbox=None))
        area = request_area(request)
        shapely.prepare(area)
        with self._lock:
            shelves = [self._shelf(name) for name in self._wanted(request)]
            waiting = _in_time(shelves, request)
            most = len(waiting) if request.max_items is None else max(0, request.max_items)
            found: list[pystac.Item] = []
            looked = 0
            while looked < len(waiting) and len(found) < most:
                # With a limit look at few at a time: what comes first is all that is wanted.
                step = len(waiting) if most >= len(waiting) else max(_FIRST_LOOK, 2 * (most - len(found)))
                items = _made(shelves, waiting[looked : looked + step], area)
                looked += step
                # Where an outline is known the area was compared already, all outlines at once.
                fitting = (item for item in items if (fits_besides(item) if item.geometry else fits(item)))
                found = in_order([*found, *fitting])
        complete = looked >= len(waiting) and len(found) <= most
        exact = request.geometry is None and request.bbox is None and request.filter is None and not request.resolution
        matched = len(found) if looked >= len(waiting) else len(waiting) if exact else None
        kept = found[:most]
        return Found(kept, matched, complete=complete)

    def _wanted(self, request: Request) -> list[str]:
        asked = {normal_collection(name) for name in request.collections}
        return [name for name in sorted(self._manifest.items) if not asked or normal_collection(name) in asked]

    def _shelf(self, collection: str) -> _Shelf:
        if collection not in self._shelves:
            path = self.path / file_of(collection)
            try:
                self._shelves[collection] = _Shelf(path)
            except (OSError, pa.ArrowException, KeyError) as error:
                raise CatalogueReplyError(
                    f"{path} of the index of {self.root} cannot be read: {error}. Index the archive again: "
                    f"index_archive({str(self.root)!r}).",
                    path=path,
                ) from error
        return self._shelves[collection]


class _Shelf:
    """One collection: what is searched lies in memory, the rest is read for the rows that are found."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        names = set(self._file.schema_arrow.names)
        table = self._file.read(columns=[name for name in _LIGHT if name in names]).combine_chunks()
        self.ids = table["id"].combine_chunks()
        self.box = {name: numbers(pc.struct_field(table["bbox"], name)) for name in ("xmin", "ymin", "xmax", "ymax")}
        self.times = pc.fill_null(table["datetime"].cast(pa.int64()), 0).to_numpy()
        self.cloud = numbers(table["eo:cloud_cover"]) if "eo:cloud_cover" in names else None
        self.first, self.last = self._days(table, "start_datetime"), self._days(table, "end_datetime")
        self._texts = {name: table[name].combine_chunks().dictionary_encode() for name in _TEXTS if name in names}
        groups = [self._file.metadata.row_group(n).num_rows for n in range(self._file.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(groups)]).astype(np.int64)
        self._groups: dict[int, pa.Table] = {}

    def _days(self, table: pa.Table, name: str) -> NDArray[np.int64]:
        """First or last day of each item since 1970, UTC; its one time where it has no interval."""
        days: NDArray[np.int64] = self.times // _DAY_US
        if name in table.column_names:
            stated = table[name].cast(pa.int64())
            days = np.where(pc.is_valid(stated).to_numpy(), pc.fill_null(stated, 0).to_numpy() // _DAY_US, days)
        return days

    def candidates(self, request: Request) -> NDArray[np.int64]:
        """Return rows that may fit; every row that does is among them."""
        fits = np.ones(len(self.times), bool)
        if request.period is not None:
            fits &= self._in_period(request)
        if request.max_cloud is not None and self.cloud is not None:
            fits &= ~(self.cloud > request.max_cloud)  # NaN, the unknown, passes
        for name, wanted in (
            ("grid:code", {f"MGRS-{tile}" for tile in request.tile}),
            ("platform", {facts.normal_platform(name) for name in request.platform}),
            ("sat:orbit_state", {request.orbit_direction} if request.orbit_direction else set()),
            ("sat:relative_orbit", set(request.relative_orbit)),
        ):
            if wanted and name in self._texts:
                fits &= self._is_one_of(name, wanted)
        rows = np.flatnonzero(fits)
        area = request_area(request)
        return rows if area is None else rows[self._touches(area, rows)]

    def _is_one_of(self, name: str, wanted: set[Any]) -> NDArray[np.bool_]:
        column = self._texts[name]
        # An item that does not say may still tell by its id, so it stays among the candidates.
        known = np.array([value in wanted for value in column.dictionary.to_pylist()] + [True])
        codes = pc.fill_null(column.indices, len(known) - 1).to_numpy()
        return np.asarray(known[codes])

    def _in_period(self, request: Request) -> NDArray[np.bool_]:
        fits = np.zeros(len(self.times), bool)
        for start, end in request.period.spans if request.period is not None else ():
            span = np.ones(len(self.times), bool)
            if start is not None:
                span &= self.last >= np.datetime64(start, "D").astype(np.int64)
            if end is not None:
                span &= self.first <= np.datetime64(end, "D").astype(np.int64)
            fits |= span
        return fits

    def _touches(self, area: BaseGeometry, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        parts = shapely.get_parts(area)
        boxes = shapely.bounds(parts if len(parts) <= _MOST_BOXES else np.array([area]))
        west, south, east, north = (self.box[name][rows] for name in ("xmin", "ymin", "xmax", "ymax"))
        fits = np.isnan(west)  # an unknown footprint
        for left, bottom, right, top in boxes:
            beside, crossing = (west <= right) & (east >= left), west > east
            over = crossing & ((west <= right) | (east >= left))
            fits |= (beside | over) & (south <= top) & (north >= bottom)
        return np.asarray(fits)

    def _group(self, number: int) -> pa.Table:
        """Read a row group; those used last are kept, since the next search is often in the same place."""
        table = self._groups.pop(number, None)
        if table is None:
            table = self._file.read_row_group(number)
            if len(self._groups) >= _KEPT_GROUPS:
                self._groups.pop(next(iter(self._groups)))
        self._groups[number] = table
        return table

    def items(self, rows: NDArray[np.int64], area: BaseGeometry | None) -> list[pystac.Item]:
        """Make the items of those rows whose outline touches the area or is unknown."""
        groups = np.searchsorted(self._starts, rows, side="right") - 1
        made: list[pystac.Item] = []
        for group in np.unique(groups):
            table = self._group(int(group)).take(pa.array(rows[groups == group] - self._starts[group]))
            made += to_items(table if area is None else table.filter(_touching(table, area)))
        return made


def _touching(table: pa.Table, area: BaseGeometry) -> pa.Array:
    """Return True for each row whose outline touches a prepared area, or is empty, which means unknown."""
    outlines = table["geometry"].combine_chunks().dictionary_encode()  # many scenes share one
    shapes = shapely.from_wkb(np.array(outlines.dictionary.to_pylist(), dtype=object))
    shapes = np.where(shapely.is_valid(shapes), shapes, shapely.make_valid(shapes))
    known = shapely.is_empty(shapes) | shapely.intersects(area, shapes)
    return pa.array(known[outlines.indices.to_numpy()])


def _in_time(shelves: list[_Shelf], request: Request) -> NDArray[np.int64]:
    """(shelf, row) of every candidate, by time and id."""
    found = [shelf.candidates(request) for shelf in shelves]
    places = [np.column_stack([np.full(len(rows), n), rows]) for n, rows in enumerate(found)]
    if not places:
        return np.empty((0, 2), np.int64)
    times = np.concatenate([shelf.times[rows] for shelf, rows in zip(shelves, found, strict=True)])
    ids = pa.concat_arrays([shelf.ids.take(pa.array(rows)) for shelf, rows in zip(shelves, found, strict=True)])
    ranks = pc.rank(ids).to_numpy() if len(ids) else times
    return np.concatenate(places)[np.lexsort((ranks, times))]


def _made(shelves: list[_Shelf], places: NDArray[np.int64], area: BaseGeometry | None) -> list[pystac.Item]:
    made: list[pystac.Item] = []
    for n in np.unique(places[:, 0]):
        made += shelves[n].items(places[places[:, 0] == n, 1], area)
    return made


def default_place(root: Path) -> Path:
    """Return where the index of an archive is kept unless another folder is named."""
    key = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return get_settings().cache() / "index" / key


def open_index(path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None) -> ArchiveIndex:
    """Open an index made before.

    Parameters
    ----------
    path : path
        The archive that was indexed, or the folder of the index itself.
    root : path, optional
        With the folder of an index that somebody else may have written: the archive you trust. Without it the files an
        index names are opened only below ``settings.archive_roots``, unless it lies where we keep the index of that
        archive, or you made it there yourself (`index_archive` with ``out=``).

    Returns
    -------
    ArchiveIndex

    Raises
    ------
    NothingFoundError
        There is no index of it.
    CatalogueReplyError
        The index is damaged, or belongs to another archive.
    """
    folder = Path(path).expanduser().resolve()
    is_index = (folder / MANIFEST).is_file()
    place = folder if is_index else default_place(folder)
    try:
        index = ArchiveIndex(place)
    except FileNotFoundError as error:
        raise NothingFoundError(
            f"There is no index of {folder}. Make one first: index_archive({str(folder)!r}).", path=folder
        ) from error
    named = Path(root).expanduser().resolve() if root is not None else None if is_index else folder
    if named is not None and index.root != named:
        raise CatalogueReplyError(
            f"{place} is an index of {index.root}, not of {named}. Index {named} again.", path=place, root=named
        )
    trusted = named is not None or default_place(index.root).resolve() == place or is_own(place, index.root)
    return ArchiveIndex(place, trusted=trusted)
