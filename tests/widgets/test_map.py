"""A map that is live in JupyterLab, and a picture with a text twin everywhere else."""

from __future__ import annotations

import base64
import gc
import io
import threading
import time
from datetime import datetime, timedelta, timezone

import ipyleaflet
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from terrascope_nb.errors import CubeError, TerrascopeWarning
from terrascope_nb.extent.aoi import area
from terrascope_nb.raster.tiling import PixelValue, TileAddress, TilePixels, tiles_over
from terrascope_nb.settings import options
from terrascope_nb.widgets.live_map import handshake
from terrascope_nb.widgets.live_map.basemap_layer import BasemapLayer
from terrascope_nb.widgets.live_map.handshake import PROTOCOL, FrontEnd, extension_version
from terrascope_nb.widgets.live_map.map import SAVED_MAP, Map
from terrascope_nb.widgets.live_map.online import OnlineBasemap
from terrascope_nb.widgets.live_map.picture import bounds_of_view, view_of_bounds
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer, time_index_of


class Halves:
    """Two dates; the value is 0.25 west of 4.5° and 0.75 east of it, and the other way round at the first date."""

    name, kind, units, layer_names = "Halves", "measurement", "1", ("halves",)
    times = tuple(np.array(["2024-05-01", "2024-06-01"], dtype="datetime64[ns]"))
    bounds = (4.0, 50.0, 5.0, 51.0)
    min_zoom, max_zoom, attribution = 0, 12, "Made for a test"
    attrs: dict[str, object] = {}  # noqa: RUF012

    def __init__(self):
        self.reads, self.broken = [], False

    def read(self, tile, *, time=None, size=256, cancel=None):
        self.reads.append((tile, time))
        if self.broken:
            raise FileNotFoundError("/archive/halves.tif is gone")
        west, south, east, north = tile.bounds_lonlat
        lon = west + (np.arange(size) + 0.5) / size * (east - west)
        lat = np.linspace(north, south, size)[:, None]
        inside = (lon >= 4) & (lon < 5) & (lat >= 50) & (lat < 51)
        low, high = (0.75, 0.25) if time == 0 else (0.25, 0.75)
        values = np.where(inside, np.where(lon < 4.5, low, high), np.nan).astype("float32")
        return TilePixels((values,), inside)

    def value_at(self, lon, lat, *, time=None):
        return PixelValue(0.25 if lon < 4.5 else 0.75, "", "1", self.times[time], "halves.tif", "halves")

    def sample(self, *, time=None, size=256):
        return np.linspace(0, 1, 101, dtype="float32")


@pytest.fixture(autouse=True)
def nobody_there(monkeypatch):
    """Each test begins with a kernel that heard no hello."""
    monkeypatch.setattr(handshake, "_one", [FrontEnd()])
    with options(language="en"):
        yield


def say_hello():
    front = handshake.front_end()
    front._on_message(front, {"msg": "hello", "version": extension_version(), "protocol": PROTOCOL}, [])


def sent_layers(shown):
    return [name.removeprefix("IPY_MODEL_") for name in shown.get_state("layers")["layers"]]


def picture_of(data_url):
    kind, _, data = data_url.partition(";base64,")
    assert kind.startswith("data:image/")
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")


def colour(value, low=0.0, high=1.0, cmap="viridis"):
    return tuple(int(part) for part in mpl.colormaps[cmap]((value - low) / (high - low), bytes=True))


# -- an ipyleaflet map --------------------------------------------------------------------------------------------------


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


# -- data ---------------------------------------------------------------------------------------------------------------


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


def ask_for_a_tile(layer):
    tile = tiles_over((4.4, 50.5, 4.45, 50.55), 11)[0]
    layer._on_message(layer, {"msg": "tiles", "tiles": [{"id": "a", "z": tile.z, "x": tile.x, "y": tile.y}]}, [])


def wait_until(told, seconds=5.0):
    end = time.monotonic() + seconds
    while not told() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(told())


# -- where nobody answers, and where somebody does ----------------------------------------------------------------------


