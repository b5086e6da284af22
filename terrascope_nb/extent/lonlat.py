"""Longitude and latitude: wrapped, swapped or cut at 180 degrees, and what is to be said of it."""

from __future__ import annotations

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry.base import BaseGeometry

__all__ = ["bbox_of", "likely_swapped", "uncrossed", "unwrapped"]

Bounds = tuple[float, float, float, float]
# Belgium as (south, west, north, east): a box within these numbers was most likely written latitude first.
_BELGIUM_SWAPPED: Bounds = (49.4, 2.4, 51.6, 6.5)


def likely_swapped(bounds: Bounds) -> str:
    """Tell why a box looks as if latitude came first: ``"certain"``, ``"belgium"`` or ``""``.

    Parameters
    ----------
    bounds : (x min, y min, x max, y max)

    >>> likely_swapped((51.0, 4.0, 51.2, 4.3)), likely_swapped((-34.0, 150.9, -33.8, 151.3))
    ('belgium', 'certain')
    """
    x0, y0, x1, y1 = bounds
    if max(abs(y0), abs(y1)) > 90.0 and max(abs(x0), abs(x1)) <= 90.0 and max(abs(y0), abs(y1)) <= 180.0:
        return "certain"
    south, west, north, east = _BELGIUM_SWAPPED
    return "belgium" if south <= x0 and x1 <= north and west <= y0 and y1 <= east else ""


def unwrapped(geometry: BaseGeometry) -> tuple[BaseGeometry, int]:
    """Bring a geometry that a map wrapped round the world back; return it and how many turns it was moved.

    >>> shape, turns = unwrapped(shapely.Point(-355.8, 51.2))
    >>> shape.x, turns
    (4.2, 1)
    """
    west, _, east, _ = geometry.bounds
    if west >= -180.0 and east <= 180.0:
        return geometry, 0
    # Taken by its middle, so that a shape over 180 degrees is not moved for one of its ends.
    turns = -int(np.floor(((west + east) / 2 + 180.0) / 360.0))
    if turns == 0:
        return geometry, 0
    shift = np.array([360.0 * turns, 0.0])
    # Ten decimals are a hundredth of a millimetre; more is the noise of the subtraction.
    return shapely.transform(geometry, lambda xy: np.round(xy + shift, 10)), turns


def uncrossed(geometry: BaseGeometry) -> tuple[BaseGeometry, bool]:
    """Cut a geometry that crosses 180 degrees there; return it and whether it did.

    A vertex at 179 followed by one at -179 is read as two degrees apart when the whole shape is then narrower than half
    the world, else as it stands.
    """
    west, _, east, _ = geometry.bounds
    if west >= -180.0 and east <= 180.0:
        if east - west <= 180.0 or not _jumps(geometry):
            return geometry, False
        shifted = shapely.transform(geometry, _positive)
        if not 0.0 < shifted.bounds[2] - shifted.bounds[0] < 180.0:
            return geometry, False
        geometry = shifted
    if not geometry.is_valid:
        geometry = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    world = shapely.box(-180.0, -90.0, 180.0, 90.0)
    parts = [shapely.intersection(affinity.translate(geometry, xoff=turn), world) for turn in (-360.0, 0.0, 360.0)]
    # A shape that only touches 180 degrees leaves a line there, which is no part of it.
    depth = shapely.get_dimensions(geometry)
    parts = [part for part in parts if not part.is_empty and shapely.get_dimensions(part) == depth]
    return shapely.union_all(parts), True


def _positive(xy: np.ndarray) -> np.ndarray:
    return np.column_stack([np.where(xy[:, 0] < 0, xy[:, 0] + 360.0, xy[:, 0]), xy[:, 1]])


def _jumps(geometry: BaseGeometry) -> bool:
    """Tell whether an edge of any part is longer than half the world."""
    for part in shapely.get_parts(geometry):
        rings = shapely.get_rings(part) if shapely.get_dimensions(part) == 2 else [part]
        for ring in rings:
            if np.abs(np.diff(shapely.get_coordinates(ring)[:, 0])).max(initial=0.0) > 180.0:
                return True
    return False


def bbox_of(shapes: np.ndarray) -> Bounds:
    """Return (west, south, east, north) of geometries; west > east when their parts meet over 180 degrees.

    >>> bbox_of(np.array([shapely.box(179, -17, 180, -16), shapely.box(-180, -17, -178, -16)]))
    (179.0, -17.0, -178.0, -16.0)
    """
    west, south, east, north = (float(value) for value in shapely.total_bounds(shapes))
    if west > -180.0 or east < 180.0:
        return west, south, east, north
    spans = sorted((part.bounds[0], part.bounds[2]) for part in shapely.get_parts(shapes))
    reach, gaps = spans[0][1], []
    for left, right in spans[1:]:
        if left > reach:
            gaps.append((left - reach, float(left), float(reach)))
        reach = max(reach, right)
    if not gaps:
        return west, south, east, north
    _, after, before = max(gaps)
    return after, south, before, north
