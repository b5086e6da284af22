"""Names on the offline basemap: where each stands at a zoom, the same for every tile, and how it is written."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw, ImageFont

from terrascope_nb.maps.ground import made_once, read_array

Kind = Literal["country", "region", "city", "town"]
KINDS: tuple[Kind, ...] = ("country", "region", "city", "town")
LANGUAGES = ("en", "nl", "fr")
NOWHERE = -1
"""Side of a name that is not written at a zoom."""
_DOT = 2
_REACH = 400
"""Pixels beyond which no name reaches from its place."""
_SIZES: dict[Kind, int] = {"country": 12, "region": 11, "city": 12, "town": 11}


@dataclass(frozen=True, slots=True)
class Label:
    """One name at its place."""

    x: float
    """Place in the unit square of web mercator."""
    y: float
    """Place in the unit square of web mercator, downwards."""
    dx: int
    """Pixels from the place to the left edge of the text."""
    dy: int
    """Pixels from the place to the top of the text."""
    width: int
    """Pixels of the text."""
    height: int
    """Pixels of the text."""
    text: str
    """The name."""
    kind: Kind
    """How it is written."""
    dot: bool
    """True: a dot marks the place."""


_local = threading.local()


def font_of(kind: Kind) -> ImageFont.FreeTypeFont:
    """Return the font of a kind of name: DejaVu Sans, which matplotlib carries. One per thread: a face is not shared."""
    fonts: dict[Kind, ImageFont.FreeTypeFont] = _local.__dict__.setdefault("fonts", {})
    if kind not in fonts:
        fonts[kind] = open_font(_SIZES[kind], bold=False)
    return fonts[kind]


def open_font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans of a size in pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)


def labels_within(left: float, top: float, right: float, bottom: float, scale: float, language: str) -> list[Label]:
    """Return the labels that touch a window, in the order of drawing.

    Parameters
    ----------
    left, top, right, bottom : float
        The window in pixels of a whole world of ``scale`` pixels.
    scale : float
        Pixels of the whole world: 256 * 2**z for tiles.
    language : str
        ``en``, ``nl`` or ``fr``: of the countries' names. Belgian names are written as in the place itself.
    """
    names = _names()
    zoom = min(max(math.floor(math.log2(scale / 256) + 1e-9), 0), names.sides.shape[1] - 1)
    sides = names.sides[LANGUAGES.index(language), zoom]
    x, y = names.places.T * scale
    near = (x > left - _REACH) & (x < right + _REACH) & (y > top - _REACH) & (y < bottom + _REACH)
    found: list[Label] = []
    for number in np.flatnonzero(near & (sides != NOWHERE)).tolist():
        text, kind = names.text(number, language), KINDS[names.kinds[number]]
        dot = zoom < names.dotted[number]
        _, wide, tall = measured(text, kind)
        dx, dy = offsets(wide, tall, dot=dot)[sides[number]]
        x0, y0 = x[number] + dx, y[number] + dy
        if x0 - 4 < right and x0 + wide + 4 > left and y0 - 4 < bottom and y0 + tall + 4 > top:
            place = names.places[number]
            found.append(Label(float(place[0]), float(place[1]), dx, dy, wide, tall, text, kind, dot))
    return found


@dataclass(frozen=True, slots=True)
class _Names:
    """All names, the important ones first, and on which side of its place each stands at each zoom."""

    places: NDArray[np.float64]
    """(name, 2) in the unit square."""
    kinds: NDArray[np.uint8]
    """Which of `KINDS`."""
    dotted: NDArray[np.uint8]
    """The zoom from which no dot marks the place any more."""
    sides: NDArray[np.int8]
    """(language, zoom, name): which of `offsets`, or `NOWHERE` where it finds no room."""
    texts: tuple[str, ...]
    """The names; one that differs between languages as all three, with tabs between."""

    def text(self, number: int, language: str) -> str:
        parts = self.texts[number].split("\t")
        return parts[LANGUAGES.index(language)] if len(parts) > 1 else parts[0]


@made_once
def _names() -> _Names:
    places = places_of(read_array("label_places"), int(read_array("label_bits")))
    texts = tuple(read_array("label_texts").tobytes().decode().split("\n"))
    return _Names(places, read_array("label_kinds"), read_array("label_dotted"), read_array("label_sides"), texts)


def places_of(steps: NDArray[Any], bits: int) -> NDArray[np.float64]:
    """Return places (n, 2) in the unit square of whole numbers of ``1 / 2**bits``.

    A third of the way into its cell a place lies on the edge of two pixels at no zoom, where rounding would be a toss.
    """
    found: NDArray[np.float64] = (steps + 1 / 3) * 2.0**-bits
    return found


@lru_cache(maxsize=8192)
def measured(text: str, kind: Kind) -> tuple[int, int, int]:
    """Return the first row, the width and the height of a name in pixels; the same at every zoom."""
    _, top, width, height = font_of(kind).getbbox(text)
    return math.floor(top), math.ceil(width), math.ceil(height)


def offsets(wide: int, tall: int, *, dot: bool) -> tuple[tuple[int, int], ...]:
    """Return where a name may stand, the best place first: pixels from its place to the upper left of the text."""
    if not dot:
        return ((-wide // 2, -tall // 2),)
    return (5, -tall // 2 - 1), (-wide - 5, -tall // 2 - 1), (-wide // 2, -tall - 4), (-wide // 2, 3)


def write_labels(
    draw: ImageDraw.ImageDraw, labels: list[Label], left: float, top: float, scale: float, colours: dict[str, str]
) -> None:
    """Write labels on a picture whose upper left corner is (left, top) in pixels of the whole world.

    Places are rounded in the whole world, so that a name that runs over two tiles fits together.
    """
    for label in labels:
        x, y = round(label.x * scale) - left, round(label.y * scale) - top
        if label.dot:
            draw.ellipse((x - _DOT, y - _DOT, x + _DOT, y + _DOT), fill=colours[label.kind], outline=colours["halo"])
        draw.text(
            (x + label.dx, y + label.dy), label.text, font=font_of(label.kind), fill=colours[label.kind],
            stroke_width=2, stroke_fill=colours["halo"],
        )  # fmt: skip
