from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terrascope_nb.errors import UnreadableNameError
from terrascope_nb.products.grammars import GRAMMARS
from terrascope_nb.products.names import Name, build_name, parse_name

DATA = Path(__file__).parents[1] / "data" / "names"
REAL = (DATA / "real_names.txt").read_text().splitlines()
UTC = dt.UTC
PAIR = "S1A_S1B_Coherence_20200330T173247_20200405T173221_ASC_161_V110"

# What the FAQ documents and delivered files do not (yet) show.
DOCUMENTED = [
    "S2B_20180705T105029Z_31UFS_TOC-B08A_20M_V102.tif",
    "S2B_20180705T105029_31UFS_TOC-B08A_20M_V102.tif",
    "S2A_20200507T104031_31UGS_TOC_V200_QL.tif",
    "S1C_IW_GRDH_SIGMA0_DV_20250521T173234_ASCENDING_161_DBA1_V110_VV.tif",
    "S1D_IW_GRDH_SIGMA0_DV_20260521T173234_DESCENDING_8_0BA1_V110.xml",
    "S1C_S1A_Coherence_20250521T173234_20250527T173234_DSC_110_V100_VH.tif",
    "PROBAV_S10_TOC_NDVI_X18Y02_20171121_333M_V201.HDF5",
    "ESA_WorldCover_10m_2021_v200_N51E003_InputQuality.tif",
    "c_gls_FAPAR300-RT6_202001100000_GLOBE_OLCI_V1.1.2.nc",
    "Copernicus_DSM_COG_30_S01_00_W004_00_DEM.tif",
]


@pytest.mark.parametrize("text", [*REAL, *DOCUMENTED])
def test_every_real_name_is_read_and_written_back_exactly(text):
    assert build_name(parse_name(text)) == text


def test_the_real_names_cover_every_family_version_and_platform():
    names = [parse_name(text) for text in REAL]
    assert set(Counter(name.kind for name in names)) == {grammar.kind for grammar in GRAMMARS}
    assert {"101", "102", "200", "210", "220"} <= {name.version for name in names if name.kind == "s2"}
    assert {"S1A", "S1B", "S2A", "S2B", "S2C", "S5P"} <= {mission for name in names for mission in name.missions}
    assert {"B04", "B8A", "SCL", "NDVI", "FAPAR", "CLOUDMASK", "VV", "VH", "angle", "CO"} <= {n.band for n in names}


def test_no_text_is_kept_beside_the_fields():
    """A name that merely remembered its text would round-trip too."""
    for text in REAL:
        assert text not in dataclasses.asdict(parse_name(text)).values()
    name = parse_name("S2A_20250516T104651_31UFS_NDVI_10M_V210.tif")
    other = dataclasses.replace(
        name, missions=("S2C",), datetimes=(dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),), tile="31UDS",
        content="SCENECLASSIFICATION", resolution=20, version="220",
    )  # fmt: skip
    assert build_name(other) == "S2C_20260102T030405_31UDS_SCENECLASSIFICATION_20M_V220.tif"


