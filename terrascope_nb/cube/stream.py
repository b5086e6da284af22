"""Pixels of a plan straight from the files, piece by piece: the quality band first, nothing read that it removes.

The numbers are those of `blocks.fuse_step` bit for bit; that function is the definition, this one the fast way. A file
that our own reader does not understand, or that has to be resampled, is read by `blocks.read_source`, piece by piece:
the same numbers, slower.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.analysis.indices import Formula
from terrascope_nb.catalogue.access import open_href
from terrascope_nb.cube.blocks import clip_mask, read_source, touches
from terrascope_nb.cube.decoding import Decoder, blank, decoder_for
from terrascope_nb.cube.formula import Scratch, program_for
from terrascope_nb.cube.plan import Plan, Scene, Source, Step
from terrascope_nb.cube.quality import keep_mask
from terrascope_nb.cube.values import choose_coding, range_for
from terrascope_nb.errors import AccessError
from terrascope_nb.raster.blocks import NativeReader
from terrascope_nb.raster.info import FileInfo
from terrascope_nb.raster.window import Lookup, look_up, own_reader, take, whole_factors

_LOOKUPS = 12
"""Lookups that are kept: those of two tiles and two resolutions, for a few threads."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle of the plan's grid."""

    top: int
    """First row."""
    left: int
    """First column."""
    rows: int
    """Number of rows."""
    cols: int
    """Number of columns."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.cols


@dataclass(frozen=True, slots=True)
class _File:
    """A file whose pixels are those of the plan's grid, or whole multiples of them."""

    reader: Any
    """Reads it: a `NativeReader` or a `RemoteReader`."""
    at: tuple[int, int]
    """Row and column of the grid's first pixel, in the file's pixels cut in ``factor`` x ``factor``."""
    factor: int
    """Grid pixels along one file pixel."""

    def covers(self, piece: Piece) -> bool:
        """Whether every pixel of a piece lies in the file."""
        top, left = self.at[0] + piece.top, self.at[1] + piece.left
        height, width = self.reader.info.grid.shape
        return (
            top >= 0
            and left >= 0
            and top + piece.rows <= height * self.factor
            and left + piece.cols <= width * self.factor
        )

    def read(self, piece: Piece, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the stored numbers of a piece that the file covers, in ``out`` where that is possible."""
        factor = self.factor
        top, left = self.at[0] + piece.top, self.at[1] + piece.left
        bottom, right = top + piece.rows, left + piece.cols
        if factor == 1:
            if isinstance(self.reader, NativeReader):
                return self.reader.read(0, top, left, bottom, right, out=out)
            whole: NDArray[Any] = self.reader.read(0, top, left, bottom, right)
            return whole
        stored = self.reader.read(0, top // factor, left // factor, -(-bottom // factor), -(-right // factor))
        return repeated(stored, factor, top % factor, left % factor, piece.shape)


@dataclass(frozen=True, slots=True)
class _Loose:
    """A file on another grid, of which each pixel of the plan's grid takes the nearest."""

    reader: Any
    """Reads it."""


def repeated(coarse: NDArray[Any], factor: int, row: int, col: int, shape: tuple[int, int]) -> NDArray[Any]:
    """Return each number repeated ``factor`` times in both directions, cut to a shape that starts at (row, col)."""
    fine = coarse.repeat(factor, axis=1).repeat(factor, axis=0)
    return fine[row : row + shape[0], col : col + shape[1]]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the mask keeps of one scene over an area."""

    keep: NDArray[np.bool_]
    """True = keep, in the quality file's pixels or in those of the grid."""
    at: tuple[int, int]
    """Grid row and column of the first pixel (may lie before the area)."""
    factor: int
    """Grid pixels along one pixel of ``keep``."""

    def part(self, piece: Piece) -> NDArray[np.bool_] | bool:
        """Return it for a piece on the grid; True or False where all pixels are alike."""
        factor = self.factor
        row, col = piece.top - self.at[0], piece.left - self.at[1]
        coarse = self.keep[
            row // factor : -(-(row + piece.rows) // factor), col // factor : -(-(col + piece.cols) // factor)
        ]
        if coarse.all():
            return True
        if not coarse.any():
            return False
        return coarse if factor == 1 else repeated(coarse, factor, row % factor, col % factor, piece.shape)


class Stream:
    """Reads pieces of some steps of a plan; made for one call of a verb."""

    def __init__(self, plan: Plan, steps: Sequence[Step]) -> None:
        self.plan = plan
        self.steps = steps
        self.is_remote = False
        self._files: dict[tuple[Any, str], _File | _Loose | None] = {}
        self._lookups: dict[Any, Lookup] = {}
        self._lock = threading.Lock()
        self._decoders: dict[tuple[Any, ...], Decoder] = {}
        self._local = threading.local()

    @property
    def scratch(self) -> Scratch:
        """Memory of the running thread."""
        found: Scratch | None = getattr(self._local, "scratch", None)
        if found is None:
            found = self._local.scratch = Scratch()
        return found

    # -- files -------------------------------------------------------------------------------------------------------

    def file(self, source: Source, resampling: str) -> _File | None:
        """Return the file on the plan's grid, or None when it is on another or has to be read the slow way."""
        found = self._opened(source, resampling)
        return found if isinstance(found, _File) else None

    def _opened(self, source: Source, resampling: str) -> _File | _Loose | None:
        key = (source.ref.hrefs, source.band_index), resampling
        if key not in self._files:
            self._files[key] = self._open(source, resampling)
        return self._files[key]

    def _open(self, source: Source, resampling: str) -> _File | _Loose | None:
        if source.failed or source.variable is not None:
            return None
        try:
            reader = own_reader(open_href(source.ref), source.band_index)
        except AccessError:
            return None  # the slow way names it
        if reader is None:
            return None
        self.is_remote |= not isinstance(reader, NativeReader)
        for factor in whole_factors(reader.info.grid, self.plan.grid, resampling):
            at = self.plan.grid.offset_in(reader.info.grid, factor)
            if at is not None:
                return _File(reader, at, factor)
        return _Loose(reader) if resampling == "nearest" and reader.info.grid.crs else None

    def _lookup(self, info: FileInfo, piece: Piece) -> Lookup:
        """Return which pixels a piece takes of a file; kept for a while, as all dates of a tile ask for the same."""
        key = piece, info.grid, info.levels
        found = self._lookups.get(key)
        if found is None:
            grid = self.plan.grid.crop(piece.top, piece.left, piece.rows, piece.cols)
            found = look_up(info, grid)
            with self._lock:
                while len(self._lookups) >= _LOOKUPS:
                    del self._lookups[next(iter(self._lookups))]
                self._lookups[key] = found
        return found

    def read(
        self, source: Source, piece: Piece, resampling: str, out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None, FileInfo] | None:
        """Return stored numbers, where the file has a pixel (None = everywhere) and what it says; None = nothing.

        The numbers lie in ``out`` when it is given and the file can be read straight into it.
        """
        file = self._opened(source, resampling)
        try:
            if isinstance(file, _File) and file.covers(piece):
                return file.read(piece, out), None, file.reader.info
            if isinstance(file, _Loose):
                lookup = self._lookup(file.reader.info, piece)
                if not lookup.inside.any():
                    return None
                window = take(file.reader, lookup)
                return window.stored, None if window.inside.all() else window.inside, window.info
        except AccessError:
            pass  # the slow way fails as well, and says it or records it
        grid = self.plan.grid.crop(piece.top, piece.left, piece.rows, piece.cols)
        if not touches(source, grid):
            return None
        slow = read_source(self.plan, source, grid, resampling)
        if slow is None or not slow.inside.any():
            return None
        return slow.stored, None if slow.inside.all() else slow.inside, slow.info

    def decoder(self, number: int, source: Source, info: FileInfo) -> Decoder:
        """Return how the numbers of a file become values."""
        # Whatever `choose_coding` looks at; hashing a whole source takes longer than decoding a small piece.
        key = number, info.dtype, info.scale, info.offset, info.nodata, source.scale, source.offset, source.nodata
        if key not in self._decoders:
            band = self.plan.bands[number].band
            coding = choose_coding(source, info, band, foreign=self.plan.foreign)
            self._decoders[key] = decoder_for(info.dtype, coding, range_for(coding, band))
        return self._decoders[key]

    def common_decoder(self, number: int) -> Decoder | None:
        """Return the decoder of all files of a band, when stored numbers may be ranked in place of their values.

        That is so when all are local and of one type and coding, a larger number is a larger value, and the largest
        number of the type is no value, so that it can stand for what is missing.
        """
        found: Decoder | None = None
        for step in self.steps:
            for scene in step.scenes:
                source = scene.sources[number]
                if source is None:
                    continue
                file = self.file(source, self.plan.bands[number].resampling)
                if file is None:
                    return None
                decoder = self.decoder(number, source, file.reader.info)
                if found is not None and decoder != found:
                    return None
                found = decoder
        return found if found is not None and found.fraction is not None and found.gap is not None else None

    # -- quality -----------------------------------------------------------------------------------------------------

    def is_masked(self, number: int) -> bool:
        """Whether the plan's mask holds for a band: not for the quality band itself."""
        plan = self.plan
        return plan.mask is not None and (plan.mask_band is None or plan.bands[number].band.name != plan.mask_band.name)

    def kept(self, scene: Scene, area: Piece) -> _Kept | None:
        """Return what the mask keeps of a scene over an area; None = nothing."""
        plan = self.plan
        assert plan.mask is not None
        if scene.quality is None:
            return None
        file = self.file(scene.quality, "nearest")
        if file is not None and not plan.mask_buffer and file.covers(area):
            factor = file.factor
            top, left = file.at[0] + area.top, file.at[1] + area.left
            first = top // factor, left // factor
            last = -(-(top + area.rows) // factor), -(-(left + area.cols) // factor)
            try:
                keep = plan.mask.apply(file.reader.read(0, *first, *last))
            except AccessError:
                keep = None
            if keep is not None:
                at = area.top - top % factor, area.left - left % factor
                return _Kept(keep, at, factor) if keep.any() else None
        grid = plan.grid.crop(area.top, area.left, area.rows, area.cols)
        if not plan.mask_buffer:
            found = self.read(scene.quality, area, "nearest")
            if found is None:
                return None
            keep = plan.mask.apply(found[0])
            if found[1] is not None:
                keep &= found[1]
            return _Kept(keep, (area.top, area.left), 1) if keep.any() else None
        keep = keep_mask(plan, scene, grid, lambda source, on, how: read_source(plan, source, on, how))
        return _Kept(keep, (area.top, area.left), 1) if keep is not None and keep.any() else None

    def clip(self, piece: Piece) -> NDArray[np.bool_] | None:
        """Return the pixels of a piece that the area holds; None = all."""
        if self.plan.clip is None:
            return None
        inside = clip_mask(self.plan.clip, self.plan.grid.crop(piece.top, piece.left, piece.rows, piece.cols))
        return None if inside.all() else inside


_Raw = tuple[NDArray[np.float32], NDArray[np.bool_] | None]
Keeps = Sequence[_Kept | None] | None
"""What the mask keeps of each scene of a step; None = the plan has no mask."""


class Look:
    """One piece at one step: values of its bands, read when they are asked for and kept until the piece is left.

    ``pick`` chooses pixels of the piece, numbered row by row; None = all of them, as an array of rows and columns.
    """

    def __init__(
        self, stream: Stream, step: Step, piece: Piece, keeps: Keeps, pick: NDArray[np.int64] | None = None
    ) -> None:
        self._stream = stream
        self._step = step
        self._piece = piece
        self._pick = pick
        self.shape: tuple[int, ...] = piece.shape if pick is None else (len(pick),)
        clip = stream.clip(piece)
        self._clip = None if clip is None else self._picked(clip)
        self._keeps = keeps
        self._drops: dict[tuple[int, bool], NDArray[np.bool_] | bool] = {}
        self._values: dict[int, _Raw | None] = {}

    def _picked(self, array: NDArray[Any]) -> NDArray[Any]:
        return array if self._pick is None else array.reshape(-1).take(self._pick)

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
        blank(values, gone, self._stream.scratch.take("bits", self.shape, np.int32))

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
                found = self._decoded(number, source, drop, "later")
                if found is not None:
                    values, gone = found
                    take = gaps if gone is None else gaps & ~gone
                    np.copyto(fused, values, where=take)
                    gaps &= ~take
                    gaps = gaps if gaps.any() else None
        return None if fused is None else (fused, gaps)

    def _decoded(self, number: int, source: Source, drop: NDArray[np.bool_] | bool, name: str) -> _Raw | None:
        """Return the values of one file, and where they mean nothing."""
        stream, scratch = self._stream, self._stream.scratch
        found = stream.read(source, self._piece, stream.plan.bands[number].resampling, self._room(source, number))
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
        values: NDArray[np.float32] = scratch.take(f"values {name}", self.shape, np.float32)
        decoder.values(stored, values)
        if decoder.fraction is None:
            np.logical_or(gone, ~np.isfinite(values), out=gone)
        return values, gone if gone.any() else None

    def _room(self, source: Source, number: int) -> NDArray[Any] | None:
        """Return memory for the stored numbers of the piece, where a file can be read straight into it."""
        file = self._stream.file(source, self._stream.plan.bands[number].resampling)
        if file is None or file.factor != 1:
            return None
        room: NDArray[Any] = self._stream.scratch.take("stored", self._piece.shape, file.reader.info.dtype)
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
                gone = stream.scratch.take("gone", self.shape, bool)
                decoder.missing(room, gone, stream.scratch.take("spare", self.shape, bool))
                room[gone] = gap
            if drop is not False:
                np.maximum(room, _raised(drop, out.dtype, stream.scratch), out=room)
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
        program = program_for(formula.text, formula.letters, formula.constants)
        named: dict[str, NDArray[np.float32]] = {}
        gaps: list[NDArray[np.bool_]] = []
        for letter, number in zip(formula.letters, numbers, strict=True):
            found = self._raw(number)
            if found is None:
                return None
            named[letter] = found[0]
            if found[1] is not None:
                gaps.append(found[1])
        if program is None:
            return formula(*(values for number in numbers if (values := self.values(number)) is not None))
        # Sums, differences, products and quotients of a NaN are NaN, so it is enough to write it at the end.
        values = program.run(named, self._stream.scratch)
        gone = np.isfinite(values, out=self._stream.scratch.take("spare", self.shape, bool))
        np.logical_not(gone, out=gone)
        for gap in gaps:
            np.logical_or(gone, gap, out=gone)
        if gone.any():
            self._blank(values, gone)
        return values


def _raised(drop: NDArray[np.bool_], dtype: np.dtype[Any], scratch: Scratch) -> NDArray[Any]:
    """Return the largest number of a type where ``drop``, else the smallest: their maximum with others drops."""
    raised: NDArray[Any] = scratch.take("raised", drop.shape, dtype)
    np.copyto(raised, drop)
    np.negative(raised.view(f"i{dtype.itemsize}"), out=raised.view(f"i{dtype.itemsize}"))  # no bit or all bits
    np.bitwise_xor(raised, np.iinfo(dtype).min, out=raised)
    return raised
