"""What a user asks of search(), read and checked: which collections, and what is filtered before versions are chosen."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from terrascope_nb.catalogue.expressions import VERSION_PROPERTIES, named_properties
from terrascope_nb.catalogue.item_facts import normal_direction, normal_platform
from terrascope_nb.catalogue.sources import Cql2, Request
from terrascope_nb.catalogue.versions import VERSIONS
from terrascope_nb.errors import FilterError, TerrascopeWarning, UnknownProductError
from terrascope_nb.extent.aoi import Aoi, AoiLike
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.extent.mgrs import tile_square
from terrascope_nb.extent.period import Period, PeriodLike
from terrascope_nb.extent.period import period as make_period
from terrascope_nb.products.model import Product, Variant
from terrascope_nb.products.registry import find_variant

_METRES = re.compile(r"(\d+(?:\.\d+)?)\s*(k?)m?", re.IGNORECASE)
_SUFFIX = re.compile(r"_(\d{2,3})M\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """A search, read."""

    product: Product
    """What is searched."""
    area: Aoi | None
    """Where."""
    period: Period | None
    """When."""
    version: str
    """``latest``, ``all`` or ``consistent``."""
    max_items: int | None
    """How many at most."""
    before: Request
    """What decides which scenes are candidates at all."""
    after: Request
    """What is asked of the version that was chosen."""
    notes: tuple[str, ...] = ()
    """What was chosen for the user."""

    @property
    def max_cloud(self) -> float | None:
        """Percent of cloud a scene may have, wherever it is checked."""
        return self.after.max_cloud if self.before.max_cloud is None else self.before.max_cloud

    @property
    def has_after(self) -> bool:
        """Whether anything is asked of the chosen versions."""
        return self.after.max_cloud is not None or self.after.filter is not None

    @property
    def after_text(self) -> str:
        """What is asked of the chosen versions, in words."""
        parts = []
        if self.after.max_cloud is not None:
            parts.append(f"max_cloud={self.after.max_cloud:g}")
        if self.after.filter is not None:
            parts.append(f"filter={self.after.filter!r:.120}")
        return " and ".join(parts)

    @property
    def before_text(self) -> str:
        """What is asked of every scene besides product, area and period, in words."""
        asked = self.before
        parts = {
            "max_cloud": "" if asked.max_cloud is None else f"{asked.max_cloud:g}",
            "tile": ", ".join(asked.tile),
            "resolution": "" if asked.resolution is None else f"{asked.resolution:g}",
            "orbit_direction": asked.orbit_direction or "",
            "relative_orbit": ", ".join(map(str, asked.relative_orbit)),
            "platform": ", ".join(asked.platform),
            "filter": "" if asked.filter is None else f"{asked.filter!r:.120}",
        }
        return " and ".join(f"{name}={value}" for name, value in parts.items() if value)

    @property
    def empty_text(self) -> str:
        """Why there may be nothing, in words."""
        asked = [f"No scene of {self.product.id} fits"]
        if self.area is not None:
            asked.append(f"over {self.area.name or 'the area'}")
        if self.period is not None:
            asked.append(f"in {self.period}")
        if self.before_text:
            asked.append(f"with {self.before_text}")
        spans = {f"{v.start or '…'} to {v.end or 'today'}" for v in self.product.variants if v.start or v.end}
        known = f" The product runs from {'; '.join(sorted(spans))}." if spans else ""
        return f"{' '.join(asked)}.{known} Try a larger area, a longer period or fewer filters."


def read_choices(
    product: str | Product,
    area: AoiLike | None,
    period: PeriodLike | None,
    *,
    max_cloud: float | None,
    tile: str | Sequence[str] | None,
    resolution: float | str | None,
    orbit_direction: str | None,
    relative_orbit: int | Sequence[int] | None,
    platform: str | Sequence[str] | None,
    version: str,
    filter: Cql2 | None,  # noqa: A002 - the word of STAC
    max_items: int | None,
) -> Choices:
    """Read and check the arguments of `search`.

    Raises
    ------
    UnknownProductError, AreaError, PeriodError, FilterError
        An argument that cannot be meant; the message says what can.
    """
    if version not in VERSIONS:
        raise FilterError(
            f"version={version!r} is not known; there are 'latest', 'all' and 'consistent'.", version=version
        )
    where = None if area is None else make_area(area)
    when = None if period is None else make_period(period)
    metres = _read_resolution(resolution)
    variants, metres, notes = _pick_variants(product, metres, when)
    found, _ = _product_of(product)
    tiles = _read_tiles(tile)
    if not tiles and where is not None and (own := _own_tile(where)):
        tiles = (own,)
        notes.append(f"The area is the tile {own}: scenes of its neighbours, which overlap it, are not listed.")
    cloud = _read_cloud(max_cloud)
    first = version == "all" or (filter is not None and bool(named_properties(filter) & VERSION_PROPERTIES))
    before = Request(
        collections=tuple(variant.collection for variant in variants),
        bbox=None if where is None else where.bbox,
        geometry=None if where is None else where.geometry,
        period=when,
        max_cloud=cloud if version == "all" else None,
        tile=tiles,
        resolution=metres,
        orbit_direction=_read_direction(orbit_direction),
        relative_orbit=_read_orbits(relative_orbit),
        platform=tuple(normal_platform(name) for name in _several(platform)),
        filter=filter if first else None,
    )
    after = Request(max_cloud=None if version == "all" else cloud, filter=None if first else filter)
    return Choices(found, where, when, version, _read_count(max_items), before, after, tuple(notes))


def _product_of(what: str | Product) -> tuple[Product, Variant | None]:
    """Return the product, and the one variant meant when the name is that of a collection."""
    if isinstance(what, Product):
        return what, None
    if not isinstance(what, str):
        raise UnknownProductError(
            f"product={what!r:.80} is no name; one search is about one product. Give a name such as 's2-toc', and search "
            "for each product by itself.",
            product=what,
        )
    product, variant = find_variant(what)
    return product, None if what.strip().lower() == product.id else variant


def _pick_variants(
    what: str | Product, metres: float | None, when: Period | None
) -> tuple[list[Variant], float | None, list[str]]:
    """Return the collections to ask, the pixel size that is still to be filtered by, and what was chosen."""
    product, named = _product_of(what)
    if named is not None:
        suffix = _SUFFIX.search(what) if isinstance(what, str) and "resolution" in product.alternatives else None
        return [named], float(suffix[1]) if metres is None and suffix else metres, []
    pool = list(product.variants)
    by_size = [variant for variant in pool if variant.resolution]
    if metres is not None and by_size:
        pool = [variant for variant in by_size if _is_near(_read_resolution(variant.resolution), metres)]
        if not pool:
            sizes = ", ".join(dict.fromkeys(variant.resolution or "" for variant in by_size))
            raise FilterError(
                f"{product.id} has no collection at {metres:g} m; there are {sizes}. Choose one of those.",
                resolution=metres,
                product=product.id,
            )
        metres = None
    first = pool[0]
    if when is None or not first.start:
        return [first], metres, _other_years(product, first, pool) if when is None else []
    alike = [variant for variant in pool if _kind(variant) == _kind(first)]
    running = [variant for variant in alike if variant.start and when.overlaps(_day(variant.start), _day(variant.end))]
    return running or [first], metres, []


def _kind(variant: Variant) -> tuple[Any, ...]:
    return (variant.resolution, variant.cadence, variant.file_format, variant.in_stac)


def _other_years(product: Product, first: Variant, pool: Iterable[Variant]) -> list[str]:
    others = [v for v in pool if v is not first and _kind(v) == _kind(first) and v.start and v.start != first.start]
    if not others or not first.start:
        return []
    years = ", ".join(variant.start[:4] for variant in others if variant.start)
    return [f"{product.id} of {first.start[:4]} was searched; for {years} give that year as period."]


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _is_near(offered: float | None, asked: float) -> bool:
    return offered is not None and abs(offered - asked) <= 0.15 * asked


def _own_tile(where: Aoi) -> str | None:
    if where.kind != "tile" or len(where) != 1:
        return None
    tile = where.features[0].properties.get("tile")
    return tile if isinstance(tile, str) else None


def _several(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, str | Mapping) else (value,)


def _read_tiles(tile: str | Sequence[str] | None) -> tuple[str, ...]:
    return tuple(tile_square(name).tile for name in _several(tile))


def _read_resolution(resolution: float | str | None) -> float | None:
    if resolution is None:
        return None
    match = _METRES.fullmatch(str(resolution).strip())
    metres = float(match[1]) * (1000 if match[2] else 1) if match else 0.0
    if metres <= 0:
        raise FilterError(
            f"resolution={resolution!r} is no pixel size; give metres, such as 20 or '333m'.", resolution=resolution
        )
    return metres


def _read_cloud(max_cloud: float | None) -> float | None:
    if max_cloud is None:
        return None
    if isinstance(max_cloud, bool) or not 0 <= max_cloud <= 100:
        raise FilterError(
            f"max_cloud={max_cloud!r} cannot be: it is a percentage from 0 to 100. For 20 % give max_cloud=20.",
            max_cloud=max_cloud,
        )
    if 0 < max_cloud < 1:
        warnings.warn(
            f"max_cloud={max_cloud:g} means {max_cloud:g} percent. If {100 * max_cloud:g} percent were meant, give "
            f"max_cloud={100 * max_cloud:g}.",
            TerrascopeWarning,
            stacklevel=4,
        )
    return float(max_cloud)


def _read_direction(text: str | None) -> str | None:
    if text is None:
        return None
    known = normal_direction(text)
    if known is None:
        raise FilterError(
            f"orbit_direction={text!r} is not known; there are 'ascending' and 'descending'.", orbit_direction=text
        )
    return known


def _read_orbits(orbit: int | Sequence[int] | None) -> tuple[int, ...]:
    orbits = _several(orbit)
    for number in orbits:
        # Sentinel-1 repeats after 175 orbits, Sentinel-2 after 143; Sentinel-3 after 385.
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 385:
            raise FilterError(
                f"relative_orbit={number!r} cannot be: give whole numbers, 1-175 for Sentinel-1 and 1-143 for Sentinel-2.",
                relative_orbit=number,
            )
    return orbits


def _read_count(max_items: int | None) -> int | None:
    if max_items is not None and (isinstance(max_items, bool) or not isinstance(max_items, int) or max_items < 1):
        raise FilterError(
            f"max_items={max_items!r} cannot be: give a whole number from 1 on, or leave it out.", max_items=max_items
        )
    return max_items
