"""Many dates of one place become one number per pixel: the arithmetic of composites, on plain arrays."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.cube.decoding import Decoder, zeroed
from terrascope_nb.cube.formula import Scratch
from terrascope_nb.cube.ranks import LONG, at_once, between, middle, ranked, sort_columns
from terrascope_nb.errors import near_misses

_RUNNING = ("mean", "min", "max", "sum", "count", "first", "last")
_SUMS = ("mean", "sum")
_PERCENTILE = re.compile(r"p(\d{1,3}(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class How:
    """What is made of the values of a pixel."""

    name: str
    """As it was asked."""
    percent: float | None
    """For a median or percentile, which needs all values at once; None = a running number is enough."""

    @classmethod
    def of(cls, name: str) -> How:
        """Return what a name asks.

        Raises
        ------
        ValueError
            No such way; the message lists what there is.
        """
        found = _PERCENTILE.fullmatch(name)
        if name == "median":
            return cls(name, 50.0)
        if found and float(found[1]) <= 100:
            return cls(name, float(found[1]))
        if name in _RUNNING:
            return cls(name, None)
        near = near_misses(name, [*_RUNNING, "median"])
        raise ValueError(
            f"there is no composite {name!r}; there are median, {', '.join(_RUNNING)}, and p0 to p100."
            + (f" Did you mean {near[0]}?" if near else "")
        )


Layer = NDArray[np.float32] | None
"""Values of one date, NaN where not valid; None where nothing is."""


def reduce_layers(
    layers: Iterable[Layer], most: int, shape: tuple[int, ...], how: How, scratch: Scratch, *, count: bool = True
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Return the composite of dates, and how many values each pixel had (zeros when not asked for and not needed).

    Parameters
    ----------
    layers : iterable of arrays
        One date after the other; an array may be written over when the next is asked for.
    most : int
        How many there are at most.

    Returns
    -------
    tuple of arrays of that shape: float32, NaN where no date is valid (0 for ``count``); and uint16. They may lie in the
    scratch memory: fresh pages for every piece cost a tenth of the time of a large composite.
    """
    if how.percent is not None:
        stack = scratch.take("stack", (most, *shape), np.float32)
        filled = 0
        for layer in layers:
            if layer is not None:
                stack[filled] = layer
                filled += 1
        return rank_values(stack[:filled], how.percent, scratch)
    running = Running.begin(how, shape, scratch, count=count)
    running.add(layers, scratch)
    return running.result()


@dataclass(frozen=True, slots=True)
class Running:
    """What is known of a place after some dates, where a running number is enough."""

    how: How
    """What is made."""
    kept: NDArray[np.float64] | NDArray[np.float32]
    """Sum of the valid values; or the one that is kept, NaN before there is any."""
    number: NDArray[np.uint16]
    """How many values were valid."""
    counts: bool
    """False: nobody asks for ``number``."""

    @classmethod
    def begin(cls, how: How, shape: tuple[int, ...], scratch: Scratch, *, count: bool) -> Running:
        """Return it before the first date, in scratch memory."""
        sums = how.name in _SUMS
        kept = scratch.take("kept", shape, np.float64 if sums else np.float32)
        kept.fill(0.0 if sums else np.nan)
        number: NDArray[np.uint16] = scratch.take("number", shape, np.uint16)
        number.fill(0)
        return cls(how, kept, number, count or sums or how.name == "count")

    def rows(self, rows: slice) -> Running:
        """Return it for some rows of the place, in the same memory."""
        return Running(self.how, self.kept[rows], self.number[rows], self.counts)

    def add(self, layers: Iterable[Layer], scratch: Scratch) -> None:
        """Add dates in their order."""
        kept, number, shape, name = self.kept, self.number, self.number.shape, self.how.name
        complete = 0
        valid: NDArray[np.bool_] = scratch.take("valid", shape, np.bool_)
        for layer in layers:
            if layer is None:
                continue
            if name in _RULES:
                _RULES[name](kept, layer, out=kept)
            elif name == "first":
                np.copyto(kept, layer, where=np.isnan(kept, out=valid))
            elif name == "last":
                np.copyto(kept, layer, where=np.isfinite(layer, out=valid))
            if not self.counts:
                continue
            whole = np.isfinite(layer, out=valid).all()
            complete += bool(whole)
            if not whole:
                np.add(number, valid, out=number)
            if name in _SUMS:
                np.add(kept, layer if whole else zeroed(layer, valid, scratch), out=kept)
        if complete:
            np.add(number, np.uint16(complete), out=number)

    def result(self) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
        """Return the composite, which may lie in the memory that was used, and how many values each pixel had."""
        number = self.number
        if self.how.name == "count":
            return number.astype("float32"), number
        if self.how.name not in _SUMS:
            return self.kept.astype("float32", copy=False), number
        none = number == 0
        if self.how.name == "mean":
            with np.errstate(invalid="ignore"):
                np.divide(self.kept, number, out=self.kept)
        made = self.kept.astype("float32")
        made[none] = np.nan
        return made, number


