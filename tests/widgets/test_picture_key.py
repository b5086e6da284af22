"""The picture in a saved notebook says what its colours mean, and shows two compared layers as the map does."""

from __future__ import annotations

import io

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from PIL import Image

from terrascope_nb.maps.looks import Look
from terrascope_nb.maps.small_key import KeyEntry, draw_key
from terrascope_nb.settings import options
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.tools.swipe_control import SwipeControl


@pytest.fixture(autouse=True)
def english():
    with options(language="en"):
        yield


def flat(value, name="NDVI", **attrs):
    grid = xr.DataArray(
        np.full((60, 60), value, dtype="float32" if not attrs else "uint8"),
        coords={"y": 5_650_000 - 1000.0 * np.arange(60), "x": 500_000 + 1000.0 * np.arange(60)},
        dims=("y", "x"), name=name, attrs={"units": "1", **attrs},
    )  # fmt: skip
    return grid.rio.write_crs("EPSG:32631")


def pixels(shown):
    return np.asarray(Image.open(io.BytesIO(shown.picture())).convert("RGB")).astype(int)


def rgb(cmap, value):
    return [int(part) for part in mpl.colormaps[cmap](value, bytes=True)[:3]]


def runs_of(row):
    """Return the colours of a row, each once for as long as it goes on."""
    change = np.r_[True, (np.diff(row, axis=0) != 0).any(axis=1)]
    return row[change].tolist()


def test_the_picture_has_the_colour_bar_of_the_layer():
    import rioxarray  # noqa: F401

    shown = Map()
    shown.add(flat(0.5), cmap="RdYlGn", vmin=-0.25, vmax=0.75)
    image = pixels(shown)
    corner = image[300:, :250]
    wanted = [rgb("RdYlGn", (step * 256 // 150) / 256 + 1 / 512) for step in range(150)]
    found = [row for row in corner if all(colour in row.tolist() for colour in wanted)]
    assert len(found) >= 8, "no row of the key has all the colours of the bar"
    colours = [one for one in runs_of(found[4]) if one in wanted]
    assert colours == [one for number, one in enumerate(wanted) if number == 0 or one != wanted[number - 1]]


def test_only_classes_that_are_seen_are_in_the_key():
    names, colours = ("water", "forest", "town"), ("#0000ff", "#00aa00", "#ff0000")
    look = Look("classes", classes=_classes(names, colours))
    seen = Image.new("RGBA", (400, 300), (255, 255, 255, 255))
    draw_key(seen, [KeyEntry("Land cover", look, {(0, 0, 255), (255, 0, 0)})])
    found = {one[:3] for _, one in seen.getcolors(100_000)}
    assert {(0, 0, 255), (255, 0, 0)} <= found
    assert (0, 170, 0) not in found


def _classes(names, colours):
    from terrascope_nb.maps.colour import ClassColours

    return ClassColours(tuple(range(len(names))), names, colours)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_compared_layers_are_parted_in_the_picture_as_on_the_map(share):
    import rioxarray  # noqa: F401

    shown = Map(center=(50.75, 3.4), zoom=11)
    low = shown.add(flat(0.1), cmap="viridis", vmin=0, vmax=1)
    high = shown.add(flat(0.9), cmap="viridis", vmin=0, vmax=1)
    shown.add(SwipeControl(left=[low], right=[high], share=share))
    row = pixels(shown)[120]
    middle = round(share * 900)
    assert row[: middle - 3].tolist() == [rgb("viridis", 0.1)] * (middle - 3)
    assert row[middle + 3 :].tolist() == [rgb("viridis", 0.9)] * (900 - middle - 3)


def test_a_key_that_finds_no_room_is_left_out():
    small = Image.new("RGBA", (120, 40), (9, 9, 9, 255))
    draw_key(small, [KeyEntry("A layer", Look("measurement", label="NDVI [-]"))])
    assert small.getcolors() == [(120 * 40, (9, 9, 9, 255))]