def test_without_our_extension_the_front_end_gets_overlays_with_pictures():
    shown = Map()
    layer = shown.add(Halves(), vmin=0, vmax=1)
    shown._repr_mimebundle_()
    assert sent_layers(shown) == [one.stand_in.model_id for one in shown.layers]
    assert {one.stand_in.get_state()["_model_name"] for one in shown.layers} == {"LeafletImageOverlayModel"}
    overlay = picture_of(layer.stand_in.url)
    (south, west), (north, east) = layer.stand_in.bounds
    row = overlay.height // 2
    for lon, value in ((4.2, 0.25), (4.8, 0.75)):
        column = int((lon - west) / (east - west) * overlay.width)
        assert overlay.getpixel((column, row)) == colour(value)
    ground = picture_of(shown.layers[0].stand_in.url)
    assert len(ground.getcolors(100_000)) > 3
    assert (west, east) == (pytest.approx(4, abs=0.01), pytest.approx(5, abs=0.01))
    assert south < north


def test_after_hello_the_front_end_gets_the_layers_themselves_and_their_saved_pictures():
    shown = Map()
    layer = shown.add(Halves(), vmin=0, vmax=1)
    shown._repr_mimebundle_()
    say_hello()
    assert sent_layers(shown) == [one.model_id for one in shown.layers]
    assert layer.still_url == ""  # the tiles of the view go first
    ask_for_a_tile(layer)
    assert wait_until(lambda: layer.still_url == layer.stand_in.url)
    later = Map()
    later.add(Halves(), vmin=0, vmax=1)
    later._repr_mimebundle_()
    assert sent_layers(later) == [one.model_id for one in later.layers]
    ask_for_a_tile(later.rasters[0])
    assert wait_until(lambda: later.rasters[0].still_url)
    assert picture_of(later.rasters[0].still_url).width > 100


def test_overlays_follow_opacity_visibility_and_view():
    shown = Map()
    layer = shown.add(Halves(), vmin=0, vmax=1, opacity=0.5)
    shown._repr_mimebundle_()
    assert layer.stand_in.opacity == 0.5
    layer.visible = False
    assert not layer.stand_in.visible
    layer.visible = True
    first = layer.stand_in.bounds
    with shown.hold_trait_notifications():
        for name, edge in zip(("west", "south", "east", "north"), (4.4, 50.4, 4.6, 50.6), strict=True):
            shown.set_trait(name, edge)
    end = time.monotonic() + 5
    while layer.stand_in.bounds == first and time.monotonic() < end:
        time.sleep(0.01)
    (_south, west), (_north, east) = layer.stand_in.bounds
    assert west == pytest.approx(4.4, abs=0.01)
    assert east == pytest.approx(4.6, abs=0.01)


def test_an_extension_of_another_version_is_said_on_the_map():
    shown = Map()
    front = handshake.front_end()
    front._on_message(front, {"msg": "hello", "version": "9.9.9", "protocol": PROTOCOL}, [])
    assert any("9.9.9" in note for note in shown.notes)
    assert any(isinstance(control, ipyleaflet.WidgetControl) and "9.9.9" in getattr(control.widget, "value", "")
               for control in shown.controls)  # fmt: skip


def test_layers_of_tiles_lie_in_the_order_of_the_map():
    shown = Map()
    low, high = shown.add(Halves(), name="low"), shown.add(Halves(), name="high")
    assert shown.layers[0].order < low.order < high.order
    shown.layers = (shown.layers[0], high, low)
    assert high.order < low.order


# -- a saved notebook ---------------------------------------------------------------------------------------------------


def test_the_output_holds_a_picture_with_the_data_in_it_and_a_text():
    shown = Map()
    shown.add(Halves(), vmin=0, vmax=1)
    data = shown._repr_mimebundle_()
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
    assert picture.size == (900, 500)
    west, _, east, _ = shown.view_bounds
    for lon, value in ((4.2, 0.25), (4.8, 0.75)):
        assert picture.getpixel((int((lon - west) / (east - west) * 900), 250)) == colour(value)[:3]
    assert "application/vnd.jupyter.widget-view+json" in data
    twin = data["text/plain"]
    for word in ("east", "north", "Halves", "2024-06-01", "0 to 1", "viridis"):
        assert word in twin
    assert data[SAVED_MAP]["text"] == twin


