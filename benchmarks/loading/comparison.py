"""Does a tool's result equal that of rasterio in the same round?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scenes import NODATA

_CLOSE = 2e-4
"""Largest difference of a value that counts as equal: float32 means differ in the last digits."""
_LIKE = 0.005
"""Difference of the mean below which another pixel rule is still the same picture."""


def compare(measured: dict[str, Any], folder: Path, workload: str, tool: str, reference: str) -> None:
    """Write ``check`` into what was measured: ``equal``, or what differs."""
    mine, other = (folder / f"{workload}-{name}.npy" for name in (tool, reference))
    if "error" in measured or tool == "decode_limit" or not mine.exists() or not other.exists():
        return
    result, wanted = np.load(mine), np.load(other)
    measured["check"] = difference(result, wanted)
    measured["size"] = result.nbytes / 2**20


def difference(result: np.ndarray, wanted: np.ndarray) -> str:
    """Return how two results differ, in words."""
    a, b = (_numbers(array) for array in (result, wanted))
    with np.errstate(all="ignore"):
        means = np.nanmean(a), np.nanmean(b)
        near = abs(means[0] - means[1]) <= _LIKE * max(abs(means[1]), 0.1)
        if a.shape != b.shape:
            shapes = f"{'x'.join(map(str, a.shape))} instead of {'x'.join(map(str, b.shape))}"
            return f"{shapes}, mean {'alike' if near else 'DIFFERS'}"
        bad = ~(np.abs(a - b) <= _CLOSE * np.maximum(1.0, np.abs(b))) & ~(np.isnan(a) & np.isnan(b))
    if not bad.any():
        return "equal"
    share = 100 * bad.mean()
    return f"{share:.2g} % of the values differ, mean {'alike' if near else 'DIFFERS'}"


def _numbers(array: np.ndarray) -> np.ndarray:
    """Return the numbers, NaN where a stored number is nodata."""
    numbers = np.asarray(array, dtype="float64")
    return np.where(numbers == NODATA, np.nan, numbers)
