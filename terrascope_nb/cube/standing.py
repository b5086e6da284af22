"""Whether a variable still stands for the plan that load() recorded, so that its pixels can be streamed from the files.

Attributes survive arithmetic, so they are not asked. What a lazy array will do is written in its graph: a variable
stands for its plan when the graph holds nothing but the layers that load() and spectral_index() made, and slices of
them. Which times, rows and columns are left is found by letting the slicing tasks themselves work on row numbers.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from dask.base import is_dask_collection
from dask.blockwise import Blockwise
from numpy.typing import NDArray

from terrascope_nb.analysis.indices import Formula
from terrascope_nb.cube.plan import Plan
from terrascope_nb.raster.grid import PixelGrid

BAND = re.compile(r"terrascope-.+-([0-9a-f]{40})-[0-9a-f]{8}-(\d+)")
"""Name that `assembly` gives a variable's layer: token of the plan, and number of the band."""
SLICES = ("getitem-", "slice-")
"""How dask names layers that only slice."""
_DIMS = ("time", "y", "x")


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """What part of a plan a variable stands for."""

    plan: Plan
    """What load() decided."""
    numbers: tuple[int, ...]
    """Bands of the plan: the variable's own, or one per letter of the formula."""
    formula: Formula | None
    """The index that is made of them; None = the band itself."""
    steps: tuple[int, ...]
    """Steps of the plan, in the order of the variable."""
    rows: tuple[int, int]
    """First row of the plan's grid, and the one after the last."""
    cols: tuple[int, int]
    """First column of the plan's grid, and the one after the last."""

    @property
    def grid(self) -> PixelGrid:
        """The pixel grid of the variable."""
        height, width = self.rows[1] - self.rows[0], self.cols[1] - self.cols[0]
        return self.plan.grid.crop(self.rows[0], self.cols[0], height, width)

    @property
    def window(self) -> tuple[str, tuple[int, ...], tuple[int, int], tuple[int, int]]:
        """Equal for variables that are read together."""
        return self.plan.token, self.steps, self.rows, self.cols


class DiffersError(Exception):
    """The variable does not stand for a plan; the text says why."""


def standing(variable: xr.DataArray) -> Standing | None:
    """Return what a variable stands for, or None when only its lazy array knows its values."""
    try:
        return _stand(variable)
    except DiffersError:
        return None


def why_lazy(variable: xr.DataArray) -> str:
    """Return why a variable cannot be streamed; empty when it can."""
    try:
        _stand(variable)
    except DiffersError as reason:
        return str(reason)
    return ""


def _stand(variable: xr.DataArray) -> Standing:
    if not is_dask_collection(variable.data):
        raise DiffersError("its values are in memory already")
    dims = tuple(str(dim) for dim in variable.dims)
    if dims not in (_DIMS, _DIMS[1:]):
        raise DiffersError(f"its dimensions are {', '.join(dims)} and not time, y, x")
    graph = Graph(variable.data.dask.layers, variable.data.dask.dependencies)
    array = variable.data
    vectors: list[NDArray[np.int64]] = []
    for axis, blocks in enumerate(array.numblocks):
        numbers = []
        for block in range(blocks):
            place = [0] * array.ndim
            place[axis] = block
            part = graph.block((array.name, *place))
            if len(part.kept) != array.ndim or part.kept[axis] != axis + 3 - array.ndim:
                raise DiffersError("its dimensions were turned")
            numbers.append(part.vectors[part.kept[axis]])
        vectors.append(np.concatenate(numbers))
    times = vectors[0] if array.ndim == 3 else part.vectors[0]
    rows, cols = run_of(vectors[-2], "rows"), run_of(vectors[-1], "columns")
    leaf = graph.leaf(array.name)
    if not leaf.plan.physical or any(leaf.plan.bands[number].band.kind != "measurement" for number in leaf.numbers):
        raise DiffersError("it holds stored numbers or classes, and not physical values")
    steps = tuple(int(number) for number in times)
    if not steps:
        raise DiffersError("it has no times")
    return Standing(leaf.plan, leaf.numbers, leaf.formula, steps, rows, cols)


def run_of(numbers: NDArray[np.int64], what: str) -> tuple[int, int]:
    """Return first and last+1 of numbers that follow each other."""
    if not len(numbers):
        raise DiffersError(f"it has no {what}")
    if not np.array_equal(numbers, np.arange(numbers[0], numbers[0] + len(numbers))):
        raise DiffersError(f"its {what} are not neighbours in the order of the grid")
    return int(numbers[0]), int(numbers[0]) + len(numbers)


class Part:
    """Which times, rows and columns a block holds; sliced like the block itself."""

    def __init__(self, kept: tuple[int, ...], vectors: tuple[NDArray[np.int64], ...]) -> None:
        self.kept = kept
        self.vectors = vectors

    def __getitem__(self, index: Any) -> Part:
        index = index if isinstance(index, tuple) else (index,)
        if index[:1] == (None,) and 0 not in self.kept:  # the one time gets an axis again
            rest = self[index[1:]]
            return Part((0, *rest.kept), rest.vectors)
        if len(index) != len(self.kept) or sum(np.ndim(one) for one in index if not isinstance(one, slice)) > 1:
            raise DiffersError("it was indexed point by point")
        kept, vectors = [], list(self.vectors)
        for axis, one in zip(self.kept, index, strict=True):
            vectors[axis] = np.atleast_1d(vectors[axis][one])
            if isinstance(one, slice) or np.ndim(one):
                kept.append(axis)
        return Part(tuple(kept), tuple(vectors))

    def same(self, other: Part) -> bool:
        """Return True when both hold the same times, rows and columns."""
        pairs = zip(self.vectors, other.vectors, strict=True)
        return self.kept == other.kept and all(np.array_equal(one, two) for one, two in pairs)


