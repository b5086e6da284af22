"""The blocks of a lazy cube are written where they belong as soon as they are there, so that no block waits for the others."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import dask.array as da
import dask.threaded
import numpy as np
import xarray as xr
from dask._task_spec import Alias, DataNode, GraphNode, Task, TaskRef
from dask.array.utils import meta_from_array
from dask.highlevelgraph import HighLevelGraph
from numpy.typing import NDArray

from terrascope_nb.cube.straight import straightened

Cube = TypeVar("Cube", xr.Dataset, xr.DataArray)
_PUT = "terrascope-put"


class _DiffersError(Exception):
    """A block is not what its lazy array said."""


def gathered(cube: Cube, threads: int, announce: Callable[[int], object]) -> Cube:
    """Return the cube with its values in memory, worked out by threads of this process.

    What a lazy array promises of its blocks is believed, and dask's own way is taken where it is not so.
    """
    made = cube.copy(deep=False)
    variables = list(made.variables.values()) if isinstance(made, xr.Dataset) else _variables(made)
    lazy = [variable for variable in variables if isinstance(variable.data, da.Array)]
    if all(_is_plain(variable.data) for variable in lazy):
        try:
            for variable, values in zip(
                lazy, _gather([variable.data for variable in lazy], threads, announce), strict=True
            ):
                variable.data = values
        except _DiffersError:
            pass
        else:
            return made
    return cube.compute(scheduler="threads", num_workers=threads)


def _variables(array: xr.DataArray) -> list[xr.Variable]:
    return [array.variable, *(array.coords[name].variable for name in array.coords)]


def _is_plain(array: Any) -> bool:
    known = all(float(size).is_integer() for sizes in array.chunks for size in sizes)
    in_memory = type(meta_from_array(array)) is np.ndarray  # type: ignore[no-untyped-call]
    return known and in_memory and array.dtype.kind != "O" and isinstance(array.dask, HighLevelGraph)


def _gather(arrays: list[Any], threads: int, announce: Callable[[int], object]) -> list[NDArray[Any]]:
    if not arrays:
        return []
    wanted = {key: (array.name, part) for array in arrays for key, part in _blocks(array)}
    graph = da.Array.__dask_optimize__(HighLevelGraph.merge(*(array.dask for array in arrays)), [*wanted])
    tasks = straightened(dict(graph))
    if not all(isinstance(node, GraphNode) for node in tasks.values()):
        raise _DiffersError
    needed: dict[Any, int] = {}
    for node in tasks.values():
        for key in node.dependencies:
            needed[key] = needed.get(key, 0) + 1
    results: dict[str, NDArray[Any]] = {}
    for array in arrays:
        results.setdefault(array.name, np.empty(array.shape, dtype=array.dtype))
    puts: dict[str, list[Any]] = {name: [] for name in results}
    for key, (array_name, part) in wanted.items():
        name = (_PUT, *key)
        tasks[name] = _put_task(tasks, needed, key, name, _Put(results[array_name], part))
        puts[array_name].append(name)
    announce(sum(not isinstance(node, DataNode) for node in tasks.values()))
    for some, names in _one_by_one(tasks, [names for names in puts.values() if names], threads):
        dask.threaded.get(some, names, num_workers=threads)
    return [results[array.name] for array in arrays]


def _one_by_one(
    tasks: dict[Any, Any], puts: list[list[Any]], threads: int
) -> Iterator[tuple[dict[Any, Any], list[Any]]]:
    """Yield what is worked out together: arrays that share no pixels one after the other, so that fewer blocks are held.

    What they do share, the masks of the plan, is worked out before, once.
    """
    parts = [_below(tasks, names) for names in puts]
    count = Counter(itertools.chain.from_iterable(parts))
    shared = {key: tasks[key] for key, times in count.items() if times > 1}
    if len(parts) < 2 or not all(_is_small(key) for key in shared):
        yield tasks, list(itertools.chain.from_iterable(puts))
        return
    known = {}
    if shared:
        keys = [*shared]
        found = dask.threaded.get(shared, keys, num_workers=threads)
        known = {key: DataNode(key, value) for key, value in zip(keys, found, strict=True)}
    for part, names in zip(parts, puts, strict=True):
        yield {key: known.get(key) or tasks[key] for key in part}, names


def _is_small(key: Any) -> bool:
    """Whether a task belongs to what `assembly` shares between bands."""
    return str(key[0] if isinstance(key, tuple) else key).startswith(("terrascope-keep-", "terrascope-plan-"))


def _below(tasks: Mapping[Any, Any], names: list[Any]) -> set[Any]:
    """Return the tasks that some tasks need, and themselves."""
    found, open_ = set(names), list(names)
    while open_:
        new = tasks[open_.pop()].dependencies - found
        found |= new
        open_ += new
    return found


def _blocks(array: Any) -> Iterator[tuple[tuple[Any, ...], tuple[slice, ...]]]:
    """Yield the key of each block, and where it belongs."""
    cuts = []
    for sizes in array.chunks:
        edges = [0, *itertools.accumulate(int(size) for size in sizes)]
        cuts.append([slice(*pair) for pair in itertools.pairwise(edges)])
    places = itertools.product(*(range(len(cut)) for cut in cuts))
    for place, part in zip(places, itertools.product(*cuts), strict=True):
        yield (array.name, *place), part


class _Put:
    """Writes a block where it belongs."""

    def __init__(self, result: NDArray[Any], part: tuple[slice, ...], make: Callable[..., Any] | None = None) -> None:
        self._result, self._part, self.make = result, part, make

    def __call__(self, *given: Any) -> None:
        """Write the block that is given, or that is made of what is given."""
        block = given[0] if self.make is None else self.make(*given)
        room = self._result[self._part] if self._part else self._result
        if np.shape(block) != room.shape or np.asarray(block).dtype != room.dtype:
            raise _DiffersError
        room[...] = block


def _put_task(tasks: dict[Any, Any], needed: Mapping[Any, int], key: Any, name: Any, put: _Put) -> Task:
    """Return the task that makes a block and writes it, or writes the one that others need too."""
    others = needed.get(key, 0)
    while not others and isinstance(tasks.get(key), Alias):
        key = tasks.pop(key).target
        others = needed[key] - 1
    node = tasks.get(key)
    if others or type(node) is not Task or node.kwargs:
        return Task(name, put, TaskRef(key))
    del tasks[key]
    put.make = node.func
    return Task(name, put, *node.args)