def test_the_text_is_in_the_language_of_the_reader():
    shown = Map()
    shown.add(Halves(), vmin=0, vmax=1)
    with options(language="nl"):
        assert "oosterlengte" in shown.describe()
    with options(language="fr"):
        assert "couleurs viridis" in shown.describe()


def test_a_layer_that_fails_leaves_the_rest_of_the_picture_and_is_said():
    shown = Map()
    source = Halves()
    shown.add(source, vmin=0, vmax=1)
    shown.add(Halves(), vmin=0, vmax=1, name="whole")
    source.broken = True
    data = shown._repr_mimebundle_()
    assert "halves.tif is gone" in shown.notes[0]
    assert "halves.tif is gone" in data["text/plain"]
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB")
    assert colour(0.25)[:3] in {one for _, one in picture.getcolors(1_000_000)}


def test_outlines_of_vector_layers_are_in_the_picture():
    shown = Map(center=(50.5, 4.5), zoom=8)
    ring = [[4.2, 50.2], [4.8, 50.2], [4.8, 50.8], [4.2, 50.8], [4.2, 50.2]]
    shown.add(ipyleaflet.GeoJSON(data={"type": "Polygon", "coordinates": [ring]}, style={"color": "#ff00ff"}))
    picture = Image.open(io.BytesIO(shown.picture())).convert("RGB")
    assert (255, 0, 255) in {one for _, one in picture.getcolors(1_000_000)}


# -- basemaps -----------------------------------------------------------------------------------------------------------


def test_an_online_basemap_that_does_not_load_is_said_and_replaced():
    shown = Map(basemap="openstreetmap.mapnik")
    layer = shown.layers[0]
    raster = shown.add(Halves(), vmin=0, vmax=1)
    assert isinstance(layer, OnlineBasemap)
    layer._on_message(layer, {"msg": "tileerror", "failed": 2, "loaded": 0}, [])
    layer._on_message(layer, {"msg": "tileerror", "failed": 4, "loaded": 30}, [])
    assert shown.layers[0] is layer
    with pytest.warns(TerrascopeWarning, match="does not load"):
        layer._on_message(layer, {"msg": "tileerror", "failed": 3, "loaded": 0}, [])
    assert isinstance(shown.layers[0], BasemapLayer)
    assert shown.layers[1:] == (raster,)
    assert "OpenStreetMap.Mapnik" in shown.notes[0]
    layer._on_message(layer, {"msg": "tileerror", "failed": 9, "loaded": 0}, [])
    assert len(shown.notes) == 1


def test_the_offline_basemap_follows_the_theme_unless_a_shade_is_chosen():
    following, fixed = Map(), Map(basemap="offline-light")
    front = handshake.front_end()
    hello = {"msg": "hello", "version": extension_version(), "protocol": PROTOCOL}
    front._on_message(front, {**hello, "dark": True}, [])
    assert following.layers[0].dark
    assert following.layers[0].revision > 0
    assert not fixed.layers[0].dark
    assert Map().layers[0].dark
    front._on_message(front, {**hello, "dark": False}, [])
    assert not following.layers[0].dark


def test_without_our_extension_an_online_basemap_is_an_ordinary_layer():
    shown = Map(basemap="OpenStreetMap.Mapnik")
    assert shown.layers[0].stand_in.get_state()["_model_name"] == "LeafletTileLayerModel"
    assert sent_layers(shown) == [shown.layers[0].stand_in.model_id]


