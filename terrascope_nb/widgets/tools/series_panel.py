"""`SeriesPanel`: a click or a polygon on the map becomes a time series: a picture, a table, a CSV file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import ipyleaflet
import ipywidgets as widgets
import pandas as pd
import traitlets
import xarray as xr

from terrascope_nb.catalogue.snippet import area_code, literal
from terrascope_nb.cube.reduce import time_series
from terrascope_nb.errors import CubeError, TerrascopeError
from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.extent.aoi import area as to_area
from terrascope_nb.widgets.parts.background import Worker, heard
from terrascope_nb.widgets.parts.field import button, row
from terrascope_nb.widgets.parts.typed_field import TypedField
from terrascope_nb.widgets.pickers.area_inputs import read_text
from terrascope_nb.widgets.tools.clicks import Clicks
from terrascope_nb.widgets.tools.series_answer import numbers_html, picture_html, words_of
from terrascope_nb.widgets.tools.tool import LayerLike, Tool, layer_of, name_of, take_off
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map
    from terrascope_nb.widgets.parts.background import Cancel

_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
_PLACE = re.compile(rf"{_NUMBER}\s*[,;\s]\s*{_NUMBER}")
"""Longitude and latitude as they are typed."""
_SHAPE = {"shapeOptions": {"color": "#d00000", "weight": 2, "fillOpacity": 0.05}}


class SeriesPanel(Tool):
    """Ask a layer for its values over time: of the pixel under a click or a typed place, or mean and spread of a polygon.

    Parameters
    ----------
    shown : Map
    layer : LayerLike
        The layer on top by default.
    cube : xarray.DataArray or xarray.Dataset, optional
        What is asked; without it, what the layer was made from.
    area : AoiLike, optional
        Ask this at once, and wait for it.
    draw : bool
        Hear what is drawn on the map; a map without a drawing control gets one, for as long as the tool is open.

    Attributes
    ----------
    area : Aoi or None
        What was asked last.
    table : pandas.DataFrame or None
        A trait: the answer, as `time_series` gives it.

    Raises
    ------
    CubeError
        The layer has no cube with dates behind it, and none is given.
    """

    table = traitlets.Any(None)

    def __init__(
        self, shown: Map, layer: LayerLike = None, *, cube: Any = None, area: Any = None, draw: bool = True
    ) -> None:
        self.layer = layer_of(shown, layer)
        self._given = cube is not None
        self.cube = _cube_of(self.layer, cube)
        self.area: Aoi | None = None
        self._worker: Worker[tuple[pd.DataFrame, list[str]]] = Worker("series")
        self._outline: ipyleaflet.GeoJSON | None = None
        self.typed = TypedField(
            say("Area"),
            {say("Show the series"): self._ask_typed},
            placeholder=say("Place, bbox, WKT, or a point: 4.35, 50.85"),
        )
        self.picture, self.numbers = widgets.HTML(), widgets.HTML()
        self.clicks = Clicks(shown, lambda lon, lat: self.ask((lon, lat), wait=False))
        middle = button(say("Middle of the map"), self._ask_middle)
        super().__init__(
            shown,
            say("Series: {layer}", layer=self.layer.name),
            [row(self.clicks.toggle, middle), self.typed, self.picture, self.numbers],
        )
        self.when_closed(self.clicks.close)
        self.when_closed(self._remove_outline)
        self.when_closed(self._worker.cancel)
        if draw:
            self._add_drawing()
        if area is not None:
            self.ask(area)

    def ask(self, what: Any, *, wait: bool = True) -> pd.DataFrame | None:
        """Ask for the series of an area.

        Parameters
        ----------
        what : AoiLike, or (lon, lat)
            A place is the pixel that holds it.
        wait : bool
            False: return at once; the table comes when it is there.

        Returns
        -------
        pandas.DataFrame or None
            The table, when it was waited for and could be made.
        """
        try:
            asked = _point(*what) if isinstance(what, tuple) and len(what) == 2 else to_area(what)
        except TerrascopeError as error:
            self.message.error(error.message)
            if wait:
                raise
            return None
        self.area = asked
        self._draw_outline(asked)
        self.message.news([say("Reading {count} dates …", count=int(self.cube.sizes.get("time", 1)))])
        if not wait:
            self._worker.start(lambda cancel: self._read(asked, cancel), self._show, self._fail)
            return None
        self._worker.cancel()
        try:
            self._show(self._read(asked))
        except TerrascopeError as error:
            self._fail(error)
            raise
        return self.table  # type: ignore[no-any-return]

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for an answer that is under way; False when it did not come in time."""
        return self._worker.wait(seconds)

    def code(self) -> str:
        """Return the call that shows this series."""
        what = "" if self.area is None else f", area={_area_text(self.area)}"
        return f"{name_of(self.map)}.tools.series({literal(self.layer.name)}{what})"

    def describe(self) -> str:
        """Return the series as text."""
        if self.table is None:
            return say("{title}: nothing asked yet", title=self.title)
        return f"{self.title}\n{self._units()}\n{words_of(self.table).to_string(index=False, max_rows=30)}"

    @property
    def csv(self) -> str:
        """The table as CSV, with a column that says the unit of the values."""
        if self.table is None:
            return ""
        units = [self.unit_of(str(name)) for name in self.table["variable"]]
        return str(self.table.assign(unit=units).to_csv(index=False))

    def unit_of(self, variable: str) -> str:
        """Return the unit of a variable in the table, in which radar backscatter stays linear; empty when unknown."""
        assert self.table is not None
        known = self.table.attrs.get("units", {})
        unit = str((known.get(variable, "") if isinstance(known, dict) else known) or "")
        if not self.layer.look.decibel:
            return unit
        return "linear" if unit in {"", "1"} else f"{unit}, linear"

    def _read(self, asked: Aoi, cancel: Cancel | None = None) -> tuple[pd.DataFrame, list[str]]:
        with heard() as warned:
            table = time_series(self.cube, asked)
        if cancel is not None:
            cancel.check()
        # A point is the pixel under it: that it holds no centre is what was asked, not news.
        return table, [] if asked.kind == "point" else warned

    def _show(self, answer: tuple[pd.DataFrame, list[str]]) -> None:
        self.table, warned = answer
        valid = int((self.table["count"] > 0).sum())
        if not valid:
            self.picture.value = ""
            self.message.news([say("There is no valid value here on any date."), *warned])
        else:
            assert self.area is not None
            self.picture.value = picture_html(self.table, f"{self.layer.name}, {_place_text(self.area)}")
            self.message.news(
                [say("{valid} of {count} dates have a value.", valid=valid, count=len(self.table)), *warned]
            )
        self.numbers.value = numbers_html(self.table, self.csv, self.layer.name, self._units())
        self._code_changed()

    def _units(self) -> str:
        """Return the units of the table as a sentence."""
        assert self.table is not None
        names = dict.fromkeys(str(name) for name in self.table["variable"])
        told = ", ".join(f"{name} [{'-' if (unit := self.unit_of(name)) == '1' else unit or '?'}]" for name in names)
        if not self.layer.look.decibel:
            return say("Unit: {unit}", unit=told)
        return say("Unit: {unit}; the map shows decibels, the table linear values.", unit=told)

    def _fail(self, error: Exception) -> None:
        self.picture.value = self.numbers.value = ""
        self.message.error(getattr(error, "message", "") or f"{type(error).__name__}: {error}")

    def _ask_typed(self) -> None:
        place = _PLACE.fullmatch(self.typed.value.strip())
        asked = _point(*map(float, place.groups())) if place else read_text(self.typed.value).area
        self.ask(asked, wait=False)

    def _ask_middle(self) -> None:
        lat, lon = self.map.center
        self.ask((lon, lat), wait=False)

    def _add_drawing(self) -> None:
        """Hear what is drawn: with the drawing control that the map has, of an area picker say, else with one of ours."""
        there = [one for one in self.map.controls if isinstance(one, ipyleaflet.DrawControl)]
        self.drawing = there[0] if there else ipyleaflet.DrawControl(
            polygon=_SHAPE, rectangle=_SHAPE, polyline={}, circlemarker={}, circle={}, marker={}, edit=False, remove=False,
        )  # fmt: skip

        def drawn(_control: Any, action: str, geo_json: dict[str, Any]) -> None:
            if action == "created":
                if not there:
                    self.drawing.clear()
                self.ask(geo_json["geometry"], wait=False)

        self.drawing.on_draw(drawn)
        self.when_closed(lambda: self.drawing.on_draw(drawn, remove=True))
        if not there:
            self.map.add(self.drawing)
            self.when_closed(lambda: take_off(self.map, self.drawing))

    def _draw_outline(self, asked: Aoi) -> None:
        self._remove_outline()
        self._outline = ipyleaflet.GeoJSON(
            data=asked.to_geojson(), name=say("Asked area"),
            style={"color": "#d00000", "weight": 2, "fillOpacity": 0.05},
            point_style={"radius": 5, "color": "#ffffff", "fillColor": "#d00000", "fillOpacity": 0.9, "weight": 2},
        )  # fmt: skip
        self.map.add(self._outline)

    def _remove_outline(self) -> None:
        outline, self._outline = self._outline, None
        if outline is not None:
            take_off(self.map, outline)


