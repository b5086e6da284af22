"""Items in a notebook: a table, a picture of the footprints over the area, a strip with one mark per date."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import date
from html import escape

import numpy as np
import pystac
import shapely
from shapely.geometry.base import BaseGeometry

from terrascope_nb.catalogue.item_facts import cloud_of, tile_of
from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.items_text import HEADS, day_line, headline, remarks, table_rows
from terrascope_nb.catalogue.sources import footprint_of

_CLOUD_STEPS = ((10.0, "#2166ac", "up to 10 %"), (40.0, "#67a9cf", "10-40 %"), (80.0, "#b5a27a", "40-80 %"),
                (100.0, "#8a8a8a", "over 80 %"))  # fmt: skip
_AREA_COLOUR = "var(--jp-brand-color1, #1976d2)"
_MOST_OUTLINES = 60
_MOST_LISTED = 50
_MAP_SIZE = 200.0
_STRIP_WIDTH, _STRIP_HEIGHT = 660.0, 34.0


def show_html(items: Items) -> str:
    """Return the notebook's picture of a set of items; every text of the catalogue is escaped."""
    parts = [f"<p><strong>{escape(headline(items))}</strong></p>"]
    if len(items):
        parts += [
            '<div style="display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start">',
            _table(items),
            _footprints(items),
            "</div>",
            _strip(items),
        ]
    parts += [f"<p>{escape(line)}</p>" for line in remarks(items)]
    if items.dropped:
        listed = "".join(
            f"<li>{escape(gone.item_id)}: {escape(gone.reason)}</li>" for gone in items.dropped[:_MOST_LISTED]
        )
        rest = len(items.dropped) - _MOST_LISTED
        more = f"<li>… and {rest} more</li>" if rest > 0 else ""
        parts.append(f"<details><summary>What was left out</summary><ul>{listed}{more}</ul></details>")
    return f'<div class="terrascope-items" style="color:var(--jp-ui-font-color1, inherit)">{"".join(parts)}</div>'


def _table(items: Items) -> str:
    head = "".join(f'<th scope="col" style="text-align:left">{escape(name)}</th>' for name in HEADS)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in row) + "</tr>"
        for row in table_rows(items)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _footprints(items: Items) -> str:
    outlines = _unique_outlines(items)
    area = items.area.geometry if items.area is not None else None
    everything = [outline for outline, _ in outlines] + ([area] if area is not None else [])
    if not everything:
        return ""
    frame = _Frame(everything)
    shapes = [
        f'<path d="{frame.path(outline)}" fill="currentColor" fill-opacity="0.06" stroke="currentColor" '
        f'stroke-opacity="0.7"><title>{escape(title)}</title></path>'
        for outline, title in outlines[:_MOST_OUTLINES]
    ]
    said = f"{len(outlines)} footprint{'s' if len(outlines) != 1 else ''}"
    if area is not None and items.area is not None:
        name = items.area.name or "the area"
        shapes.append(
            f'<path d="{frame.path(area)}" style="fill:{_AREA_COLOUR};fill-opacity:0.45;stroke:{_AREA_COLOUR}">'
            f"<title>{escape(name)}</title></path>"
        )
        # An area of a few fields is a speck beside a 110 km tile; the ring shows where to look.
        x, y = frame.centre(area)
        shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="none" style="stroke:{_AREA_COLOUR}"/>')
        share = items.coverage
        said += f" and {name}" + ("" if math.isnan(share) else f", {share:.0f} % of it covered")
    return _svg(frame.width, frame.height, f"Footprints: {said}", "".join(shapes))


def _unique_outlines(items: Items) -> list[tuple[BaseGeometry, str]]:
    """Return each different footprint once, with tile and number of items."""
    groups: dict[object, tuple[BaseGeometry, list[pystac.Item]]] = {}
    for item in items:
        outline = footprint_of(item)
        if outline is not None:
            # Passes of one tile differ by metres, less than a pixel of this picture.
            key = (tile_of(item), *(round(edge, 2) for edge in outline.bounds), round(outline.area, 2))
            groups.setdefault(key, (outline, []))[1].append(item)
    return [
        (outline, f"{tile_of(members[0]) or members[0].id}: {len(members)} item{'s' if len(members) > 1 else ''}")
        for outline, members in groups.values()
    ]


