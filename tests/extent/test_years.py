from __future__ import annotations

import pytest

from terrascope_nb.extent.years import write_years


@pytest.mark.parametrize(
    ("years", "written"),
    [
        ([], ""),
        ([2018], "2018"),
        ([2018, 2017], "2017-2018"),
        ([2016, 2017, 2018, 2020, 2018], "2016-2018, 2020"),
        ([2016, 2018], "2016, 2018"),
    ],
    ids=["none", "one", "two that follow", "a gap", "apart"],
)
def test_years_that_follow_each_other_are_a_span(years, written):
    assert write_years(years) == written
