"""Native blocks of a GeoTIFF behind HTTP: the same numbers as `blocks`, from range requests, many at once.

The header comes with one request and is kept in memory, with the blocks used last; blocks that lie near each other
come with one request. Every answer says which version of the file it is of, so a kept header needs no question of its
own. With ``settings.remote_cache_mb`` headers and blocks are kept on disk too, and each file is asked once per process
whether it is still the same.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.errors import AccessError, CorruptAssetError
from terrascope_nb.host.exchange import Bytes
from terrascope_nb.host.ranges import fetch_each, in_background
from terrascope_nb.host.waiting import result_of
from terrascope_nb.raster.blocks import Region, Spot, decode_part, info_of_band, spots_under
from terrascope_nb.raster.header import Header
from terrascope_nb.raster.info import FileInfo
from terrascope_nb.raster.remote_cache import DiskShelf, GivenUpError, Shelf, disk_shelf
from terrascope_nb.raster.remote_file import (
    RemoteFile,
    check_version,
    forget_file,
    forget_files,
    is_known,
    is_remote_tiff,
    known_file,
)

_GAP = 64 * 1024
"""Bytes between two blocks that are fetched along rather than asked around."""
_MOST_RUN = 4 * 2**20
"""Bytes of one request for several blocks."""
_MOST_BLOCKS = 48 * 2**20
"""Bytes of blocks in memory, as they are packed in the file."""
_MOST_UNREAD, _MOST_EARLY = 2 * _MOST_BLOCKS // 3, _MOST_BLOCKS // 3
"""Bytes of blocks that are asked for before anybody reads them: what is read next, and what is read later. At 20 ms a
request, 16 MB on their way fill a line of 800 MB/s."""
_MOST_GAPS = 0.1
"""Part of a run that may be gaps for its blocks to be kept as they came, in one piece of memory."""

_Key = tuple[str, str, int]
"""Address, version (as text) and first byte of a block."""
_Spots = dict[_Key, tuple[int, list[Spot]]]
"""Bytes of a block, and where it is wanted."""


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
    file = known_file(url)
    if file.header is None or file.info is None:
        return None
    info = info_of_band(file.header, file.info, band)
    return None if info is None else RemoteReader(url, info, band)


def read_ahead(urls: Iterable[str]) -> None:
    """Fetch the headers of files that will be read soon, all at once; returns at once, and says nothing of failures."""
    for url in urls:
        if is_remote_tiff(url) and not is_known(url):
            in_background(_fetch_quietly, url)


def _fetch_quietly(url: str) -> None:
    try:
        known_file(url)
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
            file = known_file(self.url)
            header = self._header_of(file)
            try:
                self._read(file, header, level, (top, left, bottom, right), out)
                break
            except CorruptAssetError as error:
                if not error.facts.get("changed"):
                    raise
                forget_file(self.url)
                if not again:
                    raise
        return out

    def read_ahead(self, level: int, top: int, left: int, bottom: int, right: int) -> None:
        """Begin to fetch what lies under a region that will be read soon in several pieces; returns at once.

        Neighbouring blocks come together, as if the region were read whole. Failures are told to whoever reads.
        """
        self.read_regions_ahead(level, [(top, left, bottom, right)])

    def read_regions_ahead(self, level: int, regions: Iterable[Region], *, early: bool = False) -> bool:
        """Do as `read_ahead` for several regions, neighbours among their blocks together.

        Parameters
        ----------
        early : bool
            True: other regions are read before these, and have the first right to the memory.

        Returns
        -------
        False when there was no memory for them before something else is read; nothing was asked for then.
        """
        sizes: dict[_Key, int] = {}
        try:
            file = known_file(self.url)
            header = self._header_of(file)
            for region in regions:
                for _, begin, count in self._places(file, header, level, region):
                    if count and begin + count > len(file.head):
                        sizes[self.url, file.mark, begin] = count
        except AccessError:
            return True
        return _bring(file, sizes, _MOST_EARLY if early else _MOST_UNREAD)

    def _header_of(self, file: RemoteFile) -> Header:
        """Return the header of the file as it is now, which must be of the kind that the reader was made for."""
        info = info_of_band(file.header, file.info, self.band) if file.header and file.info else None
        # A nodata of NaN equals nothing, not even itself.
        if file.header is None or (info != self.info and repr(info) != repr(self.info)):
            raise CorruptAssetError(
                f"{self.url} was replaced by a file of another kind while it was being read. Load it again.",
                href=self.url,
                changed=True,
            )
        return file.header

    def _places(self, file: RemoteFile, header: Header, level: int, region: Region) -> Iterator[tuple[Spot, int, int]]:
        """Yield the blocks under a region with their first byte and their number of bytes."""
        offsets, counts = file.ranges_of(level)
        for spot in spots_under(header, self.band, level, region):
            begin, count = int(offsets[spot.number]), int(counts[spot.number])
            self._check(file, header, spot, begin, count)
            yield spot, begin, count

    def _read(self, file: RemoteFile, header: Header, level: int, region: Region, out: NDArray[Any]) -> None:
        spots: _Spots = {}
        for spot, begin, count in self._places(file, header, level, region):
            if count == 0 or begin + count <= len(file.head):
                self._decode(header, spot, file.head[begin : begin + count], out)
            else:
                spots.setdefault((self.url, file.mark, begin), (count, []))[1].append(spot)
        # Closed at once when a block does not decode: others may wait for what was claimed.
        with closing(_fetched(file, {key: count for key, (count, _) in spots.items()})) as blocks:
            for key, data in blocks:
                for spot in spots[key][1]:
                    self._decode(header, spot, data, out)

    def _decode(self, header: Header, spot: Spot, data: Bytes, out: NDArray[Any]) -> None:
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


_blocks: Shelf[_Key, Bytes] = Shelf(_MOST_BLOCKS)


def forget_all() -> None:
    """Forget every header and block in memory."""
    global _blocks  # noqa: PLW0603 - locks of a parent process are of no use to its child
    _blocks = Shelf(_MOST_BLOCKS)
    forget_files()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_all)


def _fetched(file: RemoteFile, sizes: dict[_Key, int]) -> Generator[tuple[_Key, Bytes], None, None]:
    """Yield the bytes of blocks, from memory or disk where they are kept, as they arrive."""
    shelf = _blocks
    here, coming, mine = shelf.claim(sizes)
    todo = set(mine)
    try:
        yield from here.items()
        if mine or not file.checked:
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


def _bring(file: RemoteFile, sizes: dict[_Key, int], most_unread: int) -> bool:
    """Begin to fetch blocks that nobody has asked for yet, each run in a thread of its own that waits for no other."""
    shelf, disk = _blocks, disk_shelf()
    mine = shelf.announce(sizes, most_unread)
    if mine is None:
        return False
    for key in list(mine) if disk and file.checked else ():
        data = disk.get(*key) if disk else None
        if data is not None:
            shelf.put(key, data, len(data))
            mine.remove(key)
    for begin, end, keys in _runs((key[2], key[2] + sizes[key], key) for key in mine):
        in_background(_bring_run, shelf, disk, file, begin, end, {key: sizes[key] for key in keys})
    return True


def _bring_run(
    shelf: Shelf[_Key, Bytes], disk: DiskShelf | None, file: RemoteFile, begin: int, end: int, sizes: dict[_Key, int]
) -> None:
    todo = set(sizes)
    try:
        data = next(fetch_each(file.url, [(begin, end)], version=file.version))[1]
        for key, block in _cut(disk, file, begin, data, sizes):
            todo.discard(key)
            shelf.put(key, block, len(block))
    except AccessError as error:
        shelf.give_up(todo, error)
    except BaseException:
        shelf.give_up(todo)
        raise


def _awaited(file: RemoteFile, key: _Key, size: int, future: Future[Bytes]) -> Bytes:
    try:
        return result_of(future)
    except GivenUpError:
        return next(_asked(file, {key: size}))[1]


def _asked(file: RemoteFile, sizes: dict[_Key, int]) -> Iterator[tuple[_Key, Bytes]]:
    """Yield the bytes of blocks from disk, else from the server."""
    disk = disk_shelf()
    found = {key: kept for key in sizes if (kept := disk.get(*key)) is not None} if disk else {}
    runs = list(_runs([(key[2], key[2] + size, key) for key, size in sizes.items() if key not in found]))
    if not runs:
        check_version(file)
    yield from found.items()
    for number, data in fetch_each(file.url, [run[:2] for run in runs], version=file.version):
        begin, _, keys = runs[number]
        yield from _cut(disk, file, begin, data, {key: sizes[key] for key in keys})


def _cut(
    disk: DiskShelf | None, file: RemoteFile, begin: int, data: Bytes, sizes: dict[_Key, int]
) -> Iterator[tuple[_Key, Bytes]]:
    """Yield the blocks of a run that came from the server, and keep them on disk when that is wanted."""
    file.checked = True
    # A block that is kept must not keep much else.
    apart = sum(sizes.values()) < (1 - _MOST_GAPS) * len(data)
    for key, size in sizes.items():
        block = data if size == len(data) else data[key[2] - begin : key[2] - begin + size]
        block = bytes(block) if apart else block
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
