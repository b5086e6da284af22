"""What is known of a GeoTIFF behind HTTP: its version and its header, from one request, kept in memory and on disk."""

from __future__ import annotations

import io
import json
from dataclasses import astuple, dataclass, field
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from terrascope_nb.errors import CorruptAssetError
from terrascope_nb.host.ranges import Version, fetch
from terrascope_nb.host.waiting import result_of
from terrascope_nb.raster.blocks import info_of
from terrascope_nb.raster.header import Header, Ranges, read_header_and_ranges, tile_ranges
from terrascope_nb.raster.info import FileInfo
from terrascope_nb.raster.remote_cache import GivenUpError, Shelf, disk_shelf

HEAD = 32 * 1024
"""Bytes of the first request: the whole header of a cloud-optimised 10 m band with tiles of 256 pixels or more."""
MOST_PIECES = 64
"""Requests for one header; a file that scatters it more is left to GDAL."""
_MOST_HEADERS = 128 * 2**20
"""Bytes of headers in memory; one takes some 35 kB."""


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
        if len(self._pieces) > MOST_PIECES:
            raise CorruptAssetError(
                f"{self.name} is no readable GeoTIFF: its header lies in more than {MOST_PIECES} places.",
                href=self.name,
            )
        answer = fetch(self.name, first, max(stop, min(first + HEAD, self._version.size)), version=self._version)
        self._pieces.append((0 if answer.whole else first, bytes(answer.data)))
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
    """Where the blocks of each level lie: of the full resolution, and of overviews that were read."""
    mark: str = field(init=False)
    """The version as a text, which is quicker to look for."""

    def __post_init__(self) -> None:
        self.mark = repr(astuple(self.version))

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


_files: Shelf[str, RemoteFile] = Shelf(_MOST_HEADERS)


def forget_files() -> None:
    """Forget every header in memory."""
    global _files  # noqa: PLW0603 - also for a forked process, to which locks of its parent are of no use
    _files = Shelf(_MOST_HEADERS)


def is_known(url: str) -> bool:
    """Whether a file's header is here or on its way."""
    return _files.has(url)


def known_file(url: str) -> RemoteFile:
    """Return what is known of a file; fetched by the first who asks, for all who ask meanwhile."""
    shelf = _files
    while True:
        here, coming, _ = shelf.claim([url])
        if here:
            return here[url]
        if coming:
            try:
                return result_of(coming[url])
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
        try:
            return _parsed(url, head, Version(*json.loads(line)), checked=False)
        except CorruptAssetError:
            forget_file(url)  # it has changed since
    piece = fetch(url, 0, HEAD)
    head = bytes(piece.data)
    file = _parsed(url, head, piece.version, checked=True)
    if disk and (piece.version.etag or piece.version.modified):  # else a new version could not be told
        disk.put(json.dumps(astuple(piece.version)).encode() + b"\n" + head, "head", url)
    return file


def _parsed(url: str, head: bytes, version: Version, *, checked: bool) -> RemoteFile:
    header = info = None
    ranges: dict[int, Ranges] = {}
    try:
        header, ranges[0] = read_header_and_ranges(cast("BinaryIO", RangeFile(url, head, version)))
        info = info_of(header)
    except CorruptAssetError as error:
        if error.facts.get("changed"):
            raise
        # GDAL knows more kinds of TIFF than we do, and names the file when it is damaged indeed.
    return RemoteFile(url, version, head, header, info, checked, ranges)


def forget_file(url: str) -> None:
    """Forget a header, in memory and on disk: the file is another by now."""
    _files.drop(url)
    disk = disk_shelf()
    if disk:
        disk.drop("head", url)


def check_version(file: RemoteFile) -> None:
    """Ask the server for one byte where nothing else told this process that the file is still the same."""
    if not file.checked:
        fetch(file.url, 0, 1, version=file.version)
        file.checked = True
