"""rasterio by hand, with the pixels of a warp placed to a ten-thousandth: not timed, only what results are compared with."""

from __future__ import annotations

from tools.rasterio_hand import run  # noqa: F401 - the runner calls it

from tools import rasterio_hand

rasterio_hand._TOLERANCE = 1e-4  # noqa: SLF001 - the one thing that differs
