"""Items: what a search found, an ordered set of `pystac.Item` that shows itself."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import pystac
from shapely.geometry import mapping

from terrascope_nb.catalogue import item_facts as facts
from terrascope_nb.catalogue.access import Access, access_of
from terrascope_nb.catalogue.coverage import Coverage
from terrascope_nb.catalogue.expressions import cql2_filter
from terrascope_nb.catalogue.sources import footprint_of
from terrascope_nb.errors import NothingFoundError, TerrascopeWarning, near_misses, redacted
from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.extent.period import Period
from terrascope_nb.products.model import Product

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Dropped:
    """One item a search left out on purpose."""

    item_id: str
    """Id of the item that went."""
    kept_id: str
    """Id of the item that stands in its place; empty when there is none."""
    reason: str
    """Why it went."""


class Items(Sequence[pystac.Item]):
    """An ordered set of `pystac.Item`, each id once per collection, with what the search knew.

    Parameters
    ----------
    items : iterable of pystac.Item
        Kept in this order, hrefs untouched; a repeated id counts once.
    product, area, period
        What was searched; ``area`` gives the column ``coverage``.
    matched : int, optional
        How many fit the search altogether; more than ``len(items)`` when ``max_items`` cut.
    dropped : sequence of Dropped
        Items left out as older versions or coarser copies.
    notes : sequence of str
        What the user should know of this answer.
    source : str
        Where the items come from.
    roots : sequence of path
        Folders that local hrefs may lie under besides ``settings.archive_roots``.

    Examples
    --------
    >>> import datetime
    >>> when = datetime.datetime(2025, 5, 16, 10, 46, 51, tzinfo=datetime.UTC)
    >>> items = Items([pystac.Item("S2A_20250516T104651_31UFS_NDVI_10M_V210", None, None, when, {})])
    >>> len(items), items[0].id == items["S2A_20250516T104651_31UFS_NDVI_10M_V210"].id
    (1, True)
    """

    def __init__(
        self,
        items: Iterable[pystac.Item],
        *,
        product: Product | None = None,
        area: Aoi | None = None,
        period: Period | None = None,
        matched: int | None = None,
        dropped: Sequence[Dropped] = (),
        notes: Sequence[str] = (),
        source: str = "",
        roots: Sequence[Path] = (),
    ) -> None:
        once = {(item.collection_id, item.id): item for item in reversed(list(items))}
        self._items = tuple(reversed(once.values()))
        self.product, self.area, self.period = product, area, period
        self.matched = matched
        self.dropped, self.notes = tuple(dropped), tuple(notes)
        self.source, self.roots = redacted(source), tuple(Path(root) for root in roots)
        self._coverage: Coverage | None = None

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[pystac.Item]:
        return iter(self._items)

    def __contains__(self, what: object) -> bool:
        return any(what is item or what == item.id for item in self._items)

    @overload
    def __getitem__(self, which: int | str) -> pystac.Item: ...
    @overload
    def __getitem__(self, which: slice) -> Items: ...
    def __getitem__(self, which: int | str | slice) -> pystac.Item | Items:
        if isinstance(which, slice):
            return self._some(self._items[which])
        if isinstance(which, str):
            return self._by_id(which)
        return self._items[which]

    def _by_id(self, item_id: str) -> pystac.Item:
        for item in self._items:
            if item.id == item_id:
                return item
        near = near_misses(item_id, (item.id for item in self._items))
        hint = f" Near: {', '.join(near)}." if near else ""
        raise NothingFoundError(f"There is no item {item_id!r} among these {len(self)}.{hint}", item=item_id)

    def _some(self, items: Iterable[pystac.Item]) -> Items:
        """Return some of the items with everything else that still holds for them."""
        kept = list(items)
        ids = {item.id for item in kept}
        part = Items(
            kept,
            product=self.product,
            area=self.area,
            period=self.period,
            matched=len(self) if self.matched is None else self.matched,
            dropped=[gone for gone in self.dropped if gone.kept_id in ids],
            notes=self.notes,
            source=self.source,
            roots=self.roots,
        )
        part._coverage = self._coverage
        return part

    def filter(self, condition: Callable[[pystac.Item], bool] | str | Mapping[str, Any]) -> Items:
        """Return the items for which a condition holds.

        Parameters
        ----------
        condition : callable or CQL2
            A function of one item, CQL2 text such as ``"eo:cloud_cover < 10"``, or CQL2 JSON.

        Raises
        ------
        FilterError
            The text is not CQL2.
        """
        holds = condition if callable(condition) else cql2_filter(condition)
        return self._some(item for item in self._items if holds(item))

    def without(self, *what: str | date | Iterable[str | date]) -> Items:
        """Return the items but for some days or single items, which are listed in ``dropped``.

        Parameters
        ----------
        *what : str or date, or lists of these
            UTC days (``"2018-06-15"``, also ``"2018-6-15"``) and item ids.

        Warns
        -----
        TerrascopeWarning
            A name is neither a day nor an item of these.

        Examples
        --------
        >>> import datetime
        >>> when = datetime.datetime(2025, 5, 16, 10, 46, 51, tzinfo=datetime.UTC)
        >>> len(Items([pystac.Item("a", None, None, when, {})]).without("2025-05-16"))
        0
        """
        gone, unknown = self.meant(*what)
        if unknown:
            warnings.warn(
                f"{', '.join(unknown)} is to be left out, but no item of these {len(self)} has that day or id. "
                "Days are written as 2018-06-15.",
                TerrascopeWarning,
                stacklevel=2,
            )
        part = self._some(item for item in self._items if item.id not in gone)
        part.dropped = (*part.dropped, *(Dropped(item_id, "", "left out by hand") for item_id in gone))
        return part

    def meant(self, *what: str | date | Iterable[str | date]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the ids of the items that some days and ids mean, in order, and the names that mean none.

        Parameters
        ----------
        *what : str or date, or lists of these
            As `without`.

        Examples
        --------
        >>> import datetime
        >>> when = datetime.datetime(2025, 5, 6, 10, 46, 51, tzinfo=datetime.UTC)
        >>> Items([pystac.Item("a", None, None, when, {})]).meant("2025-5-6", "b")
        (('a',), ('b',))
        """
        asked = list(_names(what))
        days = {name: _day(name) for name in asked}
        wanted, hit = {*asked, *(day for day in days.values() if day)}, set()
        meant: list[str] = []
        for item in self._items:
            moment = facts.time_of(item)
            day = "" if moment is None else moment.date().isoformat()
            if found := {item.id, day} & wanted:
                meant.append(item.id)
                hit |= found
        unknown = dict.fromkeys(name for name in asked if name not in hit and days[name] not in hit)
        return tuple(meant), tuple(unknown)

    def by_day(self) -> dict[date, Items]:
        """Return the items of each UTC day, days in order; ``items.by_day()[day].coverage`` is that of all together."""
        days: dict[date, list[pystac.Item]] = {}
        for item in self._items:
            moment = facts.time_of(item)
            if moment is not None:
                days.setdefault(moment.date(), []).append(item)
        return {day: self._some(days[day]) for day in sorted(days)}

    @property
    def coverage(self) -> float:
        """Percent of the area that all items cover together; NaN without an area or a footprint."""
        return self._share(self._items)

    def coverage_of(self, item: pystac.Item) -> float:
        """Return the percent of the area that one item covers; NaN without an area or a footprint."""
        return self._share([item])

    def _share(self, items: Iterable[pystac.Item]) -> float:
        if self.area is None:
            return math.nan
        if self._coverage is None:
            self._coverage = Coverage(self.area.geometry)
        return self._coverage.percent(items)

    def access_of(self, item: pystac.Item) -> Access:
        """Return how the item's main band would be read now: ``"local"``, ``"https"``, ``"untrusted"`` or ``"missing"``."""
        key = None
        if self.product is not None and self.product.default_bands:
            key = facts.find_asset(item, self.product.find_band(self.product.default_bands[0]))
        return access_of(item, key, roots=self.roots)

    def row(self, item: pystac.Item) -> dict[str, Any]:
        """Return one item's row of the table; numbers that are not known are NaN."""
        return {
            "id": item.id,
            "time": facts.time_of(item),
            "tile": facts.tile_of(item),
            "platform": facts.platform_of(item),
            "version": facts.version_of(item),
            "resolution": _or_nan(facts.resolution_of(item)),
            "cloud": _or_nan(facts.cloud_of(item)),
            "coverage": self.coverage_of(item),
            "clear": _or_nan(facts.clear_of(item)),
            "access": self.access_of(item),
        }

    def to_dataframe(self) -> pd.DataFrame:
        """Return a pandas table, one row an item.

        Returns
        -------
        pandas.DataFrame
            ``id``, ``time`` (UTC), ``tile``, ``platform``, ``version``, ``resolution`` (m), ``cloud`` (% of the scene),
            ``coverage`` (% of the area), ``clear`` (% of the scene's pixels) and ``access`` ("local", "https" or
            "untrusted", "missing"); NaN where not known.
        """
        import pandas as pd  # 0.3 s, which a search alone need not pay

        columns = ("id", "time", "tile", "platform", "version", "resolution", "cloud", "coverage", "clear", "access")
        table = pd.DataFrame([self.row(item) for item in self._items], columns=list(columns))
        table["time"] = pd.to_datetime(table["time"], utc=True)
        return table

    def to_geojson(self) -> dict[str, Any]:
        """Return the footprints as a GeoJSON FeatureCollection (EPSG:4326) with the table's row as properties."""
        features = []
        for item in self._items:
            outline, row = footprint_of(item), self.row(item)
            row["time"] = row["time"].isoformat().replace("+00:00", "Z") if row["time"] else None
            properties = {key: None if isinstance(v, float) and math.isnan(v) else v for key, v in row.items()}
            geometry = None if outline is None else mapping(outline)
            features.append({"type": "Feature", "id": item.id, "geometry": geometry, "properties": properties})
        return {"type": "FeatureCollection", "features": features}

    def to_item_collection(self) -> pystac.ItemCollection:
        """Return the same items (not copies) as a `pystac.ItemCollection`."""
        return pystac.ItemCollection(self._items, clone_items=False)

    def save(self, path: str | Path) -> Path:
        """Write items, area, period, what was dropped and the notes to one file; `open_items` reads it again.

        Parameters
        ----------
        path : path
            ``.json`` or ``.geojson``: a STAC ItemCollection. ``.parquet`` or ``.geoparquet``: GeoParquet, smaller and
            readable by geopandas.

        Returns
        -------
        Path
            Where it was written; the file is complete or was not touched.

        Raises
        ------
        ExportError
            The ending is neither, or the file cannot be written.
        """
        from terrascope_nb.catalogue.items_file import write_items  # pyarrow only when somebody saves

        return write_items(self, Path(path))

    def __repr__(self) -> str:
        from terrascope_nb.catalogue.items_text import show_text  # the two pictures of a set live beside each other

        return show_text(self)

    def _repr_html_(self) -> str:
        from terrascope_nb.catalogue.items_html import show_html  # only a notebook needs it

        return show_html(self)


