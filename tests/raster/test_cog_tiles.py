"""Against rasterio: the number of the file's (overview) pixel that holds the centre of each tile pixel, by PROJ alone."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import reproject

from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError, GridError
from terrascope_nb.raster import pyramid
from terrascope_nb.raster.blocks import NativeReader
from terrascope_nb.raster.cog_tiles import CogTiles
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.positions import positions
from terrascope_nb.raster.tiling import TileAddress, tiles_over


@pytest.fixture(autouse=True)
def no_blocks_kept():
    pyramid.blocks.clear()


def write(path, stored, *, epsg=32631, corner=(600000.0, 5700000.0), size=10.0, overviews=(), nodata=None, scale=None,
          offset=None, **profile):  # fmt: skip
    layers = stored if stored.ndim == 3 else stored[None]
    size = size if isinstance(size, tuple) else (size, size)
    blocks = {"blockxsize": 256, "blockysize": 256} if profile.get("tiled", True) else {}
    options = {"tiled": True, **blocks, "compress": "deflate", **profile}
    with rasterio.open(
        path, "w", driver="GTiff", count=len(layers), height=layers.shape[1], width=layers.shape[2], dtype=layers.dtype,
        crs=f"EPSG:{epsg}", transform=rasterio.Affine(size[0], 0, corner[0], 0, -size[1], corner[1]), nodata=nodata,
        **options,
    ) as dataset:  # fmt: skip
        dataset.write(layers)
        if scale is not None:
            dataset.scales, dataset.offsets = [scale] * len(layers), [offset or 0.0] * len(layers)
        if overviews:
            dataset.build_overviews(list(overviews), Resampling.nearest)
    return str(path)


def centres(tile: TileAddress, size=256):
    left, _bottom, right, top = tile.bounds_mercator
    step = (np.arange(size) + 0.5) / size * (right - left)
    return np.meshgrid(left + step, top - step)


def expected(path, tile, level, *, wrap=False):
    """Return stored numbers, where the file has any, and where a centre is too near to a pixel's edge to be sure."""
    with rasterio.open(path, **({"overview_level": level - 1} if level else {})) as dataset:
        x, y = pyproj.Transformer.from_crs("EPSG:3857", dataset.crs, always_xy=True).transform(*centres(tile))
        if wrap:
            x = np.where(x < dataset.bounds.left, x + 360.0, x)
        cols, rows = ~dataset.transform @ (x, y)
        inside = (rows >= 0) & (rows < dataset.height) & (cols >= 0) & (cols < dataset.width)
        stored = dataset.read(1)
        numbers = np.zeros(inside.shape, dtype=stored.dtype)
        numbers[inside] = stored[rows[inside].astype(int), cols[inside].astype(int)]
    near = np.minimum(np.abs(rows - np.round(rows)), np.abs(cols - np.round(cols))) < 1e-4
    return numbers, inside, near


PLACES = {
    "zone 31": (32631, (600000.0, 5700000.0), 10.0),
    "zone 32": (32632, (300000.0, 5700000.0), 10.0),
    "south": (32721, (600000.0, 8000000.0), 20.0),
    "zone 1, over the date line": (32701, (160000.0, 8100000.0), 30.0),
    "lambert": (31370, (100000.0, 200000.0), 25.0),
    "laea": (3035, (3900000.0, 3200000.0), 100.0),
    "degrees": (4326, (3.0, 52.0), 1 / 1200),
    "mercator": (3857, (500000.0, 6600000.0), 15.0),
}


