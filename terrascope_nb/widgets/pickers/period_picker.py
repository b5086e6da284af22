"""Choose a period: first and last day, the last days, a season, and the same season of earlier years."""

from __future__ import annotations

import html
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import ipywidgets as widgets
import traitlets

from terrascope_nb.errors import PeriodError
from terrascope_nb.extent.period import Period, PeriodLike, period, season
from terrascope_nb.widgets.parts.field import WIDE, Message, Picker, button, heading, hint, row, shared_layout, status
from terrascope_nb.widgets.parts.typed_field import TypedField
from terrascope_nb.words import say

_SEASONS = {
    "spring": ("03-01", "05-31"),
    "summer": ("06-01", "08-31"),
    "autumn": ("09-01", "11-30"),
    "winter": ("12-01", "02-29"),
    "growing": ("04-01", "09-30"),
    "year": ("01-01", "12-31"),
}
"""First and last day of each: meteorological seasons, and the half-year of crops in Belgium. Winter begins in the year
that is named."""
_MOST_EARLIER = 30
_FIRST_YEAR = 1984
"""Before the first scenes of any archive here."""
_NARROW = shared_layout(width="auto", flex="0 1 18em")


class PeriodTrait(traitlets.TraitType[Any, Any]):
    """A `Period` or None; anything that `terrascope_nb.period` reads becomes one."""

    info_text = "a period, or anything terrascope_nb.period reads"

    def validate(self, owner: Any, value: PeriodLike | None) -> Period | None:
        """Read what was given.

        Raises
        ------
        PeriodError
            It is no period.
        """
        return None if value is None else period(value, today=owner.today)


