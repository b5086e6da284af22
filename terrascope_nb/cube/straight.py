"""Tasks that dask joined, run one after the other: dask itself puts their order in question each time it runs them.

Arithmetic on float32 arrays of one shape is done on parts that stay in a core's cache, by the same operations in the same
order; so the numbers are those of numpy, and what lies between needs no memory of its own.
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from dask import _task_spec
from dask._task_spec import Alias, DataNode, GraphNode, Task, TaskRef

from terrascope_nb.cube.extremes import with_own_extreme
from terrascope_nb.cube.formula import Scratch

_JOINED = getattr(_task_spec, "_execute_subgraph", None)
"""The function by which dask marks a task that holds others."""
_LONGEST = 200
"""Tasks in one that are followed; of more, dask takes care."""
_AT_ONCE = 2**17
"""Pixels that arithmetic is done on at once: a few such rows fit in the cache of a core."""
_RULES: dict[Any, np.ufunc] = {
    operator.add: np.add,
    operator.sub: np.subtract,
    operator.mul: np.multiply,
    operator.truediv: np.divide,
    **{rule: rule for rule in (np.add, np.subtract, np.multiply, np.divide)},
}
"""What gives each pixel the same number whatever stands beside it."""


class _Room(threading.local):
    """Memory of a thread for what lies between."""

    def __init__(self) -> None:
        self.scratch = Scratch()


_room = _Room()


class _UnknownError(Exception):
    """Something that dask does in another way than is known here."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One task: what it is given by the names it knows, and where its result is kept."""

    node: GraphNode
    given: tuple[tuple[Any, int], ...]
    place: int

    @property
    def uses(self) -> tuple[int, ...]:
        return tuple(place for _, place in self.given)

    def run(self, places: list[Any]) -> Any:
        return self.node({name: places[place] for name, place in self.given})


