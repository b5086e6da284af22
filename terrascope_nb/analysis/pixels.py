"""Which pixels of a grid belong to a feature: those whose centre lies inside."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from terrascope_nb.errors import GridError

SPATIAL_DIMS = (("y", "x"), ("latitude", "longitude"), ("lat", "lon"))
_STRIP_PIXELS = 2**25
"""Largest piece that is rasterised at once: 32 MB."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A pixel grid without rotation."""

    crs: str
    """Authority string, or WKT."""
    transform: Affine
    """Pixel corner (column, row) -> crs."""
    shape: tuple[int, int]
    """Rows, columns."""

    @property
    def box(self) -> BaseGeometry:
        """The outline, in crs."""
        left, top = self.transform.c, self.transform.f
        right, bottom = left + self.shape[1] * self.transform.a, top + self.shape[0] * self.transform.e
        return shapely.box(min(left, right), min(top, bottom), max(left, right), max(top, bottom))


@dataclass(frozen=True, slots=True)
class Pixels:
    """The pixels of one feature on a grid, as runs along the rows."""

    row: NDArray[np.int64]
    """Row of each run."""
    start: NDArray[np.int64]
    """First column of each run."""
    stop: NDArray[np.int64]
    """Column after the last one of each run."""
    total: int
    """Pixels of the whole feature, those outside the grid included."""
    touched: bool
    """True: no pixel centre lies inside, so the pixels the feature touches were taken."""

    @property
    def inside(self) -> int:
        """Number of pixels on the grid."""
        return int((self.stop - self.start).sum())

    def to_mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the same as an array of rows and columns, True on the feature."""
        mask = np.zeros(shape, dtype=bool)
        for row, start, stop in zip(self.row, self.start, self.stop, strict=True):
            mask[row, start:stop] = True
        return mask


def spatial_dims(data: xr.DataArray | xr.Dataset) -> tuple[str, str]:
    """Return the names of the row and column dimension.

    Raises
    ------
    GridError
        There are none.
    """
    for dims in SPATIAL_DIMS:
        if set(dims) <= {str(name) for name in data.dims}:
            return dims
    raise GridError(
        f"a cube with dimensions y and x is needed; this one has {', '.join(map(str, data.dims)) or 'none'}."
    )


def grid_of(data: xr.DataArray | xr.Dataset) -> Grid:
    """Return the pixel grid of a cube.

    Raises
    ------
    GridError
        The cube has no y and x, no coordinate system, or pixels that are not evenly spaced.
    """
    y, x = spatial_dims(data)
    for dim in (y, x):
        step = np.diff(data[dim].values.astype("float64"))
        if step.size > 1 and not np.allclose(step, step[0], rtol=1e-3, atol=0):
            raise GridError(
                f"the pixels are not evenly spaced along {dim} (from {abs(step).min():g} to {abs(step).max():g}); "
                "reproject the cube to a regular grid first.",
                dim=dim,
            )
    import odc.geo.xr  # noqa: F401 - registers the accessor that finds the grid, and brings GDAL

    geobox = data.odc.geobox
    if geobox is None or geobox.crs is None:
        raise GridError(
            "the cube does not say its coordinate system and pixel size; set it with cube.rio.write_crs(…) or "
            "cube.odc.assign_crs(…)."
        )
    transform = geobox.transform
    if not math.isclose(transform.b, 0.0, abs_tol=1e-12) or not math.isclose(transform.d, 0.0, abs_tol=1e-12):
        raise GridError("the grid is rotated; reproject the cube first.")
    crs = f"EPSG:{geobox.crs.epsg}" if geobox.crs.epsg else geobox.crs.to_wkt()
    return Grid(crs, transform, (int(data.sizes[y]), int(data.sizes[x])))


def feature_pixels(geometry: BaseGeometry, grid: Grid) -> Pixels:
    """Return the pixels whose centre lies inside a geometry.

    This is the rule of GDAL and of Terrascope's own parcel masks. A geometry that holds no pixel centre at all gets the
    pixels it touches; a point gets the pixel it lies in.

    Parameters
    ----------
    geometry : shapely geometry
        In the crs of the grid.
    grid : Grid
        The grid; the geometry may reach beyond it.
    """
    if geometry.is_empty:
        return Pixels(*_join([]), total=0, touched=False)
    window = _window(geometry, grid.transform)
    within = _clip(window, grid.shape)
    line = geometry.geom_type.endswith(("LineString", "LinearRing"))
    if within != window and _size(window) > _STRIP_PIXELS:
        # Far larger than the cube: count the part outside by its area rather than pixel by pixel.
        runs = _rasterise(geometry, grid.transform, within, all_touched=line)
        outside = shapely.difference(geometry, grid.box).area / abs(grid.transform.a * grid.transform.e)
        return Pixels(*runs, total=int((runs[2] - runs[1]).sum()) + round(outside), touched=line)
    runs = _rasterise(geometry, grid.transform, window, all_touched=line)
    touched = line or (not len(runs[0]) and geometry.area > 0)
    if touched and not line:
        runs = _rasterise(geometry, grid.transform, window, all_touched=True)
    return Pixels(*_crop(runs, grid.shape), total=int((runs[2] - runs[1]).sum()), touched=touched)


_Window = tuple[int, int, int, int]
_Runs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _window(geometry: BaseGeometry, transform: Affine) -> _Window:
    """First and last+1 row, first and last+1 column that the geometry may touch."""
    left, bottom, right, top = geometry.bounds
    columns = [(x - transform.c) / transform.a for x in (left, right)]
    rows = [(y - transform.f) / transform.e for y in (top, bottom)]
    # One pixel more all round: an edge that lies on a pixel border may touch the next pixel.
    return (
        math.floor(min(rows)) - 1,
        math.ceil(max(rows)) + 1,
        math.floor(min(columns)) - 1,
        math.ceil(max(columns)) + 1,
    )


def _clip(window: _Window, shape: tuple[int, int]) -> _Window:
    row0, row1, column0, column1 = window
    row0, column0 = max(row0, 0), max(column0, 0)
    return row0, max(min(row1, shape[0]), row0), column0, max(min(column1, shape[1]), column0)


def _size(window: _Window) -> int:
    return (window[1] - window[0]) * (window[3] - window[2])


def _strips(window: _Window) -> Iterator[_Window]:
    row0, row1, column0, column1 = window
    height = max(1, _STRIP_PIXELS // max(1, column1 - column0))
    for first in range(row0, row1, height):
        yield first, min(first + height, row1), column0, column1


def _rasterise(geometry: BaseGeometry, transform: Affine, window: _Window, *, all_touched: bool) -> _Runs:
    from rasterio.features import rasterize  # GDAL: not for those who only take composites

    runs = []
    for strip in _strips(window):
        if _size(strip) == 0:
            continue
        mask = rasterize(
            [(geometry, 1)],
            out_shape=(strip[1] - strip[0], strip[3] - strip[2]),
            transform=Affine(
                transform.a,
                0,
                transform.c + strip[2] * transform.a,
                0,
                transform.e,
                transform.f + strip[0] * transform.e,
            ),
            all_touched=all_touched,
            dtype="uint8",
        )
        runs.append(_runs(mask, strip[0], strip[2]))
    return _join(runs)


def _runs(mask: NDArray[Any], row0: int, column0: int) -> _Runs:
    framed = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype="int8")
    framed[:, 1:-1] = mask
    edges = np.diff(framed, axis=1)
    row, start = np.nonzero(edges == 1)
    stop = np.nonzero(edges == -1)[1]
    return row + row0, start + column0, stop + column0


def _join(runs: list[_Runs]) -> _Runs:
    if not runs:
        empty = np.zeros(0, dtype="int64")
        return empty, empty, empty
    row, start, stop = (np.concatenate(part) for part in zip(*runs, strict=True))
    return row, start, stop


def _crop(runs: _Runs, shape: tuple[int, int]) -> _Runs:
    row, start, stop = runs
    start, stop = np.clip(start, 0, shape[1]), np.clip(stop, 0, shape[1])
    keep = (row >= 0) & (row < shape[0]) & (start < stop)
    return row[keep], start[keep], stop[keep]
