from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from affine import Affine
from hypothesis import assume, given
from hypothesis import strategies as st

from terrascope_nb.analysis import pixels
from terrascope_nb.analysis.pixels import Grid, feature_pixels, grid_of
from terrascope_nb.errors import GridError

DATA = Path(__file__).parents[1] / "data" / "parcel_masks"
GRID = Grid("EPSG:32631", Affine(10, 0, 600000, 0, -10, 5700000), (20, 30))
LEFT, TOP = 600000.0, 5700000.0


def centres_inside(geometry, grid):
    """Shapely's own answer, pixel by pixel."""
    rows, columns = np.indices(grid.shape)
    t = grid.transform
    x, y = t.c + (columns + 0.5) * t.a, t.f + (rows + 0.5) * t.e
    return shapely.contains_xy(geometry, x, y)


@pytest.mark.parametrize("parcel", ["190", "2"])
def test_a_parcel_has_the_pixels_of_terrascopes_own_mask(parcel):
    outline = shapely.from_wkt(json.loads((DATA / "parcels.json").read_text())[parcel])
    with rasterio.open(DATA / f"fieldmask_{parcel}.tif") as file:
        outside, grid = file.read(1), Grid("EPSG:32631", file.transform, file.shape)
    found = feature_pixels(outline, grid)
    np.testing.assert_array_equal(found.to_mask(grid.shape), outside == 0)
    assert found.total == int((outside == 0).sum())
    assert not found.touched


coordinate = st.floats(-40, 340, allow_nan=False)


@given(st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=9))
def test_pixels_are_those_whose_centre_shapely_finds_inside(points):
    polygon = shapely.MultiPoint([(LEFT + x, TOP - y) for x, y in points]).convex_hull
    assume(polygon.area > 0)
    rows, columns = np.indices(GRID.shape)
    centres = shapely.points(LEFT + columns * 10 + 5, TOP - rows * 10 - 5)
    clear = shapely.distance(polygon.boundary, centres) > 1e-3  # a centre on the border may go either way
    found = feature_pixels(polygon, GRID)
    expected = centres_inside(polygon, GRID)
    if found.touched:
        assert not expected[clear].any()
    else:
        np.testing.assert_array_equal(found.to_mask(GRID.shape)[clear], expected[clear])


@given(st.integers(1, 19), st.integers(1, 29), st.floats(0.0, 2 * np.pi))
def test_neighbours_share_a_border_and_no_pixel(row, column, angle):
    # A tilted line through the grid: every pixel belongs to exactly one side.
    centre = shapely.Point(LEFT + column * 10 + 0.123, TOP - row * 10 - 0.456)
    frame = shapely.box(LEFT, TOP - 200, LEFT + 300, TOP)
    far = 1000 * np.array([np.cos(angle), np.sin(angle)])
    cut = shapely.LineString([centre.coords[0] - far, centre.coords[0] + far])
    parts = shapely.ops.split(frame, cut).geoms
    counted = sum(feature_pixels(part, GRID).to_mask(GRID.shape).astype(int) for part in parts)
    assert (counted == 1).all()


def test_a_feature_without_a_pixel_centre_gets_the_pixels_it_touches():
    sliver = shapely.box(LEFT + 96, TOP - 57, LEFT + 104, TOP - 56)
    found = feature_pixels(sliver, GRID)
    assert found.touched
    assert found.to_mask(GRID.shape)[5, 9:11].all()
    assert found.total == 2


def test_a_point_gets_its_pixel_and_a_line_the_pixels_it_crosses():
    point = feature_pixels(shapely.Point(LEFT + 123, TOP - 87), GRID)
    assert (point.row.tolist(), point.start.tolist(), point.total) == ([8], [12], 1)
    assert not point.touched
    line = feature_pixels(shapely.LineString([(LEFT + 2, TOP - 2), (LEFT + 48, TOP - 2)]), GRID)
    assert line.to_mask(GRID.shape)[0, :5].all()
    assert line.total == 5


def test_pixels_outside_the_grid_count_in_the_total_only():
    half = shapely.box(LEFT - 50, TOP - 100, LEFT + 50, TOP)
    found = feature_pixels(half, GRID)
    assert (found.inside, found.total) == (50, 100)
    away = feature_pixels(shapely.box(LEFT - 500, TOP, LEFT - 400, TOP + 100), GRID)
    assert (away.inside, away.total) == (0, 100)


def test_a_feature_whose_centres_lie_beyond_the_edge_does_not_fall_back_to_touching():
    # Its part on the grid holds no centre, but the feature as a whole does.
    over = shapely.box(LEFT - 20, TOP - 20, LEFT + 4, TOP)
    found = feature_pixels(over, GRID)
    assert (found.inside, found.total, found.touched) == (0, 4, False)


