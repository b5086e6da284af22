"""The explorer without a browser: choices, searching, and what is said of it."""

from __future__ import annotations

import time

import pytest
from explored import BOX, Broken, ids, run

from terrascope_nb.catalogue.query import search
from terrascope_nb.errors import NothingFoundError, TerrascopeWarning, UnknownProductError
from terrascope_nb.extent.period import period as make_period
from terrascope_nb.widgets.panel import explorer_work as work
from terrascope_nb.widgets.panel.beginning import explore


def test_choices_as_arguments_give_the_items_of_the_same_search(explorer):
    assert [item.id for item in explorer.items] == [
        item.id for item in search("s2-ndvi", BOX, "2018-06", source="sample")
    ]
    assert explorer.product.id == "s2-ndvi"
    assert explorer.area.bbox == BOX
    assert explorer.period == make_period("2018-06")


@pytest.mark.filterwarnings("default::terrascope_nb.errors.TerrascopeWarning")
def test_a_search_by_the_button_says_what_it_found_and_what_to_know():
    explorer = explore()
    assert explorer.items is not None
    assert len(explorer.items) == 0
    explorer.search_in_background()
    assert explorer.status.kind == "warning"  # no product yet
    explorer.product, explorer.area, explorer.period = "s2-ndvi", BOX, "2018-06"
    explorer._exploration.searching.source = "sample"
    explorer.search_in_background()
    assert explorer.wait(30)
    assert len(explorer.items) == 9
    assert "9 scenes on 9 dates" in explorer.status.text
    assert explorer._exploration.panel.results.layout.display == ""
    assert [row["id"] for row in explorer.table.rows] == [item.id for item in explorer.items]


def test_nothing_found_is_said_with_what_to_do():
    explorer = explore("s2-ndvi", (10, 10, 10.1, 10.1), "2018-06", source="sample")
    assert explorer.status.kind == "warning"
    assert "Try a larger area" in explorer.status.text
    assert explorer._exploration.panel.results.layout.display == "none"
    explorer.load_in_background()
    assert "nothing to load" in explorer.status.text
    with pytest.raises(NothingFoundError):
        _ = explorer.cube


def test_a_failed_search_is_said_in_the_panel_and_raised_from_code():
    explorer = explore("s2-ndvi", source=Broken(NothingFoundError("The catalogue is on holiday. Come back tomorrow.")))
    explorer.search_in_background()
    assert explorer.wait(20)
    assert (explorer.status.kind, explorer.status.text) == ("error", "The catalogue is on holiday. Come back tomorrow.")
    with pytest.raises(NothingFoundError, match="holiday"):
        explorer.search()
    explorer._exploration.searching.source = Broken(ZeroDivisionError("oops"))
    explorer.search_in_background()
    assert explorer.wait(20)
    assert "ZeroDivisionError: oops" in explorer.status.text


def test_a_search_that_takes_long_can_be_cancelled_and_its_answer_no_longer_counts(explorer):
    slow = Broken()
    explorer._exploration.searching.source = slow
    before = explorer.items
    explorer.search_in_background()
    assert explorer.status.kind == "busy"
    explorer.cancel()
    assert explorer.status.text == "Cancelled."
    slow.go.set()
    assert explorer.wait(20)
    assert explorer.items is before
    assert explorer.status.text == "Cancelled."


def test_wrong_choices_are_refused_at_once():
    with pytest.raises(UnknownProductError, match="s2-ndvi"):
        explore("s2-nvdi")


def test_warnings_of_a_search_from_code_reach_the_user_and_the_panel():
    with pytest.warns(TerrascopeWarning, match="do not say their cloud cover"):
        made = explore("s1-sigma0", BOX, "2018-06", max_cloud=10, source="sample")
    assert made.status.kind in ("warning", "done")


def test_a_product_without_quality_flags_is_not_masked():
    explorer = explore("s1-sigma0", BOX, "2018-06", source="sample", bands="VV")
    assert explorer.mask is None
    assert explorer.bands == ("VV",)
    assert "mask" not in explorer.code
    assert list(explorer.cube.data_vars) == ["VV"]


def test_the_explorer_speaks_dutch_and_french():
    from terrascope_nb.settings import options

    for spoken, word in (("nl", "Zoek"), ("fr", "Chercher")):
        with options(language=spoken):
            explorer = explore()
            assert explorer._exploration.panel.search_button.description == word


def test_nothing_waits_on_the_panel_for_longer_than_a_moment():
    began = time.monotonic()
    explore()
    assert time.monotonic() - began < 5


def test_the_panel_says_that_choices_have_changed_and_does_not_mix_them(explorer):
    assert explorer.wait(30)
    said = explorer.status.text
    before = explorer.kept
    explorer.period = "2018-07"
    for press in (explorer.load_in_background, explorer.show_code):
        explorer.status.tell("")
        press()
        assert "search again" in explorer.status.text
    assert explorer.code_cell.code == ""
    assert "search again" in explorer._exploration.panel.size_line.value
    text = explorer.describe()
    assert "search again" in text.splitlines()[0]
    assert "2018-06-01/2018-06-30" in text  # all of the twin is of the search that was made
    assert "2018-07" not in text
    assert explorer.kept is before
    explorer.period = "2018-06"
    assert explorer.status.text == said
    assert explorer.wait(30)
    assert explorer.size is not None


def test_choices_made_in_code_are_searched_for_when_items_are_asked_for():
    explorer = explore()
    explorer._exploration.searching.source = "sample"
    with pytest.raises(NothingFoundError, match="no product"):
        _ = explorer.code
    explorer.product = "s2-ndvi"
    with pytest.raises(NothingFoundError, match="not searched yet"):
        _ = explorer.code
    assert explorer.searched is None
    explorer.area, explorer.period = BOX, "2018-06"
    assert "Nothing was searched for yet" in explorer.describe()
    assert len(explorer.items) == 9
    assert ids(run(explorer.code)["items"]) == ids(explorer.items)


def test_a_search_that_fails_leaves_the_one_before_whole(explorer):
    explorer._exploration.searching.source = Broken(NothingFoundError("The catalogue is on holiday."))
    explorer.period = "2018-07"
    with pytest.raises(NothingFoundError, match="holiday"):
        _ = explorer.items
    explorer.period = "2018-06"
    assert ids(run(explorer.code)["items"]) == ids(explorer.items)
    assert len(explorer.items) == 9


def test_a_pasted_viewer_link_gives_area_product_and_day():
    explorer = explore(source="sample")
    link = "https://viewer.terrascope.be/?bbox=3.02,50.81,3.03,50.82&date=2018-06-28&layer=CGS_S2_NDVI"
    explorer.area_picker.text.value = link
    explorer.area_picker._use_text()
    assert explorer.area.bbox == (3.02, 50.81, 3.03, 50.82)
    assert explorer.product.id == "s2-ndvi"
    assert str(explorer.period) == "2018-06-28/2018-06-28" or str(explorer.period) == "2018-06-28"
    assert "Taken from the viewer link" in explorer.status.text
    assert {work.day_of(item) for item in explorer.items} == {"2018-06-28"}
