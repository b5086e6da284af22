"""Statistics of features, one block of a cube at a time, in float64."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.analysis.pixels import Pixels
from terrascope_nb.errors import near_misses

_MOMENTS = ("mean", "std", "min", "max", "sum")
_PERCENTILE = re.compile(r"p(\d{1,3}(?:\.\d+)?)")
_SLICE_VALUES = 2**22
"""Values gathered at once: 32 MB of float64."""
_MANY = 4096
"""Pixels of a feature from which it is worth passes of its own."""
_SHORT = 2**14
"""Values whose differences fit in the cache of a core."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is asked of every feature."""

    names: tuple[str, ...]
    """In the order of the table."""
    percentiles: tuple[tuple[str, float], ...]
    """Name and percent of those that need every value."""

    @classmethod
    def of(cls, names: Sequence[str]) -> Statistics:
        """Return the statistics of those names.

        Raises
        ------
        ValueError
            A name that is none; the message lists what there is.
        """
        names = (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))
        percentiles = []
        for name in names:
            found = _PERCENTILE.fullmatch(name)
            if name == "median":
                percentiles.append((name, 50.0))
            elif found and float(found[1]) <= 100:
                percentiles.append((name, float(found[1])))
            elif name not in (*_MOMENTS, "count", "valid_percent"):
                near = near_misses(name, [*_MOMENTS, "median", "count", "valid_percent"])
                raise ValueError(
                    f"there is no statistic {name!r}; there are {', '.join(_MOMENTS)}, median, p0 to p100, count and "
                    f"valid_percent.{f' Did you mean {near[0]}?' if near else ''}"
                )
        return cls(names, tuple(percentiles))

    @property
    def computed(self) -> tuple[str, ...]:
        """What a block yields; the table is made from it."""
        return ("count", *_MOMENTS, *(name for name, _ in self.percentiles))


@dataclass(frozen=True, slots=True)
class Zone:
    """The pixels of all features inside one spatial block, as runs in the block's own rows and columns."""

    features: NDArray[np.int64]
    """Number of each feature that has pixels here."""
    offsets: NDArray[np.int64]
    """Where the pixels of each of them begin in `flat`."""
    first: NDArray[np.int64]
    """Flat position of the first pixel of each run."""
    length: NDArray[np.int64]
    """Pixels of each run."""

    def flat(self) -> NDArray[np.int64]:
        """Return the flat position of every pixel, feature after feature."""
        before = np.cumsum(self.length) - self.length
        return np.repeat(self.first - before, self.length) + np.arange(int(self.length.sum()))


@dataclass(frozen=True, slots=True)
class Partial:
    """What one block knows of its features; arrays (time, feature of the zone)."""

    features: NDArray[np.int64]
    """Number of each feature."""
    count: NDArray[np.int64]
    """Valid pixels."""
    mean: NDArray[np.float64]
    """Their mean; 0 where there is none."""
    squares: NDArray[np.float64]
    """Sum of squared differences from the mean."""
    low: NDArray[np.float64]
    """The smallest; infinity where there is none."""
    high: NDArray[np.float64]
    """The largest; minus infinity where there is none."""
    values: tuple[NDArray[Any], ...]
    """Every value (time, pixel) per feature, where a percentile was asked; else empty."""
    place: tuple[int, int] = (0, 0)
    """Where the block lies: parts are joined in one order, so that rounding does not depend on which was first."""


def cut_zones(pixels: Sequence[Pixels], heights: Sequence[int], widths: Sequence[int]) -> dict[tuple[int, int], Zone]:
    """Return the zone of every spatial block that holds a pixel of any feature, by block number."""
    feature = np.repeat(np.arange(len(pixels)), [len(p.row) for p in pixels])
    row, start, stop = (
        np.concatenate([np.zeros(0, "int64"), *(getattr(p, n) for p in pixels)]) for n in ("row", "start", "stop")
    )
    zones = {}
    for i, (top, height) in enumerate(_spans(heights)):
        here = (row >= top) & (row < top + height)
        if not here.any():
            continue
        row_i, start_i, stop_i, feature_i = row[here], start[here], stop[here], feature[here]
        for j, (left, width) in enumerate(_spans(widths)):
            first, last = np.maximum(start_i, left), np.minimum(stop_i, left + width)
            keep = first < last
            if keep.any():
                length = (last - first)[keep]
                numbers, runs = np.unique(feature_i[keep], return_index=True)
                zones[i, j] = Zone(
                    numbers,
                    (np.cumsum(length) - length)[runs],
                    (row_i[keep] - top) * width + first[keep] - left,
                    length,
                )
    return zones


