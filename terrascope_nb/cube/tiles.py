"""Tiles of a cube: re-run from its plan on the overview that fits the zoom, else from an array in memory."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from terrascope_nb.catalogue.access import open_href
from terrascope_nb.cube.blocks import fuse_step
from terrascope_nb.cube.budget import size_text
from terrascope_nb.cube.derived import Derived, derived
from terrascope_nb.cube.geobox import grid_like
from terrascope_nb.cube.plan import Plan
from terrascope_nb.cube.standing import DiffersError
from terrascope_nb.errors import AccessError, CubeError, GridError, MemoryBudgetError, UnknownBandError, near_misses
from terrascope_nb.host.limits import available_memory
from terrascope_nb.raster.byte_cache import ByteCache
from terrascope_nb.raster.cog_tiles import class_text
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.info import FileInfo
from terrascope_nb.raster.pyramid import Level, PyramidSource, zoom_of
from terrascope_nb.raster.tiling import Kind, TilePixels
from terrascope_nb.raster.window import read_info

_BLOCK = 512
"""Pixels of a block's side."""
_SMALL = 512
"""Pixels of the longer side below which no coarser level is of use."""
_DEEPER = 3
"""Levels beyond the coarsest overview of the files: each pixel then stands for eight of theirs."""
_AT_ONCE = 8
"""Blocks that are fetched at once from servers."""
_SHARE = 0.25
"""Part of the available memory that an array without a plan may take to be drawn."""
_TRUE_COLOUR = ("red", "green", "blue")
_MASK = {
    "flag_values": np.array([0, 1], dtype="uint8"),
    "flag_meanings": "false true",
    "flag_colors": "#d9d9d9 #0072b2",
}
_serial = itertools.count()


def cube_tiles(what: xr.DataArray | xr.Dataset, *, bands: Any = None, name: str | None = None) -> PyramidSource:
    """Return the tile source of a cube, one of its variables, an index, a mask, or any georeferenced array.

    A variable that still stands for its plan, or is worked out of such variables pixel by pixel, is read from the files
    on the overview that fits the zoom; its full grid is never computed. Any other is taken into memory, one time after
    the other, if that fits a quarter of what is available.

    Parameters
    ----------
    what : xarray.DataArray or xarray.Dataset
        Dims (time, y, x) or (y, x), or those of another georeferenced array. Of a Dataset ``bands`` chooses.
    bands : str, or three of them, optional
        Variables by name, common name or platform name: one, or red, green and blue. None = the only variable, else
        red, green and blue.
    name : str, optional
        What a person calls it.

    Returns
    -------
    TileSource

    Raises
    ------
    UnknownBandError
        The Dataset has no such variable.
    CubeError
        Dimensions that cannot be drawn.
    GridError
        It does not say where its pixels lie.
    MemoryBudgetError
        It has no plan and is too large to be computed.
    """
    variables = _chosen(what, bands)
    if len(variables) == 1:
        return _source(variables, "classes" if _is_classes(variables[0]) else "measurement", name)
    return _source(variables, "rgb", name or _rgb_name(variables))


def _source(variables: list[xr.DataArray], kind: Kind, name: str | None) -> PyramidSource:
    variables = [_squeezed(variable) for variable in variables]
    try:
        made = [derived(variable) for variable in variables]
    except DiffersError as reason:
        return ArrayTiles(variables, kind, name, why=str(reason))
    if any(one.grid != made[0].grid for one in made):
        return ArrayTiles(variables, kind, name, why="its bands lie on different pixels")
    return PlanTiles(made, variables, kind, name)


def _chosen(what: Any, bands: Any) -> list[xr.DataArray]:
    if isinstance(what, xr.DataArray):
        if bands is not None:
            raise CubeError("bands= chooses variables of a Dataset; a DataArray is one already.")
        return [what]
    names = [str(name) for name, variable in what.data_vars.items() if variable.ndim >= 2]
    if bands is None:
        if len(names) == 1:
            return [what[names[0]]]
        found = [_find(what, colour) for colour in _TRUE_COLOUR]
        if all(found):
            return [what[one] for one in found if one is not None]
        raise UnknownBandError(
            f"this cube has {', '.join(names) or 'no variable'}; say which to draw, bands='…' or three of them for red, "
            "green and blue.",
            band=None,
        )
    asked = [bands] if isinstance(bands, str) else list(bands)
    if len(asked) not in (1, 3):
        raise CubeError(f"bands={bands!r}: one variable, or three for red, green and blue.")
    return [what[_found(what, one, names)] for one in asked]


