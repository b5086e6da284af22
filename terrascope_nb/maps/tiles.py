"""Tiles become PNG pictures: painted from kept pixels, so that another look needs no reading."""

from __future__ import annotations

import math
import struct
import threading
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.maps.looks import Look, class_bytes
from terrascope_nb.raster.byte_cache import ByteCache
from terrascope_nb.raster.tiling import (
    HALF,
    MOST_ZOOM,
    TILE,
    Bounds,
    Cancel,
    TileAddress,
    TilePixels,
    TileSource,
    lonlat_bounds,
    mercator_of,
    stop_if,
)

try:
    from isal import isal_zlib
except ImportError:  # no wheel for this machine
    isal_zlib = None  # type: ignore[assignment, unused-ignore]

_PNG = b"\x89PNG\r\n\x1a\n"
_GREY_CLASS = (217, 217, 217, 255)
"""A number that is no known class: `maps.colour.NOTHING`."""


# -- values -> colours -----------------------------------------------------------------------------------------------


def paint(pixels: TilePixels, look: Look) -> NDArray[np.uint8]:
    """Return RGBA (size, size, 4) of a tile; transparent where there is no value.

    A measurement has the very colour that matplotlib's colour map gives it between ``vmin`` and ``vmax``.
    """
    if look.kind == "rgb":
        return _rgb(pixels, look)
    index, palette = _indexed(pixels, look)
    rgba: NDArray[np.uint8] = palette[index]
    rgba[~_inside(pixels, look)] = 0
    return rgba


def _inside(pixels: TilePixels, look: Look) -> NDArray[np.bool_]:
    if look.decibel:
        return pixels.inside & (pixels.layers[0] > 0)
    return pixels.inside


