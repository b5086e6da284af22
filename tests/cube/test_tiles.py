"""Against the cube's own numbers: which pixel of it holds the centre of a tile's pixel is worked out by PROJ alone."""

from __future__ import annotations

import functools
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dask.array as da
import numpy as np
import pyproj
import pytest
import rasterio
import xarray as xr

from terrascope_nb.analysis.indices import spectral_index
from terrascope_nb.cube import array_tiles, plan_tiles
from terrascope_nb.cube.array_tiles import ArrayTiles
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.plan_tiles import PlanTiles
from terrascope_nb.cube.tiles import cube_tiles
from terrascope_nb.errors import (
    AssetUnreachableError,
    CubeError,
    GridError,
    MemoryBudgetError,
    UnknownBandError,
)
from terrascope_nb.raster import pyramid
from terrascope_nb.raster.tiling import tiles_over
from terrascope_nb.settings import options


@pytest.fixture(autouse=True)
def no_blocks_kept():
    pyramid.blocks.clear()


def centres_in(array, tile):
    """Return row and column of an array that hold each pixel centre of a tile, where it has any, and where that is sure."""
    left, _, right, top = tile.bounds_mercator
    step = (np.arange(256) + 0.5) / 256 * (right - left)
    x, y = pyproj.Transformer.from_crs("EPSG:3857", array.odc.crs.to_wkt(), always_xy=True).transform(
        *np.meshgrid(left + step, top - step)
    )
    cols, rows = ~array.odc.geobox.affine @ (x, y)
    inside = (rows >= 0) & (rows < array.shape[-2]) & (cols >= 0) & (cols < array.shape[-1])
    sure = np.minimum(np.abs(rows - np.round(rows)), np.abs(cols - np.round(cols))) > 1e-4
    return np.where(inside, rows, 0).astype(int), np.where(inside, cols, 0).astype(int), inside, sure


