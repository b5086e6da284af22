from __future__ import annotations

from pathlib import Path

import pystac
import pytest
from shapely.geometry import box

from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.query import search
from terrascope_nb.catalogue.sources import Found, in_order, matcher
from terrascope_nb.errors import (
    AreaError,
    CatalogueReplyError,
    FilterError,
    PeriodError,
    TerrascopeWarning,
    UnknownProductError,
)
from terrascope_nb.products.registry import get_product

FIELD = (5.0, 51.0, 5.1, 51.1)


class Shelf:
    """A source that remembers what it was asked."""

    name = "shelf"

    def __init__(self, items):
        self.items = in_order(items)
        self.asked = []

    def find(self, request):
        self.asked.append(request)
        fits = matcher(request)
        fitting = [item for item in self.items if fits(item)]
        shown = fitting if request.max_items is None else fitting[: request.max_items]
        return Found(shown, len(fitting), [], len(shown) == len(fitting))


@pytest.fixture
def may_2020(make_item):
    """The twins of tile 31UGS the catalogue answered in May 2020: other cloud cover in each version."""
    pairs = {
        "2020-05-07T10:40:31": (0.904653, 0.001), "2020-05-27T10:40:31": (5.485129, 5.932),
        "2020-05-30T10:50:31": (8.690194, 2.175), "2020-05-05T10:46:19": (7.686716, 0.021),
    }  # fmt: skip
    return [
        make_item(when, tile="31UGS", version=version, cloud=cloud)
        for when, clouds in pairs.items()
        for version, cloud in zip(("200", "210"), clouds, strict=True)
    ]


def ids(items):
    return [item.id for item in items]


def test_a_search_gives_items_that_know_what_was_asked(may_2020):
    items = search("s2-ndvi", FIELD, "2020-05", source=Shelf(may_2020))
    assert isinstance(items, Items)
    assert all(isinstance(item, pystac.Item) for item in items)
    assert (items.product.id, items.area.bbox, str(items.period)) == ("s2-ndvi", FIELD, "2020-05-01/2020-05-31")
    assert items.source == "shelf"


@pytest.mark.parametrize(
    "name", ["s2-ndvi", "terrascope-s2-ndvi-v2", "urn:eop:VITO:TERRASCOPE_S2_NDVI_V2", get_product("s2-ndvi")]
)
def test_any_name_of_the_product_finds_it(may_2020, name):
    assert len(search(name, source=Shelf(may_2020))) == 4


def test_of_twins_the_newest_is_kept_and_the_others_are_said(may_2020):
    items = search("s2-ndvi", source=Shelf(may_2020))
    assert items.to_dataframe()["version"].tolist() == ["V210"] * 4
    assert len(items.dropped) == 4
    assert "Left out: 4" in repr(items)
    assert (len(items), items.matched) == (4, 4)


def test_a_cloud_filter_cannot_bring_back_the_superseded_twin(may_2020):
    # 2020-05-27: V200 has 5.49 % cloud and would pass, V210 has 5.93 %.
    items = search("s2-ndvi", max_cloud=5.6, source=Shelf(may_2020))
    assert [item.id[4:12] for item in items] == ["20200505", "20200507", "20200530"]
    assert {gone.kept_id for gone in items.dropped} <= set(ids(items))
    by_filter = search("s2-ndvi", filter="eo:cloud_cover <= 5.6", source=Shelf(may_2020))
    assert ids(by_filter) == ids(items)


def test_with_all_versions_each_is_judged_by_its_own_cloud(may_2020):
    items = search("s2-ndvi", max_cloud=5.6, version="all", source=Shelf(may_2020))
    assert len(items) == 5
    assert items.dropped == ()


def test_a_filter_that_names_a_version_gets_that_version(may_2020):
    items = search("s2-ndvi", filter="processing:version = '200'", source=Shelf(may_2020))
    assert items.to_dataframe()["version"].tolist() == ["V200"] * 4


def test_a_series_of_mixed_versions_is_said(may_2020):
    with pytest.warns(TerrascopeWarning, match=r"mixes processing versions \(1 of V200, 3 of V210\)"):
        items = search("s2-ndvi", source=Shelf(may_2020[:1] + may_2020[2:]))
    assert len(items) == 4


def test_consistent_gives_one_version_without_a_warning(may_2020):
    items = search("s2-ndvi", source=Shelf(may_2020[:1] + may_2020[2:]), version="consistent")
    assert set(items.to_dataframe()["version"]) == {"V200"}


def test_neighbouring_tiles_and_two_passes_of_a_day_all_come(make_item):
    scenes = [
        make_item("2020-05-07T10:40:31", tile="31UFS"), make_item("2020-05-07T10:40:31", tile="31UES"),
        make_item("2020-05-07T10:50:29", tile="31UFS", mission="S2B"),
    ]  # fmt: skip
    assert len(search("s2-ndvi", source=Shelf(scenes))) == 3