@dataclass(frozen=True, slots=True)
class _Arithmetic:
    """Several operations at once, the last of which gives the result."""

    steps: tuple[_Step, ...]
    operations: tuple[tuple[np.ufunc, tuple[Any, ...], int], ...]
    """What to do, with what (``("#", place)``, ``("room", number)`` or a number), and the room for its result."""
    place: int

    @property
    def uses(self) -> tuple[int, ...]:
        own = {step.place for step in self.steps}
        return tuple(place for step in self.steps for place in step.uses if place not in own)

    def run(self, places: list[Any]) -> Any:
        given = {place: places[place] for place in self.uses}
        arrays = {place: value for place, value in given.items() if type(value) is np.ndarray}
        numbers = {place: value for place, value in given.items() if type(value) in (int, float)}
        if not self._fits(arrays, numbers):
            return self._run_one_by_one(places)
        first = next(iter(arrays.values()))
        result = np.empty(first.shape, dtype="float32")
        flat = {place: array.reshape(-1) for place, array in arrays.items()}
        out, own = result.reshape(-1), self.operations[-1][2]
        for begin in range(0, out.size, _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            here = out[part]
            known = {("#", place): array[part] for place, array in flat.items()}
            known |= {("#", place): number for place, number in numbers.items()}
            for rule, operands, number in self.operations:
                room = here if number == own else _room.scratch.take(f"room {number}", here.shape, np.float32)
                known["room", number] = rule(*(known.get(one, one) for one in operands), out=room)
        return result

    def _run_one_by_one(self, places: list[Any]) -> Any:
        own = dict.fromkeys(step.place for step in self.steps)
        known = list(places)
        for step in self.steps:
            known[step.place] = step.run(known)
            for place in step.uses:
                if place in own:
                    known[place] = None
        return known[self.place]

    def _fits(self, arrays: Mapping[int, Any], numbers: Mapping[int, Any]) -> bool:
        """Whether all is float32 of one shape, and whole in memory; and no operation has numbers alone."""
        if not arrays or len(arrays) + len(numbers) != len({*self.uses}):
            return False
        shape = next(iter(arrays.values())).shape
        alike = all(a.dtype == np.float32 and a.shape == shape and a.flags.c_contiguous for a in arrays.values())
        return alike and all(
            any(isinstance(one, tuple) and (one[0] == "room" or one[1] in arrays) for one in operands)
            for _, operands, _ in self.operations
        )


@dataclass(frozen=True, slots=True)
class Straight:
    """The tasks of one in their order; called with what the task is given."""

    steps: tuple[_Step | _Arithmetic, ...]
    leave: tuple[tuple[int, ...], ...]
    """Which results no later step needs, after each of them."""
    places: int
    result: int

    def __call__(self, *given: Any) -> Any:
        """Return what the last one gives."""
        places: list[Any] = [*given, *[None] * (self.places - len(given))]
        for step, gone in zip(self.steps, self.leave, strict=True):
            places[step.place] = step.run(places)
            for place in gone:
                places[place] = None
        return places[self.result]


def straightened(graph: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a graph whose joined tasks run straight on; all else is as it was."""
    known: dict[tuple[int, Any], Straight] = {}
    return {key: _straight(node, known) for key, node in graph.items()}


def _straight(node: Any, known: dict[tuple[int, Any], Straight]) -> Any:
    if not _is_joined(node) or node.kwargs:
        return with_own_extreme(node)
    inner, out, inputs, *given = node.args
    key = id(inner), out  # one dictionary serves all blocks of a layer
    if key not in known:
        try:
            known[key] = _Writer(inner, out, inputs).written()
        except _UnknownError:
            return node
    return Task(node.key, known[key], *given)


def _is_joined(node: Any) -> TypeGuard[Task]:
    return (
        isinstance(node, Task)
        and node.func is _JOINED
        and len(node.args) >= 3
        and isinstance(node.args[0], dict)
        and isinstance(node.args[2], tuple)
        and len(node.args) == 3 + len(node.args[2])
    )


class _Writer:
    """Puts the tasks of one in order."""

    def __init__(self, inner: Mapping[Any, Any], out: Any, inputs: tuple[Any, ...]) -> None:
        self._steps: list[_Step | _Arithmetic] = []
        self._count = len(inputs)
        self._inputs = len(inputs)
        self._result = self._place(out, inner, {name: place for place, name in enumerate(inputs)})

    def written(self) -> Straight:
        steps = _joined_arithmetic(self._steps, self._result)
        last = {place: number for number, step in enumerate(steps) for place in step.uses}
        leave = (tuple(p for p, n in last.items() if n == number and p != self._result) for number in range(len(steps)))
        return Straight(tuple(steps), tuple(leave), self._count, self._result)

    def _place(self, name: Any, tasks: Mapping[Any, Any], known: dict[Any, int]) -> int:
        """Return where the result of a task is kept; it and what it needs are written when they are first asked for."""
        if name not in known:
            node = tasks.get(name)
            if not isinstance(node, GraphNode) or len(tasks) > _LONGEST:
                raise _UnknownError
            known[name] = self._written(node, tasks, known)
        return known[name]

    def _written(self, node: GraphNode, tasks: Mapping[Any, Any], known: dict[Any, int]) -> int:
        if isinstance(node, Alias):
            return self._place(node.target, tasks, known)
        if not _is_joined(node):
            given = tuple((name, self._place(name, tasks, known)) for name in _in_order(node))
            return self._add(node, given)
        inner, out, inputs, *operands = node.args
        if node.kwargs:
            raise _UnknownError
        inside = {name: self._operand(one, tasks, known) for name, one in zip(inputs, operands, strict=True)}
        return self._place(out, inner, inside)

    def _operand(self, one: Any, tasks: Mapping[Any, Any], known: dict[Any, int]) -> int:
        if isinstance(one, TaskRef):
            return self._place(one.key, tasks, known)
        return self._written(one if isinstance(one, GraphNode) else DataNode(None, one), tasks, known)

    def _add(self, node: GraphNode, given: tuple[tuple[Any, int], ...]) -> int:
        self._steps.append(_Step(with_own_extreme(node), given, self._count))
        self._count += 1
        return self._count - 1


def _in_order(node: GraphNode) -> Iterator[Any]:
    """Yield what a task needs, as its arguments name it."""
    named = [one.key for one in getattr(node, "args", ()) if isinstance(one, TaskRef)]
    yield from dict.fromkeys([*named, *sorted(node.dependencies - {*named}, key=str)])


def _joined_arithmetic(steps: list[Any], result: int) -> list[_Step | _Arithmetic]:
    """Put operations in one whose results only the next operation needs."""
    count: dict[int, int] = {result: 1}
    for step in steps:
        for place in _operands(step) if _rule(step.node) is not None else step.given:
            if isinstance(place, tuple):
                count[place[1]] = count.get(place[1], 0) + 1
    made: dict[int, list[_Step]] = {}
    kept: list[_Step | _Arithmetic] = []
    for step in steps:
        if _rule(step.node) is None:
            kept.append(step)
            continue
        group = []
        for place in dict.fromkeys(step.uses):
            if place in made and count[place] == 1:
                group += made.pop(place)
        made[step.place] = [*group, step]
        kept.append(step)
    grouped = {steps_of[-1].place: steps_of for steps_of in made.values()}
    inside = {step.place for group in grouped.values() for step in group[:-1]}
    return [
        _arithmetic(grouped[step.place]) if step.place in grouped else step for step in kept if step.place not in inside
    ]


def _rule(node: GraphNode) -> np.ufunc | None:
    if not isinstance(node, Task) or node.kwargs or len(node.args) != 2:
        return None
    plain = all(isinstance(one, TaskRef) or type(one) in (int, float) for one in node.args)
    rule: Callable[..., Any] = node.func
    try:
        return _RULES.get(rule) if plain else None
    except TypeError:  # what cannot be looked up is none of them
        return None


def _operands(step: _Step) -> tuple[Any, ...]:
    """Return ``("#", place)``, or a number, for each argument of an operation."""
    places, node = dict(step.given), step.node
    assert isinstance(node, Task)
    return tuple(("#", places[one.key]) if isinstance(one, TaskRef) else one for one in node.args)


def _arithmetic(steps: list[_Step]) -> _Arithmetic:
    operations: list[tuple[np.ufunc, tuple[Any, ...], int]] = []
    rooms: dict[int, int] = {}
    free: list[int] = []
    for step in steps:
        rule = _rule(step.node)
        assert rule is not None
        operands = []
        for one in _operands(step):
            known = isinstance(one, tuple) and one[1] in rooms
            operands.append(("room", rooms[one[1]]) if known else one)
        free += [one[1] for one in operands if isinstance(one, tuple) and one[0] == "room"]
        rooms[step.place] = free.pop(0) if free else len(rooms)
        operations.append((rule, tuple(operands), rooms[step.place]))
    return _Arithmetic(tuple(steps), tuple(operations), steps[-1].place)
