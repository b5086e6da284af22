"""What load() decided, so that every task, every later verb and `explain` can tell the same story."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

import numpy as np

from terrascope_nb.catalogue.access import AssetRef
from terrascope_nb.products.model import Band
from terrascope_nb.products.quality import MaskRule
from terrascope_nb.raster.grid import PixelGrid

PLAN_ATTRIBUTE = "terrascope_plan"
"""Attribute of a cube and its variables that carries the plan."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How stored numbers of one file become physical values; None = not said here."""

    scale: float | None
    """physical = stored * scale + offset."""
    offset: float | None
    """physical = stored * scale + offset."""
    nodata: float | None
    """Stored number that means nothing here."""
    origin: str
    """Who said it: ``item``, ``file``, ``table`` or a mixture, e.g. ``item+table``."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file of one item."""

    ref: AssetRef
    """Where it may be opened."""
    scale: float | None
    """What the item says; None = nothing."""
    offset: float | None
    """What the item says; None = nothing."""
    nodata: float | None
    """What the item says; None = nothing."""
    grid: PixelGrid | None
    """The file's grid as the item says it; None = ask the file."""
    dtype: str | None = None
    """Stored type as the item says it; None = ask the file."""
    band_index: int = 1
    """Band of the file, from 1."""
    variable: str | None = None
    """Variable of a NetCDF file."""
    failed: str = ""
    """Why this file is not read (``on_error="skip"``); empty = it is."""


@dataclass(frozen=True, slots=True)
class BandPlan:
    """One variable of the cube."""

    variable: str
    """Name the user asked for."""
    band: Band
    """What the table (or the item) knows of it."""
    dtype: str
    """Type of the variable."""
    fill: float
    """What stands where nothing is valid: NaN, or a stored number for classes and stored data."""
    resampling: str
    """Used only where the file's grid is not the cube's."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One item's files: a source per band, and its quality file."""

    item_id: str
    """Item id."""
    sources: tuple[Source | None, ...]
    """One per band of the plan; None where the item has no such asset."""
    quality: Source | None
    """File of the quality band, when the plan masks."""


@dataclass(frozen=True, slots=True)
class Step:
    """One time of the cube: the scenes that fuse, first choice first."""

    time: np.datetime64
    """UTC time of the earliest scene."""
    scenes: tuple[Scene, ...]
    """First choice first."""
    clear_percent: float = float("nan")
    """Clear share of the area, when it was asked for."""
    coverage_percent: float = float("nan")
    """Share of the area that the scenes cover, when it was asked for."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be read."""

    item_id: str
    """Item id."""
    asset: str
    """Asset key."""
    href: str
    """Where it was looked for."""
    reason: str
    """What went wrong."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a task needs to make one block of the cube."""

    token: str
    """Names the dask keys; equal inputs give an equal token."""
    product_id: str
    """Our product id, or the collection id of a foreign collection."""
    grid: PixelGrid
    """The cube's pixel grid."""
    bands: tuple[BandPlan, ...]
    """The variables."""
    steps: tuple[Step, ...]
    """The times."""
    physical: bool
    """True: physical float32 values; False: stored numbers."""
    mask: MaskRule | None = None
    """Which quality flags are kept."""
    mask_band: Band | None = None
    """The quality band."""
    mask_buffer: float = 0.0
    """Metres around what the mask removes that are removed too."""
    clip: bytes | None = None
    """WKB of the area in the grid's crs; pixels whose centre lies outside are dropped."""
    on_error: str = "raise"
    """``"raise"`` or ``"skip"``."""
    parameters: tuple[tuple[str, str], ...] = ()
    """The arguments of load(), as text."""
    foreign: bool = False
    """True when no table of ours covers the collection."""
    notes: tuple[str, ...] = ()
    """What was decided for the user."""
    dropped: tuple[tuple[str, str], ...] = ()
    """Dates or items left out, with the reason."""
    failures: tuple[Failure, ...] = ()
    """Files found unreadable before any pixel was read."""
    lineages: tuple[str, ...] = ()
    """What the items say they were derived from (``processing:lineage``)."""
    roots: tuple[Path, ...] = field(default=())
    """Trusted folders besides the configured archive roots."""

    @property
    def n_bytes(self) -> int:
        """Size of the whole cube in memory."""
        rows, cols = self.grid.shape
        per_pixel = sum(np.dtype(band.dtype).itemsize for band in self.bands)
        return rows * cols * len(self.steps) * per_pixel

    def summary(self) -> str:
        """Return one line for the attribute that carries the plan."""
        rows, cols = self.grid.shape
        n_items = sum(len(step.scenes) for step in self.steps)
        return (
            f"{self.product_id}: {', '.join(b.variable for b in self.bands)}; {len(self.steps)} times from {n_items} "
            f"items; {rows} x {cols} pixels of {self.grid.resolution[1]:g} in {_crs_name(self.grid.crs)}; "
            "explain(cube) tells the rest"
        )


def _getter(kind: type, *, but: Sequence[str], inside: str = "") -> attrgetter[tuple[Any, ...]]:
    return attrgetter(*(inside + known.name for known in fields(kind) if known.name not in but))