@pytest.mark.parametrize("place", PLACES)
def test_each_tile_pixel_has_the_number_of_the_pixel_that_holds_its_centre(tmp_path, place):
    epsg, corner, size = PLACES[place]
    stored = np.random.default_rng(1).integers(1, 30000, (1100, 1300)).astype("int16")
    path = write(tmp_path / "a.tif", stored, epsg=epsg, corner=corner, size=size, overviews=(2, 4, 8))
    source = CogTiles(path)
    assert len(source.levels) >= 4
    seen, levels = 0, set()
    for z in range(source.max_zoom - 9, source.max_zoom - 2):
        tiles = tiles_over(source.bounds, z)
        for tile in {tiles[0], tiles[len(tiles) // 2], tiles[-1]}:
            level = source.level_for(z)
            if level > 3:
                continue
            levels.add(level)
            numbers, inside, near = expected(path, tile, level)
            pixels = source.read(tile)
            sure = ~near
            np.testing.assert_array_equal(pixels.inside[sure], inside[sure])
            there = sure & inside
            np.testing.assert_array_equal(pixels.layers[0][there], numbers[there].astype("float32"))
            assert np.isnan(pixels.layers[0][~pixels.inside]).all()
            seen += int(there.sum())
    assert seen > 50_000
    assert levels == {0, 1, 2, 3}


def test_degrees_that_go_on_beyond_the_date_line_are_found_on_both_sides(tmp_path):
    stored = np.random.default_rng(2).integers(1, 200, (400, 800)).astype("uint8")
    path = write(tmp_path / "a.tif", stored, epsg=4326, corner=(176.0, -15.0), size=0.01)
    source = CogTiles(path)
    assert source.bounds == pytest.approx((176.0, -19.0, 184.0, -15.0))
    sides = {tile.x > 64 for tile in tiles_over(source.bounds, 7)}
    assert sides == {True, False}
    for tile in tiles_over(source.bounds, 7):
        numbers, inside, near = expected(path, tile, source.level_for(7), wrap=True)
        pixels = source.read(tile)
        there = inside & ~near
        np.testing.assert_array_equal(pixels.inside[~near], inside[~near])
        np.testing.assert_array_equal(pixels.layers[0][there], numbers[there])
    assert source.value_at(-178.005, -16.995).value == stored[199, 599]
    assert source.value_at(179.995, -16.995).value == stored[199, 399]


def test_gdals_own_warper_says_the_same_but_for_what_it_allows_itself_to_be_wrong(tmp_path):
    stored = np.random.default_rng(3).integers(1, 30000, (1100, 1300)).astype("int16")
    path = write(tmp_path / "a.tif", stored)
    source = CogTiles(path)
    tiles = tiles_over(source.bounds, 14)
    tile = tiles[len(tiles) // 2]
    there = np.zeros((256, 256), dtype="int16")
    with rasterio.open(path) as dataset:
        transform = rasterio.Affine(*tile.grid().transform)
        reproject(rasterio.band(dataset, 1), there, dst_crs="EPSG:3857", dst_transform=transform)
    pixels = source.read(tile)
    differs = (pixels.layers[0] != there) & pixels.inside
    assert pixels.inside.all()
    assert differs.mean() < 0.01
    # GDAL interpolates positions with an error of up to an eighth of a pixel.
    x, y = pyproj.Transformer.from_crs("EPSG:3857", "EPSG:32631", always_xy=True).transform(*centres(tile))
    cols, rows = (x - 600000) / 10, (5700000 - y) / 10
    to_edge = np.minimum(np.abs(rows - np.round(rows)), np.abs(cols - np.round(cols)))
    assert (to_edge[differs] < 0.125).all()


def test_the_corner_pixels_of_a_utm_tile_are_drawn(tmp_path):
    stored = np.full((1098, 1098), 5, dtype="int16")
    corners = {(0, 0): 1, (0, 1097): 2, (1097, 0): 3, (1097, 1097): 4}
    for at, number in corners.items():
        stored[at] = number
    source = CogTiles(write(tmp_path / "a.tif", stored, overviews=(2, 4)))
    to_degrees = pyproj.Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True)
    for (row, col), number in corners.items():
        lon, lat = to_degrees.transform(600000 + 10 * col + 5, 5700000 - 10 * row - 5)
        (tile,) = tiles_over((lon, lat, lon, lat), 16)
        pixels = source.read(tile)
        assert (pixels.layers[0][pixels.inside] == number).sum() > 20
        assert 0 < pixels.inside.mean() < 0.9
        assert source.value_at(lon, lat).value == number


def test_the_value_of_a_place_is_that_of_the_native_pixel(tmp_path):
    stored = np.random.default_rng(4).integers(0, 10000, (900, 700)).astype("int16")
    path = write(tmp_path / "a.tif", stored, overviews=(2, 4, 8), scale=0.0001, offset=-0.1, nodata=0)
    source = CogTiles(path, units="1")
    to_degrees = pyproj.Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True)
    for row, col in np.random.default_rng(5).integers(0, 700, (40, 2)):
        lon, lat = to_degrees.transform(600000 + 10 * col + 3, 5700000 - 10 * row - 8)
        found = source.value_at(lon, lat)
        if stored[row, col] == 0:
            assert (found.value, found.text, found.source) == (None, "", "")
        else:
            assert found.value == np.float32(stored[row, col] * 0.0001 - 0.1)
            assert (found.units, found.source, found.layer) == ("1", path, "a.tif")
    assert source.value_at(0.0, 0.0).value is None


def test_nodata_of_any_kind_is_nothing(tmp_path):
    for dtype, nodata in (("uint8", 255), ("int16", -1), ("float32", np.nan), ("float32", -9999.0), ("int32", 7)):
        stored = np.full((300, 300), 40, dtype=dtype)
        stored[:, :150] = nodata
        source = CogTiles(write(tmp_path / "a.tif", stored, nodata=nodata))
        pixels = source.read(tiles_over(source.bounds, 12)[0])
        assert 0 < pixels.inside.mean() < 0.5
        assert (pixels.layers[0][pixels.inside] == 40).all()
        assert np.isnan(pixels.layers[0][~pixels.inside]).all()


@pytest.mark.parametrize(
    "profile",
    [
        {"tiled": False, "blockysize": 1},
        {"tiled": False, "blockysize": 64, "compress": "lzw", "predictor": 2},
        {"blockxsize": 128, "blockysize": 64},
        {"compress": "lerc"},  # read by GDAL
        {"interleave": "pixel"},
    ],
    ids=str,
)
def test_files_of_other_layouts_give_the_same_numbers(tmp_path, profile):
    stored = np.random.default_rng(6).integers(0, 200, (700, 900)).astype("uint8")
    path = write(tmp_path / "a.tif", stored, **profile)
    source = CogTiles(path)
    tile = tiles_over(source.bounds, 14)[0]
    numbers, inside, near = expected(path, tile, 0)
    pixels = source.read(tile)
    there = inside & ~near
    np.testing.assert_array_equal(pixels.layers[0][there], numbers[there])


def test_a_file_without_overviews_is_thinned_for_low_zooms(tmp_path):
    stored = np.random.default_rng(7).integers(1, 30000, (2100, 2300)).astype("int16")
    path = write(tmp_path / "a.tif", stored)
    source = CogTiles(path)
    assert [round(level.factor[0]) for level in source.levels] == [1, 2, 4, 8]
    tile = tiles_over(source.bounds, 10)[0]
    level = source.level_for(10)
    assert level == 3
    rows = np.minimum(np.arange(-(-2100 // 8)) * 8 + 4, 2099)
    cols = np.minimum(np.arange(-(-2300 // 8)) * 8 + 4, 2299)
    thinned = stored[rows[:, None], cols]
    x, y = pyproj.Transformer.from_crs("EPSG:3857", "EPSG:32631", always_xy=True).transform(*centres(tile))
    col, row = (x - 600000) / 80, (5700000 - y) / 80
    inside = (row >= 0) & (row < 2100 / 8) & (col >= 0) & (col < 2300 / 8)
    near = np.minimum(np.abs(row - np.round(row)), np.abs(col - np.round(col))) < 1e-4
    pixels = source.read(tile)
    there = inside & ~near
    np.testing.assert_array_equal(pixels.inside[~near], inside[~near])
    np.testing.assert_array_equal(pixels.layers[0][there], thinned[row[there].astype(int), col[there].astype(int)])


def test_a_colour_picture_has_three_layers_and_is_inside_where_all_are(tmp_path):
    stored = np.random.default_rng(8).integers(1, 255, (3, 400, 400)).astype("uint8")
    stored[1, :200] = 0
    source = CogTiles(write(tmp_path / "a.tif", stored, nodata=0), bands=(3, 2, 1))
    assert (source.kind, source.layer_names) == ("rgb", ("3", "2", "1"))
    pixels = source.read(tiles_over(source.bounds, 13)[0])
    assert len(pixels.layers) == 3
    assert all(np.isnan(layer[~pixels.inside]).all() for layer in pixels.layers)
    lon, lat = (source.bounds[0] + source.bounds[2]) / 2, source.bounds[1] + 0.005
    assert len(source.value_at(lon, lat).values) == 3
    assert source.sample().shape[0] == 3


def test_eight_threads_decode_each_block_once(tmp_path, monkeypatch):
    stored = np.random.default_rng(9).integers(1, 30000, (1024, 1024)).astype("int16")
    source = CogTiles(write(tmp_path / "a.tif", stored, blockxsize=512, blockysize=512))
    reads = []
    real = NativeReader.read

    def counted(self, *region, **how):
        reads.append(region)
        return real(self, *region, **how)

    monkeypatch.setattr(NativeReader, "read", counted)
    tiles = tiles_over(source.bounds, 14)
    with ThreadPoolExecutor(8) as pool:
        many = list(pool.map(source.read, tiles * 8))
    assert len(reads) == len(set(reads)) == 4
    for number, pixels in enumerate(many):
        np.testing.assert_array_equal(pixels.layers[0], many[number % len(tiles)].layers[0])


def test_a_cancelled_tile_reads_nothing_more(tmp_path, monkeypatch):
    stored = np.ones((1024, 1024), dtype="int16")
    source = CogTiles(write(tmp_path / "a.tif", stored))
    token, reads = threading.Event(), []
    real = NativeReader.read

    def counted(self, *region, **how):
        reads.append(region)
        token.set()
        return real(self, *region, **how)

    monkeypatch.setattr(NativeReader, "read", counted)
    tile = tiles_over(source.bounds, 13)[1]
    with pytest.raises(CancelledError):
        source.read(tile, cancel=token)
    assert len(reads) == 1
    with pytest.raises(CancelledError):
        source.read(tile, cancel=token)
    assert len(reads) == 1


def test_kept_blocks_stay_within_their_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(pyramid.blocks, "most", 2**20)
    stored = np.random.default_rng(10).integers(1, 30000, (2048, 2048)).astype("int16")
    source = CogTiles(write(tmp_path / "a.tif", stored))
    for tile in tiles_over(source.bounds, 14):
        source.read(tile)
        assert pyramid.blocks.n_bytes <= 2**20
    assert pyramid.blocks.n_bytes > 2**19


def test_a_file_that_vanished_or_changed_is_told(tmp_path):
    stored = np.full((300, 300), 3, dtype="int16")
    path = write(tmp_path / "a.tif", stored)
    source = CogTiles(path)
    tile = tiles_over(source.bounds, 13)[0]
    assert np.nanmax(source.read(tile).layers[0]) == 3
    write(tmp_path / "a.tif", stored + 1)
    assert np.nanmax(source.read(tile).layers[0]) == 4
    (tmp_path / "a.tif").unlink()
    with pytest.raises(AssetUnreachableError, match=r"a\.tif"):
        source.read(tile)
    (tmp_path / "a.tif").write_bytes(b"II*\0 nonsense")
    with pytest.raises(CorruptAssetError, match=r"a\.tif"):
        CogTiles(path)


def test_a_file_behind_http_gives_the_same_tiles_with_few_requests(file_server):
    stored = np.random.default_rng(11).integers(1, 30000, (2048, 2048)).astype("int16")
    path = write(file_server.root / "a.tif", stored, overviews=(2, 4, 8))
    near, far = CogTiles(path), CogTiles(file_server.url("a.tif"))
    pyramid.blocks.clear()
    tile = tiles_over(near.bounds, 13)[0]
    np.testing.assert_array_equal(far.read(tile).layers[0], near.read(tile).layers[0])
    asked = len(file_server.asked)
    far.read(tile)
    assert len(file_server.asked) == asked
    assert asked <= 8


def test_a_raster_without_place_cannot_be_drawn(tmp_path):
    path = tmp_path / "a.tif"
    with rasterio.open(path, "w", driver="GTiff", count=1, height=8, width=8, dtype="uint8") as dataset:
        dataset.write(np.ones((1, 8, 8), dtype="uint8"))
    with pytest.raises(GridError, match="coordinate system"):
        CogTiles(str(path))


def test_a_tile_that_is_none_is_refused(tmp_path):
    source = CogTiles(write(tmp_path / "a.tif", np.ones((10, 10), dtype="uint8")))
    for tile in (TileAddress(-1, 0, 0), TileAddress(3, 8, 0), TileAddress(30, 0, 0)):
        with pytest.raises(GridError, match="no tile"):
            source.read(tile)


def test_the_whole_world_in_one_tile_has_the_file_where_it_is(tmp_path):
    stored = np.full((1000, 1000), 9, dtype="int16")
    source = CogTiles(write(tmp_path / "a.tif", stored, size=1000.0, corner=(100000.0, 6200000.0), overviews=(2, 4)))
    pixels = source.read(TileAddress(0, 0, 0))
    rows, cols = np.nonzero(pixels.inside)
    assert len(rows)
    lon = (cols.mean() + 0.5) / 256 * 360 - 180
    assert source.bounds[0] < lon < source.bounds[2]
    x, y = pyproj.Transformer.from_crs("EPSG:3857", "EPSG:32631", always_xy=True).transform(
        *centres(TileAddress(0, 0, 0))
    )
    inside = (x >= 100000) & (x < 1100000) & (y <= 6200000) & (y > 5200000)
    np.testing.assert_array_equal(pixels.inside, inside)


def test_a_sample_is_a_thinned_picture_of_the_whole(tmp_path):
    stored = np.random.default_rng(12).integers(0, 1000, (3000, 2000)).astype("int16")
    source = CogTiles(write(tmp_path / "a.tif", stored, overviews=(2, 4, 8), nodata=5))
    found = source.sample(size=256)
    assert 200 < max(found.shape) <= 512
    assert np.nanmedian(found) == pytest.approx(500, abs=30)
    assert not (found == 5).any()


def test_a_zoom_that_would_read_too_much_is_refused_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(pyramid, "_MOST_PIXELS", 512 * 512)
    stored = np.ones((2100, 2300), dtype="int16")
    source = CogTiles(write(tmp_path / "a.tif", stored))
    assert 8 < source.min_zoom < source.max_zoom
    with pytest.raises(GridError, match="Zoom in to"):
        source.read(tiles_over(source.bounds, source.min_zoom - 1)[0])
    assert source.read(tiles_over(source.bounds, source.min_zoom)[0]).inside.any()


@pytest.mark.parametrize("epsg", [32631, 32701, 3035, 31370, 4326, 3031])
@pytest.mark.parametrize("z", [3, 6, 9, 12, 15, 18])
def test_positions_are_those_of_proj_to_a_hundred_thousandth_of_a_pixel(epsg, z):
    lon, lat = {32701: (-179.5, -17.0), 3031: (20.0, -71.0)}.get(epsg, (4.4, 50.9))
    size = {4326: 1 / 1200, 3031: 100.0}.get(epsg, 10.0)
    x, y = pyproj.Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    grid = PixelGrid(f"EPSG:{epsg}", (size, 0.0, x - 500 * size, 0.0, -size, y + 500 * size), (1000, 1000))
    (tile,) = tiles_over((lon, lat, lon, lat), z)
    rows, cols = positions(tile.grid(), grid)
    there = pyproj.Transformer.from_crs("EPSG:3857", f"EPSG:{epsg}", always_xy=True).transform(*centres(tile))
    wanted_cols, wanted_rows = (there[0] - x) / size + 500, (y - there[1]) / size + 500
    near = np.hypot(wanted_rows - 500, wanted_cols - 500) < 5000
    assert near.any()
    np.testing.assert_allclose(rows[near], wanted_rows[near], atol=1e-5, rtol=0)
    np.testing.assert_allclose(cols[near], wanted_cols[near], atol=1e-5, rtol=0)
