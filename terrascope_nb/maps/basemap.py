"""An offline basemap: web mercator tiles painted in calm greys from data in the package, light, dark or names only."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from PIL import Image, ImageDraw
from shapely.geometry.base import BaseGeometry

from terrascope_nb.maps.ground import BELGIUM_FROM, Box, Shapes, ground_of, lines_of, project
from terrascope_nb.maps.lettering import labels_within, write_labels
from terrascope_nb.maps.tiles import encode_png
from terrascope_nb.raster.tiling import TILE, TileAddress
from terrascope_nb.words import language

__all__ = ["ATTRIBUTION", "Basemap"]

ATTRIBUTION = "Natural Earth · GeoNames (CC BY 4.0) · Statbel"
"""Whose data the basemap is drawn from."""
_RIVERS = range(4, 10)
"""Zooms at which rivers of a small-scale map are drawn where they lie."""
_FINER = 2
"""Lines are painted this many times larger and shrunk, which smooths their edges."""
_LIGHT = {
    "water": "#d4dce2", "land": "#f5f4f1", "coast": "#bcc8d0", "borders": "#aaa6a8", "rivers": "#cbd6dd",
    "province": "#c4bfc0", "municipality": "#e0dddb", "halo": "#fbfaf8",
    "country": "#8f8a8e", "region": "#a19b9e", "city": "#4c4a50", "town": "#6c6970",
}  # fmt: skip
_DARK = {
    "water": "#1b2127", "land": "#2b2f34", "coast": "#3d464e", "borders": "#6a6e74", "rivers": "#222a31",
    "province": "#50545a", "municipality": "#383c42", "halo": "#22262a",
    "country": "#8b9199", "region": "#787e86", "city": "#d3d7dc", "town": "#aeb4bb",
}  # fmt: skip
_OVER_IMAGERY = {
    "borders": "#ffffffd0", "province": "#ffffff90", "municipality": "#ffffff50", "halo": "#101418",
    "country": "#ffffff", "region": "#f0f0f0", "city": "#ffffff", "town": "#f4f4f4",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Window:
    """A part of the world in pixels."""

    left: float
    top: float
    width: int
    height: int
    scale: float

    def box(self, margin: float) -> Box:
        west, north = (self.left - margin) / self.scale, (self.top - margin) / self.scale
        east, south = (self.left + self.width + margin) / self.scale, (self.top + self.height + margin) / self.scale
        return west, north, east, south

    @property
    def zoom(self) -> int:
        return max(math.floor(math.log2(self.scale / TILE) + 1e-9), 0)


class Basemap:
    r"""Land, water, borders and names, painted on this machine: no address is asked.

    Tiles fit together to the pixel, names included. One basemap serves several threads.

    Parameters
    ----------
    cache_mb : float
        Painted tiles are kept up to this size.

    Examples
    --------
    >>> Basemap().png(TileAddress(6, 32, 21))[:4]
    b'\x89PNG'
    """

    name = "offline"
    min_zoom = 0
    max_zoom = 18
    attribution = ATTRIBUTION

    def __init__(self, *, cache_mb: float = 16) -> None:
        self._most = int(cache_mb * 2**20)
        self._kept: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def png(self, tile: TileAddress, *, dark: bool = False, labels: bool = True, ground: bool = True) -> bytes:
        """Return a tile of 256 x 256 pixels as PNG.

        Parameters
        ----------
        tile : TileAddress
            z, x, y.
        dark : bool
            For a dark theme; without ``ground`` it changes nothing.
        labels : bool
            Write the names.
        ground : bool
            False: borders and names alone on a transparent ground, to lie above imagery.
        """
        column = tile.x % 2**tile.z  # the world goes on beyond the date line
        key = (tile.z, column, tile.y, dark, labels, ground, language())
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        window = _Window(column * TILE, tile.y * TILE, TILE, TILE, float(TILE * 2**tile.z))
        image = _paint(window, dark=dark, labels=labels, ground=ground)
        found = encode_png(np.asarray(image))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = found
                self._size += len(found)
            while self._size > self._most and len(self._kept) > 1:
                self._size -= len(self._kept.popitem(last=False)[1])
        return found

    def picture(
        self,
        bounds: tuple[float, float, float, float],
        size: tuple[int, int],
        *,
        dark: bool = False,
        labels: bool = True,
        ground: bool = True,
    ) -> Image.Image:
        """Return the basemap of any bounds in one picture, in web mercator.

        Parameters
        ----------
        bounds : tuple of float
            West, south, east, north in degrees. Their shape should be that of ``size``; where it is not, more is shown
            above and below or beside (see `fit_bounds`).
        size : tuple of int
            Width and height in pixels.
        dark, labels, ground : bool
            As in `png`.
        """
        return _paint(window_of(bounds, size), dark=dark, labels=labels, ground=ground)


def window_of(bounds: tuple[float, float, float, float], size: tuple[int, int]) -> _Window:
    """Return the window of a size in pixels that holds all of some bounds in degrees, with them in the middle."""
    west, south, east, north = bounds
    (x0, y0), (x1, y1) = project(np.array([[west, north], [east, south]]))
    width, height = size
    scale = min(width / max(x1 - x0, 1e-9), height / max(y1 - y0, 1e-9))
    return _Window((x0 + x1) / 2 * scale - width / 2, (y0 + y1) / 2 * scale - height / 2, width, height, scale)


def fit_bounds(bounds: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the bounds in degrees that a picture of a size really shows when it is asked for some bounds.

    >>> [round(edge, 2) for edge in fit_bounds((4.0, 50.0, 5.0, 51.0), (200, 100))]
    [2.93, 50.0, 6.07, 51.0]
    """
    west, north, east, south = window_of(bounds, size).box(0)
    lats = [math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * y)))) for y in (south, north)]
    return float(west - 0.5) * 360, lats[0], float(east - 0.5) * 360, lats[1]


