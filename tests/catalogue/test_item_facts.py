from __future__ import annotations

import datetime as dt
import math

import pystac
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.catalogue import asset_facts
from terrascope_nb.catalogue import item_facts as facts
from terrascope_nb.products.registry import get_product

NDVI = "S2A_20250516T104651_31UFS_NDVI_10M_V210"
TOC_2023 = "S2A_20230220T074941_38SKG_TOC_V210"
TOC_V220 = "S2C_20260807T104621_31TCN_TOC_V220"


def bare(item_id: str, **properties: object) -> pystac.Item:
    when = dt.datetime(2020, 5, 7, 10, 40, 31, tzinfo=dt.UTC)
    return pystac.Item(item_id, None, None, when, dict(properties))


@pytest.mark.parametrize(
    ("name", "tile", "version", "platform", "orbit", "cloud"),
    [
        (NDVI, "31UFS", "V210", "sentinel-2a", 51, 4.547),
        (TOC_2023, "38SKG", "V210", "sentinel-2a", 135, 7.156),
        (TOC_V220, "31TCN", "V220", "sentinel-2c", 51, 0.0),
    ],
)
def test_real_items_of_three_layouts_say_the_same_kind_of_thing(real_item, name, tile, version, platform, orbit, cloud):
    item = real_item(name)
    assert facts.tile_of(item) == tile
    assert facts.version_of(item) == version
    assert facts.platform_of(item) == platform
    assert facts.relative_orbit_of(item) == orbit
    assert facts.orbit_direction_of(item) == "descending"
    assert facts.cloud_of(item) == cloud
    assert facts.resolution_of(item) == 10


@pytest.mark.parametrize(
    ("item_id", "tile", "version", "resolution", "platform", "direction", "orbit"),
    [
        ("S2A_20200507T104031_31UGS_NDVI_10M_V200", "31UGS", "V200", 10, "sentinel-2a", None, None),
        ("S2B_20170103T104432Z_31UFS_FAPAR_20M_V101", "31UFS", "V101", 20, "sentinel-2b", None, None),
        (
            "S1A_IW_GRDH_SIGMA0_DV_20170521T173234_ASCENDING_161_DBA1_V110",
            None, "V110", None, "sentinel-1a", "ascending", 161,
        ),
        (
            "S1A_S1B_Coherence_20200103T055804_20200109T055722_DSC_37_V110",
            None, "V110", None, "sentinel-1a", "descending", 37,
        ),
        ("PROBAV_S10_TOC_X18Y02_20171121_333M_V201", None, "V201", 333, None, None, None),
        ("c_gls_NDVI300-RT6_202007010000_GLOBE_OLCI_V2.0.1", None, "RT6", None, None, None, None),
        ("ESA_WorldCover_10m_2020_v100_N00E006", None, "V100", 10, None, None, None),
    ],
)  # fmt: skip
def test_what_properties_leave_out_is_read_from_the_id(item_id, tile, version, resolution, platform, direction, orbit):
    item = bare(item_id)
    assert facts.tile_of(item) == tile
    assert facts.version_of(item) == version
    assert facts.resolution_of(item) == resolution
    assert facts.platform_of(item) == platform
    assert facts.orbit_direction_of(item) == direction
    assert facts.relative_orbit_of(item) == orbit


def test_the_resolution_in_the_id_wins_over_the_instruments_gsd():
    assert facts.resolution_of(bare("S2A_20200507T104031_31UGS_FAPAR_20M_V210", gsd=10)) == 20


@pytest.mark.parametrize("value", [None, -1, 101, "5", True, float("nan")])
def test_a_cloud_cover_that_is_no_percentage_is_unknown(value):
    assert facts.cloud_of(bare("x", **{"eo:cloud_cover": value})) is None


def test_the_encoding_of_a_stac_1_1_asset_is_read(real_item):
    item = real_item(NDVI)
    assert asset_facts.asset_encoding(item, "NDVI") == asset_facts.Encoding("uint8", 0.004, -0.08, 255.0, "1")
    assert asset_facts.asset_encoding(item, "SCL") == asset_facts.Encoding("uint8", 1.0, 0.0, None, None)


def test_the_encoding_of_a_stac_1_0_asset_is_read_from_raster_bands(real_item):
    item = real_item(TOC_2023)
    key = "S2A_20230220T074941_38SKG_RAA_60M_V210.tif"
    assert asset_facts.asset_encoding(item, key) == asset_facts.Encoding("int16", 0.01, 0.0, 32767.0, "deg")


def test_raa_of_v220_is_another_type_with_another_nodata_than_v210(real_item):
    encoding = asset_facts.asset_encoding(real_item(TOC_V220), "RAA")
    assert (encoding.dtype, encoding.nodata) == ("uint16", 65535.0)


def test_what_nobody_says_is_none_and_not_a_default(real_item):
    item = real_item(NDVI)
    for name in ("data_type", "raster:scale", "raster:offset", "nodata", "unit"):
        item.assets["NDVI"].extra_fields.pop(name)
    assert asset_facts.asset_encoding(item, "NDVI") == asset_facts.Encoding()


def test_a_nan_nodata_written_as_text_is_nan(real_item):
    item = real_item(NDVI)
    item.assets["NDVI"].extra_fields["nodata"] = "nan"
    nodata = asset_facts.asset_encoding(item, "NDVI").nodata
    assert nodata is not None
    assert math.isnan(nodata)


