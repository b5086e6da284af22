"""Native blocks of a local GeoTIFF, decoded outside the GIL by a maintained codec library.

Whatever is not understood here (a compression, a sample format, a container) is left to GDAL: `native_reader` then
answers None, and the caller reads the same numbers the slower way.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

try:
    from isal import isal_zlib
except ImportError:  # no wheel for this machine: blocks are decoded whole
    isal_zlib = None  # type: ignore[assignment, unused-ignore]

from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.header import Header, Ranges, read_header, read_header_and_ranges, tile_ranges
from terrascope_nb.raster.info import FileInfo
from terrascope_nb.settings import get_settings

_Decode = Callable[[Any, Any], Any]
_NO_DECODE, _LZW, _DEFLATE, _OLD_DEFLATE, _LZMA, _ZSTD = 1, 5, 8, 32946, 34925, 50000
_DECODERS: dict[int, _Decode] = {
    _NO_DECODE: lambda data, _out: data,
    _LZW: lambda data, out: imagecodecs.lzw_decode(data, out=out),
    _DEFLATE: lambda data, out: imagecodecs.deflate_decode(data, out=out),
    _OLD_DEFLATE: lambda data, out: imagecodecs.deflate_decode(data, out=out),
    _LZMA: lambda data, out: imagecodecs.lzma_decode(data, out=out),
    _ZSTD: lambda data, out: imagecodecs.zstd_decode(data, out=out),
}
"""TIFF compression number -> decoder(bytes, room for what is decoded) -> the part of the room that was filled."""

_FAULTS: Any = (ValueError, RuntimeError) if isal_zlib is None else (ValueError, RuntimeError, isal_zlib.error)
"""What the codecs raise, or derive their errors from."""
_WORTH_IT = 0.8
"""Part of a block up to which it pays to stop at its last wanted row; the codec that can stop is a little slower."""

_MOST_ROOM = 2**24
"""Bytes; memory for larger blocks is given back at once."""

_LARGEST_BLOCK = 2**30
"""Bytes of a decoded block; a header that claims more is left to GDAL, which has limits of its own."""

_MANY_BLOCKS = 2048
"""Blocks of a level up to which it is remembered with the header where they lie: what reading the header brought along."""

Region = tuple[int, int, int, int]
"""``(top, left, bottom, right)`` in pixels of a level."""


class _Room(threading.local):
    """Memory of one thread that is used for every block: fresh pages cost half as much as decoding into them."""

    def __init__(self) -> None:
        self._parts: dict[str, Any] = {}

    def take(self, name: str, size: int) -> Any:
        """Return an array of that many bytes, holding anything; valid until the same name is taken again."""
        if size > _MOST_ROOM:
            return np.empty(size, dtype=np.uint8)
        part = self._parts.get(name)
        if part is None or part.size < size:
            part = self._parts[name] = np.empty(size, dtype=np.uint8)
        return part[:size]


_room = _Room()


@dataclass(frozen=True, slots=True)
class FileState:
    """One state of a local file: a changed file is another key of the caches."""

    path: str
    """Local path."""
    size: int
    """Bytes."""
    modified: int
    """Nanoseconds since 1970."""


@functools.lru_cache(maxsize=4096)
def _known_file(state: FileState) -> tuple[Header, FileInfo, Ranges | None] | None:
    """Return header, what it says, and where few blocks of the full resolution lie; None where GDAL has to read the file."""
    try:
        header, ranges = read_header_and_ranges(state.path)
    except CorruptAssetError:
        return None  # GDAL knows more kinds of TIFF than we do, and names the file when it is damaged indeed
    info = info_of(header)
    return None if info is None else (header, info, ranges if ranges[0].size <= _MANY_BLOCKS else None)


@functools.lru_cache(maxsize=1024)
def _other_ranges(state: FileState, level: int) -> Ranges:
    known = _known_file(state)
    header = read_header(state.path) if known is None else known[0]
    return tile_ranges(state.path, header.levels[level])


def _known_ranges(state: FileState, level: int) -> Ranges:
    known = _known_file(state) if level == 0 else None
    ranges = None if known is None else known[2]
    return _other_ranges(state, level) if ranges is None else ranges


def info_of(header: Header) -> FileInfo | None:
    """Return what a header says of the grid and the first band, or None where its blocks are not understood here."""
    kind = np.dtype(header.dtype)
    levels = tuple((level.height, level.width) for level in header.levels)
    samples = header.count if header.planar == 1 else 1
    largest = max(level.block[0] * level.block[1] for level in header.levels) * samples * kind.itemsize
    if (
        header.masked
        or header.compression not in _DECODERS
        or header.predictor not in (1, 2, 3)
        or header.crs is None
        or header.transform is None
        or kind.kind not in "iuf"
        or header.dtype == "float16"
        or header.bits != 8 * kind.itemsize
        or (header.predictor == 3 and kind.kind != "f")
        or list(levels) != sorted(levels, reverse=True)
        or largest > _LARGEST_BLOCK
    ):
        return None
    return FileInfo(
        grid=PixelGrid(header.crs, header.transform, levels[0]),
        dtype=header.dtype,
        nodata=header.nodata,
        scale=_unless(header.scale, 1.0),
        offset=_unless(header.offset, 0.0),
        levels=levels,
        block=header.block,
    )


def info_of_band(header: Header, info: FileInfo, band: int) -> FileInfo | None:
    """Return what a header says of a band, given what it says of the first; None when there is no such band."""
    if not 1 <= band <= header.count:
        return None
    if header.encodings and band > 1:
        said = header.encodings.get(band, {})
        return replace(info, scale=_unless(said.get("scale"), 1.0), offset=_unless(said.get("offset"), 0.0))
    return info


def _unless(value: float | None, silent: float) -> float | None:
    """Return what is said; GDAL's default counts as silence."""
    return None if value == silent else value


