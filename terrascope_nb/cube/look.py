"""One piece at one step of a plan: values of its bands, made once and used by every variable that asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.analysis.indices import Formula
from terrascope_nb.cube.decoding import Decoder, blank, fill
from terrascope_nb.cube.formula import Scratch
from terrascope_nb.cube.plan import Source, Step
from terrascope_nb.cube.stream import Keeps, Piece, Stream

_Raw = tuple[NDArray[np.float32], NDArray[np.bool_] | None]
_LATER = "later"
"""Name of the memory of scenes after the first, of which the gaps are filled."""


class Look:
    """One piece at one step: values of its bands, read when they are asked for and kept until the piece is left.

    ``pick`` chooses pixels of the piece, numbered row by row; None = all of them, as an array of rows and columns.
    ``room`` is where the values of a single band are made; None = in scratch memory.
    """

    def __init__(
        self,
        stream: Stream,
        step: Step,
        piece: Piece,
        keeps: Keeps,
        pick: NDArray[np.int64] | None = None,
        room: NDArray[np.float32] | None = None,
    ) -> None:
        self._stream = stream
        self._scratch = stream.scratch
        self._step = step
        self._piece = piece
        self._pick = pick
        self._made_in = room
        self.shape: tuple[int, ...] = piece.shape if pick is None else (len(pick),)
        clip = stream.clip(piece)
        self._clip = None if clip is None else self._picked(clip)
        self._keeps = keeps
        self._drops: dict[tuple[int, bool], NDArray[np.bool_] | bool] = {}
        self._values: dict[int, _Raw | None] = {}

    def _picked(self, array: NDArray[Any]) -> NDArray[Any]:
        return array if self._pick is None else array.reshape(-1).take(self._pick)

    def wanted(self, number: int) -> Source | None:
        """Return the file of a band that is surely read: the first one that mask and area leave anything of."""
        masked = self._stream.is_masked(number)
        for place, scene in enumerate(self._step.scenes):
            source = scene.sources[number]
            if source is not None and self.drop(place, masked=masked) is not True:
                return source
        return None

    def drop(self, place: int, *, masked: bool) -> NDArray[np.bool_] | bool:
        """Return where mask and area remove a scene's pixels; True or False where all pixels are alike."""
        key = place, masked
        if key not in self._drops:
            self._drops[key] = self._drop(place, masked=masked)
        return self._drops[key]

    def _drop(self, place: int, *, masked: bool) -> NDArray[np.bool_] | bool:
        clip = self._clip
        if clip is not None and not clip.any():
            return True
        keep: NDArray[np.bool_] | bool = True
        if masked and self._keeps is not None:
            kept = self._keeps[place]
            keep = False if kept is None else kept.part(self._piece)
            if not isinstance(keep, bool):
                keep = self._picked(keep)
        if isinstance(keep, bool):
            if not keep:
                return True
            return False if clip is None else ~clip
        both = keep if clip is None else keep & clip
        return ~both if both.any() else True

    def values(self, number: int) -> NDArray[np.float32] | None:
        """Return the values of a band, NaN where not valid; None where nothing is."""
        found = self._raw(number)
        if found is None:
            return None
        values, gone = found
        if gone is not None:
            self._blank(values, gone)
            self._values[number] = values, None
        return values

    def _blank(self, values: NDArray[np.float32], gone: NDArray[np.bool_]) -> None:
        blank(values, gone, self._scratch.take("bits", self.shape, np.int32))

    def _raw(self, number: int) -> _Raw | None:
        if number not in self._values:
            self._values[number] = self._fused(number)
        return self._values[number]

    def _fused(self, number: int) -> _Raw | None:
        """Return values, and where they mean nothing (None = nowhere)."""
        masked = self._stream.is_masked(number)
        fused: NDArray[np.float32] | None = None
        gaps: NDArray[np.bool_] | None = None
        for place, scene in enumerate(self._step.scenes):
            source = scene.sources[number]
            if source is None:
                continue
            drop = self.drop(place, masked=masked)
            if drop is True:
                continue
            if fused is None:
                found = self._decoded(number, source, drop, str(number))
                if found is not None:
                    fused, gaps = found
            elif gaps is None:
                break
            elif drop is False or (gaps & ~drop).any():
                found = self._decoded(number, source, drop, _LATER)
                if found is not None:
                    values, gone = found
                    take = gaps if gone is None else np.greater(gaps, gone)
                    fill(fused, values, take, self._scratch.take("bits", self.shape, np.int32))
                    gaps = None if gone is None else np.logical_and(gaps, gone, out=gaps)
                    gaps = gaps if gaps is not None and gaps.any() else None
        return None if fused is None else (fused, gaps)

    def _decoded(self, number: int, source: Source, drop: NDArray[np.bool_] | bool, name: str) -> _Raw | None:
        """Return the values of one file, and where they mean nothing."""
        stream, scratch = self._stream, self._scratch
        values: NDArray[np.float32] | None = self._made_in if name != _LATER else None
        if values is None:
            values = scratch.take(f"values {name}", self.shape, np.float32)
        room = self._room(source, number, values)
        found = stream.read(source, self._piece, stream.plan.bands[number].resampling, room)
        if found is None:
            return None
        stored, inside, info = self._picked(found[0]), found[1], found[2]
        decoder = stream.decoder(number, source, info)
        gone = scratch.take(f"gone {name}", self.shape, bool)
        decoder.missing(stored, gone, scratch.take("spare", self.shape, bool))
        if drop is not False:
            np.logical_or(gone, drop, out=gone)
        if inside is not None:
            np.logical_or(gone, ~self._picked(inside), out=gone)
        if stored is not values or not decoder.keeps_numbers:
            decoder.values(stored, values)
        if decoder.fraction is None:
            np.logical_or(gone, ~np.isfinite(values), out=gone)
        return values, gone if gone.any() else None

    def _room(self, source: Source, number: int, values: NDArray[np.float32]) -> NDArray[Any] | None:
        """Return memory for the stored numbers of the piece, where a file can be read straight into it.

        Floats go to where their values are made, as they most often are the values.
        """
        file = self._stream.file(source, self._stream.plan.bands[number].resampling)
        if file is None or file.factor != 1:
            return None
        if file.reader.info.dtype == "float32" and self._pick is None:
            return values
        room: NDArray[Any] = self._scratch.take("stored", self._piece.shape, file.reader.info.dtype)
        return room

    def stored(self, number: int, decoder: Decoder, out: NDArray[Any]) -> bool:
        """Write a band's stored numbers, `Decoder.gap` where not valid; False (and anything written) where nothing is.

        Parameters
        ----------
        decoder : Decoder
            From `Stream.common_decoder`.
        out : numpy.ndarray, shape of the piece, stored type
        """
        stream, gap = self._stream, decoder.gap
        band = stream.plan.bands[number]
        masked = stream.is_masked(number)
        written = False
        for place, scene in enumerate(self._step.scenes):
            source = scene.sources[number]
            drop = self.drop(place, masked=masked)
            if source is None or drop is True:
                continue
            if written and drop is not False and not ((out == gap) & ~drop).any():
                continue
            room = out if not written else np.empty_like(out)
            found = stream.read(source, self._piece, band.resampling, room)
            if found is None:
                continue
            if found[0] is not room:
                room[...] = found[0]
            if decoder.says_more_than_gap:
                gone = self._scratch.take("gone", self.shape, bool)
                decoder.missing(room, gone, self._scratch.take("spare", self.shape, bool))
                room[gone] = gap
            if drop is not False:
                np.maximum(room, _raised(drop, out.dtype, self._scratch), out=room)
            if found[1] is not None:
                room[~found[1]] = gap
            if written:
                np.copyto(out, room, where=out == gap)
            written = True
        return written

    def forget(self) -> None:
        """Let the values go: their memory is about to be used again."""
        self._values.clear()

    def result(self, numbers: Sequence[int], formula: Formula | None) -> NDArray[np.float32] | None:
        """Return a variable's values, NaN where not valid, in memory that the next piece uses again; None = nothing."""
        if formula is None:
            return self.values(numbers[0])
        # The mask is the same for all bands: where nothing is left of one, no other is read.
        program = self._stream.program(formula)
        named: dict[str, NDArray[np.float32]] = {}
        gaps: list[NDArray[np.bool_]] = []
        for letter, number in zip(formula.letters, numbers, strict=True):
            raw = self._raw(number)
            if raw is None:
                return None
            named[letter] = raw[0]
            if raw[1] is not None:
                gaps.append(raw[1])
        if program is None:
            return formula(*(values for number in numbers if (values := self.values(number)) is not None))
        # Sums, differences, products and quotients of a NaN are NaN, so it is enough to write it at the end.
        values = program.run(named, self._scratch)
        finite = np.isfinite(values, out=self._scratch.take("spare", self.shape, bool))
        if not gaps and finite.all():
            return values
        gone = np.logical_not(finite, out=finite)
        for gap in gaps:
            np.logical_or(gone, gap, out=gone)
        self._blank(values, gone)
        return values


def _raised(drop: NDArray[np.bool_], dtype: np.dtype[Any], scratch: Scratch) -> NDArray[Any]:
    """Return the largest number of a type where ``drop``, else the smallest: their maximum with others drops."""
    raised: NDArray[Any] = scratch.take("raised", drop.shape, dtype)
    np.copyto(raised, drop)
    np.negative(raised.view(f"i{dtype.itemsize}"), out=raised.view(f"i{dtype.itemsize}"))  # no bit or all bits
    np.bitwise_xor(raised, np.iinfo(dtype).min, out=raised)
    return raised
