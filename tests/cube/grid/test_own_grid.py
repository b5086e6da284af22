"""Where the pixels of a cube lie on the files' own grid, coarser and finer."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import odc.geo.xr  # noqa: F401 - registers .odc
import pyproj
import pytest
import rasterio
import rioxarray  # noqa: F401 - registers .rio
from generated_tiles import ES, FS, GONE, SIDE, path_of
from rasterio.windows import Window, from_bounds

from terrascope_nb.cube.loader import load
from terrascope_nb.errors import GridError, TerrascopeWarning
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.settings import options


@pytest.mark.parametrize("number", range(12))
def test_a_window_over_block_and_chunk_edges_is_rasterios_read(tiles, window_box, number):
    pick = np.random.default_rng(31 + number)
    edge = pick.choice([512, 1024, 2048, 4096, 8192], 2)
    rows, cols = pick.integers(60, 512, 2)
    row, col = edge[0] - pick.integers(1, rows), edge[1] - pick.integers(1, cols)
    cube = load([tiles["31UFS"]], "B04", area=window_box(row, col, rows, cols)).compute()
    with rasterio.open(path_of(tiles["31UFS"])) as file:
        stored = file.read(1, window=Window(col, row, cols, rows))
    assert cube.B04.shape == (1, rows, cols)
    expected = np.where(stored == GONE, np.nan, stored * 0.0001).astype("float32")
    np.testing.assert_array_equal(cube.B04[0], expected)
    np.testing.assert_array_equal(
        expected, FS.physical(np.arange(row, row + rows)[:, None], np.arange(col, col + cols))
    )


@pytest.mark.parametrize(("row", "col"), [(-30, -40), (-30, SIDE - 50), (SIDE - 60, -40), (SIDE - 60, SIDE - 50)])
def test_a_window_over_a_tiles_corner_is_nan_outside_it(tiles, window_box, row, col):
    cube = load([tiles["31UFS"]], "B04", area=window_box(row, col, 90, 100)).compute()
    rows, cols = np.arange(row, row + 90)[:, None], np.arange(col, col + 100)[None]
    np.testing.assert_array_equal(cube.B04[0], FS.physical(rows, cols))
    assert np.isfinite(cube.B04).any()


@pytest.mark.parametrize("top", [5685000, 5650000, 5600500])
def test_neighbours_fuse_over_the_seam(tiles, utm_box, top):
    # 31UFS begins at 600000; 31UES ends at 609780: left, both, right.
    area = utm_box(596000, top - 6000, 613000, top)
    cube = load([tiles["31UFS"], tiles["31UES"]], "B04", area=area).compute()
    assert cube.sizes == {"time": 1, "y": 600, "x": 1700}
    x, y = np.meshgrid(cube.x, cube.y)
    left, right, got = ES.at(x, y), FS.at(x, y), cube.B04.values[0]
    only_left, only_right = np.isnan(right) & ~np.isnan(left), np.isnan(left) & ~np.isnan(right)
    both, none = ~np.isnan(left) & ~np.isnan(right), np.isnan(left) & np.isnan(right)
    assert min(only_left.sum(), only_right.sum(), both.sum(), none.sum()) > 1000
    np.testing.assert_array_equal(got[only_left], left[only_left])
    np.testing.assert_array_equal(got[only_right], right[only_right])
    assert np.isnan(got[none]).all()
    assert np.array_equal(got[both], left[both]) or np.array_equal(got[both], right[both])


def test_pixel_i_j_is_rasterios_pixel_i_j_without_a_half_pixel_shift(tiles, utm_box):
    left, bottom, right, top = 605120, 5692300, 606370, 5694180
    cube = load([tiles["31UFS"]], "B04", area=utm_box(left, bottom, right, top)).compute()
    with rasterio.open(path_of(tiles["31UFS"])) as file:
        window = from_bounds(left, bottom, right, top, file.transform)
        stored, transform = file.read(1, window=window), file.window_transform(window)
    np.testing.assert_array_equal(cube.B04[0], np.where(stored == GONE, np.nan, stored * 0.0001).astype("float32"))
    for i, j in ((0, 0), (7, 100), (187, 124)):
        assert rasterio.transform.xy(transform, i, j) == (float(cube.x[j]), float(cube.y[i]))
    assert cube.rio.transform() == transform


@pytest.mark.parametrize("size", [1, 2, 97, 512])
@pytest.mark.parametrize(("row", "col"), [(0, 0), (3, 5), (511, 513), (2047, 4095)])
def test_an_area_whose_edges_lie_on_pixels_adds_no_row_or_column(tiles, window_box, row, col, size):
    cube = load([tiles["31UFS"]], "B04", area=window_box(row, col, size, size))
    assert cube.B04.shape == (1, size, size)
    assert float(cube.x[0]) == 600000 + 10 * col + 5
    assert float(cube.y[0]) == 5700000 - 10 * row - 5


def test_an_area_inside_one_pixel_is_one_pixel(tiles, utm_box):
    cube = load([tiles["31UFS"]], "B04", area=utm_box(600042, 5699921, 600044, 5699923)).compute()
    assert cube.B04.shape == (1, 1, 1)
    assert cube.B04.item() == FS.physical(7, 4)


def test_an_area_between_pixel_borders_is_held_whole(tiles, utm_box):
    cube = load([tiles["31UFS"]], "B04", area=utm_box(600009.9, 5699939.9, 600040.1, 5699990.1))
    assert cube.odc.geobox.boundingbox.bbox == (600000, 5699930, 600050, 5700000)


def test_a_bbox_in_degrees_is_held_whole_and_by_no_more_than_a_pixel(tiles):
    bbox = (4.50, 51.30, 4.60, 51.35)
    left, bottom, right, top = load([tiles["31UFS"]], "B04", area=bbox).odc.geobox.boundingbox.bbox
    lon, lat = np.meshgrid(np.linspace(4.50, 4.60, 201), np.linspace(51.30, 51.35, 201))
    x, y = pyproj.Transformer.from_crs(4326, 32631, always_xy=True).transform(lon, lat)
    assert 0 <= x.min() - left < 10
    assert 0 <= right - x.max() < 10
    assert 0 <= y.min() - bottom < 10
    assert 0 <= top - y.max() < 10


def test_without_an_area_whole_scenes_are_loaded_and_nothing_is_read(tiles, hidden):
    with hidden([Path(path_of(tiles["31UFS"])), Path(path_of(tiles["31UES"]))]):
        one = load([tiles["31UFS"]], "B04")
        two = load([tiles["31UFS"], tiles["31UES"]], "B04")
    assert one.B04.shape == (1, SIDE, SIDE)
    assert one.odc.geobox.boundingbox.bbox == (600000, 5590200, 709800, 5700000)
    assert two.odc.geobox.boundingbox.bbox == (499980, 5590200, 709800, 5700000)
    assert two.sizes["time"] == 1


def test_chunks_are_cut_where_the_files_blocks_are(tiles, window_box):
    cube = load([tiles["31UFS"]], "B04", area=window_box(2000, 100, 4500, 300))
    assert cube.chunksizes["y"] == (48, 2048, 2048, 356)
    assert cube.chunksizes["x"] == (300,)
    assert cube.chunksizes["time"] == (1,)


@pytest.mark.parametrize("how", [{}, {"crs": 3857}, {"resolution": 25}, {"crs": 4326}], ids=str)
def test_values_do_not_depend_on_chunks(tiles, window_box, how):
    area = window_box(500, 500, 150, 130)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TerrascopeWarning)
        whole = load([tiles["31UFS"]], "B04", area=area, chunks={"y": -1, "x": -1}, **how).compute()
        pieces = load([tiles["31UFS"]], "B04", area=area, chunks={"y": 37, "x": 11}, **how)
    assert max(pieces.chunksizes["x"]) == 11
    pieces = pieces.compute()
    np.testing.assert_array_equal(pieces.x, whole.x)
    np.testing.assert_array_equal(pieces.B04, whole.B04)


def test_all_chunks_of_a_coarse_map_come_from_one_overview(tiles):
    # A pixel of 32 m of web Mercator is 1.99 pixels of the tile in its north and 2.04 in its south.
    area = make_area((4.5, 50.5, 4.52, 51.4))
    with pytest.warns(TerrascopeWarning, match="grid of"):
        whole = load([tiles["31UFS"]], "B04", area=area, crs=3857, resolution=32, chunks={"y": -1}).compute()
    with pytest.warns(TerrascopeWarning, match="grid of"):
        pieces = load([tiles["31UFS"]], "B04", area=area, crs=3857, resolution=32, chunks={"y": 500}).compute()
    np.testing.assert_array_equal(pieces.B04, whole.B04)


@pytest.mark.parametrize("chunks", [{"lat": 10}, {"y": 0}, {"y": 1.5}, {"x": -2}], ids=str)
def test_chunks_that_make_no_sense_are_refused(tiles, chunks):
    with pytest.raises(GridError, match="chunks"):
        load([tiles["31UFS"]], "B04", chunks=chunks)


def test_where_item_and_file_differ_about_the_place_the_file_is_right(make_scene, window_box):
    numbers = np.arange(64, dtype="int16").reshape(8, 8)
    item = make_scene({"B04": numbers})
    item.assets["B04"].extra_fields["proj:transform"][2] += 20.0
    with options(archive_roots=(Path(path_of(item)).parent,)):
        cube = load([item], "B04", area=window_box(0, 0, 8, 8)).compute()
    np.testing.assert_array_equal(cube.B04[0, :, 2:], (numbers[:, 2:] * 0.0001).astype("float32"))


@pytest.mark.parametrize(("resolution", "level"), [(20, 0), (40, 1), (80, 2), (160, 3)])
def test_a_coarser_cube_holds_the_overviews_pixel_under_each_centre(tiles, resolution, level):
    corner = make_area((660000, 5590200, 709800, 5640000), crs=32631) if resolution == 20 else None  # the rest is alike
    cube = load([tiles["31UFS"]], "B04", area=corner, resolution=resolution).compute()
    with rasterio.open(path_of(tiles["31UFS"]), overview_level=level) as file:
        overview = file.read(1)
    rows = np.floor((5700000 - cube.y.values) / (109800 / overview.shape[0])).astype(int)
    cols = np.floor((cube.x.values - 600000) / (109800 / overview.shape[1])).astype(int)
    stored = overview[np.ix_(rows, cols)]
    np.testing.assert_array_equal(cube.B04[0], np.where(stored == GONE, np.nan, stored * 0.0001).astype("float32"))


@pytest.mark.parametrize("resolution", [20, 30, 40, 70, 80, 100, 160, 320])
def test_no_row_or_column_of_a_whole_tile_is_falsely_empty(tiles, resolution):
    # The first and the last columns of the tile hold values in every block.
    cube = load([tiles["31UFS"]], "B04", resolution=resolution).compute().B04[0]
    assert np.isfinite(cube).any("x").all()
    assert np.isfinite(cube[:, [0, -1]]).all()


@pytest.mark.parametrize("resolution", [20, 60])
def test_pixels_of_a_coarser_cube_nest_in_the_files_own(tiles, window_box, resolution):
    cube = load([tiles["31UFS"]], "B04", area=window_box(7, 9, 40, 40), resolution=resolution)
    left, _, _, top = cube.odc.geobox.boundingbox.bbox
    assert (left - 600000) % resolution == 0
    assert (5700000 - top) % resolution == 0


def test_a_finer_cube_repeats_the_files_pixels(tiles, window_box):
    cube = load([tiles["31UFS"]], "B04", area=window_box(3, 5, 4, 6), resolution=2.5).compute()
    expected = np.kron(FS.physical(np.arange(3, 7)[:, None], np.arange(5, 11)), np.ones((4, 4), "float32"))
    np.testing.assert_array_equal(cube.B04[0], expected)


def test_ten_twenty_and_sixty_metres_together_are_on_ten(make_scene, rng):
    fine, mid = rng.integers(0, 9000, (18, 12)).astype("int16"), rng.integers(0, 9000, (9, 6)).astype("int16")
    coarse = rng.integers(0, 9000, (3, 2)).astype("int16")
    item = make_scene({"B04": fine, "B11": mid, "B01": coarse})
    cube = load([item], ["B01", "B11", "B04"]).compute()
    for name, values, times in (("B04", fine, 1), ("B11", mid, 2), ("B01", coarse, 6)):
        expected = np.kron(values, np.ones((times, times), "int16")) * 0.0001
        np.testing.assert_array_equal(cube[name][0], expected.astype("float32"))


def test_average_and_bilinear_leave_nodata_out(make_scene, rng):
    numbers = rng.integers(0, 9000, (40, 40)).astype("int16")
    numbers[rng.random((40, 40)) < 0.3] = GONE
    numbers[:10, :10] = GONE
    cube = load([make_scene({"B04": numbers})], "B04", resolution=50, resampling="average").compute().B04[0]
    blocks = np.ma.masked_equal(numbers, GONE).reshape(8, 5, 8, 5).mean(axis=(1, 3))
    assert np.isnan(cube[:2, :2]).all()
    np.testing.assert_allclose(cube, (blocks * 0.0001).filled(np.nan), atol=0.00006)  # averaged as whole numbers
    smooth = load([make_scene({"B04": numbers})], "B04", resolution=20, resampling={"B04": "bilinear"}).compute().B04
    assert float(smooth.max()) < 0.9001


def test_an_unknown_resampling_is_refused_with_those_there_are(make_scene):
    with pytest.raises(GridError, match=r"bicubic.*nearest"):
        load([make_scene({"B04": np.ones((4, 4), "int16")})], "B04", resampling="bicubic")


@pytest.mark.parametrize("resolution", [0, -10, float("nan"), float("inf")])
def test_a_resolution_that_is_none_is_refused(make_scene, resolution):
    with pytest.raises(GridError, match="resolution"):
        load([make_scene({"B04": np.ones((4, 4), "int16")})], "B04", resolution=resolution)
