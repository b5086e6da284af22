"""Pixels that look like a Belgian season: parcels, texture, sensor noise, clouds; all but the noise a function of place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scenes import NODATA

CLOUDS = (0.005, 0.02, 0.10, 0.30, 0.55, 0.01, 0.85, 0.05, 0.20, 0.40, 0.70, 0.0)
"""Share of each date under clouds: the mix of a season, 26 % on average."""
SIGMA = {"B02": 8.0, "B03": 9.0, "B04": 11.0, "B08": 19.0}
"""Noise of a band in stored numbers, so that files are about as large as the platform's."""
_STRIP = 1024


def _random(rows: NDArray[np.int64], cols: NDArray[np.int64], seed: int) -> NDArray[np.float32]:
    """Return numbers from 0 to 1 for every (row, col), the same for the same place."""
    mixed = rows[:, None].astype("uint64") * np.uint64(0x9E3779B97F4A7C15)
    mixed = mixed ^ (cols[None, :].astype("uint64") * np.uint64(0xC2B2AE3D27D4EB4F))
    mixed = mixed ^ np.uint64((seed + 1) * 0x165667B19E3779F9 % 2**64)
    for shift in (29, 32):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(0xBF58476D1CE4E5B9)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(40)).astype("float32") / np.float32(2**24)


def smooth(rows: NDArray[np.float64], cols: NDArray[np.float64], cell: float, seed: int) -> NDArray[np.float32]:
    """Return a field from 0 to 1 that changes over ``cell`` metres, at every (row, col) in metres."""
    down, across = rows / cell, cols / cell
    r0, c0 = np.floor(down).astype("int64"), np.floor(across).astype("int64")
    lattice = _random(np.arange(r0.min(), r0.max() + 2), np.arange(c0.min(), c0.max() + 2), seed)
    tr, tc = ((part * part * (3 - 2 * part)).astype("float32") for part in (down - r0, across - c0))
    r0, c0 = r0 - r0.min(), c0 - c0.min()
    wide = lattice[:, c0] * (1 - tc) + lattice[:, c0 + 1] * tc
    return wide[r0] * (1 - tr)[:, None] + wide[r0 + 1] * tr[:, None]


def _cover(rows: NDArray[np.float64], cols: NDArray[np.float64], date: int) -> NDArray[np.float32]:
    scales = ((0.5, 15000.0), (0.3, 4000.0), (0.2, 900.0))
    return sum(share * smooth(rows, cols, cell, 100 * date + n) for n, (share, cell) in enumerate(scales))  # type: ignore[return-value]


def cloud_threshold(date: int, bounds: tuple[float, float, float, float]) -> float:
    """Return above which cloud field a place lies under clouds, so that the date has its share of them."""
    left, bottom, right, top = bounds
    field = _cover(np.linspace(top, bottom, 400), np.linspace(left, right, 400), date)
    return float(np.quantile(field, 1 - CLOUDS[date % len(CLOUDS)]))


def scene_classes(
    left: float, top: float, side: int, date: int, threshold: float, edge: float | None
) -> NDArray[np.uint8]:
    """Return the scene classification (20 m): vegetation, soil, water, shadow, cloud; 0 right of ``edge`` (metres)."""
    classes = np.empty((side, side), dtype="uint8")
    cols = left + 20.0 * np.arange(side) + 10
    for first in range(0, side, _STRIP):
        rows = top - 20.0 * np.arange(first, min(first + _STRIP, side)) - 10
        strip = classes[first : first + len(rows)]
        strip[...] = np.where(_parcels(rows, cols, 5) < 0.25, 5, 4)
        strip[smooth(rows, cols, 7000.0, 21) < 0.08] = 6
        cover = _cover(rows, cols, date)
        strip[_cover(rows - 900, cols + 600, date) > threshold] = 3
        for level, value in ((0.0, 10), (0.012, 8), (0.03, 9)):
            strip[cover > threshold + level] = value
        if edge is not None:
            strip[(cols[None, :] + 0.25 * (rows - top)[:, None]) > edge] = 0
    return classes


def _parcels(rows: NDArray[np.float64], cols: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    v, u = np.floor(rows / 170).astype("int64"), np.floor(cols / 260).astype("int64")
    table = _random(np.arange(v.min(), v.max() + 1), np.arange(u.min(), u.max() + 1), seed)
    return table[v - v.min()][:, u - u.min()]


def reflectance(
    band: str, left: float, top: float, date: int, classes: NDArray[np.uint8], seed: int
) -> NDArray[np.int16]:
    """Return the stored numbers of a 10 m band under a scene classification."""
    side = 2 * classes.shape[0]
    stored = np.empty((side, side), dtype="int16")
    noise = np.random.default_rng([seed, date, int(band[1:])])
    cols = left + 10.0 * np.arange(side) + 5
    for first in range(0, side, _STRIP):
        rows = top - 10.0 * np.arange(first, min(first + _STRIP, side)) - 5
        flags = classes[first // 2 : (first + len(rows)) // 2].repeat(2, axis=0).repeat(2, axis=1)
        green = 0.18 + 0.62 * np.abs(np.sin(date / 4 + 3 * _parcels(rows, cols, 5))).astype("float32")
        texture = smooth(rows, cols, 90.0, 31) - np.float32(0.5)
        total = 3000 + 1500 * _parcels(rows, cols, 6)
        red = total * (1 - green) / 2
        value = {"B08": total * (1 + green) / 2, "B04": red, "B03": 0.55 * red + 330, "B02": 0.45 * red + 120}[band]
        value = value * (1 + np.float32(0.15) * texture)
        value = np.where(np.isin(flags, (8, 9, 10)), 5200 + 2500 * texture, value)
        value = np.where(flags == 3, 0.6 * value, value)
        value += noise.standard_normal(value.shape, dtype="float32") * (SIGMA[band] * (1 + value / 6000))
        strip = np.clip(value, 1, 16000).astype("int16")
        strip[flags == 0] = NODATA
        stored[first : first + len(rows)] = strip
    return stored


def backscatter(left: float, top: float, shape: tuple[int, int], date: int, weak: float) -> NDArray[np.float32]:
    """Return linear sigma0 with speckle; NaN along the left and right border, as in a scene that lies askew."""
    sigma0 = np.empty(shape, dtype="float32")
    speckle = np.random.default_rng([date, int(1000 * weak)])
    cols = left + 10.0 * np.arange(shape[1]) + 5
    for first in range(0, shape[0], _STRIP):
        rows = top - 10.0 * np.arange(first, min(first + _STRIP, shape[0])) - 5
        ground = np.float32(0.08 * weak) * (0.4 + 1.2 * _parcels(rows, cols, 5))
        strip = ground * speckle.standard_gamma(4.0, ground.shape, dtype="float32") / np.float32(4)
        slant = 0.02 * shape[1] * (np.arange(first, first + len(rows)) / shape[0])[:, None]
        number = np.arange(shape[1])[None, :]
        strip[(number < slant) | (number > shape[1] * 0.98 + slant)] = np.nan
        sigma0[first : first + len(rows)] = strip
    return sigma0
