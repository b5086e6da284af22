"""Values become colours: by the product's style, else by a perceptual, colour-blind-safe default."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.colors import Colormap, Normalize, to_rgba
from numpy.typing import NDArray

from terrascope_nb.errors import CubeError, TerrascopeWarning, UnknownBandError, UnknownProductError
from terrascope_nb.products.model import Band, Style
from terrascope_nb.products.registry import get_product, products_that_say

NOTHING = "#d9d9d9"
"""Drawn where there is no valid value."""
# Okabe and Ito, "Color Universal Design" (2008), without yellow, which is lost on white.
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
# Paul Tol, "Colour Schemes" (2021): muted, then light.
_CLASSES = (
    "#332288", "#88CCEE", "#44AA99", "#117733", "#999933", "#DDCC77", "#CC6677", "#882255", "#AA4499",
    "#77AADD", "#99DDFF", "#44BB99", "#BBCC33", "#AAAA00", "#EEDD88", "#EE8866", "#FFAABB", "#BBBBBB",
)  # fmt: skip
_DEFAULT_MAP = "viridis"
_POWERS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Colouring:
    """How physical values are coloured."""

    cmap: Colormap
    """Colour map; its *bad* colour is that of missing values."""
    vmin: float
    """Lower end, physical."""
    vmax: float
    """Upper end, physical."""
    label: str
    """Text beside the colour bar: name and unit."""
    extend: Literal["neither", "min", "max", "both"]
    """Which ends have values beyond them."""

    def to_rgba(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return RGBA of the same shape plus a last axis of 4; NaN becomes `NOTHING`."""
        shown = Normalize(self.vmin, self.vmax)(np.ma.masked_invalid(values))
        return np.asarray(self.cmap(shown, bytes=True), dtype="uint8")


