"""Band maths: a spectral index of a cube, its formula taken from spyndex."""

from __future__ import annotations

import functools
import itertools
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from dask.base import is_dask_collection, tokenize
from numpy.typing import NDArray

from terrascope_nb.errors import CubeError, TerrascopeWarning, UnknownBandError, UnknownIndexError, near_misses

_POLARISATIONS = ("VV", "VH", "HV", "HH")
_KEPT = ("product", "grid_mapping", "attribution", "source", "terrascope_plan")
_MULTISPECTRAL = re.compile(r"(?<![A-Z0-9])B(0[1-9]|1[0-2]|0?8A)(?![0-9A-Z])")
_POLARISED = re.compile(r"(?<![A-Z])(VV|VH|HV|HH)(?![A-Z])")
_KERNEL = re.compile(r"k([A-Z])([A-Z])")
"""A kernel in a formula, by the letters it compares: kNR is k(N, R)."""
# CF standard name table; of the indices spyndex knows, it names this one.
_STANDARD_NAMES = {"NDVI": "normalized_difference_vegetation_index"}


@dataclass(frozen=True, slots=True)
class _Letters:
    """Which words mean which band letter of a formula."""

    common: Mapping[str, str]
    """Common name -> letter: ``nir`` -> ``N``."""
    platform: Mapping[str, str]
    """Sentinel-2 band name -> letter: ``B08`` -> ``N``."""

    def of(self, name: str, attrs: Mapping[Any, Any]) -> str | None:
        """Return the letter of a variable, or None when nothing says it."""
        # A variable called red is red, even when arithmetic has handed it the attributes of another band.
        for common in (name.lower(), str(attrs.get("common_name", "")).lower()):
            if common in self.common:
                return self.common[common]
        for text in (str(attrs.get("band", "")), name):
            found = _MULTISPECTRAL.search(text.upper())
            if found:
                return self.platform.get(_padded("B" + found[1]))
            found = _POLARISED.search(text.upper())
            if found:
                return found[1]
        return None

    def words(self, letter: str) -> str:
        """Return how a user asks for a letter: ``'nir' (B08)``."""
        common = [word for word, of in self.common.items() if of == letter]
        platform = [word for word, of in self.platform.items() if of == letter]
        if not common:
            return repr(letter)
        return f"{common[0]!r}" + (f" ({platform[0]})" if platform else "")


@dataclass(frozen=True, slots=True)
class Formula:
    """An index of plain arrays: the task of a lazy index, which so tells what it does."""

    name: str
    """Name of the index in spyndex."""
    letters: tuple[str, ...]
    """Letter of the formula that each array stands for."""
    constants: tuple[tuple[str, float], ...]
    """Parameters of the formula."""

    @property
    def text(self) -> str:
        """The formula as spyndex writes it, in Python."""
        import spyndex  # see _letters

        return str(spyndex.indices[self.name].formula)

    def __call__(self, *arrays: NDArray[Any]) -> NDArray[np.float32]:
        """Return the index, NaN where it is not finite."""
        import spyndex  # see _letters

        named: dict[str, Any] = {**dict(zip(self.letters, arrays, strict=True)), **dict(self.constants)}
        with np.errstate(all="ignore"):  # numpy's warnings about 0/0 are the NaN we want
            for kernel in filter(_KERNEL.fullmatch, spyndex.indices[self.name].bands):
                a, b = named[kernel[1]], named[kernel[2]]
                sigma = 1.0 if kernel[1] == kernel[2] else named.get("sigma", 0.5 * (a + b))  # k(a, a) is 1 for any
                named[kernel] = spyndex.computeKernel("RBF", {"a": a, "b": b, "sigma": sigma})
            values = spyndex.computeIndex(self.name, named)
        return np.where(np.isfinite(values), values, np.nan).astype("float32")


