"""How a tile source is drawn: colour map and ends, classes, or three stretched bands; immutable, chosen by the product's style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.colors import Colormap, to_rgba
from numpy.typing import NDArray

from terrascope_nb.errors import CubeError
from terrascope_nb.maps.colour import ClassColours, class_colours_of, find_band, unit_text
from terrascope_nb.raster.tiling import TileSource

_DEFAULT_MAP = "viridis"
_PERCENTILES = (2.0, 98.0)
_REFLECTANCE = (0.0, 0.2)
"""The stretch of reflectances that `plot_rgb` uses as well."""

End = float | tuple[float, float, float]
"""One end of a stretch, or one per band of a colour picture."""


@dataclass(frozen=True, slots=True)
class Look:
    """How values become colours."""

    kind: Literal["measurement", "classes", "rgb"]
    """As the source's."""
    cmap: str = _DEFAULT_MAP
    """Name of the colour map."""
    vmin: End = 0.0
    """Value at the lower end (decibels when ``decibel``)."""
    vmax: End = 1.0
    """Value at the upper end."""
    opacity: float = 1.0
    """0 to 1, written into the pictures; a map that has an opacity of its own for a layer leaves this at 1."""
    decibel: bool = False
    """Values are drawn as ``10 * log10(value)``."""
    classes: ClassColours | None = None
    """Numbers, names and colours of classes."""
    bands: tuple[str, ...] = ()
    """Names of the layers that are drawn."""
    label: str = ""
    """Text beside a colour bar: name and unit."""
    colours: bytes = b""
    """RGBA of the 256 colours of the map, where it is none that matplotlib knows by name."""

    def palette(self) -> NDArray[np.uint8]:
        """Return the colours of a measurement: (256, 4) RGBA, opacity included."""
        if self.colours:
            rgba = np.frombuffer(self.colours, dtype="uint8").reshape(256, 4).copy()
        else:
            rgba = _colours_of(mpl.colormaps[self.cmap])
        rgba[:, 3] = np.round(rgba[:, 3] * self.opacity)
        return rgba

    def with_changes(self, **changes: Any) -> Look:
        """Return a look with other ``cmap``, ``vmin``, ``vmax`` or ``opacity``; None leaves a thing as it is.

        Raises
        ------
        CubeError
            A colour map that nobody knows, or ends that run backwards.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        cmap = given.pop("cmap", None)
        if cmap is not None:
            given.update(_named(cmap))
        for name in ("vmin", "vmax"):
            if name in given:
                given[name] = _end(given[name])
        changed = replace(self, **given)
        _check(changed)
        return changed


def _colours_of(cmap: Colormap) -> NDArray[np.uint8]:
    return np.asarray(cmap(np.arange(256) / 256.0 + 1 / 512, bytes=True), dtype="uint8").copy()


def _named(cmap: str | Colormap) -> dict[str, Any]:
    if isinstance(cmap, Colormap):
        return {"cmap": cmap.name, "colours": _colours_of(cmap).tobytes()}
    if cmap not in mpl.colormaps:
        raise CubeError(f"cmap={cmap!r} is no colour map that matplotlib knows; viridis, cividis, RdYlGn … are.")
    return {"cmap": cmap, "colours": b""}


def _end(value: Any) -> End:
    try:
        if np.ndim(value) == 0:
            return float(value)
        ends = tuple(float(one) for one in value)
    except (TypeError, ValueError) as error:
        raise CubeError(f"{value!r} is no end of a stretch; give a number, or three for a colour picture.") from error
    if len(ends) != 3:
        raise CubeError(f"give one end for all bands, or three, not {len(ends)}.")
    return ends


def _shares(percentiles: Any) -> tuple[float, float]:
    """Return a pair of percentiles that can be taken."""
    try:
        low, high = (float(one) for one in percentiles)
    except (TypeError, ValueError):
        low = high = math.nan
    if not 0 <= low < high <= 100:
        raise CubeError(
            f"percentiles={percentiles!r} is asked for; give two numbers from 0 to 100, the lower one first, such as "
            "percentiles=(2, 98)."
        )
    return low, high


def _check(look: Look) -> None:
    if not 0 <= look.opacity <= 1:
        raise CubeError(f"opacity={look.opacity!r} is no share from 0 to 1.")
    low, high = np.broadcast_arrays(look.vmin, look.vmax)
    if look.kind != "classes" and not (np.isfinite(low) & np.isfinite(high) & (low < high)).all():
        raise CubeError(f"vmin={look.vmin} must be below vmax={look.vmax}.")


def look_of(
    source: TileSource,
    *,
    cmap: str | Colormap | None = None,
    vmin: Any = None,
    vmax: Any = None,
    percentiles: tuple[float, float] | None = None,
    opacity: float = 1.0,
    time: int | None = None,
) -> Look:
    """Return how a source is drawn: as asked, else by the product's style, else by the percentiles of a sample.

    Parameters
    ----------
    source : TileSource
        Its ``attrs`` choose the style; `TileSource.sample` is read only where percentiles are needed.
    cmap : str or matplotlib Colormap, optional
    vmin, vmax : float, or three for a colour picture, optional
        The values drawn in the first and last colour; in decibels where the style is in decibels.
    percentiles : (low, high), optional
        0-100: take the ends from the values of ``time``.
    opacity : float
    time : int, optional
        Which time the percentiles are of.

    Returns
    -------
    Look

    Raises
    ------
    CubeError
        Ends or percentiles that run backwards or are no numbers, an unknown colour map, classes that nobody names.
    """
    bands = tuple(source.layer_names)
    if percentiles is not None:
        percentiles = _shares(percentiles)
    if source.kind == "classes":
        stand_in = xr.DataArray(
            np.zeros(0, dtype="uint8"), dims="x", name=source.layer_names[0], attrs=dict(source.attrs)
        )
        return Look("classes", opacity=opacity, classes=class_colours_of(stand_in), bands=bands, label=source.name)
    if source.kind == "rgb":
        ends = _rgb_ends(source, vmin, vmax, percentiles, time)
        look = Look("rgb", vmin=ends[0], vmax=ends[1], opacity=opacity, bands=bands, label=source.name)
        _check(look)
        return look
    style = _style_of(source.layer_names[0], source.attrs)
    if str(source.attrs.get("physical", "")).lower() == "false" or source.units == "stored number":
        style = {"cmap": style.get("cmap")}  # its ends are physical values
    decibel = bool(style.get("decibel")) and str(source.units).lower() != "db"
    low: Any = vmin
    high: Any = vmax
    if percentiles is None:
        low = style.get("vmin") if low is None else low
        high = style.get("vmax") if high is None else high
    if low is None or high is None:
        found = _percentiles(source, percentiles or _PERCENTILES, time, decibel=decibel)
        low = found[0] if low is None else low
        high = found[1] if high is None else high
        if not low < high and (vmin is None or vmax is None):
            low, high = low - 0.5, low + 0.5
    chosen = _named(cmap if cmap is not None else style.get("cmap") or _DEFAULT_MAP)
    label = f"{source.layer_names[0]} {unit_text('dB' if decibel else source.units)}".strip()
    look = Look("measurement", vmin=_end(low), vmax=_end(high), opacity=opacity, decibel=decibel, bands=bands,
                label=label, **chosen)  # fmt: skip
    _check(look)
    return look


def ends_beside(source: TileSource, look: Look, time: int | None = None) -> str:
    """Return a sentence where the ends of a stretch in decibels lie beside all values of a time, else nothing.

    Ends in linear power are easily given where decibels are meant; the picture then has one colour.
    """
    if not look.decibel:
        return ""
    values = np.asarray(source.sample(time=time)).astype("float64")
    values = values[np.isfinite(values) & (values > 0)]
    if not values.size:
        return ""
    least, most = (10 * math.log10(end) for end in (values.min(), values.max()))
    low, high = float(np.ravel(look.vmin)[0]), float(np.ravel(look.vmax)[0])
    if low < most and high > least:
        return ""
    return (
        f"vmin={low:g} and vmax={high:g} are decibels, and {source.name} holds {least:.4g} to {most:.4g} dB, so all of it "
        f"gets one colour; give ends between these, such as vmin={math.floor(least)}, vmax={math.ceil(most)}."
    )


def _style_of(name: str, attrs: Mapping[str, Any]) -> dict[str, Any]:
    band = find_band(name, attrs)
    if band is None:
        return {}
    style = band.style
    ends = style.vmin, style.vmax
    if style.decibel:
        ends = tuple(round(10 * math.log10(end), 4) if end else None for end in ends)  # type: ignore[assignment]
    return {"cmap": style.cmap, "vmin": ends[0], "vmax": ends[1], "decibel": style.decibel}


def _percentiles(
    source: TileSource, which: Sequence[float], time: int | None, *, decibel: bool = False
) -> tuple[float, float]:
    values = np.asarray(source.sample(time=time))
    values = values[np.isfinite(values)].astype("float64")
    if decibel:
        values = 10 * np.log10(values[values > 0])
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, which)
    return float(low), float(high)


def _rgb_ends(source: TileSource, vmin: Any, vmax: Any, percentiles: Any, time: int | None) -> tuple[End, End]:
    if vmin is not None and vmax is not None:
        return _end(vmin), _end(vmax)
    low, high = _REFLECTANCE
    reflects = "reflectance" in str(source.attrs.get("standard_name", "")) or source.attrs.get("common_name")
    if percentiles is None and str(source.attrs.get("stored_type", "")) == "uint8":
        low, high = 0.0, 255.0
    elif percentiles is not None or not reflects:
        low, high = _percentiles(source, percentiles or _PERCENTILES, time)
        if not low < high:
            low, high = low - 0.5, low + 0.5
    return _end(low if vmin is None else vmin), _end(high if vmax is None else vmax)


def class_bytes(colour: str) -> tuple[int, int, int, int]:
    """Return RGBA of ``#rrggbb``."""
    red, green, blue, alpha = (round(part * 255) for part in to_rgba(colour))
    return red, green, blue, alpha
