"""Where the pixels of a cube lie in another coordinate system, over a zone's border, and like another cube."""

from __future__ import annotations

import numpy as np
import odc.geo.xr  # noqa: F401 - registers .odc
import pyproj
import pytest
import rioxarray  # noqa: F401 - registers .rio
import xarray as xr
from generated_tiles import FS, GS, LB, Tile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from terrascope_nb.cube.loader import load
from terrascope_nb.cube.reduce import composite
from terrascope_nb.errors import GridError, TerrascopeWarning
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.settings import options


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


@pytest.mark.filterwarnings("ignore:load. grid of:terrascope_nb.errors.TerrascopeWarning")
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), grid=st.sampled_from([("EPSG:3857", 33), ("EPSG:32632", 10), ("EPSG:3035", 20)]))
def test_a_resampled_cube_has_the_same_numbers_in_any_crop_any_chunks_and_any_verb(noisy_scene, data, grid):
    (crs, resolution), how = grid, data.draw(st.sampled_from(["bilinear", "cubic", "average"]))
    ask = {"crs": crs, "resolution": resolution, "resampling": how}
    with options(archive_roots=(noisy_scene[0],), offline=True):
        cube = load([noisy_scene[1]], ["B04"], **ask)
        whole = cube.B04.values[0]
        chunks = {axis: data.draw(st.integers(64, 300)) for axis in ("y", "x")}
        assert np.array_equal(
            load([noisy_scene[1]], ["B04"], chunks=chunks, **ask).B04.values[0], whole, equal_nan=True
        )
        top, left = (data.draw(st.integers(0, side - 1)) for side in whole.shape)
        cut = slice(top, data.draw(st.integers(top + 1, whole.shape[0]))), slice(left, None)
        crop = cube.isel(y=cut[0], x=cut[1])
        assert np.array_equal(crop.B04.values[0], whole[cut], equal_nan=True)
        assert np.array_equal(composite(crop, how="mean").B04.values.squeeze(), whole[cut].squeeze(), equal_nan=True)


@pytest.fixture(scope="module")
def noisy_scene(tmp_path_factory, shared):
    root = tmp_path_factory.mktemp("noisy")
    numbers = np.random.default_rng(11)
    return root, shared.scene(root, {"B04": numbers.integers(0, 9000, (384, 384)).astype("int16")})
