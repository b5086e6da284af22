"""Start and end: texts, dates and seasons become a `Period`."""

from __future__ import annotations

import calendar
import re
import warnings
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from terrascope_nb.errors import PeriodError, TerrascopeWarning
from terrascope_nb.extent.spans import Period, Span, utc_day

__all__ = ["Period", "PeriodLike", "Span", "period", "season"]

Moment = str | int | date | datetime | None
PeriodLike = Period | str | int | date | datetime | Sequence[Any] | slice
"""Everything `period` reads; numpy and pandas times too."""

_FORMS = (
    "'2018', '2018-05', '2018-05-01', '2018-05-01/2018-06-15', '2018-05/..', 'last 30 days', "
    "'04-01/09-30 2018-2020', or (start, end)"
)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_TAIL = re.compile(r"(?:(\d{2})-)?(\d{2})")
_LAST = re.compile(r"(?:the\s+)?last\s+(?:(\d+)\s+)?(day|week|month|year)s?", re.IGNORECASE)
_SEASON = re.compile(r"(\d{1,2}-\d{1,2})\s*/\s*(\d{1,2}-\d{1,2})\s+(\d{4}(?:\s*[-,]\s*\d{4})*)")
_OPEN = {"", ".."}


def period(what: PeriodLike, end: Moment = None, *, today: date | None = None) -> Period:
    """Return a period of whole UTC days, both ends included.

    Parameters
    ----------
    what : str, int, date, datetime, (start, end), slice, or Period
        ``"2018"`` or ``2018``, ``"2018-05"``, ``"2018-05-01"``, ``"2018-05-01/2018-06-15"``, ``"2018-04/2018-09"``,
        ``"2018-05/.."``, ``"../2018"``, ``"last 30 days"`` (today is the last of them), the same season of several
        years ``"04-01/09-30 2018-2020"`` (or ``2018,2020``), several stretches with commas between, an interval of
        STAC. A time with a zone is converted to UTC, one without counts as UTC, and the whole day is taken.
    end : str, int, date, datetime, optional
        Last day, when `what` is the first one.
    today : date, optional
        What ``"last 30 days"`` counts from; the day it is now in UTC when None.

    Returns
    -------
    Period

    Raises
    ------
    PeriodError
        The text is no period, a date does not exist, or the end comes before the start.

    Warns
    -----
    TerrascopeWarning
        A time of day was given and the whole UTC day is taken.

    Examples
    --------
    >>> period("2018-04/2018-09").to_stac()
    '2018-04-01T00:00:00Z/2018-09-30T23:59:59.999999Z'
    >>> str(period("last 30 days", today=date(2018, 7, 30)))
    '2018-07-01/2018-07-30'
    """
    if isinstance(what, Period):
        if end is not None:
            raise PeriodError(f"A Period ({what}) and an end ({end!r}) were both given; give a start and an end.")
        return what
    if isinstance(what, slice):
        if what.step is not None or end is not None:
            raise PeriodError(f"{what!r} was asked for as a period; a slice has a start and a stop only.")
        what = (what.start, what.stop)
    if end is not None:
        what = (what, end)
    if isinstance(what, str):
        return _from_text(what.strip(), today)
    if _is_pair(what):
        pair = list(what)  # type: ignore[arg-type]
        if len(pair) != 2:
            raise PeriodError(f"{what!r} was asked for as a period; it must hold a start and an end. Write {_FORMS}.")
        return _between(pair[0], pair[1], str(what))
    first, last = _days_of(what, repr(what))
    return Period(((first, last),))


def season(first: str, last: str, years: Iterable[int]) -> Period:
    """Return the same season of several years.

    Parameters
    ----------
    first, last : str
        Month and day, ``"04-01"`` and ``"09-30"``; a season that ends earlier in the year than it starts runs into the
        next year (``"11-01"``, ``"02-28"``). The 29th of February means the last day of that month.
    years : iterable of int
        The years in which the season starts.

    Returns
    -------
    Period
        With one stretch per year.

    Raises
    ------
    PeriodError
        No year, or a day that does not exist.

    Examples
    --------
    >>> str(season("04-01", "09-30", [2018, 2020]))
    '2018-04-01/2018-09-30, 2020-04-01/2020-09-30'
    """
    wanted = sorted({int(year) for year in years})
    if not wanted:
        raise PeriodError(f"The season {first}/{last} was asked for in no year. Give years, like years=[2018, 2019].")
    begin, stop = _month_day(first), _month_day(last)
    spans: list[Span] = []
    for year in wanted:
        closing = year + (stop < begin)
        spans.append((_in_year(year, begin), _in_year(closing, stop)))
    return Period(tuple(spans))


