from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from terrascope_nb.extent.lonlat import bbox_of, likely_swapped, uncrossed, unwrapped

GRID = st.integers(-1790, 1790).map(lambda tenth: tenth / 10)


@settings(deadline=None)
@given(GRID, st.integers(-80, 79), st.integers(-2, 2))
def test_a_shape_wrapped_round_the_world_comes_back_where_it_was(lon: float, lat: int, turns: int) -> None:
    wrapped = shapely.box(lon + 360 * turns, lat, lon + 0.5 + 360 * turns, lat + 1)
    back, moved = unwrapped(wrapped)
    assert moved == -turns
    np.testing.assert_allclose(back.bounds, (lon, lat, lon + 0.5, lat + 1), atol=1e-9)


@settings(deadline=None)
@given(GRID, st.integers(-80, 79), st.integers(1, 100))
def test_cutting_at_180_degrees_keeps_the_surface_and_stays_on_the_globe(lon: float, lat: int, width: int) -> None:
    shape, _ = unwrapped(shapely.box(lon, lat, lon + width, lat + 1))
    cut, crossed = uncrossed(shape)
    assert crossed == (shape.bounds[0] < -180 or shape.bounds[2] > 180)
    assert cut.is_valid
    assert cut.bounds[0] >= -180
    assert cut.bounds[2] <= 180
    assert cut.area == pytest.approx(width, rel=1e-9)


def test_a_polygon_that_jumps_from_179_to_minus_179_is_two_degrees_wide() -> None:
    jumping = shapely.Polygon([(179, -17), (-179, -17), (-179, -16), (179, -16)])
    cut, crossed = uncrossed(jumping)
    assert crossed
    assert cut.area == pytest.approx(2)
    assert bbox_of(np.array([cut])) == (179, -17, -179, -16)


def test_the_whole_world_is_not_taken_for_a_line_at_180_degrees() -> None:
    world = shapely.box(-180, -90, 180, 90)
    assert uncrossed(world) == (world, False)
    assert bbox_of(np.array([world])) == (-180, -90, 180, 90)


def test_two_far_parts_are_not_joined_over_180_degrees() -> None:
    parts = np.array([shapely.box(-170, 0, -160, 1), shapely.box(160, 0, 170, 1)])
    assert bbox_of(parts) == (-170, 0, 170, 1)


def test_a_line_and_a_point_are_cut_too() -> None:
    line, crossed = uncrossed(shapely.LineString([(170, 0), (190, 10)]))
    assert crossed
    assert line.bounds == (-180, 0, 180, 10)
    assert uncrossed(shapely.Point(190, 5))[0].equals(shapely.Point(-170, 5))


@pytest.mark.parametrize(
    ("bounds", "found"),
    [
        ((51.0, 4.0, 51.2, 4.3), "belgium"),
        ((-34.0, 150.9, -33.8, 151.3), "certain"),
        ((4.0, 51.0, 4.3, 51.2), ""),
        ((45.0, 2.0, 52.0, 9.0), ""),
        ((600000.0, 5600000.0, 700000.0, 5700000.0), ""),
    ],
    ids=["Belgium swapped", "Sydney swapped", "Belgium", "Horn of Africa", "metres"],
)
def test_swapped_axes_are_seen(bounds: tuple[float, float, float, float], found: str) -> None:
    assert likely_swapped(bounds) == found
