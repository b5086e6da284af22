"""Tile sources of files, local or behind HTTP, and of servers of map tiles."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from terrascope_nb.errors import (
    AssetUnreachableError,
    CubeError,
    UnknownBandError,
    UnknownEncodingError,
    UnreadableNameError,
)
from terrascope_nb.products.model import Band, Product
from terrascope_nb.products.names import Name, parse_path
from terrascope_nb.products.registry import get_product, list_products
from terrascope_nb.raster.blocks import NativeReader
from terrascope_nb.raster.cog_tiles import CogTiles, Owner
from terrascope_nb.raster.header import Header
from terrascope_nb.raster.tiling import TileSource
from terrascope_nb.raster.web_tiles import WebTiles
from terrascope_nb.raster.window import own_reader, read_info

_RGB, _PALETTE = 2, 3
"""Photometric interpretations of a TIFF."""
_SHAPES = frozenset({".geojson", ".json", ".gpkg", ".shp", ".kml", ".kmz", ".gpx", ".parquet", ".geoparquet", ".wkt"})
"""How names of files end that hold shapes."""
_TEMPLATE = re.compile(r"\{-?(z|x|y|tilematrix|tilecol|tilerow)\}", re.IGNORECASE)


def path_source(text: str, bands: Any, name: str | None) -> TileSource:
    """Return the tile source of a path, a ``file://`` or https address, or an address of map tiles."""
    if not text.strip():
        raise CubeError(
            "an empty text is asked for; give the path or address of a GeoTIFF, such as m.add('scene.tif')."
        )
    if Path(urlsplit(text).path).suffix.lower() in _SHAPES and not _TEMPLATE.search(text):
        raise CubeError(
            f"{text} holds shapes and no pixels; read it as an area first: m.add(ts.area({text!r})) draws its outlines."
        )
    scheme = urlsplit(text).scheme.lower()
    if scheme in ("http", "https"):
        if _TEMPLATE.search(text):
            return WebTiles(text, name=name)
        return file_source(text, bands, name)
    if scheme == "file":
        parts = urlsplit(text)
        if parts.netloc.lower() not in ("", "localhost"):
            raise AssetUnreachableError(f"{text} lies on another machine ({parts.netloc}).", href=text)
        text = unquote(parts.path)
    elif len(scheme) > 1 and "://" in text:
        raise CubeError(f"{text}: {scheme}:// is not read; give a path, file:// or https://.")
    return file_source(str(Path(text).expanduser().absolute()), bands, name)


def file_source(
    href: str, bands: Any, name: str | None, times: tuple[np.datetime64, ...] = (), of: Owner | None = None
) -> TileSource:
    """Return the tiles of a file: by the product's table where its name says of which product it is."""
    named = _name_of(href)
    header = _header_of(href)
    numbers = _numbers(href, bands, header)
    if not times and named is not None and named.datetime is not None and named.precision == "second":
        times = (np.datetime64(named.datetime.replace(tzinfo=None), "ns"),)
    known = _band_of(named) if named is not None and len(numbers) == 1 else None
    if known is not None:
        product, band = known
        return _known_file(href, numbers[0], product, band, name, times, of)
    if len(numbers) == 1 and header is not None and header.photometric == _PALETTE:
        return CogTiles(href, bands=numbers, name=name, kind="classes", attrs=_colour_table(href), times=times, of=of)
    attrs = {"stored_type": read_info(href, band=numbers[0]).dtype} if len(numbers) == 3 else {}
    return CogTiles(href, bands=numbers, name=name, attrs=attrs, times=times, of=of)


def _header_of(href: str) -> Header | None:
    """Return the header of a GeoTIFF that our own reader understands."""
    reader = own_reader(href)
    if reader is None or isinstance(reader, NativeReader):
        return None if reader is None else reader.header
    from terrascope_nb.raster.remote_file import known_file  # HTTP libraries, which are loaded by now

    return known_file(href).header


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
    href: str,
    number: int,
    product: Product | None,
    band: Band,
    name: str | None,
    times: tuple[np.datetime64, ...],
    of: Owner | None,
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
                             times=times, of=of)  # fmt: skip
    if band.kind != "measurement":
        if band.classes:
            attrs["flag_values"] = np.array([one.value for one in band.classes])
            attrs["flag_meanings"] = " ".join(one.name for one in band.classes)
            if all(one.color for one in band.classes):
                attrs["flag_colors"] = " ".join(str(one.color) for one in band.classes)
        return make(kind="classes" if band.classes else "measurement", attrs=attrs)
    from terrascope_nb.catalogue.access import AssetRef  # the rest of the catalogue comes along: only for files we know
    from terrascope_nb.cube.plan import Source
    from terrascope_nb.cube.values import choose_coding, decode, range_for

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
    from terrascope_nb.raster.gdal import opened  # only for files with a colour table

    with opened(href, None) as dataset:
        table = dataset.colormap(1)
        nodata = dataset.nodata
    shown = {value: rgba for value, rgba in table.items() if value != nodata and (any(rgba[:3]) and rgba[3])}
    return {
        "flag_values": np.array(list(shown)),
        "flag_meanings": " ".join(f"class_{value}" for value in shown),
        "flag_colors": " ".join("#{:02x}{:02x}{:02x}".format(*rgba[:3]) for rgba in shown.values()),
    }