def _terms(index: Any) -> list[str]:
    """Return the bands and parameters of a formula, with what its kernels compare in their place."""
    found = [list(match.groups()) if (match := _KERNEL.fullmatch(name)) else [name] for name in index.bands]
    return list(dict.fromkeys(itertools.chain.from_iterable(found)))


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


def _padded(band: str) -> str:
    """Return a Sentinel-2 band name as the platform writes it: ``B4`` -> ``B04``, ``B08A`` -> ``B8A``."""
    number = band[1:].lstrip("0")
    return f"B{number}" if number.endswith("A") else f"B{int(number):02d}"


def _letters() -> _Letters:
    import spyndex  # reads a table of 280 formulas; only who asks for an index pays

    common, platform = {}, {}
    for letter, band in spyndex.bands.items():
        common[band.common_name] = letter
        if hasattr(band, "sentinel2a"):
            platform[_padded(band.sentinel2a.band)] = letter
    return _Letters(common, platform)


def _find_index(name: str) -> Any:
    import spyndex  # see _letters

    if not isinstance(name, str):
        raise UnknownIndexError(
            f"one index per call, by its name; {name!r} was asked for. For several: "
            "xr.merge([spectral_index(cube, name) for name in (…)], compat='override').",
            index=name,
        )
    if name in spyndex.indices:
        return spyndex.indices[name]
    known = {key.lower(): key for key in spyndex.indices}
    if str(name).lower() not in known:
        swapped = [one for one in known.values() if sorted(one.lower()) == sorted(str(name).lower())]
        near = [*swapped, *(one for one in near_misses(str(name), known.values()) if one not in swapped)]
        hint = f"Did you mean {' or '.join(near)}?" if near else "spyndex.indices lists them all."
        raise UnknownIndexError(
            f"there is no spectral index {name!r} among the {len(known)} of spyndex. {hint}", index=name
        )
    return spyndex.indices[known[str(name).lower()]]


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


def _by_letter(cube: xr.Dataset, letters: _Letters) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, variable in cube.data_vars.items():
        letter = letters.of(str(name), variable.attrs)
        if letter is not None and "flag_values" not in variable.attrs:
            found.setdefault(letter, []).append(str(name))
    return found


def _choose(letter: str, names: list[str], index: str, letters: _Letters) -> str:
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


def _inputs(cube: xr.Dataset, index: Any, letters: _Letters, given: Mapping[str, Any]) -> dict[str, str]:
    """Letter of the formula -> name of the variable."""
    import spyndex  # see _letters

    wanted = [letter for letter in _terms(index) if letter in spyndex.bands or letter in _POLARISATIONS]
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


def _constants(index: Any, inputs: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, float]:
    """Parameter of the formula -> number: as given, else the default of spyndex."""
    import spyndex  # see _letters

    terms = _terms(index)
    names = [name for name in terms if name not in inputs]
    optional = ["sigma"] if any(map(_KERNEL.fullmatch, index.bands)) else []  # without: the mean of the two bands
    for name in given:
        if name not in (*terms, *optional):
            raise TypeError(
                f"{index.short_name} = {index.formula} has no parameter {name!r}; it has "
                f"{', '.join((*terms, *optional))}."
            )
    names += [name for name in optional if name in given]
    numbers = {}
    for name in names:
        value = given.get(name, spyndex.constants[name].default if name in spyndex.constants else None)
        if value is None:
            what = spyndex.constants[name].description if name in spyndex.constants else "a number of its own"
            raise TypeError(
                f"{index.short_name} = {index.formula} needs {name} ({what}), which has no default: give {name}=…"
            )
        numbers[name] = float(value)
    return numbers


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
    index = _find_index(name)
    inputs = _inputs(cube, index, _letters(), params)
    constants = _constants(index, inputs, params)
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
    cube: xr.Dataset, index: Any, inputs: Mapping[str, str], constants: Mapping[str, float]
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
    if any(map(_KERNEL.fullmatch, index.bands)):
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
