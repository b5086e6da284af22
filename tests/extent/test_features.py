from __future__ import annotations

import pickle

import numpy as np
import odc.geo.crs
import pyproj
import pytest
import rasterio.crs
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from terrascope_nb.errors import AreaError
from terrascope_nb.extent.aoi import area
from terrascope_nb.extent.features import crs_text

TO_31 = pyproj.Transformer.from_crs(4326, 32631, always_xy=True)
GEOD = pyproj.Geod(ellps="WGS84")


def test_edges_stay_true_in_another_crs() -> None:
    box = area((2.0, 50.0, 6.0, 51.5))
    metres = box.in_crs("EPSG:32631").features[0].geometry
    lon = np.linspace(2, 6, 4001)
    x, y = TO_31.transform(lon, np.full_like(lon, 51.5))
    assert shapely.distance(metres.boundary, shapely.points(x, y)).max() < 1.0
    # The four corners joined by straight lines would leave the parallel by kilometres.
    corners = shapely.Polygon(np.column_stack(TO_31.transform([2, 6, 6, 2], [50, 50, 51.5, 51.5])))
    assert shapely.distance(corners.boundary, shapely.points(x, y)).max() > 1000


@settings(deadline=None)
@given(st.floats(-5, 9), st.floats(40, 60), st.floats(0.001, 8), st.floats(0.001, 5), st.floats(0, 1), st.floats(0, 1))
def test_bounds_in_metres_hold_every_point_of_the_box(
    west: float, south: float, width: float, height: float, along: float, up: float
) -> None:
    left, bottom, right, top = area((west, south, west + width, south + height)).bounds_in(32631)
    x, y = TO_31.transform(west + along * width, south + up * height)
    assert left - 1 <= x <= right + 1
    assert bottom - 1 <= y <= top + 1


@settings(deadline=None)
@given(st.integers(-170000, 169000), st.integers(-80000, 79000), st.integers(1, 9000), st.integers(1, 9000))
def test_a_bbox_comes_back_as_it_was_given(west: int, south: int, width: int, height: int) -> None:
    bbox = (west / 1000, south / 1000, (west + width) / 1000, (south + height) / 1000)
    if bbox[0] >= 49.4 and bbox[2] <= 51.6 and bbox[1] >= 2.4 and bbox[3] <= 6.5:
        return  # looks like Belgium swapped, and warns
    found = area(bbox)
    assert found.bbox == bbox
    assert found.bounds_in("EPSG:4326") == bbox
    assert area(str(bbox)).bbox == bbox


@settings(deadline=None, max_examples=30)
@given(st.floats(-179, 170), st.floats(-85, 80), st.floats(0.01, 8), st.floats(0.01, 4))
def test_the_area_is_that_of_the_ellipsoid(west: float, south: float, width: float, height: float) -> None:
    shape = shapely.segmentize(shapely.box(west, south, west + width, south + height), 0.01)
    expected = abs(GEOD.geometry_area_perimeter(shape)[0]) / 1e6
    with pytest.warns() if _off_somalia(shape.bounds) else _quiet():
        assert area((west, south, west + width, south + height)).area_km2 == pytest.approx(expected, rel=1e-6, abs=1e-6)


def _off_somalia(bounds: tuple[float, ...]) -> bool:
    return bounds[0] >= 49.4 and bounds[2] <= 51.6 and bounds[1] >= 2.4 and bounds[3] <= 6.5


class _quiet:  # noqa: N801
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def test_the_world_has_the_surface_of_the_earth() -> None:
    assert area((-180, -90, 180, 90)).area_km2 == pytest.approx(510_065_622, rel=1e-8)  # WGS 84


def test_overlapping_features_are_counted_once() -> None:
    twice = area([shapely.box(4, 51, 4.1, 51.1), shapely.box(4, 51, 4.1, 51.1)])
    assert len(twice) == 2
    assert twice.area_km2 == pytest.approx(area((4, 51, 4.1, 51.1)).area_km2)


