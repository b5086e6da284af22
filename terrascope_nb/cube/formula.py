"""A formula of arrays, worked out in memory that is used again: the same operations in the same order as eval()."""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RULES: dict[type[ast.AST], np.ufunc] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.USub: np.negative,
}


class Scratch:
    """Arrays of one thread, by name; each keeps what was written until the same name is asked again."""

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}
        self._last: dict[str, tuple[tuple[int, ...], Any, Any]] = {}

    def take(self, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
        """Return an array that holds anything."""
        last = self._last.get(name)
        if last is not None and last[0] == shape and last[1] == dtype:
            return last[2]
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        part = self._parts.get(name)
        if part is None or part.size < size:
            part = self._parts[name] = np.empty(size, dtype=np.uint8)
        made = part[:size].view(kind).reshape(shape)
        self._last[name] = shape, dtype, made
        return made


@dataclass(frozen=True, slots=True)
class Program:
    """A formula as a list of array operations."""

    operations: tuple[tuple[np.ufunc, tuple[Any, ...], int], ...]
    """What to do, with what (a letter, a number, or ``("#", place)`` for an earlier result), and where to put it."""
    places: int
    """How many results are alive at once."""

    def run(
        self, named: Mapping[str, NDArray[np.float32]], scratch: Scratch, out: NDArray[np.float32] | None = None
    ) -> NDArray[Any]:
        """Return the result, which lies in ``out`` or else in the scratch memory."""
        shape = next(iter(named.values())).shape
        results: dict[int, NDArray[Any]] = {}
        end = self.operations[-1][2]
        with np.errstate(all="ignore"):
            for rule, operands, place in self.operations:
                given = [self._operand(one, named, results) for one in operands]
                room = scratch.take(f"formula{place}", shape, np.float32) if out is None or place != end else out
                results[place] = rule(*given, out=room)
        return results[end]

    @staticmethod
    def _operand(one: Any, named: Mapping[str, Any], results: Mapping[int, Any]) -> Any:
        if isinstance(one, str):
            return named[one]
        return results[one[1]] if isinstance(one, tuple) else one


class _UnknownError(Exception):
    """The formula holds something else than the four operations of arrays and numbers."""


class _Writer:
    def __init__(self, letters: Sequence[str], constants: Mapping[str, float]) -> None:
        self._letters = set(letters)
        self._constants = constants
        self._free: list[int] = []
        self.places = 0
        self.operations: list[tuple[np.ufunc, tuple[Any, ...], int]] = []

    def write(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Name) and node.id in self._letters:
            return node.id
        if isinstance(node, ast.Name) and node.id in self._constants:
            return self._constants[node.id]
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return node.value
        if isinstance(node, ast.BinOp) and type(node.op) in _RULES:
            return self._apply(_RULES[type(node.op)], [self.write(node.left), self.write(node.right)])
        if isinstance(node, ast.UnaryOp) and type(node.op) in _RULES:
            return self._apply(_RULES[type(node.op)], [self.write(node.operand)])
        raise _UnknownError

    def _apply(self, rule: np.ufunc, operands: list[Any]) -> Any:
        if not any(isinstance(one, (str, tuple)) for one in operands):
            # Numbers alone are worked out as Python does, in double precision.
            whole = all(isinstance(one, int) for one in operands)
            if whole and rule is not np.divide:
                return int(rule(*operands))
            return float(rule(*map(float, operands)))
        self._free += [one[1] for one in operands if isinstance(one, tuple)]
        place = self._free.pop() if self._free else self.places
        self.places = max(self.places, place + 1)
        self.operations.append((rule, tuple(operands), place))
        return "#", place


@functools.lru_cache(maxsize=64)
def program_for(text: str, letters: tuple[str, ...], constants: tuple[tuple[str, float], ...]) -> Program | None:
    """Return the program of a formula, or None when it needs more than the four operations.

    >>> [rule.__name__ for rule, *_ in program_for("(N - R)/(N + R)", ("N", "R"), ()).operations]
    ['subtract', 'add', 'divide']
    """
    writer = _Writer(letters, dict(constants))
    try:
        writer.write(ast.parse(text, mode="eval").body)
    except _UnknownError:
        return None
    return Program(tuple(writer.operations), writer.places) if writer.operations else None