class _Frame:
    """Degrees to pixels, one degree of longitude shrunk as it is at the middle latitude."""

    def __init__(self, outlines: Sequence[BaseGeometry]) -> None:
        west, south, east, north = shapely.total_bounds(np.array(outlines, dtype=object))
        self._shrink = max(0.05, math.cos(math.radians((south + north) / 2)))
        span = max((east - west) * self._shrink, north - south, 1e-6)
        self._scale = (_MAP_SIZE - 20) / span
        self._west, self._north = west, north
        self.width = (east - west) * self._shrink * self._scale + 20
        self.height = (north - south) * self._scale + 20

    def pixel(self, lon: float, lat: float) -> tuple[float, float]:
        return 10 + (lon - self._west) * self._shrink * self._scale, 10 + (self._north - lat) * self._scale

    def centre(self, outline: BaseGeometry) -> tuple[float, float]:
        west, south, east, north = outline.bounds
        return self.pixel((west + east) / 2, (south + north) / 2)

    def path(self, outline: BaseGeometry) -> str:
        simple = shapely.simplify(outline, 0.3 / self._scale)
        lines = [line for part in shapely.get_parts(simple) for line in _rings(part)]
        return "".join(
            "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in (self.pixel(lon, lat) for lon, lat in line)) for line in lines
        )


def _rings(part: BaseGeometry) -> Iterable[np.ndarray]:
    if part.geom_type == "Polygon":
        return [shapely.get_coordinates(ring) for ring in shapely.get_rings(part)]
    return [shapely.get_coordinates(part)]


def _strip(items: Items) -> str:
    days = items.by_day()
    if not days:
        return ""
    first, last = min(days), max(days)
    length = max(1, (last - first).days)
    step = min(8.0, max(2.0, (_STRIP_WIDTH - 10) / (length + 1) * 0.8))
    base = _STRIP_HEIGHT + 4

    def place(day: date) -> float:
        return 2 + (day - first).days / length * (_STRIP_WIDTH - step - 4)

    marks = []
    for day, members in days.items():
        clouds = [cloud for item in members if (cloud := cloud_of(item)) is not None]
        share = members.coverage
        height = _STRIP_HEIGHT * (1.0 if math.isnan(share) else 0.25 + 0.75 * share / 100.0)
        fill = _cloud_colour(sum(clouds) / len(clouds)) if clouds else "none"
        marks.append(
            f'<rect x="{place(day):.1f}" y="{base - height:.1f}" width="{step:.1f}" height="{height:.1f}" '
            f'fill="{fill}" stroke="currentColor" stroke-opacity="0.5" stroke-width="0.5">'
            f"<title>{escape(day_line(day, members))}</title></rect>"
        )
    marks.append(_axis(first, last, base + 12))
    marks.append(_legend(base + 28))
    label = f"{len(days)} date{'s' if len(days) > 1 else ''} from {first} to {last}, coloured by cloud cover"
    return _svg(_STRIP_WIDTH, base + 34, label, "".join(marks))


def _axis(first: date, last: date, y: float) -> str:
    texts = [f'<text x="2" y="{y:.0f}" font-size="10" fill="currentColor">{first}</text>']
    if last > first:
        texts.append(
            f'<text x="{_STRIP_WIDTH - 2:.0f}" y="{y:.0f}" font-size="10" text-anchor="end" fill="currentColor">'
            f"{last}</text>"
        )
    return "".join(texts)


def _legend(y: float) -> str:
    entries = [*((colour, f"cloud {text}") for _, colour, text in _CLOUD_STEPS), ("none", "cloud unknown")]
    return "".join(
        f'<rect x="{2 + 110 * n}" y="{y - 8:.0f}" width="8" height="8" fill="{colour}" stroke="currentColor" '
        f'stroke-opacity="0.5" stroke-width="0.5"/><text x="{14 + 110 * n}" y="{y:.0f}" font-size="10" '
        f'fill="currentColor">{text}</text>'
        for n, (colour, text) in enumerate(entries)
    )


def _cloud_colour(cloud: float) -> str:
    return next((colour for limit, colour, _ in _CLOUD_STEPS if cloud <= limit), _CLOUD_STEPS[-1][1])


def _svg(width: float, height: float, label: str, body: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" xmlns="http://www.w3.org/2000/svg" style="max-width:100%">'
        f"<title>{escape(label)}</title>{body}</svg>"
    )
