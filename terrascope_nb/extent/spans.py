"""Period: whole UTC days, both ends included, cut into months or dekads."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from terrascope_nb.errors import PeriodError

__all__ = ["Period", "Span", "utc_day"]

Span = tuple[date | None, date | None]
"""First and last day, both inclusive; None = open."""

_DAY = timedelta(days=1)
_LAST_INSTANT = time(23, 59, 59, 999999, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Period:
    """One or several stretches of whole UTC days, both ends included.

    Overlapping and adjoining stretches are merged, and they stand in order, so two periods of the same days are equal.
    """

    spans: tuple[Span, ...]
    """(first day, last day) of each stretch; None = open, possible at the very start and the very end only."""

    def __post_init__(self) -> None:
        if not self.spans:
            raise PeriodError("A period was asked for without any day. Give a start and an end, like '2018-05'.")
        for first, last in self.spans:
            if first is not None and last is not None and first > last:
                raise PeriodError(
                    f"The period {first}/{last} was asked for, but it ends before it starts. "
                    f"Swap the two: '{last}/{first}'.",
                    start=first,
                    end=last,
                )
        object.__setattr__(self, "spans", _merged(self.spans))

    @property
    def start(self) -> datetime | None:
        """First instant (UTC); None when the period is open there."""
        first = self.spans[0][0]
        return None if first is None else datetime.combine(first, time.min, tzinfo=UTC)

    @property
    def end(self) -> datetime | None:
        """Last instant (UTC), 23:59:59.999999 of the last day; None when the period is open there."""
        last = self.spans[-1][1]
        return None if last is None else datetime.combine(last, _LAST_INSTANT)

    @property
    def is_open(self) -> bool:
        """True when start or end is missing."""
        return self.spans[0][0] is None or self.spans[-1][1] is None

    @property
    def days(self) -> int:
        """How many days it holds.

        Raises
        ------
        PeriodError
            The period is open.
        """
        return sum((last - first).days + 1 for first, last in self._closed("count the days of"))

    def contains(self, moment: datetime | date) -> bool:
        """Tell whether a moment lies within the period.

        Parameters
        ----------
        moment : datetime or date
            A zone is converted to UTC; without one the time counts as UTC.

        Examples
        --------
        >>> Period(((date(2018, 5, 1), date(2018, 6, 15)),)).contains(datetime(2018, 6, 15, 10, 46, tzinfo=UTC))
        True
        """
        day = utc_day(moment)
        return any((first is None or first <= day) and (last is None or day <= last) for first, last in self.spans)

    def overlaps(self, start: datetime | date | None, end: datetime | date | None) -> bool:
        """Tell whether a stretch (None = open) shares a day with the period; for items that span several days."""
        from_day = date.min if start is None else utc_day(start)
        to_day = date.max if end is None else utc_day(end)
        return any((first or date.min) <= to_day and from_day <= (last or date.max) for first, last in self.spans)

    def to_stac(self) -> str:
        """Return the outer stretch as a STAC ``datetime`` interval, ``..`` where open.

        >>> Period(((date(2018, 4, 1), None),)).to_stac()
        '2018-04-01T00:00:00Z/..'
        """
        return _stac(self.spans[0][0], self.spans[-1][1])

    def per_span_stac(self) -> list[str]:
        """Return one STAC ``datetime`` interval per stretch."""
        return [_stac(first, last) for first, last in self.spans]

    def months(self) -> list[Period]:
        """Cut into calendar months; a month that the period holds in part is cut short.

        Raises
        ------
        PeriodError
            The period is open.
        """
        return list(self._cut("months", _month_end))

    def dekads(self) -> list[Period]:
        """Cut into dekads (days 1-10, 11-20, 21-end of a month); a dekad held in part is cut short.

        Raises
        ------
        PeriodError
            The period is open.
        """
        return list(self._cut("dekads", _dekad_end))

    def _cut(self, what: str, end_of: Callable[[date], date]) -> Iterator[Period]:
        for first, last in self._closed(f"cut into {what}"):
            day = first
            while day <= last:
                stop = min(end_of(day), last)
                yield Period(((day, stop),))
                if stop == date.max:
                    return
                day = stop + _DAY

    def _closed(self, doing: str) -> list[tuple[date, date]]:
        closed = [(first, last) for first, last in self.spans if first is not None and last is not None]
        if len(closed) != len(self.spans):
            raise PeriodError(
                f"To {doing} {str(self)!r} both ends must be known, but it is open. Give a start and an end.",
                period=self,
            )
        return closed

    def __str__(self) -> str:
        return ", ".join(f"{first or '..'}/{last or '..'}" for first, last in self.spans)

    def __repr__(self) -> str:
        return f"<Period {self} (whole days, UTC)>"


def utc_day(moment: datetime | date) -> date:
    """Return the UTC day of a moment; a time without a zone counts as UTC."""
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()
    return moment


def _stac(first: date | None, last: date | None) -> str:
    start = ".." if first is None else f"{first}T00:00:00Z"
    end = ".." if last is None else f"{last}T23:59:59.999999Z"
    return f"{start}/{end}"


def _merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for first, last in sorted(spans, key=lambda span: (span[0] or date.min, span[1] or date.max)):
        if merged:
            before = merged[-1][1]
            if before is None:
                break
            if first is None or before == date.max or first <= before + _DAY:
                merged[-1] = (merged[-1][0], None if last is None else max(before, last))
                continue
        merged.append((first, last))
    return tuple(merged)


def _month_end(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _dekad_end(day: date) -> date:
    return day.replace(day=10) if day.day <= 10 else day.replace(day=20) if day.day <= 20 else _month_end(day)
