"""What an explorer says in words: one text of some twenty lines, however much was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.extent.period import Period
from terrascope_nb.products.model import Product, in_language
from terrascope_nb.words import language, say

if TYPE_CHECKING:
    from terrascope_nb.widgets.panel.explorer import Explorer

_BANDS, _DATES, _NAMES = 4, 6, 6
"""Bands, dates and names of what was left out that are told before the rest is counted."""
_CODE_LINES, _CODE_LENGTH = 8, 1500
"""Lines and characters of code that still fit in the text."""


def filter_words(filters: Mapping[str, Any]) -> str:
    """Return filters of a search as a person says them; empty when there are none."""
    return "; ".join(_filter(name, value) for name, value in filters.items() if value is not None)


def _filter(name: str, value: Any) -> str:
    several = value if isinstance(value, list | tuple | set) else (value,)
    shown = ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in several)
    return {
        "max_cloud": say("at most {share} % cloud", share=shown),
        "orbit_direction": say("orbit direction {names}", names=shown),
        "relative_orbit": say("relative orbit {names}", names=shown),
        "platform": say("satellite {names}", names=shown),
        "version": say("versions: {names}", names=shown),
        "resolution": say("pixels of {names}", names=shown),
        "tile": say("tile {names}", names=shown),
        "max_items": say("at most {count} scenes", count=shown),
        "filter": say("where {expression}", expression=shown),
    }.get(name, f"{name}: {shown}")


def choice_lines(
    product: Product | None, area: Aoi | None, period: Period | None, filters: Mapping[str, Any], bands: Sequence[str]
) -> Iterator[str]:
    """Yield what is chosen, a line a choice and a line a band."""
    if area is None:
        yield say("Area: none chosen")
    else:
        yield say(
            "Area: {name}, {size} km²; west, south, east, north {bounds}",
            name=area.name or area.kind,
            size=f"{area.area_km2:.3g}",
            bounds=", ".join(f"{number:.4f}" for number in area.bbox),
        )
    if product is None:
        yield say("Product: none chosen")
    else:
        yield say("Product: {title} ({id})", title=in_language(product.title, language()), id=product.id)
        yield from _band_lines(product, bands)
    yield say("Period: none chosen, so all dates") if period is None else say("Period (UTC): {spans}", spans=period)
    told = filter_words(filters)
    yield say("Filters: {told}", told=told or say("none"))


def _band_lines(product: Product, bands: Sequence[str]) -> Iterator[str]:
    known = {band.name: band for band in product.bands}
    for name in bands[:_BANDS]:
        band = known[name]
        unit = "" if band.unit in (None, "1") else f" [{band.unit}]"
        yield f"  {name}: {in_language(band.title, language())}{unit}"
    if len(bands) > _BANDS:
        yield "  " + say("and {count} more bands", count=len(bands) - _BANDS)


def found_lines(explorer: Explorer) -> Iterator[str]:
    """Yield what was found and kept: how much, from when to when, the first dates, what was left out."""
    dates = explorer.dates
    yield say("{kept} of {count} scenes kept", kept=len(explorer.kept), count=len(explorer.all_found))
    marks = dates.marks
    if marks:
        yield say("From {first} to {last}", first=marks[0].day, last=marks[-1].day)
    if gone := explorer.dropped:
        yield say("Left out by hand: {names}", names=short_list(gone))
    yield dates.describe(most=_DATES)


def short_list(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(names[:_NAMES])
    if len(names) <= _NAMES:
        return shown
    return say("{names} and {count} more", names=shown, count=len(names) - _NAMES)


def code_text(code: str) -> str:
    """Return code that is short enough to be read in a text, else where it stands."""
    if len(code) <= _CODE_LENGTH and code.count("\n") < _CODE_LINES:
        return code
    return say("The code of this selection is long; print(explorer.code) shows it.")
