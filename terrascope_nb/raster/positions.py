"""Where the pixels of a map tile lie in another grid, exactly; and where a grid lies on the map."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from terrascope_nb.raster.grid import PixelGrid, same_crs
from terrascope_nb.raster.lookup import transformer_between
from terrascope_nb.raster.tiling import Bounds, zoom_for

_NODES = 12
"""Points along a tile's side that are transformed exactly; a polynomial through them gives the others."""
_STRIP = 64
"""Rows that are interpolated at once."""
_TOLERANCE = 1e-5
"""Largest error of the polynomial, in pixels, before every point is transformed exactly."""


@functools.lru_cache(maxsize=8)
def _basis(size: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return nodes and test points along a side of ``size`` pixels, and the weights of the nodes for every centre."""
    nodes = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    fit = np.linalg.inv(chebyshev.chebvander(nodes, _NODES - 1))
    centres = (np.arange(size) + 0.5) / size * 2 - 1
    tested = np.concatenate([[-1.0], np.sort(nodes)[:-1] + np.diff(np.sort(nodes)) / 2, [1.0]])[::3]
    points = np.concatenate([nodes, tested])
    weights, test = (chebyshev.chebvander(at, _NODES - 1) @ fit for at in (centres, tested))
    # In strips: a product this small is slower on several cores, which BLAS would take for a larger one.
    strips = weights.reshape(-1, _STRIP, _NODES) if size % _STRIP == 0 else weights[None]
    return (points + 1) / 2 * size, strips, test


def positions(tile: PixelGrid, grid: PixelGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the fractional (row, column) in a grid of every pixel centre of a tile.

    Exact to a hundred-thousandth of a pixel: a polynomial through a few exactly transformed points, which is tested on
    others; where it does not hold (a whole hemisphere in one tile), every centre is transformed. A centre that cannot
    be transformed has NaN.
    """
    size = tile.shape[0]
    points, weights, test = _basis(size)
    along = np.meshgrid(points, points, indexing="ij")
    exact = _transformed(tile, grid, *along)
    inner, outer = np.s_[:_NODES, :_NODES], np.s_[_NODES:, _NODES:]
    worst = 0.0
    with np.errstate(invalid="ignore"):
        for found in exact:
            guess = test @ found[inner] @ test.T
            worst = max(worst, float(np.max(np.abs(guess - found[outer]))))
    if worst < _TOLERANCE:  # False for NaN and inf too
        across = weights.reshape(size, _NODES).T
        rows, cols = (np.matmul(weights @ found[inner], across).reshape(size, size) for found in exact)
    else:
        centres = np.arange(size) + 0.5
        rows, cols = _transformed(tile, grid, *np.meshgrid(centres, centres, indexing="ij"))
    return rows, turned(cols, grid)


def _transformed(tile: PixelGrid, grid: PixelGrid, rows: Any, cols: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    a, b, c, d, e, f = tile.transform
    return position_of(grid, tile.crs, c + a * cols + b * rows, f + d * cols + e * rows)


def position_of(grid: PixelGrid, crs: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Return the fractional (row, column) in a grid of points of another coordinate system."""
    if not same_crs(crs, grid.crs):
        x, y = transformer_between(crs, grid.crs).transform(x, y)
    a, b, c, d, e, f = grid.transform
    determinant = a * e - b * d
    dx, dy = x - c, y - f
    with np.errstate(invalid="ignore"):  # a point that cannot be transformed is infinite
        return (a * dy - d * dx) / determinant, (e * dx - b * dy) / determinant


def turned(cols: Any, grid: PixelGrid) -> Any:
    """Return columns with longitudes taken once round the globe where that leads into the grid."""
    if not is_geographic(grid.crs) or grid.transform[1] or grid.transform[3] or grid.transform[0] <= 0:
        return cols
    turn = 360.0 / grid.transform[0]
    if grid.transform[2] >= -180.0 and grid.transform[2] + grid.shape[1] * grid.transform[0] <= 180.0 + 1e-9:
        return cols
    return np.mod(cols, turn)


@functools.lru_cache(maxsize=256)
def is_geographic(crs: str) -> bool:
    """Return True for longitudes and latitudes in degrees."""
    import pyproj  # as in transformer_between

    return bool(pyproj.CRS.from_user_input(crs).is_geographic)


@functools.lru_cache(maxsize=512)
def lonlat_bounds_of(grid: PixelGrid) -> Bounds:
    """Return the bounds of a grid in degrees, edges followed; ``east`` is larger than 180 beyond the date line."""
    if is_geographic(grid.crs):
        left, bottom, right, top = grid.bounds
        turn = 360.0 * math.floor((left + 180.0) / 360.0)
        return left - turn, max(bottom, -90.0), right - turn, min(top, 90.0)
    there = transformer_between(grid.crs, "EPSG:4326")
    west, south, east, north = there.transform_bounds(*grid.bounds, densify_pts=21)
    if not all(map(math.isfinite, (west, south, east, north))):
        return -180.0, -85.0, 180.0, 85.0
    return west, south, east + 360.0 if east < west else east, north


@functools.lru_cache(maxsize=512)
def zoom_of(grid: PixelGrid) -> float:
    """Return the zoom at which a tile's pixels are as large as the grid's, measured at the grid's middle."""
    rows, cols = grid.shape
    a, b, c, d, e, f = grid.transform
    col, row = cols / 2, rows / 2
    x = np.array([c + a * i + b * j for i, j in ((col, row), (col + 1, row), (col, row + 1))])
    y = np.array([f + d * i + e * j for i, j in ((col, row), (col + 1, row), (col, row + 1))])
    if not same_crs(grid.crs, "EPSG:3857"):
        x, y = transformer_between(grid.crs, "EPSG:3857").transform(x, y)
    pixel = max(math.hypot(x[1] - x[0], y[1] - y[0]), math.hypot(x[2] - x[0], y[2] - y[0]))
    return zoom_for(pixel) if math.isfinite(pixel) and pixel > 0 else 0.0
