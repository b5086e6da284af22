"""Joined tasks give dask's numbers, by fewer steps."""

import operator
import random

import dask
import dask.array as da
import numpy as np
import pytest
from dask._task_spec import Alias, Task, TaskRef

from terrascope_nb.cube import straight
from terrascope_nb.cube.straight import Straight, straightened

SHAPE, CHUNKS = (3, 70, 50), (1, 40, 50)


def numbers(seed, dtype="float32", shape=SHAPE):
    values = np.random.default_rng(seed).normal(size=shape) * 10
    if np.dtype(dtype).kind == "f":
        values.reshape(-1)[::7] = np.nan
    return values.astype(dtype)


@pytest.fixture
def arrays():
    return [da.from_array(numbers(seed), chunks=CHUNKS) + np.float32(0) for seed in range(3)]


def both(array):
    """Return what dask makes of an array, and what its straightened graph makes."""
    (optimised,) = dask.optimize(array)
    graph = straightened(dict(optimised.__dask_graph__()))
    keys = optimised.__dask_keys__()
    return array.compute(scheduler="synchronous"), da.Array.__dask_postcompute__(array)[0](dask.get(graph, keys))


def same(array):
    wanted, got = both(array)
    assert wanted.dtype == got.dtype
    np.testing.assert_array_equal(np.asarray(wanted).view("u1"), np.asarray(got).view("u1"))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "formula",
    [
        lambda a, b, c: (a - b) / (a + b),
        lambda a, b, c: 2.5 * (a - b) / (a + 6 * b - 7.5 * c + 1),
        lambda a, b, c: a * a + a,
        lambda a, b, c: (a + b) * (a + b),
        lambda a, b, c: np.add(a, b) / np.float64(3),
        lambda a, b, c: a.astype("float64") * b - c,
        lambda a, b, c: a.astype("int16") / b.astype("int16"),
        lambda a, b, c: a - b[0],
        lambda a, b, c: (a - b).transpose(0, 2, 1) + (c * 2).transpose(0, 2, 1),
        lambda a, b, c: np.where(a > b, a - b, c / 0),
        lambda a, b, c: da.nanmean((a - b) / (a + b), axis=(1, 2)),
        lambda a, b, c: da.nanmax((a - b) / (a + b), axis=0),
        lambda a, b, c: da.nanmedian(a * b - c, axis=0),
        lambda a, b, c: (a / b)[:0],
    ],
)
def test_the_numbers_are_dasks(arrays, formula):
    same(formula(*arrays))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", range(30))
def test_any_formula_has_the_same_bits(arrays, seed, monkeypatch):
    monkeypatch.setattr(straight, "_AT_ONCE", 64)
    draw = random.Random(seed)
    rules = [operator.add, operator.sub, operator.mul, operator.truediv]
    known = list(arrays)
    for _ in range(draw.randint(2, 9)):
        one, two = draw.choice(known), draw.choice([*known, 2, 0.1])
        known.append(draw.choice(rules)(*draw.sample([one, two], 2)))
    same(known[-1])


def test_the_order_is_not_worked_out_for_each_block(arrays, monkeypatch):
    (optimised,) = dask.optimize(da.nanmean((arrays[0] - arrays[1]) / arrays[0], axis=(1, 2)))
    tasks = straightened(dict(optimised.__dask_graph__()))
    joined = [task for task in tasks.values() if isinstance(task, Task) and isinstance(task.func, Straight)]
    assert len(joined) >= 6
    monkeypatch.setattr("dask.order.order", None)
    block = joined[0]
    assert block({key: tasks[key]({}) for key in block.dependencies}) is not None


def joined(tasks, out):
    """Return a task that dask joined of others."""
    return Task.fuse(*tasks, key=out)


def test_what_no_later_task_needs_is_left():
    alive = []

    class Big:
        def __init__(self, *_):
            alive.append(self)

    def count(_):
        import gc

        gc.collect()
        return sum(one() is not None for one in seen)

    import weakref

    seen = []

    def make(*_):
        big = Big()
        alive.clear()
        seen.append(weakref.ref(big))
        return big

    tasks = [
        Task("a", make),
        Task("b", make, TaskRef("a")),
        Task("c", make, TaskRef("b")),
        Task("d", count, TaskRef("c")),
    ]
    (task,) = straightened({"d": joined(tasks, "d")}).values()
    assert isinstance(task.func, Straight)
    assert task({}) == 1
    assert len(seen) == 3


def test_tasks_within_tasks_and_other_names_are_followed():
    inside = joined([Task("a", operator.add, TaskRef("x"), 1), Task("b", operator.mul, TaskRef("a"), 10)], "b")
    whole = joined([inside, Alias("same", "b"), Task("c", operator.sub, TaskRef("same"), TaskRef("y"))], "c")
    tasks = straightened({"x": Task("x", int, 2), "y": Task("y", int, 5), "c": whole})
    assert isinstance(tasks["c"].func, Straight)
    assert dask.get(tasks, "c") == 25


def test_what_dask_does_in_another_way_is_left_to_it(monkeypatch):
    whole = joined([Task(f"t{n}", operator.add, TaskRef(f"t{n - 1}") if n else 0, 1) for n in range(5)], "t4")
    monkeypatch.setattr(straight, "_LONGEST", 4)
    assert straightened({"t4": whole})["t4"] is whole
    assert straightened({"n": 3}) == {"n": 3}


def test_an_error_in_a_task_is_the_tasks_own():
    whole = joined([Task("a", int, "x"), Task("b", operator.add, TaskRef("a"), 1)], "b")
    with pytest.raises(ValueError, match="invalid literal"):
        straightened({"b": whole})["b"]({})
