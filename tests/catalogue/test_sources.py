from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pystac
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from terrascope_nb.catalogue.sources import Request, box_of, footprint_of, in_order, item_of, matches
from terrascope_nb.extent.period import period, season

EVERYTHING = Request()


def test_an_empty_request_fits_everything(make_item):
    assert matches(make_item(), EVERYTHING)


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ("2020-05", True),
        ("2020-05-07", True),
        ("2020-05-01/2020-05-07", True),
        ("2020-05-07/..", True),
        ("../2020-05-06", False),
        ("2020-05-08/2020-05-31", False),
        ("2020-05-01/2020-05-06", False),
    ],
)
def test_a_scene_at_10_46_utc_on_the_last_day_is_found(make_item, asked, fits):
    # The dissected peers sent the end day as midnight and lost it.
    item = make_item("2020-05-07T10:46:51")
    assert matches(item, Request(period=period(asked))) is fits


def test_the_last_second_of_the_last_day_is_found_and_the_next_is_not(make_item):
    request = Request(period=period("2020-05-07"))
    assert matches(make_item("2020-05-07T23:59:59"), request)
    assert matches(make_item("2020-05-07T00:00:00"), request)
    assert not matches(make_item("2020-05-08T00:00:00"), request)


def test_the_same_season_of_several_years_leaves_out_the_winters(make_item):
    request = Request(period=season("04-01", "06-30", [2019, 2020]))
    days = ["2019-03-31", "2019-04-01", "2019-12-01", "2020-06-30", "2020-07-01"]
    assert [matches(make_item(f"{day}T10:40:31"), request) for day in days] == [False, True, False, True, False]


def test_a_yearly_product_overlaps_any_day_of_its_year():
    properties = {"start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-12-31T23:59:59Z"}
    item = pystac.Item("x", None, None, None, properties | {"datetime": None})
    assert matches(item, Request(period=period("2020-06-15")))
    assert not matches(item, Request(period=period("2021")))


def test_cloud_is_percent_inclusive_and_unknown_passes(make_item):
    request = Request(max_cloud=20)
    clouds = {0.0: True, 20.0: True, 20.1: False, None: True}
    assert {cloud: matches(make_item(cloud=cloud), request) for cloud in clouds} == clouds


def test_the_footprint_decides_and_not_its_box(make_item):
    item = make_item(footprint=shapely.Polygon([(4, 50), (6, 50), (4, 52)]))
    corner, inside = (5.8, 51.8, 5.9, 51.9), (4.1, 50.1, 4.2, 50.2)
    assert matches(item, Request(bbox=inside))
    assert not matches(item, Request(bbox=corner))
    assert not matches(item, Request(bbox=inside, geometry=box(*corner))), "the geometry wins over the bbox"


def test_a_bbox_over_180_degrees_is_two_boxes(make_item):
    request = Request(bbox=(179, -10, -179, 10))
    assert matches(make_item(footprint=box(179.5, 0, 179.9, 1)), request)
    assert matches(make_item(footprint=box(-179.9, 0, -179.5, 1)), request)
    assert not matches(make_item(footprint=box(0, 0, 1, 1)), request)
    assert box_of((179, -10, -179, 10)).area == pytest.approx(40)


@pytest.mark.parametrize(
    "coordinates",
    [[], [[[4, 50], [float("nan"), 50], [4, 52], [4, 50]]], [[[4, 50], [None, 50], [4, 52], [4, 50]]]],
    ids=["empty", "nan", "null"],
)
def test_a_geometry_that_says_nothing_falls_back_to_the_bbox_then_the_tile(make_item, coordinates):
    item = make_item(tile="31UFS")
    item.geometry = {"type": "Polygon", "coordinates": coordinates}
    item.bbox = [4, 50, 6, 52]
    assert footprint_of(item).equals(box(4, 50, 6, 52))
    item.bbox = [4, 50, float("nan"), 52]
    assert footprint_of(item).intersects(shapely.Point(5.1, 51))
    assert matches(item, Request(bbox=(5.0, 51.0, 5.1, 51.1)))
    assert not matches(item, Request(bbox=(15.0, 51.0, 15.1, 51.1)))


def test_an_item_that_nobody_knows_the_place_of_passes():
    item = pystac.Item("x", None, None, dt.datetime(2020, 1, 1), {})
    assert matches(item, Request(bbox=(5.0, 51.0, 5.1, 51.1)))


def test_tiles_are_compared_and_an_item_in_no_tile_must_touch_one(make_item):
    request = Request(tile=("31UFS", "31UGS"))
    assert matches(make_item(tile="31UFS"), request)
    assert not matches(make_item(tile="31UES"), request)
    radar = pystac.Item(
        "S1A_IW_GRDH_SIGMA0_DV_20170521T173234_ASCENDING_161_DBA1_V110", None, None, dt.datetime(2017, 5, 21), {}
    )
    radar.geometry = box(4, 50, 6, 52).__geo_interface__
    assert matches(radar, request)
    radar.geometry = box(14, 50, 16, 52).__geo_interface__
    assert not matches(radar, request)


