"""odc-stac tuned by an expert: its own thread pool reads, numpy and bottleneck in threads reduce."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bottleneck
import numpy as np
import odc.stac
from scenes import NODATA
from tools.odc_dask import prepare  # noqa: F401 - the runner calls it
from workloads import Case

from tools import odc_dask, rasterio_hand, xarray_job


def run(case: Case, items: list[Any]) -> Any:
    """Return the result of a workload."""
    options = {
        "bands": xarray_job.bands_of(case), "geobox": odc_dask.geobox(case),
        "groupby": "solar_day" if case.name.startswith("W7") else "time",
    }  # fmt: skip
    with ThreadPoolExecutor(16 if case.is_remote else case.threads) as pool, np.errstate(all="ignore"):
        if case.name in ("W2", "W8"):

            def one(item: Any) -> float:
                ds = odc.stac.load([item], **options)
                layers = (ds[key].values[0] for key in ("B04", "B08", "SCL"))
                return rasterio_hand.mean_of(rasterio_hand.ndvi(*layers))

            return np.array(list(pool.map(one, items)))
        ds = odc.stac.load(items, pool=case.threads, **options)
        parts = list(rasterio_hand.strips(case.shape[0]))
        if case.name == "W3":
            scl, result = ds["SCL"].values, np.empty((len(case.bands), *case.shape), dtype="float32")
            for number, key in enumerate(case.bands):
                stored = ds[key].values

                def strip(part: slice, number: int = number, stored: Any = stored) -> None:
                    values = stored[:, part].astype("float32")
                    values *= np.float32(1e-4)
                    values[(stored[:, part] == NODATA) | (scl[:, part] < 4) | (scl[:, part] > 7)] = np.nan
                    result[number, part] = bottleneck.nanmedian(values, axis=0)

                list(pool.map(strip, parts))
            return result
        if case.name in ("W7a", "W7b"):
            red, nir, scl = (ds[key].values for key in ("B04", "B08", "SCL"))
            pieces = pool.map(
                lambda p: bottleneck.nanmedian(rasterio_hand.ndvi(red[:, p], nir[:, p], scl[:, p]), axis=0), parts
            )
            return np.concatenate(list(pieces))
        if case.name == "W9":

            def decibels(stack: Any) -> Any:
                return np.concatenate(
                    list(pool.map(lambda p: 10 * np.log10(bottleneck.nanmean(stack[:, p], axis=0)), parts))
                )

            return np.stack([decibels(ds[key].values) for key in case.bands])
    raise KeyError(case.name)
