from __future__ import annotations

import functools
from http.server import BaseHTTPRequestHandler

import imagecodecs
import numpy as np
import odc.geo.xr  # noqa: F401 - gives arrays their grid
import pystac
import pytest
import rasterio
import xarray as xr

from terrascope_nb.cube.loader import load
from terrascope_nb.errors import (
    AssetUnreachableError,
    CorruptAssetError,
    CubeError,
    GridError,
    UnknownBandError,
    UntrustedPathError,
)
from terrascope_nb.maps.looks import look_of
from terrascope_nb.maps.tiles import TilePainter
from terrascope_nb.raster import pyramid
from terrascope_nb.raster.tiling import TileAddress, tiles_over
from terrascope_nb.settings import options
from terrascope_nb.widgets.live_map.sources import tile_source

B04 = "S2B_20180705T105029_31UFS_TOC-B04_10M_V210.tif"
SCL = "S2B_20180705T105029_31UFS_SCENECLASSIFICATION_20M_V210.tif"


@pytest.fixture(autouse=True)
def no_blocks_kept():
    pyramid.blocks.clear()


def write(path, stored, *, size=10.0, **profile):
    path.parent.mkdir(parents=True, exist_ok=True)
    layers = stored if stored.ndim == 3 else stored[None]
    colours = profile.pop("colours", None)
    with rasterio.open(
        path, "w", driver="GTiff", count=len(layers), height=layers.shape[1], width=layers.shape[2], dtype=layers.dtype,
        crs="EPSG:32631", transform=rasterio.Affine(size, 0, 600000, 0, -size, 5700000), tiled=True, blockxsize=256,
        blockysize=256, compress="deflate", **profile,
    ) as dataset:  # fmt: skip
        if colours:
            dataset.write_colormap(1, colours)
        dataset.write(layers)
    return path


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "archive" / "TOC_V2" / "2018" / "07" / "05" / "S2B_20180705T105029_31UFS_TOC_V210"


@pytest.fixture
def item(folder, tmp_path):
    rng = np.random.default_rng(1)
    item = pystac.Item(
        "S2B_20180705T105029_31UFS_TOC_V210", None, None, __import__("datetime").datetime(2018, 7, 5, 10, 50, 29),
        {"proj:code": "EPSG:32631"}, collection="terrascope-s2-toc-v2",
    )  # fmt: skip
    for key in ("B02", "B03", "B04"):
        stored = rng.integers(1, 5000, (400, 400)).astype("int16")
        path = write(folder / B04.replace("B04", key), stored, nodata=32767)
        asset = pystac.Asset(f"file://{path}", key, None, "image/tiff; application=geotiff", ["data"],
                             {"raster:scale": 0.0001, "raster:offset": 0.0, "nodata": 32767, "data_type": "int16"})  # fmt: skip
        item.add_asset(key, asset)
    path = write(folder / SCL, rng.integers(3, 6, (200, 200)).astype("uint8"), size=20.0)
    item.add_asset("SCL", pystac.Asset(f"file://{path}", "SCL", None, "image/tiff; application=geotiff", ["data-mask"]))
    colours = write(folder / "preview.tif", rng.integers(1, 255, (3, 200, 200)).astype("uint8"), photometric="RGB")
    item.add_asset("PREVIEW", pystac.Asset(f"file://{colours}", None, None, "image/tiff", ["overview"]))
    with options(archive_roots=(tmp_path / "archive",), offline=True):
        yield item


def middle(source):
    west, south, east, north = source.bounds
    return (west + east) / 2, (south + north) / 2


def test_a_path_of_the_archive_is_drawn_as_its_product(item, folder):
    for path in (folder / B04, str(folder / B04), f"file://{folder / B04}"):
        source = tile_source(path)
        assert (source.kind, source.units, source.layer_names) == ("measurement", "1", ("B04",))
        assert (source.attrs["product"], source.attrs["band"]) == ("s2-toc", "B04")
        assert "2018" in source.attribution
        assert source.times == (np.datetime64("2018-07-05T10:50:29", "ns"),)
    with rasterio.open(folder / B04) as dataset:
        stored = dataset.read(1)
    assert source.value_at(*middle(source)).value == np.float32(stored[200, 200] * 0.0001)
    assert look_of(source).vmax < 1


