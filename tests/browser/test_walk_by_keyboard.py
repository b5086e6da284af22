"""The whole walk of a person who has no mouse: choose, search, drop, load, look, compare, ask, and take the code away."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import expect
from support.keyboard import Keyboard
from support.sample_files import kept_scenes

BOX = [3.021, 50.813, 3.0275, 50.818]
PLACE = (3.0243, 50.8155)
EXPLORE = "import terrascope_nb as ts\nexplorer = ts.explore(source='sample')\nexplorer"


class _Walk:
    """One person at one explorer."""

    def __init__(self, lab):
        self.lab, self.page, self.keys = lab, lab.page, Keyboard(lab)
        self.panel = self.page.locator(".tsnb-explorer")
        self.tools = self.page.locator(".terrascope-tools")
        self.days = self.page.locator(".tsnb-day")
        self.status = self.page.locator(".tsnb-status-text").first

    def start(self):
        """Run the cell, and go back into what it shows."""
        self.keys.press("Shift+Enter")
        self.page.locator(".leaflet-draw-draw-rectangle").wait_for()

    def choose(self):
        keys, panel = self.keys, self.panel
        keys.tab_to(self.page.get_by_label("Area", exact=True), back=True)
        keys.write(", ".join(map(str, BOX)))
        keys.press("Enter")
        expect(self.page.get_by_label("Areas", exact=True).locator("option")).to_have_count(1)
        self.lab.holds("explorer.area.bbox", BOX)

        keys.tab_to_button(re.compile("Product: none"), panel)
        keys.press("Enter")
        field = self.page.get_by_label("Search", exact=True)
        expect(field).to_be_visible()
        keys.tab_to(field)
        keys.write("how green sentinel-2 ndvi")
        listed = self.page.get_by_label("Product", exact=True)
        expect(listed.locator("option")).to_have_count(1)
        keys.tab_to(listed)
        keys.press("ArrowDown")
        expect(panel.get_by_role("button", name="Product: Sentinel-2 NDVI")).to_be_visible()
        keys.still_on(listed)
        self.lab.holds("explorer.product.id", "s2-ndvi")

        keys.tab_to_button(re.compile("Period: all dates"), panel)
        keys.press(" ")
        typed = self.page.get_by_label("Or type it")
        expect(typed).to_be_visible()
        keys.tab_to(typed)
        keys.write("2018-06")
        keys.press("Enter")
        expect(panel.get_by_role("button", name="Period: 2018-06-01/2018-06-30")).to_be_visible()
        keys.still_on(typed)
        self.lab.holds("[str(day) for day in explorer.period.spans[0]]", ["2018-06-01", "2018-06-30"])

    def search(self):
        button = self.keys.tab_to_button("Search", self.panel)
        self.keys.press("Enter")
        note = self.page.locator(".tsnb-dates-note")
        expect(note).to_contain_text("quality flags", timeout=120_000)
        expect(note.locator("progress")).to_be_hidden(timeout=120_000)
        self.keys.still_on(button)
        rows = self.page.locator(".tsnb-results tbody tr")
        expect(rows).to_have_count(9)
        self.lab.holds("[item.id for item in explorer.items]", [row.get_attribute("data-id") for row in rows.all()])
        assert self.lab.ask("explorer.dates.dates")[0]["date"] == self.days.first.get_attribute("data-day")

    def drop(self):
        """Look at a date and drop it in the calendar; drop one scene more in the table, and one by mistake."""
        keys = self.keys
        keys.tab_to(self.page.locator(".tsnb-day[tabindex='0']"))
        keys.press("ArrowRight", "ArrowRight", "Enter")
        expect(self.page.locator(".tsnb-dates-look img")).to_be_visible()
        keys.still_on(self.days.nth(2))
        keys.tab_to_button("Drop this date", self.panel)
        keys.press(" ")
        expect(self.page.locator(".tsnb-results tr.tsnb-gone")).to_have_count(1)
        keys.still_on(self.panel.get_by_role("button", name="Keep this date"))
        self.lab.holds("explorer.dropped", ["2018-06-13"])

        boxes = self.page.locator(".tsnb-results tbody input")
        keys.tab_to(boxes.nth(4))
        keys.press(" ")
        expect(self.page.locator(".tsnb-results tr.tsnb-gone")).to_have_count(2)
        keys.press("Tab", " ")
        expect(self.page.locator(".tsnb-results tr.tsnb-gone")).to_have_count(3)
        keys.press(" ")
        expect(self.page.locator(".tsnb-results tr.tsnb-gone")).to_have_count(2)
        keys.still_on(boxes.nth(5))
        self.lab.holds("explorer.dropped", ["2018-06-13", "2018-06-20"])

    def load(self):
        button = self.keys.tab_to_button("Load", self.panel)
        self.keys.press("Enter")
        expect(self.status).to_contain_text("Loaded", timeout=120_000)
        expect(self.tools).to_be_visible()
        expect(self.page.locator(".leaflet-container .tnb-Tile-picture").first).to_be_visible()
        expect(self.page.locator(".leaflet-bottom.leaflet-right [role='img']")).to_be_visible()
        self.keys.still_on(button)
        days = self.lab.ask("[str(one)[:10] for one in explorer.cube.time.values]")
        assert len(days) == 7
        assert not {"2018-06-13", "2018-06-20"} & set(days)
        return days

    def step(self, days):
        """Two dates by the slider."""
        slider = self.keys.tab_to(self.tools.get_by_role("slider", name="Date"), back=True)
        self.keys.press("End")
        expect(slider).to_have_attribute("aria-valuetext", days[-1])
        self.keys.press("ArrowLeft", "ArrowLeft")
        expect(slider).to_have_attribute("aria-valuetext", days[-3])
        self.keys.still_on(slider)
        self.lab.holds("[explorer.map.tools.opened.date, explorer.map.rasters[-1].time_index]", [days[-3], 4])

    def compare(self, days):
        keys = self.keys
        button = keys.tab_to_button("Compare", self.tools, back=True)
        keys.press("Enter")
        bar = self.page.locator(".tnb-Swipe")
        expect(bar).to_have_attribute("aria-valuenow", "50")
        keys.still_on(button)
        keys.tab_to(bar, back=True)
        keys.press("PageUp", "ArrowRight", "ArrowRight")
        expect(bar).to_have_attribute("aria-valuenow", "64")
        left = keys.tab_to(self.tools.get_by_label("Left", exact=True))
        keys.press("ArrowDown")
        expect(left).to_have_js_property("selectedIndex", 1)
        keys.still_on(left)
        expect(self.tools.get_by_text(re.compile(f"left .*{days[1]}, right .*{days[-1]}"))).to_be_visible()
        self.lab.holds("round(explorer.map.tools.opened.share, 6)", 0.64)
        self.lab.holds(
            "[explorer.map.tools.opened.left.time_index, explorer.map.tools.opened.right.time_index]", [1, 6]
        )

    def ask_series(self):
        """The series of the middle of the map, then of a place that is typed."""
        keys = self.keys
        keys.tab_to_button("Series", self.tools, back=True)
        keys.press("Enter")
        expect(self.page.locator(".tnb-Swipe")).to_have_count(0)
        middle = keys.tab_to_button("Middle of the map", self.tools)
        keys.press("Enter")
        expect(self.tools.get_by_role("link", name="Save as CSV")).to_be_visible(timeout=90_000)
        keys.still_on(middle)
        center, asked = self.lab.ask("[list(explorer.map.center), explorer.map.tools.opened.area.bbox]")
        assert asked == pytest.approx([center[1], center[0], center[1], center[0]], abs=1e-6)
        field = keys.tab_to(self.tools.get_by_label("Area", exact=True))
        keys.write("{}, {}".format(*PLACE), instead=True)
        keys.press("Enter")
        picture = self.tools.get_by_role("img", name=re.compile("{:.5f}.*{:.5f}".format(*PLACE)))
        expect(picture).to_be_visible(timeout=90_000)
        keys.still_on(field)
        told = self.lab.ask("explorer.map.tools.opened.table['mean'].tolist()")
        wanted = pytest.approx([scene.at(*PLACE) for scene in kept_scenes(self.lab)], abs=1e-6, nan_ok=True)
        assert told == wanted
        assert np.isfinite(told).sum() == 5
        keys.tab_to(self.tools.get_by_role("link", name="Save as CSV"))
        with self.page.expect_download() as saved:
            keys.press("Enter")
        lines = saved.value.path().read_text().splitlines()[1:]
        assert [float(line.split(",")[3] or "nan") for line in lines] == wanted

    def take_code(self):
        keys = self.keys
        code = self.page.locator(".tsnb-code pre")
        keys.tab_to(self.panel.get_by_role("button", name="Code", exact=True).last)
        keys.press("Enter")
        expect(code).to_contain_text('"2018-06-13", "2018-06-20"')
        keys.tab_to_button("Copy", self.panel)
        keys.press("Enter")
        expect(self.page.locator(".tsnb-code [role='status']")).to_have_text(re.compile("Copied"))
        assert self.lab.ask("explorer.code").splitlines() == code.inner_text().splitlines()


def _run_in_a_fresh_kernel(lab, keys):
    """Paste what was copied into the cell below, restart the kernel with the lab's own keys, and run it."""
    cells = lab.page.locator(".jp-Notebook .jp-Cell")
    keys.tab_to(cells.first)
    keys.press("ArrowDown", "Enter", "Control+v")
    expect(cells.nth(1)).to_contain_text("items.without(")
    lab.watch.expect(r"Cannot send[\s\S]*/jupyter-leaflet/")
    keys.press("Escape", "0", "0")
    expect(lab.page.get_by_role("dialog").get_by_role("button", name="Confirm Kernel Restart")).to_be_focused()
    with lab.restarting():
        keys.press("Enter")
    keys.press("Control+Enter")
    expect(cells.nth(1).locator(".jp-InputPrompt")).to_have_text("[1]:")