def state_of(path: str) -> FileState:
    """Return the present state of a local file.

    Raises
    ------
    AssetUnreachableError
        It is not there or may not be looked at.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - runs for every read
    except OSError as error:
        raise AssetUnreachableError(f"{path} does not exist or cannot be read: {error}.", href=path) from error
    return FileState(path, found.st_size, found.st_mtime_ns)


def native_reader(path: str, band: int = 1, *, whole_blocks: bool | None = None) -> NativeReader | None:
    """Return a reader of a band of a local GeoTIFF, or None where GDAL has to do it.

    Parameters
    ----------
    whole_blocks : bool, optional
        As in `Settings`, which are asked when it is None; a caller that opens many files asks them once.

    Raises
    ------
    AssetUnreachableError
        The file is not there.
    CorruptAssetError
        It is a TIFF whose header is damaged.
    """
    if not path.lower().endswith((".tif", ".tiff")):
        return None
    state = state_of(path)
    known = _known_file(state)
    if known is None:
        return None
    header, info, _ = known
    of_band = info_of_band(header, info, band)
    if of_band is None:
        return None
    return NativeReader(
        state, header, of_band, band, get_settings().whole_blocks if whole_blocks is None else whole_blocks
    )


@dataclass(frozen=True, slots=True)
class NativeReader:
    """Reads regions of one band, block by block."""

    state: FileState
    """The file as it was when the reader was made."""
    header: Header
    """Its header."""
    info: FileInfo
    """What the header says of the grid and the numbers."""
    band: int
    """Band, from 1."""
    whole_blocks: bool = True
    """False: a block is decoded down to its last wanted row only, and its checksum is not looked at."""

    def read(
        self, level: int, top: int, left: int, bottom: int, right: int, out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return the stored numbers of a region inside a level (0 = full resolution).

        Parameters
        ----------
        out : numpy.ndarray, optional
            Where to put them: the file's dtype, rows of (right - left) numbers without gaps. Made when None.

        Returns
        -------
        numpy.ndarray of the file's dtype in native byte order, shape (bottom - top, right - left).

        Raises
        ------
        CorruptAssetError
            A block cannot be decoded or lies outside the file.
        """
        offsets, counts = _known_ranges(self.state, level)
        if out is None:
            out = np.empty((bottom - top, right - left), dtype=self.header.dtype)
        file = os.open(self.state.path, os.O_RDONLY)  # a file object takes three times as long
        try:
            for spot in spots_under(self.header, self.band, level, (top, left, bottom, right)):
                data = self._packed(file, int(offsets[spot.number]), int(counts[spot.number]))
                there = out[spot.rows_out, spot.cols_out]
                decode_part(self.header, self.band, spot, data, there, self.state.path, whole=self.whole_blocks)
        finally:
            os.close(file)
        return out

    def _packed(self, descriptor: int, offset: int, count: int) -> Any:
        """Return the bytes of a block, valid until this thread asks again; none for a block that was never written."""
        if count == 0:
            return b""
        # A damaged header may claim any count; the file's end bounds what is read and what is kept for it.
        data = _room.take("packed", min(count, max(self.state.size - offset, 0)))
        if len(data) != count or os.preadv(descriptor, [data], offset) != count:
            raise CorruptAssetError(f"{self.state.path} is damaged: it ends inside a block.", href=self.state.path)
        return data


class Spot(NamedTuple):
    """A block that lies under a region of its level."""

    number: int
    """Which of the level's blocks."""
    shape: tuple[int, int]
    """Its rows and columns: tiles are always whole, the last strip is as high as what is left."""
    part: tuple[slice, slice]
    """What of it lies in the region."""
    rows_out: slice
    """The rows of the region it fills."""
    cols_out: slice
    """The columns of the region it fills."""


