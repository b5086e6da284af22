"""Cloud, clear and valid percent and the true outline of a scene, measured on an overview of its classification.

Definitions, in percent of the pixels that hold data (class ``no_data`` left out):

* ``eo:cloud_cover``: medium and high cloud probability and thin cirrus, as CLOUDY_PIXEL_PERCENTAGE of ESA's Level-2A;
* ``eo:snow_cover``: snow;
* ``terrascope_nb:clear``: the classes of the product's mask preset ``clear``.

``terrascope_nb:valid`` is the percent of all pixels that hold data. Every number comes from a nearest-neighbour
reduction to about 160 m, so it differs by some tenths of a percent from one counted at full resolution.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.features import shapes
from shapely.geometry.base import BaseGeometry

from terrascope_nb.catalogue.archive_assets import Asset, product_of
from terrascope_nb.catalogue.archive_footprint import outline_footprint
from terrascope_nb.catalogue.item_facts import CLEAR_PROPERTY
from terrascope_nb.errors import CorruptAssetError
from terrascope_nb.products.quality import MaskRule, keep_classes
from terrascope_nb.raster.grid import Transform
from terrascope_nb.raster.header import Header

VALID_PROPERTY = "terrascope_nb:valid"
"""Property with the percent of a scene's pixels that hold data."""

_SIDE = 343
"""Most pixels to a side of what is read: every 16th of a 20 m tile, an overview such files have."""
_CLOUDS = ("cloud_medium_probability", "cloud_high_probability", "thin_cirrus")
_one_at_a_time = threading.Lock()
"""rasterio's ``shapes`` changes the warning filters of the whole process for a moment, which threads would mix up."""
_SPECK = 4.0
"""Islands and holes of fewer reduced pixels than this do not count for the outline."""
_TOLERANCE = 1.0
"""How far the outline may leave the true edge, in reduced pixels."""


@functools.lru_cache(maxsize=256)
def _rules(collection: str) -> tuple[str, Mapping[str, MaskRule], int] | None:
    """Asset key of the classification, what counts as what, and the class that means no data."""
    product = product_of(collection)
    if product is None or product.quality is None or product.quality.kind != "classes":
        return None
    band = product.find_band(product.quality.band)
    classes = {flag.name: flag.value for flag in band.classes}
    if "no_data" not in classes or not {"snow", *_CLOUDS} <= set(classes) or "clear" not in product.quality.presets:
        return None
    rules = {
        "eo:cloud_cover": keep_classes(product, _CLOUDS),
        "eo:snow_cover": keep_classes(product, ("snow",)),
        CLEAR_PROPERTY: keep_classes(product, "clear"),
    }
    return band.asset_key, rules, classes["no_data"]


def measure_scene(collection: str, assets: Mapping[str, Asset], headers: Mapping[str, Header]) -> dict[str, Any]:
    """Return what the scene classification among an item's assets tells of the whole scene.

    Parameters
    ----------
    collection : str
        The item's collection; its table says which asset is the classification and what its classes mean.
    assets : mapping
        Assets of the item, local.
    headers : mapping
        Headers by asset key.

    Returns
    -------
    dict
        Properties in percent, and ``footprint`` where the grid is known; empty when the item has no classification.
        Only ``terrascope_nb:valid`` when no pixel holds data.

    Raises
    ------
    CorruptAssetError
        The file opens but its pixels cannot be read.
    """
    found = _rules(collection)
    if found is None or found[0] not in assets or found[0] not in headers:
        return {}
    key, rules, no_data = found
    header = headers[key]
    stored = _read(unquote(urlsplit(assets[key]["href"]).path))
    valid = stored != no_data
    pixels = int(valid.sum())
    measured: dict[str, Any] = {VALID_PROPERTY: _percent(pixels, stored.size)}
    if pixels:
        measured |= {name: _percent(int(rule.apply(stored).sum()), pixels) for name, rule in rules.items()}
        if not valid.all() and header.crs and header.transform is not None:
            footprint = outline_footprint(_outline(valid, header.transform, header), header.crs)
            measured |= {"footprint": footprint} if footprint is not None else {}
    return measured


def _percent(part: int, whole: int) -> float:
    return round(100.0 * part / whole, 3)


def _read(path: str) -> NDArray[Any]:
    try:
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(path) as file:
            step = max(1, -(-max(file.height, file.width) // _SIDE))
            shape = (-(-file.height // step), -(-file.width // step))
            stored: NDArray[Any] = file.read(1, out_shape=shape, resampling=Resampling.nearest)
            return stored
    except RasterioError as error:
        raise CorruptAssetError(f"{path} is damaged: {error}.", href=path, reason=str(error)) from error


def _outline(valid: NDArray[np.bool_], transform: Transform, header: Header) -> BaseGeometry:
    """Outline of the valid pixels in map coordinates, islands and holes of a few pixels left out."""
    across, down = header.width / valid.shape[1], header.height / valid.shape[0]
    a, b, c, d, e, f = transform
    reduced = Affine(a * across, b * down, c, d * across, e * down, f)
    pixel = abs(reduced.determinant)
    with _one_at_a_time:
        # Without a mask, which rasterio would warn has no georeference of its own.
        found = [polygon for polygon, is_valid in shapes(valid.astype("uint8"), transform=reduced) if is_valid]
    polygons = [_without_specks(polygon["coordinates"], _SPECK * pixel) for polygon in found]
    least = min(_SPECK * pixel, max(polygon.area for polygon in polygons))
    outline = shapely.union_all([polygon for polygon in polygons if polygon.area >= least])
    return shapely.simplify(outline, _TOLERANCE * math.sqrt(pixel), preserve_topology=True)


def _without_specks(rings: Sequence[Any], least: float) -> shapely.Polygon:
    outer, *holes = rings
    return shapely.Polygon(outer, [hole for hole in holes if shapely.Polygon(hole).area >= least])
