"""The xarray part that a notebook user writes, shared by the tools that give a Dataset of stored numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from scenes import NODATA
from workloads import Case


def keep(scl: Any) -> Any:
    """Return which pixels are kept."""
    return (scl >= 4) & (scl <= 7)


def ndvi(ds: Any, ok: Any = None) -> Any:
    """Return NDVI of stored numbers, NaN where nodata or masked."""
    red, nir = ds["B04"].astype("float32"), ds["B08"].astype("float32")
    good = (ds["B04"] != NODATA) & (ds["B08"] != NODATA)
    return ((nir - red) / (nir + red)).where(good if ok is None else good & ok)


def finish(case: Case, ds: Any) -> Any:
    """Return the result of a workload, lazy where the Dataset is."""
    if case.name == "W1":
        return ndvi(ds).isel(time=0)
    if case.name in ("W2", "W8"):
        return ndvi(ds, keep(ds["SCL"])).mean(("x", "y"))
    if case.name == "W3":
        ok = keep(ds["SCL"])
        layers = (
            (ds[k].astype("float32") * np.float32(1e-4)).where(ok & (ds[k] != NODATA)).median("time")
            for k in case.bands
        )
        return xr.concat(list(layers), "band")
    if case.name == "W4":
        return ndvi(ds).max("time")
    if case.name in ("W7a", "W7b"):
        return ndvi(ds, keep(ds["SCL"])).median("time")
    if case.name == "W6":
        return xr.concat([ds[k].isel(time=0) for k in case.bands], "band")
    if case.name == "W9":
        return xr.concat([10 * np.log10(ds[k].mean("time")) for k in case.bands], "band")
    raise KeyError(case.name)


def bands_of(case: Case) -> list[str]:
    """Return the bands to load."""
    return [*case.bands, "SCL"] if case.masked else list(case.bands)
