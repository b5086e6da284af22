"""Which pixels have their centre inside valid polygons: the very answer of GDAL's rasteriser, for many at once.

GDAL walks one polygon row by row; here all edges of all polygons are taken together, in the same double precision, so
that a centre on a border goes where GDAL puts it. Without GDAL, whose import takes longer than a small series.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

Window = tuple[int, int, int, int]
"""First and last+1 row, first and last+1 column."""
Runs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Row, first column and the column after the last of runs of pixels, in the order of rows and columns."""
_KINDS = {"Polygon", "MultiPolygon", "Point", "MultiPoint"}


def is_known(geometry: BaseGeometry) -> bool:
    """Tell whether `centre_runs` knows the kind of a geometry: polygons and points."""
    return geometry.geom_type in _KINDS


def centre_runs(geometries: Sequence[BaseGeometry], transform: Affine, windows: Sequence[Window]) -> list[Runs]:
    """Return the pixels of each geometry: those whose centre lies inside, or that a point lies in.

    Parameters
    ----------
    geometries : sequence of shapely geometries
        Of a kind that `is_known`, in the crs of the grid.
    transform : Affine
        Pixel corner (column, row) -> crs, without rotation.
    windows : sequence of tuples
        The part of the grid where pixels of each are wanted; a run is not cut at its sides.
    """
    shapes = np.array(geometries, dtype=object)
    windows_of = np.array(windows, dtype="int64").reshape(-1, 4)
    found = [_polygon_runs(shapes, transform, windows_of), _point_runs(shapes, transform, windows_of)]
    owner, row, start, stop = _united(*(np.concatenate(column) for column in zip(*found, strict=True)))
    row, start, stop = row + windows_of[owner, 0], start + windows_of[owner, 2], stop + windows_of[owner, 2]
    edges = np.searchsorted(owner, np.arange(len(shapes) + 1))
    return [(row[i:j], start[i:j], stop[i:j]) for i, j in itertools.pairwise(edges)]


