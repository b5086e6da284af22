"""The explorer without a browser: choices as arguments, results, selection, size, cube and code."""

from __future__ import annotations

import base64
import io
import threading
import time
from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.query import search
from terrascope_nb.catalogue.sources import Found
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import CellError, NothingFoundError, TerrascopeWarning, UnknownProductError
from terrascope_nb.extent.period import period as make_period
from terrascope_nb.widgets.panel import explorer_work as work
from terrascope_nb.widgets.panel.availability_words import clear_share
from terrascope_nb.widgets.panel.beginning import explore

BOX = (3.021, 50.813, 3.0275, 50.818)


@pytest.fixture
def explorer():
    made = explore("s2-ndvi", BOX, "2018-06", source="sample")
    yield made
    made.wait(30)
    made.close()


def ids(items):
    return [item.id for item in items]


def run(text):
    names = {}
    exec(compile(text, "<cell>", "exec"), names)
    return names


def test_choices_as_arguments_give_the_items_of_the_same_search(explorer):
    assert [item.id for item in explorer.items] == [
        item.id for item in search("s2-ndvi", BOX, "2018-06", source="sample")
    ]
    assert explorer.product.id == "s2-ndvi"
    assert explorer.area.bbox == BOX
    assert explorer.period == make_period("2018-06")


def test_the_code_of_a_selection_gives_the_same_items_and_numbers_in_a_fresh_namespace(explorer):
    days = [str(mark.day) for mark in explorer.dates.marks]
    explorer.drop(days[0], explorer.found[3].id)
    again = run(explorer.code)
    assert len(explorer.items) == len(days) - 2
    assert [item.id for item in again["items"]] == [item.id for item in explorer.items]
    np.testing.assert_array_equal(again["cube"]["NDVI"].values, explorer.cube["NDVI"].values)
    assert np.isfinite(explorer.cube["NDVI"].values).any()
    # And the cube is masked as the panel says, not as load() does by default.
    bare = load(explorer.items, ["NDVI"], area=BOX)
    assert np.isnan(explorer.cube["NDVI"].values).sum() > np.isnan(bare["NDVI"].values).sum()


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


def test_the_size_told_before_loading_is_the_size_of_the_cube(explorer):
    assert explorer.wait(30)
    cube = load(explorer.items, ["NDVI"], area=BOX, mask="clear")
    assert explorer.size.n_bytes == cube["NDVI"].nbytes
    assert (explorer.size.times, *explorer.size.shape) == cube["NDVI"].shape
    explorer.drop(str(explorer.dates.marks[0].day))
    assert explorer.wait(30)
    assert explorer.size.times == cube.sizes["time"] - 1


def test_a_size_that_does_not_fit_says_what_to_do():
    size = work.Estimate(100, 4, (10980, 10980), 10.0, 192_000_000_000, 8_000_000_000)
    assert size.is_too_big
    assert "192 GB" in str(size)
    assert "fewer bands" in str(size)


def test_loading_in_the_background_reads_the_values_draws_them_and_says_so(explorer):
    explorer._exploration.panel.whole.value = True
    explorer.load_in_background()
    assert explorer.wait(60)
    assert explorer.status.kind == "done", explorer.status.text
    assert explorer.loaded["NDVI"].chunks is None
    np.testing.assert_array_equal(
        explorer.loaded["NDVI"].values, load(explorer.items, ["NDVI"], area=BOX, mask="clear")["NDVI"].values
    )
    assert [layer.name for layer in explorer.map.rasters] == ["s2-ndvi NDVI"]
    assert "NDVI" in explorer._exploration.drawn.legend.describe()
    explorer.dates.selected = str(explorer.dates.marks[2].day)  # the map follows the calendar
    shown = explorer.map.rasters[0]
    assert str(shown.times[shown.time_index])[:10] == explorer.dates.selected
    explorer.load()
    assert len(explorer.map.rasters) == 1  # the layer before is replaced


def test_what_is_loaded_is_forgotten_when_the_selection_changes(explorer):
    first = explorer.cube
    assert explorer.cube is first
    explorer.drop(str(explorer.dates.marks[0].day))
    assert explorer.loaded is None
    assert explorer.cube.sizes["time"] == first.sizes["time"] - 1


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


class Broken:
    """A catalogue that fails, or hangs until it is let go."""

    def __init__(self, error=None):
        self.error = error
        self.go = threading.Event()

    def find(self, request):
        if self.error is None:
            self.go.wait(20)
            return Found([], 0, [])
        raise self.error


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


