from __future__ import annotations

import pickle
import warnings
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terrascope_nb.errors import PeriodError, TerrascopeWarning
from terrascope_nb.extent.period import Period, period, season

DAYS = st.dates(date(1998, 1, 1), date(2040, 12, 31))
BRUSSELS = timezone(timedelta(hours=2))


@st.composite
def closed(draw: st.DrawFn) -> Period:
    spans = []
    for _ in range(draw(st.integers(1, 4))):
        first = draw(DAYS)
        spans.append((first, first + timedelta(days=draw(st.integers(0, 500)))))
    return Period(tuple(spans))


@st.composite
def any_period(draw: st.DrawFn) -> Period:
    spans = list(draw(closed()).spans)
    if draw(st.booleans()):
        spans[0] = (None, spans[0][1])
    if draw(st.booleans()) and (len(spans) > 1 or spans[0][0] is not None):
        spans[-1] = (spans[-1][0], None)
    return Period(tuple(spans))


def days_of(what: Period) -> list[date]:
    return [first + timedelta(days=i) for first, last in what.spans for i in range((last - first).days + 1)]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("2018", "2018-01-01", "2018-12-31"),
        (2018, "2018-01-01", "2018-12-31"),
        ("2018-05", "2018-05-01", "2018-05-31"),
        ("2018-2", "2018-02-01", "2018-02-28"),
        ("2020-02", "2020-02-01", "2020-02-29"),
        ("2018-05-01", "2018-05-01", "2018-05-01"),
        ("20180501", "2018-05-01", "2018-05-01"),
        ("2018-05-01/2018-06-15", "2018-05-01", "2018-06-15"),
        (" 2018-05-01 / 2018-06-15 ", "2018-05-01", "2018-06-15"),
        ("2018-04/2018-09", "2018-04-01", "2018-09-30"),
        ("2018/2020", "2018-01-01", "2020-12-31"),
        ("2018-04/09", "2018-04-01", "2018-09-30"),
        ("2018-07-01/05", "2018-07-01", "2018-07-05"),
        ("2018-07-01/08-15", "2018-07-01", "2018-08-15"),
        (("2018-04", "2018-09"), "2018-04-01", "2018-09-30"),
        (["2018-04-01", date(2018, 9, 30)], "2018-04-01", "2018-09-30"),
        ((2018, 2019), "2018-01-01", "2019-12-31"),
        (slice("2018-04", "2018-09"), "2018-04-01", "2018-09-30"),
        (date(2018, 5, 1), "2018-05-01", "2018-05-01"),
        (datetime(2018, 5, 1, tzinfo=UTC), "2018-05-01", "2018-05-01"),
        (pd.Timestamp("2018-05-01"), "2018-05-01", "2018-05-01"),
        ((pd.Timestamp("2018-05-01"), pd.Timestamp("2018-05-31")), "2018-05-01", "2018-05-31"),
        (np.datetime64("2018-05-01"), "2018-05-01", "2018-05-01"),
        (np.datetime64("2018-05-01T00:00:00.000000000"), "2018-05-01", "2018-05-01"),
        (np.int64(2018), "2018-01-01", "2018-12-31"),
        (np.array(["2018-01-01", "2018-02-03"], dtype="datetime64[D]"), "2018-01-01", "2018-02-03"),
        ("2018-04-01T00:00:00Z/2018-09-30T23:59:59.999999Z", "2018-04-01", "2018-09-30"),
        ("2018-04-01T00:00:00Z/2018-09-30T23:59:59Z", "2018-04-01", "2018-09-30"),
    ],
    ids=repr,
)
def test_a_period_is_read(asked: object, first: str, last: str) -> None:
    found = period(asked)  # type: ignore[arg-type]
    assert found.spans == ((date.fromisoformat(first), date.fromisoformat(last)),)


def test_start_and_end_may_be_two_arguments() -> None:
    assert period("2018-04", "2018-09") == period("2018-04/2018-09")
    assert period(2018, date(2019, 1, 5)).spans == ((date(2018, 1, 1), date(2019, 1, 5)),)
    assert period(period("2018")) == period("2018")


