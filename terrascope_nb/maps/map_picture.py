"""One picture of a map: basemap, data, outlines; with title, date, scale bar, legend and sources as a sheet to take away."""

from __future__ import annotations

import base64
import html
import io
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from terrascope_nb.errors import CubeError
from terrascope_nb.maps.basemap import ATTRIBUTION, Basemap, fit_bounds
from terrascope_nb.maps.looks import Look, class_bytes
from terrascope_nb.maps.scalebar import add_scale_bar
from terrascope_nb.maps.sources import attribution_of
from terrascope_nb.maps.tiles import TilePainter
from terrascope_nb.raster.tiling import MERCATOR, Bounds, mercator_of
from terrascope_nb.words import language, say

__all__ = [
    "MapSheet",
    "Outline",
    "SheetLayer",
    "describe_sheet",
    "figure_of",
    "page_of",
    "pdf_of",
    "picture_of",
    "png_of",
]

DPI = 100
"""Pixels of a sheet per inch of its figure."""
_PLAIN = (238, 238, 238)
_TITLE, _SIDE, _EDGE = 46, 190, 14
"""Pixels above the map, of the legend beside it, and of the margins."""
_LINE = 13
_MOST_CLASSES = 20


@dataclass(frozen=True, slots=True)
class Outline:
    """Shapes drawn as lines."""

    geojson: Mapping[str, Any]
    """A geometry, a Feature or a FeatureCollection in longitude and latitude."""
    colour: str = "#1a1a1a"
    """``#rrggbb``."""
    width: float = 2.0
    """Pixels."""
    name: str = ""
    """What a person calls it; shown in the legend."""


@dataclass(frozen=True, slots=True)
class SheetLayer:
    """Data on a sheet."""

    painter: TilePainter
    """Source and look."""
    time: int | None = None
    """Index of the source's times; None = the last."""
    opacity: float = 1.0
    """0 to 1."""
    name: str = ""
    """What a person calls it; the source's name when empty."""

    @property
    def title(self) -> str:
        """Name for people."""
        return self.name or self.painter.source.name

    @property
    def date(self) -> np.datetime64 | None:
        """UTC time that is drawn."""
        times = self.painter.source.times
        return times[-1 if self.time is None else self.time] if times else None


