from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgba

from terrascope_nb.errors import CubeError
from terrascope_nb.maps.colour import LINES, NOTHING, class_colours_of, colouring_of, find_band, short_label
from terrascope_nb.products.registry import get_product, list_products

GREY = [217, 217, 217, 255]


def test_the_style_of_the_product_gives_colours_and_range(ndvi):
    style = get_product("s2-ndvi").find_band("NDVI").style
    found = colouring_of(ndvi, ndvi.values)
    assert (found.cmap.name, found.vmin, found.vmax) == (style.cmap, style.vmin, style.vmax)
    assert found.label == "NDVI [-]"
    assert found.extend == "both"


def test_an_index_made_from_bands_looks_like_the_one_delivered(ndvi):
    computed = ndvi.copy().assign_attrs(product="s2-toc")
    del computed.attrs["band"]
    assert find_band("NDVI", computed.attrs) == get_product("s2-ndvi").find_band("NDVI")
    assert colouring_of(computed, computed.values).vmax == 0.92


def test_what_no_table_knows_is_viridis_between_its_2nd_and_98th_percentile(make_array):
    values = np.arange(100, dtype="float32").reshape(10, 10)
    values[0, 0] = np.nan
    found = colouring_of(make_array(values, name="q"), values)
    assert found.cmap.name == "viridis"
    np.testing.assert_allclose((found.vmin, found.vmax), np.percentile(np.arange(1, 100), [2, 98]))


@pytest.mark.parametrize(
    "values", [np.full((2, 2), np.nan), np.full((2, 2), 0.3), np.full((2, 2), np.inf)], ids=["nan", "flat", "inf"]
)
def test_a_flat_or_empty_picture_still_has_a_range(make_array, values):
    found = colouring_of(make_array(values, name="q"), values)
    assert found.vmin < found.vmax


def test_given_ends_and_colours_win(ndvi):
    found = colouring_of(ndvi, ndvi.values, cmap="cividis", vmin=0.0, vmax=0.5)
    assert (found.cmap.name, found.vmin, found.vmax) == ("cividis", 0.0, 0.5)
    with pytest.raises(CubeError, match="must be below"):
        colouring_of(ndvi, ndvi.values, vmin=1.0, vmax=0.0)


def test_missing_values_are_grey_and_the_ends_are_the_ends_of_the_map(ndvi):
    found = colouring_of(ndvi, ndvi.values)
    rgba = found.to_rgba(np.array([[np.nan, found.vmin, found.vmax, -9.0, 9.0]]))
    ends = [np.round(np.array(found.cmap(end)) * 255).tolist() for end in (0.0, 1.0)]
    assert rgba.dtype == np.uint8
    assert rgba[0].tolist() == [GREY, ends[0], ends[1], ends[0], ends[1]]


def test_classes_have_their_names_and_colours_and_other_numbers_are_grey(scl):
    found = class_colours_of(scl)
    assert found.names == ("Vegetation", "Bare soil", "Water")
    rgba = found.to_rgba(np.array([[4, 5, 6, 77, 0]], dtype="uint8"))
    assert rgba[0].tolist() == [[16, 211, 45, 255], [255, 255, 83, 255], [0, 0, 255, 255], GREY, GREY]


def test_class_names_come_from_the_table_where_the_product_is_known(scl):
    band = get_product("s2-toc").find_band("SCL")
    known = scl.assign_attrs(product="s2-toc", band="SCL")
    expected = {one.value: one.title["en"] for one in band.classes}
    assert class_colours_of(known).names == tuple(expected[value] for value in (4, 5, 6))


@pytest.mark.parametrize("count", [3, 18, 40])
def test_classes_without_colours_get_different_ones(make_array, count):
    found = class_colours_of(make_array(np.zeros((2, 2), "uint8"), flag_values=list(range(count))))
    assert len(set(found.colours)) == count
    assert found.names[:2] == ("0", "1")


@pytest.mark.parametrize(
    ("attrs", "says"),
    [
        ({}, "no flag_values"),
        ({"flag_masks": [1, 2]}, "bit fields"),
        ({"flag_values": [1, 2], "flag_meanings": "one"}, "2 flag_values, 1 flag_meanings"),
    ],
)
def test_what_has_no_classes_says_why(make_array, attrs, says):
    with pytest.raises(CubeError, match=says):
        class_colours_of(make_array(np.zeros((2, 2), "uint8"), **attrs))


@pytest.mark.parametrize(
    ("attrs", "label"),
    [
        ({"units": "m2 m-2"}, "LAI [m² m⁻²]"),
        ({"units": "%"}, "LAI [%]"),
        ({}, "LAI"),
        ({"units": "unknown"}, "LAI [unit unknown]"),
    ],
)
def test_units_are_printed_as_people_write_them(attrs, label):
    assert short_label("LAI", attrs) == label


def test_no_style_of_a_product_is_rainbow_or_red_and_green():
    styles = {band.style.cmap for product in list_products() for band in product.bands if band.style.cmap}
    assert styles <= set(mpl.colormaps)
    assert not styles & {"jet", "rainbow", "hsv", "gist_rainbow", "RdYlGn", "RdYlGn_r", "nipy_spectral", "turbo"}


def test_lines_can_be_told_apart_from_each_other_and_from_white():
    colours = np.array([to_rgba(colour)[:3] for colour in LINES])
    assert min(np.abs(a - b).sum() for i, a in enumerate(colours) for b in colours[:i]) > 0.3
    assert (colours.mean(axis=1) < 0.75).all()
    assert NOTHING not in LINES
