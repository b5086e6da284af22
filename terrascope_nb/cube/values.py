"""Stored numbers become physical values: nodata, valid range, scale and offset, once."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.cube.plan import Coding, Source
from terrascope_nb.errors import TerrascopeWarning, UnknownEncodingError
from terrascope_nb.products.model import Band
from terrascope_nb.raster.info import FileInfo


def choose_coding(source: Source, info: FileInfo, band: Band, *, foreign: bool) -> Coding:
    """Return scale, offset and nodata: what the item says, else the file, else the table.

    Scale and offset go together: an offset is taken from the first who states it for the scale that is used.

    Parameters
    ----------
    source : Source
        What the item says.
    info : FileInfo
        What the file says.
    band : Band
        What the table says.
    foreign : bool
        True when no table of ours covers the collection: then a number without scale stands for itself, as the STAC
        raster extension defines it.

    Raises
    ------
    UnknownEncodingError
        Nobody says a scale for an integer file of a product whose table leaves it open.
    """
    spoken = [
        (who, stated, offset) if usable_scale(stated) else (who, None, None)
        for who, stated, offset in (("item", source.scale, source.offset), ("file", info.scale, info.offset))
    ]
    # A table of whole numbers says nothing about a file of fractions: somebody has decoded that before.
    if not (band.dtype and np.dtype(band.dtype).kind in "iu" and np.dtype(info.dtype).kind == "f"):
        spoken.append(("table", band.scale, band.offset))
    scale, by_scale = _first((who, value) for who, value, _ in spoken)
    # An offset belongs to a scale: who states another scale does not speak of these numbers. Unsaid, it is 0.
    offset, by_offset = _first(
        (who, value) for who, other, value in spoken if other is None or (scale is not None and _near(other, scale))
    )
    nodata, by_nodata = _first((("item", source.nodata), ("file", info.nodata), ("table", band.nodata)))
    origins = dict.fromkeys(who for who in (by_scale, by_offset, by_nodata) if who)
    if scale is None and (foreign or np.dtype(info.dtype).kind == "f"):
        # A float file holds the quantity itself unless somebody says otherwise.
        scale = 1.0
    if scale is None:
        raise UnknownEncodingError(
            f"{source.ref.item_id}: physical values of {band.name} were asked for, but neither the item nor the file "
            f"says a scale, and it is not published either{f' ({band.note})' if band.note else ''}. "
            "Load the stored numbers with physical=False, or ask the provider.",
            item=source.ref.item_id,
            band=band.name,
        )
    return Coding(scale, 0.0 if offset is None else offset, nodata, "+".join(origins) or "none")


def usable_scale(scale: float | None) -> bool:
    """Return False for a scale that would lose every value: 0, NaN or infinite."""
    return scale is None or (bool(np.isfinite(scale)) and scale != 0)


def _first(spoken: Iterable[tuple[str, float | None]]) -> tuple[float | None, str]:
    """Return the first number that is said, and who says it."""
    return next(((value, who) for who, value in spoken if value is not None), (None, ""))


def range_for(coding: Coding, band: Band) -> tuple[float, float] | None:
    """Return the table's valid range when it speaks of this encoding, else None.

    The range is in stored numbers. Where an item states another scale or offset than the table, the numbers mean
    something else and the range says nothing about them.
    """
    if band.valid_range is None or band.scale is None or coding.scale is None or coding.offset is None:
        return None
    same = _near(coding.scale, band.scale) and _near(coding.offset, band.offset or 0.0, 1e-12)
    return band.valid_range if same else None


def _near(one: float, other: float, slack: float = 0.0) -> bool:
    """Return True for numbers that differ by a millionth at most; numpy's own takes longer than reading a small block."""
    return abs(one - other) <= slack + 1e-6 * abs(other)


@functools.lru_cache(maxsize=128)
def _table(dtype: str, coding: Coding, valid_range: tuple[float, float] | None) -> NDArray[np.float32]:
    """Physical value of every number an 8 or 16 bit type can hold, indexed by its bits."""
    kind = np.dtype(dtype)
    numbers = np.arange(2 ** (8 * kind.itemsize), dtype=f"u{kind.itemsize}").view(kind)
    table = _decoded(numbers, coding, valid_range)
    table.setflags(write=False)
    return table


def _decoded(stored: NDArray[Any], coding: Coding, valid_range: tuple[float, float] | None) -> NDArray[np.float32]:
    # In float64 up to the last step, so that the result is the float32 nearest to scale * stored + offset.
    values = stored.astype("float64") * (coding.scale or 0.0) + (coding.offset or 0.0)
    values[~valid_numbers(stored, coding.nodata, valid_range)] = np.nan
    return values.astype("float32")


def valid_numbers(
    stored: NDArray[Any], nodata: float | None, valid_range: tuple[float, float] | None
) -> NDArray[np.bool_]:
    """Return True where a stored number is neither nodata nor outside the valid range nor NaN or infinite."""
    valid = np.isfinite(stored) if stored.dtype.kind == "f" else np.ones(stored.shape, dtype=bool)
    if nodata is not None and not np.isnan(nodata):
        valid &= stored != nodata
    if valid_range is not None:
        valid &= (stored >= valid_range[0]) & (stored <= valid_range[1])
    return valid


def decode(stored: NDArray[Any], coding: Coding, valid_range: tuple[float, float] | None = None) -> NDArray[np.float32]:
    """Return physical values.

    Parameters
    ----------
    stored : numpy.ndarray
        Stored numbers, any shape.
    coding : Coding
        Scale, offset and nodata to apply, once.
    valid_range : tuple of float, optional
        Smallest and largest stored number that is valid.

    Returns
    -------
    numpy.ndarray, float32, same shape, NaN where nodata, out of range or not finite.
    """
    kind = stored.dtype
    if kind.kind in "iu" and kind.itemsize <= 2:
        native = kind.newbyteorder("=")
        table = _table(native.str, coding, valid_range)
        values: NDArray[np.float32] = table[np.ascontiguousarray(stored, dtype=native).view(f"u{kind.itemsize}")]
        return values
    return _decoded(stored, coding, valid_range)


def fill_number(band: Band, dtype: np.dtype[Any], stored: Sequence[tuple[str, float | None]]) -> float:
    """Return the number that stands for nothing: a file's nodata that is a value in no other file."""
    said = list(dict.fromkeys(value for _, value in stored if value is not None))
    if dtype.kind == "f":
        return float(said[0]) if said else float("nan")
    largest = float(np.iinfo(dtype).max)
    for value in (*said, largest):
        if _fits(value, dtype) and all(value == gone or not _fits(value, np.dtype(kind)) for kind, gone in stored):
            return float(value)
    fill = next((value for value in said if _fits(value, dtype)), largest)
    said_text = ", ".join(f"{value:g}" for value in said)
    why = f"none of the nodata numbers that are said ({said_text}) fits all files" if said else "no nodata is said"
    warnings.warn(f"{band.name}: {why}; {fill:g} stands where there is no pixel.", TerrascopeWarning, stacklevel=5)
    return float(fill)


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    ends = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    return bool(ends.min <= value <= ends.max)
