from __future__ import annotations

from pathlib import Path

import dask
import numpy as np
import pytest
import rioxarray  # noqa: F401
import spyndex
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from terrascope_nb.analysis.indices import spectral_index
from terrascope_nb.errors import CubeError, TerrascopeWarning, UnknownBandError, UnknownIndexError

DATA = Path(__file__).parents[1] / "data"
DAYS = ("2018-06-28T10:50:29", "2018-07-05T10:50:29")
S2 = {
    "red": {"common_name": "red", "band": "B04", "units": "1", "product": "s2-toc", "attribution": "whose data"},
    "nir": {"common_name": "nir", "band": "B08", "units": "1", "product": "s2-toc"},
    "narrow": {"common_name": "nir08", "band": "B8A", "units": "1"},
    "blue": {"common_name": "blue", "band": "B02", "units": "1"},
    "edge1": {"common_name": "rededge", "band": "B05"},
    "edge2": {"common_name": "rededge", "band": "B06"},
}


@pytest.fixture
def reflectance(make_cube):
    rng = np.random.default_rng(4)
    values = {name: rng.uniform(0.01, 0.6, (2, 5, 7)).astype("float32") for name in S2}
    return make_cube(values, times=DAYS, attrs=S2)


def test_ndvi_is_near_infrared_minus_red_and_not_the_other_way_round(reflectance):
    # The official sample computes (red - nir) / (red + nir): vegetation comes out negative there.
    ndvi = spectral_index(reflectance, "NDVI")
    red, nir = (reflectance[name].values.astype("float64") for name in ("red", "nir"))
    np.testing.assert_allclose(ndvi.values, (nir - red) / (nir + red), rtol=2e-6, atol=1e-7)
    assert ndvi.dtype == np.float32
    meadow = xr.Dataset({"red": ("x", np.float32([0.04])), "nir": ("x", np.float32([0.5]))})
    assert float(spectral_index(meadow, "NDVI").item()) > 0.8


def test_ndvi_of_a_real_field_equals_what_openeo_delivered():
    with np.load(DATA / "field_ndvi" / "field.npz") as field:
        stored = {name: np.where(field[name] >= 0, field[name] / 10000, np.nan) for name in ("B04", "B08")}
        expected = field["NDVI"]
    cube = xr.Dataset({name: (("time", "y", "x"), values.astype("float32")) for name, values in stored.items()})
    ndvi = spectral_index(cube, "NDVI").values
    assert np.isfinite(expected).sum() > 4000
    np.testing.assert_array_equal(np.isnan(ndvi), np.isnan(expected))
    np.testing.assert_allclose(ndvi, expected, atol=2e-6)


@given(hnp.arrays("float32", (2, 6), elements=st.floats(-0.125, 1.5, width=32)))
def test_a_result_is_finite_or_nan_and_nan_only_where_it_must_be(bands):
    nir, red = bands
    ndvi = spectral_index(xr.Dataset({"nir": ("x", nir), "red": ("x", red)}), "NDVI").values
    with np.errstate(all="ignore"):
        plain = (nir - red) / (nir + red)
    np.testing.assert_array_equal(ndvi, np.where(np.isfinite(plain), plain, np.nan))


def test_a_zero_denominator_and_a_missing_value_become_nan_without_a_warning(make_cube):
    zero = np.zeros((1, 2, 2), dtype="float32")
    nir = np.array([[[0.0, 0.3], [np.nan, np.inf]]], dtype="float32")
    for chunks in (None, {"y": 1}):
        cube = make_cube({"red": zero, "nir": nir}, times=DAYS[:1])
        ndvi = spectral_index(cube.chunk(chunks) if chunks else cube, "NDVI").values
        np.testing.assert_array_equal(ndvi, [[[np.nan, 1.0], [np.nan, np.nan]]])


def test_negative_reflectance_is_kept_and_nothing_is_clipped():
    cube = xr.Dataset({"red": ("x", np.float32([0.01])), "nir": ("x", np.float32([-0.004]))})
    np.testing.assert_allclose(spectral_index(cube, "NDVI").values, [-0.014 / 0.006], rtol=1e-5)


def test_a_lazy_cube_stays_lazy_and_its_chunks_need_not_match(reflectance):
    lazy = reflectance.chunk({"time": 1, "y": 2}).assign(nir=reflectance.nir.chunk({"y": 3}))
    ndvi = spectral_index(lazy, "NDVI")
    assert dask.is_dask_collection(ndvi)
    xr.testing.assert_identical(ndvi.compute(), spectral_index(reflectance, "NDVI"))


