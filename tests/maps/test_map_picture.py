"""A picture of a map: each colour where the file has its value; title, date, scale bar, legend, sources; text that twins it."""

from __future__ import annotations

import io
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import rasterio
from PIL import Image
from pyproj import Transformer

from terrascope_nb.errors import CubeError
from terrascope_nb.maps.basemap import Basemap
from terrascope_nb.maps.looks import look_of
from terrascope_nb.maps.map_picture import picture_of
from terrascope_nb.maps.sheet import MapSheet, Outline, SheetLayer, check_size
from terrascope_nb.maps.sheet_figure import figure_of
from terrascope_nb.maps.sheet_files import describe_sheet, page_of, pdf_of, png_of
from terrascope_nb.maps.tiles import TilePainter
from terrascope_nb.raster.cog_tiles import CogTiles
from terrascope_nb.settings import options

CORNER, PIXEL = (600_000.0, 5_700_000.0), 10.0
_TO_LONLAT = Transformer.from_crs(32631, 4326, always_xy=True)
_TO_UTM = Transformer.from_crs(4326, 32631, always_xy=True)


def write_tif(path: Path, values: np.ndarray) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype.name,
        crs="EPSG:32631", transform=rasterio.Affine(PIXEL, 0, CORNER[0], 0, -PIXEL, CORNER[1]),
        nodata=float("nan") if values.dtype.kind == "f" else 255, tiled=True, blockxsize=64, blockysize=64,
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def lonlat_box(left: float, bottom: float, right: float, top: float) -> tuple[float, float, float, float]:
    west, south = _TO_LONLAT.transform(left, bottom)
    east, north = _TO_LONLAT.transform(right, top)
    return west, south, east, north


@pytest.fixture
def ndvi_file(tmp_path: Path) -> Path:
    values = np.random.default_rng(4).random((20, 24)).astype("float32").repeat(10, axis=0).repeat(10, axis=1)
    values[:50, :50] = np.nan
    return write_tif(tmp_path / "ndvi.tif", values)


@pytest.fixture
def painter(ndvi_file: Path) -> TilePainter:
    source = CogTiles(
        str(ndvi_file), name="Vegetation", layer_names=("NDVI",), units="1",
        attrs={"product": "s2-ndvi", "band": "NDVI"}, times=(np.datetime64("2018-07-05T10:50:29"),),
        attribution="Contains modified Copernicus Sentinel data {year}, processed by VITO",
    )  # fmt: skip
    return TilePainter(source, look_of(source, cmap="viridis", vmin=0.0, vmax=1.0))


BOX = lonlat_box(600_100, 5_698_200, 602_300, 5_699_900)
SIZE = (500, 400)


def test_every_pixel_has_the_colour_of_the_file_at_its_centre(ndvi_file, painter):
    image = np.asarray(picture_of(None, [(painter, None, 1.0)], [], BOX, SIZE))
    sheet = MapSheet(BOX, SIZE)
    west, south, east, north = sheet.shown_bounds
    mercator = Transformer.from_crs(4326, 3857, always_xy=True)
    (x0, y0), (x1, y1) = mercator.transform(west, south), mercator.transform(east, north)
    assert (x1 - x0) / (y1 - y0) == pytest.approx(SIZE[0] / SIZE[1])
    with rasterio.open(ndvi_file) as file:
        stored = file.read(1)
    checked = 0
    for column, row in np.random.default_rng(1).integers((0, 0), SIZE, (400, 2)):
        x, y = x0 + (column + 0.5) * (x1 - x0) / SIZE[0], y1 - (row + 0.5) * (y1 - y0) / SIZE[1]
        east_m, north_m = _TO_UTM.transform(*mercator.transform(x, y, direction="INVERSE"))
        fraction = np.array([(east_m - CORNER[0]) / PIXEL, (CORNER[1] - north_m) / PIXEL])
        at = np.floor(fraction).astype(int)
        if (at < 0).any() or at[0] >= 240 or at[1] >= 200 or np.isnan(stored[at[1], at[0]]):
            expected = (238, 238, 238)
        else:
            expected = tuple(int(v) for v in mpl.colormaps["viridis"](stored[at[1], at[0]], bytes=True)[:3])
        if (np.abs((fraction + 5) % 10 - 5) > 0.6).all():  # values come in squares of ten pixels; away from their edges
            assert tuple(int(v) for v in image[row, column]) == expected
            checked += 1
    assert checked > 200


