"""One window of one file on a grid: the one place where pixels are read.

Pixels come in one of three ways, the first that fits:

* the grid is the file's own: a plain window, bit for bit;
* the grid is finer by a whole number (20 m on a 10 m grid): the window, each pixel repeated;
* anything else: the file's pixel that holds the centre of each grid pixel (``nearest``), taken from the coarsest
  overview that is still at least as fine as the grid; or GDAL's warper for the other resampling methods.

Nothing is ever filled in: ``inside`` says which pixels of the grid the file has at all.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.errors import CorruptAssetError
from terrascope_nb.raster.blocks import NativeReader, native_reader
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.info import FileInfo
from terrascope_nb.raster.lookup import find_centres, steps_between

if TYPE_CHECKING:
    from terrascope_nb.raster.remote import RemoteReader

RESAMPLING = ("nearest", "bilinear", "cubic", "average", "mode", "min", "max", "med", "q1", "q3", "lanczos")
"""Resampling methods on offer: GDAL's names."""


@dataclass(frozen=True, slots=True)
class Window:
    """Stored numbers on a grid."""

    stored: NDArray[Any]
    """Stored numbers, shape of the grid; 0 where not inside."""
    inside: NDArray[np.bool_]
    """True where the file has a pixel, and its own mask, if it has one, leaves it."""
    info: FileInfo
    """What the file says of itself."""


class Reader(Protocol):
    """Reads regions of one band of one file."""

    @property
    def info(self) -> FileInfo:
        """What the file says of itself."""

    def read(self, level: int, top: int, left: int, bottom: int, right: int) -> NDArray[Any]:
        """Return the stored numbers of a region inside a level (0 = full resolution)."""


@runtime_checkable
class MaskedReader(Reader, Protocol):
    """A reader of files that may have a mask of their own."""

    def mask(self, level: int, top: int, left: int, bottom: int, right: int) -> NDArray[np.bool_]:
        """Return which pixels of a region mean something."""


def own_mask(reader: Reader, level: int, region: tuple[int, int, int, int]) -> NDArray[np.bool_] | None:
    """Return which pixels of a region the file's own mask leaves; None where it has no mask."""
    if reader.info.masked and isinstance(reader, MaskedReader):
        return reader.mask(level, *region)
    return None


@contextmanager
def open_reader(href: str, *, band: int = 1, variable: str | None = None) -> Iterator[Reader]:
    """Open a file with our own block reader where it can, else with GDAL; the numbers are the same."""
    native = None if variable is not None else own_reader(href, band)
    if native is not None:
        yield native
        return
    from terrascope_nb.raster.gdal import gdal_reader  # GDAL takes 0.15 s to load, and most files do not need it

    with gdal_reader(href, band=band, variable=variable) as reader:
        yield reader


def own_reader(href: str, band: int = 1, *, whole_blocks: bool | None = None) -> NativeReader | RemoteReader | None:
    """Return a reader of a band's native blocks, on a disk or behind HTTP, or None where GDAL has to do it.

    Parameters
    ----------
    whole_blocks : bool, optional
        As in `Settings`, which are asked when it is None. It is for files on a disk: what comes over a network is
        always checked.

    Raises
    ------
    AssetUnreachableError
        The file is not there or the server does not give it.
    """
    if not href.lower().startswith(("http://", "https://")):
        return native_reader(href, band, whole_blocks=whole_blocks)
    from terrascope_nb.raster.remote import remote_reader  # HTTP libraries: not for those who read from a disk

    return remote_reader(href, band)


def read_info(href: str, *, band: int = 1, variable: str | None = None) -> FileInfo:
    """Return what a file says of itself.

    Raises
    ------
    AssetUnreachableError
        The file is not there or the server does not give it.
    CorruptAssetError
        The file is no raster file.
    NotLoadableError
        A container that cannot be read in windows; the message says what to take instead.
    """
    with open_reader(href, band=band, variable=variable) as reader:
        return reader.info