def test_a_classification_is_drawn_with_its_classes(folder, item):
    source = tile_source(folder / SCL)
    assert source.kind == "classes"
    assert source.value_at(*middle(source)).text in {"Cloud shadows", "Vegetation", "Not vegetated"}
    png = TilePainter(source, look_of(source)).png(tiles_over(source.bounds, 13)[0])
    assert png.startswith(b"\x89PNG")


def test_a_file_of_nobody_known_is_drawn_by_its_own_words(tmp_path):
    path = write(tmp_path / "mine.tif", np.arange(160000, dtype="float32").reshape(400, 400), nodata=-1.0)
    source = tile_source(path, name="mine")
    assert (source.name, source.kind, source.units, source.times) == ("mine", "measurement", "", ())
    picture = tile_source(write(tmp_path / "rgb.tif", np.ones((3, 9, 9), dtype="uint8"), photometric="RGB"))
    assert picture.kind == "rgb"
    assert look_of(picture).vmax == 255
    assert tile_source(tmp_path / "rgb.tif", bands=2).layer_names
    with pytest.raises(UnknownBandError, match="no band 4"):
        tile_source(tmp_path / "rgb.tif", bands=4)
    with pytest.raises(CubeError, match="number"):
        tile_source(tmp_path / "rgb.tif", bands="red")


def test_a_colour_table_gives_the_classes(tmp_path):
    stored = np.full((300, 300), 7, dtype="uint8")
    path = write(
        tmp_path / "map.tif", stored, photometric="palette", colours={7: (10, 20, 30, 255), 9: (250, 0, 0, 255)}
    )
    source = tile_source(path)
    assert source.kind == "classes"
    painter = TilePainter(source, look_of(source))
    rgba, _ = painter.rgba(source.bounds, 64)
    assert {tuple(colour) for colour in rgba[rgba[..., 3] > 0]} == {(10, 20, 30, 255)}


def test_a_scene_is_drawn_in_colour_and_its_assets_one_by_one(item):
    scene = tile_source(item)
    assert (scene.kind, scene.layer_names) == ("rgb", ("red", "green", "blue"))
    assert scene.times == (np.datetime64("2018-07-05T10:50:29", "ns"),)
    cube = load([item], ["B04", "SCL"])
    row, col = 200, 200
    for what in ((item, "B04"), item.assets["B04"], (item, item.assets["B04"])):
        source = tile_source(what)
        assert source.name == f"{item.id} B04"
        found = source.value_at(*middle(source))
        assert found.value == float(cube["B04"].isel(time=0).values[row, col])
        assert found.source == item.id
    assert tile_source((item, "SCL")).kind == "classes"
    assert tile_source(item, bands="B04").kind == "measurement"
    assert tile_source([item]).kind == "rgb"
    assert tile_source((item, "PREVIEW")).kind == "rgb"
    assert tile_source(cube["B04"]).kind == "measurement"
    assert tile_source(cube, bands="SCL").kind == "classes"


def test_paths_of_a_catalogue_stay_below_the_archive_roots_but_a_path_of_ones_own_is_free(item, folder, tmp_path):
    with options(archive_roots=(tmp_path / "elsewhere",), offline=True):
        for what in ((item, "B04"), (item, "PREVIEW"), item):
            with pytest.raises(UntrustedPathError, match="archive roots"):
                tile_source(what)
        assert tile_source(folder / B04).kind == "measurement"


def test_a_file_that_goes_or_leaves_the_roots_while_it_is_drawn_is_named_with_its_item(item, folder, tmp_path):
    source = tile_source((item, "PREVIEW"))
    tile = tiles_over(source.bounds, 12)[0]
    assert source.read(tile).inside.any()
    pyramid.blocks.clear()
    elsewhere = (folder / "preview.tif").rename(tmp_path / "secret.tif")
    (folder / "preview.tif").symlink_to(elsewhere)
    with pytest.raises(AssetUnreachableError) as caught:
        source.read(tile)
    assert (caught.value.item, caught.value.asset) == (item.id, "PREVIEW")
    (folder / "preview.tif").unlink()
    with pytest.raises(AssetUnreachableError, match=r"preview\.tif") as caught:
        source.read(tile)
    assert (caught.value.item, caught.value.asset) == (item.id, "PREVIEW")


def test_a_missing_asset_is_named_with_its_item(item, folder):
    (folder / "preview.tif").unlink()
    for key in ("PREVIEW", "NOPE"):
        with pytest.raises(AssetUnreachableError) as caught:
            tile_source((item, key))
        assert (caught.value.item, caught.value.asset) == (item.id, key)