def _found(cube: xr.Dataset, band: Any, names: Sequence[str]) -> str:
    found = _find(cube, str(band))
    if found is None:
        near = near_misses(str(band), names)
        raise UnknownBandError(
            f"the cube has no band {band!r}; it has {', '.join(names) or 'none'}."
            f"{f' Did you mean {near[0]}?' if near else ''}",
            band=band,
        )
    return found


def _find(cube: xr.Dataset, band: str) -> str | None:
    for key in ("", "common_name", "band"):
        for name, variable in cube.data_vars.items():
            if band.lower() == str(variable.attrs.get(key, "") if key else name).lower():
                return str(name)
    return None


def _is_classes(variable: xr.DataArray) -> bool:
    return variable.dtype == bool or ("flag_values" in variable.attrs and variable.dtype.kind in "iu")


def _rgb_name(variables: Sequence[xr.DataArray]) -> str:
    return ", ".join(str(variable.name) for variable in variables)


def _squeezed(variable: xr.DataArray) -> xr.DataArray:
    """Return an array without dimensions of one, time and the two of the map aside."""
    spare = [dim for dim, size in variable.sizes.items() if size == 1 and dim not in {"time", *variable.dims[-2:]}]
    return variable.squeeze(spare, drop=True) if spare else variable


class _CubeSource(PyramidSource):
    """What tiles of plans and of arrays have in common."""

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


class PlanTiles(_CubeSource):
    """Tiles of variables that are worked out of a plan, on any of its levels."""

    def __init__(
        self, made: Sequence[Derived], variables: Sequence[xr.DataArray], kind: Kind, name: str | None
    ) -> None:
        self._made = tuple(made)
        self._bands = tuple({band.key: band for one in made for band in one.bands}.values())
        plan = self._bands[0].plan
        super().__init__(variables, kind, name, made[0].grid, _levels(plan, made[0].grid, self._bands[0].number))
        self._is_remote = _is_remote(plan)
        # One plan per level and band, so that a buffer round clouds is measured in its pixels.
        self._plans: dict[tuple[int, str], Plan] = {}

    @property
    def n_raw(self) -> int:
        """One per band that takes part."""
        return len(self._bands)

    def block_key(self, layer: int, time: int | None) -> Hashable:
        """Return plan, band and step."""
        band = self._bands[layer]
        return "plan", band.plan.token, band.number, self._step(layer, time), self.grid

    def block(self, layer: int, time: int | None, level: int, at: tuple[int, int]) -> NDArray[Any]:
        """Return values of a block: read, masked, decoded and fused as for the cube."""
        band, chosen = self._bands[layer], self.levels[level]
        top, left = at[0] * _BLOCK, at[1] * _BLOCK
        rows, cols = min(_BLOCK, chosen.shape[0] - top), min(_BLOCK, chosen.shape[1] - left)
        plan = self._plan_at(band.plan, level)
        return fuse_step(plan, plan.steps[self._step(layer, time)], band.number, plan.grid.crop(top, left, rows, cols))

    def ahead(self, time: int | None, level: int, region: tuple[int, int, int, int]) -> None:
        """Make all blocks under a region at once where they come over HTTP: waiting for a server takes no core."""
        wanted = [(layer, at) for layer in range(self.n_raw) for at in self.blocks_under(level, region)]
        if not self._is_remote or len(wanted) < 2:
            return

        def make(one: tuple[int, tuple[int, int]]) -> None:
            with contextlib.suppress(AccessError):  # whoever takes the block is told
                self.kept_block(one[0], time, level, one[1])

        with ThreadPoolExecutor(min(len(wanted), _AT_ONCE)) as pool:
            list(pool.map(make, wanted))

    def finish(self, raw: tuple[NDArray[Any], ...], inside: NDArray[np.bool_]) -> TilePixels:
        """Work out the variables of the bands."""
        by_band = {band.key: one for band, one in zip(self._bands, raw, strict=True)}
        with np.errstate(all="ignore"):
            layers = [np.asarray(one.apply([by_band[band.key] for band in one.bands])) for one in self._made]
        return self._pixels(layers, inside)

    def source_at(self, row: int, col: int, time: int | None) -> str:
        """Return the item whose pixel it is, or all of that time where several had a say."""
        spots = self.grid.crop(row, col, 1, 1)
        ids: list[str] = []
        for layer, band in enumerate(self._bands):
            step = band.plan.steps[self._step(layer, time)]
            for scene in step.scenes:
                if len(step.scenes) > 1:
                    alone = dataclasses.replace(step, scenes=(scene,))
                    value = fuse_step(band.plan, alone, band.number, spots)[0, 0]
                    fill = band.plan.bands[band.number].fill
                    if value == fill or value != value:  # noqa: PLR0124 - NaN
                        continue
                ids.append(scene.item_id)
                break
        return ";".join(dict.fromkeys(ids))

    def _step(self, layer: int, time: int | None) -> int:
        steps = self._bands[layer].steps
        return steps[0] if time is None or len(steps) == 1 else steps[time]

    def _plan_at(self, plan: Plan, level: int) -> Plan:
        key = level, plan.token
        found = self._plans.get(key)
        if found is None:
            grid = self.levels[level].grid(self.grid)
            bands = plan.bands
            if level:  # an average over pixels that are averages already would read the full resolution for nothing
                bands = tuple(dataclasses.replace(band, resampling="nearest") for band in bands)
            found = self._plans[key] = dataclasses.replace(plan, grid=grid, bands=bands)
        return found


