"""Outlines of grids on the globe, against pyproj on many points."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from terrascope_nb.catalogue.archive_footprint import UNKNOWN, grid_footprint, is_metric


@given(
    zone=st.integers(2, 59), south=st.booleans(), left=st.floats(2e5, 6e5), top=st.floats(1e6, 7e6),
    pixels=st.integers(1, 10980),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_straight_pieces_leave_the_true_edge_by_less_than_ten_metres(zone, south, left, top, pixels):
    code = (32700 if south else 32600) + zone
    top = 10_000_000 - top if south else top
    found = grid_footprint(f"EPSG:{code}", (10.0, 0.0, left, 0.0, -10.0, top), pixels, pixels)
    edge = np.linspace(0, 10.0 * pixels, 300)
    xs = np.concatenate([left + edge, left + edge, np.full(300, left), np.full(300, left + edge[-1])])
    ys = np.concatenate([np.full(300, top), np.full(300, top - edge[-1]), top - edge, top - edge])
    points = shapely.points(*Transformer.from_crs(code, 4326, always_xy=True).transform(xs, ys))
    ring = shapely.from_wkb(found.wkb).exterior
    nearest = shapely.get_coordinates(shapely.shortest_line(points, ring)).reshape(-1, 4)
    _, _, metres = Geod(ellps="WGS84").inv(*nearest.T)
    assert metres.max() < 10


def test_a_grid_in_degrees_has_four_corners():
    found = grid_footprint("EPSG:4326", (0.1, 0.0, 3.0, 0.0, -0.1, 52.0), 20, 10)
    assert found.bbox == (3.0, 51.0, 5.0, 52.0)
    assert len(shapely.get_coordinates(shapely.from_wkb(found.wkb))) == 5


def test_a_grid_over_180_degrees_is_cut_there():
    found = grid_footprint("EPSG:32601", (10.0, 0.0, 199980.0, 0.0, -10.0, 5700000.0), 10980, 10980)
    west, _, east, _ = found.bbox
    assert west > 178
    assert east < -178
    outline = shapely.from_wkb(found.wkb)
    assert outline.geom_type == "MultiPolygon"
    assert outline.is_valid
    assert outline.area == pytest.approx(1.55, abs=0.1)


@pytest.mark.parametrize("left", [-180.0, -180.0 - 0.5 / 112], ids=["edges", "centres"])
def test_a_global_grid_is_the_world(left):
    found = grid_footprint("EPSG:4326", (1 / 112, 0.0, left, 0.0, -1 / 112, 80.0), 40320, 15680)
    assert found.bbox == (-180.0, -60.0, 180.0, 80.0)


def test_a_rotated_grid_keeps_its_shape():
    found = grid_footprint("EPSG:32631", (8.0, 6.0, 5e5, 6.0, -8.0, 5.6e6), 1000, 500)
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(shapely.from_wkb(found.wkb))
    assert abs(area) == pytest.approx(1000 * 500 * 100, rel=2e-3)


@pytest.mark.parametrize("crs", ["EPSG:99999", "EPSG:1024", "nonsense"])
def test_a_system_that_is_not_known_gives_none(crs):
    assert grid_footprint(crs, (10.0, 0.0, 0.0, 0.0, -10.0, 0.0), 5, 5) is None
    assert not is_metric(crs)


def test_a_place_off_the_map_gives_none():
    assert grid_footprint("EPSG:32631", (10.0, 0.0, 1e30, 0.0, -10.0, 1e30), 5, 5) is None


def test_metric_means_projected_in_metres():
    assert is_metric("EPSG:32631")
    assert is_metric("EPSG:3857")
    assert not is_metric("EPSG:4326")
    assert not is_metric("EPSG:2263")  # US feet


def test_unknown_is_an_empty_outline_without_a_box():
    assert shapely.from_wkb(UNKNOWN.wkb).is_empty
    assert all(map(math.isnan, UNKNOWN.bbox))