def test_a_country_over_a_small_cube_is_counted_by_area_and_not_rasterised(monkeypatch):
    monkeypatch.setattr(pixels, "_STRIP_PIXELS", 64)
    country = shapely.box(LEFT - 3000, TOP - 4000, LEFT + 100, TOP + 1000)
    found = feature_pixels(country, GRID)
    assert found.inside == 10 * 20
    assert found.total == 310 * 500


def test_strips_give_the_same_pixels_as_one_piece(monkeypatch):
    star = shapely.Point(LEFT + 150, TOP - 100).buffer(87.3)
    whole = feature_pixels(star, GRID)
    monkeypatch.setattr(pixels, "_STRIP_PIXELS", 70)
    np.testing.assert_array_equal(feature_pixels(star, GRID).to_mask(GRID.shape), whole.to_mask(GRID.shape))
    np.testing.assert_array_equal(whole.to_mask(GRID.shape), centres_inside(star, GRID))


def test_a_south_up_grid_and_a_hole_are_understood():
    ring = shapely.Point(LEFT + 150, TOP - 100).buffer(80).difference(shapely.Point(LEFT + 150, TOP - 100).buffer(31))
    upside_down = Grid("EPSG:32631", Affine(10, 0, LEFT, 0, 10, TOP - 200), (20, 30))
    found = feature_pixels(ring, upside_down).to_mask((20, 30))
    np.testing.assert_array_equal(found, centres_inside(ring, upside_down))
    np.testing.assert_array_equal(found[::-1], feature_pixels(ring, GRID).to_mask((20, 30)))


def test_an_empty_geometry_has_no_pixels():
    assert feature_pixels(shapely.Polygon(), GRID).total == 0


def test_the_grid_is_read_from_the_coordinates(make_cube):
    cube = make_cube({"a": np.zeros((3, 4), "float32")})
    assert grid_of(cube) == Grid("EPSG:32631", Affine(10, 0, 600000, 0, -10, 5700000), (3, 4))
    assert grid_of(cube.a.isel(y=slice(1, 2), x=slice(2, 3))).transform == Affine(10, 0, 600020, 0, -10, 5699990)


CUT = {
    "whole": {}, "row": {"y": slice(1, 2)}, "column": {"x": slice(2, 3)}, "pixel": {"y": slice(1, 2), "x": slice(0, 1)},
    "thinned": {"y": slice(None, None, 2), "x": slice(1, None, 3)}, "upside down": {"y": slice(None, None, -1)},
}  # fmt: skip


@pytest.mark.parametrize("mapping", ["encoding", "attribute", "unnamed"])
@pytest.mark.parametrize("part", CUT.values(), ids=CUT)
@pytest.mark.parametrize(
    ("crs", "corner", "resolution"),
    [
        ("EPSG:32631", (600000.0, 5700000.0), 10.0),
        ("EPSG:4326", (3.0 - 1 / 224, 51.0 + 1 / 224), 1 / 112),
        ("EPSG:3857", (400000.3, 6600000.7), 16.0),
        ("+proj=laea +lat_0=50 +lon_0=4 +datum=WGS84 +units=m", (-3000.0, 1000.0), 30.0),
    ],
    ids=["UTM", "degrees", "Mercator", "no code"],
)
def test_the_grid_is_the_one_that_odc_geo_finds(make_cube, crs, corner, resolution, part, mapping):
    cube = make_cube({"a": np.zeros((7, 9), "float32")}, crs=crs, corner=corner, resolution=resolution)
    band = cube["a"].isel(part)
    band.encoding.clear()
    if mapping == "encoding":
        band.encoding["grid_mapping"] = "spatial_ref"
    elif mapping == "attribute":
        band.attrs["grid_mapping"] = "spatial_ref"
    found, box = grid_of(band), band.odc.geobox
    assert (found.transform, found.shape) == (box.transform, tuple(box.shape))
    assert found.crs == (f"EPSG:{box.crs.epsg}" if box.crs.epsg else box.crs.to_wkt())


def test_a_grid_that_is_said_in_words_nobody_knows_is_no_grid(make_cube):
    cube = make_cube({"a": np.zeros((3, 4), "float32")})
    cube["spatial_ref"].attrs.update(spatial_ref="here", crs_wkt="here")
    with pytest.raises(GridError, match="coordinate system"):
        grid_of(cube)


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (lambda cube: cube.isel(x=[0, 1, 3]), "not evenly spaced along x"),
        (lambda cube: cube.drop_vars("spatial_ref"), "coordinate system"),
        (lambda cube: cube.rename(y="row"), "dimensions y and x"),
    ],
    ids=["gap", "no crs", "no y"],
)
def test_a_cube_without_a_grid_says_what_is_missing(make_cube, broken, says):
    cube = make_cube({"a": np.zeros((3, 4), "float32")}).drop_attrs()
    for name in ("x", "y"):
        cube[name] = xr.DataArray(cube[name].values, dims=name)
    with pytest.raises(GridError, match=says):
        grid_of(broken(cube))
