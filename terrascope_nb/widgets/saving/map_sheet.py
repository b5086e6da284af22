"""A live map as a sheet: its view, visible layers, outlines and basemap; and as a link of the Terrascope viewer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from terrascope_nb.errors import CubeError
from terrascope_nb.extent.aoi import AoiLike
from terrascope_nb.extent.aoi import area as to_area
from terrascope_nb.maps.basemap import Basemap
from terrascope_nb.maps.sheet import MapSheet, Outline, SheetLayer
from terrascope_nb.raster.tiling import Bounds, mercator_of
from terrascope_nb.services.viewer import viewer_link
from terrascope_nb.widgets.live_map.basemap_layer import BasemapLayer
from terrascope_nb.widgets.live_map.online import OnlineBasemap
from terrascope_nb.widgets.live_map.picture import drawn_shapes
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map

__all__ = ["chosen_layer", "map_link", "moving_number", "outline_of", "sheet_of", "size_for", "widened"]

_WIDTH = 900
_AROUND = 0.08
"""Share of an area that is shown around it."""


def sheet_of(
    shown: Map, *, title: str = "", size: tuple[int, int] | None = None, area: AoiLike | None = None
) -> MapSheet:
    """Return what a map shows as a sheet: its view or an area, visible layers, outlines, basemap, notes.

    Parameters
    ----------
    shown : Map
    title : str
    size : (width, height), optional
    area : AoiLike, optional
        In place of the map's view; its outline is drawn.
    """
    bounds = widened(to_area(area).bbox) if area is not None else shown.view_bounds
    painted = [layer for layer in shown.layers if isinstance(layer, BasemapLayer) and layer.visible]
    grounds = [layer for layer in painted if layer.choices["ground"]]
    online = [layer for layer in shown.layers if isinstance(layer, OnlineBasemap) and getattr(layer, "visible", True)]
    notes = [say("The online map {name} is not in this picture; the offline map stands in for it.", name=layer.name)
             for layer in online]  # fmt: skip
    outlines = [one for layer in shown.layers for one in _outlines_of(layer)]
    outlines += [one for control in shown.controls for one in _drawn_with(control)]
    if area is not None:
        outlines.append(outline_of(area))
    return MapSheet(
        bounds=bounds,
        size=size_for(bounds, size),
        layers=tuple(_sheet_layer(layer) for layer in shown.rasters if layer.visible),
        outlines=tuple(outlines),
        basemap=Basemap() if grounds or online else None,
        # A file is for paper and reports: dark only where somebody chose it, not where the lab happens to be.
        dark=any(layer.choices["dark"] and not layer.follows for layer in grounds),
        names_above=len(painted) > len(grounds),
        title=title,
        notes=(*shown.notes, *notes),
    )


def chosen_layer(shown: Map, layer: RasterLayer | str | None) -> RasterLayer:
    """Return a layer of a map: the one that is named, else the uppermost visible one.

    Raises
    ------
    CubeError
        The map has no such layer.
    """
    if isinstance(layer, RasterLayer):
        return layer
    visible = [one for one in shown.rasters if one.visible]
    if layer is not None:
        visible = [one for one in shown.rasters if one.name == layer]
    if not visible:
        names = ", ".join(one.name for one in shown.rasters) or "none"
        wanted = f"the layer {layer!r}" if layer is not None else "a visible layer with data"
        raise CubeError(f"{wanted} was asked for; the map has: {names}. Add one with m.add(…).")
    return visible[-1]


def moving_number(shown: Map, layer: RasterLayer | str | None) -> int:
    """Return the number of the layer that moves: the one named, else the uppermost visible one with several dates."""
    visible = [one for one in shown.rasters if one.visible]
    wanted = chosen_layer(shown, layer) if layer is not None else None
    for number in reversed(range(len(visible))):
        if visible[number] is wanted or (wanted is None and len(visible[number].times) > 1):
            return number
    raise CubeError(
        f"the layer {wanted.name!r} is hidden; a time lapse shows what the map shows." if wanted is not None else
        "a time lapse was asked for, but no visible layer has several dates. Add a cube with several times."
    )  # fmt: skip


def map_link(shown: Map, layer: RasterLayer | str | None = None) -> str:
    """Return a link that opens the Terrascope viewer on what a map shows: view, product and date.

    Parameters
    ----------
    shown : Map
    layer : RasterLayer or str, optional
        Whose product and date; the uppermost visible one that has a product when None.

    Raises
    ------
    CubeError
        The map has no such layer.
    """
    if layer is not None:
        chosen: RasterLayer | None = chosen_layer(shown, layer)
    else:
        chosen = next((one for one in reversed(shown.rasters) if one.visible and one.source.attrs.get("product")), None)
    product = str(chosen.source.attrs.get("product", "")) or None if chosen is not None else None
    day = None if chosen is None or chosen.time is None else str(np.datetime_as_string(chosen.time, unit="D"))
    west, south, east, north = shown.view_bounds
    view = max(west, -180.0), max(south, -85.0), min(east, 180.0), min(north, 85.0)
    return viewer_link(view, product, day)


def outline_of(area: AoiLike) -> Outline:
    """Return an area as an outline with its name."""
    found = to_area(area)
    return Outline(found.geometry.__geo_interface__, "#c2410c", name=found.name)


def widened(bounds: Bounds) -> Bounds:
    """Return bounds with some room around them."""
    west, south, east, north = bounds
    across, up = (east - west) * _AROUND, (north - south) * _AROUND
    return west - across, max(south - up, -85.0), east + across, min(north + up, 85.0)


def size_for(bounds: Bounds, size: tuple[int, int] | None) -> tuple[int, int]:
    """Return a size of the shape of the bounds, where none is given."""
    if size is not None:
        return size
    (left, bottom), (right, top) = mercator_of(bounds[0], bounds[1]), mercator_of(bounds[2], bounds[3])
    ratio = (top - bottom) / max(right - left, 1e-9)
    return _WIDTH, int(min(max(round(_WIDTH * ratio), 300), 1200))


def _drawn_with(control: Any) -> Iterator[Outline]:
    """Give what was drawn by hand and stands on the map."""
    if (shapes := drawn_shapes(control)) is not None:
        yield Outline(shapes, "#3388ff", name=say("drawn area"))


def _sheet_layer(layer: RasterLayer) -> SheetLayer:
    index = layer.time_index % len(layer.times) if layer.times else None
    return SheetLayer(layer.painter, index, float(layer.opacity), layer.name)


def _outlines_of(layer: Any) -> Iterator[Outline]:
    """Give the shapes of ipyleaflet's vector layers that say them in Python: GeoJSON, polygons, lines, markers."""
    if not getattr(layer, "visible", True):
        return
    data = getattr(layer, "data", None)
    style = getattr(layer, "style", None)
    colour = str((style or {}).get("color") or getattr(layer, "color", None) or "#3388ff")
    colour = colour if colour.startswith("#") and len(colour) in (4, 7) else "#3388ff"
    if isinstance(data, Mapping) and "type" in data:
        if data.get("features", True):  # a layer may wait for its first shape
            yield Outline(data, colour, name=str(layer.name or ""))
    elif isinstance(getattr(layer, "locations", None), list) and layer.locations:
        rings = layer.locations if isinstance(layer.locations[0][0], (list, tuple)) else [layer.locations]
        lines = [[[lon, lat] for lat, lon in ring] for ring in rings]
        if "Polygon" in type(layer).__name__ or "Rectangle" in type(layer).__name__:
            lines = [[*line, line[0]] for line in lines]
        yield Outline({"type": "MultiLineString", "coordinates": lines}, colour, name=str(layer.name or ""))
    elif type(layer).__name__ in ("Marker", "CircleMarker", "Circle"):
        lat, lon = layer.location
        yield Outline({"type": "Point", "coordinates": [lon, lat]}, colour, name=str(layer.name or ""))
