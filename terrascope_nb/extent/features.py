"""Feature and Aoi: where, as geometries with their attributes in one coordinate system."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import numpy as np
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from terrascope_nb.errors import AreaError
from terrascope_nb.extent import drawing, lonlat
from terrascope_nb.extent.mgrs import is_tile, tiles_of

if TYPE_CHECKING:
    import geopandas

__all__ = ["Aoi", "Feature", "Kind", "crs_text", "reproject"]

Kind = Literal["polygon", "bbox", "tile", "point"]
LONLAT = "EPSG:4326"
_OFF_EARTH = 1.5e8
"""Beyond this a projection has run away towards infinity: the Earth is 4e7 m round, or 1.3e8 feet."""
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """One geometry of an area, with its attributes."""

    id: str
    """Unique within its area; the name of its series in a table."""
    geometry: BaseGeometry
    """In the coordinate system of its area."""
    properties: dict[str, Any] = field(default_factory=dict)
    """Attributes, as the source gave them."""


@dataclass(frozen=True, slots=True, eq=False)
class Aoi:
    """An area of interest: one or more features in one coordinate system.

    Made by `terrascope_nb.area`; iterating gives the features.
    """

    features: tuple[Feature, ...]
    """At least one."""
    crs: str
    """Authority code such as ``"EPSG:4326"``, or WKT where there is none."""
    kind: Kind = "polygon"
    """``"polygon"`` clips what is loaded; ``"bbox"`` and ``"tile"`` are frames, ``"point"`` is points or lines."""
    name: str = ""
    """What people call it."""
    notes: tuple[str, ...] = ()
    """What was found and done while reading it."""
    origin: str = ""
    """The file it was read from as it stands, with ``|layername=`` where it has several layers; empty otherwise."""
    _memory: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.features:
            raise AreaError("An area was asked for without any geometry. Give at least one.")

    @property
    def clips(self) -> bool:
        """True when pixels outside the shape become NaN: for polygons, not for a bbox, tile or point."""
        return self.kind == "polygon"

    @property
    def geometry(self) -> BaseGeometry:
        """The union of all features in EPSG:4326, cut at 180 degrees where it crosses."""
        return self._once("geometry", self._union)

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in degrees; west > east when it crosses 180 degrees, as in GeoJSON."""
        return self._once("bbox", lambda: lonlat.bbox_of(self._in_degrees()))

    @property
    def area_km2(self) -> float:
        """Area on the ellipsoid in km², overlapping features counted once; 0 for points and lines."""
        return self._once("area_km2", lambda: _ellipsoid_area(self.geometry))

    @property
    def tiles(self) -> tuple[str, ...]:
        """Sentinel-2 tiles whose 109.8 km square the area touches, sorted; an area that is a tile gives itself.

        Tiles overlap by 9.8 km and zones by more, so one field may lie whole in four tiles. Over Belgium 31UGQ, 32ULA
        and 32ULB touch besides the ten tiles that Terrascope lists.
        """
        return self._once("tiles", self._touched)

    def in_crs(self, crs: object) -> Aoi:
        """Return the same area in another coordinate system, with vertices added so that edges stay true.

        Parameters
        ----------
        crs : str, int, or any CRS object
            ``"EPSG:32631"``, ``32631``, WKT, or a CRS of pyproj, rasterio or odc-geo.

        Returns
        -------
        Aoi

        Raises
        ------
        AreaError
            The coordinate system is unknown, or the area lies where it has no coordinates.
        """
        wanted = crs_text(crs)
        if wanted == self.crs:
            return self
        shapes = reproject(np.array([f.geometry for f in self.features], dtype=object), self.crs, wanted)
        features = (replace(f, geometry=shape) for f, shape in zip(self.features, shapes, strict=True))
        return Aoi(tuple(features), wanted, self.kind, self.name, self.notes)

    def bounds_in(self, crs: object) -> tuple[float, float, float, float]:
        """Return (left, bottom, right, top) in the units of a coordinate system, edges followed.

        Raises
        ------
        AreaError
            As `in_crs`.
        """
        there = self.in_crs(crs)
        left, bottom, right, top = shapely.total_bounds(np.array([f.geometry for f in there.features], dtype=object))
        return float(left), float(bottom), float(right), float(top)

    def to_geodataframe(self) -> geopandas.GeoDataFrame:
        """Return a GeoDataFrame in the area's own `crs`: one row per feature, indexed by ``feature``."""
        import geopandas as gpd  # heavy: a search needs no table of features
        import pandas as pd

        index = pd.Index([feature.id for feature in self.features], name="feature")
        table = pd.DataFrame([dict(feature.properties) for feature in self.features], index=index)
        shapes = [feature.geometry for feature in self.features]
        table = table.drop(columns="geometry", errors="ignore")
        return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(shapes, index=index), crs=self.crs)

    def to_geojson(self) -> dict[str, Any]:
        """Return a GeoJSON FeatureCollection in EPSG:4326 with ids and attributes; dates become text."""
        there = self.in_crs(LONLAT)
        features = [
            {
                "type": "Feature",
                "id": feature.id,
                "properties": json.loads(json.dumps(feature.properties, default=str)),
                "geometry": json.loads(shapely.to_geojson(feature.geometry)),
            }
            for feature in there.features
        ]
        return {"type": "FeatureCollection", "name": self.name, "features": features}

    @property
    def __geo_interface__(self) -> dict[str, Any]:
        return self.to_geojson()

    def __len__(self) -> int:
        return len(self.features)

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.features)

    def __repr__(self) -> str:
        return drawing.as_text(self)

    def _repr_html_(self) -> str:
        return drawing.as_html(self)

    def _once(self, key: str, make: Callable[[], _Found]) -> _Found:
        if key not in self._memory:
            self._memory[key] = make()
        return cast("_Found", self._memory[key])

    def _touched(self) -> tuple[str, ...]:
        own = [str(feature.properties.get("tile", "")) for feature in self.features]
        return tuple(sorted(set(own))) if self.kind == "tile" and all(map(is_tile, own)) else tiles_of(self.geometry)

    def _in_degrees(self) -> np.ndarray:
        return reproject(np.array([feature.geometry for feature in self.features], dtype=object), self.crs, LONLAT)

    def _union(self) -> BaseGeometry:
        shapes = self._in_degrees()
        return shapes[0] if len(shapes) == 1 else shapely.union_all(shapes)


