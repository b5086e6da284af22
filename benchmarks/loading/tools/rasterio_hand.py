"""rasterio by hand: windowed reads in threads, numpy and bottleneck; what a careful expert writes, and the reference."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bottleneck
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window, from_bounds
from scenes import NODATA
from workloads import Case

GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_CACHEMAX": 256, "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
}  # fmt: skip
_TOLERANCE = 0.125
"""Pixels by which GDAL's warper may misplace a pixel, as it does unless told."""
_STRIP = 125
_EMPTY = {"B04": NODATA, "B08": NODATA, "SCL": 0}

Array = NDArray[Any]


def ndvi(red: Array, nir: Array, scl: Array | None = None) -> Array:
    """Return NDVI of stored numbers, NaN where nodata or masked; the scale cancels."""
    bad = (red == NODATA) | (nir == NODATA)
    if scl is not None:
        bad |= (scl < 4) | (scl > 7)
    r, n = red.astype("float32"), nir.astype("float32")
    with np.errstate(all="ignore"):
        values = (n - r) / (n + r)
    values[bad] = np.nan
    return values


def mean_of(values: Array) -> float:
    """Return the mean of the values that are numbers."""
    good = np.isfinite(values)
    return float(values[good].mean()) if good.any() else float("nan")


def strips(rows: int) -> Iterator[slice]:
    """Yield pieces of rows that fit in a cache."""
    for first in range(0, rows, _STRIP):
        yield slice(first, min(first + _STRIP, rows))


def run(case: Case) -> Array:
    """Return the result of a workload."""
    jobs: dict[str, Callable[[Case, ThreadPoolExecutor], Array]] = {
        "W1": _first, "W2": _series, "W3": _median, "W4": _maximum, "W5": _fields, "W6": _look, "W7a": _seam,
        "W7b": _seam, "W8": _series, "W9": _radar,
    }  # fmt: skip
    with ThreadPoolExecutor(case.threads) as pool, np.errstate(all="ignore"), rasterio.Env(**GDAL):
        return jobs[case.name](case, pool)


def read(href: str, bounds: tuple[float, ...], repeat: int = 1) -> Array:
    """Return the pixels of a file under a box, each repeated."""
    with rasterio.Env(**GDAL), rasterio.open(href) as file:
        stored = file.read(1, window=from_bounds(*bounds, file.transform).round_lengths().round_offsets())
    return stored if repeat == 1 else stored.repeat(repeat, 0).repeat(repeat, 1)


def _href(case: Case, number: int, key: str) -> str:
    return str(case.items[number]["assets"][key]["href"])


def _first(case: Case, pool: ThreadPoolExecutor) -> Array:
    return ndvi(*pool.map(lambda key: read(_href(case, 0, key), case.bounds), case.bands))


def _series(case: Case, pool: ThreadPoolExecutor) -> Array:
    def one(number: int) -> float:
        red, nir = (read(_href(case, number, key), case.bounds) for key in case.bands)
        return mean_of(ndvi(red, nir, read(_href(case, number, "SCL"), case.bounds, 2)))

    return np.array(list(pool.map(one, range(len(case.items)))))


def _median(case: Case, pool: ThreadPoolExecutor) -> Array:
    numbers = range(len(case.items))
    flags = list(pool.map(lambda number: read(_href(case, number, "SCL"), case.bounds, 2), numbers))
    gone = [(scl < 4) | (scl > 7) for scl in flags]
    result = np.empty((len(case.bands), *case.shape), dtype="float32")
    for place, key in enumerate(case.bands):
        stack = np.empty((len(case.items), *case.shape), dtype="float32")

        def one(number: int, key: str = key, stack: Array = stack) -> None:
            stored = read(_href(case, number, key), case.bounds)
            np.multiply(stored, np.float32(1e-4), out=stack[number])
            stack[number][gone[number] | (stored == NODATA)] = np.nan

        def rank(part: slice, place: int = place, stack: Array = stack) -> None:
            result[place, part] = bottleneck.nanmedian(stack[:, part], axis=0)

        list(pool.map(one, numbers))
        list(pool.map(rank, strips(case.shape[0])))
    return result


def _maximum(case: Case, pool: ThreadPoolExecutor) -> Array:
    rows, cols = case.shape
    result = np.full((rows, cols), np.nan, dtype="float32")
    local = threading.local()

    def strip(first: int) -> None:
        if not hasattr(local, "files"):
            local.files = [[rasterio.open(_href(case, n, key)) for key in case.bands] for n in range(len(case.items))]
        window = Window(0, first, cols, min(512, rows - first))
        there = result[first : first + window.height]
        for red, nir in local.files:
            np.fmax(there, ndvi(red.read(1, window=window), nir.read(1, window=window)), out=there)

    list(pool.map(strip, range(0, rows, 512)))
    return result


