from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.products.names import parse_name, parse_path
from terrascope_nb.products.paths import archive_path, download_url, local_path

DATA = Path(__file__).parents[1] / "data" / "names"
PAIRS = [(row["local"], row["download"]) for row in csv.DictReader((DATA / "real_pairs.csv").read_text().splitlines())]
PATHS = [row["path"] for row in csv.DictReader((DATA / "real_paths.csv").read_text().splitlines())]
HTTPS = "https://services.terrascope.be/download/"


@pytest.mark.parametrize(("local", "download"), PAIRS)
def test_a_pair_of_a_real_item_is_found_both_ways(local, download):
    assert download_url(local) == download
    assert local_path(download) == local.removeprefix("file://")


@pytest.mark.parametrize(
    ("local", "download"),
    [
        (
            "/data/MTDA/TERRASCOPE_Sentinel5P/L3_CO_TD_V1/2020/01/S5P_OFFL_L3_CO_TD_20200101_V100/a.tif",
            "Sentinel5P/L3_CO_TD_V1/2020/01/S5P_OFFL_L3_CO_TD_20200101_V100/a.tif",
        ),
        (
            "/data/MTDA/WORLDCOVER/ESA_WORLDCOVER_10M_2020_V100/MAP/b.tif",
            "WORLDCOVER/ESA_WORLDCOVER_10M_2020_V100/MAP/b.tif",
        ),
        ("/data/MTDA/LCFM/products/c.tif", "LCFM/products/c.tif"),
        (
            "/data/MTDA/CGS_S1/CGS_S1_GRD_SIGMA0_L1/2020/03/15/S1A_IW_GRDH_SIGMA0_DV_20200315T055849_DESCENDING_110_22F3_V110/d.tif",
            "CGS_S1_GRD_SIGMA0_L1/2020/03/15/S1A_IW_GRDH_SIGMA0_DV_20200315T055849_DESCENDING_110_22F3_V110/d.tif",
        ),
    ],
    ids=["sentinel-5p", "worldcover", "lcfm", "sigma0"],
)
def test_other_documented_roots(local, download):
    assert download_url(local) == HTTPS + download
    assert local_path(HTTPS + download) == local


@pytest.mark.parametrize(
    "path",
    [
        "/data/MTDA/TIFFDERIVED/PROBAV_L3_S10_TOC_333M/20160101/a.tif",
        "/data/MTDA/CGS_S1/CGS_S1_GRD_L1/2020/a.zip",
        "/data/MTDA/DEM/COPERNICUS-DEM-30/a.tif",
        "/data/MTDA/TERRASCOPE_Sentinel2",
        "/data/users/Public/someone/a.tif",
        "/data/MTDAX/TERRASCOPE_Sentinel2/a.tif",
        "/data/MTDA/TERRASCOPE_Sentinel2/../../../etc/passwd",
        "file://elsewhere/data/MTDA/TERRASCOPE_Sentinel2/a.tif",
        "TERRASCOPE_Sentinel2/a.tif",
        "",
    ],
)
def test_an_unknown_or_foreign_path_has_no_download_address(path):
    assert download_url(path) is None


@pytest.mark.parametrize(
    "url",
    [
        HTTPS + "open/some/a.tif",
        HTTPS + "CGS_S1_SLC_L1/a.zip",
        HTTPS + "Sentinel2/../../../etc/passwd",
        HTTPS + "Sentinel2/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        HTTPS + "Sentinel2//etc/passwd",
        HTTPS + "Sentinel2/a%00.tif",
        HTTPS + "Sentinel2/..\\..\\a.tif",
        "http://services.terrascope.be/download/Sentinel2/a.tif",
        "https://services.terrascope.be.evil.example/download/Sentinel2/a.tif",
        "https://services.terrascope.be@evil.example/download/Sentinel2/a.tif",
        "https://services.terrascope.be/downloads/Sentinel2/a.tif",
        "file:///etc/passwd",
        "https://[broken",
        "",
    ],
)
def test_an_unknown_or_hostile_address_has_no_local_path(url):
    assert local_path(url) is None


@given(st.text(alphabet=st.sampled_from("abc./%2e\\ é"), max_size=30))
def test_a_local_path_never_leaves_the_archive(rest):
    found = local_path(f"{HTTPS}Sentinel2/{rest}")
    if found is not None:
        assert str(Path(found).resolve()).startswith("/data/MTDA/TERRASCOPE_Sentinel2")


@given(st.lists(st.text(alphabet="abcé #%+1", min_size=1, max_size=8), min_size=1, max_size=4))
def test_local_and_download_are_inverse(parts):
    path = "/data/MTDA/TERRASCOPE_Sentinel2/" + "/".join(parts)
    url = download_url(path)
    assert url is not None
    assert url.isascii()
    assert local_path(url) == path


def test_another_mount_point_is_honoured():
    assert local_path(HTTPS + "Sentinel2/a.tif", root="/mnt/archive/") == "/mnt/archive/TERRASCOPE_Sentinel2/a.tif"
    assert download_url("/mnt/archive/TERRASCOPE_Sentinel2/a.tif", root="/mnt/archive") == HTTPS + "Sentinel2/a.tif"


@pytest.mark.parametrize(
    "path", [p for p in PATHS if "TERRASCOPE_Sentinel2/" in p or "/CGS_S1/" in p or "Sentinel1/" in p]
)
def test_the_archive_path_of_a_real_file_is_where_it_stands(path):
    assert str(archive_path(parse_path(path))) == path.split("/data/MTDA/")[1]


@pytest.mark.parametrize(
    "name",
    [
        "S2A_20190307T105021_31UFS_CCC_20M_V210.tif",
        "S2A_20190307T105021_31UFS_SCENECLASSIFICATION_20M_V210.tif",
        "S2A_20190307T105021_31UFS_FAPAR_V210",
        "S2A_20191128T075251Z_36MZE_FAPAR_10M_V102.tif",
        "PROBAV_S10_TOC_X35Y12_20190801_333M_GEOMETRY_V201.TIFF",
    ],
    ids=["folders unknown", "product unknown", "resolution unknown", "first collection", "other family"],
)
def test_where_nobody_says_the_folders_there_is_no_path(name):
    assert archive_path(parse_name(name)) is None


def test_an_item_id_gives_its_folder():
    folder = archive_path(parse_name("S2A_20200507T104031_31UGS_NDVI_10M_V210"))
    assert str(folder) == "TERRASCOPE_Sentinel2/NDVI_V2/2020/05/07/S2A_20200507T104031_31UGS_NDVI_V210"