def centre_mask(geometry: BaseGeometry, transform: Affine, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the same of one geometry as an array of rows and columns, True on it."""
    rows, cols = shape
    ((row, start, stop),) = centre_runs([geometry], transform, [(0, rows, 0, cols)])
    within = (row >= 0) & (row < rows)
    # One more where a run begins and one less where it ends: their running sum is 1 inside.
    steps = np.zeros((rows, cols + 1), dtype="int8")
    np.add.at(steps, (row[within], np.clip(start[within], 0, cols)), 1)
    np.subtract.at(steps, (row[within], np.clip(stop[within], 0, cols)), 1)
    return np.cumsum(steps[:, :-1], axis=1, dtype="int8").view(bool)


_Ends = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
"""x and y where each edge begins, and where it ends."""
_Owned = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Number of the geometry, row, first column and the column after the last, in pixels of its window."""


def _to_pixels(
    points: NDArray[np.float64], transform: Affine, windows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return columns and rows of points in their windows, rounded as GDAL rounds them."""
    left, top = transform.c + windows[:, 2] * transform.a, transform.f + windows[:, 0] * transform.e
    return (
        -left / transform.a + points[:, 0] * (1.0 / transform.a),
        -top / transform.e + points[:, 1] * (1.0 / transform.e),
    )


def _polygon_runs(shapes: NDArray[np.object_], transform: Affine, windows: NDArray[np.int64]) -> _Owned:
    parts, of_shape = shapely.get_parts(shapes, return_index=True)
    is_area = shapely.get_type_id(parts) == shapely.GeometryType.POLYGON
    parts, of_shape = parts[is_area], of_shape[is_area]
    rings, of_part = shapely.get_rings(parts, return_index=True)
    points, of_ring = shapely.get_coordinates(rings, return_index=True)
    x, y = _to_pixels(points, transform, windows[of_shape[of_part[of_ring]]])
    first = np.flatnonzero(of_ring[1:] == of_ring[:-1])
    owner = of_shape[of_part[of_ring[first]]]
    turned = shapely.is_ccw(rings)[of_ring[first]]  # GDAL walks every ring clockwise
    first, last = np.where(turned, first + 1, first), np.where(turned, first, first + 1)
    ends = x[first], y[first], x[last], y[last]
    found = _crossings(owner, ends, windows[owner, 1] - windows[owner, 0]), _borders(owner, ends)
    owner, row, start, stop = (np.concatenate(column) for column in zip(*found, strict=True))
    return owner, row, start, stop


def _crossings(owner: NDArray[np.int64], ends: _Ends, height: NDArray[np.int64]) -> _Owned:
    """Return the runs between the places where edges cross the middle of a row, two and two."""
    x1, y1, x2, y2 = ends
    down = y1 > y2
    x1, y1, x2, y2 = np.where(down, x2, x1), np.where(down, y2, y1), np.where(down, x1, x2), np.where(down, y1, y2)
    first = np.clip(np.floor(y1 - 0.5), 0, height).astype("int64")
    count = np.maximum(np.clip(np.ceil(y2 + 0.5), 0, height).astype("int64") - first, 0)
    edge = np.repeat(np.arange(len(owner)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - first, count)
    middle = row + 0.5
    crosses = (middle >= y1[edge]) & (middle < y2[edge])
    edge, row, middle = edge[crosses], row[crosses], middle[crosses]
    at = (middle - y1[edge]) * (x2[edge] - x1[edge]) / (y2[edge] - y1[edge]) + x1[edge]
    column = np.floor(at + 0.5).astype("int64")
    order = np.lexsort((column, row, owner[edge]))
    owner, row, column = owner[edge][order], row[order], column[order]
    return owner[::2], row[::2], column[::2], column[1::2]


def _borders(owner: NDArray[np.int64], ends: _Ends) -> _Owned:
    """Return the runs along edges that lie on the middle of a row: GDAL takes those that go one way."""
    x1, y1, x2, y2 = ends
    row = np.floor(y1)
    flat = (y1 == y2) & (y1 == row + 0.5) & (x1 > x2)
    start, stop = np.floor(x2[flat] + 0.5), np.floor(x1[flat] + 0.5)
    return owner[flat], row[flat].astype("int64"), start.astype("int64"), stop.astype("int64")


def _point_runs(shapes: NDArray[np.object_], transform: Affine, windows: NDArray[np.int64]) -> _Owned:
    parts, of_shape = shapely.get_parts(shapes, return_index=True)
    is_point = (shapely.get_type_id(parts) == shapely.GeometryType.POINT) & ~shapely.is_empty(parts)
    owner = of_shape[is_point]
    x, y = _to_pixels(shapely.get_coordinates(parts[is_point]), transform, windows[owner])
    row, column = np.floor(y).astype("int64"), np.floor(x).astype("int64")
    return owner, row, column, column + 1


def _united(
    owner: NDArray[np.int64], row: NDArray[np.int64], start: NDArray[np.int64], stop: NDArray[np.int64]
) -> _Owned:
    """Put runs in order, and make one of those that meet or overlap."""
    some = start < stop
    owner, row, start, stop = owner[some], row[some], start[some], stop[some]
    order = np.lexsort((start, row, owner))
    owner, row, start, stop = owner[order], row[order], start[order], stop[order]
    if not len(owner):
        return owner, row, start, stop
    line = np.concatenate([[0], np.cumsum((np.diff(owner) != 0) | (np.diff(row) != 0))])
    # Rows laid end to end with a gap between them, so that one running maximum does for all.
    least = int(start.min())
    wide = int(stop.max()) - least + 2
    begins = line * wide + start - least
    reached = np.maximum.accumulate(line * wide + stop - least)
    new = np.flatnonzero(np.concatenate([[True], begins[1:] > reached[:-1]]))
    last = np.append(new[1:], len(owner)) - 1
    return owner[new], row[new], start[new], reached[last] - line[last] * wide + least
