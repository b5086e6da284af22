"""What tiles of plans and tiles of arrays have in common: names, times, gaps, and levels of blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from terrascope_nb.raster.cog_tiles import class_text
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.pyramid import Level, PyramidSource
from terrascope_nb.raster.tiling import Kind, TilePixels

BLOCK = 512
"""Pixels of a block's side."""
SMALL = 512
"""Pixels of the longer side below which no coarser level is of use."""
_MASK = {
    "flag_values": np.array([0, 1], dtype="uint8"),
    "flag_meanings": "false true",
    "flag_colors": "#d9d9d9 #0072b2",
}


class CubeSource(PyramidSource):
    """A `TileSource` of variables of a cube, or of any georeferenced array."""

    def __init__(
        self,
        variables: Sequence[xr.DataArray],
        kind: Kind,
        name: str | None,
        grid: PixelGrid,
        levels: Sequence[Level],
    ) -> None:
        first = variables[0]
        self.kind = kind
        self.layer_names = tuple(str(variable.name or "value") for variable in variables)
        self.name = name or str(first.name or first.attrs.get("long_name") or "value")
        self.units = str(first.attrs.get("units", ""))
        self.attrs = {str(key): value for key, value in first.attrs.items()}
        if first.dtype == bool:
            self.attrs.update(_MASK)
        self.attribution = str(first.attrs.get("attribution", ""))
        times = first.coords["time"].values if "time" in first.coords else []
        self.times = tuple(np.datetime64(one, "ns") for one in np.atleast_1d(times))
        fills = [variable.attrs.get("nodata", variable.attrs.get("_FillValue")) for variable in variables]
        fills = [
            variable.encoding.get("_FillValue") if fill is None else fill
            for variable, fill in zip(variables, fills, strict=True)
        ]
        self._fills = fills
        super().__init__(grid, levels)

    def text_of(self, values: tuple[float | int | None, ...]) -> str:
        """Return the number, or the name of the class."""
        return class_text(self.attrs, values) if self.kind == "classes" else super().text_of(values)

    def _pixels(self, layers: Sequence[NDArray[Any]], inside: NDArray[np.bool_]) -> TilePixels:
        """Return layers with what is nothing left out of ``inside``, and NaN where that can be said."""
        done = []
        for layer, fill in zip(layers, self._fills, strict=True):
            values = layer.astype("uint8") if layer.dtype == bool else layer
            if values.dtype.kind == "f":
                inside &= ~np.isnan(values)
            if fill is not None and not (isinstance(fill, float) and math.isnan(fill)):
                inside &= values != fill
            done.append(values)
        if not inside.all():
            for number, values in enumerate(done):
                if values.dtype.kind == "f":
                    done[number] = np.where(inside, values, values.dtype.type(np.nan))
        return TilePixels(tuple(done), inside)


def level_of(grid: PixelGrid, factor: tuple[float, float], at: tuple[int, int], thinned: float = 1.0) -> Level:
    """Return a level whose pixels and blocks are those of the file that has the grid's first pixel at (row, column).

    ``thinned`` tells how many pixels of the files lie along one of its own.
    """
    shape, shift = [], []
    for size, step, begin in zip(grid.shape, factor, at, strict=True):
        first = math.floor(begin / step) // BLOCK * BLOCK
        shift.append(begin - first * step)
        shape.append(math.ceil((begin + size) / step - 1e-9) - first)
    cost = 1.0 if thinned < 1.5 else thinned**2
    return Level((shape[0], shape[1]), (BLOCK, BLOCK), factor, (shift[0], shift[1]), cost)
