"""stackstac on dask threads, without rescaling."""

from __future__ import annotations

from typing import Any

import dask
import numpy as np
import stackstac
import xarray as xr
from rasterio.enums import Resampling
from workloads import Case

from tools import xarray_job

_CHUNKS = {"W3": 1024, "W4": 2048}


def run(case: Case) -> Any:
    """Return the result of a workload."""
    stack = stackstac.stack(
        case.items, assets=xarray_job.bands_of(case), epsg=case.epsg, resolution=case.pixel, bounds=case.bounds,
        snap_bounds=False, chunksize=_CHUNKS.get(case.name, max(case.shape)), dtype="float32",
        fill_value=np.float32("nan"), rescale=False, resampling=Resampling.nearest, xy_coords=False, properties=False,
        band_coords=False,
    )  # fmt: skip
    ds = xr.Dataset({key: stack.sel(band=key).drop_vars("band") for key in xarray_job.bands_of(case)})
    if case.name in ("W3", "W7a", "W7b"):
        ds = ds.chunk(time=-1)
    with dask.config.set(scheduler="threads", num_workers=case.threads):
        return xarray_job.finish(case, ds).compute().values
