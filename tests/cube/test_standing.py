"""Whether a variable still stands for its plan: every operation that changes a value, a place or an order must tell."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr

from terrascope_nb.analysis.indices import spectral_index
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.plan import PLAN_ATTRIBUTE
from terrascope_nb.cube.standing import standing, why_lazy


@pytest.fixture
def cube(make_scene, rng, window_box):
    scenes = [
        make_scene(
            {name: rng.integers(1, 5000, (300, 280)).astype("int16") for name in ("B04", "B08")},
            time=f"201807{day:02d}T105029",
        )
        for day in (5, 10, 15, 20)
    ]
    return load(scenes, ["B04", "B08"], area=window_box(10, 20, 200, 240), chunks={"y": 64, "x": 96})


def test_a_variable_of_load_stands_for_its_band(cube):
    found = standing(cube["B08"])
    assert (found.numbers, found.formula, found.steps) == ((1,), None, (0, 1, 2, 3))
    assert (found.rows, found.cols) == ((0, 200), (0, 240))
    assert found.grid == found.plan.grid


def test_an_index_stands_for_its_bands_in_the_order_of_its_letters(cube):
    found = standing(spectral_index(cube, "NDVI"))
    assert (found.formula.name, found.formula.letters, found.numbers) == ("NDVI", ("N", "R"), (1, 0))
    saved = standing(spectral_index(cube, "SAVI", L=0.25))
    assert dict(saved.formula.constants) == {"L": 0.25}


SLICES = {
    "times": (lambda d: d.isel(time=slice(1, 3)), (1, 2), (0, 200), (0, 240)),
    "one time": (lambda d: d.isel(time=2), (2,), (0, 200), (0, 240)),
    "times out of order": (lambda d: d.isel(time=[3, 0]), (3, 0), (0, 200), (0, 240)),
    "times chosen by date": (lambda d: d.sel(time=d["time"].dt.day > 9), (1, 2, 3), (0, 200), (0, 240)),
    "a window": (lambda d: d.isel(y=slice(5, 150), x=slice(90, 200)), (0, 1, 2, 3), (5, 150), (90, 200)),
    "a window of a window": (
        lambda d: d.isel(y=slice(5, 150)).isel(y=slice(60, 70), time=slice(2, None), x=slice(-7, None)),
        (2, 3), (65, 75), (233, 240),
    ),
    "one row": (lambda d: d.isel(y=slice(7, 8)), (0, 1, 2, 3), (7, 8), (0, 240)),
    "by coordinates": (
        lambda d: d.sel(y=slice(float(d["y"][3]), float(d["y"][9])), x=slice(float(d["x"][3]), float(d["x"][4]))),
        (0, 1, 2, 3), (3, 10), (3, 5),
    ),
    "times reversed": (lambda d: d.isel(time=slice(None, None, -1)), (3, 2, 1, 0), (0, 200), (0, 240)),
}  # fmt: skip


@pytest.mark.parametrize("name", SLICES)
@pytest.mark.parametrize("index", [False, True])
def test_slices_are_followed(cube, name, index):
    cut, steps, rows, cols = SLICES[name]
    whole = spectral_index(cube, "NDVI") if index else cube["B04"]
    found = standing(cut(whole))
    assert found is not None, why_lazy(cut(whole))
    assert (found.steps, found.rows, found.cols) == (steps, rows, cols)


def test_a_slice_taken_before_the_index_is_followed_too(cube):
    found = standing(spectral_index(cube.isel(time=[2, 1], y=slice(3, 9)), "NDVI"))
    assert (found.steps, found.rows, found.numbers) == ((2, 1), (3, 9), (1, 0))


def test_relabelled_coordinates_do_not_mislead(cube):
    """The graph says which times these are, whatever the labels say."""
    early = cube["B04"].isel(time=slice(0, 2)).assign_coords(time=cube["time"].values[2:])
    assert standing(early).steps == (0, 1)
    moved = cube["B04"].isel(y=slice(0, 100)).assign_coords(y=cube["y"].values[100:])
    assert standing(moved).rows == (0, 100)


CHANGES = {
    "a product": lambda d: d * 2,
    "a sum": lambda d: d + d,
    "a negative": lambda d: -d,
    "where": lambda d: d.where(d > 0.1),
    "fillna": lambda d: d.fillna(0),
    "clip": lambda d: d.clip(0, 1),
    "astype": lambda d: d.astype("float64"),
    "diff": lambda d: d.diff("time"),
    "shift": lambda d: d.shift(time=1),
    "roll": lambda d: d.roll(x=3, roll_coords=True),
    "rows reversed": lambda d: d.isel(y=slice(None, None, -1)),
    "columns reversed": lambda d: d.isel(x=slice(None, None, -1)),
    "every second column": lambda d: d.isel(x=slice(0, 100, 2)),
    "rows picked": lambda d: d.isel(y=[0, 5, 7]),
    "pixels picked": lambda d: d.isel(y=xr.DataArray([1, 2], dims="p"), x=xr.DataArray([3, 4], dims="p")),
    "reindex": lambda d: d.reindex(x=np.append(d["x"].values, d["x"].values[-1] + 10)),
    "transpose": lambda d: d.transpose("y", "x", "time"),
    "concat": lambda d: xr.concat([d, d], "time"),
    "coarsen": lambda d: d.coarsen(x=2, boundary="trim").mean(),
    "a mean": lambda d: d.mean("time"),
    "a function": lambda d: d.map_blocks(lambda block: block * 0),
    "a ufunc": lambda d: xr.apply_ufunc(np.sqrt, d, dask="parallelized"),
    "in memory": lambda d: d.compute(),
    "one column": lambda d: d.isel(x=3),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("index", [False, True])
def test_what_is_no_longer_the_plan_is_told(cube, name, index):
    whole = spectral_index(cube, "NDVI") if index else cube["B04"]
    with xr.set_options(keep_attrs=True):
        changed = CHANGES[name](whole)
    changed.attrs[PLAN_ATTRIBUTE] = cube.attrs[PLAN_ATTRIBUTE]
    assert standing(changed) is None
    assert why_lazy(changed)


def test_an_index_of_changed_bands_does_not_stand(cube):
    brighter = cube.assign(B08=(cube["B08"] + 0.1).assign_attrs(cube["B08"].attrs))
    assert standing(spectral_index(brighter, "NDVI")) is None


def test_an_index_of_bands_of_other_times_does_not_stand(cube):
    later = cube["B08"].isel(time=slice(1, None)).drop_vars("item_ids").assign_coords(time=cube["time"].values[:-1])
    mixed = xr.Dataset({"B04": cube["B04"].isel(time=slice(0, -1)).drop_vars("item_ids"), "B08": later})
    assert standing(spectral_index(mixed, "NDVI")) is None


def test_a_chain_of_indices_does_not_stand(cube):
    twice = cube.assign(B08=spectral_index(cube, "NDVI").assign_attrs(band="B08"))
    assert standing(spectral_index(twice, "NDVI", N="B08")) is None


def test_arrays_that_never_saw_load_do_not_stand():
    array = xr.DataArray(np.zeros((2, 3, 4)), dims=("time", "y", "x"))
    assert standing(array) is None
    assert standing(array.chunk()) is None


def test_a_pickled_cube_still_stands(cube):
    again = pickle.loads(pickle.dumps(cube))
    assert standing(again["B04"].isel(time=[1])).steps == (1,)
