"""A file of stored numbers, a cube of three dates, and a map that shows the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from map_to_save import CORNER, TIMES, write_tif
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords

from terrascope_nb.widgets.live_map.map import Map


@pytest.fixture
def dn_file(tmp_path: Path) -> Path:
    stored = np.random.default_rng(7).integers(0, 250, (200, 240)).astype("uint8")
    stored[:20, :30] = 255
    path = write_tif(tmp_path / "dn.tif", stored, nodata=255)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.004,), (-0.08,)
    return path


@pytest.fixture
def cube() -> xr.DataArray:
    values = np.random.default_rng(3).random((3, 40, 60)).astype("float32")
    coords = dict(
        xr_coords(GeoBox((40, 60), Affine(10, 0, CORNER[0], 0, -10, CORNER[1]), "EPSG:32631"), always_yx=True)
    )
    coords["time"] = TIMES
    attrs = {"product": "s2-ndvi", "band": "NDVI", "units": "1",
             "attribution": "Contains modified Copernicus Sentinel data 2018, processed by VITO"}  # fmt: skip
    return xr.DataArray(values, dims=("time", "y", "x"), coords=coords, name="NDVI", attrs=attrs)


@pytest.fixture
def shown(dn_file: Path) -> Map:
    m = Map()
    m.add(str(dn_file), name="My layer", vmin=0.0, vmax=0.9, cmap="cividis")
    return m
