"""How much of an area the footprints of items cover, in percent of its true size."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pystac
import shapely
from shapely.geometry.base import BaseGeometry

from terrascope_nb.catalogue.sources import footprint_of

_STEP_DEGREES = 0.25


class Coverage:
    """Measures the share of one area; what depends on the area alone is prepared once.

    Parameters
    ----------
    area : shapely geometry, EPSG:4326
        A point or line counts as covered where a footprint touches it.
    """

    def __init__(self, area: BaseGeometry) -> None:
        self._area = area if shapely.is_valid(area) else shapely.make_valid(area)
        shapely.prepare(self._area)
        self._size = _size(self._area)
        self._known: dict[frozenset[bytes], float] = {}

    def percent(self, items: Iterable[pystac.Item]) -> float:
        """Return how much of the area the items cover together, 0-100; NaN when no item says where it lies."""
        outlines = {shapely.to_wkb(outline): outline for outline in map(footprint_of, items) if outline is not None}
        if not outlines:
            return float("nan")
        key = frozenset(outlines)
        if key not in self._known:
            self._known[key] = self._share(shapely.union_all(list(outlines.values())))
        return self._known[key]

    def _share(self, outline: BaseGeometry) -> float:
        if not self._area.intersects(outline):
            return 0.0
        if self._size == 0.0:
            return 100.0
        if outline.covers(self._area):
            return 100.0
        return min(100.0, 100.0 * _size(self._area.intersection(outline)) / self._size)


def _size(outline: BaseGeometry) -> float:
    """Return the size in units of one equal-area projection of the sphere (x = longitude, y = sin latitude)."""
    # Cut into short edges first, since a straight edge in degrees is not straight in the projection.
    return float(shapely.area(shapely.transform(shapely.segmentize(outline, _STEP_DEGREES), _equal_area)))


def _equal_area(lonlat: np.ndarray) -> np.ndarray:
    return np.column_stack([np.radians(lonlat[:, 0]), np.sin(np.radians(lonlat[:, 1]))])