def test_a_spelling_of_old_does_not_outlive_the_field_it_spelled():
    b8a = parse_name("S2B_20180705T105029Z_31UFS_TOC-B08A_20M_V102.tif")
    assert build_name(dataclasses.replace(b8a, content="TOC-B05")) == "S2B_20180705T105029Z_31UFS_TOC-B05_20M_V102.tif"
    pair = parse_name("S1A_S1B_Coherence_20200330T173247_20200405T173221_DESC_061_V110")
    other = dataclasses.replace(pair, orbit_direction="ascending", relative_orbit=161)
    assert build_name(other) == PAIR


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "S2A_20250516T104651_31UFS_NDVI_10M_V210.tif",
            {
                "kind": "s2", "missions": ("S2A",), "mission": "S2A", "tile": "31UFS", "content": "NDVI",
                "product": "NDVI", "band": "NDVI", "resolution": 10, "version": "210", "extension": "tif",
                "is_quicklook": False, "is_raster": True, "collection": "terrascope-s2-ndvi-v2",
                "product_id": "s2-ndvi", "file_content": "NDVI_10M",
                "datetime": dt.datetime(2025, 5, 16, 10, 46, 51, tzinfo=UTC),
            },
        ),
        (
            "S2B_20180705T105029Z_31UFS_TOC-B08A_20M_V102.tif",
            {"content": "TOC-B8A", "band": "B8A", "product": "TOC", "resolution": 20, "version": "102",
             "file_content": "TOC-B8A_20M"},
        ),
        ("S2A_20230220T074941_38SKG_TOC-B8A_20M_V210.tif", {"content": "TOC-B8A", "band": "B8A", "parts": ()}),
        (
            "S2C_20260807T104621_31TCN_SCENECLASSIFICATION_20M_V220.tif",
            {"product": None, "band": "SCL", "item_id": None, "collection": None, "product_id": None},
        ),
        (
            "S2A_20230220T074941_38SKG_TOC_QUICKLOOK_V210.tif",
            {"product": "TOC", "content": "TOC", "band": None, "is_quicklook": True, "is_raster": False,
             "item_id": "S2A_20230220T074941_38SKG_TOC_V210"},
        ),
        ("S2A_20191128T075251Z_36MZE_FAPAR_V102_10M_WM_QL.tif", {"is_quicklook": True, "version": "102", "band": None}),
        ("S2A_20230220T074941_38SKG_TOC_V210.xml", {"band": None, "is_file": True, "is_raster": False}),
        (
            "S2A_20191128T075251Z_36MZE_CGS_V102_000",
            {"kind": "s2-legacy-folder", "tile": "36MZE", "version": "102", "product": None, "is_file": False},
        ),
        (
            "S1A_IW_GRDH_SIGMA0_DV_20200315T055849_DESCENDING_110_22F3_V110_angle.tif",
            {"kind": "s1-sigma0", "orbit_direction": "descending", "relative_orbit": 110, "band": "angle",
             "product": "SIGMA0", "item_id": "S1A_IW_GRDH_SIGMA0_DV_20200315T055849_DESCENDING_110_22F3_V110",
             "product_id": "s1-sigma0"},
        ),
        (
            "S1A_S1B_Coherence_20200330T173247_20200405T173221_ASC_161_V110_VV.tif",
            {"missions": ("S1A", "S1B"), "orbit_direction": "ascending", "relative_orbit": 161, "band": "VV",
             "datetime": dt.datetime(2020, 4, 5, 17, 32, 21, tzinfo=UTC), "version": "110",
             "item_id": "S1A_S1B_Coherence_20200330T173247_20200405T173221_ASC_161_V110"},
        ),
        (
            "S1B_IW_GRDH_1SDV_20210401T052623_20210401T052648_026269_032297_ECC8.SAFE",
            {"kind": "s1-safe", "product": "GRD", "collection": "sentinel-1-grd", "is_raster": False,
             "datetime": dt.datetime(2021, 4, 1, 5, 26, 23, tzinfo=UTC),
             "item_id": "S1B_IW_GRDH_1SDV_20210401T052623_20210401T052648_026269_032297_ECC8"},
        ),
        (
            "PROBAV_S10_TOC_X00Y00_20160101_333M_V001_NDVI.tif",
            {"tile": "X00Y00", "resolution": 333, "content": "NDVI", "band": "NDVI", "version": "001",
             "collection": None, "precision": "day", "item_id": "PROBAV_S10_TOC_X00Y00_20160101_333M_V001"},
        ),
        (
            "PROBAV_S10_TOC_X35Y12_20190801_333M_GEOMETRY_V201.TIFF",
            {"content": "GEOMETRY", "band": None, "version": "201",
             "collection": "terrascope-probav-s10-toc-333m-cog-v2",
             "item_id": "PROBAV_S10_TOC_X35Y12_20190801_333M_V201"},
        ),
        (
            "PROBAV_S10_TOC_NDVI_X18Y02_20171121_333M_V201.HDF5",
            {"product": "S10_TOC_NDVI", "content": "", "collection": "terrascope-probav-s10-toc-ndvi-333m-hdf-v2"},
        ),
        ("PROBAV_L2A_20180604_104840_2_1KM_V101.HDF5", {"product": "L2A", "resolution": 1000, "collection": None}),
        (
            "S5P_SO2CBR_TY_2019_SO2_V200.tif",
            {"precision": "year", "band": "SO2", "product": "SO2CBR_TY",
             "collection": "terrascope-s5p-l3-so2cbr-ty-v2", "datetime": dt.datetime(2019, 1, 1, tzinfo=UTC)},
        ),
        ("S5P_CO_TD_20200101_CO_V100.tif", {"item_id": "S5P_L3_CO_TD_20200101_V100", "collection": None}),
        ("S5P_NO2_TM_202506_NO2_V200.tif", {"precision": "month", "collection": "terrascope-s5p-l3-no2-tm-v2"}),
        (
            "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif",
            {"tile": "N00E006", "band": "Map", "version": "200", "collection": "esa-worldcover-map-10m-2021-v2"},
        ),
        (
            "c_gls_GDMP300-RT2_201808100000_GLOBE_PROBAV_V1.0.1.nc",
            {"product": "GDMP300", "version": "1.0.1", "precision": "minute", "tile": None},
        ),
        (
            "Copernicus_DSM_COG_10_N37_00_W004_00_DEM.tif",
            {"tile": "N37W004", "resolution": 30, "datetime": None, "collection": "cop-dem-glo-30m-cog", "band": "DEM"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_a_name_says(text, facts):
    name = parse_name(text)
    assert {key: getattr(name, key) for key in facts} == facts


def test_the_stage_of_a_near_real_time_product_is_told():
    assert parse_name("c_gls_GDMP300-RT2_201808100000_GLOBE_PROBAV_V1.0.1.nc").part("stage") == "RT2"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "S2A",
        "S2A_20250516T104651_31UFS",
        "S2A_20250516T104651_31UFS_NDVI_10M_V210.tif.aux.xml",
        "S2A_20250516T104651_31UFS_NDVI_10M_V210.tif\n",
        "S2A_20250516T104651_31UFS_NDVI_10M_V210.exe",
        "S2A_٢٠٢٥٠٥١٦T104651_31UFS_NDVI_10M_V210.tif",
        "S2E_20250516T104651_31UFS_NDVI_10M_V210.tif",
        "S2A_20251316T104651_31UFS_NDVI_10M_V210.tif",
        "S2A_20250230T104651_31UFS_NDVI_10M_V210.tif",
        "S2A_20250516T244651_31UFS_NDVI_10M_V210.tif",
        "S2A_20250516T104651_31UFS_TOC_QUICKLOOK_V210_QL.tif",
        "small_subset_S2B_20180705T105029Z_31UFS_FAPAR_10M_V102.tif",
        "small_subset_S2X_20160101_20190531_31UFS_IGNORE_10M_V102.tif",
        "S1B_AUX_CAL_V20160422T000000_G20210104T140113.SAFE",
        "S5P_OFFL_L2__CO_____20200101T005246_20200101T023416_11487_01_010302_20200102T143721",
        "S5P_L3_CO_TD_V1",
        "PROBAV_S10_TOC_333M_COG_V2",
        "PROBAV_S10_TOC_X35Y12_20190801_333M_NDVI_V201_NDVI.TIFF",
        "openEO_2023-06-01Z.tif",
    ],
)
def test_what_is_no_terrascope_name_is_refused_with_a_reason(text):
    with pytest.raises(UnreadableNameError) as caught:
        parse_name(text)
    assert caught.value.text == text
    assert caught.value.reason
    assert len(str(caught.value)) < 450


