"""A map is an ipyleaflet map, and its tiles have the colours of the data."""

from __future__ import annotations

import io
import threading
import time

import ipyleaflet
import numpy as np
import pytest
from halves import Halves, ask_for_a_tile, colour, wait_until
from PIL import Image

from terrascope_nb.errors import CubeError
from terrascope_nb.extent.aoi import area
from terrascope_nb.raster.tiling import TileAddress, tiles_over
from terrascope_nb.widgets.live_map.basemap_layer import BasemapLayer
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.live_map.picture import bounds_of_view, view_of_bounds
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer, time_index_of


def test_it_is_an_ipyleaflet_map_that_takes_its_layers_and_controls():
    shown = Map()
    marker = ipyleaflet.Marker(location=(50.8, 4.3))
    assert isinstance(shown, ipyleaflet.Map)
    assert shown.add(marker) is shown
    shown += ipyleaflet.LayersControl()
    assert marker in shown.layers
    shown.remove(marker)
    assert marker not in shown.layers


def test_the_basemap_is_painted_here_and_nothing_names_a_server():
    shown = Map()
    shown.add(Halves())
    assert isinstance(shown.layers[0], BasemapLayer)
    for layer in (*shown.layers, *(one.stand_in for one in shown.layers)):
        assert not [value for value in layer.get_state().values() if isinstance(value, str) and "http" in value]


def test_a_map_goes_to_its_area_or_to_the_first_data_and_home_again():
    assert view_of_bounds((4.0, 50.0, 5.0, 51.0), (900, 500))[1] == 8
    shown = Map()
    shown.add(Halves())
    west, south, east, north = shown.view_bounds
    assert west <= 4 < 5 <= east
    assert south <= 50 < 51 <= north
    shown.center, shown.zoom = [0, 0], 3
    shown.go_home()
    assert (shown.view_bounds) == (west, south, east, north)
    there = Map(area=(3.0, 50.9, 3.2, 51.0))
    assert there.view_bounds[0] <= 3.0 < 3.2 <= there.view_bounds[2]
    before = there.view_bounds
    there.add(Halves())
    assert there.view_bounds == before


def test_a_view_has_the_size_of_its_pixels():
    west, south, east, north = bounds_of_view((0.0, 0.0), 1, (512, 256))
    assert (west, east) == pytest.approx((-180.0, 180.0))
    assert south == pytest.approx(-66.513, abs=1e-3)
    assert north == pytest.approx(-south)


def test_an_area_is_drawn_as_an_outline():
    shown = Map()
    outline = shown.add(area((4.2, 50.2, 4.8, 50.8)), name="here")
    assert isinstance(outline, ipyleaflet.GeoJSON)
    assert (outline.name, outline in shown.layers) == ("here", True)


def test_a_tile_has_the_colours_of_matplotlib():
    layer = RasterLayer(Halves(), vmin=0.0, vmax=1.0)
    tile = tiles_over((4.4, 50.5, 4.45, 50.55), 11)[0]
    png = Image.open(io.BytesIO(layer.paint(tile, threading.Event()))).convert("RGBA")
    assert png.getpixel((128, 128)) == colour(0.25)


def test_beside_the_data_nothing_is_read_or_sent():
    source = Halves()
    layer = RasterLayer(source, vmin=0, vmax=1)
    assert layer.paint(TileAddress(8, 0, 0), threading.Event()) is None
    assert source.reads == []


def test_another_look_repaints_and_reads_nothing():
    source = Halves()
    layer = RasterLayer(source, vmin=0, vmax=1)
    tile = tiles_over((4.4, 50.5, 4.45, 50.55), 11)[0]
    layer.paint(tile, threading.Event())
    before, reads = layer.revision, len(source.reads)
    layer.set_look(cmap="magma", vmax=0.5)
    assert layer.revision > before
    assert (layer.cmap, layer.vmin, layer.vmax) == ("magma", 0.0, 0.5)
    png = Image.open(io.BytesIO(layer.paint(tile, threading.Event()))).convert("RGBA")
    assert png.getpixel((128, 128)) == colour(0.25, 0, 0.5, "magma")
    assert len(source.reads) == reads


