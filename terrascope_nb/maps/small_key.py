"""What the colours of a map mean, in a small box on its picture: name, colour bar with its ends, or classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from terrascope_nb.maps.lettering import open_font
from terrascope_nb.maps.looks import Look, class_bytes
from terrascope_nb.words import say

__all__ = ["KeyEntry", "draw_key"]

_EDGE = 8
"""Pixels from the edge of the picture, and from the edge of the box to what is in it."""
_BAR = (150, 10)
"""Width and height of a colour bar."""
_LINE = 15
_MOST_CLASSES = 8
_INK, _PAPER, _FRAME = (40, 40, 40, 255), (255, 255, 255, 235), (120, 120, 120, 255)


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """One layer in the key."""

    title: str
    """Name and date."""
    look: Look
    """How its values become colours."""
    shown: Collection[tuple[int, int, int]] = ()
    """RGB of the colours that are in the picture; of classes only these are named."""


def draw_key(image: Image.Image, entries: Sequence[KeyEntry]) -> None:
    """Draw the key into the lower left corner of an RGBA picture; entries that find no room are left out.

    Parameters
    ----------
    image : PIL.Image.Image
        RGBA; drawn on in place.
    entries : sequence of KeyEntry
        The most important first.
    """
    rows: list[_Row] = []
    for entry in entries:
        added = _rows_of(entry)
        if (len(rows) + len(added)) * _LINE > image.height * 0.6:
            break
        rows += added
    if not rows:
        return
    font = open_font(11)
    pen = ImageDraw.Draw(image)
    wide = min(max(row.width(pen, font) for row in rows), image.width - 4 * _EDGE)
    top = image.height - 2 * _EDGE - len(rows) * _LINE - 16  # above the line that names the sources
    box = Image.new("RGBA", (round(wide) + 2 * _EDGE, len(rows) * _LINE + _EDGE), _PAPER)
    image.alpha_composite(box, (_EDGE, top))
    pen.rectangle((_EDGE, top, _EDGE + box.width - 1, top + box.height - 1), outline=_FRAME)
    for number, row in enumerate(rows):
        row.draw(pen, font, (2 * _EDGE, top + _EDGE // 2 + number * _LINE))


@dataclass(frozen=True, slots=True)
class _Row:
    text: str = ""
    bold: bool = False
    swatch: tuple[int, int, int] | None = None
    bar: Look | None = None

    def width(self, pen: ImageDraw.ImageDraw, font: Any) -> float:
        if self.bar is not None:
            low, high = _ends(self.bar)
            return _BAR[0] + 12 + pen.textlength(low, font=font) + pen.textlength(high, font=font)
        return pen.textlength(self.text, font=font) * (1.12 if self.bold else 1) + (18 if self.swatch else 0)

    def draw(self, pen: ImageDraw.ImageDraw, font: Any, at: tuple[int, int]) -> None:
        x, y = at
        if self.bar is not None:
            low, high = _ends(self.bar)
            pen.text((x, y), low, font=font, fill=_INK)
            x += round(pen.textlength(low, font=font)) + 6
            colours = self.bar.with_changes(opacity=1.0).palette()
            for step in range(_BAR[0]):
                colour = tuple(int(part) for part in colours[step * 256 // _BAR[0]][:3])
                pen.line((x + step, y + 2, x + step, y + 1 + _BAR[1]), fill=colour)
            pen.rectangle((x - 1, y + 1, x + _BAR[0], y + 2 + _BAR[1]), outline=_FRAME)
            pen.text((x + _BAR[0] + 6, y), high, font=font, fill=_INK)
            return
        if self.swatch is not None:
            pen.rectangle((x, y + 2, x + 11, y + 12), fill=self.swatch, outline=_FRAME)
            x += 18
        pen.text((x, y), self.text, font=open_font(11, bold=True) if self.bold else font, fill=_INK)


def _rows_of(entry: KeyEntry) -> list[_Row]:
    look, rows = entry.look, [_Row(entry.title, bold=True)]
    if look.kind == "measurement":
        if look.label and look.label != entry.title:
            rows.append(_Row(look.label))
        return [*rows, _Row(bar=look)]
    if look.kind == "rgb":
        red, green, blue = look.bands
        return [*rows, _Row(say("colours from {bands}", bands=f"{red}, {green}, {blue}"))]
    assert look.classes is not None
    known = [
        (name, rgb)
        for name, rgb in zip(look.classes.names, map(class_bytes, look.classes.colours), strict=True)
        if rgb[:3] in entry.shown
    ]
    rows += [_Row(name.replace("_", " "), swatch=rgb[:3]) for name, rgb in known[:_MOST_CLASSES]]
    if len(known) > _MOST_CLASSES:
        rows.append(_Row(say("{count} more classes", count=len(known) - _MOST_CLASSES)))
    return rows


def _ends(look: Look) -> tuple[str, str]:
    low, high = (float(np.ravel(end)[0]) for end in (look.vmin, look.vmax))
    return f"{low:.4g}", f"{high:.4g}"
