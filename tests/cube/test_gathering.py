"""Blocks written where they belong: xarray's values, in less memory."""

import tracemalloc

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from terrascope_nb.cube.gathering import gathered

SIZES = {"time": 3, "y": 50, "x": 40}


def lazy(seed, chunks=(1, 20, 40), dtype="float32"):
    values = np.random.default_rng(seed).integers(-1000, 1000, tuple(SIZES.values())).astype(dtype)
    return da.from_array(values, chunks=chunks)


@pytest.fixture
def cube():
    return xr.Dataset(
        {"a": (SIZES.keys(), lazy(1), {"units": "1"}), "b": (SIZES.keys(), lazy(2)), "n": ("x", np.arange(40))},
        coords={"time": np.arange(3), "height": (("y", "x"), lazy(3)[0])},
        attrs={"title": "test"},
    )


def got(cube, threads=2):
    announced = []
    made = gathered(cube, threads, announced.append)
    return made, announced


@pytest.mark.parametrize(
    "made",
    [
        lambda c: c,
        lambda c: c.a,
        lambda c: c.mean(),
        lambda c: c.a.mean(("y", "x")),
        lambda c: c.max("time"),
        lambda c: c.median("time"),
        lambda c: c.assign(c=c.a - c.b, d=(c.a - c.b) * 2, e=c.a),
        lambda c: c.isel(time=[2, 0], y=slice(5, 45)),
        lambda c: c.isel(time=0),
        lambda c: c.isel(x=slice(0, 0)),
        lambda c: c.transpose("x", "time", "y"),
        lambda c: c.chunk({"time": -1, "y": 7}),
        lambda c: c.a > 0,
        lambda c: c.astype("int16"),
        lambda c: c.a.where(c.a > 0),
        lambda c: c.drop_vars(["a", "b", "height"]),
    ],
)
def test_values_coordinates_and_attributes_are_xarrays(cube, made):
    wanted = made(cube)
    found, _ = got(wanted)
    xr.testing.assert_identical(found, wanted.compute())
    for name in wanted.coords:
        assert isinstance(found.coords[name].data, np.ndarray)


def test_the_lazy_cube_stays_lazy_and_the_values_are_ones_own(cube):
    found, _ = got(cube)
    assert isinstance(cube.a.data, da.Array)
    found.a[:] = 0
    found.n[:] = 0
    again, _ = got(cube)
    assert float(abs(again.a).max()) > 0


def test_blocks_that_are_not_what_was_said_are_left_to_dask(cube):
    other = cube.a.copy(data=da.map_blocks(lambda block: block.astype("float64") / 3, cube.a.data, dtype="float32"))
    found, _ = got(other)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, other.compute())


def test_of_sizes_that_are_not_known_xarray_says_what_it_can_not(cube):
    flat = cube.a.data.reshape(-1)
    with pytest.raises(ValueError, match="replacement data has shape"):
        got(xr.DataArray(flat[flat > 0], dims="n"))


def test_the_number_of_tasks_is_told_before_they_run(cube):
    _, announced = got(cube[["a", "b"]])
    assert len(announced) == 1
    assert announced[0] >= 2 * 9


def test_arrays_that_share_nothing_are_worked_out_one_after_the_other():
    order = []

    def note(block, name):
        order.append(name)
        return block

    cube = xr.Dataset(
        {name: (SIZES.keys(), da.map_blocks(note, lazy(n), name, dtype="float32")) for n, name in enumerate("abc")}
    )
    order.clear()
    got(cube, threads=1)
    assert order == sorted(order)
    assert len(order) == 27


def test_what_arrays_share_is_worked_out_once():
    seen = []

    def note(block):
        seen.append(1)
        return block

    shared = da.map_blocks(note, lazy(1), dtype="float32", name="shared-pixels")
    cube = xr.Dataset({"a": (SIZES.keys(), shared + 1), "b": (SIZES.keys(), shared * 2)})
    seen.clear()
    xr.testing.assert_identical(got(cube)[0], cube.compute())
    assert len(seen) == 2 * 9  # once by each of the two ways


def test_no_second_copy_of_the_result_is_made():
    blocks = da.map_blocks(
        lambda block_id=None: np.full((1, 500, 500), block_id[0], "float32"),
        chunks=((1,) * 40, (500,), (500,)),
        dtype="float32",
    )
    cube = xr.DataArray(blocks, dims=("time", "y", "x"))
    got(cube[:2])
    tracemalloc.start()
    try:
        found, _ = got(cube)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.4 * found.nbytes
    np.testing.assert_array_equal(found[:, 0, 0], np.arange(40))


def test_an_error_names_itself(cube):
    def fail(block):
        raise ZeroDivisionError("on purpose")

    broken = cube.a.copy(data=da.map_blocks(fail, cube.a.data, dtype="float32", meta=np.empty((0, 0, 0), "float32")))
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        got(broken)
