"""From items and band names to the files a cube is made of."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pystac

from terrascope_nb.catalogue.access import asset_ref, trusted_roots
from terrascope_nb.catalogue.asset_facts import asset_encoding, encoding_and_grid
from terrascope_nb.catalogue.item_facts import find_asset
from terrascope_nb.catalogue.real_paths import TrustedRoots
from terrascope_nb.cube.plan import Scene, Source
from terrascope_nb.errors import (
    NothingFoundError,
    NotLoadableError,
    TerrascopeWarning,
    UnknownBandError,
    UnknownProductError,
    near_misses,
)
from terrascope_nb.products.model import Band, Product
from terrascope_nb.products.registry import find_variant, product_of_collection
from terrascope_nb.raster.grid import PixelGrid, Transform

_IMAGE_TYPES = (
    "image/tiff",
    "image/vnd.stac.geotiff",
    "application/x-netcdf",
    "application/netcdf",
    "application/x-hdf",
)
_NOT_DATA = {"thumbnail", "overview", "metadata"}


def list_items(items: Any) -> tuple[list[pystac.Item], tuple[Path, ...]]:
    """Return the items of whatever was given, and the folders their local paths may lie in.

    Raises
    ------
    NothingFoundError
        There is none.
    TypeError
        Something in it is no `pystac.Item`.
    """
    from terrascope_nb.catalogue.items import Items  # brings shapely and PROJ, which a preview does without

    if isinstance(items, pystac.Item):
        items = [items]
    found = list(items)
    for item in found:
        if not isinstance(item, pystac.Item):
            raise TypeError(
                f"load() takes items (what search() returns, or any iterable of pystac.Item), not {type(item).__name__}."
            )
    if not found:
        said = " ".join(getattr(items, "notes", ()))
        raise NothingFoundError(
            f"There is no item to load. {said or 'Widen the period, the area or max_cloud in search().'}"
        )
    return found, tuple(items.roots) if isinstance(items, Items) else ()


def product_for(items: Sequence[pystac.Item], given: Product | None) -> Product | None:
    """Return the product all items belong to; None for a collection no table covers.

    Raises
    ------
    UnknownProductError
        The items belong to several products.
    NotLoadableError
        The product, or the collection's file format, is not a grid of pixels that can be read.
    """
    collections = sorted({item.collection_id or "" for item in items})
    products = {name: product_of_collection(name) if name else given for name in collections}
    distinct = {product.id if product else name for name, product in products.items()}
    if len(distinct) > 1:
        raise UnknownProductError(
            f"These items belong to several products ({', '.join(sorted(distinct))}). Load each product on its own, "
            "with like=first_cube to put them on one grid, and join them with xarray.merge.",
            products=sorted(distinct),
        )
    product = next(iter(products.values())) or given
    if product is not None:
        _check_loadable(product, collections)
    return product


def _check_loadable(product: Product, collections: Sequence[str]) -> None:
    if product.not_loadable:
        raise NotLoadableError(f"{product.id} cannot be loaded as a cube: {product.not_loadable}", product=product.id)
    for name in collections:
        if not name:
            continue
        try:
            variant = find_variant(name)[1]
        except UnknownProductError:
            continue
        if variant.file_format and variant.file_format.upper().startswith("HDF"):
            others = [
                v.collection
                for v in product.variants
                if v.file_format == "GeoTIFF" and v.resolution == variant.resolution and v.cadence == variant.cadence
            ]
            instead = (
                f"Search {' or '.join(others)}: the same data as GeoTIFF."
                if others
                else ("No GeoTIFF collection of it is known; open the file with h5py or SNAP.")
            )
            raise NotLoadableError(
                f"{name} holds HDF5 files, whose pixels carry no georeference that can be relied on. {instead}",
                collection=name,
                instead=others,
            )


def without_twins(
    items: list[pystac.Item], product: Product | None, *, fuse: bool
) -> tuple[list[pystac.Item], list[tuple[str, str]]]:
    """Drop older versions of a scene before they could fuse or count twice.

    With ``fuse`` False (``mosaic=None``) the user wants every item, so nothing is dropped.
    """
    if product is None or not fuse:
        return items, []
    from terrascope_nb.catalogue.versions import pick_versions  # see list_items

    kept, dropped = pick_versions(items, product, "latest")
    if dropped:
        warnings.warn(
            f"{len(dropped)} of {len(items)} items are other versions or resolutions of a scene that is there too; "
            f"the newest and finest are kept (e.g. {dropped[0].kept_id} instead of {dropped[0].item_id}). "
            "mosaic=None loads every item as its own time.",
            TerrascopeWarning,
            stacklevel=4,
        )
    return list(kept), [(gone.item_id, gone.reason) for gone in dropped]


def bands_of(product: Product | None, items: Sequence[pystac.Item], asked: Any) -> list[tuple[str, Band]]:
    """Return (variable name, band) pairs for what was asked; the product's defaults for None.

    Raises
    ------
    UnknownBandError
        Neither the table nor the items know the band.
    """
    if isinstance(asked, str):
        asked = [asked]
    known_by_items = {band.name: band for band in item_bands(items)}
    if asked is None:
        if product is not None and product.default_bands:
            return [(name, product.find_band(name)) for name in product.default_bands]
        if not known_by_items:
            raise UnknownBandError("The items name no band of data; say which assets to load with bands=[...].")
        return list(known_by_items.items())
    pairs: list[tuple[str, Band]] = []
    for name in asked:
        if name in (variable for variable, _ in pairs):
            raise UnknownBandError(f"The band {name!r} is asked for twice.", band=name)
        pairs.append((name, _band_named(product, known_by_items, name)))
    if not pairs:
        raise UnknownBandError("bands=[] asks for nothing; leave bands out for the product's usual ones.")
    return pairs


def _band_named(product: Product | None, by_items: dict[str, Band], name: str) -> Band:
    if product is not None and product.bands:
        try:
            return product.find_band(name)
        except UnknownBandError:
            # A band newer than the table: the item describes it well enough.
            if name in by_items and name not in product.missing_bands:
                return by_items[name]
            raise
    # Later entries win: the items' own keys, then common names, then what else a band is called.
    lower = {alias.lower(): band for band in by_items.values() for alias in band.aliases}
    lower |= {band.common_name.lower(): band for band in by_items.values() if band.common_name}
    lower |= {known.lower(): band for known, band in by_items.items()}
    if name.lower() in lower:
        return lower[name.lower()]
    near = near_misses(name, by_items)
    raise UnknownBandError(
        f"The items have no band {name!r}; they have {', '.join(by_items) or 'none'}."
        + (f" Did you mean {' or '.join(near)}?" if near else ""),
        band=name,
    )


def item_bands(items: Sequence[pystac.Item]) -> list[Band]:
    """Return the bands that the first item describes itself, in its order."""
    item = items[0]
    found: dict[str, Band] = {}
    for key, asset in item.assets.items():
        if _NOT_DATA & set(asset.roles or ()) or not _is_image(asset):
            continue
        described = _described(asset)
        for number, entry in enumerate(described):
            alone = len(described) == 1
            name = str(entry.get("name") or key) if not alone else key
            found.setdefault(
                name,
                Band(
                    name=name,
                    title={"en": asset.title or name},
                    asset=key,
                    aliases=tuple({str(entry["name"])} - {name}) if entry.get("name") else (),
                    common_name=entry.get("eo:common_name") or entry.get("common_name"),
                    unit=asset_encoding(item, key, band=number + 1).unit,
                    note=f"band {number + 1} of the file" if not alone else "",
                    source=f"item {item.id}",
                ),
            )
    return list(found.values())


def _is_image(asset: pystac.Asset) -> bool:
    kind = (asset.media_type or "").lower()
    return kind.startswith(_IMAGE_TYPES) or asset.href.lower().endswith((".tif", ".tiff", ".nc"))


def _described(asset: pystac.Asset) -> list[dict[str, Any]]:
    for field in ("bands", "eo:bands"):
        entries = asset.extra_fields.get(field)
        if isinstance(entries, list) and entries:
            return [entry for entry in entries if isinstance(entry, dict)] or [{}]
    return [{}]


def scene_of(item: pystac.Item, bands: Sequence[Band], quality: Band | None, roots: Iterable[str | Path]) -> Scene:
    """Return one item's sources for the bands, and for the quality band when there is a mask."""
    roots = trusted_roots(roots)
    return Scene(
        item_id=item.id,
        sources=tuple(_source(item, band, roots) for band in bands),
        quality=None if quality is None else _source(item, quality, roots),
    )


