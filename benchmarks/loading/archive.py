"""Write the archive that all tools read: Sentinel-2 TOC and Sentinel-1 sigma0, laid out and named as Terrascope's.

What is not published is assumed: 512-pixel blocks, DEFLATE, predictor 2 for whole numbers and none for floats, overviews
by averages. A few dates are made; many are hard links to them under other dates, so the page cache stays warm.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rasterio
import rasterio.shutil
import synthetic
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from scenes import BANDS, LEFT, NODATA, S1, TOP, Size, asset_of, corner, item_of, tile_item

MANY = 60
"""Dates of 31UFS, by hard links."""
RADAR_MANY = 10
"""Dates of Sentinel-1, by hard links."""


def build(root: Path, size: Size) -> None:
    """Write the archive unless it is there already; a file ``done.json`` says that it is whole."""
    done = root / "done.json"
    if done.is_file() and json.loads(done.read_text()) == json.loads(json.dumps(asdict(size))):
        return
    root.mkdir(parents=True, exist_ok=True)
    jobs = [(root, size, "31UFS", date) for date in range(size.dates)]
    jobs += [(root, size, "31UES", date) for date in range(size.west_dates)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_make_tile, *zip(*jobs, strict=True)))
        list(pool.map(_make_radar, [root] * size.radar_dates, [size] * size.radar_dates, range(size.radar_dates)))
    items = [_linked_tile(root, size, "31UFS", n) for n in range(MANY)]
    items += [_linked_tile(root, size, "31UES", n) for n in range(12)]
    items += [_linked_radar(root, size, n) for n in range(RADAR_MANY)]
    (root / "items.json").write_text(json.dumps(items))
    done.write_text(json.dumps(asdict(size)))


def _made(root: Path, tile: str, date: int, key: str) -> Path:
    return root / "made" / f"{tile}-{date}-{key}.tif"


def _make_tile(root: Path, size: Size, tile: str, date: int) -> None:
    left, top = corner(size, tile)
    bounds = (LEFT, TOP - 10 * size.side, LEFT + 10 * size.side, TOP)
    edge = LEFT + 8.5 * size.side if date % 12 == 7 and tile == "31UFS" else None
    threshold = synthetic.cloud_threshold(date, bounds)
    classes = synthetic.scene_classes(left, top, size.side // 2, date, threshold, edge)
    write_cog(_made(root, tile, date, "SCL"), classes, left, top, 20, None, "NEAREST", "NO")
    for band in BANDS if tile == "31UFS" else ("B04", "B08"):
        stored = synthetic.reflectance(band, left, top, date, classes, ord(tile[3]))
        write_cog(_made(root, tile, date, band), stored, left, top, 10, NODATA, "AVERAGE", "YES", scale=0.0001)


def _make_radar(root: Path, size: Size, date: int) -> None:
    left, top = _radar_corner(size, date)
    for polarisation, weak in (("VV", 1.0), ("VH", 0.2)):
        sigma0 = synthetic.backscatter(left, top, size.radar, date, weak)
        write_cog(_made(root, "S1", date, polarisation), sigma0, left, top, 10, float("nan"), "AVERAGE", "NO")


def _radar_corner(size: Size, date: int) -> tuple[float, float]:
    """Scenes of one orbit lie within a kilometre of each other, on one grid of 10 m."""
    rows, cols = size.radar
    return LEFT - 10.0 * (cols // 4) + 70 * date, TOP + 10.0 * (rows // 8) - 130 * date


def write_cog(
    path: Path, values: NDArray[Any], left: float, top: float, pixel: float, nodata: float | None, how: str,
    predictor: str, scale: float | None = None,
) -> None:  # fmt: skip
    """Write one band as a cloud-optimised GeoTIFF."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".half")
    profile = {
        "driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1, "dtype": values.dtype,
        "crs": "EPSG:32631", "transform": rasterio.Affine(pixel, 0, left, 0, -pixel, top), "nodata": nodata,
    }  # fmt: skip
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(values, 1)
            if scale:
                file.scales = (scale,)
        with memory.open() as file:
            rasterio.shutil.copy(
                file, half, driver="COG", COMPRESS="DEFLATE", PREDICTOR=predictor, BLOCKSIZE="512",
                OVERVIEW_RESAMPLING=how, BIGTIFF="IF_SAFER",
            )  # fmt: skip
    half.replace(path)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        target.hardlink_to(source)


def _linked_tile(root: Path, size: Size, tile: str, number: int) -> dict[str, Any]:
    made = size.dates if tile == "31UFS" else size.west_dates
    when = dt.datetime(2023, 1, 10, 10, 46, 19, tzinfo=dt.UTC) + dt.timedelta(days=5 * number)
    stem = f"S2A_{when:%Y%m%dT%H%M%S}_{tile}"
    folder = f"TERRASCOPE_Sentinel2/TOC_V2/{when:%Y/%m/%d}/{stem}_TOC_V210"
    keys = (*(BANDS if tile == "31UFS" else ("B04", "B08")), "SCL")
    names = {k: f"{stem}_{'SCENECLASSIFICATION_20M' if k == 'SCL' else f'TOC-{k}_10M'}_V210.tif" for k in keys}
    for key, name in names.items():
        _link(_made(root, tile, number % made, key), root / folder / name)
    return tile_item(size, tile, when, {key: f"{{root}}/{folder}/{name}" for key, name in names.items()})


def _linked_radar(root: Path, size: Size, number: int) -> dict[str, Any]:
    date = number % size.radar_dates
    when = dt.datetime(2023, 5, 2, 17, 32, 49, tzinfo=dt.UTC) + dt.timedelta(days=6 * number)
    stem = f"S1A_IW_GRDH_SIGMA0_DV_{when:%Y%m%dT%H%M%S}_ASCENDING_161_{number:04X}_V110"
    folder = f"CGS_S1/CGS_S1_GRD_SIGMA0_L1/{when:%Y/%m/%d}/{stem}"
    left, top = _radar_corner(size, date)
    rows, cols = size.radar
    grid = {"proj:shape": [rows, cols], "proj:transform": [10, 0, left, 0, -10, top, 0, 0, 1]}
    said = {"data_type": "float32", "nodata": "nan"}
    assets = {}
    for key in ("VV", "VH"):
        _link(_made(root, "S1", date, key), root / folder / f"{stem}_{key}.tif")
        fields = {**said, **grid, "gsd": 10, "raster:bands": [said]}
        assets[key] = asset_of(key, f"{{root}}/{folder}/{stem}_{key}.tif", fields)
    more = {"platform": "sentinel-1a", "sat:relative_orbit": 161, "sat:orbit_state": "ascending"}
    return item_of(stem, S1, when, (left, top - 10 * rows, left + 10 * cols, top), more, assets)
