from __future__ import annotations

import datetime as dt
import json
import math

import numpy as np
import pandas as pd
import pystac
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from terrascope_nb.catalogue.items import Dropped, Items
from terrascope_nb.errors import FilterError, NothingFoundError
from terrascope_nb.extent.aoi import area
from terrascope_nb.products.registry import get_product
from terrascope_nb.settings import options

COLUMNS = ["id", "time", "tile", "platform", "version", "resolution", "cloud", "coverage", "clear", "access"]


@pytest.fixture
def items(make_item):
    found = [
        make_item("2020-05-07T10:40:31", tile="31UFS", cloud=1.0),
        make_item("2020-05-07T10:40:31", tile="31UES", cloud=60.0),
        make_item("2020-05-09T10:25:59", tile="31UFS", mission="S2B", cloud=None),
        make_item("2020-05-12T23:50:31", tile="31UFS", cloud=100.0),
    ]
    return Items(
        found,
        product=get_product("s2-ndvi"),
        area=area((4.3, 50.9, 4.9, 51.1), name="two tiles"),
        matched=9,
        dropped=[Dropped("old", found[0].id, "version V200; the same scene is there as V210")],
        notes=["a note"],
        source="here",
    )


def test_items_are_a_sequence_that_slices_and_finds_by_id(items):
    assert len(items) == 4
    assert items[0].id == "S2A_20200507T104031_31UFS_NDVI_10M_V210"
    assert items[-1] is list(items)[-1]
    assert isinstance(items[1:3], Items)
    assert [item.id for item in items[1:3]] == [item.id for item in list(items)[1:3]]
    assert items[items[2].id] is items[2]
    assert items[0].id in items
    assert items[0] in items
    assert "nothing" not in items


def test_a_slice_keeps_what_the_search_knew(items):
    part = items[:2]
    assert (part.product, part.area, part.matched, part.notes) == (items.product, items.area, 9, items.notes)
    assert part.dropped == items.dropped
    assert items[1:].dropped == (), "the twin of an item that is not here is nobody's business"


def test_a_wrong_id_gets_near_misses(items):
    with pytest.raises(NothingFoundError, match="31UFS_NDVI_10M_V210"):
        items["S2A_20200507T104031_31UFS_NDVI_10M_V220"]


def test_a_repeated_id_counts_once_and_order_stays(make_item):
    a, b = make_item(), make_item(tile="31UFT")
    assert [item.id for item in Items([b, a, b, make_item()])] == [b.id, a.id]


def test_the_same_id_in_two_collections_is_two_items(make_item):
    a, b = make_item(), make_item()
    b.collection_id = "another"
    assert len(Items([a, b])) == 2


def test_items_can_be_filtered_by_a_function_or_by_cql2(items):
    assert len(items.filter(lambda item: item.properties["grid:code"] == "MGRS-31UES")) == 1
    assert len(items.filter("eo:cloud_cover < 70")) == 2
    assert len(items.filter({"op": "<", "args": [{"property": "properties.eo:cloud_cover"}, 70]})) == 2
    with pytest.raises(FilterError, match="is not CQL2"):
        items.filter("cloud <")


def test_items_are_grouped_by_utc_day_and_neighbours_stay_together(items):
    days = items.by_day()
    assert list(days) == [dt.date(2020, 5, 7), dt.date(2020, 5, 9), dt.date(2020, 5, 12)]
    assert [len(day) for day in days.values()] == [2, 1, 1]


def test_the_tiles_of_one_pass_cover_an_area_together(items):
    first = items.by_day()[dt.date(2020, 5, 7)]
    alone = [first.coverage_of(item) for item in first]
    assert all(0 < share < 100 for share in alone)
    assert first.coverage == 100.0


def test_the_table_has_the_agreed_columns_and_nan_for_what_is_not_known(items):
    table = items.to_dataframe()
    assert list(table.columns) == COLUMNS
    assert table["time"].dt.tz is not None
    assert table["time"][0] == pd.Timestamp("2020-05-07T10:40:31.024Z")
    assert table["version"].tolist() == ["V210"] * 4
    assert table["cloud"].tolist()[:2] == [1.0, 60.0]
    assert math.isnan(table["cloud"][2])
    assert table["clear"].isna().all()
    assert table["access"].tolist() == ["https"] * 4


def test_an_empty_table_keeps_its_columns_and_types():
    table = Items([]).to_dataframe()
    assert list(table.columns) == COLUMNS
    assert str(table["time"].dtype).startswith("datetime64")
    assert "UTC" in str(table["time"].dtype)


def test_without_an_area_coverage_is_not_known(make_item):
    items = Items([make_item()])
    assert math.isnan(items.coverage)
    assert items.to_dataframe()["coverage"].isna().all()


def test_geojson_is_strict_json_with_the_row_as_properties(items):
    made = json.loads(json.dumps(items.to_geojson(), allow_nan=False))
    assert made["type"] == "FeatureCollection"
    assert [feature["id"] for feature in made["features"]] == [item.id for item in items]
    assert made["features"][2]["properties"]["cloud"] is None
    outline = shapely.geometry.shape(made["features"][0]["geometry"])
    assert outline.equals(shapely.geometry.shape(items[0].geometry))


def test_the_item_collection_holds_the_very_items_with_untouched_hrefs(items, record):
    collection = items.to_item_collection()
    assert isinstance(collection, pystac.ItemCollection)
    assert list(collection) == list(items)
    made = record("2020-05-07T10:40:31", tile="31UFS", cloud=1.0)
    assert collection[0].to_dict(transform_hrefs=False)["assets"] == made["assets"]


def test_odc_stac_loads_items_as_they_are(make_item, tmp_path):
    import odc.stac

    values = np.arange(64, dtype="uint8").reshape(8, 8)
    path = tmp_path / "ndvi.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=8, height=8, count=1, dtype="uint8", crs="EPSG:32631",
        transform=from_origin(600000, 5700000, 10, 10), nodata=255,
    ) as file:  # fmt: skip
        file.write(values, 1)
    item = make_item()
    for key in ("QUICKLOOK", "SCL", "metadata", "preview"):
        del item.assets[key]
    item.assets["NDVI"].href = path.as_uri()
    item.properties["proj:shape"] = [8, 8]
    items = Items([item], product=get_product("s2-ndvi"))
    cube = odc.stac.load(items, bands=["NDVI"])
    assert np.array_equal(cube["NDVI"].isel(time=0).values, values)
    again = odc.stac.load(items.to_item_collection(), bands=["NDVI"])
    assert np.array_equal(again["NDVI"].values, cube["NDVI"].values)


def test_access_looks_at_the_products_band_in_the_trusted_folders(make_item, tmp_path):
    item = make_item()
    item.assets["NDVI"].href = str(tmp_path / "ndvi.tif")
    item.assets["NDVI"].extra_fields.pop("alternate")
    (tmp_path / "ndvi.tif").write_bytes(b"")
    product = get_product("s2-ndvi")
    assert Items([item], product=product).access_of(item) == "untrusted"
    assert Items([item], product=product, roots=[tmp_path]).access_of(item) == "local"
    with options(archive_roots=(tmp_path,)):
        assert Items([item], product=product).access_of(item) == "local"
    with options(offline=True):
        assert Items([make_item()], product=product).access_of(make_item()) == "missing"