def _paint(window: _Window, *, dark: bool, labels: bool, ground: bool) -> Image.Image:
    colours = (_DARK if dark else _LIGHT) if ground else _OVER_IMAGERY
    zoom = window.zoom
    shapes = ground_of(0 if zoom < 4 else 1 if zoom < 6 else 2)
    size = (window.width * _FINER, window.height * _FINER)
    image = Image.new("RGB", size, colours["water"]) if ground else Image.new("RGBA", size, (255, 255, 255, 0))
    brush = _Brush(image, window)
    if ground:
        brush.fill(shapes.land, colours["land"], colours["water"])
        brush.fill(shapes.lakes, colours["water"], colours["land"])
        if zoom in _RIVERS:
            brush.stroke(shapes.rivers, colours["rivers"], 1.0 if zoom < 7 else 1.5)
        brush.stroke(shapes.coast, colours["coast"], 1.0)
    if zoom >= BELGIUM_FROM + 1:
        brush.stroke(lines_of("municipality"), colours["municipality"], 1.0)
    if zoom >= BELGIUM_FROM - 1:
        brush.stroke(lines_of("province"), colours["province"], 1.0 if zoom < 10 else 1.5)
    brush.stroke(shapes.borders, colours["borders"], 1.0 if zoom < 6 else 1.5)
    if zoom >= 6:
        brush.stroke(lines_of("country"), colours["borders"], 1.5)
    image = image.reduce(_FINER)
    if labels:
        left, top = round(window.left), round(window.top)
        right, bottom = left + window.width, top + window.height
        world = round(window.scale)
        for turn in range(math.floor((left - 300) / world), math.floor((right + 300) / world) + 1):
            shift = turn * world
            found = labels_within(left - shift, top, right - shift, bottom, window.scale, language())
            write_labels(ImageDraw.Draw(image), found, left - shift, top, window.scale, colours)
    return image


class _Brush:
    """Draws shapes of the unit square on a picture that is larger than the window by `_FINER`."""

    def __init__(self, image: Image.Image, window: _Window) -> None:
        self._draw = ImageDraw.Draw(image)
        self._window = window
        west, north, east, south = window.box(6)
        self._boxes = [
            (turn, (west - turn, north, east - turn, south)) for turn in range(math.floor(west), math.floor(east) + 1)
        ]

    def _pixels(self, coordinates: Any, turn: int) -> list[float]:
        scale = self._window.scale * _FINER
        origin = (self._window.left * _FINER - turn * scale, self._window.top * _FINER)
        found: list[float] = (np.asarray(coordinates) * scale - origin).ravel().tolist()
        return found

    def fill(self, shapes: Shapes, colour: str, hole: str) -> None:
        for turn, box in self._boxes:
            found: list[Any] = list(shapes.within(box, self._window.zoom))
            for one in sorted((part for part in found if part.geom_type == "Polygon"), key=lambda part: -part.area):
                self._draw.polygon(self._pixels(one.exterior.coords, turn), fill=colour)
                for ring in one.interiors:
                    self._draw.polygon(self._pixels(ring.coords, turn), fill=hole)

    def stroke(self, shapes: Shapes, colour: str, width: float) -> None:
        for turn, box in self._boxes:
            for one in shapes.within(box, self._window.zoom):
                for part in _strings(one):
                    points = self._pixels(part.coords, turn)
                    self._draw.line(points, fill=colour, width=round(width * _FINER), joint="curve")


def _strings(geometry: BaseGeometry) -> list[BaseGeometry]:
    return [part for part in shapely.get_parts(geometry) if part.geom_type in ("LineString", "LinearRing")]
