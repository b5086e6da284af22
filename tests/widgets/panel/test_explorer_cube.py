"""The explorer without a browser: size, loading, the cube and what is drawn of it."""

from __future__ import annotations

import threading

import numpy as np
from explored import BOX, ids, run

from terrascope_nb.catalogue.query import search
from terrascope_nb.cube.loader import load
from terrascope_nb.widgets.panel import explorer_work as work
from terrascope_nb.widgets.panel.beginning import explore


def test_the_size_told_before_loading_is_the_size_of_the_cube(explorer):
    assert explorer.wait(30)
    cube = load(explorer.items, ["NDVI"], area=BOX, mask="clear")
    assert explorer.size.n_bytes == cube["NDVI"].nbytes
    assert (explorer.size.times, *explorer.size.shape) == cube["NDVI"].shape
    explorer.drop(str(explorer.dates.marks[0].day))
    assert explorer.wait(30)
    assert explorer.size.times == cube.sizes["time"] - 1


def test_a_size_that_does_not_fit_says_what_to_do():
    size = work.Estimate(100, 4, (10980, 10980), 10.0, "m", 192_000_000_000, 8_000_000_000)
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


def test_three_colours_are_drawn_as_a_colour_picture():
    explorer = explore("s2-toc", BOX, "2018-06-28", source="sample", bands=["red", "green", "blue"])
    explorer.load()
    assert explorer.status.kind == "done", explorer.status.text
    assert explorer.map.rasters[0].source.kind == "rgb"


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
