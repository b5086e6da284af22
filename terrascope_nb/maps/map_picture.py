"""The picture of a map: basemap, data at their true pixels, outlines, names; in web mercator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from terrascope_nb.maps.basemap import Basemap, fit_bounds
from terrascope_nb.maps.sheet import MapSheet, Outline, SheetLayer
from terrascope_nb.maps.tiles import TilePainter
from terrascope_nb.raster.tiling import Bounds, mercator_of

__all__ = ["Around", "around_of", "colours_of", "lines_of", "map_of", "mercator_line", "picture_of"]

_PLAIN = (238, 238, 238)


def picture_of(
    basemap: Basemap | None,
    layers: Sequence[tuple[TilePainter, int | None, float]],
    outlines: Sequence[Outline | Mapping[str, Any]],
    bounds: Bounds,
    size: tuple[int, int],
    *,
    dark: bool = False,
    names_above: bool = False,
) -> Image.Image:
    """Return the map alone as RGB picture in web mercator.

    Parameters
    ----------
    basemap : Basemap or None
        None: plain grey.
    layers : sequence of (TilePainter, time index, opacity)
        From the lowest to the highest; each pixel has the colour of the source's pixel at its centre.
    outlines : sequence of Outline or GeoJSON
    bounds : (west, south, east, north) in degrees
        All of it is shown; more above and below or beside where the size has another shape.
    size : (width, height) in pixels
    dark : bool
    names_above : bool
        Borders and names above the data.

    Raises
    ------
    TerrascopeError
        A source could not be read.
    """
    chosen = tuple(SheetLayer(painter, time, opacity) for painter, time, opacity in layers)
    drawn = tuple(one if isinstance(one, Outline) else Outline(one) for one in outlines)
    image = map_of(MapSheet(bounds, size, chosen, (), basemap, dark, names_above))
    draw = ImageDraw.Draw(image)
    for outline in drawn:
        for line in lines_of(outline.geojson):
            points = _to_pixels(line, fit_bounds(bounds, size), size)
            if len(points) > 1:
                draw.line(points.ravel().tolist(), fill=outline.colour, width=round(outline.width), joint="curve")
            else:
                (x, y), r = points[0], outline.width * 2
                draw.ellipse((x - r, y - r, x + r, y + r), fill=outline.colour)
    return image


@dataclass(frozen=True, slots=True)
class Around:
    """What lies below and above the data of a sheet; the same for every date."""

    below: Image.Image
    """Basemap, RGBA."""
    above: Image.Image | None
    """Borders and names, RGBA; None where they are not drawn above."""


def around_of(sheet: MapSheet, factor: int = 1) -> Around:
    """Return what lies below and above the data, ``factor`` times larger than the sheet says."""
    size = (sheet.size[0] * factor, sheet.size[1] * factor)
    if sheet.basemap is None:
        below = Image.new("RGBA", size, (*_PLAIN, 255) if not sheet.dark else (48, 48, 48, 255))
    else:
        below = _enlarged(sheet.basemap.picture(sheet.bounds, sheet.size, dark=sheet.dark), size)
    if not sheet.names_above:
        return Around(below, None)
    names = (sheet.basemap or Basemap()).picture(sheet.bounds, sheet.size, ground=False)
    return Around(below, _enlarged(names, size))


def map_of(sheet: MapSheet, factor: int = 1, around: Around | None = None) -> Image.Image:
    """Return the map of a sheet, RGB, without outlines and frame.

    Parameters
    ----------
    sheet : MapSheet
    factor : int
        How many times larger than the sheet says: a printer shows more than a screen.
    around : Around, optional
        As `around_of` gives it, where several maps share it.
    """
    around = around or around_of(sheet, factor)
    image = around.below.copy()
    for layer in sheet.layers:
        image.alpha_composite(Image.fromarray(colours_of(layer, sheet.shown_bounds, image.size), "RGBA"))
    if around.above is not None:
        image.alpha_composite(around.above)
    return image.convert("RGB")


def _enlarged(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    image = image.convert("RGBA")
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)


def colours_of(layer: SheetLayer, bounds: Bounds, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the colours of a layer on the pixels of a map: of each, the source's pixel at its centre."""
    width, height = size
    found = np.zeros((height, width, 4), dtype="uint8")
    if layer.opacity <= 0:
        return found
    for turn in (-360.0, 0.0, 360.0):  # a view may lie beyond the date line
        turned = (bounds[0] + turn, bounds[1], bounds[2] + turn, bounds[3])
        part = _common(turned, layer.painter.source.bounds)
        if part is not None:
            _put(layer, turned, part, found)
    if layer.opacity < 1:
        found[..., 3] = np.round(found[..., 3] * layer.opacity)
    return found


