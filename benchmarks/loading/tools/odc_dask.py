"""odc-stac as its documentation shows it: a lazy Dataset on dask threads, chunks of a few native blocks."""

from __future__ import annotations

from typing import Any

import dask
import numpy as np
import odc.stac
import pystac
from odc.geo.geobox import GeoBox
from workloads import Case

from tools import rasterio_hand, xarray_job

odc.stac.configure_rio(
    cloud_defaults=True, GDAL_HTTP_MERGE_CONSECUTIVE_RANGES="YES", GDAL_HTTP_MULTIPLEX="YES",
    CPL_VSIL_CURL_CACHE_SIZE="200000000", GDAL_INGESTED_BYTES_AT_OPEN="32768",
)  # fmt: skip
_CHUNKS = {"W3": 1024, "W4": 2048, "W5": 4096, "graph": 2048}
"""Pixels of a chunk's side where the area is large; else the area is one chunk."""


def geobox(case: Case) -> GeoBox:
    """Return the pixel grid of a workload."""
    if case.name == "W6":
        return GeoBox.from_bbox(case.bounds, "EPSG:32631", shape=case.shape)
    return GeoBox.from_bbox(case.bounds, f"EPSG:{case.epsg}", resolution=case.pixel)


def prepare(case: Case) -> list[Any]:
    """Return the items as the tool takes them; not timed."""
    return [pystac.Item.from_dict(item) for item in case.items]


def run(case: Case, items: list[Any]) -> Any:
    """Return the result of a workload."""
    rows, cols = case.shape
    side = _CHUNKS.get(case.name)
    chunks = {"time": 1, "y": side or rows, "x": side or cols}
    options = {
        "bands": list(case.bands) if case.name == "graph" else xarray_job.bands_of(case),
        "groupby": "solar_day" if case.name.startswith("W7") else "time",
        "geobox": geobox(case), "chunks": chunks,
    }  # fmt: skip
    with dask.config.set(scheduler="threads", num_workers=16 if case.is_remote else case.threads):
        if case.name == "graph":
            return np.array([len(odc.stac.load(items, **options).__dask_graph__()) > 0])
        if case.name == "W5":

            def load(number: int) -> Any:
                ds = odc.stac.load([items[number]], **options).compute()
                return tuple(ds[key].values[0] for key in ("B04", "B08", "SCL"))

            return rasterio_hand.means_by_number(rasterio_hand.field_numbers(case), load, case)
        return xarray_job.finish(case, odc.stac.load(items, **options)).compute().values
