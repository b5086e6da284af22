"""Quality flags become a mask: True = keep."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.cube.plan import Plan, Scene
from terrascope_nb.raster.grid import PixelGrid

_METRES_PER_DEGREE = 111_320.0
"""Mean length of a degree of latitude (WGS84)."""
_TRUE_ENOUGH = 0.005
"""A map whose scale is this near to 1 is taken as true."""


@dataclass(frozen=True, slots=True, eq=False)
class Keep:
    """Which pixels of a piece of a grid are kept, in pixels of the quality file where those are coarser."""

    pixels: NDArray[np.bool_]
    """True = keep."""
    factor: int
    """Grid pixels along one of these."""
    at: tuple[int, int]
    """Row and column of the piece's first pixel in the first of these."""

    def holds(self, top: int, left: int, bottom: int, right: int) -> bool:
        """Whether any pixel of a part of the piece is kept."""
        return bool(self._coarse(top, left, bottom, right).any())

    def over(self, top: int, bottom: int, cols: int) -> NDArray[np.bool_]:
        """Return it pixel by pixel for some rows of the piece, from its first column on."""
        coarse, factor = self._coarse(top, 0, bottom, cols), self.factor
        if factor == 1:
            return coarse
        row, col = (self.at[0] + top) % factor, self.at[1]
        fine = coarse.repeat(factor, axis=1)[:, col : col + cols].repeat(factor, axis=0)
        return fine[row : row + bottom - top]

    def rows(self, top: int, bottom: int) -> Keep:
        """Return it for some rows of the piece."""
        row, factor = self.at[0] + top, self.factor
        return Keep(
            self.pixels[row // factor : -(-(self.at[0] + bottom) // factor)], factor, (row % factor, self.at[1])
        )

    def both(self, other: Keep) -> Keep:
        """Return what is kept by this one, which is as fine as the grid, and by another one."""
        rows, cols = self.pixels.shape
        return Keep(self.pixels & other.over(0, rows, cols), 1, (0, 0))

    def _coarse(self, top: int, left: int, bottom: int, right: int) -> NDArray[np.bool_]:
        (row, col), factor = self.at, self.factor
        return self.pixels[
            (row + top) // factor : -(-(row + bottom) // factor), (col + left) // factor : -(-(col + right) // factor)
        ]


def grow(dropped: NDArray[np.bool_], down: float, across: float) -> NDArray[np.bool_]:
    """Return ``dropped`` grown by an ellipse that reaches ``down`` pixels in y and ``across`` pixels in x.

    >>> grow(np.array([[False, False, True, False, False]]), 1.0, 1.0)
    array([[False,  True,  True,  True, False]])
    """
    if max(down, across) < 1 or not dropped.any():
        return dropped
    rows, cols = dropped.shape
    reach = min(int(down), rows - 1)
    grown = np.zeros_like(dropped)
    for dy in range(-reach, reach + 1):
        # The last term keeps a distance that is exactly the radius from being lost to rounding.
        half = int(across / down * math.sqrt(down * down - dy * dy) + 1e-9)
        # A running sum over the row tells whether any dropped pixel lies within `half` columns.
        padded = np.pad(dropped, ((0, 0), (half + 1, half)))
        sums = np.cumsum(padded, axis=1, dtype="int32")
        near = (sums[:, 2 * half + 1 :] - sums[:, :cols]) > 0
        target = np.s_[max(dy, 0) : rows + min(dy, 0)]
        origin = np.s_[max(-dy, 0) : rows + min(-dy, 0)]
        grown[target] |= near[origin]
    return grown


@functools.lru_cache(maxsize=64)
def buffer_pixels(grid: PixelGrid, metres: float) -> tuple[float, float]:
    """Return a distance on the ground as a number of pixels, down and across, at the middle of the grid."""
    if metres <= 0:
        return 0.0, 0.0
    import pyproj  # only for a buffer

    crs = pyproj.CRS.from_user_input(grid.crs)
    high, wide = grid.resolution
    left, bottom, right, top = grid.bounds
    if not crs.is_projected:
        shrunk = max(math.cos(math.radians((bottom + top) / 2)), 1e-3)
        return metres / (high * _METRES_PER_DEGREE), metres / (wide * _METRES_PER_DEGREE * shrunk)
    proj = pyproj.Proj(crs)
    factors = proj.get_factors(*proj((left + right) / 2, (bottom + top) / 2, inverse=True))
    stretch = math.sqrt(factors.areal_scale)
    # A metre of a UTM zone is a metre to a thousandth; one of web Mercator is 0.6 m over Belgium.
    unit = crs.axis_info[0].unit_conversion_factor / (stretch if abs(stretch - 1) > _TRUE_ENOUGH else 1.0)
    return metres / (high * unit), metres / (wide * unit)


def keep_mask(plan: Plan, scene: Scene, grid: PixelGrid, reader: Any) -> NDArray[np.bool_] | None:
    """Return which pixels of a grid the plan's mask keeps for one scene, or None when it has no mask.

    Parameters
    ----------
    reader : callable
        ``reader(source, grid, resampling) -> Window | None``; None when the file failed and failures are skipped.

    Returns
    -------
    numpy.ndarray of bool, shape of the grid; False outside the quality file.
    """
    if plan.mask is None:
        return None
    if scene.quality is None:
        return np.zeros(grid.shape, dtype=bool)
    down, across = buffer_pixels(plan.grid, plan.mask_buffer)
    margin = int(max(down, across))
    window = reader(scene.quality, grid.pad(margin), "nearest")
    if window is None:
        return np.zeros(grid.shape, dtype=bool)
    keep: NDArray[np.bool_] = plan.mask.apply(window.stored) & window.inside
    if margin:
        present = window.inside & ~missing_flags(plan, window.stored)
        keep &= ~grow(present & ~keep, down, across)
        keep = keep[margin:-margin, margin:-margin]
    return keep


def missing_flags(plan: Plan, stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Return True where the quality band says nothing (its nodata), which is a gap and not a cloud."""
    nodata = plan.mask_band.nodata if plan.mask_band else None
    return np.zeros(stored.shape, dtype=bool) if nodata is None else stored == nodata
