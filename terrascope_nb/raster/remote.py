"""Native blocks of a GeoTIFF behind HTTP: the same numbers as `blocks`, from range requests, many at once.

The header comes with one request and is kept in memory, with the blocks used last; blocks that lie near each other
come with one request. Every answer says which version of the file it is of, so a kept header needs no question of its
own. With ``settings.remote_cache_mb`` headers and blocks are kept on disk too, and each file is asked once per process
whether it is still the same.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import astuple, dataclass
from operator import itemgetter
from typing import Any, BinaryIO, cast
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.errors import AccessError, CorruptAssetError
from terrascope_nb.host.ranges import Version, fetch, fetch_each, in_background
from terrascope_nb.raster.blocks import Ranges, Region, Spot, decode_part, info_of, info_of_band, spots_under
from terrascope_nb.raster.header import Header, read_header, tile_ranges
from terrascope_nb.raster.info import FileInfo
from terrascope_nb.raster.remote_cache import GivenUpError, Shelf, disk_shelf

_HEAD = 32 * 1024
"""Bytes of the first request: the whole header of a cloud-optimised 10 m band with tiles of 256 pixels or more."""
_MOST_PIECES = 64
"""Requests for one header; a file that scatters it more is left to GDAL."""
_GAP = 64 * 1024
"""Bytes between two blocks that are fetched along rather than asked around."""
_MOST_RUN = 4 * 2**20
"""Bytes of one request for several blocks."""
_MOST_HEADERS = 128 * 2**20
_MOST_BLOCKS = 64 * 2**20
"""Bytes in memory of headers (some 35 kB each) and of blocks, as they are packed in the file."""

_Key = tuple[str, Version, int]
"""Address, version and first byte of a block."""
_Spots = dict[_Key, tuple[int, list[Spot]]]
"""Bytes of a block, and where it is wanted."""


class RangeFile(io.RawIOBase):
    """A file behind HTTP as something with ``read`` and ``seek``: a few pieces, not for pixels."""

    def __init__(self, url: str, head: bytes, version: Version) -> None:
        super().__init__()
        self.name = url
        self._version = version
        self._at = 0
        self._pieces = [(0, head)]

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def readable(self) -> bool:
        """Say yes."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a byte."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._version.size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return that many bytes, fewer at the end of the file."""
        size = self._version.size - self._at if size < 0 else min(size, self._version.size - self._at)
        if size <= 0:
            return b""
        begin, piece = self._piece(self._at, self._at + size)
        found = piece[self._at - begin : self._at - begin + size]
        self._at += len(found)
        return found

    def _piece(self, first: int, stop: int) -> tuple[int, bytes]:
        for begin, piece in self._pieces:
            if begin <= first and stop <= begin + len(piece):
                return begin, piece
        if len(self._pieces) > _MOST_PIECES:
            raise CorruptAssetError(
                f"{self.name} is no readable GeoTIFF: its header lies in more than {_MOST_PIECES} places.",
                href=self.name,
            )
        answer = fetch(self.name, first, max(stop, min(first + _HEAD, self._version.size)), version=self._version)
        self._pieces.append((0 if answer.whole else first, answer.data))
        # The first piece stays; of the others the last ones are enough, and a header cannot fill the memory.
        self._pieces[1:-4] = [(0, b"")] * max(len(self._pieces) - 5, 0)
        return self._pieces[-1]


@dataclass(slots=True)
class RemoteFile:
    """What is known of a file behind HTTP."""

    url: str
    """Where it is."""
    version: Version
    """Which version of it."""
    head: bytes
    """Its first bytes, or all when it is small."""
    header: Header | None
    """Its header; None where GDAL has to read the file."""
    info: FileInfo | None
    """What the header says of the first band; None where GDAL has to read the file."""
    checked: bool
    """True: the server named this version to this process."""
    ranges: dict[int, Ranges]
    """Where the blocks of each level lie, for levels that were read."""

    def ranges_of(self, level: int) -> Ranges:
        """Return where the blocks of a level lie."""
        if level not in self.ranges:
            assert self.header is not None
            source = cast("BinaryIO", RangeFile(self.url, self.head, self.version))
            self.ranges[level] = tile_ranges(source, self.header.levels[level])
        return self.ranges[level]

    @property
    def cost(self) -> int:
        """Bytes it takes in memory once all levels were read."""
        tiles = sum(level.offsets.count for level in self.header.levels) if self.header else 0
        return len(self.head) + 16 * tiles + 4096


def is_remote_tiff(href: str) -> bool:
    """Return True for an http(s) address whose path ends like that of a GeoTIFF."""
    parts = urlsplit(href)
    return parts.scheme.lower() in ("http", "https") and parts.path.lower().endswith((".tif", ".tiff"))


def remote_reader(url: str, band: int = 1) -> RemoteReader | None:
    """Return a reader of a band of a GeoTIFF behind HTTP, or None where GDAL has to do it.

    Raises
    ------
    AssetUnreachableError
        The server does not give it; the message says whether to sign in.
    CorruptAssetError
        It is empty, or changed while its header was read.
    """
    if not is_remote_tiff(url):
        return None
    file = _known_file(url)
    if file.header is None or file.info is None:
        return None
    info = info_of_band(file.header, file.info, band)
    return None if info is None else RemoteReader(url, info, band)


def read_ahead(urls: Iterable[str]) -> None:
    """Fetch the headers of files that will be read soon, all at once; returns at once, and says nothing of failures."""
    for url in urls:
        if is_remote_tiff(url):
            in_background(_fetch_quietly, url)


def _fetch_quietly(url: str) -> None:
    try:
        _known_file(url)
    except AccessError:
        return  # whoever reads the file is told


@dataclass(frozen=True, slots=True)
class RemoteReader:
    """Reads regions of one band, block by block; small to pickle, for the header stays in the process."""

    url: str
    """Where the file is."""
    info: FileInfo
    """What the header says of the grid and the numbers."""
    band: int
    """Band, from 1."""

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
        numpy.ndarray of the file's dtype in native byte order, shape (bottom - top, right - left). All of one version of
        the file: when the server has another than the header is of, all is read once more.

        Raises
        ------
        AssetUnreachableError
            The server does not give a block.
        CorruptAssetError
            A block cannot be decoded or lies outside the file, or the file is another than the reader was made for.
        """
        if out is None:
            out = np.empty((bottom - top, right - left), dtype=self.info.dtype)
        for again in (True, False):
            file = _known_file(self.url)
            info = info_of_band(file.header, file.info, self.band) if file.header and file.info else None
            if repr(info) != repr(self.info):  # a nodata of NaN equals nothing, not even itself
                raise CorruptAssetError(
                    f"{self.url} was replaced by a file of another kind while it was being read. Load it again.",
                    href=self.url,
                    changed=True,
                )
            try:
                self._read(file, level, (top, left, bottom, right), out)
                break
            except CorruptAssetError as error:
                if not error.facts.get("changed"):
                    raise
                _forget(self.url)
                if not again:
                    raise
        return out

    def read_ahead(self, level: int, top: int, left: int, bottom: int, right: int) -> None:
        """Begin to fetch what lies under a region that will be read soon in several pieces; returns at once.

        Neighbouring blocks come together, as if the region were read whole. Failures are told to whoever reads.
        """
        file = _known_file(self.url)
        if file.header is None or repr(file.info and info_of_band(file.header, file.info, self.band)) != repr(
            self.info
        ):
            return  # another file by now: `read` says so
        spots: _Spots = {}
        for spot, begin, count in self._places(file, file.header, level, (top, left, bottom, right)):
            if count and begin + count > len(file.head):
                spots[self.url, file.version, begin] = count, [spot]
        _bring(file, {key: count for key, (count, _) in spots.items()})

    def _places(self, file: RemoteFile, header: Header, level: int, region: Region) -> Iterator[tuple[Spot, int, int]]:
        """Yield the blocks under a region with their first byte and their number of bytes."""
        offsets, counts = file.ranges_of(level)
        for spot in spots_under(header, self.band, level, region):
            begin, count = int(offsets[spot.number]), int(counts[spot.number])
            self._check(file, header, spot, begin, count)
            yield spot, begin, count

    def _read(self, file: RemoteFile, level: int, region: Region, out: NDArray[Any]) -> None:
        header = file.header
        assert header is not None
        spots: _Spots = {}
        for spot, begin, count in self._places(file, header, level, region):
            if count == 0 or begin + count <= len(file.head):
                self._decode(header, spot, file.head[begin : begin + count], out)
            else:
                spots.setdefault((self.url, file.version, begin), (count, []))[1].append(spot)
        # Closed at once when a block does not decode: others may wait for what was claimed.
        with closing(_fetched(file, {key: count for key, (count, _) in spots.items()})) as blocks:
            for key, data in blocks:
                for spot in spots[key][1]:
                    self._decode(header, spot, data, out)

    def _decode(self, header: Header, spot: Spot, data: bytes, out: NDArray[Any]) -> None:
        decode_part(header, self.band, spot, data, out[spot.rows_out, spot.cols_out], self.url)

    def _check(self, file: RemoteFile, header: Header, spot: Spot, begin: int, count: int) -> None:
        """Refuse a block that is outside the file or larger than any packing makes it, before it is asked for."""
        samples = header.count if header.planar == 1 else 1
        decoded = spot.shape[0] * spot.shape[1] * samples * np.dtype(header.dtype).itemsize
        if (count and begin + count > file.version.size) or count > 2 * decoded + 65536:
            raise CorruptAssetError(
                f"{self.url} is damaged: it claims a block of {count} bytes at byte {begin}, in a file of "
                f"{file.version.size} bytes.",
                href=self.url,
            )


