"""A file's own mask (a TIFF directory of its own): a masked pixel has no value, as rasterio's masked arrays say it."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling

from terrascope_nb.raster.blocks import native_reader
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.window import read_info, read_window

ROWS, COLS = 300, 260
LEFT, TOP = 600000.0, 5700000.0


def grid(size: float, rows: int, cols: int, crs: str = "EPSG:32631", left: float = LEFT) -> PixelGrid:
    return PixelGrid(crs, (size, 0.0, left, 0.0, -size, TOP), (rows, cols))


@pytest.fixture(params=["deflate", "jpeg", "nodata"])
def masked(request, tmp_path) -> str:
    numbers = np.random.default_rng(6)
    values = numbers.integers(0, 250, (ROWS, COLS)).astype("uint8")
    mask = np.zeros((ROWS, COLS), dtype=bool)
    mask[20:280, 40:200] = numbers.random((260, 160)) < 0.7
    path = tmp_path / "masked.tif"
    jpeg, nodata = request.param == "jpeg", 7 if request.param == "nodata" else None
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", driver="GTiff", width=COLS, height=ROWS, count=1, dtype="uint8", crs="EPSG:32631", nodata=nodata,
            transform=rasterio.Affine(10, 0, LEFT, 0, -10, TOP), tiled=True, blockxsize=64, blockysize=64,
            compress="jpeg" if jpeg else "deflate",
        ) as dataset,
    ):  # fmt: skip
        dataset.write(values, 1)
        dataset.write_mask(mask)
        dataset.build_overviews([2, 4], Resampling.nearest)
    return str(path)


def masked_array(path: str, **options) -> np.ma.MaskedArray:
    with rasterio.open(path, **options) as dataset:
        return dataset.read(1, masked=True)


def test_a_masked_file_is_left_to_gdal(masked):
    assert native_reader(masked) is None
    assert read_info(masked).masked


def test_a_masked_pixel_is_not_inside(masked):
    expected = masked_array(masked)
    got = read_window(masked, grid(10, ROWS, COLS))
    assert np.array_equal(got.inside, ~expected.mask)
    assert np.array_equal(got.stored[got.inside], expected.compressed())
    beyond = read_window(masked, grid(10, ROWS, COLS).crop(-5, -5, ROWS + 10, COLS + 10))
    assert np.array_equal(beyond.inside[5:-5, 5:-5], ~expected.mask)
    assert beyond.inside.sum() == (~expected.mask).sum()


def test_a_finer_grid_repeats_the_mask(masked):
    got = read_window(masked, grid(5, 2 * ROWS, 2 * COLS))
    assert np.array_equal(got.inside, ~masked_array(masked).mask.repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize("level", [0, 1])
def test_an_overview_has_its_own_mask(masked, level):
    expected = masked_array(masked, overview_level=level)
    got = read_window(masked, grid(20 * 2**level, *expected.shape))
    assert np.array_equal(got.inside, ~expected.mask)
    assert np.array_equal(got.stored[got.inside], expected.compressed())


def test_a_masked_pixel_takes_no_part_in_an_average(masked):
    with rasterio.open(masked) as dataset:
        nodata = dataset.nodata
    values = masked_array(masked)
    if nodata is not None:
        values = np.ma.masked_equal(values, nodata)
    expected = values.reshape(ROWS // 10, 10, COLS // 10, 10).astype("f8").mean(axis=(1, 3))
    got = read_window(masked, grid(100, ROWS // 10, COLS // 10), resampling="average")
    assert np.array_equal(got.inside, ~np.ma.getmaskarray(expected))
    assert np.abs(got.stored[got.inside] - expected.compressed()).max() <= 0.5001  # rounded to a whole number
