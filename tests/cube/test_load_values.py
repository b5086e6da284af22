"""The numbers of a cube, against rasterio's read of the same window and the encoding written out by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from rasterio.windows import Window

from terrascope_nb.cube.compute import compute
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import CorruptAssetError, TerrascopeWarning, UnknownBandError, UnknownEncodingError
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


# ---- encodings nobody published


def ccc(make_scene, **how):
    return make_scene({"CCC": np.array([[1, 2], [3, 4]], "uint8")}, product="CCC", **how)


def test_an_unknown_encoding_is_an_error_only_when_a_value_is_needed(make_scene):
    cube = load([ccc(make_scene)], "CCC")
    assert cube.CCC.shape == (1, 2, 2)
    with pytest.raises(UnknownEncodingError, match=r"CCC.*physical=False") as caught:
        compute(cube)
    assert caught.value.band == "CCC"
    assert caught.value.item == "S2B_20180705T105029_31UFS_CCC_V210"


def test_stored_numbers_of_an_unknown_encoding_can_be_had(make_scene):
    with pytest.warns(UserWarning, match="CCC: no nodata"):
        cube = load([ccc(make_scene)], "CCC", physical=False)
    np.testing.assert_array_equal(cube.compute().CCC[0], np.array([[1, 2], [3, 4]], "uint8"), strict=True)


def test_an_unknown_encoding_that_the_item_states_is_used(make_scene):
    item = ccc(make_scene, changed={"CCC": {"scale": 0.5, "offset": 2.0, "nodata": 1}})
    got = load([item], "CCC").compute().CCC[0]
    np.testing.assert_array_equal(got, np.array([[np.nan, 3.0], [3.5, 4.0]], "float32"), strict=True)


# ---- classes


def test_class_bands_stay_integer_with_cf_flags(make_scene):
    numbers = np.arange(12, dtype="uint8").reshape(3, 4)
    scl = load([make_scene({"SCL": numbers})], "SCL").compute().SCL
    assert scl.dtype == "uint8"
    np.testing.assert_array_equal(scl[0], numbers)
    assert scl.attrs["flag_values"].dtype == "uint8"
    assert scl.attrs["flag_values"].tolist() == list(range(12))
    assert scl.attrs["flag_meanings"].split()[4] == "vegetation"
    assert len(scl.attrs["flag_meanings"].split()) == 12
    assert "units" not in scl.attrs


def test_classes_are_repeated_on_a_finer_grid_never_averaged(make_scene, rng):
    classes = rng.choice([4, 6, 9], (8, 8)).astype("uint8")
    reds = rng.integers(0, 3000, (16, 16)).astype("int16")
    item = make_scene({"B04": reds, "SCL": classes})
    cube = load([item], ["B04", "SCL"], resampling="bilinear").compute()
    np.testing.assert_array_equal(cube.SCL[0], np.kron(classes, np.ones((2, 2), "uint8")))


def test_a_class_the_table_lacks_is_kept(make_scene):
    numbers = np.array([[4, 77], [200, 254]], "uint8")
    got = load([make_scene({"SCL": numbers})], "SCL").compute().SCL[0]
    np.testing.assert_array_equal(got, numbers)


# ---- names


def test_variables_bear_the_names_that_were_asked_for(make_scene):
    item = make_scene({"B04": np.full((2, 2), 1, "int16"), "B8A": np.full((1, 1), 2, "int16")})
    cube = load([item], ["red", "B08A", "TOC-B04_10M"])
    assert list(cube.data_vars) == ["red", "B08A", "TOC-B04_10M"]
    assert [cube[name].attrs["band"] for name in cube] == ["B04", "B8A", "B04"]
    assert cube.red.attrs["common_name"] == "red"


def test_default_bands_are_those_of_the_table(make_scene):
    numbers = {name: np.full((2, 2), 1, "int16") for name in ("B02", "B03", "B04", "B08")}
    assert list(load([make_scene(numbers)]).data_vars) == ["B02", "B03", "B04", "B08"]


@pytest.mark.parametrize(("name", "said"), [("B09", "water vapour"), ("B10", "cirrus"), ("B44", "B04"), ("rde", "red")])
def test_a_band_that_is_not_there_is_explained(make_scene, name, said):
    with pytest.raises(UnknownBandError, match=said):
        load([make_scene({"B04": np.ones((2, 2), "int16")})], name)


def test_a_band_newer_than_the_table_is_described_by_the_item(make_scene):
    item = make_scene({"B04": np.ones((4, 4), "int16"), "CLOUDMASK": np.array([[0, 1], [255, 2]], "uint8")})
    item.assets["CLOUDMASK"].extra_fields["bands"] = [{"name": "FOG"}]
    item.assets["FOG"] = item.assets.pop("CLOUDMASK")
    cube = load([item], "FOG", physical=False).compute()
    np.testing.assert_array_equal(cube.FOG[0], np.array([[0, 1], [255, 2]], "uint8"))


# ---- bands that share a file


def test_bands_of_one_file_have_each_their_own_scale_and_place(root, tif):
    layers = np.arange(3 * 4, dtype="int16").reshape(3, 2, 2)
    path = tif(root / "three.tif", layers)
    asset = pystac.Asset(
        str(path), media_type="image/tiff", roles=["data"],
        extra_fields={
            "eo:bands": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
            "raster:bands": [{"scale": 1.0}, {"scale": 0.5, "offset": 10.0}, {"scale": 2.0, "nodata": 9}],
        },
    )  # fmt: skip
    when = np.datetime64("2023-06-01T10:00:00").item()
    item = pystac.Item("foreign", None, None, when, {}, assets={"data": asset}, collection="foreign")
    cube = load([item]).compute()
    assert list(cube.data_vars) == ["a", "b", "c"]
    np.testing.assert_array_equal(cube.a[0], layers[0].astype("float32"))
    np.testing.assert_array_equal(cube.b[0], (layers[1] * 0.5 + 10).astype("float32"))
    np.testing.assert_array_equal(cube.c[0], np.where(layers[2] == 9, np.nan, layers[2] * 2).astype("float32"))


def test_scales_that_a_file_states_per_band_are_kept_apart(root, tif):
    layers = np.arange(3 * 4, dtype="int16").reshape(3, 2, 2)
    path = tif(root / "three.tif", layers)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (1.0, 0.5, 2.0), (0.0, 10.0, 0.0)
    fields = {"bands": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}
    asset = pystac.Asset(str(path), media_type="image/tiff", roles=["data"], extra_fields=fields)
    when = np.datetime64("2023-06-01T10:00:00").item()
    item = pystac.Item("foreign", None, None, when, {}, assets={"data": asset}, collection="foreign")
    cube = load([item]).compute()
    for number, (name, scale, offset) in enumerate((("a", 1, 0), ("b", 0.5, 10), ("c", 2, 0))):
        expected = (layers[number] * scale + offset).astype("float32")
        np.testing.assert_array_equal(cube[name][0], expected, err_msg=name)


def test_an_item_that_names_a_narrower_type_than_the_files_is_an_error_and_no_other_number(make_scene):
    numbers = np.array([[3, 300], [-4, 7]], "int16")
    item = make_scene({"B04": numbers})
    item.assets["B04"].extra_fields |= {"data_type": "uint8", "nodata": 255}
    cube = load([item], "B04", physical=False)
    with pytest.raises(CorruptAssetError, match=r"S2B_20180705T105029_31UFS_TOC_V210.*B04.*uint8.*int16"):
        compute(cube)
    np.testing.assert_array_equal(load([item], "B04").compute().B04[0], physical(numbers, 0.0001, nodata=255))


def test_stored_reflectance_keeps_32767_as_its_nodata(make_scene):
    # int16 holds 32767; a warning that it does not would be an error here.
    cube = load([make_scene({"B04": np.array([[1, 32767]], "int16")})], "B04", physical=False).compute()
    assert cube.B04.attrs["nodata"] == 32767
    assert cube.B04.values.tolist() == [[[1, 32767]]]


def test_two_nodata_numbers_of_one_type_are_said(make_scene):
    # 0 is nothing in one file and a value in the other: no number can stand for nothing in both.
    items = [
        make_scene({"LAI": np.array([[0, 3]], "uint8")}, product="LAI", changed={"LAI": {"nodata": 0}}),
        make_scene({"LAI": np.array([[0, 255]], "uint8")}, product="LAI", time="20180710T105029"),
    ]
    with pytest.warns(TerrascopeWarning, match="0, 255"):
        cube = load(items, "LAI", physical=False).compute()
    values = load(items, "LAI").compute().LAI
    np.testing.assert_array_equal(values, np.array([[[np.nan, 0.12]], [[0.0, np.nan]]], "float32"))
    assert cube.LAI.dtype == "uint8"


def test_probav_bands_are_found_in_their_radiometry_file(root, tif):
    layers = np.arange(4 * 4, dtype="int16").reshape(4, 2, 2)
    name = "PROBAV_S10_TOC_X18Y02_20171121_333M_V201"
    path = tif(root / name / f"{name}_RADIOMETRY.tif", layers, size=1 / 336, corner=(3.0, 52.0), epsg=4326)
    fields = {"raster:scale": 0.0005, "raster:offset": 0.0, "nodata": -1}
    asset = pystac.Asset(str(path), media_type="image/tiff", roles=["data"], extra_fields=fields)
    when = np.datetime64("2017-11-21T00:00:00").item()
    item = pystac.Item(name, None, None, when, {}, assets={"RADIOMETRY": asset})
    item.collection_id = "terrascope-probav-s10-toc-333m-cog-v2"
    cube = load([item]).compute()
    for number, band in enumerate(("RED", "NIR", "BLUE", "SWIR")):
        np.testing.assert_array_equal(cube[band][0], (layers[number] * 0.0005).astype("float32"), err_msg=band)
