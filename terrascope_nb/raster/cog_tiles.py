"""Tiles of a raster file, local or behind HTTP, straight from its own blocks and overviews."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import PurePosixPath
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.errors import AccessError
from terrascope_nb.raster.blocks import NativeReader
from terrascope_nb.raster.info import FileInfo
from terrascope_nb.raster.pyramid import Level, PyramidSource, overview
from terrascope_nb.raster.tiling import Kind, TilePixels
from terrascope_nb.raster.window import Reader, open_reader, own_mask, own_reader

_SIDE = 512
"""Pixels of the side of what is read at once, at least, where a file's blocks are smaller."""

_DEEPER = 3
"""Levels that we make below the coarsest one of a file with few overviews."""

Decode = Callable[[NDArray[Any]], NDArray[Any]]
"""Stored numbers -> physical values, NaN where there is none."""


class Owner(Protocol):
    """What a file belongs to, such as an asset of a scene."""

    def check(self) -> None:
        """Raise an AccessError when the file may not be opened."""

    def told(self, error: AccessError) -> AccessError:
        """Return an error that names the owner."""


class CogTiles(PyramidSource):
    """A `TileSource` of one file.

    Parameters
    ----------
    href : str
        Local path or http(s) address; the caller has checked that it may be opened.
    bands : sequence of int
        One band, from 1, or three for a colour picture.
    name : str, optional
        What a person calls it; the file's name when None.
    layer_names : sequence of str, optional
        A name per band.
    kind : "measurement", "classes" or "rgb", optional
        None: one band is a measurement, three are a colour picture.
    decode : callable, optional
        Stored numbers -> values, or one per band; None = by the file's own scale, offset and nodata.
    units, attrs, attribution, times
        As `TileSource`.
    variable : str, optional
        Variable of a NetCDF file.
    of : Owner, optional
        What the file belongs to: asked before each read, and named in errors.

    Raises
    ------
    AccessError
        The file cannot be opened; it is named.
    GridError
        It says no coordinate system.
    """

    def __init__(
        self,
        href: str,
        *,
        bands: Sequence[int] = (1,),
        name: str | None = None,
        layer_names: Sequence[str] | None = None,
        kind: Kind | None = None,
        decode: Decode | Sequence[Decode] | None = None,
        units: str = "",
        attrs: Mapping[str, Any] | None = None,
        attribution: str = "",
        times: Sequence[np.datetime64] = (),
        variable: str | None = None,
        of: Owner | None = None,
    ) -> None:
        self.href = href
        self._of = of
        self.bands = tuple(bands)
        self._variable = variable
        with ExitStack() as stack:
            info = self._reader(self.bands[0], stack).info
        self.info = info
        self.name = name or _file_name(href)
        self.kind = kind or ("measurement" if len(self.bands) == 1 else "rgb")
        self.units = units
        self.attrs = attrs or {}
        self.attribution = attribution
        self.times = tuple(times)
        self.layer_names = tuple(layer_names or ((self.name,) if len(self.bands) == 1 else map(str, self.bands)))
        if decode is None:
            self._decodes: tuple[Decode, ...] = tuple(self._own_decode(band) for band in self.bands)
        else:
            self._decodes = (decode,) * len(self.bands) if callable(decode) else tuple(decode)
        shapes = info.levels or (info.grid.shape,)
        levels = [overview(shapes[0], shape, _block(info, shape)) for shape in shapes]
        self._n_own = len(levels)
        super().__init__(info.grid, [*levels, *_thinner(levels[-1])])

    @property
    def n_raw(self) -> int:
        """One per band, and one for the file's own mask where it has one."""
        return len(self.bands) + self.info.masked

    def block_key(self, layer: int, time: int | None) -> Hashable:  # noqa: ARG002 - a file has one time
        """Return the file as it is now, and the band."""
        state: Hashable = None
        if self._variable is None and not _is_remote(self.href):
            try:
                reader = own_reader(self.href, self._band(layer))
            except AccessError as error:
                if self._of is None:
                    raise
                raise self._of.told(error) from error
            state = reader.state if isinstance(reader, NativeReader) else None
        return self.href, state, layer, self._band(layer), self._variable

    def block(self, layer: int, time: int | None, level: int, at: tuple[int, int]) -> NDArray[Any]:  # noqa: ARG002
        """Return stored numbers of a block."""
        if self._of is None:
            return self._block(layer, level, at)
        try:
            self._of.check()
            return self._block(layer, level, at)
        except AccessError as error:
            raise self._of.told(error) from error

    def _block(self, layer: int, level: int, at: tuple[int, int]) -> NDArray[Any]:
        shape = self.levels[level]
        top, left = at[0] * shape.block[0], at[1] * shape.block[1]
        bottom, right = min(top + shape.block[0], shape.shape[0]), min(left + shape.block[1], shape.shape[1])
        with ExitStack() as stack:
            reader = self._reader(self._band(layer), stack)
            read = reader.read if layer < len(self.bands) else functools.partial(_mask_of, reader)
            if level < self._n_own:
                return read(level, top, left, bottom, right)
            return self._thinned_block(read, level, (top, left, bottom, right))

    def _band(self, layer: int) -> int:
        """Return the band of a layer of blocks; the mask is asked of the first."""
        return self.bands[layer if layer < len(self.bands) else 0]

    def _thinned_block(
        self, read: Callable[..., NDArray[Any]], level: int, region: tuple[int, int, int, int]
    ) -> NDArray[Any]:
        """Return every n-th row and column of the coarsest level that the file has, a row of its blocks at a time."""
        own = self.levels[self._n_own - 1]
        every = 2 ** (level - self._n_own + 1)
        top, left, bottom, right = region
        height, width = own.shape
        rows = np.minimum(np.arange(top, bottom) * every + every // 2, height - 1)
        cols = np.minimum(np.arange(left, right) * every + every // 2, width - 1)
        thinned: NDArray[Any] | None = None
        strip = max(own.block[0], every)
        for number in np.unique(rows // strip):
            here = rows // strip == number
            begin = int(number) * strip
            piece = read(
                self._n_own - 1, begin, int(cols[0]), min(begin + strip, height), min(int(cols[-1]) + 1, width)
            )
            if thinned is None:
                thinned = np.empty((len(rows), len(cols)), dtype=piece.dtype)
            thinned[here] = piece[(rows[here] - begin)[:, None], (cols - cols[0])[None, :]]
        assert thinned is not None
        return thinned

    def ahead(self, time: int | None, level: int, region: tuple[int, int, int, int]) -> None:  # noqa: ARG002
        """Ask for all blocks under a region at once where they come over HTTP."""
        if not _is_remote(self.href) or level >= self._n_own:
            return
        lines, columns = self.levels[level].block
        rows, cols = self.levels[level].shape
        top, left = region[0] // lines * lines, region[1] // columns * columns
        bottom, right = min(-(-region[2] // lines) * lines, rows), min(-(-region[3] // columns) * columns, cols)
        for band in self.bands:
            reader: Any = own_reader(self.href, band)
            if reader is not None:
                reader.read_ahead(level, top, left, bottom, right)

    def finish(self, raw: tuple[NDArray[Any], ...], inside: NDArray[np.bool_]) -> TilePixels:
        """Decode what was taken."""
        if self.info.masked:
            *stored_numbers, means = raw
            raw = tuple(stored_numbers)
            inside &= means
        if self.kind == "classes":
            stored = raw[0]
            gone = self.info.nodata
            if gone is not None and not np.isnan(gone):
                inside &= stored != gone
            return TilePixels((stored,), inside)
        layers = []
        for decode, stored in zip(self._decodes, raw, strict=True):
            values = decode(stored)
            if values.dtype.kind == "f":
                inside &= ~np.isnan(values)
            layers.append(values)
        if not inside.all():
            for number, values in enumerate(layers):
                if values.dtype.kind == "f":
                    if not values.flags.writeable:
                        values = layers[number] = values.copy()  # noqa: PLW2901
                    values[~inside] = np.nan
        return TilePixels(tuple(layers), inside)

    def text_of(self, values: tuple[float | int | None, ...]) -> str:
        """Return the number, or the name of the class."""
        return class_text(self.attrs, values) if self.kind == "classes" else super().text_of(values)

    def source_at(self, row: int, col: int, time: int | None) -> str:  # noqa: ARG002
        """Return the file."""
        return self.href

    def _reader(self, band: int, stack: ExitStack) -> Reader:
        return stack.enter_context(open_reader(self.href, band=band, variable=self._variable))

    def _own_decode(self, band: int) -> Decode:
        if self.kind == "classes":
            return _as_it_is
        if band == self.bands[0]:
            info = self.info
        else:
            with ExitStack() as stack:
                info = self._reader(band, stack).info
        return functools.partial(decode_file, info=info)


def decode_file(stored: NDArray[Any], *, info: FileInfo) -> NDArray[Any]:
    """Return physical values by what the file itself says: float32 (float64 for 32-bit numbers), NaN for nodata."""
    kind = stored.dtype
    if kind.kind in "iu" and kind.itemsize <= 2:
        table = _table(kind.str, info.scale, info.offset, info.nodata)
        values: NDArray[np.float32] = table[stored.view(f"u{kind.itemsize}")]
        return values
    return _decoded(stored, info.scale, info.offset, info.nodata)


@functools.lru_cache(maxsize=64)
def _table(dtype: str, scale: float | None, offset: float | None, nodata: float | None) -> NDArray[np.float32]:
    kind = np.dtype(dtype)
    numbers = np.arange(2 ** (8 * kind.itemsize), dtype=f"u{kind.itemsize}").view(kind)
    table = _decoded(numbers, scale, offset, nodata)
    table.setflags(write=False)
    return table


def _decoded(
    stored: NDArray[Any], scale: float | None, offset: float | None, nodata: float | None
) -> NDArray[np.float32]:
    if stored.dtype == np.float32 and scale is None and offset is None:
        values = stored.copy()
    else:
        # In float64 up to the last step, so that the result is the float32 nearest to scale * stored + offset.
        values = stored.astype("float64")
        values *= 1.0 if scale is None else scale
        values += 0.0 if offset is None else offset
    gone = ~np.isfinite(stored) if stored.dtype.kind == "f" else np.zeros(stored.shape, dtype=bool)
    if nodata is not None and not np.isnan(nodata):
        gone |= stored == nodata
    values[gone] = np.nan
    return values.astype("float32", copy=False)


def _mask_of(reader: Reader, level: int, top: int, left: int, bottom: int, right: int) -> NDArray[np.bool_]:
    means = own_mask(reader, level, (top, left, bottom, right))
    return np.ones((bottom - top, right - left), dtype=bool) if means is None else means


def _as_it_is(stored: NDArray[Any]) -> NDArray[Any]:
    return stored


def class_text(attrs: Mapping[str, Any], values: tuple[float | int | None, ...]) -> str:
    """Return the name of a class as CF attributes say it, else its number."""
    value = values[0]
    if value is None:
        return ""
    flags = np.atleast_1d(attrs.get("flag_values", ()))
    words = attrs.get("flag_meanings", "")
    names = words.split() if isinstance(words, str) else [str(word) for word in np.atleast_1d(words)]
    for flag, word in zip(flags, names, strict=False):
        if flag == value:
            return word.replace("_", " ").capitalize()
    return str(value)


def _block(info: FileInfo, shape: tuple[int, int]) -> tuple[int, int]:
    """Return what of a level is read at once: native blocks, small ones and strips several together."""
    rows, cols = info.block if min(info.block) > 0 else (_SIDE, _SIDE)
    if cols >= shape[1]:
        return max(rows, rows * max(1, _SIDE * _SIDE // max(shape[1], 1) // rows)), shape[1]
    return rows * max(1, _SIDE // 2 // rows), cols * max(1, _SIDE // 2 // cols)


def _thinner(own: Level) -> list[Level]:
    """Return levels below the coarsest one that a file has: every second, fourth and eighth of its pixels."""
    found = []
    for n in range(1, _DEEPER + 1):
        every = 2**n
        if max(own.shape) * 2 // every <= _SIDE:
            break
        rows, cols = (-(-side // every) for side in own.shape)
        factor = own.factor[0] * every, own.factor[1] * every
        found.append(Level((rows, cols), (_SIDE, _SIDE), factor, cost=float(every * every)))
    return found


def _is_remote(href: str) -> bool:
    return href.lower().startswith(("http://", "https://"))


def _file_name(href: str) -> str:
    return PurePosixPath(unquote(urlsplit(href).path) if _is_remote(href) else href).name
