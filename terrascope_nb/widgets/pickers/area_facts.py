"""What an area amounts to before anything is searched: km², tiles, and bytes in memory per date."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from terrascope_nb.cube.budget import size_text
from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.products.model import Band, Product, in_language
from terrascope_nb.products.registry import get_product
from terrascope_nb.widgets.pickers.numbers import spoken
from terrascope_nb.words import language, say

_LARGEST_DEGREES = 1.0
"""Pixel sizes below are degrees, from it on metres: the tables write 8.3e-05 to 0.05 degrees, and 10 m or more."""
_MOST_TILES = 8


@dataclass(frozen=True, slots=True)
class AreaFacts:
    """How large an area is, and how much memory one date of a product takes over it."""

    km2: float
    """Area on the ellipsoid; 0 for points."""
    tiles: tuple[str, ...]
    """Sentinel-2 tiles it touches."""
    product: str = ""
    """What the sizes are of."""
    bands: tuple[str, ...] = ()
    """The bands counted: those that load takes when none is named, unless others were."""
    resolution: float | None = None
    """Finest pixel of these bands, in metres or degrees; None = known to the items only."""
    shape: tuple[int, int] | None = None
    """Rows and columns of one date, about; None = not known."""
    bytes_per_date: int | None = None
    """Memory of one date, about; None = not known."""


def facts_of(
    found: Aoi,
    product: str | Product | None = None,
    *,
    bands: Sequence[str] | None = None,
    resolution: float | None = None,
) -> AreaFacts:
    """Return what an area amounts to; no file and no server is asked.

    Parameters
    ----------
    found : Aoi
    product : str or Product, optional
        Its bands and pixel size give the bytes.
    bands : sequence of str, optional
        The product's own choice when None.
    resolution : float, optional
        Pixel size in the unit of the product's grid (metres, or degrees); the finest of the bands when None.

    Examples
    --------
    >>> from terrascope_nb.extent.aoi import area
    >>> facts = facts_of(area((3.70, 51.19, 3.80, 51.23)), "s2-ndvi")
    >>> facts.tiles, facts.resolution, facts.shape[0] > 400
    (('31UES',), 10.0, True)
    """
    if product is None:
        return AreaFacts(found.area_km2, found.tiles)
    known = get_product(product)
    chosen = [known.find_band(name) for name in (known.default_bands if bands is None else bands)]
    sizes = [band.resolutions[0] for band in chosen if band.resolutions]
    size = resolution or (min(sizes) if sizes else _size_of(known.variants[0].resolution))
    names = tuple(band.name for band in chosen)
    if size is None or not chosen or known.not_loadable:
        return AreaFacts(found.area_km2, found.tiles, known.id, names, size)
    rows, columns = _shape(found, size)
    n_bytes = rows * columns * sum(_bytes_of(band) for band in chosen)
    return AreaFacts(found.area_km2, found.tiles, known.id, names, size, (rows, columns), n_bytes)


def area_text(km2: float) -> str:
    """Return an area for people: hectares when it is small.

    >>> area_text(0.25), area_text(31.4)
    ('25.00 ha', '31.40 km²')
    """
    if km2 == 0:
        return say("no surface")
    return spoken(f"{km2 * 100:,.2f} ha" if km2 < 1 else f"{km2:,.2f} km²" if km2 < 1000 else f"{km2:,.0f} km²")


def facts_lines(facts: AreaFacts) -> list[str]:
    """Return the facts as sentences in the reader's language."""
    shown = ", ".join(facts.tiles[:_MOST_TILES])
    if len(facts.tiles) > _MOST_TILES:
        shown = say("{shown} and {count} more", shown=shown, count=len(facts.tiles) - _MOST_TILES)
    lines = [
        say("Area: {size}", size=area_text(facts.km2)),
        say("Sentinel-2 tiles touched: {count} ({names})", count=len(facts.tiles), names=shown or "–"),
    ]
    if not facts.product:
        return lines
    title = in_language(get_product(facts.product).title, language())
    if facts.bytes_per_date is None or facts.shape is None or facts.resolution is None:
        return [*lines, say("{product}: the size is known only after a search", product=title)]
    unit = "°" if facts.resolution < _LARGEST_DEGREES else " m"
    return [
        *lines,
        say(
            "{product}: about {size} in memory per date ({bands} at {resolution}, {rows} × {columns} pixels)",
            product=title,
            size=spoken(size_text(facts.bytes_per_date)),
            bands=", ".join(facts.bands),
            resolution=spoken(f"{facts.resolution:.4g}{unit}"),
            rows=facts.shape[0],
            columns=facts.shape[1],
        ),
    ]


def facts_html(facts: AreaFacts, more: Sequence[str] = ()) -> str:
    """Return the facts as a list, with more sentences at its end."""
    return "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in (*facts_lines(facts), *more)) + "</ul>"


def _size_of(text: str | None) -> float | None:
    """Return the metres of a collection's pixel size, such as 333m or 1km; None when it has none."""
    told = re.fullmatch(r"(\d+(?:\.\d+)?)(k?)m", text or "")
    return float(told[1]) * (1000 if told[2] else 1) if told else None


def _bytes_of(band: Band) -> int:
    """Bytes of one pixel in a cube: measurements are float32, classes and flags stay as stored."""
    return 4 if band.kind == "measurement" or band.dtype is None else np.dtype(band.dtype).itemsize


def _shape(found: Aoi, size: float) -> tuple[int, int]:
    """Return rows and columns of the bounds of an area, in degrees or in the UTM zone of its middle."""
    west, south, east, north = found.bbox
    east += 360.0 if east < west else 0.0
    if size < _LARGEST_DEGREES:
        width, height = east - west, north - south
    else:
        middle = ((west + east) / 2 + 180.0) % 360.0 - 180.0
        zone = min(int((middle + 180.0) // 6.0) + 1, 60)
        if max(east - west, north - south) > 20.0:  # beyond a zone UTM is no measure
            width, height = (
                (east - west) * 111_320.0 * math.cos(math.radians((south + north) / 2)),
                (north - south) * 110_570.0,
            )
        else:
            left, bottom, right, top = found.bounds_in((32600 if south + north >= 0 else 32700) + zone)
            width, height = right - left, top - bottom
    return max(math.ceil(height / size), 1), max(math.ceil(width / size), 1)