@dataclass(frozen=True, slots=True)
class MapSheet:
    """All that a picture of a map shows."""

    bounds: Bounds
    """West, south, east, north in degrees; more is shown where the size has another shape."""
    size: tuple[int, int] = (900, 600)
    """Pixels of the map, without title and legend."""
    layers: tuple[SheetLayer, ...] = ()
    """From the lowest to the highest."""
    outlines: tuple[Outline, ...] = ()
    """Drawn above the data."""
    basemap: Basemap | None = None
    """Below the data; None = plain grey."""
    dark: bool = False
    """For a dark theme."""
    names_above: bool = False
    """Borders and names above the data."""
    title: str = ""
    """Chosen from the layers when empty."""
    notes: tuple[str, ...] = ()
    """Sentences that stand below the map and in its text twin."""
    moving: int | None = None
    """Number of the layer that a time lapse moves through time; its legend and sources then hold for ``times``."""
    times: tuple[int, ...] = ()
    """Indices of the times that it shows."""

    def __post_init__(self) -> None:
        check_size(self.size)

    def dates_of(self, number: int) -> list[np.datetime64]:
        """Return the UTC times that a layer shows."""
        layer = self.layers[number]
        if number == self.moving:
            return [layer.painter.source.times[time] for time in self.times]
        return [] if layer.date is None else [layer.date]

    @property
    def shown_bounds(self) -> Bounds:
        """What the map shows: west, south, east, north in degrees."""
        return fit_bounds(self.bounds, self.size)

    @property
    def heading(self) -> str:
        """The title, or the names of the layers."""
        return self.title or ", ".join(dict.fromkeys(layer.title for layer in self.layers)) or say("Map")

    @property
    def dates(self) -> tuple[str, ...]:
        """The days that are drawn, ISO, UTC."""
        times = [time for number in range(len(self.layers)) for time in self.dates_of(number)]
        return tuple(dict.fromkeys(str(np.datetime_as_string(time, unit="D")) for time in times))

    @property
    def attribution(self) -> str:
        """Where the data and the basemap come from, with the years of what is drawn."""
        return " · ".join(self.sources)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sentences of `attribution`, each once."""
        found = []
        for number, layer in enumerate(self.layers):
            source = layer.painter.source
            attrs = {**source.attrs, "attribution": source.attribution} if source.attribution else source.attrs
            # Without a date the place of the years stays empty.
            found.append(re.sub(r"\s+(?=[,.;])", "", attribution_of(attrs, self.dates_of(number))))
        if self.basemap is not None or self.names_above:
            found.append(ATTRIBUTION)
        return tuple(dict.fromkeys(sentence for sentence in found if sentence))


# -- the map alone ---------------------------------------------------------------------------------------------------


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
    image = _composed(MapSheet(bounds, size, chosen, (), basemap, dark, names_above))
    draw = ImageDraw.Draw(image)
    for outline in drawn:
        for line in _lines_of(outline.geojson):
            points = _to_pixels(line, fit_bounds(bounds, size), size)
            if len(points) > 1:
                draw.line(points.ravel().tolist(), fill=outline.colour, width=round(outline.width), joint="curve")
            else:
                (x, y), r = points[0], outline.width * 2
                draw.ellipse((x - r, y - r, x + r, y + r), fill=outline.colour)
    return image


def map_of(sheet: MapSheet) -> Image.Image:
    """Return the map of a sheet alone, without outlines and frame."""
    return _composed(sheet)


def _composed(sheet: MapSheet, factor: int = 1) -> Image.Image:
    """Return basemap, data and names; ``factor`` times larger, where a printer shows more than a screen."""
    size = (sheet.size[0] * factor, sheet.size[1] * factor)
    if sheet.basemap is None:
        image = Image.new("RGBA", size, (*_PLAIN, 255) if not sheet.dark else (48, 48, 48, 255))
    else:
        image = _enlarged(sheet.basemap.picture(sheet.bounds, sheet.size, dark=sheet.dark), size)
    for layer in sheet.layers:
        rgba = _data_on(layer, sheet.shown_bounds, size)
        image.alpha_composite(Image.fromarray(rgba, "RGBA"))
    if sheet.names_above:
        names = (sheet.basemap or Basemap()).picture(sheet.bounds, sheet.size, ground=False)
        image.alpha_composite(_enlarged(names, size))
    return image.convert("RGB")


def _enlarged(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    image = image.convert("RGBA")
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)


def _data_on(layer: SheetLayer, bounds: Bounds, size: tuple[int, int]) -> NDArray[np.uint8]:
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
    places = _mercator(line)
    (left, bottom), (right, top) = mercator_of(bounds[0], bounds[1]), mercator_of(bounds[2], bounds[3])
    return np.column_stack(
        [(places[:, 0] - left) / (right - left) * size[0], (top - places[:, 1]) / (top - bottom) * size[1]]
    )


def _mercator(line: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([mercator_of(lon, lat) for lon, lat in line])


def _lines_of(geojson: Mapping[str, Any]) -> Iterator[NDArray[np.float64]]:
    """Give each ring, line and point of a GeoJSON, as (n, 2) longitudes and latitudes."""
    for members in ("features", "geometries"):
        for member in geojson.get(members) or ():
            yield from _lines_of(member)
    if "geometry" in geojson:
        yield from _lines_of(geojson["geometry"] or {})
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


# -- the sheet -------------------------------------------------------------------------------------------------------


def figure_of(sheet: MapSheet, *, factor: int = 1, frame_only: bool = False) -> Figure:
    """Return a map with title, date, scale bar, legend and sources as a matplotlib figure.

    Parameters
    ----------
    sheet : MapSheet
    factor : int
        The pixels of the data are this many times finer than those of the map on a screen; lines and texts are vectors
        where the format has them (PDF).
    frame_only : bool
        Leave out map and date, on a transparent ground: what all frames of a time lapse have in common.
    """
    keys = [layer for layer in sheet.layers if layer.opacity > 0]
    named = [outline for outline in sheet.outlines if outline.name]
    side = _SIDE if keys or named else 0
    width, height = sheet.size
    wide = width + 2 * _EDGE + side
    below = [line for text in (*sheet.notes, sheet.attribution) if text for line in textwrap.wrap(text, wide // 6)]
    under = _EDGE + _LINE * len(below) + (6 if below else 0)
    tall = height + _TITLE + under
    ink, paper = ("#e8e8e8", "#1b1d20") if sheet.dark else ("#222222", "#ffffff")
    figure = Figure(figsize=(wide / DPI, tall / DPI), dpi=DPI, facecolor="none" if frame_only else paper)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((_EDGE / wide, under / tall, width / wide, height / tall))
    _draw_map(axes, sheet, None if frame_only else _composed(sheet, factor))
    _write(figure, _EDGE / wide, 1 - 20 / tall, _clipped(sheet.heading, wide // 9), color=ink, fontsize=11,
           weight="bold", gid="title")  # fmt: skip
    if sheet.dates and not frame_only:
        _write(figure, _EDGE / wide, 1 - 38 / tall, _clipped(", ".join(sheet.dates), wide // 7), color=ink, fontsize=9,
               gid="date")  # fmt: skip
    for number, line in enumerate(reversed(below)):
        _write(figure, _EDGE / wide, (8 + number * _LINE) / tall, line, color=ink, fontsize=6.5, alpha=0.8)
    if side:
        _draw_keys(figure, sheet, keys, named, ((width + 2 * _EDGE) / wide, under / tall, wide, tall), ink)
    return figure


def _write(figure: Figure, x: float, y: float, text: str, **how: Any) -> None:
    """Write a text as it is: a dollar sign is a dollar sign."""
    figure.text(x, y, text, parse_math=False, **how)


def _draw_map(axes: Axes, sheet: MapSheet, image: Image.Image | None) -> None:
    west, south, east, north = sheet.shown_bounds
    (left, bottom), (right, top) = mercator_of(west, south), mercator_of(east, north)
    axes.patch.set_alpha(0.0)
    if image is not None:
        extent = (left, right, bottom, top)
        axes.imshow(np.asarray(image), extent=extent, interpolation="nearest", aspect="auto", gid="map")
    halo = [Stroke(linewidth=2.8, foreground="white"), Normal()]
    for outline in sheet.outlines:
        lines = [_mercator(line) for line in _lines_of(outline.geojson)]
        strings = [line for line in lines if len(line) > 1]
        thick = outline.width * 72 / DPI
        axes.add_collection(
            LineCollection(strings, colors=outline.colour, linewidths=thick, path_effects=halo, gid="outline"),
            autolim=False,
        )
        points = np.array([line[0] for line in lines if len(line) == 1]).reshape(-1, 2)
        axes.scatter(points[:, 0], points[:, 1], s=26, c=outline.colour, edgecolors="white", linewidths=1.0)
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=(), yticks=())
    for spine in axes.spines.values():
        spine.set(color="#7a7a7a", linewidth=0.7)
    add_scale_bar(axes, MERCATOR)


def _draw_keys(
    figure: Figure,
    sheet: MapSheet,
    layers: Sequence[SheetLayer],
    outlines: Sequence[Outline],
    place: tuple[float, float, float, float],
    ink: str,
) -> None:
    """Draw what the colours mean, from the top down, beside the map."""
    left, base, wide, tall = place
    top = base + sheet.size[1] / tall
    for layer in reversed(layers):
        if top - base < 40 / tall:
            return
        look = layer.painter.look
        _write(figure, left, top - 10 / tall, _clipped(layer.title, 30), color=ink, fontsize=8, weight="bold")
        top -= 20 / tall
        if look.kind == "measurement":
            room = min(150 / tall, top - base - 30 / tall)
            if room <= 0:
                return
            bar = figure.add_axes((left, top - room, 14 / wide, room), gid="colour bar")
            _colour_bar(figure, bar, look, ink)
            top -= room + 16 / tall
        elif look.kind == "classes":
            top -= _class_key(figure, sheet, layer, (left, top), ink, (top - base) * tall) / tall
        else:
            for line in _band_words(look.bands):
                _write(figure, left, top - 8 / tall, line, color=ink, fontsize=7.5)
                top -= 14 / tall
            top -= 8 / tall
    for outline in outlines:
        _write(figure, left, top - 10 / tall, f"— {_clipped(outline.name, 28)}", color=outline.colour, fontsize=8)
        top -= 16 / tall


def _band_words(bands: Sequence[str]) -> list[str]:
    red, green, blue = bands
    return [say("Red: {band}", band=red), say("Green: {band}", band=green), say("Blue: {band}", band=blue)]


def _colour_bar(figure: Figure, bar: Axes, look: Look, ink: str) -> None:
    colours = look.with_changes(opacity=1.0).palette() / 255
    mappable = ScalarMappable(Normalize(float(look.vmin), float(look.vmax)), ListedColormap(colours))  # type: ignore[arg-type]
    drawn = figure.colorbar(mappable, cax=bar)
    drawn.set_label(look.label, color=ink, fontsize=8, parse_math=False)
    drawn.ax.tick_params(labelsize=7, colors=ink, length=3)
    drawn.outline.set(edgecolor=ink, linewidth=0.5)


def _class_key(
    figure: Figure, sheet: MapSheet, layer: SheetLayer, corner: tuple[float, float], ink: str, room: float
) -> float:
    """Draw the classes that the map shows; return the pixels that were used."""
    rows = [(name, colour) for name, colour in _classes_shown(sheet, layer)]
    fit = max(min(int(room // 15) - 2, _MOST_CLASSES), 1)
    handles = [Patch(facecolor=colour, edgecolor="#777777", linewidth=0.4, label=name) for name, colour in rows[:fit]]
    if len(rows) > fit:
        handles.append(Patch(facecolor="none", label=say("and {count} more", count=len(rows) - fit)))
    legend = figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, fontsize=7, frameon=False,
                           labelcolor=ink, borderaxespad=0, handlelength=1.2, labelspacing=0.45)  # fmt: skip
    legend.set_gid("classes")
    for text in legend.get_texts():
        text.set_parse_math(False)
    return 15.0 * len(handles) + 10


def _classes_shown(sheet: MapSheet, layer: SheetLayer) -> list[tuple[str, str]]:
    classes = layer.painter.look.classes
    assert classes is not None
    moves = sheet.moving is not None and layer == sheet.layers[sheet.moving]
    there: set[tuple[int, ...]] = set()
    for time in sheet.times if moves else (layer.time,):
        rgba = _data_on(SheetLayer(layer.painter, time), sheet.shown_bounds, sheet.size)
        there |= {tuple(int(part) for part in colour) for colour in np.unique(rgba[rgba[..., 3] > 0][:, :3], axis=0)}
    pairs = list(zip(classes.names, classes.colours, strict=True))
    return [(name, colour) for name, colour in pairs if class_bytes(colour)[:3] in there]


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


# -- what a person takes away ----------------------------------------------------------------------------------------


def png_of(sheet: MapSheet) -> bytes:
    """Return the sheet as PNG, with its text twin in the file's description."""
    buffer = io.BytesIO()
    figure_of(sheet).savefig(buffer, format="png", dpi=DPI, metadata={"Description": describe_sheet(sheet)})
    return buffer.getvalue()


