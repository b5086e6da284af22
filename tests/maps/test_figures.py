from __future__ import annotations

import io

import geopandas as gpd
import matplotlib.figure
import numpy as np
import pytest
import shapely
import xarray as xr
from matplotlib.collections import LineCollection

from terrascope_nb.errors import CubeError, TerrascopeWarning
from terrascope_nb.maps.figures import plot_classes, plot_map

GREY = (217 / 255, 217 / 255, 217 / 255, 1.0)


def footer(figure):
    return figure.get_supxlabel()


def scale_bars(axes):
    return [artist for artist in axes.artists if type(artist).__name__ == "AnchoredSizeBar"]


def test_a_map_says_what_when_in_which_unit_how_far_and_from_whom(ndvi):
    figure = plot_map(ndvi)
    assert isinstance(figure, matplotlib.figure.Figure)
    axes = figure.axes[0]
    assert axes.get_title() == "Vegetation index, 2018-07-05"
    bar = axes.images[0].colorbar
    assert bar.ax.get_ylabel() == "NDVI [-]"
    assert (bar.vmin, bar.vmax) == (-0.08, 0.92)
    assert len(scale_bars(axes)) == 1
    assert "Contains modified Copernicus Sentinel data 2018, processed by VITO" in footer(figure).replace("\n", " ")
    assert "Light grey: no valid value (2 %)" in footer(figure)
    assert axes.get_xlabel() == "Easting [km], EPSG:32631"
    assert axes.get_ylabel() == "Northing [km]"


def test_the_colours_on_the_map_are_those_of_the_physical_values(ndvi):
    image = plot_map(ndvi, vmin=0.0, vmax=1.0, cmap="viridis").axes[0].images[0]
    np.testing.assert_array_equal(image.get_array().filled(np.nan), ndvi.values[0])
    rgba = image.to_rgba(image.get_array())
    assert tuple(rgba[0, 0]) == pytest.approx(GREY)
    assert tuple(rgba[-1, -1]) == pytest.approx(image.cmap(1.0))


def test_north_is_up_and_the_picture_lies_where_the_data_lie(ndvi):
    for array in (ndvi, ndvi.isel(y=slice(None, None, -1))):
        axes = plot_map(array).axes[0]
        assert axes.get_ylim() == (5699880, 5700000)
        assert axes.get_xlim() == (600000, 600300)
        assert np.isnan(axes.images[0].get_array().filled(np.nan)[0, 0])


def test_the_figure_is_drawn_whole_nothing_is_cut_off(ndvi):
    figure = plot_map(
        ndvi.assign_attrs(attribution="Contains modified Copernicus Sentinel data 2018. " + "More words. " * 30)
    )
    figure.draw_without_rendering()
    frame = figure.bbox
    for text in [
        figure._supxlabel,
        figure.axes[0].title,
        figure.axes[0].images[0].colorbar.ax.yaxis.label,
        figure.axes[0].yaxis.label,
    ]:
        box = text.get_window_extent()
        assert box.x0 >= frame.x0 - 1
        assert box.x1 <= frame.x1 + 1
        assert box.y0 >= frame.y0 - 1
        assert box.y1 <= frame.y1 + 1


def test_degrees_are_drawn_in_proportion_and_named(make_array):
    values = np.zeros((10, 10), "float32")
    figure = plot_map(make_array(values, crs="EPSG:4326", corner=(4.0, 60.05), resolution=0.01))
    axes = figure.axes[0]
    assert axes.get_aspect() == pytest.approx(2.0, rel=1e-3)
    assert axes.get_xlabel() == "Longitude [°], EPSG:4326"
    assert len(scale_bars(axes)) == 1


def test_without_a_coordinate_system_there_is_no_scale_bar_and_no_claim(make_array):
    bare = make_array(np.zeros((4, 4), "float32"), name="q").drop_vars("spatial_ref")
    bare = xr.DataArray(bare.values, dims=("y", "x"), coords={"y": np.arange(4.0)[::-1], "x": np.arange(4.0)}, name="q")
    figure = plot_map(bare)
    assert scale_bars(figure.axes[0]) == []
    assert figure.axes[0].get_xlabel() == ""
    assert footer(figure) == ""


