"""Every name of the archive finds its product, and a wrong name says what was meant."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from terrascope_nb.errors import UnknownProductError
from terrascope_nb.products import find_variant, get_product, list_products, product_of_collection, registry

NAMES = Path(__file__).parents[1] / "data" / "collections"
STAC_IDS = (NAMES / "stac_ids.txt").read_text().split()
URNS = (NAMES / "opensearch_ids.txt").read_text().split()
PAIRS = [line.split() for line in (NAMES / "stac_opensearch_pairs.txt").read_text().splitlines()]
# Copies made for other projects, not products of the platform.
ELSEWHERE = ("FSTEP_", "NEXTGEOSS_")
TYPES = [name for name in (NAMES / "product_types.txt").read_text().split() if not name.startswith(ELSEWHERE)]


def test_the_copied_lists_are_whole():
    assert (len(STAC_IDS), len(URNS), len(TYPES)) == (104, 111, 78)


@pytest.mark.parametrize("name", STAC_IDS)
def test_every_stac_collection_resolves_to_its_own_variant(name):
    product, variant = find_variant(name)
    assert variant.collection == name
    assert variant.in_stac
    assert variant in product.variants
    assert product_of_collection(name) is product


@pytest.mark.parametrize("name", URNS)
def test_every_urn_resolves_to_its_own_variant(name):
    product, variant = find_variant(name)
    assert variant.opensearch == name
    assert variant in product.variants


@pytest.mark.parametrize(("stac_id", "urn"), PAIRS)
def test_urn_and_stac_id_mean_the_same_variant(stac_id, urn):
    assert find_variant(stac_id) == find_variant(urn)


@pytest.mark.parametrize("name", TYPES)
def test_every_legacy_product_type_resolves(name):
    assert name in find_variant(name)[1].legacy_types


def test_no_name_means_two_collections():
    owners: dict[str, str] = {}
    for product in list_products():
        for variant in product.variants:
            for name in {known.lower().replace("_", "-") for known in registry.names_of(variant)}:
                assert owners.setdefault(name, variant.collection) == variant.collection, name


def test_no_collection_name_hides_behind_a_product_id():
    ids = {product.id for product in list_products()}
    for product in list_products():
        for variant in product.variants:
            for name in registry.names_of(variant):
                assert name.lower().replace("_", "-") not in ids - {product.id}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("s2-ndvi", "s2-ndvi"),
        ("S2-NDVI", "s2-ndvi"),
        ("s2_toc", "s2-toc"),
        (" s2-toc ", "s2-toc"),
        ("terrascope-s2-ndvi-v2", "s2-ndvi"),
        ("Terrascope-S2-NDVI-V2", "s2-ndvi"),
        ("urn:eop:VITO:TERRASCOPE_S2_NDVI_V2", "s2-ndvi"),
        ("TERRASCOPE_S2_NDVI_V2", "s2-ndvi"),
        ("CGS_S2_FAPAR_10M", "s2-fapar"),
        ("PROBAV_L3_S10_TOC_333M", "probav-s10-toc"),
        ("BioPar_NDVI300_V2_Global", "cgls-ndvi"),
        ("majortom-l2a-flanders", "majortom-l2a-flanders"),
        ("majorTom-L2A-Flanders", "majortom-l2a-flanders"),
        ("terrascope-s5p-l3-so2-ty-v2", "s5p-so2"),
        ("opera-s1-rtc-v1", "s1-opera-rtc"),
    ],
)
def test_a_product_is_found_by_any_of_its_names(name, expected):
    assert get_product(name).id == expected


def test_the_collection_id_with_underscores_of_2023_items_is_known():
    assert product_of_collection("terrascope_s2_toc_v2") is get_product("s2-toc")


@pytest.mark.parametrize(
    ("name", "resolution", "cadence", "file_format"),
    [
        ("terrascope-probav-s10-toc-1km-hdf-v2", "1km", "dekad", "HDF5"),
        ("urn:eop:VITO:PROBAV_S1_TOC_100M_COG_V2", "100m", "day", "GeoTIFF"),
        ("PROBAV_L3_S10_TOC_333M", "333m", "dekad", "GeoTIFF"),
        ("terrascope-s5p-l3-no2-tm-v2", None, "month", "GeoTIFF"),
        ("urn:eop:VITO:COP_DEM_GLO_90M_COG", "90m", "once", "GeoTIFF"),
        ("terrascope-s3-syn-vgt-s1-v1", "1km", "day", None),
        ("geoinformed-watervlakken-jaar", None, "year", None),
    ],
)
def test_a_collection_name_gives_the_variant_of_that_resolution_and_cadence(name, resolution, cadence, file_format):
    variant = find_variant(name)[1]
    assert (variant.resolution, variant.cadence, variant.file_format) == (resolution, cadence, file_format)


def test_our_own_id_means_the_first_variant():
    product, variant = find_variant("probav-s10-toc")
    assert variant is product.variants[0]
    assert variant.collection == "terrascope-probav-s10-toc-333m-cog-v2"


def test_a_product_is_given_back_as_it_is():
    product = get_product("s2-toc")
    assert get_product(product) is product


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("s2-nvdi", "s2-ndvi"),
        ("s2-ndvi-v2", "s2-ndvi"),
        ("terrascope-s2-ndvi-v3", "terrascope-s2-ndvi-v2"),
        ("sigma0", "s1-sigma0"),
        ("worldcov", "worldcover"),
        ("CGS_S2_FAPAR_30M", "CGS_S2_FAPAR_10M"),
    ],
)
def test_a_wrong_name_gets_near_misses(wrong, meant):
    with pytest.raises(UnknownProductError) as caught:
        get_product(wrong)
    error = caught.value
    assert meant in error.near
    assert meant in str(error)
    assert repr(wrong) in str(error)
    assert "list_products()" in str(error)
    assert error.product == wrong
    assert isinstance(error, LookupError)


@pytest.mark.parametrize("wrong", ["", " ", "x", '"', "landsat-8", 'collection"'])
def test_a_name_like_nothing_is_an_error_without_a_wild_guess(wrong):
    with pytest.raises(UnknownProductError):
        get_product(wrong)


@pytest.mark.parametrize("part", ["s2", "toc-v2", "terrascope", "urn:eop:VITO", "20M", "en", "_scl", "-scl"])
def test_a_piece_of_a_table_is_no_name(part):
    assert product_of_collection(part) is None


def test_an_unknown_collection_is_none_so_that_callers_can_go_by_the_item():
    assert product_of_collection("sentinel-2-c1-l2a") is None


def test_the_list_holds_each_product_once_sentinel_2_first():
    products = list_products()
    ids = [product.id for product in products]
    assert len(ids) == len(set(ids)) == len(products)
    assert products[0].family == "sentinel-2"
    assert products[:3][0] is products[0]
    assert [product.id for product in products[-2:]] == ids[-2:]


def test_the_list_shows_itself_and_becomes_a_data_frame():
    products = list_products()
    assert "s2-ndvi" in repr(products)
    html = products._repr_html_()
    assert html.count("<tr>") == len(products) + 1
    frame = products.to_dataframe("nl")
    assert len(frame) == len(products)
    assert frame.loc["s2-lai", "title"] == "Sentinel-2 bladoppervlakte-index (LAI)"


def test_a_product_shows_itself_without_a_wall_of_text():
    text = repr(get_product("s2-ndvi"))
    assert "stored * 0.004 - 0.08" in text
    assert len(text.splitlines()) < 20
    html = get_product("s2-toc")._repr_html_()
    assert "<script" not in html
    assert html.count("<tr>") == len(get_product("s2-toc").bands) + 1


def test_every_product_shows_itself():
    for product in list_products():
        assert repr(product).startswith(f"{product.id}: ")
        assert product.id in product._repr_html_()


def test_threads_asking_at_once_get_one_product():
    registry._parse.cache_clear()
    registry._locate.cache_clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(get_product, ["terrascope-s2-toc-v2"] * 64))
    assert len({id(product) for product in found}) == 1


def test_products_cross_process_borders():
    product = get_product("probav-s10-toc")
    assert pickle.loads(pickle.dumps(product)) == product


def test_finding_one_product_reads_no_heavy_library_and_few_tables():
    code = (
        "import sys; from terrascope_nb.products import find_variant, registry;"
        "find_variant('urn:eop:VITO:TERRASCOPE_S2_FAPAR_V2');"
        "print(registry._parse.cache_info().currsize,"
        " sorted({'xarray', 'dask', 'matplotlib', 'pandas', 'rasterio', 'geopandas'} & set(sys.modules)))"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert seen == "1 []"
