"""The largest and smallest value over time that plain xarray asks of dask, without putting the dates together first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from dask._task_spec import Task
from dask.array import core, reductions

_JOIN = getattr(core, "_concatenate2", None)
_RULES = {
    getattr(reductions, "_nanmax_skip", None): np.fmax,
    getattr(reductions, "_nanmin_skip", None): np.fmin,
}
"""How dask names what it does with the dates it has put together."""


@dataclass(frozen=True, slots=True)
class Extreme:
    """Takes the blocks of several dates one after the other, as numpy does with one array of them."""

    rule: np.ufunc
    keepdims: bool
    otherwise: Callable[..., Any]
    """What dask does, for anything but plain blocks of one date each."""

    def __call__(self, blocks: Any) -> Any:
        """Return the extreme of each pixel, NaN where no date has a value."""
        if not self._fits(blocks):
            return self.otherwise(blocks)
        result = np.array(blocks[0])
        for block in blocks[1:]:
            self.rule(result, block, out=result)
        return result if self.keepdims else result[0]

    @staticmethod
    def _fits(blocks: Any) -> bool:
        if not isinstance(blocks, list) or not all(type(block) is np.ndarray for block in blocks):
            return False
        first = blocks[0]
        alike = all(block.shape == first.shape and block.dtype == first.dtype for block in blocks)
        return bool(alike and first.dtype == np.float32 and first.shape[:1] == (1,) and first.size > 0)


def with_own_extreme(node: Any) -> Any:
    """Return a task that takes an extreme date by date where dask would put the dates together; any other as it is."""
    if not isinstance(node, Task) or node.kwargs or len(node.args) != 1:
        return node
    join: Any = getattr(node.func, "first", None)
    then: Any = getattr(node.func, "funcs", ())
    if not isinstance(join, partial) or join.func is not _JOIN or join.keywords != {"axes": [0]} or len(then) != 1:
        return node
    reduce = then[0]
    rule = _RULES.get(reduce.func) if isinstance(reduce, partial) else None
    if rule is None or reduce.args or {**reduce.keywords, "keepdims": None} != {"axis": (0,), "keepdims": None}:
        return node
    return Task(node.key, Extreme(rule, bool(reduce.keywords.get("keepdims")), node.func), *node.args)
