from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from terrascope_nb.errors import CubeError, UnknownBandError
from terrascope_nb.maps.rgb_figure import plot_rgb, stretch_rgb

GREY = [217, 217, 217, 255]


@pytest.fixture
def cube(make_array):
    rng = np.random.default_rng(5)
    attrs = {"units": "1", "attribution": "Contains modified Copernicus Sentinel data 2018"}
    bands = {"red": "B04", "green": "B03", "blue": "B02", "nir": "B08"}
    return xr.Dataset(
        {
            name: make_array(
                rng.uniform(0.02, 0.18, (1, 6, 8)).astype("float32"),
                times=("2018-07-05T10:50:29",),
                name=name,
                band=band,
                common_name=name,
                **attrs,
            )
            for name, band in bands.items()
        }
    )


def picture(figure):
    return figure.axes[0].images[0].get_array()


def test_reflectance_becomes_colour_by_one_fixed_stretch(cube):
    rgba = picture(plot_rgb(cube))
    expected = np.round(
        np.stack([cube[name].values[0] for name in ("red", "green", "blue")], -1).astype(float) / 0.2 * 255
    )
    np.testing.assert_allclose(rgba[..., :3], expected, atol=1)
    assert (rgba[..., 3] == 255).all()


def test_missing_values_are_grey_and_never_stretch_the_rest(cube):
    # The official sample took its range from min and max including nodata 32767: black pictures.
    holed = cube.copy(deep=True)
    holed.red.values[0, 0, 0] = np.nan
    holed.blue.values[0, 1, 1] = np.inf
    for stretch in (None, "percentile"):
        rgba = picture(plot_rgb(holed, stretch=stretch))
        assert rgba[0, 0].tolist() == GREY
        assert rgba[1, 1].tolist() == GREY
        assert rgba[2:, 2:, :3].max() > 200
        assert rgba[2:, 2:, :3].min() < 60


def test_negative_reflectance_is_black_and_does_not_wrap(cube):
    dark = cube.copy(deep=True)
    dark.red.values[0, 3, 3] = -0.004
    dark.green.values[0, 3, 3] = 4.0
    assert picture(plot_rgb(dark))[3, 3, :2].tolist() == [0, 255]


def test_bands_are_found_by_name_common_name_and_platform_name(cube):
    renamed = cube.rename(red="r")
    np.testing.assert_array_equal(picture(plot_rgb(renamed, ("red", "B03", "Blue"))), picture(plot_rgb(cube)))
    with pytest.raises(UnknownBandError, match=r"has no band 'gren'.*Did you mean green"):
        plot_rgb(cube, ("red", "gren", "blue"))


def test_the_title_says_true_or_false_colour_and_the_footer_how(cube):
    figure = plot_rgb(cube)
    assert figure.axes[0].get_title() == "True colour (red, green, blue), 2018-07-05"
    assert "Colours span 0 to 0.2 in each band." in figure.get_supxlabel()
    assert "Sentinel data 2018" in figure.get_supxlabel()
    other = plot_rgb(cube, ("nir", "red", "green"), stretch=[(0, 0.5), (0, 0.2), (0, 0.2)])
    assert other.axes[0].get_title().startswith("False colour (nir, red, green)")
    assert "nir 0 to 0.5, red 0 to 0.2, green 0 to 0.2" in other.get_supxlabel()


def test_dates_are_stretched_alike_so_that_they_compare(cube):
    later = (cube / 2).assign_coords(time=[np.datetime64("2018-07-08", "ns")])
    figure = plot_rgb(xr.concat([cube, later], "time"), stretch="percentile")
    first, second = (axes.images[0].get_array()[..., :3].astype(float).mean() for axes in figure.axes[:2])
    assert second < 0.7 * first


def test_stored_numbers_are_refused(cube):
    with pytest.raises(CubeError, match="stored numbers"):
        plot_rgb((cube * 10000).astype("int16"))
    with pytest.raises(CubeError, match="stored numbers"):
        plot_rgb(cube.assign(red=cube.red.assign_attrs(physical="false")))


@pytest.mark.parametrize("stretch", [(0.3, 0.1), "minmax", [(0, 1), (0, 1)]])
def test_a_stretch_that_is_none_is_refused(cube, stretch):
    with pytest.raises(CubeError, match="stretch"):
        plot_rgb(cube, stretch=stretch)


def test_three_bands_are_needed(cube):
    with pytest.raises(CubeError, match="takes three bands, not 2"):
        plot_rgb(cube, ("red", "green"))


def test_a_flat_or_empty_picture_is_drawn(cube):
    assert (picture(plot_rgb(cube * 0 + 0.1, stretch="percentile"))[..., 3] == 255).all()
    assert (picture(plot_rgb(cube.where(False), stretch="percentile")) == GREY).all()


def test_stretch_gives_bytes():
    assert stretch_rgb(np.zeros((2, 3, 3)), [(-1, 1)] * 3).dtype == np.uint8


def test_backscatter_makes_a_colour_picture_of_linear_values(make_array):
    attrs = {"product": "s1-sigma0", "units": "1", "standard_name": "surface_backwards_scattering_coefficient"}
    bands = {name: make_array(np.full((2, 2), 0.1, "float32"), name=name, band=name, **attrs) for name in ("VV", "VH")}
    figure = plot_rgb(xr.Dataset(bands), ("VV", "VH", "VV"), stretch=(0.0, 0.2))
    assert set(picture(figure)[..., :3].ravel().tolist()) == {128}


def test_one_band_is_told_what_a_colour_picture_takes(cube):
    with pytest.raises(CubeError, match=r"takes an xarray.Dataset with three bands.*DataArray"):
        plot_rgb(cube.red)
