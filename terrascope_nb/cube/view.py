"""The part of a tile source that a map shows, at full resolution and in its own coordinate system, ready for a file."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from terrascope_nb.cube.coordinates import grid_coordinates
from terrascope_nb.errors import CubeError, MemoryBudgetError
from terrascope_nb.host.limits import available_memory
from terrascope_nb.raster.positions import position_of
from terrascope_nb.raster.pyramid import PyramidSource
from terrascope_nb.raster.tiling import Bounds, TileSource

__all__ = ["cut_view"]

_SHARE = 0.25
"""Part of the available memory that a view may take."""
_EDGE = 33
"""Points along each edge of the bounds: an edge in degrees is curved on a projected grid."""


def cut_view(source: TileSource, bounds: Bounds, *, time: int | None = None) -> xr.Dataset:
    """Return the source's own pixels that lie in some bounds, as a Dataset that `export` writes.

    Parameters
    ----------
    source : TileSource
        Of a cube or a file; pictures of a tile server have no values.
    bounds : (west, south, east, north) in degrees
    time : int, optional
        Index of the source's times; None = the last.

    Returns
    -------
    xarray.Dataset, dims (y, x)
        A variable per layer, physical values (NaN for nothing) or classes, with the source's attributes.

    Raises
    ------
    CubeError
        Nothing of the source lies in the bounds, or it has no values.
    MemoryBudgetError
        The view at full resolution is larger than a quarter of the memory that is ours.
    """
    if not isinstance(source, PyramidSource):
        raise CubeError(f"{source.name} is a picture from a server and has no values that a file could hold.")
    top, left, bottom, right = _region(source, bounds)
    rows, cols = bottom - top, right - left
    needed = rows * cols * (4 * (source.n_raw + len(source.layer_names)) + 1)
    room = int(available_memory() * _SHARE)
    if needed > room:
        raise MemoryBudgetError(
            f"the view holds {rows} x {cols} pixels at full resolution, about {needed / 1e9:.1f} GB, and {room / 1e9:.1f} GB "
            "may be used. Zoom in, or load a coarser cube and export that.",
            needed=needed,
            available=room,
        )
    if time is None and source.times:
        time = len(source.times) - 1
    raw = tuple(_gathered(source, layer, time, (top, left, bottom, right)) for layer in range(source.n_raw))
    pixels = source.finish(raw, np.ones((rows, cols), dtype=bool))
    grid = source.grid.crop(top, left, rows, cols)
    coords: dict[Any, Any] = {**grid_coordinates(grid)}
    if time is not None:
        coords["time"] = source.times[time].astype("datetime64[ns]")
    plain = {key: value for key, value in source.attrs.items() if key != "grid_mapping"}
    dims = [str(name) for name in coords if name not in ("spatial_ref", "time")]
    variables = {}
    for name, values in zip(source.layer_names, pixels.layers, strict=True):
        variables[name] = xr.DataArray(_filled(values, pixels.inside, plain), dims=dims, coords=coords, attrs=plain)
    attrs = {"product": plain.get("product", ""), "attribution": source.attribution}
    return xr.Dataset(variables, attrs=attrs)


def _region(source: PyramidSource, bounds: Bounds) -> tuple[int, int, int, int]:
    west, south, east, north = bounds
    across, up = np.linspace(west, east, _EDGE), np.linspace(south, north, _EDGE)
    lons, lats = (places.ravel() for places in np.meshgrid(across, up))
    rows, cols = (np.asarray(places, dtype="float64") for places in position_of(source.grid, "EPSG:4326", lons, lats))
    known = np.isfinite(rows) & np.isfinite(cols)
    height, width = source.grid.shape
    if known.any():
        top, left = max(int(np.floor(rows[known].min())), 0), max(int(np.floor(cols[known].min())), 0)
        bottom, right = min(int(np.ceil(rows[known].max())), height), min(int(np.ceil(cols[known].max())), width)
        if top < bottom and left < right:
            return top, left, bottom, right
    raise CubeError(f"nothing of {source.name} lies in what the map shows. Go to the layer first.")


def _gathered(source: PyramidSource, layer: int, time: int | None, region: tuple[int, int, int, int]) -> NDArray[Any]:
    """Return a region of the full resolution, put together from its blocks."""
    finest = source.levels[0]
    down, across = (int(shift) for shift in finest.shift)
    top, left, bottom, right = region[0] + down, region[1] + across, region[2] + down, region[3] + across
    lines, columns = finest.block
    out: NDArray[Any] | None = None
    for by, bx in itertools.product(
        range(top // lines, -(-bottom // lines)), range(left // columns, -(-right // columns))
    ):
        block = source.block(layer, time, 0, (by, bx))
        y, x = by * lines, bx * columns
        part = block[max(top - y, 0) : bottom - y, max(left - x, 0) : right - x]
        if out is None:
            out = np.empty((bottom - top, right - left), dtype=block.dtype)
        row, col = max(y - top, 0), max(x - left, 0)
        out[row : row + part.shape[0], col : col + part.shape[1]] = part
    assert out is not None
    return out


def _filled(values: NDArray[Any], inside: NDArray[np.bool_], attrs: dict[str, Any]) -> NDArray[Any]:
    """Return values with what is not inside as NaN, or as the nodata number of classes where they have one."""
    if values.dtype == np.float64 and attrs.get("stored_type") != "float64":
        values = values.astype("float32")
    if inside.all():
        return values
    nothing = np.nan if values.dtype.kind == "f" else attrs.get("nodata")
    return values if nothing is None else np.where(inside, values, values.dtype.type(nothing))
