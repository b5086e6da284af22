"""What the vegetation index of the sample is by rasterio, pyproj and numpy alone; nothing of the package is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
from pyproj import Transformer
from support.notebooks import Notebook

_SCALE, _OFFSET, _LAST_COUNT = 0.004, -0.08, 250  # Terrascope's FAQ
_CLEAR = (2, 4, 5, 6, 7)
"""Classes that the preset "clear" keeps, by their numbers in the file."""


@dataclass(frozen=True)
class Scene:
    """Values of one file, NaN where they are not clear."""

    values: np.ndarray
    crs: str
    transform: rasterio.Affine

    def at(self, lon: float, lat: float) -> float:
        """Return the value of the pixel that holds a place."""
        x, y = Transformer.from_crs("EPSG:4326", self.crs, always_xy=True).transform(lon, lat)
        col, row = ~self.transform * (x, y)
        return float(self.values[int(np.floor(row)), int(np.floor(col))])

    def within(self, bbox: Sequence[float]) -> np.ndarray:
        """Return the values of the whole pixels that the bounds of west, south, east, north touch in the file's crs."""
        to_crs = Transformer.from_crs("EPSG:4326", self.crs, always_xy=True)
        left, bottom, right, top = to_crs.transform_bounds(*bbox)
        (col, row), (last_col, last_row) = ~self.transform * (left, top), ~self.transform * (right, bottom)
        rows = slice(max(int(np.floor(row)), 0), int(np.ceil(last_row)))
        return self.values[rows, max(int(np.floor(col)), 0) : int(np.ceil(last_col))]


def read_scene(ndvi: str, classes: str) -> Scene:
    """Read the index and, with pixels of twice the size, its scene classes."""
    with rasterio.open(ndvi) as file, rasterio.open(classes) as beside:
        counts, crs, transform = file.read(1), file.crs.to_string(), file.transform
        assert (beside.transform.c, beside.transform.f, beside.transform.a) == (
            transform.c,
            transform.f,
            2 * transform.a,
        )
        coarse = beside.read(1)
    fine = coarse.repeat(2, axis=0).repeat(2, axis=1)[: counts.shape[0], : counts.shape[1]]
    good = (counts <= _LAST_COUNT) & np.isin(fine, _CLEAR)
    return Scene(np.where(good, counts * _SCALE + _OFFSET, np.nan), crs, transform)


def kept_scenes(notebook: Notebook, items: str = "explorer.items") -> list[Scene]:
    """Read the files of the items that a kernel holds."""
    hrefs = notebook.ask(f"[[item.assets[name].href for name in ('NDVI', 'SCL')] for item in {items}]")
    return [read_scene(*(href.removeprefix("file://") for href in pair)) for pair in hrefs]
