"""The other looking tools, by their traits, without a browser; each is compared with the numbers of the cube itself."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import ipyleaflet
import ipywidgets
import numpy as np
import pandas as pd
import pytest
from tool_calls import click, run

import terrascope_nb as ts
from terrascope_nb.errors import CubeError
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.tools.clicks import Clicks
from terrascope_nb.widgets.tools.tool import Tool


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
