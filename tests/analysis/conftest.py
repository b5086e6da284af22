from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

MakeCube = Callable[..., xr.Dataset]


@pytest.fixture
def make_cube() -> MakeCube:
    """Cubes as load() gives them: dims (time, y, x), float32, attributes, coordinate system."""

    def make(
        variables: Mapping[str, Any],
        *,
        times: Sequence[str] = (),
        attrs: Mapping[str, Mapping[str, Any]] | None = None,
        crs: str = "EPSG:32631",
        corner: tuple[float, float] = (600000.0, 5700000.0),
        resolution: float = 10.0,
    ) -> xr.Dataset:
        arrays = {name: np.asarray(values) for name, values in variables.items()}
        shape = next(iter(arrays.values())).shape[-2:]
        transform = Affine(resolution, 0, corner[0], 0, -resolution, corner[1])
        coords: dict[str, Any] = dict(xr_coords(GeoBox(shape, transform, crs), always_yx=True))
        if times:
            coords["time"] = np.array(times, dtype="datetime64[ns]")
            coords["item_ids"] = ("time", np.array([f"S2A_{day}_31UFS" for day in times], dtype=object))
        cube = xr.Dataset(
            {
                name: (
                    ("time", "y", "x") if values.ndim == 3 else ("y", "x"),
                    values,
                    dict((attrs or {}).get(name, {})),
                )
                for name, values in arrays.items()
            },
            coords=coords,
            attrs={"attribution": "Contains modified Copernicus Sentinel data 2018", "product": "s2-toc"},
        )
        for name in cube.data_vars:
            cube[name].encoding["grid_mapping"] = "spatial_ref"
        return cube

    return make
