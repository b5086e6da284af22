"""What an item says about one of its files: the pixel grid, and how stored numbers become values.

STAC 1.0 and 1.1 are read alike (``proj:epsg`` or ``proj:code``, ``raster:bands`` or ``bands`` or plain asset fields),
an asset's own words win over the item's, and a null says nothing.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pystac


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the stored numbers of one asset become physical values, as far as the item says; None = not said."""

    dtype: str | None = None
    """Stored type, e.g. ``"int16"``."""
    scale: float | None = None
    """physical = stored * scale + offset."""
    offset: float | None = None
    """physical = stored * scale + offset."""
    nodata: float | None = None
    """Stored number that means nothing here (may be NaN)."""
    unit: str | None = None
    """Physical unit; ``"-"`` is read as ``"1"``."""


@dataclass(frozen=True, slots=True)
class AssetGrid:
    """The pixel grid of one asset, as far as the item says; None = not said."""

    crs: str | None = None
    """``"EPSG:32631"``, or WKT where the item has no code."""
    transform: tuple[float, float, float, float, float, float] | None = None
    """Affine order: column step, row shear, left, column shear, row step, top."""
    shape: tuple[int, int] | None = None
    """Rows, columns."""


def asset_encoding(item: pystac.Item, key: str, *, band: int = 1) -> Encoding:
    """Read what the item says about the stored numbers of an asset.

    Parameters
    ----------
    item : pystac.Item
    key : str
        Key of the asset in the item.
    band : int
        Which of the bands that share the asset, from 1.

    Returns
    -------
    Encoding
        Read, field by field, from the asset itself (STAC 1.1 and ``raster:scale``), its band in ``bands`` or
        ``raster:bands``, then the item. None where nobody says.
    """
    return _encoding(_Stated(*_stated(item, key)), band)


def asset_grid(item: pystac.Item, key: str) -> AssetGrid:
    """Read what the item says about the pixel grid of an asset (asset over item; null says nothing).

    A shape or transform of the item is used only where the asset itself states neither, since an item-level grid
    holds for the main asset and half a grid of each would be a wrong one.
    """
    return _grid(_Stated(*_stated(item, key)))


def encoding_and_grid(item: pystac.Item, key: str, *, band: int = 1) -> tuple[Encoding, AssetGrid]:
    """Return `asset_encoding` and `asset_grid`, worked out once for all assets that state the same.

    The scenes of a collection mostly do, word for word; a load of many asks for each of their files.
    """
    stated = _stated(item, key)
    try:
        # As bytes, since 1, 1.0 and true are equal and mean different things here.
        known = pickle.dumps(stated), band
    except (pickle.PicklingError, TypeError, AttributeError):  # no value of JSON: the item was made by hand
        return _encoding(_Stated(*stated), band), _grid(_Stated(*stated))
    found = _worked_out.get(known)
    if found is None:
        if len(_worked_out) >= _MOST:
            _worked_out.clear()
        found = _worked_out[known] = _encoding(_Stated(*stated), band), _grid(_Stated(*stated))
    return found


_MOST = 512
"""Answers that are kept."""
_worked_out: dict[tuple[bytes, int], tuple[Encoding, AssetGrid]] = {}
_OF_ASSET = (
    "data_type", "raster:data_type", "scale", "raster:scale", "offset", "raster:offset", "nodata", "raster:nodata",
    "unit", "raster:unit", "bands", "raster:bands",
    "proj:transform", "proj:shape", "proj:code", "proj:epsg", "proj:wkt2",
)  # fmt: skip
# An item-level scale or unit is for the main asset; only fields of the raster kind may stand for all assets.
_OF_ITEM = (*(name for name in _OF_ASSET if ":" in name and name != "raster:bands"), "data_type", "nodata")


def _stated(item: pystac.Item, key: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    asset, properties = item.assets[key].extra_fields, item.properties
    return tuple(map(asset.get, _OF_ASSET)), tuple(map(properties.get, _OF_ITEM))


class _Stated:
    """All that encoding and grid of an asset are read from: nothing else is within reach."""

    __slots__ = ("asset", "item")

    def __init__(self, asset: tuple[Any, ...], item: tuple[Any, ...]) -> None:
        self.asset = dict(zip(_OF_ASSET, asset, strict=True))
        self.item = dict(zip(_OF_ITEM, item, strict=True))


def _encoding(stated: _Stated, band: int) -> Encoding:
    sources: list[Mapping[str, Any]] = [stated.asset]
    for name in ("bands", "raster:bands"):
        entries = stated.asset[name]
        if isinstance(entries, list) and entries:
            entry = entries[band - 1 if len(entries) >= band else 0]
            sources += [entry] if isinstance(entry, Mapping) else []
    sources.append(stated.item)
    unit = _first(sources, "unit", "raster:unit")
    dtype = _first(sources, "data_type", "raster:data_type")
    return Encoding(
        dtype=dtype if isinstance(dtype, str) else None,
        scale=_number(_first(sources, "raster:scale", "scale")),
        offset=_number(_first(sources, "raster:offset", "offset")),
        nodata=_number(_first(sources, "nodata", "raster:nodata")),
        unit=("1" if unit == "-" else unit) if isinstance(unit, str) else None,
    )


def _grid(stated: _Stated) -> AssetGrid:
    asset, item = stated.asset, stated.item
    own = asset["proj:transform"] is not None or asset["proj:shape"] is not None
    grid = asset if own else item
    return AssetGrid(
        crs=crs_code(asset) or crs_code(item),
        transform=transform_of(grid["proj:transform"]),
        shape=_shape(grid["proj:shape"]),
    )


def _first(sources: list[Mapping[str, Any]], *names: str) -> Any:
    for source in sources:
        for name in names:
            if source.get(name) is not None:
                return source[name]
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    # STAC writes these three as text, JSON having no such numbers.
    return {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}.get(str(value).strip().lower())


def crs_code(fields: Mapping[str, Any]) -> str | None:
    """Return the coordinate system that fields of the projection extension name, or None."""
    if isinstance(code := fields.get("proj:code"), str) and code:
        return code
    if isinstance(epsg := fields.get("proj:epsg"), int) and not isinstance(epsg, bool):
        return f"EPSG:{epsg}"
    return wkt if isinstance(wkt := fields.get("proj:wkt2"), str) and wkt else None


def transform_of(value: Any) -> tuple[float, float, float, float, float, float] | None:
    """Return six numbers of a transform of six or nine, or None."""
    if not isinstance(value, list | tuple) or len(value) not in (6, 9):
        return None
    a, b, c, d, e, f = map(float, value[:6])
    return a, b, c, d, e, f


def _shape(value: Any) -> tuple[int, int] | None:
    return (int(value[0]), int(value[1])) if isinstance(value, list | tuple) and len(value) == 2 else None