class _Kept:
    """What this process keeps in memory; a forked process begins anew."""

    def __init__(self) -> None:
        self.files: Shelf[str, RemoteFile] = Shelf(_MOST_HEADERS)
        self.blocks: Shelf[_Key, bytes] = Shelf(_MOST_BLOCKS)


_kept = _Kept()


def forget_all() -> None:
    """Forget every header and block in memory."""
    global _kept  # noqa: PLW0603 - locks of a parent process are of no use to its child
    _kept = _Kept()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_all)


def _known_file(url: str) -> RemoteFile:
    """Return what is known of a file; fetched by the first who asks, for all who ask meanwhile."""
    shelf = _kept.files
    while True:
        here, coming, _ = shelf.claim([url])
        if here:
            return here[url]
        if coming:
            try:
                return coming[url].result()
            except GivenUpError:
                continue
        try:
            found = _opened(url)
        except BaseException as error:
            shelf.give_up([url], error)
            raise
        shelf.put(url, found, found.cost)
        return found


def _opened(url: str) -> RemoteFile:
    disk = disk_shelf()
    kept = disk.get("head", url) if disk else None
    if kept is not None:
        line, _, head = kept.partition(b"\n")
        return _parsed(url, head, Version(*json.loads(line)), checked=False)
    piece = fetch(url, 0, _HEAD)
    file = _parsed(url, piece.data, piece.version, checked=True)
    if disk and (piece.version.etag or piece.version.modified):  # else a new version could not be told
        disk.put(json.dumps(astuple(piece.version)).encode() + b"\n" + piece.data, "head", url)
    return file


