"""What the calendar of dates says, in the reader's language."""

from __future__ import annotations

import math
from collections.abc import Sequence

from terrascope_nb.catalogue.items_text import percent
from terrascope_nb.cube.dates import DateMark
from terrascope_nb.words import say


def calendar_words() -> dict[str, str]:
    """Return the fixed words of the calendar; the page fills in what stands in braces."""
    return {
        "title": say("Dates"),
        "kept": say("kept"),
        "dropped": say("dropped"),
        "drop": say("Drop this date"),
        "keep": say("Keep this date"),
        "summary": say("{kept} of {count} dates kept"),
        "list": say("The same as a table"),
        "date": say("Date (UTC)"),
        "clear": say("Clear %"),
        "from": say("Clear share of"),
        "coverage": say("Area covered %"),
        "version": say("Version"),
        "state": say("State"),
        "flags": say("the covered part of the area (quality flags)"),
        "index": say("the whole scene (quality flags)"),
        "catalogue": say("the whole scene (catalogue's cloud cover)"),
        "unknown": say("unknown"),
        "help": say("Arrow keys move, Enter shows the quicklook, Space keeps or drops."),
        "legend": say("Bar: how much is clear. Struck through: dropped. Dashed: clear share unknown."),
        "cancel": say("Cancel"),
        "close": say("Close"),
        "none": say("There are no dates to show."),
    }


def clear_share(mark: DateMark) -> float:
    """Return the percent of a day that is clear: measured on the area, of the part that its scenes cover.

    >>> import datetime
    >>> clear_share(DateMark(datetime.date(2018, 6, 1), ("a",), 30.0, "flags", 40.0, ""))
    75.0
    """
    if mark.clear_from != "flags":
        return mark.clear
    if mark.coverage <= 0:
        return math.nan
    return mark.clear if math.isnan(mark.coverage) else min(100.0, 100.0 * mark.clear / mark.coverage)


def is_partial(mark: DateMark) -> bool:
    """Tell whether the scenes of a day leave out a part of the area that one would see in a number."""
    return mark.coverage < 99.95


def date_words(mark: DateMark, *, measuring: bool = False) -> str:
    """Return one sentence about a day; while flags are being read, none of the catalogue's numbers."""
    told = say("clear share not measured yet") if measuring and mark.clear_from != "flags" else clear_words(mark)
    parts = [mark.day.isoformat() + ":", told + ","]
    if not math.isnan(mark.coverage):
        parts.append(say("{share} % of the area covered", share=percent(mark.coverage)) + ",")
    if mark.version:
        parts.append(say("version {version}", version=mark.version) + ",")
    parts.append(say("{count} scene(s)", count=len(mark.item_ids)))
    return " ".join(parts)


def clear_words(mark: DateMark) -> str:
    """Return the clear share of a day and what it is a share of."""
    if math.isnan(clear_share(mark)):
        return say("clear share unknown")
    share = percent(clear_share(mark))
    if mark.clear_from == "flags" and is_partial(mark):
        return say("{share} % of the covered part of the area clear by its quality flags", share=share)
    if mark.clear_from == "flags":
        return say("{share} % of the area clear by its quality flags", share=share)
    if mark.clear_from == "index":
        return say("{share} % of the scene clear by its quality flags", share=share)
    return say("{share} % of the scene clear by the catalogue's cloud cover", share=share)


def origin_words(marks: Sequence[DateMark]) -> str:
    """Return where the clear shares of the dates come from."""
    told = {
        "flags": say("clear share of my area from its quality flags"),
        "index": say("clear share of the whole scene from its quality flags"),
        "catalogue": say("clear share of the whole scene from the catalogue's cloud cover"),
        "": say("clear share unknown"),
    }
    counted = {origin: sum(mark.clear_from == origin for mark in marks) for origin in told}
    lines = "; ".join(
        say("{count} dates", count=count) + ": " + told[origin] for origin, count in counted.items() if count
    )
    partial = sum(is_partial(mark) and mark.clear_from == "flags" for mark in marks)
    if not partial:
        return lines
    return (
        lines
        + ". "
        + say("{count} dates cover a part of the area only; their clear share is that of the part", count=partial)
    )
