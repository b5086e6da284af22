"""How an area shows itself: one line of text, or a small picture with its figures."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from terrascope_nb.extent.features import Aoi

__all__ = ["as_html", "as_text"]

_SIZE = 140
"""Longer side of the picture in pixels."""
_MOST_POINTS = 4000
"""With more vertices the outlines are simplified; the picture is too small for them."""
_MOST_PARTS = 800
"""The largest parts that are drawn."""
_MOST_TILES = 8
_MOST_NOTES = 6


def as_text(aoi: Aoi) -> str:
    """Return a line of text, and one per note."""
    title = f"{aoi.name!r} " if aoi.name else ""
    count = f"{len(aoi)} feature{'s' if len(aoi) > 1 else ''}"
    lines = [f"<Aoi {title}{aoi.kind}, {count}, {_area(aoi)}, {_crs(aoi)}, tiles {_tiles(aoi)}>"]
    return "\n".join([*lines, *(f"  note: {note}" for note in _notes(aoi))])


def as_html(aoi: Aoi) -> str:
    """Return a picture of the outline with area, bbox, tiles and notes; every text is escaped."""
    west, south, east, north = aoi.bbox
    rows = {
        "features": f"{len(aoi)}" + (f" ({', '.join(f.id for f in aoi.features[:4])}{_more(aoi)})"),
        "area": _area(aoi),
        "bbox": f"{west:.4f}, {south:.4f}, {east:.4f}, {north:.4f}",
        "coordinates": _crs(aoi),
        "tiles": _tiles(aoi),
        "clips": "yes: pixels outside become NaN" if aoi.clips else f"no: a {aoi.kind} is a frame",
    }
    cells = "".join(
        f"<tr><th style='text-align:left'>{key}</th><td style='text-align:left'>{html.escape(value)}</td></tr>"
        for key, value in rows.items()
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in _notes(aoi))
    return (
        f"<div><strong>{html.escape(aoi.name or 'area')}</strong>"
        f"<div style='display:flex;gap:1em;align-items:flex-start'>{_svg(aoi)}<table>{cells}</table></div>"
        f"{f'<ul>{notes}</ul>' if notes else ''}</div>"
    )


def _notes(aoi: Aoi) -> list[str]:
    rest = len(aoi.notes) - _MOST_NOTES
    return [*aoi.notes[:_MOST_NOTES], *([f"… and {rest} more in .notes"] if rest > 0 else [])]


def _more(aoi: Aoi) -> str:
    return ", …" if len(aoi) > 4 else ""


def _area(aoi: Aoi) -> str:
    km2 = aoi.area_km2
    if km2 == 0:
        return "no area"
    return f"{km2 * 100:,.2f} ha" if km2 < 1 else f"{km2:,.2f} km²" if km2 < 1000 else f"{km2:,.0f} km²"


def _crs(aoi: Aoi) -> str:
    return aoi.crs if len(aoi.crs) < 40 else aoi.crs.split('"')[1]


def _tiles(aoi: Aoi) -> str:
    shown = " ".join(aoi.tiles[:_MOST_TILES]) or "none"
    rest = len(aoi.tiles) - _MOST_TILES
    return f"{shown} and {rest} more" if rest > 0 else shown


def _svg(aoi: Aoi) -> str:
    west, south, east, north = aoi.bbox
    east += 360.0 if east < west else 0.0
    # A degree of longitude is drawn as narrow as it is in the middle of the area.
    squeeze = max(float(np.cos(np.radians((south + north) / 2))), 0.05)
    width, height = max((east - west) * squeeze, 1e-6), max(north - south, 1e-6)
    scale = (_SIZE - 8) / max(width, height)

    def to_pixels(xy: np.ndarray) -> np.ndarray:
        x = np.where(xy[:, 0] < west - 1e-9, xy[:, 0] + 360.0, xy[:, 0])
        return np.column_stack([(x - west) * squeeze * scale + 4, (north - xy[:, 1]) * scale + 4])

    shapes = shapely.transform(shapely.get_parts(aoi.geometry), to_pixels)
    shapes = shapes[np.argsort(-shapely.area(shapes), kind="stable")][:_MOST_PARTS]
    if shapely.get_num_coordinates(shapes).sum() > _MOST_POINTS:
        shapes = shapely.simplify(shapes, 0.3)
    parts = "".join(_element(shape) for shape in shapes if not shape.is_empty)
    size = f"width='{width * scale + 8:.0f}' height='{height * scale + 8:.0f}'"
    label = html.escape(f"outline of {aoi.name or 'the area'}", quote=True)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' {size} role='img' aria-label='{label}'>"
        f"<g fill='#0072B2' fill-opacity='0.25' stroke='#0072B2' stroke-width='1.2'>{parts}</g></svg>"
    )


def _element(part: shapely.Geometry) -> str:
    if isinstance(part, shapely.Polygon):
        rings = [part.exterior, *part.interiors]
        return f"<path fill-rule='evenodd' d='{' '.join(_line(ring) + 'Z' for ring in rings if not ring.is_empty)}'/>"
    if isinstance(part, shapely.Point):
        return f"<circle cx='{part.x:.1f}' cy='{part.y:.1f}' r='3'/>"
    return f"<path fill='none' d='{_line(part)}'/>"


def _line(line: shapely.Geometry) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in shapely.get_coordinates(line))
