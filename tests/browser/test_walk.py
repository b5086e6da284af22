"""The whole walk of a person with a mouse, for two users of a hub at once: draw, choose, drop, load, look, ask, code."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect
from support.drawing import draw_rectangle
from support.pictures import pixel_of
from support.sample_files import kept_scenes

CENTER, ZOOM = (50.8155, 3.0243), 15
EXPLORE = f"""
import terrascope_nb as ts
explorer = ts.explore(source="sample", map=ts.Map(center={CENTER}, zoom={ZOOM}))
explorer
"""
DRAWN = {"anna": (-90, -110, 150, 190), "jan.p@x": (-60, -50, 110, 120)}
"""Left and top, from the middle of the map, width and height of the rectangle of each user, in pixels."""
DROPPED = {"anna": 3, "jan.p@x": 5}
CODE = "import os\nprint(os.environ['JUPYTERHUB_USER'], explorer.code, sep='\\n')"
SERIES = "explorer.map.tools.opened.table['mean'].tolist()"


def _draw_area(user, notebook):
    """Draw on the explorer's map; the kernel's area is where the mouse went, to two pixels."""
    page = notebook.page
    page.locator(".leaflet-draw-draw-rectangle").wait_for(timeout=120_000)
    shown = page.locator(".leaflet-container").first.bounding_box()
    size = shown["width"], shown["height"]
    left, top, width, height = DRAWN[user]
    left, top = size[0] / 2 + left, size[1] / 2 + top
    draw_rectangle(page, left, top, width, height)
    expect(page.get_by_label("Areas", exact=True).locator("option")).to_have_count(1)
    west, south, east, north = notebook.ask("explorer.area.bbox")
    assert notebook.ask("len(explorer.area)") == 1
    assert pixel_of(west, north, CENTER, ZOOM, size) == pytest.approx((left, top), abs=2)
    assert pixel_of(east, south, CENTER, ZOOM, size) == pytest.approx((left + width, top + height), abs=2)


def _choose(_, notebook):
    page = notebook.page
    page.get_by_role("button", name="Product: none").click()
    page.get_by_label("Product", exact=True).select_option(label="Sentinel-2 NDVI (s2-ndvi)")
    page.get_by_role("button", name="Period: all dates").click()
    page.get_by_label("Or type it").fill("2018-06")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_role("button", name="Period: 2018-06-01/2018-06-30")).to_be_visible()
    page.get_by_role("button", name="Search", exact=True).click()


def _see_results(_, notebook):
    note = notebook.page.locator(".tsnb-dates-note")
    expect(note).to_contain_text("quality flags", timeout=120_000)
    expect(note.locator("progress")).to_be_hidden(timeout=120_000)
    expect(notebook.page.locator(".tsnb-results tbody tr")).to_have_count(9)


def _drop_and_load(user, notebook):
    page = notebook.page
    page.locator(".tsnb-day").nth(DROPPED[user]).click()
    page.get_by_role("button", name="Drop this date").click()
    expect(page.locator(".tsnb-results tr.tsnb-gone")).to_have_count(1)
    page.get_by_role("button", name="Load", exact=True).click()


def _see_map(_, notebook):
    page = notebook.page
    expect(page.locator(".tsnb-status-text").first).to_contain_text("Loaded", timeout=120_000)
    expect(page.locator(".leaflet-bottom.leaflet-right [role='img']")).to_be_visible()


def _see_dates(_, notebook):
    """Two dates by the slider, then two side by side."""
    page = notebook.page
    slider = page.locator(".terrascope-tools").get_by_role("slider", name="Date")
    before = slider.get_attribute("aria-valuetext")
    slider.focus()
    slider.press("ArrowLeft")
    expect(slider).not_to_have_attribute("aria-valuetext", before)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".tnb-Swipe")).to_have_attribute("aria-valuenow", "50")


def _ask_series(_, notebook):
    page = notebook.page
    page.get_by_role("button", name="Series", exact=True).click()
    expect(page.get_by_role("button", name="Click on the map")).to_be_visible()
    page.locator(".leaflet-container").first.click()
    expect(page.locator(".terrascope-tools").get_by_role("link", name="Save as CSV")).to_be_visible(timeout=90_000)
    expect(page.locator(".tnb-Swipe")).to_have_count(0)


def _check_numbers(notebook):
    """The kernel's cube and series are what rasterio and numpy read in the pixels of what was drawn; the sum of the cube."""
    bbox, total = notebook.ask("[explorer.area.bbox, float(explorer.cube.NDVI.astype('float64').sum())]")
    scenes = kept_scenes(notebook)
    assert len(scenes) == 8
    inside = [scene.within(bbox) for scene in scenes]
    assert notebook.ask("int(explorer.cube.NDVI.count())") == sum(np.isfinite(one).sum() for one in inside)
    assert total == pytest.approx(sum(np.nansum(one) for one in inside), rel=1e-6)
    lon, lat, _, _ = notebook.ask("explorer.map.tools.opened.area.bbox")
    assert notebook.ask(SERIES) == pytest.approx([scene.at(lon, lat) for scene in scenes], abs=1e-6, nan_ok=True)
    return total


def test_two_users_of_a_hub_walk_at_once_and_their_code_gives_the_same_numbers_again(hub):
    for notebook in hub.values():
        notebook.open_cells(EXPLORE, CODE, "")
        notebook.run(0, wait=False)
    for step in (_draw_area, _choose, _see_results, _drop_and_load, _see_map, _see_dates, _ask_series):
        for user, notebook in hub.items():
            notebook.page.bring_to_front()  # keys go to the window in front
            step(user, notebook)
    told = set()
    for user, notebook in hub.items():
        total = _check_numbers(notebook)
        notebook.run(1)
        first, code = notebook.text(1).split("\n", 1)
        assert first == user
        dropped = re.search(r"without\((.*)\)", code)
        assert dropped is not None
        told.add((dropped[1], total))
        notebook.restart_kernel()
        notebook.watch.expect(r"Cannot send[\s\S]*/jupyter-leaflet/")
        notebook.set_cell(2, code)
        notebook.run(2)
        assert notebook.ask("[len(items), float(cube.NDVI.astype('float64').sum())]") == [8, total]
    assert len({day for day, _ in told}) == len({total for _, total in told}) == 2