def pdf_of(sheet: MapSheet) -> bytes:
    """Return the sheet as PDF: the map as a picture twice as fine, all else as vectors and text."""
    buffer = io.BytesIO()
    figure_of(sheet, factor=2).savefig(
        buffer, format="pdf", metadata={"Title": sheet.heading, "Subject": describe_sheet(sheet), "CreationDate": None}
    )
    return buffer.getvalue()


def page_of(sheet: MapSheet) -> str:
    """Return a web page that holds the sheet as a picture and as text, and asks no address for anything."""
    twin = describe_sheet(sheet)
    title = html.escape(sheet.heading)
    picture = base64.b64encode(png_of(sheet)).decode()
    lines = "\n".join(f"<li>{html.escape(line)}</li>" for line in twin.splitlines())
    return f"""<!DOCTYPE html>
<html lang="{language()}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font-family: system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem; padding: 0 1rem; line-height: 1.45; }}
img {{ max-width: 100%; height: auto; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p><img src="data:image/png;base64,{picture}" alt="{html.escape(twin.splitlines()[0], quote=True)}"></p>
<ul>
{lines}
</ul>
</main>
</body>
</html>
"""


def describe_sheet(sheet: MapSheet) -> str:
    """Return the text twin of a sheet: place, layers with dates and ranges, outlines, sources."""
    west, south, east, north = sheet.shown_bounds
    lines = [
        say(
            "{title}: a map from {west}° to {east}° longitude and from {south}° to {north}° latitude",
            title=sheet.heading, west=f"{west:.4f}", east=f"{east:.4f}", south=f"{south:.4f}", north=f"{north:.4f}",
        )
    ]  # fmt: skip
    lines += [_describe_layer(layer, sheet.dates_of(number)) for number, layer in enumerate(sheet.layers)]
    lines += [say("Outline: {name}", name=outline.name) for outline in sheet.outlines if outline.name]
    return "\n".join([*lines, *sheet.notes, *sheet.sources])


