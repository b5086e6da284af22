"""Where pixels of a grid lie in a file: one answer per pixel, whatever window it is asked for."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest

from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.lookup import find_centres

FILE = PixelGrid("EPSG:32631", (100.0, 0.0, 600000.0, 0.0, -100.0, 5700000.0), (5000, 4000))


def degrees(size: float) -> PixelGrid:
    left, top = size * round(4.4 / size), size * round(51.5 / size)
    return PixelGrid("EPSG:4326", (size, 0.0, left, 0.0, -size, top), (int(4.4 / size), int(5.5 / size)))


@pytest.mark.parametrize("size", [7e-3, 8e-3, 8.1e-3, 9e-3])
def test_a_crop_has_the_pixels_of_the_whole_where_interpolation_is_close_in_a_part_only(size):
    # Between 0.0079 and 0.0082 degrees some cells of the lattice are interpolated and some are not.
    grid = degrees(size)
    whole = find_centres(grid, FILE)
    for row in range(0, grid.shape[0] - 10, 37):
        for col in range(0, grid.shape[1] - 10, 41):
            piece = find_centres(grid.crop(row, col, 10, 10), FILE)
            for one, all_of_them in zip(piece, whole, strict=True):
                assert np.array_equal(one, all_of_them[row : row + 10, col : col + 10])


@pytest.mark.parametrize("size", [5e-3, 8e-3, 2e-2])
def test_positions_are_those_of_proj_to_a_fiftieth_of_a_pixel(size):
    grid = degrees(size)
    rows, cols = find_centres(grid, FILE, whole=False)
    left, top = grid.transform[2], grid.transform[5]
    at_rows, at_cols = np.mgrid[: grid.shape[0], : grid.shape[1]] + 0.5
    to_file = pyproj.Transformer.from_crs(4326, 32631, always_xy=True)
    x, y = to_file.transform(left + size * at_cols, top - size * at_rows)
    assert np.abs(cols - (x - 600000) / 100).max() <= 0.0201
    assert np.abs(rows - (5700000 - y) / 100).max() <= 0.0201