def test_half_opaque_lets_the_basemap_through(painter):
    below = np.asarray(picture_of(Basemap(), [], [], BOX, SIZE)).astype(float)
    above = np.asarray(picture_of(Basemap(), [(painter, None, 1.0)], [], BOX, SIZE)).astype(float)
    half = np.asarray(picture_of(Basemap(), [(painter, None, 0.5)], [], BOX, SIZE)).astype(float)
    assert np.abs(half - (below + above) / 2).max() <= 2
    nothing = np.asarray(picture_of(Basemap(), [(painter, None, 0.0)], [], BOX, SIZE))
    assert (nothing == below).all()


def test_an_outline_lies_where_its_places_are():
    middle = ((BOX[0] + BOX[2]) / 2, (BOX[1] + BOX[3]) / 2)
    line = {"type": "LineString", "coordinates": [[middle[0], BOX[1]], [middle[0], BOX[3]]]}
    for geojson in (line, {"type": "Feature", "geometry": line}, {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": line}]}):  # fmt: skip
        image = np.asarray(picture_of(None, [], [Outline(geojson, "#ff0000")], BOX, SIZE))
        rows, columns = np.nonzero((image == (255, 0, 0)).all(axis=2))
        assert abs(columns.mean() - 250) <= 1.5
        assert np.ptp(rows) > 360
    point = {"type": "Point", "coordinates": list(middle)}
    assert (np.asarray(picture_of(None, [], [Outline(point, "#ff0000")], BOX, SIZE))[200, 250] == (255, 0, 0)).all()


@pytest.mark.parametrize("kind", ["MultiPolygon", "MultiPoint", "GeometryCollection", "empty"])
def test_every_kind_of_geojson_is_drawn(kind):
    west, south, east, north = BOX
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    geojson = {
        "MultiPolygon": {"type": "MultiPolygon", "coordinates": [[ring]]},
        "MultiPoint": {"type": "MultiPoint", "coordinates": ring},
        "GeometryCollection": {
            "type": "GeometryCollection",
            "geometries": [{"type": "Polygon", "coordinates": [ring]}],
        },
        "empty": {"type": "Feature", "geometry": None},
    }[kind]
    image = np.asarray(picture_of(None, [], [Outline(geojson, "#ff0000")], BOX, SIZE))
    assert (image == (255, 0, 0)).all(axis=2).any() == (kind != "empty")


def sheet_of(painter: TilePainter, **how) -> MapSheet:
    line = {"type": "LineString", "coordinates": [[BOX[0], BOX[1]], [BOX[2], BOX[3]]]}
    return MapSheet(BOX, SIZE, (SheetLayer(painter),), (Outline(line, "#aa0000", name="my fields"),), Basemap(), **how)


def test_the_sheet_says_title_date_unit_scale_and_sources(painter):
    figure = figure_of(sheet_of(painter, title="Fields <&> meadows"))
    texts = [text.get_text() for text in figure.findobj(mpl.text.Text)]
    assert "Fields <&> meadows" in texts
    assert "2018-07-05" in texts
    assert any("Copernicus Sentinel data 2018, processed by VITO" in text for text in texts)
    assert any("Natural Earth" in text for text in texts)
    assert "500 m" in texts
    assert any(text.startswith("NDVI [-]") for text in texts)
    assert any("my fields" in text for text in texts)
    (bar,) = [axes for axes in figure.axes if axes.get_gid() == "colour bar"]
    assert bar.get_ylim() == (0.0, 1.0)


def test_a_text_is_written_as_it_is(painter):
    title = r"Costs $5 and $6_a^b \frac{ % é ≥"
    figure = figure_of(sheet_of(painter, title=title, notes=("a $note$",)))
    assert {title, "a $note$"} <= {text.get_text() for text in figure.findobj(mpl.text.Text)}
    with Image.open(io.BytesIO(png_of(sheet_of(painter, title=title)))) as image:
        assert image.text["Description"].startswith(title)
    assert pdf_of(sheet_of(painter, title=title)).startswith(b"%PDF")


def test_the_map_on_the_sheet_is_the_picture_to_the_pixel(painter):
    sheet = MapSheet(BOX, SIZE, (SheetLayer(painter),), (), Basemap())
    page = np.asarray(Image.open(io.BytesIO(png_of(sheet))).convert("RGB"))
    alone = np.asarray(picture_of(Basemap(), [(painter, None, 1.0)], [], BOX, SIZE))
    inner = alone[100:300, 150:450]  # the scale bar and the frame lie outside
    height, width = page.shape[:2]
    found = [
        (top, left)
        for top in range(40, 56)
        for left in range(8, 20)
        if (page[top + 100 : top + 300, left + 150 : left + 450] == inner).all()
    ]
    assert len(found) == 1
    assert found[0][1] == 14
    assert width > 14 + 500 + 150
    assert height > 46 + 400


def test_the_scale_bar_has_its_length_on_the_ground(painter):
    figure = figure_of(sheet_of(painter))
    axes = figure.axes[0]
    from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
    from pyproj import Geod

    (bar,) = [artist for artist in axes.artists if isinstance(artist, AnchoredSizeBar)]
    length = bar.size_bar.get_children()[0].get_width()
    x, y = axes.get_xlim()[0], sum(axes.get_ylim()) / 2
    inverse = Transformer.from_crs(3857, 4326, always_xy=True)
    one, two = inverse.transform(x, y), inverse.transform(x + length, y)
    label = bar.txt_label.get_text()
    number, unit = re.fullmatch(r"([\d.]+) (k?m)", label).groups()
    metres = float(number) * (1000 if unit == "km" else 1)
    assert Geod(ellps="WGS84").inv(*one, *two)[2] == pytest.approx(metres, rel=0.01)


def test_the_legend_holds_the_classes_that_the_map_shows(tmp_path):
    values = np.full((200, 240), 4, dtype="uint8")
    values[:, 120:] = 6
    values[0, 0] = 5  # outside of what is shown
    attrs = {
        "flag_values": np.array([4, 5, 6], dtype="uint8"), "flag_meanings": "vegetation bare_soil water",
        "flag_colors": "#10d32d #ffff53 #0000ff",
    }  # fmt: skip
    source = CogTiles(str(write_tif(tmp_path / "scl.tif", values)), kind="classes", name="Scene", layer_names=("SCL",),
                      attrs=attrs)  # fmt: skip
    figure = figure_of(MapSheet(BOX, SIZE, (SheetLayer(TilePainter(source, look_of(source))),)))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["Vegetation", "Water"]
    assert mpl.colors.to_hex(legend.get_patches()[1].get_facecolor()) == "#0000ff"


def test_long_names_of_classes_stay_on_the_sheet(tmp_path):
    values = np.random.default_rng(0).integers(1, 13, (200, 240)).astype("uint8")
    names = [f"class_number_{number}_with_a_rather_long_name_of_its_own" for number in range(1, 13)]
    attrs = {"flag_values": np.arange(1, 13, dtype="uint8"), "flag_meanings": " ".join(names)}
    source = CogTiles(str(write_tif(tmp_path / "c.tif", values)), kind="classes", layer_names=("c",), attrs=attrs)
    for size in ((500, 400), (500, 150)):
        figure = figure_of(MapSheet(BOX, size, (SheetLayer(TilePainter(source, look_of(source))),)))
        figure.canvas.draw()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y0 >= 0
        shown = [text.get_text() for text in legend.get_texts()]
        assert (len(shown) == 12) == (size[1] == 400) or "more" in shown[-1]


def test_pdf_keeps_the_frame_as_text_and_lines(painter):
    pdf = pdf_of(sheet_of(painter, title="Meadows"))
    assert pdf.startswith(b"%PDF")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert b"/Title (Meadows)" in pdf
    assert pdf.count(b"/Font") >= 1
    assert b"/Subtype /Image" in pdf


def test_the_page_asks_no_address_and_tells_what_the_picture_shows(painter):
    page = page_of(sheet_of(painter, title="Fields <script>alert(1)</script>"))
    assert "<script" not in page
    assert not re.search(r"(src|href)=[\"'](?!data:)", page)
    assert "https://" not in page
    assert "&lt;script&gt;" in page
    assert "NDVI [-] from 0 to 1" in page
    embedded = re.search(r"base64,([A-Za-z0-9+/=]+)", page)
    assert embedded
    assert 'alt="Fields' in page


def test_the_text_twin_speaks_the_readers_language(painter):
    sheet = sheet_of(painter)
    assert "Outline: my fields" in describe_sheet(sheet)
    with options(language="nl"):
        assert "Omtrek: my fields" in describe_sheet(sheet)
        assert '<html lang="nl">' in page_of(sheet)


def test_a_layer_beside_the_view_draws_nothing_and_fails_nothing(painter):
    away = (20.0, 40.0, 21.0, 41.0)
    image = np.asarray(picture_of(None, [(painter, None, 1.0)], [], away, SIZE))
    assert (image == 238).all()


@pytest.mark.parametrize("turn", [-360.0, 360.0])
def test_a_view_beyond_the_date_line_shows_the_same(painter, turn):
    turned = (BOX[0] + turn, BOX[1], BOX[2] + turn, BOX[3])
    here = np.asarray(picture_of(Basemap(), [(painter, None, 1.0)], [], BOX, SIZE)).astype(int)
    there = np.asarray(picture_of(Basemap(), [(painter, None, 1.0)], [], turned, SIZE)).astype(int)
    assert (np.abs(here - there).max(axis=2) > 30).mean() < 0.01


def test_a_view_of_the_world_stays_cheap(painter):
    image = picture_of(Basemap(), [(painter, None, 1.0)], [], (-179.0, -80.0, 179.0, 80.0), SIZE)
    assert image.size == SIZE


@pytest.mark.parametrize("size", [(0, 100), (100, 99), (20_000, 500)])
def test_sizes_no_picture_can_have_are_refused(size):
    with pytest.raises(CubeError, match="between 100 and 10000"):
        check_size(size)


@pytest.mark.parametrize(
    "name",
    [
        "S2B_20180705T105029_31UFS_TOC-B04_10M_V210",
        "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
        "True colour of the fields near the canal, first of June",
    ],
)
def test_the_heading_of_a_legend_stays_on_the_sheet(painter, name):
    sheet = MapSheet(BOX, SIZE, (SheetLayer(painter, name=name),), (Outline(area_of_box(), name=name),), title="short")
    figure = figure_of(sheet)
    figure.draw_without_rendering()
    headings = [text for text in figure.texts if text.get_gid() == "legend heading"]
    assert 1 < len(headings) <= 2
    told = "".join(text.get_text() for text in headings).rstrip("…").replace(" ", "")
    assert name.replace(" ", "").startswith(told)
    for text in figure.texts:
        assert text.get_window_extent().x1 <= figure.bbox.x1, text.get_text()


def area_of_box():
    west, south, east, north = BOX
    return {
        "type": "Polygon",
        "coordinates": [[[west, south], [east, south], [east, north], [west, north], [west, south]]],
    }
