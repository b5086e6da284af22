"""What a picture needs of an array: values north up and not too many, the extent, the coordinate system."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import odc.geo.xr  # noqa: F401  (registers the accessor that finds the coordinate system)
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from terrascope_nb.errors import CubeError, GridError

MOST_PIXELS = 2000
"""Longest side that is drawn; a screen shows no more."""
MOST_PANELS = 12
"""Dates drawn as small multiples."""
_DIMS = (("y", "x"), ("latitude", "longitude"), ("lat", "lon"))


@dataclass(frozen=True, slots=True)
class Raster:
    """One picture's worth of numbers."""

    values: NDArray[Any]
    """Rows from north to south, columns from west to east."""
    extent: tuple[float, float, float, float]
    """Left, right, bottom, top of the values, in crs (those of thinned values may reach past the last pixel)."""
    bounds: tuple[float, float, float, float]
    """Left, right, bottom, top of the data, in crs."""
    crs: CRS | None
    """None: the array does not say; then there is no scale bar."""
    time: pd.Timestamp | None
    """When, UTC."""


def _spatial_dims(data: xr.DataArray) -> tuple[str, str]:
    for dims in _DIMS:
        if set(dims) <= set(data.dims):
            return dims
    raise GridError(f"a map needs dimensions y and x; this array has {', '.join(map(str, data.dims)) or 'none'}.")


def crs_of(data: xr.DataArray) -> CRS | None:
    """Return the coordinate system an array states, or None."""
    stated = data.odc.crs
    return CRS.from_user_input(stated.epsg or stated.to_wkt()) if stated is not None else None


def split_dates(data: xr.DataArray) -> list[xr.DataArray]:
    """Return one array (y, x) per date; one date is one picture, up to twelve are small multiples.

    Raises
    ------
    CubeError
        More dates than that, or another dimension.
    """
    y, x = _spatial_dims(data)
    others = [str(dim) for dim in data.dims if dim not in (y, x)]
    for dim in others:
        if dim != "time" and data.sizes[dim] != 1:
            raise CubeError(
                f"a map of {data.name or 'this array'} was asked for, which has {data.sizes[dim]} steps along {dim}; "
                f"select one with .isel({dim}=0).",
            )
        if dim != "time":
            data = data.isel({dim: 0})
    data = data.transpose(*(["time"] if "time" in data.dims else []), y, x)
    if "time" not in data.dims:
        return [data]
    if not 1 <= data.sizes["time"] <= MOST_PANELS:
        example = (
            f'.sel(time="{pd.Timestamp(data["time"].values[0]):%Y-%m-%d}")' if data.sizes["time"] else ".sel(time=…)"
        )
        raise CubeError(
            f"a map of {data.name or 'this array'} was asked for, which has {data.sizes['time']} dates; up to "
            f"{MOST_PANELS} are drawn side by side. Select some with {example} or .isel(time=slice(0, {MOST_PANELS})), "
            'or reduce them with .mean("time", keep_attrs=True).',
            dates=data.sizes["time"],
        )
    return [data.isel(time=step) for step in range(data.sizes["time"])]


def read_raster(data: xr.DataArray, *, how: Literal["mean", "nearest"] = "mean", most: int = MOST_PIXELS) -> Raster:
    """Return the values of one date, thinned where there are more than a picture can show.

    Parameters
    ----------
    data : xarray.DataArray, dims (y, x)
    how : {"mean", "nearest"}
        Thinning: mean of the valid pixels, or the pixel in the middle (classes).
    most : int
        Longest side of the result, pixels.
    """
    y, x = _spatial_dims(data)
    across, down = _edges(data, x), _edges(data, y)
    if across[0] > across[1]:
        data, across = data.isel({x: slice(None, None, -1)}), across[::-1]
    if down[0] < down[1]:
        data, down = data.isel({y: slice(None, None, -1)}), down[::-1]
    rows, columns = data.sizes[y], data.sizes[x]
    factor = math.ceil(max(rows, columns) / most)
    left, right, top, bottom = across[0], across[1], down[0], down[1]
    bounds = (left, right, bottom, top)
    if factor > 1:
        right = left + math.ceil(columns / factor) * factor * (right - left) / columns
        bottom = top - math.ceil(rows / factor) * factor * (top - bottom) / rows
        data = _thin(data, {y: rows, x: columns}, factor, how)
    return Raster(data.values, (left, right, bottom, top), bounds, crs_of(data), _time_of(data))


def _time_of(data: xr.DataArray) -> pd.Timestamp | None:
    if "time" not in data.coords or data["time"].ndim or np.isnat(data["time"].values):
        return None
    return pd.Timestamp(data["time"].values.item())


def _thin(data: xr.DataArray, sizes: dict[str, int], factor: int, how: str) -> xr.DataArray:
    if how == "nearest":
        middle = {dim: np.minimum(np.arange(0, size, factor) + factor // 2, size - 1) for dim, size in sizes.items()}
        return data.isel(middle)
    # Only numbers from here on: padding dates or texts on the axes is no business of a picture.
    bare = data.drop_vars([name for name in data.coords if set(data[name].dims) & set(sizes)])
    return bare.coarsen(dict.fromkeys(sizes, factor), boundary="pad").mean()


def _edges(data: xr.DataArray, dim: str) -> tuple[float, float]:
    """Outer edges of the first and last pixel along a dimension."""
    if dim not in data.coords:
        raise GridError(f"a map needs coordinates along {dim}.")
    centres = data[dim].values.astype("float64")
    if not centres.size:
        raise GridError(f"there are no pixels along {dim}: the selection is empty.")
    if centres.size > 1:
        steps = np.diff(centres)
        if not np.allclose(steps, steps[0], rtol=1e-3, atol=0):
            raise GridError(f"the pixels are not evenly spaced along {dim}; reproject to a regular grid first.")
        half = (centres[-1] - centres[0]) / (centres.size - 1) / 2
    else:
        geobox = data.odc.geobox
        if geobox is None:
            raise GridError(f"one pixel along {dim} and no transform: its size is unknown.")
        half = (geobox.transform.a if dim == _spatial_dims(data)[1] else geobox.transform.e) / 2
    return float(centres[0] - half), float(centres[-1] + half)


def read_panels(variable: xr.DataArray, how: Literal["mean", "nearest"], *, alone: bool = False) -> list[Raster]:
    """Return one raster per date, each thinned to what its panel can show.

    With ``how="mean"`` the values are floats with NaN where there is none, also those of stored numbers.

    Raises
    ------
    CubeError
        More than twelve dates; more than one although there is one place only (``alone``).
    """
    if how == "mean":
        # A comparison of classes keeps their attributes; its False is no nodata of 0.
        nodata = float(variable.attrs.get("nodata", np.nan)) if variable.dtype.kind != "b" else np.nan
        floats = variable if variable.dtype.kind == "f" else variable.astype("float32")
        variable = floats.where(np.isfinite(floats) & (floats != nodata))
    dates = split_dates(variable)
    if alone and len(dates) > 1:
        raise CubeError(f"{len(dates)} dates do not fit in one ax; select one, or leave ax out for small multiples.")
    most = MOST_PIXELS if len(dates) == 1 else MOST_PIXELS // 3
    return [read_raster(one, how=how, most=most) for one in dates]


def stated_times(panels: list[Raster]) -> Iterator[np.datetime64]:
    """Yield the dates of some rasters."""
    for panel in panels:
        if panel.time is not None:
            yield panel.time.to_datetime64()