def test_fapar_is_found_at_10_m_unless_20_m_is_asked_for(make_item):
    shelf = Shelf([make_item(product="FAPAR", resolution=size) for size in (10, 20)])
    assert "10M" in search("s2-fapar", source=shelf)[0].id
    assert "20M" in search("s2-fapar", resolution=20, source=shelf)[0].id
    assert "20M" in search("s2-fapar", resolution="20m", source=shelf)[0].id
    assert "20M" in search("CGS_S2_FAPAR_20M", source=shelf)[0].id, "a legacy type names its resolution"
    assert len(search("s2-fapar", version="all", source=shelf)) == 2


def test_unknown_cloud_passes_with_a_warning(make_item):
    shelf = Shelf([make_item(cloud=None), make_item("2020-05-09T10:25:59", cloud=90.0)])
    with pytest.warns(TerrascopeWarning, match="1 of 1 scenes do not say their cloud cover"):
        assert len(search("s2-ndvi", max_cloud=10, source=shelf)) == 1


def test_max_items_keeps_the_first_in_time_and_says_how_many_there_are(may_2020):
    items = search("s2-ndvi", max_items=2, source=Shelf(may_2020))
    assert [item.id[4:12] for item in items] == ["20200505", "20200507"]
    assert (len(items), items.matched) == (2, 4)
    assert repr(items).startswith("2 of 4 items")


def test_max_items_counts_what_fits_and_not_what_was_read(make_item):
    cloudy = [make_item(f"2020-{m:02}-{d:02}T10:40:31", cloud=95.0) for m in (1, 2, 3, 4) for d in range(1, 28)]
    clear = [make_item(f"2020-05-{d:02}T10:40:31", cloud=1.0) for d in range(1, 28)]
    items = search("s2-ndvi", max_cloud=10, max_items=5, source=Shelf(cloudy + clear))
    assert [item.id[4:12] for item in items] == [f"202005{d:02}" for d in range(1, 6)]


def test_a_cut_between_two_twins_does_not_keep_the_older(make_item):
    pairs = [make_item(f"2020-{m:02}-{d:02}T10:40:31", version=v) for m in range(1, 9) for d in range(1, 28, 2)
             for v in ("200", "210")]  # fmt: skip
    for count in range(20, 32):
        items = search("s2-ndvi", max_items=count, source=Shelf(pairs))
        assert set(items.to_dataframe()["version"]) == {"V210"}
        assert len(items) == count


def test_without_max_items_a_ceiling_is_said(make_item, monkeypatch):
    monkeypatch.setattr("terrascope_nb.catalogue.query.CEILING", 10)
    shelf = Shelf([make_item(f"2020-05-{d:02}T10:40:31") for d in range(1, 28)])
    with pytest.warns(TerrascopeWarning, match=r"There are 27; only the first 10"):
        items = search("s2-ndvi", source=shelf)
    assert (len(items), items.matched) == (10, 27)


def test_a_tile_as_area_lists_that_tile_only_and_says_so(make_item):
    shelf = Shelf([make_item(tile="31UFS"), make_item(tile="31UES")])
    items = search("s2-ndvi", "31UFS", source=shelf)
    assert [item.properties["grid:code"] for item in items] == ["MGRS-31UFS"]
    assert "neighbours" in items.notes[0]
    assert len(search("s2-ndvi", box(*items.area.bbox), source=shelf)) == 2
    both = search("s2-ndvi", tile=["31ufs", "T31UES"], source=shelf)
    assert len(both) == 2


def test_radar_over_a_tile_is_found_although_it_comes_in_no_tile(real_item):
    import datetime as dt

    item = pystac.Item(
        "S1A_IW_GRDH_SIGMA0_DV_20170521T173234_ASCENDING_161_DBA1_V110",
        box(4, 50, 6, 52).__geo_interface__, [4, 50, 6, 52], dt.datetime(2017, 5, 21, tzinfo=dt.UTC), {},
        collection="terrascope-s1-grd-sigma0-v1",
    )  # fmt: skip
    shelf = Shelf([item])
    assert len(search("s1-sigma0", "31UFS", orbit_direction="ASC", relative_orbit=161, source=shelf)) == 1
    assert len(search("s1-sigma0", "31UFS", orbit_direction="descending", source=shelf)) == 0


def test_nothing_found_says_why(may_2020):
    far = search("s2-ndvi", (15, 51, 15.1, 51.1), "2020-05", source=Shelf(may_2020))
    assert (len(far), far.matched) == (0, 0)
    assert "No scene of s2-ndvi fits" in far.notes[-1]
    assert "2015-06-23" in far.notes[-1]
    cloudy = search("s2-ndvi", max_cloud=0, source=Shelf(may_2020))
    assert "4 scenes are there, but none fits max_cloud=0" in cloudy.notes[-1]


