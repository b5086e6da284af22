"""The numbers of `values.decode` in a few vector instructions, in memory that is used again."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.cube.formula import Scratch
from terrascope_nb.cube.plan import Coding
from terrascope_nb.cube.values import decode

_EXACT = 2**24
"""float32 holds every whole number up to here."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """Turns stored numbers of one type and coding into float32."""

    dtype: str
    """Stored type."""
    coding: Coding
    """Scale, offset and nodata."""
    valid_range: tuple[float, float] | None
    """Smallest and largest stored number that is valid."""
    fraction: tuple[int, int, int] | None
    """(p, q, r): (stored * p + r) / q gives the very same float32; None = the table has to be asked."""

    tests: tuple[tuple[np.ufunc, Any], ...] = field(init=False, compare=False)
    """Which comparisons, with which numbers, find what is missing."""
    gap: int | None = field(init=False, compare=False)
    """The largest number of the stored type, when it is no value and larger numbers are larger values."""
    says_more_than_gap: bool = field(init=False, compare=False)
    """True when other stored numbers than `gap` are no values either."""

    def __post_init__(self) -> None:
        """Work out once what every block asks."""
        object.__setattr__(self, "tests", tuple(self._tests()))
        object.__setattr__(self, "gap", self._gap())
        nodata = self.coding.nodata
        other = nodata is not None and not np.isnan(nodata) and nodata != self.gap
        object.__setattr__(self, "says_more_than_gap", other or self.valid_range is not None)

    def missing(self, stored: NDArray[Any], out: NDArray[np.bool_], spare: NDArray[np.bool_]) -> None:
        """Write where a stored number is nodata or out of range (or no number)."""
        begun = stored.dtype.kind == "f"
        if begun:
            np.logical_not(np.isfinite(stored, out=out), out=out)
        for rule, number in self.tests:
            rule(stored, number, out=spare if begun else out)
            if begun:
                np.logical_or(out, spare, out=out)
            begun = True
        if not begun:
            out[...] = False

    @property
    def keeps_numbers(self) -> bool:
        """True when the stored numbers are the values."""
        return self.dtype == "float32" and self.fraction == (1, 1, 0)

    def values(self, stored: NDArray[Any], out: NDArray[np.float32]) -> None:
        """Write the values; what stands where the number is missing means nothing."""
        if self.fraction is None:
            out[...] = decode(stored, self.coding, self.valid_range)
            return
        p, q, r = self.fraction
        out[...] = stored
        if p != 1:
            np.multiply(out, np.float32(p), out=out)
        if r:
            np.add(out, np.float32(r), out=out)
        if q != 1:
            np.divide(out, np.float32(q), out=out)

    def _tests(self) -> Iterator[tuple[np.ufunc, Any]]:
        nodata, span, kind = self.coding.nodata, self.valid_range, np.dtype(self.dtype)
        if nodata is not None and not np.isnan(nodata):
            yield np.equal, _as_stored(nodata, kind)
        if span is not None:
            yield np.less, _as_stored(span[0], kind)
            yield np.greater, _as_stored(span[1], kind)

    def _gap(self) -> int | None:
        kind = np.dtype(self.dtype)
        if kind.kind not in "iu" or (self.coding.scale or 0.0) <= 0:
            return None
        largest = int(np.iinfo(kind).max)
        above = self.valid_range is not None and self.valid_range[1] < largest
        return largest if above or self.coding.nodata == largest else None


def _as_stored(number: float, kind: np.dtype[Any]) -> Any:
    """Return a number in the stored type where it has it, so that nothing is converted to compare with it."""
    if kind.kind == "f":
        return number
    whole = int(number) if float(number).is_integer() else None
    if whole is not None and np.iinfo(kind).min <= whole <= np.iinfo(kind).max:
        return kind.type(whole)
    return np.float64(number)


@functools.lru_cache(maxsize=256)
def decoder_for(dtype: str, coding: Coding, valid_range: tuple[float, float] | None) -> Decoder:
    """Return the decoder of a stored type and coding; the short way is taken only where it was tried on every number."""
    return Decoder(dtype, coding, valid_range, _fraction(dtype, coding))


def _fraction(dtype: str, coding: Coding) -> tuple[int, int, int] | None:
    kind = np.dtype(dtype)
    scale, offset = coding.scale or 0.0, coding.offset or 0.0
    if kind == np.float32 and scale == 1.0 and offset == 0.0:
        return 1, 1, 0
    if kind.kind not in "iu" or kind.itemsize > 2:
        return None
    ratio, shift = (Fraction(number).limit_denominator(10**6) for number in (scale, offset))
    q = ratio.denominator * shift.denominator // np.gcd(ratio.denominator, shift.denominator)
    p, r = int(ratio * q), int(shift * q)
    numbers = np.arange(2 ** (8 * kind.itemsize), dtype=f"u{kind.itemsize}").view(kind)
    largest = max(abs(int(numbers.min())), int(numbers.max()))
    if not p or largest * abs(p) + abs(r) > _EXACT or q > _EXACT:
        return None
    found = Decoder(dtype, coding, None, (p, int(q), r))
    values = np.empty(numbers.shape, dtype="float32")
    found.values(numbers, values)
    wanted = decode(numbers, Coding(coding.scale, coding.offset, None, coding.origin), None)
    return found.fraction if np.array_equal(values.view("i4"), wanted.view("i4")) else None


def blank(values: NDArray[np.float32], gone: NDArray[np.bool_], spare: NDArray[np.int32]) -> None:
    """Write NaN where ``gone`` is True, without a branch per pixel."""
    np.negative(gone.view("int8"), out=spare)  # no bit or all bits, and all bits are a NaN
    bits = values.view("int32")
    np.bitwise_or(bits, spare, out=bits)


def fill(
    values: NDArray[np.float32], others: NDArray[np.float32], take: NDArray[np.bool_], spare: NDArray[np.int32]
) -> None:
    """Write others where ``take`` is True, without a branch per pixel; what is left in ``others`` means nothing."""
    np.negative(take.view("int8"), out=spare)
    bits, differing = values.view("int32"), others.view("int32")
    np.bitwise_xor(bits, differing, out=differing)
    np.bitwise_and(differing, spare, out=differing)
    np.bitwise_xor(bits, differing, out=bits)


def zeroed(values: NDArray[np.float32], valid: NDArray[np.bool_], scratch: Scratch) -> NDArray[np.float32]:
    """Return the values where ``valid``, else 0, in scratch memory and without a branch per pixel."""
    bits: NDArray[np.int32] = scratch.take("bits", values.shape, np.int32)
    np.negative(valid.view("int8"), out=bits)
    np.bitwise_and(bits, values.view("int32"), out=bits)
    return bits.view(np.float32)