def test_the_look_is_in_traits_that_can_be_set_and_watched():
    layer, seen = RasterLayer(Halves(), vmin=0, vmax=1), []
    layer.observe(lambda change: seen.append((change["name"], change["new"])), names=["cmap", "vmin", "vmax"])
    layer.set_look(vmax=0.9)
    before = layer.revision
    layer.cmap = "cividis"
    layer.vmin = 0.1
    assert (layer.look.cmap, layer.look.vmin, layer.look.vmax) == ("cividis", 0.1, 0.9)
    assert layer.revision == before + 2
    assert seen == [("vmax", 0.9), ("cmap", "cividis"), ("vmin", 0.1)]
    with pytest.raises(CubeError, match="no colour map"):
        layer.cmap = "no such colours"
    with pytest.raises(CubeError, match="must be below"):
        layer.vmin = 5
    assert (layer.cmap, layer.vmin, layer.look.cmap) == ("cividis", 0.1, "cividis")


def test_a_look_of_percentiles_is_that_of_numpy():
    layer = RasterLayer(Halves(), percentiles=(10, 90))
    assert (layer.vmin, layer.vmax) == pytest.approx(tuple(np.percentile(np.linspace(0, 1, 101), [10, 90])))
    layer.set_look(percentiles=(20, 80), vmax=0.9)
    assert (layer.vmin, layer.vmax) == pytest.approx((0.2, 0.9))


def test_another_date_is_shown_and_a_wrong_one_refused():
    source = Halves()
    layer = RasterLayer(source, vmin=0, vmax=1)
    assert layer.time == np.datetime64("2024-06-01")
    assert layer.value_at(4.2, 50.5).time == np.datetime64("2024-06-01")
    layer.time_index = 0
    assert layer.time == np.datetime64("2024-05-01")
    tile = tiles_over((4.4, 50.5, 4.45, 50.55), 11)[0]
    png = Image.open(io.BytesIO(layer.paint(tile, threading.Event()))).convert("RGBA")
    assert png.getpixel((128, 128)) == colour(0.75)
    with pytest.raises(CubeError, match="2 times"):
        layer.time_index = 2


@pytest.mark.parametrize(
    ("asked", "index"), [(None, 1), (0, 0), (-1, 1), ("2024-05-10", 0), (np.datetime64("2025-01-01"), 1)]
)
def test_a_date_is_an_index_or_the_nearest(asked, index):
    assert time_index_of(Halves(), asked) == index


@pytest.mark.parametrize("asked", [2, -3, "yesterday", object()])
def test_what_is_no_date_is_refused(asked):
    with pytest.raises(CubeError, match="time="):
        time_index_of(Halves(), asked)


def test_what_a_file_says_of_itself_is_text_and_no_markup():
    source = Halves()
    source.attribution = "<img src=x onerror=alert(1)> & Co"
    layer = RasterLayer(source, vmin=0, vmax=1)
    assert layer.attribution == layer.stand_in.attribution == "&lt;img src=x onerror=alert(1)&gt; &amp; Co"


def test_prefetched_pixels_are_not_read_again():
    source = Halves()
    layer = RasterLayer(source, vmin=0, vmax=1)
    layer.prefetch(0, (4.4, 50.4, 4.6, 50.6), 10)
    wanted = set(tiles_over((4.4, 50.4, 4.6, 50.6), 10))
    end = time.monotonic() + 5
    while len(source.reads) < len(wanted) and time.monotonic() < end:
        time.sleep(0.01)
    assert {tile for tile, index in source.reads if index == 0} == wanted
    time.sleep(0.05)
    layer.time_index = 0
    for tile in wanted:
        layer.paint(tile, threading.Event())
    assert len(source.reads) == len(wanted)


def test_a_failing_source_is_told_in_the_status():
    source = Halves()
    layer = RasterLayer(source, vmin=0, vmax=1)
    source.broken = True
    ask_for_a_tile(layer)
    assert wait_until(lambda: layer.error)
    assert layer.status == "error: FileNotFoundError: /archive/halves.tif is gone"
    assert "gone" in layer.describe()
