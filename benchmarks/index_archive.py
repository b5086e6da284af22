"""How fast is an archive indexed and searched? A synthetic tree of real names, files hard-linked to small headers.

    python benchmarks/index_archive.py --scenes 100000

Each tile and product has its own headers (the grid, type and tile table of a real file, no pixels: sparse GeoTIFF), so
that footprints are true. The measured part (``quality=True``) has a classification with pixels and overviews.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.enums import Resampling
from rasterio.transform import from_origin

from terrascope_nb.catalogue.archive import ArchiveIndex, index_archive, open_index
from terrascope_nb.catalogue.sources import Request
from terrascope_nb.extent.mgrs import tile_box
from terrascope_nb.extent.period import period
from terrascope_nb.settings import options

TILES = [
    "31UDS", "31UES", "31UFS", "31UGS", "31UET", "31UFT", "31UER", "31UFR", "31UGR", "31UFQ",
    "22NCK", "36KWC", "38SKG", "29SMC", "31TCN",
]  # fmt: skip
"""Those of Belgium, and others seen in the catalogue."""
TOC = {
    "TOC-B01_60M": (60, "int16"), "TOC-B02_10M": (10, "int16"), "TOC-B03_10M": (10, "int16"),
    "TOC-B04_10M": (10, "int16"), "TOC-B05_20M": (20, "int16"), "TOC-B06_20M": (20, "int16"),
    "TOC-B07_20M": (20, "int16"), "TOC-B08_10M": (10, "int16"), "TOC-B8A_20M": (20, "int16"),
    "TOC-B11_20M": (20, "int16"), "TOC-B12_20M": (20, "int16"), "AOT_60M": (60, "uint16"), "WVP_60M": (60, "uint16"),
    "SZA_60M": (60, "int16"), "VZA_60M": (60, "int16"), "RAA_60M": (60, "int16"), "SCENECLASSIFICATION_20M": (20, "uint8"),
}  # fmt: skip
SHARES = {"NDVI": 0.7, "TOC": 0.1, "FAPAR": 0.1, "SIGMA0": 0.05, "COHERENCE": 0.05}
"""Part of the scenes; a FAPAR folder holds two scenes (10 and 20 m)."""
NODATA = {"int16": 32767, "uint16": 32767, "uint8": 255, "float32": float("nan")}


class Headers:
    """Small files to link to, one for each tile, pixel size and type."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def tif(self, tile: str, pixel: float, dtype: str, *, side: float = 109_800.0, name: str = "") -> Path:
        path = self.folder / f"{tile}-{pixel:g}-{dtype}{name}.tif"
        if not path.exists():
            epsg, (left, _, _, top) = tile_box(tile)
            size = round(side / pixel)
            block = {"tiled": True, "blockxsize": 512, "blockysize": 512} if size > 512 else {}
            profile = {"driver": "GTiff", "width": size, "height": size, "count": 1, "dtype": dtype, **block}
            transform = from_origin(left, top, side / size, side / size)
            with rasterio.open(
                path, "w", crs=f"EPSG:{epsg}", transform=transform, nodata=NODATA[dtype], compress="deflate",
                SPARSE_OK="TRUE", **profile,
            ) as file:  # fmt: skip
                file.update_tags(TIFFTAG_SOFTWARE="Biopar Workflow:3.0.0", TIFFTAG_COPYRIGHT="VITO")
        return path

    def xml(self, tile: str) -> Path:
        path = self.folder / f"{tile}.xml"
        if not path.exists():
            path.write_text("<gmd:MD_Metadata/>")
        return path

    def classification(self, tile: str) -> Path:
        """A real-sized SCL with pixels: clouds, fields and a swath edge, with overviews."""
        path = self.folder / f"{tile}-scl.tif"
        if not path.exists():
            epsg, (left, _, _, top) = tile_box(tile)
            coarse = np.random.default_rng(1).choice(
                [4, 5, 6, 8, 9, 10], size=(61, 61), p=[0.4, 0.2, 0.05, 0.1, 0.2, 0.05]
            )
            pixels = np.kron(coarse, np.ones((90, 90))).astype("uint8")
            columns, rows = np.meshgrid(np.arange(5490), np.arange(5490))
            pixels[columns > 4000 + rows / 5] = 0
            profile = {"driver": "GTiff", "width": 5490, "height": 5490, "count": 1, "dtype": "uint8", "tiled": True}
            with rasterio.open(
                path, "w", crs=f"EPSG:{epsg}", transform=from_origin(left, top, 20, 20), blockxsize=512, blockysize=512,
                compress="deflate", **profile,
            ) as file:  # fmt: skip
                file.write(pixels, 1)
            with rasterio.open(path, "r+") as file:
                file.build_overviews([2, 4, 8, 16], Resampling.nearest)
        return path


