"""A map on the page: when its tiles are there, and where on it a place is drawn."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import rasterio
from playwright.sync_api import Locator
from pyproj import Transformer
from rasterio.enums import Resampling
from support.notebooks import Notebook
from support.pictures import pixel_of

_TILES_ARE_THERE = """(map) => {
  const tiles = [...map.querySelectorAll('.tnb-Tile')];
  const pictures = [...map.querySelectorAll('.tnb-Tile-picture')];
  return tiles.length > 0 && pictures.length > 0 && pictures.every(one => one.complete && one.naturalWidth > 0) &&
    !map.querySelector('.tnb-MapState-row.tnb-mod-loading') && tiles.every(one => one.classList.contains('leaflet-tile-loaded'));
}"""
WAYS = 6.0
"""A colour on the screen may be this far (red, green or blue) from the one expected: a palette of 256 steps."""


class MapOnPage:
    """The map in the output of a cell."""

    def __init__(self, notebook: Notebook, cell: int, center: tuple[float, float], zoom: float) -> None:
        self.notebook, self.center, self.zoom = notebook, center, zoom
        self.element: Locator = notebook.output(cell).locator(".leaflet-container").first
        self.element.wait_for()

    def wait_for_tiles(self, seconds: float = 60) -> None:
        """Return when every tile of our layers is drawn."""
        handle = self.element.element_handle()
        self.notebook.page.wait_for_function(_TILES_ARE_THERE, arg=handle, timeout=seconds * 1000)
        self.notebook.page.wait_for_timeout(400)  # leaflet fades tiles in

    def size(self) -> tuple[float, float]:
        box = self.element.bounding_box()
        assert box is not None
        return box["width"], box["height"]

    def pixel(self, lon: float, lat: float) -> tuple[float, float]:
        """Return where a place is drawn, from the upper left corner of the map."""
        return pixel_of(lon, lat, self.center, self.zoom, self.size())

    def click(self, lon: float, lat: float) -> None:
        x, y = self.pixel(lon, lat)
        self.element.click(position={"x": x, "y": y})


def write_raster(
    path: Path, values: np.ndarray, *, epsg: int = 32631, left: float = 550_000, top: float = 5_650_000
) -> Path:
    """Write a tiled GeoTIFF with overviews, ten metres a pixel."""
    profile = {
        "driver": "GTiff", "dtype": values.dtype, "count": 1, "height": values.shape[0], "width": values.shape[1],
        "crs": f"EPSG:{epsg}", "transform": rasterio.transform.from_origin(left, top, 10, 10), "tiled": True,
        "blockxsize": 256, "blockysize": 256, "compress": "deflate",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(values, 1)
        file.build_overviews([2, 4, 8], Resampling.nearest)
    return path


def places_in(
    path: Path, seen: MapOnPage, count: int, *, cell: int = 1, seed: int = 7
) -> list[tuple[float, float, float]]:
    """Return (lon, lat, value by rasterio) of the middles of cells (squares of pixels) drawn in the middle of a map."""
    width, height = seen.size()
    rng = np.random.default_rng(seed)
    found: list[tuple[float, float, float]] = []
    with rasterio.open(path) as file:
        values = file.read(1)
        to_lonlat = Transformer.from_crs(file.crs, "EPSG:4326", always_xy=True)
        rows, cols = np.meshgrid(*(np.arange(n // cell) for n in values.shape), indexing="ij")
        for index in rng.permutation(rows.size):
            row, col = (float(grid.ravel()[index] * cell + cell / 2) for grid in (rows, cols))
            lon, lat = to_lonlat.transform(*(file.transform * (col, row)))
            x, y = seen.pixel(lon, lat)
            if 0.15 * width < x < 0.85 * width and 0.2 * height < y < 0.8 * height:
                found.append((lon, lat, float(next(file.sample([file.transform * (col, row)]))[0])))
            if len(found) == count:
                return found
    raise AssertionError(f"only {len(found)} of {count} places are on the screen")


def expected_colour(value: float, cmap: str, vmin: float, vmax: float) -> np.ndarray:
    """Return the colour matplotlib gives to a value."""
    shown = mpl.colors.Normalize(vmin, vmax, clip=True)(value)
    return np.asarray(mpl.colormaps[cmap](shown, bytes=True)[:3], dtype=float)


def check_colours(
    seen: MapOnPage, path: Path, cmap: str, vmin: float, vmax: float, *, cell: int = 1, count: int = 20
) -> None:
    """Compare the screen with rasterio and matplotlib at some places."""
    shot = seen.notebook.shot(seen.element)
    wrong = []
    for lon, lat, value in places_in(path, seen, count, cell=cell):
        drawn = np.array(shot.colour(*seen.pixel(lon, lat)), dtype=float)
        wanted = expected_colour(value, cmap, vmin, vmax)
        if np.abs(drawn - wanted).max() > WAYS:
            wrong.append(f"{lon:.5f} {lat:.5f}: {value:g} should be {wanted}, is {drawn}")
    assert not wrong, "\n".join(wrong)
