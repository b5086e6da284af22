"""The picture of an area that stays in a saved notebook: its outline on the map, or on plain ground."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import shapely
from PIL import Image, ImageDraw

from terrascope_nb.extent.aoi import Aoi

Bounds = tuple[float, float, float, float]
_SIZE = (420, 300)
_GROUND = (247, 247, 247)
_LINE = (0, 114, 178)
_FILL = (0, 114, 178, 60)
_ROOM = 0.15
"""Part of the area's own size that is left free on each side."""


def area_png(found: Aoi, *, under: bytes | None = None, bounds: Bounds | None = None) -> bytes:
    """Return an area as a PNG in web mercator.

    Parameters
    ----------
    found : Aoi
    under : bytes, optional
        A picture to draw on, with its `bounds`; plain ground when None.
    bounds : (west, south, east, north), optional
        What the picture shows, in degrees; the area with some room around when None.
    """
    image = Image.new("RGB", _SIZE, _GROUND) if under is None else Image.open(io.BytesIO(under)).convert("RGB")
    left, bottom, right, top = _mercator_bounds(bounds or found.bbox, fit=None if bounds else image.size)
    scale = np.array([image.width / (right - left), -image.height / (top - bottom)])

    def to_pixels(lonlat: np.ndarray) -> np.ndarray:
        return np.asarray((np.column_stack(_mercator(lonlat[:, 0], lonlat[:, 1])) - [left, top]) * scale)

    draw = ImageDraw.Draw(image, "RGBA")
    for part in shapely.get_parts(shapely.transform(shapely.get_parts(found.geometry), to_pixels)):
        _draw(draw, part)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def _draw(draw: ImageDraw.ImageDraw, part: shapely.Geometry) -> None:
    if isinstance(part, shapely.Polygon):
        draw.polygon(_corners(part.exterior), fill=_FILL)
        for ring in (part.exterior, *part.interiors):
            draw.line(_corners(ring), fill=_LINE, width=2, joint="curve")
    elif isinstance(part, shapely.Point):
        draw.ellipse([part.x - 4, part.y - 4, part.x + 4, part.y + 4], fill=_LINE)
    else:
        draw.line(_corners(part), fill=_LINE, width=2)


def _corners(line: shapely.Geometry) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in shapely.get_coordinates(line)]


def _mercator(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return degrees as web mercator in radians."""
    return np.radians(lon), np.arctanh(np.sin(np.radians(np.clip(lat, -85.0, 85.0))))


def _mercator_bounds(bounds: Bounds, *, fit: Sequence[int] | None) -> Bounds:
    """Return bounds in web mercator; with ``fit`` grown to the shape of a picture, with room around."""
    west, south, east, north = bounds
    east += 360.0 if east < west else 0.0
    (left, right), (bottom, top) = (
        tuple(map(float, side)) for side in _mercator(np.array([west, east]), np.array([south, north]))
    )
    if fit is None:
        return left, bottom, right, top
    step = max((right - left) / fit[0], (top - bottom) / fit[1], 1e-7) * (1 + 2 * _ROOM)
    x, y = (left + right) / 2, (bottom + top) / 2
    return x - step * fit[0] / 2, y - step * fit[1] / 2, x + step * fit[0] / 2, y + step * fit[1] / 2
