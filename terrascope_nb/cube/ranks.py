"""Median and percentiles over time: many short columns of numbers sorted at once, row against row."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.cube.formula import Scratch


@functools.lru_cache(maxsize=64)
def comparisons(length: int) -> tuple[tuple[int, int], ...]:
    """Return pairs (low, high) of places whose comparison, in this order, sorts any column of that length.

    Batcher's merge exchange (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M).

    >>> comparisons(3)
    ((0, 2), (0, 1), (1, 2))
    """
    pairs: list[tuple[int, int]] = []
    top = 1 << max(length - 1, 0).bit_length() - 1 if length > 1 else 0
    step = top
    while step > 0:
        half, rest, apart = top, 0, step
        while True:
            pairs += [(i, i + apart) for i in range(length - apart) if i & step == rest]
            if half == step:
                break
            apart, half, rest = half - step, half >> 1, step
        step >>= 1
    return tuple(pairs)


@functools.lru_cache(maxsize=64)
def middle_comparisons(length: int) -> tuple[tuple[int, int, bool, bool], ...]:
    """Return those of `comparisons` on which the two middle places depend, and which ends of each are asked for.

    >>> middle_comparisons(3)
    ((0, 2, True, True), (0, 1, True, True), (1, 2, True, False))
    """
    needed = {max(length // 2 - 1, 0), length // 2}
    found = []
    for low, high in reversed(comparisons(length)):
        ends = low in needed, high in needed
        if any(ends):
            found.append((low, high, *ends))
            needed |= {low, high}
    return tuple(reversed(found))


LONG = 100
"""Numbers of a column beyond which numpy's sort of each column is faster than comparing whole rows."""
_COLUMNS = 2**15
"""Columns of usual length that are sorted at once: they stay in the cache of a core."""
_LONG_COLUMNS = 2**8
"""The same of long ones."""


def at_once(length: int) -> int:
    """Return how many columns of a length are sorted at once."""
    return _COLUMNS if length <= LONG else _LONG_COLUMNS


def sort_columns(stack: NDArray[Any]) -> NDArray[np.intp]:
    """Sort each column of (time, pixel); no number may be NaN.

    One comparison of two whole rows is two vector instructions per 16 to 64 pixels, which is far faster than sorting
    columns of some tens of numbers one by one.

    Parameters
    ----------
    stack : numpy.ndarray, dims (time + 1, pixel)
        The last row holds nothing: it is room to work in.

    Returns
    -------
    numpy.ndarray of int
        The row that holds the smallest numbers, the second smallest, and so on.
    """
    if len(stack) - 1 > LONG:
        stack[:-1].sort(axis=0)
        return np.arange(len(stack) - 1)
    rows, order, spare = list(stack), list(range(len(stack) - 1)), len(stack) - 1
    for low, high in comparisons(len(order)):
        one, two = order[low], order[high]
        np.minimum(rows[one], rows[two], out=rows[spare])
        np.maximum(rows[one], rows[two], out=rows[two])
        order[low], spare = spare, one
    return np.array(order, dtype=np.intp)