def _parsed(url: str, head: bytes, version: Version, *, checked: bool) -> RemoteFile:
    header = info = None
    try:
        header = read_header(cast("BinaryIO", RangeFile(url, head, version)))
        info = info_of(header)
    except CorruptAssetError as error:
        if error.facts.get("changed"):
            raise
        # GDAL knows more kinds of TIFF than we do, and names the file when it is damaged indeed.
    return RemoteFile(url, version, head, header, info, checked, {})


def _forget(url: str) -> None:
    _kept.files.drop(url)
    disk = disk_shelf()
    if disk:
        disk.drop("head", url)


def _check_version(file: RemoteFile) -> None:
    """Ask the server for one byte where nothing else told this process that the file is still the same."""
    if not file.checked:
        fetch(file.url, 0, 1, version=file.version)
        file.checked = True


def _fetched(file: RemoteFile, sizes: dict[_Key, int]) -> Generator[tuple[_Key, bytes], None, None]:
    """Yield the bytes of blocks, from memory or disk where they are kept, as they arrive."""
    shelf = _kept.blocks
    here, coming, mine = shelf.claim(sizes)
    todo = set(mine)
    try:
        yield from here.items()
        for key, data in _asked(file, {key: sizes[key] for key in mine}):
            todo.discard(key)
            shelf.put(key, data, len(data))
            yield key, data
    except BaseException as error:
        shelf.give_up(todo, error)
        raise
    # Others come last: by now nobody waits for us.
    for key, future in coming.items():
        yield key, _awaited(file, key, sizes[key], future)


