"""Values taken away from a map: GeoTIFFs, and layers that QGIS opens with the map's colours."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
import rasterio
import xarray as xr
from map_to_save import lonlat, write_tif
from pyproj import Transformer
from rasterio.windows import Window

from terrascope_nb.cube.view import cut_view
from terrascope_nb.errors import CubeError
from terrascope_nb.products.registry import get_product
from terrascope_nb.raster.cog_tiles import CogTiles
from terrascope_nb.widgets.live_map.map import Map


def test_a_geotiff_of_the_view_has_the_files_own_pixels(dn_file, tmp_path):
    m = Map(center=lonlat(601_000, 5_699_100)[::-1], zoom=15)
    m.add(str(dn_file), vmin=0.0, vmax=0.9)
    (path,) = m.save(tmp_path / "view.tif")
    with rasterio.open(path) as saved, rasterio.open(dn_file) as file:
        assert saved.crs == file.crs
        assert saved.res == file.res
        column, row = ~file.transform * (saved.transform.c, saved.transform.f)
        assert (column, row) == (round(column), round(row))
        assert 0 < saved.width <= 240
        stored = file.read(1, window=Window(round(column), round(row), saved.width, saved.height)).astype("float32")
        expected = np.where(stored == 255, np.nan, stored * np.float32(0.004) + np.float32(-0.08))
        assert np.allclose(saved.read(1), expected, equal_nan=True, atol=1e-6)
        assert saved.profile["driver"] == "GTiff"
        # every place of the view that the file holds is in it
        west, south, east, north = m.view_bounds
        into = Transformer.from_crs(4326, 32631, always_xy=True)
        for lon in np.linspace(west, east, 7):
            for lat in np.linspace(south, north, 7):
                x, y = into.transform(lon, lat)
                if file.bounds.left < x < file.bounds.right and file.bounds.bottom < y < file.bounds.top:
                    assert saved.bounds.left <= x <= saved.bounds.right
                    assert saved.bounds.bottom <= y <= saved.bounds.top


def test_a_geotiff_of_a_cube_has_the_values_of_the_date_that_is_shown(cube, tmp_path):
    m = Map()
    m.add(cube, time="2018-07-05")
    (path,) = m.save(tmp_path / "cube.tif")
    with rasterio.open(path) as saved:
        assert np.array_equal(saved.read(1), cube.values[1])
        assert saved.tags()["TIFFTAG_DATETIME"].startswith("2018:07:05")
        assert "Copernicus Sentinel data 2018" in saved.tags()["TIFFTAG_COPYRIGHT"]


def test_classes_stay_classes(tmp_path):
    stored = np.random.default_rng(5).choice(np.array([0, 4, 5, 6], dtype="uint8"), (200, 240))
    path = write_tif(tmp_path / "scl.tif", stored, nodata=0)
    m = Map()
    m.add(CogTiles(str(path), kind="classes", layer_names=("SCL",), attrs=scl_attrs()))
    (saved,) = m.save(tmp_path / "view.tif")
    with rasterio.open(saved) as file:
        assert file.dtypes == ("uint8",)
        assert np.array_equal(file.read(1), stored)


def test_what_lies_beside_the_view_or_has_no_values_is_refused(shown, cube, tmp_path):
    shown.center, shown.zoom = (40.0, 20.0), 12
    with pytest.raises(CubeError, match="nothing of My layer"):
        shown.save(tmp_path / "view.tif")
    with pytest.raises(CubeError, match="a visible layer"):
        Map().save(tmp_path / "view.tif")
    with pytest.raises(CubeError, match="My layer"):
        shown.save(tmp_path / "view.tif", layer="another")
    with pytest.raises(CubeError, match="picture from a server"):
        cut_view(type("Web", (), {"name": "Web"})(), (0.0, 0.0, 1.0, 1.0))
    assert list(tmp_path.glob("view*")) == []


def scl_attrs() -> dict[str, object]:
    band = get_product("s2-toc").find_band("SCL")
    return {
        "product": "s2-toc", "band": "SCL", "flag_values": np.array([one.value for one in band.classes], dtype="uint8"),
        "flag_meanings": " ".join(one.name for one in band.classes),
        "flag_colors": " ".join(one.color for one in band.classes),
    }  # fmt: skip


def style_of(path: Path) -> ET.Element:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE qgis")
    root = ET.fromstring(text)
    assert root.tag == "qgis"
    return root.find("pipe/rasterrenderer")


def test_gdal_opens_the_virtual_raster_with_equal_values_also_elsewhere(shown, tmp_path):
    folder = tmp_path / "qgis"
    folder.mkdir()
    written = shown.save(folder / "layer.vrt")
    assert [path.name for path in written] == ["layer.vrt", "layer.tif", "layer.qml"]
    moved = tmp_path / "moved"
    shutil.move(folder, moved)
    with rasterio.open(moved / "layer.vrt") as virtual, rasterio.open(moved / "layer.tif") as file:
        assert virtual.driver == "VRT"
        assert np.array_equal(virtual.read(1), file.read(1), equal_nan=True)
        assert (virtual.crs, virtual.transform, virtual.dtypes) == (file.crs, file.transform, file.dtypes)
        assert np.isnan(virtual.nodata)
        assert virtual.descriptions[0]


def test_the_style_has_the_colours_of_the_look(shown, tmp_path):
    shown.save(tmp_path / "layer.vrt")
    renderer = style_of(tmp_path / "layer.qml")
    assert renderer.get("type") == "singlebandpseudocolor"
    items = renderer.findall("rastershader/colorrampshader/item")
    assert (float(items[0].get("value")), float(items[-1].get("value"))) == (0.0, 0.9)
    for item in items:
        expected = mpl.colormaps["cividis"](float(item.get("value")) / 0.9, bytes=True)[:3]
        found = tuple(int(item.get("color")[i : i + 2], 16) for i in (1, 3, 5))
        assert np.abs(np.subtract(found, expected, dtype=int)).max() <= 3


def test_the_style_of_classes_has_the_names_and_colours_of_the_product(tmp_path):
    stored = np.random.default_rng(5).choice(np.array([4, 5, 6], dtype="uint8"), (200, 240))
    m = Map()
    m.add(
        CogTiles(str(write_tif(tmp_path / "scl.tif", stored)), kind="classes", layer_names=("SCL",), attrs=scl_attrs())
    )
    m.save(tmp_path / "layer.vrt")
    renderer = style_of(tmp_path / "layer.qml")
    assert renderer.get("type") == "paletted"
    entries = {int(one.get("value")): (one.get("label"), one.get("color")) for one in renderer.iter("paletteEntry")}
    band = get_product("s2-toc").find_band("SCL")
    assert entries == {one.value: (one.title["en"], one.color.lower()) for one in band.classes}
    with rasterio.open(tmp_path / "layer.vrt") as file:
        assert np.array_equal(file.read(1), stored)
        table = file.colormap(1)
        for one in band.classes:
            assert table[one.value][:3] == tuple(int(one.color[i : i + 2], 16) for i in (1, 3, 5))


def test_three_bands_become_a_colour_picture(cube, tmp_path):
    bands = xr.Dataset(
        {name: cube.isel(time=0) * share for name, share in (("red", 0.1), ("green", 0.2), ("blue", 0.3))}
    )
    m = Map()
    m.add(bands, bands=("red", "green", "blue"), vmin=0.0, vmax=0.3)
    m.save(tmp_path / "rgb.vrt")
    renderer = style_of(tmp_path / "rgb.qml")
    assert renderer.get("type") == "multibandcolor"
    assert [renderer.get(f"{colour}Band") for colour in ("red", "green", "blue")] == ["1", "2", "3"]
    assert float(renderer.find("greenContrastEnhancement/maxValue").text) == pytest.approx(0.3)
    with rasterio.open(tmp_path / "rgb.vrt") as file:
        assert file.count == 3
        assert np.allclose(file.read(3), cube.values[0] * 0.3)
