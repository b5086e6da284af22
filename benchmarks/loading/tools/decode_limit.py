"""Not a tool but the floor: decode every native block that holds a pixel that is asked for, on all threads; no sums.

The codec is libdeflate through imagecodecs, and differences along the rows are undone. Blocks that a mask would spare are
decoded too.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import imagecodecs
import numpy as np
import rasterio
from workloads import Case

from tools import xarray_job


def prepare(case: Case) -> list[Any]:
    """Return (path, blocks of the file that are needed, dtype, predictor); not timed."""
    return [_blocks(case, item["assets"][key]["href"]) for item in case.items for key in xarray_job.bands_of(case)
            if key in item["assets"]]  # fmt: skip


def _blocks(case: Case, path: str) -> tuple[str, list[tuple[int, int]], str, bool]:
    with rasterio.open(path) as file:
        rows, cols = file.block_shapes[0]
        left, bottom, right, top = case.bounds
        overview = case.level - 1 if case.level else None
        if case.level:
            high, wide = (-(-side // 2**case.level) for side in file.shape)
            wanted = {(i, j) for i in range(-(-high // rows)) for j in range(-(-wide // cols))}
        else:
            boxes = [(left, bottom, right, top)] if not case.fields else [_box(ring) for ring in case.fields]
            wanted = set()
            for west, south, east, north in boxes:
                x0, y0 = ~file.transform * (west, north)
                x1, y1 = ~file.transform * (east, south)
                x0, y0, x1, y1 = max(x0, 0), max(y0, 0), min(x1, file.width), min(y1, file.height)
                if x0 < x1 and y0 < y1:
                    down, across = (range(int(a // s), int(-(-b // s))) for a, b, s in ((y0, y1, rows), (x0, x1, cols)))
                    wanted |= {(i, j) for i in down for j in across}
        places = []
        for i, j in sorted(wanted):
            names = (f"BLOCK_OFFSET_{j}_{i}", f"BLOCK_SIZE_{j}_{i}")
            where, many = (file.get_tag_item(name, "TIFF", bidx=1, ovr=overview) for name in names)
            if where and many:
                places.append((int(where), int(many)))
        predictor = file.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR") == "2"
        return path, places, f"({rows},{cols}){file.dtypes[0]}", predictor


def _box(ring: Any) -> tuple[float, float, float, float]:
    xs, ys = zip(*ring, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def run(case: Case, files: list[Any]) -> Any:
    """Return the number of blocks that were decoded."""

    def one(job: tuple[str, list[tuple[int, int]], str, bool]) -> int:
        path, places, kind, predictor = job
        wanted = np.dtype(kind)
        room, out = np.empty((2, wanted.itemsize), dtype="uint8")
        descriptor = os.open(path, os.O_RDONLY)
        try:
            for offset, size in places:
                imagecodecs.deflate_decode(os.pread(descriptor, size, offset), out=room)
                if predictor:
                    shaped = room.view(wanted.base).reshape(wanted.shape)
                    imagecodecs.delta_decode(shaped, axis=-1, out=out.view(wanted.base).reshape(wanted.shape))
        finally:
            os.close(descriptor)
        return len(places)

    with ThreadPoolExecutor(case.threads) as pool:
        return np.array([sum(pool.map(one, files))])
