"""The lines of the offline basemap: land, borders, lakes, rivers and Belgian areas, cut for a window of the map."""

from __future__ import annotations

import functools
import io
import json
import lzma
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, ParamSpec, TypeVar

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from terrascope_nb.extent.places import border_lines

P = ParamSpec("P")
T = TypeVar("T")
Box = tuple[float, float, float, float]
"""West, north, east, south in the unit square of web mercator: x eastwards, y southwards, 0 to 1."""
BELGIUM_FROM = 8
"""The zoom from which Belgium's own borders stand for those of the world file."""
_STEP = 2
_KEPT = 192
SEASIDE = ((2.546, 51.083), (3.362, 51.362), (3.362, 51.6), (2.546, 51.6))
"""Holds the Belgian coast, and no border but its two ends."""
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


def _projected(geometries: Sequence[BaseGeometry]) -> list[BaseGeometry]:
    return list(shapely.transform(np.asarray(list(geometries), dtype=object), project))


class Shapes:
    """Geometries of one kind that can be cut for a box, quickly when neighbouring boxes are asked for in turn."""

    def __init__(self, geometries: Sequence[BaseGeometry]) -> None:
        self._all = np.asarray(list(geometries), dtype=object)
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
def read_data() -> Mapping[str, NDArray[Any]]:
    """Return the arrays of the data file; `maps/data/README.md` says what they are and whose."""
    packed = resources.files("terrascope_nb.maps").joinpath("data", "basemap.npz.xz").read_bytes()
    with np.load(io.BytesIO(lzma.decompress(packed)), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _lines(name: str) -> list[NDArray[np.float64]]:
    data = read_data()
    points = np.cumsum(data[f"{name}_steps"].T, axis=0) * float(data["scale"])
    return np.split(points, np.cumsum(data[f"{name}_counts"])[:-1])


@made_once
def _polygons(name: str) -> tuple[shapely.Polygon, ...]:
    rings: list[list[NDArray[np.float64]]] = []
    for line, outer in zip(_lines(name), read_data()[f"{name}_outer"], strict=True):
        if outer:
            rings.append([line])
        else:
            rings[-1].append(line)
    return tuple(shapely.Polygon(group[0], group[1:]) for group in rings)


@made_once
def _strings(name: str) -> tuple[shapely.LineString, ...]:
    return tuple(shapely.LineString(line) for line in _lines(name))


@made_once
def ground_of(level: int) -> Ground:
    """Return the shapes for the far view (0), the middle (1) or the near one (2), in the unit square."""
    water, flows = Shapes(_projected(_polygons("lakes"))), Shapes(_projected(_strings("rivers")))
    if level < 2:
        land = _projected(_polygons("world_land"))
        borders = _projected(_strings("world_borders"))
        if level == 0:
            step = 0.4 / (256 * 2**3)
            land = [one for one in shapely.simplify(land, step) if not one.is_empty and one.area > step * step]
            borders = list(shapely.simplify(borders, step))
        return Ground(Shapes(land), Shapes(_edges(land)), Shapes(borders), water, flows)
    box = shapely.box(*read_data()["box"])
    far = [part for one in _polygons("world_land") for part in _minus(one, box)]
    land = _projected([*_polygons("europe_land"), *far])
    edge = shapely.transform(box.exterior, project).buffer(1e-7)
    edges = np.asarray(_edges(land), dtype=object)
    cut = shapely.intersects(edges, edge)
    coast = [*edges[~cut], *shapely.difference(edges[cut], edge)]
    borders = [*_strings("europe_borders"), *(part for one in _strings("world_borders") for part in _minus(one, box))]
    # Belgium's own outline is finer; what it encloses is land, enclaves of a neighbour too.
    land += list(shapely.get_parts(shapely.polygonize(belgian_strings()["country"])))
    return Ground(Shapes(land), Shapes(coast), Shapes(_projected(borders)), water, flows)


def _minus(geometry: BaseGeometry, area: BaseGeometry) -> list[BaseGeometry]:
    if not shapely.intersects(geometry, area):
        return [geometry]
    return [part for part in shapely.get_parts(shapely.difference(geometry, area)) if not part.is_empty]


def _edges(polygons: Sequence[Any]) -> list[BaseGeometry]:
    return [ring for one in polygons for ring in (one.exterior, *one.interiors)]


@made_once
def belgian_strings() -> Mapping[str, list[BaseGeometry]]:
    """Return the lines round Belgium, its provinces and its municipalities, in the unit square."""
    lines = border_lines()
    return {kind: _projected([shapely.LineString(line) for line in lines[kind]]) for kind in lines}


@made_once
def belgian_lines() -> Mapping[str, Shapes]:
    """Return the same, each kind fit to be cut; a coast is no border, and Zeebrugge's moles would be a blot of them."""
    strings = belgian_strings()
    sea = shapely.transform(shapely.Polygon(SEASIDE), project)
    borders = [part for line in strings["country"] for part in _minus(line, sea)]
    return {kind: Shapes(borders if kind == "country" else lines) for kind, lines in strings.items()}


def country_names(language: str) -> list[str]:
    """Return the names of the countries of ``country_place``, in English, Dutch or French."""
    column = ("en", "nl", "fr").index(language)
    return [row[column] for row in json.loads(str(read_data()["country_names"]))]
