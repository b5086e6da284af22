"""The calendar of dates without a browser: marks, measuring, quicklook, kept and dropped."""

from __future__ import annotations

import base64
import io
import threading

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

import terrascope_nb.widgets.panel.availability as calendar
from terrascope_nb.catalogue.item_facts import cloud_of
from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.query import search
from terrascope_nb.cube.dates import DateMark
from terrascope_nb.cube.preview import preview
from terrascope_nb.errors import TerrascopeError, TerrascopeWarning
from terrascope_nb.widgets.panel.availability import Availability

BOX = (3.021, 50.813, 3.0275, 50.818)


@pytest.fixture(scope="module")
def items():
    return search("s2-ndvi", BOX, "2018-05/2018-06", source="sample")


def test_marks_come_from_the_catalogue_at_once_and_from_my_area_when_measured(items, flags_may_be_read):
    dates = Availability(items)
    assert [entry["date"] for entry in dates.dates] == [str(day) for day in items.by_day()]
    assert {entry["clear_from"] for entry in dates.dates} == {"index"}
    assert dates.measuring
    flags_may_be_read.set()
    assert dates.wait(30)
    assert not dates.measuring
    assert {entry["clear_from"] for entry in dates.dates} == {"flags"}
    assert "my area" in dates.note


def test_without_local_flags_the_catalogue_stands_and_it_says_so(items):
    plain = [item.clone() for item in items]
    for item in plain:
        item.properties.pop("terrascope_nb:clear")
        for asset in item.assets.values():
            asset.href = f"https://example.invalid/{asset.href.rsplit('/', 1)[-1]}"
            asset.extra_fields.pop("alternate", None)
    dates = Availability(Items(plain, product=items.product, area=items.area))
    assert dates.wait(30)
    assert not dates.measuring
    assert "catalogue's cloud cover" in dates.note
    for entry, item in zip(dates.dates, items, strict=True):
        assert (entry["clear"], entry["clear_from"]) == (pytest.approx(100 - cloud_of(item), abs=0.06), "catalogue")


def test_a_cancelled_measurement_keeps_what_was_measured(items, monkeypatch):
    first, go = threading.Event(), threading.Event()
    real = calendar.measured_marks

    def halting(*given, **named):
        for number, mark in enumerate(real(*given, **named)):
            if number == 2:
                first.set()
                go.wait(20)
            yield mark

    monkeypatch.setattr(calendar, "measured_marks", halting)
    dates = Availability(items)
    assert first.wait(20)
    dates.cancel()
    go.set()
    assert dates.wait(20)
    origins = [entry["clear_from"] for entry in dates.dates]
    assert origins.count("flags") == 2
    assert not dates.measuring


def test_a_dropped_day_is_out_of_the_kept_items(items):
    dates = Availability(items, measure=False)
    day = dates.dates[1]["date"]
    dates.drop(day)
    assert len(dates.kept) == len(items) - dates.dates[1]["items"]
    assert all(str(item.datetime.date()) != day for item in dates.kept)
    dates.keep(day)
    assert len(dates.kept) == len(items)


def test_a_chosen_day_shows_its_quicklook(items):
    dates = Availability(items, measure=False)
    dates.selected = dates.dates[0]["date"]
    assert dates.wait(20)
    assert dates.picture, dates.picture_text
    picture = Image.open(io.BytesIO(dates.picture))
    assert min(picture.size) >= 32
    assert items[0].id in dates.picture_text
    # In the colours of the product: the pixel in the middle as its colour map has it.
    values = preview(items[0], roots=items.roots).values[0]
    row, col = values.shape[0] // 2, values.shape[1] // 2
    expected = mpl.colormaps["YlGn"]((values[row, col] + 0.08) / 1.0, bytes=True)
    assert np.abs(np.subtract(picture.getpixel((col, row))[:3], expected[:3], dtype=int)).max() <= 2
    dates.selected = ""
    assert dates.picture == b""


def test_a_quicklook_that_cannot_be_read_says_why(items, monkeypatch):
    def broken(*_, **__):
        raise TerrascopeError("The file is gone. Ask for another.")

    monkeypatch.setattr(calendar, "preview", broken)
    dates = Availability(items, measure=False)
    dates.selected = dates.dates[0]["date"]
    assert dates.wait(20)
    assert dates.picture_text == "There is no quicklook: The file is gone. Ask for another."


def test_another_search_outdates_the_measurement_before(items):
    dates = Availability(items)
    other = search("s2-ndvi", BOX, "2018-07", source="sample")
    dates.show_items(other)
    assert dates.wait(30)
    assert [entry["date"] for entry in dates.dates] == [str(day) for day in other.by_day()]
    assert dates.dropped == []


def test_the_words_name_every_date_what_is_measured_and_what_is_kept(items):
    dates = Availability(items)
    dates.wait(30)
    dates.drop(dates.dates[0]["date"])
    lines = dates.describe().splitlines()
    assert lines[0] == f"{len(dates.dates) - 1} of {len(dates.dates)} dates kept"
    assert len(lines) == len(dates.dates) + 2
    assert "of the area clear by its quality flags" in lines[1]
    assert lines[1].endswith("dropped")
    assert lines[2].endswith("kept")
    bundle = dates._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/plain"] == dates.describe()
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.width > 600


def test_an_empty_search_shows_an_empty_calendar():
    dates = Availability(Items([]))
    assert dates.dates == []
    assert dates.describe().startswith("0 of 0 dates kept")


def test_a_day_is_dropped_however_it_is_written_and_an_unknown_one_is_said(items):
    dates = Availability(items, measure=False)
    first = next(iter(items.by_day()))
    dates.drop(f"{first.year}-{first.month}-{first.day}")
    assert dates.dropped == [str(first)]
    dates.keep(first)
    assert dates.dropped == []
    with pytest.warns(TerrascopeWarning, match="1999-01-01 is none of"):
        dates.drop("1999-01-01")
    assert dates.dropped == []


def test_a_scene_that_covers_a_part_can_be_wholly_clear(items):
    found = items[:2]
    dates = Availability(found, measure=False)
    days = list(found.by_day())
    dates._marks = {
        days[0]: DateMark(days[0], (found[0].id,), 30.0, "flags", 40.0, ""),
        days[1]: DateMark(days[1], (found[1].id,), 0.0, "flags", 0.0, ""),
    }
    dates._measured()
    assert [(entry["clear"], entry["coverage"]) for entry in dates.dates] == [(75.0, 40.0), (None, 0.0)]
    assert "75.0 % of the covered part of the area clear" in dates.dates[0]["text"]
    assert "40.0 % of the area covered" in dates.dates[0]["text"]
    assert "2 dates cover a part of the area only" in dates.note


def test_a_twin_made_while_flags_are_read_waits_for_them_or_says_so(items, monkeypatch, flags_may_be_read):
    monkeypatch.setattr(calendar, "_PATIENCE", 0.1)
    dates = Availability(items)
    text = dates.describe()
    assert text.count("clear share not measured yet") == len(dates.dates)
    assert "of the scene clear" not in text
    assert all(np.isnan(mark.clear) for mark in dates.told_marks)
    monkeypatch.setattr(calendar, "_PATIENCE", 20)
    flags_may_be_read.set()
    text = dates.describe()
    assert text.count("of the area clear by its quality flags") == len(dates.dates)
    assert dates.told_marks == dates.marks


def test_the_words_of_many_dates_are_cut(items):
    dates = Availability(items, measure=False)
    lines = dates.describe(most=4).splitlines()
    assert lines[-2] == f"… and {len(dates.dates) - 4} more dates"
    assert len(lines) == 7
