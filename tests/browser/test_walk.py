"""The whole walk of a person, for two users of a hub at once: results, calendar, load, dates, compare, series, code."""

from __future__ import annotations

from playwright.sync_api import expect

BOX = "(3.021, 50.813, 3.0275, 50.818)"
EXPLORE = f"""
import terrascope_nb as ts
explorer = ts.explore("s2-ndvi", {BOX}, "2018-06", source="sample")
explorer
"""
NUMBERS = """
import os
table = explorer.map.tools.opened.table
print(os.environ["JUPYTERHUB_USER"], len(explorer.items), explorer.dropped, round(float(explorer.cube.NDVI.sum()), 3))
print([round(value, 6) for value in table["mean"]])
"""


def _drop(page, day):
    page.locator(".tsnb-day").nth(day).click()
    page.get_by_role("button", name="Drop this date").click()
    expect(page.locator(".tsnb-results tr.tsnb-gone")).to_have_count(1)


def _see_dates(page):
    """Two dates by the slider, then two side by side."""
    slider = page.locator(".terrascope-tools").get_by_role("slider", name="Date")
    before = slider.get_attribute("aria-valuetext")
    slider.focus()
    slider.press("ArrowLeft")
    expect(slider).not_to_have_attribute("aria-valuetext", before)
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".tnb-Swipe")).to_have_attribute("aria-valuenow", "50")


def _ask_series(page):
    page.get_by_role("button", name="Series", exact=True).click()
    expect(page.get_by_role("button", name="Click on the map")).to_be_visible()
    page.locator(".leaflet-container").first.click()
    expect(page.locator(".terrascope-tools").get_by_role("link", name="Save as CSV")).to_be_visible(timeout=90_000)
    expect(page.locator(".tnb-Swipe")).to_have_count(0)


def test_two_users_of_a_hub_walk_at_once_and_their_code_gives_the_same_numbers_again(hub):
    days = dict(zip(hub, (3, 5), strict=True))
    for notebook in hub.values():
        notebook.open_cells(EXPLORE, NUMBERS, "print(explorer.code)", "")
        notebook.run(0, wait=False)
    for step in (
        lambda user, page: expect(page.locator(".tsnb-dates-note")).to_contain_text("quality flags", timeout=120_000),
        lambda user, page: expect(page.locator(".tsnb-dates-note progress")).to_be_hidden(timeout=120_000),
        lambda user, page: _drop(page, days[user]),
        lambda user, page: page.get_by_role("button", name="Load", exact=True).click(),
        lambda user, page: expect(page.locator(".tsnb-status-text").first).to_contain_text("Loaded", timeout=120_000),
        lambda user, page: _see_dates(page),
        lambda user, page: _ask_series(page),
    ):
        for user, notebook in hub.items():
            notebook.page.bring_to_front()  # keys go to the window in front
            step(user, notebook.page)
    dropped = set()
    for user, notebook in hub.items():
        notebook.run(1)
        first, series = notebook.text(1).splitlines()
        assert first.startswith(f"{user} 8 (")
        dropped.add(first.split("'")[1])
        assert series.count(",") == 7
        notebook.run(2)
        code = notebook.text(2)
        notebook.restart_kernel()
        notebook.watch.expect(r"Cannot send[\s\S]*/jupyter-leaflet/")
        notebook.set_cell(3, f"{code}\nprint(len(items), round(float(cube.NDVI.sum()), 3))")
        notebook.run(3)
        assert notebook.text(3) == f"8 {first.split()[-1]}"
    assert len(dropped) == 2