def _source(item: pystac.Item, band: Band, roots: TrustedRoots) -> Source | None:
    key = find_asset(item, band)
    if key is None:
        return None
    index = _place_in_file(item, key, band)
    encoding, said = encoding_and_grid(item, key, band=index)
    grid = None
    if said.crs and said.transform and said.shape:
        grid = _one_grid(said.crs, said.transform, said.shape)
    is_netcdf = item.assets[key].href.lower().endswith((".nc", ".nc4"))
    return Source(
        ref=asset_ref(item, key, roots=roots),
        scale=encoding.scale,
        offset=encoding.offset,
        nodata=encoding.nodata,
        grid=grid,
        dtype=encoding.dtype,
        band_index=index,
        variable=band.name if is_netcdf else None,
    )


@functools.lru_cache(maxsize=256)
def _one_grid(crs: str, transform: Transform, shape: tuple[int, int]) -> PixelGrid:
    """Return the grid; files that have the same one share it."""
    return PixelGrid(crs, transform, shape)


def _place_in_file(item: pystac.Item, key: str, band: Band) -> int:
    """Return the number of a band in its file: as the item lists them, else as the table does where bands share one."""
    asset = item.assets[key]
    entries = _described(asset)
    if len(entries) == 1 and band.index == 1:
        return 1
    names = {name.lower() for name in (band.name, band.asset_key, *band.aliases)}
    described = [str(entry.get("name", "")).lower() for entry in entries]
    for number, name in enumerate(described, start=1):
        if name in names:
            return number
    has_own_file = bool({key.lower(), (asset.title or "").lower()} & names) or len(described) > 1
    return 1 if has_own_file else band.index
