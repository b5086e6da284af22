"""The map shows what the numbers are: in a lab and in a hub, while cells run, without its file, without its kernel."""

from __future__ import annotations

import base64
import json
import re
import shutil

import numpy as np
import pytest
import rasterio
from playwright.sync_api import expect
from pyproj import Transformer
from support.maps import MapOnPage, check_colours, expected_colour, write_raster
from support.notebooks import DARK, LIGHT
from support.pictures import Shot, pixel_of

CENTER = (50.9777, 3.7488)
"""Middle of the rasters: 2560 m east and south of their corner in UTM zone 31."""


@pytest.fixture(scope="module")
def rasters(tmp_path_factory):
    """Two files: every pixel another value; squares of 32 pixels with one value each."""
    folder = tmp_path_factory.mktemp("rasters")
    rng = np.random.default_rng(3)
    fine = rng.integers(1, 10_000, (512, 512), dtype="uint16")
    squares = np.kron(rng.integers(1, 10_000, (16, 16), dtype="uint16"), np.ones((32, 32), dtype="uint16"))
    return write_raster(folder / "fine.tif", fine), write_raster(folder / "squares.tif", squares)


def map_cell(path, zoom, *, more=""):
    return (
        "import terrascope_nb as ts\n"
        f"m = ts.Map(center={CENTER}, zoom={zoom})\n"
        f"layer = m.add({str(path)!r}, cmap='viridis', vmin=0, vmax=10000)\n{more}\nm"
    )


def show(notebook, path, zoom, *extra, more=""):
    notebook.open_cells(map_cell(path, zoom, more=more), *extra)
    notebook.run(0)
    seen = MapOnPage(notebook, 0, CENTER, zoom)
    seen.wait_for_tiles()
    return seen


def test_colours_in_the_lab_are_those_of_the_values_in_the_file(lab, rasters):
    fine, squares = rasters
    check_colours(show(lab, fine, 16), fine, "viridis", 0, 10_000)
    # Far out, tiles come from the overviews: a square is about 13 screen pixels wide.
    check_colours(show(lab, squares, 12), squares, "viridis", 0, 10_000, cell=32)


def test_colours_in_the_hub_are_those_of_the_values_in_the_file_for_each_user(hub, rasters):
    fine, _ = rasters
    for notebook in hub.values():
        check_colours(show(notebook, fine, 16), fine, "viridis", 0, 10_000)


def test_a_map_of_another_file_or_a_faded_one_fails_the_comparison_of_colours(lab, rasters):
    """The comparison itself is no toy: it sees a layer that is half transparent, and one that is not there."""
    fine, _ = rasters
    seen = show(lab, fine, 16, "layer.opacity = 0.5", "layer.visible = False")
    for cell, opacity in ((1, "0.5"), (2, "0")):
        lab.run(cell)
        data = seen.element.locator(".leaflet-layer").filter(has=lab.page.locator(".tnb-Tile")).last
        expect(data).to_have_css("opacity", opacity)
        with pytest.raises(AssertionError, match="should be"):
            check_colours(seen, fine, "viridis", 0, 10_000)


def test_tiles_keep_coming_while_a_cell_runs(lab, rasters):
    fine, _ = rasters
    seen = show(lab, fine, 15, "import time; time.sleep(120)")
    lab.run(1, wait=False)
    lab.wait_until_running(1)
    seen.element.get_by_role("button", name="Zoom in").click()
    seen.zoom = 16
    lab.page.wait_for_timeout(1000)
    seen.wait_for_tiles()
    check_colours(seen, fine, "viridis", 0, 10_000)
    assert lab.is_running(1)
    lab.interrupt_kernel()


def test_a_file_that_vanished_is_said_on_the_map(lab, rasters, tmp_path):
    gone = tmp_path / "gone.tif"
    shutil.copy(rasters[0], gone)
    seen = show(lab, gone, 11, "layer.painter.source; print('here')")
    gone.unlink()
    for zoom in range(12, 16):
        seen.element.get_by_role("button", name="Zoom in").click()
        lab.page.wait_for_timeout(700 + zoom)
    expect(seen.element.locator(".tnb-MapState-row.tnb-mod-error").first).to_contain_text("gone.tif")
    expect(seen.element.locator(".tnb-MapState-row.tnb-mod-loading")).to_have_count(0)
    expect(seen.element.get_by_role("button", name="Try again").first).to_be_visible()


def test_a_restarted_kernel_leaves_a_message_and_no_spinner(lab, rasters):
    seen = show(lab, rasters[0], 15)
    # ipyleaflet itself goes on telling the dead kernel where the mouse is.
    lab.watch.expect(r"Cannot send[\s\S]*/jupyter-leaflet/")
    lab.restart_kernel()
    expect(seen.element.locator(".tnb-mod-error").first).to_contain_text("The kernel that draws this map is gone")
    seen.element.get_by_role("button", name="Zoom in").click()
    lab.page.wait_for_timeout(1500)
    expect(seen.element.locator(".tnb-mod-loading")).to_have_count(0)


