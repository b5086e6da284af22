"""The looking tools in a real lab: the bar between two layers, clicks, dates, and what a screen reader finds."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect
from support.maps import MapOnPage, expected_colour
from support.notebooks import DARK, LIGHT

CENTER = (50.9777, 3.7488)
ZOOM = 15
PLACES = {"west": (3.742, 50.9777), "east": (3.756, 50.9777)}
CUBE = """
import numpy as np, xarray as xr, odc.geo.xr, terrascope_nb as ts
x = 550005.0 + 10 * np.arange(512); y = 5649995.0 - 10 * np.arange(512)
time = np.array(["2024-05-01T10:40", "2024-05-11T10:40", "2024-05-21T10:40"], "datetime64[ns]")
values = np.broadcast_to(np.array([1.0, 5.0, 9.0], "float32")[:, None, None], (3, 512, 512)).copy()
cube = xr.Dataset({"NDVI": (("time", "y", "x"), values, {"units": "1", "long_name": "Index"})},
                  coords={"time": time, "y": y, "x": x}).odc.assign_crs("EPSG:32631")
"""
MAP = (
    CUBE
    + f"m = ts.Map(center={CENTER}, zoom={ZOOM}, height='400px')\nm.add(cube['NDVI'], vmin=0, vmax=10, cmap='viridis', time=0)\nm"
)


def open_map(lab, *more):
    lab.open_cells(MAP, *more)
    lab.run(0)
    seen = MapOnPage(lab, 0, CENTER, ZOOM)
    seen.wait_for_tiles()
    return seen


def colour_at(seen, lon, lat):
    return np.array(seen.notebook.shot(seen.element).colour(*seen.pixel(lon, lat)), dtype=float)


def expect_colour(seen, place, value):
    """The colour of a value is at a place, now or soon."""
    wanted = expected_colour(value, "viridis", 0, 10)
    for _ in range(40):
        drawn = colour_at(seen, *PLACES[place])
        if np.abs(drawn - wanted).max() <= 6:
            return
        seen.notebook.page.wait_for_timeout(250)
    raise AssertionError(f"{place}: {value} should be {wanted}, is {drawn}")


def test_a_bar_shows_one_date_to_its_left_and_another_to_its_right(lab):
    seen = open_map(
        lab,
        "c = m.tools.compare()\nc",
        "c.share = 0.1",
        "print(c.share)",
        "m.add(cube['NDVI'].isel(time=1) * 0, name='zero', visible=False)\nNone",
    )
    lab.run(1)
    bar = seen.element.locator(".tnb-Swipe")
    expect(bar).to_have_attribute("aria-valuenow", "50")
    expect_colour(seen, "west", 1)
    expect_colour(seen, "east", 9)
    lab.run(2)
    expect_colour(seen, "west", 9)
    bar.focus()
    bar.press("End")
    expect_colour(seen, "east", 1)
    bar.press("PageDown")
    lab.run(3)
    assert lab.text(3) == "0.9"
    lab.run(4)  # another layer on the map does not disturb the bar
    expect_colour(seen, "east", 1)
    expect_colour(seen, "west", 1)
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    whole = seen.element.bounding_box()
    lab.page.mouse.move(box["x"] + 2, whole["y"] + 300)
    lab.page.mouse.down()
    lab.page.mouse.move(whole["x"] + whole["width"] / 2, whole["y"] + 300, steps=5)
    lab.page.mouse.up()
    expect_colour(seen, "east", 9)
    expect_colour(seen, "west", 1)


def test_the_slider_changes_the_date_on_the_map_by_keyboard(lab):
    seen = open_map(lab, "t = m.tools.time_slider()\nt", "print(t.date, m.rasters[0].time_index)")
    lab.run(1)
    handle = lab.output(1).get_by_role("slider", name="Date")
    handle.focus()
    handle.press("ArrowRight")
    expect_colour(seen, "west", 5)
    lab.run(2)
    assert lab.text(2) == "2024-05-11 1"
    lab.output(1).get_by_role("button", name="Later").click()
    expect_colour(seen, "west", 9)


def test_playing_goes_through_the_dates(lab):
    seen = open_map(lab, "t = m.tools.time_slider(seconds=0.4)\nt")
    lab.run(1)
    lab.output(1).get_by_role("button", name="Play").click()
    expect_colour(seen, "west", 9)
    lab.output(1).get_by_role("button", name="Stop").click()


def test_a_click_on_the_map_is_inspected_and_becomes_a_series(lab):
    seen = open_map(lab, "i = m.tools.inspect()\ni", "s = m.tools.series()\ns")
    lab.run(1)
    seen.click(*PLACES["west"])
    expect(lab.output(1).locator("td").first).to_have_text("1")
    expect(lab.output(1).locator("table")).to_contain_text("2024-05-01")
    lab.run(2)
    seen.click(*PLACES["east"])
    picture = lab.output(2).locator("img")
    picture.wait_for()
    assert lab.shot(picture).colours() > 20
    expect(picture).to_have_count(1)  # the widget shows it, and no cell does a second time
    with lab.page.expect_download() as saved:
        lab.output(2).get_by_role("link", name="Save as CSV").click()
    lines = saved.value.path().read_text().splitlines()
    assert lines[0].split(",")[:4] == ["feature", "time", "variable", "mean"]
    assert [float(line.split(",")[3]) for line in lines[1:]] == [1.0, 5.0, 9.0]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_axe_finds_nothing_wrong_with_the_tools(lab, theme):
    open_map(
        lab, "m.tools.time_slider()", "m.tools.compare()", "m.tools.inspect(3.75, 50.977)", "m.tools.stretch()",
        "m.tools.layers()", "m.tools.legend()", "m.tools.view_area(take=True)", "s = m.tools.series(area='POINT (3.75 50.977)'); s",
        "m.tools",
    )  # fmt: skip
    lab.theme(theme)
    try:
        for cell in range(1, 10):
            lab.run(cell)
        lab.page.wait_for_timeout(500)
        found = lab.violations(".terrascope-tool")
        assert not found, "\n".join(found)
        assert not lab.violations(".terrascope-tools")
    finally:
        lab.theme(LIGHT)
