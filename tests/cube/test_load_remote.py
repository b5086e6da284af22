"""A cube of files behind a server equals the cube of the same files on a disk."""

from __future__ import annotations

import dask.threaded
import numpy as np
import pytest
import xarray as xr

from terrascope_nb.cube import compute as computing
from terrascope_nb.cube.compute import compute, failures
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import AssetUnreachableError
from terrascope_nb.raster.remote import forget_all
from terrascope_nb.settings import options


@pytest.fixture
def both(make_scene, root, make_server, rng):
    """Items of two dates, once with local files and once with addresses only, and the server of the latter."""
    forget_all()
    server = make_server(root)
    here = []
    for day in ("20180705T105029", "20180708T105029"):
        values = {
            "B04": rng.integers(0, 9000, (300, 400)).astype("int16"),
            "B08": rng.integers(0, 9000, (300, 400)).astype("int16"),
            "SCL": rng.integers(0, 12, (150, 200)).astype("uint8"),
        }
        here.append(make_scene(values, time=day))
    there = [item.clone() for item in here]
    for item in there:
        for asset in item.assets.values():
            path = asset.extra_fields.pop("alternate")["local"]["href"].removeprefix("file://")
            asset.href = server.url(path)
    return here, there, server


def test_a_masked_cube_over_http_equals_the_local_one(both, window_box):
    here, there, server = both
    how = {"bands": ["B04", "B08"], "area": window_box(20, 30, 200, 300), "mask": "clear"}
    local = compute(load(here, **how), progress=False)
    with options(offline=False):
        cube = load(there, **how)
        assert not server.asked or all(asked.first is not None for asked in server.asked)
        remote = compute(cube, progress=False)
    xr.testing.assert_equal(remote.drop_attrs(), local.drop_attrs())
    assert np.isfinite(remote["B04"]).any()
    heads = [asked.path for asked in server.asked if asked.first == 0]
    assert len(heads) == len(set(heads)) == 6


def test_more_threads_than_cores_wait_for_a_server_and_none_more_for_a_disk(both, monkeypatch):
    here, there, _ = both
    asked, get = [], dask.threaded.get
    monkeypatch.setattr(computing, "cores", lambda: 2)
    monkeypatch.setattr(
        dask.threaded,
        "get",
        lambda *graph, num_workers: asked.append(num_workers) or get(*graph, num_workers=num_workers),
    )
    for items in (here, there):
        with options(offline=False):
            cube = load(items, ["B04", "B08"], mask="clear")
            compute((cube["B08"] - cube["B04"]).mean("time"), progress=False)
    assert asked == [2, 16]


def test_a_file_that_needs_a_sign_in_is_named_or_skipped(both, window_box):
    _, there, server = both
    server.misbehave = lambda handler, asked, data: "20180708" in asked.path and (handler.reply(401) or True)
    with options(offline=False, retries=0):
        how = {"bands": ["B04"], "area": window_box(0, 0, 50, 50)}
        with pytest.raises(AssetUnreachableError, match=r"S2B_20180708.*B04.*[Ss]ign in"):
            compute(load(there, **how), progress=False)
        cube = compute(load(there, **how, on_error="skip"), progress=False)
        assert np.isfinite(cube["B04"][0]).all()
        assert np.isnan(cube["B04"][1]).all()
        assert "ign in" in failures(cube)["reason"][0]
