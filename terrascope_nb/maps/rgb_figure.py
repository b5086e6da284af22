"""Three bands of a cube as a colour picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from terrascope_nb.errors import CubeError, UnknownBandError, near_misses
from terrascope_nb.maps.canvas import (
    draw_area,
    draw_raster,
    finish_axes,
    new_picture,
    percent_text,
    sources_of,
    write_sources,
    write_titles,
)
from terrascope_nb.maps.colour import NOTHING, find_band
from terrascope_nb.maps.panels import read_panels

_REFLECTANCE = (0.0, 0.2)
"""Default stretch of reflectances: most land is darker than 20 % in the visible bands."""


def plot_rgb(
    cube: xr.Dataset,
    bands: Sequence[str] = ("red", "green", "blue"),
    *,
    stretch: tuple[float, float] | Sequence[tuple[float, float]] | Literal["percentile"] | None = None,
    title: str | None = None,
    area: Any = None,
    ax: Axes | None = None,
) -> Figure:
    """Return a colour picture of three bands.

    Parameters
    ----------
    cube : xarray.Dataset, dims (y, x) or (time, y, x)
        Physical values, up to twelve dates.
    bands : three str
        For red, green and blue: variables of the cube, by name, common name or platform name.
    stretch : (low, high), three of them, or "percentile", optional
        The physical values drawn black and full. By default reflectance 0 to 0.2, the same for all dates, so that
        pictures compare; ``"percentile"`` takes the 2nd and 98th of all valid pixels of the three bands together.
        Backscatter stays linear here. Missing values never take part, and are light grey. Values beyond the ends, negative ones too, get the colour of
        the end.
    title, area, ax
        As for `plot_map`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UnknownBandError
        The cube has no such band; the message lists what it has.
    CubeError
        Stored numbers instead of physical values; or as for `plot_map`.
    """
    if not isinstance(cube, xr.Dataset):
        raise CubeError(
            f"a colour picture takes an xarray.Dataset with three bands, as load gives it; this is "
            f"{type(cube).__module__}.{type(cube).__name__}."
        )
    if len(bands) != 3:
        raise CubeError(f"a colour picture takes three bands, not {len(bands)}: {', '.join(bands)}.")
    variables = [_find_variable(cube, band) for band in bands]
    layers = [read_panels(variable, "mean", alone=ax is not None) for variable in variables]
    rasters = layers[0]
    pictures = [np.stack([layer[number].values for layer in layers], axis=-1) for number in range(len(rasters))]
    ends = _ends(stretch, pictures, variables)
    figure, axes = new_picture(rasters, ax)
    for axis, raster, picture in zip(axes, rasters, pictures, strict=True):
        draw_raster(axis, raster, stretch_rgb(picture, ends))
        if area is not None:
            draw_area(axis, area, raster)
    finish_axes(axes, rasters[0])
    names = [str(variable.name) for variable in variables]
    common = [str(variable.attrs.get("common_name", variable.name)) for variable in variables]
    kind = "True colour" if common == ["red", "green", "blue"] else "False colour"
    write_titles(figure, axes, rasters, title, f"{kind} ({', '.join(names)})")
    if ax is None:
        missing = float(np.mean([np.isnan(picture).any(axis=-1).mean() for picture in pictures]))
        spans = [f"{low:.3g} to {high:.3g}" for low, high in ends]
        shown = (
            spans[0] + " in each band"
            if len(set(spans)) == 1
            else ", ".join(map(" ".join, zip(names, spans, strict=True)))
        )
        grey = f" Light grey: no valid value ({percent_text(missing)})." if missing else ""
        write_sources(figure, f"Colours span {shown}.{grey}", sources_of(variables[0], rasters))
    return figure


def stretch_rgb(values: NDArray[Any], ends: Sequence[tuple[float, float]]) -> NDArray[np.uint8]:
    """Return RGBA of values (rows, columns, 3), each band between its ends; NaN in any band becomes `NOTHING`.

    >>> stretch_rgb(np.array([[[0.3, 0.15, -0.1], [0.1, np.nan, 0.1]]]), [(0, 0.3)] * 3).tolist()
    [[[255, 128, 0, 255], [217, 217, 217, 255]]]
    """
    low, high = np.array(ends, dtype="float64").T
    missing = ~np.isfinite(values).all(axis=-1)
    share = np.clip((np.where(missing[..., None], low, values) - low) / (high - low), 0.0, 1.0)
    rgba = np.full((*values.shape[:-1], 4), 255, dtype="uint8")
    rgba[..., :3] = np.round(share * 255)
    rgba[missing, :3] = int(NOTHING[1:3], 16)
    return rgba


def _ends(stretch: Any, pictures: list[NDArray[Any]], variables: list[xr.DataArray]) -> list[tuple[float, float]]:
    if stretch is None:
        styles = [band.style if (band := find_band(v.name, v.attrs)) else None for v in variables]
        reflects = all("reflectance" in str(v.attrs.get("standard_name", "reflectance")) for v in variables)
        if reflects or not all(s and s.vmin is not None and s.vmax is not None for s in styles):
            return [_REFLECTANCE] * 3
        return [(float(s.vmin or 0.0), float(s.vmax or 0.0)) for s in styles if s]
    if isinstance(stretch, str):
        if stretch != "percentile":
            raise CubeError(f"stretch={stretch!r}: give (low, high), three of them, or 'percentile'.")
        every = np.concatenate([picture[np.isfinite(picture)] for picture in pictures])
        ends = np.percentile(every, [2, 98]) if every.size else np.array(_REFLECTANCE)
        spare = 0.0 if ends[0] < ends[1] else 0.5
        stretch = float(ends[0]) - spare, float(ends[1]) + spare
    pairs = [stretch] * 3 if np.ndim(stretch[0]) == 0 else list(stretch)
    if len(pairs) != 3 or not all(low < high for low, high in pairs):
        raise CubeError(
            f"stretch={stretch!r}: give (low, high) with low below high, once or for each of the three bands."
        )
    return pairs


def _find_variable(cube: xr.Dataset, band: str) -> xr.DataArray:
    for key in ("", "common_name", "band"):
        for name, variable in cube.data_vars.items():
            if band.lower() == str(variable.attrs.get(key, "") if key else name).lower():
                stored = str(variable.attrs.get("physical", "")).lower() == "false" or variable.dtype.kind in "iu"
                if stored:
                    raise CubeError(
                        f"{name} holds stored numbers ({variable.dtype}), of which nodata would be drawn as colour; load "
                        "the cube with physical=True."
                    )
                return variable
    names = [str(name) for name in cube.data_vars]
    near = near_misses(band, names)
    raise UnknownBandError(
        f"the cube has no band {band!r}; it has {', '.join(names) or 'none'}."
        f"{f' Did you mean {near[0]}?' if near else ' Load it too, or choose others with bands=(…).'}",
        band=band,
    )
