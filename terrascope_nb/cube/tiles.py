"""The tile source of a cube: its plan run again on the overview that fits the zoom, else an array in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from terrascope_nb.cube.array_tiles import ArrayTiles
from terrascope_nb.cube.derived import derived
from terrascope_nb.cube.plan_tiles import PlanTiles
from terrascope_nb.cube.standing import DiffersError
from terrascope_nb.errors import CubeError, UnknownBandError, near_misses
from terrascope_nb.raster.pyramid import PyramidSource
from terrascope_nb.raster.tiling import Kind

_TRUE_COLOUR = ("red", "green", "blue")


def cube_tiles(what: xr.DataArray | xr.Dataset, *, bands: Any = None, name: str | None = None) -> PyramidSource:
    """Return the tile source of a cube, one of its variables, an index, a mask, or any georeferenced array.

    A variable that still stands for its plan, or is worked out of such variables pixel by pixel, is read from the files
    on the overview that fits the zoom; its full grid is never computed. Any other is taken into memory, one time after
    the other, if that fits a quarter of what is available.

    Parameters
    ----------
    what : xarray.DataArray or xarray.Dataset
        Dims (time, y, x) or (y, x), or those of another georeferenced array. Of a Dataset ``bands`` chooses.
    bands : str, or three of them, optional
        Variables by name, common name or platform name: one, or red, green and blue. None = the only variable, else
        red, green and blue.
    name : str, optional
        What a person calls it.

    Returns
    -------
    TileSource

    Raises
    ------
    UnknownBandError
        The Dataset has no such variable.
    CubeError
        Dimensions that cannot be drawn.
    GridError
        It does not say where its pixels lie.
    MemoryBudgetError
        It has no plan and is too large to be computed.
    """
    variables = _chosen(what, bands)
    if len(variables) == 1:
        return _source(variables, "classes" if _is_classes(variables[0]) else "measurement", name)
    return _source(variables, "rgb", name or _rgb_name(variables))


def _source(variables: list[xr.DataArray], kind: Kind, name: str | None) -> PyramidSource:
    variables = [_squeezed(variable) for variable in variables]
    try:
        made = [derived(variable) for variable in variables]
    except DiffersError as reason:
        return ArrayTiles(variables, kind, name, why=str(reason))
    if any(one.grid != made[0].grid for one in made):
        return ArrayTiles(variables, kind, name, why="its bands lie on different pixels")
    return PlanTiles(made, variables, kind, name)


def _chosen(what: Any, bands: Any) -> list[xr.DataArray]:
    if isinstance(what, xr.DataArray):
        if bands is not None:
            raise CubeError("bands= chooses variables of a Dataset; a DataArray is one already.")
        return [what]
    names = [str(name) for name, variable in what.data_vars.items() if variable.ndim >= 2]
    if bands is None:
        if len(names) == 1:
            return [what[names[0]]]
        found = [_find(what, colour) for colour in _TRUE_COLOUR]
        if all(found):
            return [what[one] for one in found if one is not None]
        raise UnknownBandError(
            f"this cube has {', '.join(names) or 'no variable'}; say which to draw, bands='…' or three of them for red, "
            "green and blue.",
            band=None,
        )
    asked = [bands] if isinstance(bands, str) else list(bands)
    if len(asked) not in (1, 3):
        raise CubeError(f"bands={bands!r}: one variable, or three for red, green and blue.")
    return [what[_found(what, one, names)] for one in asked]


def _found(cube: xr.Dataset, band: Any, names: Sequence[str]) -> str:
    found = _find(cube, str(band))
    if found is None:
        near = near_misses(str(band), names)
        raise UnknownBandError(
            f"the cube has no band {band!r}; it has {', '.join(names) or 'none'}."
            f"{f' Did you mean {near[0]}?' if near else ''}",
            band=band,
        )
    return found


def _find(cube: xr.Dataset, band: str) -> str | None:
    for key in ("", "common_name", "band"):
        for name, variable in cube.data_vars.items():
            if band.lower() == str(variable.attrs.get(key, "") if key else name).lower():
                return str(name)
    return None


def _is_classes(variable: xr.DataArray) -> bool:
    return variable.dtype == bool or ("flag_values" in variable.attrs and variable.dtype.kind in "iu")


def _rgb_name(variables: Sequence[xr.DataArray]) -> str:
    return ", ".join(str(variable.name) for variable in variables)


def _squeezed(variable: xr.DataArray) -> xr.DataArray:
    """Return an array without dimensions of one, time and the two of the map aside."""
    spare = [dim for dim, size in variable.sizes.items() if size == 1 and dim not in {"time", *variable.dims[-2:]}]
    return variable.squeeze(spare, drop=True) if spare else variable
