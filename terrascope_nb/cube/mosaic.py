"""Scenes of one day and orbit become one time of the cube."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pystac

from terrascope_nb.catalogue.item_facts import platform_of, relative_orbit_of, time_of

_SAME_PASS = timedelta(minutes=20)
"""Scenes of one platform this close together are one pass: a Sentinel-2 orbit takes 100 minutes, and no product of the
tables cuts a pass over one area into pieces further apart."""


def group_scenes(
    items: Sequence[pystac.Item], mosaic: str | None, *, dateless: bool = False
) -> list[list[pystac.Item]]:
    """Return the items that fuse, group by group in time order, the first choice of each group first.

    Parameters
    ----------
    items : sequence of pystac.Item
        Without twins.
    mosaic : "day" or None
        ``"day"``: neighbouring tiles of one pass fuse; two passes of a day (other platform, other relative orbit, or
        more than 20 minutes apart) stay two times. None: every item is its own time.
    dateless : bool
        True for maps without acquisition dates (elevation): all items fuse.
    """
    dated = sorted((moment_of(item), item.id, number) for number, item in enumerate(items))
    ordered = [(moment, items[number]) for moment, _, number in dated]
    if mosaic is None:
        return [[item] for _, item in ordered]
    if dateless:
        return [[item for _, item in ordered]] if ordered else []
    groups: list[list[pystac.Item]] = []
    newest: dict[tuple[str | None, int | None], tuple[datetime, list[pystac.Item]]] = {}
    for moment, item in ordered:
        key = (platform_of(item), relative_orbit_of(item))
        first = newest.get(key)
        if first is None or moment - first[0] > _SAME_PASS:
            first = newest[key] = (moment, [])
            groups.append(first[1])
        first[1].append(item)
    return groups


def moment_of(item: pystac.Item) -> datetime:
    """Return the item's UTC time; the epoch for a map that bears no date at all."""
    return time_of(item) or datetime(1970, 1, 1, tzinfo=UTC)


def step_times(groups: Sequence[Sequence[pystac.Item]]) -> list[np.datetime64]:
    """Return one unique UTC time per group: that of its earliest scene.

    Two groups of the same instant (neighbours that were asked not to fuse) are set apart by a microsecond each, since
    a time axis with repeated values cannot be selected from.
    """
    taken: dict[datetime, None] = {}
    for group in groups:
        moment = _naive_utc(min(map(moment_of, group)))
        while moment in taken:
            moment += timedelta(microseconds=1)
        taken[moment] = None
    return list(np.array(list(taken), "datetime64[us]").astype("datetime64[ns]"))


def _naive_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