def test_loading_can_be_cancelled_between_two_pieces(explorer, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    real = work.in_memory

    def slow(cube):
        begun.set()
        go.wait(20)
        return real(cube)

    monkeypatch.setattr(work, "in_memory", slow)
    explorer._exploration.panel.whole.value = True
    explorer.load_in_background()
    assert begun.wait(20)
    explorer.cancel()
    go.set()
    assert explorer.wait(30)
    assert explorer.loaded is None
    assert explorer.status.text == "Cancelled."
    assert explorer.map.rasters == ()


def test_wrong_choices_are_refused_at_once():
    with pytest.raises(UnknownProductError, match="s2-ndvi"):
        explore("s2-nvdi")


def test_the_saved_notebook_has_a_picture_and_says_it_all_in_words(explorer):
    explorer.wait(30)
    day = str(explorer.dates.marks[1].day)
    explorer.drop(day)
    explorer.wait(30)
    bundle = explorer._repr_mimebundle_()
    text = bundle["text/plain"]
    for said in ("s2-ndvi", "3.021", "2018-06-01", f"{day}: ", "dropped", "kept", "8 date(s)", "ts.search("):
        assert said in text
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert picture.width >= 600
    assert len(set(picture.convert("RGB").resize((100, 100)).getdata())) > 10
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_warnings_of_a_search_from_code_reach_the_user_and_the_panel():
    with pytest.warns(TerrascopeWarning, match="do not say their cloud cover"):
        made = explore("s1-sigma0", BOX, "2018-06", max_cloud=10, source="sample")
    assert made.status.kind in ("warning", "done")


def test_a_collection_named_by_its_id_stays_so_in_the_code():
    explorer = explore("terrascope-s2-ndvi-v2", BOX, "2018-06", source="sample", without=["2018-06-15"])
    assert 'ts.search("terrascope-s2-ndvi-v2", area' in explorer.code
    assert explorer.dropped == ("2018-06-15",)
    assert [item.id for item in run(explorer.code)["items"]] == [item.id for item in explorer.items]


def test_an_open_period_is_closed_in_the_code_so_that_tomorrow_finds_the_same():
    found = search("s2-ndvi", BOX, "2018-06/..", source="sample")
    today = date(2026, 11, 21)
    assert str(work.closed_period(make_period("2018-06/.."), found, today=today)) == "2018-06-01/2026-11-21"
    assert str(work.closed_period(None, found, today=today)) == "../2026-11-21"
    assert str(work.closed_period(make_period("2018"), found, today=today)) == "2018-01-01/2018-12-31"
    assert work.closed_period(None, Items([]), today=today) is None


def test_a_product_without_quality_flags_is_not_masked():
    explorer = explore("s1-sigma0", BOX, "2018-06", source="sample", bands="VV")
    assert explorer.mask is None
    assert explorer.bands == ("VV",)
    assert "mask" not in explorer.code
    assert list(explorer.cube.data_vars) == ["VV"]


def test_three_colours_are_drawn_as_a_colour_picture():
    explorer = explore("s2-toc", BOX, "2018-06-28", source="sample", bands=["red", "green", "blue"])
    explorer.load()
    assert explorer.status.kind == "done", explorer.status.text
    assert explorer.map.rasters[0].source.kind == "rgb"


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


def test_the_tools_of_its_map_write_calls_that_find_the_map(explorer, monkeypatch):
    from terrascope_nb.widgets.tools import tool

    shell = SimpleNamespace(user_ns={"number": 1, "_": explorer, "mine": explorer})
    monkeypatch.setitem(tool.sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert tool.name_of(explorer.map) == "mine.map"


def test_the_code_of_one_explorer_fills_the_form_of_another(explorer):
    explorer.filters = {"max_cloud": 60}
    explorer.search()
    explorer.drop(str(explorer.dates.marks[1].day), explorer.found[2].id)
    explorer.mask = None
    other = explore()
    other.use_code(explorer.code)
    assert [item.id for item in other.items] == [item.id for item in explorer.items]
    assert other.code == explorer.code
    assert (other.mask, other.filters) == (None, {"max_cloud": 60})
    with pytest.raises(CellError, match="min_clear"):
        other.use_code(explorer.code[:-1] + ", min_clear=20)")


def test_items_code_and_cube_are_always_of_one_search(explorer):
    assert explorer.cube.sizes["time"] == 9
    other = (3.021, 50.813, 3.025, 50.816)
    explorer.period, explorer.area = "2018-07", other
    assert explorer.is_outdated
    assert "search again" in explorer.status.text
    again = run(explorer.code)
    found = search("s2-ndvi", other, "2018-07", source="sample")
    assert ids(again["items"]) == ids(explorer.items) == ids(found)
    assert not explorer.is_outdated
    np.testing.assert_array_equal(again["cube"]["NDVI"].values, explorer.cube["NDVI"].values)
    assert dict(explorer.cube.sizes) == dict(again["cube"].sizes)
    explorer.filters = {"max_cloud": 20}
    assert ids(explorer.items) == ids(search("s2-ndvi", other, "2018-07", max_cloud=20, source="sample"))
    explorer.product, explorer.filters = "s2-toc", {}
    assert set(explorer.cube.data_vars) == set(explorer.product.default_bands)
    assert ids(run(explorer.code)["items"]) == ids(explorer.items)


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


def test_a_cube_that_comes_after_the_selection_changed_is_not_taken(explorer, monkeypatch):
    begun, go = threading.Event(), threading.Event()
    real = work.make_cube

    def slow(*given):
        cube = real(*given)
        if threading.current_thread() is not threading.main_thread() and explorer._exploration.loading.busy:
            begun.set()
            go.wait(20)
        return cube

    explorer.wait(30)
    monkeypatch.setattr(work, "make_cube", slow)
    explorer.load_in_background()
    assert begun.wait(20)
    explorer.drop(str(explorer.dates.marks[0].day))
    go.set()
    assert explorer.wait(30)
    assert explorer.loaded is None
    assert explorer.cube.sizes["time"] == 8


def test_a_clear_share_asked_for_at_once_waits_until_it_is_measured(monkeypatch):
    import terrascope_nb.widgets.panel.availability as calendar

    go = threading.Event()
    real = calendar.measured_marks

    def later(*given, **named):
        go.wait(20)
        yield from real(*given, **named)

    monkeypatch.setattr(calendar, "measured_marks", later)
    explorer = explore("s2-ndvi", BOX, "2018-06", source="sample")
    explorer.keep_clear_later(60)  # the button
    assert "as soon as" in explorer.status.text
    assert len(explorer.kept) == 9
    threading.Timer(0.3, go.set).start()
    explorer.keep_clear(60)
    kept = {mark.day.isoformat() for mark in explorer.dates.marks if mark.clear >= 60}
    assert {mark.clear_from for mark in explorer.dates.marks} == {"flags"}
    assert {work.day_of(item) for item in explorer.items} == kept
    go.clear()
    explorer.search()
    explorer.keep_clear_later(100)
    go.set()
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


def test_a_twin_made_right_after_exploring_has_measured_numbers():
    explorer = explore("s2-ndvi", BOX, "2018-06", source="sample")
    text = explorer._repr_mimebundle_()["text/plain"]
    assert "of the area clear by its quality flags" in text
    assert "of the scene clear" not in text


def test_without_may_be_one_text_and_dates_as_people_write_them():
    whole = explore("s2-ndvi", BOX, "2018-06", source="sample")
    for given in ("2018-06-15", "2018-6-15", date(2018, 6, 15), [date(2018, 6, 15)]):
        explorer = explore("s2-ndvi", BOX, "2018-06", source="sample", without=given)
        assert explorer.dropped == ("2018-06-15",)
        assert len(explorer.items) == len(whole.items) - 1
    with pytest.warns(TerrascopeWarning, match="1999-01-01"):
        explorer = explore("s2-ndvi", BOX, "2018-06", source="sample", without=["1999-01-01", "2018-06-15"])
    assert explorer.dropped == ("2018-06-15",)
    with pytest.warns(TerrascopeWarning, match="nonsense"):
        explorer.drop("nonsense")
    with pytest.warns(TerrascopeWarning, match="nonsense"):
        explorer.keep("nonsense")
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


def test_the_words_stay_short_however_much_was_found():
    explorer = explore("s2-toc", BOX, "2018", source="sample", max_cloud=40)
    explorer.wait(60)
    text = explorer.describe()
    assert len(explorer.items) > 12
    assert len(text.splitlines()) <= 32
    assert len(text) < 3000
    assert f"and {len(explorer.dates.marks) - 6} more dates" in text
    assert "at most 40 % cloud" in text
    assert "max_cloud 40" not in explorer.sections[3]._summary
    assert "not on this machine" not in text
    assert "km²; west, south, east, north 3.0210" in text
    explorer.drop(*[item.id for item in explorer.items][1:])
    assert "print(explorer.code)" in explorer.describe() or len(explorer.code.splitlines()) <= 9
    assert len(explorer.describe()) < 3000


def test_nothing_stays_alive_after_closing_but_a_map_that_was_given():
    from ipywidgets.widgets.widget import _instances

    from terrascope_nb.widgets.live_map.handshake import front_end
    from terrascope_nb.widgets.live_map.map import Map

    front_end()
    explore().close()  # what all explorers share stays
    before = set(_instances)
    explorer = explore("s2-ndvi", BOX, "2018-06", source="sample")
    explorer.load()
    explorer.wait(30)
    explorer.close()
    assert [type(_instances[one]).__name__ for one in set(_instances) - before] == []
    given = Map()
    layers, controls, before = given.layers, given.controls, set(_instances)
    explorer = explore("s2-ndvi", BOX, "2018-06", source="sample", map=given)
    explorer.wait(30)
    explorer.close()
    assert given.comm is not None
    assert given.layers == layers
    assert given.controls == controls
    assert [type(_instances[one]).__name__ for one in set(_instances) - before] == []
