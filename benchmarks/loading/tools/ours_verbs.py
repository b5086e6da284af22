"""terrascope_nb, fused: the verbs that stream, and `preview` where one date is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from tools.ours import cube_of
from workloads import Case

import terrascope_nb as ts
from tools import ours


def prepare(case: Case) -> list[Any]:
    """Return the items as the tool takes them, and load the libraries; not timed."""
    if case.name in ("W1", "W6"):
        return ours.items_of(case, "preview")
    return ours.items_of(case, "load", "composite", "time_series", "zonal_stats", "spectral_index", "area")


def run(case: Case, items: list[Any]) -> Any:
    """Return the result of a workload."""
    if case.name == "W6":
        return np.rint(ts.preview(items[0], list(case.bands), size=max(case.shape)).values * np.float32(1e4))
    if case.name == "W1":
        return ts.preview(items[0], "NDVI", bounds=case.bounds, size=None).values[0]
    cube = cube_of(case, items)
    if case.name in ("W3", "W9"):
        result = ts.composite(cube, "median" if case.name == "W3" else "mean")
        layers = np.stack([result[key].values for key in case.bands])
        return layers if case.name == "W3" else 10 * np.log10(layers)
    ndvi = ts.spectral_index(cube, "NDVI")
    if case.name in ("W2", "W8"):
        where = ts.area(case.bounds, crs=f"EPSG:{case.epsg}")
        return ts.time_series(ndvi, where, stats=("mean",))["mean"].to_numpy()
    if case.name == "W5":
        fields = {"type": "FeatureCollection", "features": [
            {"type": "Feature", "id": str(n), "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
            for n, ring in enumerate(case.fields)
        ]}  # fmt: skip
        table = ts.zonal_stats(ndvi, ts.area(fields, crs=f"EPSG:{case.epsg}"), stats=("mean",))
        return table["mean"].to_numpy().reshape(len(case.fields), -1).T
    return ts.composite(ndvi, "max" if case.name == "W4" else "median").values