def read_window(
    href: str,
    grid: PixelGrid,
    *,
    resampling: str = "nearest",
    band: int = 1,
    variable: str | None = None,
    nodata: float | None = None,
    reader: Reader | None = None,
) -> Window:
    """Return the stored numbers of a file on a grid.

    Parameters
    ----------
    href : str
        Local path or https URL, already checked by the caller.
    grid : PixelGrid
        Where numbers are wanted; may lie partly or wholly outside the file.
    resampling : str
        One of `RESAMPLING`; used only where the grid is not the file's own.
    band : int
        Band of the file, from 1.
    variable : str, optional
        Name of the variable in a NetCDF file.
    nodata : float, optional
        Stored number that must not take part in an average; the file's own when None.
    reader : Reader, optional
        A reader of that band, where the caller has one.

    Returns
    -------
    Window
        ``stored`` has the file's dtype and the grid's shape.

    Raises
    ------
    AssetUnreachableError, CorruptAssetError, NotLoadableError
        As `read_info`; a read that fails half-way is a `CorruptAssetError`, never zeros.
    """
    if reader is not None:
        return _read_on(reader, href, grid, resampling, nodata)
    with open_reader(href, band=band, variable=variable) as opened:
        return _read_on(opened, href, grid, resampling, nodata)


def _read_on(reader: Reader, href: str, grid: PixelGrid, resampling: str, nodata: float | None) -> Window:
    info = reader.info
    if not info.grid.crs:
        raise CorruptAssetError(f"{href} says no coordinate system, so it cannot be placed on a grid.", href=href)
    for factor in whole_factors(info.grid, grid, resampling):
        at = grid.offset_in(info.grid, factor)
        if at is not None:
            return _repeated(reader, grid, at, factor)
    if resampling != "nearest":
        return _warped(reader, grid, resampling, nodata)
    return _nearest(reader, grid)


def whole_factors(file_grid: PixelGrid, grid: PixelGrid, resampling: str) -> list[int]:
    """1, and how many grid pixels fit in a file pixel when that is a whole number and pixels may be repeated."""
    if not (file_grid.is_north_up and grid.is_north_up):
        return []
    ratio = abs(file_grid.transform[0] / grid.transform[0])
    if resampling == "nearest" and 1.5 < ratio < 1000 and abs(ratio - round(ratio)) < 1e-6:
        return [round(ratio)]
    return [1]


