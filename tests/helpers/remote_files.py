"""GeoTIFFs for a server of the tests, and what rasterio reads of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

ROWS, COLS = 700, 900


LEFT, TOP = 600000.0, 5700000.0


def noise(dtype: str = "int16", rows: int = ROWS, cols: int = COLS, count: int = 1, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 120, (count, rows, cols)).astype(dtype)


def write(path: Path, values: np.ndarray, *, overviews=(2, 4), **profile) -> Path:
    settings = {
        "driver": "GTiff", "count": values.shape[0], "height": values.shape[1], "width": values.shape[2],
        "dtype": values.dtype.name, "crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, LEFT, 0, -10, TOP),
        "tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate", **profile,
    }  # fmt: skip
    if not settings["tiled"]:
        settings.pop("blockxsize")
    with rasterio.open(path, "w", **settings) as dataset:
        dataset.write(values)
        if overviews:
            dataset.build_overviews(list(overviews), Resampling.nearest)
    return path


def truth(path: Path, box: tuple[int, int, int, int], band: int = 1, **how) -> np.ndarray:
    top, left, bottom, right = box
    with rasterio.open(path, **how) as dataset:
        return dataset.read(band, window=Window(left, top, right - left, bottom - top))


def cog(path: Path, values: np.ndarray, **profile) -> Path:
    """Write a cloud-optimised file as the archive has them."""
    plain = write(path.with_suffix(".plain.tif"), values, overviews=())
    with rasterio.open(plain) as dataset:
        how = {"BLOCKSIZE": 128, "COMPRESS": "DEFLATE", "PREDICTOR": "YES", **profile}
        copy_raster(dataset, path, driver="COG", **how)
    plain.unlink()
    return path