def test_several_dates_share_one_colour_scale(ndvi):
    days = [np.datetime64("2018-07-05", "ns") + np.timedelta64(n, "D") for n in range(5)]
    cube = xr.concat(
        [(ndvi * (n + 1) / 5).assign_attrs(ndvi.attrs).assign_coords(time=[day]) for n, day in enumerate(days)], "time"
    )
    figure = plot_map(cube)
    maps = [axes for axes in figure.axes if axes.images and axes.get_visible()]
    assert [axes.get_title() for axes in maps] == [f"2018-07-{5 + n:02d}" for n in range(5)]
    assert {axes.images[0].get_clim() for axes in maps} == {(-0.08, 0.92)}
    assert sum(axes.images[0].colorbar is not None for axes in maps) == 1
    assert figure.get_suptitle() == "Vegetation index"
    assert sum(len(scale_bars(axes)) for axes in maps) == 1


def test_two_passes_of_one_day_are_told_apart(ndvi):
    cube = xr.concat([ndvi, ndvi.assign_coords(time=[np.datetime64("2018-07-05T11:02:03", "ns")])], "time")
    assert [axes.get_title() for axes in plot_map(cube).axes[:2]] == ["2018-07-05 10:50", "2018-07-05 11:02"]


def test_a_dataset_of_one_variable_is_taken_and_of_more_is_asked_about(ndvi):
    assert plot_map(ndvi.to_dataset()).axes[0].get_title() == "Vegetation index, 2018-07-05"
    with pytest.raises(CubeError, match="this cube has NDVI, other"):
        plot_map(ndvi.to_dataset().assign(other=ndvi))


def test_an_area_is_drawn_in_the_maps_own_coordinates(ndvi):
    shapes = [shapely.box(600050, 5699900, 600100, 5699950), shapely.Point(600200, 5699950)]
    table = gpd.GeoDataFrame({"id": ["a", "b"]}, geometry=shapes, crs="EPSG:32631")
    for given in (table, table.to_crs("EPSG:4326")):
        axes = plot_map(ndvi, area=given).axes[0]
        (lines,) = (one for one in axes.collections if isinstance(one, LineCollection))
        corners = lines.get_segments()[0]
        assert tuple(corners.min(axis=0)) == pytest.approx((600050, 5699900), abs=0.01)
        assert tuple(corners.max(axis=0)) == pytest.approx((600100, 5699950), abs=0.01)
        (points,) = (one for one in axes.collections if one is not lines)
        assert points.get_gid() == "area"
        assert tuple(points.get_offsets()[0]) == pytest.approx((600200, 5699950), abs=0.01)
        assert axes.get_xlim() == (600000, 600300)


def test_an_axes_of_ones_own_is_drawn_in(ndvi):
    own = matplotlib.figure.Figure()
    left, right = own.subplots(1, 2)
    assert plot_map(ndvi, ax=left) is own
    assert len(left.images) == 1
    assert not right.images
    with pytest.raises(CubeError, match="2 dates do not fit in one ax"):
        plot_map(xr.concat([ndvi, ndvi], "time"), ax=left)


def test_an_all_missing_map_is_grey_and_says_so(ndvi):
    figure = plot_map(ndvi.where(False))
    assert "no valid value (100 %)" in footer(figure)


def test_a_lazy_cube_gives_the_same_map(ndvi):
    eager, lazy = (plot_map(one).axes[0].images[0].get_array() for one in (ndvi, ndvi.chunk({"y": 5})))
    np.testing.assert_array_equal(eager, lazy)


def test_a_figure_needs_no_pyplot_and_leaves_none_open(ndvi):
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    buffer = io.BytesIO()
    plot_map(ndvi).savefig(buffer, format="png")
    assert buffer.getvalue().startswith(b"\x89PNG")
    assert plt.get_fignums() == before


def test_classes_have_a_named_legend_of_what_is_there(scl):
    figure = plot_classes(scl)
    axes = figure.axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["Vegetation (4), 79 %", "Water (6), 20 %", "no class, 1 %"]
    colours = [patch.get_facecolor() for patch in axes.get_legend().get_patches()]
    assert colours[0] == pytest.approx((0x10 / 255, 0xD3 / 255, 0x2D / 255, 1.0))
    rgba = axes.images[0].get_array()
    assert rgba[0, 9].tolist() == [217, 217, 217, 255]
    assert rgba[5, 0].tolist() == [0, 0, 255, 255]
    assert axes.get_title() == "Scene classification, 2018-07-05"
    assert "Sentinel data 2018" in footer(figure)


def test_a_class_band_given_to_plot_map_is_never_drawn_as_a_measurement(scl):
    # The official sample drew the classes with a colour range that made clouds look like water.
    figure = plot_map(scl)
    assert figure.axes[0].get_legend() is not None
    assert figure.axes[0].images[0].colorbar is None


