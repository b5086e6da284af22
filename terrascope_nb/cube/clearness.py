"""How much of the area is clear and covered at each time, from the quality band alone."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from shapely import from_wkb, union_all
from shapely.geometry.base import BaseGeometry

from terrascope_nb.cube.blocks import clip_mask, read_source
from terrascope_nb.cube.plan import Plan, Step
from terrascope_nb.cube.progress import Meter
from terrascope_nb.cube.quality import missing_flags
from terrascope_nb.errors import NothingFoundError
from terrascope_nb.host.limits import cores
from terrascope_nb.host.waiting import carrying_stop, stoppable
from terrascope_nb.raster.grid import PixelGrid

_MOST_PIXELS = 1024
"""Longest side of the grid on which shares are measured; a share of a million pixels is good to a tenth of a percent."""


def area_grid(plan: Plan) -> PixelGrid:
    """Return the part of a plan's grid that holds the area; the grid of a field may be a whole tile (``like=``)."""
    grid = plan.grid
    if plan.clip is None or not grid.is_north_up:
        return grid
    left, bottom, right, top = from_wkb(plan.clip).bounds
    a, _, c, _, e, f = grid.transform
    cols, rows = sorted(((left - c) / a, (right - c) / a)), sorted(((top - f) / e, (bottom - f) / e))
    row0, col0 = max(math.floor(rows[0]), 0), max(math.floor(cols[0]), 0)
    row1, col1 = min(math.ceil(rows[1]), grid.shape[0]), min(math.ceil(cols[1]), grid.shape[1])
    return grid.crop(row0, col0, row1 - row0, col1 - col0) if row0 < row1 and col0 < col1 else grid


def coarse_grid(grid: PixelGrid) -> PixelGrid:
    """Return the grid itself, or the same ground cut in at most `_MOST_PIXELS` pixels a side."""
    rows, cols = grid.shape
    factor = math.ceil(max(rows, cols) / _MOST_PIXELS)
    if factor <= 1:
        return grid
    a, b, c, d, e, f = grid.transform
    wide = (a * factor, b * factor, c, d * factor, e * factor, f)
    return PixelGrid(grid.crs, wide, (math.ceil(rows / factor), math.ceil(cols / factor)))


def measure_step(plan: Plan, step: Step) -> Step:
    """Return the step with its clear and covered share of the area, in percent.

    The area is every pixel whose centre lies in it (the whole grid when the area does not clip). Covered: some scene's
    quality band says something. Clear: the mask keeps it in some scene.
    """
    assert plan.mask is not None
    grid = coarse_grid(area_grid(plan))
    area = np.ones(grid.shape, dtype=bool) if plan.clip is None else clip_mask(plan.clip, grid)
    covered = np.zeros(grid.shape, dtype=bool)
    clear = np.zeros(grid.shape, dtype=bool)
    for scene in step.scenes:
        window = None if scene.quality is None else read_source(plan, scene.quality, grid, "nearest")
        if window is None:
            continue
        present = window.inside & ~missing_flags(plan, window.stored)
        covered |= present
        clear |= present & plan.mask.apply(window.stored)
    n_area = int(area.sum())
    if n_area == 0:  # the area lies beside the grid
        return replace(step, clear_percent=0.0, coverage_percent=0.0)
    return replace(
        step,
        clear_percent=100.0 * int((clear & area).sum()) / n_area,
        coverage_percent=100.0 * int((covered & area).sum()) / n_area,
    )


def measure_footprints(
    steps: Sequence[Step], footprints: Mapping[str, BaseGeometry | None], area: BaseGeometry | None
) -> list[Step]:
    """Return the steps with the share of the area that the items' footprints cover (no quality band)."""
    if area is None:
        return [replace(step, coverage_percent=100.0) for step in steps]
    measured = []
    for step in steps:
        known = [shape for scene in step.scenes if (shape := footprints.get(scene.item_id)) is not None]
        share = union_all(known).intersection(area).area / area.area if known and area.area else float("nan")
        measured.append(replace(step, coverage_percent=100.0 * share))
    return measured


def choose_steps(
    plan: Plan, *, min_clear: float, min_coverage: float, measured: Sequence[Step]
) -> tuple[list[Step], list[tuple[str, str]]]:
    """Return the steps that are clear and covered enough, and what was left out and why.

    Raises
    ------
    NothingFoundError
        No time is left; the message names the best one.
    """
    kept: list[Step] = []
    dropped: list[tuple[str, str]] = []
    for step in measured:
        stamp = np.datetime_as_string(step.time, unit="m")
        if step.coverage_percent < min_coverage:
            dropped.append((stamp, f"covers {step.coverage_percent:.1f} % of the area, {min_coverage:g} % asked"))
        elif step.clear_percent < min_clear:
            dropped.append((stamp, f"{step.clear_percent:.1f} % of the area is clear, {min_clear:g} % asked"))
        else:
            kept.append(step)
    if not kept:
        best = max(measured, key=lambda step: np.nan_to_num(step.clear_percent, nan=-1.0))
        raise NothingFoundError(
            f"None of {len(measured)} times has min_clear={min_clear:g} % and min_coverage={min_coverage:g} % of "
            f"{plan.product_id} over the area; the best is {np.datetime_as_string(best.time, unit='m')} with "
            f"{best.clear_percent:.1f} % clear and {best.coverage_percent:.1f} % covered. Ask for less, or widen the period.",
            best=best.time,
        )
    return kept, dropped


def measure_all(plan: Plan) -> list[Step]:
    """Measure every step of a plan on all cores, with a sign of life."""
    with Meter("reading quality flags", len(plan.steps)) as meter, ThreadPoolExecutor(cores()) as pool, stoppable():
        measured = []
        for step in pool.map(carrying_stop(functools.partial(measure_step, plan)), plan.steps):
            measured.append(step)
            meter.advance()
    return measured