@dataclass(frozen=True, slots=True)
class ClassColours:
    """How classes are coloured."""

    values: tuple[int, ...]
    """The stored numbers."""
    names: tuple[str, ...]
    """What a person reads."""
    colours: tuple[str, ...]
    """``#rrggbb`` per class."""

    def to_rgba(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return RGBA of the same shape plus a last axis of 4; what is no class becomes `NOTHING`."""
        rgba = np.empty((*values.shape, 4), dtype="uint8")
        rgba[...] = _bytes(NOTHING)
        for value, colour in zip(self.values, self.colours, strict=True):
            rgba[values == value] = _bytes(colour)
        return rgba


def _bytes(colour: str) -> NDArray[np.uint8]:
    return np.round(np.array(to_rgba(colour)) * 255).astype("uint8")


def unit_text(units: str | None) -> str:
    """Return a unit as it is printed.

    >>> unit_text("m2 m-2"), unit_text("1"), unit_text(None)
    ('[m² m⁻²]', '[-]', '')
    """
    if not units:
        return ""
    if units in ("1", "unknown"):
        return "[-]" if units == "1" else "[unit unknown]"
    return "[" + re.sub(r"(?<=[A-Za-z])-?\d+", lambda power: power[0].translate(_POWERS), units) + "]"


def short_label(name: object, attrs: Mapping[Any, Any]) -> str:
    """Return name and unit, for a colour bar or an axis."""
    word = str(name or attrs.get("long_name") or attrs.get("band") or "value")
    return f"{word} {unit_text(attrs.get('units'))}".strip()


def find_band(name: object, attrs: Mapping[Any, Any]) -> Band | None:
    """Return the band of the product tables that a variable is, or is named after; None when there is none.

    A variable with ``product`` and ``band`` is that band. One without, such as an index made from other bands, is drawn
    like the band of its name in the first product that has one: NDVI computed looks like NDVI delivered.
    """
    if attrs.get("product") and attrs.get("band"):
        try:
            return get_product(str(attrs["product"])).find_band(str(attrs["band"]))
        except (UnknownProductError, UnknownBandError):
            return None
    for product in products_that_say(str(name)):
        for band in product.bands:
            if band.name == name and band.style.cmap and band.kind == "measurement":
                return band
    return None


def colouring_of(
    data: xr.DataArray,
    values: NDArray[Any],
    *,
    cmap: str | Colormap | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    decibel: bool = False,
) -> Colouring:
    """Return how a measurement is coloured.

    Parameters
    ----------
    data : xarray.DataArray
        Its name and attributes choose the style.
    values : numpy.ndarray
        The numbers that are drawn; without a style their 2nd and 98th percentile are the ends.
    cmap, vmin, vmax
        Win over the style.
    decibel : bool
        The values are decibels, and so are ``vmin``, ``vmax`` and the unit beside the bar; see `decibels_of`.
    """
    band = find_band(data.name, data.attrs)
    style = band.style if band else Style()
    if decibel:
        vmin_vmax = [10 * math.log10(end) if end else None for end in (style.vmin, style.vmax)]
        style = replace(style, vmin=vmin_vmax[0], vmax=vmin_vmax[1])
    low, high = _robust(values)
    low = next(end for end in (vmin, style.vmin, low) if end is not None)
    high = next(end for end in (vmax, style.vmax, high) if end is not None)
    if not low < high:
        if vmin is not None and vmax is not None:
            raise CubeError(f"vmin={vmin} must be below vmax={vmax}.")
        low, high = low - 0.5, low + 0.5
    chosen = mpl.colormaps[style.cmap or _DEFAULT_MAP] if cmap is None else mpl.colormaps.get_cmap(cmap)
    chosen = chosen.with_extremes(bad=NOTHING)
    finite = values[np.isfinite(values)]
    below, above = bool((finite < low).any()), bool((finite > high).any())
    extend: Literal["neither", "min", "max", "both"] = "neither"
    if below or above:
        extend = "both" if below and above else "min" if below else "max"
    label = short_label(data.name, {**data.attrs, "units": "dB"} if decibel else data.attrs)
    return Colouring(chosen, float(low), float(high), label, extend)


def decibels_of(data: xr.DataArray, values: Sequence[NDArray[Any]]) -> list[NDArray[Any]] | None:
    """Return the values in decibels where the product's style says that they are drawn so; None elsewhere.

    Zero and negative values have no decibels and become NaN. Values that are decibels already stay as they are: their
    unit says so, or most are negative, which linear values never are; then a warning tells.
    """
    band = find_band(data.name, data.attrs)
    if band is None or not band.style.decibel or data.dtype.kind != "f":
        return None
    if str(data.attrs.get("units", "")).lower() == "db":
        return list(values)
    if sum(int((v < 0).sum()) for v in values) > sum(int((v >= 0).sum()) for v in values):
        warnings.warn(
            f"most values of {data.name or band.name} are negative: they are taken for decibels and drawn as they are. "
            'Say so with .assign_attrs(units="dB").',
            TerrascopeWarning,
            stacklevel=3,
        )
        return list(values)
    return [10 * np.log10(np.where(v > 0, v, np.nan)) for v in values]


def _robust(values: NDArray[Any]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, [2, 98])
    return float(low), float(high)


def class_colours_of(data: xr.DataArray) -> ClassColours:
    """Return the classes of a variable, with names and colours.

    Read from ``flag_values``, ``flag_meanings`` and ``flag_colors`` (CF); readable names come from the product's table
    where it is known. Without colours a colour-blind-safe set is used.

    Raises
    ------
    CubeError
        The variable has no classes, or bit fields.
    """
    attrs = data.attrs
    if "flag_values" not in attrs:
        why = "bit fields, not classes" if "flag_masks" in attrs else "no flag_values and so no classes"
        raise CubeError(f"{data.name or 'this variable'} has {why}; draw it with plot_map.", variable=data.name)
    values = tuple(int(value) for value in np.atleast_1d(attrs["flag_values"]))
    words = _listed(attrs.get("flag_meanings", [])) or [str(value) for value in values]
    given = _listed(attrs.get("flag_colors", []))
    if len(words) != len(values) or (given and len(given) != len(values)):
        raise CubeError(
            f"{data.name}: {len(values)} flag_values, {len(words)} flag_meanings and {len(given)} flag_colors differ.",
            variable=data.name,
        )
    if not given:
        spare = mpl.colormaps[_DEFAULT_MAP](np.linspace(0, 1, len(values)))
        given = list(_CLASSES) if len(values) <= len(_CLASSES) else [mpl.colors.to_hex(colour) for colour in spare]
    titles = _class_titles(data)
    names = tuple(
        titles.get(value, word.replace("_", " ").capitalize()) for value, word in zip(values, words, strict=True)
    )
    return ClassColours(values, names, tuple(given[: len(values)]))


def _listed(text: Any) -> list[str]:
    return text.split() if isinstance(text, str) else [str(word) for word in np.atleast_1d(text)]


def _class_titles(data: xr.DataArray) -> dict[int, str]:
    band = find_band(data.name, data.attrs) if "band" in data.attrs else None
    return {one.value: one.title["en"] for one in band.classes if "en" in one.title} if band else {}
