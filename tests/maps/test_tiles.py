from __future__ import annotations

import io
import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor
from types import MappingProxyType

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.colors import ListedColormap, Normalize
from PIL import Image

from terrascope_nb.errors import CubeError
from terrascope_nb.maps.colour import class_colours_of
from terrascope_nb.maps.looks import Look, look_of
from terrascope_nb.maps.rgb_figure import stretch_rgb
from terrascope_nb.maps.tiles import TilePainter, encode_png, paint, render_png
from terrascope_nb.raster.tiling import PixelValue, TileAddress, TilePixels, stop_if


class Painted:
    """A source that draws where a tile is, and counts what it is asked."""

    def __init__(self, kind="measurement", attrs=None, layers=("NDVI",), units="1", dtype="float32"):
        self.name, self.kind, self.units, self.layer_names = "mine", kind, units, layers
        self.times = ()
        self.bounds = (2.0, 50.0, 6.0, 52.0)
        self.min_zoom, self.max_zoom = 0, 14
        self.attrs = MappingProxyType(attrs or {})
        self.attribution = ""
        self.dtype = dtype
        self.reads, self.samples = [], 0
        self.slow = threading.Event()
        self.slow.set()

    def read(self, tile, *, time=None, size=256, cancel=None):
        self.reads.append((tile, time))
        self.slow.wait(5)
        stop_if(cancel)
        rng = np.random.default_rng(tile.x * 1000 + tile.y)
        layers = tuple(rng.uniform(-0.2, 1.2, (size, size)).astype(self.dtype) for _ in self.layer_names)
        inside = rng.uniform(size=(size, size)) > 0.1
        return TilePixels(layers, inside)

    def value_at(self, lon, lat, *, time=None):
        return PixelValue(1.0, "1", "1", None, "", "NDVI")

    def sample(self, *, time=None, size=256):
        self.samples += 1
        return np.linspace(0, 100, 10_000).reshape(100, 100)


def opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


TILE = TileAddress(9, 262, 171)


@given(
    arrays("float32", (16, 16), elements=st.floats(-2, 3, width=32)),
    arrays(bool, (16, 16)),
    st.sampled_from(["viridis", "RdYlGn", "gray", "tab10"]),
    st.floats(-1, 0.5),
    st.floats(0.01, 2),
)
def test_a_colour_is_the_one_that_matplotlib_gives(values, inside, cmap, low, span):
    look = Look("measurement", cmap=cmap, vmin=low, vmax=low + span)
    wanted = mpl.colormaps[cmap](Normalize(low, low + span)(values), bytes=True)
    for rgba in (paint(TilePixels((values,), inside), look), opened(render_png(TilePixels((values,), inside), look))):
        np.testing.assert_array_equal(rgba[inside], wanted[inside])
        assert (rgba[~inside, 3] == 0).all()


@pytest.mark.parametrize("cmap", ["viridis", "twilight", "mine"])
def test_all_colours_and_nothing_are_all_drawn(cmap):
    values = np.linspace(0, 1, 256, dtype="float32").repeat(256).reshape(256, 256)
    inside = np.ones((256, 256), dtype=bool)
    inside[:, :9] = False
    look = Look("measurement")
    if cmap == "mine":  # 256 different colours
        own = ListedColormap([(n / 255, 0.5, 1 - n / 255) for n in range(256)], name="mine")
        look = look.with_changes(cmap=own)
        assert len(np.unique(look.palette(), axis=0)) == 256
    rgba = opened(render_png(TilePixels((values,), inside), look))
    np.testing.assert_array_equal(rgba, paint(TilePixels((values,), inside), look))
    assert len(np.unique(rgba.reshape(-1, 4), axis=0)) == 1 + len(np.unique(look.palette(), axis=0))


def test_a_picture_of_one_layer_has_a_palette_and_few_bytes():
    pixels = Painted().read(TILE)
    assert Image.open(io.BytesIO(render_png(pixels, Look("measurement")))).mode == "P"
    nothing = TilePixels((np.full((256, 256), np.nan, dtype="float32"),), np.zeros((256, 256), dtype=bool))
    png = render_png(nothing, Look("measurement"))
    assert len(png) < 400
    assert (opened(png)[..., 3] == 0).all()


def test_decibels_are_drawn_and_zero_has_none():
    values = np.array([[0.1, 0.01], [0.0, -1.0]], dtype="float32")
    look = Look("measurement", vmin=-20.0, vmax=0.0, decibel=True)
    rgba = paint(TilePixels((values,), np.ones((2, 2), dtype=bool)), look)
    wanted = mpl.colormaps["viridis"](Normalize(-20, 0)(10 * np.log10(values[0])), bytes=True)
    np.testing.assert_array_equal(rgba[0], wanted)
    assert (rgba[1, :, 3] == 0).all()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32"])
