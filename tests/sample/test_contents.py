"""Packing loses nothing, and the satellite of a date is what independent sources say."""

from __future__ import annotations

from datetime import date, datetime
from importlib.resources import files

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.sample.contents import fold, packed_bytes, read_contents, satellite, unfold


@given(hnp.arrays(np.int32, hnp.array_shapes(max_dims=3, max_side=6), elements=st.integers(-(2**21), 2**21)))
def test_folding_and_unfolding_gives_the_same_numbers(stored: np.ndarray) -> None:
    np.testing.assert_array_equal(unfold(fold(stored)), stored)


def test_steps_too_large_for_three_bytes_are_refused_rather_than_cut() -> None:
    with pytest.raises(ValueError, match="too large"):
        fold(np.array([[0, 2**24]], dtype=np.int32))


def test_the_package_stays_small() -> None:
    data = files("terrascope_nb.sample").joinpath("data")
    assert sum(len(path.read_bytes()) for path in data.iterdir()) < 4_000_000


def test_all_scenes_of_the_origin_are_packed_at_their_times(origin: dict[str, np.ndarray]) -> None:
    contents = read_contents(packed_bytes())
    assert [f"{time:%Y-%m-%dT%H:%M:%S}" for time in contents.times] == origin["all_times"].tolist()
    assert all(stack.shape[0] == 118 for stack in contents.bands.values())


@pytest.mark.parametrize(
    "name",
    [
        "S2B_20180705T105029Z_31UFS_TOC_V102",
        "S2A_20190307T105021_31UFS_TOC-B04_10M_V210",
        "S2B_20190819T105029_31UFS_TOC_V200",
        "S2A_20190824T105031_31UFS_TOC_V200",
    ],
)
def test_the_satellite_rule_agrees_with_real_terrascope_names_of_orbit_51(name: str) -> None:
    mission, stamp = name.split("_")[:2]
    assert satellite(datetime.strptime(stamp[:8], "%Y%m%d").date()) == mission


def test_the_view_azimuth_of_every_scene_fits_the_orbit_its_date_was_given(origin: dict[str, np.ndarray]) -> None:
    for text, azimuth in zip(origin["all_times"], origin["view_azimuth"], strict=True):
        day = date.fromisoformat(str(text)[:10])
        orbit_51 = (day - date(2018, 7, 5)).days % 5 == 0
        assert abs(azimuth - (105 if orbit_51 else 280)) < 5, day
        assert satellite(day) in {"S2A", "S2B"}


def test_a_day_without_a_pass_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(ValueError, match="no Sentinel-2 pass"):
        satellite(date(2018, 7, 6))
