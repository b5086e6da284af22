"""The table of scenes without a browser."""

from __future__ import annotations

import math

import pytest

from terrascope_nb.catalogue.query import search
from terrascope_nb.errors import TerrascopeWarning
from terrascope_nb.widgets.panel.footprints import Footprints
from terrascope_nb.widgets.panel.results_table import ResultsTable

BOX = (3.021, 50.813, 3.0275, 50.818)


@pytest.fixture(scope="module")
def items():
    return search("s2-ndvi", BOX, "2018-05/2018-06", source="sample")


def test_each_row_says_what_the_table_of_the_items_says(items):
    table = ResultsTable(items)
    frame = items.to_dataframe()
    assert [row["id"] for row in table.rows] == list(frame["id"])
    for row, (_, truth) in zip(table.rows, frame.iterrows(), strict=True):
        assert row["time"] == truth["time"].strftime("%Y-%m-%d %H:%M")
        assert row["cloud"] == pytest.approx(truth["cloud"], abs=0.06)
        assert (row["tile"], row["version"], row["access"]) == (truth["tile"], truth["version"], truth["access"])


def test_what_is_not_known_is_empty_and_not_nan():
    table = ResultsTable(search("s1-sigma0", BOX, "2018-06", source="sample"))
    assert table.rows
    assert all(row["cloud"] is None for row in table.rows)
    assert not any(isinstance(value, float) and math.isnan(value) for row in table.rows for value in row.values())


def test_dropped_rows_are_out_of_the_selection(items):
    table = ResultsTable(items)
    with pytest.warns(TerrascopeWarning, match="nonsense"):
        table.drop(items[0].id, items[2].id, "nonsense")
    assert table.dropped == [items[0].id, items[2].id]
    assert table.selected == tuple(item.id for item in table.kept)
    assert len(table.kept) == len(items) - 2
    table.keep(items[0].id)
    assert table.dropped == [items[2].id]


def test_the_table_knows_the_layer_and_the_map_it_lights(items):
    outlines = Footprints(items)
    table = ResultsTable(items, footprints=outlines)
    assert table.get_state(["layer"])["layer"] == f"IPY_MODEL_{outlines.model_id}"


def test_other_items_replace_rows_selection_and_place(items):
    table = ResultsTable(items)
    table.drop(items[0].id)
    table.show_here([items[1].id])
    table.show_items(items[3:5])
    assert len(table.rows) == 2
    assert (table.dropped, table.here) == ([], [])


def test_where_no_widget_runs_the_items_show_themselves(items):
    bundle = ResultsTable(items)._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert data["text/plain"] == repr(items)
    assert "<table" in data["text/html"]
