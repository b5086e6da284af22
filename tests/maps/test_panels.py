from __future__ import annotations

import warnings

import dask
import numpy as np
import pytest

from terrascope_nb.errors import CubeError, GridError
from terrascope_nb.maps.panels import read_panels, read_raster, split_dates


def test_the_extent_is_the_outer_edge_of_the_pixels(make_array):
    raster = read_raster(make_array(np.zeros((3, 4), "float32")))
    assert raster.bounds == (600000, 600040, 5699970, 5700000)
    assert raster.extent == raster.bounds
    assert raster.crs.to_epsg() == 32631


def test_a_south_up_or_mirrored_array_is_turned_north_up(make_array):
    upright = make_array(np.arange(12, dtype="float32").reshape(3, 4))
    turned = read_raster(upright.isel(y=slice(None, None, -1), x=slice(None, None, -1)))
    np.testing.assert_array_equal(turned.values, upright.values)
    assert turned.bounds == read_raster(upright).bounds


def test_one_pixel_keeps_its_size(make_array):
    one = make_array(np.zeros((3, 4), "float32")).isel(y=slice(1, 2), x=slice(2, 3))
    assert read_raster(one).bounds == (600020, 600030, 5699980, 5699990)


def test_too_many_pixels_become_the_mean_of_the_valid_ones_in_place(make_array):
    values = np.arange(63, dtype="float32").reshape(7, 9)
    values[0, 0] = values[4:6, 0:2] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        raster = read_raster(make_array(values), most=5)
    assert raster.values.shape == (4, 5)
    assert raster.values[0, 0] == pytest.approx(np.nanmean(values[0:2, 0:2]))
    assert np.isnan(raster.values[2, 0])
    assert raster.values[3, 4] == pytest.approx(values[6, 8])
    assert raster.bounds == (600000, 600090, 5699930, 5700000)
    assert raster.extent == (600000, 600100, 5699920, 5700000)  # the last cells reach past the data; the view does not


def test_classes_are_thinned_to_true_classes(make_array):
    values = np.random.default_rng(3).choice([4, 9], (50, 70)).astype("uint8")
    raster = read_raster(make_array(values), how="nearest", most=10)
    assert raster.values.shape == (8, 10)
    assert raster.values.dtype == np.uint8
    np.testing.assert_array_equal(raster.values[:7], values[3:49:7][:, 3::7])


def test_a_lazy_array_is_thinned_before_it_is_held(make_array):
    lazy = make_array(np.ones((400, 600), "float32")).chunk({"y": 100})
    assert read_panels(lazy, "mean")[0].values.shape == (400, 600)
    assert dask.is_dask_collection(lazy)


def test_nodata_of_stored_numbers_does_not_enter_the_mean(make_array):
    stored = make_array(np.array([[100, 255], [100, 100]], "uint8"), nodata=255)
    (raster,) = read_panels(stored, "mean")
    np.testing.assert_array_equal(raster.values, [[100, np.nan], [100, 100]])


def test_dates_are_panels_and_a_single_one_needs_no_squeezing(make_array):
    days = [f"2018-07-{day:02d}" for day in range(1, 14)]
    cube = make_array(np.zeros((13, 2, 2), "float32"), times=days)
    assert len(split_dates(cube.isel(time=slice(0, 1)))) == 1
    assert len(split_dates(cube.isel(time=slice(0, 12)))) == 12
    with pytest.raises(CubeError, match=r'13 dates; up to 12 .*\.sel\(time="2018-07-01"\)') as caught:
        split_dates(cube)
    assert caught.value.dates == 13
    with pytest.raises(CubeError, match="0 dates"):
        split_dates(cube.isel(time=slice(0, 0)))


def test_another_dimension_says_how_to_select(make_array):
    with pytest.raises(CubeError, match=r"4 steps along band; select one with .isel\(band=0\)"):
        split_dates(make_array(np.zeros((2, 2), "float32")).expand_dims(band=4))
    assert len(split_dates(make_array(np.zeros((2, 2), "float32")).expand_dims(band=1))) == 1


def test_uneven_pixels_and_missing_dimensions_are_refused(make_array):
    with pytest.raises(GridError, match="evenly spaced"):
        read_raster(make_array(np.zeros((2, 4), "float32")).isel(x=[0, 1, 3]))
    with pytest.raises(GridError, match="dimensions y and x"):
        split_dates(make_array(np.zeros((2, 4), "float32")).isel(x=0))
