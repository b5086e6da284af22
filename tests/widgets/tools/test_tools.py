"""The looking tools, by their traits, without a browser; each is compared with the numbers of the cube itself."""

from __future__ import annotations

import base64
import io
import re
import subprocess
import sys
import textwrap

import ipyleaflet
import ipywidgets
import numpy as np
import pandas as pd
import pytest

import terrascope_nb as ts
from terrascope_nb.errors import CubeError, TerrascopeError
from terrascope_nb.settings import options
from terrascope_nb.widgets.live_map.handshake import front_end
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.tools.clicks import Clicks
from terrascope_nb.widgets.tools.tool import Tool


def run(code, shown):
    """Run the text of a tool's code as the next cell would."""
    space = {"ts": ts, "m": shown}
    if code.startswith("m.tools"):
        return eval(code, space)
    exec(code, space)
    return space


def click(shown, lon, lat):
    """A click as the browser tells it."""
    shown._interaction_callbacks(event="interaction", type="click", coordinates=[lat, lon])


def test_the_time_slider_walks_over_the_real_dates_and_round(shown):
    tool = shown.tools.time_slider()
    assert tool.date == "2024-05-01"
    tool.step()
    assert (tool.date, shown.rasters[0].time_index) == ("2024-05-11 10:40", 1)
    tool.step()
    tool.step()
    assert (tool.date, tool.index) == ("2024-05-01", 0)
    tool.step(-1)
    assert tool.date == "2024-05-11 10:50"


def test_the_time_slider_follows_the_layer_and_refuses_what_is_not_there(shown):
    tool = shown.tools.time_slider("NDVI", date="2024-05-11T10:41")
    assert tool.index == 1
    shown.rasters[0].time_index = 2
    assert (tool.index, tool.slider.value) == (2, 2)
    with pytest.raises(CubeError, match="3 dates: 0 to 2"):
        tool.index = 3
    assert tool.index == 2


def test_the_next_date_is_read_before_it_is_asked_for(shown, monkeypatch):
    read_ahead = []
    monkeypatch.setattr(
        type(shown.rasters[0]), "prefetch", lambda self, index, *view: read_ahead.append((index, *view))
    )
    tool = shown.tools.time_slider()
    tool.playing = True
    assert tool.clock.playing
    tool.clock.value = 1
    assert shown.rasters[0].time_index == 1
    assert [index for index, *_ in read_ahead] == [1, 2]
    assert read_ahead[0][1] == shown.view_bounds


def test_inspecting_tells_value_date_and_layer_of_the_pixel_under_the_click(shown, cube, place):
    tool = shown.tools.inspect()
    click(shown, *place(40, 7))
    (found,) = tool.found
    assert found.value.value == pytest.approx(float(cube.NDVI[0, 7, 40]))
    assert "2024-05-01" in tool.table.value
    assert "NDVI" in tool.describe()
    shown.rasters[0].time_index = 2
    assert tool.found[0].value.value == pytest.approx(float(cube.NDVI[2, 7, 40]))
    tool.inspect(0.0, 10.0)
    assert tool.found[0].value.value is None
    assert "no data" in tool.table.value


def test_inspecting_tells_the_class_by_its_name(cube, place):
    classes = (cube.NDVI > 0.3).astype("uint8").rename("veg")
    classes.attrs = {"flag_values": [0, 1], "flag_meanings": "bare vegetation", "flag_colors": "#aa7744 #00aa00"}
    shown = Map()
    shown.add(classes, time=0)
    tool = shown.tools.inspect(*place(60, 0))
    assert "vegetation" in tool.describe().lower()
    shown.close()


def test_only_one_tool_hears_the_clicks(shown):
    first, second = [], []
    one, other = (Clicks(shown, lambda lon, lat, into=into: into.append((lon, lat))) for into in (first, second))
    click(shown, 3.5, 50.5)
    assert (first, second) == ([], [(3.5, 50.5)])
    one.toggle.value = True
    assert not other.toggle.value
    click(shown, 364.0, 50.0)
    assert first == [(4.0, 50.0)]
    one.close()
    click(shown, 1.0, 1.0)
    assert len(first) == 1


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


def test_the_legend_follows_the_look(shown):
    tool = shown.tools.legend()
    assert "NDVI" in tool.picture.value
    assert ">3<" in tool.picture.value
    shown.rasters[0].set_look(vmax=1.25, cmap="magma")
    assert ">1.25<" in tool.picture.value
    assert "magma" in tool.describe()