def test_an_open_period_has_no_end_or_no_start() -> None:
    later = period("2018-05/..")
    assert (later.start, later.end) == (datetime(2018, 5, 1, tzinfo=UTC), None)
    assert later.to_stac() == "2018-05-01T00:00:00Z/.."
    assert later.contains(datetime(2031, 1, 1, tzinfo=UTC))
    assert not later.contains(datetime(2018, 4, 30, 23, 59, 59, tzinfo=UTC))
    earlier = period("../2018")
    assert earlier.to_stac() == "../2018-12-31T23:59:59.999999Z"
    assert earlier == period((None, "2018"))
    assert later.is_open


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("last 30 days", date(2018, 7, 1)),
        ("last 1 day", date(2018, 7, 30)),
        ("the last 2 weeks", date(2018, 7, 17)),
        ("LAST 1 month", date(2018, 7, 1)),
        ("last 5 months", date(2018, 3, 1)),
        ("last 1 years", date(2017, 7, 31)),
    ],
)
def test_the_last_days_end_today(text: str, first: date) -> None:
    assert period(text, today=date(2018, 7, 30)).spans == ((first, date(2018, 7, 30)),)


def test_last_counts_from_the_utc_day_it_is_now() -> None:
    before = datetime.now(UTC).date()
    found = period("last 1 day").spans[0][1]
    assert before <= found <= datetime.now(UTC).date()


def test_a_scene_at_10_46_on_the_last_day_is_found() -> None:
    # The client this package follows compared with midnight of the end day and lost the last day.
    spring = period("2018-05-01/2018-06-15")
    assert spring.contains(datetime(2018, 6, 15, 10, 46, 51, 24000, tzinfo=UTC))
    assert spring.end == datetime(2018, 6, 15, 23, 59, 59, 999999, tzinfo=UTC)
    assert not spring.contains(datetime(2018, 6, 16, tzinfo=UTC))
    assert spring.contains(date(2018, 6, 15))


def test_a_time_with_a_zone_is_converted_and_not_overwritten() -> None:
    day = period("2018-04-30")
    assert day.contains(datetime(2018, 5, 1, 0, 30, tzinfo=BRUSSELS))  # 22:30 UTC the day before
    assert not day.contains(datetime(2018, 5, 1, 0, 30))
    with pytest.warns(TerrascopeWarning, match=r"22:30 UTC.*all of 2018-04-30"):
        assert period(datetime(2018, 5, 1, 0, 30, tzinfo=BRUSSELS)) == day
    with pytest.warns(TerrascopeWarning, match="all of 2018-04-30"):
        assert period("2018-05-01T00:30:00+02:00") == day


def test_a_time_of_day_is_said_to_become_a_whole_day() -> None:
    with pytest.warns(TerrascopeWarning, match="whole UTC days"):
        found = period(("2018-05-01T10:00:00Z", "2018-05-02"))
    assert found == period("2018-05-01/2018-05-02")


def test_a_whole_day_is_taken_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        period((datetime(2018, 5, 1), datetime(2018, 5, 31)))
        period("2018-05-01T00:00:00Z/2018-05-31T23:59:59Z")


def test_the_same_season_of_several_years_skips_the_winters() -> None:
    summers = season("04-01", "09-30", [2019, 2018])
    assert str(summers) == "2018-04-01/2018-09-30, 2019-04-01/2019-09-30"
    assert summers == period("04-01/09-30 2018-2019") == period("04-01/09-30 2018,2019")
    assert not summers.contains(date(2018, 12, 25))
    assert summers.per_span_stac() == [
        "2018-04-01T00:00:00Z/2018-09-30T23:59:59.999999Z",
        "2019-04-01T00:00:00Z/2019-09-30T23:59:59.999999Z",
    ]
    assert summers.to_stac() == "2018-04-01T00:00:00Z/2019-09-30T23:59:59.999999Z"


def test_a_winter_runs_into_the_next_year_and_ends_on_the_last_of_february() -> None:
    assert str(season("11-01", "02-29", [2018, 2019])) == "2018-11-01/2019-02-28, 2019-11-01/2020-02-29"


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        (
            "2018-06-15/2018-05-01",
            r"start 2018-06-15 comes after its end 2018-05-01\. Swap the two: '2018-05-01/2018-06-15'",
        ),
        ((date(2018, 6, 15), date(2018, 5, 1)), "Swap the two: '2018-05-01/2018-06-15'"),
        ("2019/2018", "Swap the two: '2018/2019'"),
        ("2018-02-30", "February 2018 has 28 days: the last is 2018-02-28"),
        ("2018-05-01/2018-06-31", "June 2018 has 30 days"),
        ("2018-13", "Months run from 01 to 12"),
        ("05/01/2018", "day/month and month/day"),
        ("03/04", "starts with the year"),
        ("01-05-2018", "starts with the year"),
        ("may 2018", "is no date"),
        ("", "empty text"),
        ("../..", "open at both ends"),
        ((None, None), "open at both ends"),
        ("last 0 days", "1 or more"),
        ("last month", "'last 1 month' for the first"),
        ("last 99999 years", "before the year 1"),
        ("04-31/09-30 2018", "April 2000 has 30 days"),
        ("04-01/09-30 2020-2018", "2018-2020"),
        (("2018", "2019", "2020"), "a start and an end"),
        (None, "NoneType"),
        (True, "True was asked for"),
        (2018.5, "float"),
        (0, "four digits"),
        (pd.NaT, "missing time"),
        (np.datetime64("NaT"), "missing time"),
        (np.zeros((2, 2)), "period"),
        (slice("2018", "2019", 2), "start and a stop"),
    ],
    ids=repr,
)
def test_what_is_no_period_is_refused_with_the_way_out(asked: object, match: str) -> None:
    with pytest.raises(PeriodError, match=match):
        period(asked)  # type: ignore[arg-type]