def _repeated(reader: Reader, grid: PixelGrid, at: tuple[int, int], factor: int) -> Window:
    """Read the file's own pixels, each repeated ``factor`` times in both directions."""
    info = reader.info
    rows, cols = grid.shape
    height, width = info.grid.shape
    row0, col0 = max(at[0], 0), max(at[1], 0)
    row1, col1 = min(at[0] + rows, height * factor), min(at[1] + cols, width * factor)
    if row0 >= row1 or col0 >= col1:
        return Window(np.zeros((rows, cols), dtype=info.dtype), np.zeros((rows, cols), dtype=bool), info)
    top, left = row0 // factor, col0 // factor
    bottom, right = -(-row1 // factor), -(-col1 // factor)
    piece = reader.read(0, top, left, bottom, right)
    means = own_mask(reader, 0, (top, left, bottom, right))
    if factor > 1:
        cut = np.s_[row0 - top * factor : row1 - top * factor, col0 - left * factor : col1 - left * factor]
        piece = piece.repeat(factor, axis=0).repeat(factor, axis=1)[cut]
        means = None if means is None else means.repeat(factor, axis=0).repeat(factor, axis=1)[cut]
    if means is not None:
        piece = np.where(means, piece, 0).astype(piece.dtype, copy=False)
    if piece.shape == (rows, cols) and means is not None:
        return Window(piece, means, info)
    if piece.shape == (rows, cols):
        return Window(piece, np.ones((rows, cols), dtype=bool), info)
    stored = np.zeros((rows, cols), dtype=info.dtype)
    inside = np.zeros((rows, cols), dtype=bool)
    there = np.s_[row0 - at[0] : row1 - at[0], col0 - at[1] : col1 - at[1]]
    stored[there] = piece
    inside[there] = True if means is None else means
    return Window(stored, inside, info)


def _nearest(reader: Reader, grid: PixelGrid) -> Window:
    """Take, for each grid pixel, the file's pixel that holds its centre."""
    return take(reader, lookup_for(reader.info.grid, reader.info.levels, grid))


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """Which pixel of a file each pixel of a grid takes; the same for all files on one grid."""

    level: int
    """Level of the file, 0 = full resolution."""
    region: tuple[int, int, int, int]
    """Top, left, bottom, right of the pixels that are taken, in that level; empty when none is."""
    index: NDArray[Any]
    """Number of the pixel in the region, row by row (int32 or int64); 0 where not inside."""
    inside: NDArray[np.bool_]
    """True where the file has a pixel."""


def look_up(info: FileInfo, grid: PixelGrid) -> Lookup:
    """Return which pixel of a file holds the centre of each pixel of a grid."""
    level = _level_for(info, grid)
    height, width = info.levels[level]
    rows, cols = find_centres(grid, info.grid.recut((height, width)))
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    if not inside.any():
        return Lookup(level, (0, 0, 0, 0), np.zeros(grid.shape, dtype=np.int32), inside)
    (top, bottom), (left, right) = (
        (int(np.min(n, where=inside, initial=size)), int(np.max(n, where=inside, initial=0)) + 1)
        for n, size in ((rows, height), (cols, width))
    )
    # In the memory of the rows, unless the region has more pixels than that can count.
    index: NDArray[Any] = rows.astype(np.int32 if (bottom - top) * (right - left) < 2**31 else np.int64, copy=False)
    index -= top
    index *= right - left
    index += cols
    index -= left
    if not inside.all():
        index[~inside] = 0
    return Lookup(level, (top, left, bottom, right), index, inside)


@functools.lru_cache(maxsize=4)
def lookup_for(file_grid: PixelGrid, levels: tuple[tuple[int, int], ...], grid: PixelGrid) -> Lookup:
    """Return `look_up` of a file on that grid; two tiles of two resolutions ask for the same each date."""
    return look_up(FileInfo(file_grid, "", None, None, None, levels), grid)


def take(reader: Reader, lookup: Lookup) -> Window:
    """Return the pixels that a lookup says."""
    info = reader.info
    if not lookup.inside.any():
        return Window(np.zeros(lookup.inside.shape, dtype=info.dtype), lookup.inside, info)
    stored = reader.read(lookup.level, *lookup.region).reshape(-1).take(lookup.index)
    means = own_mask(reader, lookup.level, lookup.region)
    inside = lookup.inside if means is None else lookup.inside & means.reshape(-1).take(lookup.index)
    if not inside.all():
        stored[~inside] = 0
    return Window(stored, inside, info)


def _level_for(info: FileInfo, grid: PixelGrid) -> int:
    """Return the coarsest level that is still at least as fine as the grid; 0 = full resolution."""
    if len(info.levels) < 2:
        return 0
    wanted = _ground_ratio(info.grid, grid)
    rows, cols = info.grid.shape
    # An overview has whole pixels only, so its true factor is a little below the one it is called by.
    factors = [max(rows / height, cols / width) for height, width in info.levels]
    return max((level for level, factor in enumerate(factors) if factor <= wanted * (1 + 1e-6)), default=0)


def _ground_ratio(file_grid: PixelGrid, grid: PixelGrid) -> float:
    """How many file pixels lie along one grid pixel (the smaller of the two directions)."""
    return min(steps_between(file_grid, grid))


def _warped(reader: Reader, grid: PixelGrid, resampling: str, nodata: float | None) -> Window:
    """Let GDAL resample; nodata takes no part, and a pixel counts as inside when its centre is."""
    from terrascope_nb.raster.warp import warped  # only for grids that are resampled

    missing = reader.info.nodata if nodata is None else nodata
    return Window(*warped(reader, grid, resampling, missing), reader.info)
