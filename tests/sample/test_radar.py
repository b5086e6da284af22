"""The Sentinel-1 folder: STAC that pystac reads, values that follow from the origin's decibels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pystac
import rasterio

from terrascope_nb.sample.radar import linear_sigma0


def open_collection(root: Path) -> pystac.Collection:
    return pystac.Collection.from_file(root / "stac/s1-sigma0-sample/collection.json")


def test_pystac_walks_the_collection_and_every_asset_is_there(sample_root: Path) -> None:
    items = list(open_collection(sample_root).get_items())
    assert len(items) == 109
    for item in items:
        assert set(item.assets) == {"VV", "VH"}
        assert all(Path(asset.get_absolute_href() or "").is_file() for asset in item.assets.values())
        assert "not a Terrascope product" in item.properties["processing:lineage"]


def test_decibels_of_the_linear_values_equal_the_origin(sample_root: Path, origin: dict[str, np.ndarray]) -> None:
    stamp = re.sub(r"[-:]", "", str(origin["s1_time"]))
    item = next(i for i in open_collection(sample_root).get_items() if i.id.endswith(stamp))
    for name in ("VV", "VH"):
        with rasterio.open(item.assets[name].get_absolute_href()) as dataset:
            assert dataset.dtypes == ("float32",)
            assert np.isnan(dataset.nodata)
            assert list(dataset.shape) == item.properties["proj:shape"]
            assert list(dataset.transform)[:6] == item.properties["proj:transform"]
            assert dataset.crs.to_string() == item.properties["proj:code"]
            sigma0 = dataset.read(1)
        np.testing.assert_allclose(10 * np.log10(sigma0), origin[name] / 10_000, atol=1e-4)


def test_a_stored_zero_is_nothing_and_not_zero_decibels() -> None:
    sigma0 = linear_sigma0(np.array([[0, 100_000, -200_000]], dtype=np.int32))
    np.testing.assert_allclose(sigma0, [[np.nan, 10.0, 0.01]], rtol=1e-6)


def test_no_name_claims_a_satellite_orbit_or_terrascope_product(sample_root: Path) -> None:
    for path in (sample_root / "stac").rglob("*"):
        assert not re.search(r"S1[A-D]_|GRDH|_V\d{3}", path.name)
    for item in open_collection(sample_root).get_items():
        assert "platform" not in item.properties
        assert "sat:relative_orbit" not in item.properties


def test_the_footprint_is_the_grid_of_the_files(sample_root: Path) -> None:
    item = next(iter(open_collection(sample_root).get_items()))
    with rasterio.open(item.assets["VV"].get_absolute_href()) as dataset:
        west, south, east, north = rasterio.warp.transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    np.testing.assert_allclose(item.bbox, [west, south, east, north], atol=1e-6)


def test_the_description_writes_names_with_their_capitals(sample_root: Path) -> None:
    said = open_collection(sample_root).description
    assert "Copernicus Sentinel" in said or "copernicus sentinel" not in said.lower(), said
