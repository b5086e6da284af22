"""Which scenes become one time, and which pixel wins."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import numpy as np
import pystac
import pytest

from terrascope_nb.cube.loader import load
from terrascope_nb.cube.mosaic import group_scenes, step_times
from terrascope_nb.errors import TerrascopeWarning, UnknownProductError

LEFT, TOP = 600000.0, 5700000.0
KIND = {0: "uint8", 255: "uint8", 32767: "int16", np.nan: "float32"}


def four_tiles(make_scene, nodata, *, orbit=51):
    """Four scenes of one pass that lie on each other: each quarter holds values in one scene alone, the middle in all."""
    dtype = KIND[nodata]
    items, truth, counts = [], np.full((12, 12), np.nan), np.zeros((12, 12), int)
    for number, (row, col) in enumerate(itertools.product((0, 6), (0, 6))):
        numbers = np.full((12, 12), nodata, dtype)
        where = np.zeros((12, 12), bool)
        where[row : row + 6, col : col + 6] = True
        where[4:8, 4:8] = True
        where[0, 0] = where[11, 5] = False  # nothing in any scene
        numbers[where] = 10 * (number + 1)
        truth[where] = 10 * (number + 1)
        counts += where
        items.append(
            make_scene(
                {"B04": numbers}, tile=("31UES", "31UFS", "31UET", "31UFT")[number], orbit=orbit,
                changed={"B04": {"dtype": dtype, "scale": 1.0, "nodata": nodata}},
            )
        )  # fmt: skip
        items[-1].assets["B04"].extra_fields["nodata"] = "nan" if np.isnan(nodata) else nodata
    return items, truth, counts


@pytest.mark.parametrize("nodata", [0, 255, 32767, np.nan], ids=str)
def test_four_tiles_fuse_with_a_valid_pixel_first_and_never_nodata_over_a_value(make_scene, nodata):
    items, truth, counts = four_tiles(make_scene, nodata)
    for order in itertools.permutations(items):
        cube = load(order, "B04").compute()
        assert cube.sizes["time"] == 1
        got = cube.B04.values[0]
        np.testing.assert_array_equal(got[counts == 1], truth[counts == 1])
        assert np.isnan(got[counts == 0]).all()
        assert set(np.unique(got[counts > 1])) == {10.0}  # the first of the pass, whatever the order of the items


@pytest.mark.parametrize("nodata", [0, 255, 32767, np.nan], ids=str)
@pytest.mark.parametrize("by", ["item", "file"])
def test_who_says_nodata_does_not_matter_to_the_mosaic(make_scene, nodata, by):
    items, truth, counts = four_tiles(make_scene, nodata)
    for item in items:
        if by == "file":
            del item.assets["B04"].extra_fields["nodata"]
    got = load(items, "B04").compute().B04.values[0]
    np.testing.assert_array_equal(got[counts == 1], truth[counts == 1])
    assert np.isnan(got[counts == 0]).all()


@pytest.mark.parametrize("nodata", [0, 255, 32767, np.nan], ids=str)
def test_stored_numbers_fuse_alike(make_scene, nodata):
    items, truth, counts = four_tiles(make_scene, nodata)
    cube = load(items, "B04", physical=False).compute()
    assert cube.B04.dtype == KIND[nodata]
    got = cube.B04.values[0]
    np.testing.assert_array_equal(got[counts == 1], truth[counts == 1])
    np.testing.assert_array_equal(got[counts == 0], np.full((counts == 0).sum(), nodata, KIND[nodata]))


def test_classes_fuse_past_the_class_that_means_nothing(make_scene):
    # SCL declares no nodata; 0 is its class NO_DATA.
    left, right = np.zeros((4, 4), "uint8"), np.zeros((4, 4), "uint8")
    left[:, :3], right[:, 2:] = 4, 6
    items = [make_scene({"SCL": left}, tile="31UES"), make_scene({"SCL": right}, tile="31UFS")]
    for order in (items, items[::-1]):
        cube = load(order, "SCL").compute()
        assert cube.SCL[0, 0].values.tolist() == [4, 4, 4, 6]


def test_neighbours_of_one_pass_are_one_time_and_bear_the_earliest_ones_stamp(make_scene):
    numbers = np.full((4, 4), 1, "int16")
    late = make_scene({"B04": numbers}, tile="31UES", time="20180705T105031")
    early = make_scene({"B04": numbers}, tile="31UFS", time="20180705T105017", corner=(LEFT + 40, TOP))
    cube = load([late, early], "B04").compute()
    assert cube.time.values.tolist() == [np.datetime64("2018-07-05T10:50:17", "ns").astype(int)]
    assert cube.item_ids.values.tolist() == [f"{early.id};{late.id}"]
    assert np.isfinite(cube.B04).all()
    assert cube.B04.shape == (1, 4, 8)


def test_two_passes_of_a_day_stay_two_times(make_scene):
    numbers = np.full((4, 4), 1, "int16")
    items = [
        make_scene({"B04": numbers}, time="20180705T105029", orbit=51),
        make_scene({"B04": numbers + 1}, time="20180705T104020", orbit=8, mission="S2A"),
        make_scene({"B04": numbers + 2}, time="20180705T105029", orbit=94, tile="31UES"),
    ]
    cube = load(items, "B04").compute()
    assert cube.sizes["time"] == 3
    assert len(set(cube.time.values)) == 3  # a repeated time could not be selected
    assert sorted(np.unique(cube.B04)) == [np.float32(0.0001), np.float32(0.0002), np.float32(0.0003)]


def test_the_same_orbit_hours_apart_is_two_times_even_when_the_orbit_is_not_said(make_scene):
    numbers = np.full((4, 4), 1, "int16")
    items = [make_scene({"B04": numbers}, time=time, orbit=None) for time in ("20180705T054029", "20180705T172029")]
    assert load(items, "B04").sizes["time"] == 2


def test_without_a_mosaic_every_item_is_its_own_time(make_scene):
    numbers = np.full((4, 4), 1, "int16")
    items = [
        make_scene({"B04": numbers}, tile="31UES"),
        make_scene({"B04": numbers}, tile="31UFS"),
        make_scene({"B04": numbers}, tile="31UFS", version="V220"),
    ]
    cube = load(items, "B04", mosaic=None)
    assert cube.sizes["time"] == 3
    assert len(set(cube.time.values)) == 3
    assert sorted(cube.item_ids.values) == sorted(item.id for item in items)
    # Times that were equal are set apart by so little that day and minute stay true.
    assert (cube.time.values.astype("datetime64[s]") == np.datetime64("2018-07-05T10:50:29")).all()


def test_an_unknown_mosaic_is_refused(make_scene):
    with pytest.raises(ValueError, match="month"):
        load([make_scene({"B04": np.ones((2, 2), "int16")})], "B04", mosaic="month")


# ---- twins: peers fused V200 over V210 in silence, or dropped the neighbour tile


def ndvi(make_scene, number, **how):
    return make_scene({"NDVI": np.full((6, 6), number, "uint8")}, product="NDVI", resolution="_10M", **how)


@pytest.fixture
def twins(make_scene):
    """V200 (DN 100) and V210 (DN 150) of 31UFS, V210 (DN 200) of its neighbour, one time stamp."""
    return [
        ndvi(make_scene, 100, version="V200"),
        ndvi(make_scene, 150, version="V210"),
        ndvi(make_scene, 200, version="V210", tile="31UFT", corner=(LEFT, TOP + 60)),
    ]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_an_older_version_never_fuses_over_the_newer_whatever_the_order(twins, order):
    items = [twins[number] for number in order]
    with pytest.warns(TerrascopeWarning, match="V210.*instead of.*V200"):
        cube = load(items).compute()
    assert cube.sizes["time"] == 1
    assert np.unique(cube.NDVI[0, 6:]).tolist() == [np.float32(150 * 0.004 - 0.08)]


def test_the_neighbour_tile_is_not_taken_for_a_twin(twins):
    with pytest.warns(TerrascopeWarning, match="1 of 3"):
        cube = load(twins).compute()
    assert cube.NDVI.shape == (1, 12, 6)
    assert np.unique(cube.NDVI[0, :6]).tolist() == [np.float32(200 * 0.004 - 0.08)]


def test_a_twin_does_not_fill_the_gaps_of_the_newer_version(make_scene):
    # V210 masked the pixel for a reason; V200's number would come back through the hole.
    old = ndvi(make_scene, 100, version="V200")
    numbers = np.full((6, 6), 150, "uint8")
    numbers[2, 2] = 255
    new = make_scene({"NDVI": numbers}, product="NDVI", resolution="_10M", version="V210")
    with pytest.warns(TerrascopeWarning, match="instead of"):
        cube = load([old, new]).compute()
    assert np.isnan(cube.NDVI[0, 2, 2])


def test_a_coarser_copy_of_a_scene_is_no_second_scene(make_scene):
    fine = make_scene({"FAPAR": np.full((6, 6), 100, "uint8")}, product="FAPAR", resolution="_10M")
    coarse = make_scene(
        {"FAPAR": np.full((3, 3), 50, "uint8")}, product="FAPAR", resolution="_20M",
        changed={"FAPAR": {"content": "FAPAR_20M", "size": 20}},
    )  # fmt: skip
    for items in ([fine, coarse], [coarse, fine]):
        with pytest.warns(TerrascopeWarning, match="finest"):
            cube = load(items).compute()
        assert cube.FAPAR.shape == (1, 6, 6)
        assert np.unique(cube.FAPAR).tolist() == [np.float32(0.5)]


def test_an_item_given_twice_counts_once(make_scene):
    item = ndvi(make_scene, 100)
    assert load([item, item]).item_ids.values.tolist() == [item.id]


def test_items_of_two_products_are_refused_with_the_way_out(make_scene):
    with pytest.raises(UnknownProductError, match=r"s2-ndvi, s2-toc.*like="):
        load([ndvi(make_scene, 100), make_scene({"B04": np.ones((4, 4), "int16")})])


# ---- grouping alone


def bare(name, moment, orbit=51, platform="sentinel-2b"):
    properties = {"platform": platform, "sat:relative_orbit": orbit}
    return pystac.Item(name, None, None, moment, properties, collection="terrascope-s2-toc-v2")


NOON = datetime(2018, 7, 5, 12, tzinfo=UTC)


def test_a_pass_over_midnight_is_one_pass():
    items = [
        bare("a", datetime(2018, 7, 5, 23, 59, 50, tzinfo=UTC)),
        bare("b", datetime(2018, 7, 6, 0, 0, 10, tzinfo=UTC)),
    ]
    assert len(group_scenes(items, "day")) == 1


def test_groups_hold_every_item_once_in_time_order():
    pick = np.random.default_rng(5)
    items = [
        bare(f"i{n}", NOON + timedelta(minutes=float(pick.uniform(0, 3000))), orbit=int(pick.choice([8, 51])))
        for n in range(60)
    ]
    groups = group_scenes(items, "day")
    assert sorted(item.id for group in groups for item in group) == sorted(item.id for item in items)
    for group in groups:
        moments = [item.datetime for item in group]
        assert max(moments) - min(moments) <= timedelta(minutes=20)
        assert len({item.properties["sat:relative_orbit"] for item in group}) == 1
    times = step_times(groups)
    assert times == sorted(times)
    assert len(set(times)) == len(times)


def test_a_local_time_becomes_utc():
    zone = datetime.fromisoformat("2018-07-05T12:50:29+02:00")
    assert step_times([[bare("a", zone)]]) == [np.datetime64("2018-07-05T10:50:29")]


def test_maps_without_dates_fuse_into_one():
    items = [bare(f"tile{n}", NOON + timedelta(days=n)) for n in range(5)]
    assert len(group_scenes(items, "day", dateless=True)) == 1
