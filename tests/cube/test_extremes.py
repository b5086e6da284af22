"""The largest and smallest of several dates: numpy's and dask's very bits."""

import dask
import dask.array as da
import numpy as np
import pytest
from dask._task_spec import Task

from terrascope_nb.cube.extremes import Extreme
from terrascope_nb.cube.straight import straightened

ODD = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 3e-45, np.float32(0.3)], dtype="float32")


def odd_values(shape, seed=0):
    return np.random.default_rng(seed).choice(ODD, shape)


@pytest.mark.parametrize(("rule", "plain"), [(np.fmax, np.nanmax), (np.fmin, np.nanmin)])
@pytest.mark.parametrize("shape", [(7, 1, 33, 41), (2, 1, 1, 1), (5, 1, 300, 517), (1, 1, 9, 5)])
@pytest.mark.filterwarnings("ignore:All-NaN")
def test_date_by_date_is_all_at_once(rule, plain, shape):
    blocks = list(odd_values(shape))
    before = [block.copy() for block in blocks]
    wanted = plain(np.concatenate(blocks), axis=(0,))
    for keepdims, part in ((False, wanted), (True, wanted[None])):
        got = Extreme(rule, keepdims, None)(blocks)
        np.testing.assert_array_equal(got.view("u4"), part.view("u4"))
    for block, was in zip(blocks, before, strict=True):
        np.testing.assert_array_equal(block.view("u4"), was.view("u4"))


def steps_of(graph):
    for task in graph.values():
        if isinstance(task, Task):
            yield task.func
            for step in getattr(task.func, "steps", ()):
                yield getattr(getattr(step, "node", None), "func", None)


@pytest.mark.parametrize("name", ["nanmax", "nanmin"])
@pytest.mark.parametrize("chunks", [(1, 30, 40), (2, 30, 40), (1, 60, 40)])
def test_a_lazy_extreme_over_time_has_dasks_bits(name, chunks):
    array = getattr(da, name)(da.from_array(odd_values((9, 60, 40), 1), chunks=chunks), axis=0)
    (optimised,) = dask.optimize(array)
    graph = straightened(dict(optimised.__dask_graph__()))
    assert any(isinstance(func, Extreme) for func in steps_of(graph))
    got = array.__dask_postcompute__()[0](dask.get(graph, optimised.__dask_keys__()))
    np.testing.assert_array_equal(got.view("u4"), array.compute(scheduler="synchronous").view("u4"))


@pytest.mark.parametrize("axis", [1, (1, 2), None])
def test_other_axes_are_left_to_dask(axis):
    array = da.nanmax(da.from_array(odd_values((4, 60, 40)), chunks=(1, 20, 20)), axis=axis)
    (optimised,) = dask.optimize(array)
    graph = straightened(dict(optimised.__dask_graph__()))
    assert not any(isinstance(func, Extreme) for func in steps_of(graph))


def test_other_types_are_left_to_dask():
    array = da.nanmax(da.from_array(np.arange(4000).reshape(4, 20, 50), chunks=(1, 20, 50)), axis=0)
    (optimised,) = dask.optimize(array)
    graph = straightened(dict(optimised.__dask_graph__()))
    got = array.__dask_postcompute__()[0](dask.get(graph, optimised.__dask_keys__()))
    np.testing.assert_array_equal(got, array.compute(scheduler="synchronous"))