@dataclass(frozen=True, slots=True)
class Leaf:
    """The bands of a plan that a layer is made of."""

    plan: Plan
    numbers: tuple[int, ...]
    formula: Formula | None


class Graph:
    """The layers under a variable."""

    def __init__(self, layers: Mapping[str, Any], dependencies: Mapping[str, Any]) -> None:
        self.layers = layers
        self._dependencies = dependencies
        self._leaves: dict[str, Leaf] = {}
        self._edges: dict[str, Any] = {}

    def leaf(self, name: str) -> Leaf:
        """Return what a layer is made of, slices aside."""
        if name not in self._leaves:
            self._leaves[name] = self._leaf(name)
        return self._leaves[name]

    def _leaf(self, name: str) -> Leaf:
        layer = self.layers.get(name)
        own = BAND.fullmatch(name)
        if own and isinstance(layer, Blockwise):
            return Leaf(self.plan(own[1]), (int(own[2]),), None)
        if name.startswith(SLICES):
            (source,) = self.sources(name)
            return self.leaf(source)
        formula = _formula_of(layer)
        if formula is None:
            raise DiffersError(f"its values were changed after load() ({name.rsplit('-', 1)[0]})")
        leaves = [self.leaf(source) for source in _inputs_of(layer, name)]
        if any(leaf.formula is not None or leaf.plan is not leaves[0].plan for leaf in leaves):
            raise DiffersError("its index is made of other indices or of several cubes")
        return Leaf(leaves[0].plan, tuple(leaf.numbers[0] for leaf in leaves), formula)

    def plan(self, token: str) -> Plan:
        """Return the plan of that token, which must be in the graph."""
        key = f"terrascope-plan-{token}"
        node = self.layers.get(key, {}).get(key)
        plan = getattr(node, "value", node)
        if not isinstance(plan, Plan) or plan.token != token:
            raise DiffersError("its plan is no longer in its graph")
        return plan

    def sources(self, name: str) -> list[str]:
        """Return the one layer under a layer."""
        found = sorted(self._dependencies.get(name, ()))
        if len(found) != 1:
            raise DiffersError(f"its values were put together ({name.rsplit('-', 1)[0]})")
        return found

    def block(self, key: tuple[Any, ...]) -> Part:
        """Return what a block holds."""
        name, *place = key
        layer = self.layers.get(name)
        if name.startswith(SLICES):
            return self.sliced(layer, key)
        if BAND.fullmatch(name) and isinstance(layer, Blockwise):
            edges = self.edges_of(name, layer)
            spans = zip(edges, place, strict=True)
            return Part((0, 1, 2), tuple(np.arange(axis[i], axis[i + 1]) for axis, i in spans))
        self.leaf(name)  # says why it is nothing that we know
        first, *others = (self.block((source, *place)) for source in _inputs_of(layer, name))
        if not all(first.same(other) for other in others):
            raise DiffersError("its index joins bands of other places or times")
        return first

    def sliced(self, layer: Any, key: tuple[Any, ...]) -> Part:
        """Return what a block of a slicing layer holds: the layer's own task, done on row numbers."""
        task = layer.get(key)
        try:
            given: dict[Hashable, Any] = {needed: self._needed(layer, needed) for needed in task.dependencies}
            part = task(given)
        except (TypeError, AttributeError, KeyError, IndexError, ValueError) as error:
            raise DiffersError("it was sliced in a way that is not followed") from error
        if not isinstance(part, Part):
            raise DiffersError("it was sliced in a way that is not followed")
        return part

    def _needed(self, layer: Any, key: Any) -> Any:
        if not isinstance(key, tuple):
            return layer[key]()  # the numbers of the rows to take
        return self.sliced(layer, key) if key in layer else self.block(key)

    def edges_of(self, name: str, layer: Blockwise) -> Any:
        """Return where the blocks of a band's layer begin along time, y and x."""
        if name not in self._edges:
            literals = (value for value, dims in layer.indices if dims is None)
            found = [value for value in literals if isinstance(value, tuple) and len(value) == len(_DIMS)]
            if len(found) != 1:
                raise DiffersError("its blocks are not those of load()")
            self._edges[name] = found[0]
        return self._edges[name]


def _formula_of(layer: Any) -> Formula | None:
    found = getattr(getattr(layer, "task", None), "func", None)
    return found if isinstance(found, Formula) else None


def _inputs_of(layer: Any, name: str) -> list[str]:
    if not isinstance(layer, Blockwise) or any(dims != layer.output_indices for _, dims in layer.indices):
        raise DiffersError(f"its index joins bands of different shape ({name.rsplit('-', 1)[0]})")
    return [str(source) for source, _ in layer.indices]
