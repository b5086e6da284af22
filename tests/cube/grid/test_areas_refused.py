"""Areas off the data and far too large, which are refused before anything is read."""

from __future__ import annotations

from pathlib import Path

import odc.geo.xr  # noqa: F401 - registers .odc
import pytest
import rioxarray  # noqa: F401 - registers .rio
from generated_tiles import path_of

from terrascope_nb.cube.compute import compute
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import GridError, MemoryBudgetError, NothingFoundError
from terrascope_nb.extent.aoi import area as make_area


def test_an_area_off_the_data_is_an_error_that_names_it(tiles):
    with pytest.raises(GridError, match=r"2\.6000, 51\.0000.*does not touch") as caught:
        load([tiles["31UFS"]], "B04", area=(2.6, 51.0, 2.7, 51.1))
    assert caught.value.bbox == pytest.approx((2.6, 51.0, 2.7, 51.1))


def test_no_items_is_an_error_that_says_what_to_do():
    with pytest.raises(NothingFoundError, match="Widen"):
        load([])


@pytest.mark.parametrize("wrong", [["not an item"], [{"type": "Feature"}]])
def test_things_that_are_no_items_are_refused(wrong):
    with pytest.raises(TypeError, match=r"pystac\.Item"):
        load(wrong)


def test_3000_km_are_refused_before_anything_is_read_with_three_ways_out(tiles, hidden, monkeypatch):
    monkeypatch.setattr("terrascope_nb.cube.budget.available_memory", lambda: 8_000_000_000)
    area = make_area((4.5 - 20, 51 - 13, 4.5 + 20, 51 + 13))
    with hidden([Path(path_of(tiles["31UFS"]))]), pytest.raises(MemoryBudgetError) as caught:
        load([tiles["31UFS"]], ["B04"], area=area)
    error = caught.value
    assert isinstance(error, MemoryError)
    assert error.available == 8_000_000_000
    assert error.needed > 300e3 * 280e3 * 4 * 0.9
    for way in ("resolution=", "smaller area", "lazy"):
        assert way in str(error)


def test_the_size_is_checked_again_when_a_series_is_computed(tiles, window_box, monkeypatch):
    # One time fits, so the cube can be made; all of it does not, and no pixel is read.
    monkeypatch.setattr("terrascope_nb.cube.budget.available_memory", lambda: 10_000_000)
    items = []
    for day in range(1, 31):
        item = tiles["31UFS"].clone()
        item.id, item.datetime = f"S2B_201807{day:02d}T105029_31UFS_TOC_V210", item.datetime.replace(day=day)
        items.append(item)
    cube = load(items, "B04", area=window_box(0, 0, 500, 500))
    with pytest.raises(MemoryBudgetError, match=r"30 MB.*10 MB") as caught:
        compute(cube)
    assert caught.value.needed == 30 * 500 * 500 * 4
    assert compute(cube.isel(time=slice(3))).sizes["time"] == 3
    assert compute(cube.mean("time")).B04.shape == (500, 500)
