"""The numbers of a cube, against rasterio's read of the same window and the encoding written out by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from terrascope_nb.cube.loader import load
from terrascope_nb.settings import options

SEED = 20180705
LEFT, TOP = 501360.0, 5629680.0  # corner of the sample archive, EPSG:32631
FINE = ("B02", "B03", "B04", "B08")
COARSE = ("B05", "B06", "B07", "B8A", "B11", "B12")


def physical(stored, scale, offset=0.0, nodata=None, valid=None) -> np.ndarray:
    """float32(scale * stored + offset), NaN exactly where nodata or out of range."""
    values = (np.asarray(stored, "float64") * scale + offset).astype("float32")
    gone = np.zeros(values.shape, bool)
    if nodata is not None:
        gone |= np.asarray(stored) == nodata
    if valid is not None:
        gone |= (np.asarray(stored) < valid[0]) | (np.asarray(stored) > valid[1])
    return np.where(gone, np.float32(np.nan), values)


def file_of(item, key) -> str:
    return item.assets[key].href


@pytest.fixture(scope="module")
def toc_items(sample_root, scenes_of):
    return scenes_of(sample_root, "TERRASCOPE_Sentinel2/TOC_V2/*/*/*/*", "terrascope-s2-toc-v2")


@pytest.fixture(scope="module")
def ndvi_items(sample_root, scenes_of):
    return scenes_of(sample_root, "TERRASCOPE_Sentinel2/NDVI_V2/*/*/*/*", "terrascope-s2-ndvi-v2")


@pytest.fixture(scope="module")
def holed_items(toc_items, sample_root, scenes_of, tmp_path_factory):
    """Scenes of the sample with nodata and negative numbers punched in: the sample itself has neither."""
    pick, folder = np.random.default_rng(SEED), tmp_path_factory.mktemp("holed") / "archive"
    for number in pick.choice(len(toc_items), 10, replace=False):
        first = Path(next(iter(toc_items[number].assets.values())).href).parent
        copy = folder / first.relative_to(sample_root)
        shutil.copytree(first, copy)
        for path in copy.glob("*TOC-B*.tif"):
            with rasterio.open(path, "r+") as file:
                stored, chance = file.read(1), pick.random(file.shape)
                stored[chance < 0.1], stored[chance > 0.9] = 32767, -7
                file.write(stored, 1)
    return folder, scenes_of(folder, "TERRASCOPE_Sentinel2/TOC_V2/*/*/*/*", "terrascope-s2-toc-v2")


@pytest.mark.parametrize("number", range(50))
def test_fifty_random_windows_of_the_sample_equal_rasterios_read(sample, toc_items, holed_items, window_box, number):
    print(f"seed {SEED}+{number}")
    pick = np.random.default_rng(SEED + number)
    folder, items = holed_items if number % 2 else (sample, toc_items)
    item = items[pick.integers(len(items))]
    rows, cols = pick.integers(1, 65, 2)
    row, col = pick.integers(0, 65 - rows), pick.integers(0, 65 - cols)
    fine = [str(name) for name in pick.choice(FINE, pick.integers(1, 4), replace=False)]
    coarse = [str(name) for name in pick.choice(COARSE, pick.integers(0, 3), replace=False)]
    with options(archive_roots=(folder,)):
        cube = load([item], [*fine, *coarse], area=window_box(row, col, rows, cols, corner=(LEFT, TOP))).compute()
    assert cube.sizes == {"time": 1, "y": rows, "x": cols}
    for name in fine:
        with rasterio.open(file_of(item, name)) as file:
            stored = file.read(1, window=Window(col, row, cols, rows))
        assert cube[name].dtype == "float32"
        np.testing.assert_array_equal(cube[name][0], physical(stored, 0.0001, nodata=32767), strict=True)
    for name in coarse:  # 20 m on 10 m: every pixel twice in each direction
        with rasterio.open(file_of(item, name)) as file:
            stored = np.kron(file.read(1), np.ones((2, 2), "int16"))[row : row + rows, col : col + cols]
        np.testing.assert_array_equal(cube[name][0], physical(stored, 0.0001, nodata=32767), strict=True)


@pytest.mark.parametrize("number", range(10))
def test_bands_of_20_m_alone_stay_on_their_own_pixels(sample, toc_items, window_box, number):
    pick = np.random.default_rng(SEED + 1000 + number)
    item = toc_items[pick.integers(len(toc_items))]
    rows, cols = pick.integers(1, 33, 2)
    row, col = pick.integers(0, 33 - rows), pick.integers(0, 33 - cols)
    area = window_box(row, col, rows, cols, size=20, corner=(LEFT, TOP))
    cube = load([item], [str(name) for name in COARSE], area=area).compute()
    assert abs(float(cube.odc.geobox.resolution.x)) == 20
    for name in COARSE:
        with rasterio.open(file_of(item, name)) as file:
            stored = file.read(1, window=Window(col, row, cols, rows))
        np.testing.assert_array_equal(cube[name][0], physical(stored, 0.0001, nodata=32767), strict=True)


def test_the_punched_scenes_have_gaps_and_negative_values(holed_items):
    folder, items = holed_items
    with options(archive_roots=(folder,)):
        cube = load(items, "B02").compute()
    assert 0.05 < float(np.isnan(cube.B02).mean()) < 0.2
    assert float(cube.B02.min()) == np.float32(-0.0007)


@pytest.mark.parametrize("number", range(10))
def test_ndvi_of_the_sample_is_a_250th_minus_8_hundredths(sample, ndvi_items, number):
    item = ndvi_items[np.random.default_rng(SEED + 2000 + number).integers(len(ndvi_items))]
    cube = load([item]).compute()
    with rasterio.open(file_of(item, "10M" if "10M" in item.assets else "NDVI")) as file:
        expected = physical(file.read(1), 0.004, -0.08, nodata=255, valid=(0, 250))
    np.testing.assert_array_equal(cube.NDVI[0], expected, strict=True)


def test_a_whole_series_stays_in_time_order_and_names_its_items(sample, toc_items):
    cube = load(reversed(toc_items), "B04")
    assert (np.diff(cube.time.values) > np.timedelta64(0)).all()
    assert cube.sizes["time"] == len(toc_items) == 118
    assert list(cube.item_ids.values) == [item.id for item in sorted(toc_items, key=lambda item: item.datetime)]
    stamps = [np.datetime64(item.datetime.replace(tzinfo=None), "ns") for item in toc_items]
    assert sorted(stamps) == list(cube.time.values)


# ---- whose scale, offset and nodata: the item's, else the file's, else the table's


def ndvi_numbers() -> np.ndarray:
    return np.arange(256, dtype="uint8").reshape(16, 16)


def test_scale_offset_and_nodata_of_the_item_win_over_file_and_table(make_scene):
    item = make_scene({"NDVI": ndvi_numbers()}, product="NDVI", in_file=("nodata", "scale", "offset"))
    item.assets["NDVI"].extra_fields |= {"raster:scale": 0.01, "raster:offset": -1.0, "nodata": 7}
    got = load([item]).compute().NDVI[0]
    np.testing.assert_array_equal(got, physical(ndvi_numbers(), 0.01, -1.0, nodata=7), strict=True)


def test_a_silent_item_leaves_it_to_the_file(make_scene):
    odd = {"scale": 0.02, "offset": 3.0, "nodata": 9}
    item = make_scene(
        {"NDVI": ndvi_numbers()}, product="NDVI", says=("grid",), in_file=("nodata", "scale", "offset"),
        changed={"NDVI": odd},
    )  # fmt: skip
    got = load([item]).compute().NDVI[0]
    np.testing.assert_array_equal(got, physical(ndvi_numbers(), 0.02, 3.0, nodata=9), strict=True)


def test_a_file_that_says_a_scale_and_offset_0_is_not_given_the_tables_offset(make_scene):
    # NDVI's table offset is -0.08; the file's own encoding has none.
    item = make_scene(
        {"NDVI": ndvi_numbers()}, product="NDVI", says=("grid",), in_file=("nodata", "scale", "offset"),
        changed={"NDVI": {"scale": 0.01, "offset": 0.0}},
    )  # fmt: skip
    got = load([item]).compute().NDVI[0]
    np.testing.assert_array_equal(got, physical(ndvi_numbers(), 0.01, 0.0, nodata=255), strict=True)


def test_an_item_that_says_another_scale_and_no_offset_is_not_given_the_tables_offset(make_scene):
    # The STAC raster extension: an offset that is not stated is 0.
    item = make_scene({"NDVI": ndvi_numbers()}, product="NDVI", in_file=())
    item.assets["NDVI"].extra_fields |= {"raster:scale": 0.01}
    del item.assets["NDVI"].extra_fields["raster:offset"]
    got = load([item]).compute().NDVI[0]
    np.testing.assert_array_equal(got, physical(ndvi_numbers(), 0.01, 0.0, nodata=255), strict=True)


def test_where_item_and_file_are_silent_the_table_speaks(make_scene):
    item = make_scene({"NDVI": ndvi_numbers()}, product="NDVI", says=(), in_file=())
    got = load([item]).compute().NDVI[0]
    np.testing.assert_array_equal(got, physical(ndvi_numbers(), 0.004, -0.08, nodata=255, valid=(0, 250)), strict=True)


@pytest.mark.parametrize("says", [("scale", "offset", "nodata", "dtype", "grid"), ("grid",), ()])
@pytest.mark.parametrize("in_file", [("nodata", "scale", "offset"), ("nodata",), ()])
def test_scale_is_applied_once_whoever_states_it(make_scene, says, in_file):
    item = make_scene({"NDVI": ndvi_numbers()}, product="NDVI", says=says, in_file=in_file)
    got = load([item]).compute().NDVI[0]
    expected = physical(ndvi_numbers(), 0.004, -0.08, nodata=255, valid=(0, 250))
    np.testing.assert_array_equal(got, expected, strict=True)


@pytest.mark.parametrize("layout", ["1.1", "1.0"])
def test_both_stac_layouts_give_the_same_numbers(make_scene, rng, layout):
    numbers = {"B04": rng.integers(-500, 12000, (20, 30)).astype("int16"), "SCL": np.full((10, 15), 4, "uint8")}
    item = make_scene(numbers, layout=layout, changed={"B04": {"scale": 0.0002, "offset": -0.1, "nodata": -500}})
    cube = load([item], ["red", "SCL"], mask="clear").compute()
    np.testing.assert_array_equal(cube.red[0], physical(numbers["B04"], 0.0002, -0.1, nodata=-500), strict=True)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_raa_of_v210_and_v220_in_one_series_follows_each_item(make_scene):
    # V210: int16, nodata 32767. V220: uint16, nodata 65535, and 32767 is a true 327.67 degrees.
    old = np.array([[0, 18000], [32766, 32767]], "int16")
    new = np.array([[0, 32767], [36000, 65535]], "uint16")
    items = [
        make_scene({"RAA": old}, version="V210", time="20180705T105029"),
        make_scene({"RAA": new}, version="V220", time="20180715T105029",
                   changed={"RAA": {"dtype": "uint16", "nodata": 65535}}),
    ]  # fmt: skip
    cube = load(items, "RAA").compute()
    np.testing.assert_array_equal(cube.RAA[0], physical(old, 0.01, nodata=32767), strict=True)
    np.testing.assert_array_equal(cube.RAA[1], physical(new, 0.01, nodata=65535), strict=True)


@pytest.mark.parametrize("says", [("scale", "offset", "nodata", "dtype", "grid"), ()], ids=["item", "file"])
def test_stored_raa_of_both_versions_is_not_cut_off(make_scene, says):
    # A cube of one type must hold the numbers of both files: int32, and no valid number equal to the fill.
    old = np.array([[0, 18000], [32766, 32767]], "int16")
    new = np.array([[0, 32767], [36000, 65535]], "uint16")
    items = [
        make_scene({"RAA": old}, version="V210", time="20180705T105029", says=says),
        make_scene({"RAA": new}, version="V220", time="20180715T105029", says=says,
                   changed={"RAA": {"dtype": "uint16", "nodata": 65535}}),
    ]  # fmt: skip
    cube = load(items, "RAA", physical=False).compute()
    fill = cube.RAA.attrs["nodata"]
    assert fill not in (0, 18000, 32766, 36000, 32767)
    np.testing.assert_array_equal(cube.RAA[0], np.where(old == 32767, fill, old.astype("int64")))
    np.testing.assert_array_equal(cube.RAA[1], np.where(new == 65535, fill, new.astype("int64")))


def test_fapar_201_to_254_is_nan_and_0_to_200_is_0_to_1(make_scene):
    numbers = ndvi_numbers()
    got = load([make_scene({"FAPAR": numbers}, product="FAPAR", resolution="_10M")]).compute().FAPAR.values[0].ravel()
    np.testing.assert_array_equal(got[:201], (np.arange(201) * 0.005).astype("float32"), strict=True)
    assert np.isnan(got[201:]).all()


def test_ndvi_0_is_minus_8_hundredths_and_250_is_92_hundredths(make_scene):
    got = load([make_scene({"NDVI": ndvi_numbers()}, product="NDVI")]).compute().NDVI.values[0].ravel()
    assert got[0] == np.float32(-0.08)
    assert got[250] == np.float32(0.92)
    assert np.isnan(got[251:]).all()


def test_the_tables_valid_range_says_nothing_of_an_item_with_another_scale(make_scene):
    # With scale 1/250 the numbers 201..250 are FAPAR 0.804..1, not flags.
    item = make_scene(
        {"FAPAR": ndvi_numbers()}, product="FAPAR", resolution="_10M", changed={"FAPAR": {"scale": 0.004}}
    )
    got = load([item]).compute().FAPAR[0]
    np.testing.assert_array_equal(got, physical(ndvi_numbers(), 0.004, nodata=255), strict=True)


def test_negative_reflectance_stays(make_scene):
    numbers = np.array([[-2000, -1, 0], [1, 32766, 32767]], "int16")
    got = load([make_scene({"B04": numbers})], "B04").compute().B04[0]
    np.testing.assert_array_equal(got, physical(numbers, 0.0001, nodata=32767), strict=True)
    assert float(got[0, 0]) == np.float32(-0.2)


def test_no_step_is_invented_on_25_january_2022(make_scene):
    # Terrascope items say offset 0 before and after the processing baseline 04.00.
    numbers = np.full((4, 4), 1500, "int16")
    items = [make_scene({"B04": numbers}, time=f"{day}T105029") for day in ("20220120", "20220125", "20220130")]
    got = load(items, "B04").compute().B04
    assert np.unique(got).tolist() == [np.float32(0.15)]


def test_a_float_file_of_reflectance_is_not_scaled_by_the_integer_tables_scale(make_scene):
    # Files that were decoded before (openEO writes such) hold the quantity itself; both item and file are silent.
    numbers = np.array([[0.05, 0.31], [1.2, np.nan]], "float32")
    item = make_scene({"B04": numbers}, says=("grid",), in_file=())
    got = load([item], "B04").compute().B04[0]
    np.testing.assert_array_equal(got, numbers, strict=True)


@pytest.mark.parametrize("nodata", [np.nan, -9999.0, -3.4e38, 0.0], ids=str)
def test_nodata_of_a_float_file_becomes_nan(make_scene, nodata):
    numbers = np.array([[0.05, nodata], [-0.2, 7.0]], "float32")
    item = make_scene({"B04": numbers}, changed={"B04": {"dtype": "float32", "scale": 1.0, "nodata": nodata}})
    item.assets["B04"].extra_fields["nodata"] = "nan" if np.isnan(nodata) else nodata  # as STAC writes it
    got = load([item], "B04").compute().B04[0]
    expected = np.array([[0.05, np.nan], [-0.2, 7.0]], "float32")
    np.testing.assert_array_equal(got, expected, strict=True)


def test_infinity_in_a_float_file_is_no_value(make_scene):
    numbers = np.array([[0.05, np.inf], [-np.inf, 7.0]], "float32")
    item = make_scene({"B04": numbers}, in_file=(), changed={"B04": {"dtype": "float32", "scale": 1.0, "nodata": None}})
    got = load([item], "B04").compute().B04[0]
    np.testing.assert_array_equal(got, np.array([[0.05, np.nan], [np.nan, 7.0]], "float32"), strict=True)


def test_decoded_data_say_nothing_that_would_decode_them_again(make_scene):
    item = make_scene({"NDVI": ndvi_numbers()}, product="NDVI", in_file=("nodata", "scale", "offset"))
    cube = load([item])
    for holder in (cube.NDVI.attrs, cube.NDVI.encoding, cube.compute().NDVI.encoding):
        assert not {"scale_factor", "add_offset", "scales", "offsets", "_FillValue", "missing_value"} & set(holder)
    assert cube.NDVI.attrs["units"] == "1"
    assert cube.NDVI.dtype == "float32"


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
def test_stored_numbers_come_exactly_with_physical_false(make_scene, dtype):
    ends = np.finfo(dtype) if dtype.startswith("f") else np.iinfo(dtype)
    numbers = np.array([[ends.min, 0], [1, ends.max], [3, 7]], dtype)
    item = make_scene({"B04": numbers}, in_file=(), changed={"B04": {"dtype": dtype, "nodata": 7}})
    cube = load([item], "B04", physical=False).compute()
    assert cube.B04.dtype == dtype
    np.testing.assert_array_equal(cube.B04[0], numbers, strict=True)
    assert cube.B04.attrs["nodata"] == 7


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
def test_every_type_is_decoded_in_double_precision(make_scene, dtype, rng):
    ends = (-1e5, 1e5) if dtype.startswith("f") else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    numbers = rng.uniform(*ends, (40, 40)).astype(dtype)
    item = make_scene({"B04": numbers}, in_file=(), changed={"B04": {"dtype": dtype, "scale": 1 / 3, "nodata": 7}})
    got = load([item], "B04").compute().B04[0]
    np.testing.assert_array_equal(got, physical(numbers, 1 / 3, nodata=7), strict=True)
