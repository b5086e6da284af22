"""Web map tiles: their addresses and bounds, and what a source of tiles is (`TileSource`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.raster.grid import PixelGrid

TILE = 256
"""Pixels of a tile's side."""
MERCATOR = "EPSG:3857"
HALF = math.pi * 6378137.0
"""Metres from the middle of the web Mercator square to its edge."""
MOST_ZOOM = 22
"""No tile is asked for beyond."""
_LIMIT = math.degrees(math.atan(math.sinh(math.pi)))
"""Latitude of the edge of the square."""

Bounds = tuple[float, float, float, float]
"""``(west, south, east, north)``; in degrees ``east`` is larger than 180 where the date line is crossed."""
Kind = Literal["measurement", "classes", "rgb"]


class Cancel(Protocol):
    """A token that says when a tile is no longer wanted; a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Return True once the work should stop."""


def stop_if(cancel: Cancel | None) -> None:
    """Stop where a tile is no longer wanted.

    Raises
    ------
    concurrent.futures.CancelledError
        The token is set.
    """
    if cancel is not None and cancel.is_set():
        raise CancelledError


@dataclass(frozen=True, slots=True)
class TileAddress:
    """A square of the web map: zoom, column from the west, row from the north.

    >>> TileAddress(0, 0, 0).bounds_lonlat[0], TileAddress(3, 5, 2).parent()
    (-180.0, TileAddress(z=2, x=2, y=1))
    """

    z: int
    """Zoom: the world is ``2 ** z`` tiles wide."""
    x: int
    """Column, from the west."""
    y: int
    """Row, from the north."""

    @property
    def bounds_mercator(self) -> Bounds:
        """``(left, bottom, right, top)`` in metres of EPSG:3857."""
        side = 2 * HALF / 2**self.z
        left, top = self.x * side - HALF, HALF - self.y * side
        return left, top - side, left + side, top

    @property
    def bounds_lonlat(self) -> Bounds:
        """``(west, south, east, north)`` in degrees."""
        return lonlat_bounds(self.bounds_mercator)

    def parent(self, n: int = 1) -> TileAddress:
        """Return the tile ``n`` zooms up that holds this one."""
        return TileAddress(self.z - n, self.x >> n, self.y >> n)

    def grid(self, size: int = TILE) -> PixelGrid:
        """Return the pixels of the tile, ``size`` along each side."""
        left, _, right, top = self.bounds_mercator
        pixel = (right - left) / size
        return PixelGrid(MERCATOR, (pixel, 0.0, left, 0.0, -pixel, top), (size, size))


def mercator_of(lon: float, lat: float) -> tuple[float, float]:
    """Return x and y in EPSG:3857; latitudes beyond the square become its edge.

    >>> [round(metres) for metres in mercator_of(4.35, 50.85)]
    [484240, 6594197]
    """
    lat = min(max(lat, -_LIMIT), _LIMIT)
    return math.radians(lon) * 6378137.0, math.asinh(math.tan(math.radians(lat))) * 6378137.0


def lonlat_bounds(bounds: Bounds) -> Bounds:
    """Return bounds in EPSG:3857 as degrees."""
    left, bottom, right, top = bounds
    south, north = (math.degrees(math.atan(math.sinh(y / 6378137.0))) for y in (bottom, top))
    return math.degrees(left / 6378137.0), south, math.degrees(right / 6378137.0), north


