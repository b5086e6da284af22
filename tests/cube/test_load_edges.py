"""Odd input that a person may well give: each is answered right or refused with a sentence."""

from __future__ import annotations

import numpy as np
import odc.geo
import odc.geo.xr
import pyproj
import pystac
import pytest
import rasterio
import rioxarray  # noqa: F401 - registers .rio
import shapely
from odc.geo.geobox import GeoBox

from terrascope_nb.cube.compute import compute
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import GridError, MaskError, TerrascopeWarning, UnknownBandError
from terrascope_nb.extent.aoi import area as make_area

LEFT, TOP = 600000.0, 5700000.0


def reds(rows=20, cols=30) -> np.ndarray:
    return np.arange(1, rows * cols + 1, dtype="int16").reshape(rows, cols)


@pytest.fixture
def item(make_scene):
    return make_scene({"B04": reds(), "SCL": np.full((10, 15), 4, "uint8")})


# ---- arguments


@pytest.mark.parametrize("given", [lambda i: i, lambda i: [i], lambda i: (i,), lambda i: iter([i]), lambda i: (x for x in [i]),
                                   lambda i: pystac.ItemCollection([i])],
                         ids=["item", "list", "tuple", "iterator", "generator", "ItemCollection"])  # fmt: skip
def test_items_may_come_in_anything_that_can_be_walked_through(item, given):
    np.testing.assert_array_equal(load(given(item), "red").red[0], (reds() * 0.0001).astype("float32"))


def test_a_band_asked_for_twice_is_refused_and_two_names_of_it_are_not(item):
    with pytest.raises(UnknownBandError, match="twice"):
        load([item], ["red", "red"])
    np.testing.assert_array_equal(*load([item], ["red", "B04"]).to_array())
    with pytest.raises(UnknownBandError, match=r"bands=\[\]"):
        load([item], [])


@pytest.mark.parametrize("crs", ["EPSG:999999", 999999, "Lambert", ""])
def test_a_crs_that_is_none_is_refused(item, crs):
    with pytest.raises(GridError, match="coordinate system"):
        load([item], "red", crs=crs)


@pytest.mark.parametrize("crs", [3857, "epsg:3857", pyproj.CRS(3857), rasterio.CRS.from_epsg(3857), odc.geo.CRS("EPSG:3857")],
                         ids=["number", "lower case", "pyproj", "rasterio", "odc"])  # fmt: skip
def test_a_crs_may_be_said_in_any_usual_way(item, crs):
    with pytest.warns(TerrascopeWarning, match="EPSG:3857"):
        assert load([item], "red", crs=crs).rio.crs.to_epsg() == 3857


def test_the_files_own_crs_asked_for_by_name_keeps_their_pixels(item):
    np.testing.assert_array_equal(load([item], "red", crs="epsg:32631").red, load([item], "red").red)


def test_resampling_for_a_variable_that_is_not_there_is_refused(item):
    with pytest.raises(GridError, match=r"rde.*red"):
        load([item], "red", resampling={"rde": "bilinear"})
    load([item], "red", resampling={"*": "bilinear"})


@pytest.mark.parametrize("metres", [float("nan"), float("inf"), -1])
def test_a_buffer_that_is_no_distance_is_refused(item, metres):
    with pytest.raises(MaskError, match="mask_buffer"):
        load([item], "red", mask="clear", mask_buffer=metres)


def test_chunks_along_time_hold_the_same_numbers(make_scene):
    items = [make_scene({"B04": reds() + n}, time=f"201807{n + 1:02d}T105029") for n in range(7)]
    cube = load(items, "B04", chunks={"time": 3, "y": -1, "x": 11})
    assert cube.chunksizes["time"] == (3, 3, 1)
    assert cube.chunksizes["y"] == (20,)
    np.testing.assert_array_equal(cube.B04, load(items, "B04").B04)


