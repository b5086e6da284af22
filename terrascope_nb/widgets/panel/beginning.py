"""`explore`: an explorer that begins with what it is given, with or without a browser."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import date
from typing import Any

from terrascope_nb.catalogue.sources import Cql2
from terrascope_nb.errors import TerrascopeWarning
from terrascope_nb.extent.aoi import AoiLike
from terrascope_nb.extent.period import PeriodLike
from terrascope_nb.products.model import Product
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.panel.explorer import Explorer


def explore(
    product: str | Product | None = None,
    area: AoiLike | None = None,
    period: PeriodLike | None = None,
    *,
    max_cloud: float | None = None,
    tile: str | Sequence[str] | None = None,
    resolution: float | str | None = None,
    orbit_direction: str | None = None,
    relative_orbit: int | Sequence[int] | None = None,
    platform: str | Sequence[str] | None = None,
    version: str | None = None,
    filter: Cql2 | None = None,  # noqa: A002 - the word of search()
    max_items: int | None = None,
    source: Any = None,
    bands: str | Sequence[str] | None = None,
    mask: str | None = "clear",
    without: str | date | Sequence[str | date] = (),
    map: Map | None = None,  # noqa: A002 - the word of every widget that stands beside a map
) -> Explorer:
    """Return a panel to choose, search, look, select and load; with choices given it has searched already.

    Parameters
    ----------
    product, area, period, max_cloud, tile, resolution, orbit_direction, relative_orbit, platform, version, filter, max_items, source
        As `terrascope_nb.search`; whatever is given is chosen already.
    bands, mask
        What to load, as `terrascope_nb.load`; None = the product's usual bands. A product without quality flags is not
        masked.
    without : str or date, or sequence of these
        Days and item ids to leave out; what fits nothing is warned of.
    map : Map, optional
        The map to use; one of its own when None.

    Returns
    -------
    Explorer
        ``items``, ``area``, ``period``, ``product``, ``cube`` and ``code`` are there for the next cell, with or without a
        browser.

    Raises
    ------
    TerrascopeError
        A choice that was given cannot be meant, or the search failed.

    Examples
    --------
    >>> explorer = explore("s2-ndvi", (3.02, 50.81, 3.03, 50.82), "2018-06", source="sample")
    >>> len(explorer.items)
    9
    """
    given = {
        "max_cloud": max_cloud, "tile": tile, "resolution": resolution, "orbit_direction": orbit_direction,
        "relative_orbit": relative_orbit, "platform": platform, "version": version, "max_items": max_items,
    }  # fmt: skip
    filters = {name: value for name, value in given.items() if value is not None}
    explorer = Explorer(
        product, area, period, filters=filters, filter=filter, source=source, bands=bands, mask=mask, map=map
    )
    if product is not None and (area is not None or period is not None):
        explorer.search()
        if without:
            explorer.drop(without)
    elif without:
        warnings.warn(
            "without was given, but nothing is searched for before there is a product and an area or a period. "
            "Give these too, or call explorer.drop() after searching.",
            TerrascopeWarning,
            stacklevel=2,
        )
    return explorer
