from __future__ import annotations

import json

import geopandas
import pyarrow.parquet as pq
import pystac
import pytest
import shapely
import stac_geoparquet.arrow

from terrascope_nb.catalogue.items import Dropped, Items, open_items
from terrascope_nb.errors import CatalogueReplyError, ExportError
from terrascope_nb.extent.aoi import area
from terrascope_nb.extent.period import period, season
from terrascope_nb.products.registry import get_product

FIELD = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "id": "a", "properties": {"crop": "maize"},
         "geometry": {"type": "Polygon", "coordinates": [[[4, 51], [4.1, 51], [4.1, 51.1], [4, 51]]]}},
        {"type": "Feature", "id": "b", "properties": {"crop": None},
         "geometry": {"type": "Polygon", "coordinates": [[[4.2, 51], [4.3, 51], [4.3, 51.1], [4.2, 51]]]}},
    ],
}  # fmt: skip


@pytest.fixture
def items(make_item, real_item):
    found = [make_item(), make_item(tile="31UFT"), real_item("S2A_20250516T104651_31UFS_NDVI_10M_V210")]
    return Items(
        found,
        product=get_product("s2-ndvi"),
        area=area(FIELD, name="my fields"),
        period=season("04-01", "06-30", [2020, 2025]),
        matched=7,
        dropped=[Dropped("old", found[0].id, "older")],
        notes=["be aware"],
        source="https://stac.terrascope.be",
        roots=["/somewhere"],
    )


def dicts(items):
    return [item.to_dict(include_self_link=True, transform_hrefs=False) for item in items]


@pytest.mark.parametrize("ending", ["json", "geojson", "parquet", "geoparquet"])
def test_what_was_saved_is_opened_equal(items, tmp_path, ending):
    path = items.save(tmp_path / f"found.{ending}")
    again = open_items(path)
    assert dicts(again) == dicts(items)
    assert again.product is items.product
    assert again.period == items.period
    assert (again.matched, again.dropped, again.notes, again.source) == (7, items.dropped, items.notes, items.source)
    assert again.area is not None
    assert (again.area.name, again.area.kind, again.area.crs) == (items.area.name, items.area.kind, items.area.crs)
    assert [f.properties for f in again.area] == [f.properties for f in items.area]
    assert all(a.geometry.equals(b.geometry) for a, b in zip(again.area, items.area, strict=True))
    assert again.coverage == items.coverage
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name], "no half-written file stays"


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_a_bbox_stays_a_bbox_so_that_load_does_not_clip(make_item, tmp_path, kind):
    items = Items([make_item()], area=area((4, 51, 4.1, 51.1)), period=period("2020-05/.."))
    again = open_items(items.save(tmp_path / f"x.{kind}"))
    assert again.area.clips is False
    assert again.period == items.period


def test_trusted_folders_are_not_taken_from_a_file(items, tmp_path):
    assert open_items(items.save(tmp_path / "x.json")).roots == ()


def test_the_json_is_an_item_collection_for_everybody(items, tmp_path):
    collection = pystac.ItemCollection.from_file(str(items.save(tmp_path / "x.json")))
    assert [item.id for item in collection] == [item.id for item in items]


def test_the_parquet_is_geoparquet_for_everybody(items, tmp_path):
    table = geopandas.read_parquet(items.save(tmp_path / "x.parquet"))
    assert table["id"].tolist() == [item.id for item in items]
    assert table.geometry[2].equals(shapely.geometry.shape(items[2].geometry))
    assert table.crs.name == "WGS 84 (CRS84)", "GeoParquet's default: longitude, latitude"
    assert table["version"].tolist() == ["V210"] * 3


def test_an_item_collection_of_others_opens(make_item, tmp_path):
    path = tmp_path / "theirs.json"
    pystac.ItemCollection([make_item()]).save_object(str(path))
    items = open_items(path)
    assert len(items) == 1
    assert (items.product, items.area, items.matched) == (None, None, None)


def test_stac_geoparquet_of_others_opens(make_item, tmp_path):
    items = [make_item(), make_item(tile="31UFT")]
    path = tmp_path / "theirs.parquet"
    records = [item.to_dict(transform_hrefs=False) for item in items]
    stac_geoparquet.arrow.to_parquet(stac_geoparquet.arrow.parse_stac_items_to_arrow(records), path)
    again = open_items(path)
    assert [item.id for item in again] == [item.id for item in items]
    assert again[0].assets["NDVI"].href == items[0].assets["NDVI"].href
    assert again[0].datetime == items[0].datetime


def test_an_empty_answer_is_kept_too(tmp_path):
    for ending in ("json", "parquet"):
        assert len(open_items(Items([], matched=0).save(tmp_path / f"x.{ending}"))) == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.json", '{"type": "FeatureCollection", "features": [{"ty'),
        ("list.json", "[1, 2]"),
        ("fields.geojson", json.dumps(FIELD)),
        ("page.json", "<html>no</html>"),
        ("cut.parquet", "PAR1 and nothing more"),
    ],
)
def test_a_file_that_holds_no_items_says_so(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(CatalogueReplyError, match=name):
        open_items(path)


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(CatalogueReplyError, match="There is no file"):
        open_items(tmp_path / "no.json")


def test_an_ending_that_says_nothing_is_refused_and_an_existing_file_stays(items, tmp_path):
    with pytest.raises(ExportError, match="parquet"):
        items.save(tmp_path / "x.csv")
    with pytest.raises(ExportError, match="Choose a folder"):
        items.save(tmp_path / "no folder" / "x.json")
    path = tmp_path / "x.json"
    path.write_text("old")
    items[0].properties["strange"] = object
    items[0].properties["worse"] = {1j: 2}
    with pytest.raises(TypeError):
        items.save(path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]


def test_our_parquet_is_readable_as_a_plain_table(items, tmp_path):
    assert pq.read_table(items.save(tmp_path / "x.parquet")).num_rows == 3
