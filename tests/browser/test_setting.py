"""The setting itself: a widget moves in lab and hub, and what a page must not do is noticed."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

SLIDER = "import ipywidgets as w\ns = w.IntSlider(value=3, description='n')\ns.observe(lambda c: None)\ns"


def _move(page):
    handle = page.locator(".noUi-handle").first
    handle.wait_for()
    handle.press("ArrowRight")
    expect(page.locator(".widget-readout").first).to_have_text("4")


def test_a_slider_in_the_lab_reaches_the_kernel_and_back(lab):
    lab.open_cells(SLIDER, "print('value', s.value)")
    lab.run(0)
    _move(lab.page)
    lab.run(1)
    assert lab.text(1) == "value 4"
    assert lab.shot(lab.output(0)).colours() > 10


def test_a_slider_reaches_the_kernel_of_each_user_of_the_hub(hub):
    for notebook in hub.values():
        notebook.open_cells(SLIDER, "import os; print(os.environ['JUPYTERHUB_USER'], s.value)")
        notebook.run(0)
        _move(notebook.page)
        notebook.run(1)
        assert notebook.text(1) == f"{notebook.site.user} 4"
        assert "/hubprefix/" in notebook.page.url


def test_a_restart_forgets_what_the_kernel_knew(lab):
    lab.open_cells("x = 1", "print('x' in globals())")
    lab.run(0)
    lab.run(1)
    assert lab.text(1) == "True"
    lab.restart_kernel()
    lab.run(1)
    assert lab.text(1) == "False"


def test_the_watch_sees_a_request_that_leaves_a_complaint_and_a_missing_label(lab):
    lab.open_cells(
        "from IPython.display import HTML, display\n"
        'display(HTML(\'<div id="probe"><input><img src="http://example.com/tile.png"></div>\'))'
    )
    lab.run(0)
    lab.page.locator("#probe").wait_for()
    assert any("label" in found for found in lab.violations("#probe"))
    lab.page.evaluate("console.error('told')")
    with pytest.raises(AssertionError, match=r"left for other servers.*example\.com"):
        lab.watch.check()
    lab.watch.left.clear()
    lab.watch.lost.clear()
    with pytest.raises(AssertionError, match="told"):
        lab.watch.check()
    lab.watch.complaints.clear()


def test_the_theme_of_the_lab_turns_dark_and_light(lab):
    lab.open_cells("1")
    lab.theme("JupyterLab Dark")
    dark = lab.shot().colour(700, 850)
    lab.theme("JupyterLab Light")
    assert max(dark) < 80 < min(lab.shot().colour(700, 850))
