"""An area on an ipyleaflet map: shapes to draw and edit, shapes only shown, and the tile grid to click on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import ipyleaflet
import numpy as np
import shapely

from terrascope_nb.extent.aoi import Aoi, Feature
from terrascope_nb.extent.mgrs import tile_footprint, tiles_of
from terrascope_nb.widgets.parts.field import close_parts
from terrascope_nb.widgets.pickers.area_drawing import as_drawn, on_the_map
from terrascope_nb.words import say

Bounds = tuple[float, float, float, float]
# Blue and vermilion of Okabe and Ito, "Color Universal Design" (2008): told apart by colour-blind people too, and the
# chosen shape has a thicker line besides.
_STYLE = {"color": "#0072B2", "weight": 2, "opacity": 1, "fillColor": "#0072B2", "fillOpacity": 0.15}
_CHOSEN = {"color": "#D55E00", "weight": 4, "opacity": 1, "fillColor": "#D55E00", "fillOpacity": 0.25}
_GRID = {"color": "#7f7f7f", "weight": 1.5, "opacity": 1, "fillColor": "#7f7f7f", "fillOpacity": 0.02}
_MOST_TILES = 120
"""With more tiles in view the grid is not drawn: nobody could hit one."""
_MOST_CORNERS = 5000
"""With more corners the shapes that are only shown are drawn simpler."""
_TOOLS = ("polyline", "circle", "circlemarker", "marker", "rectangle", "polygon", "data")
"""What a picker changes of a drawing control it finds on a map."""
_EMPTY: dict[str, Any] = {"type": "FeatureCollection", "features": []}


class AreaOnMap:
    """Keeps one area and one map the same; every change a person makes on the map is told to the picker."""

    def __init__(
        self,
        shown_on: ipyleaflet.Map,
        *,
        on_drawn: Callable[[list[dict[str, Any]]], None],
        on_tile: Callable[[str], None],
        on_grid: Callable[[str], None],
    ) -> None:
        self.map = shown_on
        self._on_drawn = on_drawn
        self._on_tile = on_tile
        self._on_grid = on_grid
        self._told: list[dict[str, Any]] = []
        self._tiles: frozenset[str] = frozenset()
        self._found: dict[str, Any] = {}
        self._watches = False
        self.control = self._own_control()
        self.layer = ipyleaflet.GeoJSON(data=_EMPTY, name=say("Area"))
        self.grid = ipyleaflet.GeoJSON(data=_EMPTY, name="Tiles", hover_style={"weight": 3, "fillOpacity": 0.15})
        self.grid.on_click(self._clicked)
        self.grid.on_hover(self._hovered)
        self.map.add(self.layer)
        self.control.observe(self._drawn, "data")

    @property
    def bounds(self) -> Bounds | None:
        """West, south, east, north of what the map shows; None before it was shown."""
        if not self.map.bounds:
            return None
        (south, west), (north, east) = self.map.bounds
        return (float(west), float(south), float(east), float(north)) if west < east and south < north else None

    def show(self, found: Aoi | None, chosen: Collection[str] = ()) -> None:
        """Draw an area; features whose id is chosen stand out."""
        editable, fixed = on_the_map(found)
        self._told = [as_drawn(one, _CHOSEN if one.id in chosen else _STYLE) for one in editable]
        self.control.data = self._told
        features = [_feature(one, _CHOSEN if one.id in chosen else _STYLE) for one in _plainer(fixed)]
        self.layer.data = {"type": "FeatureCollection", "features": features}
        tiles = frozenset(one.id for one in found or () if one.properties.get("tile") == one.id)
        if tiles != self._tiles:
            self._tiles = tiles
            self._draw_grid()

    def zoom_to(self, found: Aoi) -> None:
        """Bring an area into view."""
        west, south, east, north = found.bbox
        east += 360.0 if east < west else 0.0
        self.map.center = ((south + north) / 2, (west + east) / 2)
        self.map.zoom = _zoom_for(west, south, east, north)

    def show_grid(self, on: bool) -> None:
        """Draw the Sentinel-2 tiles in view, or take them away."""
        if on and self.grid not in self.map.layers:
            self.map.add(self.grid)
            self.map.observe(self._moved, "bounds")
            self._watches = True
        elif not on and self.grid in self.map.layers:
            self.map.unobserve(self._moved, "bounds")
            self._watches = False
            self.map.remove(self.grid)
            return
        self._draw_grid()

    def close(self) -> None:
        """Take everything off the map again; a map that is gone needs nothing."""
        if self.control.comm is not None:
            self.control.unobserve(self._drawn, "data")
        if self._watches:
            self.map.unobserve(self._moved, "bounds")
            self._watches = False
        own = (self.layer, self.grid, *(() if self._found else (self.control,)))
        if self.map.comm is not None:
            # Not by remove(), which asks for the id of what may be closed already.
            self.map.layers = tuple(one for one in self.map.layers if one.comm is not None and one not in own)
            self.map.controls = tuple(one for one in self.map.controls if one.comm is not None and one not in own)
        if self._found and self.control.comm is not None:
            for name, before in self._found.items():
                setattr(self.control, name, before)
        for one in own:
            close_parts(one)
            one.close()

    def _own_control(self) -> ipyleaflet.DrawControl:
        """Return the map's drawing control; a second one on a map would count each shape twice."""
        there = [one for one in self.map.controls if isinstance(one, ipyleaflet.DrawControl)]
        control = there[0] if there else ipyleaflet.DrawControl(position="topleft")
        self._found = {name: getattr(control, name) for name in _TOOLS} if there else {}
        control.polyline = {}
        control.circle = {}
        control.circlemarker = {}
        control.marker = {}
        control.rectangle = {"shapeOptions": _STYLE}
        # Nobody sees a shape that closes over itself coming; the tool refuses the crossing edge.
        control.polygon = {"shapeOptions": _STYLE, "allowIntersection": False}
        if not there:
            self.map.add(control)
        return control

    def _drawn(self, change: Any) -> None:
        if change["new"] != self._told:  # what was told from here comes by too
            self._on_drawn(list(change["new"]))

    def _clicked(self, feature: Any = None, **_: Any) -> None:
        tile = ((feature or {}).get("properties") or {}).get("tile")
        if tile:
            self._on_tile(str(tile))

    def _hovered(self, feature: Any = None, **_: Any) -> None:
        tile = ((feature or {}).get("properties") or {}).get("tile")
        if tile:
            self._on_grid(str(tile))

    def _moved(self, _: Any) -> None:
        self._draw_grid()

    def _draw_grid(self) -> None:
        view = self.bounds
        if self.grid not in self.map.layers or view is None:
            return
        west, south, east, north = view
        if (east - west) * (north - south) > _MOST_TILES:
            self._on_grid("")
            self.grid.data = _EMPTY
            return
        features = [
            {
                "type": "Feature",
                "id": tile,
                "properties": {"tile": tile, "style": _CHOSEN if tile in self._tiles else _GRID},
                "geometry": json.loads(shapely.to_geojson(shapely.simplify(tile_footprint(tile), 0.001))),
            }
            for tile in tiles_of(shapely.box(max(west, -180.0), max(south, -84.0), min(east, 180.0), min(north, 84.0)))
        ]
        self.grid.data = {"type": "FeatureCollection", "features": features}


def _zoom_for(west: float, south: float, east: float, north: float) -> int:
    """Return the zoom at which bounds fit in a map of about 500 x 300 pixels; the world is 256 wide at zoom 0."""
    narrow = max(math.cos(math.radians((south + north) / 2)), 0.05)
    wide, high = max(east - west, 1e-4), max((north - south) / narrow, 1e-4)
    return int(min(max(math.floor(math.log2(min(500 / wide, 300 / high) * 360 / 256)), 1), 15))


def _plainer(features: Sequence[Feature]) -> Sequence[Feature]:
    """Return features with fewer corners where there are very many; what is searched and loaded stays exact."""
    shapes = np.array([one.geometry for one in features], dtype=object)
    if shapely.get_num_coordinates(shapes).sum() <= _MOST_CORNERS:
        return features
    west, south, east, north = shapely.total_bounds(shapes)
    plain = shapely.simplify(shapes, max(east - west, north - south) / 5000)
    return [replace(one, geometry=shape) for one, shape in zip(features, plain, strict=True)]


def _feature(one: Feature, style: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": one.id,
        "properties": {"id": one.id, "style": dict(style)},
        "geometry": json.loads(shapely.to_geojson(one.geometry)),
    }
