"""Tile sources of what is in memory or came from a search: cubes, arrays, scenes, assets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pystac
import xarray as xr

from terrascope_nb.catalogue.access import AssetRef, asset_ref, open_href
from terrascope_nb.catalogue.items import Items
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.selection import bands_of, product_for
from terrascope_nb.cube.tiles import cube_tiles
from terrascope_nb.errors import AccessError, CubeError, UnknownBandError, UnknownProductError
from terrascope_nb.raster.tiling import TileSource
from terrascope_nb.widgets.live_map.file_sources import file_source
from terrascope_nb.words import say

_TRUE_COLOUR = ("red", "green", "blue")


def data_source(what: Any, bands: Any, name: str | None) -> TileSource:
    """Return the tile source of anything but a path; see `sources.tile_source`."""
    if isinstance(what, (xr.DataArray, xr.Dataset)):
        _check_array(what, bands)
        return cube_tiles(what, bands=bands, name=name or _mask_name(what, bands))
    if isinstance(what, pystac.Item):
        return _of_items([what], bands, name)
    if isinstance(what, Items):
        return _of_items(what, bands, name)
    if isinstance(what, pystac.Asset):
        return _of_asset(*_owner_of(what), bands, name)
    if isinstance(what, tuple) and len(what) == 2 and isinstance(what[0], pystac.Item):
        key = what[1] if isinstance(what[1], str) else _owner_of(what[1])[1]
        return _of_asset(what[0], key, bands, name)
    if isinstance(what, (list, tuple)) and what and all(isinstance(one, pystac.Item) for one in what):
        return _of_items(what, bands, name)
    if hasattr(what, "read") and hasattr(what, "value_at") and hasattr(what, "layer_names"):
        found: TileSource = what
        return found
    raise CubeError(
        f"{type(what).__name__} cannot be drawn on a map: give a cube or a variable of it, a georeferenced array, a path or "
        "URL of a GeoTIFF, a scene, (scene, asset), or an address of map tiles with {z}, {x} and {y}."
    )


def _drawn_of(what: xr.DataArray | xr.Dataset, bands: Any) -> list[xr.DataArray]:
    """Return the arrays that are asked for, as far as their names say."""
    if isinstance(what, xr.DataArray):
        return [what]
    asked = list(what.data_vars) if bands is None else [bands] if isinstance(bands, str) else list(bands)
    found = [what[one] for one in asked if one in what.data_vars]
    return found if bands is not None or len(found) == 1 else []


def _check_array(what: xr.DataArray | xr.Dataset, bands: Any) -> None:
    """Refuse what has no colour: texts, dates, complex numbers, and arrays without a pixel."""
    for one in _drawn_of(what, bands):
        label = one.name or "this array"
        if one.dtype.kind not in "biuf":
            raise CubeError(
                f"{label} holds {one.dtype}, which has no colours; draw numbers or True and False, such as abs(…) or .real "
                "of complex numbers."
            )
        empty = [str(dim) for dim, size in one.sizes.items() if size == 0]
        if empty:
            raise CubeError(
                f"{label} has no pixels: {', '.join(empty)} has length 0. Look at what was selected before."
            )


def _mask_name(what: xr.DataArray | xr.Dataset, bands: Any) -> str | None:
    """Return a name for a comparison, which xarray calls by the name of what was compared."""
    drawn = _drawn_of(what, bands)
    if len(drawn) != 1 or drawn[0].dtype != bool:
        return None
    known = str(drawn[0].name or "")
    return None if "mask" in known.lower() else say("mask of {name}", name=known) if known else say("mask")


def _of_items(items: Iterable[pystac.Item], bands: Any, name: str | None) -> TileSource:
    found = list(items)
    given = items if isinstance(items, Items) else found
    if bands is None:
        bands = _usual_bands(found, given)
    cube = load(given, bands)
    names = [bands] if isinstance(bands, str) else list(bands)
    if len(names) not in (1, 3):
        raise CubeError(f"bands={bands!r}: one band, or three for red, green and blue.")
    label = name or (f"{found[0].id} {', '.join(names)}" if len(found) == 1 else None)
    return cube_tiles(cube, bands=names, name=label)


def _usual_bands(found: Sequence[pystac.Item], given: Any) -> list[str]:
    product = product_for(found, given.product if isinstance(given, Items) else None)
    try:
        named = bands_of(product, found, _TRUE_COLOUR)
        keys = {key.lower() for item in found for key in item.assets}
        if all(band.asset_key.lower() in keys or band.name.lower() in keys for _, band in named):
            return list(_TRUE_COLOUR)
    except UnknownBandError:
        pass
    return [bands_of(product, found, None)[0][0]]


def _of_asset(item: pystac.Item, key: str, bands: Any, name: str | None) -> TileSource:
    ref = asset_ref(item, key)
    label = name or f"{item.id} {key}"
    try:
        product = product_for([item], None)
        band = bands_of(product, [item], key)[0][1]
        is_band = key in {band.asset_key, band.name} and bands is None
    except (UnknownBandError, UnknownProductError):
        is_band = False
    if is_band:
        return cube_tiles(load([item], key), bands=key, name=label)
    try:
        return file_source(open_href(ref), bands, label, _item_times(item), of=_OfAsset(ref))
    except AccessError as error:
        raise _OfAsset(ref).told(error) from error


class _OfAsset:
    """The asset that a file is: says it in errors, and asks before each read whether its path may still be opened."""

    def __init__(self, ref: AssetRef) -> None:
        self._ref = ref

    def check(self) -> None:
        """Raise when the path is no longer below the archive roots, or gone."""
        open_href(self._ref)

    def told(self, error: AccessError) -> AccessError:
        """Return an error that names item and asset."""
        named = {"item": self._ref.item_id, "asset": self._ref.key}
        if set(named) <= set(error.facts):
            return error
        return type(error)(f"{self._ref.item_id}, asset {self._ref.key}: {error.message}", **{**error.facts, **named})


def _owner_of(asset: Any) -> tuple[pystac.Item, str]:
    owner = getattr(asset, "owner", None)
    if isinstance(owner, pystac.Item):
        for key, one in owner.assets.items():
            if one is asset:
                return owner, key
    raise CubeError("this asset does not know its item; give (item, key), as in (item, 'B04').")


def _item_times(item: pystac.Item) -> tuple[np.datetime64, ...]:
    moment = item.datetime
    return () if moment is None else (np.datetime64(moment.replace(tzinfo=None), "ns"),)