def test_classes_have_their_colours(dtype):
    attrs = {"flag_values": [1, 4, 200], "flag_meanings": "a b c", "flag_colors": "#ff0000 #00ff00 #0000ff"}
    source = Painted("classes", attrs, ("MAP",))
    look = look_of(source)
    stored = np.array([[1, 4], [100 if dtype == "int8" else 200, 7]]).astype(dtype)
    pixels = TilePixels((stored,), np.array([[True, True], [True, True]]))
    wanted = class_colours_of(xr.DataArray(stored, dims=("y", "x"), attrs=attrs)).to_rgba(stored)
    np.testing.assert_array_equal(paint(pixels, look), wanted)
    np.testing.assert_array_equal(opened(render_png(pixels, look)), wanted)
    hidden = TilePixels((stored,), np.array([[True, False], [True, True]]))
    assert opened(render_png(hidden, look))[0, 1, 3] == 0


def test_more_classes_than_a_palette_holds_have_their_colours():
    values = np.arange(1, 401)
    colours = [f"#{n % 256:02x}{n // 256:02x}7f" for n in values]
    attrs = {"flag_values": values, "flag_meanings": [f"c{n}" for n in values], "flag_colors": " ".join(colours)}
    stored = np.arange(0, 900, 2, dtype="uint16").reshape(30, 15)
    wanted = class_colours_of(xr.DataArray(stored, dims=("y", "x"), attrs=attrs)).to_rgba(stored)
    pixels = TilePixels((stored,), np.ones(stored.shape, dtype=bool))
    np.testing.assert_array_equal(opened(render_png(pixels, look_of(Painted("classes", attrs, ("MAP",))))), wanted)


def test_a_colour_picture_is_stretched_like_the_figure():
    source = Painted("rgb", layers=("red", "green", "blue"))
    pixels = source.read(TILE)
    look = Look("rgb", vmin=(0.0, 0.1, 0.2), vmax=0.9)
    wanted = stretch_rgb(np.stack(pixels.layers, axis=-1), [(0.0, 0.9), (0.1, 0.9), (0.2, 0.9)])
    found = opened(render_png(pixels, look))
    inside = pixels.inside
    assert np.abs(found[inside].astype(int) - wanted[inside].astype(int)).max() <= 1  # float32 against float64
    assert (found[~inside, 3] == 0).all()


@given(arrays("uint8", st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([3, 4]))))
def test_a_png_holds_what_was_given(image):
    found = np.asarray(Image.open(io.BytesIO(encode_png(image))).convert("RGBA"))
    np.testing.assert_array_equal(found[..., : image.shape[2]], image)


def test_another_look_is_painted_without_reading():
    source = Painted()
    painter = TilePainter(source, Look("measurement"))
    tiles = [TileAddress(9, 260 + n, 171) for n in range(6)]
    before = [painter.png(tile) for tile in tiles]
    assert len(source.reads) == 6
    for changes in ({"cmap": "magma"}, {"vmin": 0.3}, {"vmax": 0.8}, {"opacity": 0.5}):
        painter.set_look(painter.look.with_changes(**changes))
        after = [painter.png(tile) for tile in tiles]
        assert all(one != other for one, other in zip(before, after, strict=True))
        before = after
    assert len(source.reads) == 6
    rgba = opened(before[0])
    assert set(np.unique(rgba[..., 3])) == {0, 128}
    painter.png(tiles[0], time=1)
    assert len(source.reads) == 7


def test_eight_threads_read_each_tile_once():
    source = Painted()
    source.slow.clear()
    painter = TilePainter(source, Look("measurement"))
    tiles = [TileAddress(9, 260 + n, 171) for n in range(4)]
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(painter.png, tile) for tile in tiles * 8]
        source.slow.set()
        pictures = [one.result() for one in waiting]
    assert len(source.reads) == 4
    assert len(set(pictures)) == 4


def test_a_cancelled_tile_is_not_painted_and_can_be_asked_again():
    source = Painted()
    painter = TilePainter(source, Look("measurement"))
    token = threading.Event()
    token.set()
    with pytest.raises(CancelledError):
        painter.png(TILE, cancel=token)
    assert source.reads == []
    source.slow.clear()
    token.clear()
    with ThreadPoolExecutor(2) as pool:
        left = pool.submit(painter.png, TILE, None, token)
        while not source.reads:
            pass
        wanted = pool.submit(painter.png, TILE)
        token.set()
        source.slow.set()
        with pytest.raises(CancelledError):
            left.result()
        assert wanted.result().startswith(b"\x89PNG")


def test_an_error_is_told_and_the_tile_can_be_asked_again():
    source = Painted()
    painter = TilePainter(source, Look("measurement"))
    read, source.read = source.read, lambda *_, **__: 1 / 0
    with pytest.raises(ZeroDivisionError):
        painter.png(TILE)
    source.read = read
    assert painter.png(TILE).startswith(b"\x89PNG")


def test_a_map_that_pans_for_five_hundred_tiles_keeps_within_its_bytes():
    painter = TilePainter(Painted(), Look("measurement"), cache_mb=8)
    most = 0
    for n in range(500):
        painter.png(TileAddress(12, 100 + n, 900))
        most = max(most, painter.n_bytes)
    assert 6 * 2**20 < most <= 10 * 2**20


