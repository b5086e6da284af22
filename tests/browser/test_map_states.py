"""What the map says while nobody answers, after a reload, and in the other theme."""

from __future__ import annotations

import numpy as np
import pytest
from playwright.sync_api import expect
from support.maps import MapOnPage, check_colours, write_raster
from support.notebooks import DARK, LIGHT

CENTER = (50.9777, 3.7488)
"""Middle of the raster: 2560 m east and south of its corner in UTM zone 31."""
LOADING, ERROR = ".tnb-MapState-row.tnb-mod-loading", ".tnb-MapState-row.tnb-mod-error"


@pytest.fixture(scope="module")
def raster(tmp_path_factory):
    rng = np.random.default_rng(5)
    values = rng.integers(1, 10_000, (512, 512), dtype="uint16")
    return write_raster(tmp_path_factory.mktemp("states") / "states.tif", values)


def show(notebook, path, *extra, zoom=15):
    notebook.open_cells(
        f"import terrascope_nb as ts\nm = ts.Map(center={CENTER}, zoom={zoom})\n"
        f"layer = m.add({str(path)!r}, cmap='viridis', vmin=0, vmax=10000)\nm",
        *extra,
    )
    notebook.run(0)
    seen = MapOnPage(notebook, 0, CENTER, zoom)
    seen.wait_for_tiles()
    return seen


def test_a_page_that_is_loaded_again_brings_back_the_live_map(lab, raster):
    show(lab, raster, zoom=16)
    lab.save()
    lab.page.wait_for_timeout(1000)
    lab.page.reload()
    lab.wait_until_idle()
    seen = MapOnPage(lab, 0, CENTER, 16)
    seen.wait_for_tiles()
    expect(lab.page.locator(".tnb-SavedMap-picture")).to_be_hidden()
    check_colours(seen, raster, "viridis", 0, 10_000, count=10)


OTHER = """import ipywidgets
from terrascope_nb.widgets.parts.static_twin import with_twin
class Slider(ipywidgets.IntSlider):
    def _repr_mimebundle_(self, **options):
        return with_twin(super()._repr_mimebundle_(**options), self.model_id, "words of a slider", ts.Map().picture())
Slider()"""


def test_another_widget_with_a_saved_picture_stays_live_and_is_a_picture_without_its_kernel(lab, raster):
    lab.open_cells("import terrascope_nb as ts\n" + OTHER)
    shown = lab.run(0)
    lab.page.wait_for_timeout(5000)
    expect(shown.locator(".widget-readout")).to_be_visible()
    expect(shown.locator(".tnb-SavedMap-picture")).to_be_hidden()
    lab.save()
    lab.page.wait_for_timeout(1000)
    lab.watch.expect("widget model not found")  # what the widget manager says of it
    lab.shut_down_kernel()
    lab.open("test.ipynb")
    expect(lab.output(0).locator(".tnb-SavedMap-picture")).to_be_visible()
    expect(lab.output(0)).to_contain_text("words of a slider")
    expect(lab.output(0).locator(".tnb-SavedMap-picture img")).to_be_visible()


def test_a_kernel_that_is_stuck_is_said_and_its_tiles_come_when_it_goes_on(lab, raster):
    seen = show(lab, raster, "import ctypes\nctypes.PyDLL(None).usleep(9_000_000)")
    lab.run(1, wait=False)
    lab.page.wait_for_timeout(500)
    seen.element.get_by_role("button", name="Zoom in").click()
    expect(seen.element.locator(LOADING).first).to_contain_text("waiting for the kernel, which is busy", timeout=8000)
    seen.wait_for_tiles()
    expect(seen.element.locator(ERROR)).to_have_count(0)


SLOW = """import time
whole = layer.source.read
def slow(tile, **how):
    time.sleep(5)
    return whole(tile, **how)
layer.source.read = slow
layer.timeout = 1
layer.painter._pixels.clear()
layer.set_look(cmap='magma')"""


def test_a_tile_that_does_not_come_is_an_error_with_a_button_that_asks_again(lab, raster):
    seen = show(lab, raster, SLOW, "layer.source.read = whole; layer.timeout = 60")
    lab.run(1)
    expect(seen.element.locator(ERROR).first).to_contain_text("no answer within 1 s")
    expect(seen.element.locator(LOADING)).to_have_count(0)
    expect(seen.element.locator(".tnb-Tile-error").first).to_be_visible()
    lab.run(2)
    seen.element.get_by_role("button", name="Try again").first.click()
    expect(seen.element.locator(ERROR)).to_have_count(0)
    seen.wait_for_tiles()
    check_colours(seen, raster, "magma", 0, 10_000, count=5)


def test_the_ground_is_dark_in_a_dark_lab(lab, raster):
    seen = show(lab, raster, zoom=10)
    before = lab.shot(seen.element).array[-60:-30, 200:400].mean()
    try:
        lab.theme(DARK)
        lab.page.wait_for_timeout(1500)
        seen.wait_for_tiles()
        after = lab.shot(seen.element).array[-60:-30, 200:400].mean()
    finally:
        lab.theme(LIGHT)
    assert after < 100 < 200 < before


def test_a_map_that_the_page_gives_more_room_fills_it_and_tells_the_kernel(lab, raster):
    seen = show(lab, raster)
    heights = [lab.ask("m.bounds[1][0] - m.bounds[0][0]")]
    seen.element.evaluate("one => { one.style.height = '800px'; one.parentElement.style.height = '800px'; }")
    lab.holds(f"round((m.bounds[1][0] - m.bounds[0][0]) / {heights[0]}, 2)", 1.6)
    assert lab.ask("list(m.center)") == pytest.approx(CENTER, abs=5e-5)
    assert seen.size()[1] == 800
    seen.wait_for_tiles()
    check_colours(seen, raster, "viridis", 0, 10_000)


def test_an_online_basemap_that_does_not_load_is_replaced(lab, raster):
    seen = show(lab, raster, "m.set_basemap('OpenStreetMap.Mapnik')", "print(*m.notes, type(m.layers[0]).__name__)")
    lab.watch.expect("Failed to load resource.*openstreetmap")
    lab.run(1)
    expect(seen.element).to_contain_text("does not load; the offline one is shown instead")
    lab.run(2)
    assert lab.text(2).endswith("BasemapLayer")
    expect(seen.element.locator(".leaflet-control-attribution")).not_to_contain_text("OpenStreetMap")
    asked = [url for url in lab.watch.left if "tile.openstreetmap.org" not in url]
    assert lab.watch.left
    assert not asked
    assert all("tile.openstreetmap.org" in one for one in lab.watch.lost)
    lab.watch.left.clear()
    lab.watch.lost.clear()
