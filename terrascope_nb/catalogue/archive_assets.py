"""One file of the archive becomes one STAC asset: what the file says, and what the product table states besides."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from terrascope_nb.catalogue.archive_footprint import is_metric
from terrascope_nb.errors import UnknownBandError
from terrascope_nb.products.model import Band, Product
from terrascope_nb.products.names import Name
from terrascope_nb.products.registry import list_products, product_of_collection
from terrascope_nb.raster.header import Header

Asset = dict[str, Any]

_MEDIA_TYPES = {
    "tif": "image/tiff; application=geotiff",
    "tiff": "image/tiff; application=geotiff",
    "jp2": "image/jp2",
    "png": "image/png",
    "xml": "application/xml",
    "json": "application/json",
    "nc": "application/x-netcdf",
    "hdf5": "application/x-hdf5",
    "zip": "application/zip",
}
_MASKS = frozenset({"CLOUDMASK", "SHADOWMASK"})
"""Masks that no product table lists: those of V101, V102 (FAQ of 2018) and of V220 (STAC item of a 2026 scene)."""


@functools.lru_cache(maxsize=1024)
def product_of(collection: str) -> Product | None:
    """Return the product of a collection, or None."""
    return product_of_collection(collection)


@functools.lru_cache(maxsize=4096)
def collection_in(folder: str) -> str | None:
    """Return the collection whose table names a folder of the archive that this one lies in; None when none does."""
    where = f"/{folder.strip('/')}/"
    found = [
        (len(root), variant.collection)
        for product in list_products()
        for variant in product.variants
        for root in variant.local_roots
        if f"/{root.strip('/')}/" in where
    ]
    return max(found)[1] if found else None


@functools.lru_cache(maxsize=4096)
def _bands(collection: str, *words: str | None) -> tuple[Band, ...]:
    product = product_of(collection)
    if product is None:
        return ()
    for word in filter(None, words):
        sharing = [band for band in product.bands if word in band.file_content]
        if sharing:
            return tuple(sorted(sharing, key=lambda band: band.index))
        try:
            return (product.find_band(word),)
        except UnknownBandError:
            continue
    return ()


def bands_of(collection: str, name: Name) -> tuple[Band, ...]:
    """Return the bands of the product table a raster holds, in the order of the file; empty when it lists none."""
    return _bands(collection, name.file_content, name.content or name.product) if name.is_raster else ()


def key_of(collection: str, name: Name) -> str:
    """Return the key an asset has in today's catalogue: ``B04``, ``SCL``, ``QUICKLOOK``, ``metadata``."""
    if name.is_quicklook:
        return "QUICKLOOK"
    if name.is_raster:
        keys = {band.asset_key for band in bands_of(collection, name)}
        return keys.pop() if len(keys) == 1 else name.band or name.content or name.product or "data"
    return "metadata" if name.extension.lower() == "xml" else name.extension.upper() or "data"


def is_native(collection: str, name: Name) -> bool:
    """Return False for a copy of a band at a resolution its product does not have (SCL of V101 at 10 m)."""
    bands = bands_of(collection, name)
    return not bands or name.resolution in (None, *bands[0].resolutions)


def asset_of(collection: str, name: Name, path: str, size: int, header: Header | None) -> Asset:
    """Return the asset of one file.

    Parameters
    ----------
    collection : str
        The item's collection; its table fills in what the file leaves open.
    name : Name
    path : str
        Absolute path.
    size : int
        Bytes.
    header : Header, optional
        None where the file is no TIFF or its header cannot be read.

    Returns
    -------
    dict
        Fields that nobody states are absent. The table is not asked about a file whose dtype is not the table's.
    """
    asset: Asset = {"href": "file://" + quote(path), "roles": _roles(collection, name), "file:size": size}
    media_type = _MEDIA_TYPES.get(name.extension.lower())
    if media_type:
        asset["type"] = media_type
    if header is not None:
        asset |= _grid(header, with_gsd=name.is_raster)
    if name.is_raster:
        bands = bands_of(collection, name)
        asset |= _encoding(header, bands)
        if bands and (header is None or header.count == len(bands)):
            asset["bands"] = [_band_entry(band) for band in bands]
    elif header is not None:
        asset["data_type"] = header.dtype
        if header.nodata is not None:
            asset["nodata"] = header.nodata
    return asset


def _roles(collection: str, name: Name) -> list[str]:
    if name.is_quicklook:
        return ["thumbnail"]
    if not name.is_raster:
        return ["metadata"]
    product = product_of(collection)
    quality = product.quality.band if product is not None and product.quality is not None else None
    is_mask = name.content in _MASKS or quality in {band.name for band in bands_of(collection, name)}
    return ["data-mask"] if is_mask else ["data"]


def _grid(header: Header, *, with_gsd: bool) -> Asset:
    fields: Asset = {"proj:shape": [header.height, header.width]}
    if header.crs:
        fields["proj:code"] = header.crs
    if header.transform is not None:
        fields["proj:transform"] = [*header.transform, 0.0, 0.0, 1.0]
        if with_gsd and header.crs and is_metric(header.crs):
            fields["gsd"] = math.hypot(header.transform[0], header.transform[3])
    return fields


def _encoding(header: Header | None, bands: Sequence[Band]) -> Asset:
    """Type, nodata, scale, offset and unit: the file's own words first, each absent where nobody states it."""
    dtype = header.dtype if header is not None else _common(bands, "dtype")
    table = [band for band in bands if header is None or band.dtype in (None, header.dtype)]
    found = {
        "data_type": dtype,
        "nodata": _common(table, "nodata"),
        "raster:scale": _common(table, "scale"),
        "raster:offset": _common(table, "offset"),
        "unit": _common(table, "unit"),
    }
    if header is not None and header.nodata is not None:
        found["nodata"] = header.nodata
    if header is not None and (header.scale is not None or header.offset is not None):
        # GDAL: a file that names one of the two means 1 or 0 for the other.
        found["raster:scale"] = 1.0 if header.scale is None else header.scale
        found["raster:offset"] = 0.0 if header.offset is None else header.offset
    return {key: value for key, value in found.items() if value is not None}


def _common(bands: Sequence[Band], field: str) -> Any:
    """Return what all bands of a file state alike, else None."""
    values = {getattr(band, field) for band in bands}
    return values.pop() if len(values) == 1 else None


def _band_entry(band: Band) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": band.name}
    if band.common_name:
        entry["eo:common_name"] = band.common_name
    if band.center_wavelength_um is not None:
        entry["eo:center_wavelength"] = band.center_wavelength_um
    return entry
