"""Statistics of features, one block of a cube at a time, in float64."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.analysis.pixels import Pixels
from terrascope_nb.errors import near_misses

_MOMENTS = ("mean", "std", "min", "max", "sum")
_PERCENTILE = re.compile(r"p(\d{1,3}(?:\.\d+)?)")
_SLICE_VALUES = 2**22
"""Values gathered at once: 32 MB of float64."""
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
        """What the table is made from."""
        moments = (name for name in _MOMENTS if name in self.names)
        return ("count", *moments, *(name for name, _ in self.percentiles))

    @property
    def parts(self) -> tuple[str, ...]:
        """What has to be known of every block, beside the count and the mean."""
        needs = {"squares": "std", "low": "min", "high": "max"}
        return tuple(part for part, name in needs.items() if name in self.names)


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
    """What is known of features in some blocks; arrays (time, place), a place being a feature in one block."""

    features: NDArray[np.int64]
    """Number of the feature of each place."""
    count: NDArray[np.int64]
    """Valid pixels."""
    mean: NDArray[np.float64]
    """Their mean; 0 where there is none."""
    squares: NDArray[np.float64] | None
    """Sum of squared differences from the mean; None = nobody asks."""
    low: NDArray[np.float64] | None
    """The smallest; infinity where there is none; None = nobody asks."""
    high: NDArray[np.float64] | None
    """The largest; minus infinity where there is none; None = nobody asks."""
    values: Sequence[Any]
    """Every value of a place, at each time, where a percentile was asked; else empty."""

    @classmethod
    def empty(cls, features: NDArray[np.int64], times: int, stats: Statistics) -> Partial:
        """Return it for places of which nothing is known, to be written in."""
        shape = times, len(features)
        none = np.zeros(0, dtype="float32")
        return cls(
            features,
            np.zeros(shape, dtype="int64"),
            np.zeros(shape),
            np.zeros(shape) if "squares" in stats.parts else None,
            np.full(shape, np.inf) if "low" in stats.parts else None,
            np.full(shape, -np.inf) if "high" in stats.parts else None,
            [[none] * times for _ in features] if stats.percentiles else (),
        )

    def ordered(self, order: NDArray[np.int64]) -> Partial:
        """Return it with its places in another order."""
        return Partial(
            self.features[order],
            self.count[:, order],
            self.mean[:, order],
            None if self.squares is None else self.squares[:, order],
            None if self.low is None else self.low[:, order],
            None if self.high is None else self.high[:, order],
            [self.values[place] for place in order] if self.values else (),
        )

    def write(self, times: int | slice, places: slice, found: Moments) -> None:
        """Write the moments of some places at some times."""
        for whole, part in zip((self.count, self.mean, self.squares, self.low, self.high), found, strict=True):
            if whole is not None:
                whole[times, places] = part


Moments = tuple[Any, Any, Any, Any, Any]
"""Count, mean, sum of squared differences, smallest and largest; None = nobody asks."""


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
    found = Partial.empty(zone.features, len(block), stats)
    for i in range(0, len(block), step):
        values, valid = _valid(block[i : i + step].reshape(-1, block[0].size)[:, flat], nodata)
        found.write(np.s_[i : i + step], np.s_[:], moments_of(values, valid, zone.offsets, stats))
    if not stats.percentiles:
        return found
    values = _valid(block.reshape(len(block), -1)[:, flat], nodata)[0]
    return replace(found, values=np.split(values, zone.offsets[1:], axis=1))


def _valid(values: NDArray[Any], nodata: float | None) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return floats with NaN where not valid, and where they are valid."""
    valid = np.isfinite(values)
    if nodata is not None:
        valid &= values != nodata
    floats = values if values.dtype.kind == "f" else values.astype("float64")
    return np.where(valid, floats, np.nan), valid