def crs_text(crs: object) -> str:
    """Return the authority code of a coordinate system, or its WKT where it has none.

    >>> crs_text(32631), crs_text("epsg:4326"), crs_text("OGC:CRS84")
    ('EPSG:32631', 'EPSG:4326', 'EPSG:4326')

    Raises
    ------
    AreaError
        It is no coordinate system.
    """
    return _known_text(crs) if type(crs) in (str, int) else _text_of(crs)


def _text_of(crs: object) -> str:
    try:
        found = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise AreaError(
            f"The coordinate system {crs!r} was asked for, but it is not known. Give an EPSG code, like 'EPSG:32631'.",
            crs=crs,
        ) from error
    code = found.to_epsg(min_confidence=100) or found.to_epsg()
    # CRS84 is WGS 84 with longitude first, which is how every coordinate is kept here.
    if code is None and found.to_authority() == ("OGC", "CRS84"):
        code = 4326
    return f"EPSG:{code}" if code is not None else found.to_wkt()


_known_text = lru_cache(maxsize=64)(_text_of)
"""The same, remembered: PROJ looks each system up anew."""


@lru_cache(maxsize=64)
def is_geographic(crs: str) -> bool:
    """Return True where the coordinates of a system are degrees."""
    return bool(pyproj.CRS(crs).is_geographic)


@lru_cache(maxsize=64)
def transformer_between(source: str, target: str) -> pyproj.Transformer:
    """Return what changes coordinates, x first on both sides."""
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


@lru_cache(maxsize=64)
def step_of(crs: str) -> float:
    """Longest edge that may stay straight: 0.02 degrees or 2 km bend by less than a metre below 85 degrees."""
    found = pyproj.CRS(crs)
    if found.is_geographic:
        return 0.02
    return 2000.0 / (found.axis_info[0].unit_conversion_factor or 1.0)


def reproject(shapes: np.ndarray, source: str, target: str) -> np.ndarray:
    """Return geometries in another coordinate system, edges followed and repaired where the change broke them.

    Parameters
    ----------
    shapes : numpy.ndarray of shapely geometries, dtype object, shape (n,)
    source, target : str
        As `crs_text` writes them.

    Raises
    ------
    AreaError
        The target has no coordinates for a vertex.
    """
    if source == target:
        return shapes
    transformer = transformer_between(source, target)

    def move(xy: np.ndarray) -> np.ndarray:
        return np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))

    moved = shapely.transform(shapely.segmentize(shapes, step_of(source)), move)
    xy = shapely.get_coordinates(moved)
    if not (np.isfinite(xy).all() and np.abs(xy).max() < _OFF_EARTH):
        raise AreaError(
            f"The area was asked for in {_short(target)}, which has no coordinates for all of it. Choose a coordinate "
            "system made for that part of the world, such as the UTM zone of the area.",
            crs=target,
        )
    if is_geographic(target):
        moved = np.array([lonlat.uncrossed(shape)[0] for shape in moved], dtype=object)
    broken = ~shapely.is_valid(moved)
    if broken.any():
        moved[broken] = shapely.make_valid(moved[broken], method="structure", keep_collapsed=False)
    return cast("np.ndarray", moved)


def _short(crs: str) -> str:
    return crs if len(crs) < 40 else pyproj.CRS(crs).name


def _ellipsoid_area(geometry: BaseGeometry) -> float:
    """Return km²: the cylindrical equal-area projection keeps the area on the ellipsoid exactly, the whole world too."""
    move = transformer_between(LONLAT, "+proj=cea +ellps=WGS84 +units=m +no_defs")
    flat = shapely.transform(
        shapely.segmentize(geometry, 0.1), lambda xy: np.column_stack(move.transform(xy[:, 0], xy[:, 1]))
    )
    return float(shapely.area(flat)) / 1e6


def plain(properties: Mapping[Any, Any]) -> dict[str, Any]:
    """Return attributes with text keys and builtin values; a missing number becomes None."""
    found: dict[str, Any] = {}
    for key, value in properties.items():
        if isinstance(value, np.datetime64):
            value = None if np.isnat(value) else str(value)  # noqa: PLW2901 - one value, made plain
        elif isinstance(value, np.generic):
            value = value.item()  # noqa: PLW2901 - one value, made plain
        found[str(key)] = None if isinstance(value, float) and value != value else value  # noqa: PLR0124 - NaN
    return found
