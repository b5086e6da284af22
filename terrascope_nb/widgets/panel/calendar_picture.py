"""The calendar of dates as a picture, for where no widget runs: a saved notebook, a report."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Sequence

from PIL import Image, ImageDraw, ImageFont

from terrascope_nb.cube.dates import DateMark
from terrascope_nb.widgets.panel.availability_words import clear_share

_CELL, _ROW, _LEFT, _EDGE = 20, 30, 62, 8
_INK, _PALE, _BAR, _TRACK, _PAPER = "#212121", "#757575", "#1976d2", "#d5d5d5", "#ffffff"


def calendar_png(marks: Sequence[DateMark], dropped: Collection[str] = ()) -> bytes:
    """Return a picture with a row a month and a mark a date: a bar for its clear share, struck through when dropped.

    Returns
    -------
    bytes
        PNG on white, readable on a dark page too.
    """
    months = sorted({(mark.day.year, mark.day.month) for mark in marks})
    width, height = _LEFT + 31 * _CELL + _EDGE, max(len(months), 1) * _ROW + 2 * _EDGE
    picture = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=11)
    for row, (year, month) in enumerate(months):
        draw.text((_EDGE, _EDGE + row * _ROW + 6), f"{year}-{month:02d}", fill=_INK, font=font)
    for mark in marks:
        left = _LEFT + (mark.day.day - 1) * _CELL
        top = _EDGE + months.index((mark.day.year, mark.day.month)) * _ROW
        gone = mark.day.isoformat() in dropped
        middle = left + (_CELL - 2) / 2
        draw.text((middle, top + 8), str(mark.day.day), fill=_PALE if gone else _INK, font=font, anchor="mm")
        bar = (left, top + 17, left + _CELL - 3, top + 23)
        if math.isnan(clear_share(mark)):
            draw.rectangle(bar, outline=_PALE)
        else:
            draw.rectangle(bar, fill=_TRACK)
            wide = clear_share(mark) / 100 * (_CELL - 3)
            if wide >= 1:
                draw.rectangle((left, top + 17, left + wide, top + 23), fill=_PALE if gone else _BAR)
        if gone:
            draw.line((left, top + 8, left + _CELL - 3, top + 8), fill=_INK, width=1)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def stacked(pictures: Sequence[bytes]) -> bytes:
    """Return pictures (PNG) below each other as one PNG, on white."""
    opened = [Image.open(io.BytesIO(picture)).convert("RGB") for picture in pictures]
    whole = Image.new("RGB", (max(one.width for one in opened), sum(one.height for one in opened)), _PAPER)
    top = 0
    for one in opened:
        whole.paste(one, (0, top))
        top += one.height
    out = io.BytesIO()
    whole.save(out, "PNG")
    return out.getvalue()
