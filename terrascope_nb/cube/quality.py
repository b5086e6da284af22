"""Quality flags become a mask: True = keep."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.cube.plan import Plan, Scene
from terrascope_nb.raster.grid import PixelGrid


def grow(dropped: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Return ``dropped`` grown by a disk of ``radius`` pixels.

    >>> grow(np.array([[False, False, True, False, False]]), 1.0)
    array([[False,  True,  True,  True, False]])
    """
    if radius < 1 or not dropped.any():
        return dropped
    reach = int(radius)
    rows, cols = dropped.shape
    grown = np.zeros_like(dropped)
    for dy in range(-min(reach, rows - 1), min(reach, rows - 1) + 1):
        half = int(math.sqrt(radius * radius - dy * dy))
        # A running sum over the row tells whether any dropped pixel lies within `half` columns.
        padded = np.pad(dropped, ((0, 0), (half + 1, half)))
        sums = np.cumsum(padded, axis=1, dtype="int32")
        near = (sums[:, 2 * half + 1 :] - sums[:, :cols]) > 0
        target = np.s_[max(dy, 0) : rows + min(dy, 0)]
        origin = np.s_[max(-dy, 0) : rows + min(-dy, 0)]
        grown[target] |= near[origin]
    return grown


def buffer_pixels(grid: PixelGrid, metres: float) -> float:
    """Return a distance in metres as a number of pixels of the grid."""
    if metres <= 0:
        return 0.0
    import pyproj  # only for a buffer

    crs = pyproj.CRS.from_user_input(grid.crs)
    unit = 1.0 if crs.is_projected else 111_320.0  # metres in a degree of latitude, WGS84 mean
    if crs.is_projected:
        unit = crs.axis_info[0].unit_conversion_factor
    return metres / (min(grid.resolution) * unit)


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
    radius = buffer_pixels(grid, plan.mask_buffer)
    margin = int(radius)
    window = reader(scene.quality, grid.pad(margin), "nearest")
    if window is None:
        return np.zeros(grid.shape, dtype=bool)
    keep: NDArray[np.bool_] = plan.mask.apply(window.stored) & window.inside
    if margin:
        present = window.inside & ~missing_flags(plan, window.stored)
        keep &= ~grow(present & ~keep, radius)
        keep = keep[margin:-margin, margin:-margin]
    return keep


def missing_flags(plan: Plan, stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Return True where the quality band says nothing (its nodata), which is a gap and not a cloud."""
    nodata = plan.mask_band.nodata if plan.mask_band else None
    return np.zeros(stored.shape, dtype=bool) if nodata is None else stored == nodata
