"""terrascope_nb, fused: the verbs that stream."""

from __future__ import annotations

from typing import Any

import numpy as np
from tools.ours import cube_of, prepare  # noqa: F401 - the runner calls `prepare`
from workloads import Case

import terrascope_nb as ts


def run(case: Case, items: list[Any]) -> Any:
    """Return the result of a workload."""
    if case.name == "W6":
        return np.rint(ts.preview(items[0], list(case.bands), size=max(case.shape)).values * np.float32(1e4))
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
    how = {"W1": "first", "W4": "max"}.get(case.name, "median")
    return ts.composite(ndvi, how).values
