"""From a folder of files to a table: index, search, load, index of vegetation, series, against numpy on the raw files."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from rasterio.features import geometry_mask

from terrascope_nb.analysis.indices import spectral_index
from terrascope_nb.analysis.zones import time_series
from terrascope_nb.catalogue.archive import index_archive
from terrascope_nb.catalogue.query import search
from terrascope_nb.cube.compute import explain
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import TerrascopeWarning
from terrascope_nb.extent.aoi import area as make_area

CLEAR = (2, 4, 5, 6, 7)
CORNER = rasterio.Affine(10, 0, 501360, 0, -10, 5629680)


@pytest.fixture(scope="module")
def index(sample_root, tmp_path_factory):
    return index_archive(sample_root, out=tmp_path_factory.mktemp("index"), workers=2)


@pytest.fixture(scope="module")
def raw(sample_root) -> dict[datetime, dict[str, np.ndarray]]:
    """Every scene of spring and summer 2018, read with rasterio from the names of the files alone."""
    scenes = {}
    for folder in sorted((sample_root / "TERRASCOPE_Sentinel2/TOC_V2/2018").glob("*/*/*")):
        moment = datetime.strptime(folder.name.split("_")[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        if date(2018, 4, 1) <= moment.date() <= date(2018, 9, 30):
            bands = {}
            for key, content in (("B04", "TOC-B04_10M"), ("B08", "TOC-B08_10M"), ("SCL", "SCENECLASSIFICATION_20M")):
                (path,) = folder.glob(f"*_{content}_*.tif")
                with rasterio.open(path) as file:
                    bands[key] = file.read(1)
            scenes[moment] = bands
    return scenes


@pytest.fixture(scope="module")
def fields(sample_root) -> dict[str, np.ndarray]:
    """Pixels of each field, by GDAL on its outline in the zone's metres."""
    features = json.loads((Path(sample_root) / "fields.geojson").read_text())["features"]
    project = pyproj.Transformer.from_crs(4326, 32631, always_xy=True).transform
    inside = {}
    for number, feature in enumerate(features):
        shape = shapely.geometry.shape(feature["geometry"])
        shape = shapely.transform(shape, lambda xy: np.column_stack(project(*xy.T)))
        name = str(feature.get("id", feature["properties"].get("id", number + 1)))
        inside[name] = geometry_mask([shape], (64, 64), CORNER, invert=True)
    return inside


@pytest.fixture(scope="module")
def expected(raw, fields) -> dict[tuple[str, datetime], tuple[float, int]]:
    """Mean NDVI of the clear pixels of each field at each time, and how many there are."""
    means = {}
    for moment, bands in raw.items():
        red, nir = (bands[key].astype("float64") * 0.0001 for key in ("B04", "B08"))
        ndvi = (nir - red) / (nir + red)
        keep = np.isin(np.kron(bands["SCL"], np.ones((2, 2), int)), CLEAR) & (bands["B04"] != 32767)
        for name, inside in fields.items():
            values = ndvi[keep & inside]
            means[name, moment] = (values.mean() if values.size else np.nan, values.size)
    return means


def test_the_ndvi_series_of_the_sample_equals_numpy_on_the_raw_files(sample, index, expected, raw):
    fields = make_area(sample / "fields.geojson")
    with pytest.warns(TerrascopeWarning, match="cloud"):  # headers hold no cloud cover, so nobody is dropped for it
        items = search("s2-toc", fields, "2018-04/2018-09", max_cloud=80, source=index)
    assert len(items) == len(raw)
    cube = load(items, ["red", "nir"], area=fields, mask="clear")
    series = time_series(spectral_index(cube, "NDVI"), fields)
    assert len(series) == len(expected)
    assert set(series.columns) >= {"feature", "time", "variable", "mean", "std", "count", "valid_percent"}
    for row in series.itertuples():
        mean, count = expected[row.feature, row.time.to_pydatetime().replace(tzinfo=UTC)]
        assert row.count == count
        assert row.mean == pytest.approx(mean, abs=2e-6, nan_ok=True)
    best = series.query("valid_percent > 90").groupby("feature")["mean"].max()
    assert (best > 0.5).all()  # every field is green once


def test_min_clear_keeps_the_dates_that_numpy_finds_clear(sample, index, raw, fields):
    area = make_area(sample / "fields.geojson")
    items = search("s2-toc", area, "2018-04/2018-09", source=index)
    cube = load(items, ["red"], area=area, mask="clear", min_clear=70)
    together = np.any(list(fields.values()), axis=0)
    shares = {
        moment: 100 * np.isin(np.kron(bands["SCL"], np.ones((2, 2), int)), CLEAR)[together].mean()
        for moment, bands in raw.items()
    }
    wanted = sorted(np.datetime64(moment.replace(tzinfo=None), "ns") for moment, share in shares.items() if share >= 70)
    assert list(cube.time.values) == wanted
    np.testing.assert_allclose(
        cube.clear_percent, [share for _, share in sorted(shares.items()) if share >= 70], rtol=1e-6
    )
    assert str(explain(cube)).count("left out") == len(raw) - len(wanted)


def test_items_of_the_index_state_what_the_files_hold(sample, index):
    # The same scene through an index (whose items speak) and through bare hrefs (files and table speak).
    items = search("s2-ndvi", (3.02, 50.81, 3.03, 50.82), "2018-07", source=index)
    cube = load(items).compute()
    assert cube.sizes["time"] == len(items) > 3
    for number, item in enumerate(sorted(items, key=lambda one: one.datetime)):
        (path,) = (sample / "TERRASCOPE_Sentinel2/NDVI_V2").glob(f"*/*/*/*/*{item.id.split('_')[1]}*_NDVI_10M_*.tif")
        with rasterio.open(path) as file:
            stored = file.read(1)
        expected = np.where(stored > 250, np.nan, stored * 0.004 - 0.08).astype("float32")
        np.testing.assert_array_equal(cube.NDVI[number], expected)
