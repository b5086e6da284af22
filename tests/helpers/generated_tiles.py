"""Sentinel-2 tiles of true size and place whose values follow from a formula."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import odc.geo.xr  # noqa: F401 - registers .odc
import rasterio
import rioxarray  # noqa: F401 - registers .rio
from rasterio.enums import Resampling
from rasterio.windows import Window

SIDE, BLOCK, GONE = 10980, 512, 32767


class Tile(NamedTuple):
    """A Sentinel-2 tile: its corner in its zone, and a number that tells its values from the neighbours'."""

    name: str
    epsg: int
    left: float
    top: float
    number: int

    @property
    def corner(self):
        return self.left, self.top

    def has(self, block_row, block_col):
        """Which blocks hold values: a quarter of them, and all along the left and right edge, where tiles overlap."""
        chosen = (block_row * 5 + block_col * 3 + self.number) % 4 == 0
        return chosen | (block_col <= 1) | (block_col >= 20)

    def stored(self, rows, cols) -> np.ndarray:
        """Stored numbers at these pixels (broadcast); nodata outside the tile and in blocks that were never written."""
        rows, cols = np.broadcast_arrays(rows, cols)
        values = (rows * 7 + cols * 13 + 1000 * self.number) % 9000 - 300
        there = (rows >= 0) & (rows < SIDE) & (cols >= 0) & (cols < SIDE) & self.has(rows // BLOCK, cols // BLOCK)
        return np.where(there, values, GONE)

    def physical(self, rows, cols) -> np.ndarray:
        stored = self.stored(rows, cols)
        return np.where(stored == GONE, np.nan, stored * 0.0001).astype("float32")

    def at(self, x, y) -> np.ndarray:
        """Physical values of the pixels that hold these points, given in the tile's own zone."""
        rows, cols = np.floor((self.top - y) / 10), np.floor((x - self.left) / 10)
        return self.physical(rows.astype(int), cols.astype(int))


ES = Tile("31UES", 32631, 499980, 5700000, 0)


FS = Tile("31UFS", 32631, 600000, 5700000, 1)


GS = Tile("31UGS", 32631, 699960, 5700000, 2)


LB = Tile("32ULB", 32632, 300000, 5700000, 3)


TILES = (ES, FS, GS, LB)


def write_tile(path: Path, tile: Tile) -> None:
    path.parent.mkdir(parents=True)
    profile = {
        "driver": "GTiff", "width": SIDE, "height": SIDE, "count": 1, "dtype": "int16", "crs": f"EPSG:{tile.epsg}",
        "nodata": GONE, "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "zlevel": 1,
        "sparse_ok": True, "transform": rasterio.Affine(10, 0, tile.left, 0, -10, tile.top),
    }  # fmt: skip
    blocks = range(-(-SIDE // BLOCK))
    with rasterio.open(path, "w", **profile) as file:
        for block_row in blocks:
            for block_col in blocks:
                if tile.has(block_row, block_col):
                    top, left = block_row * BLOCK, block_col * BLOCK
                    height, width = min(BLOCK, SIDE - top), min(BLOCK, SIDE - left)
                    values = tile.stored(np.arange(top, top + height)[:, None], np.arange(left, left + width)[None])
                    file.write(values.astype("int16"), 1, window=Window(left, top, width, height))
    if tile is FS:
        with rasterio.Env(SPARSE_OK_OVERVIEW=True), rasterio.open(path, "r+") as file:
            file.build_overviews([2, 4, 8, 16], Resampling.nearest)


def path_of(item) -> str:
    return item.assets["B04"].extra_fields["alternate"]["local"]["href"].removeprefix("file://")
