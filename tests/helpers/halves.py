"""A source of two dates with known values, and what the front end of a map gets and says."""

from __future__ import annotations

import base64
import io
import time

import matplotlib as mpl
import numpy as np
from PIL import Image

from terrascope_nb.raster.tiling import PixelValue, TilePixels, tiles_over
from terrascope_nb.widgets.live_map import handshake
from terrascope_nb.widgets.live_map.handshake import PROTOCOL, extension_version


class Halves:
    """Two dates; the value is 0.25 west of 4.5° and 0.75 east of it, and the other way round at the first date."""

    name, kind, units, layer_names = "Halves", "measurement", "1", ("halves",)
    times = tuple(np.array(["2024-05-01", "2024-06-01"], dtype="datetime64[ns]"))
    bounds = (4.0, 50.0, 5.0, 51.0)
    min_zoom, max_zoom, attribution = 0, 12, "Made for a test"
    attrs: dict[str, object] = {}  # noqa: RUF012

    def __init__(self):
        self.reads, self.broken = [], False

    def read(self, tile, *, time=None, size=256, cancel=None):
        self.reads.append((tile, time))
        if self.broken:
            raise FileNotFoundError("/archive/halves.tif is gone")
        west, south, east, north = tile.bounds_lonlat
        lon = west + (np.arange(size) + 0.5) / size * (east - west)
        lat = np.linspace(north, south, size)[:, None]
        inside = (lon >= 4) & (lon < 5) & (lat >= 50) & (lat < 51)
        low, high = (0.75, 0.25) if time == 0 else (0.25, 0.75)
        values = np.where(inside, np.where(lon < 4.5, low, high), np.nan).astype("float32")
        return TilePixels((values,), inside)

    def value_at(self, lon, lat, *, time=None):
        return PixelValue(0.25 if lon < 4.5 else 0.75, "", "1", self.times[time], "halves.tif", "halves")

    def sample(self, *, time=None, size=256):
        return np.linspace(0, 1, 101, dtype="float32")


def say_hello():
    front = handshake.front_end()
    front._on_message(front, {"msg": "hello", "version": extension_version(), "protocol": PROTOCOL}, [])


def sent_layers(shown):
    return [name.removeprefix("IPY_MODEL_") for name in shown.get_state("layers")["layers"]]


def picture_of(data_url):
    kind, _, data = data_url.partition(";base64,")
    assert kind.startswith("data:image/")
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA")


def colour(value, low=0.0, high=1.0, cmap="viridis"):
    return tuple(int(part) for part in mpl.colormaps[cmap]((value - low) / (high - low), bytes=True))


def ask_for_a_tile(layer):
    tile = tiles_over((4.4, 50.5, 4.45, 50.55), 11)[0]
    layer._on_message(layer, {"msg": "tiles", "tiles": [{"id": "a", "z": tile.z, "x": tile.x, "y": tile.y}]}, [])


def wait_until(told, seconds=5.0):
    end = time.monotonic() + seconds
    while not told() and time.monotonic() < end:
        time.sleep(0.01)
    return bool(told())
