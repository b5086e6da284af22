"""What a search asks of a source, what a source answers, and the one function that decides whether an item fits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pystac
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from terrascope_nb.catalogue import item_facts as facts
from terrascope_nb.extent.mgrs import is_tile, tile_footprint
from terrascope_nb.extent.period import Period
from terrascope_nb.products.registry import names_of, product_of_collection

CEILING = 10_000
"""Items read for one search unless ``max_items`` is larger; a search is meant for an area and a period."""
_STAC_VERSION = "1.1.0"
Cql2 = str | Mapping[str, Any]
"""A CQL2 expression as text or as JSON."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What is asked of a source; every field narrows the answer, an empty one does not."""

    collections: tuple[str, ...] = ()
    """STAC collection ids; an item may bear any name of the same collection, in any case, with ``_`` for ``-``."""
    bbox: tuple[float, float, float, float] | None = None
    """West, south, east, north in degrees; west > east crosses the antimeridian."""
    geometry: BaseGeometry | None = None
    """Area in EPSG:4326; an item must intersect it. Wins over ``bbox``."""
    period: Period | None = None
    """Inclusive days in UTC; the item's interval must overlap one of the spans."""
    max_cloud: float | None = None
    """Percent; an item that does not know its cloud cover passes."""
    tile: tuple[str, ...] = ()
    """MGRS tiles, any of them; an item that comes in no tile (Sentinel-1) must touch one."""
    resolution: float | None = None
    """Pixel size in metres the item must offer."""
    orbit_direction: str | None = None
    """``"ascending"`` or ``"descending"``; an item that does not know its direction passes."""
    relative_orbit: tuple[int, ...] = ()
    """Relative orbits, any of them; an item that does not know its own passes."""
    platform: tuple[str, ...] = ()
    """Platforms in the spelling of `item_facts.normal_platform`, any of them."""
    filter: Cql2 | None = None
    """A further CQL2 expression."""
    max_items: int | None = None
    """Give only the first so many in time; None = all."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a source answered: items that fit the request, in time."""

    items: list[pystac.Item]
    """The items, by time and id, each id once per collection."""
    matched: int | None = None
    """How many fit altogether, where the source can count; more than ``len(items)`` when ``max_items`` cut."""
    notes: list[str] = field(default_factory=list)
    """Sentences the user should read."""
    complete: bool = True
    """False: ``max_items`` (or a ceiling of the source) left items unread."""


class Source(Protocol):
    """Anything that can be searched."""

    def find(self, request: Request) -> Found:
        """Return the items that fit; each has passed `matches`."""
        ...


def matches(item: pystac.Item, request: Request) -> bool:
    """Tell whether an item fits a request, whatever the source said.

    Parameters
    ----------
    item : pystac.Item
    request : Request

    Returns
    -------
    bool
        Unknown cloud cover, orbits and footprints pass; an unknown platform or resolution does not.

    Raises
    ------
    FilterError
        The CQL2 expression cannot be read (see `cql2_filter`); compile it once with `matcher` for many items.
    """
    return matcher(request)(item)


def matcher(request: Request) -> Callable[[pystac.Item], bool]:
    """Return `matches` for one request with everything that can be prepared once prepared."""
    from terrascope_nb.catalogue.expressions import cql2_filter  # loads a compiled library only some searches need

    collections = {normal_collection(known) for name in request.collections for known in _all_names(name)}
    area = request_area(request)
    if area is not None:
        shapely.prepare(area)
    expression = None if request.filter is None else cql2_filter(request.filter)
    platforms = {facts.normal_platform(name) for name in request.platform}

    def fits(item: pystac.Item) -> bool:
        if collections and item.collection_id and normal_collection(item.collection_id) not in collections:
            return False
        if not (
            _in_period(item, request.period)
            and _below_cloud(item, request.max_cloud)
            and _in_tile(item, request.tile)
            and (not request.relative_orbit or facts.relative_orbit_of(item) in {None, *request.relative_orbit})
            and (not platforms or facts.platform_of(item) in platforms)
            and _has_resolution(item, request.resolution)
        ):
            return False
        if request.orbit_direction and facts.orbit_direction_of(item) not in {None, request.orbit_direction}:
            return False
        if area is not None:
            outline = footprint_of(item)
            if outline is not None and not area.intersects(outline):
                return False
        return expression is None or expression(item)

    return fits


def item_of(record: dict[str, Any], *, href: str | None = None) -> pystac.Item:
    """Make an item of a STAC dictionary, which becomes part of it; older layouts are brought up to date by pystac.

    An item of today needs no migration, and that is three quarters of the time it takes to make one.
    """
    extensions = record.get("stac_extensions") or ()
    is_new = record.get("stac_version") == _STAC_VERSION and not any("/projection/v1" in name for name in extensions)
    return pystac.Item.from_dict(record, href=href, migrate=not is_new, preserve_dict=False)


