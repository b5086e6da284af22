"""Cloud, clear and valid percent and the outline, against numpy on every pixel and GDAL's own vectors."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Geod, Transformer
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from shapely.geometry import shape

from terrascope_nb.catalogue import item_facts as facts
from terrascope_nb.catalogue.archive import index_archive
from terrascope_nb.catalogue.sources import Request
from terrascope_nb.settings import options

STEM = "S2A_20250516T104651_31UFS"
FOLDER = f"NDVI_V2/2025/05/16/{STEM}_NDVI_V210"


@pytest.fixture(autouse=True)
def cache(tmp_path):
    with options(cache_dir=tmp_path / "cache"):
        yield


@pytest.fixture
def measured(tmp_path, put_tif):
    """Index one scene with this classification; gives item and index."""

    def run(scl, *, overviews=(), **how):
        root = tmp_path / "MTDA"
        put_tif(root / FOLDER / f"{STEM}_NDVI_10M_V210.tif", nodata=255, **how)
        path = put_tif(root / FOLDER / f"{STEM}_SCENECLASSIFICATION_20M_V210.tif", scl, pixel=20, **how)
        if overviews:
            with rasterio.open(path, "r+") as file:
                file.build_overviews(list(overviews), Resampling.nearest)
        index = index_archive(root, quality=True)
        return index.find(Request()).items[0], index

    return run


def scene(side: int, *, edge: bool) -> np.ndarray:
    """Clouds, fields and, on request, a slanted swath edge."""
    rng = np.random.default_rng(5)
    cells = rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], size=(side // 15, side // 15))
    pixels = np.kron(cells, np.ones((15, 15))).astype("uint8")[:side, :side]
    if edge:
        columns, rows = np.meshgrid(np.arange(side), np.arange(side))
        pixels[columns > side * 0.6 + rows / 4] = 0
    return pixels


@pytest.mark.parametrize("overviews", [(), (2, 4)], ids=["no-overviews", "overviews"])
def test_percentages_equal_a_count_of_every_pixel(measured, overviews):
    pixels = scene(1350, edge=True)
    item, _ = measured(pixels, overviews=overviews)
    valid = pixels != 0
    expected = {
        "eo:cloud_cover": np.isin(pixels, [8, 9, 10]).sum() / valid.sum(),
        "eo:snow_cover": (pixels == 11).sum() / valid.sum(),
        "terrascope_nb:clear": np.isin(pixels, [2, 4, 5, 6, 7]).sum() / valid.sum(),
        "terrascope_nb:valid": valid.mean(),
    }
    for name, share in expected.items():
        assert item.properties[name] == pytest.approx(100 * share, abs=1.0), name
    assert facts.cloud_of(item) == item.properties["eo:cloud_cover"]
    assert facts.clear_of(item) == item.properties["terrascope_nb:clear"]


def test_small_files_are_counted_exactly(measured):
    pixels = scene(300, edge=True)
    item, _ = measured(pixels)
    assert item.properties["eo:cloud_cover"] == round(100 * np.isin(pixels, [8, 9, 10]).sum() / (pixels != 0).sum(), 3)


def test_the_outline_is_that_of_the_valid_pixels(measured):
    pixels = scene(1350, edge=True)
    item, index = measured(pixels)
    with rasterio.open(next(index.root.rglob("*SCENE*.tif"))) as file:
        valid = (pixels != 0).astype("uint8")
        true = shapely.union_all([shape(found) for found, value in rasterio.features.shapes(valid, transform=file.transform)
                                  if value])  # fmt: skip
    to_map = Transformer.from_crs(4326, 32631, always_xy=True)
    ours = shapely.transform(shape(item.geometry), lambda xy: np.column_stack(to_map.transform(*xy.T)))
    assert ours.symmetric_difference(true).area / true.area < 0.01
    assert item.bbox == pytest.approx(shape(item.geometry).bounds)
    assert len(shapely.get_coordinates(ours)) < 200  # simplified
    assert Geod(ellps="WGS84").geometry_area_perimeter(shape(item.geometry))[0] != 0


def test_measuring_is_silent_in_many_threads_too(tmp_path, put_tif):
    """rasterio hides a complaint of GDAL by changing the filters of the process; in threads it slipped through."""
    pixels = scene(300, edge=True)
    for day in range(10, 30):
        stem = STEM.replace("20250516", f"202505{day}")
        folder = tmp_path / "MTDA" / FOLDER.replace("20250516", f"202505{day}").replace("/16/", f"/{day}/")
        put_tif(folder / f"{stem}_NDVI_10M_V210.tif", nodata=255)
        put_tif(folder / f"{stem}_SCENECLASSIFICATION_20M_V210.tif", pixels, pixel=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error", NotGeoreferencedWarning)
        filters = list(warnings.filters)
        index = index_archive(tmp_path / "MTDA", quality=True, workers=8)
        assert list(warnings.filters) == filters
    assert all(item.properties["terrascope_nb:valid"] < 100 for item in index.find(Request()).items)
    assert len(index) == 20


def test_a_search_beside_the_swath_finds_the_scene_only_where_it_has_data(measured):
    item, index = measured(scene(1350, edge=True))
    west, _, east, north = index.find(Request()).items[0].bbox
    assert len(index.find(Request(bbox=(west + 0.01, north - 0.02, west + 0.02, north - 0.01))).items) == 1
    beyond = (east - 0.02, north - 0.02, east - 0.01, north - 0.01)  # inside the box, outside the swath
    assert index.find(Request(bbox=beyond)).items == []
    assert item.id


def test_islands_of_a_few_pixels_do_not_make_the_outline_ragged(measured):
    pixels = np.full((300, 300), 4, "uint8")
    pixels[:, 150:] = 0
    pixels[10, 200] = pixels[50, 250] = 4
    pixels[30, 30] = 0
    item, _ = measured(pixels)
    outline = shape(item.geometry)
    assert outline.geom_type == "Polygon"
    assert len(outline.interiors) == 0


def test_a_scene_without_any_data_says_so_and_keeps_its_box(measured):
    item, _ = measured(np.zeros((100, 100), "uint8"))
    assert item.properties["terrascope_nb:valid"] == 0
    assert "eo:cloud_cover" not in item.properties
    assert item.geometry is not None


def test_a_whole_scene_keeps_the_box_of_its_grid(measured):
    item, index = measured(np.full((100, 100), 4, "uint8"))
    plain = index_archive(index.root, out=index.root.parent / "plain").find(Request()).items[0]
    assert item.geometry == plain.geometry
    assert item.properties["eo:cloud_cover"] == 0


def test_an_unreadable_classification_is_listed_and_costs_no_item(measured, tmp_path):
    item, index = measured(scene(1350, edge=True), overviews=(2, 4))
    assert "eo:cloud_cover" in item.properties
    path = next(index.root.rglob("*SCENE*.tif"))
    data = bytearray(path.read_bytes())
    data[2000:] = os.urandom(len(data) - 2000)
    path.write_bytes(bytes(data))
    os.utime(path.parent, (1.5e9, 1.5e9))
    index = index_archive(index.root, quality=True)
    (item,) = index.find(Request()).items
    assert "eo:cloud_cover" not in item.properties
    assert any("cannot be read" in problem.reason or "SCENECLASS" in problem.path for problem in index.problems)


def test_products_without_a_classification_are_left_as_they_are(tmp_path):
    shutil.copytree(Path(__file__).parents[1] / "data" / "archive_tree" / "CGS_S1", tmp_path / "MTDA")
    (item,) = index_archive(tmp_path / "MTDA", quality=True).find(Request()).items
    assert not {"eo:cloud_cover", "terrascope_nb:clear", "terrascope_nb:valid"} & set(item.properties)


def test_the_real_classification_of_a_cirrus_date_is_cloudy(tmp_path):
    """A 60 m window of 2019-08-21, of which every pixel is thin cirrus."""
    tree = Path(__file__).parents[1] / "data" / "archive_tree" / "TERRASCOPE_Sentinel2"
    shutil.copytree(tree, tmp_path / "MTDA")
    with rasterio.open(next(tree.rglob("*SCENECLASSIFICATION*"))) as file:
        assert set(np.unique(file.read(1))) <= {8, 9, 10}
    (item,) = index_archive(tmp_path / "MTDA", quality=True).find(Request()).items
    assert item.properties["eo:cloud_cover"] == 100
