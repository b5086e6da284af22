"""One mark per date of a search: how clear and covered my area is, from the catalogue at once, from quality flags when read."""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
import shapely

from terrascope_nb.catalogue.access import open_href
from terrascope_nb.catalogue.item_facts import clear_of, cloud_of, version_of
from terrascope_nb.catalogue.items import Items
from terrascope_nb.cube.blocks import failures_of, forget_failures
from terrascope_nb.cube.clearness import measure_step
from terrascope_nb.cube.clipping import clip_shape
from terrascope_nb.cube.geobox import choose_grid
from terrascope_nb.cube.inspection import file_grids
from terrascope_nb.cube.plan import Plan, Scene, Step
from terrascope_nb.cube.selection import scene_of
from terrascope_nb.errors import AccessError, MaskError
from terrascope_nb.host.limits import cores
from terrascope_nb.products.quality import keep_classes

Origin = Literal["flags", "index", "catalogue", ""]


@dataclass(frozen=True, slots=True)
class DateMark:
    """What is known of one UTC day; percentages, NaN where nobody says."""

    day: date
    """The UTC day."""
    item_ids: tuple[str, ...]
    """Its scenes."""
    clear: float
    """Clear share: of the area when ``clear_from`` is ``"flags"``, else of the whole scenes."""
    clear_from: Origin
    """``"flags"``: the quality band over the area; ``"index"``: the quality band over the scene, as an index measured it;
    ``"catalogue"``: 100 less the catalogue's cloud cover of the scene."""
    coverage: float
    """Share of the area that the scenes cover."""
    version: str
    """Processing versions of the scenes."""


def catalogue_marks(items: Items) -> list[DateMark]:
    """Return a mark per day from what the items say; no file is opened."""
    marks = []
    for day, members in items.by_day().items():
        measured = [share for item in members if (share := clear_of(item)) is not None]
        clouds = [cloud for item in members if (cloud := cloud_of(item)) is not None]
        clear = math.nan
        origin: Origin = ""
        if measured:
            clear, origin = sum(measured) / len(measured), "index"
        elif clouds:
            clear, origin = 100.0 - sum(clouds) / len(clouds), "catalogue"
        versions = sorted({version for item in members if (version := version_of(item))})
        marks.append(
            DateMark(day, tuple(item.id for item in members), clear, origin, members.coverage, ", ".join(versions))
        )
    return marks


def check_measurable(items: Items) -> None:
    """Refuse what has no area or no quality band to measure on; no file is looked for.

    Raises
    ------
    MaskError
        The message says what is missing.
    """
    if items.area is None:
        raise MaskError("Without an area there is nothing to measure but the scene, which the catalogue knows.")
    product = items.product
    if product is None or product.quality is None or "clear" not in product.quality.presets:
        raise MaskError(
            f"{product.id if product else 'This collection'} has no quality band that tells clear from cloud."
        )


def flags_plan(items: Items, *, remote: bool = False) -> Plan:
    """Return a plan that reads nothing but the quality band over the items' area, one step a day.

    Parameters
    ----------
    items : Items
        With product and area.
    remote : bool
        True: files behind HTTPS too; by default only those on this machine, which cost next to nothing.

    Raises
    ------
    MaskError
        There is no area, no quality band, or no such file here; the message says which.
    GridError
        The area lies beside every file.
    """
    check_measurable(items)
    product, area = items.product, items.area
    assert product is not None  # checked, as the area
    assert area is not None
    rule = keep_classes(product, "clear")
    quality = product.find_band(rule.band)
    steps = []
    for day, members in items.by_day().items():
        scenes = tuple(scene_of(item, [quality], quality, items.roots) for item in members)
        # A day of which one scene is elsewhere would be measured too low.
        if all(scene.quality is not None and (remote or _is_here(scene)) for scene in scenes):
            steps.append(Step(np.datetime64(day, "ns"), scenes))
    if not steps:
        raise MaskError(f"No file of the quality band {quality.name} is on this machine.")
    grid, notes = choose_grid(file_grids(steps, {}, skip=True), area)
    clip = None
    if area.clips:
        clip = bytes(shapely.to_wkb(clip_shape(area.in_crs(grid.crs), grid)))
    return Plan(
        token=f"dates-{uuid.uuid4()}",
        product_id=product.id,
        grid=grid,
        bands=(),
        steps=tuple(steps),
        physical=True,
        mask=rule,
        mask_band=quality,
        clip=clip,
        on_error="skip",
        notes=tuple(notes),
        roots=items.roots,
    )


def _is_here(scene: Scene) -> bool:
    assert scene.quality is not None
    try:
        return not open_href(scene.quality.ref).startswith(("http://", "https://"))
    except AccessError:
        return False


def measured_marks(
    plan: Plan, marks: list[DateMark], *, cancel: threading.Event | None = None, workers: int | None = None
) -> Iterator[DateMark]:
    """Yield the mark of each day of a plan with what its quality flags say, as they are read, on all cores.

    Parameters
    ----------
    plan : Plan
        From `flags_plan`.
    marks : list of DateMark
        From `catalogue_marks`; a day without a step, or whose files cannot be read, is not yielded.
    cancel : threading.Event, optional
        Set: nothing further is begun.
    workers : int, optional
        Threads; None = one a core.
    """
    known: dict[np.datetime64, DateMark] = {np.datetime64(mark.day, "ns"): mark for mark in marks}
    todo = iter([step for step in plan.steps if step.time in known])
    threads = workers or cores()
    with ThreadPoolExecutor(threads, thread_name_prefix="terrascope-flags") as pool:
        running: dict[Future[Step], None] = {}

        def feed() -> None:
            # Two tasks a thread: a cancelled measurement then stops within a moment.
            while len(running) < 2 * threads and not (cancel and cancel.is_set()):
                step = next(todo, None)
                if step is None:
                    return
                running[pool.submit(measure_step, plan, step)] = None

        feed()
        while running:
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                del running[future]
                step = future.result()
                failed = {failure.item_id for failure in failures_of(plan.token)}
                if not failed.issuperset(scene.item_id for scene in step.scenes):
                    yield replace(
                        known[step.time],
                        clear=step.clear_percent,
                        clear_from="flags",
                        coverage=step.coverage_percent,
                    )
            feed()
    forget_failures(plan.token)
