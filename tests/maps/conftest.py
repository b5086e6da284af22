from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

MakeArray = Callable[..., xr.DataArray]


@pytest.fixture
def make_array() -> MakeArray:
    """Variables as load() gives them: dims (time, y, x), attributes, coordinate system."""

    def make(
        values: Any,
        *,
        name: str = "NDVI",
        times: Sequence[str] = (),
        crs: str = "EPSG:32631",
        corner: tuple[float, float] = (600000.0, 5700000.0),
        resolution: float = 10.0,
        **attrs: Any,
    ) -> xr.DataArray:
        array = np.asarray(values)
        transform = Affine(resolution, 0, corner[0], 0, -resolution, corner[1])
        coords: dict[str, Any] = dict(xr_coords(GeoBox(array.shape[-2:], transform, crs), always_yx=True))
        if times:
            coords["time"] = np.array(times, dtype="datetime64[ns]")
        dims = ("time", "y", "x") if array.ndim == 3 else ("y", "x")
        return xr.DataArray(array, dims=dims, coords=coords, name=name, attrs=attrs)

    return make


@pytest.fixture
def ndvi(make_array: MakeArray) -> xr.DataArray:
    values = np.linspace(-0.2, 1.0, 12 * 30).reshape(1, 12, 30).astype("float32")
    values[0, :3, :3] = np.nan
    return make_array(
        values,
        times=("2018-07-05T10:50:29",),
        product="s2-ndvi",
        band="NDVI",
        units="1",
        long_name="Vegetation index",
        attribution="Contains modified Copernicus Sentinel data 2017-2019, processed by VITO",
    )


@pytest.fixture
def scl(make_array: MakeArray) -> xr.DataArray:
    values = np.full((1, 10, 10), 4, dtype="uint8")
    values[0, :, :2] = 6
    values[0, 0, 9] = 77
    return make_array(
        values,
        name="scl",
        times=("2018-07-05T10:50:29",),
        long_name="Scene classification",
        flag_values=np.array([4, 5, 6], dtype="uint8"),
        flag_meanings="vegetation bare_soil water",
        flag_colors="#10d32d #ffff53 #0000ff",
        attribution="Contains modified Copernicus Sentinel data 2018",
    )
