"""The bytes of a TIFF file: directories, fields and lists of numbers, each checked before it is believed.

Classic TIFF and BigTIFF in both byte orders (TIFF 6.0, Adobe 1992; BigTIFF, AWare Systems 2007). This module knows
nothing of images or maps: `terrascope_nb.raster.header` gives the fields their meaning.
"""

from __future__ import annotations

import functools
import io
import os
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, NoReturn

from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError

_FIRST_READ = 32 * 1024
"""Bytes read at once: holds the whole header of a cloud-optimised 10 m band with tiles of 256 pixels or more."""
_NEXT_READ = 8 * 1024
"""Bytes read at once elsewhere in the file."""
_MOST_DIRECTORIES = 128
_MOST_ENTRIES = 512
_MOST_NUMBERS = 1 << 16
"""Longest list of numbers taken into memory whole (geokeys, tie points, bits per sample)."""
_MOST_TEXT = 1 << 20
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q", 18: "Q"}
"""TIFF field type -> struct code; rationals are not needed."""
_UNSIGNED = (1, 3, 4, 13, 16, 18)
_BYTE, _ASCII = 1, 2
_SIZES = {kind: struct.calcsize("=" + code) for kind, code in _CODES.items()} | {_ASCII: 1, 5: 8, 7: 1, 10: 8}


class Field(NamedTuple):
    """One field of a directory; its value is not read yet, unless it is a single number that stands there."""

    kind: int
    """TIFF field type."""
    n_values: int
    """How many values."""
    position: int
    """First byte of the value."""
    single: int | None
    """The value itself where it is one whole number in the directory."""


@dataclass(frozen=True, slots=True)
class Span:
    """A list of positions or lengths in the file, not read yet."""

    position: int
    """First byte."""
    count: int
    """How many numbers."""
    dtype: str
    """numpy type with byte order."""


class Source:
    """Bytes of a file by position; the beginning and the last piece asked for are kept.

    It also remembers which bytes its reader went by, so that the next file with the same bytes need not be parsed again.
    """

    __slots__ = ("_extra", "_extra_at", "_read", "head", "name", "noted", "promised", "size")

    def __init__(self, read: Callable[[int, int], bytes], name: str, size: int) -> None:
        self._read = read  # (length, position) -> bytes
        self.name = name
        self.size = size
        self.head = read(_FIRST_READ, 0)
        self.noted: list[tuple[int, int]] = []
        """First and one past the last byte of each piece whose bytes decide what the header means."""
        self.promised = 0
        """One past the last byte that a list must have and that was not looked at."""
        self._extra = b""
        self._extra_at = 0

    def fail(self, why: str, cause: Exception | None = None) -> NoReturn:
        """Raise a CorruptAssetError that names the file."""
        raise CorruptAssetError(
            f"{self.name} is no readable GeoTIFF: {why}. Copy or download it again; if it stays so, report it.",
            href=self.name,
            reason=why,
        ) from cause

    def take(self, at: int, length: int, *, note: bool = True) -> bytes:
        """Return that many bytes from position ``at``; fails when the file has fewer.

        Not to ``note`` them is right for what differs from file to file and is looked at in each.
        """
        end = at + length
        if end > self.size:
            self.fail(f"it ends at byte {self.size}, its header points to byte {end} (a truncated copy?)")
        if note:
            self.noted.append((at, end))
        if end <= len(self.head):
            return self.head[at:end]
        if not (self._extra_at <= at and end <= self._extra_at + len(self._extra)):
            self._extra = self._read(max(length, _NEXT_READ), at)
            self._extra_at = at
            if len(self._extra) < length:
                self.fail(f"it ends before byte {end}")
        start = at - self._extra_at
        return self._extra[start : start + length]

    def text(self, fields: Mapping[int, Field], tag: int, *, note: bool = True) -> str:
        """Return a text, up to its first null byte; empty when the directory has no such field."""
        field = fields.get(tag)
        if field is None:
            return ""
        if field.kind not in (_ASCII, _BYTE) or field.n_values > _MOST_TEXT:
            self.fail(f"TIFF tag {tag} has field type {field.kind} and {field.n_values} bytes of text")
        data = self.take(field.position, field.n_values, note=note)
        return data.split(b"\0", 1)[0].decode("utf-8", errors="replace")


@contextmanager
def opened(source: str | os.PathLike[str] | BinaryIO) -> Iterator[Source]:
    """Open a path for reading, or use an open file as it is.

    Raises
    ------
    AssetUnreachableError
        The file is not there, is no plain file, or may not be read.
    CorruptAssetError
        What was read inside the block makes no sense.
    """
    descriptor = None
    try:
        if isinstance(source, (str, os.PathLike)):
            name = os.fspath(source)
            descriptor = _open(name)
            found = Source(functools.partial(os.pread, descriptor), name, os.fstat(descriptor).st_size)
        else:
            name = str(getattr(source, "name", "<file>"))
            found = Source(functools.partial(_read, source), name, source.seek(0, io.SEEK_END))
        try:
            yield found
        except (struct.error, OverflowError, ValueError) as error:
            found.fail(str(error), error)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _read(file: BinaryIO, length: int, at: int) -> bytes:
    file.seek(at)
    return file.read(length)


def _open(name: str) -> int:
    try:
        # A named pipe would block the open for ever.
        if stat.S_ISREG(os.stat(name).st_mode):  # noqa: PTH116 - runs for every file of an archive
            return os.open(name, os.O_RDONLY)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise AssetUnreachableError(f"{name} cannot be opened: {error}.", href=name) from error
    raise AssetUnreachableError(f"{name} is a folder or a device, not a file.", href=name)