def test_an_area_in_its_own_crs_is_itself() -> None:
    box = area((4, 51, 5, 52))
    assert box.in_crs(4326) is box
    assert box.in_crs("OGC:CRS84") is box


@pytest.mark.parametrize(
    "crs",
    [32631, "EPSG:32631", "epsg:32631", pyproj.CRS(32631), rasterio.crs.CRS.from_epsg(32631), odc.geo.crs.CRS("EPSG:32631"),
     pyproj.CRS(32631).to_wkt(), "+proj=utm +zone=31 +datum=WGS84 +units=m +no_defs"],
    ids=["int", "text", "lower", "pyproj", "rasterio", "odc", "wkt", "proj4"],
)  # fmt: skip
def test_any_way_to_write_a_crs_means_the_same(crs: object) -> None:
    assert crs_text(crs) == "EPSG:32631"
    assert area((4, 51, 5, 52)).in_crs(crs).crs == "EPSG:32631"


def test_an_unknown_crs_is_refused_with_an_example() -> None:
    with pytest.raises(AreaError, match="like 'EPSG:32631'"):
        area((4, 51, 5, 52)).in_crs("EPSG:999999")


def test_a_crs_that_has_no_coordinates_there_is_refused() -> None:
    for crs in ("EPSG:31370", "EPSG:2154", "EPSG:3857"):
        with pytest.raises(AreaError, match="UTM zone of the area"):
            area((0, -90, 10, -89)).in_crs(crs)


def test_a_frame_and_a_point_do_not_clip_and_a_polygon_does() -> None:
    assert area(shapely.box(4, 51, 5, 52)).clips
    assert area("Assenede").clips
    assert not area((4, 51, 5, 52)).clips
    assert not area("31UDS").clips
    assert not area("POINT (4.2 51.1)").clips
    assert area((4, 51, 5, 52)).in_crs(32631).kind == "bbox"


def test_features_keep_ids_and_attributes_in_another_crs() -> None:
    moved = area("Assenede").in_crs("EPSG:31370")
    assert moved.crs == "EPSG:31370"
    assert [one.id for one in moved] == ["43002"]
    assert moved.features[0].properties["name"] == "Assenede"
    assert moved.name == "Assenede"


def test_an_area_survives_pickling() -> None:
    one = area("Assenede")
    again = pickle.loads(pickle.dumps(one))
    assert again.bbox == one.bbox
    assert again.features[0].geometry.equals(one.features[0].geometry)


def test_a_geodataframe_has_one_row_per_feature_in_the_areas_crs() -> None:
    table = area(["Assenede", "Evergem"]).to_geodataframe()
    assert list(table.index) == ["43002", "44019"]
    assert table.index.name == "feature"
    assert table.crs == "EPSG:4326"
    assert list(table["name_nl"]) == ["Assenede", "Evergem"]
    back = area(table)
    assert [one.id for one in back] == ["43002", "44019"]
    assert back.geometry.equals(area(["Assenede", "Evergem"]).geometry)


def test_geojson_is_in_degrees_and_read_back_whole() -> None:
    lambert = area((104000, 190000, 104100, 190100), crs=31370)
    data = lambert.to_geojson()
    back = area(data)
    assert back.crs == "EPSG:4326"
    assert back.geometry.equals(lambert.geometry)
    # Anything that reads __geo_interface__ reads an area.
    assert lambert.__geo_interface__ == data


def test_a_tile_area_is_its_own_tile_and_no_neighbour() -> None:
    assert area("31UDS").tiles == ("31UDS",)
    assert area(["31UDS", "31UES"]).tiles == ("31UDS", "31UES")
    assert area("31UDS").bounds_in(32631) == (399960, 5590200, 509760, 5700000)
    assert area("31UDS").bbox == pytest.approx((1.5605, 50.4553, 3.1405, 51.4512), abs=1e-3)
    assert area(["31UGS", "32ULB"]).tiles == ("31UGS", "32ULB")
    # A tile at the edge of the world is cut, so that its box is not 359 degrees wide.
    west, _, east, _ = area("01CCV").bbox
    assert west > 170 > -170 > east
