"""Names on the offline basemap: where each stands at a zoom, the same for every tile, and how it is written."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
from PIL import ImageDraw, ImageFont

from terrascope_nb.extent.places import Place, list_places
from terrascope_nb.maps.ground import country_names, made_once, project, read_data

Kind = Literal["country", "region", "city", "town"]
_CELL = 128
"""Pixels of the lattice on which collisions are looked for."""
_GAP = 3
_DOT = 2
_WALLONIA, _BRUSSELS, _CITY_OF_BRUSSELS = "03000", "04000", "21004"
# The least population a city must have to be named at a zoom; capitals are named from zoom 4.
_PEOPLE = {3: 10**8, 4: 3_000_000, 5: 1_200_000, 6: 450_000, 7: 180_000, 8: 80_000, 9: 40_000, 10: 15_000, 11: 0}
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


@dataclass(frozen=True, slots=True)
class _Wish:
    x: float
    y: float
    text: str
    kind: Kind
    people: float
    dot: bool


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
    zoom = math.floor(math.log2(scale / 256) + 1e-9)
    labels, boxes = _placed(max(zoom, 0), language)
    if not labels:
        return []
    x0, y0 = boxes[:, 0] * scale + boxes[:, 2], boxes[:, 1] * scale + boxes[:, 3]
    hit = (x0 - 4 < right) & (x0 + boxes[:, 4] + 4 > left) & (y0 - 4 < bottom) & (y0 + boxes[:, 5] + 4 > top)
    return [labels[i] for i in np.flatnonzero(hit)]


@made_once
def _placed(zoom: int, language: str) -> tuple[tuple[Label, ...], np.ndarray]:
    """Place the names of a zoom one after the other, the important ones first; one that finds no room is left out."""
    scale = 256 * 2.0**zoom
    taken: dict[tuple[int, int], list[tuple[float, float, float, float]]] = {}
    labels: list[Label] = []
    for wish in sorted(_wishes(zoom, language), key=lambda one: -one.people):
        top, wide, tall = _measured(wish.text, wish.kind)
        for dx, dy in _offsets(wish, wide, tall):
            x, y = wish.x * scale + dx, wish.y * scale + dy
            box = (x - _GAP, y - _GAP + top, x + wide + _GAP, y + tall + _GAP)
            if wish.dot:
                px, py = wish.x * scale, wish.y * scale
                box = (min(box[0], px - 4), min(box[1], py - 4), max(box[2], px + 4), max(box[3], py + 4))
            cells = [
                (i, j)
                for i in range(int(box[0] // _CELL), int(box[2] // _CELL) + 1)
                for j in range(int(box[1] // _CELL), int(box[3] // _CELL) + 1)
            ]
            near = (other for cell in cells for other in taken.get(cell, ()))
            if any(box[0] < o[2] and box[2] > o[0] and box[1] < o[3] and box[3] > o[1] for o in near):
                continue
            for cell in cells:
                taken.setdefault(cell, []).append(box)
            labels.append(Label(wish.x, wish.y, dx, dy, wide, tall, wish.text, wish.kind, wish.dot))
            break
    boxes = np.array([(one.x, one.y, one.dx, one.dy, one.width, one.height) for one in labels]).reshape(-1, 6)
    return tuple(labels), boxes


@lru_cache(maxsize=8192)
def _measured(text: str, kind: Kind) -> tuple[int, int, int]:
    """Return the first row, the width and the height of a name in pixels; the same at every zoom."""
    _, top, width, height = font_of(kind).getbbox(text)
    return math.floor(top), math.ceil(width), math.ceil(height)


def _offsets(wish: _Wish, wide: int, tall: int) -> Iterator[tuple[int, int]]:
    if not wish.dot:
        yield -wide // 2, -tall // 2
        return
    yield 5, -tall // 2 - 1
    yield -wide - 5, -tall // 2 - 1
    yield -wide // 2, -tall - 4
    yield -wide // 2, 3


def _wishes(zoom: int, language: str) -> Iterator[_Wish]:
    data = read_data()
    if 2 <= zoom <= 6:
        centres = project(data["country_place"])
        for (x, y), width, name in zip(centres, data["country_width"], country_names(language), strict=True):
            room = float(width) / 360 * 256 * 2**zoom
            if name and font_of("country").getlength(name.upper()) < room * 1.25:
                yield _Wish(x, y, name.upper(), "country", 10**9 + room, dot=False)
    yield from _belgian(zoom)
    least = _PEOPLE.get(zoom, 0 if zoom > 3 else 10**9)
    for (x, y), people, capital, name in zip(
        project(data["city_place"]), data["city_people"], data["city_capital"], _city_names(), strict=True
    ):
        if people >= least or (capital and zoom >= 4):
            yield _Wish(x, y, name, "city" if capital or people > 250_000 else "town", float(people), dot=True)


@made_once
def _city_names() -> tuple[str, ...]:
    return tuple(str(read_data()["city_names"]).split("\n"))


def _belgian(zoom: int) -> Iterator[_Wish]:
    least = _PEOPLE.get(zoom, 0 if zoom > 3 else 10**9)
    for place, (x, y) in zip(list_places("municipality"), _seats(), strict=True):
        people = float(place.population or 0)
        capital = place.nis == _CITY_OF_BRUSSELS
        if (people >= least and (place.region != _BRUSSELS or zoom >= 11)) or (capital and zoom >= 4):
            kind: Kind = "city" if people > 100_000 else "town"
            # Neighbours across the border compete by the same measure; what is ours goes first.
            yield _Wish(x, y, local_name(place), kind, people * 3 + (10**9 if capital else 0), dot=zoom < 12)
    if 8 <= zoom <= 9:
        provinces = list_places("province")
        for place, (x, y) in zip(provinces, _centres(), strict=True):
            name = local_name(place).removeprefix("Provincie ").removeprefix("Province ")
            for start in ("de ", "du ", "d'"):
                name = name.removeprefix(start)
            yield _Wish(x, y, name.upper(), "region", 100.0, dot=False)


def local_name(place: Place) -> str:
    """Return the name a place has on its own signs: Dutch in Flanders, French in Wallonia, both in Brussels."""
    if place.region == _BRUSSELS:
        return place.name_nl if place.name_nl == place.name_fr else f"{place.name_fr} / {place.name_nl}"
    return place.name_fr if place.region == _WALLONIA else place.name_nl


@made_once
def _seats() -> np.ndarray:
    data = read_data()
    known = {f"{int(nis):05d}": place for nis, place in zip(data["seat_nis"], data["seat_place"], strict=True)}
    places = [
        known[place.nis] if place.nis in known else place.geometry.representative_point().coords[0]
        for place in list_places("municipality")
    ]
    return project(np.array(places, dtype="float64"))


@made_once
def _centres() -> np.ndarray:
    return project(read_data()["province_place"])


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
