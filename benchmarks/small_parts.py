"""Time the small parts that everything else is made of; prints microseconds, the best of several runs."""

from __future__ import annotations

import tempfile
import timeit
from pathlib import Path

import numpy as np
import rasterio

from terrascope_nb.extent.mgrs import tiles_of
from terrascope_nb.extent.places import find_place
from terrascope_nb.products.names import parse_name
from terrascope_nb.raster.header import read_header


def best(what: str, work: object, number: int) -> None:
    """Print the best time of one call."""
    seconds = min(timeit.repeat(work, number=number, repeat=7)) / number
    print(f"{what:50s} {seconds * 1e6:10.1f} µs")


def main() -> None:
    """Run all."""
    belgium = find_place("Belgium").geometry
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        with rasterio.open(
            path, "w", driver="GTiff", width=2000, height=2000, count=1, dtype="int16", crs="EPSG:32631", tiled=True,
            blockxsize=256, blockysize=256, compress="deflate", transform=rasterio.Affine(10, 0, 6e5, 0, -10, 5.7e6),
        ) as dataset:  # fmt: skip
            dataset.write(np.zeros((2000, 2000), "int16"), 1)
        best("the header of a GeoTIFF", lambda: read_header(path), 200)
    best("one file name", lambda: parse_name("S2A_20190307T105021_31UFS_SCENECLASSIFICATION_20M_V210.tif"), 2000)
    best("the tiles of Belgium", lambda: tiles_of(belgium), 5)


if __name__ == "__main__":
    main()
