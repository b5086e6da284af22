"""Tiles out of a pyramid of pixels: which level fits a zoom, which of its pixels a tile takes, blocks read once."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.errors import GridError
from terrascope_nb.raster.byte_cache import ByteCache
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.positions import lonlat_bounds_of, position_of, positions, turned, zoom_of
from terrascope_nb.raster.tiling import (
    MOST_ZOOM,
    TILE,
    Bounds,
    Cancel,
    Kind,
    PixelValue,
    TileAddress,
    TilePixels,
    stop_if,
)

_MOST_BLOCKS = 96 * 2**20
"""Bytes of decoded blocks in memory, of all sources together."""
_MOST_PIXELS = 12288 * 12288
"""Pixels that one tile may make us read; a zoom that needs more is not offered."""
_MOST_SAMPLED = 4096 * 4096
"""Pixels that are read for a sample of the whole; beyond, some places stand for it."""
_DEEPER = 4
"""Zooms beyond the one at which pixels of the source and of the screen are alike."""

blocks: ByteCache[NDArray[Any]] = ByteCache(_MOST_BLOCKS, lambda block: block.nbytes)
"""Decoded blocks of all sources, those used last."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a pyramid: the ground of the whole in fewer pixels."""

    shape: tuple[int, int]
    """Rows and columns."""
    block: tuple[int, int]
    """Rows and columns of what is read at once."""
    factor: tuple[float, float]
    """Full-resolution pixels along one pixel, down and across."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Full-resolution pixels by which it begins before the full resolution, down and across."""
    cost: float = 1.0
    """Pixels of the files that are read for one of its own."""

    def grid(self, full: PixelGrid) -> PixelGrid:
        """Return its pixels on the ground."""
        a, b, c, d, e, f = full.transform
        (down, across), (up, left) = self.factor, self.shift
        origin = c - a * left - b * up, f - d * left - e * up
        return PixelGrid(full.crs, (a * across, b * down, origin[0], d * across, e * down, origin[1]), self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Which pixels of a level a tile takes."""

    level: int
    """Level, 0 = full resolution."""
    region: tuple[int, int, int, int]
    """Top, left, bottom, right of the pixels that are taken."""
    index: NDArray[np.intp]
    """(size, size): number of the pixel in the region, row by row; 0 where not inside."""
    inside: NDArray[np.bool_]
    """(size, size): True where the source has a pixel."""


class PyramidSource(ABC):
    """A `TileSource` whose pixels lie in levels of blocks.

    Parameters
    ----------
    grid : PixelGrid
        The full-resolution pixels.
    levels : sequence of Level
        Finest first; the first has the shape of the grid.
    """

    name: str
    kind: Kind
    units: str
    times: tuple[np.datetime64, ...]
    layer_names: tuple[str, ...]
    attrs: Mapping[str, Any]
    attribution: str

    def __init__(self, grid: PixelGrid, levels: Iterable[Level]) -> None:
        if not grid.crs:
            raise GridError("a map needs to know where pixels lie, and this raster says no coordinate system.")
        self.grid = grid
        self.levels = tuple(levels)
        self._n_cheap = sum(level.cost == 1.0 for level in self.levels)
        self.bounds: Bounds = lonlat_bounds_of(grid)
        self._zoom = zoom_of(grid)
        self.min_zoom = self._least_zoom()
        self.max_zoom = min(math.ceil(self._zoom) + _DEEPER, MOST_ZOOM)

    # -- what a source of one kind adds ------------------------------------------------------------------------------

    @abstractmethod
    def block(self, layer: int, time: int | None, level: int, at: tuple[int, int]) -> NDArray[Any]:
        """Return a block of a level, at (row, column) of blocks; the last ones may be smaller."""

    @abstractmethod
    def block_key(self, layer: int, time: int | None) -> Hashable:
        """Return what a layer at a time is kept under; another as soon as its numbers are others."""

    @abstractmethod
    def finish(self, raw: tuple[NDArray[Any], ...], inside: NDArray[np.bool_]) -> TilePixels:
        """Return values of what was taken from the blocks; may write into both."""

    @property
    @abstractmethod
    def n_raw(self) -> int:
        """How many layers of blocks there are."""

    def ahead(self, time: int | None, level: int, region: tuple[int, int, int, int]) -> None:  # noqa: B027 - optional
        """Begin to fetch what lies under a region; nothing where that has no use."""

    def source_at(self, row: int, col: int, time: int | None) -> str:  # noqa: ARG002 - a cube asks
        """Return the file, or the ids of the items, of a pixel."""
        return self.name

    # -- TileSource --------------------------------------------------------------------------------------------------

    def read(
        self, tile: TileAddress, *, time: int | None = None, size: int = TILE, cancel: Cancel | None = None
    ) -> TilePixels:
        """Return the values of a tile; see `TileSource.read`."""
        time = self._index_of(time)
        if 0 <= tile.z < self.min_zoom:
            raise GridError(
                f"{self.name} is too large to be drawn at zoom {tile.z}: its files have no overviews that are coarse enough. "
                f"Zoom in to {self.min_zoom}, or add overviews to the file (gdaladdo).",
                min_zoom=self.min_zoom,
            )
        place = self.place(tile, size)
        stop_if(cancel)
        if not place.inside.any():
            nothing = (
                np.zeros((size, size), "uint8") if self.kind == "classes" else np.full((size, size), np.nan, "float32")
            )
            return TilePixels((nothing,) * len(self.layer_names), place.inside)
        raw = self._taken(place, time, cancel)
        return self.finish(raw, place.inside)

    def value_at(self, lon: float, lat: float, *, time: int | None = None) -> PixelValue:
        """Return the value of the full-resolution pixel that holds a place; see `TileSource.value_at`."""
        time = self._index_of(time)
        when = None if time is None else self.times[time]
        names = ", ".join(self.layer_names)
        at = self.pixel_at(lon, lat)
        if at is None:
            return PixelValue(None, "", self.units, when, "", names, (None,) * len(self.layer_names))
        pixels = self._values(at, time)
        values = tuple(_plain(layer[0, 0]) if pixels.inside[0, 0] else None for layer in pixels.layers)
        text = self.text_of(values)
        source = self.source_at(*at, time) if pixels.inside[0, 0] else ""
        return PixelValue(values[0], text, self.units, when, source, names, values)

    def sample(self, *, time: int | None = None, size: int = TILE) -> NDArray[Any]:
        """Return a thinned picture of the whole; see `TileSource.sample`."""
        time = self._index_of(time)
        sides = [max(level.shape) for level in self.levels]
        level = max((n for n, side in enumerate(sides) if side >= size), default=0)
        rows, cols = self.levels[level].shape
        every = max(1, max(rows, cols) // size)
        if rows * cols * self.levels[level].cost > _MOST_SAMPLED:
            return self._spots(min(level, self._n_cheap - 1), time, size)
        raw = tuple(
            np.ascontiguousarray(self._gathered(n, time, level, (0, 0, rows, cols), None)[every // 2 :: every, every // 2 :: every])
            for n in range(self.n_raw)
        )  # fmt: skip
        return self._thinned(raw)

    # -- pixels ------------------------------------------------------------------------------------------------------

    def place(self, tile: TileAddress, size: int = TILE) -> Place:
        """Return which pixels a tile takes."""
        if not 0 <= tile.z <= MOST_ZOOM or not (0 <= tile.x < 2**tile.z and 0 <= tile.y < 2**tile.z):
            raise GridError(f"{tile} is no tile: zooms are 0 to {MOST_ZOOM}, columns and rows below 2**z.")
        level = self.level_for(tile.z, size)
        rows, cols = positions(tile.grid(size), self.grid)
        height, width = self.grid.shape
        with np.errstate(invalid="ignore"):  # what cannot be transformed lies nowhere
            inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        if not inside.any():
            return Place(level, (0, 0, 0, 0), np.zeros(inside.shape, dtype=np.intp), inside)
        all_in = bool(inside.all())
        if not all_in:
            rows, cols = np.where(inside, rows, 0.0), np.where(inside, cols, 0.0)
        chosen = self.levels[level]
        if chosen.factor != (1.0, 1.0) or chosen.shift != (0.0, 0.0):
            rows = (rows + chosen.shift[0]) / chosen.factor[0]
            cols = (cols + chosen.shift[1]) / chosen.factor[1]
        row, col = rows.astype(np.intp), cols.astype(np.intp)
        if level:  # rounding at the far edge
            np.minimum(row, chosen.shape[0] - 1, out=row)
            np.minimum(col, chosen.shape[1] - 1, out=col)
        used_rows, used_cols = (row, col) if all_in else (row[inside], col[inside])
        top, left = int(used_rows.min()), int(used_cols.min())
        bottom, right = int(used_rows.max()) + 1, int(used_cols.max()) + 1
        row -= top
        row *= right - left
        row += col
        row -= left
        if not all_in:
            row[~inside] = 0
        return Place(level, (top, left, bottom, right), row, inside)

    def level_for(self, z: int, size: int = TILE) -> int:
        """Return the coarsest level that is still at least as fine as the tiles of a zoom."""
        wanted = 2.0 ** (self._zoom - z - math.log2(size / TILE)) * (1 + 1e-6)
        return max((n for n, level in enumerate(self.levels) if max(level.factor) <= wanted), default=0)

    def pixel_at(self, lon: float, lat: float) -> tuple[int, int] | None:
        """Return row and column of the full-resolution pixel that holds a place, or None."""
        row, col = position_of(self.grid, "EPSG:4326", float(lon), float(lat))
        col = float(turned(col, self.grid))
        height, width = self.grid.shape
        if not (0 <= row < height and 0 <= col < width):  # False for NaN too
            return None
        return int(row), int(col)

    def text_of(self, values: tuple[float | int | None, ...]) -> str:
        """Return what a person reads of values."""
        if any(value is None for value in values):
            return ""
        return ", ".join(f"{value:.5g}" if isinstance(value, float) else str(value) for value in values)

    def _values(self, at: tuple[int, int], time: int | None) -> TilePixels:
        row, col = (place + int(shift) for place, shift in zip(at, self.levels[0].shift, strict=True))
        region = row, col, row + 1, col + 1
        raw = tuple(self._gathered(n, time, 0, region, None).copy() for n in range(self.n_raw))
        return self.finish(raw, np.ones((1, 1), dtype=bool))

    def _index_of(self, time: int | None) -> int | None:
        if not self.times:
            return None
        index = len(self.times) - 1 if time is None else int(time)
        if not -len(self.times) <= index < len(self.times):
            raise IndexError(f"{self.name} has {len(self.times)} times; there is no number {index}.")
        return index % len(self.times)

    def _taken(self, place: Place, time: int | None, cancel: Cancel | None) -> tuple[NDArray[Any], ...]:
        self.ahead(time, place.level, place.region)
        taken = []
        for layer in range(self.n_raw):
            region = self._gathered(layer, time, place.level, place.region, cancel)
            taken.append(region.reshape(-1).take(place.index))
        return tuple(taken)

    def blocks_under(self, level: int, region: tuple[int, int, int, int]) -> Iterable[tuple[int, int]]:
        """Return the (row, column) of the blocks that lie under a region of a level."""
        lines, columns = self.levels[level].block
        top, left, bottom, right = region
        return itertools.product(range(top // lines, -(-bottom // lines)), range(left // columns, -(-right // columns)))

    def kept_block(self, layer: int, time: int | None, level: int, at: tuple[int, int]) -> NDArray[Any]:
        """Return a block, kept or made; do not write into it."""
        return blocks.get((self.block_key(layer, time), level, at), lambda: self.block(layer, time, level, at))

    def _gathered(
        self, layer: int, time: int | None, level: int, region: tuple[int, int, int, int], cancel: Cancel | None
    ) -> NDArray[Any]:
        """Return a region of a level, put together from its blocks."""
        top, left, bottom, right = region
        lines, columns = self.levels[level].block
        out: NDArray[Any] | None = None
        for by, bx in self.blocks_under(level, region):
            stop_if(cancel)
            block = self.kept_block(layer, time, level, (by, bx))
            y, x = by * lines, bx * columns
            part = block[max(top - y, 0) : bottom - y, max(left - x, 0) : right - x]
            if part.shape == (bottom - top, right - left):
                return part
            if out is None:
                out = np.empty((bottom - top, right - left), dtype=block.dtype)
            row, col = max(y - top, 0), max(x - left, 0)
            out[row : row + part.shape[0], col : col + part.shape[1]] = part
        assert out is not None
        return out

    def _spots(self, level: int, time: int | None, size: int) -> NDArray[Any]:
        """Return a sample of a level that is too large to be read whole: sixteen blocks, thinned."""
        shape = self.levels[level]
        side = max(1, size // 4)
        rows, cols = (-(-total // step) for total, step in zip(shape.shape, shape.block, strict=True))
        bands = []
        for n in range(self.n_raw):
            lines = []
            for by in np.unique(np.linspace(0, rows - 1, 6).astype(int)[1:-1]):
                line = []
                for bx in np.unique(np.linspace(0, cols - 1, 6).astype(int)[1:-1]):
                    y, x = int(by) * shape.block[0], int(bx) * shape.block[1]
                    region = y, x, min(y + side, shape.shape[0]), min(x + side, shape.shape[1])
                    part = self._gathered(n, time, level, region, None)
                    line.append(np.pad(part, [(0, side - part.shape[0]), (0, side - part.shape[1])], mode="edge"))
                lines.append(np.concatenate(line, axis=1))
            bands.append(np.concatenate(lines))
        return self._thinned(tuple(bands))

    def _thinned(self, raw: tuple[NDArray[Any], ...]) -> NDArray[Any]:
        pixels = self.finish(raw, np.ones(raw[0].shape, dtype=bool))
        shown = [
            np.where(pixels.inside, layer, np.nan) if layer.dtype.kind == "f" or self.kind != "classes" else layer
            for layer in pixels.layers
        ]
        return shown[0] if len(shown) == 1 else np.stack(shown)

    def _least_zoom(self) -> int:
        """Return the lowest zoom at which a tile does not make us read more than we may."""
        coarsest = self.levels[-1]
        if coarsest.shape[0] * coarsest.shape[1] * coarsest.cost <= _MOST_PIXELS:
            return 0
        zoom = zoom_of(coarsest.grid(self.grid)) + math.log2(coarsest.cost) / 2
        return max(0, math.ceil(zoom - math.log2(math.sqrt(_MOST_PIXELS) / TILE)))


def overview(full: tuple[int, int], shape: tuple[int, int], block: tuple[int, int]) -> Level:
    """Return the level that a file's overview is: the same ground in fewer pixels."""
    return Level(shape, block, (full[0] / shape[0], full[1] / shape[1]))


def _plain(number: Any) -> float | int:
    return int(number) if np.issubdtype(type(number), np.integer) else float(number)