def spots_under(header: Header, band: int, level: int, region: Region) -> Iterator[Spot]:
    """Yield the blocks of a band that lie under a region of a level, row by row."""
    top, left, bottom, right = region
    shape = header.levels[level]
    rows, cols = shape.block
    across = -(-shape.width // cols)
    first = (band - 1) * across * -(-shape.height // rows) if header.planar == 2 else 0
    for y in range(top // rows * rows, bottom, rows):
        height = rows if shape.tiled else min(rows, shape.height - y)
        y0, y1 = max(top, y), min(bottom, y + height)
        for x in range(left // cols * cols, right, cols):
            x0, x1 = max(left, x), min(right, x + cols)
            yield Spot(
                first + y // rows * across + x // cols,
                (height, cols),
                (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)),
                slice(y0 - top, y1 - top),
                slice(x0 - left, x1 - left),
            )


def decode_part(
    header: Header, band: int, spot: Spot, data: Any, there: NDArray[Any], name: str, *, whole: bool = True
) -> None:
    """Decode a block and write the part that is wanted there; no data = a block that was never written.

    Not ``whole``: it may be decoded down to the last wanted row only. The checksum stands at the end of a block, so what
    was damaged on its way then gives wrong numbers in silence.

    Raises
    ------
    CorruptAssetError
        It does not decode to what the header promises; the message bears the file's ``name``.
    """
    if len(data) == 0:  # GDAL gives nodata there, and 0 where there is none
        unknown = header.nodata is None or (np.isnan(header.nodata) and header.dtype[0] != "f")
        there[...] = 0 if unknown else header.nodata
        return
    samples = header.count if header.planar == 1 else 1
    kind = np.dtype(header.dtype)
    height, rows = spot.shape[0], spot.part[0].stop
    can_stop = isal_zlib is not None and header.compression in (_DEFLATE, _OLD_DEFLATE)
    partly = not whole and can_stop and rows <= _WORTH_IT * height
    size = (rows if partly else height) * spot.shape[1] * samples * kind.itemsize
    try:
        if partly:
            raw = isal_zlib.decompressobj().decompress(data, size)
        else:
            raw = _DECODERS[header.compression](data, _room.take("decoded", size))
    except _FAULTS as error:
        raise CorruptAssetError(f"{name} is damaged: a block does not decode ({error}).", href=name) from error
    if len(raw) != size:
        raise CorruptAssetError(f"{name} is damaged: a block holds {len(raw)} bytes where {size} belong.", href=name)
    order: Literal["<", ">"] = ">" if header.levels[0].offsets.dtype[0] == ">" else "<"
    stored = np.frombuffer(raw, dtype=kind.newbyteorder(order)).reshape(-1, spot.shape[1], samples)
    if samples == 1 and header.predictor == 2 and stored.dtype.isnative:
        _sum_up(stored[:, :, 0], spot.part, there)
    elif header.predictor == 1:
        there[...] = stored[(*spot.part, band - 1 if samples > 1 else 0)]
    else:
        numbers = unpredict(stored[spot.part[0]], header.predictor)
        there[...] = numbers[:, spot.part[1], band - 1 if samples > 1 else 0]


def _sum_up(stored: NDArray[Any], part: tuple[slice, slice], there: NDArray[Any]) -> None:
    """Undo differences along the columns, of the rows and columns of a part only, without memory of its own."""
    kind = f"i{stored.dtype.itemsize}"
    whole, out = stored[part[0], : part[1].stop].view(kind), there.view(kind)
    if part[1].start == 0:
        imagecodecs.delta_decode(whole, axis=-1, out=out)
    else:
        room = _room.take("summed", whole.size * whole.itemsize).view(kind).reshape(whole.shape)
        imagecodecs.delta_decode(whole, axis=-1, out=room)
        out[...] = room[:, part[1].start :]


def unpredict(stored: NDArray[Any], predictor: int) -> NDArray[Any]:
    """Undo a TIFF predictor along the columns.

    Parameters
    ----------
    stored : numpy.ndarray, dims (rows, columns, samples)
        As it comes out of the codec, in the file's byte order.
    predictor : int
        1 none, 2 differences of whole numbers, 3 differences of the bytes of floats (TIFF technical note 3).

    Returns
    -------
    numpy.ndarray, same shape, native byte order.
    """
    if predictor == 3:
        rows, cols, samples = stored.shape
        size = stored.dtype.itemsize
        # Each row holds all most significant bytes first, then the next ones, differenced sample by sample; the byte
        # order of the file has no say in it.
        planes = np.asarray(imagecodecs.delta_decode(stored.view("u1").reshape(rows, cols * size, samples), axis=-2))
        numbers = planes.reshape(rows, size, cols * samples).transpose(0, 2, 1)
        return np.ascontiguousarray(numbers).view(f">f{size}").astype(f"f{size}").reshape(rows, cols, samples)
    native = stored if stored.dtype.isnative else stored.astype(stored.dtype.newbyteorder("="))
    if predictor == 1:
        return native
    whole = native.view(f"i{native.dtype.itemsize}")
    return np.asarray(imagecodecs.delta_decode(whole, axis=-2)).view(native.dtype)