def test_coordinates_and_provenance_survive_and_the_formula_is_told(reflectance):
    reflectance = reflectance.assign_attrs(terrascope_plan="the plan")
    ndvi = spectral_index(reflectance, "ndvi")
    assert ndvi.name == "NDVI"
    assert list(ndvi["item_ids"].values) == list(reflectance["item_ids"].values)
    assert ndvi.odc.geobox == reflectance.red.odc.geobox
    assert ndvi.rio.crs.to_epsg() == 32631
    assert ndvi.attrs["units"] == "1"
    assert ndvi.attrs["long_name"] == "Normalized Difference Vegetation Index"
    assert ndvi.attrs["standard_name"] == "normalized_difference_vegetation_index"
    assert ndvi.attrs["formula"] == "(N-R)/(N+R)"
    assert ndvi.attrs["inputs"] == "N=nir (B08), R=red (B04)"
    assert ndvi.attrs["attribution"] in ("whose data", reflectance.attrs["attribution"])
    assert ndvi.attrs["terrascope_plan"] == "the plan"
    assert "band" not in ndvi.attrs
    assert "common_name" not in ndvi.attrs


def test_the_broad_near_infrared_is_taken_although_the_narrow_one_stands_first(reflectance):
    swapped = reflectance[["narrow", "nir", "red"]]
    xr.testing.assert_equal(spectral_index(swapped, "NDVI"), spectral_index(reflectance, "NDVI"))


def test_without_the_broad_near_infrared_the_narrow_one_stands_in_and_says_so(reflectance):
    with pytest.warns(TerrascopeWarning, match="narrow near infrared"):
        ndvi = spectral_index(reflectance.drop_vars("nir"), "NDVI")
    red, nir = (reflectance[name].values.astype("float64") for name in ("red", "narrow"))
    np.testing.assert_allclose(ndvi.values, (nir - red) / (nir + red), rtol=2e-6, atol=1e-7)
    assert "N=narrow (B8A)" in ndvi.attrs["inputs"]


def test_a_band_may_be_named_outright(reflectance):
    chosen = spectral_index(reflectance, "NDVI", N="narrow")
    assert chosen.attrs["inputs"] == "N=narrow (B8A), R=red (B04)"
    with pytest.raises(UnknownBandError, match="names no variable"):
        spectral_index(reflectance, "NDVI", N="swir")


@pytest.mark.parametrize("names", [("B04", "B08"), ("TOC-B04_10M", "TOC-B08_10M"), ("RED", "NIR")])
def test_bands_are_found_by_name_when_attributes_are_lost(reflectance, names):
    bare = xr.Dataset({names[0]: reflectance.red.drop_attrs(), names[1]: reflectance.nir.drop_attrs()})
    np.testing.assert_array_equal(spectral_index(bare, "NDVI"), spectral_index(reflectance, "NDVI"))


def test_landsat_style_names_are_not_taken_for_sentinel_ones(reflectance):
    # B4 and B5 are red and near infrared of Landsat 8; read as Sentinel-2 they would be another index.
    bare = xr.Dataset({"B4": reflectance.red.drop_attrs(), "B8": reflectance.nir.drop_attrs()})
    with pytest.raises(UnknownBandError):
        spectral_index(bare, "NDVI")


def test_red_edge_bands_of_one_common_name_are_told_apart_by_their_band(reflectance):
    index = spectral_index(reflectance, "S2REP" if "S2REP" in spyndex.indices else "IRECI", RE3="nir")
    assert "RE1=edge1 (B05)" in index.attrs["inputs"]
    assert "RE2=edge2 (B06)" in index.attrs["inputs"]


def test_two_variables_for_one_letter_are_warned_about(reflectance):
    twice = reflectance.rename(red="a").assign(b=reflectance.red)
    with pytest.warns(TerrascopeWarning, match="R could be a or b; a is taken"):
        spectral_index(twice, "NDVI")


def test_what_was_made_from_a_band_is_not_taken_for_the_band(reflectance):
    # Arithmetic keeps the attributes of its first operand: this ratio says it is the near infrared.
    ratio = (reflectance.nir / reflectance.red).assign_attrs(reflectance.nir.attrs)
    more = xr.Dataset({"ratio": ratio}).merge(reflectance)
    xr.testing.assert_equal(spectral_index(more, "NDVI"), spectral_index(reflectance, "NDVI"))


def test_parameters_have_the_defaults_of_spyndex_and_can_be_given(reflectance):
    red, nir, blue = (reflectance[name].values.astype("float64") for name in ("red", "nir", "blue"))
    evi = 2.5 * (nir - red) / (nir + 6.0 * red - 7.5 * blue + 1.0)
    near = np.abs(nir + 6.0 * red - 7.5 * blue + 1.0) > 0.05  # away from the pole, where float32 says nothing
    np.testing.assert_allclose(spectral_index(reflectance, "EVI").values[near], evi[near], rtol=1e-4)
    savi = spectral_index(reflectance, "SAVI", L=0.5)
    np.testing.assert_allclose(savi.values, 1.5 * (nir - red) / (nir + red + 0.5), rtol=1e-5, atol=1e-7)
    assert "L=0.5" in savi.attrs["inputs"]


