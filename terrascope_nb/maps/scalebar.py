"""A bar of a round length on the ground, right in every coordinate system."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar  # type: ignore[import-untyped]
from pyproj import CRS, Geod, Transformer

_WGS84 = Geod(ellps="WGS84")
_SHARE = 0.25
"""The bar is at most this share of the width."""


def round_length(most: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above ``most``.

    >>> round_length(1234.0), round_length(0.7), round_length(5000)
    (1000.0, 0.5, 5000.0)
    """
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= most * (1 + 1e-9))


def metres_per_unit(crs: str, x: float, y: float, step: float) -> float:
    """Return how many metres on the ground one unit of the horizontal axis is, around a place.

    Parameters
    ----------
    crs : str
        Coordinate system of the axes: metres, degrees, web mercator …
    x, y : float
        The place, in crs.
    step : float
        Length over which it is measured, in units of crs.
    """
    to_degrees = Transformer.from_crs(CRS.from_user_input(crs), "EPSG:4326", always_xy=True)
    (lon0, lon1), (lat0, lat1) = to_degrees.transform([x - step / 2, x + step / 2], [y, y])
    return float(_WGS84.inv(lon0, lat0, lon1, lat1)[2]) / step


def add_scale_bar(axes: Axes, crs: str) -> AnchoredSizeBar:
    """Draw a scale bar in the lower left corner of a map and return it.

    Parameters
    ----------
    axes : matplotlib Axes
        Its limits must be set; the length holds along the middle of the map.
    crs : str
        Coordinate system of the axes.
    """
    left, right = sorted(axes.get_xlim())
    bottom, top = sorted(axes.get_ylim())
    width = right - left
    scale = metres_per_unit(crs, (left + right) / 2, (bottom + top) / 2, width * _SHARE)
    length = round_length(width * _SHARE * scale)
    bar = AnchoredSizeBar(
        axes.transData,
        length / scale,
        f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m",
        loc="lower left",
        pad=0.35,
        borderpad=0.6,
        sep=3,
        size_vertical=(top - bottom) * 0.006,
        label_top=True,
        fontproperties=FontProperties(size=8),
        fill_bar=True,
    )
    bar.patch.set(alpha=0.75, linewidth=0)
    axes.add_artist(bar)
    return bar
