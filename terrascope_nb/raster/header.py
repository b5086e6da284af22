"""The header of a GeoTIFF, read without GDAL: grid, type, nodata, scale, overviews, and where the tiles lie.

Only the header is read: the first 32 kB, and further pieces where the file keeps them elsewhere. Nothing a header says
is believed before it was checked against the size of the file, so a damaged or hostile file costs a
`CorruptAssetError` and neither time nor memory. Side files (``.aux.xml``, ``.tfw``, ``.ovr``) are not looked at.
"""

from __future__ import annotations

import html
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.raster.georeference import GEO_TAGS, crs_of, geo_keys, transform_of
from terrascope_nb.raster.grid import Transform
from terrascope_nb.raster.header_forms import Forms
from terrascope_nb.raster.tiff import Field, Layout, Source, Span, opened

_MOST_TILES = 1 << 22
_MOST_PIXELS = 2**31 - 1
"""Longest side of an image: GDAL's own limit."""

# Tags of TIFF 6.0 and GDAL's private ones.
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _DESCRIPTION = 254, 256, 257, 258, 259, 262, 270
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS, _PLANAR, _SOFTWARE = 273, 277, 278, 279, 284, 305
_DATETIME, _ARTIST, _PREDICTOR, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS = 306, 315, 317, 322, 323, 324
_TILE_COUNTS, _FORMAT, _COPYRIGHT, _GDAL_METADATA, _GDAL_NODATA = 325, 339, 33432, 42112, 42113
_TEXTS = {
    _DESCRIPTION: "TIFFTAG_IMAGEDESCRIPTION",
    _SOFTWARE: "TIFFTAG_SOFTWARE",
    _DATETIME: "TIFFTAG_DATETIME",
    _ARTIST: "TIFFTAG_ARTIST",
    _COPYRIGHT: "TIFFTAG_COPYRIGHT",
}
_OF_A_LEVEL = frozenset(
    {_SUBFILE, _WIDTH, _HEIGHT, _STRIP_OFFSETS, _ROWS_PER_STRIP, _STRIP_COUNTS, _SAMPLES, _PLANAR, _TILE_WIDTH}
    | {_TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS}
)
_OF_THE_FILE = _OF_A_LEVEL | frozenset(
    {_BITS, _COMPRESSION, _PHOTOMETRIC, _PREDICTOR, _FORMAT, _GDAL_METADATA, _GDAL_NODATA, *_TEXTS, *GEO_TAGS}
)
_OF_EACH_FILE = frozenset({_STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS, _GDAL_METADATA, *_TEXTS})
"""Where tiles lie, times and names: what files that are alike in all else differ in."""
_REDUCED, _MASK = 0b001, 0b100
"""Bits of NewSubfileType (TIFF 6.0)."""

_KINDS = {1: "uint", 2: "int", 3: "float", 4: "uint", 6: "complex"}
"""SampleFormat -> kind of numpy type; 4 means undefined, which GDAL reads as unsigned."""
_DTYPES = frozenset(
    {"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64"}
    | {"complex64", "complex128"}
)
# Both patterns need time linear in the text, whatever it holds.
_ITEM = re.compile(r"<Item\s([^<>]*?)(?:/>|>([^<]*)</Item>)")
_ATTRIBUTE = re.compile(r'\b(\w+)="([^"]*)"')
# What Microsoft's C library prints for numbers that are none; GDAL reads them too.
_OLD_NUMBERS = {"1.#QNAN": math.nan, "-1.#QNAN": math.nan, "1.#IND": math.nan, "-1.#IND": math.nan}
_SHORT_TEXT = 4096
"""Longest metadata of which the meaning is kept for the next file that has the same."""

Ranges = tuple[NDArray[np.unsignedinteger], NDArray[np.unsignedinteger]]
"""Where each block of a level begins, and how many bytes it has."""