def test_bands_inside_the_asset_give_what_the_asset_does_not(real_item):
    item = real_item(NDVI)
    fields = item.assets["NDVI"].extra_fields
    del fields["raster:scale"]
    fields["bands"] = [{"name": "NDVI", "raster:scale": 0.5, "nodata": 7}]
    encoding = asset_facts.asset_encoding(item, "NDVI")
    assert encoding.scale == 0.5
    assert encoding.nodata == 255, "the asset's own word wins"


said = st.one_of(
    st.none(), st.booleans(), st.sampled_from([0, 1, 0.0, 1.0, "1", "nan", "uint8", "EPSG:32631", 32631, float("nan")]),
    st.sampled_from([[1.0, 0, 5, 0, -1, 7], [1, 0, 5, 0, -1, 7, 0, 0, 1], [4, 4], [{"nodata": 1}], [{"nodata": True}]]),
)  # fmt: skip


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["nodata", "scale", "raster:bands", "bands", "proj:transform", "proj:shape"]), said),
        min_size=1, max_size=6,
    ),
    st.dictionaries(st.sampled_from(["nodata", "scale", "raster:scale", "proj:code", "proj:transform"]), said),
)  # fmt: skip
def test_what_assets_state_alike_is_remembered_and_nothing_else(stated, properties):
    for fields in stated:  # 1, 1.0 and true are equal, and mean different things
        item = bare("x", **properties)
        item.add_asset("x", pystac.Asset("x.tif", extra_fields=dict(fields)))
        plain = []
        for read in (asset_facts.asset_encoding, asset_facts.asset_grid):
            try:
                plain.append(read(item, "x"))
            except (TypeError, ValueError) as error:
                plain.append(error)
        if any(isinstance(one, Exception) for one in plain):
            continue
        assert repr(asset_facts.encoding_and_grid(item, "x")) == repr(tuple(plain))


def test_an_asset_level_grid_wins_over_the_items(real_item):
    item = real_item(NDVI)
    assert asset_facts.asset_grid(item, "NDVI") == asset_facts.AssetGrid(
        "EPSG:32631", (10.0, 0.0, 600000.0, 0.0, -10.0, 5700000.0), (10980, 10980)
    )
    assert asset_facts.asset_grid(item, "SCL") == asset_facts.AssetGrid(
        "EPSG:32631", (20.0, 0.0, 600000.0, 0.0, -20.0, 5700000.0), (5490, 5490)
    )


def test_a_null_projection_code_says_nothing_and_half_a_grid_is_not_completed_from_the_item(real_item):
    grid = asset_facts.asset_grid(real_item(NDVI), "preview")
    assert grid == asset_facts.AssetGrid("EPSG:32631", None, (256, 256))


def test_items_with_proj_epsg_are_read_like_items_with_proj_code(real_item):
    item = real_item(NDVI)
    del item.properties["proj:code"]
    item.properties["proj:epsg"] = 32631
    assert asset_facts.asset_grid(item, "NDVI").crs == "EPSG:32631"
    item.properties["proj:epsg"] = None
    assert asset_facts.asset_grid(item, "NDVI").crs is None


@pytest.mark.parametrize(
    ("name", "product", "band", "key"),
    [
        (NDVI, "s2-ndvi", "NDVI", "NDVI"),
        (NDVI, "s2-ndvi", "SCL", "SCL"),
        (TOC_V220, "s2-toc", "B01", "B01"),
        (TOC_2023, "s2-toc", "B8A", "S2A_20230220T074941_38SKG_TOC-B8A_20M_V210.tif"),
        (TOC_2023, "s2-toc", "B04", "S2A_20230220T074941_38SKG_TOC-B04_10M_V210.tif"),
        (TOC_2023, "s2-toc", "SCL", "S2A_20230220T074941_38SKG_SCENECLASSIFICATION_20M_V210.tif"),
    ],
)
def test_a_band_finds_its_asset_by_key_or_title(real_item, name, product, band, key):
    assert facts.find_asset(real_item(name), get_product(product).find_band(band)) == key


def test_a_band_finds_its_asset_by_the_content_part_of_the_file_name(real_item):
    item = real_item(TOC_2023)
    for asset in item.assets.values():
        asset.title = None
        asset.extra_fields.pop("eo:bands", None)
    item.assets = {f"file-{n}": asset for n, asset in enumerate(item.assets.values())}
    key = facts.find_asset(item, get_product("s2-toc").find_band("B08"))
    assert key is not None
    assert item.assets[key].href.endswith("TOC-B08_10M_V210.tif")


def test_a_quicklook_is_never_taken_for_the_band(real_item):
    item = real_item(NDVI)
    del item.assets["NDVI"]
    assert facts.find_asset(item, get_product("s2-ndvi").find_band("NDVI")) is None


@given(st.sampled_from(["V200", "V210", "V220"]), st.sampled_from(["V101", "V102"]))
def test_the_z_of_old_names_does_not_hide_a_twin(new, old):
    young = bare(f"S2A_20170103T104432_31UFS_FAPAR_10M_{new}")
    aged = bare(f"S2A_20170103T104432Z_31UFS_FAPAR_10M_{old}")
    assert facts.content_of(young) == facts.content_of(aged)


def test_a_time_in_another_zone_is_converted_not_relabelled():
    item = bare("x")
    item.datetime = dt.datetime(2025, 5, 16, 12, 46, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert facts.time_of(item) == dt.datetime(2025, 5, 16, 10, 46, tzinfo=dt.UTC)
