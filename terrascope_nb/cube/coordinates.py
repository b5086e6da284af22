"""Coordinates of a pixel grid as odc-geo writes them, without its accessors, which bring GDAL."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox

from terrascope_nb.raster.grid import PixelGrid


def grid_coordinates(grid: PixelGrid) -> dict[str, xr.Variable]:
    """Return ``y``, ``x`` (pixel centres) and ``spatial_ref``, by which `.rio` and `.odc` know the grid.

    A Dataset has the same of ``odc.geo.xr.xr_coords(geobox, always_yx=True)``.

    Parameters
    ----------
    grid : PixelGrid
        Rows along x, columns along y.
    """
    box = GeoBox(grid.shape, Affine(*grid.transform), grid.crs)
    found: dict[str, xr.Variable] = {}
    for name, axis in zip(("y", "x"), box.coordinates.values(), strict=True):
        attributes = {"units": axis.units, "resolution": axis.resolution, "crs": str(box.crs)}
        found[name] = xr.Variable(name, axis.values, attributes)
    code, words = _reference(grid.crs)
    numbers = " ".join(f"{number:.24f}".rstrip("0").rstrip(".") for number in box.transform.to_gdal())
    found["spatial_ref"] = xr.Variable((), np.asarray(code, "int32"), {**words, "GeoTransform": numbers})
    return found


@functools.lru_cache(maxsize=64)
def _reference(crs: str) -> tuple[int, dict[str, Any]]:
    """Return the EPSG code of a coordinate system (0 = none) and the CF attributes that describe it."""
    box = GeoBox((1, 1), Affine.identity(), crs)
    assert box.crs is not None
    words = box.crs.proj.to_cf()
    return box.crs.epsg or 0, {"spatial_ref": words.get("crs_wkt") or box.crs.wkt, **words}
