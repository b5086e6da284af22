"""The pickers in a real lab: drawn with the mouse, used with the keyboard, read aloud, light and dark."""

from __future__ import annotations

import json
import re

import mgrs
import pytest
from playwright.sync_api import expect
from support.drawing import drag, draw_rectangle
from support.notebooks import DARK, LIGHT

AREA = """
import json
from terrascope_nb.widgets.pickers.area_picker import AreaPicker
picker = AreaPicker()
picker
"""
TOLD = "print(json.dumps([[one.id, one.geometry.bounds] for one in picker.area or ()]))"


def _areas(notebook, cell=1):
    notebook.run(cell)
    return json.loads(notebook.text(cell))


def _save(page):
    page.locator(".leaflet-draw-actions a", has_text="Save").locator("visible=true").click()


def test_draw_edit_delete_undo_leaves_exactly_one_area(lab):
    lab.open_cells(AREA, TOLD)
    lab.run(0)
    page = lab.page
    page.locator(".leaflet-draw-draw-rectangle").wait_for()
    page.locator(".leaflet-container").scroll_into_view_if_needed()
    draw_rectangle(page, 200, 60, 120, 80)
    listed = page.get_by_label("Areas", exact=True).locator("option")
    expect(listed).to_have_count(1)
    ((first_id, drawn),) = _areas(lab)

    page.locator(".leaflet-container").scroll_into_view_if_needed()
    page.locator(".leaflet-draw-edit-edit").click()
    handle = page.locator(".leaflet-editing-icon").first
    box = handle.bounding_box()
    drag(page, (box["x"] + 4, box["y"] + 4), (box["x"] + 44, box["y"] + 34))
    _save(page)
    page.wait_for_timeout(500)
    expect(listed).to_have_count(1)
    ((edited_id, edited),) = _areas(lab)
    assert edited_id == first_id
    assert edited != drawn

    page.locator(".leaflet-container").scroll_into_view_if_needed()
    page.locator(".leaflet-draw-edit-remove").click()
    page.locator("path.leaflet-interactive").first.click()
    _save(page)
    expect(listed).to_have_count(0)
    assert _areas(lab) == []

    page.get_by_role("button", name="Undo", exact=True).click()
    expect(listed).to_have_count(1)
    expect(page.locator("path.leaflet-interactive")).to_have_count(1)
    ((back_id, back),) = _areas(lab)
    assert (back_id, back) == (first_id, pytest.approx(edited))


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_area_picker_has_no_violation(lab, theme):
    lab.open_cells(AREA, TOLD)
    lab.theme(theme)
    lab.run(0)
    page = lab.page
    page.get_by_label("Area", exact=True).fill("31UES")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Areas", exact=True).locator("option")).to_contain_text(["31UES"])
    page.get_by_label("Area", exact=True).fill("no such place at all")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("no such place")
    expect(page.get_by_label("Area", exact=True)).to_have_attribute("aria-invalid", "true")
    assert lab.violations(".jp-OutputArea-output .widget-vbox") == []
    # the icons of the drawing tools are a dark picture: their ground is light in both themes
    ground = page.locator(".leaflet-draw-draw-polygon").evaluate("one => getComputedStyle(one).backgroundColor")
    assert min(int(part) for part in re.findall(r"\d+", ground)[:3]) > 200


def _tab_to(page, name):
    """Press Tab until the element of that name has the focus: a person who has no mouse."""
    for _ in range(25):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "() => { const e = document.activeElement; return e.labels?.[0]?.textContent.trim() || e.textContent.trim(); }"
        )
        if focused == name:
            return
    raise AssertionError(f"{name!r} is not reached by Tab")


def test_areas_are_chosen_changed_and_removed_by_keyboard_alone(lab):
    lab.open_cells(AREA, TOLD)
    lab.run(0)
    page = lab.page
    listed = page.get_by_label("Areas", exact=True).locator("option")
    page.get_by_label("Area", exact=True).focus()
    page.keyboard.type("3.7, 51.1, 3.8, 51.2")
    _tab_to(page, "Use as the area")
    page.keyboard.press("Space")
    expect(listed).to_have_count(1)
    page.get_by_label("Area", exact=True).focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("31UFS")
    _tab_to(page, "Add to the area")
    page.keyboard.press("Space")
    expect(listed).to_have_count(2)
    _tab_to(page, "Areas")
    page.keyboard.press("Home")
    _tab_to(page, "Edit the marked one as text")
    page.keyboard.press("Space")
    field = page.get_by_label("Area", exact=True)
    expect(field).to_have_value(re.compile(r"POLYGON.*"))
    field.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("3.5, 51.1, 3.6, 51.2")
    page.keyboard.press("Enter")
    expect(field).to_have_value("3.5, 51.1, 3.6, 51.2")
    ((one, changed), (two, _)) = _areas(lab)
    assert (one, two) == ("1", "31UFS")
    assert changed == pytest.approx([3.5, 51.1, 3.6, 51.2])
    field.focus()
    _tab_to(page, "Undo")
    page.keyboard.press("Enter")  # which in command mode is a command of the notebook
    lab.wait_until_idle()
    ((one, back), _) = _areas(lab)
    assert (one, back) == ("1", pytest.approx([3.7, 51.1, 3.8, 51.2]))


