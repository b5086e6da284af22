"""The archive as the jobs see it: its sizes, its places, and the STAC items of its scenes.

Apart from `archive`, which writes it: a tool that is timed pays for its own imports, and not for the writer's.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NODATA = 32767
"""Stored number that means nothing, of reflectance."""
LEFT, TOP = 600000.0, 5700000.0
"""Upper left corner of tile 31UFS in EPSG:32631."""
OVERLAP = 978
"""Pixels that the tile in the west (31UES) shares with it."""
BANDS = ("B02", "B03", "B04", "B08")
COMMON = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir"}
S2, S1 = "terrascope-s2-toc-v2", "terrascope-s1-grd-sigma0-v1"


@dataclass(frozen=True)
class Size:
    """How large an archive is."""

    name: str
    side: int
    """Pixels of a Sentinel-2 tile's side (10 m)."""
    dates: int
    """Sentinel-2 dates that are made, of 31UFS."""
    west_dates: int
    """Dates of 31UES."""
    radar: tuple[int, int]
    """Rows and columns of a Sentinel-1 scene."""
    radar_dates: int
    """Sentinel-1 dates that are made."""
    look: int
    """Overview (1 = half as fine) that a quick look takes: pixels of 80 or 160 m."""


SMALL = Size("small", 3660, 8, 2, (3000, 4000), 2, 3)
FULL = Size("full", 10980, 12, 2, (17000, 25000), 2, 4)


def read_items(root: Path) -> list[dict[str, Any]]:
    """Return all items; hrefs begin with ``{root}``."""
    return list(json.loads((root / "items.json").read_text()))


def corner(size: Size, tile: str) -> tuple[float, float]:
    """Return the upper left corner of a tile."""
    return (LEFT if tile == "31UFS" else LEFT - 10 * (size.side - OVERLAP)), TOP


def tile_item(size: Size, tile: str, when: dt.datetime, hrefs: dict[str, str]) -> dict[str, Any]:
    """Return the STAC item of a Sentinel-2 scene, worded as the platform's."""
    left, top = corner(size, tile)
    assets = {}
    for key, href in hrefs.items():
        pixel, side = (20, size.side // 2) if key == "SCL" else (10, size.side)
        fields: dict[str, Any] = {"data_type": "uint8", "raster:scale": 1.0, "raster:offset": 0.0}
        if key != "SCL":
            fields = {"data_type": "int16", "nodata": NODATA, "raster:scale": 0.0001, "raster:offset": 0.0}
            fields["eo:bands"] = [{"name": key, "common_name": COMMON[key]}]
        fields["raster:bands"] = [{k.removeprefix("raster:"): v for k, v in fields.items() if k != "eo:bands"}]
        grid = {"proj:shape": [side, side], "proj:transform": [pixel, 0, left, 0, -pixel, top, 0, 0, 1]}
        assets[key] = asset_of(key, href, {**fields, **grid, "gsd": pixel})
    more = {"platform": "sentinel-2a", "grid:code": f"MGRS-{tile}", "sat:relative_orbit": 8}
    name = f"S2A_{when:%Y%m%dT%H%M%S}_{tile}_TOC_V210"
    return item_of(name, S2, when, (left, top - 10 * size.side, left + 10 * size.side, top), more, assets)


def asset_of(key: str, href: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return an asset with its fields."""
    kind = "image/tiff; application=geotiff; profile=cloud-optimized"
    return {"href": href, "type": kind, "title": key, "roles": ["data-mask" if key == "SCL" else "data"], **fields}


_EXTENSIONS = [
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in ("projection/v1.1.0", "raster/v1.1.0", "eo/v1.1.0")
]


def item_of(
    name: str, collection: str, when: dt.datetime, bounds: tuple[float, float, float, float], more: dict[str, Any],
    assets: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Return a STAC item; bounds in EPSG:32631."""
    import pyproj  # only who makes items: those of an archive are read

    left, bottom, right, top = bounds
    to_degrees = pyproj.Transformer.from_crs(32631, 4326, always_xy=True)
    xs, ys = to_degrees.transform((left, right, right, left, left), (top, top, bottom, bottom, top))
    properties = {
        "datetime": f"{when:%Y-%m-%dT%H:%M:%SZ}", "created": f"{when:%Y-%m-%dT%H:%M:%SZ}",
        "proj:epsg": 32631, "proj:code": "EPSG:32631", **more,
    }  # fmt: skip
    ring = [[float(x), float(y)] for x, y in zip(xs, ys, strict=True)]
    return {
        "type": "Feature", "stac_version": "1.0.0", "stac_extensions": _EXTENSIONS, "id": name, "collection": collection,
        "bbox": [min(xs), min(ys), max(xs), max(ys)], "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": properties, "links": [], "assets": assets,
    }  # fmt: skip
