"""What the files of a folder become: ids, assets and properties as today's catalogue has them, nothing invented."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pystac
import pytest
import rasterio
from pystac.validation import validate_dict
from rasterio.transform import from_origin

from terrascope_nb.catalogue import asset_facts
from terrascope_nb.catalogue.archive import ArchiveIndex, index_archive
from terrascope_nb.catalogue.archive_assets import bands_of
from terrascope_nb.catalogue.sources import Request
from terrascope_nb.products.names import parse_name
from terrascope_nb.settings import options

DATA = Path(__file__).parents[1] / "data"
NDVI = "TERRASCOPE_Sentinel2/NDVI_V2/2025/05/16/S2A_20250516T104651_31UFS_NDVI_V210/S2A_20250516T104651_31UFS"
FAPAR = "TERRASCOPE_Sentinel2/FAPAR_V2/2019/03/07/S2A_20190307T105021_31UFS_FAPAR_V210"


@pytest.fixture(autouse=True)
def cache(tmp_path):
    with options(cache_dir=tmp_path / "cache"):
        yield


def items_of(root: Path, **how) -> dict[str, pystac.Item]:
    return {item.id: item for item in index_archive(root, **how).find(Request()).items}


def test_the_real_files_become_items_with_the_ids_of_the_catalogue(tmp_path):
    shutil.copytree(DATA / "archive_tree", tmp_path / "MTDA")
    items = items_of(tmp_path / "MTDA")
    assert {(item.collection_id, item.id) for item in items.values()} == {
        ("terrascope-s2-toc-v2", "S2A_20190821T104031_31UFS_TOC_V200"),
        ("terrascope-s1-grd-sigma0-v1", "S1A_IW_GRDH_SIGMA0_DV_20190815T173249_ASCENDING_161_91E0_V110"),
        ("terrascope-s2-fapar-v2", "S2A_20170103T104428Z_31UFS_FAPAR_10M_V101"),
    }


def test_every_fact_of_the_real_files_equals_what_gdal_reads(tmp_path):
    shutil.copytree(DATA / "archive_tree", tmp_path / "MTDA")
    seen = 0
    for item in items_of(tmp_path / "MTDA").values():
        for key, asset in item.assets.items():
            fields = asset.extra_fields
            path = unquote(asset.href.removeprefix("file://"))
            with rasterio.open(path) as file:
                assert fields["proj:shape"] == list(file.shape)
                assert fields["proj:transform"] == list(file.transform)
                assert fields["data_type"] == file.dtypes[0]
                assert item.properties["proj:code"] == f"EPSG:{file.crs.to_epsg()}"
                if file.nodata is not None:
                    assert asset_facts.asset_encoding(item, key).nodata == pytest.approx(file.nodata, nan_ok=True)
            assert fields["file:size"] == Path(path).stat().st_size
            seen += 1
    assert seen == 17 + 3 + 3


def test_the_shape_is_that_of_the_real_item(tmp_path, put_tif):
    """Every field of ours that the real item has too says the same."""
    real = json.loads((DATA / "items" / "S2A_20250516T104651_31UFS_NDVI_10M_V210.json").read_text())
    scl = np.full((5490, 5490), 4, "uint8")
    put_tif(tmp_path / f"{NDVI}_NDVI_10M_V210.tif", np.full((10980, 10980), 100, "uint8"), nodata=255)
    put_tif(tmp_path / f"{NDVI}_SCENECLASSIFICATION_20M_V210.tif", scl, pixel=20)
    put_tif(
        tmp_path / f"{NDVI}_NDVI_QUICKLOOK_V210.tif", np.full((686, 686), 1, "uint8"), pixel=109800 / 686, nodata=255
    )
    (tmp_path / f"{NDVI}_NDVI_10M_V210.xml").write_text("<x/>")
    (item,) = items_of(tmp_path).values()
    ours = item.to_dict()
    assert ours["id"] == real["id"]
    assert ours["collection"] == real["collection"]
    assert ours["stac_version"] == real["stac_version"]
    assert set(ours["assets"]) == set(real["assets"]) - {"preview"}
    assert set(ours["stac_extensions"]) < set(real["stac_extensions"])
    mtime_or_millisecond = {"datetime", "created"}
    for name, value in ours["properties"].items():
        if name not in mtime_or_millisecond:
            assert value == real["properties"][name], name
    assert real["properties"]["datetime"].startswith(ours["properties"]["datetime"].rstrip("Z"))
    for key, asset in ours["assets"].items():
        for name, value in asset.items():
            other = real["assets"][key].get(name)
            if name in ("href", "file:size", "type"):
                continue
            if name == "proj:transform":
                assert value == pytest.approx(other or real["properties"][name])
            elif name == "proj:shape":
                assert value == (other or real["properties"][name])
            elif name == "unit":
                assert {value, other} == {"1", "-"}
            elif name == "gsd":
                assert value == real["assets"][key].get("gsd", real["properties"]["gsd"])
            elif (key, name) == ("SCL", "nodata"):
                assert other is None  # the table knows that class 0 is no data; the real item is silent
            else:
                assert value == other, (key, name)
    west, south, east, north = ours["bbox"]
    assert west == pytest.approx(real["bbox"][0], abs=1e-5)
    assert (east, north) == pytest.approx(real["bbox"][2:], abs=1e-5)
    assert south == pytest.approx(50.42629, abs=1e-4)  # the whole tile; the real footprint lacks a corner


def test_items_are_valid_stac_1_1(tmp_path, put_tif):
    shutil.copytree(DATA / "archive_tree", tmp_path / "MTDA")
    put_tif(tmp_path / "MTDA" / f"{NDVI}_NDVI_10M_V210.tif", nodata=255)
    for item in items_of(tmp_path / "MTDA").values():
        record = item.to_dict()
        json.dumps(record, allow_nan=False)
        # Core schema only: those of the extensions are not on this machine.
        validate_dict({**record, "stac_extensions": []})
        prefixes = {name.split(":")[0] for name in record["properties"] if ":" in name}
        said = {address.split("/")[3] for address in record["stac_extensions"]}
        assert {"proj": "projection", "sat": "sat", "mgrs": "mgrs"}.items() <= {
            (p, {"proj": "projection"}.get(p, p)) for p in (*prefixes, "proj", "sat", "mgrs")
        }
        assert {"projection", "file"} <= said
        assert ("eo" in said) == any(
            key.startswith("eo:")
            for asset in record["assets"].values()
            for entry in ([record["properties"], *asset.get("bands", [])])
            for key in entry
        )


def test_ten_and_twenty_metres_are_two_items(tmp_path, put_tif):
    for size in (10, 20):
        for content in (f"FAPAR_{size}M", "SCENECLASSIFICATION_20M", "FAPAR_QUICKLOOK"):
            put_tif(tmp_path / FAPAR / f"{size}M" / f"S2A_20190307T105021_31UFS_{content}_V210.tif", pixel=size)
    items = items_of(tmp_path)
    assert sorted(items) == ["S2A_20190307T105021_31UFS_FAPAR_10M_V210", "S2A_20190307T105021_31UFS_FAPAR_20M_V210"]
    for size in (10, 20):
        item = items[f"S2A_20190307T105021_31UFS_FAPAR_{size}M_V210"]
        assert item.properties["gsd"] == size
        assert sorted(item.assets) == ["FAPAR", "QUICKLOOK", "SCL"]
        assert all(f"/{size}M/" in asset.href for asset in item.assets.values())


def test_a_classification_beside_the_sub_folders_belongs_to_both_items(tmp_path, put_tif):
    for size in (10, 20):
        put_tif(tmp_path / FAPAR / f"{size}M" / f"S2A_20190307T105021_31UFS_FAPAR_{size}M_V210.tif", pixel=size)
    put_tif(tmp_path / FAPAR / "S2A_20190307T105021_31UFS_SCENECLASSIFICATION_20M_V210.tif", pixel=20)
    items = items_of(tmp_path)
    assert len(items) == 2
    assert len({item.assets["SCL"].href for item in items.values()}) == 1


def test_a_resampled_copy_does_not_take_the_place_of_the_classification(tmp_path, put_tif):
    """V101 delivers SCL at 20 m and a copy at 10 m in one folder."""
    folder = tmp_path / "CGS_S2_FAPAR/2017/01/03/S2A_20170103T104428Z_31UFS_FAPAR_V101/10M"
    for content, pixel in (("FAPAR_10M", 10), ("SCENECLASSIFICATION_10M", 10), ("SCENECLASSIFICATION_20M", 20)):
        put_tif(folder / f"S2A_20170103T104428Z_31UFS_{content}_V101.tif", pixel=pixel)
    (item,) = items_of(tmp_path).values()
    assert item.assets["SCL"].extra_fields["gsd"] == 20
    assert "SCENECLASSIFICATION_10M" in item.assets["SCL_10M"].href


def test_the_file_wins_over_the_table_and_the_table_speaks_only_of_its_own_type(tmp_path, put_tif):
    """RAA changed from int16/32767 to uint16/65535: a table that is right for one is wrong for the other."""
    stem = tmp_path / "TOC_V2/2026/08/07/S2C_20260807T104621_31TCN_TOC_V220/S2C_20260807T104621_31TCN"
    tile = {"tile": "31TCN"}
    put_tif(Path(f"{stem}_RAA_60M_V220.tif"), pixel=60, dtype="uint16", nodata=65535, **tile)
    put_tif(Path(f"{stem}_TOC-B02_10M_V220.tif"), dtype="int16", **tile)
    put_tif(Path(f"{stem}_TOC-B03_10M_V220.tif"), dtype="float32", **tile)
    put_tif(Path(f"{stem}_SHADOWMASK_20M_V220.tif"), pixel=20, nodata=255, **tile)
    (item,) = items_of(tmp_path).values()
    assert asset_facts.asset_encoding(item, "RAA").nodata == 65535
    assert asset_facts.asset_encoding(item, "B02").nodata == 32767  # no tag: the table's
    assert asset_facts.asset_encoding(item, "B02").scale == 0.0001
    assert asset_facts.asset_encoding(item, "B03") == asset_facts.Encoding(
        dtype="float32"
    )  # not the table's int16 file
    mask = item.assets["SHADOWMASK"]
    assert mask.roles == ["data-mask"]
    assert {"raster:scale", "unit", "bands"}.isdisjoint(mask.extra_fields)  # nobody states them
    assert "sat:relative_orbit" not in item.properties


def test_scale_and_offset_tags_are_taken_together(tmp_path, put_tif):
    path = put_tif(tmp_path / f"{NDVI}_NDVI_10M_V210.tif", nodata=255)
    with rasterio.open(path, "r+") as file:
        file.offsets = (-0.5,)
    os.utime(path.parent, (1.6e9, 1.6e9))
    (item,) = items_of(tmp_path).values()
    encoding = asset_facts.asset_encoding(item, "NDVI")
    assert (encoding.scale, encoding.offset) == (1.0, -0.5)


def test_several_bands_in_one_file_keep_their_order(tmp_path, put_tif):
    folder = tmp_path / "PROBAV_C2/COG/PROBAV_L3_S10_TOC_333M/2019/20190801/PROBAV_S10_TOC_X18Y02_20190801_333M_V201"
    lonlat = {"crs": "EPSG:4326", "transform": from_origin(0, 55, 10 / 3360, 10 / 3360)}
    stem = "PROBAV_S10_TOC_X18Y02_20190801_333M"
    put_tif(folder / f"{stem}_RADIOMETRY_V201.TIFF", np.ones((4, 8, 8), "int16"), **lonlat)
    put_tif(folder / f"{stem}_SM_V201.TIFF", **lonlat)
    put_tif(folder / f"{stem}_NDVI_V201.TIFF", **lonlat)
    (item,) = items_of(tmp_path).values()
    assert item.collection_id == "terrascope-probav-s10-toc-333m-cog-v2"
    assert item.properties["platform"] == "proba-v"
    names = [band["name"] for band in item.assets["RADIOMETRY"].extra_fields["bands"]]
    table = bands_of(item.collection_id, parse_name(f"{stem}_RADIOMETRY_V201.TIFF"))
    assert names == ["RED", "NIR", "BLUE", "SWIR"] == [band.name for band in table]
    assert item.assets["SM"].roles == ["data-mask"]
    assert item.datetime.isoformat() == "2019-08-01T00:00:00+00:00"
    assert item.properties["end_datetime"] == "2019-08-01T23:59:59.999999Z"


def test_a_bag_of_other_families(tmp_path, put_tif):
    lonlat = {"crs": "EPSG:4326", "transform": from_origin(6, 3, 3 / 36000, 3 / 36000)}
    world = {"crs": "EPSG:4326", "transform": from_origin(-180, 89, 0.05, 0.05)}
    sheet = np.zeros((3560, 7200), "uint8")
    coherence = "S1A_S1B_Coherence_20200330T173247_20200405T173221_ASC_161_V110"
    dem = "Copernicus_DSM_COG_10_N37_00_W004_00_DEM"
    put_tif(tmp_path / "WORLDCOVER/ESA_WORLDCOVER_10M_2021_V200/MAP/ESA_WorldCover_10m_2021_v200_N00E006_Map/"
            "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif", **lonlat)  # fmt: skip
    put_tif(tmp_path / f"DEM/COP_DEM_30M_COG/{dem}/{dem}.tif", dtype="float32", **lonlat)
    put_tif(tmp_path / f"TERRASCOPE_Sentinel1/SLC_COHERENCE/2020/04/05/{coherence}/{coherence}_VV.tif")
    put_tif(tmp_path / "TERRASCOPE_Sentinel5P/L3_NO2_TD_V2/2023/01/S5P_OFFL_L3_NO2_TD_20230105_V200/"
            "S5P_NO2_TD_20230105_NO2_V200.tif", sheet, **world)  # fmt: skip
    items = {item.collection_id: item for item in items_of(tmp_path).values()}
    cover = items["esa-worldcover-map-10m-2021-v2"]
    assert list(cover.assets) == ["Map"]
    assert cover.properties["start_datetime"] == "2021-01-01T00:00:00Z"
    assert cover.properties["end_datetime"] == "2021-12-31T23:59:59.999999Z"
    assert items["cop-dem-glo-30m-cog"].id == dem
    assert items["cop-dem-glo-30m-cog"].datetime is not None  # STAC wants one: the file's time
    pair = items["terrascope-s1-slc-coherence-v1"]
    assert pair.datetime.isoformat() == "2020-04-05T17:32:21+00:00"
    assert (pair.properties["sat:orbit_state"], pair.properties["sat:relative_orbit"]) == ("ascending", 161)
    gas = items["terrascope-s5p-l3-no2-td-v2"]
    assert gas.id == "S5P_L3_NO2_TD_20230105_V200"
    assert gas.bbox == [-180, -89, 180, 89]
    assert "proj:code" in gas.properties
    assert "gsd" not in gas.properties  # 0.05 degrees are no metres


def test_a_product_nobody_knows_is_listed_with_the_reason(tmp_path, put_tif):
    put_tif(tmp_path / "ALIENS/2020/x.tif")
    put_tif(tmp_path / "S5P/S5P_OFFL_L3_CO_TD_20200101_V100/S5P_CO_TD_20200101_CO_V100.tif")
    put_tif(tmp_path / "lone/S2A_20190307T105021_31UFS_SCENECLASSIFICATION_20M_V210.tif", pixel=20)
    (tmp_path / f"{NDVI}").parent.mkdir(parents=True)
    (tmp_path / f"{NDVI}_NDVI_10M_V210.xml").write_text("<x/>")
    index = index_archive(tmp_path)
    assert len(index) == 0
    said = {problem.path.rsplit("/", 1)[-1]: problem.reason for problem in index.problems}
    assert "unknown name" in said["x.tif"]
    assert "no collection" in said["S5P_CO_TD_20200101_CO_V100.tif"]
    assert "which item" in said["S2A_20190307T105021_31UFS_SCENECLASSIFICATION_20M_V210.tif"]
    assert "no raster" in said["S2A_20250516T104651_31UFS_NDVI_10M_V210.xml"]
    assert index.report["files"] == 4 == index.report["problems"]


def test_folders_and_names_that_contradict_each_other_are_listed(tmp_path, put_tif):
    put_tif(tmp_path / NDVI.replace("2025/05/16", "2025/05/17") / ".." / "S2A_20250516T104651_31UFS_NDVI_10M_V210.tif")
    index = index_archive(tmp_path)
    assert len(index) == 1
    assert any("20250517" in problem.reason for problem in index.problems)


def test_a_truncated_file_keeps_its_place_and_is_listed(tmp_path, put_tif):
    """Left out, a scene would seem to have no such band; the load names the file as damaged."""
    whole = put_tif(
        tmp_path / f"{NDVI}_NDVI_10M_V210.tif", np.random.default_rng(0).integers(0, 250, (300, 300), "uint8")
    )
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    other = Path(f"{tmp_path / NDVI}_SCENECLASSIFICATION_20M_V210.tif")
    other.write_bytes(b"II*\0nonsense")
    index = index_archive(tmp_path)
    (item,) = index.find(Request()).items
    assert {"NDVI", "SCL"} == set(item.assets)
    reasons = " ".join(problem.reason for problem in index.problems)
    assert "truncated" in reasons
    assert len(index.problems) == 2


def test_a_file_that_was_still_growing_is_read_again(tmp_path, put_tif):
    whole = put_tif(tmp_path / f"{NDVI}_NDVI_10M_V210.tif", np.arange(90000, dtype="uint8").reshape(300, 300))
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    os.utime(whole.parent, (1.6e9, 1.6e9))
    assert len(index_archive(tmp_path).problems) == 1
    whole.write_bytes(data)
    os.utime(whole.parent, (1.6e9, 1.6e9))  # writing into a file leaves its folder's time alone
    index = index_archive(tmp_path)
    assert index.problems == []
    assert index.find(Request()).items[0].assets["NDVI"].extra_fields["file:size"] == len(data)


def test_a_description_that_all_files_share_is_the_lineage(tmp_path, put_tif):
    tags = {
        "TIFFTAG_IMAGEDESCRIPTION": "derived; not a Terrascope product",
        "TIFFTAG_SOFTWARE": "Biopar Workflow:4.5.16",
    }
    put_tif(tmp_path / f"{NDVI.replace('V210', 'V000')}_NDVI_10M_V000.tif", tags=tags)
    put_tif(tmp_path / f"{NDVI.replace('V210', 'V000')}_SCENECLASSIFICATION_20M_V000.tif", pixel=20, tags=tags)
    (item,) = items_of(tmp_path).values()
    assert item.id.endswith("_V000")
    assert item.properties["processing:version"] == "000"
    assert item.properties["processing:lineage"] == tags["TIFFTAG_IMAGEDESCRIPTION"]
    assert item.properties["processing:software"] == {"Biopar Workflow": "4.5.16"}


def test_one_files_description_is_not_the_items_lineage(tmp_path):
    shutil.copytree(DATA / "archive_tree" / "CGS_S1", tmp_path / "CGS_S1")
    (item,) = items_of(tmp_path).values()  # Sigma0_VV, Sigma0_VH, IncidenceAngleFromEllipsoid
    assert "processing:lineage" not in item.properties


def test_nan_is_written_as_stac_writes_it(tmp_path):
    shutil.copytree(DATA / "archive_tree" / "CGS_S1", tmp_path / "CGS_S1")
    (item,) = items_of(tmp_path).values()
    assert item.assets["VV"].extra_fields["nodata"] == "nan"
    assert math.isnan(asset_facts.asset_encoding(item, "VV").nodata)
    assert item.assets["angle"].extra_fields["nodata"] == 0
    assert "raster:scale" not in item.assets["angle"].extra_fields  # nobody states it


def test_a_tile_without_georeference_takes_the_outline_of_its_name(tmp_path, put_tif):
    put_tif(tmp_path / f"{NDVI}_NDVI_10M_V210.tif", crs=None)
    (item,) = items_of(tmp_path).values()
    assert item.bbox == pytest.approx([4.4087, 50.4263, 6.017, 51.4424], abs=0.001)


def test_an_unknown_outline_is_null_and_passes_any_area(tmp_path, put_tif):
    name = "S1A_IW_GRDH_SIGMA0_DV_20190815T173249_ASCENDING_161_91E0_V110"
    put_tif(tmp_path / name / f"{name}_VV.tif", crs=None)
    (item,) = items_of(tmp_path).values()
    assert item.geometry is None
    assert item.bbox is None
    assert len(index_archive(tmp_path).find(Request(bbox=(100, 0, 101, 1))).items) == 1


def test_odd_characters_in_the_root_survive_as_a_file_address(tmp_path, put_tif):
    root = tmp_path / "100 % là #1?"
    path = put_tif(root / f"{NDVI}_NDVI_10M_V210.tif")
    (item,) = items_of(root).values()
    assert unquote(item.assets["NDVI"].href.removeprefix("file://")) == str(path)
    assert "#" not in item.assets["NDVI"].href


def test_the_root_may_be_any_folder_of_the_tree(tmp_path, put_tif):
    for size in (10, 20):
        put_tif(tmp_path / FAPAR / f"{size}M" / f"S2A_20190307T105021_31UFS_FAPAR_{size}M_V210.tif", pixel=size)
    whole = set(items_of(tmp_path))
    folder = tmp_path
    for part in Path(FAPAR).parts:
        folder = folder / part
        assert set(items_of(folder)) == whole, folder
    assert set(items_of(folder / "20M")) == {"S2A_20190307T105021_31UFS_FAPAR_20M_V210"}


def test_a_leap_day_and_the_year_9999_are_no_trouble(tmp_path, put_tif):
    lonlat = {"crs": "EPSG:4326", "transform": from_origin(6, 3, 0.1, 0.1)}
    for year in ("20240229", "99991231"):
        name = f"PROBAV_S1_TOC_X18Y02_{year}_333M"
        put_tif(tmp_path / f"{name}_V201" / f"{name}_NDVI_V201.tif", **lonlat)
    put_tif(tmp_path / f"{NDVI.replace('20250516', '20240229')}_NDVI_10M_V210.tif")
    assert len(items_of(tmp_path)) == 3


def test_an_absurd_file_time_is_no_trouble(tmp_path, put_tif):
    path = put_tif(tmp_path / f"{NDVI}_NDVI_10M_V210.tif")
    os.utime(path, (-(2**31), -(2**31)))
    (item,) = items_of(tmp_path).values()
    assert item.properties["created"] == "1970-01-01T00:00:00Z"


def test_a_safe_product_is_one_item_by_its_manifest(tmp_path):
    name = "S1B_IW_GRDH_1SDV_20210401T052623_20210401T052648_026269_032297_ECC8.SAFE"
    real = DATA / "metadata" / f"{name.removesuffix('.SAFE')}.manifest.safe"
    folder = tmp_path / "CGS_S1/CGS_S1_GRD_L1/2021/04/01" / name
    (folder / "measurement").mkdir(parents=True)
    shutil.copy(real, folder / "manifest.safe")
    index = index_archive(tmp_path)
    (item,) = index.find(Request()).items
    assert item.id == name.removesuffix(".SAFE")
    assert item.collection_id == "sentinel-1-grd"
    assert item.properties["sat:relative_orbit"] == 168
    assert item.bbox == pytest.approx([8.772, 45.6145, 12.446, 47.512], abs=0.01)
    assert "data_type" not in item.assets["SAFE"].extra_fields
    assert len(index.find(Request(bbox=(9, 46, 10, 47))).items) == 1
    assert index.find(Request(bbox=(3, 50, 4, 51))).items == []
    (folder / "manifest.safe").write_bytes(b"<not")
    os.utime(folder.parent, (1.5e9, 1.5e9))
    index = index_archive(tmp_path)
    assert isinstance(index, ArchiveIndex)
    assert len(index) == 0
    assert index.problems[0].path.endswith(".SAFE")
