from __future__ import annotations

import datetime as dt

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.catalogue.versions import pick_versions, versions_in
from terrascope_nb.errors import FilterError
from terrascope_nb.products.registry import get_product


def ids(items):
    return [item.id for item in items]


@pytest.fixture
def ndvi():
    return get_product("s2-ndvi")


@pytest.fixture
def fapar():
    return get_product("s2-fapar")


def test_of_v200_and_v210_of_one_scene_the_newer_is_kept_and_the_other_said(make_item, ndvi):
    old, new = make_item(version="200"), make_item(version="210")
    for given_order in ([old, new], [new, old]):
        kept, dropped = pick_versions(given_order, ndvi)
        assert ids(kept) == [new.id]
        assert [(gone.item_id, gone.kept_id) for gone in dropped] == [(old.id, new.id)]
        assert "V200" in dropped[0].reason
        assert "V210" in dropped[0].reason


def test_a_neighbouring_tile_is_never_dropped(make_item, ndvi):
    # The dissected peers kept one item a day and so lost the neighbour.
    items = [make_item(tile="31UFS", version="200"), make_item(tile="31UFS"), make_item(tile="31UFT")]
    kept, dropped = pick_versions(items, ndvi)
    assert {item.id.split("_")[2] for item in kept} == {"31UFS", "31UFT"}
    assert len(dropped) == 1


def test_two_passes_of_one_day_are_two_scenes(make_item, ndvi):
    items = [make_item("2020-05-07T10:40:31", mission="S2A"), make_item("2020-05-07T10:50:29", mission="S2B")]
    assert pick_versions(items, ndvi) == (items, [])


def test_v1_names_with_z_and_v2_names_without_are_twins(make_item, fapar):
    old = make_item("2017-01-03T10:44:32", product="FAPAR", version="102", z=True)
    new = make_item("2017-01-03T10:44:32", product="FAPAR", version="200")
    kept, dropped = pick_versions([old, new], fapar)
    assert ids(kept) == [new.id]
    assert dropped[0].item_id == old.id


def test_milliseconds_do_not_hide_a_twin(make_item, ndvi):
    old, new = make_item(version="200"), make_item(version="220")
    old.datetime = old.datetime.replace(microsecond=0)
    assert ids(pick_versions([old, new], ndvi)[0]) == [new.id]


def test_an_item_repeated_over_a_page_border_counts_once(make_item, ndvi):
    item = make_item()
    assert pick_versions([item, make_item(), item], ndvi) == ([item], [])


def test_fapar_at_10_and_20_m_are_alternatives_and_the_finest_is_kept(make_item, fapar):
    items = [make_item(product="FAPAR", resolution=size, version=v) for size in (10, 20) for v in ("200", "210")]
    kept, dropped = pick_versions(items, fapar)
    assert ids(kept) == ["S2A_20200507T104031_31UFS_FAPAR_10M_V210"]
    assert len(dropped) == 3
    assert {gone.kept_id for gone in dropped} == {kept[0].id}, "what is said to be kept must be there"


def test_a_scene_that_is_there_at_20_m_only_stays(make_item, fapar):
    items = [
        make_item(product="FAPAR", resolution=10),
        make_item(product="FAPAR", resolution=20),
        make_item("2020-05-09T10:25:59", product="FAPAR", resolution=20),
    ]
    assert ids(pick_versions(items, fapar)[0]) == [items[0].id, items[2].id]


def test_all_keeps_everything(make_item, fapar):
    items = [make_item(product="FAPAR", resolution=size, version=v) for size in (10, 20) for v in ("200", "210")]
    assert pick_versions(items, fapar, "all") == (items, [])


def test_consistent_keeps_the_one_version_with_the_most_dates(make_item, ndvi):
    v200 = [make_item(f"2020-05-{day:02}T10:40:31", version="200") for day in (1, 3, 5)]
    v210 = [
        make_item(f"2020-05-{day:02}T10:40:31", version="210", tile=t) for day in (1, 3) for t in ("31UFS", "31UFT")
    ]
    kept, dropped = pick_versions(v200 + v210, ndvi, "consistent")
    assert kept == v200, "three dates win over four scenes on two dates"
    assert {gone.kept_id for gone in dropped} == {v200[0].id, v200[1].id, ""}
    assert all("consistent" in gone.reason for gone in dropped)


def test_consistent_takes_the_newer_version_when_both_have_as_many_dates(make_item, ndvi):
    items = [make_item(f"2020-05-{day:02}T10:40:31", version=v) for day in (1, 3) for v in ("200", "210")]
    kept, _ = pick_versions(items, ndvi, "consistent")
    assert versions_in(kept) == {"V210": 2}


def test_near_real_time_stages_are_ranked_by_the_table():
    when = dt.datetime(2020, 7, 1, tzinfo=dt.UTC)
    items = [
        pystac.Item(f"c_gls_NDVI300-RT{n}_202007010000_GLOBE_OLCI_V2.0.1", None, None, when, {}) for n in (6, 0, 2)
    ]
    kept, dropped = pick_versions(items, get_product("cgls-ndvi"))
    assert "RT6" in kept[0].id
    assert len(kept) == 1
    assert len(dropped) == 2


def test_items_of_other_catalogues_are_twins_by_what_their_properties_say():
    def item(item_id, version):
        when = dt.datetime(2020, 5, 7, 10, 40, 31, tzinfo=dt.UTC)
        properties = {"grid:code": "MGRS-31UFS", "platform": "sentinel-2a", "processing:version": version}
        return pystac.Item(item_id, None, None, when, properties)

    kept, dropped = pick_versions([item("a", "05.00"), item("b", "05.09")], None)
    assert ids(kept) == ["b"]
    assert dropped[0].item_id == "a"


def test_items_without_any_version_are_all_kept():
    when = dt.datetime(2020, 5, 7, tzinfo=dt.UTC)
    items = [pystac.Item(name, None, None, when, {}) for name in ("a", "b")]
    assert pick_versions(items, None) == (items, [])


def test_an_unknown_way_of_choosing_is_an_error(ndvi):
    with pytest.raises(FilterError, match="'latest', 'all' and 'consistent'"):
        pick_versions([], ndvi, "newest")


scenes = st.tuples(
    st.sampled_from(["2020-05-01T10:40:31", "2020-05-01T10:50:29", "2020-05-04T10:40:31"]),
    st.sampled_from(["31UFS", "31UFT"]),
    st.sampled_from(["S2A", "S2B"]),
    st.sampled_from(["102", "200", "210", "220"]),
)


@given(st.lists(scenes, max_size=12), st.randoms(use_true_random=False))
def test_every_scene_keeps_exactly_its_newest_version_in_any_order(drawn, random):
    def item(when, tile, mission, version):
        stamp = when.replace("-", "").replace(":", "")
        moment = dt.datetime.fromisoformat(when).replace(tzinfo=dt.UTC)
        return pystac.Item(f"{mission}_{stamp}_{tile}_NDVI_10M_V{version}", None, None, moment, {})

    newest: dict[tuple[str, str, str], str] = {}
    for when, tile, mission, version in drawn:
        newest[when, tile, mission] = max(newest.get((when, tile, mission), ""), version)
    items = [item(*scene) for scene in drawn]
    random.shuffle(items)
    kept, dropped = pick_versions(items, get_product("s2-ndvi"))
    assert sorted(ids(kept)) == sorted(item(*scene, version).id for scene, version in newest.items())
    assert set(ids(kept)) | {gone.item_id for gone in dropped} == set(ids(items))
    assert not set(ids(kept)) & {gone.item_id for gone in dropped}
