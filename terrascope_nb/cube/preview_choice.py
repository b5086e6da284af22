"""What a preview shows: names become bands of the item, or spectral indices of them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pystac
from numpy.typing import NDArray

from terrascope_nb.analysis.formulas import Formula, Index, find_index, letters_of_bands, numbers_for
from terrascope_nb.catalogue.item_facts import find_asset
from terrascope_nb.cube.formula import Scratch, program_for
from terrascope_nb.cube.selection import bands_of, item_bands
from terrascope_nb.errors import CubeError, TerrascopeWarning, UnknownBandError, UnknownIndexError
from terrascope_nb.products.model import Band, Product

_TRUE_COLOUR = ("red", "green", "blue")


@dataclass(frozen=True, slots=True)
class Layer:
    """One picture of a preview."""

    name: str
    """Name that was asked for; an index has the name that spyndex gives it."""
    bands: tuple[Band, ...]
    """The bands it is made of."""
    formula: Formula | None = None
    """How, for an index; its letters stand for the bands."""

    @property
    def is_measured(self) -> bool:
        """True for physical values, False for classes and flags."""
        return self.formula is not None or self.bands[0].kind == "measurement"

    def of(self, values: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Return the layer, given its bands on one grid; the numbers of `spectral_index`."""
        if self.formula is None:
            return values[0]
        program = program_for(self.formula.text, self.formula.letters, self.formula.constants)
        if program is None:
            return self.formula(*values)
        found = program.run(dict(zip(self.formula.letters, values, strict=True)), Scratch())
        found[~np.isfinite(found)] = np.nan
        return found


def choose_layers(product: Product | None, item: pystac.Item, asked: Any) -> list[Layer]:
    """Return what was asked for: a band of that name, else the index of that name.

    Raises
    ------
    UnknownBandError
        There is neither, or the item lacks a band of the index.
    CubeError
        The index needs linear backscatter, and the band is in decibel.
    """
    if asked is None:
        try:
            named = bands_of(product, [item], _TRUE_COLOUR)
        except UnknownBandError:
            named = bands_of(product, [item], None)[:1]
        return [Layer(name, (band,)) for name, band in named]
    names = [asked] if isinstance(asked, str) else list(asked) if isinstance(asked, Iterable) else [asked]
    if not all(isinstance(name, str) for name in names):
        raise UnknownBandError(
            f"bands={asked!r} is no name of a band; give one, or a list of them: 'red', 'NDVI', ['red', 'nir'].",
            bands=asked,
        )
    if len(set(names)) < len(names):
        raise UnknownBandError(f"bands={names!r} asks for something twice.", bands=names)
    if not names:
        raise UnknownBandError("bands=[] asks for nothing; leave bands out for the usual ones.")
    return [_layer(product, item, name) for name in names]


def _layer(product: Product | None, item: pystac.Item, name: str) -> Layer:
    try:
        return Layer(name, (bands_of(product, [item], name)[0][1],))
    except UnknownBandError:
        try:
            index = find_index(name)
        except UnknownIndexError:
            index = None
        if index is None:
            raise
    return _index_layer(index, product, item)


def _index_layer(index: Index, product: Product | None, item: pystac.Item) -> Layer:
    known = _by_letter(product, item)
    inputs: dict[str, Band] = {}
    for letter in index.letters:
        band = _first_there(known.get(letter, ()), item)
        if band is None and letter == "N" and "N2" not in index.letters:
            band = _first_there(known.get("N2", ()), item)
            if band is None:
                continue
            warnings.warn(
                f"{index.short_name} wants {letters_of_bands().words('N')}; the item has only {band.name!r}, the "
                "narrow near infrared, which is taken instead.",
                TerrascopeWarning,
                stacklevel=5,
            )
        if band is not None:
            inputs[letter] = band
    missing = [letter for letter in index.letters if letter not in inputs]
    if missing:
        words = " and ".join(letters_of_bands().words(letter) for letter in missing)
        there = [band.name for bands in known.values() for band in bands if find_asset(item, band) is not None]
        raise UnknownBandError(
            f"{index.short_name} = {index.formula} needs {words}, which the item has not; it has "
            f"{', '.join(there) or 'no band that we know of'}.",
            index=index.short_name,
            missing=tuple(missing),
        )
    for band in inputs.values():
        if (band.unit or "").lower() == "db":
            raise CubeError(
                f"{index.short_name} was asked of {band.name!r} in decibel; it wants linear backscatter.",
                band=band.name,
            )
    constants = numbers_for(index, {}, without=inputs)
    formula = Formula(index.short_name, tuple(inputs), tuple(constants.items()))
    return Layer(index.short_name, tuple(inputs.values()), formula)


def _by_letter(product: Product | None, item: pystac.Item) -> dict[str, list[Band]]:
    """Return measured bands by the letter they have in formulas."""
    letters = letters_of_bands()
    found: dict[str, list[Band]] = {}
    for band in product.bands if product is not None and product.bands else item_bands([item]):
        letter = letters.of(band.name, {"common_name": band.common_name or "", "band": band.name})
        if letter is not None and band.kind == "measurement":
            found.setdefault(letter, []).append(band)
    return found


def _first_there(bands: Sequence[Band], item: pystac.Item) -> Band | None:
    """Return the first band that the item has a file of."""
    return next((band for band in bands if find_asset(item, band) is not None), None)