def test_a_saved_notebook_has_a_picture_and_words_and_shows_them_when_it_is_opened_again(lab, rasters):
    seen = show(lab, rasters[1], 12)
    size = seen.size()
    path = lab.save()
    (output,) = json.loads(path.read_text())["cells"][0]["outputs"]
    words = "".join(output["data"]["text/plain"])
    assert "squares" in words
    assert "0 to 10000" in words
    picture = Shot(base64.b64decode("".join(output["data"]["image/png"])))
    colours = [picture.colour(*pixel_of(*place, CENTER, 12, picture.size)) for place in squares_of(rasters[1], 30)]
    wanted = [expected_colour(value, "viridis", 0, 10_000) for value in squares_values(rasters[1], 30)]
    assert np.abs(np.array(colours, dtype=float) - np.array(wanted)).max(axis=1).tolist() == pytest.approx(
        [0] * 30, abs=6
    )
    assert abs(picture.size[1] - size[1]) <= 2
    lab.watch.expect("widget model not found")  # what the widget manager says of a map whose kernel is gone
    lab.shut_down_kernel()
    lab.open("test.ipynb")
    shown = lab.output(0).locator("img").first
    shown.wait_for()
    assert lab.shot(shown).colours() > 50


def squares_of(path, count):
    return [(lon, lat) for lon, lat, _ in _squares(path, count)]


def squares_values(path, count):
    return [value for *_, value in _squares(path, count)]


def _squares(path, count):
    rng = np.random.default_rng(1)
    with rasterio.open(path) as file:
        to_lonlat = Transformer.from_crs(file.crs, "EPSG:4326", always_xy=True)
        values = file.read(1)
        for row, col in rng.integers(0, 16, (count, 2)):
            x, y = file.transform * (col * 32 + 16, row * 32 + 16)
            yield *to_lonlat.transform(x, y), float(values[row * 32 + 16, col * 32 + 16])


LISTENING = "import psutil; print(sorted(c.laddr.port for c in psutil.Process().net_connections('tcp') if c.status == 'LISTEN'))"


def test_the_second_user_of_the_hub_cannot_reach_the_first_ones_tiles(hub, rasters):
    first, second = hub.values()
    first.open_cells(LISTENING, map_cell(rasters[0], 15), LISTENING)
    first.run(0)
    first.run(1)
    seen = MapOnPage(first, 1, CENTER, 15)
    seen.wait_for_tiles()
    first.run(2)
    # The kernel opened no port for the map, and no tile has an address: the pictures came over the widget's channel.
    assert first.text(0) == first.text(2) != "[]"
    assert seen.element.locator(".tnb-Tile-picture").count() >= 4
    assert not [
        url for url in first.watch.asked if re.search(r"tile|\d+/\d+/\d+(\.png)?(\?|$)|:\d+/proxy|/proxy/", url)
    ]
    # Nor does the other user get at the kernel that paints them.
    kernel = first.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.id")
    second.open_cells("1")
    second.watch.expect(r"status of 403|status of 404")
    for asked in ("api/kernels", f"api/kernels/{kernel}", "api/contents/test.ipynb"):
        status, text = second.page.evaluate(
            "async url => { const answer = await fetch(url); return [answer.status, await answer.text()]; }",
            first.site.url + asked,
        )
        assert status != 200 or "<form" in text or "Login" in text or "not authorized" in text.lower(), text[:300]
        assert kernel not in text


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_axe_finds_nothing_wrong_with_the_map(lab, rasters, theme):
    lab.open_cells(map_cell(rasters[0], 15))
    lab.theme(theme)
    try:
        lab.run(0)
        MapOnPage(lab, 0, CENTER, 15).wait_for_tiles()
        found = lab.violations(".jp-Cell .leaflet-container")
        assert not found, "\n".join(found)
    finally:
        lab.theme(LIGHT)


def test_without_our_extension_the_map_shows_a_picture_with_the_same_colours(lab, rasters):
    lab.leave_out_extension("terrascope-nb")
    lab.watch.expect(r"No version of module terrascope-nb is registered")  # that is how the kernel learns it
    lab.open_cells(map_cell(rasters[0], 16), "layer.set_look(cmap='magma')")
    lab.run(0)
    seen = MapOnPage(lab, 0, CENTER, 16)
    seen.element.locator("img.leaflet-image-layer").nth(1).wait_for()
    lab.page.wait_for_timeout(3000)
    check_colours(seen, rasters[0], "viridis", 0, 10_000)
    lab.run(1)  # another look is a new picture
    lab.page.wait_for_timeout(4000)
    check_colours(seen, rasters[0], "magma", 0, 10_000)
