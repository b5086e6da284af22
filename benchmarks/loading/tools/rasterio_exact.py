"""rasterio by hand, with every pixel of a warp placed exactly: not timed, only what results are compared with."""

from __future__ import annotations

from tools.rasterio_hand import run  # noqa: F401 - the runner calls it

from tools import rasterio_hand

rasterio_hand._TOLERANCE = 0  # noqa: SLF001 - the one thing that differs
