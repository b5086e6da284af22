"""The period picker without any browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.errors import PeriodError
from terrascope_nb.extent.period import Period, period, season
from terrascope_nb.settings import options
from terrascope_nb.widgets.pickers.period_picker import PeriodPicker

TODAY = date(2026, 11, 21)


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    with options(language="en"):
        yield


def _press(picker: Any, text: str) -> None:
    found = [
        one
        for row in picker.children
        for one in getattr(row, "children", ())
        if getattr(one, "description", "") == text
    ]
    found[0].click()


def test_it_has_a_value_without_any_browser() -> None:
    picker = PeriodPicker("2018-04/2018-09")
    assert picker.period == period("2018-04/2018-09")
    assert (picker.first.value, picker.last.value) == (date(2018, 4, 1), date(2018, 9, 30))
    assert (picker.season.value, picker.year.value) == ("growing", 2018)


def test_setting_the_trait_changes_the_fields_and_tells_observers() -> None:
    picker = PeriodPicker(today=TODAY)
    seen: list[Any] = []
    picker.observe(lambda change: seen.append(change["new"]), "period")
    picker.period = "last 10 days"
    assert (picker.first.value, picker.last.value) == (date(2026, 11, 12), TODAY)
    assert seen == [picker.period]
    picker.period = None
    assert picker.first.value is None
    assert picker.text.value == ""


@pytest.mark.parametrize("number", range(1, 8))
def test_each_quick_choice_is_what_it_says(number: int) -> None:
    picker = PeriodPicker(today=TODAY)
    text, choice = picker.quick.options[number]
    picker.quick.value = choice
    assert picker.period == period(choice, today=TODAY)
    assert picker.quick.value == choice
    # and is no longer marked when other days are chosen
    picker.first.value = date.fromordinal(picker.first.value.toordinal() + 1)
    assert picker.quick.value == "", text


def test_the_last_days_end_today_and_are_as_many() -> None:
    picker = PeriodPicker(today=TODAY)
    picker.days.value = 45
    _press(picker, "Use the last days")
    assert picker.period is not None
    assert picker.period.days == 45
    assert picker.period.contains(TODAY)


def test_an_end_before_the_start_is_said_and_the_earlier_period_stays() -> None:
    picker = PeriodPicker("2018-05")
    picker.last.value = date(2018, 4, 1)
    assert picker.period == period("2018-05")
    assert "role='alert'" in picker.message.value
    assert picker.last.value == date(2018, 4, 1)
    picker.first.value = date(2018, 3, 1)
    assert picker.period == period("2018-03-01/2018-04-01")
    assert "alert" not in picker.message.value


def test_a_typed_mistake_is_said_and_the_earlier_period_stays() -> None:
    picker = PeriodPicker("2018-05")
    picker.text.value = "2018-02-30"
    picker.text.press("Use it")
    assert picker.period == period("2018-05")
    assert "no day of the calendar" in picker.text.problem
    with pytest.raises(PeriodError):
        picker.period = "soon"
    assert picker.period == period("2018-05")


def test_a_season_with_earlier_years_is_that_of_the_library() -> None:
    picker = PeriodPicker(today=TODAY)
    picker.season.value = "summer"
    picker.year.value = 2020
    picker.earlier.value = 0
    _press(picker, "Use the season")
    picker.earlier.value = 2
    assert picker.period == season("06-01", "08-31", [2018, 2019, 2020])
    assert picker.earlier.value == 2
    picker.earlier.value = 0
    assert picker.period == period("2020-06/2020-08")


def test_winter_runs_over_the_year_and_keeps_its_last_day() -> None:
    picker = PeriodPicker(today=TODAY)
    picker.season.value, picker.year.value = "winter", 2019
    _press(picker, "Use the season")
    assert picker.period == period("2019-12-01/2020-02-29")
    picker.earlier.value = 1
    assert str(picker.period) == "2018-12-01/2019-02-28, 2019-12-01/2020-02-29"


def test_earlier_years_of_nothing_are_refused_in_words() -> None:
    picker = PeriodPicker(today=TODAY)
    picker.earlier.value = 3
    assert picker.period is None
    assert "role='alert'" in picker.message.value


@pytest.mark.parametrize("open_one", ["2018-05/..", "../2018-05"])
def test_an_open_period_is_shown_and_has_no_earlier_years(open_one: str) -> None:
    picker = PeriodPicker(open_one)
    assert picker.describe().startswith("Period (UTC):")
    before = picker.period
    picker.earlier.value = 2
    assert picker.period == before
    assert "role='alert'" in picker.message.value


@given(first=st.dates(date(1990, 1, 1), date(2025, 12, 31)), length=st.integers(0, 200), earlier=st.integers(0, 5))
def test_fields_and_value_say_the_same(first: date, length: int, earlier: int) -> None:
    last = date.fromordinal(first.toordinal() + length)
    picker = PeriodPicker(Period(((first, last),)), today=TODAY)
    picker.earlier.value = earlier
    assert picker.period is not None
    assert len(picker.period.spans) == earlier + 1
    assert picker.period.spans[-1] == (first, last)
    assert picker.earlier.value == earlier
    assert PeriodPicker(picker.text.value, today=TODAY).period == picker.period
    for number, (begin, _) in enumerate(picker.period.spans):
        assert begin is not None
        assert begin.year == first.year - earlier + number


def test_several_stretches_that_are_no_season_are_kept() -> None:
    odd = period("2018-05, 2019-07")
    picker = PeriodPicker(odd)
    assert picker.period == odd
    assert picker.earlier.value == 0


def test_a_saved_notebook_shows_the_choice() -> None:
    bundle = PeriodPicker("2018-04/2018-09")._repr_mimebundle_()
    assert "183 days" in bundle["text/plain"]
    assert "2018-04-01" in bundle["text/html"]


def test_it_speaks_dutch() -> None:
    with options(language="nl"):
        assert "tot en met" in PeriodPicker("2018-05").describe()


@pytest.mark.parametrize("wrong", [5, (1, 2), 5.0, object(), [], b"2018"])
def test_what_is_no_period_is_refused_and_the_old_one_kept(wrong: Any) -> None:
    picker = PeriodPicker("2018")
    with pytest.raises(PeriodError, match="Write"):
        picker.value = wrong
    assert picker.value == period("2018")
