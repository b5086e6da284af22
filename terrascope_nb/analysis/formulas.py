"""Spectral indices as spyndex tells them: names, formulas, bands and parameters, read from its tables alone.

Importing spyndex brings an HTTP library and takes longer than working out an index of a small area; its tables are plain
JSON beside its code. A spyndex that keeps them elsewhere is imported instead.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.errors import UnknownIndexError, near_misses

POLARISATIONS = ("VV", "VH", "HV", "HH")
KERNEL = re.compile(r"k([A-Z])([A-Z])")
"""A kernel in a formula, by the letters it compares: kNR is k(N, R)."""
_MULTISPECTRAL = re.compile(r"(?<![A-Z0-9])B(0[1-9]|1[0-2]|0?8A)(?![0-9A-Z])")
_POLARISED = re.compile(r"(?<![A-Z])(VV|VH|HV|HH)(?![A-Z])")


@dataclass(frozen=True, slots=True)
class Index:
    """One spectral index."""

    short_name: str
    """Its name."""
    long_name: str
    """What it is called in full."""
    bands: tuple[str, ...]
    """Letters of bands, parameters and kernels in the formula."""
    formula: str
    """The formula in Python."""
    reference: str
    """Where it was published."""

    @property
    def terms(self) -> tuple[str, ...]:
        """Bands and parameters of the formula, with what its kernels compare in their place."""
        found = [list(match.groups()) if (match := KERNEL.fullmatch(name)) else [name] for name in self.bands]
        return tuple(dict.fromkeys(itertools.chain.from_iterable(found)))

    @property
    def has_kernel(self) -> bool:
        """True when the formula compares bands by a kernel."""
        return any(map(KERNEL.fullmatch, self.bands))

    @property
    def letters(self) -> tuple[str, ...]:
        """Those of the terms that are bands."""
        known = letters_of_bands()
        return tuple(term for term in self.terms if term in known.all or term in POLARISATIONS)


@dataclass(frozen=True, slots=True)
class Constant:
    """A parameter of formulas."""

    description: str
    """What it is."""
    default: float | None
    """The number that is taken when none is given."""


@dataclass(frozen=True, slots=True)
class Letters:
    """Which words mean which band letter of a formula."""

    all: frozenset[str]
    """Every letter of a band."""
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
        return indices()[self.name].formula

    def __call__(self, *arrays: NDArray[Any]) -> NDArray[np.float32]:
        """Return the index, NaN where it is not finite."""
        import spyndex  # the tables alone do for all but the arithmetic

        named: dict[str, Any] = {**dict(zip(self.letters, arrays, strict=True)), **dict(self.constants)}
        with np.errstate(all="ignore"):  # numpy's warnings about 0/0 are the NaN we want
            for kernel in filter(KERNEL.fullmatch, indices()[self.name].bands):
                a, b = named[kernel[1]], named[kernel[2]]
                sigma = 1.0 if kernel[1] == kernel[2] else named.get("sigma", 0.5 * (a + b))  # k(a, a) is 1 for any
                named[kernel] = spyndex.computeKernel("RBF", {"a": a, "b": b, "sigma": sigma})
            values = spyndex.computeIndex(self.name, named)
        return np.where(np.isfinite(values), values, np.nan).astype("float32")


def find_index(name: str) -> Index:
    """Return the index of that name, any case.

    Raises
    ------
    UnknownIndexError
        There is none; the message has the near misses.
    """
    if not isinstance(name, str):
        raise UnknownIndexError(
            f"one index per call, by its name; {name!r} was asked for. For several: "
            "xr.merge([spectral_index(cube, name) for name in (…)], compat='override').",
            index=name,
        )
    if name in indices():
        return indices()[name]
    known = {key.lower(): key for key in indices()}
    if name.lower() not in known:
        swapped = [one for one in known.values() if sorted(one.lower()) == sorted(name.lower())]
        near = [*swapped, *(one for one in near_misses(name, known.values()) if one not in swapped)]
        hint = f"Did you mean {' or '.join(near)}?" if near else "spyndex.indices lists them all."
        raise UnknownIndexError(
            f"there is no spectral index {name!r} among the {len(known)} of spyndex. {hint}", index=name
        )
    return indices()[known[name.lower()]]


def numbers_for(index: Index, given: Mapping[str, Any], *, without: Mapping[str, Any]) -> dict[str, float]:
    """Return the parameters of a formula: as given, else the default of spyndex.

    Parameters
    ----------
    given : mapping
        What a user says of parameters (and of bands, which are left alone).
    without : mapping
        Terms that are bands.

    Raises
    ------
    TypeError
        A parameter the formula does not have, or one that has no default and was not given.
    """
    names = [name for name in index.terms if name not in without]
    optional = ["sigma"] if index.has_kernel else []  # without: the mean of the two bands
    for name in given:
        if name not in (*index.terms, *optional):
            raise TypeError(
                f"{index.short_name} = {index.formula} has no parameter {name!r}; it has "
                f"{', '.join((*index.terms, *optional))}."
            )
    names += [name for name in optional if name in given]
    numbers = {}
    for name in names:
        constant = constants().get(name)
        value = given.get(name, constant.default if constant else None)
        if value is None:
            what = constant.description if constant else "a number of its own"
            raise TypeError(
                f"{index.short_name} = {index.formula} needs {name} ({what}), which has no default: give {name}=…"
            )
        numbers[name] = float(value)
    return numbers


@functools.cache
def indices() -> Mapping[str, Index]:
    """Return every index by its name."""
    told = _read("spectral-indices-dict.json")
    if told is None:
        import spyndex  # see above

        rows = {name: vars(one) for name, one in spyndex.indices.items()}
    else:
        rows = told["SpectralIndices"]
    return {
        name: Index(row["short_name"], row["long_name"], tuple(row["bands"]), row["formula"].replace(" ", ""),
                    row["reference"])
        for name, row in rows.items()
    }  # fmt: skip


@functools.cache
def constants() -> Mapping[str, Constant]:
    """Return every parameter by its name."""
    rows = _read("constants.json")
    if rows is None:
        import spyndex  # see above

        rows = {name: vars(one) for name, one in spyndex.constants.items()}
    return {name: Constant(row["description"], row["default"]) for name, row in rows.items()}


@functools.cache
def letters_of_bands() -> Letters:
    """Return which words mean which letter."""
    rows = _read("bands.json")
    if rows is None:
        import spyndex  # see above

        told = [(letter, band.common_name, getattr(band, "sentinel2a", None)) for letter, band in spyndex.bands.items()]
        bands = [(letter, common, None if on is None else on.band) for letter, common, on in told]
    else:
        bands = [
            (letter, row["common_name"], row["platforms"].get("sentinel2a", {}).get("band"))
            for letter, row in rows.items()
        ]
    platform = {_padded(band): letter for letter, _, band in bands if band}
    return Letters(frozenset(letter for letter, *_ in bands), {common: letter for letter, common, _ in bands}, platform)


def _read(name: str) -> Any | None:
    """Return a table of spyndex without importing it; None where it is not kept as we know it."""
    found = importlib.util.find_spec("spyndex")
    if found is None or not found.submodule_search_locations:
        return None
    path = Path(found.submodule_search_locations[0]) / "data" / name
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _padded(band: str) -> str:
    """Return a Sentinel-2 band name as the platform writes it: ``B4`` -> ``B04``, ``B08A`` -> ``B8A``."""
    number = band[1:].lstrip("0")
    return f"B{number}" if number.endswith("A") else f"B{int(number):02d}"