def days(first: dt.date, count: int) -> Iterator[dt.date]:
    for n in range(count):
        yield first + dt.timedelta(days=n)


def sentinel2(
    headers: Headers, content: str, tile: str, when: dt.datetime, mission: str, version: str
) -> dict[str, Path]:
    """Path below the root -> file to link to, for one product folder."""
    stem = f"{mission}_{when:%Y%m%dT%H%M%S}_{tile}"
    folder = f"TERRASCOPE_Sentinel2/{content}_V2/{when:%Y/%m/%d}/{stem}_{content}_{version}"
    scl = headers.tif(tile, 20, "uint8")
    if content == "TOC":
        found = {f"{folder}/{stem}_{name}_{version}.tif": headers.tif(tile, *kind) for name, kind in TOC.items()}
        found[f"{folder}/{stem}_TOC_QUICKLOOK_{version}.tif"] = headers.tif(tile, 160, "uint8")
        found[f"{folder}/{stem}_TOC_{version}.xml"] = headers.xml(tile)
        return found
    found = {}
    for size in (10, 20) if content == "FAPAR" else (10,):
        sub = f"{folder}/{size}M" if content == "FAPAR" else folder
        found[f"{sub}/{stem}_{content}_{size}M_{version}.tif"] = headers.tif(tile, size, "uint8", name=content)
        found[f"{sub}/{stem}_{content}_{size}M_{version}.xml"] = headers.xml(tile)
        found[f"{sub}/{stem}_{content}_QUICKLOOK_{version}.tif"] = headers.tif(tile, 160, "uint8")
        found[f"{sub}/{stem}_SCENECLASSIFICATION_20M_{version}.tif"] = scl
    return found


def sentinel1(headers: Headers, content: str, tile: str, when: dt.datetime, n: int) -> dict[str, Path]:
    data, angle = (headers.tif(tile, 10, kind, side=250_000.0, name="s1") for kind in ("float32", "uint16"))
    if content == "SIGMA0":
        name = f"S1A_IW_GRDH_SIGMA0_DV_{when:%Y%m%dT%H%M%S}_ASCENDING_{n % 175 + 1}_{n % 65536:04X}_V110"
        folder = f"CGS_S1/CGS_S1_GRD_SIGMA0_L1/{when:%Y/%m/%d}/{name}"
        files = {"VV.tif": data, "VH.tif": data, "angle.tif": angle}
    else:
        before = when - dt.timedelta(days=6)
        name = f"S1A_S1B_Coherence_{before:%Y%m%dT%H%M%S}_{when:%Y%m%dT%H%M%S}_ASC_{n % 175 + 1}_V110"
        folder = f"TERRASCOPE_Sentinel1/SLC_COHERENCE/{when:%Y/%m/%d}/{name}"
        files = {"VV.tif": data, "VH.tif": data}
    return {f"{folder}/{name}.xml": headers.xml(tile)} | {f"{folder}/{name}_{end}": path for end, path in files.items()}


def scenes(headers: Headers, count: int, first: dt.date = dt.date(2016, 1, 1)) -> Iterator[tuple[int, dict[str, Path]]]:
    """Yield (number of scenes, files) of product folders until there are ``count`` scenes; every date at most once."""
    rng = random.Random(7)
    wanted = {content: round(share * count) for content, share in SHARES.items()}
    for day in days(first, 100_000):
        for tile in TILES:
            when = dt.datetime.combine(day, dt.time(10, rng.randrange(60), rng.randrange(60)))
            for version in ("V200", "V210"):
                for content in ("NDVI", "TOC", "FAPAR"):
                    if wanted[content] > 0:
                        each = 2 if content == "FAPAR" else 1
                        wanted[content] -= each
                        yield each, sentinel2(headers, content, tile, when, rng.choice(["S2A", "S2B", "S2C"]), version)
        for n, content in enumerate(("SIGMA0", "COHERENCE") * 2):
            if wanted[content] > 0:
                wanted[content] -= 1
                when = dt.datetime.combine(day, dt.time(17, rng.randrange(60), rng.randrange(60)))
                yield 1, sentinel1(headers, content, TILES[n % 10], when, rng.randrange(1 << 16))
        if all(left <= 0 for left in wanted.values()):
            return


def link(root: Path, files: dict[str, Path]) -> None:
    for path, source in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(source)


def build(root: Path, headers: Headers, count: int) -> tuple[int, int]:
    made = files = 0
    for each, found in scenes(headers, count):
        link(root, found)
        made, files = made + each, files + len(found)
    return made, files