def field_numbers(case: Case) -> Array:
    """Return the number of the field of each pixel of the tile, from 1; 0 = none."""
    from rasterio.features import rasterize

    left, _, _, top = case.bounds
    shapes = [({"type": "Polygon", "coordinates": [ring]}, n) for n, ring in enumerate(case.fields, start=1)]
    return rasterize(
        shapes, out_shape=case.shape, transform=rasterio.Affine(10, 0, left, 0, -10, top), fill=0, dtype="int32"
    )


def means_by_number(numbers: Array, load: Callable[[int], tuple[Array, Array, Array]], case: Case) -> Array:
    """Return the mean NDVI of every field (columns) on every date (rows)."""
    index = np.flatnonzero(numbers)
    zone, count = numbers.ravel()[index], len(case.fields)
    result = np.empty((len(case.items), count))
    for n in range(len(case.items)):
        red, nir, scl = (np.asarray(layer).ravel()[index] for layer in load(n))
        values = ndvi(red, nir, scl)
        good = np.isfinite(values)
        sums = np.bincount(zone[good], values[good], count + 1)[1:]
        result[n] = sums / np.bincount(zone[good], minlength=count + 1)[1:]
    return result


def _fields(case: Case, pool: ThreadPoolExecutor) -> Array:
    def load(number: int) -> tuple[Array, Array, Array]:
        red, nir, scl = pool.map(lambda key: read(_href(case, number, key), case.bounds), (*case.bands, "SCL"))
        return red, nir, scl.repeat(2, 0).repeat(2, 1)

    return means_by_number(field_numbers(case), load, case)


def _look(case: Case, pool: ThreadPoolExecutor) -> Array:
    def one(key: str) -> Array:
        with rasterio.Env(**GDAL), rasterio.open(_href(case, 0, key), overview_level=case.level - 1) as file:
            stored: Array = file.read(1)
            return stored

    return np.stack(list(pool.map(one, case.bands)))


def _seam(case: Case, pool: ThreadPoolExecutor) -> Array:
    by_date: dict[str, list[int]] = {}
    for number, item in enumerate(case.items):
        by_date.setdefault(item["properties"]["datetime"], []).append(number)
    keys = (*case.bands, "SCL")

    def one(numbers: list[int]) -> Array:
        fused = {}
        for key in keys:
            first, *others = (_piece(case, number, key) for number in numbers)
            for other in others:
                first = np.where(first == _EMPTY[key], other, first)
            fused[key] = first
        return ndvi(*(fused[key] for key in keys))

    stack = np.stack(list(pool.map(one, by_date.values())))
    parts = pool.map(lambda part: bottleneck.nanmedian(stack[:, part], axis=0), strips(case.shape[0]))
    return np.concatenate(list(parts))


def _piece(case: Case, number: int, key: str) -> Array:
    """Return what one tile has of the area, nodata elsewhere."""
    empty, href = _EMPTY[key], _href(case, number, key)
    with rasterio.Env(**GDAL), rasterio.open(href) as file:
        if case.epsg != 32631:
            rows, cols = case.shape
            grid = rasterio.Affine(case.pixel, 0, case.bounds[0], 0, -case.pixel, case.bounds[3])
            with WarpedVRT(
                file, crs=f"EPSG:{case.epsg}", transform=grid, width=cols, height=rows, nodata=empty,
                resampling=Resampling.nearest, tolerance=_TOLERANCE,
            ) as warped:  # fmt: skip
                stored: Array = warped.read(1)
                return stored
        window = from_bounds(*case.bounds, file.transform).round_lengths().round_offsets()
        stored = file.read(1, window=window, boundless=True, fill_value=empty)
    return stored.repeat(2, 0).repeat(2, 1) if key == "SCL" else stored


def _radar(case: Case, pool: ThreadPoolExecutor) -> Array:
    jobs = [(number, key) for key in case.bands for number in range(len(case.items))]
    layers = list(pool.map(lambda job: read(_href(case, *job), case.bounds), jobs))
    stacks = np.stack(layers).reshape(len(case.bands), len(case.items), *case.shape)
    parts = pool.map(lambda part: 10 * np.log10(bottleneck.nanmean(stacks[:, :, part], axis=1)), strips(case.shape[0]))
    return np.concatenate(list(parts), axis=1)
