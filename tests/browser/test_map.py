"""The map shows what the numbers are: in a lab and in a hub, while cells run, without its file, without its kernel."""

from __future__ import annotations

import numpy as np
import pytest
from support.maps import MapOnPage, check_colours, write_raster

CENTER = (50.9777, 3.7488)
"""Middle of the rasters: 2560 m east and south of their corner in UTM zone 31."""


@pytest.fixture(scope="module")
def rasters(tmp_path_factory):
    """Two files: every pixel another value; squares of 32 pixels with one value each."""
    folder = tmp_path_factory.mktemp("rasters")
    rng = np.random.default_rng(3)
    fine = rng.integers(1, 10_000, (512, 512), dtype="uint16")
    squares = np.kron(rng.integers(1, 10_000, (16, 16), dtype="uint16"), np.ones((32, 32), dtype="uint16"))
    return write_raster(folder / "fine.tif", fine), write_raster(folder / "squares.tif", squares)


def map_cell(path, zoom, *, more=""):
    return (
        "import terrascope_nb as ts\n"
        f"m = ts.Map(center={CENTER}, zoom={zoom})\n"
        f"layer = m.add({str(path)!r}, cmap='viridis', vmin=0, vmax=10000)\n{more}\nm"
    )


def show(notebook, path, zoom, *extra, more=""):
    notebook.open_cells(map_cell(path, zoom, more=more), *extra)
    notebook.run(0)
    seen = MapOnPage(notebook, 0, CENTER, zoom)
    seen.wait_for_tiles()
    return seen


def test_colours_in_the_lab_are_those_of_the_values_in_the_file(lab, rasters):
    fine, squares = rasters
    check_colours(show(lab, fine, 16), fine, "viridis", 0, 10_000)
    # Far out, tiles come from the overviews: a square is about 13 screen pixels wide.
    check_colours(show(lab, squares, 12), squares, "viridis", 0, 10_000, cell=32)


def test_colours_in_the_hub_are_those_of_the_values_in_the_file_for_each_user(hub, rasters):
    fine, _ = rasters
    for notebook in hub.values():
        check_colours(show(notebook, fine, 16), fine, "viridis", 0, 10_000)
