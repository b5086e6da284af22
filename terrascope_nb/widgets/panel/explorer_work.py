"""What the explorer does, without any widget: the selection as code, the size before loading, the cube."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyproj import CRS

from terrascope_nb.catalogue.item_facts import time_of
from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.query import search
from terrascope_nb.catalogue.snippet import Selection
from terrascope_nb.cube.budget import fits, size_text
from terrascope_nb.errors import TerrascopeError
from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.extent.period import Period
from terrascope_nb.host.limits import available_memory
from terrascope_nb.widgets.parts.background import Cancel
from terrascope_nb.words import say

if TYPE_CHECKING:
    import xarray as xr

    from terrascope_nb.cube.progress import Meter
    from terrascope_nb.widgets.parts.status_line import StatusLine

_SAMPLE = "sample archive"
"""What the catalogue calls the archive that comes with the package."""


_EVERY = 0.25
"""Seconds between two lines that tell how far the work is."""


def day_of(item: Any) -> str:
    """Return the UTC day of an item as text; empty when it has no time."""
    moment = time_of(item)
    return "" if moment is None else moment.date().isoformat()


def split_dropped(found: Items, dropped: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the days all of whose items are dropped, and the ids that are dropped beside them."""
    by_day: dict[str, list[str]] = {}
    for item in found:
        by_day.setdefault(day_of(item), []).append(item.id)
    days = [day for day, ids in by_day.items() if day and all(one in dropped for one in ids)]
    within = {one for day in days for one in by_day[day]}
    return sorted(days), [item.id for item in found if item.id in dropped and item.id not in within]


def closed_period(period: Period | None, found: Items, *, today: date | None = None) -> Period | None:
    """Return the period with its open end closed today, so that a search tomorrow finds the same; maps without dates keep None."""
    today = today or datetime.now(UTC).date()
    last = max((moment.date() for item in found if (moment := time_of(item))), default=None)
    if last is None or last > today:
        return period
    spans = ((None, None),) if period is None else period.spans
    first, end = spans[-1]
    if end is not None or (first is not None and first > today):
        return period
    return Period((*spans[:-1], (first, today)))


def source_code(asked: Any, found: Items) -> Any:
    """Return what ``source=`` must be for the same catalogue to be searched again; None = the usual one."""
    if asked is not None:
        return asked if isinstance(asked, str) else str(getattr(asked, "path", None) or asked)
    if found.source == _SAMPLE:
        return "sample"
    return found.source if found.source and Path(found.source).exists() else None


@dataclass(frozen=True, slots=True)
class Asked:
    """One search as it was asked; it stays with what it found, whatever is chosen later."""

    product: str
    """The name that was searched by."""
    area: Aoi | None
    """Where."""
    period: Period | None
    """When."""
    filters: Mapping[str, Any]
    """Further keyword arguments."""
    source: Any = field(default=None, compare=False)
    """Which catalogue."""

    def search(self) -> Items:
        """Return what it finds now."""
        return search(self.product, self.area, self.period, **self.filters, source=self.source)


def carried(before: Items, dropped: Collection[str], found: Items, *, days: bool) -> tuple[list[str], list[str]]:
    """Return the ids that stay left out after another search, and the names that it did not find.

    Parameters
    ----------
    before, found : Items
        What the search before and this one found.
    dropped : collection of str
        Ids that were left out.
    days : bool
        True: of a day that was left out whole, all scenes stay out, those that are new too.
    """
    whole, singles = split_dropped(before, dropped)
    names = [*whole, *singles] if days else [item.id for item in before if item.id in dropped]
    ids, unknown = found.meant(names)
    return list(ids), list(unknown)


def selection_of(found: Items, asked: Asked, *, dropped: Collection[str], load: Mapping[str, Any] | None) -> Selection:
    """Return everything that makes the kept items, and the cube, again."""
    days, singles = split_dropped(found, dropped)
    return Selection(
        asked.product,
        asked.area,
        closed_period(asked.period, found),
        {**asked.filters, "source": source_code(asked.source, found)},
        (*days, *singles),
        load,
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """How large a cube would be."""

    times: int
    """Dates after the scenes of a pass are fused."""
    variables: int
    """Bands."""
    shape: tuple[int, int]
    """Rows and columns."""
    resolution: float
    """Pixel size in the unit of the coordinate system."""
    unit: str
    """That unit: m, ° or its name."""
    n_bytes: int
    """Size with all values in memory."""
    available: int
    """Memory that is ours now."""

    @property
    def is_too_big(self) -> bool:
        """Whether all values at once would not fit."""
        return not fits(self.n_bytes, self.available)

    def __str__(self) -> str:
        text = say(
            "Dates: {times}, bands: {variables}, {rows} × {cols} pixels of {resolution}: {size} when all is read; "
            "{available} of memory free here",
            times=self.times,
            variables=self.variables,
            rows=self.shape[0],
            cols=self.shape[1],
            resolution=f"{self.resolution:g} {self.unit}",
            size=size_text(self.n_bytes),
            available=size_text(self.available),
        )
        if self.is_too_big:
            text += ". " + say(
                "That does not fit at once. Loading stays lazy, so composite, time_series and export work piece by piece; "
                "or drop dates, choose fewer bands or a smaller area."
            )
        return text


def make_cube(items: Items, area: Aoi | None, options: Mapping[str, Any]) -> xr.Dataset:
    """Return the lazy cube of the kept items."""
    from terrascope_nb.cube.loader import load  # xarray and dask: only who loads pays for them

    return load(items, area=area, **options)


def estimate(items: Items, area: Aoi | None, options: Mapping[str, Any]) -> Estimate:
    """Return the size of the cube that would be loaded; no pixel is read."""
    from terrascope_nb.cube.plan import plan_of  # with numpy alone, but beside the loader

    plan = plan_of(make_cube(items, area, options))
    assert plan is not None  # load() records one
    return Estimate(
        len(plan.steps), len(plan.bands), plan.grid.shape, plan.grid.resolution[1], _unit_of(plan.grid.crs),
        plan.n_bytes, available_memory(),
    )  # fmt: skip


def _unit_of(crs: str) -> str:
    name = CRS(crs).axis_info[0].unit_name
    return {"metre": "m", "degree": "°"}.get(name, name)


def in_memory(cube: xr.Dataset) -> xr.Dataset:
    """Return the cube with its values read; whoever listens hears how far it is."""
    from terrascope_nb.cube.compute import compute  # see above

    return compute(cube)


def teller(line: StatusLine, cancel: Cancel) -> Any:
    """Return a listener that shows a meter in a line and stops the work when it is cancelled."""
    shown = 0.0

    def tell(meter: Meter) -> None:
        nonlocal shown
        cancel.check()
        if time.monotonic() - shown >= _EVERY:
            shown = time.monotonic()
            line.tell(meter.line(), "busy", meter.done / meter.total if meter.total else -1.0)

    return tell


def reason_of(error: Exception) -> str:
    """Return what an error says to a person."""
    if isinstance(error, TerrascopeError):
        return error.message
    return say("Something went wrong that was not foreseen: {reason}", reason=f"{type(error).__name__}: {error}")
