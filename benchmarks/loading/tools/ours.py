"""terrascope_nb: the cube of a workload, and what to do on it; `ours_lazy` and the verbs differ in the last step only."""

from __future__ import annotations

from typing import Any

import pystac
from workloads import KEEP, Case

import terrascope_nb as ts


def items_of(case: Case, *names: str) -> list[Any]:
    """Return the items as the tool takes them, and load the libraries behind some of our names."""
    for name in names:
        getattr(ts, name)  # names load their libraries when they are first used
    ts.set_options(archive_roots=(case.root,), offline=not case.is_remote)
    return [pystac.Item.from_dict(item) for item in case.items]


def cube_of(case: Case, items: list[Any]) -> Any:
    """Return the cube of a workload."""
    how: dict[str, Any] = {}
    if case.epsg != 32631:
        from odc.geo.geobox import GeoBox

        how["like"] = GeoBox.from_bbox(case.bounds, f"EPSG:{case.epsg}", resolution=case.pixel)
    elif case.name not in ("W4", "W5", "graph"):
        how["area"] = ts.area(case.bounds, crs=f"EPSG:{case.epsg}")
    if case.masked:
        how["mask"] = [str(value) for value in KEEP]
    return ts.load(items, list(case.bands), **how)