def test_the_whole_walk_is_done_by_keyboard_alone(lab):
    lab.open_cells(EXPLORE, "")
    walk = _Walk(lab)
    walk.start()
    walk.choose()
    walk.search()
    walk.drop()
    days = walk.load()
    walk.step(days)
    walk.compare(days)
    walk.ask_series()
    walk.take_code()
    before = lab.ask("[[item.id for item in explorer.items], float(explorer.cube.NDVI.sum())]")
    _run_in_a_fresh_kernel(lab, walk.keys)
    assert lab.ask("'explorer' in globals()") is False
    assert lab.ask("[[item.id for item in items], float(cube.NDVI.sum())]") == before


MAP = f"import terrascope_nb as ts\nm = ts.Map(center=({PLACE[1]}, {PLACE[0]}), zoom=12)\nm"
LAYERS = (
    f"{MAP.removesuffix('m')}import ipyleaflet\n"
    f"for name in ('first', 'second'):\n    m.add(ipyleaflet.Marker(location=({PLACE[1]}, {PLACE[0]}), name=name))\n"
    "tool = m.tools.layers()\ntool"
)


def test_keys_on_a_map_and_its_tools_are_no_commands_of_the_notebook(lab):
    lab.open_cells("1", MAP, "m.tools", "")
    keys, page = Keyboard(lab), lab.page
    keys.press("ArrowDown", "Shift+Enter", "Shift+Enter")
    tools = page.locator(".terrascope-tools")
    tools.wait_for()
    button = keys.tab_to_button("Layers", tools, back=True)
    keys.press("Enter")
    expect(page.locator(".terrascope-tool")).to_be_visible()
    keys.press("d", "d", "x", "b", "ArrowUp")  # delete, cut, insert and go up, for a notebook
    keys.still_on(button)
    shown = keys.tab_to(page.locator(".leaflet-container"), back=True)
    keys.press("ArrowDown", "d", "d", "x", "b")
    keys.still_on(shown)
    lab.holds(f"m.center[0] < {PLACE[1]}", True)
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(4)
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex") == 1


def test_the_focus_stays_where_the_keyboard_is_when_layers_change_places_or_go(lab):
    lab.open_cells(LAYERS, "")
    keys, page = Keyboard(lab), lab.page
    keys.press("Shift+Enter")
    page.locator(".terrascope-tool").wait_for()
    up = keys.tab_to(page.get_by_title("first: up"), back=True)
    keys.press("Enter")
    lab.holds("[one.name for one in m.layers[-2:]]", ["second", "first"])
    expect(page.locator(".terrascope-tool input[type='checkbox']").first).to_have_accessible_name("first")
    keys.still_on(up)
    keys.tab_to(page.get_by_title("first: remove"))
    keys.press("Enter")
    lab.holds("[one.name for one in m.layers[-2:]]", ["Map", "second"])
    page.wait_for_function("() => document.activeElement.closest('.terrascope-tool')")
