"""The explorer without a browser: its code, its words, and what a saved notebook keeps."""

from __future__ import annotations

import base64
import io
from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest
from explored import BOX, run
from PIL import Image

from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.query import search
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import CellError
from terrascope_nb.extent.period import period as make_period
from terrascope_nb.widgets.panel import explorer_work as work
from terrascope_nb.widgets.panel.beginning import explore


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


def test_the_saved_notebook_has_a_picture_and_says_it_all_in_words(explorer):
    explorer.wait(30)
    day = str(explorer.dates.marks[1].day)
    explorer.drop(day)
    explorer.wait(30)
    bundle = explorer._repr_mimebundle_()
    text = bundle["text/plain"]
    for said in (
        "s2-ndvi",
        "3.021",
        "2018-06-01",
        f"{day}: ",
        "dropped",
        "kept",
        "Dates: 8",
        "pixels of 10 m",
        "ts.search(",
    ):
        assert said in text
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert picture.width >= 600
    assert len(set(picture.convert("RGB").resize((100, 100)).getdata())) > 10
    assert "application/vnd.jupyter.widget-view+json" in bundle


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


def test_a_twin_made_right_after_exploring_has_measured_numbers():
    explorer = explore("s2-ndvi", BOX, "2018-06", source="sample")
    text = explorer._repr_mimebundle_()["text/plain"]
    assert "of the area clear by its quality flags" in text
    assert "of the scene clear" not in text


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
