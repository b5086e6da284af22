"""Where a pixel grid lies on the globe: its outline in longitude and latitude, and the box round it."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from terrascope_nb.extent.lonlat import bbox_of, uncrossed
from terrascope_nb.raster.grid import Transform

_EDGE = 12_000.0
"""Longest straight piece of an outline, metres: the true edge then leaves it by less than 10 m up to 70 degrees."""
_MOST_PIECES = 64


@dataclass(frozen=True, slots=True)
class Footprint:
    """An outline in EPSG:4326."""

    wkb: bytes
    """The geometry as WKB; an empty polygon when nobody knows."""
    bbox: tuple[float, float, float, float]
    """West, south, east, north; west > east over 180 degrees; NaN when nobody knows."""


UNKNOWN = Footprint(shapely.to_wkb(shapely.Polygon()), (math.nan,) * 4)


@functools.lru_cache(maxsize=4096)
def grid_footprint(crs: str, transform: Transform, width: int, height: int) -> Footprint | None:
    """Return the outline of a whole grid, or None where the crs is not known here.

    Examples
    --------
    >>> grid_footprint("EPSG:4326", (0.1, 0.0, 3.0, 0.0, -0.1, 52.0), 20, 10).bbox
    (3.0, 51.0, 5.0, 52.0)
    """
    a, b, c, d, e, f = transform
    corners = [(c + a * col + b * row, f + d * col + e * row) for col in (0, width) for row in (0, height)]
    return outline_footprint(shapely.Polygon([corners[n] for n in (0, 1, 3, 2)]), crs)


def outline_footprint(outline: BaseGeometry, crs: str) -> Footprint | None:
    """Return where an outline in map coordinates lies, or None where the crs is not known here."""
    try:
        is_lonlat = _is_lonlat(crs)
        if not is_lonlat:
            outline = shapely.segmentize(outline, _piece(crs, outline))
            outline = shapely.transform(outline, functools.partial(_to_lonlat, crs))
    except (ProjError, GEOSException):
        return None
    if outline.is_empty or not np.isfinite(shapely.get_coordinates(outline)).all():
        return None
    return _cut(outline, is_lonlat=is_lonlat)


@functools.lru_cache(maxsize=256)
def is_metric(crs: str) -> bool:
    """Return True for a projected system in metres."""
    try:
        system = CRS.from_user_input(crs)
    except ProjError:
        return False
    return bool(system.is_projected) and system.axis_info[0].unit_name in ("metre", "meter")


def _cut(outline: BaseGeometry, *, is_lonlat: bool) -> Footprint:
    west, south, east, north = outline.bounds
    if is_lonlat and east - west >= 359.0:  # once round the world: some grids reach half a pixel further
        whole = (-180.0, max(south, -90.0), 180.0, min(north, 90.0))
        return Footprint(shapely.to_wkb(shapely.box(*whole)), whole)
    cut, _ = uncrossed(outline)
    # Six decimals are 0.1 m, far below a pixel of anything here, and pack well.
    cut = shapely.transform(cut, _rounded)
    return Footprint(shapely.to_wkb(cut), bbox_of(np.array([cut])))


def _rounded(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.round(lonlat, 6)


@functools.lru_cache(maxsize=256)
def _is_lonlat(crs: str) -> bool:
    return bool(CRS.from_user_input(crs).equals(CRS.from_epsg(4326), ignore_axis_order=True))


@functools.lru_cache(maxsize=256)
def _transformer(crs: str) -> Transformer:
    return Transformer.from_crs(crs, 4326, always_xy=True)


def _to_lonlat(crs: str, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    lon, lat = _transformer(crs).transform(xy[:, 0], xy[:, 1])
    return np.column_stack([lon, lat])


def _piece(crs: str, outline: BaseGeometry) -> float:
    """Longest piece in the unit of the crs; never more than 64 pieces to the longer side."""
    left, bottom, right, top = outline.bounds
    side = max(right - left, top - bottom)
    metres = _EDGE if CRS.from_user_input(crs).is_projected else 0.1
    return float(max(metres, side / _MOST_PIECES))
