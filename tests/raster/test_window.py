"""What read_window gives, against rasterio and exact arithmetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling
from rasterio.windows import Window as GdalWindow

from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError, NotLoadableError
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.window import read_info, read_window

SIDE = 1098  # a tenth of a Sentinel-2 tile: no multiple of a block or of the overview factors
LEFT, TOP = 600000.0, 5700000.0


def grid(
    size: float, rows: int, cols: int, *, left: float = LEFT, top: float = TOP, crs: str = "EPSG:32631"
) -> PixelGrid:
    return PixelGrid(crs, (size, 0.0, left, 0.0, -size, top), (rows, cols))


@pytest.fixture(scope="module")
def stored() -> np.ndarray:
    numbers = np.random.default_rng(7)
    values = numbers.integers(-200, 9000, (SIDE, SIDE)).astype("int16")
    values[numbers.random((SIDE, SIDE)) < 0.05] = 32767
    return values


@pytest.fixture(scope="module")
def path(stored, tmp_path_factory) -> str:
    file = tmp_path_factory.mktemp("raster") / "toc.tif"
    profile = {
        "driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "int16", "crs": "EPSG:32631",
        "transform": rasterio.Affine(10, 0, LEFT, 0, -10, TOP), "nodata": 32767, "tiled": True, "blockxsize": 256,
        "blockysize": 256, "compress": "deflate", "predictor": 2,
    }  # fmt: skip
    with rasterio.open(file, "w", **profile) as dataset:
        dataset.write(stored, 1)
        dataset.build_overviews([2, 4, 8, 16], Resampling.nearest)
    return str(file)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    row=st.integers(-60, SIDE + 10), col=st.integers(-60, SIDE + 10), rows=st.integers(1, 400), cols=st.integers(1, 400)
)
def test_a_window_on_the_files_own_grid_is_rasterios_bit_for_bit(path, row, col, rows, cols):
    wanted = grid(10, SIDE, SIDE).crop(row, col, rows, cols)
    got = read_window(path, wanted)
    with rasterio.open(path) as dataset:
        expected = dataset.read(1, window=GdalWindow(col, row, cols, rows), boundless=True, fill_value=0)
    at_rows, at_cols = np.arange(row, row + rows), np.arange(col, col + cols)
    inside = ((at_rows >= 0) & (at_rows < SIDE))[:, None] & ((at_cols >= 0) & (at_cols < SIDE))[None, :]
    assert np.array_equal(got.inside, inside)
    assert np.array_equal(got.stored[inside], expected[inside])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(factor=st.sampled_from([2, 3, 6]), row=st.integers(-7, 900), col=st.integers(-7, 900), side=st.integers(1, 150))
def test_a_finer_grid_repeats_pixels(path, stored, factor, row, col, side):
    wanted = grid(10 / factor, side, side, left=LEFT + col * 10 / factor, top=TOP - row * 10 / factor)
    got = read_window(path, wanted)
    at_rows = np.floor_divide(np.arange(row, row + side), factor)
    at_cols = np.floor_divide(np.arange(col, col + side), factor)
    inside = (at_rows >= 0)[:, None] & (at_cols >= 0)[None, :]
    assert np.array_equal(got.inside, inside)
    expected = stored[np.ix_(np.clip(at_rows, 0, SIDE - 1), np.clip(at_cols, 0, SIDE - 1))]
    assert np.array_equal(got.stored[inside], expected[inside])


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_a_grid_of_an_overviews_pixels_gives_that_overview(path, level):
    with rasterio.open(path, overview_level=level) as dataset:
        expected, size = dataset.read(1), SIDE * 10 / dataset.width
    got = read_window(path, grid(size, *expected.shape))
    assert got.inside.all()
    assert np.array_equal(got.stored, expected)


@pytest.mark.parametrize("size", [20.0, 40.0, 60.0, 160.0])
def test_no_false_gap_at_the_edge_when_the_size_is_no_whole_multiple(path, size):
    # A well-known loader leaves the first row and column empty at 686 x 686 of a whole tile.
    side = int(SIDE * 10 / size)
    got = read_window(path, grid(size, side, side))
    assert got.inside.all()


@pytest.mark.parametrize("size", [30.0, 33.3, 70.0])
def test_a_coarser_grid_takes_the_overview_pixel_that_holds_the_centre(path, size):
    side = 40
    got = read_window(path, grid(size, side, side, left=LEFT + 1234, top=TOP - 777))
    level = max(i for i, factor in enumerate([2, 4, 8, 16]) if factor * 10 <= size)
    with rasterio.open(path, overview_level=level) as dataset:
        overview, height, width = dataset.read(1), dataset.height, dataset.width
    centres = (np.arange(side) + 0.5) * size
    cols = ((centres + 1234) / (SIDE * 10 / width)).astype(int)
    rows = ((centres + 777) / (SIDE * 10 / height)).astype(int)
    assert np.array_equal(got.stored, overview[np.ix_(rows, cols)])


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:32632", "EPSG:3035"])
def test_another_crs_takes_the_pixel_that_holds_the_centre(path, stored, crs):
    left, _, _, top = pyproj.Transformer.from_crs(32631, crs, always_xy=True).transform_bounds(
        LEFT, TOP - SIDE * 10, LEFT + SIDE * 10, TOP
    )
    wanted = grid(16, 600, 500, left=left, top=top, crs=crs)
    got = read_window(path, wanted)
    x, y = np.meshgrid(left + 16 * (np.arange(500) + 0.5), top - 16 * (np.arange(600) + 0.5))
    x, y = pyproj.Transformer.from_crs(crs, 32631, always_xy=True).transform(x, y)
    rows, cols = (TOP - y) / 10, (x - LEFT) / 10
    # Positions are interpolated to a fiftieth of a pixel: leave out centres that close to a border.
    clear = (np.abs(rows - np.round(rows)) > 0.02) & (np.abs(cols - np.round(cols)) > 0.02)
    inside = (rows >= 0) & (rows < SIDE) & (cols >= 0) & (cols < SIDE)
    assert np.array_equal(got.inside[clear], inside[clear])
    both = inside & clear
    assert both.sum() > 100_000
    assert np.array_equal(got.stored[both], stored[rows[both].astype(int), cols[both].astype(int)])


def test_degrees_work_as_well(path):
    got = read_window(path, grid(0.0001, 300, 300, left=4.45, top=51.43, crs="EPSG:4326"))
    assert got.inside.any()


def test_an_average_leaves_nodata_out(path, stored):
    got = read_window(path, grid(100, 50, 50), resampling="average")
    expected = np.ma.masked_equal(stored[:500, :500], 32767).reshape(50, 10, 50, 10).mean(axis=(1, 3))
    assert np.abs(got.stored - expected).max() <= 0.5  # the mean of whole numbers, rounded to one


def test_a_grid_beside_the_file_is_empty_and_no_error(path):
    got = read_window(path, grid(10, 20, 20, left=LEFT - 5000))
    assert not got.inside.any()


def test_no_pixel_is_invented_for_a_missing_file(tmp_path):
    with pytest.raises(AssetUnreachableError, match="does not exist"):
        read_window(str(tmp_path / "gone.tif"), grid(10, 5, 5))


def test_a_truncated_file_is_named_and_gives_no_zeros(path, tmp_path):
    whole = Path(path).read_bytes()
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(CorruptAssetError, match=r"cut\.tif"):
        read_window(str(cut), grid(10, SIDE, SIDE))


def test_a_page_saved_as_tiff_is_no_raster(tmp_path):
    page = tmp_path / "login.tif"
    page.write_text("<html>please sign in</html>")
    with pytest.raises(CorruptAssetError, match=r"login\.tif"):
        read_info(str(page))


def test_hdf5_is_refused_with_the_way_out(tmp_path):
    file = tmp_path / "PROBAV.HDF5"
    file.write_bytes(b"\x89HDF")
    with pytest.raises(NotLoadableError, match="COG"):
        read_info(str(file))


def test_the_file_says_scale_offset_and_nodata(tmp_path):
    file = tmp_path / "scaled.tif"
    with rasterio.open(
        file, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8", nodata=255, crs="EPSG:32631",
        transform=rasterio.Affine(10, 0, 0, 0, -10, 0),
    ) as dataset:  # fmt: skip
        dataset.write(np.zeros((4, 4), "uint8"), 1)
        dataset.scales, dataset.offsets = (0.004,), (-0.08,)
    info = read_info(str(file))
    assert (info.scale, info.offset, info.nodata, info.dtype) == (0.004, -0.08, 255.0, "uint8")


def test_a_file_without_scale_says_none_rather_than_one(path):
    info = read_info(path)
    assert (info.scale, info.offset, info.nodata) == (None, None, 32767.0)
