"""A look at an area of an item: the files' own pixels, and the numbers of load and spectral_index."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from datetime import UTC, datetime

import numpy as np
import pystac
import pytest
import rasterio
import rasterio.features
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling
from rasterio.windows import Window

from terrascope_nb.analysis.indices import spectral_index
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.preview import preview
from terrascope_nb.errors import CorruptAssetError, CubeError, GridError, TerrascopeWarning, UnknownBandError
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.raster.blocks import native_reader
from terrascope_nb.raster.remote import forget_all
from terrascope_nb.settings import get_settings, options

LEFT, TOP = 600000.0, 5700000.0


def _path(item, key):
    return item.assets[key].extra_fields["alternate"]["local"]["href"].removeprefix("file://")


def _bounds(row, col, rows, cols, size=10):
    return LEFT + size * col, TOP - size * (row + rows), LEFT + size * (col + cols), TOP - size * row


@pytest.fixture(scope="module")
def scene(tmp_path_factory, shared):
    """Bands of 10, 20 and 60 m with gaps, and classes; blocks of 256 pixels, with overviews."""
    folder, rng = tmp_path_factory.mktemp("archive"), np.random.default_rng(7)
    values = {
        name: rng.integers(-300, 9000, (side, side)).astype("int16")
        for name, side in (("B02", 900), ("B04", 900), ("B08", 900), ("B05", 450), ("B11", 450), ("B01", 150))
    }
    for stored in values.values():
        stored[rng.random(stored.shape) < 0.1] = 32767
    values["SCL"] = rng.integers(0, 12, (450, 450)).astype("uint8")
    with options(archive_roots=(folder,), offline=True):
        yield shared.scene(folder, values, overviews=(2, 4))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(top=st.integers(0, 899), left=st.integers(0, 899), rows=st.integers(1, 400), cols=st.integers(1, 400))
def test_the_pixels_under_a_box_are_those_rasterio_reads(scene, top, left, rows, cols):
    rows, cols = min(rows, 900 - top), min(cols, 900 - left)
    look = preview(scene, ["B04", "B08"], bounds=_bounds(top, left, rows, cols), size=None)
    for name, values in zip(("B04", "B08"), look.values, strict=True):
        with rasterio.open(_path(scene, name)) as file:
            stored = file.read(1, window=Window(left, top, cols, rows))
            assert look.grid.transform == tuple(file.window_transform(Window(left, top, cols, rows)))[:6]
        np.testing.assert_array_equal(values, np.where(stored == 32767, np.nan, (stored * 1e-4).astype("f4")))


@pytest.mark.parametrize(
    "bounds", [_bounds(100, 100, 200, 200), _bounds(255.5, 511.3, 3, 300), _bounds(0, 0, 900, 900)]
)
@pytest.mark.parametrize("index", ["NDVI", "EVI", "SAVI", "ndmi", "kNDVI", "NBRplus"])
def test_an_index_is_that_of_load_and_spectral_index(scene, utm_box, bounds, index):
    bands = ["B02", "B04", "B08", "B11"]
    if index == "NBRplus":
        with pytest.raises(UnknownBandError, match="swir22"):
            preview(scene, index, bounds=bounds)
        return
    look = preview(scene, index, bounds=bounds, size=None)
    cube = load([scene], bands, area=utm_box(*bounds))
    wanted = spectral_index(cube, index).values[0]
    if index == "ndmi":  # of bands of 10 and 20 m
        assert look.names == ("NDMI",)
    assert look.values.dtype == "float32"
    np.testing.assert_array_equal(look.values[0], wanted)


def test_bands_and_indices_stand_side_by_side(scene, utm_box):
    bounds = _bounds(33, 77, 201, 103)
    look = preview(scene, ["NDVI", "B05", "red", "B01"], bounds=bounds, size=None)
    assert look.names == ("NDVI", "B05", "red", "B01")
    cube = load([scene], ["B05", "red", "B01", "B08"], area=utm_box(*bounds))
    layers = [spectral_index(cube, "NDVI"), cube["B05"], cube["red"], cube["B01"]]
    for values, wanted in zip(look.values, layers, strict=True):
        np.testing.assert_array_equal(values, wanted.values[0])


def test_a_band_of_that_name_comes_before_the_index(make_scene, rng):
    stored = rng.integers(0, 256, (300, 300)).astype("uint8")
    item = make_scene({"NDVI": stored}, product="NDVI")
    look = preview(item, "NDVI", bounds=_bounds(10, 20, 30, 40), size=None)
    part = stored[10:40, 20:60]
    np.testing.assert_array_equal(look.values[0], np.where(part > 250, np.nan, (part * 0.004 - 0.08).astype("f4")))


@pytest.mark.parametrize(
    "shape",
    [
        shapely.Polygon([(601003, 5698501), (602997, 5699003), (601502, 5697004)]),
        shapely.box(601002, 5699002, 601004, 5699004),  # smaller than a pixel
        shapely.MultiPolygon([shapely.box(600000, 5699500, 600305, 5700000), shapely.box(600700, 5699000, 601000, 5699777)]),
        shapely.box(599000, 5699000, 600555, 5701000).buffer(40),  # reaches out of the file
    ],
)  # fmt: skip
def test_a_polygon_clips_as_load_does(scene, shape):
    area = make_area(shape, crs="EPSG:32631")
    look = preview(scene, ["NDVI", "B05"], area=area, size=None)
    cube = load([scene], ["B04", "B08", "B05"], area=area)
    left, _, _, top = look.grid.bounds
    col, row = round((left - float(cube.x[0]) + 5) / 10), round((float(cube.y[0]) + 5 - top) / 10)
    rows, cols = look.grid.shape
    part = cube.isel(y=slice(row, row + rows), x=slice(col, col + cols))
    np.testing.assert_array_equal(look.values[0], spectral_index(part, "NDVI").values[0])
    np.testing.assert_array_equal(look.values[1], part["B05"].values[0])
    # What load has besides lies outside the file.
    assert int(cube["B05"].notnull().sum()) == int(np.isfinite(look.values[1]).sum()) > 0


def test_classes_outside_a_polygon_have_no_colour(scene):
    shape = shapely.Polygon([(601003, 5698501), (602997, 5699003), (601502, 5697004)])
    look = preview(scene, "SCL", area=make_area(shape, crs="EPSG:32631"), size=None)
    with rasterio.open(_path(scene, "SCL")) as file:
        stored = file.read(1)
        inside = rasterio.features.geometry_mask([shape], stored.shape, file.transform, invert=True)
    rows, cols = np.nonzero(inside)
    top, left = round((TOP - look.grid.bounds[3]) / 20), round((look.grid.bounds[0] - LEFT) / 20)
    wanted = np.zeros(look.values.shape[1:], dtype="uint8")  # class 0 of the scene classification: no data
    wanted[rows - top, cols - left] = stored[rows, cols]
    np.testing.assert_array_equal(look.values[0], wanted)
    assert ((look.to_rgba()[..., 3] > 0) == (look.values[0] > 0)).all()


def test_degrees_and_other_systems_are_placed_as_load_places_them(scene):
    for area in (
        make_area((4.4605, 51.40, 4.49, 51.4205)),
        make_area((600111, 5696000, 603033, 5698111), crs="EPSG:32631").in_crs(31370),
    ):
        look = preview(scene, "NDVI", area=area, size=None)
        cube = load([scene], ["B04", "B08"], area=area)
        np.testing.assert_array_equal(look.values[0], spectral_index(cube, "NDVI").values[0])


def test_a_large_area_is_shown_by_the_overview_that_fits(scene):
    bounds = _bounds(100, 40, 804, 600)
    look = preview(scene, ["B04", "B11"], bounds=bounds, size=400)
    for name, level, values in (("B04", 0, look.values[0]), ("B11", None, look.values[1])):
        with rasterio.open(_path(scene, name), **({} if level is None else {"overview_level": level})) as file:
            assert file.res == (20, 20)
            assert file.bounds[::3] == (LEFT, TOP)
            stored = file.read(1, window=Window(20, 50, 300, 400))
        assert look.grid.resolution == (20, 20)
        np.testing.assert_array_equal(values, np.where(stored == 32767, np.nan, (stored * 1e-4).astype("f4")))
    assert preview(scene, "B04", bounds=bounds, size=10).grid.resolution == (40, 40)
    assert preview(scene, "B04", bounds=_bounds(1, 1, 20, 20)).values.shape == (1, 20, 20)


def test_without_overviews_pixels_are_picked_and_the_grid_says_where(make_scene, rng):
    stored = rng.integers(0, 4000, (700, 600)).astype("int16")
    coarse = rng.integers(0, 4000, (350, 300)).astype("int16")
    item = make_scene({"B04": stored, "B11": coarse})
    look = preview(item, ["B04", "B11"], bounds=_bounds(50, 100, 605, 500), size=100)
    assert look.grid.resolution == (60, 60)
    np.testing.assert_array_equal(look.values[0], (stored[50:655:6, 100::6] * 1e-4).astype("f4"))
    rows, cols = np.arange(50, 655, 6) // 2, np.arange(100, 600, 6) // 2
    np.testing.assert_array_equal(look.values[1], (coarse[rows[:, None], cols] * 1e-4).astype("f4"))
    left, _, _, top = look.grid.bounds
    assert (left + 30, top - 30) == (LEFT + 1005, TOP - 505)  # centres of the first pixel taken


@pytest.mark.parametrize("far", [1.2e-5, 1.5e-5, 1e-4, 1e-3, 1])
@pytest.mark.parametrize("side", ["left", "bottom", "right", "top"])
def test_a_box_that_barely_touches_shows_the_edge_at_every_level(scene, far, side):
    left, bottom, right, top = _bounds(0, 0, 900, 900)
    box = {
        "left": (left - 500, bottom, left + far, top), "right": (right - far, bottom, right + 500, top),
        "bottom": (left, bottom - 500, right, bottom + far), "top": (left, top - far, right, top + 500),
    }[side]  # fmt: skip
    for size, level in ((None, 10), (450, 20), (225, 40)):
        look = preview(scene, "red", bounds=box, size=size)
        assert look.grid.resolution == (level, level)
        assert sorted(look.values.shape) == [1, 1, 9000 // level]


def test_a_size_that_is_no_whole_number_is_about_that_many(make_scene, rng):
    item = make_scene({"B04": rng.integers(0, 9, (90, 90)).astype("int16")})
    assert preview(item, "red", size=10.7).values.shape == preview(item, "red", size=10).values.shape


def test_an_area_beside_the_item_is_told_with_both_places(scene):
    with pytest.raises(GridError, match=r"x 700000 to 701000.*S2B_20180705.*x 600000 to 609000"):
        preview(scene, "NDVI", bounds=(700000, 5690000, 701000, 5691000))
    with pytest.raises(GridError, match="does not touch"):
        preview(scene, "NDVI", area=(3.0, 50.0, 3.1, 50.1))


def test_what_makes_no_sense_is_told(scene, make_scene, rng):
    with pytest.raises(GridError, match="give one"):
        preview(scene, area=(3.0, 50.0, 3.1, 50.1), bounds=_bounds(0, 0, 1, 1))
    for wrong in ((1, 2, 3), (2, 0, 1, 1), (0, 2, 1, 1), (0, 0, np.nan, 1), 5, "abcd", ("a", 1, 2, 3), (None,) * 4):
        with pytest.raises(GridError, match="no box"):
            preview(scene, bounds=wrong)
    for wrong in (0, -1, np.nan, np.inf, "a", True, (1, 2)):
        with pytest.raises(GridError, match="no number of pixels"):
            preview(scene, size=wrong)
    for wrong in (5, [5], ["red", None], {"red": 5, 7: 8}):
        with pytest.raises(UnknownBandError, match="no name of a band"):
            preview(scene, wrong)
    with pytest.raises(UnknownBandError, match="NDVIx"):
        preview(scene, "NDVIx")
    with pytest.raises(UnknownBandError, match="twice"):
        preview(scene, ["NDVI", "NDVI"])
    only = make_scene({"B04": rng.integers(0, 9, (9, 9)).astype("int16")})
    with pytest.raises(UnknownBandError, match=r"needs 'nir' \(B08\).*B04"):
        preview(only, "NDVI")


def test_the_narrow_near_infrared_stands_in_with_a_warning(make_scene, rng):
    sides = (("B04", 50), ("B8A", 25))
    item = make_scene({name: rng.integers(1, 4000, (side, side)).astype("int16") for name, side in sides})
    with pytest.warns(TerrascopeWarning, match="narrow"):
        look = preview(item, "NDVI")
    with pytest.warns(TerrascopeWarning, match="narrow"):
        wanted = spectral_index(load([item], ["B04", "B8A"]), "NDVI")
    assert look.values.shape == (1, 50, 50)
    np.testing.assert_array_equal(look.values[0], wanted.values[0])


def test_decibel_is_refused(root, tif, rng):
    item = _foreign(root, {name: tif(root / f"{name}.tif", rng.random((9, 9), "f4")) for name in ("VV", "VH")})
    for asset in item.assets.values():
        asset.extra_fields["bands"] = [{"name": asset.title, "unit": "dB"}]
    with pytest.raises(CubeError, match="decibel"):
        preview(item, "VHVVR")


def _foreign(root, paths):
    item = pystac.Item("theirs", None, None, datetime(2020, 1, 1, tzinfo=UTC), {}, collection="theirs")
    for key, path in paths.items():
        item.add_asset(key, pystac.Asset(str(path), key, media_type="image/tiff", roles=["data"]))
    return item


def test_what_only_gdal_reads_has_the_same_pixels(root, rng):
    stored = rng.integers(0, 4000, (700, 600)).astype("int16")
    path = root / "packed.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=600, height=700, count=1, dtype="int16", crs="EPSG:32631", compress="packbits",
        nodata=7, transform=rasterio.Affine(10, 0, LEFT, 0, -10, TOP),
    ) as file:  # fmt: skip
        file.write(stored, 1)
        file.build_overviews([2], Resampling.nearest)
    assert native_reader(str(path)) is None
    item = _foreign(root, {"red": path})
    look = preview(item, "red", bounds=_bounds(20, 30, 300, 100), size=None)
    part = stored[20:320, 30:130].astype("f4")
    np.testing.assert_array_equal(look.values[0], np.where(part == 7, np.nan, part))
    assert preview(item, "red", bounds=_bounds(20, 30, 300, 100), size=150).grid.resolution == (20, 20)


@pytest.mark.parametrize("overviews", [(), (2, 4)])
@pytest.mark.parametrize("compress", ["deflate", "jpeg"])
def test_what_a_files_own_mask_hides_has_no_value(root, rng, overviews, compress):
    stored = rng.integers(0, 250, (300, 260)).astype("uint8")
    path = root / "masked.tif"
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", driver="GTiff", width=260, height=300, count=1, dtype="uint8", crs="EPSG:32631",
            compress=compress, transform=rasterio.Affine(10, 0, LEFT, 0, -10, TOP),
        ) as file,
    ):  # fmt: skip
        file.write(stored, 1)
        file.write_mask(rng.random(stored.shape) < 0.7)
        if overviews:
            file.build_overviews(overviews, Resampling.nearest)
    with rasterio.open(path) as file:
        whole = file.read(1, masked=True).astype("f4").filled(np.nan)
    item = _foreign(root, {"red": path})
    np.testing.assert_array_equal(preview(item, "red", size=None).values[0], whole)
    np.testing.assert_array_equal(load([item], "red").red.values[0], whole)
    part = preview(item, "red", bounds=_bounds(20, 30, 200, 100), size=50)
    if overviews:
        with rasterio.open(path, overview_level=1) as file:
            coarse = file.read(1, masked=True).astype("f4").filled(np.nan)
        np.testing.assert_array_equal(preview(item, "red", size=75).values[0], coarse)
        np.testing.assert_array_equal(part.values[0], coarse[5:55, 7:33])
    else:
        np.testing.assert_array_equal(preview(item, "red", size=75).values[0], whole[::4, ::4])
        np.testing.assert_array_equal(part.values[0], whole[20:220:4, 30:130:4])
    assert np.array_equal(part.to_rgba()[..., 3] == 0, np.isnan(part.values[0]))


@pytest.mark.parametrize(
    "transform",
    [
        rasterio.Affine(10, 0, LEFT, 0, 10, TOP - 3000),  # begins in the south
        rasterio.Affine.translation(LEFT, TOP) @ rasterio.Affine.rotation(30) @ rasterio.Affine.scale(10, -10),
    ],
    ids=["south", "turned"],
)
def test_odd_files_are_shown_as_they_lie(root, rng, transform):
    stored = rng.integers(1, 4000, (300, 200)).astype("int16")
    path = root / "odd.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=200, height=300, count=1, dtype="int16", crs="EPSG:32631", transform=transform
    ) as file:
        file.write(stored, 1)
    item = _foreign(root, {"red": path})
    x, y = transform @ (100.5, 150.5)
    look = preview(item, "red", bounds=(x - 204, y - 204, x + 204, y + 204), size=None)
    origin = ~transform @ rasterio.Affine(*look.grid.transform) @ (0, 0)
    col, row = round(origin[0]), round(origin[1])
    assert origin == pytest.approx((col, row), abs=1e-6)
    rows, cols = look.grid.shape
    np.testing.assert_array_equal(look.values[0], stored[row : row + rows, col : col + cols])
    corners = [~transform @ (x + dx, y + dy) for dx in (-204, 204) for dy in (-204, 204)]
    assert (rows, cols) == tuple(
        int(np.ceil(max(c[axis] for c in corners)) - np.floor(min(c[axis] for c in corners))) for axis in (1, 0)
    )
    shape = shapely.Point(x, y).buffer(150)
    clipped = preview(item, "red", area=make_area(shape, crs="EPSG:32631"), size=None)
    inside = rasterio.features.geometry_mask(
        [shape], clipped.grid.shape, rasterio.Affine(*clipped.grid.transform), invert=True
    )
    np.testing.assert_array_equal(np.isfinite(clipped.values[0]), inside)


def test_a_file_that_does_not_say_where_it_lies(root, tif, rng):
    item = _foreign(root, {"red": tif(root / "nowhere.tif", rng.integers(1, 9, (60, 50)).astype("int16"), epsg=None)})
    assert preview(item, "red").values.shape == (1, 60, 50)
    with pytest.raises(CorruptAssetError, match="coordinate system"):
        preview(item, "red", bounds=_bounds(0, 0, 9, 9))


def test_a_look_over_http_is_the_local_one(make_scene, root, make_server, rng):
    forget_all()
    server = make_server(root)
    here = make_scene({name: rng.integers(0, 9000, (1300, 1300)).astype("int16") for name in ("B04", "B08")})
    there = here.clone()
    for asset in there.assets.values():
        asset.href = server.url(asset.extra_fields.pop("alternate")["local"]["href"].removeprefix("file://"))
    bounds = _bounds(400, 400, 200, 200)
    with options(offline=False):
        far = preview(there, "NDVI", bounds=bounds)
    np.testing.assert_array_equal(far.values, preview(here, "NDVI", bounds=bounds).values)
    assert len({asked.path for asked in server.asked}) == 2


def test_an_index_of_a_box_needs_neither_xarray_nor_gdal_nor_geometry(scene, tmp_path):
    (tmp_path / "item.json").write_text(json.dumps(scene.to_dict()))
    code = f"""
        import json, pathlib, sys, pystac, terrascope_nb as ts
        item = pystac.Item.from_dict(json.loads(pathlib.Path({str(tmp_path / "item.json")!r}).read_text()))
        ts.set_options(archive_roots={[str(root) for root in get_settings().archive_roots]!r})
        assert ts.preview(item, "NDVI", bounds={_bounds(100, 100, 200, 200)!r}).values.shape == (1, 200, 200)
        heavy = "xarray dask rasterio pandas geopandas shapely pyproj psutil spyndex requests matplotlib".split()
        print([name for name in heavy if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
