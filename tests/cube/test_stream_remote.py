"""A verb on files behind a server gives the local numbers, and asks the server no more often than it must."""

from __future__ import annotations

from collections import Counter

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely

from terrascope_nb.analysis.indices import spectral_index
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.reduce import composite, time_series, zonal_stats
from terrascope_nb.errors import AssetUnreachableError
from terrascope_nb.extent.aoi import area
from terrascope_nb.raster import remote
from terrascope_nb.raster.remote import forget_all
from terrascope_nb.settings import options

DAYS = ("20180705T105029", "20180708T105029", "20180710T105029")
"""The last one is all cloud."""


@pytest.fixture
def both(make_scene, root, make_server, rng):
    """Items with local files, the same with addresses only, and their server; blocks of 256 pixels, six in a row."""
    forget_all()
    server = make_server(root)
    here = []
    for day in DAYS:
        classes = rng.choice([4, 5], (650, 650)) if day != DAYS[-1] else np.full((650, 650), 9)
        values = {name: rng.integers(0, 9000, (1300, 1300)).astype("int16") for name in ("B04", "B08")}
        here.append(make_scene({**values, "SCL": classes.astype("uint8")}, time=day))
    there = [item.clone() for item in here]
    for item in there:
        for asset in item.assets.values():
            path = asset.extra_fields.pop("alternate")["local"]["href"].removeprefix("file://")
            asset.href = server.url(path)
    return here, there, server


def _series(items, area):
    index = spectral_index(load(items, ["B04", "B08"], area=area, mask="clear"), "NDVI")
    return time_series(index, area, stats=("mean", "count"))


def test_a_series_over_http_asks_once_per_header_and_once_per_row_of_blocks(both, window_box):
    here, there, server = both
    area = window_box(400, 400, 800, 800)  # blocks 1 to 4 of six, in both directions
    with options(offline=False):
        found = _series(there, area)
    pd.testing.assert_frame_equal(found, _series(here, area))
    assert found["count"].tolist() == [640_000, 640_000, 0]
    heads = Counter(asked.path for asked in server.asked if asked.first == 0)
    blocks = Counter(asked.path for asked in server.asked if asked.first)
    assert set(heads.values()) == {1}
    for path, times in blocks.items():
        assert times == (1 if "SCENECLASS" in path else 4), path
    assert len(blocks) == 2 * 3  # the day that is all cloud needs no more than headers


def test_a_second_series_asks_for_no_header_again(both, window_box):
    _, there, server = both
    with options(offline=False):
        _series(there, window_box(400, 400, 300, 300))
        server.asked.clear()
        _series(there, window_box(700, 0, 300, 300))
    assert server.asked
    assert all(asked.first for asked in server.asked)


def test_a_composite_over_http_is_the_local_one(both, window_box):
    here, there, _ = both
    how = {"bands": ["B04", "B08"], "area": window_box(200, 300, 500, 700), "mask": "clear"}
    local = composite(load(here, **how), "median")
    with options(offline=False):
        remote = composite(load(there, **how), "median")
    for name in ("B04", "B08"):
        np.testing.assert_array_equal(remote[name].values, local[name].values)


def test_a_file_that_cannot_be_had_is_named_by_the_verb(both, window_box):
    _, there, server = both
    server.misbehave = lambda handler, asked, data: "20180708" in asked.path and (handler.reply(401) or True)
    with options(offline=False, retries=0), pytest.raises(AssetUnreachableError, match=r"20180708.*[Ss]ign in"):
        _series(there, window_box(400, 400, 300, 300))


@pytest.mark.parametrize("room", [2**25, 300_000, 0], ids=["room for all", "for a few blocks", "for none"])
def test_zones_get_their_numbers_however_little_is_asked_for_ahead(both, monkeypatch, room):
    here, there, server = both
    monkeypatch.setattr(remote, "_MOST_EARLY", room // 2)
    monkeypatch.setattr(remote, "_MOST_UNREAD", room)
    corners = [(6e5 + 10 * col, 57e5 - 10 * row) for row in range(20, 1200, 130) for col in range(30, 1200, 130)]
    boxes = [shapely.box(x, y - 300, x + 400, y) for x, y in corners]
    fields = area(geopandas.GeoDataFrame({"id": [str(n) for n in range(len(boxes))]}, geometry=boxes, crs=32631))

    def table(items):
        return zonal_stats(load(items, ["B04", "B08"], mask="clear"), fields, stats=("mean", "count"))

    with options(offline=False):
        found = table(there)
    pd.testing.assert_frame_equal(found, table(here))
    blocks = Counter(asked.path for asked in server.asked if asked.first)
    assert max(blocks.values()) <= {2**25: 6, 300_000: 30, 0: 49}[room]
