"""Resampling onto another coordinate system: one number per pixel, whatever window, chunks or verb ask for it."""

from __future__ import annotations

import functools

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.window import Window, read_window

SIDE = 600
LEFT, TOP = 600000.0, 5700000.0
CASES = [
    (crs, size, how)
    for crs, size in (("EPSG:32632", 10), ("EPSG:3857", 33), ("EPSG:4326", 1.3e-4), ("EPSG:32631", 23))
    for how in ("bilinear", "cubic", "average", "mode")
]


def write(path, values) -> str:
    with rasterio.open(
        path, "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype=values.dtype, crs="EPSG:32631", nodata=32767,
        transform=rasterio.Affine(10, 0, LEFT, 0, -10, TOP), tiled=True, blockxsize=256, blockysize=256,
        compress="deflate",
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
    return str(path)


@pytest.fixture(scope="module")
def noise(tmp_path_factory) -> str:
    numbers = np.random.default_rng(4)
    values = numbers.integers(0, 9000, (SIDE, SIDE)).astype("int16")
    values[numbers.random(values.shape) < 0.02] = 32767
    return write(tmp_path_factory.mktemp("warp") / "noise.tif", values)


@pytest.fixture(scope="module")
def smooth(tmp_path_factory) -> str:
    row, col = np.mgrid[:SIDE, :SIDE] / 40
    values = (5000 + 2000 * np.sin(row) + 2000 * np.cos(col)).astype("int16")
    return write(tmp_path_factory.mktemp("warp") / "smooth.tif", values)


def whole(crs: str, size: float, part: float = 0.0) -> PixelGrid:
    """Return the pixels of that size that hold the file and a little more, shifted by a part of a pixel."""
    left, bottom, right, top = pyproj.Transformer.from_crs(32631, crs, always_xy=True).transform_bounds(
        LEFT, TOP - SIDE * 10, LEFT + SIDE * 10, TOP
    )
    left, top = (np.floor(left / size) - 3 + part) * size, (np.ceil(top / size) + 3 + part) * size
    shape = int((top - bottom) / size) + 3, int((right - left) / size) + 3
    return PixelGrid(crs, (size, 0.0, float(left), 0.0, -size, float(top)), shape)


@functools.cache
def read_once(path: str, grid: PixelGrid, how: str) -> Window:
    return read_window(path, grid, resampling=how)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), case=st.sampled_from(CASES), part=st.sampled_from([0.0, 0.5, 1 / 3, 0.123456789]))
def test_a_crop_has_the_numbers_of_the_whole_bit_for_bit(noise, data, case, part):
    crs, size, how = case
    grid = whole(crs, size, part)
    all_of_it = read_once(noise, grid, how)
    row, col = (data.draw(st.integers(0, side - 1)) for side in grid.shape)
    rows, cols = data.draw(st.integers(1, grid.shape[0] - row)), data.draw(st.integers(1, grid.shape[1] - col))
    # Cropped twice, so that rounding has its say in where the piece begins.
    there = grid.crop(row // 2, col // 2, *grid.shape).crop(row - row // 2, col - col // 2, rows, cols)
    piece = read_window(noise, there, resampling=how)
    cut = np.s_[row : row + rows, col : col + cols]
    assert np.array_equal(piece.stored, all_of_it.stored[cut])
    assert np.array_equal(piece.inside, all_of_it.inside[cut])


@pytest.mark.parametrize(("crs", "size", "how"), [case for case in CASES if case[2] != "mode"])
def test_the_whole_is_what_gdal_makes_of_the_whole_file(smooth, crs, size, how):
    grid = whole(crs, size)
    got = read_window(smooth, grid, resampling=how)
    with (
        rasterio.open(smooth) as dataset,
        WarpedVRT(
            dataset, crs=crs, transform=rasterio.Affine(*grid.transform), height=grid.shape[0], width=grid.shape[1],
            resampling=Resampling[how],
        ) as warped,
    ):  # fmt: skip
        expected = warped.read(1)
    both = got.inside & (expected != 32767) & (got.stored != 32767)
    assert both.sum() > 0.99 * got.inside.sum()
    # A pixel's numbers change by 50 to the next one: GDAL is free to err by an eighth of a pixel in each direction.
    assert np.abs(got.stored[both].astype(int) - expected[both]).max() <= 13
    assert np.abs(got.stored[both].astype(int) - expected[both]).mean() < 2


def test_a_coarse_grid_reads_no_more_than_it_must(noise):
    grid = whole("EPSG:3857", 900)
    all_of_it = read_window(noise, grid, resampling="average")
    piece = read_window(noise, grid.crop(4, 3, 2, 2), resampling="average")
    assert np.array_equal(piece.stored, all_of_it.stored[4:6, 3:5])


def test_a_window_beside_the_file_is_empty(noise):
    got = read_window(noise, whole("EPSG:3857", 33).crop(5000, 5000, 20, 20), resampling="bilinear")
    assert not got.inside.any()
    assert not got.stored.any()
