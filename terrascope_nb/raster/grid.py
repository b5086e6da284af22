"""PixelGrid: a coordinate system, an affine transform and a shape, light enough to travel with every task."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

Transform = tuple[float, float, float, float, float, float]
"""``(a, b, c, d, e, f)``: x = a * column + b * row + c, y = d * column + e * row + f."""

_ALIGNED = 1e-3
"""Two grids are the same when their pixels lie within a thousandth of a pixel of each other."""


@functools.lru_cache(maxsize=512)
def same_crs(one: str, other: str) -> bool:
    """Return True when both texts (EPSG code or WKT) name one coordinate system."""
    if one.strip().upper() == other.strip().upper():
        return True
    import pyproj  # only where the texts differ: the common case needs no PROJ

    first, second = pyproj.CRS.from_user_input(one), pyproj.CRS.from_user_input(other)
    if first.equals(second, ignore_axis_order=True):
        return True
    # A file's WKT may lack names or ids; what counts is whether it is the same registered system.
    code = first.to_epsg(min_confidence=70)
    return code is not None and code == second.to_epsg(min_confidence=70)


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """The pixels of an array on the ground."""

    crs: str
    """Authority code (``EPSG:32631``) or WKT."""
    transform: Transform
    """Affine transform from (column, row) to (x, y)."""
    shape: tuple[int, int]
    """Rows and columns."""

    @property
    def is_north_up(self) -> bool:
        """True when rows run along x and columns along y."""
        return self.transform[1] == 0 and self.transform[3] == 0

    @property
    def resolution(self) -> tuple[float, float]:
        """Pixel size in y and x, positive, in the unit of the crs."""
        a, b, _, d, e, _ = self.transform
        return math.hypot(b, e), math.hypot(a, d)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """``(left, bottom, right, top)`` of the outer edges."""
        a, b, c, d, e, f = self.transform
        rows, cols = self.shape
        xs = [c + a * i + b * j for i in (0, cols) for j in (0, rows)]
        ys = [f + d * i + e * j for i in (0, cols) for j in (0, rows)]
        return min(xs), min(ys), max(xs), max(ys)

    def crop(self, row: int, col: int, rows: int, cols: int) -> PixelGrid:
        """Return the grid of ``rows`` x ``cols`` pixels that starts at (row, col); may lie outside."""
        a, b, c, d, e, f = self.transform
        moved = (a, b, c + a * col + b * row, d, e, f + d * col + e * row)
        return PixelGrid(self.crs, moved, (rows, cols))

    def recut(self, shape: tuple[int, int]) -> PixelGrid:
        """Return the same ground cut in other rows and columns, as an overview does."""
        a, b, c, d, e, f = self.transform
        down, across = self.shape[0] / shape[0], self.shape[1] / shape[1]
        return PixelGrid(self.crs, (a * across, b * down, c, d * across, e * down, f), shape)

    def pad(self, pixels: int) -> PixelGrid:
        """Return the grid with a margin on each side."""
        return self.crop(-pixels, -pixels, self.shape[0] + 2 * pixels, self.shape[1] + 2 * pixels)

    def offset_in(self, other: PixelGrid, factor: int = 1) -> tuple[int, int] | None:
        """Return (row, column) of our first pixel in ``other`` with its pixels cut in ``factor`` x ``factor``.

        None when the pixels do not coincide.
        """
        a, b, c, d, e, f = self.transform
        oa, ob, oc, od, oe, of = other.transform
        pixel_a, pixel_e = oa / factor, oe / factor
        if b or d or ob or od or not same_crs(self.crs, other.crs):
            return None
        rows, cols = self.shape
        # The far corner must fit as well as the near one: a tiny difference in pixel size adds up.
        if abs(a - pixel_a) * cols > _ALIGNED * abs(a) or abs(e - pixel_e) * rows > _ALIGNED * abs(e):
            return None
        col, row = (c - oc) / pixel_a, (f - of) / pixel_e
        if abs(col - round(col)) > _ALIGNED or abs(row - round(row)) > _ALIGNED:
            return None
        return round(row), round(col)
