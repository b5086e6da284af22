"""The offline basemap: land where land is, tiles that fit together, names that are whole, light and dark."""

from __future__ import annotations

import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from pyproj import Transformer
from shapely import Point

from terrascope_nb.extent.places import find_place, list_places
from terrascope_nb.maps.basemap import _DARK, _LIGHT, Basemap, fit_bounds
from terrascope_nb.maps.ground import project, read_array
from terrascope_nb.maps.lettering import KINDS, labels_within
from terrascope_nb.raster.tiling import HALF, TileAddress, tiles_over
from terrascope_nb.settings import options

_BASEMAP = Basemap()


def _image(tile: TileAddress, **how: bool) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(_BASEMAP.png(tile, **how))).convert("RGBA"))


def _at(lon: float, lat: float, zoom: int, **how: bool) -> tuple[int, ...]:
    (tile,) = tiles_over((lon, lat, lon, lat), zoom)
    x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform(lon, lat)
    left, _, right, top = tile.bounds_mercator
    pixel = (right - left) / 256
    return tuple(int(v) for v in _image(tile, labels=False, **how)[int((top - y) / pixel), int((x - left) / pixel)][:3])


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


LAND = {"Assenede": (3.73, 51.21), "Bastogne": (5.72, 49.99), "Madrid": (-3.9, 40.3), "Sahara": (10.1, 24.0),
        "Kansas": (-98.3, 38.5), "Siberia": (100.3, 62.0), "Antarctica": (80.0, -75.0), "Australia": (134.0, -25.0)}  # fmt: skip
SEA = {"North Sea": (2.6, 51.9), "off Ostend": (2.87, 51.26), "Atlantic": (-30.0, 40.0), "Pacific": (179.5, 20.0),
       "Barents Sea": (40.0, 74.0), "Black Sea": (34.0, 43.5), "Lake Geneva": (6.55, 46.45), "IJsselmeer": (5.35, 52.75)}  # fmt: skip


@pytest.mark.parametrize("zoom", [0, 2, 4, 5, 6, 8, 9])
def test_land_is_land_and_sea_is_sea_at_every_zoom(zoom):
    lakes = {"Lake Geneva", "IJsselmeer"}
    for name, place in LAND.items():
        if zoom >= (
            6 if name in ("Assenede", "Bastogne") else 2
        ):  # on a far view they lie under the line of the border
            assert _at(*place, zoom) == _rgb(_LIGHT["land"]), name
    for name, place in SEA.items():
        if zoom >= 8 or (zoom >= 2 and name not in lakes and name != "off Ostend"):
            assert _at(*place, zoom) == _rgb(_LIGHT["water"]), name


def test_dark_is_dark():
    assert _at(*LAND["Assenede"], 8, dark=True) == _rgb(_DARK["land"])
    assert _at(*SEA["North Sea"], 8, dark=True) == _rgb(_DARK["water"])
    assert sum(_rgb(_DARK["land"])) < 200 < sum(_rgb(_LIGHT["land"]))


@pytest.mark.parametrize(("z", "x", "y"), [(3, 3, 2), (6, 32, 21), (8, 130, 85), (10, 524, 342), (11, 1048, 684)])
@pytest.mark.parametrize("how", [{}, {"dark": True}, {"ground": False}], ids=["light", "dark", "names"])
def test_four_tiles_are_one_picture(z, x, y, how):
    # The independent source is the same place painted in one go: a name cut at a border or a seam would differ.
    tiles = [[_image(TileAddress(z, x + i, y + j), **how) for i in range(2)] for j in range(2)]
    joined = np.vstack([np.hstack(row) for row in tiles])
    west, _, _, north = TileAddress(z, x, y).bounds_lonlat
    _, south, east, _ = TileAddress(z, x + 1, y + 1).bounds_lonlat
    whole = np.asarray(_BASEMAP.picture((west, south, east, north), (512, 512), **how).convert("RGBA"))
    differs = (np.abs(joined.astype(int) - whole.astype(int)).max(axis=2) > 40).mean()
    assert differs < 0.002


@pytest.mark.parametrize("zoom", range(2, 13))
def test_names_do_not_overlap(zoom):
    scale = 256.0 * 2**zoom
    ((x, y),) = project(np.array([[4.4, 50.9]])) * scale
    labels = labels_within(x - 1500, y - 1500, x + 1500, y + 1500, scale, "en")
    boxes = [(round(o.x * scale) + o.dx, round(o.y * scale) + o.dy, o.width, o.height) for o in labels]
    for number, (left, top, width, height) in enumerate(boxes):
        for a, b, c, d in boxes[number + 1 :]:
            assert not (left < a + c and a < left + width and top + 3 < b + d and b + 3 < top + height)


def test_names_alone_lie_on_a_transparent_ground():
    picture = _image(TileAddress(9, 261, 171), ground=False)
    assert (picture[..., 3] == 0).mean() > 0.7
    assert (picture[..., 3] == 255).any()
    assert (_image(TileAddress(9, 261, 171), ground=False, labels=False)[..., 3] == 0).mean() > 0.9


