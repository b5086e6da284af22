"""A sheet as PNG, PDF or web page, and its text twin."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

import numpy as np

from terrascope_nb.maps.sheet import MapSheet, SheetLayer
from terrascope_nb.maps.sheet_figure import DPI, figure_of
from terrascope_nb.words import language, say

__all__ = ["describe_sheet", "page_of", "pdf_of", "png_of"]


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
h1 {{ font-size: 1.1rem; }}
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