def test_a_product_without_dates_needs_no_period_and_a_period_picks_the_year():
    def asked(**how):
        shelf = Shelf([])
        items = search("worldcover", FIELD, source=shelf, **how)
        return shelf.asked[0].collections, items.notes

    collections, notes = asked()
    assert collections == ("esa-worldcover-map-10m-2021-v2",)
    assert "for 2020 give that year" in notes[0]
    assert asked(period="2020")[0] == ("esa-worldcover-map-10m-2020-v1",)
    assert set(asked(period="2020/2021")[0]) == {"esa-worldcover-map-10m-2021-v2", "esa-worldcover-map-10m-2020-v1"}


def test_resolution_picks_the_collection_where_there_is_one_for_each():
    shelf = Shelf([])
    search("probav-s10-toc", resolution="1km", source=shelf)
    search("probav-s10-toc", resolution=300, source=shelf)
    search("probav-s10-toc", source=shelf)
    assert [request.collections for request in shelf.asked] == [
        ("terrascope-probav-s10-toc-1km-cog-v2",),
        ("terrascope-probav-s10-toc-333m-cog-v2",),
        ("terrascope-probav-s10-toc-333m-cog-v2",),
    ]
    with pytest.raises(FilterError, match="there are 333m, 1km"):
        search("probav-s10-toc", resolution=10, source=shelf)


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"max_cloud": 140}, FilterError, "percentage from 0 to 100"),
        ({"max_cloud": -1}, FilterError, "percentage"),
        ({"max_items": 0}, FilterError, "from 1 on"),
        ({"version": "newest"}, FilterError, "'latest', 'all' and 'consistent'"),
        ({"orbit_direction": "up"}, FilterError, "'ascending' and 'descending'"),
        ({"relative_orbit": 0}, FilterError, "1-175"),
        ({"resolution": "fine"}, FilterError, "no pixel size"),
        ({"filter": "cloud <"}, FilterError, "not CQL2"),
        ({"tile": "99ZZZ"}, AreaError, "99ZZZ"),
        ({"period": "2020-06/2020-05"}, PeriodError, "Swap the two"),
        ({"area": "Atlantis"}, AreaError, "Atlantis"),
        ({"source": 3}, CatalogueReplyError, "cannot be searched"),
        ({"source": "/no/such/folder"}, CatalogueReplyError, "nothing there"),
    ],
)
def test_bad_input_says_what_can_be_meant(may_2020, how, error, said):
    with pytest.raises(error, match=said):
        search("s2-ndvi", **{"source": Shelf(may_2020), **how})


def test_an_unknown_product_gets_near_misses():
    with pytest.raises(UnknownProductError, match="s2-ndvi"):
        search("s2-nvdi", source=Shelf([]))


def test_a_cloud_limit_below_one_is_asked_back(may_2020):
    with pytest.warns(TerrascopeWarning, match="max_cloud=20"):
        search("s2-ndvi", max_cloud=0.2, source=Shelf(may_2020))


def test_every_warning_points_at_the_line_that_searched(make_item, may_2020, monkeypatch):
    shelf = Shelf([make_item(cloud=None), *may_2020[:1], *may_2020[2:]])
    monkeypatch.setattr("terrascope_nb.catalogue.query.CEILING", 4)
    with pytest.warns(TerrascopeWarning) as caught:
        [search("s2-ndvi", source=shelf, **how) for how in ({"max_cloud": 0.9}, {})]
    assert len(caught) >= 4
    assert {warning.filename for warning in caught} == {__file__}


def test_items_of_a_named_archive_stay_readable_in_a_plain_list():
    # A list comprehension over Items keeps the items but forgets the search they came from.
    from terrascope_nb.catalogue.access import asset_ref, open_href

    found = search("s2-toc", None, "2018-07-05", source="sample")
    loose = list(found)
    assert Path(open_href(asset_ref(loose[0], "B04"))).is_file()


@pytest.mark.parametrize(
    ("name", "asked", "said"), [("relative_orbit", 51, "relative_orbit"), ("orbit_direction", "ASC", "orbit_direction")]
)
def test_a_scene_that_states_no_orbit_passes_with_a_warning(name, asked, said):
    with pytest.warns(TerrascopeWarning, match=f"do not say their {said}"):
        items = search("s2-ndvi", source="sample", **{name: asked})
    assert len(items) > 0


def test_an_empty_answer_names_the_filters_that_were_asked(may_2020):
    found = search("s2-ndvi", period="2020-05", platform="S2C", relative_orbit=7, source=Shelf(may_2020))
    assert "with relative_orbit=7 and platform=sentinel-2c" in " ".join(found.notes)