def _month_day(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,2})-(\d{1,2})", str(text).strip())
    if match is None:
        raise PeriodError(f"{text!r} was asked for as the edge of a season; write month and day, like '04-01'.")
    month, day = int(match[1]), int(match[2])
    # 2000 is a leap year, so that 02-29 is a day of a season.
    _make_date(2000, month, day, str(text))
    return month, day


def _in_year(year: int, month_day: tuple[int, int]) -> date:
    month, day = month_day
    if not 1 <= year <= 9999:
        raise PeriodError(f"The year {year} was asked for; write four digits, like 2018.")
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _from_text(text: str, today: date | None) -> Period:
    if not text:
        raise PeriodError(f"An empty text was asked for as a period. Write {_FORMS}.")
    if match := _SEASON.fullmatch(text):
        return season(match[1], match[2], _years(match[3]))
    if "," in text:
        return Period(tuple(span for part in text.split(",") for span in _from_text(part.strip(), today).spans))
    if match := _LAST.fullmatch(text):
        if match[1] is None:
            raise PeriodError(
                f"{text!r} was asked for as a period, which is a stretch up to today or a whole {match[2]} before it. "
                f"Write 'last 1 {match[2]}' for the first, or the dates themselves.",
                text=text,
            )
        return _last(int(match[1]), match[2].lower(), today or datetime.now(UTC).date(), text)
    if "/" in text:
        parts = [part.strip() for part in text.split("/")]
        if len(parts) == 2:
            return _between(*_completed(parts[0], parts[1]), text)
        raise PeriodError(
            f"{text!r} was asked for as a period, but it has {len(parts)} parts between slashes, which fits both "
            f"day/month and month/day. Write {_FORMS}.",
            text=text,
        )
    first, last = _days_of(text, text)
    return Period(((first, last),))


def _years(text: str) -> list[int]:
    years: list[int] = []
    for part in text.split(","):
        edges = [int(year) for year in part.split("-")]
        if len(edges) > 2 or edges[0] > edges[-1]:
            raise PeriodError(f"The years {text!r} were asked for; write them like 2018-2020 or 2018,2020.", text=text)
        years.extend(range(edges[0], edges[-1] + 1))
    return years


def _completed(first: str, last: str) -> tuple[str, str]:
    """Complete an end written short, as ISO 8601 allows: ``2018-07-01/05``, ``2018-07-01/09-30``, ``2018-04/09``."""
    start, tail = _DATE.fullmatch(first), _TAIL.fullmatch(last)
    if start is None or tail is None or start[2] is None:
        return first, last
    if start[3] is None:
        return (first, last) if tail[1] else (first, f"{start[1]}-{last}")
    return first, f"{start[1]}-{last}" if tail[1] else f"{start[1]}-{start[2]}-{last}"


