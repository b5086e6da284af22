"""A map without a browser: its view in degrees, its picture and its text twin."""

from __future__ import annotations

import html
import io
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import ipyleaflet
import numpy as np
from PIL import Image, ImageDraw

from terrascope_nb.maps.lettering import open_font
from terrascope_nb.maps.small_key import KeyEntry, draw_key
from terrascope_nb.maps.tiles import encode_png
from terrascope_nb.raster.tiling import HALF, TILE, Bounds, lonlat_bounds, mercator_of
from terrascope_nb.widgets.live_map.kernel_tiles import KernelTiles
from terrascope_nb.widgets.live_map.view_bounds import touches
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map

Still = tuple[bytes, Bounds]
"""A PNG in web mercator and its bounds in degrees."""


def bounds_of_view(center: Iterable[float], zoom: float, size: tuple[int, int]) -> Bounds:
    """Return what a map shows: (west, south, east, north).

    Parameters
    ----------
    center : (latitude, longitude)
    zoom : float
    size : (width, height)
        Pixels.

    >>> [round(edge, 3) for edge in bounds_of_view((0, 0), 0, (256, 128))]
    [-180.0, -66.513, 180.0, 66.513]
    """
    lat, lon = center
    x, y = mercator_of(lon, lat)
    metres = 2 * HALF / (TILE * 2**zoom)
    wide, high = size[0] * metres / 2, size[1] * metres / 2
    return lonlat_bounds((x - wide, max(y - high, -HALF), x + wide, min(y + high, HALF)))


def view_of_bounds(bounds: Bounds, size: tuple[int, int], *, most: int = 18) -> tuple[list[float], int]:
    """Return the center (latitude, longitude) and the finest whole zoom that show all of some bounds.

    >>> view_of_bounds((4.0, 50.0, 5.0, 51.0), (900, 500))
    ([50.5026..., 4.5], 8)
    """
    (left, bottom), (right, top) = mercator_of(bounds[0], bounds[1]), mercator_of(bounds[2], bounds[3])
    scale = max((right - left) / size[0], (top - bottom) / size[1], 1e-9)
    zoom = math.floor(math.log2(2 * HALF / (TILE * scale)) + 1e-9)
    lon, lat, _, _ = lonlat_bounds(((left + right) / 2, (bottom + top) / 2) * 2)
    return [lat, lon], min(max(zoom, 0), most)


def compose(
    view: Bounds, size: tuple[int, int], stills: Iterable[tuple[KernelTiles, Still | None]], others: Iterable[Any] = ()
) -> bytes:
    """Return a PNG of a view: pictures of the layers on top of each other, then the outlines of vector layers.

    Parameters
    ----------
    view : Bounds
    size : (width, height)
    stills : pairs of a layer and its picture
        From the lowest to the highest.
    others : ipyleaflet layers and controls
        Those with GeoJSON ``data`` are drawn as outlines; a bar between two layers parts them as it does on the map.
    """
    image = Image.new("RGBA", size, (238, 238, 238, 255))
    others, attributions, keys = list(others), [], []
    bar = next((one for one in others if all(hasattr(one, name) for name in ("left", "right", "share"))), None)
    for layer, still in stills:
        if still is None or not layer.visible:
            continue
        left, top, right, bottom = _pixels(still[1], view, size)
        width, height = max(round(right - left), 1), max(round(bottom - top), 1)
        painted = Image.open(io.BytesIO(still[0]))
        look = getattr(layer, "look", None)
        if look is not None:
            keys.append(KeyEntry(_title_of(layer), look, _colours_in(painted) if look.kind == "classes" else ()))
        picture = painted.convert("RGBA")
        if picture.size != (width, height):
            picture = picture.resize((width, height), Image.Resampling.NEAREST)
        if layer.opacity < 1:
            picture.putalpha(picture.getchannel("A").point(lambda alpha, share=layer.opacity: round(alpha * share)))
        _put(image, picture, (round(left), round(top)), _side_of(layer, bar, size[0]))
        attribution = html.unescape(layer.attribution or "")
        if attribution and attribution not in attributions:
            attributions.append(attribution)
    draw = ImageDraw.Draw(image)
    if bar is not None:
        x = round(bar.share * size[0])
        draw.rectangle((x - 2, 0, x + 1, size[1]), fill=(255, 255, 255, 255), outline=(90, 90, 90, 255))
    for layer in others:
        _outline(draw, layer, view, size)
    draw_key(image, keys[::-1])
    _sign(image, " | ".join(attributions))
    return encode_png(np.asarray(image.convert("RGB")))


def _title_of(layer: Any) -> str:
    return f"{layer.name}, {np.datetime_as_string(layer.time, unit='D')}" if layer.time is not None else str(layer.name)


def _side_of(layer: KernelTiles, bar: Any, width: int) -> tuple[int, int]:
    """Return from which to before which column a layer is seen: all of them, or those on its side of the bar."""
    middle = round(bar.share * width) if bar is not None else 0
    if bar is not None and layer in bar.left:
        return 0, middle
    if bar is not None and layer in bar.right:
        return middle, width
    return 0, width


