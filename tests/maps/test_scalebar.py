from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from pyproj import Geod, Transformer

from terrascope_nb.maps.scalebar import add_scale_bar, metres_per_unit, round_length


@given(st.floats(1e-3, 1e7))
def test_a_length_is_round_and_fills_between_two_fifths_and_all_of_the_room(most):
    length = round_length(most)
    lead = length / 10 ** math.floor(math.log10(length) + 1e-9)
    assert lead == pytest.approx(1) or lead == pytest.approx(2) or lead == pytest.approx(5)
    assert 0.39 * most <= length <= most * (1 + 1e-6)


@pytest.mark.parametrize(
    ("crs", "x", "y", "width"),
    [("EPSG:32631", 600000, 5700000, 5000), ("EPSG:4326", 4.4, 51.4, 0.1), ("EPSG:3857", 490000, 6690000, 8000)],
    ids=["utm", "degrees", "web mercator"],
)
def test_the_bar_is_as_long_on_the_ground_as_it_says(crs, x, y, width):
    axes = Figure().add_subplot()
    axes.set(xlim=(x, x + width), ylim=(y, y + width))
    bar = add_scale_bar(axes, crs)
    number, unit = bar.txt_label.get_text().split()
    said = float(number) * (1000 if unit == "km" else 1)
    drawn = bar.size_bar.get_children()[0].get_width()
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    middle, row = x + width / 2, y + width / 2
    ends = [to_degrees.transform(place, row) for place in (middle - drawn / 2, middle + drawn / 2)]
    assert Geod(ellps="WGS84").line_length(*zip(*ends, strict=True)) == pytest.approx(said, rel=1e-3)


def test_a_degree_of_longitude_is_shorter_than_one_of_the_equator():
    assert metres_per_unit("EPSG:4326", 4, 0, 1) == pytest.approx(111319.5, rel=1e-4)
    assert metres_per_unit("EPSG:4326", 4, 60, 0.01) == pytest.approx(111319.5 / 2, rel=3e-3)