def moments_of(
    values: NDArray[Any], valid: NDArray[np.bool_], offsets: NDArray[np.int64], stats: Statistics
) -> Moments:
    """Return the moments of places, arrays (time, place).

    Parameters
    ----------
    values, valid : numpy.ndarray, dims (time, pixel)
        What is not valid may hold anything.
    offsets : numpy.ndarray
        Where the pixels of each place begin.
    """
    values = np.where(valid, values.astype("float64"), 0.0)
    count = np.add.reduceat(valid, offsets, axis=1, dtype="int64")
    total = np.add.reduceat(values, offsets, axis=1)
    mean = np.divide(total, count, out=np.zeros(total.shape), where=count > 0)
    squares = low = high = None
    if "squares" in stats.parts:
        lengths = np.diff(np.append(offsets, values.shape[1]))
        # Around the mean, not around zero: the sum of squares of large values would lose the small differences.
        apart = np.where(valid, values - np.repeat(mean, lengths, axis=1), 0.0)
        squares = np.add.reduceat(apart * apart, offsets, axis=1)
    if "low" in stats.parts:
        low = np.minimum.reduceat(np.where(valid, values, np.inf), offsets, axis=1)
    if "high" in stats.parts:
        high = np.maximum.reduceat(np.where(valid, values, -np.inf), offsets, axis=1)
    return count, mean, squares, low, high


def moments_of_one(values: NDArray[np.float32], valid: NDArray[np.bool_] | None, stats: Statistics) -> Moments:
    """Return the moments of one place with many pixels, in few passes; None = all are valid."""
    if valid is not None and not valid.all():
        values = values[valid]
    if not len(values):
        return 0, 0.0, 0.0, np.inf, -np.inf
    mean = float(values.sum(dtype="float64")) / len(values)
    squares = 0.0
    for begin in range(0, len(values) if "squares" in stats.parts else 0, _SHORT):
        apart = values[begin : begin + _SHORT] - np.float64(mean)
        squares += float(np.multiply(apart, apart, out=apart).sum())  # not dot(): BLAS would wake all cores
    low = float(values.min()) if "low" in stats.parts else np.inf
    return len(values), mean, squares, low, float(values.max()) if "high" in stats.parts else -np.inf


def finish_block(partials: Sequence[Partial], shape: tuple[int, int], stats: Statistics) -> NDArray[np.float64]:
    """Join blocks of the same dates, in their order; return (time, feature, statistic), NaN where nothing is valid."""
    count = np.zeros(shape, dtype="int64")
    mean, squares = np.zeros(shape), np.zeros(shape)
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    for part, places in _rounds(partials):
        at = np.s_[:, part.features[places]]
        more = part.count[:, places]
        together = count[at] + more
        # Chan, Golub and LeVeque (1979): means and sums of squares of two samples as those of both.
        weight = np.divide(more, together, out=np.zeros(together.shape), where=together > 0)
        apart = part.mean[:, places] - mean[at]
        if part.squares is not None:
            squares[at] += part.squares[:, places] + apart * apart * weight * count[at]
        mean[at] += apart * weight
        count[at] = together
        if part.low is not None:
            low[at] = np.minimum(low[at], part.low[:, places])
        if part.high is not None:
            high[at] = np.maximum(high[at], part.high[:, places])
    empty = count == 0
    columns = {"mean": mean, "min": low, "max": high, "sum": mean * count}
    if "std" in stats.names:
        columns["std"] = np.sqrt(np.divide(squares, count, out=np.zeros(shape), where=~empty))
    asked = [columns[name] for name in stats.computed if name in columns]
    asked += _percentiles(partials, shape, stats)
    return np.stack([count.astype("float64"), *(np.where(empty, np.nan, column) for column in asked)], axis=-1)


def _rounds(partials: Sequence[Partial]) -> Iterator[tuple[Partial, NDArray[np.int64]]]:
    """Yield places of which no two are of one feature: the first place of every feature, then the second ones."""
    for part in partials:
        order = np.argsort(part.features, kind="stable")
        ordered = part.features[order]
        first = np.searchsorted(ordered, ordered)
        turn = np.empty_like(order)
        turn[order] = np.arange(len(order)) - first
        for number in range(int(turn.max(initial=-1)) + 1):
            yield part, np.flatnonzero(turn == number)


def _percentiles(partials: Sequence[Partial], shape: tuple[int, int], stats: Statistics) -> list[NDArray[np.float64]]:
    found = [np.full(shape, np.nan) for _ in stats.percentiles]
    pieces: dict[int, list[Sequence[NDArray[Any]]]] = {}
    for part in partials if found else ():
        for feature, values in zip(part.features, part.values, strict=True):
            pieces.setdefault(int(feature), []).append(values)
    percents = [percent for _, percent in stats.percentiles]
    for feature, parts in pieces.items():
        for step in range(shape[0]):
            every = np.concatenate([values[step] for values in parts])
            valid = every[np.isfinite(every)].astype("float64")
            for column, number in zip(found, np.percentile(valid, percents) if len(valid) else (), strict=False):
                column[step, feature] = number
    return found
