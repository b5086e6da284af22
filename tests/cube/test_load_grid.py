"""Where the pixels of a cube lie, on generated tiles of true size and place whose values follow from a formula."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import odc.geo.xr  # noqa: F401 - registers .odc
import pyproj
import pystac
import pytest
import rasterio
import rioxarray  # noqa: F401 - registers .rio
import xarray as xr
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.windows import Window, from_bounds

from terrascope_nb.cube.compute import compute
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import GridError, MemoryBudgetError, NothingFoundError, TerrascopeWarning
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.settings import options

SIDE, BLOCK, GONE = 10980, 512, 32767


class Tile(NamedTuple):
    """A Sentinel-2 tile: its corner in its zone, and a number that tells its values from the neighbours'."""

    name: str
    epsg: int
    left: float
    top: float
    number: int

    @property
    def corner(self):
        return self.left, self.top

    def has(self, block_row, block_col):
        """Which blocks hold values: a quarter of them, and all along the left and right edge, where tiles overlap."""
        chosen = (block_row * 5 + block_col * 3 + self.number) % 4 == 0
        return chosen | (block_col <= 1) | (block_col >= 20)

    def stored(self, rows, cols) -> np.ndarray:
        """Stored numbers at these pixels (broadcast); nodata outside the tile and in blocks that were never written."""
        rows, cols = np.broadcast_arrays(rows, cols)
        values = (rows * 7 + cols * 13 + 1000 * self.number) % 9000 - 300
        there = (rows >= 0) & (rows < SIDE) & (cols >= 0) & (cols < SIDE) & self.has(rows // BLOCK, cols // BLOCK)
        return np.where(there, values, GONE)

    def physical(self, rows, cols) -> np.ndarray:
        stored = self.stored(rows, cols)
        return np.where(stored == GONE, np.nan, stored * 0.0001).astype("float32")

    def at(self, x, y) -> np.ndarray:
        """Physical values of the pixels that hold these points, given in the tile's own zone."""
        rows, cols = np.floor((self.top - y) / 10), np.floor((x - self.left) / 10)
        return self.physical(rows.astype(int), cols.astype(int))


ES = Tile("31UES", 32631, 499980, 5700000, 0)
FS = Tile("31UFS", 32631, 600000, 5700000, 1)
GS = Tile("31UGS", 32631, 699960, 5700000, 2)
LB = Tile("32ULB", 32632, 300000, 5700000, 3)
TILES = (ES, FS, GS, LB)


def write_tile(path: Path, tile: Tile) -> None:
    path.parent.mkdir(parents=True)
    profile = {
        "driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "int16", "crs": f"EPSG:{tile.epsg}",
        "nodata": GONE, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "zlevel": 1,
        "sparse_ok": True, "transform": rasterio.Affine(10, 0, tile.left, 0, -10, tile.top),
    }  # fmt: skip
    blocks = range(-(-SIDE // BLOCK))
    with rasterio.open(path, "w", **profile) as file:
        for block_row in blocks:
            for block_col in blocks:
                if tile.has(block_row, block_col):
                    top, left = block_row * BLOCK, block_col * BLOCK
                    height, width = min(BLOCK, SIDE - top), min(BLOCK, SIDE - left)
                    values = tile.stored(np.arange(top, top + height)[:, None], np.arange(left, left + width)[None])
                    file.write(values.astype("int16"), 1, window=Window(left, top, width, height))
    if tile is FS:
        with rasterio.Env(SPARSE_OK_OVERVIEW=True), rasterio.open(path, "r+") as file:
            file.build_overviews([2, 4, 8, 16], Resampling.nearest)


@pytest.fixture(scope="session")
def archive(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tiles") / "archive"


@pytest.fixture(scope="session")
def tiles(archive, shared) -> dict[str, pystac.Item]:
    """The four tiles on disk, as items of one pass."""
    items = {}
    for tile in TILES:
        values = {"B04": np.empty((SIDE, SIDE), "int16")}
        item = shared.scene(archive, values, tile=tile.name, corner=tile.corner, epsg=tile.epsg, write=False)
        write_tile(Path(item.assets["B04"].extra_fields["alternate"]["local"]["href"].removeprefix("file://")), tile)
        items[tile.name] = item
    return items


@pytest.fixture(autouse=True)
def only_these_roots(archive, tmp_path):
    with options(archive_roots=(archive, tmp_path), offline=True):
        yield


def path_of(item) -> str:
    return item.assets["B04"].extra_fields["alternate"]["local"]["href"].removeprefix("file://")


# ---- the files' own grid


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


# ---- coarser and finer


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


# ---- another coordinate system


def centres(cube, epsg: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(cube.x.values, cube.y.values)
    return pyproj.Transformer.from_crs(cube.rio.crs, epsg, always_xy=True).transform(x, y)


def far_from_borders(x, y, tile: Tile, margin: float = 0.02) -> np.ndarray:
    """Where a point is not within a fiftieth of a pixel of a border, so that rounding cannot choose another pixel."""
    parts = (np.abs((x - tile.left) / 10 % 1 - 0.5), np.abs((tile.top - y) / 10 % 1 - 0.5))
    return np.maximum(*parts) < 0.5 - margin


@pytest.mark.parametrize(
    ("crs", "resolution"), [(3857, None), (4326, None), ("EPSG:3035", 15), (32632, 10), (31370, 12)]
)
def test_another_crs_takes_the_pixel_that_holds_each_centre(tiles, window_box, crs, resolution):
    area = window_box(1300, 300, 220, 260)
    with pytest.warns(TerrascopeWarning, match="grid of"):
        cube = load([tiles["31UFS"]], "B04", area=area, crs=crs, resolution=resolution).compute()
    wanted = pyproj.CRS.from_user_input(crs)
    assert cube.B04.dims == ("time", "y", "x")
    assert cube.rio.crs == wanted
    assert cube.odc.geobox.crs == wanted
    assert cube.odc.geobox.affine == cube.rio.transform()
    assert (np.diff(cube.x) > 0).all()
    assert (np.diff(cube.y) < 0).all()
    x, y = centres(cube, 32631)
    sure = far_from_borders(x, y, FS)
    assert sure.mean() > 0.9
    np.testing.assert_array_equal(cube.B04.values[0][sure], FS.at(x, y)[sure])
    assert np.isfinite(cube.B04).mean() > 0.2
    left, bottom, right, top = make_area((602990 + 10, 5684800, 605600, 5687000), crs=32631).bounds_in(crs)
    bounds = cube.odc.geobox.boundingbox
    assert bounds.left <= left
    assert bounds.right >= right
    assert bounds.bottom <= bottom
    assert bounds.top >= top


@pytest.mark.parametrize("crs", [3857, 4326])
def test_the_resolution_in_another_unit_is_about_the_files_own(tiles, window_box, crs):
    with pytest.warns(TerrascopeWarning, match="grid of"):
        cube = load([tiles["31UFS"]], "B04", area=window_box(0, 0, 100, 100), crs=crs)
    metres = abs(cube.odc.geobox.resolution.y) * (111_320 if crs == 4326 else 1)
    assert 9 < metres < 11


def test_degrees_keep_the_dims_time_y_x(tiles, window_box):
    with pytest.warns(TerrascopeWarning, match="grid of"):
        cube = load([tiles["31UFS"]], "B04", area=window_box(0, 0, 50, 50), crs="EPSG:4326")
    assert cube.B04.dims == ("time", "y", "x")
    assert set(cube.coords) >= {"time", "y", "x", "spatial_ref"}
    assert 4.4 < float(cube.x.mean()) < 4.5
    assert 51.4 < float(cube.y.mean()) < 51.5


# ---- over the zone border


def test_an_area_over_zones_31_and_32_is_on_one_stated_grid(tiles, rng):
    bbox = (5.97, 51.10, 6.20, 51.13)
    with pytest.warns(TerrascopeWarning, match=r"EPSG:32631.*EPSG:32632"):
        cube = load([tiles["31UGS"], tiles["32ULB"]], "B04", area=bbox).compute()
    assert cube.sizes["time"] == 1
    chosen = cube.rio.crs.to_epsg()
    assert chosen in (32631, 32632)
    assert abs(cube.odc.geobox.resolution.x) == 10
    got, sure = cube.B04.values[0], np.ones(cube.B04.shape[1:], bool)
    values = []
    for tile in (GS, LB):
        x, y = centres(cube, tile.epsg)
        if tile.epsg != chosen:
            sure &= far_from_borders(x, y, tile)
        values.append(tile.at(x, y))
    west, east = values
    only_west, only_east = np.isnan(east) & ~np.isnan(west) & sure, np.isnan(west) & ~np.isnan(east) & sure
    both = ~np.isnan(east) & ~np.isnan(west) & sure
    assert min(only_west.sum(), only_east.sum(), both.sum()) > 1000
    np.testing.assert_array_equal(got[only_west], west[only_west])
    np.testing.assert_array_equal(got[only_east], east[only_east])
    assert ((got == west) | (got == east))[both].all()
    assert np.isnan(got[np.isnan(west) & np.isnan(east) & sure]).all()


@pytest.mark.parametrize(("bbox", "zone"), [((5.95, 51.1, 6.15, 51.11), 32631), ((6.6, 51.1, 7.6, 51.11), 32632)])
def test_the_zone_with_most_of_the_area_is_taken_whatever_the_order_of_items(tiles, bbox, zone):
    for items in ([tiles["31UGS"], tiles["32ULB"]], [tiles["32ULB"], tiles["31UGS"]]):
        with pytest.warns(TerrascopeWarning, match=f"the cube is on EPSG:{zone}"):
            assert load(items, "B04", area=bbox).rio.crs.to_epsg() == zone


def test_a_crs_that_is_asked_for_needs_no_choice_between_zones(tiles):
    with pytest.warns(TerrascopeWarning, match="EPSG:3035") as caught:
        cube = load([tiles["31UGS"], tiles["32ULB"]], "B04", area=(6.0, 51.1, 6.2, 51.11), crs=3035, resolution=50)
    assert cube.rio.crs.to_epsg() == 3035
    assert not any("files lie in" in str(one.message) for one in caught)


# ---- like=


def test_like_a_cube_takes_its_grid_exactly(tiles, window_box):
    first = load([tiles["31UFS"]], "B04", area=window_box(100, 100, 50, 60))
    for like in (first, first.B04, first.compute(), first.isel(time=0), first.odc.geobox):
        again = load([tiles["31UFS"], tiles["31UES"]], "red", like=like)
        assert again.odc.geobox == first.odc.geobox
        np.testing.assert_array_equal(again.x, first.x)
        np.testing.assert_array_equal(again.y, first.y)
        np.testing.assert_array_equal(again.red, first.B04)


def test_like_a_slice_of_a_cube_takes_the_slices_grid(tiles, window_box):
    first = load([tiles["31UFS"]], "B04", area=window_box(100, 100, 50, 60)).compute()
    part = first.isel(y=slice(10, 20), x=slice(30, 55))
    np.testing.assert_array_equal(load([tiles["31UFS"]], "B04", like=part).B04, part.B04)


def test_like_a_grid_of_another_crs_is_warped_onto_it(tiles):
    geobox = GeoBox.from_bbox((4.45, 51.40, 4.50, 51.43), crs="EPSG:4326", resolution=0.0002)
    cube = load([tiles["31UFS"]], "B04", like=geobox).compute()
    assert cube.odc.geobox == geobox
    x, y = centres(cube, 32631)
    sure = far_from_borders(x, y, FS)
    np.testing.assert_array_equal(cube.B04.values[0][sure], FS.at(x, y)[sure])


def test_like_a_south_up_grid_is_not_turned_over(tiles, window_box):
    first = load([tiles["31UFS"]], "B04", area=window_box(100, 100, 40, 60)).compute()
    upside = first.isel(y=slice(None, None, -1))
    again = load([tiles["31UFS"]], "B04", like=upside).compute()
    np.testing.assert_array_equal(again.y, upside.y)
    np.testing.assert_array_equal(again.B04, upside.B04)


@pytest.mark.parametrize("like", [xr.Dataset(), xr.DataArray(np.zeros((3, 3)), dims=("y", "x")), 10, "EPSG:4326"])
def test_like_something_without_a_grid_is_refused(tiles, like):
    with pytest.raises(GridError, match="like="):
        load([tiles["31UFS"]], "B04", like=like)


@pytest.mark.parametrize("more", [{"resolution": 20}, {"crs": 3857}])
def test_like_leaves_no_room_for_resolution_and_crs(tiles, more):
    with pytest.raises(GridError, match="like="):
        load([tiles["31UFS"]], "B04", like=GeoBox.from_bbox((4, 51, 5, 52), resolution=0.1), **more)


# ---- areas off the data, and far too large


def test_an_area_off_the_data_is_an_error_that_names_it(tiles):
    with pytest.raises(GridError, match=r"2\.6000, 51\.0000.*does not touch") as caught:
        load([tiles["31UFS"]], "B04", area=(2.6, 51.0, 2.7, 51.1))
    assert caught.value.bbox == pytest.approx((2.6, 51.0, 2.7, 51.1))


def test_no_items_is_an_error_that_says_what_to_do():
    with pytest.raises(NothingFoundError, match="Widen"):
        load([])


@pytest.mark.parametrize("wrong", [["not an item"], [{"type": "Feature"}]])
def test_things_that_are_no_items_are_refused(wrong):
    with pytest.raises(TypeError, match=r"pystac\.Item"):
        load(wrong)


def test_3000_km_are_refused_before_anything_is_read_with_three_ways_out(tiles, hidden, monkeypatch):
    monkeypatch.setattr("terrascope_nb.cube.budget.available_memory", lambda: 8_000_000_000)
    area = make_area((4.5 - 20, 51 - 13, 4.5 + 20, 51 + 13))
    with hidden([Path(path_of(tiles["31UFS"]))]), pytest.raises(MemoryBudgetError) as caught:
        load([tiles["31UFS"]], ["B04"], area=area)
    error = caught.value
    assert isinstance(error, MemoryError)
    assert error.available == 8_000_000_000
    assert error.needed > 300e3 * 280e3 * 4 * 0.9
    for way in ("resolution=", "smaller area", "lazy"):
        assert way in str(error)


def test_the_size_is_checked_again_when_a_series_is_computed(tiles, window_box, monkeypatch):
    # One time fits, so the cube can be made; all of it does not, and no pixel is read.
    monkeypatch.setattr("terrascope_nb.cube.budget.available_memory", lambda: 10_000_000)
    items = []
    for day in range(1, 31):
        item = tiles["31UFS"].clone()
        item.id, item.datetime = f"S2B_201807{day:02d}T105029_31UFS_TOC_V210", item.datetime.replace(day=day)
        items.append(item)
    cube = load(items, "B04", area=window_box(0, 0, 500, 500))
    with pytest.raises(MemoryBudgetError, match=r"30 MB.*10 MB") as caught:
        compute(cube)
    assert caught.value.needed == 30 * 500 * 500 * 4
    assert compute(cube.isel(time=slice(3))).sizes["time"] == 3
    assert compute(cube.mean("time")).B04.shape == (500, 500)
