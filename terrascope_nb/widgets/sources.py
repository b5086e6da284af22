"""Anything that can be drawn becomes a tile source: a cube, a georeferenced array, a file, a scene, an asset, a WMTS."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pystac
import xarray as xr

from terrascope_nb.catalogue.access import AssetRef, asset_ref, open_href
from terrascope_nb.catalogue.items import Items
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.plan import Source
from terrascope_nb.cube.selection import bands_of, product_for
from terrascope_nb.cube.tiles import cube_tiles
from terrascope_nb.cube.values import choose_coding, decode, range_for
from terrascope_nb.errors import (
    AssetUnreachableError,
    CubeError,
    UnknownBandError,
    UnknownEncodingError,
    UnknownProductError,
    UnreadableNameError,
)
from terrascope_nb.products.model import Band, Product
from terrascope_nb.products.names import Name, parse_path
from terrascope_nb.products.registry import get_product, list_products
from terrascope_nb.raster.blocks import NativeReader
from terrascope_nb.raster.cog_tiles import CogTiles
from terrascope_nb.raster.tiling import TileSource
from terrascope_nb.raster.web_tiles import WebTiles
from terrascope_nb.raster.window import own_reader, read_info

_TRUE_COLOUR = ("red", "green", "blue")
_RGB, _PALETTE = 2, 3
"""Photometric interpretations of a TIFF."""
_TEMPLATE = re.compile(r"\{-?(z|x|y|tilematrix|tilecol|tilerow)\}", re.IGNORECASE)


def tile_source(what: Any, *, bands: Any = None, name: str | None = None) -> TileSource:
    """Return the source of map tiles of anything that can be drawn.

    Parameters
    ----------
    what : tile source, xarray.DataArray, xarray.Dataset, path, URL, pystac.Item, Items, pystac.Asset, (item, asset)
        A variable of a cube, an index or a mask made of it, a Dataset with three bands; any georeferenced array; a path,
        ``file://`` or https address of a GeoTIFF; a scene or several; an asset; the address of map tiles with ``{z}``,
        ``{x}`` and ``{y}``.
    bands : optional
        Variables, assets or (in a file) numbers of bands: one, or three for red, green and blue.
    name : str, optional
        What a person calls it.

    Returns
    -------
    TileSource

    Raises
    ------
    CubeError
        It cannot be drawn.
    UnknownBandError, GridError, MemoryBudgetError
        As `cube_tiles`.
    AccessError
        A file could not be opened; the error names it, and item and asset where there are any. Local paths of an item
        are opened below the archive roots only; a path that you give is yours.
    """
    if isinstance(what, (xr.DataArray, xr.Dataset)):
        return cube_tiles(what, bands=bands, name=name)
    if isinstance(what, (str, os.PathLike)):
        return _of_path(os.fspath(what), bands, name)
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


# -- scenes ----------------------------------------------------------------------------------------------------------


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
    href = open_href(ref)
    try:
        return _of_file(href, bands, label, _item_times(item))
    except AssetUnreachableError as error:
        raise AssetUnreachableError(
            f"{item.id}, asset {key}: {error.message}", **{**error.facts, "item": item.id, "asset": key}
        ) from error


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


# -- files -----------------------------------------------------------------------------------------------------------


def _of_path(text: str, bands: Any, name: str | None) -> TileSource:
    scheme = urlsplit(text).scheme.lower()
    if scheme in ("http", "https"):
        if _TEMPLATE.search(text):
            return WebTiles(text, name=name)
        return _of_file(text, bands, name)
    if scheme == "file":
        parts = urlsplit(text)
        if parts.netloc.lower() not in ("", "localhost"):
            raise AssetUnreachableError(f"{text} lies on another machine ({parts.netloc}).", href=text)
        text = unquote(parts.path)
    elif len(scheme) > 1 and "://" in text:
        raise CubeError(f"{text}: {scheme}:// is not read; give a path, file:// or https://.")
    return _of_file(str(Path(text).expanduser().absolute()), bands, name)


def _of_file(href: str, bands: Any, name: str | None, times: tuple[np.datetime64, ...] = ()) -> TileSource:
    """Return the tiles of a file: by the product's table where its name says of which product it is."""
    named = _name_of(href)
    reader = own_reader(href)
    header = reader.header if isinstance(reader, NativeReader) else None
    numbers = _numbers(href, bands, header)
    if not times and named is not None and named.datetime is not None and named.precision == "second":
        times = (np.datetime64(named.datetime.replace(tzinfo=None), "ns"),)
    known = _band_of(named) if named is not None and len(numbers) == 1 else None
    if known is not None:
        product, band = known
        return _known_file(href, numbers[0], product, band, name, times)
    if len(numbers) == 1 and header is not None and header.photometric == _PALETTE:
        return CogTiles(href, bands=numbers, name=name, kind="classes", attrs=_colour_table(href), times=times)
    attrs = {"stored_type": read_info(href, band=numbers[0]).dtype} if len(numbers) == 3 else {}
    return CogTiles(href, bands=numbers, name=name, attrs=attrs, times=times)


