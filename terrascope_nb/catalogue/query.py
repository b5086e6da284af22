"""search(): product, area and period become items, the same from every source."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pystac

from terrascope_nb.catalogue import item_facts as facts
from terrascope_nb.catalogue.access import trust_archive
from terrascope_nb.catalogue.choices import Choices, read_choices
from terrascope_nb.catalogue.items import Dropped, Items
from terrascope_nb.catalogue.opening import name_of, open_source, roots_of
from terrascope_nb.catalogue.sources import CEILING, Cql2, Found, Source, matcher
from terrascope_nb.catalogue.static import StaticSource
from terrascope_nb.catalogue.versions import pick_versions, versions_in
from terrascope_nb.errors import TerrascopeWarning
from terrascope_nb.extent.aoi import AoiLike
from terrascope_nb.extent.period import PeriodLike
from terrascope_nb.products.model import Product


def search(
    product: str | Product,
    area: AoiLike | None = None,
    period: PeriodLike | None = None,
    *,
    max_cloud: float | None = None,
    tile: str | Sequence[str] | None = None,
    resolution: float | str | None = None,
    orbit_direction: str | None = None,
    relative_orbit: int | Sequence[int] | None = None,
    platform: str | Sequence[str] | None = None,
    version: str = "latest",
    filter: Cql2 | None = None,  # noqa: A002 - the word of STAC and of pystac-client
    max_items: int | None = None,
    source: Any = None,
) -> Items:
    """Return the scenes of a product over an area and a period, in time.

    Every filter is checked in this process, so that all sources give the same answer.

    Parameters
    ----------
    product : str or Product
        Our id (``"s2-ndvi"``), a STAC id, a URN or a legacy product type.
    area : area, optional
        Anything `terrascope_nb.area` understands. A tile as area (``"31UFS"``) finds that tile's scenes only, for
        products that come in tiles.
    period : period, optional
        Anything `terrascope_nb.period` understands; inclusive whole days in UTC. None = all dates.
    max_cloud : float, optional
        Percent, 0-100. A scene that does not know its cloud cover passes, with a warning. Of two versions of a scene
        the newest is chosen first and its own cloud cover decides: versions differ in it.
    tile : str or sequence of str, optional
        MGRS tiles, any of them.
    resolution : float or str, optional
        Metres, e.g. 20, or ``"333m"``; picks between alternatives (FAPAR at 10 and 20 m, PROBA-V at 100, 333 m, 1 km).
    orbit_direction : {"ascending", "descending"}, optional
        ``"ASC"`` and ``"DSC"`` are understood.
    relative_orbit : int or sequence of int, optional
    platform : str or sequence of str, optional
        ``"sentinel-2a"`` or ``"S2A"``, any of them.
    version : {"latest", "all", "consistent"}
        ``"latest"`` keeps the newest version of each scene, ``"consistent"`` only scenes of one version (that with the
        most dates), ``"all"`` everything, 10 m and 20 m copies too.
    filter : str or mapping, optional
        Another condition in CQL2 text or JSON, e.g. ``"eo:cloud_cover < 10"``. It is applied to the chosen versions;
        one that names ``processing:version``, ``version``, ``id`` or ``title`` is applied before they are chosen.
    max_items : int, optional
        Keep only the first so many in time; the answer says how many there are. None = at most 10 000.
    source : str, path, client or source, optional
        Where to search (see `open_source`): an API's address, a folder, a file, an index, ``"sample"``.

    Returns
    -------
    Items

    Raises
    ------
    UnknownProductError
        No such product.
    FilterError
        A filter that cannot be meant, such as 140 % cloud.
    CatalogueUnreachableError, CatalogueReplyError
        The server gave no answer, or one that is none.

    Warns
    -----
    TerrascopeWarning
        Versions are mixed, cloud cover or orbit is unknown, the answer was cut, or another source had to be searched.
    """
    choices = read_choices(
        product,
        area,
        period,
        max_cloud=max_cloud,
        tile=tile,
        resolution=resolution,
        orbit_direction=orbit_direction,
        relative_orbit=relative_orbit,
        platform=platform,
        version=version,
        filter=filter,
        max_items=max_items,
    )
    where = open_source(source)
    chosen = _choose(where, choices)
    notes = [*choices.notes, *chosen.notes]
    items = chosen.items
    matched = len(items) if chosen.complete else chosen.matched
    most = CEILING if max_items is None else max_items
    if len(items) > most or (not chosen.complete and max_items is None):
        items = items[:most]
        how = f"There are {'more' if matched is None else matched}; only the first {len(items)} in time are here"
        if max_items is None:
            _warn(f"{how}. Give a shorter period, a smaller area or max_items.", level=3)
        else:
            notes.append(f"{how} (max_items).")
    ids = {item.id for item in items}
    result = Items(
        items,
        product=choices.product,
        area=choices.area,
        period=choices.period,
        matched=matched,
        dropped=[gone for gone in chosen.dropped if gone.kept_id in ids or not gone.kept_id],
        notes=notes,
        source=name_of(where),
        roots=[Path(root) for root in roots_of(where)],
    )
    if not isinstance(where, StaticSource):  # a folder of loose STAC files is trusted for its own items only
        for root in result.roots:
            trust_archive(root)
    _warn_about(result, choices)
    return result


@dataclass(slots=True)
class _Chosen:
    items: list[pystac.Item]
    dropped: list[Dropped]
    matched: int | None
    notes: list[str]
    complete: bool


def _choose(where: Source, choices: Choices) -> _Chosen:
    """Ask, choose versions, filter; ask for more where a cut answer leaves too few."""
    request = choices.before
    if choices.max_items is None or choices.version == "consistent":
        # "consistent" looks at every date before it chooses.
        return _refine(where.find(replace(request, max_items=CEILING)), choices)
    most = max(2 * choices.max_items, 50)
    while True:
        found = where.find(replace(request, max_items=most))
        if not found.complete:
            # The last moment may be cut in the middle, and then the wrong one of two twins be kept.
            found = replace(found, items=_without_last_moment(found.items))
        chosen = _refine(found, choices)
        if found.complete or len(chosen.items) > choices.max_items or most >= max(CEILING, choices.max_items):
            return chosen
        most *= 4


def _refine(found: Found, choices: Choices) -> _Chosen:
    kept, dropped = pick_versions(found.items, choices.product, choices.version)
    notes = list(found.notes)
    fitting = list(filter(matcher(choices.after), kept)) if choices.has_after else kept
    if kept and not fitting:
        notes.append(f"{len(kept)} scenes are there, but none fits {choices.after_text}.")
    elif not kept and found.complete:
        notes.append(choices.empty_text)
    return _Chosen(fitting, dropped, found.matched, notes, found.complete)


def _without_last_moment(items: list[pystac.Item]) -> list[pystac.Item]:
    if not items:
        return items
    last = facts.time_of(items[-1])
    if last is None:
        return items
    second = last.replace(microsecond=0)
    whole = [item for item in items if (moment := facts.time_of(item)) is None or moment < second]
    return whole or items


def _warn_about(items: Items, choices: Choices) -> None:
    if choices.max_cloud is not None:
        unknown = sum(facts.cloud_of(item) is None for item in items)
        if unknown:
            _warn(
                f"{unknown} of {len(items)} scenes do not say their cloud cover and were kept despite max_cloud="
                f"{choices.max_cloud:g}. Where they are yours, index the archive with quality=True.",
                level=4,
            )
    for name, asked, known in (
        ("orbit_direction", choices.before.orbit_direction, facts.orbit_direction_of),
        ("relative_orbit", choices.before.relative_orbit, facts.relative_orbit_of),
    ):
        unknown = sum(known(item) is None for item in items) if asked else 0
        if unknown:
            _warn(
                f"{unknown} of {len(items)} scenes do not say their {name} and were kept although one was asked for. "
                "The live catalogue knows it.",
                level=4,
            )
    versions = versions_in(items)
    if choices.version == "latest" and len(versions) > 1:
        said = ", ".join(f"{number} of {name}" for name, number in versions.items())
        _warn(
            f"The series mixes processing versions ({said}); a step between them need not be on the ground. "
            "version='consistent' keeps one version only.",
            level=4,
        )


def _warn(message: str, *, level: int) -> None:
    warnings.warn(message, TerrascopeWarning, stacklevel=level)
