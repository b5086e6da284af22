"""A map with title, dates, scale bar, legend and sources, as one matplotlib figure; the map in it is true to the pixel."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke
from matplotlib.textpath import text_to_path
from PIL import Image

from terrascope_nb.maps.looks import Look, class_bytes
from terrascope_nb.maps.map_picture import colours_of, lines_of, map_of, mercator_line
from terrascope_nb.maps.scalebar import add_scale_bar
from terrascope_nb.maps.sheet import MapSheet, Outline, SheetLayer
from terrascope_nb.raster.tiling import MERCATOR, mercator_of
from terrascope_nb.words import say

__all__ = ["DPI", "figure_of"]

DPI = 100
"""Pixels of a sheet per inch of its figure."""
_TITLE, _SIDE, _EDGE = 46, 190, 14
"""Pixels above the map, of the legend beside it, and of the margins."""
_LINE = 13
_MOST_CLASSES = 20
_NAME, _ROW = 26, 15
"""Letters of a line of a class's name, and pixels of a class in the legend."""


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
    _draw_map(axes, sheet, None if frame_only else map_of(sheet, factor))
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
        lines = [mercator_line(line) for line in lines_of(outline.geojson)]
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
        for line in _lines(layer.title, _SIDE - _EDGE, size=8):
            _write(figure, left, top - 10 / tall, line, color=ink, fontsize=8, weight="bold", gid="legend heading")
            top -= 12 / tall
        top -= 8 / tall
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
        _write(
            figure,
            left,
            top - 10 / tall,
            _lines(f"— {outline.name}", _SIDE - _EDGE, size=8)[0],
            color=outline.colour,
            fontsize=8,
        )
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
    rows = [(textwrap.fill(name, _NAME), colour) for name, colour in _classes_shown(sheet, layer)]
    heights = np.cumsum([_ROW + 11 * name.count("\n") for name, _ in rows])
    fit = max(min(int((heights <= room - 2 * _ROW).sum()), _MOST_CLASSES), 1)
    handles = [Patch(facecolor=colour, edgecolor="#777777", linewidth=0.4, label=name) for name, colour in rows[:fit]]
    if len(rows) > fit:
        handles.append(Patch(facecolor="none", label=say("and {count} more", count=len(rows) - fit)))
    legend = figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, fontsize=7, frameon=False,
                           labelcolor=ink, borderaxespad=0, handlelength=1.2, labelspacing=0.45)  # fmt: skip
    legend.set_gid("classes")
    for text in legend.get_texts():
        text.set_parse_math(False)
    return float(heights[min(fit, len(rows)) - 1] if rows else 0) + _ROW * (len(rows) > fit) + 10


def _classes_shown(sheet: MapSheet, layer: SheetLayer) -> list[tuple[str, str]]:
    classes = layer.painter.look.classes
    assert classes is not None
    moves = sheet.moving is not None and layer == sheet.layers[sheet.moving]
    there: set[tuple[int, ...]] = set()
    for time in sheet.times if moves else (layer.time,):
        rgba = colours_of(SheetLayer(layer.painter, time), sheet.shown_bounds, sheet.size)
        there |= {tuple(int(part) for part in colour) for colour in np.unique(rgba[rgba[..., 3] > 0][:, :3], axis=0)}
    pairs = list(zip(classes.names, classes.colours, strict=True))
    return [(name, colour) for name, colour in pairs if class_bytes(colour)[:3] in there]


def _lines(text: str, most: int, *, size: float, count: int = 2) -> list[str]:
    """Return a text on few lines of so many pixels; a long word, as the id of an item is, is broken anywhere."""
    lines = [""]
    for letter in text:
        if lines[-1] and _wide(lines[-1] + letter, size) > most:
            head, space, tail = lines[-1].rpartition(" ")
            broken = space and head and letter != " "
            lines[-1:] = [head, tail] if broken else [lines[-1], ""]
        lines[-1] += letter
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) > count:
        last = lines[count - 1]
        while last and _wide(last + "…", size) > most:
            last = last[:-1]
        lines = [*lines[: count - 1], last.rstrip() + "…"]
    return lines or [""]


def _wide(text: str, size: float) -> float:
    """Return how many pixels a bold text of so many points takes."""
    font = FontProperties(weight="bold", size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) * DPI / 72


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
