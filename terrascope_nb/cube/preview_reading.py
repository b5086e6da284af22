"""The pixels of a preview: which level of the files, which window of it, and all bands on that window."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.catalogue.access import open_href
from terrascope_nb.cube.plan import Source
from terrascope_nb.errors import CorruptAssetError, GridError
from terrascope_nb.host.limits import cores
from terrascope_nb.host.waiting import carrying_stop, stoppable
from terrascope_nb.raster.blocks import NativeReader, native_reader
from terrascope_nb.raster.grid import PixelGrid, same_crs
from terrascope_nb.raster.info import FileInfo
from terrascope_nb.raster.lookup import centre_indices

Bounds = tuple[float, float, float, float]
"""``(left, bottom, right, top)``."""
Found = tuple[NDArray[Any], NDArray[np.bool_] | None]
"""Stored numbers, and which of them the file has and its own mask leaves; None = all."""
_Region = tuple[int, int, int, int]
"""``(top, left, bottom, right)`` in pixels."""
_SNAP = 1e-6
"""An edge this close to a pixel border (in pixels of full resolution) lies on it."""


_WAITING = 16
"""Files behind a server that are asked for at once, at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """One file of a preview."""

    source: Source
    """Which file."""
    href: str
    """Where it was found."""
    info: FileInfo
    """What it says of itself."""
    reader: Any
    """Reads its blocks; None = GDAL does."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The pixels of a preview."""

    source: PixelGrid
    """Full resolution of the file whose pixels they are."""
    level: PixelGrid
    """Its level that is read."""
    region: _Region
    """``(top, left, bottom, right)`` in pixels of the level."""
    every: int = 1
    """Of how many rows and columns one is taken, where a file has no overview."""

    @property
    def whole(self) -> PixelGrid:
        """The grid of all pixels of the region."""
        top, left, bottom, right = self.region
        return self.level.crop(top, left, bottom - top, right - left)

    @property
    def grid(self) -> PixelGrid:
        """The grid of the preview; the centre of a pixel is that of the pixel that is taken."""
        whole, every = self.whole, self.every
        if every == 1:
            return whole
        a, b, c, d, e, f = whole.transform
        shift = (1 - every) / 2
        rows, cols = (-(-side // every) for side in whole.shape)
        moved = (a * every, b * every, c + (a + b) * shift, d * every, e * every, f + (d + e) * shift)
        return PixelGrid(whole.crs, moved, (rows, cols))


def open_all(sources: Sequence[Source]) -> list[Opened]:
    """Open files, and read what they say of themselves.

    Raises
    ------
    AccessError
        One cannot be opened.
    """
    hrefs = [open_href(source.ref) for source in sources]
    jobs = [functools.partial(_open, source, href) for source, href in zip(sources, hrefs, strict=True)]
    # Headers on a disk are read in less time than a thread takes to begin.
    return _run(jobs, _threads_for(hrefs)) if any(map(_is_remote, hrefs)) else [job() for job in jobs]


def _is_remote(href: str) -> bool:
    return not href.startswith("/")


def _threads_for(hrefs: Sequence[str]) -> int:
    """Return one thread per core, or per file behind a server: those wait most of their time."""
    return max(cores(), min(_WAITING, sum(map(_is_remote, hrefs))))


def _run(jobs: Sequence[Callable[[], Any]], threads: int) -> list[Any]:
    """Return what the jobs return."""
    if len(jobs) == 1:
        return [jobs[0]()]
    with ThreadPoolExecutor(min(threads, len(jobs))) as pool, stoppable():
        do: Callable[[Callable[[], Any]], Any] = carrying_stop(lambda job: job())
        return list(pool.map(do, jobs))


def _open(source: Source, href: str) -> Opened:
    reader: Any = None
    if source.variable is None:
        if not _is_remote(href):
            reader = native_reader(href, source.band_index)
        else:
            from terrascope_nb.raster.remote import remote_reader  # HTTP: not for those who read from a disk

            reader = remote_reader(href, source.band_index)
    if reader is not None:
        return Opened(source, href, reader.info, reader)
    from terrascope_nb.raster.window import read_info  # brings GDAL, which most files do not need

    info = read_info(href, band=source.band_index, variable=source.variable)
    return Opened(source, href, info, None)


def choose_frame(files: Sequence[Opened], bounds: Callable[[str], Bounds] | None, size: int | None) -> Frame:
    """Return the pixels of a preview: those of the finest file, of the level whose longer side is nearest to a size.

    Parameters
    ----------
    bounds : callable, optional
        Gives what is to be seen, in the coordinate system it is asked in; None = all that the file has.
    size : int, optional
        About how many pixels the longer side shall have; None = full resolution.

    Raises
    ------
    GridError
        Nothing of what is to be seen lies in the file.
    CorruptAssetError
        The file does not say where its pixels lie.
    """
    first = min(files, key=lambda file: math.prod(file.info.grid.resolution))
    full = first.info.grid
    levels = [full.recut(shape) for shape in first.info.levels]
    if bounds is None:
        regions = [(0, 0, *level.shape) for level in levels]
    else:
        if not full.crs:
            raise CorruptAssetError(
                f"{first.href} says no coordinate system, so an area cannot be found in it. Leave area and bounds out.",
                href=first.href,
            )
        wanted = bounds(full.crs)
        regions = [_region(level, wanted, _SNAP * level.shape[0] / full.shape[0]) for level in levels]
        top, left, bottom, right = regions[0]
        if top >= bottom or left >= right:
            has = full.bounds
            raise GridError(
                f"A preview was asked for of {_box(wanted)}, which does not touch {first.source.ref.item_id}: its pixels "
                f"lie in {_box(has)} ({full.crs:.40}). Choose an item of that place, or check the order: left, bottom, "
                "right, top.",
                bounds=wanted,
                item_bounds=has,
            )
    sides = [max(bottom - top, right - left) for top, left, bottom, right in regions]
    level = 0 if size is None else min(range(len(sides)), key=lambda number: abs(math.log(sides[number] / size)))
    every = max(1, sides[0] // size) if size is not None and len(levels) == 1 else 1
    return Frame(full, levels[level], regions[level], every)


def _box(bounds: Bounds) -> str:
    left, bottom, right, top = bounds
    return f"x {left:.10g} to {right:.10g}, y {bottom:.10g} to {top:.10g}"


def _region(grid: PixelGrid, bounds: Bounds, snap: float) -> _Region:
    """Return the smallest block of a grid's pixels that holds a box, as far as the grid reaches.

    An edge that lies less than ``snap`` pixels beyond a border lies on it.
    """
    a, b, c, d, e, f = grid.transform
    left, bottom, right, top = bounds
    determinant = a * e - b * d
    corners = [(x - c, y - f) for x in (left, right) for y in (bottom, top)]
    rows = [(a * y - d * x) / determinant for x, y in corners]
    cols = [(e * x - b * y) / determinant for x, y in corners]
    ends = []
    for positions, length in ((rows, grid.shape[0]), (cols, grid.shape[1])):
        begin = math.floor(min(positions) + snap)
        end = max(math.ceil(max(positions) - snap), begin + 1)
        ends.append((max(begin, 0), min(end, length)))
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]


def read_all(files: Sequence[Opened], frame: Frame) -> list[Found]:
    """Return the stored numbers of every file on a frame, and which pixels the file has; None = all."""
    found: dict[int, Found] = {}

    def fetch(number: int, file: Opened, cut: tuple[int, _Region] | None) -> None:
        if cut is None:
            found[number] = _taken(file, frame.grid)
        elif frame.every > 1:
            found[number] = _thinned(file, *cut, frame.every)
        else:
            found[number] = _read(file, *cut)

    jobs: list[Callable[[], Any]] = []
    for number, file in enumerate(files):
        cut = _cut(file, frame)
        if cut is not None and frame.every == 1 and isinstance(file.reader, NativeReader):
            room, strips = _in_strips(file.reader, *cut)
            found[number] = room, None
            jobs += strips
        else:
            jobs.append(functools.partial(fetch, number, file, cut))
    _run(jobs, _threads_for([file.href for file in files]))
    return [found[number] for number in range(len(files))]


def _cut(file: Opened, frame: Frame) -> tuple[int, _Region] | None:
    """Return level and region of a file whose pixels are those of the frame; None where they are not."""
    for number, shape in enumerate(file.info.levels):
        if file.info.grid == frame.source and shape == frame.level.shape:
            return number, frame.region
        level = file.info.grid.recut(shape)
        at = frame.whole.offset_in(level)
        if at is not None:
            rows, cols = frame.whole.shape
            if at[0] >= 0 and at[1] >= 0 and at[0] + rows <= shape[0] and at[1] + cols <= shape[1]:
                return number, (at[0], at[1], at[0] + rows, at[1] + cols)
    return None


def _in_strips(reader: NativeReader, level: int, region: _Region) -> tuple[NDArray[Any], list[Callable[[], Any]]]:
    """Return room for a region, and jobs that fill it: one per row of blocks, so that none is decoded twice."""
    top, left, bottom, right = region
    room = np.empty((bottom - top, right - left), dtype=reader.header.dtype)
    high = reader.header.levels[level].block[0]
    edges = [top, *range((top // high + 1) * high, bottom, high), bottom]
    jobs = [
        functools.partial(reader.read, level, begin, left, end, right, room[begin - top : end - top])
        for begin, end in itertools.pairwise(edges)
    ]
    return room, list(jobs)


def _read(file: Opened, level: int, region: _Region) -> Found:
    if file.reader is not None:
        return file.reader.read(level, *region), None
    from terrascope_nb.raster.window import open_reader, own_mask  # see _open

    with open_reader(file.href, band=file.source.band_index, variable=file.source.variable) as reader:
        return reader.read(level, *region), own_mask(reader, level, region)


def _thinned(file: Opened, level: int, region: _Region, every: int) -> Found:
    """Read every n-th row and column of a region, a row of blocks at a time."""
    top, left, bottom, right = region
    strip = max(every, file.info.block[0]) // every * every
    stored, means = [], []
    for begin in range(top, bottom, strip):
        numbers, known = _read(file, level, (begin, left, min(begin + strip, bottom), right))
        stored.append(numbers[::every, ::every])
        if known is not None:
            means.append(known[::every, ::every])
    return np.concatenate(stored), np.concatenate(means) if means else None


def _taken(file: Opened, grid: PixelGrid) -> Found:
    """Read the file's pixel that holds the centre of each pixel of a grid, of the level that is most like it."""
    levels = [file.info.grid.recut(shape) for shape in file.info.levels]
    if same_crs(file.info.grid.crs, grid.crs):
        ratios = [math.prod(level.resolution) / math.prod(grid.resolution) for level in levels]
        number = min(range(len(levels)), key=lambda one: abs(math.log(ratios[one])))
    else:
        number = 0  # pixels of two coordinate systems are not to be compared without asking where
    height, width = levels[number].shape
    rows, cols = centre_indices(grid, levels[number])
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    if not inside.any():
        return np.zeros(grid.shape, dtype=file.info.dtype), inside
    rows, cols = rows.clip(0, height - 1), cols.clip(0, width - 1)
    top, left = int(rows.min()), int(cols.min())
    piece, means = _read(file, number, (top, left, int(rows.max()) + 1, int(cols.max()) + 1))
    if means is not None:
        inside = inside & means[rows - top, cols - left]
    return piece[rows - top, cols - left], None if inside.all() else inside
