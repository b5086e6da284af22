"""A file's own mask (a TIFF directory of its own): a masked pixel has no value, as rasterio's masked arrays say it."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.enums import Resampling

from terrascope_nb.raster.blocks import native_reader
from terrascope_nb.raster.cog_tiles import CogTiles
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.tiling import tiles_over
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


def test_a_map_shows_what_the_mask_leaves(masked):
    expected = masked_array(masked)
    with rasterio.open(masked) as dataset:
        nodata = dataset.nodata  # no value either, though GDAL's mask leaves it out once a file has one of its own
    source = CogTiles(masked)
    to_degrees = Transformer.from_crs(32631, 4326, always_xy=True)
    spots = np.random.default_rng(8)
    for row, col in zip(spots.integers(0, ROWS, 150), spots.integers(0, COLS, 150), strict=True):
        lon, lat = to_degrees.transform(LEFT + 10 * (col + 0.5), TOP - 10 * (row + 0.5))
        value = source.value_at(lon, lat).value
        gone = expected.mask[row, col] or expected.data[row, col] == nodata
        assert value is None if gone else value == expected.data[row, col]
    for zoom, overview in ((15, None), (13, None), (12, 0), (11, 1)):
        level = masked_array(masked) if overview is None else masked_array(masked, overview_level=overview)
        seen = 0
        for tile in tiles_over(source.bounds, zoom):
            west, south, east, north = tile.bounds_mercator
            xs = west + (np.arange(256) + 0.5) / 256 * (east - west)
            ys = north - (np.arange(256) + 0.5) / 256 * (north - south)
            x, y = Transformer.from_crs(3857, 32631, always_xy=True).transform(*np.meshgrid(xs, ys))
            row = np.floor((TOP - y) / (10 * ROWS) * level.shape[0]).astype(int)
            col = np.floor((x - LEFT) / (10 * COLS) * level.shape[1]).astype(int)
            there = (row >= 0) & (row < level.shape[0]) & (col >= 0) & (col < level.shape[1])
            wanted = np.zeros((256, 256), dtype=bool)
            wanted[there] = ~(level.mask | (level.data == nodata))[row[there], col[there]]
            pixels = source.read(tile)
            assert (pixels.inside != wanted).mean() < 1e-3  # a centre that lies on an edge may fall to either side
            seen += int(pixels.inside.sum())
            assert np.isnan(pixels.layers[0][~pixels.inside]).all()
        assert seen > 100


def test_the_thinned_pictures_of_a_map_heed_the_mask(tmp_path):
    path = tmp_path / "plain.tif"
    mask = np.zeros((4096, 600), dtype=bool)
    mask[:, ::8] = True
    profile = {"driver": "GTiff", "width": 600, "height": 4096, "count": 1, "dtype": "uint8", "crs": "EPSG:32631"}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **profile, transform=rasterio.Affine(10, 0, LEFT, 0, -10, TOP)) as dataset,
    ):
        dataset.write(np.full((4096, 600), 9, dtype="uint8"), 1)
        dataset.write_mask(mask)
    source = CogTiles(str(path))
    assert len(source.levels) > 1  # made below the file's own
    (tile,) = tiles_over((source.bounds[0] + 0.02, source.bounds[1] + 0.1) * 2, 9)
    assert not source.read(
        tile
    ).inside.any()  # the columns 1, 2 or 4 of every 2, 4 or 8 are taken, and those are masked
