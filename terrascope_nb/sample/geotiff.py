"""Pixels of the patch as the bytes of a small GeoTIFF that says what it is."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import MemoryFile

from terrascope_nb.sample.contents import CRS, LEFT, TOP

COPYRIGHT = "contains modified Copernicus Sentinel data 2017-2018"


def geotiff(
    pixels: NDArray[np.generic], resolution: int, nodata: float | None, *, lineage: str, time: datetime
) -> bytes:
    """Return one band as a tiled, compressed GeoTIFF on the grid of the patch.

    It is made in memory, so that a full disk shows as an ordinary error when the bytes are written; GDAL itself may
    notice that only when it closes the file, and not say so.

    Parameters
    ----------
    pixels : ndarray, shape (y, x)
        Stored numbers; their dtype is the file's.
    resolution : int
        Pixel size, metres.
    nodata : float or None
        Nodata tag; none is written when None.
    lineage : str
        What the pixels are derived from; stands in the file's SOFTWARE and IMAGEDESCRIPTION tags.
    time : datetime
        When the scene was sensed, UTC.
    """
    rows, columns = pixels.shape
    profile = {
        "driver": "GTiff",
        "width": columns,
        "height": rows,
        "count": 1,
        "dtype": pixels.dtype.name,
        "crs": CRS,
        "transform": Affine(resolution, 0, LEFT, 0, -resolution, TOP),
        "nodata": nodata,
        "tiled": True,
        "blockxsize": columns // 2,
        "blockysize": rows // 2,
        "compress": "deflate",
        "predictor": 3 if pixels.dtype.kind == "f" else 2,
    }
    tags = {
        "TIFFTAG_SOFTWARE": f"terrascope_nb sample archive, {lineage}",
        "TIFFTAG_IMAGEDESCRIPTION": lineage,
        "TIFFTAG_COPYRIGHT": COPYRIGHT,
        "TIFFTAG_DATETIME": f"{time:%Y:%m:%d %H:%M:%S}",
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.write(pixels, 1)
            dataset.update_tags(**tags)
        return bytes(memory.read())