class PeriodPicker(Picker):
    """Choose whole days in UTC, both ends included; the choice is in `period`.

    Parameters
    ----------
    value : period, optional
        Anything `terrascope_nb.period` reads: ``"2018-04/2018-09"``, ``"last 30 days"``, a pair of dates …
    today : date, optional
        What "last" counts from; the day it is now in UTC when None.

    Attributes
    ----------
    period : Period or None
        A trait: observe it, or set it to anything `terrascope_nb.period` reads. None = all dates.

    Examples
    --------
    >>> picker = PeriodPicker("2018-04/2018-09")
    >>> picker.earlier.value = 2
    >>> [str(first) for first, _ in picker.period.spans]
    ['2016-04-01', '2017-04-01', '2018-04-01']
    """

    period = PeriodTrait(default_value=None, allow_none=True)

    def __init__(self, value: PeriodLike | None = None, *, today: date | None = None) -> None:
        self.today = today or datetime.now(UTC).date()
        super().__init__()
        self._build()
        self.observe(self._changed, "period")
        self.period = value
        self._show()

    @property
    def value(self) -> Period | None:
        """The period."""
        return self.period  # type: ignore[no-any-return]

    @value.setter
    def value(self, what: PeriodLike | None) -> None:
        self.period = what

    def describe(self) -> str:
        """Return the period as text."""
        found = self.period
        if found is None:
            return say("Period: none chosen, so all dates")
        spans = [_span_text(first, last) for first, last in found.spans]
        if found.is_open:
            return say("Period (UTC): {spans}", spans="; ".join(spans))
        return say("Period (UTC): {spans}; {days} days in all", spans="; ".join(spans), days=found.days)

    def _html(self) -> str:
        return f"<p>{html.escape(self.describe())}</p>"

    def _build(self) -> None:
        self.message: Message = Message()
        self.quick = widgets.Dropdown(
            description=say("Quick choice"), options=self._quick_choices(), value="", layout=_NARROW, style=WIDE
        )
        self.quick.observe(lambda change: self._heard(lambda: self._use_quick(change["new"]), self.message), "value")
        self.days = widgets.BoundedIntText(
            value=30, min=1, max=20000, description=say("Last days"), layout=_NARROW, style=WIDE
        )
        self.first = widgets.DatePicker(description=say("First day"), layout=_NARROW, style=WIDE)
        self.last = widgets.DatePicker(description=say("Last day"), layout=_NARROW, style=WIDE)
        for field in (self.first, self.last):
            field.observe(lambda _: self._heard(self._use_days, self.message), "value")
        names = {
            "spring": say("Spring (March to May)"),
            "summer": say("Summer (June to August)"),
            "autumn": say("Autumn (September to November)"),
            "winter": say("Winter (December to February)"),
            "growing": say("Growing season (April to September)"),
            "year": say("Whole year"),
        }
        self.season = widgets.Dropdown(
            description=say("Season"), options=[(text, key) for key, text in names.items()], value="growing",
            layout=_NARROW, style=WIDE,
        )  # fmt: skip
        self.year = widgets.BoundedIntText(
            value=self.today.year, min=_FIRST_YEAR, max=self.today.year + 1, description=say("Year"),
            layout=_NARROW, style=WIDE,
        )  # fmt: skip
        self.earlier = widgets.BoundedIntText(
            value=0, min=0, max=_MOST_EARLIER, description=say("Earlier years"), layout=_NARROW, style=WIDE
        )
        self.earlier.observe(lambda _: self._heard(self._use_earlier, self.message), "value")
        self.text = TypedField(
            say("Or type it"),
            {say("Use it"): self._use_text},
            placeholder="2018-04/2018-09, last 30 days, 04-01/09-30 2018-2020",
        )
        self.result = widgets.HTML()
        self.children = [
            heading(say("Choose a period")),
            row(self.quick),
            row(
                self.days,
                button(say("Use the last days"), lambda: self._heard(self._use_last, self.message)),
            ),
            row(self.first, self.last),
            row(
                self.season,
                self.year,
                button(say("Use the season"), lambda: self._heard(self._use_season, self.message)),
            ),
            row(self.earlier, hint(say("0 = only this one; 3 = the same days of the three years before too"))),
            self.text,
            self.message,
            row(self.result, button(say("All dates"), lambda: setattr(self, "period", None))),
        ]

    def _quick_choices(self) -> list[tuple[str, str]]:
        this = self.today.year
        return [
            (say("choose …"), ""),
            (say("Last {count} days", count=7), "last 7 days"),
            (say("Last {count} days", count=30), "last 30 days"),
            (say("Last {count} months", count=3), "last 3 months"),
            (say("Last {count} months", count=12), "last 12 months"),
            (say("This year until today"), f"{this}-01-01/{self.today}"),
            (say("The whole of {year}", year=this - 1), str(this - 1)),
            (say("The whole of {year}", year=this - 2), str(this - 2)),
        ]

    # what the fields do

    def _use_quick(self, text: str) -> None:
        if text:
            self.period = period(text, today=self.today)

    def _use_last(self) -> None:
        self.period = Period(((self.today - timedelta(days=self.days.value - 1), self.today),))

    def _use_days(self) -> None:
        if self.first.value is None and self.last.value is None:
            self.period = None
            return
        self._set_span(self.first.value, self.last.value)

    def _use_season(self) -> None:
        first, last = _SEASONS[self.season.value]
        years = range(self.year.value - self.earlier.value, self.year.value + 1)
        self.period = season(first, last, years)

    def _use_earlier(self) -> None:
        if self.period is None:
            raise PeriodError(say("Choose the days first; then the same days of earlier years are added."))
        self._set_span(*self.period.spans[-1])

    def _set_span(self, first: date | None, last: date | None) -> None:
        """Take one stretch, with the same days of as many earlier years as the field says."""
        count = self.earlier.value
        one = Period(((first, last),))  # refuses an end before the start
        if not count:
            self.period = one
            return
        if first is None or last is None:
            raise PeriodError(say("The same days of earlier years need a first and a last day."))
        if (last - first).days >= 366:
            raise PeriodError(say("The same days of earlier years need a period of at most a year."))
        years = range(first.year - count, first.year + 1)
        # A last 29 February is the last day of that month in any year.
        end = (
            "02-29" if (last.month, last.day) == (2, 28) and (last + timedelta(days=1)).month == 3 else f"{last:%m-%d}"
        )
        begin = f"{first:%m-%d}"
        if last.year > first.year and f"{last:%m-%d}" >= begin:
            self.period = Period(tuple(_shifted(first, last, year - first.year) for year in years))
        else:
            self.period = season(begin, end, years)

    def _use_text(self) -> None:
        text = self.text.value.strip()
        self.period = period(text, today=self.today) if text else None

    # showing

    def _changed(self, _: Mapping[str, Any]) -> None:
        self.message.clear()
        self.text.clear()
        self._show()

    def _show(self) -> None:
        found = self.period
        with self._silently():
            self.text.value = "" if found is None else str(found)
            first, last = (None, None) if found is None else found.spans[-1]
            self.first.value, self.last.value = first, last
            self.earlier.value = 0 if found is None else _earlier_years(found)
            if found is None or self.quick.value == "" or period(self.quick.value, today=self.today) != found:
                self.quick.value = ""
            if last is not None and first is not None:
                key = next(
                    (k for k, edges in _SEASONS.items() if season(*edges, [first.year]).spans[0] == (first, last)), ""
                )
                if key and self.year.min <= first.year <= self.year.max:
                    self.season.value, self.year.value = key, first.year
        self.result.value = status(html.escape(self.describe()))


def _span_text(first: date | None, last: date | None) -> str:
    if first is None:
        return say("until {day}", day=last)
    if last is None:
        return say("from {day} on", day=first)
    return say("{first} to {last}", first=first, last=last)


def _shifted(first: date, last: date, years: int) -> tuple[date, date]:
    """Return a stretch some years away; the 29th of February becomes the 28th where there is none."""
    return _in_year(first, first.year + years), _in_year(last, last.year + years)


def _in_year(day: date, year: int) -> date:
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=28)


def _earlier_years(found: Period) -> int:
    """Return how many earlier years a period repeats its last stretch in; 0 when it is no such series."""
    first, last = found.spans[-1]
    count = len(found.spans) - 1
    if not count or first is None or last is None:
        return 0
    expected = [_shifted(first, last, -back) for back in range(count, 0, -1)]
    alike = all(
        one is not None
        and other is not None
        and abs((one - wanted[0]).days) <= 1
        and abs((other - wanted[1]).days) <= 1
        for (one, other), wanted in zip(found.spans[:-1], expected, strict=True)
    )
    return count if alike and count <= _MOST_EARLIER else 0
