"""`PixelInspector`: what every layer holds at one place: value, unit, class, date and the file it comes from."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import ipyleaflet
import ipywidgets as widgets
import numpy as np
import traitlets

from terrascope_nb.errors import CubeError, TerrascopeError
from terrascope_nb.maps.colour import unit_text
from terrascope_nb.raster.tiling import PixelValue
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer
from terrascope_nb.widgets.parts.field import WIDE, attempt, button, row
from terrascope_nb.widgets.tools.clicks import Clicks
from terrascope_nb.widgets.tools.tool import Tool, date_text, take_off
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map


class Found(NamedTuple):
    """What one layer holds at a place."""

    layer: RasterLayer
    value: PixelValue | None
    """None: it could not be read."""
    error: str = ""
    """Why not."""


_marking: WeakKeyDictionary[Any, PixelInspector] = WeakKeyDictionary()
"""Map -> the inspector whose place is marked on it."""


class PixelInspector(Tool):
    """Click on the map, or type a place, and read what the layers hold there; a map marks the last place.

    Parameters
    ----------
    shown : Map
    lon, lat : float, optional
        Inspect this place at once, in degrees; both or none.

    Attributes
    ----------
    place : (lon, lat) or None
        A trait; setting it inspects.
    found : tuple of Found
        One per visible data layer, the uppermost first. Where the legend of a layer is in decibels, the text of its
        value says these and the linear number.

    Raises
    ------
    CubeError
        A place that is none.
    """

    place = traitlets.Tuple(allow_none=True, default_value=None)

    def __init__(self, shown: Map, lon: float | None = None, lat: float | None = None) -> None:
        asked = None if lon is None and lat is None else _place(lon, lat)
        self.found: tuple[Found, ...] = ()
        self.marker: ipyleaflet.CircleMarker | None = None
        self.lon = widgets.FloatText(description=say("Longitude"), style=WIDE, step=0.001)
        self.lat = widgets.FloatText(description=say("Latitude"), style=WIDE, step=0.001)
        self.table = widgets.HTML()
        typed = button(say("Inspect this place"), lambda: attempt(self._inspect_typed, self.message))
        middle = button(say("Middle of the map"), self._inspect_middle)
        self.clicks = Clicks(shown, self.inspect)
        super().__init__(
            shown, say("Inspect a pixel"), [row(self.clicks.toggle), row(self.lon, self.lat, typed, middle), self.table]
        )
        self.when_closed(self.clicks.close)
        self.when_closed(self.remove_marker)
        self.when_closed(lambda: self._listen(()))
        self.lat.value, self.lon.value = shown.center[0], shown.center[1]
        self.follow(shown, self._on_layers, ["layers"])
        self._followed: tuple[RasterLayer, ...] = ()
        self._on_layers(None)
        if asked is not None:
            self.place = asked

    def inspect(self, lon: float, lat: float) -> tuple[Found, ...]:
        """Read a place in degrees; what was found, the uppermost layer first."""
        self.place = _place(lon, lat)
        return self.found

    def code(self) -> str:
        """Return the call that inspects this place."""
        lon, lat = self.place or (self.map.center[1], self.map.center[0])
        return self.call("inspect", round(lon, 6), round(lat, 6))

    def describe(self) -> str:
        """Return what was found as text."""
        if self.place is None:
            return say("{title}: no place yet", title=self.title)
        lines = [say("{lon}° east, {lat}° north", lon=f"{self.place[0]:.5f}", lat=f"{self.place[1]:.5f}")]
        return "\n".join([*lines, *(": ".join(filter(None, [one.layer.name, *_parts(one)])) for one in self.found)])

    @traitlets.observe("place")
    def _on_place(self, _: Any) -> None:
        if self.place is None:
            self.found, self.table.value = (), ""
            self.remove_marker()
            return
        lon, lat = self.place
        self.lon.value, self.lat.value = round(lon, 6), round(lat, 6)
        self._mark(lat, lon)
        self._read()

    def _on_layers(self, _: Any) -> None:
        """Follow the dates of the layers that are on the map now."""
        self._listen(self.map.rasters)

    def _listen(self, layers: tuple[RasterLayer, ...]) -> None:
        for layer in self._followed:
            layer.unobserve(self._on_time, ["time_index", "visible"])
        self._followed = layers
        for layer in self._followed:
            layer.observe(self._on_time, ["time_index", "visible"])

    def _on_time(self, _: Any) -> None:
        if self.place is not None:
            self._read()

    def _read(self) -> None:
        assert self.place is not None
        lon, lat = self.place
        found = []
        for layer in reversed(self.map.rasters):
            if layer.visible:
                try:
                    found.append(Found(layer, layer.value_at(lon, lat)))
                except (TerrascopeError, OSError) as error:
                    found.append(Found(layer, None, str(error)))
        self.found = tuple(found)
        self.table.value = _table_html(self.found, self.place)
        self._code_changed()

    def _inspect_typed(self) -> None:
        self.inspect(self.lon.value, self.lat.value)

    def _inspect_middle(self) -> None:
        self.inspect(self.map.center[1], self.map.center[0])

    def _mark(self, lat: float, lon: float) -> None:
        other = _marking.get(self.map)
        if other is not None and other is not self:
            other.remove_marker()
        _marking[self.map] = self
        if self.marker is not None and self.marker not in self.map.layers:
            self.remove_marker()
        if self.marker is None:
            self.marker = ipyleaflet.CircleMarker(
                location=(lat, lon), radius=6, color="#ffffff", fill_color="#d00000", fill_opacity=0.9, weight=2,
                name=say("Inspected place"),
            )  # fmt: skip
            self.map.add(self.marker)
        else:
            self.marker.location = (lat, lon)

    def remove_marker(self) -> None:
        """Take the mark of the place off the map."""
        marker, self.marker = self.marker, None
        if marker is not None:
            take_off(self.map, marker)


def _place(lon: Any, lat: Any) -> tuple[float, float]:
    try:
        place = float(lon), float(lat)
        inside = abs(place[0]) <= 360 and abs(place[1]) <= 90
    except (TypeError, ValueError):
        inside = False
    if not inside:
        raise CubeError(
            f"lon={lon!r}, lat={lat!r} is asked for; give both in degrees, longitude from -180 to 180 and latitude from "
            "-90 to 90, such as inspect(4.35, 50.85)."
        )
    return place


def value_text(value: PixelValue) -> str:
    """Return a value with its unit, or the name of a class; words where nothing is.

    >>> value_text(PixelValue(0.5, "0.5", "1", None, "a.tif", "NDVI"))
    '0.5'
    """
    if value.value is None:
        return say("no data")
    unit = "" if value.units in {"", "1"} else f" {unit_text(value.units).strip('[]() ')}"
    if value.text and value.text != str(value.value):
        return value.text if isinstance(value.value, float) else f"{value.text} ({value.value})"
    return f"{value.text or value.value}{unit}"


def _parts(one: Found) -> list[str]:
    if one.value is None:
        return [one.error]
    when = date_text(np.datetime64(one.value.time)) + " UTC" if one.value.time is not None else ""
    return [value_text(one.value), when, one.value.source.rsplit("/", 1)[-1]]


def _table_html(found: tuple[Found, ...], place: tuple[float, float]) -> str:
    head = "".join(
        f"<th scope='col' style='text-align:left;padding:2px 8px'>{html.escape(text)}</th>"
        for text in (say("Layer"), say("Value"), say("Date"), say("File"))
    )
    rows = ""
    for one in found:
        value, when, source = [*_parts(one), "", ""][:3]
        cells = "".join(
            f"<td style='padding:2px 8px;overflow-wrap:anywhere'>{html.escape(text)}</td>"
            for text in (value, when, source)
        )
        rows += (
            "<tr><th scope='row' style='text-align:left;padding:2px 8px;font-weight:normal'>"
            f"{html.escape(one.layer.name)}</th>{cells}</tr>"
        )
    caption = html.escape(say("{lon}° east, {lat}° north", lon=f"{place[0]:.5f}", lat=f"{place[1]:.5f}"))
    return (
        "<div role='status' style='color:var(--jp-ui-font-color1, #212121);line-height:1.4'>"
        f"<table style='border-collapse:collapse'><caption style='text-align:left'>{caption}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
