"""The Sentinel-1 part of the sample: a plain static STAC folder under names of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from terrascope_nb.sample.contents import CRS, LEFT, POLARISATIONS, TOP, Contents
from terrascope_nb.sample.geotiff import COPYRIGHT, geotiff

COLLECTION = "s1-sigma0-sample"
LINEAGE = (
    "derived from Sentinel-1 GRD, ascending, sigma0 in dB x 10000 at 20 m (WorldCereal patch 00002806639B424A); "
    "sigma0 = 10^(dB / 10); not a Terrascope product"
)
_RESOLUTION = 20
_SIZE = 32
_EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
]


def radar_files(contents: Contents) -> Iterator[tuple[str, bytes]]:
    """Yield path below the archive root and content of each file: a collection, and per scene an item and its bands."""
    times = contents.radar_times
    top = f"stac/{COLLECTION}"
    yield f"{top}/collection.json", _json(_collection(times))
    for index, time in enumerate(times):
        item_id = _item_id(time)
        yield f"{top}/{item_id}/{item_id}.json", _json(_item(item_id, time))
        for name in POLARISATIONS:
            sigma0 = linear_sigma0(contents.radar[name][index])
            tiff = geotiff(sigma0, _RESOLUTION, np.nan, lineage=LINEAGE, time=time)
            yield f"{top}/{item_id}/{item_id}_{name}.tif", tiff


def linear_sigma0(stored: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return linear backscatter of dB x 10000, NaN where the number is 0 (nothing)."""
    return np.where(stored == 0, np.nan, np.power(10.0, stored / 100_000)).astype(np.float32)


def _item_id(time: datetime) -> str:
    return f"{COLLECTION}_{time:%Y%m%dT%H%M%S}"


def _corners() -> list[list[float]]:
    right, bottom = LEFT + _RESOLUTION * _SIZE, TOP - _RESOLUTION * _SIZE
    ring = [(LEFT, bottom), (right, bottom), (right, TOP), (LEFT, TOP), (LEFT, bottom)]
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    return [[round(value, 7) for value in to_degrees.transform(x, y)] for x, y in ring]


def _bbox() -> list[float]:
    longitudes, latitudes = zip(*_corners(), strict=True)
    return [min(longitudes), min(latitudes), max(longitudes), max(latitudes)]


def _collection(times: Sequence[datetime]) -> dict[str, Any]:
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": COLLECTION,
        "title": "Sentinel-1 backscatter of the sample archive",
        "description": f"VV and VH over 640 m x 640 m of Flanders, {LINEAGE}. {COPYRIGHT[0].upper()}{COPYRIGHT[1:]}.",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [_bbox()]},
            "temporal": {"interval": [[_utc(times[0]), _utc(times[-1])]]},
        },
        "links": [
            {"rel": "item", "href": f"./{_item_id(time)}/{_item_id(time)}.json", "type": "application/geo+json"}
            for time in times
        ],
    }


def _item(item_id: str, time: datetime) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": _EXTENSIONS,
        "id": item_id,
        "collection": COLLECTION,
        "geometry": {"type": "Polygon", "coordinates": [_corners()]},
        "bbox": _bbox(),
        "properties": {
            "datetime": _utc(time),
            "constellation": "sentinel-1",
            "gsd": _RESOLUTION,
            "sat:orbit_state": "ascending",
            "proj:code": CRS,
            "proj:shape": [_SIZE, _SIZE],
            "proj:transform": [_RESOLUTION, 0, LEFT, 0, -_RESOLUTION, TOP],
            "processing:lineage": f"{LINEAGE}. {COPYRIGHT[0].upper()}{COPYRIGHT[1:]}.",
        },
        "links": [{"rel": "collection", "href": "../collection.json", "type": "application/json"}],
        "assets": {
            name: {
                "href": f"./{item_id}_{name}.tif",
                "type": "image/tiff; application=geotiff",
                "title": f"sigma0 {name}, linear",
                "roles": ["data"],
                "data_type": "float32",
                "nodata": "nan",
                "unit": "1",
                "raster:scale": 1,
                "raster:offset": 0,
                "bands": [{"name": name}],
            }
            for name in POLARISATIONS
        },
    }


def _utc(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()