def test_a_stretch_by_percentiles_is_numpys(shown, cube):
    tool = shown.tools.stretch(percentiles=(5, 95))
    low, high = np.percentile(cube.NDVI[0], (5, 95))
    look = shown.rasters[0].look
    # The layer thins what it takes percentiles of: a hundredth of the range is close enough for colours.
    assert (look.vmin, look.vmax) == pytest.approx((low, high), abs=0.01)
    tool.low.value, tool.high.value = 2.0, 1.0
    tool.set(vmin=tool.low.value, vmax=tool.high.value)
    assert "role='alert'" in tool.message.value
    assert shown.rasters[0].look == look
    tool.set(vmin=-1.0, vmax=1.0)
    assert (shown.rasters[0].vmin, shown.rasters[0].vmax) == (-1.0, 1.0)
    tool.maps.value = "cividis"
    assert shown.rasters[0].cmap == "cividis"


def test_two_dates_are_compared_with_one_stretch(shown):
    tool = shown.tools.compare(dates=("2024-05-01", "2024-05-11T10:50"))
    left, right = shown.rasters
    assert (left.time_index, right.time_index) == (0, 2)
    left.set_look(vmin=-0.5, vmax=0.5, cmap="magma")
    assert right.look == left.look
    tool.right_date.value = 1
    assert right.time_index == 1
    tool.close()
    assert shown.rasters == (left,)


def test_without_our_front_end_the_right_one_is_faded_with_it_a_bar_is_on_the_map(shown, monkeypatch):
    front = front_end()
    tool = shown.tools.compare(share=0.25)
    assert shown.rasters[1].opacity == 0.75
    monkeypatch.setattr(front, "present", True)
    assert shown.rasters[1].opacity == 1.0
    (control,) = [one for one in shown.controls if type(one).__name__ == "SwipeControl"]
    assert (control.left, control.right, control.share) == ([shown.rasters[0]], [shown.rasters[1]], 0.25)
    control.share = 0.6
    assert tool.share == 0.6
    tool.way = "fade"
    assert control not in shown.controls
    assert shown.rasters[1].opacity == 0.4
    tool.close()
    front.present = False


def test_products_of_other_units_keep_their_own_colours(shown, cube):
    warm = cube.NDVI.rename("T").assign_attrs(units="K")
    other = shown.add(warm, name="T", vmin=0.0, vmax=9.0)
    tool = shown.tools.compare("NDVI", "T")
    assert not tool.one_stretch
    assert other.look.vmax == 9.0
    assert "units differ" in tool.describe()
    tool.close()
    assert shown.rasters[1] is other


def test_other_bands_take_the_place_of_the_layer(cube):
    shown = Map()
    old = shown.add(cube, bands=("B04", "B03", "B02"), name="picture", opacity=0.5, time=1)
    top = shown.add(cube["NDVI"], name="NDVI")
    tool = shown.tools.bands("picture")
    tool.choose(("nir", "red", "green"))
    new = tool.layer
    assert shown.rasters == (new, top)
    assert old not in shown.layers
    assert new.source.layer_names == ("B08", "B04", "B03")
    assert (new.opacity, new.time_index, new.name) == (0.5, 1, "picture")
    tool.choose(("nir", "red"))
    assert "role='alert'" in tool.message.value
    tool.bands = ("NDVI",)
    assert shown.rasters[0].source.kind == "measurement"
    shown.close()


def test_the_layer_list_orders_fades_and_removes(shown, cube):
    first = shown.rasters[0]
    second = shown.add(cube["B04"], name="B04")
    tool = shown.tools.layers()
    assert [row.children[0].description for row in tool.rows.children][:2] == ["B04", "NDVI"]
    tool.move(first)
    assert shown.rasters == (second, first)
    tool.move(first, 5)
    tool.move(second, -5)
    assert shown.layers[0].base
    tool.rows.children[0].children[1].value = 0.3
    assert first.opacity == 0.3
    tool.rows.children[0].children[0].value = False
    assert not first.visible
    tool.rows.children[0].children[-1].click()
    assert shown.rasters == (second,)


def test_the_view_becomes_an_area(shown):
    tool = shown.tools.view_area()
    area = tool.take()
    assert area.bbox == pytest.approx(shown.view_bounds, abs=1e-5)
    assert run(tool.code(), shown)["area"].bbox == pytest.approx(area.bbox, abs=1e-6)


