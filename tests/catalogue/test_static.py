from __future__ import annotations

import json

import pystac
import pytest

from terrascope_nb.catalogue.access import asset_ref, open_href
from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.sources import Request
from terrascope_nb.catalogue.static import StaticSource
from terrascope_nb.errors import CatalogueReplyError, UntrustedPathError
from terrascope_nb.extent.period import period


@pytest.fixture
def items(make_item):
    return [make_item(f"2020-05-{day:02}T10:40:31", tile=tile) for day in (1, 6, 11) for tile in ("31UFS", "31UES")]


def ids(found):
    return [item.id for item in found.items]


def as_folder(items, path):
    (path / "sub").mkdir(parents=True)
    for item in items:
        (path / "sub" / f"{item.id}.json").write_text(json.dumps(item.to_dict(transform_hrefs=False)))
    (path / "collection.json").write_text(json.dumps({"type": "Collection", "id": "x", "links": []}))
    (path / "fields.geojson").write_text('{"type": "FeatureCollection", "features": [{"type": "Feature"}]}')
    return path


def as_static_catalogue(items, path):
    catalogue = pystac.Catalog("c", "c")
    for item in items:
        copy = item.clone()
        copy.clear_links()  # else pystac asks the server for the collection
        catalogue.add_item(copy)
    catalogue.normalize_and_save(str(path), pystac.CatalogType.SELF_CONTAINED)
    return path / "catalog.json"


def as_collection(items, path):
    path.mkdir()
    return Items(items).save(path / "x.json")


def as_parquet(items, path):
    path.mkdir()
    return Items(items).save(path / "x.parquet")


KINDS = [as_folder, as_static_catalogue, as_collection, as_parquet]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_static_source_gives_the_same_answer(items, tmp_path, kind):
    source = StaticSource(kind(items, tmp_path / "stac"))
    found = source.find(Request(period=period("2020-05-06/2020-05-31"), tile=("31UFS",)))
    assert ids(found) == [items[2].id, items[4].id]
    assert (found.matched, found.complete, found.notes) == (2, True, [])
    assert found.items[0].assets["NDVI"].href == items[2].assets["NDVI"].href


@pytest.mark.parametrize("kind", KINDS)
def test_max_items_gives_the_first_in_time_and_says_how_many_there_are(items, tmp_path, kind):
    found = StaticSource(kind(list(reversed(items)), tmp_path / "stac")).find(Request(max_items=3))
    assert ids(found) == sorted(item.id for item in items)[:3]
    assert (found.matched, found.complete) == (6, False)


def test_a_broken_file_in_a_folder_is_named_and_does_not_hide_the_others(items, tmp_path):
    folder = as_folder(items, tmp_path / "stac")
    (folder / "cut.json").write_text('{"type": "Feature", "stac_ver')
    found = StaticSource(folder).find(Request())
    assert len(found.items) == 6
    assert "cut.json" in found.notes[0]


def test_relative_hrefs_are_read_beside_the_item(make_item, tmp_path):
    item = make_item()
    item.assets["NDVI"].href = "./ndvi.tif"
    item.assets["NDVI"].extra_fields.pop("alternate")
    folder = as_folder([item], tmp_path / "stac")
    (folder / "sub" / "ndvi.tif").write_bytes(b"")
    source = StaticSource(folder)
    found = source.find(Request()).items[0]
    assert found.assets["NDVI"].href == "./ndvi.tif"
    assert open_href(asset_ref(found, "NDVI", roots=source.roots)) == str(folder / "sub" / "ndvi.tif")


def test_relative_hrefs_of_an_item_collection_are_read_beside_the_file(record, tmp_path):
    made = record()
    made["links"] = []
    made["assets"]["NDVI"] = {"href": "ndvi.tif"}
    (tmp_path / "ndvi.tif").write_bytes(b"")
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [made]}))
    source = StaticSource(path)
    item = source.find(Request()).items[0]
    assert open_href(asset_ref(item, "NDVI", roots=source.roots)) == str(tmp_path / "ndvi.tif")


@pytest.mark.parametrize("href", ["{folder}/private.tif", "file://{folder}/private.tif", "../outside.tif", "link.tif"])
def test_a_file_as_source_opens_nothing_but_what_it_names_beside_itself(record, tmp_path, href):
    folder = tmp_path / "downloads"
    folder.mkdir()
    for path in (folder / "private.tif", tmp_path / "outside.tif"):
        path.write_bytes(b"")
    (folder / "link.tif").symlink_to(tmp_path / "outside.tif")
    made = record()
    made["links"] = []
    made["assets"]["NDVI"] = {"href": href.format(folder=folder)}
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [made]}))
    source = StaticSource(path)
    item = source.find(Request()).items[0]
    with pytest.raises(UntrustedPathError):
        open_href(asset_ref(item, "NDVI", roots=source.roots))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cut.json", '{"type": "FeatureCollection", "features": [', "cut.json"),
        ("list.json", "[]", "no object"),
        ("fields.geojson", '{"type": "FeatureCollection", "features": [{"type": "Feature"}]}', "without STAC items"),
        ("page.json", "<!doctype html>", "page.json"),
        ("no.parquet", "x", "parquet"),
        ("table.csv", "a,b", "a kind of file that holds none"),
    ],
)
def test_a_file_without_items_says_what_it_is(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(CatalogueReplyError, match=said):
        StaticSource(tmp_path / name).find(Request())


def test_a_folder_without_items_points_to_the_index(tmp_path):
    with pytest.raises(CatalogueReplyError, match=r"index_archive"):
        StaticSource(tmp_path).find(Request())


def test_a_path_that_is_not_there_says_so(tmp_path):
    with pytest.raises(CatalogueReplyError, match="nothing there"):
        StaticSource(tmp_path / "no")


def test_a_null_geometry_item_and_an_item_of_stac_1_0_are_read(real_item, tmp_path):
    old = real_item("S2A_20230220T074941_38SKG_TOC_V210").to_dict(transform_hrefs=False)
    old["stac_version"] = "1.0.0"
    nowhere = real_item("S2A_20250516T104651_31UFS_NDVI_10M_V210").to_dict(transform_hrefs=False)
    nowhere["geometry"] = None
    del nowhere["bbox"]
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [old, nowhere]}))
    assert len(StaticSource(path).find(Request()).items) == 2
