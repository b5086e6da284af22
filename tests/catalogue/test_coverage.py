from __future__ import annotations

import math

import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import box

from terrascope_nb.catalogue.coverage import Coverage

GEOD = pyproj.Geod(ellps="WGS84")


def true_share(area, outline):
    """Return the percentage by geodesic areas on the ellipsoid, with edges as short as GeoJSON's straight ones."""

    def size(geometry):
        return abs(GEOD.geometry_area_perimeter(shapely.segmentize(geometry, 0.02))[0])

    return 100 * size(area.intersection(outline)) / size(area)


def test_half_a_field_is_50_percent(make_item):
    item = make_item(footprint=box(4.0, 51.0, 4.1, 51.1))
    assert Coverage(box(4.05, 51.0, 4.15, 51.1)).percent([item]) == pytest.approx(50)


def test_two_tiles_of_one_pass_cover_together_what_neither_covers_alone(make_item):
    area = box(4.0, 51.0, 4.2, 51.1)
    left, right = make_item(footprint=box(3, 50, 4.1, 52)), make_item(footprint=box(4.05, 50, 5, 52))
    coverage = Coverage(area)
    assert coverage.percent([left]) == pytest.approx(50)
    assert coverage.percent([right]) == pytest.approx(75)
    assert coverage.percent([left, right]) == 100.0


def test_an_area_all_inside_is_exactly_100_and_one_outside_exactly_0(make_item):
    item = make_item(footprint=box(4, 50, 6, 52))
    assert Coverage(box(5, 51, 5.1, 51.1)).percent([item]) == 100.0
    assert Coverage(box(15, 51, 15.1, 51.1)).percent([item]) == 0.0


def test_the_real_slanted_footprint_is_measured_like_the_ellipsoid(real_item):
    item = real_item("S2A_20250516T104651_31UFS_NDVI_10M_V210")
    area = box(4.2, 50.3, 5.2, 51.0)
    outline = shapely.geometry.shape(item.geometry)
    assert Coverage(area).percent([item]) == pytest.approx(true_share(area, outline), abs=0.05)


@given(
    st.floats(-60, 75), st.floats(0.01, 8), st.floats(0.01, 8), st.floats(-1, 1), st.floats(-1, 1), st.floats(0.3, 3)
)
def test_shares_agree_with_the_ellipsoid_anywhere(south, width, height, shift_x, shift_y, factor):
    import pystac
    from shapely.geometry import mapping

    area = box(4.0, south, 4.0 + width, south + height)
    outline = shapely.affinity.rotate(
        shapely.affinity.scale(shapely.affinity.translate(area, shift_x * width, shift_y * height), factor, factor), 12
    )
    item = pystac.Item("x", mapping(outline), list(outline.bounds), __import__("datetime").datetime(2020, 1, 1), {})
    assert Coverage(area).percent([item]) == pytest.approx(true_share(area, outline), abs=0.6)


def test_a_point_is_covered_or_not(make_item):
    item = make_item(footprint=box(4, 50, 6, 52))
    assert Coverage(shapely.Point(5, 51)).percent([item]) == 100.0
    assert Coverage(shapely.Point(15, 51)).percent([item]) == 0.0


def test_an_item_whose_geometry_holds_nan_is_measured_by_its_bbox(make_item):
    item = make_item()
    item.geometry["coordinates"] = [[[4.0, 50.0], [math.nan, 50.0], [6.0, 52.0], [4.0, 50.0]]]
    item.bbox = [4.0, 50.0, 6.0, 52.0]
    assert Coverage(box(5, 51, 5.1, 51.1)).percent([item]) == 100.0


def test_an_item_without_any_footprint_is_measured_by_its_tile_and_else_unknown(make_item):
    item = make_item(tile="31UFS")
    item.geometry = item.bbox = None
    assert Coverage(box(5, 51, 5.1, 51.1)).percent([item]) == 100.0
    item.id = "something"
    for key in ("grid:code", "mgrs:utm_zone"):
        del item.properties[key]
    assert math.isnan(Coverage(box(5, 51, 5.1, 51.1)).percent([item]))


def test_a_footprint_that_crosses_itself_is_mended(make_item):
    item = make_item()
    item.geometry = {"type": "Polygon", "coordinates": [[[4, 50], [6, 52], [6, 50], [4, 52], [4, 50]]]}
    assert 0 < Coverage(box(4, 50, 6, 52)).percent([item]) < 100
