"""A cube as a map: measurements with a colour bar, classes with their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from terrascope_nb.errors import CubeError
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
from terrascope_nb.maps.colour import NOTHING, class_colours_of, colouring_of, decibels_of
from terrascope_nb.maps.panels import read_panels


def plot_map(
    data: xr.DataArray | xr.Dataset,
    *,
    title: str | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: str | Colormap | None = None,
    area: Any = None,
    ax: Axes | None = None,
) -> Figure:
    """Return a map of a measurement, with colour bar, units, scale bar, date and attribution.

    Colours and their range come from the product's style; without one, viridis between the 2nd and 98th percentile.
    Missing values are light grey. North is up. One date is one map; up to twelve dates are small multiples with one
    colour bar; a variable of classes is drawn as by `plot_classes`. Radar backscatter, which is linear, is drawn in
    decibels, ``10 * log10(value)``; zero and negative values have none and are light grey. The cube stays as it is.

    Parameters
    ----------
    data : xarray.DataArray, dims (y, x) or (time, y, x)
        Physical values. A lazy array is computed. More than 2000 pixels a side are thinned to the mean of the valid
        ones (classes: the middle one), in the picture only.
    title : str, optional
        Instead of long name and date.
    vmin, vmax : float, optional
        Ends of the colour bar, in the unit beside it: the physical one, or decibels for backscatter.
    cmap : str or matplotlib Colormap, optional
        Instead of the style's.
    area : AoiLike, optional
        Outlines to draw over the map.
    ax : matplotlib Axes, optional
        Draw here (one date only) instead of in a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        A notebook shows it once; ``figure.savefig("map.png")`` writes it.

    Raises
    ------
    CubeError
        More than twelve dates, a Dataset of several variables, or another dimension.
    GridError
        No y and x, or pixels that are not evenly spaced.
    """
    variable = _one_variable(data)
    if "flag_values" in variable.attrs and variable.dtype.kind != "b":  # floats too: where() makes classes floats
        return plot_classes(variable, title=title, area=area, ax=ax)
    rasters = read_panels(variable, "mean", alone=ax is not None)
    values = [raster.values for raster in rasters]
    decibels = decibels_of(variable, values)
    values = values if decibels is None else decibels
    every = np.concatenate([v.ravel() for v in values])
    colours = colouring_of(variable, every, cmap=cmap, vmin=vmin, vmax=vmax, decibel=decibels is not None)
    figure, axes = new_picture(rasters, ax, beside=1.0)
    for axis, raster, value in zip(axes, rasters, values, strict=True):
        image = draw_raster(
            axis,
            raster,
            np.ma.masked_invalid(value),
            cmap=colours.cmap,
            vmin=colours.vmin,
            vmax=colours.vmax,
        )
        if area is not None:
            draw_area(axis, area, raster)
    finish_axes(axes, rasters[0])
    place: dict[str, Any] = (
        {"ax": axes, "shrink": 0.8} if len(axes) > 1 else {"cax": axes[0].inset_axes((1.03, 0, 0.04, 1))}
    )
    bar = figure.colorbar(image, extend=colours.extend, **place)
    bar.set_label(colours.label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_linewidth(0.6)
    words = _long_name(variable)
    write_titles(figure, axes, rasters, title, words if decibels is None else words.removesuffix(" (linear)"))
    missing = float(np.mean([np.isnan(value).mean() for value in values]))
    if ax is None:
        notes = [] if decibels is None else ["Drawn in decibels, 10·log₁₀ of the linear value."]
        notes += [f"Light grey: no valid value ({percent_text(missing)})."] if missing else []
        write_sources(figure, " ".join(notes), sources_of(variable, rasters))
    return figure


def plot_classes(
    data: xr.DataArray | xr.Dataset, *, title: str | None = None, area: Any = None, ax: Axes | None = None
) -> Figure:
    """Return a map of classes with a legend of names and shares.

    Names and colours come from the CF attributes ``flag_values``, ``flag_meanings`` and ``flag_colors`` and from the
    product's table. The legend lists the classes that are in the picture, with their share in percent of
    the pixels with data: what lies outside a clipped cube has no share.

    Parameters
    ----------
    data : xarray.DataArray, integer, dims (y, x) or (time, y, x)
        Up to twelve dates.
    title, area, ax
        As for `plot_map`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    CubeError
        The variable has no classes; or as for `plot_map`.
    """
    variable = _one_variable(data)
    classes = class_colours_of(variable)
    rasters = read_panels(variable, "nearest", alone=ax is not None)
    figure, axes = new_picture(rasters, ax, beside=3.2)
    for axis, raster in zip(axes, rasters, strict=True):
        draw_raster(axis, raster, classes.to_rgba(raster.values))
        if area is not None:
            draw_area(axis, area, raster)
    finish_axes(axes, rasters[0])
    every = np.concatenate([raster.values.ravel() for raster in rasters])
    nothing = ~np.isfinite(every) | (every == variable.attrs.get("nodata"))
    inside = max(1, every.size - int(nothing.sum()))
    handles = []
    for value, name, colour in zip(classes.values, classes.names, classes.colours, strict=True):
        found = every == value
        if found.any():
            share = "" if nothing[found].all() else f", {percent_text(float(found.sum()) / inside)}"
            handles.append(_patch(colour, f"{name} ({value}){share}"))
    unknown = ~np.isin(every, classes.values)
    if (unknown & ~nothing).any():
        handles.append(_patch(NOTHING, f"no class, {percent_text(float((unknown & ~nothing).sum()) / inside)}"))
    elif unknown.any():
        handles.append(_patch(NOTHING, "no data"))
    where: Any = figure if len(axes) > 1 else axes[0]
    how: dict[str, Any] = (
        {"loc": "outside right upper"} if len(axes) > 1 else {"loc": "upper left", "bbox_to_anchor": (1.02, 1.0)}
    )
    where.legend(handles=handles, fontsize=7.5, frameon=False, borderaxespad=0.0, **how)
    write_titles(figure, axes, rasters, title, _long_name(variable))
    if ax is None:
        note = "Shares are of the pixels with data." if nothing.any() else ""
        write_sources(figure, note, sources_of(variable, rasters))
    return figure


def _one_variable(data: xr.DataArray | xr.Dataset) -> xr.DataArray:
    if isinstance(data, xr.DataArray):
        return data
    if not isinstance(data, xr.Dataset):
        raise CubeError(
            f"a map takes an xarray.DataArray with y and x, such as cube.NDVI, or a Dataset of one; this is "
            f"{type(data).__module__}.{type(data).__name__}, which says neither place nor unit."
        )
    names = [str(name) for name in data.data_vars]
    if len(names) != 1:
        raise CubeError(f"a map shows one variable; this cube has {', '.join(names) or 'none'}: plot_map(cube[…]).")
    return data[names[0]]


def _patch(colour: str, label: str) -> Patch:
    return Patch(facecolor=colour, edgecolor="#888888", linewidth=0.4, label=label)


def _long_name(variable: xr.DataArray) -> str:
    return str(variable.attrs.get("long_name") or variable.name or "")
