"""The basemaps of a map, and what is left of a map that is closed."""

from __future__ import annotations

import base64
import gc
import io
import threading

import numpy as np
import pytest
from halves import Halves, say_hello, sent_layers
from PIL import Image

from terrascope_nb.errors import CubeError, TerrascopeWarning
from terrascope_nb.raster.tiling import TileAddress
from terrascope_nb.widgets.live_map import handshake
from terrascope_nb.widgets.live_map.basemap_layer import BasemapLayer
from terrascope_nb.widgets.live_map.handshake import PROTOCOL, extension_version
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.live_map.online import OnlineBasemap
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer


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
