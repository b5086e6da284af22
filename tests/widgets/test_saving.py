"""What is taken away from a map: pictures, pages, values, QGIS layers, time lapses; each whole, true and dated."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import ipyleaflet
import matplotlib as mpl
import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.xr import xr_coords
from PIL import Image, ImageDraw
from pyproj import Transformer
from rasterio.windows import Window

import terrascope_nb as ts
from terrascope_nb.cube.view import cut_view
from terrascope_nb.errors import CubeError, ExportError, MissingExtraError
from terrascope_nb.maps.basemap import window_of
from terrascope_nb.maps.frames import STAMP, frames_of
from terrascope_nb.maps.lettering import open_font
from terrascope_nb.maps.sheet_figure import DPI, figure_of
from terrascope_nb.maps.sheet_files import describe_sheet
from terrascope_nb.products.registry import get_product
from terrascope_nb.raster.cog_tiles import CogTiles
from terrascope_nb.widgets.live_map.basemap_layer import BasemapLayer
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.live_map.sources import tile_source
from terrascope_nb.widgets.saving.lapse import moving_sheet, timelapse
from terrascope_nb.widgets.saving.map_files import save_map
from terrascope_nb.widgets.saving.map_sheet import sheet_of, size_for, widened

CORNER = (600_000.0, 5_700_000.0)
TIMES = np.array(["2018-06-30T10:50:00", "2018-07-05T10:50:00", "2018-07-15T10:50:00"], dtype="datetime64[ns]")


def write_tif(path: Path, values: np.ndarray, **profile) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype.name,
        crs="EPSG:32631", transform=Affine(10, 0, CORNER[0], 0, -10, CORNER[1]), tiled=True, blockxsize=64, blockysize=64,
        **profile,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


@pytest.fixture
def dn_file(tmp_path: Path) -> Path:
    stored = np.random.default_rng(7).integers(0, 250, (200, 240)).astype("uint8")
    stored[:20, :30] = 255
    path = write_tif(tmp_path / "dn.tif", stored, nodata=255)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.004,), (-0.08,)
    return path


@pytest.fixture
def cube() -> xr.DataArray:
    values = np.random.default_rng(3).random((3, 40, 60)).astype("float32")
    coords = dict(
        xr_coords(GeoBox((40, 60), Affine(10, 0, CORNER[0], 0, -10, CORNER[1]), "EPSG:32631"), always_yx=True)
    )
    coords["time"] = TIMES
    attrs = {"product": "s2-ndvi", "band": "NDVI", "units": "1",
             "attribution": "Contains modified Copernicus Sentinel data 2018, processed by VITO"}  # fmt: skip
    return xr.DataArray(values, dims=("time", "y", "x"), coords=coords, name="NDVI", attrs=attrs)


def lonlat(x: float, y: float) -> tuple[float, float]:
    return Transformer.from_crs(32631, 4326, always_xy=True).transform(x, y)


@pytest.fixture
def shown(dn_file: Path) -> Map:
    m = Map()
    m.add(str(dn_file), name="My layer", vmin=0.0, vmax=0.9, cmap="cividis")
    return m


# -- pictures --------------------------------------------------------------------------------------------------------


def test_a_png_holds_the_map_and_tells_what_it_is(shown, tmp_path):
    (path,) = shown.save(tmp_path / "map.png", title="Fields")
    with Image.open(path) as image:
        assert image.size[0] > 900
        told = image.text["Description"]
    assert told.startswith("Fields: a map from")
    assert "My layer" in told


@pytest.mark.parametrize(("suffix", "start"), [(".pdf", b"%PDF"), (".html", b"<!DOCTYPE html>"), (".PNG", b"\x89PNG")])
def test_the_suffix_says_what_is_written(shown, tmp_path, suffix, start):
    (path,) = shown.save(str(tmp_path / f"map{suffix}"))
    assert path.read_bytes().startswith(start)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("name", "why"), [("map", "use one of"), ("map.jpg", "use one of"), ("nowhere/map.png", "does not exist")]
)
def test_a_path_that_cannot_be_is_refused(shown, tmp_path, name, why):
    with pytest.raises(ExportError, match=why):
        shown.save(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_overwriting_is_the_users_choice(shown, tmp_path):
    path = tmp_path / "map.png"
    path.write_bytes(b"mine")
    for name in ("map.png", "map.vrt"):
        (tmp_path / name).write_bytes(b"mine")
        with pytest.raises(ExportError, match="overwrite=True"):
            shown.save(tmp_path / name, overwrite=False)
        assert (tmp_path / name).read_bytes() == b"mine"
    shown.save(path)
    assert path.read_bytes() != b"mine"


@pytest.mark.parametrize("name", ["map.png", "map.pdf", "map.html", "map.tif", "map.vrt"])
def test_a_layer_that_cannot_be_read_leaves_the_old_file_and_no_half_one(dn_file, tmp_path, name):
    m = Map()
    layer = m.add(str(dn_file), vmin=0.0, vmax=1.0)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).write_bytes(b"old")
    layer.source._own_decode(1)

    def broken(*_args, **_kwargs):
        raise ts.TerrascopeError("the file is gone")

    layer.source.finish = broken
    with pytest.raises(ts.TerrascopeError, match="the file is gone"):
        m.save(folder / name)
    assert (folder / name).read_bytes() == b"old"
    assert [file.name for file in folder.iterdir()] == [name]


def test_a_folder_that_may_not_be_written_is_named(shown, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ExportError, match="No space left"):
        shown.save(tmp_path / "map.png")
    assert list(tmp_path.glob("*map*")) == []


def test_the_sheet_holds_what_the_map_shows(shown):
    west, south, east, north = shown.view_bounds
    ring = [[west, south], [east, south], [east, north], [west, south]]
    shown.add(
        ipyleaflet.GeoJSON(data={"type": "Polygon", "coordinates": [ring]}, style={"color": "#123456"}, name="drawn")
    )
    shown.add(ipyleaflet.Polygon(locations=[(south, west), (north, west), (north, east)], name="polygon"))
    shown.add(ipyleaflet.Marker(location=(south, west)))
    hidden = ipyleaflet.GeoJSON(data={"type": "Polygon", "coordinates": [ring]}, visible=False, name="hidden")
    shown.add(hidden)
    shown.add(BasemapLayer(ground=False))
    shown.rasters[0].opacity = 0.4
    sheet = sheet_of(shown)
    assert sheet.bounds == shown.view_bounds
    assert [(layer.name, layer.opacity) for layer in sheet.layers] == [("My layer", 0.4)]
    assert [outline.name for outline in sheet.outlines] == ["drawn", "polygon", ""]
    assert sheet.outlines[0].colour == "#123456"
    assert sheet.names_above
    assert sheet.basemap is not None
    shown.rasters[0].visible = False
    assert sheet_of(shown).layers == ()
    assert sheet_of(Map(basemap="offline-dark")).dark
    assert sheet_of(Map(basemap="none")).basemap is None


def test_what_is_drawn_by_hand_is_saved_and_empty_layers_are_not_named(shown):
    west, south, east, north = shown.view_bounds
    line = {"type": "LineString", "coordinates": [[west, south], [east, north]]}
    drawing = ipyleaflet.DrawControl()
    drawing.data = [{"type": "Feature", "properties": {}, "geometry": line}]
    shown.add(drawing)
    shown.add(ipyleaflet.GeoJSON(data={"type": "FeatureCollection", "features": []}, name="empty"))
    (outline,) = sheet_of(shown).outlines
    assert outline.name == "drawn area"
    assert outline.geojson["features"][0]["geometry"] == line


def test_an_online_map_is_replaced_and_said(dn_file, tmp_path):
    m = Map(basemap="OpenStreetMap.Mapnik")
    sheet = sheet_of(m)
    assert sheet.basemap is not None
    assert any("online map" in note for note in sheet.notes)


def test_a_map_becomes_a_link_of_the_viewer_and_back(cube):
    m = Map()
    m.add(cube, time="2018-07-05")
    view = ts.read_viewer_link(m.viewer_link())
    assert (view.product, view.date) == ("s2-ndvi", date(2018, 7, 5))
    assert view.bbox == m.view_bounds
    assert Map(area=view.area).view_bounds[0] <= view.bbox[0]
    bare = ts.read_viewer_link(Map(center=(0, 0), zoom=0).viewer_link())
    assert (bare.product, bare.date) == (None, None)
    assert bare.bbox == (-180.0, -85.0, 180.0, 85.0)


# -- values ----------------------------------------------------------------------------------------------------------


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


# -- QGIS ------------------------------------------------------------------------------------------------------------


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


# -- time ------------------------------------------------------------------------------------------------------------


def read_stamp(frame: Image.Image, candidates: list[str]) -> str:
    """Return the text that fits best, among many, to what stands dark on white where the stamp is."""
    found = np.asarray(frame.convert("L")).astype(float)[46:90, 14:320]
    scores = {}
    for text in candidates:
        drawn = Image.new("L", (306, 44), 255)
        ImageDraw.Draw(drawn).text((24 - 14, 56 - 46), text, font=open_font(STAMP, bold=True), fill=17)
        box = ImageDraw.Draw(drawn).textbbox((10, 10), text, font=open_font(STAMP, bold=True))
        part = np.s_[box[1] : box[3], box[0] : box[2]]
        scores[text] = np.abs(np.asarray(drawn)[part] - found[part]).mean()
    best = min(scores, key=scores.get)
    assert scores[best] < 25
    assert box[3] - box[1] >= 12  # tall enough to be read
    return best


CANDIDATES = [(date(2018, 6, 20) + timedelta(days=number)).isoformat() for number in range(30)]


def test_a_gif_has_a_frame_and_a_legible_stamp_per_date(cube, tmp_path):
    path = timelapse(cube, tmp_path / "lapse.gif", fps=4, vmin=0.0, vmax=1.0, cmap="viridis")
    with Image.open(path) as gif:
        assert gif.n_frames == 3
        assert gif.info["loop"] == 0
        for number in range(3):
            gif.seek(number)
            assert gif.info["duration"] == 250
            assert read_stamp(gif.convert("RGB"), CANDIDATES) == str(TIMES[number])[:10]


def test_the_frames_show_the_values_of_their_date(cube, tmp_path):
    path = timelapse(cube, tmp_path / "lapse.gif", vmin=0.0, vmax=1.0, cmap="viridis")
    shown = Map()
    shown.add(cube, vmin=0.0, vmax=1.0, cmap="viridis")
    frames = []
    with Image.open(path) as gif:
        for number in range(3):
            gif.seek(number)
            frames.append(np.asarray(gif.convert("RGB")).astype(int))
    # The middle of the map is the middle of the cube; the pixels there have the colours of each date's own value.
    colours = {tuple(frame[46 + 250, 14 + 450]) for frame in frames}
    assert len(colours) == 3

    source = tile_source(cube)
    bounds = widened(source.bounds)
    size = size_for(bounds, None)
    window = window_of(bounds, size)
    agree = total = 0
    for column, row in np.random.default_rng(2).integers((100, 60), (size[0] - 100, size[1] - 60), (60, 2)):
        x, y = (window.left + column + 0.5) / window.scale, (window.top + row + 0.5) / window.scale
        lon, lat = (x - 0.5) * 360, np.degrees(np.arctan(np.sinh(np.pi * (1 - 2 * y))))
        for number, frame in enumerate(frames):
            value = source.value_at(lon, lat, time=number).value
            if value is None:
                continue
            expected = np.array(mpl.colormaps["viridis"](value, bytes=True)[:3], dtype=int)
            agree += np.abs(frame[46 + row, 14 + column] - expected).max() <= 12  # a GIF has 256 colours
            total += 1
    assert total > 60
    assert agree / total > 0.9


def test_an_mp4_has_a_frame_and_a_legible_stamp_per_date(cube, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    m = Map()
    m.add(cube, vmin=0.0, vmax=1.0)
    (path,) = m.save(tmp_path / "lapse.mp4", fps=2)
    sheet = sheet_of(m)
    width, height = (round(side * DPI) for side in figure_of(sheet).get_size_inches())
    size = (width + width % 2, height + height % 2)
    # The decoder itself tells, not the library that wrote.
    read = [ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    frames = np.frombuffer(subprocess.run(read, capture_output=True, check=True).stdout, dtype="uint8")
    frames = frames.reshape(-1, size[1], size[0], 3)
    assert len(frames) == 3
    for time, frame in zip(TIMES, frames, strict=True):
        assert read_stamp(Image.fromarray(frame), CANDIDATES) == str(time)[:10]
    told = subprocess.run(
        [ffmpeg.get_ffmpeg_exe(), "-i", str(path)], capture_output=True, text=True, check=False
    ).stderr
    assert "h264" in told
    assert "2 fps" in told


def test_the_frames_carry_scale_bar_legend_outline_and_sources(cube, tmp_path):

    m = Map()
    m.add(cube, vmin=0.0, vmax=1.0)
    west, south, east, north = m.rasters[0].source.bounds
    sheet = moving_sheet(sheet_of(m, area=(west, south, east, north)), 0)
    texts = [text.get_text() for text in figure_of(sheet, frame_only=True).findobj(mpl.text.Text)]
    assert any(text.endswith(" m") for text in texts)
    assert any(text.startswith("NDVI") for text in texts)
    assert any("Sentinel data 2018" in text for text in texts)
    assert "3 dates from 2018-06-30 10:50 UTC to 2018-07-15 10:50 UTC" in describe_sheet(sheet)
    first, second, third = frames_of(sheet)
    frame = np.asarray(figure_picture(sheet))
    opaque = frame[..., 3] == 255
    assert opaque.sum() > 2000
    for image in (first, second, third):  # what the frame has lies above the data of every date
        assert (
            np.asarray(image)[: frame.shape[0], : frame.shape[1]][opaque][100:] == frame[opaque][100:, :3]
        ).mean() > 0.95


def figure_picture(sheet) -> Image.Image:
    buffer = io.BytesIO()
    figure_of(sheet, frame_only=True).savefig(buffer, format="png", dpi=DPI, facecolor="none")
    return Image.open(buffer).convert("RGBA")


def test_two_passes_of_a_day_are_told_apart(cube, tmp_path):
    cube["time"] = np.array(
        ["2018-07-05T10:50:00", "2018-07-05T10:58:00", "2018-07-06T10:50:00"], dtype="datetime64[ns]"
    )
    with Image.open(timelapse(cube, tmp_path / "lapse.gif", vmin=0.0, vmax=1.0)) as gif:
        assert gif.n_frames == 3
        wanted = ["2018-07-05 10:50:00 UTC", "2018-07-05 10:58:00 UTC", "2018-07-06"]
        for number, text in enumerate(wanted):
            gif.seek(number)
            assert (
                read_stamp(gif.convert("RGB"), [*wanted[:2], "2018-07-05 10:53:00 UTC"] if number < 2 else CANDIDATES)
                == text
            )


def test_dates_that_were_loaded_out_of_order_run_in_order(cube, tmp_path):
    with Image.open(timelapse(cube.isel(time=[2, 0, 1]), tmp_path / "lapse.gif", vmin=0.0, vmax=1.0)) as gif:
        stamps = []
        for number in range(3):
            gif.seek(number)
            stamps.append(read_stamp(gif.convert("RGB"), CANDIDATES))
    assert stamps == sorted(stamps)


@pytest.mark.parametrize(
    ("times", "count"),
    [
        (None, 3),
        (ts.period("2018-07-01", "2018-07-31"), 2),
        ([0, -1], 2),
        ("2018-07-05", 1),
        (["2018-07-05", 0], 2),
        (1, 1),
    ],
    ids=["all", "period", "numbers", "day", "mixed", "one"],
)
def test_dates_are_chosen(cube, tmp_path, times, count):
    with Image.open(timelapse(cube, tmp_path / "lapse.gif", times=times, vmin=0.0, vmax=1.0, size=(300, 200))) as gif:
        assert getattr(gif, "n_frames", 1) == count


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"times": "2018-07-06"}, "no acquisition"),
        ({"times": [7]}, "has 3 dates"),
        ({"times": "garbage"}, "no date"),
        ({"times": 5.5}, "no date"),
        ({"times": [object()]}, "no date"),
        ({"times": ts.period("2019-01-01", "2019-02-01")}, "no date of"),
        ({"fps": 0}, "fps"),
        ({"fps": 1000}, "fps"),
        ({"size": (10, 10)}, "between 100 and 10000"),
    ],
)
def test_a_lapse_that_cannot_be_is_refused_and_leaves_nothing(cube, tmp_path, how, why):
    with pytest.raises(CubeError, match=why):
        timelapse(cube, tmp_path / "lapse.gif", **how)
    assert list(tmp_path.iterdir()) == []


def test_a_map_without_dates_has_no_lapse(shown, cube, tmp_path):
    with pytest.raises(CubeError, match="several dates"):
        save_map(shown, tmp_path / "lapse.gif")
    with pytest.raises(CubeError, match="no dates"):
        timelapse(cube.isel(time=0, drop=True), tmp_path / "lapse.gif")
    with pytest.raises(ExportError, match=r"\.gif or \.mp4"):
        timelapse(cube, tmp_path / "lapse.png")


def test_a_missing_encoder_is_said_with_the_line_that_installs_it(cube, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'terrascope-nb\[video\]'"):
        timelapse(cube, tmp_path / "lapse.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_lapse_of_an_area_shows_it_all(cube, tmp_path):
    west, south, east, north = Map().add(cube).source.bounds
    box = (west, south, (west + east) / 2, (south + north) / 2)
    path = timelapse(cube, tmp_path / "lapse.gif", area=box, times=[0], vmin=0.0, vmax=1.0)
    with Image.open(path) as gif:
        image = np.asarray(gif.convert("RGB")).astype(int)
    orange = (np.abs(image - (0xC2, 0x41, 0x0C)).max(axis=2) < 30).nonzero()
    assert np.ptp(orange[1]) > 600  # the outline runs through most of the picture


# -- files of one's own ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dn.tif", "dn.vrt", "link.tif"])
def test_a_file_that_the_map_reads_is_never_written_over(shown, dn_file, tmp_path, name):
    (tmp_path / "link.tif").symlink_to(dn_file)
    before = dn_file.read_bytes()
    with pytest.raises(ExportError, match="is drawn from it"):
        shown.save(tmp_path / name)
    assert dn_file.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["dn.tif", "link.tif"]


def test_a_cube_still_on_disk_is_never_written_over(tmp_path):
    items = ts.search("s2-ndvi", (3.021, 50.813, 3.027, 50.818), "2018-06", source="sample")
    m = Map()
    m.add(ts.load(items, ["NDVI"], area=(3.021, 50.813, 3.027, 50.818))["NDVI"])
    (href,) = {source.ref.hrefs[0] for source in m.rasters[0].source._bands[0].plan.steps[0].scenes[0].sources}
    (tmp_path / "mine.tif").symlink_to(href)
    with pytest.raises(ExportError, match="is drawn from it"):
        m.save(tmp_path / "mine.tif")


def test_an_opened_file_is_never_written_over(dn_file):
    rioxarray = pytest.importorskip("rioxarray")
    m = Map()
    m.add(rioxarray.open_rasterio(dn_file, chunks=64), name="opened")
    before = dn_file.read_bytes()
    with pytest.raises(ExportError, match="is drawn from it"):
        m.save(dn_file)
    assert dn_file.read_bytes() == before


@pytest.mark.parametrize("suffix", [".tif", ".qml"])
def test_what_lies_beside_a_virtual_raster_is_left_unless_we_wrote_it(shown, tmp_path, suffix):
    mine = tmp_path / f"own{suffix}"
    mine.write_bytes(b"mine")
    with pytest.raises(ExportError, match=f"own{suffix}.*Choose another name"):
        shown.save(tmp_path / "own.vrt")
    assert mine.read_bytes() == b"mine"
    assert not (tmp_path / "own.vrt").exists()
    mine.unlink()
    shown.save(tmp_path / "own.vrt")
    shown.save(tmp_path / "own.vrt")  # our own files are replaced
    mine.write_bytes(mine.read_bytes() + b" changed in QGIS")
    with pytest.raises(ExportError, match="changed since"):
        shown.save(tmp_path / "own.vrt")
    assert mine.read_bytes().endswith(b"changed in QGIS")


def test_a_save_for_qgis_that_fails_leaves_the_three_files_as_they_were(shown, tmp_path, monkeypatch):
    shown.save(tmp_path / "own.vrt")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    shown.rasters[0].set_look(vmax=0.5)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ExportError, match="No space left"):
        shown.save(tmp_path / "own.vrt")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