def test_a_tile_is_picked_by_a_click_on_the_grid(lab):
    lab.open_cells(AREA, TOLD, "print(list(picker.map.center), picker.area.tiles)")
    lab.run(0)
    page = lab.page
    page.locator(".leaflet-draw-draw-rectangle").wait_for()
    page.get_by_label("Show the Sentinel-2 tiles to click on").check()
    page.locator("path.leaflet-interactive").first.wait_for()
    box = page.locator(".leaflet-container").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    listed = page.get_by_label("Areas", exact=True).locator("option")
    expect(listed).to_have_count(1)
    ((tile, bounds),) = _areas(lab)
    lab.run(2)
    lat, lon, *_ = re.findall(r"[\d.]+", lab.text(2))
    assert bounds[3] - bounds[1] == 109_800
    # an independent library says which square the middle of the map is in
    assert tile == mgrs.MGRS().toMGRS(float(lat), float(lon), MGRSPrecision=0)


def test_a_file_is_uploaded_and_can_be_undone(lab, tmp_path):
    shape = {"type": "Polygon", "coordinates": [[[3.7, 51.1], [3.8, 51.1], [3.8, 51.2], [3.7, 51.1]]]}
    file = tmp_path / "my fields.geojson"
    file.write_text(json.dumps({"type": "Feature", "id": "f7", "properties": {"crop": "maize"}, "geometry": shape}))
    lab.open_cells(AREA, TOLD)
    lab.run(0)
    page = lab.page
    page.get_by_role("button", name=re.compile("Upload a file")).wait_for()
    # the button opens the browser's own window, which gives it the file
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=re.compile("Upload a file")).click()
    chooser.value.set_files(file)
    expect(page.get_by_label("Areas", exact=True).locator("option")).to_contain_text(["f7"])
    assert [one for one, _ in _areas(lab)] == ["f7"]
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.get_by_label("Areas", exact=True).locator("option")).to_have_count(0)


OTHERS = """
import json
from terrascope_nb.widgets.pickers.period_picker import PeriodPicker
from terrascope_nb.widgets.pickers.product_picker import ProductPicker
from terrascope_nb.widgets.pickers.filter_picker import FilterPicker
from IPython.display import display
when, what, how = PeriodPicker("2018-04/2018-09"), ProductPicker("s2-ndvi"), FilterPicker({"max_cloud": 30}, product="s2-ndvi")
display(when, what, how)
"""


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_the_other_pickers_have_no_violation(lab, theme):
    lab.open_cells(OTHERS)
    lab.theme(theme)
    lab.run(0)
    expect(lab.page.get_by_label("Most cloud, %")).to_have_value("30")
    for number in range(3):
        lab.page.locator(".jp-OutputArea-output").nth(number).scroll_into_view_if_needed()
    assert lab.violations(".jp-OutputArea") == []


def test_period_product_and_filters_reach_the_kernel_by_keyboard(lab):
    lab.open_cells(
        OTHERS, "print(when.period, when.earlier.value)", "print(what.product.id)", "print(json.dumps(how.filters))"
    )
    lab.run(0)
    page = lab.page
    field = page.get_by_label("Or type it")
    field.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("2018-06/2018-05")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="comes after its end")).to_be_visible()
    page.keyboard.press("Control+a")
    page.keyboard.type("2019-05/2019-06")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="61 days")).to_be_visible()
    page.get_by_label("Earlier years").fill("1")
    page.keyboard.press("Enter")
    expect(field).to_have_value("2018-05-01/2018-06-30, 2019-05-01/2019-06-30")
    page.get_by_label("Search", exact=True).focus()
    page.keyboard.type("eleven classes")
    products = page.get_by_label("Product", exact=True)
    expect(products.locator("option")).to_have_count(1)
    expect(products).to_have_js_property("selectedIndex", -1)  # no line is marked for the person
    products.focus()
    page.keyboard.press("ArrowDown")  # which in command mode is a command of the notebook
    expect(page.get_by_text("What covers the land")).to_be_visible()
    page.get_by_label("Most cloud, %").fill("12")
    page.keyboard.press("Enter")
    page.get_by_label("Relative orbits").fill("8, 51")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="8, 51")).to_be_visible()
    for number in (1, 2, 3):
        lab.run(number)
    assert lab.text(1) == "2018-05-01/2018-06-30, 2019-05-01/2019-06-30 1"
    assert lab.text(2) == "worldcover"
    assert json.loads(lab.text(3)) == {"max_cloud": 12.0, "relative_orbit": [8, 51]}


def test_a_saved_notebook_shows_the_choices_when_no_kernel_knows_them(lab):
    lab.open_cells("import terrascope_nb as ts\nts.AreaPicker('Assenede')", "ts.PeriodPicker('2018-04/2018-09')")
    lab.run(0)
    lab.page.get_by_label("Areas", exact=True).wait_for()
    lab.run(1)
    lab.page.get_by_label("First day").wait_for()
    lab.save()
    lab.page.wait_for_timeout(1000)
    lab.watch.expect("widget model not found")  # what the widget manager says of it
    lab.shut_down_kernel()
    lab.open("test.ipynb")
    expect(lab.output(0).locator(".tnb-SavedMap-picture img")).to_be_visible()
    expect(lab.output(0)).to_contain_text("Area chosen: Assenede")
    expect(lab.output(1)).to_contain_text("183 days")
