"""A cube of three dates in memory whose every value is known, and a map that shows it."""

from __future__ import annotations

import numpy as np
import odc.geo.xr  # noqa: F401 - gives arrays their grid
import pandas as pd
import pytest
import xarray as xr

from terrascope_nb.widgets.live_map.map import Map

LEFT, TOP, SIDE = 550_000.0, 5_650_000.0, 64


@pytest.fixture
def cube():
    """64 × 64 pixels of 10 m in UTM zone 31; the value of NDVI is date + column / 100 + row / 10000."""
    time = pd.to_datetime(["2024-05-01T10:40", "2024-05-11T10:40", "2024-05-11T10:50"]).to_numpy()
    y = TOP - 5 - 10 * np.arange(SIDE)
    x = LEFT + 5 + 10 * np.arange(SIDE)
    values = (
        np.arange(3)[:, None, None] + np.arange(SIDE)[None, None, :] / 100 + np.arange(SIDE)[None, :, None] / 10_000
    ).astype("float32")
    coords = {"time": time, "y": y, "x": x}
    attrs = {"units": "1", "long_name": "Index"}
    common = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir"}
    bands = {
        name: (("time", "y", "x"), values / (10 + number), {"units": "1", "common_name": word, "long_name": word})
        for number, (name, word) in enumerate(common.items())
    }
    cube = xr.Dataset({"NDVI": (("time", "y", "x"), values, attrs), **bands}, coords=coords)
    return cube.odc.assign_crs("EPSG:32631")


@pytest.fixture
def shown(cube):
    """A map with the index on it."""
    made = Map()
    made.add(cube["NDVI"], name="NDVI", vmin=0.0, vmax=3.0, cmap="viridis", time=0)
    yield made
    made.close()


@pytest.fixture
def place(cube):
    """(column, row) -> longitude and latitude of the middle of a pixel, by pyproj."""
    from pyproj import Transformer

    to_lonlat = Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True)
    return lambda column, row: to_lonlat.transform(float(cube.x[column]), float(cube.y[row]))
