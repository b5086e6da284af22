from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.raster.tiling import (
    HALF,
    TileAddress,
    lonlat_bounds,
    mercator_of,
    stop_if,
    tiles_over,
    zoom_for,
)

TO_DEGREES = pyproj.Transformer.from_crs("EPSG:3857", "EPSG:4326", always_xy=True)


@given(st.integers(0, 20), st.floats(0, 0.999999), st.floats(0, 0.999999))
def test_a_tile_lies_where_proj_says(z, across, down):
    tile = TileAddress(z, int(across * 2**z), int(down * 2**z))
    left, bottom, right, top = tile.bounds_mercator
    (west, east), (south, north) = TO_DEGREES.transform([left, right], [bottom, top])
    assert tile.bounds_lonlat == pytest.approx((west, south, east, north), abs=1e-9)
    assert tile.grid().bounds == pytest.approx((left, bottom, right, top), abs=1e-6)


@given(st.floats(-180, 179.99), st.floats(-85, 85), st.integers(0, 18))
def test_the_tile_over_a_place_holds_it(lon, lat, z):
    (tile,) = tiles_over((lon, lat, lon, lat), z)
    x, y = mercator_of(lon, lat)
    left, bottom, right, top = tile.bounds_mercator
    assert left - 1e-6 <= x <= right + 1e-6
    assert bottom - 1e-6 <= y <= top + 1e-6


def test_parents_hold_their_children():
    tile = TileAddress(13, 4197, 2741)
    assert tile.parent() == TileAddress(12, 2098, 1370)
    assert tile.parent(13) == TileAddress(0, 0, 0)


def test_tiles_over_the_date_line_are_those_of_both_sides():
    east = {(tile.x, tile.y) for tile in tiles_over((178.0, -18.0, 180.0, -16.0), 7)}
    west = {(tile.x, tile.y) for tile in tiles_over((-180.0, -18.0, -178.0, -16.0), 7)}
    for bounds in ((178.0, -18.0, 182.0, -16.0), (178.0, -18.0, -178.0, -16.0)):
        found = [(tile.x, tile.y) for tile in tiles_over(bounds, 7)]
        assert set(found) == east | west
        assert len(found) == len(set(found))


def test_the_world_is_each_tile_once():
    assert len(tiles_over((-180.0, -89.0, 180.0, 89.0), 3)) == 64
    assert len(set(tiles_over((-200.0, -89.0, 200.0, 89.0), 3))) == 64


def test_a_zoom_has_the_pixels_it_is_for():
    z = zoom_for(10.0, 51.0)
    pixel = 2 * HALF / 256 / 2**z * np.cos(np.radians(51.0))
    assert pixel == pytest.approx(10.0)


def test_bounds_go_there_and_back():
    assert lonlat_bounds((*mercator_of(2.5, 49.5), *mercator_of(6.4, 51.5))) == pytest.approx((2.5, 49.5, 6.4, 51.5))


def test_a_set_token_stops():
    token = threading.Event()
    stop_if(token)
    stop_if(None)
    token.set()
    with pytest.raises(CancelledError):
        stop_if(token)
