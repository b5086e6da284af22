"""The Sentinel-2 part of the sample: TOC and NDVI folders named as in the Terrascope archive."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.sample.contents import BANDS_10M, TILE, Contents, satellite
from terrascope_nb.sample.geotiff import geotiff

LINEAGE = (
    "derived from ESA Sentinel-2 L2A (Sen2Cor, via Google Earth Engine, WorldCereal patch 00002806639B424A); "
    "not a Terrascope product"
)
REFLECTANCE_NODATA = 32767
NDVI_NODATA = 255
_ROOT = "TERRASCOPE_Sentinel2"
_VERSION = "V000"  # Terrascope never issued it


def scene_files(contents: Contents) -> Iterator[tuple[str, bytes]]:
    """Yield path below the archive root and content of each file of each scene."""
    for index, time in enumerate(contents.times):
        yield from _one_scene(contents, index, time)


def ndvi_stored(red: NDArray[np.uint16], nir: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return NDVI as Terrascope stores it: round((NDVI + 0.08) / 0.004) within 0-250, 255 where a band has nothing."""
    red_value, nir_value = red.astype(np.float64), nir.astype(np.float64)
    missing = (red == 0) | (nir == 0)
    ndvi = np.divide(nir_value - red_value, nir_value + red_value, out=np.zeros_like(red_value), where=~missing)
    stored = np.clip(np.rint((ndvi + 0.08) / 0.004), 0, 250)
    return np.where(missing, NDVI_NODATA, stored).astype(np.uint8)


def _one_scene(contents: Contents, index: int, time: datetime) -> Iterator[tuple[str, bytes]]:
    scene = f"{satellite(time.date())}_{time:%Y%m%dT%H%M%S}_{TILE}"
    classes = geotiff(contents.scl[index], 20, None, lineage=LINEAGE, time=time)

    folder = f"{_ROOT}/TOC_V2/{time:%Y/%m/%d}/{scene}_TOC_{_VERSION}"
    for band, stack in contents.bands.items():
        resolution = 10 if band in BANDS_10M else 20
        stored = np.where(stack[index] == 0, REFLECTANCE_NODATA, stack[index]).astype(np.int16)
        tiff = geotiff(stored, resolution, REFLECTANCE_NODATA, lineage=LINEAGE, time=time)
        yield f"{folder}/{scene}_TOC-{band}_{resolution}M_{_VERSION}.tif", tiff
    yield f"{folder}/{scene}_SCENECLASSIFICATION_20M_{_VERSION}.tif", classes

    folder = f"{_ROOT}/NDVI_V2/{time:%Y/%m/%d}/{scene}_NDVI_{_VERSION}"
    ndvi = ndvi_stored(contents.bands["B04"][index], contents.bands["B08"][index])
    yield f"{folder}/{scene}_NDVI_10M_{_VERSION}.tif", geotiff(ndvi, 10, NDVI_NODATA, lineage=LINEAGE, time=time)
    yield f"{folder}/{scene}_SCENECLASSIFICATION_20M_{_VERSION}.tif", classes