def _last(count: int, unit: str, today: date, text: str) -> Period:
    if count < 1:
        raise PeriodError(f"{text!r} was asked for as a period; the count must be 1 or more.", text=text)
    try:
        if unit in {"day", "week"}:
            first = today - timedelta(days=count * (7 if unit == "week" else 1) - 1)
        else:
            months = today.year * 12 + today.month - 1 - count * (12 if unit == "year" else 1)
            day = min(today.day, calendar.monthrange(months // 12, months % 12 + 1)[1])
            first = date(months // 12, months % 12 + 1, day) + timedelta(days=1)
    except (ValueError, OverflowError, calendar.IllegalMonthError) as error:
        raise PeriodError(f"{text!r} reaches back before the year 1; ask for less.", text=text) from error
    return Period(((first, today),))


def _between(first: Moment, last: Moment, asked: str) -> Period:
    start = None if _is_open(first) else _days_of(first, asked, edge="start")[0]
    stop = None if _is_open(last) else _days_of(last, asked, edge="end")[1]
    if start is None and stop is None:
        raise PeriodError(
            f"The period {asked!r} was asked for, which is open at both ends. Leave the period out to search all time, "
            f"or write {_FORMS}.",
            text=asked,
        )
    if start is not None and stop is not None and start > stop:
        swapped = f"{last}/{first}" if isinstance(first, str) and isinstance(last, str) else f"{stop}/{start}"
        raise PeriodError(
            f"The period {asked!r} was asked for, but its start {start} comes after its end {stop}. "
            f"Swap the two: '{swapped}'.",
            start=start,
            end=stop,
        )
    return Period(((start, stop),))


def _is_open(moment: Moment) -> bool:
    return moment is None or (isinstance(moment, str) and moment.strip() in _OPEN)


def _is_pair(what: object) -> bool:
    return isinstance(what, Sequence) or (hasattr(what, "__len__") and hasattr(what, "__getitem__"))


def _days_of(what: object, asked: str, *, edge: str = "") -> tuple[date, date]:
    """First and last day of one date; a year and a month have several."""
    if isinstance(what, bool):
        raise PeriodError(f"{what!r} was asked for as a period. Write {_FORMS}.")
    if type(what).__module__ == "numpy":
        what = _from_numpy(what, asked)
    if isinstance(what, int):
        if what < 1000:
            raise PeriodError(
                f"{asked} was asked for as a period, which is no year. Write four digits, like 2018.", value=what
            )
        year = _make_date(what, 1, 1, asked)
        return year, year.replace(month=12, day=31)
    if isinstance(what, datetime):
        return (_whole_day(what, asked, edge),) * 2
    if isinstance(what, date):
        return what, what
    if isinstance(what, str):
        return _days_of_text(what.strip(), asked, edge)
    raise PeriodError(
        f"A {type(what).__name__} ({what!r}) was asked for as a period, which is none. Write {_FORMS}.", value=what
    )


def _days_of_text(text: str, asked: str, edge: str) -> tuple[date, date]:
    match = _DATE.fullmatch(text)
    if match is not None:
        year, month, day = (int(part) if part else None for part in match.groups())
        assert year is not None  # the pattern always has a year
        first = _make_date(year, month or 1, day or 1, asked)
        if day is not None:
            return first, first
        last_month = month or 12
        return first, first.replace(month=last_month, day=calendar.monthrange(year, last_month)[1])
    if match := _COMPACT.fullmatch(text):
        first = _make_date(int(match[1]), int(match[2]), int(match[3]), asked)
        return first, first
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        hint = "" if re.match(r"\d{4}", text) else " A date starts with the year, since 03/04 is two days of the year."
        raise PeriodError(
            f"{asked!r} was asked for as a period, but {text!r} is no date.{hint} Write {_FORMS}.", text=asked
        ) from error
    return (_whole_day(moment, asked, edge),) * 2


def _make_date(year: int, month: int, day: int, asked: str) -> date:
    try:
        return date(year, month, day)
    except ValueError as error:
        if not 1 <= year <= 9999:
            advice = "Write the year with four digits"
        elif not 1 <= month <= 12:
            advice = "Months run from 01 to 12, and the order is year-month-day"
        else:
            days = calendar.monthrange(year, month)[1]
            advice = f"{calendar.month_name[month]} {year} has {days} days: the last is {year}-{month:02d}-{days}"
        raise PeriodError(
            f"{asked!r} was asked for, but {year}-{month:02d}-{day:02d} is no day of the calendar. {advice}.",
            text=asked,
        ) from error


def _whole_day(moment: datetime, asked: str, edge: str) -> date:
    """Take the UTC day of a moment, and say so when that widens or moves what was asked."""
    if moment != moment:  # noqa: PLR0124 - pandas.NaT is a datetime that equals nothing, itself included
        raise PeriodError(f"{asked!r} was asked for as a period, but it holds a missing time. Give a date.")
    day = utc_day(moment)
    clock = (moment if moment.tzinfo is None else moment.astimezone(UTC)).time()
    at_edge = (edge != "end" and clock == time.min) or (edge == "end" and (clock >= time(23, 59) or clock == time.min))
    if not at_edge:
        zone = "" if moment.tzinfo is None else f" ({clock:%H:%M} UTC)"
        warnings.warn(
            f"{moment.isoformat()}{zone} was asked for; a period is made of whole UTC days, so all of {day} is taken.",
            TerrascopeWarning,
            stacklevel=2,
        )
    return day


def _from_numpy(what: Any, asked: str) -> object:
    """Return the builtin that a numpy number or time stands for."""
    if getattr(what, "ndim", 1) != 0:
        raise PeriodError(f"{asked!r} was asked for as a period. Write {_FORMS}.")
    if what.dtype.kind == "M":
        text = str(what.astype("datetime64[us]") if what.dtype != "datetime64[D]" else what)
        if text == "NaT":
            raise PeriodError(f"{asked!r} was asked for as a period, but it holds a missing time. Give a date.")
        return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    return what.item()