def _describe_layer(layer: SheetLayer, dates: Sequence[np.datetime64]) -> str:
    look = layer.painter.look
    parts = [layer.title]
    moments = [f"{np.datetime_as_string(date, unit='m').replace('T', ' ')} UTC" for date in dates]
    if len(moments) > 1:
        parts.append(
            say("{count} dates from {first} to {last}", count=len(moments), first=moments[0], last=moments[-1])
        )
    parts += moments if len(moments) == 1 else []
    if look.kind == "measurement":
        parts.append(say("{label} from {low} to {high} in the colours {cmap}", label=look.label, low=f"{look.vmin:.4g}",
                         high=f"{look.vmax:.4g}", cmap=look.cmap))  # fmt: skip
    elif look.classes is not None:
        parts.append(say("classes: {names}", names=", ".join(look.classes.names)))
    else:
        parts.append(say("red, green and blue from {bands}", bands=", ".join(look.bands)))
    if layer.opacity < 1:
        parts.append(say("{percent} % opaque", percent=round(layer.opacity * 100)))
    return "; ".join(parts)


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return a size in pixels that a picture can have.

    Raises
    ------
    CubeError
        Less than 100 or more than 10 000 pixels wide or high.
    """
    width, height = (int(side) for side in size)
    if not (100 <= width <= 10_000 and 100 <= height <= 10_000):
        raise CubeError(f"size={size} was asked for; width and height are between 100 and 10000 pixels.")
    return width, height
