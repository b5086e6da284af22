"""The series of a place or a polygon, compared with the numbers of the cube itself."""

from __future__ import annotations

import base64
import io
import re

import ipyleaflet
import numpy as np
import pandas as pd
import pytest
from tool_calls import click

import terrascope_nb as ts
from terrascope_nb.errors import CubeError, TerrascopeError
from terrascope_nb.settings import options
from terrascope_nb.widgets.live_map.map import Map


def test_a_click_becomes_the_series_of_that_pixel(shown, cube, place):
    tool = shown.tools.series()
    click(shown, *place(20, 30))
    assert tool.wait(60)
    assert tool.table["mean"].to_numpy() == pytest.approx(cube.NDVI[:, 30, 20].to_numpy())
    assert tool.table["count"].tolist() == [1, 1, 1]
    assert "data:image/png;base64," in tool.picture.value


def test_a_polygon_becomes_mean_and_spread_and_a_csv_with_valid_percent(shown, cube, place):
    cube.NDVI[1, 10:20, 10:15] = np.nan
    corners = [place(column, row) for column, row in ((10, 10), (19, 10), (19, 19), (10, 19))]
    lons, lats = zip(*corners, strict=True)
    tool = shown.tools.series(draw=False)
    tool.ask((min(lons) - 1e-5, min(lats) - 1e-5, max(lons) + 1e-5, max(lats) + 1e-5))
    read = pd.read_csv(io.StringIO(tool.csv))
    assert read["valid_percent"].iloc[0] == 100
    assert 30 < read["valid_percent"].iloc[1] < 70
    link = re.search(r"href='data:text/csv;base64,([^']+)'", tool.numbers.value)
    assert base64.b64decode(link[1]).decode() == tool.csv
    again = ts.time_series(cube.NDVI, tool.area)
    pd.testing.assert_frame_equal(tool.table, again)


def test_the_columns_of_a_series_are_words_on_the_page_and_names_in_the_file(shown, place):
    def heads(tool):
        return re.findall(r"<th scope='col'[^>]*>([^<]+)</th>", tool.numbers.value)

    english = ["Date (UTC)", "Band", "Mean", "Standard deviation", "Valid pixels", "Valid %"]
    tool = shown.tools.series(area=place(10, 20))
    assert heads(tool) == english
    assert all(word in tool.describe() for word in english)
    with options(language="fr"):
        tool.ask(place(10, 20))
        assert heads(tool) == ["Date (UTC)", "Bande", "Moyenne", "Écart type", "Pixels valides", "Valide %"]
    assert {"time", "variable", "mean", "std", "count", "valid_percent", "unit"} <= set(
        pd.read_csv(io.StringIO(tool.csv)).columns
    )


def test_a_series_says_when_it_cannot_be(shown, tmp_path):
    shown.rasters[0].made_of = tmp_path / "file.tif"
    with pytest.raises(CubeError, match=r"cube=…"):
        shown.tools.series()
    shown.rasters[0].made_of = None
    with pytest.raises(CubeError, match="has no data layer 'NDVY'"):
        shown.tools.series("NDVY")


def test_a_text_that_is_no_area_is_said_in_the_tool(shown):
    tool = shown.tools.series()
    tool.ask("Nowhere-upon-Nothing", wait=False)
    assert "role='alert'" in tool.message.value
    with pytest.raises(TerrascopeError):
        tool.ask("Nowhere-upon-Nothing")


def test_radar_is_inspected_in_decibels_and_its_series_says_that_it_is_linear(cube, place):
    radar = cube["B04"].rename("VV")
    radar.attrs = {"units": "1", "product": "s1-sigma0", "band": "VV"}
    shown = Map()
    shown.add(radar, name="VV", time=2)
    assert shown.tools.stretch().low.description == "From (dB)"
    value = float(radar[2, 7, 40])
    told = shown.tools.inspect(*place(40, 7)).describe()
    assert f"{10 * np.log10(value):.2f} dB ({value:.5g} linear)" in told
    tool = shown.tools.series(area=place(40, 7), draw=False)
    read = pd.read_csv(io.StringIO(tool.csv))
    assert read["unit"].tolist() == ["linear"] * 3
    assert read["mean"].to_numpy() == pytest.approx(radar[:, 7, 40].to_numpy())
    assert "VV [linear]" in tool.numbers.value
    assert "linear" in tool.describe()
    shown.close()


def test_a_series_says_its_unit(shown, place):
    tool = shown.tools.series(area=place(40, 7), draw=False)
    assert "NDVI [-]" in tool.numbers.value
    assert set(pd.read_csv(io.StringIO(tool.csv))["unit"]) == {1}


@pytest.mark.parametrize("text", ["{lon}, {lat}", "{lon} {lat}", " {lon} ; {lat} ", "POINT ({lon} {lat})"])
def test_a_typed_place_becomes_the_series_of_its_pixel(shown, cube, place, text):
    lon, lat = place(40, 9)
    tool = shown.tools.series(draw=False)
    tool.typed.value = text.format(lon=f"{lon:.7f}", lat=f"{lat:.7f}")
    tool.typed.press("Show the series")
    assert tool.wait(20)
    assert tool.table["mean"].to_numpy() == pytest.approx(cube["NDVI"].values[:, 9, 40], rel=1e-6)


def test_the_series_of_the_middle_of_the_map_and_text_that_is_no_place(shown, cube, place):
    lon, lat = place(20, 30)
    shown.center = (lat, lon)
    tool = shown.tools.series(draw=False)
    middle = next(one for one in tool.children[1].children if one.description == "Middle of the map")
    middle.click()
    assert tool.wait(20)
    assert tool.table["mean"].to_numpy() == pytest.approx(cube["NDVI"].values[:, 30, 20], rel=1e-6)
    before = tool.table
    for text, said in (("", "Nothing was typed"), ("nowhere at all", "no place"), ("200, 95", "cannot be degrees")):
        tool.typed.value = text
        tool.typed.press("Show the series")
        assert said in tool.typed.problem
    assert tool.table is before


def test_a_series_hears_the_drawing_control_that_the_map_has(shown, cube, place):
    control = ipyleaflet.DrawControl()
    shown.add(control)
    tool = shown.tools.series()
    assert [one for one in shown.controls if isinstance(one, ipyleaflet.DrawControl)] == [control]
    lon, lat = place(20, 30)
    drawn = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [lon, lat]}}
    control._draw_callbacks(control, action="created", geo_json=drawn)
    assert tool.wait(60)
    assert tool.table["mean"].to_numpy() == pytest.approx(cube.NDVI[:, 30, 20].to_numpy())
    tool.close()
    assert control in shown.controls
    control._draw_callbacks(control, action="created", geo_json=drawn)
    alone = Map()
    alone.add(cube["NDVI"])
    own = alone.tools.series()
    assert own.drawing in alone.controls
    own.close()
    assert own.drawing not in alone.controls
    alone.close()
