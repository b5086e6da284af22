"""Which pixels of a grid belong to a feature: those whose centre lies inside."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from odc.geo.crs import CRS
from odc.geo.math import affine_from_axis, approx_equal_affine, is_affine_st, resolution_from_affine
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from terrascope_nb.analysis.scanlines import Runs, Window, centre_runs, is_known
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
    shape = int(data.sizes[y]), int(data.sizes[x])
    said = _said_grid(data, y, x)
    if said is not None:
        return Grid(*said, shape)
    import odc.geo.xr  # noqa: F401 - registers the accessor that finds unusual grids, and brings GDAL

    geobox = data.odc.geobox
    if geobox is None or geobox.crs is None:
        raise GridError(
            "the cube does not say its coordinate system and pixel size; set it with cube.rio.write_crs(…) or "
            "cube.odc.assign_crs(…)."
        )
    transform = geobox.transform
    if not math.isclose(transform.b, 0.0, abs_tol=1e-12) or not math.isclose(transform.d, 0.0, abs_tol=1e-12):
        raise GridError("the grid is rotated; reproject the cube first.")
    return Grid(_crs_text(geobox.crs), transform, shape)


def _said_grid(data: xr.DataArray | xr.Dataset, y: str, x: str) -> tuple[str, Affine] | None:
    """Return what `.odc.geobox` says of a cube with two axes and one CF grid mapping; None = it has to be asked."""
    name = data.encoding.get("grid_mapping", data.attrs.get("grid_mapping"))
    scalars = [c for key, c in data.coords.items() if c.ndim == 0 and name in (None, key)]
    found = [c for c in scalars if not {"spatial_ref", "crs_wkt"}.isdisjoint(c.attrs)]
    if len(found) != 1 or "gcps" in found[0].attrs or "spatial_ref" not in found[0].attrs:
        return None
    if not {y, x} <= set(data.coords):
        return None
    numbers = str(found[0].attrs.get("GeoTransform", "")).split()
    try:
        original = Affine.from_gdal(*map(float, numbers)) if len(numbers) == 6 else None
        if original is not None and not is_affine_st(original):
            return None
        step = None if original is None or min(data.sizes[y], data.sizes[x]) > 1 else resolution_from_affine(original)
        transform = affine_from_axis(data[x].values, data[y].values, step)
        crs = _crs_said(str(found[0].attrs["spatial_ref"]))
    except (ValueError, CRSError):  # what it says is not understood, or not enough for a single row or column
        return None
    if original is not None and approx_equal_affine(transform, original):
        transform = original
    return crs, transform


@functools.lru_cache(maxsize=64)
def _crs_said(text: str) -> str:
    return _crs_text(CRS(text))


def _crs_text(crs: CRS) -> str:
    return f"EPSG:{crs.epsg}" if crs.epsg else crs.to_wkt()


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
    return features_pixels([geometry], grid)[0]


def features_pixels(geometries: Sequence[BaseGeometry], grid: Grid) -> list[Pixels]:
    """Return the same of many geometries, which takes little longer than of one."""
    places = [_place(geometry, grid) for geometry in geometries]
    known = [n for n, geometry in enumerate(geometries) if is_known(geometry) and not geometry.is_empty]
    runs_of = centre_runs([geometries[n] for n in known], grid.transform, [places[n][0] for n in known])
    found = [Pixels(*_join([]), total=0, touched=False)] * len(geometries)
    others = {n for n, geometry in enumerate(geometries) if not geometry.is_empty}.difference(known)
    for n, runs in zip(known, runs_of, strict=True):
        if len(runs[0]) or places[n][1] or not geometries[n].area:
            found[n] = _counted(geometries[n], grid, runs, is_far=places[n][1], touched=False)
        else:
            others.add(n)
    if others:
        import rasterio  # GDAL: only for lines, and for what holds no pixel centre

        with rasterio.Env():  # one for all: each geometry would set up its own, which takes longer than its pixels
            for n in others:
                found[n] = _by_gdal(geometries[n], grid, *places[n])
    return found


def _place(geometry: BaseGeometry, grid: Grid) -> tuple[Window, bool]:
    """Return where to look for pixels; True: a part of it only, since the geometry is far larger than the grid."""
    if geometry.is_empty:
        return (0, 0, 0, 0), False
    window = _window(geometry, grid.transform)
    within = _clip(window, grid.shape)
    return (within, True) if within != window and _size(window) > _STRIP_PIXELS else (window, False)


def _counted(geometry: BaseGeometry, grid: Grid, runs: Runs, *, is_far: bool, touched: bool) -> Pixels:
    row, start, stop = _crop(runs, grid.shape)
    if is_far:  # the part outside is counted by its area rather than pixel by pixel
        outside = shapely.difference(geometry, grid.box).area / abs(grid.transform.a * grid.transform.e)
        return Pixels(row, start, stop, total=int((stop - start).sum()) + round(outside), touched=touched)
    return Pixels(row, start, stop, total=int((runs[2] - runs[1]).sum()), touched=touched)


def _by_gdal(geometry: BaseGeometry, grid: Grid, window: Window, is_far: bool) -> Pixels:
    line = geometry.geom_type.endswith(("LineString", "LinearRing"))
    runs = _rasterise(geometry, grid.transform, window, all_touched=line)
    touched = line or (not is_far and not len(runs[0]) and geometry.area > 0)
    if touched and not line:
        runs = _rasterise(geometry, grid.transform, window, all_touched=True)
    return _counted(geometry, grid, runs, is_far=is_far, touched=touched)


def _window(geometry: BaseGeometry, transform: Affine) -> Window:
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


def _clip(window: Window, shape: tuple[int, int]) -> Window:
    row0, row1, column0, column1 = window
    row0, column0 = max(row0, 0), max(column0, 0)
    return row0, max(min(row1, shape[0]), row0), column0, max(min(column1, shape[1]), column0)


def _size(window: Window) -> int:
    return (window[1] - window[0]) * (window[3] - window[2])


def _strips(window: Window) -> Iterator[Window]:
    row0, row1, column0, column1 = window
    height = max(1, _STRIP_PIXELS // max(1, column1 - column0))
    for first in range(row0, row1, height):
        yield first, min(first + height, row1), column0, column1


def _rasterise(geometry: BaseGeometry, transform: Affine, window: Window, *, all_touched: bool) -> Runs:
    from rasterio.features import rasterize

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


def _runs(mask: NDArray[Any], row0: int, column0: int) -> Runs:
    framed = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype="int8")
    framed[:, 1:-1] = mask
    edges = np.diff(framed, axis=1)
    row, start = np.nonzero(edges == 1)
    stop = np.nonzero(edges == -1)[1]
    return row + row0, start + column0, stop + column0


def _join(runs: list[Runs]) -> Runs:
    if not runs:
        empty = np.zeros(0, dtype="int64")
        return empty, empty, empty
    row, start, stop = (np.concatenate(part) for part in zip(*runs, strict=True))
    return row, start, stop


def _crop(runs: Runs, shape: tuple[int, int]) -> Runs:
    row, start, stop = runs
    start, stop = np.clip(start, 0, shape[1]), np.clip(stop, 0, shape[1])
    keep = (row >= 0) & (row < shape[0]) & (start < stop)
    return row[keep], start[keep], stop[keep]