def settle(root: Path) -> None:
    """Give every folder an old time, as an archive has; an index does not believe a time of just now."""
    for folder, _, _ in os.walk(root):
        os.utime(folder, (1.7e9, 1.7e9))


def search_times(index: ArchiveIndex, repeats: int) -> tuple[list[float], list[int]]:
    """Milliseconds and hits of searches: 20 km in Belgium, one month, at most 30 % cloud."""
    rng = random.Random(3)
    times, hits = [], []
    for _ in range(repeats):
        lon, lat = rng.uniform(2.8, 5.8), rng.uniform(50.0, 51.3)
        area = shapely.Point(lon, lat).buffer(0.12)
        month = period(f"20{rng.randrange(16, 20)}-{rng.randrange(1, 13):02}")
        request = Request(("terrascope-s2-ndvi-v2",), geometry=area, period=month, max_cloud=30)
        began = time.perf_counter()
        found = index.find(request)
        times.append(1000 * (time.perf_counter() - began))
        hits.append(len(found.items))
    return times, hits


def say(what: str, index: ArchiveIndex) -> None:
    report = index.report
    print(
        f"{what:<34} {report['seconds']:8.1f} s  {report['files'] / report['seconds'] * 60:12,.0f} files/min  "
        f"items {report['items']:,} (+{report['added']:,} -{report['removed']:,} ~{report['updated']:,})  "
        f"folders read {report['folders_read']:,} of {report['folders']:,}  problems {report['problems']}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=100_000)
    parser.add_argument("--measured", type=int, default=300, help="scenes of the run with quality=True")
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--folder", type=Path, default=None, help="where to build; removed afterwards")
    arguments = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="index-benchmark-", dir=arguments.folder))
    try:
        with options(cache_dir=base / "cache"):
            run(base, arguments)
    finally:
        shutil.rmtree(base)


def run(base: Path, arguments: argparse.Namespace) -> None:
    root, headers = base / "MTDA", Headers(base / "headers")
    began = time.perf_counter()
    made, files = build(root, headers, arguments.scenes)
    settle(root)
    print(f"built {made:,} scenes, {files:,} files in {time.perf_counter() - began:.0f} s; {os.cpu_count()} cores\n")

    index = index_archive(root, workers=arguments.workers)
    say("full index", index)
    size = sum(path.stat().st_size for path in index.path.iterdir())
    print(
        f"{'':<34} index of {size / 1e6:.0f} MB; peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB"
    )
    say("again, nothing changed", index_archive(root, workers=arguments.workers))
    fresh = [found for _, found in zip(range(100), scenes(headers, 200, dt.date(2027, 1, 1)), strict=False)]
    for _, found in fresh:
        link(root, found)
    victims = sorted((root / "TERRASCOPE_Sentinel2/NDVI_V2/2016/02").glob("*/*"))[:10]
    for victim in victims:
        shutil.rmtree(victim)
    say("100 folders new, 10 gone", index_archive(root, workers=arguments.workers))

    began = time.perf_counter()
    index = open_index(root)
    first, _ = search_times(index, 1)
    print(f"\nopen and first search {1000 * (time.perf_counter() - began):.0f} ms (the search alone {first[0]:.0f} ms)")
    search_times(index, 5)
    times, hits = search_times(index, arguments.searches)
    worst = sorted(times)[int(0.95 * len(times))]
    print(
        f"warm search, 20 km + month + cloud: median {statistics.median(times):.1f} ms, 95 % below {worst:.1f} ms, "
        f"largest {max(times):.1f} ms; {statistics.mean(hits):.0f} hits on average"
    )

    measured = base / "measured"
    for n, day in enumerate(days(dt.date(2020, 1, 1), arguments.measured)):
        when = dt.datetime.combine(day, dt.time(10, 46, 51))
        found = sentinel2(headers, "NDVI", TILES[n % 10], when, "S2A", "V210")
        scl = next(path for path in found if "SCENECLASSIFICATION" in path)
        link(measured, found | {scl: headers.classification(TILES[n % 10])})
    settle(measured)
    plain = index_archive(measured, workers=arguments.workers).report["seconds"]
    report = index_archive(measured, quality=True, workers=arguments.workers).report
    print(
        f"\nquality=True on {arguments.measured} scenes: {report['seconds']:.1f} s ({plain:.1f} s without), "
        f"{1000 * report['seconds_measuring'] / arguments.measured:.1f} ms a scene for pixels, "
        f"{arguments.measured / report['seconds'] * 60:,.0f} scenes/min"
    )


if __name__ == "__main__":
    main()
