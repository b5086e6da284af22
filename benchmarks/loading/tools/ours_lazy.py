"""terrascope_nb, lazy: plain xarray on the cube of `load`."""

from __future__ import annotations

from typing import Any

import numpy as np
from tools.ours import cube_of
from workloads import Case

import terrascope_nb as ts
from tools import ours


def prepare(case: Case) -> list[Any]:
    """Return the items as the tool takes them, and load the libraries; not timed."""
    return ours.items_of(case, "load", "compute", "area")


def run(case: Case, items: list[Any]) -> Any:
    """Return the result of a workload."""
    cube = cube_of(case, items)
    if case.name == "graph":
        return np.array([len(cube.__dask_graph__().layers) > 0])
    if case.name == "W3":
        result = ts.compute(cube.median("time"), progress=False)
        return np.stack([result[key].values for key in case.bands])
    if case.name == "W9":
        result = ts.compute(10 * np.log10(cube.mean("time")), progress=False)
        return np.stack([result[key].values for key in case.bands])
    ndvi = (cube["B08"] - cube["B04"]) / (cube["B08"] + cube["B04"])
    reduced = {
        "W1": lambda: ndvi.isel(time=0), "W2": lambda: ndvi.mean(("x", "y")), "W8": lambda: ndvi.mean(("x", "y")),
        "W4": lambda: ndvi.max("time"), "W7a": lambda: ndvi.median("time"), "W7b": lambda: ndvi.median("time"),
    }[case.name]  # fmt: skip
    return ts.compute(reduced(), progress=False).values
