"""Tiles of an array in memory, or of one that only dask can compute, one time after the other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from terrascope_nb.cube.budget import size_text
from terrascope_nb.cube.cube_source import BLOCK, SMALL, CubeSource, level_of
from terrascope_nb.cube.geobox import grid_like
from terrascope_nb.errors import CubeError, GridError, MemoryBudgetError
from terrascope_nb.host.limits import available_memory
from terrascope_nb.raster.byte_cache import ByteCache
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.tiling import Kind, TilePixels

_SHARE = 0.25
"""Part of the available memory that an array without a plan may take to be drawn."""
_serial = itertools.count()


class ArrayTiles(CubeSource):
    """Tiles of an array in memory, or of one that is computed time by time."""

    def __init__(self, variables: Sequence[xr.DataArray], kind: Kind, name: str | None, *, why: str = "") -> None:
        self._arrays = [_upright(variable) for variable in variables]
        first = self._arrays[0]
        grid = _grid_of(first)
        if any(array.sizes != first.sizes for array in self._arrays):
            raise CubeError("the three bands of a colour picture lie on different pixels.")
        self._serial = next(_serial)
        one_time = sum(array.dtype.itemsize * math.prod(array.shape[-2:]) for array in self._arrays)
        self._is_lazy = not all(isinstance(array.variable._data, np.ndarray) for array in self._arrays)  # noqa: SLF001 - asks without computing
        if self._is_lazy:
            _check_budget(one_time, name or str(first.name), why)
        self._times: ByteCache[NDArray[Any]] = ByteCache(max(one_time, 2**28), lambda array: array.nbytes)
        factors = [2.0**n for n in range(16) if n == 0 or max(grid.shape) / 2.0**n > SMALL / 4]
        levels = [level_of(grid, (factor, factor), (0, 0)) for factor in factors]
        super().__init__(self._arrays, kind, name, grid, levels)

    @property
    def n_raw(self) -> int:
        """One per variable."""
        return len(self._arrays)

    def block_key(self, layer: int, time: int | None) -> Hashable:
        """Return this source, layer and time."""
        return "array", self._serial, layer, time

    def block(self, layer: int, time: int | None, level: int, at: tuple[int, int]) -> NDArray[Any]:
        """Return every n-th row and column."""
        every = int(self.levels[level].factor[0])
        whole = self._values_of(layer, time)
        rows, cols = (slice(place * BLOCK * every, (place + 1) * BLOCK * every) for place in at)
        part = whole[rows, cols]
        middle = [min(every // 2, size - 1) for size in part.shape]
        block = part[middle[0] :: every, middle[1] :: every]
        missing = [min(BLOCK, size - place * BLOCK) - got
                   for size, place, got in zip(self.levels[level].shape, at, block.shape, strict=True)]  # fmt: skip
        if any(missing):  # a last pixel of a level that holds less than half of it
            block = np.pad(block, [(0, gap) for gap in missing], mode="edge")
        return np.array(block)

    def finish(self, raw: tuple[NDArray[Any], ...], inside: NDArray[np.bool_]) -> TilePixels:
        """Return what was taken."""
        return self._pixels(raw, inside)

    def source_at(self, row: int, col: int, time: int | None) -> str:  # noqa: ARG002 - an array does not know
        """Return the ids of the items of that time, where the array says them."""
        ids = self._arrays[0].coords.get("item_ids")
        if ids is None:
            return ""
        return str(ids.values if ids.ndim == 0 else ids.values[0 if time is None else time])

    def _values_of(self, layer: int, time: int | None) -> NDArray[Any]:
        array = self._arrays[layer]
        if array.ndim == 3:
            array = array.isel({array.dims[0]: 0 if time is None else time})
        if not self._is_lazy:
            return np.asarray(array.values)
        return self._times.get((layer, time), lambda: np.asarray(array.values))


def _upright(variable: xr.DataArray) -> xr.DataArray:
    """Return an array with the two dimensions of the map last, and at most time before."""
    import odc.geo.xr  # noqa: F401 - registers the accessor that knows the dimensions of the map

    spatial = variable.odc.spatial_dims
    if spatial is None:
        raise GridError(
            f"{variable.name or 'this array'} has no dimensions of a map (y and x, or latitude and longitude); "
            f"it has {', '.join(map(str, variable.dims))}."
        )
    others = [dim for dim in variable.dims if dim not in spatial]
    dates = [dim for dim in others if dim in variable.coords and variable.coords[dim].dtype.kind == "M"]
    if others == dates and len(dates) == 1 and "time" not in variable.coords:
        variable, others = variable.rename({dates[0]: "time"}), ["time"]  # openEO calls it t, others timestamp
    if others not in ([], ["time"]):
        names = ", ".join(str(dim) for dim in others if dim != "time")
        raise CubeError(
            f"{variable.name or 'this array'} has the dimensions {names} besides time, y and x; choose with .isel."
        )
    return variable.transpose(*others, *spatial)


def _grid_of(array: xr.DataArray) -> PixelGrid:
    try:
        return grid_like(array)
    except GridError as error:
        raise GridError(
            f"{array.name or 'this array'} does not say where its pixels lie (a crs and evenly spaced coordinates). "
            "Give it a crs with .rio.write_crs(…) or .odc.assign_crs(…)."
        ) from error


def _check_budget(needed: int, name: str, why: str) -> None:
    available = available_memory()
    if needed <= _SHARE * available:
        return
    raise MemoryBudgetError(
        f"{name} cannot be read from overviews ({why}), and one time of it needs {size_text(needed)} of memory where "
        f"{size_text(_SHARE * available)} may be taken here. Draw the variable it was made of, cut out an area, or load it "
        "coarser (resolution=…) and compute it again.",
        needed=needed,
        available=available,
    )