def test_a_reversed_period_keeps_its_dates_as_facts() -> None:
    with pytest.raises(PeriodError) as caught:
        period("2018-06-15/2018-05-01")
    assert caught.value.facts["start"] == date(2018, 6, 15)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(PeriodError, match="ends before it starts"):
        Period(((date(2018, 2, 1), date(2018, 1, 1)),))
    with pytest.raises(PeriodError, match="without any day"):
        Period(())
    with pytest.raises(PeriodError, match="both given"):
        period(period("2018"), "2019")


@settings(deadline=None)
@given(any_period())
def test_a_period_is_read_back_from_its_own_text(some: Period) -> None:
    if some.spans == ((None, None),):
        return
    assert period(str(some)) == some
    assert pickle.loads(pickle.dumps(some)) == some


@settings(deadline=None)
@given(any_period())
def test_the_stac_interval_of_a_stretch_is_read_back(some: Period) -> None:
    for text, span in zip(some.per_span_stac(), some.spans, strict=True):
        if span != (None, None):
            assert period(text) == Period((span,))


@settings(deadline=None)
@given(closed())
def test_dekads_cover_each_day_once(some: Period) -> None:
    dekads = some.dekads()
    covered = [day for dekad in dekads for day in days_of(dekad)]
    assert covered == days_of(some)
    assert len(covered) == some.days
    for dekad in dekads:
        days = {1 if day.day <= 10 else 2 if day.day <= 20 else 3 for day in days_of(dekad)}
        assert len(days) == 1
        assert dekad.days <= 11


@settings(deadline=None)
@given(closed())
def test_months_cover_each_day_once(some: Period) -> None:
    covered = []
    for month in some.months():
        days = days_of(month)
        assert len({(day.year, day.month) for day in days}) == 1
        covered += days
    assert covered == days_of(some)


@settings(deadline=None)
@given(closed(), DAYS)
def test_a_day_is_in_a_period_when_it_is_one_of_its_days(some: Period, day: date) -> None:
    assert some.contains(day) == (day in set(days_of(some)))
    assert some.overlaps(day, day) == some.contains(day)


@settings(deadline=None)
@given(closed(), closed())
def test_two_periods_put_together_hold_the_days_of_both(one: Period, other: Period) -> None:
    both = Period((*one.spans, *other.spans))
    assert set(days_of(both)) == set(days_of(one)) | set(days_of(other))
    assert both.days == len(days_of(both)) == len(set(days_of(both)))


def test_a_full_month_has_three_dekads_and_february_ends_where_it_ends() -> None:
    assert [str(one) for one in period("2020-02").dekads()] == [
        "2020-02-01/2020-02-10",
        "2020-02-11/2020-02-20",
        "2020-02-21/2020-02-29",
    ]
    assert [str(one) for one in period("2018-01-15/2018-02-03").months()] == [
        "2018-01-15/2018-01-31",
        "2018-02-01/2018-02-03",
    ]


def test_an_open_period_cannot_be_cut_or_counted() -> None:
    for verb in ("months", "dekads"):
        with pytest.raises(PeriodError, match=f"cut into {verb}"):
            getattr(period("2018/.."), verb)()
    with pytest.raises(PeriodError, match="count the days"):
        _ = period("2018/..").days


def test_an_item_that_spans_days_overlaps_the_period() -> None:
    may = period("2018-05")
    assert may.overlaps(datetime(2018, 4, 21, tzinfo=UTC), datetime(2018, 5, 1, 10, tzinfo=UTC))
    assert not may.overlaps(date(2018, 4, 21), date(2018, 4, 30))
    assert may.overlaps(None, None)


def test_a_period_shows_its_days_and_its_zone() -> None:
    assert repr(period("2018-05")) == "<Period 2018-05-01/2018-05-31 (whole days, UTC)>"