def _cube_of(layer: Any, cube: Any) -> Any:
    found = cube if cube is not None else getattr(layer, "made_of", None)
    if not isinstance(found, xr.DataArray | xr.Dataset):
        raise CubeError(
            f"a series of {layer.name} needs the cube it was made from; this layer was made from a file or a service. "
            "Load a cube with ts.load(items, …) and add a variable of it, or say cube=…."
        )
    if "time" not in found.coords:
        raise CubeError(f"{layer.name} has no dates, so there is no series to show.")
    if isinstance(found, xr.Dataset) and layer.source.kind == "rgb":
        names = [name for name in layer.source.layer_names if name in found.data_vars]
        return found[names] if names else found
    return found


def _point(lon: float, lat: float) -> Aoi:
    return to_area(f"POINT ({lon:.7f} {lat:.7f})")


def _area_text(asked: Aoi) -> str:
    if asked.kind == "point":
        lon, lat, _, _ = asked.bbox
        return f'"POINT ({lon:.6f} {lat:.6f})"'
    return area_code(asked)


def _place_text(asked: Aoi) -> str:
    if asked.kind == "point":
        lon, lat, _, _ = asked.bbox
        return say("{lon}° east, {lat}° north", lon=f"{lon:.5f}", lat=f"{lat:.5f}")
    return asked.name or say("{size} km²", size=f"{asked.area_km2:,.2f}")
