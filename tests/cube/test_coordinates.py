"""Coordinates and accessors of a cube are those of the libraries they stand for."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from pyproj import CRS

from terrascope_nb.cube.coordinates import grid_coordinates
from terrascope_nb.raster.grid import PixelGrid

WKT = CRS.from_proj4("+proj=tmerc +lat_0=0 +lon_0=4.5 +ellps=WGS84 +units=m +no_defs").to_wkt()


@given(
    crs=st.sampled_from(["EPSG:32631", "EPSG:4326", "EPSG:3857", "EPSG:31370", "EPSG:3035", WKT]),
    pixel=st.sampled_from([10.0, 20.0, 1 / 336, 1 / 112, 0.1, 16.5]),
    left=st.floats(-1e6, 1e6),
    top=st.floats(-1e6, 1e6),
    shape=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    down=st.booleans(),
)
def test_coordinates_are_those_of_odc_geo(crs, pixel, left, top, shape, down):
    grid = PixelGrid(crs, (pixel, 0.0, left, 0.0, -pixel if down else pixel, top), shape)
    wanted = xr_coords(GeoBox(shape, Affine(*grid.transform), crs), always_yx=True)
    cube = xr.Dataset(coords=grid_coordinates(grid))
    assert cube.identical(xr.Dataset(coords=wanted))
    assert set(cube.indexes) == {"y", "x"}
    for name, coordinate in cube.coords.items():
        assert list(coordinate.attrs) == list(wanted[name].attrs)
        assert coordinate.dtype == wanted[name].dtype


def test_attributes_of_one_cube_are_not_those_of_another():
    grid = PixelGrid("EPSG:32631", (10.0, 0.0, 0.0, 0.0, -10.0, 0.0), (2, 2))
    one = grid_coordinates(grid)
    for coordinate in one.values():
        coordinate.attrs["mine"] = 1
    assert all("mine" not in coordinate.attrs for coordinate in grid_coordinates(grid).values())


@pytest.mark.parametrize("first", ["rio", "odc"])
def test_accessors_are_there_and_their_libraries_wait(first):
    code = f"""
        import sys, warnings
        import numpy as np, xarray as xr
        warnings.simplefilter("error", xr.core.extensions.AccessorRegistrationWarning)
        import terrascope_nb as ts
        assert ts.load and ts.composite and ts.compute and ts.spectral_index
        heavy = "rasterio rioxarray odc.geo.xr spyndex requests distributed geopandas matplotlib".split()
        assert not [name for name in heavy if name in sys.modules], [name for name in heavy if name in sys.modules]
        from terrascope_nb.cube.coordinates import grid_coordinates
        from terrascope_nb.raster.grid import PixelGrid
        grid = PixelGrid("EPSG:32631", (10.0, 0.0, 600000.0, 0.0, -10.0, 5700000.0), (3, 4))
        cube = xr.Dataset({{"a": (("y", "x"), np.zeros((3, 4)))}}, coords=grid_coordinates(grid))
        assert {first!r} in dir(cube)
        for name in ({first!r}, "rio", "odc"):
            for one in (cube, cube["a"]):
                assert getattr(one, name).crs.to_epsg() == 32631
        assert cube.rio.transform() == cube.odc.geobox.transform
        import rioxarray, odc.geo.xr
        assert xr.Dataset.rio is rioxarray.raster_dataset.RasterDataset
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


@pytest.mark.parametrize("order", ["rioxarray, odc.geo.xr, ours", "ours, odc.geo.xr, rioxarray"])
def test_libraries_that_come_first_or_later_register_without_a_warning(order):
    code = f"""
        import warnings
        import xarray as xr
        warnings.simplefilter("error", xr.core.extensions.AccessorRegistrationWarning)
        import {order.replace("ours", "terrascope_nb.cube.assembly")}
        for kind in (xr.DataArray, xr.Dataset):
            assert kind.rio.__module__.startswith("rioxarray")
            assert kind.odc.__module__.startswith("odc")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)


def test_an_object_without_place_has_the_accessors_too():
    assert xr.DataArray(np.zeros((2, 2)), dims=("y", "x")).odc.crs is None