def test_classes_of_several_dates_share_one_legend(scl):
    cube = xr.concat([scl, scl.assign_coords(time=[np.datetime64("2018-07-08", "ns")])], "time")
    figure = plot_classes(cube)
    assert len(figure.legends) == 1
    figure.draw_without_rendering()
    assert figure.legends[0].get_window_extent().x1 <= figure.bbox.x1 + 1


def test_a_measurement_is_no_class_map(ndvi):
    with pytest.raises(CubeError, match="no flag_values"):
        plot_classes(ndvi)


def test_classes_that_where_made_floats_are_still_drawn_as_classes(scl):
    figure = plot_map(scl.where(scl != 77).assign_attrs(scl.attrs))
    assert [axes.images[0].colorbar for axes in figure.axes] == [None]
    assert {text.get_text().split(" (")[0] for text in figure.axes[0].get_legend().get_texts()} >= {
        "Vegetation",
        "Water",
    }


def test_a_comparison_of_classes_is_a_map_of_0_and_1_where_0_is_a_value(scl):
    figure = plot_map((scl == 4).assign_attrs(scl.attrs, nodata=0))
    drawn = figure.axes[0].images[0].get_array().filled(np.nan)
    np.testing.assert_array_equal(drawn, (scl.values[0] == 4).astype(float))


@pytest.fixture
def sigma0(make_array):
    values = np.array([[0.001, 0.01, 0.1, 1.0], [0.0, -0.02, np.nan, 0.05]], dtype="float32")
    return make_array(
        values, name="VV", product="s1-sigma0", band="VV", units="1", long_name="Backscatter VV (linear)", nodata=np.nan
    )


def test_backscatter_is_drawn_in_decibels_over_the_range_of_the_table(sigma0):
    figure = plot_map(sigma0)
    image = figure.axes[0].images[0]
    expected = [[-30, -20, -10, 0], [np.nan, np.nan, np.nan, 10 * np.log10(0.05)]]
    np.testing.assert_allclose(image.get_array().filled(np.nan), expected, atol=1e-5)
    assert image.get_clim() == pytest.approx((-25, 3), abs=1e-4)
    assert image.colorbar.ax.get_ylabel() == "VV [dB]"
    assert figure.axes[0].get_title() == "Backscatter VV"
    assert "10·log₁₀" in footer(figure)
    assert "no valid value (38 %)" in footer(figure)
    assert plot_map(sigma0, vmin=-20, vmax=0).axes[0].images[0].get_clim() == (-20, 0)


def test_what_is_decibels_already_is_not_converted_again(sigma0):
    logarithm = (10 * np.log10(sigma0.where(sigma0 > 0))).assign_attrs(sigma0.attrs).rename("VV")
    images = [plot_map(logarithm.assign_attrs(units="dB")).axes[0].images[0]]
    with pytest.warns(TerrascopeWarning, match="taken for decibels"):
        images.append(plot_map(logarithm).axes[0].images[0])
    for image in images:
        np.testing.assert_array_equal(image.get_array().filled(np.nan), logarithm.values)
        assert image.colorbar.ax.get_ylabel() == "VV [dB]"


def test_a_comparison_of_backscatter_is_no_decibels(sigma0):
    image = plot_map((sigma0 > 0.05).assign_attrs(sigma0.attrs)).axes[0].images[0]
    assert set(np.unique(image.get_array().filled(np.nan))) == {0.0, 1.0}


@pytest.mark.parametrize("outside", [0, 255, np.nan])
def test_shares_of_classes_leave_out_what_has_no_data(scl, outside):
    values = scl.where(scl != 77, 4).astype("float32")
    clipped = values.where(values.y > float(values.y[5]), outside).assign_attrs(
        scl.attrs, nodata=0 if np.isnan(outside) else outside, flag_values=[0, 4, 6],
        flag_meanings="no_data vegetation water", flag_colors="#000000 #10d32d #0000ff",
    )  # fmt: skip
    figure = plot_classes(clipped)
    labels = {text.get_text() for text in figure.axes[0].get_legend().get_texts()}
    assert labels == {"No data (0)" if outside == 0 else "no data", "Vegetation (4), 80 %", "Water (6), 20 %"}
    assert "Shares are of the pixels with data." in footer(figure)


@pytest.mark.parametrize("draw", [plot_map, plot_classes])
def test_an_array_without_place_is_told_what_a_map_takes(draw):
    with pytest.raises(CubeError, match=r"takes an xarray.DataArray .* this is numpy.ndarray"):
        draw(np.zeros((4, 4)))