def test_other_basemaps_can_be_chosen_and_changed():
    assert Map(basemap="none").layers == ()
    shown = Map(basemap="offline-dark")
    raster = shown.add(Halves(), vmin=0, vmax=1)
    dark = Image.open(io.BytesIO(shown.layers[0].paint(TileAddress(6, 32, 21), threading.Event()))).convert("L")
    shown.set_basemap("offline")
    light = Image.open(io.BytesIO(shown.layers[0].paint(TileAddress(6, 32, 21), threading.Event()))).convert("L")
    assert np.mean(np.asarray(dark)) < 100 < np.mean(np.asarray(light))
    assert shown.layers[1:] == (raster,)
    shown.set_basemap("none")
    assert shown.layers == (raster,)


@pytest.mark.parametrize("name", ["offline-purple", "OpenStreetMap.Mapnick", "nothing"])
def test_a_basemap_that_nobody_offers_is_refused_with_those_that_exist(name):
    with pytest.raises(CubeError, match="offline"):
        Map(basemap=name)


def test_a_closed_map_paints_no_more_and_hears_nothing():
    shown = Map()
    shown.add(Halves(), vmin=0, vmax=1)
    shown.close()
    say_hello()
    assert shown.comm is None
    shown.close()


def test_what_could_not_be_made_leaves_nothing_behind():
    with pytest.raises(CubeError):
        Map(basemap="offline-purple")
    with pytest.raises(CubeError):
        RasterLayer(Halves(), cmap="no such colours")
    shown = Map()
    shown.close()
    del shown
    gc.collect()  # what goes wrong in __del__ is an error of this test


@pytest.mark.parametrize("center", [(0, 0), (84.9, 179.9), (-85, -179), (0, 359)], ids=str)
@pytest.mark.parametrize("zoom", [0, 1, 5.5, 18])
def test_every_view_has_a_picture(center, zoom):
    shown = Map(center=center, zoom=zoom)
    shown.add(Halves(), vmin=0, vmax=1)
    data = shown._repr_mimebundle_()
    assert Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).size == (900, 500)
    assert not shown.notes


# -- names ---------------------------------------------------------------------------------------------------------------

HOSTILE = '<img src=x onerror="alert(1)"> & &lt;b&gt; S2_A<1>'


def named_layers():
    shown = Map()
    raster = shown.add(Halves(), name=HOSTILE, vmin=0, vmax=1)
    outline = shown.add(area((4.2, 50.2, 4.8, 50.8)), name=HOSTILE)
    own = Halves()
    own.name = HOSTILE
    from_source = shown.add(own, vmin=0, vmax=1)
    ground = BasemapLayer(name=HOSTILE)
    online = OnlineBasemap("OpenStreetMap.Mapnik")
    online.name = HOSTILE
    stand_ins = [one.stand_in for one in (raster, from_source, ground)]
    return [raster, outline, from_source, ground, online, *stand_ins]


def test_a_name_reaches_the_page_without_markup_and_python_as_it_was_given():
    for layer in named_layers():
        sent = layer.get_state()["name"]
        assert not set("<>") & set(sent), type(layer)
        assert "&lt;" not in sent
        assert "S2_A‹1›" in sent
        assert layer.name == HOSTILE


def test_a_new_name_is_sent_without_markup_too(monkeypatch):
    layer = RasterLayer(Halves(), vmin=0, vmax=1)
    sent = []
    monkeypatch.setattr(layer, "_send", lambda message, **_: sent.append(message))
    monkeypatch.setattr(layer.stand_in, "_send", lambda message, **_: sent.append(message))
    layer.name = HOSTILE
    names = [message["state"]["name"] for message in sent if "name" in message.get("state", {})]
    assert len(names) == 2
    assert not set("<>") & set("".join(names))


# -- what cannot be -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"), [("time_index", 99), ("vmin", 5), ("vmax", "much"), ("cmap", "no such colours")]
)
def test_a_trait_that_cannot_be_keeps_what_it_was(name, value):
    layer = RasterLayer(Halves(), vmin=0, vmax=1)
    before = getattr(layer, name)
    with pytest.raises(CubeError):
        setattr(layer, name, value)
    assert getattr(layer, name) == before
    assert layer.describe()
    assert layer.value_at(4.2, 50.5).value == 0.25
    layer.set_look(cmap="magma")