def _put(image: Image.Image, picture: Image.Image, at: tuple[int, int], columns: tuple[int, int]) -> None:
    """Lay a picture on another, between two columns of that."""
    left, top = max(at[0], columns[0]), max(at[1], 0)
    right, bottom = min(at[0] + picture.width, columns[1]), min(at[1] + picture.height, image.height)
    if left < right and top < bottom:
        image.alpha_composite(picture, (left, top), (left - at[0], top - at[1], right - at[0], bottom - at[1]))


def _colours_in(painted: Image.Image) -> set[tuple[int, int, int]]:
    """Return the colours of a picture of classes, which is painted with a palette."""
    colours: list[Any] = painted.convert("RGBA").getcolors(1 << 16) or []
    return {(red, green, blue) for _, (red, green, blue, alpha) in colours if alpha}


def describe_map(shown: Map) -> str:
    """Return the text twin of a map: area, layers, dates, range of colours, basemap."""
    west, south, east, north = shown.view_bounds
    lines = [
        say(
            "Map from {west}° to {east}° east and {south}° to {north}° north, zoom {zoom}",
            west=f"{west:.3f}", east=f"{east:.3f}", south=f"{south:.3f}", north=f"{north:.3f}", zoom=f"{shown.zoom:g}",
        )
    ]  # fmt: skip
    lines += [f"- {_describe_layer(layer, shown.view_bounds)}" for layer in shown.layers]
    lines += [f"! {note}" for note in shown.notes]
    return "\n".join(lines)


def _describe_layer(layer: Any, view: Bounds) -> str:
    source = getattr(layer, "source", None)
    if isinstance(layer, KernelTiles) and source is not None and not touches(view, source.bounds):
        return f"{layer.describe()}, {say('outside the view')}"
    if isinstance(layer, KernelTiles):
        return layer.describe()
    return f"{layer.name or type(layer).__name__}" + ("" if _seen(layer) else f" ({say('hidden')})")


def _seen(layer: Any) -> bool:
    return bool(getattr(layer, "visible", True))


def _pixels(bounds: Bounds, view: Bounds, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of bounds in the pixels of a view."""
    left, top = _pixel(bounds[0], bounds[3], view, size)
    right, bottom = _pixel(bounds[2], bounds[1], view, size)
    return left, top, right, bottom


def _pixel(lon: float, lat: float, view: Bounds, size: tuple[int, int]) -> tuple[float, float]:
    (left, bottom), (right, top) = mercator_of(view[0], view[1]), mercator_of(view[2], view[3])
    x, y = mercator_of(lon, lat)
    return (x - left) / (right - left) * size[0], (top - y) / (top - bottom) * size[1]


def drawn_shapes(control: Any) -> dict[str, Any] | None:
    """Return what was drawn by hand with a control and stands on the map, as a FeatureCollection; None = nothing."""
    data = control.data if isinstance(control, ipyleaflet.DrawControl) else []
    features = [one for one in data if isinstance(one, dict) and one.get("geometry")]
    return {"type": "FeatureCollection", "features": features} if features else None


def _outline(draw: ImageDraw.ImageDraw, layer: Any, view: Bounds, size: tuple[int, int]) -> None:
    data = drawn_shapes(layer) or getattr(layer, "data", None)
    if not isinstance(data, dict) or not _seen(layer):
        return
    for feature in data.get("features", [data]):
        styles = ((feature.get("properties") or {}).get("style"), getattr(layer, "style", None))
        colour = str(next((one["color"] for one in styles if isinstance(one, dict) and "color" in one), "#3388ff"))
        for ring in _rings(feature.get("geometry", feature) or {}):
            points = [_pixel(point[0], point[1], view, size) for point in ring]
            if len(points) > 1:
                draw.line(points, fill=colour if colour.startswith("#") else "#3388ff", width=2)


def _rings(geometry: dict[str, Any]) -> list[Any]:
    parts = geometry.get("coordinates", [])
    match geometry.get("type"):
        case "LineString":
            return [parts]
        case "Polygon" | "MultiLineString":
            return list(parts)
        case "MultiPolygon":
            return [ring for polygon in parts for ring in polygon]
        case "GeometryCollection":
            return [ring for part in geometry.get("geometries", []) for ring in _rings(part)]
        case _:
            return []


def _sign(image: Image.Image, text: str) -> None:
    """Write whose data are shown into the lower right corner."""
    if not text:
        return
    draw, font = ImageDraw.Draw(image), open_font(10)
    while draw.textlength(text, font=font) > image.width - 12 and len(text) > 8:
        text = text[: int(len(text) * 0.9)].rstrip(" …") + "…"
    left = image.width - draw.textlength(text, font=font) - 8
    draw.rectangle((left, image.height - 16, image.width, image.height), fill=(255, 255, 255, 255))
    draw.text((left + 4, image.height - 14), text, font=font, fill=(60, 60, 60, 255))