def test_many_scenes_make_a_graph_quickly(make_scene):
    import time

    first = make_scene({"B04": reds(), "SCL": np.full((10, 15), 4, "uint8")})
    items = []
    for number in range(1000):
        item = first.clone()
        item.datetime = item.datetime.replace(year=1000 + number)
        item.id = f"S2B_{item.datetime:%Y%m%dT%H%M%S}_31UFS_TOC_V210".replace("S2B_1", "S2B_01")
        item.datetime = item.datetime.replace(year=1900 + number // 10, month=1 + number % 10)
        items.append(item)
    begin = time.process_time()
    cube = load(items, "red", mask="clear", mosaic=None)
    assert cube.sizes["time"] == 1000
    assert time.process_time() - begin < 10
    assert len(cube.red.__dask_graph__()) < 5000


# ---- areas


def test_a_point_is_the_pixel_it_lies_in(item):
    point = make_area(shapely.Point(LEFT + 57, TOP - 131), crs=32631)
    cube = load([item], "red", area=point).compute()
    assert cube.red.shape == (1, 1, 1)
    assert cube.red.item() == np.float32(reds()[13, 5] * 0.0001)


def test_two_far_fields_are_both_there_and_nothing_between(make_scene):
    numbers = reds(100, 100)
    item = make_scene({"B04": numbers})
    fields = shapely.MultiPolygon(
        [shapely.box(LEFT, TOP - 30, LEFT + 30, TOP), shapely.box(LEFT + 970, TOP - 1000, LEFT + 1000, TOP - 970)]
    )
    cube = load([item], "B04", area=make_area(fields, crs=32631)).compute().B04[0]
    assert np.isfinite(cube).sum() == 18
    assert float(cube[0, 0]) == np.float32(0.0001)
    assert float(cube[-1, -1]) == np.float32(1.0)


def test_an_area_partly_off_the_data_is_nan_there(item, utm_box):
    cube = load([item], "red", area=utm_box(LEFT - 50, TOP - 50, LEFT + 50, TOP + 50)).compute().red[0]
    assert np.isnan(cube[:5]).all()
    assert np.isnan(cube[:, :5]).all()
    np.testing.assert_array_equal(cube[5:, 5:], (reds()[:5, :5] * 0.0001).astype("float32"))


@pytest.mark.parametrize("crs", [32631, 4326])
def test_like_a_grid_beside_the_data_is_an_error_not_a_cube_of_nothing(item, crs):
    bounds = (LEFT + 5000, TOP - 9000, LEFT + 6000, TOP - 8000) if crs == 32631 else (10.0, 50.0, 10.1, 50.1)
    geobox = GeoBox.from_bbox(bounds, crs=f"EPSG:{crs}", resolution=10 if crs == 32631 else 0.001)
    with pytest.raises(GridError, match="does not touch"):
        load([item], "red", like=geobox)


# ---- files that lie otherwise


def turned(root, transform, values) -> pystac.Item:
    path = root / "turned.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype="int16",
        crs="EPSG:32631", transform=transform, nodata=32767,
    ) as file:  # fmt: skip
        file.write(values, 1)
    when = np.datetime64("2018-07-05T10:50:29").item()
    made = pystac.Item("turned", None, None, when, {}, collection="terrascope-s2-toc-v2")
    made.add_asset("B04", pystac.Asset(str(path), media_type="image/tiff", roles=["data"]))
    return made


def test_a_south_up_file_becomes_a_north_up_cube(root):
    item = turned(root, rasterio.Affine(10, 0, LEFT, 0, 10, TOP - 200), reds()[::-1])
    cube = load([item], "B04").compute()
    assert (np.diff(cube.y) < 0).all()
    assert cube.odc.geobox.boundingbox.bbox == (LEFT, TOP - 200, LEFT + 300, TOP)
    np.testing.assert_array_equal(cube.B04[0], (reds() * 0.0001).astype("float32"))


def test_a_rotated_file_is_read_where_its_pixels_lie(root):
    transform = rasterio.Affine.translation(LEFT, TOP) * rasterio.Affine.rotation(-30) * rasterio.Affine.scale(10, -10)
    numbers = reds(60, 60)
    item = turned(root, transform, numbers)
    with pytest.raises(GridError, match="rotated"):
        load([item], "B04")
    with pytest.warns(TerrascopeWarning, match="grid of"):
        cube = load([item], "B04", crs=32631, resolution=5).compute()
    x, y = np.meshgrid(cube.x, cube.y)
    cols, rows = ~transform * (x, y)
    sure = (np.abs(rows % 1 - 0.5) < 0.48) & (np.abs(cols % 1 - 0.5) < 0.48)
    inside = (rows >= 0) & (rows < 60) & (cols >= 0) & (cols < 60) & sure
    assert inside.sum() > 8000
    expected = (numbers[rows[inside].astype(int), cols[inside].astype(int)] * 0.0001).astype("float32")
    np.testing.assert_array_equal(cube.B04.values[0][inside], expected)
    assert np.isnan(cube.B04.values[0][sure & ~inside]).all()


def test_a_file_without_a_crs_is_named(root, tif):
    path = tif(root / "plain.tif", reds(), epsg=None)
    when = np.datetime64("2018-07-05T10:50:29").item()
    item = pystac.Item("plain", None, None, when, {}, collection="terrascope-s2-toc-v2")
    item.add_asset("B04", pystac.Asset(str(path), media_type="image/tiff", roles=["data"]))
    with pytest.raises(GridError, match="where its pixels lie"):
        load([item], "B04")


@pytest.mark.parametrize("options", [
    {"interleave": "pixel"}, {"interleave": "band"}, {"compress": "lzw", "predictor": 2}, {"compress": "zstd"},
    {"compress": "packbits"}, {"bigtiff": "yes"}, {"endianness": "big"}, {"tiled": False}, {"sparse_ok": True},
], ids=str)  # fmt: skip
def test_however_a_geotiff_is_packed_its_numbers_are_rasterios(root, options, rng):
    path = root / "packed.tif"
    values = rng.integers(-300, 9000, (3, 300, 200)).astype("int16")
    profile = {"driver": "GTiff", "height": 300, "width": 200, "count": 3, "dtype": "int16", "crs": "EPSG:32631",
               "transform": rasterio.Affine(10, 0, LEFT, 0, -10, TOP), "tiled": True, "blockxsize": 64, "blockysize": 64,
               "nodata": -300}  # fmt: skip
    with rasterio.open(path, "w", **profile | options) as file:
        file.write(values[:2], (1, 2))  # the third band is never written
    fields = {"bands": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}
    asset = pystac.Asset(str(path), media_type="image/tiff", roles=["data"], extra_fields=fields)
    item = pystac.Item("packed", None, None, np.datetime64("2023-06-01T10:00:00").item(), {}, assets={"data": asset})
    item.collection_id = "foreign"
    cube = compute(load([item]))
    with rasterio.open(path) as file:
        for number, name in enumerate("abc", start=1):
            stored = file.read(number)
            np.testing.assert_array_equal(cube[name][0], np.where(stored == -300, np.nan, stored).astype("float32"))
