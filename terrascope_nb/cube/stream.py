"""Pixels of a plan straight from the files, piece by piece: the quality band first, nothing read that it removes.

The numbers are those of `blocks.fuse_step` bit for bit; that function is the definition, this one the fast way. A file
that our own reader does not understand, or that has to be resampled, is read by `blocks.read_source`, piece by piece:
the same numbers, slower.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.analysis.indices import Formula
from terrascope_nb.catalogue.access import open_href
from terrascope_nb.cube.blocks import clip_mask, read_source, touches
from terrascope_nb.cube.decoding import Decoder, decoder_for
from terrascope_nb.cube.formula import Program, Scratch, program_for
from terrascope_nb.cube.on_grid import GridFile, Kept, LooseFile, Piece, read_partly
from terrascope_nb.cube.plan import Plan, Scene, Source, Step
from terrascope_nb.cube.quality import keep_mask
from terrascope_nb.cube.values import choose_coding, range_for
from terrascope_nb.errors import AccessError
from terrascope_nb.products.quality import MaskRule
from terrascope_nb.raster.blocks import NativeReader
from terrascope_nb.raster.info import FileInfo
from terrascope_nb.raster.window import Lookup, look_up, own_reader, whole_factors
from terrascope_nb.settings import get_settings

_LOOKUPS = 12
"""Lookups that are kept: those of two tiles and two resolutions, for a few threads."""
_TAKEN = 2**16
"""Pixels that are taken at once of a file on another grid: numpy makes a copy of their numbers, of 8 bytes each."""


class Stream:
    """Reads pieces of some steps of a plan; made for one call of a verb."""

    def __init__(self, plan: Plan, steps: Sequence[Step]) -> None:
        self.plan = plan
        self.steps = steps
        self.is_remote = False
        self._expected = 0
        self._whole_blocks = get_settings().whole_blocks
        self._files: dict[tuple[Any, str], GridFile | LooseFile | None] = {}
        self._lookups: dict[Any, Lookup] = {}
        self._lock = threading.Lock()
        self._decoders: dict[tuple[Any, ...], Decoder] = {}
        self._programs: dict[Formula, Program | None] = {}
        self._local = threading.local()

    @property
    def scratch(self) -> Scratch:
        """Memory of the running thread."""
        found: Scratch | None = getattr(self._local, "scratch", None)
        if found is None:
            found = self._local.scratch = Scratch()
        return found

    def program(self, formula: Formula) -> Program | None:
        """Return a formula as a list of operations, or None when it needs more than that."""
        if formula not in self._programs:
            self._programs[formula] = program_for(formula.text, formula.letters, formula.constants)
        return self._programs[formula]

    # -- files -------------------------------------------------------------------------------------------------------

    def file(self, source: Source, resampling: str) -> GridFile | None:
        """Return the file on the plan's grid, or None when it is on another or has to be read the slow way."""
        found = self._opened(source, resampling)
        return found if isinstance(found, GridFile) else None

    def _opened(self, source: Source, resampling: str) -> GridFile | LooseFile | None:
        key = (source.ref.hrefs, source.band_index), resampling
        if key not in self._files:
            self._files[key] = self._open(source, resampling)
        return self._files[key]

    def _open(self, source: Source, resampling: str) -> GridFile | LooseFile | None:
        if source.failed or source.variable is not None:
            return None
        try:
            reader = own_reader(open_href(source.ref), source.band_index, whole_blocks=self._whole_blocks)
        except AccessError:
            return None  # the slow way names it
        if reader is None:
            return None
        self.is_remote |= not isinstance(reader, NativeReader)
        for factor in whole_factors(reader.info.grid, self.plan.grid, resampling):
            at = self.plan.grid.offset_in(reader.info.grid, factor)
            if at is not None:
                return GridFile(reader, at, factor)
        return LooseFile(reader) if resampling == "nearest" and reader.info.grid.crs else None

    def expect(self, numbers: Sequence[int], first: int, last: int) -> bool:
        """Begin to fetch the headers of the files behind HTTP of some steps, with the quality files, each step once.

        Returns
        -------
        Whether there are such files.
        """
        urls = []
        for step in self.steps[max(first, self._expected) : last]:
            for scene in step.scenes:
                for source in (scene.quality, *(scene.sources[number] for number in numbers)):
                    if source is not None and not source.failed and source.variable is None:
                        with contextlib.suppress(AccessError):  # whoever reads it is told
                            urls.append(open_href(source.ref))
        self._expected = max(last, self._expected)
        is_remote = any(url.startswith(("http://", "https://")) for url in urls)
        if is_remote:
            from terrascope_nb.raster.remote import read_ahead  # HTTP libraries: not for those who read from a disk

            read_ahead(urls)
        return is_remote

    def read_ahead(self, source: Source, pieces: Sequence[Piece], resampling: str, *, early: bool = False) -> bool:
        """Begin to fetch what a file behind HTTP holds of pieces that are read soon, neighbouring blocks together.

        False when they are read later than others (``early``) and there is no memory for them yet.
        """
        file = self.file(source, resampling)
        if file is not None and not isinstance(file.reader, NativeReader):
            covered = [file.region(piece) for piece in pieces if file.covers(piece)]
            return bool(file.reader.read_regions_ahead(0, covered, early=early))
        return True

    def read_quality_ahead(self, area: Piece) -> None:
        """Begin to fetch what the quality files behind HTTP hold of an area."""
        for step in self.steps if self.is_remote and self.plan.mask is not None else ():
            for scene in step.scenes:
                if scene.quality is not None:
                    self.read_ahead(scene.quality, [area], "nearest")

    def _lookup(self, info: FileInfo, piece: Piece) -> Lookup:
        """Return which pixels a piece takes of a file; kept for a while, as all dates of a tile ask for the same."""
        key = piece, info.grid, info.levels
        found = self._lookups.get(key)
        if found is not None:
            return found
        with self._lock:  # one thread works it out, in the memory of one, and all others want the same
            found = self._lookups.get(key)
            if found is None:
                found = look_up(info, self.plan.grid.crop(piece.top, piece.left, piece.rows, piece.cols))
                while len(self._lookups) >= _LOOKUPS:
                    del self._lookups[next(iter(self._lookups))]
                self._lookups[key] = found
        return found

    def hold(self, area: Piece | None) -> None:
        """Have this thread read what it takes of files on another grid once for all pieces of an area; None = no more."""
        self._local.area, self._local.held = area, {}

    def is_loose(self, source: Source, resampling: str) -> bool:
        """Whether pixels are taken of a file on another grid, so that it is worth to `hold` an area."""
        return isinstance(self._opened(source, resampling), LooseFile)

    def _taken(self, reader: Any, piece: Piece) -> tuple[NDArray[Any], NDArray[np.bool_] | None, FileInfo] | None:
        """Return the pixels that a piece takes, in memory that this thread uses again; what is not inside is anything."""
        area: Piece = getattr(self._local, "area", None) or piece
        lookup = self._lookup(reader.info, area)
        here = np.s_[piece.top - area.top :, piece.left - area.left :]
        inside = lookup.inside[here][: piece.rows, : piece.cols]
        if not inside.any():
            return None
        held: dict[int, NDArray[Any]] = {} if area is piece else self._local.held
        region = held.get(id(reader))
        if region is None:
            top, left, bottom, right = lookup.region
            region = self.scratch.take(f"region {len(held)}", (bottom - top, right - left), reader.info.dtype)
            held[id(reader)] = region
            reader.read(lookup.level, *lookup.region, out=region)
        stored = self.scratch.take("taken", piece.shape, reader.info.dtype)
        index, flat = lookup.index[here][: piece.rows, : piece.cols], region.reshape(-1)
        high = max(1, _TAKEN // piece.cols)
        for top in range(0, piece.rows, high):
            rows = slice(top, top + high)
            np.take(flat, index[rows], out=stored[rows], mode="clip")  # all lie in the region
        return stored, None if inside.all() else inside, reader.info

    def read(
        self, source: Source, piece: Piece, resampling: str, out: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None, FileInfo] | None:
        """Return stored numbers, where the file has a pixel (None = everywhere) and what it says; None = nothing.

        The numbers lie in ``out`` when it is given and the file can be read straight into it.
        """
        file = self._opened(source, resampling)
        try:
            if isinstance(file, GridFile) and file.covers(piece):
                return file.read(piece, out), None, file.reader.info
            if isinstance(file, GridFile):
                return read_partly(file, piece, out)
            if isinstance(file, LooseFile):
                return self._taken(file.reader, piece)
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

    def kept(self, scene: Scene, area: Piece) -> Kept | None:
        """Return what the mask keeps of a scene over an area; None = nothing."""
        plan = self.plan
        assert plan.mask is not None
        if scene.quality is None:
            return None
        file = self.file(scene.quality, "nearest")
        if file is not None and not plan.mask_buffer:
            part = file.part(area)
            if part is None:
                return None
            try:
                return self._kept_in(file, area, part, plan.mask)
            except AccessError:
                pass  # the slow way fails as well, and says it or records it
        grid = plan.grid.crop(area.top, area.left, area.rows, area.cols)
        if not plan.mask_buffer:
            found = self.read(scene.quality, area, "nearest")
            if found is None:
                return None
            keep = plan.mask.apply(found[0])
            if found[1] is not None:
                keep &= found[1]
            return Kept.of(keep, (area.top, area.left), 1)
        fine = keep_mask(plan, scene, grid, lambda source, on, how: read_source(plan, source, on, how))
        return None if fine is None else Kept.of(fine, (area.top, area.left), 1)

    @staticmethod
    def _kept_in(file: GridFile, area: Piece, part: Piece, mask: MaskRule) -> Kept | None:
        """Return what the mask keeps of the part of an area that a quality file has, in that file's pixels."""
        top, left, bottom, right = file.region(area)
        y0, x0, y1, x1 = file.region(part)
        keep = mask.apply(file.reader.read(0, y0, x0, y1, x1))
        if part != area:
            inside, keep = keep, np.zeros((bottom - top, right - left), dtype=bool)
            keep[y0 - top : y1 - top, x0 - left : x1 - left] = inside
        factor = file.factor
        at = area.top - (file.at[0] + area.top) % factor, area.left - (file.at[1] + area.left) % factor
        return Kept.of(keep, at, factor)

    def clip(self, piece: Piece) -> NDArray[np.bool_] | None:
        """Return the pixels of a piece that the area holds; None = all."""
        if self.plan.clip is None:
            return None
        inside = clip_mask(self.plan.clip, self.plan.grid.crop(piece.top, piece.left, piece.rows, piece.cols))
        return None if inside.all() else inside
