"""The quick-start notebook, run headless as a user runs it, gives the numbers of an independent computation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.features import geometry_mask
from rasterio.warp import transform_geom

from terrascope_nb.sample.unpack import unpack_sample

ROOT = Path(__file__).parents[2]
CLEAR = (2, 4, 5, 6, 7)  # all but no data, saturated, shadow, medium and high cloud, cirrus, snow


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("quickstart")
    environment = {**os.environ, "TERRASCOPE_NB_CACHE_DIR": str(folder / "cache"), "HOME": str(folder)}
    subprocess.run(
        [sys.executable, str(ROOT / "tools" / "run_quickstart.py"), str(folder / "results")],
        check=True, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return folder / "results"


def independent_series() -> dict[tuple[str, str], tuple[float, int]]:
    """NDVI mean and count per field and day, with rasterio and numpy alone."""
    archive = unpack_sample()
    fields = json.loads((archive / "fields.geojson").read_text())["features"]
    found = {}
    for folder in sorted(archive.glob("TERRASCOPE_Sentinel2/TOC_V2/2018/*/*/*")):
        stem, version = folder.name.rsplit("_TOC_", 1)
        month = int(folder.parent.parent.name)
        if not 3 <= month <= 10:
            continue
        with rasterio.open(folder / f"{stem}_TOC-B04_10M_{version}.tif") as red_file:
            red, transform, crs = red_file.read(1).astype(float), red_file.transform, red_file.crs
        with rasterio.open(folder / f"{stem}_TOC-B08_10M_{version}.tif") as nir_file:
            nir = nir_file.read(1).astype(float)
        with rasterio.open(folder / f"{stem}_SCENECLASSIFICATION_20M_{version}.tif") as quality_file:
            quality = quality_file.read(1).repeat(2, axis=0).repeat(2, axis=1)
        valid = np.isin(quality, CLEAR) & (red != 32767) & (nir != 32767)
        shapes = [transform_geom("EPSG:4326", crs, field["geometry"]) for field in fields]
        masks = [geometry_mask([shape], red.shape, transform, invert=True) for shape in shapes]
        everywhere = np.logical_or.reduce(masks)
        if 100 * (np.isin(quality, CLEAR) & everywhere).sum() / everywhere.sum() < 60:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            ndvi = (nir - red) / (nir + red)
        for field, mask in zip(fields, masks, strict=True):
            use = mask & valid
            name = str(field.get("id") or field["properties"]["id"])
            found[name, folder.name] = (float(ndvi[use].mean()) if use.any() else float("nan"), int(use.sum()))
    return found


def test_the_series_is_that_of_an_independent_computation(results):
    series = pd.read_csv(results / "series.csv", parse_dates=["time"])
    expected = independent_series()
    got = {
        (row["feature"], row["time"].strftime("%Y%m%dT%H%M%S")): (row["mean"], row["count"])
        for row in series.to_dict("records")
    }
    by_time = {(field, scene.split("_")[1]): value for (field, scene), value in expected.items()}
    assert set(got) == set(by_time)
    assert len(got) > 200
    for key, (mean, count) in by_time.items():
        assert got[key][1] == count, key
        assert got[key][0] == pytest.approx(mean, abs=2e-6, nan_ok=True), key


def test_the_season_is_believable(results):
    series = pd.read_csv(results / "series.csv", parse_dates=["time"])
    clear = series[series["valid_percent"] > 95]
    assert clear["mean"].between(0.0, 1.0).all()
    # Fields of summer crops are bare in May and green in July; an inverted index would show the opposite.
    monthly = clear.groupby(["feature", clear["time"].dt.month])["mean"].median().unstack()  # noqa: PD010 - a Series has no pivot_table
    assert (monthly[7] > monthly[5] + 0.3).any()


def test_the_pictures_are_there_and_not_blank(results):
    import matplotlib.image

    for name in ("chart.png", "map.png"):
        pixels = matplotlib.image.imread(results / name)
        assert min(pixels.shape[:2]) > 500
        assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 50


def test_the_map_file_is_a_cloud_optimised_geotiff_of_that_day(results):
    with rasterio.open(results / "map.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.crs.to_epsg() == 32631
        assert "2018-07" in dataset.tags()["TIFFTAG_DATETIME"].replace(":", "-")
        values = dataset.read(1)
    assert np.isfinite(values).mean() > 0.9
    assert -0.3 < np.nanmin(values) < np.nanmax(values) <= 1.0


def test_the_notebook_is_committed_without_outputs_and_has_a_parameters_cell():
    notebook = json.loads((ROOT / "notebooks" / "datasets" / "quickstart.ipynb").read_text())
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in code)
    assert "parameters" in code[0]["metadata"]["tags"]
    assert len(code) <= 25
