"""A cube and the features of an area become a table: one row per feature, time and variable."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray

from terrascope_nb.analysis.partials import Statistics, cut_zones, finish_block, reduce_block
from terrascope_nb.analysis.pixels import Grid, Pixels, features_pixels, grid_of, spatial_dims
from terrascope_nb.errors import AreaError, CubeError, TerrascopeWarning
from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.extent.aoi import area as to_area

_BLOCK_VALUES = 2**23
"""Values of one block of a cube that is not chunked: 32 MB of float32."""
_FLAGS = {"flag_values", "flag_masks", "flag_meanings"}
"""CF attributes of classes and bit fields."""
DEFAULT_STATS = ("mean", "std", "count", "valid_percent")


def time_series(cube: xr.Dataset | xr.DataArray, area: Any, *, stats: Sequence[str] = DEFAULT_STATS) -> pd.DataFrame:
    """Return statistics of every feature on every date, as one long table.

    A pixel belongs to a feature when its centre lies inside. A feature that holds no pixel centre gets the pixels it
    touches, and a warning says so. Features may overlap. Every feature has a row for every date and variable, also
    when nothing is valid there: then ``count`` is 0 and the statistics are NaN.

    Parameters
    ----------
    cube : xarray.Dataset or xarray.DataArray, dims (time, y, x)
        Physical values, NaN where not valid. A Dask-backed cube is read block by block, each block once for all
        features and variables; blocks without a feature are not read.
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
    """
    if "time" not in cube.coords:
        raise CubeError("a time series needs a cube with time; for a cube without dates use zonal_stats.")
    return zone_table(cube, area, Statistics.of(stats))


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
    return zone_table(cube, features, Statistics.of(stats))


def reduce_lazily(
    variables: Mapping[str, xr.DataArray], pixels: Sequence[Pixels], stats: Statistics
) -> dict[str, NDArray[np.float64]]:
    """Return name -> array (time, feature, statistic), all blocks of all variables computed in one go."""
    return _reduce(variables, list(pixels), stats)


Reduce = Callable[[Mapping[str, xr.DataArray], Sequence[Pixels], Statistics], dict[str, NDArray[np.float64]]]
"""Makes the numbers of a table: `reduce_lazily`, or another way to the same numbers."""


def zone_table(
    cube: xr.Dataset | xr.DataArray, what: Any, stats: Statistics, reduce: Reduce = reduce_lazily
) -> pd.DataFrame:
    """Return the long table of a cube and the features of an area; ``reduce`` makes the numbers in it."""
    variables = _variables(cube)
    grid = grid_of(next(iter(variables.values())))
    aoi = to_area(what)
    pixels = _pixels(aoi, grid)
    results = reduce(variables, list(pixels.values()), stats)
    frames = [_frame(name, variable, pixels, stats, results[name]) for name, variable in variables.items()]
    number = np.concatenate([np.full(len(frame), place) for place, frame in enumerate(frames)])
    table = pd.concat(frames, ignore_index=True)
    order = np.lexsort((number, table["time"], table.pop("_feature")))
    table = table.iloc[order].reset_index(drop=True)
    table.attrs.update(_attrs(cube, variables))
    return table


def holds_classes(variable: xr.DataArray) -> bool:
    """Tell whether a variable holds class numbers or bit fields, of which a mean says nothing.

    Its attributes say it, whatever the dtype: ``where`` makes classes floats. A boolean is a yes or no, with a fraction
    as its mean, also when a comparison has handed it the attributes of the classes.
    """
    return variable.dtype.kind != "b" and not _FLAGS.isdisjoint(variable.attrs)


def without_flags(variable: xr.DataArray) -> xr.DataArray:
    """Return a boolean without the attributes of the classes it was compared with: its False is no nodata of 0."""
    inherited = {*_FLAGS, "flag_colors", "nodata", "_FillValue"}
    if variable.dtype.kind != "b" or inherited.isdisjoint(variable.attrs):
        return variable
    bare = variable.copy(deep=False)
    bare.attrs = {key: value for key, value in variable.attrs.items() if key not in inherited}
    return bare


def _variables(cube: xr.Dataset | xr.DataArray) -> dict[str, xr.DataArray]:
    """Name -> values with dims (time, y, x) or (y, x), without what cannot be averaged."""
    whole = cube if isinstance(cube, xr.Dataset) else cube.to_dataset(name=str(cube.name or "value"))
    y, x = spatial_dims(whole)
    found, classes = {}, []
    for key, variable in whole.data_vars.items():
        if not {y, x} <= set(variable.dims):
            continue
        if holds_classes(variable):
            classes.append(str(key))
            continue
        extra = [str(dim) for dim in variable.dims if dim not in ("time", y, x)]
        if extra:
            raise CubeError(
                f"{key} has the dimension {', '.join(extra)} beside time, {y}, {x}; select one step of it first, "
                f"with .sel or .isel.",
                variable=str(key),
            )
        if variable.dtype.kind not in "fiub":
            raise CubeError(f"{key} holds {variable.dtype}, of which no statistics are made.", variable=str(key))
        found[str(key)] = without_flags(variable).transpose(*(["time"] if "time" in variable.dims else []), y, x)
    if classes and found:
        warnings.warn(
            f"{', '.join(classes)} holds classes, whose mean says nothing; it is left out of the table.",
            TerrascopeWarning,
            stacklevel=4,
        )
    if not found:
        name = classes[0] if classes else "…"
        why = f"only classes ({', '.join(classes)}), whose mean says nothing" if classes else "no variable with y and x"
        raise CubeError(
            f"statistics need a measurement; the cube holds {why}. For the share of a class pass a mask: "
            f"cube[{name!r}] == 4 has the fraction of class 4 as its mean. Numbers that only inherited the attributes of "
            "classes are taken after .drop_attrs().",
            variables=tuple(classes),
        )
    return found


def _pixels(aoi: Aoi, grid: Grid) -> dict[str, Pixels]:
    """Feature id -> its pixels, with warnings for what a user may not expect."""
    features = list(aoi.in_crs(grid.crs))
    every = features_pixels([feature.geometry for feature in features], grid)
    found = {feature.id: one for feature, one in zip(features, every, strict=True)}
    if len(found) != len(aoi):
        raise AreaError(f"{len(aoi)} features share {len(found)} ids; give each its own id.")
    small = [key for key, p in found.items() if p.touched]
    away = [key for key, p in found.items() if not p.inside]
    partly = [key for key, p in found.items() if 0 < p.inside < p.total]
    for keys, message in (
        (small, "hold no pixel centre; the pixels they touch are taken"),
        (away, "lie outside the cube; their count is 0"),
        (partly, "reach beyond the cube; what is not covered counts as not valid in valid_percent"),
    ):
        if keys:
            more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
            warnings.warn(
                f"{len(keys)} of {len(found)} features {message}: {', '.join(keys[:5])}{more}.",
                TerrascopeWarning,
                stacklevel=4,
            )
    return found


def _reduce(
    variables: Mapping[str, xr.DataArray], pixels: list[Pixels], stats: Statistics
) -> dict[str, NDArray[np.float64]]:
    """Name -> array (time, feature, statistic); all blocks of all variables in one go, each read once."""
    zones: dict[Any, dict[tuple[int, int], Any]] = {}
    tasks: dict[str, list[Any]] = {}
    for name, variable in variables.items():
        values = _chunked(variable)
        key = values.chunks[-2:]
        if key not in zones:
            # One object in the graph per spatial block, shared by all dates and variables.
            zones[key] = {
                place: delayed(zone, traverse=False, pure=False) for place, zone in cut_zones(pixels, *key).items()
            }
        # Without optimisation here, so that variables made from the same files share the reading of them.
        blocks = values.to_delayed(optimize_graph=False)
        nodata = _nodata(variable)
        tasks[name] = [
            delayed(finish_block, pure=False)(
                [
                    delayed(reduce_block, pure=False)(blocks[(step, *place)], zone, stats, nodata)
                    for place, zone in zones[key].items()
                ],
                (length, len(pixels)),
                stats,
            )
            for step, length in enumerate(values.chunks[0])
        ]
    (done,) = compute(tasks)  # type: ignore[no-untyped-call]
    return {name: np.concatenate(parts) for name, parts in done.items()}


def _chunked(variable: xr.DataArray) -> Any:
    """Return a dask array with dims (time, y, x); what is not chunked is cut along time."""
    if "time" not in variable.dims:
        variable = variable.expand_dims("time")
    if variable.chunks is None:
        rows, columns = variable.shape[-2:]
        step = max(1, _BLOCK_VALUES // max(1, rows * columns))
        variable = variable.chunk({variable.dims[0]: step}, token=uuid.uuid4().hex)
    return variable.data


def _nodata(variable: xr.DataArray) -> float | None:
    """Return the stored number that means nothing here, for a cube of stored numbers."""
    value = float(variable.attrs.get("_FillValue", variable.attrs.get("nodata", np.nan)))
    return None if np.isnan(value) else value


def _frame(
    name: str, variable: xr.DataArray, pixels: Mapping[str, Pixels], stats: Statistics, values: NDArray[np.float64]
) -> pd.DataFrame:
    steps, count = values.shape[:2]
    times = np.atleast_1d(variable["time"].values) if "time" in variable.coords else np.array(["NaT"], "datetime64[ns]")
    columns: dict[str, Any] = {
        "feature": np.repeat(np.array(list(pixels), dtype=object), steps),
        "time": np.tile(times, count),
        "variable": name,
    }
    by_name = {stat: values[:, :, place].T.ravel() for place, stat in enumerate(stats.computed)}
    valid = by_name["count"]
    for stat in stats.names:
        if stat == "count":
            columns[stat] = valid.astype("int64")
        elif stat == "valid_percent":
            total = np.repeat([float(p.total) for p in pixels.values()], steps)
            columns[stat] = np.divide(100.0 * valid, total, out=np.full(valid.shape, np.nan), where=total > 0)
        else:
            columns[stat] = by_name[stat]
    columns["_feature"] = np.repeat(np.arange(count), steps)
    return pd.DataFrame(columns)


def _attrs(cube: xr.Dataset | xr.DataArray, variables: Mapping[str, xr.DataArray]) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        key: {name: str(v.attrs[key]) for name, v in variables.items() if key in v.attrs}
        for key in ("units", "long_name")
    }
    first = next(iter(variables.values())).attrs
    for key in ("attribution", "source", "product"):
        if key in cube.attrs or key in first:
            attrs[key] = str(cube.attrs.get(key, first.get(key)))
    return attrs
