"""Axes of a map and the frame round them: panels, north-up axes, outlines, the line of sources."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import shapely
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import FuncFormatter, MaxNLocator
from pyproj import CRS

from terrascope_nb.errors import CubeError
from terrascope_nb.extent.aoi import area as to_area
from terrascope_nb.maps.panels import Raster, stated_times
from terrascope_nb.maps.picture import Picture
from terrascope_nb.maps.scalebar import add_scale_bar
from terrascope_nb.maps.sources import attribution_of

_GREY = "#555555"
_WIDTHS = (5.6, 3.6, 2.6, 2.1)
"""Inches of one panel, when there are one, two, three, four beside each other."""


def new_picture(rasters: Sequence[Raster], axes: Axes | None, *, beside: float = 0.3) -> tuple[Figure, list[Axes]]:
    """Return a figure with one map axes per raster, or the figure of the axes given.

    Parameters
    ----------
    rasters : sequence of Raster
        Their shape gives the figure's.
    axes : matplotlib Axes or None
        To draw in these.
    beside : float
        Inches kept free on the right, for a colour bar or a legend.
    """
    if axes is not None:
        figure = axes.get_figure(root=True)
        assert figure is not None
        return figure, [axes]
    columns = min(len(rasters), 4 if len(rasters) > 6 else 3)
    rows = -(-len(rasters) // columns)
    wide = _WIDTHS[columns - 1]
    tall = min(max(wide * _tallness(rasters[0]), wide * 0.3), wide * 1.6)
    figure = Picture(figsize=(wide * columns + 0.7 + beside, (tall + 0.25) * rows + 0.9), dpi=110, layout="compressed")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for spare in grid[len(rasters) :]:
        spare.set_visible(False)
    for lowest in grid[max(len(rasters) - columns, 0) : len(rasters)]:
        lowest.tick_params(labelbottom=True)
    return figure, list(grid[: len(rasters)])


def _tallness(raster: Raster) -> float:
    left, right, bottom, top = raster.bounds
    return _aspect(raster) * (top - bottom) / (right - left)


def _aspect(raster: Raster) -> float:
    """How much longer a unit up is on the ground than a unit across."""
    if raster.crs is None or not raster.crs.is_geographic:
        return 1.0
    middle = (raster.bounds[2] + raster.bounds[3]) / 2
    return 1.0 / max(math.cos(math.radians(middle)), 0.05)


def draw_raster(axes: Axes, raster: Raster, rgba: Any, **how: Any) -> Any:
    """Draw values or RGBA on map axes with frame and ticks; return the image."""
    image = axes.imshow(rgba, extent=raster.extent, origin="upper", interpolation="nearest", **how)
    axes.set(xlim=raster.bounds[:2], ylim=raster.bounds[2:])
    axes.set_aspect(_aspect(raster))
    _format_axes(axes, raster)
    return image


def _format_axes(axes: Axes, raster: Raster) -> None:
    axes.tick_params(labelsize=7, length=3, color=_GREY, labelcolor=_GREY)
    for spine in axes.spines.values():
        spine.set_color(_GREY)
        spine.set_linewidth(0.6)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    if raster.crs is None:
        return
    divisor = 1000.0 if _unit_of(raster.crs) == "km" else 1.0
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / divisor:.7g}"))


def _unit_of(crs: CRS) -> str:
    """Return the unit of the numbers along the axes: metres are written as kilometres."""
    if crs.is_geographic:
        return "°"
    name = crs.axis_info[0].unit_name if crs.axis_info else ""
    return "km" if name in ("metre", "meter") else name or "crs unit"


def finish_axes(axes: Sequence[Axes], raster: Raster) -> None:
    """Name the axes of the lowest panel on the left, and put a scale bar in the first one."""
    if raster.crs is None:
        return
    across, up = ("Longitude", "Latitude") if raster.crs.is_geographic else ("Easting", "Northing")
    unit = _unit_of(raster.crs)
    place = axes[0].get_subplotspec()
    columns = place.get_gridspec().ncols if place is not None and len(axes) > 1 else 1
    named = axes[(len(axes) - 1) // columns * columns]
    named.set_xlabel(f"{across} [{unit}], {_crs_name(raster.crs)}", fontsize=7, color=_GREY)
    named.set_ylabel(f"{up} [{unit}]", fontsize=7, color=_GREY)
    add_scale_bar(axes[0], crs_text(raster.crs))


def crs_text(crs: CRS) -> str:
    """Return an authority string, or WKT where there is none."""
    authority = crs.to_authority()
    return ":".join(authority) if authority else crs.to_wkt()


def _crs_name(crs: CRS) -> str:
    return crs_text(crs) if crs.to_authority() else crs.name


def draw_area(axes: Axes, what: Any, raster: Raster) -> None:
    """Draw the outlines of an area over a map: dark with a light edge, so that they show on any colour."""
    if raster.crs is None:
        raise CubeError("an area was to be drawn over an array that does not say its coordinate system; set it first.")
    rings, points = [], []
    for feature in to_area(what).in_crs(crs_text(raster.crs)):
        for part in shapely.get_parts(shapely.force_2d(feature.geometry)):
            if part.geom_type == "Point":
                points.append(part.coords[0])
            elif part.geom_type == "Polygon":
                rings += [np.asarray(ring.coords) for ring in (part.exterior, *part.interiors)]
            else:
                rings.append(np.asarray(part.coords))
    halo = [Stroke(linewidth=2.6, foreground="white"), Normal()]
    axes.add_collection(
        LineCollection(rings, colors="black", linewidths=1.1, path_effects=halo, gid="area"), autolim=False
    )
    if points:
        axes.scatter(
            [x for x, *_ in points],
            [y for _, y, *_ in points],
            s=28,
            c="black",
            edgecolors="white",
            linewidths=1.2,
            gid="area",
        )
    axes.set(xlim=raster.bounds[:2], ylim=raster.bounds[2:])


def write_sources(figure: Figure, *lines: str) -> None:
    """Write notes and the attribution below a figure, small, wrapped to its width."""
    width = int(figure.get_figwidth() * 17)
    text = "\n".join(textwrap.fill(line, width) for line in lines if line)
    if text:
        figure.supxlabel(text, x=0.01, ha="left", fontsize=7, color=_GREY)


def write_titles(figure: Figure, axes: list[Axes], rasters: list[Raster], title: str | None, words: str) -> None:
    """Write what and when: one title, or one over all and a date over each panel."""
    days = {raster.time.date() for raster in rasters if raster.time is not None}
    form = "%Y-%m-%d" if len(days) == len(rasters) else "%Y-%m-%d %H:%M"  # two passes of one day
    dates = [raster.time.strftime(form) if raster.time is not None else "" for raster in rasters]
    if len(axes) == 1:
        axes[0].set_title(title or ", ".join(text for text in (words, dates[0]) if text), fontsize=10)
        return
    figure.suptitle(title or words, fontsize=11)
    for axis, date in zip(axes, dates, strict=True):
        axis.set_title(date, fontsize=8)


def sources_of(variable: xr.DataArray, rasters: list[Raster]) -> str:
    """Return the attribution of what is drawn, with its own years."""
    ids = variable.coords["item_ids"].values if "item_ids" in variable.coords else ()
    return attribution_of(variable.attrs, list(stated_times(rasters)), ids)


def percent_text(share: float) -> str:
    """Return a share as a whole percentage.

    >>> percent_text(0.123), percent_text(0.002)
    ('12 %', '< 1 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.01 else "< 1 %"
