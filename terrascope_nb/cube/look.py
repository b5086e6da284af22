"""One piece at one step of a plan: values of its bands, made once and used by every variable that asks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.analysis.indices import Formula
from terrascope_nb.cube.decoding import Decoder, blank, fill
from terrascope_nb.cube.formula import Scratch
from terrascope_nb.cube.on_grid import Keeps, Kept, Piece
from terrascope_nb.cube.plan import Source, Step
from terrascope_nb.cube.stream import Stream
from terrascope_nb.raster.info import FileInfo

_Raw = tuple[NDArray[np.float32], NDArray[np.bool_] | None]
_LATER = "later"
"""Name of the memory of scenes after the first, of which the gaps are filled."""
_BITS = 2**16
"""Pixels that are filled or blanked at once."""


class Look:
    """One piece at one step: values of its bands, read when they are asked for and kept until the piece is left.

    ``room`` is where the values of a single band are made; None = in scratch memory.
    """

    def __init__(
        self,
        stream: Stream,
        step: Step,
        piece: Piece,
        keeps: Keeps,
        room: NDArray[np.float32] | None = None,
    ) -> None:
        self._stream = stream
        self._scratch = stream.scratch
        self._step = step
        self._piece = piece
        self._made_in = room
        self.shape: tuple[int, ...] = piece.shape
        self._clip = self._clip_of(stream)
        self._keeps = keeps
        self._drops: dict[tuple[int, bool], NDArray[np.bool_] | bool] = {}
        self._values: dict[int, _Raw | None] = {}

    def _clip_of(self, stream: Stream) -> NDArray[np.bool_] | None:
        """Return which pixels the plan's area holds; None = all."""
        return stream.clip(self._piece)

    def _keep_of(self, kept: Kept) -> NDArray[np.bool_] | bool:
        """Return which pixels the mask of a scene keeps; True or False where all are alike."""
        return kept.part(self._piece)

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
            keep = False if kept is None else self._keep_of(kept)
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
        for rows, bits in self._in_rows():
            blank(values[rows], gone[rows], bits)

    def _in_rows(self) -> Iterator[tuple[slice, NDArray[np.int32]]]:
        """Yield some rows after the other, and room for their bits."""
        high = max(1, _BITS // max(1, math.prod(self.shape[1:])))
        for top in range(0, self.shape[0], high):
            rows = slice(top, min(top + high, self.shape[0]))
            yield rows, self._scratch.take("bits", (rows.stop - top, *self.shape[1:]), np.int32)

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
                wanted = None if drop is False else ~drop
                found = self._decoded(number, source, drop, str(number), wanted)
                if found is not None:
                    fused, gaps = found
            elif gaps is None:
                break
            elif (wanted := gaps if drop is False else np.greater(gaps, drop)).any():
                found = self._decoded(number, source, drop, _LATER, wanted)
                if found is not None:
                    values, gone = found
                    take = gaps if gone is None else np.greater(gaps, gone)
                    for rows, bits in self._in_rows():
                        fill(fused[rows], values[rows], take[rows], bits)
                    gaps = None if gone is None else np.logical_and(gaps, gone, out=gaps)
                    gaps = gaps if gaps is not None and gaps.any() else None
        return None if fused is None else (fused, gaps)

    def _decoded(
        self,
        number: int,
        source: Source,
        drop: NDArray[np.bool_] | bool,
        name: str,
        wanted: NDArray[np.bool_] | None,
    ) -> _Raw | None:
        """Return the values of one file where they are wanted (None = everywhere), and where they mean nothing."""
        stream, scratch = self._stream, self._scratch
        values: NDArray[np.float32] | None = self._made_in if name != _LATER else None
        if values is None:
            values = scratch.take(f"values {name}", self.shape, np.float32)
        found = self._stored(number, source, values, wanted)
        if found is None:
            return None
        stored, inside, info = found
        decoder = stream.decoder(number, source, info)
        gone = scratch.take(f"gone {name}", self.shape, bool)
        decoder.missing(stored, gone, scratch.take("spare", self.shape, bool))
        if drop is not False:
            np.logical_or(gone, drop, out=gone)
        if inside is not None:
            np.logical_or(gone, ~inside, out=gone)
        if stored is not values or not decoder.keeps_numbers:
            decoder.values(stored, values)
        if decoder.fraction is None:
            np.logical_or(gone, ~np.isfinite(values), out=gone)
        return values, gone if gone.any() else None

    def _stored(
        self, number: int, source: Source, values: NDArray[np.float32], wanted: NDArray[np.bool_] | None
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None, FileInfo] | None:
        """Return stored numbers, where the file has a pixel (None = everywhere) and what it says; None = nothing."""
        del wanted  # some of the piece is, and it is read as one
        room = self._room(source, number, values)
        return self._stream.read(source, self._piece, self._stream.plan.bands[number].resampling, room)

    def _room(self, source: Source, number: int, values: NDArray[np.float32]) -> NDArray[Any] | None:
        """Return memory for the stored numbers of the piece, where a file can be read straight into it.

        Floats go to where their values are made, as they most often are the values.
        """
        file = self._stream.file(source, self._stream.plan.bands[number].resampling)
        if file is None or file.factor != 1:
            return None
        if file.reader.info.dtype == "float32":
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

    def forget(self, *, masks: bool = False) -> None:
        """Let the values go, as their memory is about to be used again; and the masks, when nothing else is asked."""
        self._values.clear()
        if masks:
            self._drops.clear()

    def result(
        self, numbers: Sequence[int], formula: Formula | None, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32] | None:
        """Return a variable's values, NaN where not valid, in memory that the next piece uses again; None = nothing.

        They are written to ``out`` when it is given, and when there is anything to write.
        """
        values = self.values(numbers[0]) if formula is None else self._worked_out(numbers, formula, out)
        if values is None or out is None or values is out:
            return values
        out[...] = values
        return out

    def _worked_out(
        self, numbers: Sequence[int], formula: Formula, out: NDArray[np.float32] | None
    ) -> NDArray[np.float32] | None:
        found = self.measured(numbers, formula, out)
        if found is not None and found[1] is not None:
            self._blank(found[0], np.logical_not(found[1], out=found[1]))
        return None if found is None else found[0]

    def measured(
        self, numbers: Sequence[int], formula: Formula | None, out: NDArray[np.float32] | None = None
    ) -> _Raw | None:
        """Return a variable's values and where they are valid (None = everywhere), in such memory; None = nothing.

        What is not valid holds anything.
        """
        valid: NDArray[np.bool_] = self._scratch.take("spare", self.shape, bool)
        if formula is None:
            raw = self._raw(numbers[0])
            return raw if raw is None or raw[1] is None else (raw[0], np.logical_not(raw[1], out=valid))
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
            values = formula(*(values for number in numbers if (values := self.values(number)) is not None))
            return values, np.isfinite(values, out=valid)
        # Sums, differences, products and quotients of a NaN are NaN, so it is enough to know it at the end.
        values = program.run(named, self._scratch, out)
        np.isfinite(values, out=valid)
        if not gaps and valid.all():
            return values, None
        for gap in gaps:
            np.greater(valid, gap, out=valid)
        return values, valid


def _raised(drop: NDArray[np.bool_], dtype: np.dtype[Any], scratch: Scratch) -> NDArray[Any]:
    """Return the largest number of a type where ``drop``, else the smallest: their maximum with others drops."""
    raised: NDArray[Any] = scratch.take("raised", drop.shape, dtype)
    np.copyto(raised, drop)
    np.negative(raised.view(f"i{dtype.itemsize}"), out=raised.view(f"i{dtype.itemsize}"))  # no bit or all bits
    np.bitwise_xor(raised, np.iinfo(dtype).min, out=raised)
    return raised