def open_items(path: str | Path) -> Items:
    """Read what `Items.save` wrote, or any STAC ItemCollection in a JSON file.

    Parameters
    ----------
    path : path
        ``.json``, ``.geojson``, ``.parquet`` or ``.geoparquet``.

    Returns
    -------
    Items
        Trusted folders are not read from the file: local hrefs must lie below ``settings.archive_roots``.

    Raises
    ------
    CatalogueReplyError
        There is no such file, or it holds no STAC items.
    """
    from terrascope_nb.catalogue.items_file import read_items  # pyarrow only when somebody opens

    return read_items(Path(path))


_DAY = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:T.*)?", re.ASCII)


def _names(what: Iterable[Any]) -> Iterator[str]:
    for one in what:
        if isinstance(one, datetime):
            yield (one if one.tzinfo is None else one.astimezone(UTC)).date().isoformat()
        elif isinstance(one, date):
            yield one.isoformat()
        elif isinstance(one, Iterable) and not isinstance(one, str):
            yield from _names(one)
        else:
            yield str(one)


def _day(name: str) -> str:
    """Return a day in the usual spelling; empty when the text is none."""
    read = _DAY.fullmatch(name.strip())
    if read is None:
        return ""
    try:
        return date(*(int(part) for part in read.groups())).isoformat()
    except ValueError:
        return ""  # no such day, and so no item of it


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
