"""The lines of the offline basemap: land, borders, lakes, rivers and Belgian areas, cut for a window of the map."""

from __future__ import annotations

import functools
import io
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, ParamSpec, TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

P = ParamSpec("P")
T = TypeVar("T")
Box = tuple[float, float, float, float]
"""West, north, east, south in the unit square of web mercator: x eastwards, y southwards, 0 to 1."""
BELGIUM_FROM = 8
"""The zoom from which Belgium's own borders stand for those of the world file."""
_STEP = 2
_KEPT = 192
_FAR_STEP = 0.4 / (256 * 2**3)
"""Less than half a pixel of the far view, which is drawn to zoom 3."""
_LINE, _POLYGON = shapely.GeometryType.LINESTRING, shapely.GeometryType.POLYGON
_POLE = 85.0511287798066


def made_once(make: Callable[P, T]) -> Callable[P, T]:
    """Keep what a function returns, and let one thread make it while the others wait: a view asks for many tiles at once."""
    kept: dict[Any, T] = {}
    lock = threading.RLock()

    @functools.wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> T:
        if args not in kept:
            with lock:
                if args not in kept:
                    kept[args] = make(*args, **kwargs)
        return kept[args]

    return made


def project(lonlat: NDArray[Any]) -> NDArray[np.float64]:
    """Return degrees (n, 2) as places in the unit square of web mercator (n, 2), y downwards.

    >>> project(np.array([[0.0, 0.0], [90.0, 66.51326044]])).round(6).tolist()
    [[0.5, 0.5], [0.75, 0.25]]
    """
    placed = np.asarray(lonlat, dtype="float64")
    lat = np.radians(np.clip(placed[:, 1], -_POLE, _POLE))
    return np.column_stack([placed[:, 0] / 360 + 0.5, 0.5 - np.arctanh(np.sin(lat)) / (2 * math.pi)])


