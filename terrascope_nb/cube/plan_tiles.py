"""Tiles of a cube straight from its files: its plan is run again on the overview that fits the zoom."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from terrascope_nb.catalogue.access import open_href
from terrascope_nb.cube.blocks import fuse_step
from terrascope_nb.cube.cube_source import BLOCK, SMALL, CubeSource, level_of
from terrascope_nb.cube.derived import Derived
from terrascope_nb.cube.plan import Plan
from terrascope_nb.errors import AccessError
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.info import FileInfo
from terrascope_nb.raster.positions import zoom_of
from terrascope_nb.raster.pyramid import Level
from terrascope_nb.raster.tiling import Kind, TilePixels
from terrascope_nb.raster.window import read_info

_DEEPER = 3
"""Levels beyond the coarsest overview of the files: each pixel then stands for eight of theirs."""
_AT_ONCE = 8
"""Blocks that are fetched at once from servers."""


class PlanTiles(CubeSource):
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
        top, left = at[0] * BLOCK, at[1] * BLOCK
        rows, cols = min(BLOCK, chosen.shape[0] - top), min(BLOCK, chosen.shape[1] - left)
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
            factors += [one for one in overviews if longer / max(one) > SMALL / 4]
        else:
            deepest += max(0, math.floor(spare + 0.1))
    for _ in range(deepest):
        if longer / max(factors[-1]) <= SMALL:
            break
        factors.append((factors[-1][0] * 2, factors[-1][1] * 2))
    return [level_of(grid, factor, at or (0, 0), max(factor) / free) for factor in factors]


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
