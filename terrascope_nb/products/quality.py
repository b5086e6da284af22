"""From the name of a mask to a rule that says, pixel by pixel, what to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from terrascope_nb.errors import MaskError, near_misses
from terrascope_nb.products.model import Band, FlagClass, Product, Quality


@dataclass(frozen=True, slots=True)
class BitTest:
    """``(stored >> shift) & (2**width - 1)`` must be one of ``allowed``."""

    shift: int
    """Lowest bit."""
    width: int
    """Number of bits."""
    allowed: tuple[int, ...]
    """Field values that keep the pixel."""


@dataclass(frozen=True, slots=True)
class MaskRule:
    """What to keep of one quality band; small, hashable and picklable."""

    band: str
    """The quality band the rule reads."""
    kind: Literal["classes", "bits"]
    """Whole numbers are classes, or bits are fields."""
    names: tuple[str, ...]
    """Names of what is kept, as in the product's table."""
    asked: tuple[str, ...]
    """What the user asked for: presets, names or numbers."""
    values: tuple[int, ...] = ()
    """Class numbers kept, when kind is ``classes``."""
    tests: tuple[BitTest, ...] = ()
    """Tests that must all hold, when kind is ``bits``."""

    def apply(self, stored: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Return True where a pixel is kept.

        Parameters
        ----------
        stored : numpy.ndarray, any integer type, any shape
            The quality band as it is in the file.

        Returns
        -------
        numpy.ndarray of bool, same shape
            True = keep.

        Raises
        ------
        MaskError
            The array holds fractions: it was decoded or resampled; a mask needs the stored whole numbers.
        """
        stored = np.asarray(stored)
        if stored.dtype.kind not in "uib":
            raise MaskError(
                f"the mask of {self.band} needs the stored whole numbers, and got {stored.dtype}: "
                "read the band without scaling, and resample it with nearest.",
                band=self.band,
            )
        if self.kind == "classes":
            return (
                _one_of(stored.view(np.uint8), self.values)
                if stored.dtype.itemsize == 1
                else np.isin(stored, self.values)
            )
        keep = np.ones(stored.shape, dtype=np.bool_)
        for test in self.tests:
            keep &= np.isin((stored >> test.shift) & ((1 << test.width) - 1), test.allowed)
        return keep


def _one_of(stored: npt.NDArray[np.uint8], values: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Return where a number is one of some, as `numpy.isin`: by runs of neighbours, two vector instructions for each."""
    found: npt.NDArray[np.bool_] | None = None
    wanted = sorted({value for value in values if 0 <= value < 256})
    firsts = [value for value in wanted if value - 1 not in wanted]
    lasts = [value for value in wanted if value + 1 not in wanted]
    for first, last in zip(firsts, lasts, strict=True):
        # Numbers below the first wrap round to large ones.
        run = np.subtract(stored, np.uint8(first)) <= np.uint8(last - first)
        found = run if found is None else np.logical_or(found, run, out=found)
    return np.zeros(stored.shape, dtype=np.bool_) if found is None else found


def class_named(band: Band, name: str | int) -> FlagClass:
    """Return the class of a band by its name (any case), one of its other names, or its number.

    Raises
    ------
    MaskError
        The band has no such class; the message lists those it has.
    """
    word = str(name).strip().lower()
    for known in band.classes:
        if word in {known.name, str(known.value), *known.aliases}:
            return known
    names = [known.name for known in band.classes]
    raise MaskError(
        f"{band.name} has no class {name!r}{_hint(word, names)}; it has {', '.join(names) or 'no class known to us'}.",
        band=band.name,
        name=name,
    )


def keep_classes(product: Product, mask: str | int | Sequence[str | int]) -> MaskRule:
    """Return the rule for a mask: a preset, class names, class numbers, or several of them.

    Parameters
    ----------
    product : Product
        Gives the quality band, its classes or bit fields, and the presets.
    mask : str, int or sequence of them
        Presets (``"clear"``), names (``"vegetation"``; for bit fields ``"state:clear"``), or class numbers. Several
        classes add up; for bit fields a pixel must pass each field that is named.

    Returns
    -------
    MaskRule

    Raises
    ------
    MaskError
        The product has no quality band, or no preset or class of that name.

    Examples
    --------
    >>> from terrascope_nb.products import get_product
    >>> keep_classes(get_product("s2-toc"), "clear").values
    (2, 4, 5, 6, 7)
    """
    quality = product.quality
    asked = (mask,) if isinstance(mask, (str, int)) else tuple(mask)
    if quality is None:
        raise MaskError(
            f"mask={mask!r} was asked for, but {product.id} has no quality band we know of: "
            "leave the mask out, or mask with the quality band of another product.",
            product=product.id,
            mask=mask,
        )
    if not asked:
        raise MaskError(
            f"an empty mask would keep nothing of {product.id}: give a preset ({', '.join(quality.presets)}) "
            "or class names, or leave the mask out.",
            product=product.id,
            mask=mask,
        )
    wanted: list[str | int] = []
    for name in asked:
        preset = quality.presets.get(str(name).strip().lower())
        wanted += preset if preset is not None else (name,)
    words = tuple(str(name) for name in asked)
    if quality.kind == "bits":
        return _bit_rule(product, quality, words, wanted)
    band = product.find_band(quality.band)
    chosen: dict[int, str] = {}
    for name in wanted:
        known = _class_or_error(product, quality, band, name)
        chosen[known.value] = known.name
    values = tuple(sorted(chosen))
    return MaskRule(quality.band, "classes", tuple(chosen[value] for value in values), words, values=values)


def _class_or_error(product: Product, quality: Quality, band: Band, name: str | int) -> FlagClass:
    try:
        return class_named(band, name)
    except MaskError:
        raise _unknown(product, quality, name, [known.name for known in band.classes]) from None


def _bit_rule(product: Product, quality: Quality, asked: tuple[str, ...], wanted: Sequence[str | int]) -> MaskRule:
    known = {f"{field.name}:{word}": (field, value) for field in quality.fields for value, word in field.values.items()}
    allowed: dict[str, list[int]] = {}
    names: list[str] = []
    for name in wanted:
        word = str(name).strip().lower()
        if word not in known:
            raise _unknown(product, quality, name, list(known))
        field, value = known[word]
        if word not in names:
            names.append(word)
            allowed.setdefault(field.name, []).append(value)
    tests = tuple(
        BitTest(field.shift, field.width, tuple(sorted(allowed[field.name])))
        for field in quality.fields
        if field.name in allowed
    )
    return MaskRule(quality.band, "bits", tuple(names), asked, tests=tests)


def _unknown(product: Product, quality: Quality, name: str | int, names: Sequence[str]) -> MaskError:
    hint = _hint(str(name), [*quality.presets, *names])
    return MaskError(
        f"{product.id} has no mask {name!r}{hint}; presets: {', '.join(quality.presets)}; "
        f"{'classes' if quality.kind == 'classes' else 'fields'} of {quality.band}: {', '.join(names)}.",
        product=product.id,
        mask=name,
    )


def _hint(asked: str, names: Sequence[str]) -> str:
    near = near_misses(asked, names)
    return f" (did you mean {' or '.join(near)}?)" if near else ""