def check_native(source, array, time, zoom=15):
    """Compare tiles all over an array with its computed values."""
    values = array.isel(time=time).values if array.ndim == 3 else array.values
    seen = 0
    tiles = tiles_over(source.bounds, zoom)
    for tile in tiles[:: max(1, len(tiles) // 7)]:
        assert source.level_for(tile.z) == 0
        rows, cols, inside, sure = centres_in(array, tile)
        pixels = source.read(tile, time=time)
        wanted = values[rows, cols].astype(pixels.layers[0].dtype)
        there = inside & sure
        if wanted.dtype.kind == "f":
            np.testing.assert_array_equal(pixels.inside[sure], (inside & ~np.isnan(wanted))[sure])
            np.testing.assert_array_equal(pixels.layers[0][there], wanted[there])
        else:
            np.testing.assert_array_equal(pixels.layers[0][there & pixels.inside], wanted[there & pixels.inside])
        seen += int((there & pixels.inside).sum())
    assert seen > 20_000


def two_days(make, rng):
    def stored(shape=(1200, 1100)):
        values = rng.integers(1, 5000, shape).astype("int16")
        values[rng.uniform(size=shape) < 0.05] = 32767
        return values

    def one(day):
        coarse = rng.choice(np.array([3, 4, 5, 8, 9], dtype="uint8"), (75, 69)).repeat(8, axis=0).repeat(8, axis=1)
        bands = {name: stored() for name in ("B02", "B03", "B04", "B08")}
        return make({**bands, "SCL": coarse[:600, :550]}, time=f"201807{day:02d}T105029", overviews=(2, 4, 8))

    return [one(5), one(10)]


@pytest.fixture(scope="module")
def archive(tmp_path_factory, shared):
    """Two scenes that no test changes."""
    root = tmp_path_factory.mktemp("tiles") / "archive"
    return root, two_days(functools.partial(shared.scene, root), np.random.default_rng(1))


@pytest.fixture
def items(archive):
    with options(archive_roots=(archive[0],), offline=True):
        yield [item.clone() for item in archive[1]]


@pytest.fixture
def cube(items):
    return load(items, ["B02", "B03", "B04", "B08", "SCL"], mask="clear")


def test_a_tile_of_a_band_has_the_cubes_masked_values(cube):
    source = cube_tiles(cube["B04"])
    assert isinstance(source, PlanTiles)
    assert (source.kind, source.units, source.layer_names) == ("measurement", "1", ("B04",))
    assert source.times == tuple(cube.time.values)
    for time in (0, 1):
        check_native(source, cube["B04"], time)


@pytest.mark.parametrize("how", ["index", "slice", "mask", "where", "difference", "isin", "one time"])
def test_a_tile_of_what_is_worked_out_of_a_cube_has_its_values(cube, how):
    ndvi = spectral_index(cube, "NDVI")
    array = {
        "index": ndvi,
        "slice": ndvi.isel(x=slice(201, 900), y=slice(77, 1000)),
        "mask": ndvi > 0.3,
        "where": ndvi.where(cube["SCL"] == 4),
        "difference": ndvi.isel(time=1) - ndvi.isel(time=0),
        "isin": ~cube["SCL"].isin([3, 8, 9]),
        "one time": cube["B08"].isel(time=1),
    }[how]
    source = cube_tiles(array)
    assert isinstance(source, PlanTiles)
    check_native(source, array, 0)


def test_classes_keep_their_numbers_and_say_their_names(cube):
    source = cube_tiles(cube["SCL"])
    assert source.kind == "classes"
    check_native(source, cube["SCL"], 1, zoom=14)
    lon, lat = (source.bounds[0] + source.bounds[2]) / 2, (source.bounds[1] + source.bounds[3]) / 2
    found = source.value_at(lon, lat)
    names = {
        3: "Cloud shadow",
        4: "Vegetation",
        5: "Bare soil",
        8: "Cloud medium probability",
        9: "Cloud high probability",
    }
    assert found.text == names[found.value]


def test_a_low_zoom_reads_the_overviews_and_not_the_full_grid(cube, items, monkeypatch):
    ndvi = spectral_index(cube, "NDVI")
    source = cube_tiles(ndvi)
    assert [round(level.factor[0]) for level in source.levels][:4] == [1, 2, 4, 8]
    pieces = []
    real = plan_tiles.fuse_step

    def watched(plan, step, number, grid):
        pieces.append(grid)
        return real(plan, step, number, grid)

    monkeypatch.setattr(plan_tiles, "fuse_step", watched)
    (tile,) = tiles_over((4.5, 51.4, 4.5, 51.4), 11)
    pixels = source.read(tile, time=0)
    factor = source.levels[source.level_for(11)].factor[0]
    assert factor == 4
    assert all(grid.resolution[0] == 40.0 for grid in pieces)
    # The very pixels of the overviews, masked by the overview of the quality band.
    local = {key: asset.extra_fields["alternate"]["local"]["href"][7:] for key, asset in items[0].assets.items()}
    stored = {}
    for key in ("B04", "B08", "SCL"):
        with rasterio.open(local[key], overview_level=1 if key != "SCL" else 0) as dataset:
            stored[key] = dataset.read(1)
            transform = dataset.transform
    red, nir = (np.where(stored[key] == 32767, np.nan, stored[key] * 0.0001) for key in ("B04", "B08"))
    clear = np.isin(stored["SCL"], [4, 5])
    with np.errstate(all="ignore"):
        wanted = np.where(clear, (nir - red) / (nir + red), np.nan)
    left, _, right, top = tile.bounds_mercator
    step = (np.arange(256) + 0.5) / 256 * (right - left)
    x, y = pyproj.Transformer.from_crs("EPSG:3857", "EPSG:32631", always_xy=True).transform(
        *np.meshgrid(left + step, top - step)
    )
    cols, rows = ~transform @ (x, y)
    there = (rows >= 0) & (rows < 300) & (cols >= 0) & (cols < 275)
    sure = there & (np.minimum(np.abs(rows - np.round(rows)), np.abs(cols - np.round(cols))) > 1e-3)
    np.testing.assert_allclose(
        pixels.layers[0][sure], wanted[rows[sure].astype(int), cols[sure].astype(int)], atol=2e-6
    )
    assert sure.sum() > 10_000


def test_neighbouring_scenes_of_a_day_make_one_picture(make_scene, rng):
    left = make_scene({"B04": np.full((300, 300), 1000, dtype="int16")}, overviews=(2, 4))
    gap = np.full((300, 300), 2000, dtype="int16")
    gap[:, :100] = 32767
    right = make_scene({"B04": gap}, tile="31UGS", corner=(602000.0, 5700000.0), overviews=(2, 4))
    cube = load([left, right], ["B04"])
    assert cube.sizes["time"] == 1
    source = cube_tiles(cube["B04"])
    check_native(source, cube["B04"], 0)
    lon, lat = pyproj.Transformer.from_crs(32631, 4326, always_xy=True).transform([601005, 604505], [5699005, 5699005])
    assert source.value_at(lon[0], lat[0]).source == left.id
    assert source.value_at(lon[1], lat[1]).source == right.id
    assert source.value_at(lon[1], lat[1]).value == np.float32(0.2)
    (tile,) = tiles_over((lon[0], lat[0], lon[0], lat[0]), 12)
    low = source.read(tile)
    assert set(np.unique(low.layers[0][low.inside])) == {np.float32(0.1), np.float32(0.2)}


def test_scenes_of_two_zones_lie_beside_each_other(make_scene):
    to_west = pyproj.Transformer.from_crs(4326, 32631, always_xy=True)
    to_east = pyproj.Transformer.from_crs(4326, 32632, always_xy=True)
    corners = [
        tuple(np.round(np.array(to.transform(6.0 + dx, 51.0)) / 10) * 10)
        for to, dx in ((to_west, -0.05), (to_east, 0.0))
    ]
    west = make_scene({"B04": np.full((300, 300), 1000, dtype="int16")}, corner=corners[0], overviews=(2, 4))
    east = make_scene({"B04": np.full((300, 300), 2000, dtype="int16")}, tile="32ULB", corner=corners[1], epsg=32632,
                      overviews=(2, 4))  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cube = load([west, east], ["B04"], crs="EPSG:3857", resolution=20)
    source = cube_tiles(cube["B04"])
    check_native(source, cube["B04"], 0, zoom=14)
    (tile,) = tiles_over((6.0, 50.99, 6.0, 50.99), 11)
    found = source.read(tile, time=0)
    assert set(np.unique(found.layers[0][found.inside])) == {np.float32(0.1), np.float32(0.2)}


def test_the_value_of_a_place_is_the_cubes(cube, rng):
    ndvi = spectral_index(cube, "NDVI")
    source = cube_tiles(ndvi)
    values = ndvi.isel(time=1).values
    to_degrees = pyproj.Transformer.from_crs(32631, 4326, always_xy=True)
    for row, col in rng.integers(0, 1100, (30, 2)):
        lon, lat = to_degrees.transform(float(cube.x[col]) + 4, float(cube.y[row]) - 4)
        found = source.value_at(lon, lat, time=1)
        if np.isnan(values[row, col]):
            assert (found.value, found.source) == (None, "")
        else:
            assert found.value == values[row, col]
            assert found.source == cube.item_ids.values[1]
        assert found.time == cube.time.values[1]
    assert source.value_at(100.0, 0.0).values == (None,)


def test_three_bands_make_a_colour_picture(cube):
    source = cube_tiles(cube, bands=["B04", "B03", "blue"])
    assert (source.kind, source.layer_names) == ("rgb", ("B04", "B03", "B02"))
    assert cube_tiles(cube).layer_names == ("B04", "B03", "B02")
    tile = tiles_over(source.bounds, 14)[4]
    pixels = source.read(tile, time=0)
    for number, name in enumerate(source.layer_names):
        single = cube_tiles(cube[name]).read(tile, time=0)
        np.testing.assert_array_equal(pixels.layers[number][pixels.inside], single.layers[0][pixels.inside])
    with pytest.raises(UnknownBandError, match="B05"):
        cube_tiles(cube, bands="B05")
    with pytest.raises(CubeError, match="three"):
        cube_tiles(cube, bands=["B04", "B03"])


def test_a_cube_on_a_grid_of_its_own_is_drawn_with_its_own_pixels(items):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cube = load(items, ["B04"], crs="EPSG:31370", resolution=30, resampling="average")
    source = cube_tiles(cube["B04"])
    assert isinstance(source, PlanTiles)
    check_native(source, cube["B04"], 0, zoom=13)
    low = source.read(tiles_over(source.bounds, 10)[0], time=0)
    assert low.inside.any()


def test_a_polygon_clips_the_tiles_too(items, utm_box):
    shape = "POLYGON ((4.45 51.40, 4.55 51.40, 4.5 51.43, 4.45 51.40))"
    cube = load(items, ["B04"], area=shape, mask="clear", mask_buffer=30)
    check_native(cube_tiles(cube["B04"]), cube["B04"], 0)


def test_a_file_that_is_gone_is_named_with_its_item_and_asset(make_scene, rng):
    items = two_days(make_scene, rng)
    cube = load(items, ["B08"], mask="clear")
    source = cube_tiles(cube["B08"])
    path = items[0].assets["B08"].extra_fields["alternate"]["local"]["href"][7:]
    Path(path).unlink()
    tile = tiles_over(source.bounds, 14)[5]
    with pytest.raises(AssetUnreachableError) as caught:
        source.read(tile, time=0)
    assert (caught.value.item, caught.value.asset) == (items[0].id, "B08")
    assert path in str(caught.value)
    assert source.read(tile, time=1).inside.any()


def test_eight_threads_make_each_block_once(cube, monkeypatch):
    source = cube_tiles(spectral_index(cube, "NDVI"))
    made, real = [], plan_tiles.fuse_step

    def watched(plan, step, number, grid):
        made.append((number, grid))
        return real(plan, step, number, grid)

    monkeypatch.setattr(plan_tiles, "fuse_step", watched)
    tiles = tiles_over(source.bounds, 13) * 4
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda tile: source.read(tile, time=0), tiles))
    assert len(made) == len(set(made))


