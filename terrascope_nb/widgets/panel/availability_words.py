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
        "from": say("Measured on"),
        "coverage": say("Area covered %"),
        "version": say("Version"),
        "state": say("State"),
        "flags": say("my area (quality flags)"),
        "index": say("whole scene (quality flags)"),
        "catalogue": say("whole scene (catalogue's cloud cover)"),
        "unknown": say("unknown"),
        "help": say("Arrow keys move, Enter shows the quicklook, Space keeps or drops."),
        "legend": say("Bar: how much is clear. Struck through: dropped. Dashed: clear share unknown."),
        "cancel": say("Cancel"),
        "close": say("Close"),
        "none": say("There are no dates to show."),
    }


def date_words(mark: DateMark) -> str:
    """Return one sentence about a day."""
    parts = [mark.day.isoformat() + ":", clear_words(mark) + ","]
    if not math.isnan(mark.coverage):
        parts.append(say("{share} % of the area covered", share=percent(mark.coverage)) + ",")
    if mark.version:
        parts.append(say("version {version}", version=mark.version) + ",")
    parts.append(say("{count} scene(s)", count=len(mark.item_ids)))
    return " ".join(parts)


def clear_words(mark: DateMark) -> str:
    """Return the clear share of a day and what it is a share of."""
    if math.isnan(mark.clear):
        return say("clear share unknown")
    share = percent(mark.clear)
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
    return "; ".join(
        say("{count} dates", count=count) + ": " + told[origin] for origin, count in counted.items() if count
    )