def test_a_refusal_shows_names_of_the_family_meant():
    with pytest.raises(UnreadableNameError, match="Names look like S1A_IW_GRDH_SIGMA0") as caught:
        parse_name("S1A_IW_GRDH_SIGMA0_DV")
    assert "S2A_" not in str(caught.value)


@given(st.one_of(st.text(), st.text(alphabet="S2AB1PROV_05TZUFVM.tifGX-", min_size=3)))
def test_random_text_never_crashes(text):
    try:
        name = parse_name(text)
    except UnreadableNameError:
        return
    assert build_name(name) == text


@given(st.sampled_from(REAL), st.integers(0, 90), st.characters(), st.booleans())
def test_a_damaged_real_name_is_refused_or_still_round_trips(text, place, letter, insert):
    damaged = text[:place] + letter + text[place + (not insert) :]
    try:
        name = parse_name(damaged)
    except UnreadableNameError:
        return
    assert build_name(name) == damaged


DAY = "20[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-8])"
TIME = "(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]"


def with_dates_that_exist(pattern):
    source = pattern.pattern
    for stamp, exact in {
        "[0-9]{8}T[0-9]{6}": f"{DAY}T{TIME}",
        "[0-9]{8}_[0-9]{6}": f"{DAY}_{TIME}",
        "[0-9]{12}": f"{DAY}{TIME.removesuffix('[0-5][0-9]')}",
        "<stamp>[0-9]{8})": f"<stamp>{DAY})",
        "[0-9]{4}(?:[0-9]{2}){0,2}": f"(?:{DAY}|2020|202011)",
        "<year>[0-9]{4}": "<year>20[0-9]{2}",
    }.items():
        source = source.replace(stamp, exact)
    return source


