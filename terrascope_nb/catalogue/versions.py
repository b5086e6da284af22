"""Of twins (one scene in versions V200 and V210, or at 10 and 20 m) keep one, and say which went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

import pystac

from terrascope_nb.catalogue import item_facts as facts
from terrascope_nb.catalogue.items import Dropped
from terrascope_nb.catalogue.sources import normal_collection
from terrascope_nb.errors import FilterError
from terrascope_nb.products.model import Product
from terrascope_nb.products.names import version_key

Version = Literal["latest", "all", "consistent"]
VERSIONS = ("latest", "all", "consistent")


def pick_versions(
    items: Iterable[pystac.Item], product: Product | None, version: str = "latest"
) -> tuple[list[pystac.Item], list[Dropped]]:
    """Keep one item of each scene.

    Items are twins when platform, time to the second, tile and product are the same (for Terrascope ids: the id
    without its version). Neighbouring tiles and two passes of one day are different scenes and never dropped.

    Parameters
    ----------
    items : iterable of pystac.Item
        Repeats of one id count once.
    product : Product or None
        Its ``version_order`` ranks versions; with ``"resolution"`` among its ``alternatives`` the finest of a scene is
        kept before versions are looked at.
    version : {"latest", "all", "consistent"}
        ``"latest"``: the newest version of each scene. ``"all"``: everything. ``"consistent"``: only items of one
        version, the one with the most dates here (then the most scenes, then the newest).

    Returns
    -------
    kept : list of pystac.Item
        In the order given.
    dropped : list of Dropped

    Raises
    ------
    FilterError
        ``version`` is none of the three.
    """
    if version not in VERSIONS:
        raise FilterError(
            f"version={version!r} is not known; there are 'latest', 'all' and 'consistent'.", version=version
        )
    once = list({(item.collection_id, item.id): item for item in items}.values())
    if version == "all":
        return once, []
    dropped: list[Dropped] = []
    if product is not None and "resolution" in product.alternatives:
        once, coarser = _finest(once)
        dropped += coarser
    order = product.version_order if product is not None else ()
    if version == "consistent":
        once, others = _one_version(once, order)
        dropped += others
    kept, older = _newest(once, order)
    # An item dropped for its resolution must name an item that stayed, whatever the second rule did.
    stayed = {replaced.item_id: replaced.kept_id for replaced in older}
    dropped = [Dropped(gone.item_id, stayed.get(gone.kept_id, gone.kept_id), gone.reason) for gone in dropped]
    return kept, dropped + older


def versions_in(items: Iterable[pystac.Item]) -> dict[str, int]:
    """Return how many items there are of each version; ``"unknown"`` where the item does not say."""
    found: dict[str, int] = defaultdict(int)
    for item in items:
        found[facts.version_of(item) or "unknown"] += 1
    return dict(sorted(found.items()))


def scene_key(item: pystac.Item, *, with_resolution: bool = True) -> tuple[object, ...]:
    """Return what all versions of one scene have in common, and no other item has."""
    collection = normal_collection(item.collection_id or "")
    content = facts.content_of(item)
    if content != item.id:
        parts, named = content.split("_"), facts.named_resolution(item)
        if named is not None:
            parts = [part for part in parts if not _names(part, named)]
        return (collection, *parts, named if with_resolution else None)
    tile, moment = facts.tile_of(item), facts.time_of(item)
    if tile is None or moment is None or facts.version_of(item) is None:
        return (collection, item.id)
    second, kind = moment.replace(microsecond=0), item.properties.get("product:type")
    resolution = facts.resolution_of(item) if with_resolution else None
    return (collection, facts.platform_of(item), second, tile, kind, resolution)


def _names(part: str, resolution: float) -> bool:
    return part.upper() in (f"{resolution:g}M", f"{resolution / 1000:g}KM")


def _finest(items: list[pystac.Item]) -> tuple[list[pystac.Item], list[Dropped]]:
    best: dict[object, float] = {}
    for item in items:
        key, resolution = scene_key(item, with_resolution=False), facts.resolution_of(item)
        if resolution is not None:
            best[key] = min(best.get(key, resolution), resolution)
    finest: dict[object, pystac.Item] = {}
    for item in items:
        key = scene_key(item, with_resolution=False)
        if facts.resolution_of(item) == best.get(key):
            finest[key] = item
    kept, dropped = [], []
    for item in items:
        key, resolution = scene_key(item, with_resolution=False), facts.resolution_of(item)
        if resolution is None or resolution == best[key]:
            kept.append(item)
        else:
            reason = f"{resolution:g} m; the same scene is there at {best[key]:g} m"
            dropped.append(Dropped(item.id, finest[key].id, reason))
    return kept, dropped


def _newest(items: list[pystac.Item], order: tuple[str, ...]) -> tuple[list[pystac.Item], list[Dropped]]:
    def rank(item: pystac.Item) -> tuple[object, ...]:
        return (version_key(facts.version_of(item), order), str(item.properties.get("created", "")), item.id)

    newest: dict[object, pystac.Item] = {}
    keys = [scene_key(item) for item in items]
    for item, key in zip(items, keys, strict=True):
        if key not in newest or rank(item) > rank(newest[key]):
            newest[key] = item
    kept, dropped = [], []
    for item, key in zip(items, keys, strict=True):
        winner = newest[key]
        if winner is item:
            kept.append(item)
        else:
            mine, its = (facts.version_of(one) or "unknown" for one in (item, winner))
            dropped.append(Dropped(item.id, winner.id, f"version {mine}; the same scene is there as {its}"))
    return kept, dropped


def _one_version(items: list[pystac.Item], order: tuple[str, ...]) -> tuple[list[pystac.Item], list[Dropped]]:
    groups: dict[str, list[pystac.Item]] = defaultdict(list)
    for item in items:
        groups[facts.version_of(item) or "unknown"].append(item)
    if len(groups) < 2:
        return items, []

    def worth(version: str) -> tuple[object, ...]:
        moments = [moment for item in groups[version] if (moment := facts.time_of(item))]
        scenes = {scene_key(item) for item in groups[version]}
        return (len({moment.date() for moment in moments}), len(scenes), version_key(version, order))

    chosen = max(groups, key=worth)
    same = {scene_key(item): item for item in groups[chosen]}
    kept, dropped = [], []
    for item in items:
        mine = facts.version_of(item) or "unknown"
        if mine == chosen:
            kept.append(item)
        else:
            twin = same.get(scene_key(item))
            reason = f"version {mine}; version='consistent' keeps {chosen} alone"
            dropped.append(Dropped(item.id, twin.id if twin else "", reason))
    return kept, dropped
