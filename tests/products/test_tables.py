"""Every table is valid, says where its numbers come from, and agrees with real items and files."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import matplotlib as mpl
import pytest

from terrascope_nb.errors import UnknownBandError
from terrascope_nb.products import get_product, list_products, product_of_collection

PRODUCTS = list(list_products())
BANDS = [pytest.param(p, b, id=f"{p.id}:{b.name}") for p in PRODUCTS for b in p.bands]
ITEMS = sorted((Path(__file__).parents[1] / "data" / "items").glob("*.json"))
TABLES = Path(__file__).parents[2] / "terrascope_nb" / "products" / "tables"
each_product = pytest.mark.parametrize("product", PRODUCTS, ids=lambda p: p.id)

# CF standard name table, as shipped with compliance-checker 6.1.
CF_NAMES = {
    "surface_bidirectional_reflectance",
    "toa_bidirectional_reflectance",
    "normalized_difference_vegetation_index",
    "fraction_of_surface_downwelling_photosynthetic_radiative_flux_absorbed_by_vegetation",
    "vegetation_area_fraction",
    "leaf_area_index",
    "surface_backwards_scattering_coefficient_of_radar_wave",
    "angle_of_incidence",
    "atmosphere_optical_thickness_due_to_ambient_aerosol_particles",
    "solar_zenith_angle",
    "solar_azimuth_angle",
    "sensor_zenith_angle",
    "sensor_azimuth_angle",
    "relative_sensor_azimuth_angle",
    "surface_altitude",
}
# Perceptual and readable with a colour vision deficiency (matplotlib's perceptual maps and ColorBrewer sequences).
CALM_MAPS = {"gray", "viridis", "cividis", "YlGn", "YlGnBu"}
UNITS = {"1", "degree", "m", "percent", "kg ha-1 day-1"}


@each_product
def test_names_are_in_three_languages(product):
    for text in (product.title, product.description):
        assert set(text) == {"en", "nl", "fr"}
        assert all(words.strip() == words and words for words in text.values())
    assert len(product.description["en"]) < 220


@each_product
def test_a_table_names_its_notebook_family_and_sources(product):
    assert product.notebook == f"datasets/{product.id}.ipynb"
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", product.id)
    assert product.family
    assert product.sources
    assert all(variant.source for variant in product.variants)


@pytest.mark.parametrize(("product", "band"), BANDS)
def test_every_number_has_its_source_beside_it(product, band):
    numbers = (band.scale, band.offset, band.nodata, band.valid_range, band.dtype, band.center_wavelength_um)
    if any(number is not None for number in numbers) or band.resolutions or band.classes:
        assert band.source
    if band.style.vmin is not None or band.style.vmax is not None:
        assert band.style.source


@pytest.mark.parametrize(("product", "band"), BANDS)
def test_scale_offset_and_range_belong_together(product, band):
    assert (band.scale is None) == (band.offset is None)
    if band.valid_range is not None:
        assert band.scale is not None
        assert band.nodata is None or not band.valid_range[0] <= band.nodata <= band.valid_range[1]
    if band.kind == "measurement" and band.scale is not None:
        assert band.unit or product.id == "s2-toc"  # the unit of WVP is unknown


@pytest.mark.parametrize(("product", "band"), BANDS)
def test_style_is_physical_and_readable_by_everybody(product, band):
    style = band.style
    if style.cmap is not None:
        assert style.cmap in CALM_MAPS
        assert style.cmap in mpl.colormaps
    assert (style.vmin is None) == (style.vmax is None)
    if style.vmin is not None:
        assert style.vmin < style.vmax
        if band.valid_range is not None:
            low, high = (number * band.scale + band.offset for number in band.valid_range)
            assert low <= style.vmin + 1e-9
            assert style.vmax <= high + 1e-9


@pytest.mark.parametrize(("product", "band"), BANDS)
def test_units_and_standard_names_are_known_words(product, band):
    assert band.unit is None or band.unit in UNITS
    assert band.standard_name is None or band.standard_name in CF_NAMES


@pytest.mark.parametrize(("product", "band"), BANDS)
def test_classes_have_names_titles_and_colours_fit_for_files(product, band):
    assert bool(band.classes) <= (band.kind == "classes")
    for one in band.classes:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", one.name)  # CF flag_meanings are separated by blanks
        assert one.color is None or re.fullmatch(r"#[0-9a-f]{6}", one.color)
        assert one.title["en"]
    words = [word for one in band.classes for word in (one.name, *one.aliases)]
    assert len(words) == len(set(words))


@each_product
def test_each_name_of_a_band_finds_that_band_alone(product):
    for band in product.bands:
        assert product.find_band(band.name) is band
        assert product.find_band(band.name.lower()) is band
        for other in (band.common_name, band.asset_key, *band.aliases):
            if other:
                assert product.find_band(other) is band, other


@each_product
def test_a_product_that_cannot_be_loaded_says_what_to_do(product):
    if product.not_loadable:
        named = [other.id for other in PRODUCTS if other.id in product.not_loadable]
        assert named, "name the product to use instead"
        assert not product.default_bands


@each_product
def test_attribution_can_be_filled_in(product):
    assert re.findall(r"\{(\w*)\}", product.attribution) in ([], ["year"])


@each_product
def test_texts_name_documents_and_no_machine(product):
    text = (TABLES / f"{product.id}.toml").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\w)/(work|tmp|home|root)/", text)
    for variant in product.variants:
        for root in variant.local_roots:
            assert not root.startswith("/")
            assert ".." not in root


# ------------------------------------------------------------------- real items


def _encoding(asset: dict) -> tuple:
    """Type, scale, offset, nodata of an asset in either layout."""
    raster = asset.get("raster:bands", [{}])[0]
    return (
        asset.get("data_type", raster.get("data_type")),
        asset.get("raster:scale", raster.get("scale")),
        asset.get("raster:offset", raster.get("offset")),
        asset.get("nodata", raster.get("nodata")),
    )


def _content(item_id: str, key: str, href: str) -> str:
    """What the file name says it holds: item id minus product, file minus item."""
    stem = Path(href).stem
    head = "_".join(item_id.split("_")[:3])
    return re.sub(r"_V\d{3}$", "", stem.removeprefix(head + "_"))


def _data_assets() -> list:
    found = []
    for path in ITEMS:
        item = json.loads(path.read_text())
        for key, asset in item["assets"].items():
            if set(asset.get("roles", ())) & {"data", "data-mask"}:
                found.append(pytest.param(item, key, asset, id=f"{path.stem}:{key}"))
    return found


@pytest.mark.parametrize(("item", "key", "asset"), _data_assets())
def test_the_table_agrees_with_the_real_item(item, key, asset):
    product = product_of_collection(item["collection"])
    band = product.find_band(_content(item["id"], key, asset["href"]))
    if "raster:scale" in asset:  # today's layout: the key is the band
        assert product.find_band(key) is band
    dtype, scale, offset, nodata = _encoding(asset)
    if (band.name, item["id"][-4:]) == ("RAA", "V220"):
        assert (dtype, nodata) == ("uint16", 65535)  # known to differ: the table holds V210, the item wins
        assert (band.dtype, band.nodata) == ("int16", 32767)
        assert "V220" in band.note
        return
    assert (band.dtype, band.scale, band.offset) == (dtype, scale, offset)
    if band.name == "SCL":
        assert nodata is None  # the item declares none; class 0 of the table means it
        assert band.nodata == 0
    else:
        assert band.nodata == nodata
    if "gsd" in asset:
        assert asset["gsd"] in band.resolutions
    for described in asset.get("eo:bands", ()):
        assert band.center_wavelength_um == described["center_wavelength"]
        assert described["common_name"] in {band.common_name, "rededge"}


def test_the_real_items_cover_both_layouts_and_the_newest_version():
    assert len(ITEMS) == 3
    assert len(_data_assets()) > 20


# ------------------------------------------------------------------- facts


@pytest.mark.parametrize(
    ("product_id", "stored", "physical"),
    [
        ("s2-ndvi", 0, -0.08),
        ("s2-ndvi", 250, 0.92),
        ("s2-fapar", 200, 1.0),
        ("s2-fcover", 100, 0.5),
        ("s2-lai", 250, 10.0),
        ("s2-lai", 125, 5.0),
        ("cgls-fapar", 235, 0.94),
        ("cgls-ndvi", 250, 0.92),
        ("cgls-vpi", 210, 100.0),
        ("cgls-vpi", 10, 0.0),
        ("probav-s10-ndvi", 250, 0.92),
    ],
)
def test_stored_numbers_become_the_published_values(product_id, stored, physical):
    product = get_product(product_id)
    band = product.find_band(product.default_bands[0])
    assert stored * band.scale + band.offset == pytest.approx(physical)
    assert band.valid_range[0] <= stored <= band.valid_range[1]


@pytest.mark.parametrize(
    ("product_id", "last"), [("s2-fapar", 200), ("s2-fcover", 200), ("s2-ndvi", 250), ("s2-lai", 250)]
)
def test_numbers_between_the_range_and_nodata_are_outside_the_range(product_id, last):
    product = get_product(product_id)
    band = product.find_band(product.default_bands[0])
    assert band.valid_range == (0, last)
    assert band.nodata == 255


def test_reflectance_has_no_valid_range_so_that_negative_values_stay():
    for band in get_product("s2-toc").bands:
        if band.file_content[0].startswith("TOC-"):
            assert band.valid_range is None
            assert (band.dtype, band.scale, band.nodata) == ("int16", 0.0001, 32767)


@pytest.mark.parametrize(
    ("product_id", "bands"),
    [
        ("s2-ccc", ["CCC"]),
        ("s2-cwc", ["CWC"]),
        ("s1-coherence", ["VV", "VH"]),
        ("s1-sigma0", ["angle"]),
        ("s5p-no2", ["NO2", "WEIGHT"]),
        ("s5p-so2", ["SO2"]),
        ("s3-syn-vgt", ["B0", "NDVI"]),
        ("s2-l2a", ["B04"]),
        ("probav-s1-toc", ["RED", "SZA"]),
        ("cgls-lai", ["LAI"]),
    ],
)
def test_what_no_source_states_stays_unknown(product_id, bands):
    for name in bands:
        band = get_product(product_id).find_band(name)
        assert band.scale is None
        assert band.offset is None
        assert band.note or "no source states" in band.source


def test_the_codes_of_the_cloud_mask_stay_unknown():
    band = get_product("s2-toc").find_band("CLOUDMASK")
    assert not band.classes
    assert band.kind == "flags"


def test_sigma0_is_linear_and_drawn_in_decibels_over_the_platforms_range():
    product = get_product("s1-sigma0")
    for name, low, high in (("VV", -25, 3), ("VH", -30, -2)):
        band = product.find_band(name)
        assert (band.dtype, band.scale, band.offset) == ("float32", 1.0, 0.0)
        assert math.isnan(band.nodata)
        assert band.style.decibel
        assert 10 * math.log10(band.style.vmin) == pytest.approx(low, abs=1e-6)
        assert 10 * math.log10(band.style.vmax) == pytest.approx(high, abs=1e-6)
    assert product.find_band("angle").nodata == 0


def test_the_twelve_classes_are_the_same_in_every_sentinel_2_product():
    with_scl = [p for p in PRODUCTS if p.quality and p.quality.band == "SCL"]
    assert {"s2-toc", "s2-ndvi", "s2-fapar", "s2-fcover", "s2-lai", "s2-ccc", "s2-cwc", "s2-l2a"} == {
        p.id for p in with_scl
    }
    first = with_scl[0].find_band("SCL").classes
    assert [one.value for one in first] == list(range(12))
    assert first[7].name == "cloud_low_probability"
    assert all(p.find_band("SCL").classes == first for p in with_scl)
    assert all(p.quality == with_scl[0].quality for p in with_scl)


def test_worldcover_and_lcfm_number_their_classes_differently():
    worldcover = {one.name: one.value for one in get_product("worldcover").find_band("MAP").classes}
    lcfm = {one.name: one.value for one in get_product("lcfm-lcm").find_band("MAP").classes}
    # legend in the tags of ESA_WorldCover_10m_2021_v200_N00E006_Map.tif
    assert worldcover["moss_and_lichen"] == 100
    assert worldcover["built_up"] == 50
    assert lcfm["permanent_water_bodies"] == 100
    assert lcfm["built_up"] == 90
    assert len(worldcover) == 11
    assert len(lcfm) == 12


@pytest.mark.parametrize(("name", "words"), [("B09", "water vapour"), ("b10", "thin_cirrus")])
def test_a_band_that_is_not_delivered_is_explained_when_asked_for(name, words):
    with pytest.raises(UnknownBandError, match=words):
        get_product("s2-toc").find_band(name)


def test_a_wrong_band_gets_near_misses():
    with pytest.raises(UnknownBandError, match="Did you mean"):
        get_product("s2-toc").find_band("B0A4")


@pytest.mark.parametrize("spelling", ["B8A", "B08A", "TOC-B8A_20M", "TOC-B08A_20M", "nir08", "b8a"])
def test_both_spellings_of_the_narrow_near_infrared_are_read(spelling):
    assert get_product("s2-toc").find_band(spelling).name == "B8A"


def test_a_file_of_several_bands_names_none_of_them():
    with pytest.raises(UnknownBandError):
        get_product("probav-s10-toc").find_band("RADIOMETRY")


def test_places_of_the_bands_in_the_radiometry_file():
    product = get_product("probav-s10-toc")
    assert [product.find_band(name).index for name in ("RED", "NIR", "BLUE", "SWIR")] == [1, 2, 3, 4]


def test_version_order_is_the_order_of_reprocessing():
    assert get_product("s2-toc").version_order == ("V101", "V102", "V200", "V210", "V220")
    assert get_product("cgls-ndvi").version_order == tuple(f"RT{n}" for n in range(7))


@pytest.mark.parametrize("product_id", ["s2-fapar", "s2-fcover", "s2-lai"])
def test_10_m_and_20_m_are_alternatives(product_id):
    product = get_product(product_id)
    assert product.alternatives == ("resolution",)
    assert product.find_band(product.default_bands[0]).resolutions == (10.0, 20.0)


def test_the_gap_of_v200_is_told():
    assert "95 %" in get_product("s2-toc").gaps
    assert "V200" in get_product("s2-lai").gaps


@pytest.mark.parametrize("product_id", ["worldcover", "cop-dem", "lcfm-lcm"])
def test_maps_of_one_moment_need_no_period(product_id):
    assert get_product(product_id).dateless


@pytest.mark.parametrize("product_id", ["s1-grd", "s1-slc"])
def test_safe_products_are_searchable_and_say_why_they_do_not_load(product_id):
    product = get_product(product_id)
    assert product.variants[0].in_stac
    assert "SAFE" in product.not_loadable
    assert "s1-sigma0" in product.not_loadable


def test_copernicus_global_land_has_no_stac_collection_that_we_know_of():
    cgls = [p for p in PRODUCTS if p.family == "cgls"]
    assert len(cgls) > 10
    assert not any(variant.in_stac for product in cgls for variant in product.variants)