def _bring(file: RemoteFile, sizes: dict[_Key, int]) -> None:
    """Begin to fetch blocks that nobody has asked for yet, each run in a thread of its own that waits for no other."""
    shelf, disk = _kept.blocks, disk_shelf()
    mine = shelf.claim(sizes)[2]
    for key in list(mine):
        data = disk.get(*key) if disk and file.checked else None
        if data is not None:
            shelf.put(key, data, len(data))
            mine.remove(key)
    for begin, end, keys in _runs((key[2], key[2] + sizes[key], key) for key in mine):
        in_background(_bring_run, shelf, file, begin, end, {key: sizes[key] for key in keys})


def _bring_run(shelf: Shelf[_Key, bytes], file: RemoteFile, begin: int, end: int, sizes: dict[_Key, int]) -> None:
    todo = set(sizes)
    try:
        for key, block in _cut(file, begin, next(fetch_each(file.url, [(begin, end)], version=file.version))[1], sizes):
            todo.discard(key)
            shelf.put(key, block, len(block))
    except AccessError as error:
        shelf.give_up(todo, error)
    except BaseException:
        shelf.give_up(todo)
        raise


def _awaited(file: RemoteFile, key: _Key, size: int, future: Future[bytes]) -> bytes:
    try:
        return future.result()
    except GivenUpError:
        return next(_asked(file, {key: size}))[1]


def _asked(file: RemoteFile, sizes: dict[_Key, int]) -> Iterator[tuple[_Key, bytes]]:
    """Yield the bytes of blocks from disk, else from the server."""
    disk = disk_shelf()
    found = {key: data for key in sizes if (data := disk.get(*key)) is not None} if disk else {}
    runs = list(_runs([(key[2], key[2] + size, key) for key, size in sizes.items() if key not in found]))
    if not runs:
        _check_version(file)
    yield from found.items()
    for number, data in fetch_each(file.url, [run[:2] for run in runs], version=file.version):
        begin, _, keys = runs[number]
        yield from _cut(file, begin, data, {key: sizes[key] for key in keys})


def _cut(file: RemoteFile, begin: int, data: bytes, sizes: dict[_Key, int]) -> Iterator[tuple[_Key, bytes]]:
    """Yield the blocks of a run that came from the server, and keep them on disk when that is wanted."""
    file.checked = True
    disk = disk_shelf()
    for key, size in sizes.items():
        # A copy, so that a block that is kept does not keep its neighbours.
        block = data if size == len(data) else data[key[2] - begin : key[2] - begin + size]
        if disk and (file.version.etag or file.version.modified):
            disk.put(block, *key)
        yield key, block


def _runs(blocks: Iterable[tuple[int, int, _Key]]) -> Iterator[tuple[int, int, list[_Key]]]:
    """Join blocks ``(start, stop, key)`` that lie near each other to requests of bounded size."""
    begin = end = 0
    keys: list[_Key] = []
    for first, stop, key in sorted(blocks, key=itemgetter(0)):
        if keys and (first - end > _GAP or max(stop, end) - begin > _MOST_RUN):
            yield begin, end, keys
            keys = []
        begin, end = (begin, max(end, stop)) if keys else (first, stop)
        keys.append(key)
    if keys:
        yield begin, end, keys
