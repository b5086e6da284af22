"""Classes, names of bands, bands that share a file, and encodings nobody published."""

from __future__ import annotations

import numpy as np
import pystac
import pytest
import rasterio

from terrascope_nb.cube.compute import compute
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import CorruptAssetError, TerrascopeWarning, UnknownBandError, UnknownEncodingError

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
    np.testing.assert_array_equal(load([item], "B04").compute().B04[0], (numbers * 0.0001).astype("float32"))


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