def _spans(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    begin = 0
    for size in sizes:
        yield begin, size
        begin += size


def reduce_block(block: NDArray[Any], zone: Zone, stats: Statistics, nodata: float | None) -> Partial:
    """Return what one block (time, y, x) says of its features."""
    flat = zone.flat()
    step = max(1, _SLICE_VALUES // len(flat))
    parts = [_reduce_slice(block[i : i + step], flat, zone.offsets, nodata) for i in range(0, len(block), step)]
    count, mean, squares, low, high = (np.concatenate(part) for part in zip(*parts, strict=True))
    values: tuple[NDArray[Any], ...] = ()
    if stats.percentiles:
        kept = _valid(block.reshape(len(block), -1)[:, flat], nodata)[0]
        values = tuple(np.split(kept, zone.offsets[1:], axis=1))
    return Partial(zone.features, count, mean, squares, low, high, values)


def _valid(values: NDArray[Any], nodata: float | None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return floats with NaN where not valid, and where they are valid."""
    valid = np.isfinite(values)
    if nodata is not None:
        valid &= values != nodata
    floats = values if values.dtype.kind == "f" else values.astype("float64")
    return np.where(valid, floats, np.nan), valid


def _reduce_slice(
    block: NDArray[Any], flat: NDArray[np.int64], offsets: NDArray[np.int64], nodata: float | None
) -> tuple[NDArray[Any], ...]:
    return _reduce_values(*_valid(block.reshape(len(block), -1)[:, flat], nodata), offsets)


def _reduce_values(
    values: NDArray[Any], valid: NDArray[np.bool_], offsets: NDArray[np.int64]
) -> tuple[NDArray[Any], ...]:
    values = values.astype("float64")
    count = np.add.reduceat(valid, offsets, axis=1, dtype="int64")
    total = np.add.reduceat(np.where(valid, values, 0.0), offsets, axis=1)
    mean = np.divide(total, count, out=np.zeros(total.shape), where=count > 0)
    lengths = np.diff(np.append(offsets, values.shape[1]))
    # Around the mean, not around zero: the sum of squares of large values would lose the small differences.
    apart = np.where(valid, values - np.repeat(mean, lengths, axis=1), 0.0)
    squares = np.add.reduceat(apart * apart, offsets, axis=1)
    low = np.minimum.reduceat(np.where(valid, values, np.inf), offsets, axis=1)
    high = np.maximum.reduceat(np.where(valid, values, -np.inf), offsets, axis=1)
    return count, mean, squares, low, high


def reduce_picked(values: NDArray[np.float32], zone: Zone, stats: Statistics, place: tuple[int, int]) -> Partial:
    """Return what the pixels of a zone, picked already, say of its features at one time.

    Parameters
    ----------
    values : numpy.ndarray of float32, dims (pixel)
        NaN where not valid, in the order of `Zone.flat`.
    """
    if len(values) < _MANY * len(zone.features):
        row = values[None]
        parts = _reduce_values(row, np.isfinite(row), zone.offsets)
    else:
        pieces = np.split(values, zone.offsets[1:])
        columns = zip(*(_moments(piece) for piece in pieces), strict=True)
        parts = tuple(np.array([column]) for column in columns)
    kept = tuple(piece[None].copy() for piece in np.split(values, zone.offsets[1:])) if stats.percentiles else ()
    count, mean, squares, low, high = parts
    return Partial(zone.features, count, mean, squares, low, high, kept, place)


def _moments(values: NDArray[np.float32]) -> tuple[int, float, float, float, float]:
    """Count, mean, sum of squared differences, smallest and largest of many numbers, in few passes."""
    valid = np.isfinite(values)
    if not valid.all():
        values = values[valid]
    if not len(values):
        return 0, 0.0, 0.0, np.inf, -np.inf
    mean = float(values.sum(dtype="float64")) / len(values)
    squares = 0.0
    for begin in range(0, len(values), _SHORT):
        apart = values[begin : begin + _SHORT] - np.float64(mean)
        squares += float(np.multiply(apart, apart, out=apart).sum())  # not dot(): BLAS would wake all cores
    return len(values), mean, squares, float(values.min()), float(values.max())


def finish_block(partials: Sequence[Partial], shape: tuple[int, int], stats: Statistics) -> NDArray[np.float64]:
    """Join the spatial blocks of the same dates; return (time, feature, statistic), NaN where nothing is valid."""
    count = np.zeros(shape, dtype="int64")
    mean, squares = np.zeros(shape), np.zeros(shape)
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    for part in partials:
        at = np.s_[:, part.features]
        together = count[at] + part.count
        # Chan, Golub and LeVeque (1979): means and sums of squares of two samples as those of both.
        weight = np.divide(part.count, together, out=np.zeros(together.shape), where=together > 0)
        apart = part.mean - mean[at]
        squares[at] += part.squares + apart * apart * weight * count[at]
        mean[at] += apart * weight
        count[at] = together
        low[at] = np.minimum(low[at], part.low)
        high[at] = np.maximum(high[at], part.high)
    empty = count == 0
    spread = np.sqrt(np.divide(squares, count, out=np.zeros(shape), where=~empty))
    columns = [mean, spread, low, high, mean * count, *_percentiles(partials, shape, stats)]
    return np.stack([count.astype("float64"), *(np.where(empty, np.nan, column) for column in columns)], axis=-1)


def _percentiles(partials: Sequence[Partial], shape: tuple[int, int], stats: Statistics) -> list[NDArray[np.float64]]:
    if not stats.percentiles:
        return []
    found = [np.full(shape, np.nan) for _ in stats.percentiles]
    pieces: dict[int, list[NDArray[Any]]] = {}
    for part in partials:
        for feature, values in zip(part.features, part.values, strict=True):
            pieces.setdefault(int(feature), []).append(values)
    percents = [percent for _, percent in stats.percentiles]
    for feature, parts in pieces.items():
        every = np.concatenate(parts, axis=1)
        for step in np.flatnonzero(np.isfinite(every).any(axis=1)):
            valid = every[step][np.isfinite(every[step])].astype("float64")
            for column, number in zip(found, np.percentile(valid, percents), strict=True):
                column[step, feature] = number
    return found
