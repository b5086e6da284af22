"""The explorer without a browser: which dates and scenes are kept, by hand and by their clear share."""

from __future__ import annotations

import threading
from datetime import date

import pytest
from explored import BOX, ids, run

from terrascope_nb.errors import TerrascopeWarning
from terrascope_nb.widgets.panel import explorer_work as work
from terrascope_nb.widgets.panel.availability_words import clear_share
from terrascope_nb.widgets.panel.beginning import explore


def test_a_day_dropped_in_the_calendar_is_dropped_in_the_table_and_back(explorer):
    day = str(explorer.dates.marks[2].day)
    explorer.dates.drop(day)
    gone = {item.id for item in explorer.found} - set(explorer.table.selected)
    assert {work.day_of(explorer.found[one]) for one in gone} == {day}
    assert len(explorer.items) == len(explorer.found) - len(gone)
    explorer.table.keep(*gone)
    assert explorer.dates.dropped == []
    assert len(explorer.items) == len(explorer.found)
    explorer.table.drop(explorer.found[0].id)
    assert explorer.dates.dropped == [work.day_of(explorer.found[0])]


def test_dates_below_a_clear_share_of_my_area_are_dropped_at_once(explorer):
    assert explorer.wait(30)
    explorer.keep_clear(60)
    kept = {mark.day.isoformat() for mark in explorer.dates.marks if mark.clear >= 60}
    assert {work.day_of(item) for item in explorer.items} == kept
    assert 0 < len(kept) < len(explorer.dates.marks)


def test_a_clear_share_asked_for_at_once_waits_until_it_is_measured(flags_may_be_read):
    explorer = explore("s2-ndvi", BOX, "2018-06", source="sample")
    explorer.keep_clear_later(60)  # the button
    assert "as soon as" in explorer.status.text
    assert len(explorer.kept) == 9
    threading.Timer(0.3, flags_may_be_read.set).start()
    explorer.keep_clear(60)
    kept = {mark.day.isoformat() for mark in explorer.dates.marks if mark.clear >= 60}
    assert {mark.clear_from for mark in explorer.dates.marks} == {"flags"}
    assert {work.day_of(item) for item in explorer.items} == kept
    flags_may_be_read.clear()
    explorer.search()
    explorer.keep_clear_later(100)
    flags_may_be_read.set()
    assert explorer.wait(30)
    assert all(clear_share(mark) >= 100 for mark in explorer.dates.marks if str(mark.day) not in explorer.dates.dropped)
    assert explorer.dropped
    explorer.keep_clear(0)
    # What this drops it takes back again; what was dropped by hand stays out.
    hand = str(explorer.dates.marks[0].day)
    explorer.keep(*[str(mark.day) for mark in explorer.dates.marks])
    explorer.drop(hand)
    explorer.keep_clear(100)
    explorer.keep_clear(0)
    assert explorer.dropped == (hand,)


def test_without_may_be_one_text_and_dates_as_people_write_them():
    whole = explore("s2-ndvi", BOX, "2018-06", source="sample")
    for given in ("2018-06-15", "2018-6-15", date(2018, 6, 15), [date(2018, 6, 15)]):
        explorer = explore("s2-ndvi", BOX, "2018-06", source="sample", without=given)
        assert explorer.dropped == ("2018-06-15",)
        assert len(explorer.items) == len(whole.items) - 1
        # Work in the background may take Python's filters of warnings along, which are the whole process's.
        assert explorer.wait(30)
    assert whole.wait(30)
    with pytest.warns(TerrascopeWarning, match="1999-01-01"):
        explorer = explore("s2-ndvi", BOX, "2018-06", source="sample", without=["1999-01-01", "2018-06-15"])
    assert explorer.dropped == ("2018-06-15",)
    for change in (explorer.drop, explorer.keep):
        assert explorer.wait(30)
        with pytest.warns(TerrascopeWarning, match="nonsense"):
            change("nonsense")
    assert explorer.wait(30)
    with pytest.warns(TerrascopeWarning, match="without was given"):
        explore(without="2018-06-15")


def test_what_was_dropped_by_hand_stays_out_in_the_next_search(explorer):
    explorer.drop("2018-06-15", "2018-06-28")
    explorer.search()
    assert explorer.dropped == ("2018-06-15", "2018-06-28")
    explorer.period = "2018-06-20/2018-07-31"
    with pytest.warns(TerrascopeWarning, match="2018-06-15 was left out by hand before"):
        found = explorer.items
    assert explorer.dropped == ("2018-06-28",)
    assert explorer.dates.dropped == ["2018-06-28"]
    assert "Still left out by hand: 2018-06-28" in explorer.status.text
    assert "not found now: 2018-06-15" in explorer.status.text
    assert ids(run(explorer.code)["items"]) == ids(found)


def test_dates_dropped_as_cloudy_are_not_missed_in_another_period(explorer):
    explorer.keep_clear(60)
    gone = explorer.dropped
    assert gone
    explorer.search()
    assert explorer.dropped == gone
    assert "by hand" not in explorer.status.text
    explorer.period = "2018-07"
    assert len(explorer.items) == len(explorer.found)  # and warns of nothing
    assert "by hand" not in explorer.status.text
