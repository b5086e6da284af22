"""What an array is made of: bands of a plan and the pixel-by-pixel arithmetic on them, so that it can be worked out on another grid.

The dask graph is the witness, as in `standing`: it must hold nothing but the layers of load() and spectral_index(),
slices, and operations that take each pixel by itself (comparisons, arithmetic, ufuncs, where, isin, clip, round, astype).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dask
import numpy as np
import xarray as xr
from dask.base import is_dask_collection
from dask.blockwise import Blockwise
from numpy.typing import NDArray

from terrascope_nb.analysis.indices import Formula
from terrascope_nb.cube.plan import Plan
from terrascope_nb.cube.standing import BAND, SLICES, DiffersError, Graph, Part, run_of
from terrascope_nb.raster.grid import PixelGrid

_OPERATORS = {
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow),
    *(operator.neg, operator.pos, operator.abs, operator.invert),
    *(operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift),
    *(operator.gt, operator.ge, operator.lt, operator.le, operator.eq, operator.ne),
}
_FUNCTIONS = {np.where, np.clip, np.round, np.around, np.isin, np.isclose, np.nan_to_num, np.real, np.fix}
_DIMS = (("time", "y", "x"), ("y", "x"))


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """One band of a plan at some of its steps."""

    plan: Plan
    """What load() decided."""
    number: int
    """Band of the plan."""
    steps: tuple[int, ...]
    """Steps of the plan: one per time of the array, or one for all."""

    @property
    def key(self) -> tuple[str, int, tuple[int, ...]]:
        """Equal for bands with equal values."""
        return self.plan.token, self.number, self.steps


@dataclass(frozen=True, slots=True, eq=False)
class Derived:
    """An array that can be worked out on any grid."""

    bands: tuple[Band, ...]
    """What it is made of."""
    grid: PixelGrid
    """Its own pixels."""
    origin: tuple[int, int]
    """Row and column of the first one in the grid of the plan."""
    apply: Callable[[Sequence[NDArray[Any]]], NDArray[Any]]
    """Arrays of the bands, all of one shape -> its values."""


def derived(variable: xr.DataArray) -> Derived:
    """Return what an array is made of.

    Raises
    ------
    DiffersError
        Only its lazy array, or its memory, knows its values; the text says why.
    """
    if not is_dask_collection(variable.data):
        raise DiffersError("its values are in memory already")
    dims = tuple(str(dim) for dim in variable.dims)
    if dims not in _DIMS:
        raise DiffersError(f"its dimensions are {', '.join(dims)} and not time, y, x")
    array = variable.data
    graph = _Paths(array.dask.layers, array.dask.dependencies)
    found: list[tuple[Plan, int, tuple[str, ...]]] = []
    apply = graph.recipe(array.name, (), found)
    parts = [_vectors(graph, array, path) for _, _, path in found]
    rows, cols = run_of(parts[0][1], "rows"), run_of(parts[0][2], "columns")
    plan = found[0][0]
    for (other, _, _), (_, r, c) in zip(found, parts, strict=True):
        if other.grid != plan.grid or not np.array_equal(r, parts[0][1]) or not np.array_equal(c, parts[0][2]):
            raise DiffersError("it joins bands of other places")
    bands = tuple(
        Band(one, number, tuple(int(step) for step in times))
        for (one, number, _), (times, _, _) in zip(found, parts, strict=True)
    )
    grid = plan.grid.crop(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])
    return Derived(bands, grid, (rows[0], cols[0]), apply)


def _vectors(graph: _Paths, array: Any, path: tuple[str, ...]) -> tuple[Any, Any, Any]:
    """Return which times, rows and columns of the plan one band has along the axes of an array."""
    graph.path = path
    vectors: list[Any] = []
    part = None
    for axis, blocks in enumerate(array.numblocks):
        numbers = []
        for block in range(blocks):
            place = [0] * array.ndim
            place[axis] = block
            part = graph.block((array.name, *place))
            if part.kept not in {(0, 1, 2), (1, 2)}:
                raise DiffersError("its dimensions were turned")
            numbers.append(part.vectors[axis + 3 - array.ndim])
        # A band of one time that stands for all times of the array has one number, however many blocks there are.
        is_one = part is not None and axis + 3 - array.ndim not in part.kept
        vectors.append(numbers[0] if is_one else np.concatenate(numbers))
    assert part is not None
    times = vectors[0] if array.ndim == 3 else part.vectors[0]
    if array.ndim == 3 and len(times) != array.shape[0]:
        times = np.unique(times)
        if len(times) != 1:
            raise DiffersError("its times are not followed")
    return times, vectors[-2], vectors[-1]


class _Paths(Graph):
    """The layers under an array; positions are followed along one path from the array to one of its bands."""

    path: tuple[str, ...] = ()

    def recipe(self, name: str, path: tuple[str, ...], found: list[Any]) -> Callable[..., Any]:
        """Return how a layer is worked out of the bands that are appended to ``found``."""
        layer = self.layers.get(name)
        own = BAND.fullmatch(name)
        if own and isinstance(layer, Blockwise):
            place = len(found)
            found.append((self.plan(own[1]), int(own[2]), (*path, name)))
            return lambda arrays: arrays[place]
        if name.startswith(SLICES):
            (source,) = self.sources(name)
            return self.recipe(source, (*path, name), found)
        if name.startswith("any-aggregate-"):
            source, values, kwargs = self.membership(name)
            inner = self.recipe(source, (*path, name), found)
            return lambda arrays: np.isin(inner(arrays), values, **kwargs)
        function = getattr(getattr(layer, "task", None), "func", None)
        if not isinstance(layer, Blockwise) or not _is_by_pixel(function):
            raise DiffersError(f"its values were changed after load() ({name.rsplit('-', 1)[0]})")
        return self._operation(name, layer, function, path, found)

    def _operation(
        self, name: str, layer: Any, function: Any, path: tuple[str, ...], found: list[Any]
    ) -> Callable[..., Any]:
        inputs: list[Any] = []
        for source, dims in layer.indices:
            if dims is None:
                inputs.append(source)
            elif dims in {layer.output_indices, layer.output_indices[-2:]}:
                inputs.append(self.recipe(str(source), (*path, name), found))
            else:
                raise DiffersError(f"it joins arrays of different shape ({name.rsplit('-', 1)[0]})")
        kwargs = dict(layer.task.kwargs or {})
        is_array = [dims is not None for _, dims in layer.indices]
        places = [_place_of(one) for one in layer.task.args]
        if any(place is None for place in places) or any(not _is_plain(value) for value in kwargs.values()):
            raise DiffersError(f"it was made in a way that is not followed ({name.rsplit('-', 1)[0]})")

        def work(arrays: Sequence[NDArray[Any]]) -> Any:
            given = [inputs[place](arrays) if is_array[place] else inputs[place] for place in places]  # type: ignore[index]
            return function(*given, **kwargs)

        return work

    def membership(self, name: str) -> tuple[str, Any, dict[str, Any]]:
        """Return what isin() was asked of, and the values it looks for."""
        (partial,) = self.sources(name)
        (kernel,) = self.sources(partial)
        layer = self.layers.get(kernel)
        if not kernel.startswith("isin_kernel-") or not isinstance(layer, Blockwise) or len(layer.indices) != 2:
            raise DiffersError(f"its values were changed after load() ({name.rsplit('-', 1)[0]})")
        source, values = (str(one) for one, _ in layer.indices)
        wanted = self.layers[values]
        if len(wanted) != 1:
            raise DiffersError("isin() was asked for more values than are followed")
        (numbers,) = dask.get(dict(wanted), [next(iter(wanted))])  # type: ignore[attr-defined, no-untyped-call, unused-ignore]
        return source, np.asarray(numbers), {}

    def block(self, key: tuple[Any, ...]) -> Part:
        """Return what a block holds of the band at the end of the path."""
        name, *place = key
        if name.startswith(SLICES) and key not in self.layers[name]:
            return super().block((name, 0, *place[1:]))  # one time that stands for all times
        if name.startswith(SLICES) or BAND.fullmatch(name):
            return super().block(key)
        below = self.path[self.path.index(name) + 1]
        axes = next((dims for source, dims in getattr(self.layers[name], "indices", ()) if str(source) == below), None)
        return self.block((below, *(place if axes is None else place[-len(axes) :])))


def _is_by_pixel(function: Any) -> bool:
    if isinstance(function, (Formula, np.ufunc)):
        return True
    name = getattr(function, "__name__", "")
    if name == "astype" and getattr(function, "__module__", "") == "dask.array.chunk":
        return True
    try:
        return function in _OPERATORS or function in _FUNCTIONS
    except TypeError:  # cannot be hashed
        return False


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str, np.dtype, np.generic, type(None)))


def _place_of(argument: Any) -> int | None:
    """Return which input of its layer a task's argument is."""
    key = str(getattr(argument, "key", ""))
    prefix = "__dask_blockwise__"
    return int(key[len(prefix) :]) if key.startswith(prefix) and key[len(prefix) :].isdigit() else None
