"""The median of plain xarray: numpy's numbers, another way to them."""

from __future__ import annotations

import warnings

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from terrascope_nb.cube import medians
from terrascope_nb.cube.compute import compute
from terrascope_nb.cube.decoding import decoder_for
from terrascope_nb.cube.formula import Scratch
from terrascope_nb.cube.medians import nan_median, with_own_median
from terrascope_nb.cube.plan import Coding
from terrascope_nb.cube.stacks import rank_stored


def by_numpy(values, **how):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # all-NaN columns
        return np.nanmedian(values, **how)


FLOATS = st.one_of(
    st.floats(-1e6, 1e6, width=32), st.sampled_from([0.0, np.nan, np.nan, np.inf, -np.inf]), st.integers(0, 3)
)


@given(arrays.arrays("float32", arrays.array_shapes(min_dims=3, max_dims=3, max_side=7), elements=FLOATS), st.data())
def test_it_is_numpys_median(values, data):
    axis, keepdims = data.draw(st.integers(0, 2)), data.draw(st.booleans())
    found = nan_median(values, [axis], keepdims=keepdims)
    np.testing.assert_array_equal(found, by_numpy(values, axis=axis, keepdims=keepdims))
    assert found.dtype == np.float32


@pytest.mark.parametrize("length", [1, 2, 12, 61, 256, 300])
def test_long_series_and_many_pixels_are_numpys_too(rng, length):
    values = rng.normal(size=(length, 130, 100)).astype("float32")
    values[rng.random(values.shape) < 0.4] = np.nan
    np.testing.assert_array_equal(nan_median(values, 0), by_numpy(values, axis=0))


@given(st.integers(1, 110), st.integers(0, 2**32 - 1), st.sampled_from(["int16", "uint16", "uint8", "int8"]))
def test_the_median_of_stored_numbers_is_numpys_of_their_values(length, seed, dtype):
    rng, kind = np.random.default_rng(seed), np.iinfo(dtype)
    stack = rng.integers(kind.min, min(kind.max, 200), (length, 7, 9)).astype(dtype)
    stack[rng.random(stack.shape) < rng.choice([0, 0.3, 0.9])] = kind.max  # means nothing
    stack[:, 0, 0], stack[:, 1, 1] = kind.max, kind.min
    values = np.where(stack == kind.max, np.nan, stack.astype("float32"))
    wanted = by_numpy(values, axis=0).astype("float32")
    decoder = decoder_for(dtype, Coding(1.0, 0.0, float(kind.max), "item"), None)
    found, count = rank_stored(stack, decoder, 50.0, Scratch())
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(count, np.isfinite(values).sum(axis=0))


def test_what_is_not_float32_is_handed_to_numpy(rng):
    whole = rng.integers(0, 9, (5, 4, 3))
    np.testing.assert_array_equal(nan_median(whole, (0, 1)), np.median(whole, axis=(0, 1)))


def test_compute_takes_it_for_plain_xarray_and_changes_nothing_else(rng, monkeypatch):
    values = rng.normal(size=(6, 50, 40)).astype("float32")
    lazy = xr.DataArray(da.from_array(values, chunks=(1, 25, 40)), dims=("time", "y", "x"), attrs={"a": 1}, name="v")
    asked = []
    monkeypatch.setattr(medians, "nan_median", lambda *a, **k: (asked.append(1), nan_median(*a, **k))[1])
    median = lazy.median("time", keep_attrs=True)
    xr.testing.assert_identical(compute(median), median.compute())
    assert asked
    both = xr.Dataset({"m": median, "s": lazy.sum("time"), "here": median.compute()})
    xr.testing.assert_identical(compute(both), both.compute())
    untouched = lazy.mean("time")
    assert with_own_median(untouched) is untouched