def test_every_tool_writes_a_call_that_brings_it_back(shown, cube, place):
    shown.add(cube, bands=("B04", "B03", "B02"), name="picture")
    toolbox = shown.tools
    series = toolbox.series("NDVI", area=place(3, 4), draw=False)
    made = {
        "time_slider": toolbox.time_slider("NDVI", date=2),
        "inspect": toolbox.inspect(*place(5, 6)),
        "series": series,
        "legend": toolbox.legend("NDVI"),
        "stretch": toolbox.stretch("NDVI", vmin=0.5, vmax=0.75, cmap="magma"),
        "bands": toolbox.bands("picture", ("B08", "B04", "B03")),
        "compare": toolbox.compare("NDVI", dates=(1, 2), share=0.3),
    }
    for name, tool in made.items():
        code = tool.code()
        assert code.startswith(f"m.tools.{name}("), code
        again = run(code, shown)
        assert again.code() == code
        assert isinstance(again, Tool)
        again.close()
    assert pd.testing.assert_frame_equal(run(series.code(), shown).table, series.table) is None


def test_the_code_of_a_tool_is_shown_and_kept_true(shown):
    tool = shown.tools.time_slider()
    tool._code_button.click()
    assert "date=&quot;2024-05-01 10:40&quot;" in tool._code.value
    tool.step()
    assert "2024-05-11 10:40" in tool._code.value
    tool._code_button.click()
    assert tool._code.value == ""


def test_a_tool_that_goes_leaves_nothing_on_the_map(shown, place):
    layers, controls = shown.layers, shown.controls
    for open_tool in (
        lambda: shown.tools.series(area=place(1, 1)),
        lambda: shown.tools.inspect(*place(1, 1)),
        shown.tools.compare,
        lambda: shown.tools.legend(on_map=True),
    ):
        open_tool().close()
        assert (shown.layers, shown.controls) == (layers, controls)


def test_the_toolbox_opens_one_tool_at_a_time_and_says_why_one_cannot_be_opened(shown):
    box = shown.tools
    assert box.open_tool("Series") is box.opened
    assert shown.tools is box
    box.open_tool("Inspect")
    assert len(box._place.children) == 1
    assert box.open_tool("Bands") is None
    assert "role='alert'" in box.message.value
    empty = Map()
    empty.tools.open_tool("Legend")
    assert "the map has none" in empty.tools.message.value
    empty.close()


# -- what cannot be, and what stays as it was -----------------------------------------------------------------------------


def test_a_layer_with_other_bands_is_called_after_them(cube):
    shown = Map()
    layer = shown.add(cube, bands=("B04", "B03", "B02"))
    assert layer.name == "B04, B03, B02"
    tool = shown.tools.bands(layer, ("nir", "red", "green"))
    assert tool.layer.name == "B08, B04, B03"
    # The layer that was given is gone; who still holds it means the one in its place.
    again = shown.tools.bands(layer, ("B02",))
    assert shown.rasters == (again.layer,)
    assert again.layer.name == "B02"
    tool.choose(("nir", "red", "green"))
    assert shown.rasters == (tool.layer,)
    assert shown.tools.legend(layer).layer is tool.layer
    shown.close()


def test_a_layer_that_is_not_on_the_map_is_said(shown):
    layer = shown.rasters[0]
    shown.remove(layer)
    with pytest.raises(CubeError, match="NDVI is not on this map"):
        shown.tools.time_slider(layer)


def test_comparing_again_compares_the_layer_and_not_its_twin(shown):
    (layer,) = shown.rasters
    first = shown.tools.compare(dates=(1, 2))
    second = shown.tools.compare(dates=(0, 1))
    assert second.left is layer
    assert len(shown.rasters) == 2
    assert first.right not in shown.layers
    assert shown.tools.time_slider().layer is layer
    assert shown.tools.time_slider(-1).layer is layer
    second.close()
    assert shown.rasters == (layer,)