def in_order(items: Iterable[pystac.Item]) -> list[pystac.Item]:
    """Items by time, then id, each id once per collection (the first that came)."""
    once = {(item.collection_id, item.id): item for item in reversed(list(items))}
    return sorted(once.values(), key=sort_key)


def sort_key(item: pystac.Item) -> tuple[float, str]:
    """Time in seconds, then id; an item without a time comes first."""
    moment = facts.time_of(item)
    return (moment.timestamp() if moment else -math.inf, item.id)


def normal_collection(name: str) -> str:
    """Level case, ``_`` and ``-`` of a collection id: the server's own test items use underscores."""
    return name.lower().replace("_", "-")


def request_area(request: Request) -> BaseGeometry | None:
    """Return the area of a request in EPSG:4326, or None."""
    if request.geometry is not None:
        return request.geometry
    return None if request.bbox is None else box_of(request.bbox)


def box_of(bbox: tuple[float, ...]) -> BaseGeometry:
    """Turn a bbox (4 or 6 numbers) into a geometry; one that crosses the antimeridian becomes two boxes."""
    west, south, east, north = bbox if len(bbox) == 4 else (bbox[0], bbox[1], bbox[3], bbox[4])
    if west <= east:
        return shapely.box(west, south, east, north)
    return shapely.union_all([shapely.box(west, south, 180.0, north), shapely.box(-180.0, south, east, north)])


def footprint_of(item: pystac.Item) -> BaseGeometry | None:
    """Where the item has data, in EPSG:4326: its geometry, else its bbox, else its tile; None when nobody says.

    A geometry that is empty or holds NaN says nothing; one that crosses itself is repaired.
    """
    outline = _read_geometry(item.geometry)
    if outline is not None:
        return outline
    if item.bbox and _all_finite(item.bbox):
        return box_of(tuple(item.bbox))
    tile = facts.tile_of(item)
    return tile_footprint(tile) if tile and is_tile(tile) else None


def _all_names(collection: str) -> tuple[str, ...]:
    """Return every id one collection goes by, so that an older or a local copy of an item is known again."""
    product = product_of_collection(collection)
    for variant in product.variants if product is not None else ():
        if collection in names_of(variant):
            return (collection, *names_of(variant))
    return (collection,)


def _read_geometry(geometry: dict[str, Any] | None) -> BaseGeometry | None:
    if not geometry or not geometry.get("coordinates"):
        return None
    try:
        with np.errstate(invalid="ignore"):  # a NaN is looked for right below
            outline = _shape(geometry)
    except (TypeError, ValueError, AttributeError, IndexError, shapely.GEOSException):
        return None
    if outline.is_empty or not np.isfinite(shapely.get_coordinates(outline)).all():
        return None
    if not shapely.is_valid(outline):
        outline = shapely.make_valid(outline)
    return None if outline.is_empty else outline


def _shape(geometry: dict[str, Any]) -> BaseGeometry:
    rings = geometry["coordinates"]
    if geometry.get("type") == "Polygon" and len(rings) == 1:
        # What nearly every item is; shapely's general reader takes five times as long.
        return shapely.Polygon(np.asarray(rings[0], dtype=float)[:, :2])
    return shape(geometry)


def _all_finite(numbers: Any) -> bool:
    return all(isinstance(number, int | float) and math.isfinite(number) for number in numbers)


def _in_period(item: pystac.Item, period: Period | None) -> bool:
    if period is None:
        return True
    interval = facts.interval_of(item)
    if interval is None:
        return True
    return period.overlaps(*interval)


def _below_cloud(item: pystac.Item, max_cloud: float | None) -> bool:
    cloud = None if max_cloud is None else facts.cloud_of(item)
    return max_cloud is None or cloud is None or cloud <= max_cloud


def _in_tile(item: pystac.Item, tiles: tuple[str, ...]) -> bool:
    if not tiles:
        return True
    own = facts.tile_of(item)
    if own is not None:
        return own in tiles
    outline = footprint_of(item)
    return outline is None or any(outline.intersects(tile_footprint(tile)) for tile in tiles if is_tile(tile))


def _has_resolution(item: pystac.Item, resolution: float | None) -> bool:
    if resolution is None:
        return True
    # 333M names the grid that titles call 300 m; the next finer and coarser products are a factor of two away.
    return any(abs(offered - resolution) <= 0.15 * resolution for offered in facts.resolutions_of(item))