def tiles_over(bounds: Bounds, z: int) -> list[TileAddress]:
    """Return the tiles of a zoom that bounds touch, row by row from the north.

    Parameters
    ----------
    bounds : tuple
        ``(west, south, east, north)`` in degrees. Beyond the date line ``east`` is larger than 180, or smaller than
        ``west``.
    z : int

    >>> tiles_over((2.5, 49.5, 6.4, 51.5), 5)
    [TileAddress(z=5, x=16, y=10)]
    """
    west, south, east, north = bounds
    if east < west:
        east += 360.0
    (left, top), (right, bottom) = mercator_of(west, north), mercator_of(east, south)
    count, side = 2**z, 2 * HALF / 2**z
    first, last = math.floor((left + HALF) / side), math.ceil((right + HALF) / side)
    above, below = max(math.floor((HALF - top) / side), 0), min(math.ceil((HALF - bottom) / side), count)
    columns = [x % count for x in range(first, min(max(last, first + 1), first + count))]
    return [TileAddress(z, x, y) for y in range(above, max(below, above + 1)) if y < count for x in columns]


def zoom_for(resolution: float, lat: float = 0.0, *, size: int = TILE) -> float:
    """Return the zoom, as a fraction, at which a tile's pixels are ``resolution`` metres on the ground.

    >>> round(zoom_for(10.0, 51.0), 2)
    13.27
    """
    return math.log2(2 * HALF * math.cos(math.radians(min(abs(lat), 85.0))) / (size * resolution))


@dataclass(slots=True, eq=False)
class TilePixels:
    """The values of one tile."""

    layers: tuple[NDArray[Any], ...]
    """One array (size, size) per layer: physical float32 with NaN for nothing, or whole numbers (classes)."""
    inside: NDArray[np.bool_]
    """(size, size), True where there is a value in every layer."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.inside.nbytes + sum(layer.nbytes for layer in self.layers)


@dataclass(frozen=True, slots=True)
class PixelValue:
    """What a source says of one place."""

    value: float | int | None
    """The value of the first layer; None = nothing is there."""
    text: str
    """What a person reads: the number, or the name of the class; empty where nothing is."""
    units: str
    """Unit, ``"1"`` where dimensionless, empty where unknown."""
    time: np.datetime64 | None
    """UTC time, or None for a source without dates."""
    source: str
    """The file, or the ids of the items."""
    layer: str
    """Name of the layer, or of the layers."""
    values: tuple[float | int | None, ...] = ()
    """The values of all layers (a colour picture has three)."""


class TileSource(Protocol):
    """Something that can be drawn on a web map, tile by tile."""

    name: str
    """What a person calls it."""
    kind: Kind
    """How it is drawn."""
    units: str
    """Unit of the values."""
    times: tuple[np.datetime64, ...]
    """UTC times; empty for a source without dates."""
    layer_names: tuple[str, ...]
    """One for a measurement or classes, three for a colour picture."""
    bounds: Bounds
    """``(west, south, east, north)`` in degrees; ``east`` is larger than 180 beyond the date line."""
    min_zoom: int
    """Below, a tile would cost too much to read."""
    max_zoom: int
    """Beyond, a pixel fills the screen."""
    attrs: Mapping[str, Any]
    """Attributes as those of a variable of a cube: product, band, units, long_name, flag_values …"""
    attribution: str
    """The sentence that says where the data come from."""

    def read(
        self, tile: TileAddress, *, time: int | None = None, size: int = TILE, cancel: Cancel | None = None
    ) -> TilePixels:
        """Return the values of a tile: of each pixel, the value of the source's pixel that holds its centre.

        Parameters
        ----------
        time : int, optional
            Index in `times`; None = the last.
        size : int
            Pixels of the tile's side.
        cancel : Cancel, optional
            Looked at between the steps of the work.

        Raises
        ------
        AccessError
            A file could not be read; it is named.
        concurrent.futures.CancelledError
            The token was set.
        """

    def value_at(self, lon: float, lat: float, *, time: int | None = None) -> PixelValue:
        """Return the value of the source's own (full resolution) pixel that holds a place."""

    def sample(self, *, time: int | None = None, size: int = TILE) -> NDArray[Any]:
        """Return a thinned picture of the whole, about ``size`` pixels along its longer side.

        (rows, cols), or (layers, rows, cols) for a colour picture; NaN where nothing is. For percentiles.
        """