@pytest.mark.parametrize("asked", [(98, 2), (-5, 200), (2, 2), 5, (1, 2, 3), ("a", "b"), (float("nan"), 98)])
def test_percentiles_that_cannot_be_are_refused(asked):
    shown = Map()
    with pytest.raises(CubeError, match=r"percentiles=.* 0 to 100"):
        shown.add(Halves(), percentiles=asked)
    with pytest.raises(CubeError, match=r"percentiles=.* 0 to 100"):
        RasterLayer(Halves(), vmin=0, vmax=1).set_look(percentiles=asked)


@pytest.mark.parametrize("asked", [3, -0.1, "half", None])
def test_an_opacity_that_is_no_share_is_refused(asked):
    with pytest.raises(CubeError, match="opacity="):
        Map().add(Halves(), opacity=asked, vmin=0, vmax=1)
    layer = RasterLayer(Halves(), opacity=np.float32(0.25), vmin=0, vmax=1)
    with pytest.raises(CubeError, match=r"opacity=.* give a share from 0"):
        layer.opacity = asked
    assert layer.opacity == 0.25


@pytest.mark.parametrize(
    "view", [{"center": (91, 5)}, {"center": (50, 500)}, {"center": 5}, {"zoom": -3}, {"zoom": 99}, {"zoom": "near"}]
)
def test_a_view_beside_the_earth_is_refused(view):
    with pytest.raises(CubeError, match=f"{next(iter(view))}="):
        Map(**view)


@pytest.mark.parametrize(
    "asked",
    [
        datetime(2024, 5, 16, 23, tzinfo=timezone(timedelta(hours=-2))),
        pd.Timestamp("2024-05-16T23:00", tz="America/Noronha"),
        "2024-05-16T23:00-02:00",
    ],
)
def test_a_time_with_a_zone_is_that_time_in_utc(asked):
    source = Halves()
    source.times = tuple(np.array(["2024-05-15", "2024-05-19"], dtype="datetime64[ns]"))
    assert time_index_of(source, "2024-05-16T23:00") == 0
    assert time_index_of(source, asked) == 1
    with pytest.raises(CubeError, match="time="):
        time_index_of(source, "NaT")


@pytest.mark.parametrize(("text", "said"), [("", "empty"), ("fields.geojson", "ts.area"), ("a/b.gpkg", "ts.area")])
def test_a_text_that_is_no_raster_says_what_to_do(text, said):
    with pytest.raises(CubeError, match=said):
        Map().add(text)


def test_a_layer_out_of_sight_says_so():
    shown = Map(center=(0, 100), zoom=8)
    shown.add(Halves(), vmin=0, vmax=1)
    assert "outside the view" in shown.describe()
    shown.center = (50.5, 4.5)
    assert "outside the view" not in shown.describe()


# -- decibels --------------------------------------------------------------------------------------------------------------


class Radar(Halves):
    """Backscatter: 0.25 and 0.75 in linear power, drawn in decibels."""

    name, layer_names = "Radar", ("VV",)
    attrs = {"product": "s1-sigma0", "band": "VV", "units": "1"}  # noqa: RUF012

    def sample(self, *, time=None, size=256):
        return np.linspace(0.01, 0.5, 101, dtype="float32")


def test_a_value_is_told_in_the_unit_of_the_legend_and_as_it_is_in_the_cube():
    layer = RasterLayer(Radar())
    assert layer.look.decibel
    found = layer.value_at(4.2, 50.5)
    assert found.value == 0.25
    assert found.text == "-6.02 dB (0.25 linear)"  # 10 log10(0.25) = -6.0206


def test_ends_in_linear_power_where_decibels_are_meant_give_a_warning():
    shown = Map()
    with pytest.warns(TerrascopeWarning, match=r"decibels, and Radar holds -20 to -3.01 dB"):
        layer = shown.add(Radar(), vmin=0, vmax=0.3)
    layer.set_look(vmin=-25, vmax=0)
    with pytest.warns(TerrascopeWarning, match="one colour"):
        layer.set_look(vmin=0, vmax=0.3)