def test_a_parameter_the_formula_does_not_have_is_refused(reflectance):
    with pytest.raises(TypeError, match="has no parameter 'G'"):
        spectral_index(reflectance, "NDVI", G=2.5)


def test_an_unknown_index_gets_near_misses(reflectance):
    with pytest.raises(UnknownIndexError, match="Did you mean NDVI") as caught:
        spectral_index(reflectance, "NVDI")
    assert isinstance(caught.value, LookupError)


def test_missing_bands_are_named_as_one_loads_them(reflectance):
    with pytest.raises(UnknownBandError, match=r"'green' \(B03\).*cube has not; it has red") as caught:
        spectral_index(reflectance, "NDWI")
    assert caught.value.missing == ("G",)


@pytest.mark.parametrize(
    "change",
    [
        lambda band: (band * 10000).astype("int16"),
        lambda band: band.assign_attrs(physical="false"),
        lambda band: band.assign_attrs(physical=False),
        lambda band: band.assign_attrs(scale_factor=0.0001),
    ],
    ids=["integer", "physical false", "physical False", "undecoded"],
)
def test_stored_numbers_are_refused(reflectance, change):
    with pytest.raises(CubeError, match="stored numbers"):
        spectral_index(reflectance.assign(red=change(reflectance.red)), "NDVI")


def test_radar_indices_use_polarisations_and_refuse_decibels(make_cube):
    values = {"VV": np.float32([[0.2, 0.1]]), "VH": np.float32([[0.05, 0.02]])}
    cube = make_cube(values)
    expected = 4 * values["VH"] / (values["VV"] + values["VH"])
    np.testing.assert_allclose(spectral_index(cube, "DpRVIVV").values, expected, rtol=1e-6)
    with pytest.raises(CubeError, match="decibel"):
        spectral_index(cube.assign(VV=cube.VV.assign_attrs(units="dB")), "DpRVIVV")


def test_a_class_band_is_never_taken_for_a_measurement(reflectance):
    classes = reflectance.red.assign_attrs(band="B03", flag_values=[0, 1], common_name="green")
    with pytest.raises(UnknownBandError):
        spectral_index(reflectance.assign(scl=classes), "NDWI")


def test_kndvi_is_the_hyperbolic_tangent_of_squared_ndvi(reflectance):
    red, nir = (reflectance[name].values.astype("float64") for name in ("red", "nir"))
    index = spectral_index(reflectance, "kNDVI")
    # Camps-Valls et al. (2021), equation 3, with sigma the mean of both bands.
    np.testing.assert_allclose(index.values, np.tanh(((nir - red) / (nir + red)) ** 2), rtol=2e-5, atol=1e-6)
    assert "0.5 * (a + b)" in index.attrs["comment"]
    fixed = spectral_index(reflectance, "kNDVI", sigma=0.4)
    np.testing.assert_allclose(fixed.values, np.tanh(((nir - red) / 0.8) ** 2), rtol=2e-5, atol=1e-6)
    assert fixed.attrs["inputs"].endswith("sigma=0.4")
    dark = reflectance.assign(nir=reflectance.nir * 0)
    np.testing.assert_allclose(spectral_index(dark, "kNDVI").values, np.tanh(1.0), rtol=1e-6)
    # The number of the documentation of spyndex.
    pixel = reflectance.isel(time=0, y=[0], x=[0]).copy(deep=True)
    pixel["nir"][:], pixel["red"][:] = 0.68, 0.13
    assert spectral_index(pixel, "kNDVI").item() == pytest.approx(0.4309459271768674, rel=1e-6)


def test_kernel_indices_stay_lazy_and_follow_the_same_kernel(reflectance):
    red, nir, blue = (reflectance[name].values.astype("float64") for name in ("red", "nir", "blue"))

    def k(a, b):
        return np.exp(-((a - b) ** 2) / (2 * ((a + b) / 2) ** 2))

    lazy = spectral_index(reflectance.chunk(y=2), "kEVI")
    assert dask.is_dask_collection(lazy)
    expected = 2.5 * (1 - k(nir, red)) / (1 + 6 * k(nir, red) - 7.5 * k(nir, blue) + k(nir, 1.0))
    well = np.abs(1 + 6 * k(nir, red) - 7.5 * k(nir, blue) + k(nir, 1.0)) > 0.1
    np.testing.assert_allclose(lazy.values[well], expected[well], rtol=1e-4, atol=1e-5)


def test_a_parameter_a_kernel_index_does_not_have_is_refused(reflectance):
    with pytest.raises(TypeError, match="it has N, R, sigma"):
        spectral_index(reflectance, "kNDVI", kNR=0.5)


def test_several_indices_at_once_are_asked_for_one_by_one(reflectance):
    with pytest.raises(UnknownIndexError, match="one index per call"):
        spectral_index(reflectance, ["NDVI", "EVI"])
    both = xr.merge([spectral_index(reflectance, name) for name in ("NDVI", "EVI")], compat="override")
    assert set(both.data_vars) == {"NDVI", "EVI"}
