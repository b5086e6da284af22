"""GDAL's resampling of a file onto any grid, with the same number for a pixel in whatever window it is asked for.

GDAL makes the width of its kernel and its shortcut through the projection from the window it is given, so a crop would
differ from the whole. Windows are therefore made of tiles that lie fixed on the ground: counted in pixels of the grid
from the origin of its coordinate system, each warped whole and by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.raster.grid import PixelGrid, Transform
from terrascope_nb.raster.lookup import find_centres, steps_between
from terrascope_nb.raster.window import Reader, own_mask

_SIDE = 256
"""Pixels along a tile, where the file's pixels are about as large."""
_LEAST_SIDE = 16
_SOURCE_SIDE = 1024
"""Pixels of the file along a tile, about; a tile of a coarser grid has fewer pixels of its own."""
_PHASES = 2**20
"""Parts of a pixel by which grids are told apart: what rounding leaves of one corner is far less."""
_WHOLE = 0.05
"""A ratio of pixel sizes this close to a whole number counts as that, as it does for GDAL itself."""
_Region = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Lattice:
    """Tiles that lie fixed on the ground, cut of the pixels of a grid and of all its crops alike."""

    crs: str
    """Coordinate system of the grid."""
    transform: Transform
    """Of the pixel (0, 0), the one nearest to the origin of the coordinate system."""
    row: int
    """Row of the grid's first pixel."""
    col: int
    """Its column."""

    @classmethod
    def under(cls, grid: PixelGrid) -> Lattice:
        """Return the lattice of a grid."""
        a, b, c, d, e, f = grid.transform
        determinant = a * e - b * d
        col, col_part = _split((e * c - b * f) / determinant)
        row, row_part = _split((a * f - d * c) / determinant)
        origin = (a, b, a * col_part + b * row_part, d, e, d * col_part + e * row_part)
        return cls(grid.crs, origin, row, col)

    def cut(self, row: int, col: int, rows: int, cols: int) -> PixelGrid:
        """Return some of its pixels; the same numbers for all crops of a grid."""
        return PixelGrid(self.crs, self.transform, (1, 1)).crop(row, col, rows, cols)


def _split(position: float) -> tuple[int, float]:
    """Return the whole pixels and the part of a pixel, blind to what rounding adds or takes."""
    part = round(position % 1 * _PHASES) % _PHASES / _PHASES
    return round(position - part), part