# -- without a plan --------------------------------------------------------------------------------------------------


def test_a_computed_array_is_drawn_from_memory(cube):
    mean = cube["B04"].mean("time").compute()
    source = cube_tiles(mean, name="mean")
    assert isinstance(source, ArrayTiles)
    assert (source.name, source.times) == ("mean", ())
    check_native(source, mean, None)
    low = source.read(tiles_over(source.bounds, 10)[0])
    assert low.inside.any()


def test_a_lazy_array_without_plan_is_computed_once_per_time(cube):
    runs = []

    def counted(block):
        if block.size:
            runs.append(block.shape)
        return block * 2

    smooth = cube["B04"].copy(data=cube["B04"].data.map_blocks(counted, dtype="float32"))
    runs.clear()
    source = cube_tiles(smooth)
    assert isinstance(source, ArrayTiles)
    for tile in tiles_over(source.bounds, 13):
        source.read(tile, time=1)
    assert len(runs) == smooth.data.numblocks[1] * smooth.data.numblocks[2]


def test_what_has_no_plan_and_does_not_fit_is_refused_by_name(cube, monkeypatch):
    monkeypatch.setattr(array_tiles, "available_memory", lambda: 10_000_000)
    with pytest.raises(MemoryBudgetError, match="ndvi cannot be read from overviews") as caught:
        cube_tiles(cube["B04"].rolling(x=3).mean().rename("ndvi"))
    assert caught.value.needed == 1200 * 1100 * 4
    assert isinstance(cube_tiles(cube["B04"]), PlanTiles)