_FACTS_OF_STEP = _getter(Step, but=("scenes",))
_FACTS_OF_REF = _getter(AssetRef, but=("roots",), inside="ref.")
_FACTS_OF_SOURCE = _getter(Source, but=("ref", "grid"))


def token_of(plan: Plan) -> str:
    """Return the token of a plan: 40 hexadecimal digits, equal for equal plans whatever objects they are made of.

    Of a text, not of a pickle: equal plans of equal but not identical parts pickle differently.
    """
    numbers: dict[str, int] = {}
    by_object: dict[int, int] = {}

    def number(shared: Any) -> int:
        # Grids and roots are the same for most files; they are written once.
        if id(shared) not in by_object:
            by_object[id(shared)] = numbers.setdefault(repr(shared), len(numbers))
        return by_object[id(shared)]

    def told(source: Source | None) -> Any:
        if source is None:
            return None
        return _FACTS_OF_REF(source), number(source.ref.roots), _FACTS_OF_SOURCE(source), number(source.grid)

    steps = [
        (
            _FACTS_OF_STEP(step),
            [(scene.item_id, [*map(told, scene.sources)], told(scene.quality)) for scene in step.scenes],
        )
        for step in plan.steps
    ]
    text = repr((replace(plan, steps=(), token=""), steps, [*numbers]))
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Edges(tuple[tuple[int, ...], ...]):
    """Where blocks begin along time, y and x, with the end as last number.

    No plain tuple, so that dask takes it as it is and does not look for arrays number by number.
    """

    __slots__ = ()


def _crs_name(crs: str) -> str:
    return crs if len(crs) < 20 else crs.split('"')[1] if '"' in crs else crs[:20]


class PlanText(str):
    """A plan dressed as its one-line summary.

    Attributes of a cube must be plain text or numbers for it to be written to NetCDF or Zarr, and must survive
    slicing, ``compute`` and the trip to another process: a text that carries the plan does all of that.
    """

    __slots__ = ("plan",)
    plan: Plan

    def __new__(cls, plan: Plan) -> Self:
        """Return the summary of a plan that carries the plan."""
        text = super().__new__(cls, plan.summary())
        text.plan = plan
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        return PlanText, (self.plan,)

    def __copy__(self) -> PlanText:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> PlanText:
        return self


def plan_of(cube: Any) -> Plan | None:
    """Return the plan that load() recorded in a cube or one of its variables, or None."""
    found = cube.attrs.get(PLAN_ATTRIBUTE)
    if isinstance(found, PlanText):
        return found.plan
    for variable in getattr(cube, "data_vars", {}).values():
        found = variable.attrs.get(PLAN_ATTRIBUTE)
        if isinstance(found, PlanText):
            return found.plan
    return None


def describe_plan(plan: Plan, *, steps: Sequence[Step] | None = None) -> str:
    """Return what load() decided, as text for people."""
    rows, cols = plan.grid.shape
    left, bottom, right, top = plan.grid.bounds
    shown = plan.steps if steps is None else steps
    size = plan.n_bytes * len(shown) / max(len(plan.steps), 1)
    lines = [
        f"product    {plan.product_id}",
        (
            f"grid       {rows} x {cols} pixels of {plan.grid.resolution[1]:g}, {_crs_name(plan.grid.crs)}, "
            f"x {left:.10g}..{right:.10g}, y {bottom:.10g}..{top:.10g}"
        ),
        f"size       {size / 1e6:,.1f} MB for {len(shown)} times x {len(plan.bands)} variables",
        f"values     {'physical, float32, NaN where not valid' if plan.physical else 'stored numbers'}",
    ]
    lines += [_band_line(band, plan) for band in plan.bands]
    if plan.mask is not None:
        buffer = f", and {plan.mask_buffer:g} m around the rest dropped" if plan.mask_buffer else ""
        lines.append(
            f"mask       keeps {', '.join(plan.mask.names)} of {plan.mask_band.name if plan.mask_band else ''}{buffer}"
        )
    if plan.clip is not None:
        lines.append("clip       pixels whose centre lies outside the area are dropped")
    lines += [f"note       {note}" for note in plan.notes]
    lines += [f"left out   {what}: {why}" for what, why in plan.dropped]
    lines += [f"failed     {f.item_id} {f.asset}: {f.reason}" for f in plan.failures]
    for step in shown:
        clear = "" if np.isnan(step.clear_percent) else f"  clear {step.clear_percent:.0f} %"
        covered = "" if np.isnan(step.coverage_percent) else f"  covered {step.coverage_percent:.0f} %"
        stamp = np.datetime_as_string(step.time, unit="s")
        lines.append(f"time       {stamp}{clear}{covered}  {'; '.join(scene.item_id for scene in step.scenes)}")
    return "\n".join(lines)


def _band_line(band: BandPlan, plan: Plan) -> str:
    said = ""
    for step in plan.steps[:1]:
        for scene in step.scenes[:1]:
            source = scene.sources[plan.bands.index(band)]
            if source is not None and source.scale is not None:
                said = f", item says scale {source.scale:g} offset {source.offset or 0:g} nodata {source.nodata}"
    return f"variable   {band.variable} = {band.band.name}, {band.dtype}, resampling {band.resampling}{said}"