@dataclass(frozen=True, slots=True)
class Level:
    """The full resolution or one overview."""

    width: int
    """Columns."""
    height: int
    """Rows."""
    block: tuple[int, int]
    """Rows and columns of a tile, or of a strip."""
    tiled: bool
    """False: strips."""
    offsets: Span
    """Where the first byte of each tile is."""
    byte_counts: Span
    """How many bytes each tile has."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a GeoTIFF says of itself."""

    width: int
    """Columns."""
    height: int
    """Rows."""
    count: int
    """Bands."""
    dtype: str
    """Stored type, as numpy calls it; samples of fewer than 8 bits are ``uint8``."""
    bits: int
    """Bits per sample."""
    crs: str | None
    """``"EPSG:32631"``; None where the file names none, or one that is no plain EPSG code."""
    transform: Transform | None
    """``(a, b, c, d, e, f)``: x = a * column + b * row + c, y = d * column + e * row + f, of the outer corner whether
    the file counts pixels as areas or as points; None without georeference or with control points only."""
    nodata: float | None
    """Stored number that means nothing here; None = none declared. May be NaN."""
    scale: float | None
    """Scale of the first band; None = the file says none."""
    offset: float | None
    """Offset of the first band; None = the file says none."""
    encodings: Mapping[int, Mapping[str, float]]
    """``scale`` and ``offset`` of each band that says any, bands counted from 1."""
    tags: Mapping[str, str]
    """GDAL's metadata of the whole file and the texts of TIFF, named as GDAL names them."""
    compression: int
    """TIFF number: 1 none, 5 LZW, 8 deflate, 50000 Zstandard …"""
    predictor: int
    """1 none, 2 differences, 3 floating point."""
    photometric: int
    """TIFF number: 1 grey, 2 RGB, 3 palette …"""
    planar: int
    """1: the bands of a pixel lie together, 2: one band after another."""
    levels: tuple[Level, ...]
    """The full resolution, then the overviews as they stand in the file."""
    data_end: int
    """One past the last byte of full-resolution data."""
    size: int
    """Bytes of the file when it was read."""
    masked: bool = False
    """True when the file has a mask of its own, that says which pixels mean something."""

    @property
    def block(self) -> tuple[int, int]:
        """Rows and columns of a tile or strip."""
        return self.levels[0].block

    @property
    def tiled(self) -> bool:
        """False: strips."""
        return self.levels[0].tiled

    @property
    def overviews(self) -> tuple[tuple[int, int], ...]:
        """``(width, height)`` of each overview."""
        return tuple((level.width, level.height) for level in self.levels[1:])

    def is_complete(self, size: int | None = None) -> bool:
        """Return True when a file of that size (the one that was read when None) can hold all its data."""
        return self.data_end <= (self.size if size is None else size)


def read_header(source: str | os.PathLike[str] | BinaryIO) -> Header:
    """Return what a GeoTIFF says of itself, without GDAL and without reading a pixel.

    Parameters
    ----------
    source : path or binary file
        A local file, or anything with ``read`` and ``seek``.

    Returns
    -------
    Header

    Raises
    ------
    AssetUnreachableError
        The file is not there or may not be read.
    CorruptAssetError
        It is no TIFF, or its header is damaged; ``reason`` says what is wrong.

    Examples
    --------
    >>> import io
    >>> read_header(io.BytesIO(b"no image at all"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    terrascope_nb.errors.CorruptAssetError: <file> is no readable GeoTIFF: it does not begin like a TIFF file...
    """
    return read_header_and_ranges(source)[0]


def read_header_and_ranges(source: str | os.PathLike[str] | BinaryIO) -> tuple[Header, Ranges]:
    """Return `read_header`, and where the tiles of the full resolution lie as the file stores it, from one look at it."""
    with opened(source) as found:
        known = _forms.find(found)
        if known is None:
            known = _parsed(Layout(found))
            _forms.keep(found, known)
        header, texts = known
        ranges = _stored(found, header.levels[0])
        tags, encodings = _metadata(found, texts)
        first = encodings.get(1, {})
        header = replace(
            header,
            scale=first.get("scale"),
            offset=first.get("offset"),
            encodings=encodings,
            tags=tags,
            data_end=_data_end(found, ranges),
            size=found.size,
        )
    return header, ranges


