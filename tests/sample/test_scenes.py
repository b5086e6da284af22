"""The unpacked Sentinel-2 files against the netCDF files they come from, read with rasterio."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Transformer
from rasterio.features import geometry_mask

from terrascope_nb.products.names import build_name, parse_name
from terrascope_nb.sample.scenes import ndvi_stored

SCENES = ("S2A_20170827T110448_31UDS", "S2B_20180705T105427_31UDS", "S2A_20181127T105651_31UDS")
TOP = "TERRASCOPE_Sentinel2"


def folder(root: Path, scene: str, product: str) -> Path:
    year, month, day = scene[4:8], scene[8:10], scene[10:12]
    return root / TOP / f"{product}_V2" / year / month / day / f"{scene}_{product}_V000"


@pytest.mark.parametrize(("index", "scene"), list(enumerate(SCENES)), ids=SCENES)
@pytest.mark.parametrize(("band", "content"), [("B04", "TOC-B04_10M"), ("B08", "TOC-B08_10M"), ("B11", "TOC-B11_20M")])
def test_reflectance_equals_the_origin_bit_for_bit(
    sample_root: Path, origin: dict[str, np.ndarray], index: int, scene: str, band: str, content: str
) -> None:
    with rasterio.open(folder(sample_root, scene, "TOC") / f"{scene}_{content}_V000.tif") as dataset:
        assert dataset.dtypes == ("int16",)
        assert dataset.nodata == 32767
        assert dataset.crs.to_epsg() == 32631
        resolution = 640 / dataset.width
        assert dataset.transform == rasterio.Affine(resolution, 0, 501360, 0, -resolution, 5629680)
        np.testing.assert_array_equal(dataset.read(1), origin[band][index].astype(np.int16))


@pytest.mark.parametrize(("index", "scene"), list(enumerate(SCENES)), ids=SCENES)
def test_the_scene_classification_equals_the_origin_in_both_products(
    sample_root: Path, origin: dict[str, np.ndarray], index: int, scene: str
) -> None:
    for product in ("TOC", "NDVI"):
        path = folder(sample_root, scene, product) / f"{scene}_SCENECLASSIFICATION_20M_V000.tif"
        with rasterio.open(path) as dataset:
            assert dataset.dtypes == ("uint8",)
            assert dataset.nodata is None  # as in the real files: 0 is a class
            np.testing.assert_array_equal(dataset.read(1), origin["SCL"][index])


@pytest.mark.parametrize(("index", "scene"), list(enumerate(SCENES)), ids=SCENES)
def test_ndvi_decodes_to_the_ndvi_of_the_bands_within_half_a_step(
    sample_root: Path, origin: dict[str, np.ndarray], index: int, scene: str
) -> None:
    red, nir = (origin[band][index].astype(float) for band in ("B04", "B08"))
    expected = np.clip((nir - red) / (nir + red), -0.08, 0.92)
    with rasterio.open(folder(sample_root, scene, "NDVI") / f"{scene}_NDVI_10M_V000.tif") as dataset:
        assert dataset.nodata == 255
        decoded = dataset.read(1) * 0.004 - 0.08
    assert np.abs(decoded - expected).max() <= 0.002 + 1e-9


def test_ndvi_is_clipped_at_both_ends_and_nodata_where_a_band_has_nothing() -> None:
    red = np.array([[0, 500, 9000, 1, 1000]], dtype=np.uint16)
    nir = np.array([[500, 0, 1, 9000, 1000]], dtype=np.uint16)
    np.testing.assert_array_equal(ndvi_stored(red, nir), [[255, 255, 0, 250, 20]])


def test_every_scene_has_all_its_files_under_names_the_parser_knows(sample_root: Path) -> None:
    tiffs = sorted((sample_root / TOP).rglob("*.tif"))
    assert len(tiffs) == 118 * (11 + 2)
    assert len({path.parent for path in tiffs}) == 118 * 2
    for path in tiffs:
        name = parse_name(path.name)
        assert build_name(name) == path.name
        assert name.tile == "31UDS"
        assert path.parent.parent.as_posix().endswith(f"{name.datetime:%Y/%m/%d}")


def test_every_file_says_that_it_is_no_terrascope_product(sample_root: Path) -> None:
    for path in sample_root.rglob("*.tif"):
        if path.is_relative_to(sample_root / TOP):
            assert path.stem.endswith("_V000")
        with rasterio.open(path) as dataset:
            tags = dataset.tags()
        assert "not a Terrascope product" in tags["TIFFTAG_IMAGEDESCRIPTION"]
        assert "not a Terrascope product" in tags["TIFFTAG_SOFTWARE"]
        assert tags["TIFFTAG_COPYRIGHT"] == "contains modified Copernicus Sentinel data 2017-2018"
    assert "not Terrascope products" in (sample_root / "README.md").read_text()


def test_each_field_covers_exactly_label_pixels_of_its_crop(sample_root: Path, origin: dict[str, np.ndarray]) -> None:
    collection = json.loads((sample_root / "fields.geojson").read_text())
    to_utm = Transformer.from_crs("EPSG:4326", "EPSG:32631", always_xy=True).transform
    grid = rasterio.Affine(10, 0, 501360, 0, -10, 5629680)
    taken = np.zeros((64, 64), dtype=int)
    for feature in collection["features"]:
        polygon = shapely.transform(shapely.from_geojson(json.dumps(feature["geometry"])), to_utm, interleaved=False)
        inside = geometry_mask([polygon], (64, 64), grid, invert=True)
        assert set(np.unique(origin["CT"][inside])) == {feature["properties"]["crop_code"]}
        assert inside.sum() >= 50  # half a hectare
        assert feature["properties"]["area_ha"] == pytest.approx(inside.sum() / 100, rel=0.02)
        assert shapely.box(501360, 5629040, 502000, 5629680).contains(polygon)
        taken += inside
    assert len(collection["features"]) == 7
    assert taken.max() == 1