def _put(layer: SheetLayer, bounds: Bounds, part: Bounds, found: NDArray[np.uint8]) -> None:
    height, width = found.shape[:2]
    (left, bottom), (right, top) = mercator_of(bounds[0], bounds[1]), mercator_of(bounds[2], bounds[3])
    (part_left, part_bottom), (part_right, part_top) = mercator_of(part[0], part[1]), mercator_of(part[2], part[3])
    longer = max((part_right - part_left) / (right - left) * width, (part_top - part_bottom) / (top - bottom) * height)
    rgba, exact = layer.painter.rgba(part, max(round(longer), 1), layer.time)
    (x0, y1), (x1, y0) = mercator_of(exact[0], exact[1]), mercator_of(exact[2], exact[3])
    xs = left + (np.arange(width) + 0.5) * (right - left) / width
    ys = top - (np.arange(height) + 0.5) * (top - bottom) / height
    columns = np.floor((xs - x0) / (x1 - x0) * rgba.shape[1]).astype(int)
    rows = np.floor((y0 - ys) / (y0 - y1) * rgba.shape[0]).astype(int)
    inside_x, inside_y = (columns >= 0) & (columns < rgba.shape[1]), (rows >= 0) & (rows < rgba.shape[0])
    found[np.ix_(inside_y, inside_x)] = rgba[np.ix_(rows[inside_y], columns[inside_x])]


def _common(one: Bounds, other: Bounds) -> Bounds | None:
    west, south = max(one[0], other[0]), max(one[1], other[1])
    east, north = min(one[2], other[2]), min(one[3], other[3])
    return (west, south, east, north) if west < east and south < north else None


def _to_pixels(line: NDArray[np.float64], bounds: Bounds, size: tuple[int, int]) -> NDArray[np.float64]:
    places = mercator_line(line)
    (left, bottom), (right, top) = mercator_of(bounds[0], bounds[1]), mercator_of(bounds[2], bounds[3])
    return np.column_stack(
        [(places[:, 0] - left) / (right - left) * size[0], (top - places[:, 1]) / (top - bottom) * size[1]]
    )


def mercator_line(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return longitudes and latitudes (n, 2) as metres of EPSG:3857."""
    return np.array([mercator_of(lon, lat) for lon, lat in line])


def lines_of(geojson: Mapping[str, Any]) -> Iterator[NDArray[np.float64]]:
    """Give each ring, line and point of a GeoJSON, as (n, 2) longitudes and latitudes."""
    for members in ("features", "geometries"):
        for member in geojson.get(members) or ():
            yield from lines_of(member)
    if "geometry" in geojson:
        yield from lines_of(geojson["geometry"] or {})
    depth = {"Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
    kind = str(geojson.get("type"))
    if kind not in depth or not geojson.get("coordinates"):
        return
    parts: list[Any] = [geojson["coordinates"]]
    for _ in range(depth[kind] - 1):
        parts = [one for part in parts for one in part]
    if kind == "MultiPoint":
        parts = list(parts[0])
    for part in parts:
        yield np.atleast_2d(np.asarray(part, dtype="float64"))[:, :2]