def test_names_follow_the_language_and_places_their_own():
    scale = 256.0 * 2**4

    def names(language):
        return {label.text for label in labels_within(0, 0, scale, scale, scale, language)}

    for language, name in (("en", "SPAIN"), ("nl", "SPANJE"), ("fr", "ESPAGNE")):
        assert name in names(language)
    with options(language="nl"):
        dutch = _BASEMAP.png(TileAddress(4, 8, 5))
    with options(language="fr"):
        assert _BASEMAP.png(TileAddress(4, 8, 5)) != dutch


def test_every_municipality_is_named_as_on_its_own_signs():
    scale = 256.0 * 2**13
    labels = {label.text for label in labels_within(0, 0, scale, scale, scale, "en")}
    places = list_places("municipality")
    assert len(places) == 581
    # Region codes of Statbel: 02000 Flanders, 03000 Wallonia, 04000 Brussels, whose signs have both names.
    assert {"02000", "03000", "04000"} == {place.region for place in places}
    for place in places:
        both = place.name_nl if place.name_nl == place.name_fr else f"{place.name_fr} / {place.name_nl}"
        assert {"02000": place.name_nl, "03000": place.name_fr, "04000": both}[place.region] in labels


def test_a_name_stands_where_its_place_is():
    scale = 256.0 * 2**12
    labels = {label.text: label for label in labels_within(0, 0, scale, scale, scale, "en")}
    for name in ("Assenede", "Bastogne", "Knokke-Heist", "Breda"):
        label = labels[name]
        lonlat = {"Breda": (4.77596, 51.58656)}.get(name)  # GeoNames
        if lonlat is None:
            outline = find_place(name).geometry
            to_degrees = Transformer.from_crs(3857, 4326, always_xy=True)
            lon, lat = to_degrees.transform((label.x - 0.5) * 2 * HALF, (0.5 - label.y) * 2 * HALF)
            assert outline.contains(Point(lon, lat))
        else:
            assert project(np.array([lonlat]))[0] == pytest.approx((label.x, label.y), abs=2e-5)


def test_eight_threads_get_the_tiles_that_one_gets():
    tiles = tiles_over((2.5, 49.5, 6.4, 51.5), 8)
    alone = [_BASEMAP.png(tile) for tile in tiles]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(Basemap().png, tiles)) == alone


def test_the_cache_is_bounded():
    small = Basemap(cache_mb=0.05)
    for tile in tiles_over((2.5, 49.5, 6.4, 51.5), 9):
        small.png(tile)
    assert small._size <= 0.05 * 2**20
    assert small._size == sum(map(len, small._kept.values()))


def test_bounds_fit_a_picture_of_another_shape():
    west, south, east, north = fit_bounds((4.0, 50.0, 5.0, 51.0), (300, 100))
    to_metres = Transformer.from_crs(4326, 3857, always_xy=True)
    (x0, y0), (x1, y1) = to_metres.transform(west, south), to_metres.transform(east, north)
    assert (x1 - x0) / (y1 - y0) == pytest.approx(3.0)
    assert (south, north) == (pytest.approx(50.0), pytest.approx(51.0))


def test_the_world_goes_on_beyond_the_date_line():
    assert _BASEMAP.png(TileAddress(3, 9, 2)) == _BASEMAP.png(TileAddress(3, 1, 2))
    assert _BASEMAP.png(TileAddress(3, -1, 2)) == _BASEMAP.png(TileAddress(3, 7, 2))
    wide = np.asarray(_BASEMAP.picture((170.0, -20.0, 190.0, 0.0), (400, 400)))
    east = np.asarray(_BASEMAP.picture((-190.0, -20.0, -170.0, 0.0), (400, 400)))
    assert (wide == east).all()
    assert len(np.unique(wide.reshape(-1, 3), axis=0)) > 5  # the islands of Fiji, on both sides


def test_places_are_projected_as_pyproj_does():
    lonlat = np.array([[4.35, 50.85], [-179.0, -80.0], [120.0, 0.0]])
    x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform(*lonlat.T)
    assert np.allclose(project(lonlat), np.column_stack([x + HALF, HALF - y]) / (2 * HALF), atol=1e-9)


def test_every_country_kept_its_names_in_three_languages():
    rows = read_array("label_texts").tobytes().decode().split("\n")
    kinds = [KINDS[number] for number in read_array("label_kinds")]
    countries = [row.split("\t") for row, kind in zip(rows, kinds, strict=True) if kind == "country"]
    assert len(countries) > 100
    assert all(len(names) == 3 and all(names) for names in countries)
    assert ["GERMANY", "DUITSLAND", "ALLEMAGNE"] in countries
    assert read_array("label_sides").shape == (3, 19, len(rows))


def test_the_basemap_needs_no_map_widget():
    code = "import sys; import terrascope_nb.maps.basemap; print([m for m in ('ipyleaflet', 'ipywidgets') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