@pytest.mark.parametrize(
    "what",
    [5, None, [], (1, 2), "s3://bucket/a.tif", pystac.Asset("a.tif")],
    ids=["number", "none", "list", "pair", "s3", "asset"],
)
def test_what_cannot_be_drawn_is_refused_in_words(what):
    with pytest.raises(CubeError):
        tile_source(what)


def test_a_source_is_a_source(tmp_path):
    source = tile_source(write(tmp_path / "a.tif", np.ones((9, 9), dtype="uint8")))
    assert tile_source(source) is source


# -- tiles of a server -----------------------------------------------------------------------------------------------


def answer(handler: BaseHTTPRequestHandler, asked, _data, *, pictures) -> bool:
    data = pictures.get(asked.path)
    if data is None:
        handler.reply(404)
    elif isinstance(data, int):
        handler.reply(data)
    else:
        handler.reply(200, {"Content-Type": "image/png"}, data)
    return True


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("t/{z}/{x}/{y}.png", "/t/9/262/171.png"),
        ("t/{z}/{x}/{-y}.png", "/t/9/262/340.png"),
        (
            "wmts?TILEMATRIX={TileMatrix}&TILEROW={TileRow}&TILECOL={TileCol}",
            "/wmts?TILEMATRIX=9&TILEROW=171&TILECOL=262",
        ),
    ],
)
def test_tiles_of_a_server_are_fetched_and_handed_on(file_server, template, path):
    picture = np.random.default_rng(1).integers(0, 255, (256, 256, 4)).astype("uint8")
    picture[..., 3] = np.where(picture[..., 3] > 99, 255, 0)
    asked = {path: imagecodecs.png_encode(picture)}
    file_server.misbehave = functools.partial(answer, pictures=asked)
    source = tile_source(file_server.url(template), name="mine")
    tile = TileAddress(9, 262, 171)
    painter = TilePainter(source, look_of(source))
    rgba = imagecodecs.png_decode(painter.png(tile))
    shown = picture[..., 3] > 0
    np.testing.assert_array_equal(rgba[shown], picture[shown])
    assert (rgba[~shown, 3] == 0).all()
    assert not source.read(TileAddress(9, 0, 0)).inside.any()
    assert source.value_at(4.0, 51.0).value is None
    asked[path] = b"<html>no"
    with pytest.raises(CorruptAssetError, match="no picture"):
        source.read(tile)
    asked[path] = 403
    with pytest.raises(AssetUnreachableError, match="403"):
        source.read(tile)


def test_an_address_that_is_no_template_is_refused():
    for template in (
        "https://a.example/{z}/{x}.png",
        "https://a.example/{s}/{z}/{x}/{y}.png",
        "https://a.example/{z}/{x}/{y}/{time}",
    ):
        with pytest.raises(GridError, match="braces"):
            tile_source(template)


@pytest.mark.parametrize(
    "values", [np.array([["a"]]), np.array([["2024-01-01"]], "datetime64[ns]"), np.ones((1, 1), "complex64")]
)
def test_what_has_no_colour_is_refused(values):
    with pytest.raises(CubeError, match=r"odd holds .* no colours"):
        tile_source(xr.DataArray(values, dims=("y", "x"), name="odd"))
    with pytest.raises(CubeError, match=r"odd holds .* no colours"):
        tile_source(xr.Dataset({"odd": (("y", "x"), values)}), bands="odd")


def test_an_array_without_pixels_is_refused():
    with pytest.raises(CubeError, match="y has length 0"):
        tile_source(xr.DataArray(np.ones((0, 3)), dims=("y", "x"), name="none"))


def test_a_comparison_is_named_as_the_mask_it_is():
    values = xr.DataArray(
        np.ones((4, 4)), dims=("y", "x"), coords={"y": 50.0 - np.arange(4) / 100, "x": 4.0 + np.arange(4) / 100}, name="NDVI"
    ).odc.assign_crs("EPSG:4326")  # fmt: skip
    assert tile_source(values).name == "NDVI"
    assert tile_source(values > 0.5).name == "mask of NDVI"
    assert tile_source(values > 0.5, name="green").name == "green"
    assert tile_source((values > 0.5).rename("cloud mask")).name == "cloud mask"