def tile_ranges(
    source: str | os.PathLike[str] | BinaryIO, level: Level
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return where each tile of a level begins and how many bytes it has, both 0 for a tile that was never written.

    Parameters
    ----------
    source : path or binary file
        The file the level was read from.
    level : Level
        One of `Header.levels`.

    Returns
    -------
    tuple of two arrays, uint64, in the file's order of tiles: row by row (band by band when ``planar`` is 2).

    Raises
    ------
    AssetUnreachableError, CorruptAssetError
        As `read_header`.
    """
    with opened(source) as found:
        offsets, counts = _stored(found, level)
        return offsets.astype(np.uint64), counts.astype(np.uint64)


def _parsed(layout: Layout) -> tuple[Header, dict[int, Field]]:
    """Return all that files which are alike have in common, and where the texts of each lie."""
    directories = layout.directories(_OF_THE_FILE, _OF_A_LEVEL, _OF_EACH_FILE)
    fields = next(directories)
    full = _level(layout, fields)
    others = [(more, layout.number(more, _SUBFILE, 0)) for more in directories]
    reduced = [more for more, kind in others if kind & (_REDUCED | _MASK) == _REDUCED]
    keys = geo_keys(layout, fields)
    header = Header(
        width=full.width,
        height=full.height,
        count=layout.number(fields, _SAMPLES, 1),
        dtype=_dtype(layout, fields),
        bits=layout.number(fields, _BITS, 1),
        crs=crs_of(keys),
        transform=transform_of(layout, fields, keys),
        nodata=_nodata(layout, fields),
        scale=None,
        offset=None,
        encodings={},
        tags={},
        compression=layout.number(fields, _COMPRESSION, 1),
        predictor=layout.number(fields, _PREDICTOR, 1),
        photometric=layout.number(fields, _PHOTOMETRIC, 1),
        planar=layout.number(fields, _PLANAR, 1),
        levels=(full, *(_level(layout, more) for more in reduced)),
        data_end=0,
        size=0,
        masked=any(kind & _MASK for _, kind in others),
    )
    return header, {tag: fields[tag] for tag in (*_TEXTS, _GDAL_METADATA) if tag in fields}


_forms: Forms[tuple[Header, dict[int, Field]]] = Forms(256)


def _level(layout: Layout, fields: Mapping[int, Field]) -> Level:
    width, height = layout.number(fields, _WIDTH), layout.number(fields, _HEIGHT)
    tiled = _TILE_WIDTH in fields
    if tiled:
        rows, cols = layout.number(fields, _TILE_HEIGHT), layout.number(fields, _TILE_WIDTH)
    else:
        rows, cols = min(layout.number(fields, _ROWS_PER_STRIP, height), height), width
    if not all(0 < side <= _MOST_PIXELS for side in (width, height, rows, cols)):
        layout.source.fail(f"it claims {width} x {height} pixels in blocks of {cols} x {rows}")
    tiles = -(-width // cols) * -(-height // rows)
    if layout.number(fields, _PLANAR, 1) == 2:  # each band has its own tiles
        tiles *= layout.number(fields, _SAMPLES, 1)
    if not 0 < tiles <= _MOST_TILES:
        layout.source.fail(f"it claims {tiles} tiles")
    where, how_long = (_TILE_OFFSETS, _TILE_COUNTS) if tiled else (_STRIP_OFFSETS, _STRIP_COUNTS)
    spans = layout.span(fields, where, tiles), layout.span(fields, how_long, tiles)
    return Level(width, height, (rows, cols), tiled, *spans)


def _stored(source: Source, level: Level) -> Ranges:
    """Return where the tiles of a level lie, in the file's own type."""
    offsets, counts = (
        np.frombuffer(source.take(span.position, span.count * int(span.dtype[-1]), note=False), span.dtype)
        for span in (level.offsets, level.byte_counts)
    )
    return offsets, counts


def _data_end(source: Source, ranges: Ranges) -> int:
    offsets, counts = ranges
    if any(part.itemsize == 8 and int(part.max()) >= 2**62 for part in ranges):
        source.fail("a tile lies at an impossible position")
    return int(np.add(offsets, counts, dtype=np.uint64).max())


@lru_cache(maxsize=64)
def _dtype_name(form: int, bits: int) -> str | None:
    kind = _KINDS.get(form, "")
    name = f"{kind}{8 if kind == 'uint' and 0 < bits < 8 else bits}"
    return name if name in _DTYPES else None


def _dtype(layout: Layout, fields: Mapping[int, Field]) -> str:
    bits = set(layout.numbers(fields, _BITS)) or {1}
    forms = set(layout.numbers(fields, _FORMAT)) or {1}
    name = _dtype_name(*forms, *bits) if len(bits) == len(forms) == 1 else None
    if name is None:
        layout.source.fail(f"samples of format {sorted(forms)} with {sorted(bits)} bits are not known here")
    return name


def _nodata(layout: Layout, fields: Mapping[int, Field]) -> float | None:
    text = layout.source.text(fields, _GDAL_NODATA).strip()
    return _float(text, "nodata") if text else None


def _float(text: str, what: str) -> float:
    try:
        return _OLD_NUMBERS[text] if text in _OLD_NUMBERS else float(text)
    except ValueError as error:
        raise ValueError(f"its {what} {text[:40]!r} is no number") from error


_Metadata = tuple[Mapping[str, str], Mapping[int, Mapping[str, float]]]


def _metadata(source: Source, fields: Mapping[int, Field]) -> _Metadata:
    """Return the texts of the file, and scale and offset of its bands."""
    texts = {name: source.text(fields, tag, note=False) for tag, name in _TEXTS.items() if tag in fields}
    text = source.text(fields, _GDAL_METADATA, note=False)
    tags, encodings = _known_items(text) if len(text) <= _SHORT_TEXT else _items(text)
    return ({**texts, **tags} if texts else tags), encodings


def _items(text: str) -> _Metadata:
    tags: dict[str, str] = {}
    numbers: dict[int, dict[str, float]] = {}
    # A pattern, not an XML parser: entities and nesting have no use here and are a way to attack.
    for written, value in _ITEM.findall(text):
        attributes = dict(_ATTRIBUTE.findall(written))
        role = attributes.get("role")
        sample = attributes.get("sample", "0")
        if role in {"scale", "offset"} and sample.isdecimal():
            numbers.setdefault(int(sample) + 1, {})[role] = _float(value.strip(), role)
        elif "sample" not in attributes and "domain" not in attributes and "name" in attributes:
            # GDAL escapes a value, then the XML writer escapes it again.
            tags[html.unescape(attributes["name"])] = html.unescape(html.unescape(value))
    return tags, numbers


_known_items = lru_cache(maxsize=128)(_items)
