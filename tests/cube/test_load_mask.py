"""Masks, buffers, filters of dates and clipping, against brute force on the stored numbers."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pystac
import pytest
import rasterio
import shapely
from rasterio.features import geometry_mask

from terrascope_nb.cube.compute import explain
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import MaskError, NothingFoundError, TerrascopeWarning
from terrascope_nb.extent.aoi import area as make_area

LEFT, TOP = 600000.0, 5700000.0
# Sen2Cor's classes that the usual practice calls invalid: no data, defective, shadow, clouds, cirrus, snow.
UNCLEAR = (0, 1, 3, 8, 9, 10, 11)
CLEAR = (2, 4, 5, 6, 7)


def path_of(item, key) -> Path:
    return Path(item.assets[key].extra_fields["alternate"]["local"]["href"].removeprefix("file://"))


def reds(rows=20, cols=30, start=1) -> np.ndarray:
    return np.arange(start, start + rows * cols, dtype="int16").reshape(rows, cols)


def masked(stored, keep) -> np.ndarray:
    return np.where(keep, stored * 0.0001, np.nan).astype("float32")


def twice(classes) -> np.ndarray:
    """20 m classes on 10 m."""
    return np.kron(classes, np.ones((2, 2), "uint8"))


@pytest.fixture
def speckled(make_scene, rng):
    """A scene with every class somewhere."""
    classes = rng.integers(0, 12, (10, 15)).astype("uint8")
    return make_scene({"B04": reds(), "SCL": classes}), twice(classes)


# ---- what a mask keeps


@pytest.mark.parametrize(
    ("mask", "kept"),
    [
        ("clear", CLEAR),
        ("vegetation", (4,)),
        (["vegetation", "water"], (4, 6)),
        (["land", "snow"], (4, 5, 11)),
        (6, (6,)),
        ([4, 5], (4, 5)),
        ("WATER", (6,)),
        ("unclassified", (7,)),  # the name the files' own class table gives class 7
    ],
    ids=str,
)
def test_a_mask_keeps_what_it_names_and_nothing_else(speckled, mask, kept):
    item, classes = speckled
    cube = load([item], ["B04", "SCL"], mask=mask).compute()
    np.testing.assert_array_equal(cube.B04[0], masked(reds(), np.isin(classes, kept)))
    np.testing.assert_array_equal(cube.SCL[0], classes)  # the quality band itself is never masked


def test_without_a_mask_clouds_stay(speckled):
    item, _ = speckled
    cube = load([item], "B04").compute()
    np.testing.assert_array_equal(cube.B04[0], masked(reds(), True))


def test_stored_numbers_are_masked_with_their_nodata(speckled):
    item, classes = speckled
    cube = load([item], "B04", mask="clear", physical=False).compute()
    np.testing.assert_array_equal(cube.B04[0], np.where(np.isin(classes, CLEAR), reds(), 32767))


@pytest.mark.parametrize("mask", ["cleer", ["vegetation", "trees"], 99, [], "state:clear"], ids=str)
def test_a_mask_that_names_no_class_is_an_error(speckled, mask):
    with pytest.raises(MaskError):
        load([speckled[0]], "B04", mask=mask)


def test_pixels_without_a_class_are_masked(make_scene):
    # SCL is half as wide as the band: outside it nobody says that a pixel is clear.
    item = make_scene({"B04": reds(8, 8), "SCL": np.full((4, 2), 4, "uint8")})
    cube = load([item], "B04", mask="clear").compute().B04[0]
    assert np.isfinite(cube[:, :4]).all()
    assert np.isnan(cube[:, 4:]).all()


def test_the_mask_of_the_scene_decides_not_that_of_its_neighbour(make_scene):
    # Each scene of a mosaic has its own clouds; where one is cloudy the other may show through.
    cloudy = make_scene({"B04": reds(8, 8), "SCL": np.full((4, 4), 9, "uint8")}, tile="31UES")
    clear = make_scene({"B04": reds(8, 8, 1000), "SCL": np.full((4, 4), 4, "uint8")}, tile="31UFS")
    for items in ([cloudy, clear], [clear, cloudy]):
        cube = load(items, "B04", mask="clear").compute()
        np.testing.assert_array_equal(cube.B04[0], masked(reds(8, 8, 1000), True))


# ---- no quality band


def test_mask_clear_of_a_product_without_quality_band_is_an_error(root, tif):
    path = tif(root / "dem.tif", np.ones((4, 4), "float32"))
    when = np.datetime64("2011-01-01").astype("datetime64[us]").item()
    item = pystac.Item("Copernicus_DSM_COG_10_N50_00_E004_00_DEM", None, None, when, {})
    item.collection_id = "cop-dem-glo-30m-cog"
    item.add_asset("data", pystac.Asset(str(path), media_type="image/tiff", roles=["data"]))
    for how in ({"mask": "clear"}, {"min_clear": 10}):
        with pytest.raises(MaskError, match=r"cop-dem.*no quality band"):
            load([item], **how)


@pytest.mark.parametrize("how", [{"mask": "clear"}, {"min_clear": 10}], ids=str)
def test_items_that_all_lack_the_quality_band_are_an_error(make_scene, how):
    item = make_scene({"B04": reds()})
    with pytest.raises(MaskError, match=r"SCL.*S2B_20180705T105029_31UFS_TOC_V210"):
        load([item], "B04", **how)


def test_one_item_without_the_quality_band_is_masked_whole_and_said(make_scene):
    with_ = make_scene({"B04": reds(8, 8), "SCL": np.full((4, 4), 4, "uint8")}, time="20180705T105029")
    without = make_scene({"B04": reds(8, 8)}, time="20180710T105029")
    with pytest.warns(TerrascopeWarning, match=r"1 of 2 items.*S2B_20180710T105029"):
        cube = load([with_, without], "B04", mask="clear").compute()
    assert np.isfinite(cube.B04[0]).all()
    assert np.isnan(cube.B04[1]).all()


# ---- buffers


@pytest.mark.parametrize("metres", [0, 5, 10, 14, 15, 20, 25, 60, 200])
@pytest.mark.parametrize("chunks", [{}, {"y": 7, "x": 9}], ids=["whole", "chunked"])
def test_a_buffer_drops_every_pixel_within_its_distance_of_a_dropped_one(make_scene, rng, metres, chunks):
    classes = np.where(rng.random((12, 15)) < 0.05, 9, 4).astype("uint8")
    numbers = reds(24, 30)
    item = make_scene({"B04": numbers, "SCL": classes})
    cube = load([item], "B04", mask="clear", mask_buffer=metres, chunks=chunks).compute()
    rows, cols = np.nonzero(np.isin(twice(classes), UNCLEAR))
    y, x = np.mgrid[:24, :30]
    distance = 10 * np.min(np.hypot(y[..., None] - rows, x[..., None] - cols), axis=-1)
    np.testing.assert_array_equal(cube.B04[0], masked(numbers, distance > max(metres, 0.1)))


def test_a_cloud_just_outside_the_area_still_throws_its_buffer_into_it(make_scene, window_box):
    classes = np.full((10, 10), 4, "uint8")
    classes[:, 5] = 9
    item = make_scene({"B04": reds(20, 20), "SCL": classes})
    cube = load([item], "B04", area=window_box(0, 0, 20, 10), mask="clear", mask_buffer=30).compute()
    assert np.isnan(cube.B04[0, :, 7:]).all()
    assert np.isfinite(cube.B04[0, :, :7]).all()


def test_the_edge_of_a_scene_and_its_nodata_are_no_cloud_and_throw_no_buffer(make_scene):
    # Where the swath ends (class 0) or the file does, nothing is known to be cloudy: 100 m more would be lost in vain.
    classes = np.full((10, 10), 4, "uint8")
    classes[:, :3] = 0
    item = make_scene({"B04": reds(20, 20), "SCL": classes})
    cube = load([item], "B04", mask="clear", mask_buffer=100).compute()
    assert np.isnan(cube.B04[0, :, :6]).all()
    assert np.isfinite(cube.B04[0, :, 6:]).all()


@pytest.mark.parametrize(("crs", "resolution"), [(4326, 0.0001), (3857, 10.0), (3035, 10.0)])
def test_a_buffer_is_in_metres_on_the_ground_whatever_the_crs(make_scene, crs, resolution):
    # A metre of web Mercator is 0.6 m here, and a degree of longitude is shorter than one of latitude.
    classes = np.full((60, 60), 4, "uint8")
    classes[30, 30] = 9
    item = make_scene({"B04": reds(120, 120), "SCL": classes})
    with pytest.warns(TerrascopeWarning, match="grid of"):
        cube = load([item], "B04", crs=crs, resolution=resolution, mask="clear", mask_buffer=200).compute().B04[0]
    x, y = np.meshgrid(cube.x, cube.y)
    east, north = pyproj.Transformer.from_crs(crs, 32631, always_xy=True).transform(x, y)
    distance = np.hypot(east - (LEFT + 610), north - (TOP - 610))
    inside = (east > LEFT + 20) & (east < LEFT + 1180) & (north < TOP - 20) & (north > TOP - 1180)
    assert np.isnan(cube.values[distance < 180]).all()
    assert np.isfinite(cube.values[(distance > 225) & inside]).all()


# ---- dates that are dropped before anything else is read


@pytest.fixture
def season(make_scene, rng):
    """Ten dates, the share of clear ground known: 0, 10 … 90 %; the covered share is 100 % but for two dates."""
    items, clear = [], []
    for number in range(10):
        classes = np.full(100, 9, "uint8")
        classes[: 10 * number] = rng.choice(CLEAR, 10 * number)
        if number in (3, 7):
            classes[90:] = 0  # out of the swath: neither clear nor covered
        classes = rng.permutation(classes).reshape(10, 10)
        time = f"201807{number + 1:02d}T105029"
        items.append(make_scene({"B04": reds(20, 20), "B08": reds(20, 20), "SCL": classes}, time=time))
        clear.append(10.0 * number)
    return items, clear


def days(cube) -> list[int]:
    return list(cube.time.dt.day.values)


@pytest.mark.parametrize("least", [0, 1, 10, 45, 90])
def test_dates_with_less_clear_ground_are_dropped_before_any_band_is_read(season, hidden, least):
    items, clear = season
    gone = [item for item, percent in zip(items, clear, strict=True) if percent < least]
    with hidden([path_of(item, key) for item in gone for key in ("B04", "B08")]):
        cube = load(items, ["red", "nir"], mask="clear", min_clear=least)
        assert days(cube) == [n + 1 for n, percent in enumerate(clear) if percent >= least]
        cube = cube.compute()  # garbage in the dropped dates' files harms nobody
    assert cube.red.isnull().mean() < 1
    if least:
        expected = [percent for percent in clear if percent >= least]
        np.testing.assert_allclose(cube.clear_percent, expected)
        assert cube.clear_percent.attrs["units"] == "percent"


def test_filtering_alone_masks_nothing(season):
    items, _ = season
    cube = load(items, "B04", min_clear=50).compute()
    assert days(cube) == [6, 7, 8, 9, 10]
    assert np.isfinite(cube.B04).all()


def test_min_clear_counts_what_the_mask_keeps(season):
    items, _ = season
    with pytest.raises(NothingFoundError):
        load(items, "B04", mask="snow", min_clear=1)


def test_min_coverage_drops_slivers(season):
    items, _ = season
    cube = load(items, "B04", min_coverage=95)
    assert days(cube) == [1, 2, 3, 5, 6, 7, 9, 10]
    np.testing.assert_allclose(cube.coverage_percent, 100)


def test_what_was_dropped_and_why_is_told(season):
    items, _ = season
    text = str(explain(load(items, "B04", mask="clear", min_clear=85)))
    assert "2018-07-04T10:50: 30.0 % of the area is clear, 85 % asked" in text
    assert text.count("left out") == 9


def test_when_no_date_is_left_the_best_one_is_named(season):
    items, _ = season
    with pytest.raises(NothingFoundError, match=r"None of 10 times.*2018-07-10T10:50.*90\.0 % clear"):
        load(items, "B04", min_clear=95)


@pytest.mark.parametrize("share", [-1, 100.1, float("nan")])
@pytest.mark.parametrize("name", ["min_clear", "min_coverage"])
def test_a_share_that_is_no_percentage_is_refused(season, name, share):
    with pytest.raises(MaskError, match="percentage"):
        load(season[0], "B04", **{name: share})


def test_a_negative_buffer_is_refused(season):
    with pytest.raises(MaskError, match="mask_buffer"):
        load(season[0], "B04", mask="clear", mask_buffer=-5)


def test_shares_are_of_the_area_not_of_the_scene(make_scene, window_box):
    classes = np.full((10, 10), 9, "uint8")
    classes[:2, :2] = 4
    item = make_scene({"B04": reds(20, 20), "SCL": classes})
    whole = load([item], "B04", min_clear=1)
    corner = load([item], "B04", area=window_box(0, 0, 4, 8), min_clear=1)
    assert whole.clear_percent.item() == pytest.approx(4)
    assert corner.clear_percent.item() == pytest.approx(50)


def test_shares_are_of_a_polygon_not_of_its_box(make_scene):
    # A cross of ground: the corners of its box are cloudy and do not count.
    classes = np.full((10, 10), 9, "uint8")
    classes[4:6, :], classes[:, 4:6] = 4, 4
    item = make_scene({"B04": reds(20, 20), "SCL": classes})
    bar = shapely.box(LEFT + 80, TOP - 200, LEFT + 120, TOP).union(shapely.box(LEFT, TOP - 120, LEFT + 200, TOP - 80))
    cube = load([item], "B04", area=make_area(bar, crs=32631), mask="clear", min_clear=99)
    assert cube.clear_percent.item() == pytest.approx(100)


def test_the_share_of_a_field_on_a_large_grid_is_that_of_the_field(make_scene):
    # like= a whole tile with a small field: measured coarsely the field would fall between the pixels.
    classes = np.full((1500, 1500), 9, "uint8")
    classes[100:103, 200:203] = 4
    item = make_scene({"B04": np.ones((3000, 3000), "int16"), "SCL": classes})
    whole = load([item], "B04")
    field = shapely.box(LEFT + 4000, TOP - 2060, LEFT + 4060, TOP - 2000)
    cube = load([item], "B04", like=whole, area=make_area(field, crs=32631), min_clear=99)
    assert cube.clear_percent.item() == pytest.approx(100)
    cloudy = make_area(shapely.box(LEFT + 8000, TOP - 2060, LEFT + 8007, TOP - 2050), crs=32631)
    with pytest.raises(NothingFoundError):
        load([item], "B04", like=whole, area=cloudy, min_clear=1)


def test_coverage_without_a_quality_band_comes_from_footprints(root, tif, shared, utm_box):
    path = tif(root / "dem.tif", np.ones((100, 100), "float32"))
    when = np.datetime64("2011-01-01").astype("datetime64[us]").item()
    outline = shared.footprint((LEFT, TOP - 1000, LEFT + 1000, TOP), 32631)
    item = pystac.Item("Copernicus_DSM_COG_10_N50_00_E004_00_DEM", outline, [4, 51, 5, 52], when, {})
    item.collection_id = "cop-dem-glo-30m-cog"
    item.add_asset("data", pystac.Asset(str(path), media_type="image/tiff", roles=["data"]))
    half = utm_box(LEFT - 500, TOP - 1000, LEFT + 500, TOP)
    assert load([item], area=half, min_coverage=45).coverage_percent.item() == pytest.approx(50, abs=1)
    with pytest.raises(NothingFoundError, match=r"50\.\d % covered"):
        load([item], area=half, min_coverage=55)


# ---- clipping


SHAPES = {
    "triangle": shapely.Polygon([(LEFT + 13, TOP - 187), (LEFT + 271, TOP - 33), (LEFT + 158, TOP - 11)]),
    "ring": shapely.Point(LEFT + 150, TOP - 100).buffer(88).difference(shapely.Point(LEFT + 150, TOP - 100).buffer(40)),
    "two parts": shapely.MultiPolygon(
        [shapely.box(LEFT + 4, TOP - 44, LEFT + 56, TOP - 4), shapely.box(LEFT + 205, TOP - 196, LEFT + 295, TOP - 150)]
    ),
    "on the centres": shapely.box(LEFT + 25, TOP - 125, LEFT + 125, TOP - 25),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("chunks", [{}, {"y": 7, "x": 5}], ids=["whole", "chunked"])
def test_a_polygon_clips_by_pixel_centre_as_gdal_does(make_scene, shape, chunks):
    item = make_scene({"B04": reds(20, 30), "SCL": np.full((10, 15), 4, "uint8")})
    cube = load([item], ["B04", "SCL"], area=make_area(shape, crs=32631), chunks=chunks).compute()
    transform = rasterio.Affine(10, 0, LEFT, 0, -10, TOP)
    inside = geometry_mask([shape], (20, 30), transform, invert=True)
    rows, cols = (TOP - cube.y.values - 5) // 10, (cube.x.values - LEFT - 5) // 10
    at = np.ix_(rows.astype(int), cols.astype(int))
    np.testing.assert_array_equal(cube.B04[0], masked(reds(20, 30), inside)[at])
    np.testing.assert_array_equal(cube.SCL[0], np.where(inside, 4, 0)[at])
    assert np.isfinite(cube.B04).sum() == inside.sum()


def test_a_bbox_frames_and_does_not_clip(make_scene):
    item = make_scene({"B04": reds(20, 30)})
    lon, lat = 4.4389, 51.4418
    cube = load([item], "B04", area=(lon, lat, lon + 0.001, lat + 0.0005)).compute()
    inside = (cube.x > LEFT) & (cube.y < TOP)
    assert np.isfinite(cube.B04.where(inside, 0)).all()
    assert cube.B04.size > 20


@pytest.mark.parametrize("size", [1, 4, 9])
def test_a_field_without_a_pixel_centre_is_not_lost(make_scene, size):
    item = make_scene({"B04": reds(20, 30)})
    field = shapely.box(LEFT + 96 - size / 2, TOP - 52 - size / 2, LEFT + 96 + size / 2, TOP - 52 + size / 2)
    cube = load([item], "B04", area=make_area(field, crs=32631)).compute()
    touched = geometry_mask([field], (20, 30), rasterio.Affine(10, 0, LEFT, 0, -10, TOP), invert=True, all_touched=True)
    assert np.isfinite(cube.B04).sum() >= 1
    assert set(np.unique(cube.B04)[np.isfinite(np.unique(cube.B04))]) <= set(masked(reds(20, 30), touched)[touched])


def test_of_many_fields_the_tiny_one_is_not_lost_and_the_large_one_not_grown(make_scene):
    item = make_scene({"B04": reds(20, 30)})
    large = shapely.box(LEFT + 51, TOP - 149, LEFT + 149, TOP - 51)
    tiny = shapely.box(LEFT + 201, TOP - 13, LEFT + 203, TOP - 11)
    fields = gpd.GeoDataFrame({"id": ["large", "tiny"]}, geometry=[large, tiny], crs=32631)
    cube = load([item], "B04", area=fields).compute()
    transform = rasterio.Affine(10, 0, LEFT, 0, -10, TOP)
    expected = set(reds(20, 30)[geometry_mask([large], (20, 30), transform, invert=True)]) | {reds(20, 30)[1, 20]}
    got = cube.B04.values[np.isfinite(cube.B04.values)]
    assert set(np.round(got * 10000).astype(int)) == expected


def test_a_polygon_in_degrees_clips_where_it_lies(make_scene):
    item = make_scene({"B04": reds(20, 30)})
    to_degrees = pyproj.Transformer.from_crs(32631, 4326, always_xy=True)
    shape = shapely.transform(SHAPES["triangle"], lambda xy: np.column_stack(to_degrees.transform(*xy.T)))
    cube = load([item], "B04", area=shape).compute()
    inside = geometry_mask([SHAPES["triangle"]], (20, 30), rasterio.Affine(10, 0, LEFT, 0, -10, TOP), invert=True)
    got = cube.B04.values[np.isfinite(cube.B04.values)]
    assert set(np.round(got * 10000).astype(int)) == set(reds(20, 30)[inside])
