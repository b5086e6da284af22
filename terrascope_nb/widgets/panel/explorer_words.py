"""What an explorer says in words: one text of some twenty lines, however much was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from terrascope_nb.errors import TerrascopeError
from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.extent.period import Period
from terrascope_nb.products.model import Product, in_language
from terrascope_nb.products.registry import get_product
from terrascope_nb.words import language, say

if TYPE_CHECKING:
    from terrascope_nb.widgets.panel.exploration import Exploration
    from terrascope_nb.widgets.panel.kept_scenes import KeptScenes

_BANDS, _DATES, _NAMES = 4, 6, 6
"""Bands, dates and names of what was left out that are told before the rest is counted."""
_CODE_LINES, _CODE_LENGTH = 8, 1500
"""Lines and characters of code that still fit in the text."""
_PATIENCE = 2.0
"""Seconds that the text waits for the size."""


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


def exploration_text(exploration: Exploration) -> str:
    """Return the search that was made, what was found and kept, the size and the code; nothing is searched for."""
    asked, chosen, scenes = exploration.searching.made, exploration.choices, exploration.scenes
    if asked is None:
        lines = list(choice_lines(chosen.product, chosen.area, chosen.period, chosen.filters, chosen.bands))
        return "\n".join([*lines, say("Nothing was searched for yet.")])
    bands = exploration.loading.options["bands"] or ()
    lines = list(choice_lines(get_product(asked.product), asked.area, asked.period, asked.filters, bands))
    if exploration.is_outdated:
        lines.insert(0, exploration.notice())
        lines.insert(1, say("Below is what was searched for before:"))
    line = exploration.panel.size_line
    if scenes.found:
        lines += _found_lines(scenes)
        line.wait(_PATIENCE)
    else:
        lines.append(say("Nothing was found."))
    if line.size is not None:
        lines.append(str(line.size))
    return "\n".join([*lines, "", _code_or_reason(exploration)])


def _found_lines(scenes: KeptScenes) -> Iterator[str]:
    """Yield what was found and kept: how much, from when to when, the first dates, what was left out."""
    yield say("{kept} of {count} scenes kept", kept=len(scenes.kept), count=len(scenes.found))
    marks = scenes.dates.marks
    if marks:
        yield say("From {first} to {last}", first=marks[0].day, last=marks[-1].day)
    if gone := scenes.dropped:
        yield say("Left out by hand: {names}", names=short_list(gone))
    yield scenes.dates.describe(most=_DATES)


def _code_or_reason(exploration: Exploration) -> str:
    try:
        return _short_code(exploration.code())
    except TerrascopeError as error:
        return error.message


def short_list(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(names[:_NAMES])
    if len(names) <= _NAMES:
        return shown
    return say("{names} and {count} more", names=shown, count=len(names) - _NAMES)


def _short_code(code: str) -> str:
    """Return code that is short enough to be read in a text, else where it stands."""
    if len(code) <= _CODE_LENGTH and code.count("\n") < _CODE_LINES:
        return code
    return say("The code of this selection is long; print(explorer.code) shows it.")
