"""Items in words: the lines that text and HTML share, and the table for a terminal."""

from __future__ import annotations

import math
from collections import Counter
from datetime import date

import pystac

from terrascope_nb.catalogue.item_facts import cloud_of
from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.versions import versions_in

SHOWN = 20
"""Rows of a table before it is cut."""
HEADS = ("date (UTC)", "tile", "version", "cloud %", "area %", "read from")


def show_text(items: Items) -> str:
    """Return the table for a terminal: what this is, a row an item, what was left out, the notes."""
    rows = [HEADS, *table_rows(items)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([headline(items), *(lines if len(items) else []), *remarks(items)])


def table_rows(items: Items) -> list[tuple[str, ...]]:
    """Return the cells of the rows a table shows: all, or the first and the last few with a row of dots between."""
    if len(items) <= SHOWN:
        return [cells(items, item) for item in items]
    head, tail = items[: SHOWN - 5], items[len(items) - 5 :]
    dots = (f"… {len(items) - SHOWN} more", *["…"] * (len(HEADS) - 1))
    return [*(cells(items, item) for item in head), dots, *(cells(items, item) for item in tail)]


def headline(items: Items) -> str:
    """Return "n of N items" with product, period and area."""
    count = f"{len(items)} of {items.matched}" if items.matched is not None else f"{len(items)}"
    parts = [f"{count} item{'' if len(items) == 1 and items.matched in (1, None) else 's'}"]
    if items.product is not None:
        parts.append(items.product.id)
    if items.period is not None:
        parts.append(str(items.period))
    if items.area is not None:
        parts.append(items.area.name or "an area")
    versions = versions_in(items)
    if len(versions) > 1:
        parts.append("versions " + ", ".join(f"{name} ({number})" for name, number in versions.items()))
    return " · ".join(parts)


def remarks(items: Items) -> list[str]:
    """Return what was left out and why, and the notes, a line each."""
    lines = []
    if items.dropped:
        reasons = Counter(gone.reason for gone in items.dropped)
        most = "; ".join(f"{number} × {reason}" for reason, number in reasons.most_common(3))
        lines.append(f"Left out: {len(items.dropped)} ({most}). See .dropped")
    return [*lines, *(f"Note: {note}" for note in items.notes)]


def cells(items: Items, item: pystac.Item) -> tuple[str, ...]:
    """Return one item's cells of the short table."""
    row = items.row(item)
    moment = row["time"].strftime("%Y-%m-%d %H:%M") if row["time"] else "–"
    return (
        moment,
        row["tile"] or "–",
        row["version"] or "–",
        percent(row["cloud"]),
        percent(row["coverage"]),
        row["access"],
    )


def percent(value: float) -> str:
    """Return a percentage for people; a small rest is not rounded away to 0 or 100."""
    if math.isnan(value):
        return "–"
    if 0 < value < 0.1:
        return "<0.1"
    if 99.9 < value < 100:
        return ">99.9"
    return f"{value:.1f}"


def day_line(day: date, items: Items) -> str:
    """Return one sentence about the items of a day."""
    clouds = [cloud for item in items if (cloud := cloud_of(item)) is not None]
    said = [f"{len(items)} item{'s' if len(items) > 1 else ''}"]
    said.append(f"cloud {percent(sum(clouds) / len(clouds))} %" if clouds else "cloud unknown")
    if not math.isnan(items.coverage):
        said.append(f"{percent(items.coverage)} % of the area")
    return f"{day.isoformat()}: {', '.join(said)}"
