"""The notebook of the map and its tools, run headless: pictures and words of every widget, and numbers of the raw files."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image
from rasterio.features import geometry_mask
from rasterio.warp import transform_geom

from terrascope_nb.sample.unpack import unpack_sample

ROOT = Path(__file__).parents[2]
CLEAR = (2, 4, 5, 6, 7)  # all but no data, saturated, shadow, medium and high cloud, cirrus, snow
KEPT = ["0603", "0623", "0625", "0628", "0630", "0705", "0708", "0713", "0715", "0718", "0723", "0728"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the executed notebook and what it wrote."""
    import papermill

    folder = tmp_path_factory.mktemp("choose")
    before = dict(os.environ)
    os.environ |= {"TERRASCOPE_NB_CACHE_DIR": str(folder / "cache"), "TERRASCOPE_NB_LANGUAGE": "en"}
    try:
        papermill.execute_notebook(
            ROOT / "notebooks" / "tools" / "choose-and-look.ipynb", folder / "out.ipynb",
            parameters={"out_folder": str(folder)}, kernel_name="python3", progress_bar=False, cwd=str(folder),
        )  # fmt: skip
    finally:
        os.environ.clear()
        os.environ.update(before)
    return folder


@pytest.fixture(scope="module")
def outputs(folder: Path) -> dict[str, list[dict[str, object]]]:
    notebook = nbformat.read(folder / "out.ipynb", 4)
    return {cell.source.split("\n")[-1]: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def _data(outputs: dict[str, list[dict[str, object]]], last_line: str) -> dict[str, str]:
    (found,) = [output["data"] for output in outputs[last_line] if output["output_type"] == "execute_result"]
    return found


@pytest.mark.notebooks
@pytest.mark.parametrize("last_line", ["explorer", "m", "compared"])
def test_a_widget_leaves_a_picture_and_words(outputs: dict[str, list[dict[str, object]]], last_line: str) -> None:
    data = _data(outputs, last_line)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))).convert("RGB"))
    assert min(picture.shape[:2]) >= 300
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    assert "text/plain" in data
    assert "Widget" not in data["text/plain"]


@pytest.mark.notebooks
def test_the_words_of_the_map_say_layer_date_and_range(outputs: dict[str, list[dict[str, object]]]) -> None:
    words = _data(outputs, "m")["text/plain"]
    assert "NDVI, 2018-07-28 11:06 UTC, date 12 of 12" in words
    assert "YlGn" in words


@pytest.mark.notebooks
def test_the_printed_cell_gives_the_same_scenes_in_a_fresh_process(
    folder: Path, outputs: dict[str, list[dict[str, object]]]
) -> None:
    code = "".join(str(output["text"]) for output in outputs["print(explorer.code)"])
    told = "import json\nprint(json.dumps([item.id for item in items]))\nprint(list(cube.data_vars))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{told}"], check=True, capture_output=True, text=True, timeout=120,
        env={**os.environ, "TERRASCOPE_NB_CACHE_DIR": str(folder / "cache")},
    )  # fmt: skip
    items, bands = done.stdout.strip().splitlines()[-2:]
    assert [name.split("_")[1][4:8] for name in json.loads(items)] == KEPT
    assert bands == "['B02', 'B03', 'B04', 'B08']"


@pytest.mark.notebooks
def test_the_series_of_the_panel_is_that_of_an_independent_computation(folder: Path) -> None:
    table = pd.read_csv(folder / "series.csv", parse_dates=["time"])
    got = {(row["feature"], f"{row['time']:%Y-%m-%d}"): (row["mean"], row["count"]) for row in table.to_dict("records")}
    assert len(got) == len(table) == 7 * len(KEPT)
    archive = unpack_sample()
    (scene,) = archive.glob("TERRASCOPE_Sentinel2/TOC_V2/2018/07/05/*")
    stem, version = scene.name.rsplit("_TOC_", 1)
    with rasterio.open(scene / f"{stem}_TOC-B04_10M_{version}.tif") as red_file:
        red, transform, crs = red_file.read(1).astype(float), red_file.transform, red_file.crs
    with rasterio.open(scene / f"{stem}_TOC-B08_10M_{version}.tif") as nir_file:
        nir = nir_file.read(1).astype(float)
    with rasterio.open(scene / f"{stem}_SCENECLASSIFICATION_20M_{version}.tif") as quality_file:
        clear = np.isin(quality_file.read(1).repeat(2, axis=0).repeat(2, axis=1), CLEAR)
    for field in json.loads((archive / "fields.geojson").read_text())["features"]:
        shape = transform_geom("EPSG:4326", crs, field["geometry"])
        use = geometry_mask([shape], red.shape, transform, invert=True) & clear & (red != 32767) & (nir != 32767)
        ndvi = ((nir - red) / (nir + red))[use]
        mean, count = got[str(field["id"]), "2018-07-05"]
        assert count == use.sum()
        assert mean == pytest.approx(ndvi.mean(), abs=2e-6)


@pytest.mark.notebooks
def test_what_is_taken_away_opens(folder: Path) -> None:
    assert (folder / "map.html").read_text(encoding="utf-8").count("<img") >= 1
    with Image.open(folder / "season.gif") as lapse:
        assert lapse.n_frames == len(KEPT)
    with rasterio.open(folder / "map.vrt") as layer:
        values = layer.read(1)
    assert 0.2 < np.nanmean(np.where(values == layer.nodata, np.nan, values)) < 0.95