def warped(
    reader: Reader, grid: PixelGrid, resampling: str, missing: float | None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the numbers of a file on a grid, resampled, and where the file has any.

    Parameters
    ----------
    missing : float, optional
        Stored number that takes no part.

    Returns
    -------
    tuple of stored numbers (0 or ``missing`` where there are none) and True where a pixel's centre lies in the file.
    """
    info = reader.info
    stored = np.zeros(grid.shape, dtype=info.dtype)
    inside = np.zeros(grid.shape, dtype=bool)
    lattice = Lattice.under(grid)
    steps = steps_between(info.grid, lattice.cut(0, 0, 1, 1))
    side = _side(min(steps))
    margin = int(3 * max(1.0, *steps)) + 3
    tiles = [
        _Tile.under(lattice, info.grid, row, col, side, margin)
        for row in range(lattice.row // side * side, lattice.row + grid.shape[0], side)
        for col in range(lattice.col // side * side, lattice.col + grid.shape[1], side)
    ]
    tiles = [tile for tile in tiles if tile.region is not None]
    if not tiles:
        return stored, inside
    regions = [tile.region for tile in tiles if tile.region is not None]
    top, left = min(region[0] for region in regions), min(region[1] for region in regions)
    bottom, right = max(region[2] for region in regions), max(region[3] for region in regions)
    source = reader.read(0, top, left, bottom, right)
    means = own_mask(reader, 0, (top, left, bottom, right))
    if means is not None:
        source, missing = _without(source, means, missing), math.nan
    for tile, region in zip(tiles, regions, strict=True):
        piece = source[region[0] - top : region[2] - top, region[1] - left : region[3] - left]
        numbers = _warped_tile(piece, info.grid, region, tile.grid, steps, resampling, missing)
        row, col = tile.row - lattice.row, tile.col - lattice.col
        there = np.s_[max(row, 0) : row + side, max(col, 0) : col + side]
        rows, cols = stored[there].shape
        of_tile = np.s_[max(-row, 0) : max(-row, 0) + rows, max(-col, 0) : max(-col, 0) + cols]
        numbers, known = numbers[of_tile], tile.inside[of_tile]
        if means is not None:
            known = known & np.isfinite(numbers)
            numbers = np.where(known, numbers if stored.dtype.kind == "f" else np.floor(numbers + 0.5), 0)
        stored[there] = numbers
        inside[there] = known
    return stored, inside


@dataclass(frozen=True, slots=True, eq=False)
class _Tile:
    """A tile of the lattice, and what of a file lies under it."""

    row: int
    """Row of the lattice it begins at."""
    col: int
    """Its column."""
    grid: PixelGrid
    """Its pixels."""
    region: _Region | None
    """Top, left, bottom, right of the part of the file under it, with a margin for the kernel; None = nothing."""
    inside: NDArray[np.bool_]
    """Where a pixel's centre lies in the file."""

    @classmethod
    def under(cls, lattice: Lattice, file_grid: PixelGrid, row: int, col: int, side: int, margin: int) -> _Tile:
        grid = lattice.cut(row, col, side, side)
        rows, cols = find_centres(grid.pad(2), file_grid)
        height, width = file_grid.shape
        top, bottom = max(int(rows.min()) - margin, 0), min(int(rows.max()) + margin + 1, height)
        left, right = max(int(cols.min()) - margin, 0), min(int(cols.max()) + margin + 1, width)
        region = None if top >= bottom or left >= right else (top, left, bottom, right)
        rows, cols = rows[2:-2, 2:-2], cols[2:-2, 2:-2]
        inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        return cls(row, col, grid, region, inside)


def _without(source: NDArray[Any], means: NDArray[np.bool_], missing: float | None) -> NDArray[Any]:
    """Return numbers with NaN in place of those that mean nothing."""
    gone = ~means if missing is None or math.isnan(missing) else ~means | (source == missing)
    wide = source.astype(np.result_type(source.dtype, "float32"))
    wide[gone] = np.nan
    return wide


def _side(step: float) -> int:
    """Return how many pixels a tile has along each side, a power of two."""
    fitting = 2 ** math.floor(math.log2(_SOURCE_SIDE / max(step, 1e-9)))
    return int(min(max(fitting, _LEAST_SIDE), _SIDE))


def _warped_tile(
    source: NDArray[Any],
    file_grid: PixelGrid,
    region: _Region,
    tile: PixelGrid,
    steps: tuple[float, float],
    resampling: str,
    missing: float | None,
) -> NDArray[Any]:
    import rasterio  # GDAL takes 0.15 s to load, and most files do not need it
    from rasterio.enums import Resampling
    from rasterio.warp import reproject

    top, left, bottom, right = region
    down, across = (1 / _rounded(step) for step in steps)
    stored = np.zeros(tile.shape, dtype=source.dtype)
    reproject(
        np.ascontiguousarray(source),
        stored,
        src_transform=rasterio.Affine(*file_grid.crop(top, left, bottom - top, right - left).transform),
        src_crs=file_grid.crs,
        dst_transform=rasterio.Affine(*tile.transform),
        dst_crs=tile.crs,
        resampling=Resampling[resampling],
        src_nodata=missing,
        dst_nodata=missing,
        init_dest_nodata=True,
        # The width of the kernel, which GDAL would guess from the tile and from what of it lies in the file.
        XSCALE=across,
        YSCALE=down,
    )
    return stored


def _rounded(step: float) -> float:
    whole = max(round(step), 1)
    return float(whole) if abs(step - whole) < _WHOLE else step
