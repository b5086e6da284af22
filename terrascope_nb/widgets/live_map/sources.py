"""Anything that can be drawn becomes a tile source: a cube, a georeferenced array, a file, a scene, an asset, a WMTS."""

from __future__ import annotations

import os
from typing import Any

from terrascope_nb.raster.tiling import TileSource
from terrascope_nb.widgets.live_map.file_sources import path_source


def tile_source(what: Any, *, bands: Any = None, name: str | None = None) -> TileSource:
    """Return the source of map tiles of anything that can be drawn.

    Parameters
    ----------
    what : tile source, xarray.DataArray, xarray.Dataset, path, URL, pystac.Item, Items, pystac.Asset, (item, asset)
        A variable of a cube, an index or a mask made of it, a Dataset with three bands; any georeferenced array; a path,
        ``file://`` or https address of a GeoTIFF; a scene or several; an asset; the address of map tiles with ``{z}``,
        ``{x}`` and ``{y}``.
    bands : optional
        Variables, assets or (in a file) numbers of bands: one, or three for red, green and blue.
    name : str, optional
        What a person calls it.

    Returns
    -------
    TileSource

    Raises
    ------
    CubeError
        It cannot be drawn.
    UnknownBandError, GridError, MemoryBudgetError
        As `cube_tiles`.
    AccessError
        A file could not be opened; the error names it, and item and asset where there are any. Local paths of an item
        are opened below the archive roots only; a path that you give is yours.
    """
    if isinstance(what, (str, os.PathLike)):
        return path_source(os.fspath(what), bands, name)
    # Loads dask and the catalogue: a file needs neither, and who draws a cube has loaded them.
    from terrascope_nb.widgets.live_map.data_sources import data_source

    return data_source(what, bands, name)
