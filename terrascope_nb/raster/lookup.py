"""Which pixel of a file holds the centre of each pixel of a grid."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.raster.grid import PixelGrid, same_crs

_STEP = 16
"""Pixels between two exactly transformed points; in between the position is interpolated."""
_TOLERANCE = 0.02
"""Largest error of the interpolation, in file pixels, before the points of a cell are transformed exactly."""
_AT_ONCE = 2**16
"""Pixels whose positions are worked out at once: they stay in the cache of a core."""
_Positions = Callable[[slice], tuple[NDArray[Any], NDArray[Any]]]
"""Some rows of a grid -> fractional row and column in the file of each pixel's centre."""


@functools.lru_cache(maxsize=64)
def transformer_between(source: str, target: str) -> Any:
    """Return the pyproj transformer from one coordinate system to another, longitude first."""
    import pyproj  # only for grids of two coordinate systems

    return pyproj.Transformer.from_crs(source, target, always_xy=True)


def _positions(grid: PixelGrid, file_grid: PixelGrid, rows: Any, cols: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Fractional (row, column) in the file of points at fractional (row, column) of the grid."""
    a, b, c, d, e, f = grid.transform
    x = c + a * cols + b * rows
    y = f + d * cols + e * rows
    if not same_crs(grid.crs, file_grid.crs):
        # A new Transformer per thread is not needed: pyproj's are thread-safe since 3.1 (a context per thread).
        x, y = transformer_between(grid.crs, file_grid.crs).transform(x, y)
    a, b, c, d, e, f = file_grid.transform
    determinant = a * e - b * d
    dx, dy = x - c, y - f
    return (a * dy - d * dx) / determinant, (e * dx - b * dy) / determinant


@functools.lru_cache(maxsize=3)
def centre_indices(grid: PixelGrid, file_grid: PixelGrid, *, whole: bool = True) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what `find_centres` does; kept for the last three pairs, as bands ask for the same. Do not write into it."""
    return find_centres(grid, file_grid, whole=whole)


def find_centres(grid: PixelGrid, file_grid: PixelGrid, *, whole: bool = True) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return row and column in the file of every grid pixel's centre.

    Parameters
    ----------
    grid, file_grid : PixelGrid
        Where from and where to.
    whole : bool
        True gives int32 pixel indices (they may lie outside the file), False fractional positions.

    Returns
    -------
    tuple of two arrays with the grid's shape.
    """
    rows, cols = grid.shape
    row_axis, col_axis = np.arange(rows) + 0.5, np.arange(cols) + 0.5
    if same_crs(grid.crs, file_grid.crs) and grid.is_north_up and file_grid.is_north_up:
        row_position, _ = _positions(grid, file_grid, row_axis, np.zeros(rows))
        _, col_position = _positions(grid, file_grid, np.zeros(cols), col_axis)
        found = np.broadcast_to(row_position[:, None], grid.shape), np.broadcast_to(col_position[None, :], grid.shape)
        positions: _Positions = lambda part: (found[0][part], found[1][part])  # noqa: E731
    else:
        positions = _interpolated(grid, file_grid, row_axis, col_axis)
    if not whole:
        return positions(slice(0, rows))
    indices = np.empty((rows, cols), dtype="int32"), np.empty((rows, cols), dtype="int32")
    height = max(1, _AT_ONCE // max(cols, 1))
    for top in range(0, rows, height):
        part = slice(top, top + height)
        for index, position in zip(indices, positions(part), strict=True):
            known = position
            if not (position.size and position.max() < 2**30 and position.min() > -(2**30)):  # not true for NaN either
                # A point that cannot be transformed lies nowhere.
                known = np.where(np.isfinite(position) & (np.abs(position) < 2**30), position, -1)
            index[part] = np.floor(known)
    return indices


def steps_between(file_grid: PixelGrid, grid: PixelGrid) -> tuple[float, float]:
    """Return how many file pixels lie along one grid pixel, down and across; (1, 1) where that cannot be said."""
    if same_crs(file_grid.crs, grid.crs):
        file_y, file_x = file_grid.resolution
        grid_y, grid_x = grid.resolution
        return grid_y / file_y, grid_x / file_x
    # Measured at the middle of the file, so that every piece of a cube comes to the same answer.
    rows, cols = file_grid.shape
    heart = file_grid.crop(rows // 2, cols // 2, 1, 1)
    row, col = (float(position[0, 0]) for position in centre_indices(heart, grid, whole=False))
    if not (np.isfinite(row) and np.isfinite(col)):
        return 1.0, 1.0
    middle = grid.crop(int(np.floor(row)), int(np.floor(col)), 2, 2)
    row_index, col_index = centre_indices(middle, file_grid, whole=False)
    down = float(np.hypot(col_index[1, 0] - col_index[0, 0], row_index[1, 0] - row_index[0, 0]))
    across = float(np.hypot(col_index[0, 1] - col_index[0, 0], row_index[0, 1] - row_index[0, 0]))
    return (down, across) if np.isfinite(across) and np.isfinite(down) else (1.0, 1.0)


def _interpolated(grid: PixelGrid, file_grid: PixelGrid, row_axis: NDArray[Any], col_axis: NDArray[Any]) -> _Positions:
    """Transform a lattice exactly, check the middles of its cells, and return what interpolates where that is close."""
    exact = functools.partial(_positions, grid, file_grid)
    a, _, c, _, e, f = grid.transform
    lattice_rows = _lattice(grid.shape[0], f / e if grid.is_north_up else 0.0)
    lattice_cols = _lattice(grid.shape[1], c / a if grid.is_north_up else 0.0)
    on_lattice = exact(*np.meshgrid(lattice_rows, lattice_cols, indexing="ij"))
    middle_rows = (lattice_rows[1:] + lattice_rows[:-1]) / 2
    middle_cols = (lattice_cols[1:] + lattice_cols[:-1]) / 2
    middles = exact(*np.meshgrid(middle_rows, middle_cols, indexing="ij"))
    with np.errstate(invalid="ignore"):  # a corner that cannot be transformed lies at infinity
        means = [(p[1:, 1:] + p[1:, :-1] + p[:-1, 1:] + p[:-1, :-1]) / 4 for p in on_lattice]
        errors = [np.abs(mean - middle) for mean, middle in zip(means, middles, strict=True)]
    # Cell by cell, so that a pixel has the same answer whatever else is asked for; not true for NaN and inf either.
    close = (errors[0] < _TOLERANCE) & (errors[1] < _TOLERANCE)

    def positions(part: slice) -> tuple[NDArray[Any], NDArray[Any]]:
        if not close.any():
            return exact(*np.meshgrid(row_axis[part], col_axis, indexing="ij"))
        with np.errstate(invalid="ignore"):
            row, col = (_bilinear(p, lattice_rows, lattice_cols, row_axis[part], col_axis) for p in on_lattice)
        if not close.all():
            cells = _cells(lattice_rows, row_axis[part])[:, None], _cells(lattice_cols, col_axis)[None, :]
            far = np.nonzero(~close[cells])
            row[far], col[far] = exact(row_axis[part][far[0]], col_axis[far[1]])
        return row, col

    return positions


def _lattice(pixels: int, begin: float) -> NDArray[Any]:
    """Return positions `_STEP` pixels apart that cover some pixels.

    They are counted from the origin of the coordinate system, not from the first pixel (which is number ``begin``): the
    same pixel has the same answer in whatever window it is asked for.
    """
    return np.arange(math.floor(begin / _STEP), math.ceil((begin + pixels) / _STEP) + 1) * float(_STEP) - begin


def _cells(lattice: NDArray[Any], at: NDArray[Any]) -> NDArray[np.intp]:
    """Return the number of the cell of a lattice that each position lies in."""
    return np.clip(np.searchsorted(lattice, at, side="right") - 1, 0, len(lattice) - 2)


def _bilinear(
    values: NDArray[Any], at_rows: NDArray[Any], at_cols: NDArray[Any], rows: NDArray[Any], cols: NDArray[Any]
) -> NDArray[Any]:
    """Interpolate a lattice on the outer product of rows and cols."""
    near = _cells(at_rows, rows)
    first, last = (int(near[0]), int(near[-1]) + 2) if near.size else (0, 2)  # of the lattice's rows
    along = _linear(values[first:last].T, at_cols, cols).T.copy()
    return _linear(along, at_rows[first:last], rows)


def _linear(values: NDArray[Any], lattice: NDArray[Any], at: NDArray[Any]) -> NDArray[Any]:
    """Interpolate rows of values, which stand at the positions of a lattice."""
    cell = _cells(lattice, at)
    part = ((at - lattice[cell]) / (lattice[cell + 1] - lattice[cell]))[:, None]
    interpolated: NDArray[Any] = values.take(cell, axis=0)
    interpolated *= 1 - part
    others = values.take(cell + 1, axis=0)
    others *= part
    interpolated += others
    return interpolated