@pytest.mark.parametrize("grammar", GRAMMARS, ids=lambda grammar: grammar.kind)
@settings(max_examples=60)
@given(data=st.data())
def test_whatever_a_grammar_accepts_round_trips(grammar, data):
    alphabet = st.characters(max_codepoint=127)
    text = data.draw(st.from_regex(with_dates_that_exist(grammar.pattern), fullmatch=True, alphabet=alphabet))
    try:
        name = parse_name(text)
    except UnreadableNameError as error:
        assert "two " in error.reason  # noqa: PT017 - two layers, or two marks of a quicklook
        return
    assert build_name(name) == text
    assert parse_name(build_name(name)) == name


SECONDS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31), timezones=st.just(UTC)).map(
    lambda when: when.replace(microsecond=0)
)


@st.composite
def s2_names(draw):
    content = draw(st.sampled_from(["TOC-B02", "TOC-B8A", "NDVI", "FAPAR", "SCENECLASSIFICATION", "RAA", "TOC", "CWC"]))
    product = content.partition("-")[0]
    return Name(
        kind="s2",
        missions=(draw(st.sampled_from(["S2A", "S2B", "S2C"])),),
        datetimes=(draw(SECONDS),),
        tile=draw(st.sampled_from(["31UFS", "01CCV", "60XWP"])),
        content=content,
        product=None if product in {"SCENECLASSIFICATION", "RAA"} else product,
        resolution=draw(st.sampled_from([None, 10, 20, 60])),
        version=f"{draw(st.integers(0, 999)):03}",
        is_quicklook=draw(st.booleans()),
        extension=draw(st.sampled_from(["", "tif", "xml"])),
        parts=draw(st.sampled_from([(), (("zulu", "Z"),)])),
    )


@given(s2_names())
def test_generated_sentinel_2_names_are_read_back_equal(name):
    assert parse_name(build_name(name)) == name


@given(
    SECONDS,
    SECONDS,
    st.sampled_from(["ascending", "descending"]),
    st.integers(1, 175),
    st.sampled_from(["", "VV", "VH"]),
)
def test_generated_coherence_names_are_read_back_equal(first, second, direction, orbit, band):
    name = Name(
        kind="s1-coherence", missions=("S1A", "S1C"), datetimes=(first, second), content=band, product="COHERENCE",
        version="110", orbit_direction=direction, relative_orbit=orbit, extension="tif",
    )  # fmt: skip
    assert parse_name(build_name(name)) == name
    assert name.datetime == second


@pytest.mark.parametrize(
    "change",
    [
        {"version": "21"},
        {"version": None},
        {"missions": ()},
        {"datetimes": ()},
        {"tile": "31ufs"},
        {"kind": "x"},
        {"tile": None},
    ],
    ids=str,
)
def test_fields_that_make_no_name_are_refused(change):
    name = dataclasses.replace(parse_name("S2A_20250516T104651_31UFS_NDVI_10M_V210.tif"), **change)
    with pytest.raises(UnreadableNameError):
        build_name(name)
