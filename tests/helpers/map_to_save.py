"""What the tests of saving a map are made with: a place in UTM zone 31, three dates, and files there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from pyproj import Transformer

CORNER = (600_000.0, 5_700_000.0)


TIMES = np.array(["2018-06-30T10:50:00", "2018-07-05T10:50:00", "2018-07-15T10:50:00"], dtype="datetime64[ns]")


def write_tif(path: Path, values: np.ndarray, **profile) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype.name,
        crs="EPSG:32631", transform=Affine(10, 0, CORNER[0], 0, -10, CORNER[1]), tiled=True, blockxsize=64, blockysize=64,
        **profile,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def lonlat(x: float, y: float) -> tuple[float, float]:
    return Transformer.from_crs(32631, 4326, always_xy=True).transform(x, y)
