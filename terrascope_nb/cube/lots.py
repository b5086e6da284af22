"""Pixels of features in several pieces, laid end to end, so that each array operation does all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.analysis.partials import Moments, Partial, Statistics, Zone, moments_of, moments_of_one
from terrascope_nb.cube.look import Look
from terrascope_nb.cube.on_grid import Keeps, Kept, Piece
from terrascope_nb.cube.plan import Source, Step
from terrascope_nb.cube.stream import Stream
from terrascope_nb.raster.info import FileInfo

_MOST = 2**16
"""Pixels of a lot of several pieces: its arrays stay in the cache of a core."""
_LARGE = 4096
"""Pixels of a feature from which it is worth passes of its own."""
_DENSE = 4
"""A large feature is taken as its rectangle and a mask of it, where no more than so many times its pixels lie in that."""


@dataclass(frozen=True, slots=True)
class Target:
    """The pixels of all features in one piece, as tight as they lie."""

    piece: Piece
    """The rectangle that holds them."""
    pick: NDArray[np.int64] | None
    """Their numbers in that rectangle; None = all of it, one feature."""
    inside: NDArray[np.bool_] | None
    """Where the one feature is, when it is large and no rectangle; None = everywhere, or there is a pick."""
    features: NDArray[np.int64]
    """Number of each feature."""
    offsets: NDArray[np.int64]
    """Where the pixels of each begin."""

    @classmethod
    def of(cls, zone: Zone, piece: Piece) -> Target:
        """Return the target of the features in a piece."""
        flat = zone.flat()
        rows, cols = np.divmod(flat, piece.cols)
        top, left = int(rows.min()), int(cols.min())
        height, width = int(rows.max()) + 1 - top, int(cols.max()) + 1 - left
        tight = Piece(piece.top + top, piece.left + left, height, width)
        pick = (rows - top) * width + cols - left
        if len(zone.features) > 1 or (len(flat) < height * width and not _is_dense(len(flat), height * width)):
            return cls(tight, pick, None, zone.features, zone.offsets)
        inside = None
        if len(flat) < height * width:
            inside = np.zeros(height * width, dtype=bool)
            inside[pick] = True
        return cls(tight, None, inside, zone.features, zone.offsets)

    def __len__(self) -> int:
        """Return the number of pixels that are looked at."""
        return self.piece.rows * self.piece.cols if self.pick is None else len(self.pick)

    def picked(self, array: NDArray[Any], out: NDArray[Any]) -> None:
        """Write what an array on the piece holds of the pixels."""
        if self.pick is None:
            out.reshape(array.shape)[...] = array
        else:
            np.take(array.reshape(-1), self.pick, out=out, mode="clip")  # all lie in the piece


def _is_dense(pixels: int, of: int) -> bool:
    return pixels >= _LARGE and of <= _DENSE * pixels


@dataclass(slots=True)
class Lot:
    """Targets whose pixels lie end to end."""

    targets: list[Target]
    """One or more."""
    places: slice
    """Where their features stand among those of all lots."""
    starts: NDArray[np.int64] = field(init=False)
    """First pixel of each target."""
    offsets: NDArray[np.int64] = field(init=False)
    """First pixel of each feature of each target."""
    size: int = field(init=False)
    """Number of pixels."""
    _under: dict[Any, NDArray[np.int64]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Lay the targets end to end."""
        sizes = np.array([len(target) for target in self.targets])
        self.starts = np.cumsum(sizes) - sizes
        self.size = int(sizes.sum())
        self.offsets = np.concatenate(
            [target.offsets + start for target, start in zip(self.targets, self.starts, strict=True)]
        )

    def spans(self) -> Iterator[tuple[int, Target, slice]]:
        """Yield each target with its number and its pixels."""
        for number, (target, start) in enumerate(zip(self.targets, self.starts, strict=True)):
            yield number, target, slice(int(start), int(start) + len(target))

    def any_of(self, marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which targets hold a pixel that is marked."""
        found: NDArray[np.bool_] = np.logical_or.reduceat(marked, self.starts)
        return found

    def kept(self, kept: Kept) -> NDArray[np.bool_] | bool:
        """Return which pixels the mask of a scene keeps; True or False where all are alike."""
        if self.size > _MOST or any(target.pick is None for target in self.targets):
            parts = np.empty(self.size, dtype=bool)
            for _, target, span in self.spans():
                found = kept.part(target.piece)
                if isinstance(found, bool):
                    parts[span] = found
                else:
                    target.picked(found, parts[span])
        else:
            parts = kept.pixels().reshape(-1).take(self._under_each(kept))
        return parts if not parts.all() else True

    def _under_each(self, kept: Kept) -> NDArray[np.int64]:
        """Return which pixel of a mask each pixel lies under: the same for all dates of a tile."""
        key = kept.at, kept.factor, kept.width
        if key not in self._under:
            every = []
            for target in self.targets:
                assert target.pick is not None
                rows, cols = np.divmod(target.pick, target.piece.cols)
                row = (rows + (target.piece.top - kept.at[0])) // kept.factor
                every.append(row * kept.width + (cols + (target.piece.left - kept.at[1])) // kept.factor)
            self._under[key] = np.concatenate(every)
        return self._under[key]

    def clip(self, stream: Stream) -> NDArray[np.bool_] | None:
        """Return which pixels the plan's area and the features hold; None = all."""
        if stream.plan.clip is None and all(target.inside is None for target in self.targets):
            return None
        held = np.ones(self.size, dtype=bool)
        for _, target, span in self.spans():
            clip = stream.clip(target.piece)
            if clip is not None:
                target.picked(clip, held[span])
            if target.inside is not None:
                held[span] &= target.inside
        return held

    def write(
        self, found: Partial, time: int, values: NDArray[np.float32], valid: NDArray[np.bool_] | None, stats: Statistics
    ) -> None:
        """Write what the values of all pixels say of the features; a pixel that is not valid holds anything."""
        found.write(time, self.places, self._moments(values.reshape(-1), valid, stats))
        if stats.percentiles:
            for place, part, mask in zip(
                range(self.places.start, self.places.stop), *self._apart(values, valid), strict=True
            ):
                found.values[place][time] = part.copy() if mask is None else part[mask]

    def _moments(self, values: NDArray[np.float32], valid: NDArray[np.bool_] | None, stats: Statistics) -> Moments:
        if len(self.targets) == 1 and self.size >= _LARGE * len(self.offsets):
            each = [moments_of_one(part, mask, stats) for part, mask in zip(*self._apart(values, valid), strict=True)]
            count, mean, squares, low, high = zip(*each, strict=True)
            return count, mean, squares, low, high
        there = np.ones(self.size, dtype=bool) if valid is None else valid
        return moments_of(values[None], there[None], self.offsets, stats)

    def _apart(
        self, values: NDArray[np.float32], valid: NDArray[np.bool_] | None
    ) -> tuple[Sequence[NDArray[np.float32]], Sequence[NDArray[np.bool_] | None]]:
        """Return values and where they are valid, feature by feature."""
        cuts = self.offsets[1:]
        return np.split(values, cuts), [None] * len(self.offsets) if valid is None else np.split(valid, cuts)


def lots_of(targets: Sequence[Target], first: int, *, alone: bool) -> list[Lot]:
    """Put targets together as long as they are small.

    Parameters
    ----------
    first : int
        Place of the first feature among those of all lots.
    alone : bool
        True: each target is a lot.
    """
    groups: list[list[Target]] = []
    room = 0
    for target in targets:
        if alone or len(target) > room:
            groups.append([])
            room = _MOST
        groups[-1].append(target)
        room -= len(target)
    lots = []
    for group in groups:
        count = sum(len(target.features) for target in group)
        lots.append(Lot(group, slice(first, first + count)))
        first += count
    return lots


class LotLook(Look):
    """A lot at one step: values of its bands, read when they are asked for and kept until the lot is left."""

    def __init__(self, stream: Stream, step: Step, lot: Lot, keeps: Keeps) -> None:
        self._lot = lot
        super().__init__(stream, step, lot.targets[0].piece, keeps)
        self.shape = (lot.size,)

    def _clip_of(self, stream: Stream) -> NDArray[np.bool_] | None:
        return self._lot.clip(stream)

    def _keep_of(self, kept: Kept) -> NDArray[np.bool_] | bool:
        return self._lot.kept(kept)

    def _stored(
        self, number: int, source: Source, values: NDArray[np.float32], wanted: NDArray[np.bool_] | None
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None, FileInfo] | None:
        """Return what a file holds of all pixels, read where any of a target is wanted; elsewhere anything."""
        stream, lot, how = self._stream, self._lot, self._stream.plan.bands[number].resampling
        file = stream.file(source, how)
        needed = None if wanted is None else lot.any_of(wanted)
        whole: NDArray[Any] | None = None
        inside: NDArray[np.bool_] | None = None
        info: FileInfo | None = None
        lacking: list[slice] = []
        if file is not None:
            kind = file.reader.info.dtype
            whole = values if kind == "float32" else self._scratch.take("lot", self.shape, kind)
        for place, target, span in lot.spans():
            if needed is not None and not needed[place]:
                continue
            room: NDArray[Any] | None = None
            if file is not None and file.factor == 1:
                assert whole is not None
                shape = target.piece.shape
                direct = target.pick is None
                room = whole[span].reshape(shape) if direct else self._scratch.take("stored", shape, whole.dtype)
            found = stream.read(source, target.piece, how, room)
            if found is None:
                lacking.append(span)
                continue
            info = found[2]
            if whole is None:
                whole = self._scratch.take("lot", self.shape, info.dtype)
            if target.pick is not None or found[0] is not room:
                target.picked(found[0], whole[span])
            if found[1] is not None:
                inside = np.ones(lot.size, dtype=bool) if inside is None else inside
                target.picked(found[1], inside[span])
        if whole is None or info is None:
            return None
        for span in lacking:
            inside = np.ones(lot.size, dtype=bool) if inside is None else inside
            inside[span] = False
        return whole, inside, info