def test_leaving_a_comparison_leaves_the_layers_as_they_were(shown, cube):
    (layer,) = shown.rasters
    layer.time_index = 1
    tool = shown.tools.compare(dates=(0, 2))
    assert layer.time_index == 0
    tool.close()
    assert layer.time_index == 1
    other = shown.add(cube["NDVI"], name="other", vmin=0.5, vmax=1.5, cmap="magma", time=2)
    look = other.look
    tool = shown.tools.compare("NDVI", "other", dates=(0, 0))
    assert other.look == layer.look
    tool.close()
    assert (other.time_index, other.look, other.vmax) == (2, look, 1.5)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"dates": ("2024-05-01",)}, "dates="),
        ({"dates": "2024-05-01"}, "dates="),
        ({"dates": (0, 99)}, "time=99"),
        ({"share": 7}, "share=7"),
        ({"way": "zz"}, "way='zz'"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused_and_leaves_the_map(shown, asked, said):
    before = shown.tools.compare()
    layers = shown.layers
    with pytest.raises(CubeError, match=said):
        shown.tools.compare(**asked)
    assert shown.layers == layers
    before.close()


@pytest.mark.parametrize("seconds", [-1, 0, "fast", float("nan")])
def test_a_pace_that_is_none_is_refused(shown, seconds):
    with pytest.raises(CubeError, match="seconds="):
        shown.tools.time_slider(seconds=seconds)


@pytest.mark.parametrize("asked", [5, (98, 2), (-5, 200)])
def test_a_stretch_by_percentiles_that_cannot_be_is_refused(shown, asked):
    with pytest.raises(CubeError, match="percentiles="):
        shown.tools.stretch(percentiles=asked)
    tool = shown.tools.stretch()
    look = tool.layer.look
    tool.set(percentiles=asked)
    assert "role='alert'" in tool.message.value
    assert (tool.percentiles, tool.layer.look) == (None, look)


@pytest.mark.parametrize("asked", [("a", "b"), (4.0, None), (None, 50.0), (4.0, 95.0), (float("nan"), 50.0)])
def test_a_place_that_is_none_is_refused(shown, asked):
    with pytest.raises(CubeError, match=r"lon=.*lat="):
        shown.tools.inspect(*asked)
    tool = shown.tools.inspect()
    with pytest.raises(CubeError, match=r"lon=.*lat="):
        tool.inspect(*asked)
    assert tool.place is None


def test_a_map_marks_one_inspected_place(shown, place):
    for column in (3, 4, 5):
        tool = shown.tools.inspect(*place(column, 6))
    markers = [one for one in shown.layers if isinstance(one, ipyleaflet.CircleMarker)]
    assert markers == [tool.marker]
    tool.close()
    assert not [one for one in shown.layers if isinstance(one, ipyleaflet.CircleMarker)]


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


# -- when all is over ------------------------------------------------------------------------------------------------------


def widgets_there():
    return set(ipywidgets.widgets.widget._instances)


def test_a_closed_map_leaves_no_widget_of_its_own(cube, place):
    Map(tools=True).close()
    before = widgets_there()
    shown = Map(tools=True)
    layer = shown.add(cube["NDVI"], name="NDVI")
    shown.add(cube, bands=("B04", "B03", "B02"))
    shown.add(ts.area((3.7, 50.9, 3.8, 51.0)))
    assert layer.stand_in
    mine = ipyleaflet.Marker(location=(50.95, 3.75))
    shown.add(mine)
    tools = shown.tools
    opened = [tools.time_slider(), tools.compare("NDVI"), tools.inspect(*place(1, 1)), tools.legend(on_map=True),
              tools.stretch(), tools.bands(), tools.layers(), tools.view_area(take=True),
              tools.series("NDVI", area=place(2, 2))]  # fmt: skip
    tools.open_tool("Inspect")
    shown.close()
    shown.close()
    for tool in opened:
        tool.close()
    left = {ipywidgets.widgets.widget._instances[one] for one in widgets_there() - before}
    assert mine in left
    mine.close()
    assert sorted(type(one).__name__ for one in left) == ["Marker"]


def test_a_process_that_ends_with_tools_open_says_nothing():
    code = """
        import numpy as np, odc.geo.xr, xarray as xr
        from terrascope_nb.widgets.live_map.map import Map
        times = np.array(["2024-05-01", "2024-06-01"], "datetime64[ns]")
        y, x = 5_650_000.0 - 10 * np.arange(32), 550_000.0 + 10 * np.arange(32)
        values = xr.DataArray(np.ones((2, 32, 32)), dims=("time", "y", "x"), coords={"time": times, "y": y, "x": x}, name="a")
        m = Map(tools=True)
        m.add(values.odc.assign_crs("EPSG:32631"), vmin=0, vmax=2)
        t = m.tools
        kept = [t.time_slider(), t.compare(), t.inspect(3.7, 50.9), t.legend(on_map=True), t.series(), t.layers()]
        t.open_tool("Inspect")
        gone = Map()
        gone.close()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
