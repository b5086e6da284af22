"""Band maths: a spectral index of a cube, its formula taken from spyndex."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from dask.base import is_dask_collection, tokenize

from terrascope_nb.analysis.formulas import Formula, Index, Letters, find_index, letters_of_bands, numbers_for
from terrascope_nb.errors import CubeError, TerrascopeWarning, UnknownBandError

__all__ = ["Formula", "spectral_index"]

_KEPT = ("product", "grid_mapping", "attribution", "source", "terrascope_plan")
# CF standard name table; of the indices spyndex knows, it names this one.
_STANDARD_NAMES = {"NDVI": "normalized_difference_vegetation_index"}


def _applied(formula: Formula, *arrays: Any) -> Any:
    """Return the index of numpy arrays, or of dask arrays in one layer: a task per chunk."""
    if not any(is_dask_collection(array) for array in arrays):
        return formula(*arrays)
    import dask.array as da  # a cube in memory needs none

    name = f"terrascope-index-{tokenize(formula, *arrays)}"
    # As dask's own arithmetic lines dimensions up: the last with the last.
    dims = [tuple(range(array.ndim))[::-1] for array in arrays]
    paired = itertools.chain.from_iterable(zip(arrays, dims, strict=True))
    meta = np.empty((0,) * max(map(len, dims)), dtype="float32")
    return da.blockwise(formula, max(dims, key=len), *paired, dtype="float32", meta=meta, name=name)  # type: ignore[no-untyped-call]


def _check_physical(variable: xr.DataArray, index: str) -> None:
    stored = str(variable.attrs.get("physical", True)).lower() in {"false", "0"}
    if stored or variable.dtype.kind in "iub" or "scale_factor" in variable.attrs:
        raise CubeError(
            f"{index} was asked of {variable.name!r}, which holds stored numbers ({variable.dtype}): nodata would "
            "count as data, and most formulas need reflectance. Load the cube with physical=True.",
            variable=variable.name,
        )
    if str(variable.attrs.get("units", "")).lower() == "db":
        raise CubeError(
            f"{index} was asked of {variable.name!r} in decibel; it wants linear backscatter, 10 ** (dB / 10).",
            variable=variable.name,
        )


def _by_letter(cube: xr.Dataset, letters: Letters) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, variable in cube.data_vars.items():
        letter = letters.of(str(name), variable.attrs)
        if letter is not None and "flag_values" not in variable.attrs:
            found.setdefault(letter, []).append(str(name))
    return found


def _choose(letter: str, names: list[str], index: str, letters: Letters) -> str:
    # One made from another band inherits its attributes; the band itself also bears the name.
    named = [name for name in names if letters.of(name, {}) == letter]
    names = named + [name for name in names if name not in named]
    if len(names) > 1 and len(named) != 1:
        warnings.warn(
            f"{index}: {letter} could be {' or '.join(names)}; {names[0]} is taken. For the other say "
            f"{letter}={names[1]!r}.",
            TerrascopeWarning,
            stacklevel=4,
        )
    return names[0]


def _inputs(cube: xr.Dataset, index: Index, letters: Letters, given: Mapping[str, Any]) -> dict[str, str]:
    """Letter of the formula -> name of the variable."""
    wanted = index.letters
    found = _by_letter(cube, letters)
    inputs: dict[str, str] = {}
    missing = []
    for letter in wanted:
        if letter in given:
            if not isinstance(given[letter], str) or given[letter] not in cube.data_vars:
                raise UnknownBandError(
                    f"{index.short_name}: {letter}={given[letter]!r} names no variable of the cube; "
                    f"it has {', '.join(map(str, cube.data_vars))}.",
                    band=given[letter],
                )
            inputs[letter] = given[letter]
        elif letter in found:
            inputs[letter] = _choose(letter, found[letter], index.short_name, letters)
        elif letter == "N" and "N2" in found and "N2" not in wanted:
            inputs[letter] = found["N2"][0]
            warnings.warn(
                f"{index.short_name} wants {letters.words('N')}; the cube has only {found['N2'][0]!r}, the narrow "
                "near infrared, which is taken instead.",
                TerrascopeWarning,
                stacklevel=3,
            )
        else:
            missing.append(letter)
    if missing:
        raise UnknownBandError(
            f"{index.short_name} = {index.formula} needs {' and '.join(letters.words(m) for m in missing)}, which the "
            f"cube has not; it has {', '.join(map(str, cube.data_vars)) or 'no variable'}. Load the missing bands too.",
            index=index.short_name,
            missing=tuple(missing),
        )
    return inputs


def spectral_index(cube: xr.Dataset, name: str, **params: Any) -> xr.DataArray:
    """Return a spectral index of a cube, one number per pixel.

    The formula and the defaults of its parameters are those of spyndex (Awesome Spectral Indices). Bands are found by
    the names of the variables and their attributes ``common_name`` and ``band``: ``red``, ``B04``, ``TOC-B04_10M`` are
    all R. N is the broad near infrared (B08); the narrow one (B8A) is N2, and stands in for N only
    when there is no other, with a warning.

    Kernel indices such as kNDVI take the RBF kernel ``k(a, b) = exp(-(a - b)**2 / (2 * sigma**2))`` whose length scale
    is the mean of the two bands, pixel by pixel, so kNDVI is ``tanh(NDVI**2)``; ``sigma=…`` gives another.

    Nothing is clipped: negative reflectance over dark water may carry a normalised difference beyond -1 or 1. A result
    that is not finite (a zero denominator) becomes NaN.

    Parameters
    ----------
    cube : xarray.Dataset, dims (time, y, x)
        Physical values (reflectance 0-1, linear backscatter), NaN where not valid. Dask-backed cubes stay lazy.
    name : str
        Name of the index, any case: ``"NDVI"``, ``"EVI"``, ``"NDWI"`` …
    **params : float or str
        A number for a parameter of the formula (``L=0.5``), or the variable that serves as a band (``N="nir08"``).

    Returns
    -------
    xarray.DataArray, float32, same dims and coordinates, unit 1
        Attributes tell long name, formula, the bands and numbers that went in, and the reference.

    Raises
    ------
    UnknownIndexError
        No such index; the message has the near misses.
    UnknownBandError
        A band of the formula is not in the cube; the message says which to load.
    CubeError
        The cube holds stored numbers or decibels.
    TypeError
        A parameter the formula does not have, or one that has no default and was not given.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> cube = xr.Dataset({"red": ("x", np.float32([0.05])), "nir": ("x", np.float32([0.45]))})
    >>> spectral_index(cube, "NDVI").values.round(3)
    array([0.8], dtype=float32)
    """
    index = find_index(name)
    inputs = _inputs(cube, index, letters_of_bands(), params)
    constants = numbers_for(index, params, without=inputs)
    variables = [cube[variable] for variable in inputs.values()]
    for variable in variables:
        _check_physical(variable, index.short_name)
    formula = Formula(index.short_name, tuple(inputs), tuple(constants.items()))
    result: xr.DataArray = xr.apply_ufunc(
        functools.partial(_applied, formula),
        *variables,
        join="exact",
        dask="allowed",
        keep_attrs="override",  # for the coordinates: that of the crs tells it in its attributes
    )
    result = result.rename(index.short_name)
    result.attrs = _describe(cube, index, inputs, constants)
    if "grid_mapping" in variables[0].encoding:
        result.encoding["grid_mapping"] = variables[0].encoding["grid_mapping"]
    return result


def _describe(
    cube: xr.Dataset, index: Index, inputs: Mapping[str, str], constants: Mapping[str, float]
) -> dict[str, Any]:
    first = cube[next(iter(inputs.values()))].attrs
    attrs: dict[str, Any] = {"long_name": index.long_name, "units": "1"}
    if index.short_name in _STANDARD_NAMES:
        attrs["standard_name"] = _STANDARD_NAMES[index.short_name]
    attrs["formula"] = index.formula
    attrs["inputs"] = ", ".join(
        [f"{letter}={_named(variable, cube[variable].attrs)}" for letter, variable in inputs.items()]
        + [f"{constant}={value:g}" for constant, value in constants.items()]
    )
    if index.has_kernel:
        scale = "sigma" if "sigma" in constants else "sigma = 0.5 * (a + b) of each pixel"
        attrs["comment"] = f"Kernels are RBF: k(a, b) = exp(-(a - b)**2 / (2 * sigma**2)), {scale}."
    attrs["references"] = index.reference
    for key in _KEPT:
        if key in first or key in cube.attrs:
            attrs[key] = first.get(key, cube.attrs.get(key))
    return attrs


def _named(variable: str, attrs: Mapping[Any, Any]) -> str:
    band = attrs.get("band", variable)
    return variable if band == variable else f"{variable} ({band})"
