"""Pixel centres inside polygons, against GDAL's rasteriser: the very same pixels, also where a border meets a centre."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import assume, given
from hypothesis import strategies as st
from rasterio.features import rasterize

from terrascope_nb.analysis.pixels import Grid, feature_pixels, features_pixels
from terrascope_nb.analysis.scanlines import centre_mask, centre_runs

SHAPE = (14, 17)
TRANSFORMS = {
    "UTM": Affine(10, 0, 600000, 0, -10, 5700000),
    "degrees": Affine(1 / 112, 0, 3.1, 0, -1 / 112, 51.3),
    "south up": Affine(20, 0, 600003.3, 0, 20, 5699000.1),
    "small": Affine(0.1, 0, 0.05, 0, -0.1, 7.3),
}
NUMBERS = {
    "anywhere": st.floats(-3, 20, allow_nan=False),
    "on borders and centres": st.integers(-6, 40).map(lambda number: number / 2),
    "on centres": st.integers(-3, 20).map(lambda number: number + 0.5),
}


def drawn(geometry, transform, window):
    """What GDAL draws of a geometry in a window."""
    top, bottom, left, right = window
    corner = Affine(transform.a, 0, transform.c + left * transform.a, 0, transform.e, transform.f + top * transform.e)
    return rasterize([(geometry, 1)], out_shape=(bottom - top, right - left), transform=corner).astype(bool)


def filled(runs, window):
    top, bottom, left, right = window
    mask = np.zeros((bottom - top, right - left), dtype=int)
    for row, start, stop in zip(*runs, strict=True):
        if top <= row < bottom:
            mask[row - top, max(start - left, 0) : max(stop - left, 0)] += 1
    assert mask.max(initial=0) <= 1  # no pixel twice
    return mask.astype(bool)


@st.composite
def shapes(draw):
    numbers = NUMBERS[draw(st.sampled_from(sorted(NUMBERS)))]
    points = draw(st.lists(st.tuples(numbers, numbers), min_size=3, max_size=9))
    transform = TRANSFORMS[draw(st.sampled_from(sorted(TRANSFORMS)))]
    placed = [transform * point for point in points]
    kind = draw(st.sampled_from(["polygon", "hull", "holed", "parts", "points"]))
    if kind == "points":
        return shapely.MultiPoint(placed), transform
    shape = shapely.make_valid(shapely.Polygon(placed))
    if kind == "hull":
        shape = shapely.convex_hull(shape)
    elif kind == "holed":
        shape = shape.difference(shape.buffer(-abs(transform.a)))
    elif kind == "parts":
        middle = np.mean(placed, axis=0)
        shape = shape.symmetric_difference(shapely.box(*np.min(placed, axis=0), *middle))
    assume(shape.geom_type in ("Polygon", "MultiPolygon") and not shape.is_empty)
    return (shapely.reverse(shape) if draw(st.booleans()) else shape), transform


@given(shapes(), st.sampled_from([(-5, 24, -6, 25), (0, *SHAPE[:1], 0, SHAPE[1]), (3, 9, 5, 11)]))
def test_the_pixels_are_those_that_gdal_draws(shape, window):
    geometry, transform = shape
    (runs,) = centre_runs([geometry], transform, [window])
    np.testing.assert_array_equal(filled(runs, window), drawn(geometry, transform, window))
    if window[0] == window[2] == 0:
        mask = centre_mask(geometry, transform, (window[1], window[3]))
        np.testing.assert_array_equal(mask, drawn(geometry, transform, window))


@given(st.lists(shapes(), min_size=1, max_size=6))
def test_many_at_once_are_each_alone(many):
    transform = many[0][1]
    geometries = [shape for shape, placed in many if placed == transform]
    windows = [(-5 + n, 20, -4, 20 + n) for n in range(len(geometries))]
    for geometry, window, runs in zip(geometries, windows, centre_runs(geometries, transform, windows), strict=True):
        (alone,) = centre_runs([geometry], transform, [window])
        np.testing.assert_array_equal(runs, alone)


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
def test_runs_are_as_long_as_they_can_be_and_in_order(transform):
    two = shapely.MultiPolygon([shapely.box(1, 1, 4, 4), shapely.box(4, 0, 7, 3)])
    placed = shapely.transform(two, lambda xy: np.array([transform * tuple(point) for point in xy]))
    ((row, start, stop),) = centre_runs([placed], transform, [(0, 10, 0, 10)])
    assert list(zip(row, start, stop, strict=True)) == [(0, 4, 7), (1, 1, 7), (2, 1, 7), (3, 1, 4)]


def test_every_kind_of_feature_at_once_is_each_alone():
    grid = Grid("EPSG:32631", TRANSFORMS["UTM"], SHAPE)
    left, top = 600000.0, 5700000.0
    every = [
        shapely.box(left + 12, top - 88, left + 77, top - 31),
        shapely.Polygon(),
        shapely.box(left + 96, top - 57, left + 104, top - 56),  # no centre: what it touches
        shapely.LineString([(left + 2, top - 2), (left + 48, top - 2)]),
        shapely.Point(left + 33, top - 44),
        shapely.Point(left - 3000, top - 44),
        shapely.GeometryCollection([shapely.box(left, top - 20, left + 20, top), shapely.Point(left + 55, top - 55)]),
    ]
    counts = []
    for one, together in zip(every, features_pixels(every, grid), strict=True):
        alone = feature_pixels(one, grid)
        np.testing.assert_array_equal(together.to_mask(SHAPE), alone.to_mask(SHAPE))
        assert (together.total, together.touched) == (alone.total, alone.touched)
        counts.append((together.inside, together.touched))
    assert counts == [(42, False), (0, False), (2, True), (5, True), (1, False), (0, False), (5, False)]