class Layout:
    """Byte order and field sizes of one file, and its directories."""

    __slots__ = ("_count", "_entry", "_inline", "_next", "_single", "_value_at", "order", "source")

    def __init__(self, source: Source) -> None:
        start = source.take(0, min(source.size, 16), note=False)
        self.source = source
        self.order = {b"II": "<", b"MM": ">"}.get(start[:2], "")
        magic = struct.unpack_from(self.order + "H", start, 2)[0] if self.order and len(start) >= 8 else 0
        if magic not in (42, 43) or (magic == 43 and start[4:8] != struct.pack(self.order + "HH", 8, 0)):
            source.fail("it does not begin like a TIFF file")
        big = magic == 43
        source.noted.append((0, 16 if big else 8))
        self._entry = struct.Struct(self.order + ("HHQQ" if big else "HHII"))
        self._count = struct.Struct(self.order + ("Q" if big else "H"))
        self._next = struct.Struct(self.order + ("Q" if big else "I"))
        self._value_at, self._inline = (12, 8) if big else (8, 4)
        # A short number stands at the beginning of its cell: in its low bytes or in its high ones.
        self._single = {
            kind: (8 * (self._inline - _SIZES[kind]) if self.order == ">" else 0, 2 ** (8 * _SIZES[kind]) - 1)
            for kind in _UNSIGNED
            if _SIZES[kind] <= self._inline
        }

    def directories(
        self, first: frozenset[int], others: frozenset[int], varying: frozenset[int]
    ) -> Iterator[dict[int, Field]]:
        """Yield the wanted fields of the first directory, then of the others.

        The values of ``varying`` fields are not noted: whoever wants them looks at them in each file.
        """
        at = int(self._next.unpack(self.source.take(self._inline, self._next.size))[0])
        seen: set[int] = set()
        while at or not seen:
            if at in seen or len(seen) >= _MOST_DIRECTORIES:
                self.source.fail(f"its directories run in a ring or are more than {_MOST_DIRECTORIES}")
            fields, following = self._directory(at, others if seen else first, varying)
            seen.add(at)
            at = following
            yield fields

    def _directory(self, at: int, wanted: frozenset[int], varying: frozenset[int]) -> tuple[dict[int, Field], int]:
        """Fields of the directory at that byte, and where the next directory is (0 = none)."""
        (entries,) = self._count.unpack(self.source.take(at, self._count.size))
        if not 0 < entries <= _MOST_ENTRIES:
            self.source.fail(f"its directory at byte {at} claims {entries} fields")
        at += self._count.size
        length = entries * self._entry.size
        body = self.source.take(at, length + self._next.size, note=False)
        found = {}
        noted, inline, single, step = self.source.noted, self._inline, self._single, self._entry.size
        cell, begin = at + self._value_at, at
        for tag, kind, count, value in self._entry.iter_unpack(body[:length]):
            if tag in wanted:
                # A short value stands in the directory itself, a long one where the directory points to.
                if count * _SIZES.get(kind, 1) > inline:
                    found[tag] = Field(kind, count, value, None)
                elif tag in varying:
                    found[tag] = Field(kind, count, cell, None)
                    noted.append((begin, cell))
                    begin = cell + inline
                elif count == 1 and kind in single:
                    shift, mask = single[kind]
                    found[tag] = Field(kind, count, cell, value >> shift & mask)
                else:
                    found[tag] = Field(kind, count, cell, None)
            cell += step
        noted.append((begin, at + len(body)))
        return found, int(self._next.unpack_from(body, length)[0])

    def numbers(self, fields: Mapping[int, Field], tag: int) -> tuple[Any, ...]:
        """Return all values of a field of numbers; empty when the directory has no such field."""
        field = fields.get(tag)
        if field is None:
            return ()
        if field.single is not None:
            return (field.single,)
        code = _CODES.get(field.kind)
        if code is None or field.n_values > _MOST_NUMBERS:
            self.source.fail(f"TIFF tag {tag} has field type {field.kind} and {field.n_values} values")
        data = self.source.take(field.position, field.n_values * _SIZES[field.kind])
        return struct.unpack(f"{self.order}{field.n_values}{code}", data)

    def number(self, fields: Mapping[int, Field], tag: int, default: int | None = None) -> int:
        """Return the first value of a field of whole numbers, or the default when there is none."""
        field = fields.get(tag)
        if field is None and default is not None:
            return default
        if field is not None and field.single is not None:
            return field.single
        values = self.numbers(fields, tag)
        if not values or not isinstance(values[0], int):
            self.source.fail(f"TIFF tag {tag} is missing or holds no whole number")
        return values[0]

    def span(self, fields: Mapping[int, Field], tag: int, count: int) -> Span:
        """Return where a list of positions or lengths lies, cut to the ``count`` numbers it must have."""
        field = fields.get(tag)
        if field is None or _CODES.get(field.kind) not in {"H", "I", "Q"}:
            self.source.fail(f"TIFF tag {tag} is missing or holds no positions")
        if field.n_values < count:
            self.source.fail(f"TIFF tag {tag} has {field.n_values} values for {count} tiles")
        end = field.position + count * _SIZES[field.kind]
        if end > self.source.size:
            self.source.fail("its list of tiles lies past the end of the file (a truncated copy?)")
        self.source.promised = max(self.source.promised, end)
        return Span(field.position, count, f"{self.order}u{_SIZES[field.kind]}")
