"""What a front end and a saved notebook get of a map: layers, or pictures with a text twin."""

from __future__ import annotations

import base64
import io
import time

import ipyleaflet
import pytest
from halves import Halves, ask_for_a_tile, colour, picture_of, say_hello, sent_layers, wait_until
from PIL import Image

from terrascope_nb.settings import options
from terrascope_nb.widgets.live_map import handshake
from terrascope_nb.widgets.live_map.handshake import PROTOCOL
from terrascope_nb.widgets.live_map.map import SAVED_MAP, Map


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
