"""Stored numbers become physical values: nodata, valid range, scale and offset, once."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.cube.plan import Coding, Source
from terrascope_nb.errors import UnknownEncodingError
from terrascope_nb.products.model import Band
from terrascope_nb.raster.window import FileInfo


def choose_coding(source: Source, info: FileInfo, band: Band, *, foreign: bool) -> Coding:
    """Return scale, offset and nodata: what the item says, else the file, else the table.

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
    origins = []

    def pick(item: float | None, file: float | None, table: float | None) -> float | None:
        for value, origin in ((item, "item"), (file, "file"), (table, "table")):
            if value is not None:
                if origin not in origins:
                    origins.append(origin)
                return value
        return None

    scale = pick(source.scale, info.scale, band.scale)
    offset = pick(source.offset, info.offset, band.offset)
    nodata = pick(source.nodata, info.nodata, band.nodata)
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


def range_for(coding: Coding, band: Band) -> tuple[float, float] | None:
    """Return the table's valid range when it speaks of this encoding, else None.

    The range is in stored numbers. Where an item states another scale or offset than the table, the numbers mean
    something else and the range says nothing about them.
    """
    if band.valid_range is None or band.scale is None or coding.scale is None or coding.offset is None:
        return None
    same = np.isclose(coding.scale, band.scale, rtol=1e-6, atol=0) and np.isclose(
        coding.offset, band.offset or 0.0, rtol=1e-6, atol=1e-12
    )
    return band.valid_range if same else None


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