def _numbers(href: str, bands: Any, header: Any) -> tuple[int, ...]:
    if bands is None:
        is_colour = header is not None and header.count >= 3 and header.photometric == _RGB
        return (1, 2, 3) if is_colour else (1,)
    asked: list[Any] = [bands] if isinstance(bands, (int, str)) else list(bands)
    if len(asked) not in (1, 3) or not all(isinstance(one, int) and not isinstance(one, bool) for one in asked):
        raise CubeError(f"bands={bands!r}: of a file give the number of one band, or of three, counted from 1.")
    count = None if header is None else header.count
    for one in asked:
        if one < 1 or (count is not None and one > count):
            raise UnknownBandError(f"{href} has {count or 'no such'} bands; there is no band {one}.", band=one)
    return tuple(asked)


def _name_of(href: str) -> Name | None:
    try:
        return parse_path(unquote(urlsplit(href).path) if "://" in href else href)
    except UnreadableNameError:
        return None


def _band_of(named: Name) -> tuple[Product | None, Band] | None:
    """Return the band that a file's name says, with its product where the name tells that too."""
    if not named.is_raster or not named.band:
        return None
    if named.product_id:
        product = get_product(named.product_id)
        try:
            return product, product.find_band(named.band)
        except UnknownBandError:
            return None
    # The name of a classification says no product; those that have one of that name share its classes.
    alike = [band for product in list_products() for band in product.bands if band.name == named.band and band.classes]
    same = bool(alike) and all(band.classes == alike[0].classes for band in alike)
    return (None, alike[0]) if same else None


def _known_file(
    href: str, number: int, product: Product | None, band: Band, name: str | None, times: tuple[np.datetime64, ...]
) -> TileSource:
    info = read_info(href, band=number)
    attrs: dict[str, Any] = {"long_name": band.title.get("en", band.name), "band": band.name}
    attribution = ""
    if product is not None:
        attrs["product"] = product.id
        attribution = product.attribution
        if times:
            attribution = attribution.replace("{year}", np.datetime_as_string(times[0], unit="Y"))
    said = {"common_name": band.common_name, "standard_name": band.standard_name}
    attrs.update({key: value for key, value in said.items() if value})
    make = functools.partial(CogTiles, href, bands=(number,), layer_names=(band.name,), name=name, attribution=attribution,
                             times=times)  # fmt: skip
    if band.kind != "measurement":
        if band.classes:
            attrs["flag_values"] = np.array([one.value for one in band.classes])
            attrs["flag_meanings"] = " ".join(one.name for one in band.classes)
            if all(one.color for one in band.classes):
                attrs["flag_colors"] = " ".join(str(one.color) for one in band.classes)
        return make(kind="classes" if band.classes else "measurement", attrs=attrs)
    silent = Source(AssetRef(Path(href).name, band.name, (href,)), None, None, None, None)
    try:
        coding = choose_coding(silent, info, band, foreign=False)
    except UnknownEncodingError:
        return make(units="stored number", attrs={**attrs, "units": "stored number"})
    attrs["units"] = band.unit or "unknown"
    return make(
        decode=functools.partial(decode, coding=coding, valid_range=range_for(coding, band)),
        units=attrs["units"],
        attrs=attrs,
    )


def _colour_table(href: str) -> dict[str, Any]:
    """Return the classes that a file's own colour table gives: those with a colour that shows."""
    import rasterio  # only for files with a colour table

    with rasterio.open(href, driver="GTiff") as dataset:
        table = dataset.colormap(1)
        nodata = dataset.nodata
    shown = {value: rgba for value, rgba in table.items() if value != nodata and (any(rgba[:3]) and rgba[3])}
    return {
        "flag_values": np.array(list(shown)),
        "flag_meanings": " ".join(f"class_{value}" for value in shown),
        "flag_colors": " ".join("#{:02x}{:02x}{:02x}".format(*rgba[:3]) for rgba in shown.values()),
    }