def _indexed(pixels: TilePixels, look: Look) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Return numbers of colours and the colours; what is not inside has any number."""
    if look.kind == "classes":
        return _class_index(pixels.layers[0], look)
    values = pixels.layers[0]
    if values.dtype.kind != "f":
        values = values.astype(np.promote_types(values.dtype, np.float32))
    with np.errstate(all="ignore"):
        if look.decibel:
            values = 10 * np.log10(values)
        # The steps of matplotlib's Normalize and Colormap, in the same order and precision.
        shown = values - values.dtype.type(look.vmin)
        shown /= look.vmax - look.vmin  # type: ignore[operator]
        shown *= 256
        np.nan_to_num(shown, copy=False, nan=0.0, posinf=255, neginf=0)
        np.clip(shown, 0, 255, out=shown)
    return shown.astype(np.uint8), look.palette()


@lru_cache(maxsize=32)
def _class_tables(look: Look) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8]]:
    """Return number of colour by value 0-255, the values, and the colours; the last colour is of no known class."""
    assert look.classes is not None
    classes = look.classes
    colours = np.array([*(class_bytes(colour) for colour in classes.colours), _GREY_CLASS], dtype="uint8")
    colours[:, 3] = np.round(colours[:, 3] * look.opacity)
    lookup = np.full(256, min(len(classes.values), 255), dtype="uint8")
    for number, value in enumerate(classes.values[:255]):
        if 0 <= value < 256:
            lookup[value] = number
    return lookup, np.array(classes.values, dtype="int64"), colours


def _class_index(stored: NDArray[Any], look: Look) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    lookup, values, colours = _class_tables(look)
    kind = "uint8" if len(colours) <= 256 else "uint16"
    if stored.dtype == np.uint8 and kind == "uint8":
        return lookup[stored], colours
    if stored.dtype.kind == "f":
        stored = np.where(np.isfinite(stored), stored, -(2**31)).astype("int64")
    order = np.argsort(values)
    found = np.searchsorted(values, stored, sorter=order)
    number = order[np.minimum(found, len(values) - 1)]
    return np.where(values[number] == stored, number, len(values)).astype(kind), colours


def _rgb(pixels: TilePixels, look: Look) -> NDArray[np.uint8]:
    lows, highs = np.broadcast_to(look.vmin, 3), np.broadcast_to(look.vmax, 3)
    rgba = np.empty((*pixels.inside.shape, 4), dtype="uint8")
    for number, values in enumerate(pixels.layers):
        low, high = float(lows[number]), float(highs[number])
        shown = values.astype("float32") - np.float32(low)
        shown *= np.float32(255.0 / (high - low))
        shown += np.float32(0.5)
        np.nan_to_num(shown, copy=False, nan=0.0)
        np.clip(shown, 0, 255, out=shown)
        rgba[..., number] = shown
    rgba[..., 3] = round(255 * look.opacity)
    rgba[~pixels.inside] = 0
    return rgba


# -- colours -> PNG --------------------------------------------------------------------------------------------------


def encode_png(image: NDArray[np.uint8], palette: NDArray[np.uint8] | None = None) -> bytes:
    """Return a PNG of RGB or RGBA (rows, cols, 3 or 4), or of numbers (rows, cols) with their colours.

    Parameters
    ----------
    image : numpy.ndarray, uint8
    palette : numpy.ndarray (up to 256, 4), uint8, optional
        RGBA of each number.
    """
    rows, cols = image.shape[:2]
    if palette is not None:
        lines = np.zeros((rows, cols + 1), dtype="uint8")
        lines[:, 1:] = image
        colours = _chunk(b"PLTE", np.ascontiguousarray(palette[:, :3]).tobytes())
        if (palette[:, 3] < 255).any():
            colours += _chunk(b"tRNS", np.ascontiguousarray(palette[:, 3]).tobytes())
        return _file(rows, cols, 3, colours, lines)
    samples = image.shape[2]
    if samples == 4 and (image[..., 3] == 255).all():
        image, samples = image[..., :3], 3
    # Each line as differences to the pixel on the left (PNG filter 1), which packs far better for photographs.
    lines = np.empty((rows, cols * samples + 1), dtype="uint8")
    lines[:, 0] = 1
    flat = image.reshape(rows, cols * samples)
    lines[:, 1 : samples + 1] = flat[:, :samples]
    np.subtract(flat[:, samples:], flat[:, :-samples], out=lines[:, samples + 1 :])
    return _file(rows, cols, 6 if samples == 4 else 2, b"", lines)


def _file(rows: int, cols: int, colour: int, extra: bytes, lines: NDArray[np.uint8]) -> bytes:
    packed = isal_zlib.compress(lines, 1) if isal_zlib is not None else zlib.compress(lines, 1)
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", cols, rows, 8, colour, 0, 0, 0))
    return b"".join((_PNG, head, extra, _chunk(b"IDAT", packed), _chunk(b"IEND", b"")))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


def render_png(pixels: TilePixels, look: Look) -> bytes:
    """Return the PNG of a tile: with a palette for one layer, so a quarter of the bytes; the colours of `paint`."""
    if look.kind == "rgb":
        return encode_png(_rgb(pixels, look))
    inside = _inside(pixels, look)
    if not inside.any():
        return _nothing(inside.shape)
    index, palette = _indexed(pixels, look)
    if len(palette) > 256:  # more classes than a palette holds
        return encode_png(paint(pixels, look))
    if inside.all():
        return encode_png(index, palette)
    if len(palette) < 256:
        clear = len(palette)
        palette = np.concatenate([palette, np.zeros((1, 4), dtype="uint8")])
    else:
        unused = np.flatnonzero(np.bincount(index[inside], minlength=256) == 0)
        if not len(unused):  # a colour map may have a colour twice
            _, first, same = np.unique(palette, axis=0, return_index=True, return_inverse=True)
            index = first.astype("uint8")[same.reshape(-1)][index]
            unused = np.setdiff1d(np.arange(256), first)
        if not len(unused):  # every colour is needed, and nothing is a 257th
            return encode_png(paint(pixels, look))
        clear = int(unused[0])
        palette[clear] = 0
    index[~inside] = clear
    return encode_png(index, palette)


@lru_cache(maxsize=8)
def _nothing(shape: tuple[int, ...]) -> bytes:
    return encode_png(np.zeros(shape, dtype="uint8"), np.zeros((1, 4), dtype="uint8"))


# -- a source on a map -----------------------------------------------------------------------------------------------


class TilePainter:
    """Paints the tiles of a source; for any number of threads.

    Pixels that were read are kept (those used last, up to ``cache_mb``), so that another look is painted without
    reading; so are finished pictures, up to a quarter of that.

    Parameters
    ----------
    source : TileSource
    look : Look
    cache_mb : float
        Megabytes of pixels that are kept.
    """

    def __init__(self, source: TileSource, look: Look, *, cache_mb: float = 64) -> None:
        self.source = source
        self._look = look
        self._lock = threading.Lock()
        self._pixels: ByteCache[TilePixels] = ByteCache(int(cache_mb * 2**20), lambda pixels: pixels.nbytes)
        self._pictures: ByteCache[bytes] = ByteCache(int(cache_mb * 2**18), len)

    @property
    def look(self) -> Look:
        """How tiles are painted now."""
        return self._look

    @property
    def n_bytes(self) -> int:
        """Bytes of pixels and pictures that are kept."""
        return self._pixels.n_bytes + self._pictures.n_bytes

    def set_look(self, look: Look) -> None:
        """Paint otherwise from now on; kept pixels stay."""
        with self._lock:
            self._look = look
        self._pictures.clear()

    def pixels(
        self, tile: TileAddress, time: int | None = None, cancel: Cancel | None = None, *, size: int = TILE
    ) -> TilePixels:
        """Return the values of a tile, kept or read; do not write into them."""
        return self._pixels.get((tile, time, size), lambda: self.source.read(tile, time=time, size=size, cancel=cancel))

    def png(
        self, tile: TileAddress, time: int | None = None, cancel: Cancel | None = None, *, size: int = TILE
    ) -> bytes:
        """Return the picture of a tile.

        Raises
        ------
        concurrent.futures.CancelledError
            ``cancel`` was set before it was finished.
        TerrascopeError
            What the source says; it names item, asset and file.
        """
        stop_if(cancel)
        look = self._look

        def make() -> bytes:
            pixels = self.pixels(tile, time, cancel, size=size)
            stop_if(cancel)
            return render_png(pixels, look)

        return self._pictures.get((tile, time, size, look), make)

    def rgba(
        self,
        bounds: Bounds,
        size: int = 1024,
        time: int | None = None,
        cancel: Cancel | None = None,
        *,
        look: Look | None = None,
    ) -> tuple[NDArray[np.uint8], Bounds]:
        """Return colours (rows, cols, 4) of an area in EPSG:3857, and the bounds in degrees of exactly these pixels.

        Parameters
        ----------
        bounds : (west, south, east, north) in degrees
        size : int
            Pixels of the longer side, at least; less where the source has no more, more up to a factor of two.
        """
        chosen = look or self._look
        (colours,), exact = self._assembled(
            bounds, size, lambda tile: (paint(self.pixels(tile, time, cancel), chosen),)
        )
        return colours, exact

    def overlay(
        self, bounds: Bounds, size: int = 1024, time: int | None = None, cancel: Cancel | None = None
    ) -> tuple[bytes, Bounds]:
        """Return a PNG of an area for an image overlay, and the bounds in degrees of exactly that picture; see `rgba`."""

        def parts(tile: TileAddress) -> tuple[NDArray[Any], ...]:
            pixels = self.pixels(tile, time, cancel)
            return *pixels.layers, pixels.inside

        (*layers, inside), exact = self._assembled(bounds, size, parts)
        return render_png(TilePixels(tuple(layers), inside), self._look), exact

    def _assembled(
        self, bounds: Bounds, size: int, parts_of: Callable[[TileAddress], tuple[NDArray[Any], ...]]
    ) -> tuple[list[NDArray[Any]], Bounds]:
        """Put the arrays of tiles together, as many as each tile has; and the bounds of what came out."""
        west, south, east, north = bounds
        if east < west:
            east += 360.0
        (left, top), (right, bottom) = mercator_of(west, north), mercator_of(east, south)
        longer = max(right - left, top - bottom, 1e-6)
        zoom = math.ceil(math.log2(size * 2 * HALF / (longer * TILE)) - 1e-9)
        zoom = min(max(zoom, self.source.min_zoom, 0), self.source.max_zoom, MOST_ZOOM)
        pixel = 2 * HALF / (TILE * 2**zoom)
        col0, col1 = math.floor((left + HALF) / pixel + 1e-6), math.ceil((right + HALF) / pixel - 1e-6)
        row0, row1 = math.floor((HALF - top) / pixel + 1e-6), math.ceil((HALF - bottom) / pixel - 1e-6)
        row0, row1 = max(row0, 0), min(max(row1, row0 + 1), TILE * 2**zoom)
        col1 = max(col1, col0 + 1)
        out: list[NDArray[Any]] = []
        for y in range(row0 // TILE, -(-row1 // TILE)):
            for x in range(col0 // TILE, -(-col1 // TILE)):
                tile_parts = parts_of(TileAddress(zoom, x % 2**zoom, y))
                out = out or [np.zeros((row1 - row0, col1 - col0, *one.shape[2:]), one.dtype) for one in tile_parts]
                top_row, left_col = y * TILE, x * TILE
                row, col = max(top_row - row0, 0), max(left_col - col0, 0)
                for whole, one in zip(out, tile_parts, strict=True):
                    part = one[max(row0 - top_row, 0) : row1 - top_row, max(col0 - left_col, 0) : col1 - left_col]
                    whole[row : row + part.shape[0], col : col + part.shape[1]] = part
        exact = (col0 * pixel - HALF, HALF - row1 * pixel, col1 * pixel - HALF, HALF - row0 * pixel)
        return out, lonlat_bounds(exact)