def _levels(plan: Plan, grid: PixelGrid, number: int) -> list[Level]:
    """Return the levels of a cube: the overviews of its first file where it lies on the file's pixels, and halves beyond."""
    info = _first_info(plan, number)
    factors: list[tuple[float, float]] = [(1.0, 1.0)]
    longer = max(grid.shape)
    at, deepest, free = None, _DEEPER, 1.0
    if info is not None and info.grid.crs and info.levels:
        height, width = info.levels[0]
        overviews = [(height / rows, width / cols) for rows, cols in info.levels[1:]]
        coarsest = max(map(max, overviews), default=1.0)
        spare = math.log2(coarsest) + zoom_of(grid) - zoom_of(info.grid)
        free = 2.0**spare  # pixels of the grid along one of the coarsest overview
        at = grid.offset_in(info.grid)
        if at is not None:
            factors += [one for one in overviews if longer / max(one) > _SMALL / 4]
        else:
            deepest += max(0, math.floor(spare + 0.1))
    for _ in range(deepest):
        if longer / max(factors[-1]) <= _SMALL:
            break
        factors.append((factors[-1][0] * 2, factors[-1][1] * 2))
    return [_level(grid, factor, at or (0, 0), max(factor) / free) for factor in factors]


def _level(grid: PixelGrid, factor: tuple[float, float], at: tuple[int, int], thinned: float = 1.0) -> Level:
    """Return a level whose pixels and blocks are those of the file that has the grid's first pixel at (row, column).

    ``thinned`` tells how many pixels of the files lie along one of its own.
    """
    shape, shift = [], []
    for size, step, begin in zip(grid.shape, factor, at, strict=True):
        first = math.floor(begin / step) // _BLOCK * _BLOCK
        shift.append(begin - first * step)
        shape.append(math.ceil((begin + size) / step - 1e-9) - first)
    cost = 1.0 if thinned < 1.5 else thinned**2
    return Level((shape[0], shape[1]), (_BLOCK, _BLOCK), factor, (shift[0], shift[1]), cost)


def _is_remote(plan: Plan) -> bool:
    """Return whether the first file that may be opened lies behind HTTP."""
    for source in (one for step in plan.steps for scene in step.scenes for one in scene.sources):
        if source is not None and not source.failed:
            with contextlib.suppress(AccessError):
                return open_href(source.ref).startswith(("http://", "https://"))
    return False


def _first_info(plan: Plan, number: int) -> FileInfo | None:
    """Return what the first readable file of a band says."""
    for step in plan.steps:
        for scene in step.scenes:
            source = scene.sources[number]
            if source is None or source.failed:
                continue
            try:
                return read_info(open_href(source.ref), band=source.band_index, variable=source.variable)
            except AccessError:
                continue  # reading its pixels says so, by name
    return None


class ArrayTiles(_CubeSource):
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
        factors = [2.0**n for n in range(16) if n == 0 or max(grid.shape) / 2.0**n > _SMALL / 4]
        levels = [_level(grid, (factor, factor), (0, 0)) for factor in factors]
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
        rows, cols = (slice(place * _BLOCK * every, (place + 1) * _BLOCK * every) for place in at)
        part = whole[rows, cols]
        middle = [min(every // 2, size - 1) for size in part.shape]
        block = part[middle[0] :: every, middle[1] :: every]
        missing = [min(_BLOCK, size - place * _BLOCK) - got
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