def test_orbits_and_platforms_are_read_from_properties_or_id(make_item):
    item = make_item(mission="S2B")
    assert matches(item, Request(relative_orbit=(51,), orbit_direction="descending", platform=("S2B",)))
    assert matches(item, Request(platform=("Sentinel-2B",)))
    assert not matches(item, Request(platform=("sentinel-2a",)))
    assert not matches(item, Request(relative_orbit=(94,)))
    assert not matches(item, Request(orbit_direction="ascending"))
    silent = pystac.Item("x", None, None, dt.datetime(2020, 1, 1), {})
    assert matches(silent, Request(relative_orbit=(51,), orbit_direction="ascending")), "as an unknown cloud does"


def test_a_sentinel_2c_scene_is_found(make_item):
    assert matches(make_item(mission="S2C"), Request(platform=("S2C",)))


def test_resolution_picks_between_alternatives_and_asks_what_others_offer(make_item, real_item):
    coarse = make_item(product="FAPAR", resolution=20)
    assert matches(coarse, Request(resolution=20))
    assert not matches(coarse, Request(resolution=10))
    toc = real_item("S2C_20260807T104621_31TCN_TOC_V220")
    assert matches(toc, Request(resolution=20)), "TOC has bands at 20 m"
    assert not matches(toc, Request(resolution=300))


def test_300_m_and_333_m_name_the_same_grid():
    item = pystac.Item("PROBAV_S10_TOC_X18Y02_20171121_333M_V201", None, None, dt.datetime(2017, 11, 21), {})
    assert matches(item, Request(resolution=300))
    assert not matches(item, Request(resolution=100))


def test_a_collection_is_known_by_any_of_its_names(make_item, real_item):
    request = Request(collections=("terrascope-s2-toc-v2",))
    assert matches(real_item("S2A_20230220T074941_38SKG_TOC_V210"), request), "the server's test items use underscores"
    assert not matches(make_item(), request)
    item = make_item()
    item.collection_id = "urn:eop:VITO:TERRASCOPE_S2_NDVI_V2"
    assert matches(item, Request(collections=("terrascope-s2-ndvi-v2",)))


def test_a_cql2_expression_is_one_more_condition(make_item):
    request = Request(filter="eo:cloud_cover < 10", max_cloud=50)
    assert matches(make_item(cloud=5.0), request)
    assert not matches(make_item(cloud=15.0), request)


def test_items_come_in_time_and_once(make_item):
    late, early = make_item("2020-05-09T10:25:59"), make_item("2020-05-07T10:40:31")
    assert in_order([late, early, make_item("2020-05-09T10:25:59")]) == [early, late]


requests = st.builds(
    Request,
    bbox=st.none() | st.tuples(st.floats(3, 5), st.floats(50, 51), st.floats(5, 7), st.floats(51, 52)),
    max_cloud=st.none() | st.floats(0, 100),
    tile=st.sampled_from([(), ("31UFS",), ("31UES", "31UFS")]),
    platform=st.sampled_from([(), ("S2A",)]),
    period=st.none() | st.sampled_from(["2020", "2020-05", "2020-05-07"]).map(period),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    request_=requests,
    when=st.sampled_from(["2020-05-07T10:40:31", "2021-01-01T00:00:00"]),
    tile=st.sampled_from(["31UFS", "31UES"]),
)
def test_dropping_a_condition_never_loses_an_item(make_item, request_, when, tile):
    item = make_item(when, tile=tile)
    if matches(item, request_):
        for name in ("bbox", "max_cloud", "period"):
            assert matches(item, replace(request_, **{name: None}))
        for name in ("tile", "platform"):
            assert matches(item, replace(request_, **{name: ()}))


def test_a_new_item_is_made_without_migration_exactly_as_with_it(record):
    made = item_of(record())
    with_migration = pystac.Item.from_dict(record())
    assert made.to_dict(transform_hrefs=False) == with_migration.to_dict(transform_hrefs=False)


def test_an_item_of_stac_1_0_gets_its_proj_code(record):
    old = record()
    old["stac_version"] = "1.0.0"
    old["stac_extensions"] = ["https://stac-extensions.github.io/projection/v1.1.0/schema.json"]
    old["properties"]["proj:epsg"] = 32631
    del old["properties"]["proj:code"]
    assert item_of(old).properties["proj:code"] == "EPSG:32631"
    old = record()
    old["stac_extensions"] = ["https://stac-extensions.github.io/projection/v1.1.0/schema.json"]
    old["properties"]["proj:epsg"] = old["properties"].pop("proj:code") and 32631
    assert item_of(old).properties["proj:code"] == "EPSG:32631"