def reduce_block(
    block: NDArray[Any], how: How, nodata: float | None = None
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Return the composite of an array (time, y, x), and how many values each pixel had.

    Parameters
    ----------
    nodata : float, optional
        Stored number that means nothing here, for a cube of stored numbers.
    """

    def layers() -> Iterator[Layer]:
        for layer in block:
            values = layer.astype("float32")
            values[~np.isfinite(values) if nodata is None else ~np.isfinite(values) | (layer == nodata)] = np.nan
            yield values

    return reduce_layers(layers(), len(block), block.shape[1:], how, Scratch())


def group_times(
    times: NDArray[np.datetime64], every: str | None
) -> tuple[NDArray[np.datetime64] | None, list[list[int]]]:
    """Return the first day of each month, dekad or year that has a date, and the numbers of its dates.

    >>> group_times(np.array(["2024-05-03", "2024-05-31", "2024-05-09"], "datetime64[ns]"), "dekad")[1]
    [[0, 2], [1]]

    Raises
    ------
    ValueError
        No such word.
    """
    if every is None:
        return None, [list(range(len(times)))]
    if every not in ("month", "dekad", "year"):
        raise ValueError(f'every={every!r} is unknown; give "month", "dekad", "year", or leave it out for one of all.')
    days = times.astype("datetime64[D]")
    begins = days.astype("datetime64[Y]" if every == "year" else "datetime64[M]").astype("datetime64[D]")
    if every == "dekad":
        begins = begins + np.minimum((days - begins).astype("int64") // 10, 2) * 10
    firsts, numbers = np.unique(begins, return_inverse=True)
    return firsts.astype("datetime64[ns]"), [np.flatnonzero(numbers == i).tolist() for i in range(len(firsts))]


_RULES: dict[str, Callable[..., Any]] = {"min": np.fmin, "max": np.fmax}


def rank_stored(
    stack: NDArray[Any], decoder: Decoder, percent: float, scratch: Scratch
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Return the percentile of stored numbers (time, y, x), `Decoder.gap` where not valid, and how many are valid.

    The numbers are ranked as they are stored, and only those beside the percentile become values. The stack is written
    over, and the results lie in scratch memory or in that of the stack.
    """
    gap = stack.dtype.type(decoder.gap)
    return _percentile(stack, lambda row, out: np.equal(row, gap, out=out), percent, decoder, scratch)


def rank_values(
    stack: NDArray[np.float32], percent: float, scratch: Scratch
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Return the percentile of values (time, y, x), NaN where not valid, and how many are valid; as `rank_stored`."""
    return _percentile(stack, lambda row, out: np.isnan(row, out=out), percent, None, scratch)


_Missing = Callable[[NDArray[Any], NDArray[np.bool_]], object]
"""Writes where the numbers of a row are missing."""
_ROW = 2**17
"""Bytes of a row whose middle is looked for at once: two rows stay in the cache of a core."""


def _percentile(
    stack: NDArray[Any], missing: _Missing, percent: float, decoder: Decoder | None, scratch: Scratch
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Return a percentile of the valid numbers of a stack; with a decoder, what is missing is the largest number."""
    length, shape = len(stack), stack.shape[1:]
    # The middle of values is left in the memory of the first date, which nobody asks for any more.
    is_middle = percent == 50 and 0 < length <= LONG
    in_place = is_middle and decoder is None
    result: NDArray[np.float32] = (
        stack[0].reshape(-1) if in_place else scratch.take("percentile", (math.prod(shape),), np.float32)
    )
    number: NDArray[np.uint16] = scratch.take("number", result.shape, np.uint16)
    if not length:
        result.fill(np.nan)
        number.fill(0)
        return result.reshape(shape), number.reshape(shape)
    columns = stack.reshape(length, -1)
    width = _ROW // stack.itemsize if is_middle else at_once(length)
    for begin in range(0, result.size, width):
        part, out, valid = (
            columns[:, begin : begin + width],
            result[begin : begin + width],
            number[begin : begin + width],
        )
        if is_middle:
            low, high, gone = middle(list(part), missing, scratch)
            np.subtract(length, gone, out=valid)
            share = None
        else:
            low, high, share = _beside(part, missing, valid, percent)
        if decoder is not None:
            low, high = _values(decoder, low, "low", scratch), _values(decoder, high, "high", scratch)
        between(low, high, share, out)
        np.copyto(out, np.float32(np.nan), where=np.equal(valid, 0, out=scratch.take("valid", valid.shape, bool)))
    return result.reshape(shape), number.reshape(shape)


def _beside(
    columns: NDArray[Any], missing: _Missing, valid: NDArray[np.uint16], percent: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]:
    """Return what `ranked` does of columns that are not sorted yet, and write how many numbers of each are valid."""
    part = np.empty((len(columns) + 1, columns.shape[1]), dtype=columns.dtype)
    part[:-1] = columns
    gone = np.empty(valid.shape, dtype=bool)
    valid.fill(len(columns))
    for row in part[:-1]:
        missing(row, gone)
        np.subtract(valid, gone, out=valid)
        if row.dtype.kind == "f":
            np.fmin(row, row.dtype.type(np.inf), out=row)  # NaN becomes infinite and sorts to the end
    return ranked(part, sort_columns(part), valid.astype(np.intp), percent)


def _values(decoder: Decoder, stored: NDArray[Any], name: str, scratch: Scratch) -> NDArray[np.float32]:
    values: NDArray[np.float32] = scratch.take(name, stored.shape, np.float32)
    decoder.values(stored, values)
    return values
