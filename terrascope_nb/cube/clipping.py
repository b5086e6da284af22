"""The shape that clips a cube: pixels whose centre lies inside, and no field is lost for being small."""

from __future__ import annotations

import math

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from terrascope_nb.analysis.scanlines import centre_mask, is_known
from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.raster.grid import PixelGrid

_SMALL = 16.0
"""Pixels; only a smaller feature can fail to hold a pixel centre in practice, or be a sliver."""


def clip_shape(aoi: Aoi, grid: PixelGrid) -> BaseGeometry:
    """Return the union of an area's features in the grid's crs.

    A feature that holds no pixel centre would vanish; it is replaced by the pixels it touches, the rule that the zonal
    statistics follow too.

    Parameters
    ----------
    aoi : Aoi
        In the grid's crs.
    """
    pixel = grid.resolution[0] * grid.resolution[1]
    shapes = []
    for feature in aoi.features:
        shape = feature.geometry
        narrow = shape.area < _SMALL * pixel or shape.area < 4 * pixel**0.5 * shape.length / 2
        shapes.append(_touched(shape, grid) if narrow and not _holds_centre(shape, grid) else shape)
    return shapely.union_all(shapes)


def inside_area(aoi: Aoi, grid: PixelGrid) -> NDArray[np.bool_]:
    """Return True where the centre of a grid's pixel lies inside an area, by the rule of `clip_shape`."""
    there = aoi.in_crs(grid.crs)
    # The pixels that a small feature touches are boxes along x and y: of a turned grid they would be others.
    shape = clip_shape(there, grid) if grid.is_north_up else shapely.union_all([one.geometry for one in there])
    return shape_mask(shape, grid)


def shape_mask(shape: BaseGeometry, grid: PixelGrid, *, all_touched: bool = False) -> NDArray[np.bool_]:
    """Return True where the centre of a grid's pixel lies inside a shape, or where the shape touches a pixel."""
    transform = Affine(*grid.transform)
    if is_known(shape) and grid.is_north_up and not all_touched:
        return centre_mask(shape, transform, grid.shape)
    from rasterio.features import geometry_mask  # GDAL, whose import takes longer than a small series

    inside: NDArray[np.bool_] = geometry_mask(
        [shape], out_shape=grid.shape, transform=transform, invert=True, all_touched=all_touched
    )
    return inside


def _local(shape: BaseGeometry, grid: PixelGrid) -> PixelGrid:
    a, _, c, _, e, f = grid.transform
    left, bottom, right, top = shape.bounds
    cols = sorted(((left - c) / a, (right - c) / a))
    rows = sorted(((top - f) / e, (bottom - f) / e))
    col0, row0 = math.floor(cols[0]), math.floor(rows[0])
    return grid.crop(row0, col0, math.ceil(rows[1]) - row0 + 1, math.ceil(cols[1]) - col0 + 1)


def _holds_centre(shape: BaseGeometry, grid: PixelGrid) -> bool:
    return bool(shape_mask(shape, _local(shape, grid)).any())


def _touched(shape: BaseGeometry, grid: PixelGrid) -> BaseGeometry:
    local = _local(shape, grid)
    touched = shape_mask(shape, local, all_touched=True)
    a, _, c, _, e, f = local.transform
    rows, cols = np.nonzero(touched)
    return shapely.union_all(shapely.box(c + a * cols, f + e * (rows + 1), c + a * (cols + 1), f + e * rows))