def georeferenced(values, crs="EPSG:4326", dims=("latitude", "longitude"), **coords):
    step = 0.01
    y = 51.0 - (np.arange(values.shape[-2]) + 0.5) * step
    x = 4.0 + (np.arange(values.shape[-1]) + 0.5) * step
    array = xr.DataArray(values, dims=(*coords, *dims), coords={dims[0]: y, dims[1]: x, **coords}, name="mine")
    return array.odc.assign_crs(crs) if crs else array


def test_any_georeferenced_array_is_drawn(rng):
    values = rng.uniform(size=(90, 120)).astype("float32")
    array = georeferenced(values)
    check_native(cube_tiles(array), array, None, zoom=9)
    flipped = array.isel(latitude=slice(None, None, -1))
    check_native(cube_tiles(flipped), flipped, None, zoom=9)
    check_native(cube_tiles(array.transpose("longitude", "latitude")), array, None, zoom=9)
    single = array.expand_dims(band=[1])
    check_native(cube_tiles(single), array, None, zoom=9)


def test_nodata_of_whole_numbers_is_nothing(rng):
    values = rng.integers(0, 9, (90, 120)).astype("uint8")
    array = georeferenced(values).assign_attrs(_FillValue=3)
    source = cube_tiles(array)
    pixels = source.read(tiles_over(source.bounds, 9)[0])
    assert not (pixels.layers[0][pixels.inside] == 3).any()


def test_what_does_not_say_its_place_or_has_more_dimensions_is_refused(rng):
    values = rng.uniform(size=(9, 12))
    with pytest.raises(GridError, match="crs"):
        cube_tiles(xr.DataArray(values, dims=("y", "x"), name="mine"))
    with pytest.raises(CubeError, match="band"):
        cube_tiles(georeferenced(rng.uniform(size=(2, 9, 12)), band=[1, 2]))
    with pytest.raises(GridError):
        cube_tiles(xr.DataArray(values, dims=("a", "b"), name="mine"))
    with pytest.raises(CubeError, match="bands="):
        cube_tiles(georeferenced(values), bands="red")


def test_a_dask_array_of_ones_own_is_drawn(rng):
    values = rng.uniform(size=(3, 90, 120)).astype("float32")
    times = np.array(["2020-01-01", "2020-02-01", "2020-03-01"], dtype="datetime64[ns]")
    openeo = georeferenced(values, t=times)
    assert cube_tiles(openeo).times == tuple(times)
    array = georeferenced(values, time=times).copy(data=da.from_array(values, chunks=(1, 45, 60)))
    source = cube_tiles(array)
    assert len(source.times) == 3
    check_native(source, array, 2, zoom=9)


def test_a_cube_behind_http_gives_the_same_tiles(make_scene, rng, make_server, root):
    server = make_server(root)
    near = make_scene({"B04": rng.integers(1, 5000, (1300, 1300)).astype("int16")}, overviews=(2, 4))
    far = near.clone()
    path = near.assets["B04"].extra_fields["alternate"]["local"]["href"][7:]
    far.assets["B04"].href = server.url(path)
    far.assets["B04"].extra_fields.pop("alternate")
    with options(offline=False, archive_roots=(root / "nowhere",)):
        there = cube_tiles(load([far], ["B04"])["B04"])
        tile = tiles_over(there.bounds, 12)[0]
        found = there.read(tile)
    np.testing.assert_array_equal(cube_tiles(load([near], ["B04"])["B04"]).read(tile).layers[0], found.layers[0])
    assert found.inside.any()