def middle(
    rows: Sequence[NDArray[Any]],
    missing: Callable[[NDArray[Any], NDArray[np.bool_]], object],
    scratch: Scratch,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.uint8]]:
    """Return the two numbers in the middle of the valid ones of each column, and how many of a column are missing.

    What is missing counts as the largest number and the smallest one in turn. So the middle of what is valid stands in the
    middle of the column, however many are missing, and most of the sorting is spared.

    Parameters
    ----------
    rows : sequence of numpy.ndarray, dims (pixel)
        One date each, 1 to `LONG` of them, whole numbers or float32; they are written over.
    missing : callable
        Writes where a row's numbers are missing: the largest of their type, or NaN.

    Returns
    -------
    tuple of arrays (pixel), which lie in the rows or in scratch memory. Where all is missing the numbers mean nothing.
    """
    length, shape, kind = len(rows), rows[0].shape, rows[0].dtype
    gone: NDArray[np.bool_] = scratch.take("middle gone", shape, bool)
    low_next: NDArray[np.bool_] = scratch.take("middle next", shape, bool)  # True: the next one counts as the smallest
    count: NDArray[np.uint8] = scratch.take("middle count", shape, np.uint8)
    low_next.fill(False)
    count.fill(0)
    spare: NDArray[Any] = scratch.take("middle spare", shape, kind)
    for row in rows:
        missing(row, gone)
        if not gone.any():
            continue
        np.add(count, gone.view("uint8"), out=count)
        np.logical_xor(low_next, gone, out=low_next)
        lowered = np.greater(gone, low_next, out=gone)
        # Without a branch per pixel, as clouds have ragged edges.
        if kind.kind == "f":
            np.fmin(row, np.float32(np.inf), out=row)
            sign, bits = np.multiply(lowered, np.int32(-(2**31)), out=spare.view("int32")), row.view("int32")
            np.bitwise_xor(bits, sign, out=bits)
        else:
            np.add(row, lowered, out=row)  # one more than the largest number is the smallest
    sorted_rows = list(rows)
    for low, high, smaller, larger in middle_comparisons(length):
        one, two = sorted_rows[low], sorted_rows[high]
        if smaller and larger:
            np.minimum(one, two, out=spare)
            np.maximum(one, two, out=two)
            sorted_rows[low], spare = spare, one
        elif smaller:
            np.minimum(one, two, out=one)
        else:
            np.maximum(one, two, out=two)
    below, above = sorted_rows[max(length // 2 - 1, 0)], sorted_rows[length // 2]
    # An odd number is missing: of an even number of dates one is in the middle, of an odd number two.
    if length % 2 == 0:
        _replace(above, below, low_next, spare)
    else:
        _replace(below, above, np.logical_not(low_next, out=gone), spare)
    return below, above, count


def _replace(numbers: NDArray[Any], others: NDArray[Any], where: NDArray[np.bool_], spare: NDArray[Any]) -> None:
    """Write others where it is True, bit by bit: without a branch per pixel."""
    whole = f"i{numbers.itemsize}"
    bits, mask = numbers.view(whole), spare.view(whole)
    np.negative(where.view("int8"), out=mask)  # no bit or all bits
    differing = np.bitwise_and(np.bitwise_xor(bits, others.view(whole)), mask, out=mask)
    np.bitwise_xor(bits, differing, out=bits)


def ranked(
    stack: NDArray[Any], order: NDArray[np.intp], count: NDArray[np.intp], percent: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]:
    """Return the two numbers beside a percentile of sorted columns, and how far it lies from the first to the second.

    Parameters
    ----------
    stack, order : numpy.ndarray
        As `sort_columns` left and gave them; what is not valid stands at the end.
    count : numpy.ndarray of int, dims (pixel)
        Valid numbers of each column; where it is 0 the answer means nothing.
    percent : float
        0 to 100.

    Returns
    -------
    tuple of arrays (pixel): the lower number, the upper number, and the share of the upper one, 0 to 1
    (None = half).
    """
    width = stack.shape[1]
    begins, pixels, flat = order * width, np.arange(width), stack.reshape(-1)
    last = np.maximum(count - 1, 0)
    if percent == 50:  # whole numbers only: this is the usual one
        low, high, share = last >> 1, np.minimum(count >> 1, last), None
    else:
        position = last * (percent / 100)
        low = np.floor(position).astype(np.intp)
        high, share = np.minimum(low + 1, last), position - low
    return flat.take(begins.take(low) + pixels), flat.take(begins.take(high) + pixels), share


def between(
    low: NDArray[np.float32], high: NDArray[np.float32], share: NDArray[np.float64] | None, out: NDArray[np.float32]
) -> None:
    """Write the numbers between two, at a share of the way; None = half of it."""
    with np.errstate(all="ignore"):  # infinite where nothing is valid
        if share is None:
            np.multiply(np.add(low, high, out=out), np.float32(0.5), out=out)
        else:
            out[...] = low + (high.astype("float64") - low) * share
