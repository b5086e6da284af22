"""Verbs on a cube that read, mask, scale and reduce while they stream: composite, time_series, zonal_stats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from terrascope_nb.analysis.partials import Statistics
from terrascope_nb.analysis.pixels import Pixels
from terrascope_nb.analysis.zones import DEFAULT_STATS, reduce_lazily, zone_table
from terrascope_nb.cube.standing import Standing, standing
from terrascope_nb.cube.zonal import stream_zones
from terrascope_nb.errors import CubeError


def time_series(cube: xr.Dataset | xr.DataArray, area: Any, *, stats: Sequence[str] = DEFAULT_STATS) -> pd.DataFrame:
    """Return statistics of every feature on every date, as one long table.

    A pixel belongs to a feature when its centre lies inside. A feature that holds no pixel centre gets the pixels it
    touches, and a warning says so. Every feature has a row for every date and variable, also when nothing is valid
    there: then ``count`` is 0 and the statistics are NaN.

    A variable of `load`, or a spectral index of such variables, sliced or not, is read straight from the files: only
    the blocks under a feature, and none that the mask removes. Any other is computed lazily; the numbers are the same
    (``explain(cube)`` tells which way is taken).

    Parameters
    ----------
    cube : xarray.Dataset or xarray.DataArray, dims (time, y, x)
        Physical values, NaN where not valid.
    area : AoiLike
        What `area` takes: an area, a file, a GeoDataFrame, a geometry … Its features are the zones.
    stats : sequence of str
        Any of ``mean``, ``std`` (of the pixels, divisor n), ``min``, ``max``, ``sum``, ``median``, percentiles such as
        ``p10``, ``count`` (valid pixels) and ``valid_percent`` (0-100, of all pixels of the feature, those the cube
        does not cover included).

    Returns
    -------
    pandas.DataFrame
        Columns ``feature``, ``time`` (UTC), ``variable`` and the statistics (float64; ``count`` int64), sorted by
        feature in the order of the area, then time. ``table.attrs`` has ``units`` and ``long_name`` per variable, and
        the attribution.

    Raises
    ------
    CubeError
        The cube has no time, or holds classes, whose mean says nothing.
    GridError
        The cube does not say its grid.
    ValueError
        A statistic that is not in the list.
    AccessError
        A file could not be read; it is named.
    """
    if "time" not in cube.coords:
        raise CubeError("a time series needs a cube with time; for a cube without dates use zonal_stats.")
    return zone_table(cube, area, Statistics.of(stats), _reduce)


def zonal_stats(
    cube: xr.Dataset | xr.DataArray, features: Any, *, stats: Sequence[str] = DEFAULT_STATS
) -> pd.DataFrame:
    """Return statistics of every feature, as one long table, also for a cube without dates.

    The same table, rules and errors as `time_series`; ``time`` is NaT where the cube has no time (an elevation model, a
    map of one year, a mean over time).

    Parameters
    ----------
    cube : xarray.Dataset or xarray.DataArray, dims (y, x) or (time, y, x)
        Physical values, NaN where not valid.
    features : AoiLike
        What `area` takes.
    stats : sequence of str
        As for `time_series`.

    Returns
    -------
    pandas.DataFrame
        Columns ``feature``, ``time``, ``variable`` and the statistics.
    """
    return zone_table(cube, features, Statistics.of(stats), _reduce)


def _reduce(
    variables: Mapping[str, xr.DataArray], pixels: Sequence[Pixels], stats: Statistics
) -> dict[str, NDArray[np.float64]]:
    """Stream the variables that stand for their plan, those of one window together; compute the others lazily."""
    together: dict[Any, dict[str, Standing]] = {}
    others: dict[str, xr.DataArray] = {}
    for name, variable in variables.items():
        found = standing(variable)
        if found is None:
            others[name] = variable
        else:
            together.setdefault(found.window, {})[name] = found
    results = reduce_lazily(others, pixels, stats) if others else {}
    for group in together.values():
        results.update(stream_zones(group, pixels, stats))
    return results
