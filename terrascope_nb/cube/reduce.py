"""Verbs on a cube that read, mask, scale and reduce while they stream: composite, time_series, zonal_stats."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from terrascope_nb.analysis.partials import Statistics
from terrascope_nb.analysis.pixels import Pixels
from terrascope_nb.analysis.zones import DEFAULT_STATS, holds_classes, reduce_lazily, without_flags, zone_table
from terrascope_nb.cube.budget import check_budget
from terrascope_nb.cube.composites import stream_composites
from terrascope_nb.cube.stacks import How, group_times, reduce_block
from terrascope_nb.cube.standing import Standing, standing
from terrascope_nb.cube.zonal import stream_zones
from terrascope_nb.errors import CubeError, TerrascopeWarning

Cube = TypeVar("Cube", xr.Dataset, xr.DataArray)


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


def composite(
    cube: Cube,
    how: str = "median",
    *,
    every: Literal["month", "dekad", "year"] | None = None,
    count: bool = False,
) -> Cube:
    """Return one value per pixel out of many dates, or one for every month, dekad or year.

    A variable of `load`, or a spectral index of such variables, sliced or not, is read straight from the files into a
    result in memory: block by block, on all cores, and nothing that the mask removes; memory is that of the result and
    a few blocks. Any other stays lazy, with the same numbers (``explain(cube)`` tells which way is taken).

    Parameters
    ----------
    cube : xarray.Dataset or xarray.DataArray, dims (time, y, x)
        Physical values, NaN where not valid. Variables that hold classes are left out, and a warning says so.
    how : str
        ``median``, ``mean``, ``min``, ``max``, ``sum``, a percentile such as ``p10``, ``first`` or ``last`` (in the
        order of the cube) or ``count``: of the valid values of each pixel.
    every : "month", "dekad" or "year", optional
        One composite per calendar month, dekad (days 1-10, 11-20, 21 to the end) or year, UTC, that has a date. None =
        one of all dates.
    count : bool
        True adds the number of valid dates: a variable ``<name>_count`` in a Dataset, a coordinate ``count`` of a
        DataArray.

    Returns
    -------
    Same type as ``cube``, float32, dims (y, x), or (time, y, x) with ``every`` (``time`` is the first day); NaN where
    no date is valid. Attributes of the variables are kept; ``cell_methods`` tells what was done.

    Raises
    ------
    CubeError
        The cube has no time, or nothing of which a composite can be made.
    ValueError
        No such ``how`` or ``every``.
    MemoryBudgetError
        The result would not fit in memory.
    AccessError
        A file could not be read; it is named.

    Examples
    --------
    >>> import numpy as np, pandas as pd, xarray as xr
    >>> days = pd.to_datetime(["2024-05-03", "2024-05-13", "2024-05-23"])
    >>> red = xr.DataArray(np.float32([[[0.1]], [[np.nan]], [[0.3]]]), dims=("time", "y", "x"), coords={"time": days})
    >>> composite(red, "mean").values
    array([[0.2]], dtype=float32)
    """
    wanted = How.of(how)
    whole = cube if isinstance(cube, xr.Dataset) else cube.to_dataset(name=_NAME)
    if "time" not in whole.coords:
        raise CubeError("a composite needs a cube with time; this one has no dates to choose from.")
    whole = whole.expand_dims("time") if "time" not in whole.dims else whole
    variables = _measurements(whole)
    times, groups = group_times(whole["time"].values, every)
    made: dict[str, xr.DataArray] = {}
    counts: dict[str, xr.DataArray] = {}
    together, others = _sorted_out(variables)
    for group in together.values():
        some = {name: variables[name] for name in group}
        _check_memory(some, len(groups) * (6 if count else 4))  # float32, and uint16 for the count
        for name, (values, number) in stream_composites(group, groups, wanted, count=count).items():
            made[name] = _dressed(values, variables[name], wanted, times)
            if number is not None:
                counts[name] = _counted(number, variables[name], times)
    for name, variable in others.items():
        lazy, number = _lazily(variable, groups, wanted)
        made[name], counts[name] = _dressed(lazy, variable, wanted, times), _counted(number, variable, times)
    if isinstance(cube, xr.DataArray):
        result = made[_NAME].rename(cube.name)
        return result.assign_coords(count=counts[_NAME]) if count else result
    out = xr.Dataset({name: made[name] for name in variables}, attrs=dict(cube.attrs))
    if count:
        out = out.assign({f"{name}_count": counts[name] for name in variables})
    for name in variables:
        out[name].encoding.update({k: v for k, v in cube[name].encoding.items() if k == "grid_mapping"})
    return out


_NAME = "terrascope_composite"
"""Name of a DataArray while it is worked on."""


def _measurements(cube: xr.Dataset) -> dict[str, xr.DataArray]:
    found, classes = {}, []
    for key, variable in cube.data_vars.items():
        if "time" not in variable.dims or set(variable.dims) - {"time"} == set():
            continue
        if holds_classes(variable):
            classes.append(str(key))
            continue
        if variable.ndim != 3 or variable.dtype.kind not in "fiub":
            raise CubeError(
                f"{key} holds {variable.dtype} with the dimensions {', '.join(map(str, variable.dims))}; a composite is "
                "made of numbers with time, y and x.",
                variable=str(key),
            )
        bare = without_flags(variable)
        found[str(key)] = bare.transpose("time", ...) if bare.dims[0] != "time" else bare
    if classes and found:
        warnings.warn(
            f"{', '.join(classes)} holds classes, of which no composite is made; it is left out.",
            TerrascopeWarning,
            stacklevel=3,
        )
    if not found:
        raise CubeError(
            f"a composite needs a measurement with time; the cube holds {'only classes' if classes else 'none'}"
            f"{f' ({classes[0]})' if classes else ''}."
        )
    return found


def _check_memory(variables: Mapping[str, xr.DataArray], per_pixel: int) -> None:
    pixels = sum(variable[0].size for variable in variables.values())
    first = next(iter(variables.values()))
    x = first.coords.get("x")
    resolution = abs(float(x[1] - x[0])) if x is not None and x.size > 1 else 10.0
    check_budget(pixels * per_pixel, "This composite", resolution=resolution)


def _dressed(values: Any, variable: xr.DataArray, how: How, times: NDArray[np.datetime64] | None) -> xr.DataArray:
    """Give a composite the coordinates and attributes of its variable."""
    attrs = {key: value for key, value in variable.attrs.items() if key not in ("nodata", "_FillValue", "physical")}
    attrs["cell_methods"] = f"time: {_CELL_METHODS.get(how.name, how.name)}"
    if how.name == "count":
        attrs["units"] = "1"
    return _placed(values, variable, times).assign_attrs(attrs)


def _counted(number: Any, variable: xr.DataArray, times: NDArray[np.datetime64] | None) -> xr.DataArray:
    return _placed(number, variable, times).assign_attrs(long_name="number of valid dates", units="1")


_CELL_METHODS = {"min": "minimum", "max": "maximum", "first": "point", "last": "point", "count": "sum"}
"""Our word -> that of the CF conventions, appendix E."""


def _placed(values: Any, variable: xr.DataArray, times: NDArray[np.datetime64] | None) -> xr.DataArray:
    coords = {name: c for name, c in variable.coords.items() if "time" not in c.dims and name != "time"}
    dims = tuple(str(dim) for dim in variable.dims)
    if times is None:
        return xr.DataArray(values[0], dims=dims[1:], coords=coords)
    return xr.DataArray(values, dims=dims, coords={"time": times, **coords})


def _lazily(variable: xr.DataArray, groups: Sequence[Sequence[int]], how: How) -> tuple[Any, Any]:
    """Return composite and count (group, y, x) of any array, lazy when it is."""
    missing = variable.attrs.get("_FillValue", variable.attrs.get("nodata"))
    nodata = None if missing is None or np.isnan(missing) else float(missing)
    if variable.chunks is None:
        made = [reduce_block(variable.values[list(group)], how, nodata) for group in groups]
        return np.stack([values for values, _ in made]), np.stack([number for _, number in made])
    import dask.array as da  # only for a lazy cube

    both = []
    for group in groups:
        steps = variable.data[list(group)] if len(group) < variable.shape[0] else variable.data
        steps = steps.rechunk({0: -1, 1: "auto", 2: "auto"})
        pair = da.map_blocks(  # type: ignore[no-untyped-call]
            _both, steps, how, nodata, dtype="float64", drop_axis=0, new_axis=0,
            chunks=((2,), *steps.chunks[1:]), meta=np.empty((0, 0, 0)),
        )  # fmt: skip
        both.append(pair)
    stacked = da.stack(both)  # type: ignore[no-untyped-call]
    return stacked[:, 0].astype("float32"), stacked[:, 1].astype("uint16")


def _both(block: NDArray[Any], how: How, nodata: float | None) -> NDArray[np.float64]:
    return np.stack([part.astype("float64") for part in reduce_block(block, how, nodata)])


def _sorted_out(
    variables: Mapping[str, xr.DataArray],
) -> tuple[dict[Any, dict[str, Standing]], dict[str, xr.DataArray]]:
    """Put together variables that are read together, and set apart those that are computed lazily."""
    together: dict[Any, dict[str, Standing]] = {}
    others: dict[str, xr.DataArray] = {}
    for name, variable in variables.items():
        found = standing(variable)
        if found is None:
            others[name] = variable
        else:
            together.setdefault(found.window, {})[name] = found
    return together, others


def _reduce(
    variables: Mapping[str, xr.DataArray], pixels: Sequence[Pixels], stats: Statistics
) -> dict[str, NDArray[np.float64]]:
    """Stream the variables that stand for their plan, those of one window together; compute the others lazily."""
    together, others = _sorted_out(variables)
    results = reduce_lazily(others, pixels, stats) if others else {}
    for group in together.values():
        results.update(stream_zones(group, pixels, stats))
    return results