class Shapes:
    """Geometries of one kind that can be cut for a box, quickly when neighbouring boxes are asked for in turn."""

    def __init__(self, geometries: NDArray[np.object_]) -> None:
        self._all = geometries
        self._tree = shapely.STRtree(self._all)
        self._cuts: OrderedDict[tuple[int, int, int], tuple[BaseGeometry, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def within(self, box: Box, zoom: int) -> list[BaseGeometry]:
        """Return the parts of the geometries that lie in a box that is about a tile of that zoom large."""
        for level in range(max(zoom - _STEP, 0) // _STEP * _STEP, 0, -_STEP):
            size = 2.0**-level
            x, y = int((box[0] + box[2]) / 2 // size), int((box[1] + box[3]) / 2 // size)
            held = _cell_box(level, x, y)
            if held[0] <= box[0] and held[1] <= box[1] and held[2] >= box[2] and held[3] >= box[3]:
                return list(_cut(self._cell(level, x, y), box))
        return list(_cut(self._near(box), box))

    def _near(self, box: Box) -> tuple[BaseGeometry, ...]:
        return tuple(self._all[self._tree.query(shapely.box(box[0], box[1], box[2], box[3]))])

    def _cell(self, level: int, x: int, y: int) -> tuple[BaseGeometry, ...]:
        key = (level, x, y)
        with self._lock:
            if key in self._cuts:
                self._cuts.move_to_end(key)
                return self._cuts[key]
        box = _cell_box(level, x, y)
        source = self._cell(level - _STEP, x >> _STEP, y >> _STEP) if level > _STEP else self._near(box)
        found = _cut(source, box)
        with self._lock:
            self._cuts[key] = found
            while len(self._cuts) > _KEPT:
                self._cuts.popitem(last=False)
        return found


def _cell_box(level: int, x: int, y: int) -> Box:
    size = 2.0**-level
    margin = size / 8
    return x * size - margin, y * size - margin, (x + 1) * size + margin, (y + 1) * size + margin


def _cut(geometries: Sequence[BaseGeometry], box: Box) -> tuple[BaseGeometry, ...]:
    if not geometries:
        return ()
    bounds = shapely.bounds(np.asarray(geometries, dtype=object))
    outside = (bounds[:, 0] > box[2]) | (bounds[:, 2] < box[0]) | (bounds[:, 1] > box[3]) | (bounds[:, 3] < box[1])
    inside = (bounds[:, 0] >= box[0]) & (bounds[:, 2] <= box[2]) & (bounds[:, 1] >= box[1]) & (bounds[:, 3] <= box[3])
    found: list[BaseGeometry] = []
    for geometry, away, whole in zip(geometries, outside, inside, strict=True):
        if away:
            continue
        if whole:
            found.append(geometry)
            continue
        cut = shapely.clip_by_rect(geometry, *box)
        found += [part for part in shapely.get_parts(cut) if not part.is_empty]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Ground:
    """The shapes of one range of zooms."""

    land: Shapes
    """Polygons of land."""
    coast: Shapes
    """The edges of the land."""
    borders: Shapes
    """Lines between countries."""
    lakes: Shapes
    """Polygons of lakes."""
    rivers: Shapes
    """Lines of rivers."""


@made_once
def _file() -> Any:
    packed = resources.files("terrascope_nb.maps").joinpath("data", "basemap.npz").read_bytes()
    return np.load(io.BytesIO(packed), allow_pickle=False)


@made_once
def read_array(name: str) -> NDArray[Any]:
    """Return an array of the data file; `maps/data/README.md` says what they are and whose."""
    found: NDArray[Any] = _file()[name]
    return found


@made_once
def _points(name: str) -> NDArray[np.float64]:
    """Return the points (n, 2) of some lines or rings, one after the other, in the unit square."""
    steps = np.cumsum(read_array(f"{name}_steps").T, axis=0, dtype="int64")
    found: NDArray[np.float64] = steps * 2.0 ** -float(read_array(f"{name}_bits"))
    return found


def _offsets(counts: NDArray[Any]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype="int64")])


def _lines(name: str) -> NDArray[np.object_]:
    return shapely.from_ragged_array(_LINE, _points(name), (_offsets(read_array(f"{name}_counts")),))


def _polygons(name: str) -> NDArray[np.object_]:
    offsets = _offsets(read_array(f"{name}_counts")), _offsets(read_array(f"{name}_rings"))
    return shapely.from_ragged_array(_POLYGON, _points(name), offsets)


def _coast(name: str) -> NDArray[np.object_]:
    """Return the edges of polygons that are shores, and not those where the detailed part was cut out."""
    points, runs = _points(name), read_array(f"{name}_coast")
    pieces = np.concatenate([points[start:stop] for start, stop in runs])
    return shapely.from_ragged_array(_LINE, pieces, (_offsets(runs[:, 1] - runs[:, 0]),))


@made_once
def lines_of(name: str) -> Shapes:
    """Return the lines of a name: ``rivers``, ``municipality``, ``country`` and so on."""
    return Shapes(_lines(name))


@made_once
def ground_of(level: int) -> Ground:
    """Return the shapes for the far view (0), the middle (1) or the near one (2), in the unit square."""
    middle = "europe" if level == 2 else "inside"
    land, coast, borders = (
        np.concatenate([make(f"{part}_{what}") for part in ("outside", middle)])
        for make, what in ((_polygons, "land"), (_coast, "land"), (_lines, "borders"))
    )
    if level == 0:
        coast, borders = shapely.simplify(coast, _FAR_STEP), shapely.simplify(borders, _FAR_STEP)
        land = shapely.simplify(land, _FAR_STEP)
        land = land[shapely.area(land) > _FAR_STEP**2]
    largest_first = np.argsort(-shapely.area(land), kind="stable")
    return Ground(
        Shapes(land[largest_first]), Shapes(coast), Shapes(borders), Shapes(_polygons("lakes")), lines_of("rivers")
    )
