"""The pixels of a view: exactly those of the cube or the file that lie in it, whatever the grid is cut from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer

import terrascope_nb as ts
from terrascope_nb.cube import view
from terrascope_nb.cube.tiles import cube_tiles
from terrascope_nb.cube.view import cut_view
from terrascope_nb.errors import CubeError, MemoryBudgetError
from terrascope_nb.raster.cog_tiles import CogTiles

EVERYWHERE = (-179.0, -80.0, 179.0, 80.0)


@pytest.fixture(scope="module")
def cube():
    items = ts.search("s2-toc", period=("2018-05-01", "2018-05-10"), source="sample")
    whole = ts.load(items, ["B04", "B08"])
    west, south, east, north = cube_tiles(whole["B04"]).bounds
    # An area whose pixels begin in the middle of the files' blocks.
    part = (west + (east - west) * 0.31, south + (north - south) * 0.22, east, north)
    return ts.load(items, ["B04", "B08"], area=part)


def test_a_whole_view_is_the_cube(cube):
    for number in range(cube.sizes["time"]):
        found = cut_view(cube_tiles(cube["B04"]), EVERYWHERE, time=number)
        expected = cube["B04"].isel(time=number).compute()
        assert np.array_equal(found["B04"].values, expected.values, equal_nan=True)
        assert np.array_equal(found["x"], expected["x"])
        assert np.array_equal(found["y"], expected["y"])
        assert found["time"].values == expected["time"].values
        assert found["B04"].dtype == np.float32


def test_an_index_is_worked_out_at_full_resolution(cube):
    ndvi = (cube["B08"] - cube["B04"]) / (cube["B08"] + cube["B04"])
    found = cut_view(cube_tiles(ndvi.rename("ndvi")), EVERYWHERE, time=0)
    assert np.allclose(found["ndvi"].values, ndvi.isel(time=0).compute().values, equal_nan=True, atol=1e-6)


def test_a_part_of_the_view_holds_its_own_places(cube):
    source = cube_tiles(cube["B04"])
    west, south, east, north = source.bounds
    box = (west + (east - west) * 0.4, south + (north - south) * 0.3, west + (east - west) * 0.7, north + 0.1)
    found = cut_view(source, box, time=0)
    expected = cube["B04"].isel(time=0).compute().sel(x=found["x"], y=found["y"])
    assert np.array_equal(found["B04"].values, expected.values, equal_nan=True)
    assert found.sizes["x"] < cube.sizes["x"]
    into = Transformer.from_crs(4326, cube["B04"].odc.crs.to_epsg(), always_xy=True)
    for lon, lat in np.random.default_rng(0).uniform(box[:2], (box[2], north), (40, 2)):
        x, y = into.transform(lon, lat)
        if (
            float(cube["x"].min()) - 5 < x < float(cube["x"].max()) + 5
            and float(cube["y"].min()) - 5 < y < float(cube["y"].max()) + 5
        ):
            assert abs(found["x"] - x).min() <= 5
            assert abs(found["y"] - y).min() <= 5


def test_a_file_in_degrees_and_many_blocks(tmp_path: Path):
    stored = np.random.default_rng(1).integers(0, 1000, (700, 900)).astype("int16")
    path = tmp_path / "degrees.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=700, width=900, count=1, dtype="int16", crs="EPSG:4326", tiled=True,
        blockxsize=128, blockysize=128, transform=rasterio.Affine(0.01, 0, 0.0, 0, -0.01, 55.0),
    ) as file:  # fmt: skip
        file.write(stored, 1)
    found = cut_view(CogTiles(str(path), layer_names=("a",)), (1.5, 50.5, 4.0, 53.25))
    assert np.array_equal(found["a"].values, stored[175:450, 150:400])
    assert found.odc.crs.to_epsg() == 4326
    assert float(found.odc.geobox.transform.c) == pytest.approx(1.5)


def test_what_is_too_large_for_the_memory_is_refused_before_it_is_read(cube, monkeypatch):
    monkeypatch.setattr(view, "available_memory", lambda: 1000)
    source = cube_tiles(cube["B04"])
    monkeypatch.setattr(source, "block", None)
    with pytest.raises(MemoryBudgetError, match="Zoom in"):
        cut_view(source, EVERYWHERE)


def test_a_view_beside_the_data_is_refused(cube):
    with pytest.raises(CubeError, match="lies in what the map shows"):
        cut_view(cube_tiles(cube["B04"]), (20.0, 40.0, 21.0, 41.0))