def test_an_overlay_is_its_tiles_side_by_side_with_the_bounds_of_exactly_these_pixels():
    source = Painted()
    painter = TilePainter(source, Look("measurement"))
    png, bounds = painter.overlay((3.1, 50.3, 4.9, 51.2), 700)
    image = opened(png)
    assert 700 <= max(image.shape[:2]) <= 1402
    west, south, east, north = bounds
    assert west <= 3.1
    assert south <= 50.3
    assert east >= 4.9
    assert north >= 51.2
    zoom = source.reads[0][0].z
    pixel = 360 / 256 / 2**zoom
    assert image.shape[1] == pytest.approx((east - west) / pixel)
    tile = next(one for one, _ in source.reads if one.bounds_lonlat[0] > west and one.bounds_lonlat[3] < north)
    col = round((tile.bounds_lonlat[0] - west) / pixel)
    top = next(
        r
        for r in range(image.shape[0])
        if (image[r : r + 9, col : col + 9] == paint(painter.pixels(tile), painter.look)[:9, :9]).all()
    )
    part = image[top : top + 256, col : col + 256]
    np.testing.assert_array_equal(part, paint(painter.pixels(tile), painter.look)[: part.shape[0], : part.shape[1]])


def test_an_overlay_over_the_date_line_is_one_picture():
    painter = TilePainter(Painted(), Look("measurement"))
    image, bounds = painter.rgba((178.0, -18.0, -178.0, -16.0), 300)
    assert bounds[0] <= 178.0
    assert bounds[2] >= 182.0
    assert image.shape[1] > image.shape[0]


# -- looks -----------------------------------------------------------------------------------------------------------


def test_the_products_style_is_followed_and_what_is_asked_wins():
    look = look_of(Painted(attrs={"product": "s2-ndvi", "band": "NDVI"}))
    assert look.cmap not in {"", "viridis"}
    assert look.vmin < look.vmax
    asked = look_of(Painted(attrs={"product": "s2-ndvi", "band": "NDVI"}), cmap="magma", vmax=0.5)
    assert (asked.cmap, asked.vmin, asked.vmax) == ("magma", look.vmin, 0.5)


def test_without_a_style_the_percentiles_of_a_sample_are_the_ends():
    source = Painted(layers=("mine",))
    look = look_of(source)
    assert (look.vmin, look.vmax) == pytest.approx((2.0, 98.0), abs=0.1)
    assert look_of(source, percentiles=(10, 90)).vmax == pytest.approx(90, abs=0.1)
    assert source.samples == 2
    look_of(source, vmin=0, vmax=1)
    assert source.samples == 2


def test_stored_numbers_do_not_have_the_ends_of_physical_values():
    look = look_of(Painted(attrs={"product": "s2-ndvi", "band": "NDVI", "physical": "false"}, units="stored number"))
    assert (look.vmin, look.vmax) == pytest.approx((2.0, 98.0), abs=0.1)
    assert look.cmap == look_of(Painted(attrs={"product": "s2-ndvi", "band": "NDVI"})).cmap


def test_percentiles_win_over_the_style_when_they_are_asked_for():
    source = Painted(attrs={"product": "s2-ndvi", "band": "NDVI"})
    assert look_of(source, percentiles=(0, 100)).vmax == 100.0


def test_backscatter_is_drawn_in_decibels():
    look = look_of(Painted(attrs={"product": "s1-sigma0", "band": "VV"}, layers=("VV",)))
    assert look.decibel
    assert look.vmin < 0
    assert "dB" in look.label


def test_a_colour_map_of_ones_own_is_drawn():
    mine = ListedColormap(["#ff0000", "#0000ff"], name="mine")
    look = look_of(Painted(), cmap=mine, vmin=0, vmax=1)
    pixels = TilePixels((np.array([[0.1, 0.9]], dtype="float32"),), np.ones((1, 2), dtype=bool))
    assert paint(pixels, look)[0, :, 0].tolist() == [255, 0]
    assert hash(look) != hash(look.with_changes(cmap="viridis"))


def test_reflectances_have_the_stretch_of_the_figure_and_bytes_their_own():
    attrs = {"standard_name": "surface_bidirectional_reflectance", "common_name": "red"}
    layers = ("red", "green", "blue")
    assert look_of(Painted("rgb", attrs, layers)).vmax == 0.2
    assert look_of(Painted("rgb", {"stored_type": "uint8"}, layers)).vmax == 255.0
    assert look_of(Painted("rgb", attrs, layers), vmin=0, vmax=(0.1, 0.2, 0.3)).vmax == (0.1, 0.2, 0.3)
    assert look_of(Painted("rgb", attrs, layers), percentiles=(0, 100)).vmax == 100.0


@pytest.mark.parametrize(
    "changes",
    [{"vmin": 2.0}, {"opacity": 1.5}, {"cmap": "nope"}, {"vmax": float("nan")}, {"vmin": (1.0, 2.0)}],
    ids=str,
)
def test_a_look_that_makes_no_sense_is_refused(changes):
    with pytest.raises(CubeError):
        Look("measurement").with_changes(**changes)


def test_classes_that_nobody_names_are_refused():
    with pytest.raises(CubeError, match="flag_values"):
        look_of(Painted("classes", {}))
