"""Paths and item ids: what they say of a scene, and versions in their order."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.errors import UnreadableNameError
from terrascope_nb.products.names import build_name, parse_path, stac_id_of, version_key

DATA = Path(__file__).parents[1] / "data" / "names"
PATHS = [(row["path"], row["item"]) for row in csv.DictReader((DATA / "real_paths.csv").read_text().splitlines())]
UTC = dt.UTC
PAIR = "S1A_S1B_Coherence_20200330T173247_20200405T173221_ASC_161_V110"
LEGACY = "S2A_20191128T075251Z_36MZE"


@pytest.mark.parametrize(("path", "item"), PATHS)
def test_the_item_of_a_real_path_is_the_one_the_catalogue_lists_it_under(path, item):
    name = parse_path(path)
    assert name.notes == ()
    assert name.item_id == item
    assert stac_id_of(path) == item


def test_real_paths_of_one_item_get_the_product_from_the_folder():
    folder = "/data/MTDA/TERRASCOPE_Sentinel2/FAPAR_V2/2019/03/07/S2A_20190307T105021_31UFS_FAPAR_V210/"
    scl = parse_path(folder + "10M/S2A_20190307T105021_31UFS_SCENECLASSIFICATION_20M_V210.tif")
    assert (scl.product, scl.band, scl.resolution, scl.item_resolution) == ("FAPAR", "SCL", 20, 10)
    assert scl.product_id == "s2-fapar"
    assert stac_id_of(folder + "20M/S2A_20190307T105021_31UFS_SCENECLASSIFICATION_20M_V210.tif").endswith(
        "_FAPAR_20M_V210"
    )
    assert stac_id_of(folder + "10M/").endswith("_FAPAR_10M_V210")
    assert stac_id_of(folder, resolution=20).endswith("_FAPAR_20M_V210")


@pytest.mark.parametrize(
    ("path", "note"),
    [
        ("2019/03/08/S2A_20190307T105021_31UFS_NDVI_V210/S2A_20190307T105021_31UFS_NDVI_10M_V210.tif", "20190308"),
        ("S2A_20190307T105021_31UFS_NDVI_V210/S2A_20190308T105021_31UFS_NDVI_10M_V210.tif", "20190308T105021"),
        ("S2A_20190307T105021_31UFS_NDVI_V210/S2A_20190307T105021_31UGS_NDVI_10M_V210.tif", "tile 31UFS"),
        ("S2A_20190307T105021_31UFS_NDVI_V210/S2A_20190307T105021_31UFS_NDVI_10M_V200.tif", "version 210"),
        ("S2A_20190307T105021_31UFS_NDVI_V210/S2A_20190307T105021_31UFS_TOC-B04_10M_V210.tif", "product NDVI"),
        ("S2A_20190307T105021_31UFS_NDVI_V210/S2B_20190307T105021_31UFS_NDVI_10M_V210.tif", "missions S2A"),
        (f"2020/03/30/{PAIR}/{PAIR}_VV.tif", "20200330"),
        ("2018/03/S2A_20190307T105021_31UFS_NDVI_10M_V210.tif", "201803"),
        ("S5P_PAL__L3_SO2CBR_TY_20180101_V200/S5P_SO2CBR_TY_2019_SO2_V200.tif", "2018"),
        (f"S2A_20191127T075251Z_36MZE_CGS_V102_000/{LEGACY}_FAPAR_V102/10M/{LEGACY}_FAPAR_10M_V102.tif", "20191127"),
    ],
)  # fmt: skip
def test_folders_that_contradict_the_file_are_said_and_not_an_error(path, note):
    name = parse_path(path)
    assert len(name.notes) == 1
    assert note in name.notes[0]
    assert build_name(name) == path.rpartition("/")[2]


@pytest.mark.parametrize(
    "path",
    [
        "2019/S5P_PAL__L3_SO2CBR_TY_20190101_V200/S5P_SO2CBR_TY_2019_SO2_V200.tif",
        "L3_NO2_TM_V2/2025/S5P_OFFL_L3_NO2_TM_20250601_V200/S5P_NO2_TM_202506_NO2_V200.tif",
        "20160101/PROBAV_S10_TOC_20160101_333M_V001/PROBAV_S10_TOC_X00Y00_20160101_333M_V001_NDVI.tif",
        "gdmp_300m_v1_10daily/2018/20180810/c_gls_GDMP300-RT2_201808100000_GLOBE_PROBAV_V1.0.1.nc",
        "ESA_WORLDCOVER_10M_2020_V100/MAP/ESA_WorldCover_10m_2020_v100_N00E006_Map/ESA_WorldCover_10m_2020_v100_N00E006_Map.tif",
        "terrascopeV200/S2B_20190816T103029_31UFS_TOC_V200/S2B_20190816T103029_31UFS_TOC-B02_10M_V200.tif",
    ],
)
def test_folders_written_less_exactly_than_the_file_do_not_contradict_it(path):
    assert parse_path(path).notes == ()


def test_a_path_whose_end_is_no_name_is_refused():
    for path in ("/data/MTDA/README.txt", "", "/", "a/10M", "NDVI_V2/2020/05"):
        with pytest.raises(UnreadableNameError):
            parse_path(path)


@pytest.mark.parametrize(
    ("what", "resolution"),
    [
        ("S2A_20190307T105021_31UFS_FAPAR_V210", None),
        ("S2A_20190307T105021_31UFS_FAPAR_V210", 60),
        ("S2A_20190307T105021_31UFS_SCENECLASSIFICATION_20M_V210.tif", None),
        ("S2A_20190307T105021_31UFS_RHOW_V100", None),
        ("S2A_20191128T075251Z_36MZE_CGS_V102_000", None),
    ],
)
def test_an_item_id_is_never_guessed(what, resolution):
    with pytest.raises(UnreadableNameError, match="cannot tell the item"):
        stac_id_of(what, resolution=resolution)


def test_versions_are_ordered_as_issued():
    assert sorted(["V220", "V102", "210", 200, None, "V101"], key=version_key) == [
        None,
        "V101",
        "V102",
        200,
        "210",
        "V220",
    ]
    assert sorted(["RT6", "RT0", "RT10", "RT2"], key=version_key) == ["RT0", "RT2", "RT6", "RT10"]
    assert version_key("2.0.10") > version_key("2.0.9") > version_key("1.9")
    assert version_key("V210") == version_key("210") == version_key(210)


def test_a_table_s_order_wins_and_the_others_find_their_place():
    order = ("V200", "V210", "V220")
    everything = ["V230", "V220", "V000", "V210", "V205", "V200", "V102"]
    wanted = ["V000", "V102", "V200", "V205", "V210", "V220", "V230"]
    assert sorted(everything, key=lambda v: version_key(v, order)) == wanted
    assert sorted(["210", "200"], key=lambda v: version_key(v, ("V210", "V200"))) == ["210", "200"]
    stages = tuple(f"RT{n}" for n in range(7))
    assert sorted(["rt6", "RT0", "RT3"], key=lambda v: version_key(v, stages)) == ["RT0", "RT3", "rt6"]


@given(
    st.lists(
        st.one_of(st.none(), st.integers(0, 999), st.text(max_size=6), st.from_regex(r"V[0-9]{3}", fullmatch=True))
    )
)
def test_any_versions_can_be_sorted(versions):
    for order in ((), ("V200", "V210"), ("RT0", "RT1")):
        sorted(versions, key=lambda v: version_key(v, order))
