"""The area picker without any browser: what a person does is done by setting fields and by what a map would send."""

from __future__ import annotations

import base64
import copy
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ipyleaflet
import numpy as np
import pytest
import shapely
from ipywidgets.widgets.widget import _instances
from PIL import Image

from terrascope_nb.errors import AreaError, UnknownPlaceError, UnknownProductError
from terrascope_nb.extent.aoi import Aoi, area
from terrascope_nb.extent.mgrs import tile_footprint
from terrascope_nb.extent.saved import list_areas
from terrascope_nb.settings import options
from terrascope_nb.widgets.live_map.map import SAVED_MAP, Map
from terrascope_nb.widgets.parts.typed_field import TypedField
from terrascope_nb.widgets.pickers.area_inputs import Hit
from terrascope_nb.widgets.pickers.area_picker import AreaPicker
from terrascope_nb.widgets.pickers.filter_picker import FilterPicker
from terrascope_nb.widgets.pickers.period_picker import PeriodPicker
from terrascope_nb.widgets.pickers.product_picker import ProductPicker

BOX = (3.70, 51.19, 3.80, 51.23)


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path) -> Iterator[None]:
    with options(config_dir=tmp_path / "config", language="en"):
        yield


@pytest.fixture
def bare_map() -> ipyleaflet.Map:
    return ipyleaflet.Map(center=(51, 4), zoom=9, layers=())


def _press(picker: Any, text: str) -> None:
    """Press the button of that text, wherever it stands."""
    for one in _all(picker):
        if isinstance(one, TypedField) and text in one.actions:
            one.press(text)
            return
    found = [one for one in _all(picker) if getattr(one, "description", "") == text and hasattr(one, "click")]
    assert len(found) == 1, text
    found[0].click()


def _all(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from _all(child)


def _from_browser(control: ipyleaflet.DrawControl, data: list[dict[str, Any]]) -> None:
    """Give a control the state that the front-end sends: coordinates with six decimals, options as style."""
    data = copy.deepcopy(data)
    for entry in data:
        shape = shapely.geometry.shape(entry["geometry"])
        rounded = shapely.set_precision(shape, 1e-6, mode="pointwise")
        entry["geometry"] = json.loads(shapely.to_geojson(rounded))
    control.set_state({"data": data})


def _new(shape: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"style": {}}, "geometry": json.loads(shapely.to_geojson(shape))}


def test_it_has_a_value_without_any_browser() -> None:
    picker = AreaPicker(BOX, map=False)
    assert isinstance(picker.area, Aoi)
    assert picker.value is picker.area
    assert picker.area.bbox == pytest.approx(BOX)
    assert "31UES" in picker.result.value


def test_setting_the_trait_changes_the_fields_and_tells_observers() -> None:
    picker = AreaPicker(map=False)
    seen: list[Any] = []
    picker.observe(lambda change: seen.append(change["new"]), "area")
    picker.area = "Assenede"
    assert [key for _, key in picker.features.options] == ["43002"]
    assert seen == [picker.area]
    picker.area = None
    assert picker.features.options == ()
    assert picker.facts is None


def test_what_is_no_area_is_refused_and_the_earlier_stays() -> None:
    picker = AreaPicker(BOX, map=False)
    before = picker.area
    with pytest.raises(UnknownPlaceError):
        picker.area = "nowhere at all"
    assert picker.area is before


def test_a_typed_mistake_is_said_under_the_field_and_the_earlier_stays() -> None:
    picker = AreaPicker(BOX, map=False)
    before = picker.area
    picker.text.value = "Assenedde"
    _press(picker, "Use as the area")
    assert picker.area is before
    assert "Assenede" in picker.text.problem
    picker.text.value = "Assenede"
    _press(picker, "Use as the area")
    assert picker.text.problem == ""
    assert picker.area is not None
    assert picker.area.name == "Assenede"


def test_text_and_button_come_in_one_message() -> None:
    picker = AreaPicker(map=False)
    # Enter, or the first button, before the text itself was told
    picker.text._handle_custom_msg({"action": 0, "text": "31UFS"}, [])
    assert picker.area is not None
    assert picker.area.kind == "tile"


def test_undo_and_redo_go_through_every_kind_of_change() -> None:
    picker = AreaPicker(BOX, map=False)
    first = picker.area
    picker.add("31UFS")
    second = picker.area
    picker.remove("31UFS")
    assert picker.area is not None
    assert [one.id for one in picker.area] == ["1"]
    _press(picker, "Undo")
    assert picker.area is second
    _press(picker, "Undo")
    assert picker.area is first
    assert picker.undo_button.disabled
    _press(picker, "Redo")
    assert picker.area is second


def test_a_marked_area_is_edited_as_text_and_keeps_its_id() -> None:
    picker = AreaPicker([BOX, (4.0, 51.0, 4.1, 51.1)], map=False)
    picker.features.value = ("2",)
    _press(picker, "Edit the marked one as text")
    assert picker.text.value == "4, 51, 4.1, 51.1"
    picker.text.value = "4.2, 51.0, 4.3, 51.1"
    _press(picker, "Use as the area")
    assert picker.area is not None
    assert [one.id for one in picker.area] == ["1", "2"]
    assert picker.area.features[1].geometry.bounds == pytest.approx((4.2, 51.0, 4.3, 51.1))
    # the next text is a new area again
    picker.text.value = "31UES"
    _press(picker, "Use as the area")
    assert [one.id for one in picker.area or ()] == ["31UES"]


def test_drawing_on_the_map_gives_ids_that_survive_editing(bare_map: ipyleaflet.Map) -> None:
    picker = AreaPicker(map=bare_map)
    control = picker._on_map.control
    assert control in bare_map.controls
    _from_browser(control, [_new(shapely.box(*BOX))])
    assert [one.id for one in picker.area or ()] == ["1"]
    # the control was given the id, so that an edited shape brings it back
    assert control.data[0]["properties"]["area_id"] == "1"
    edited = copy.deepcopy(control.data)
    edited[0]["geometry"] = json.loads(shapely.to_geojson(shapely.affinity.translate(shapely.box(*BOX), 0.01)))
    _from_browser(control, edited)
    assert [one.id for one in picker.area or ()] == ["1"]
    moved = picker.area
    _from_browser(control, [])
    assert picker.area is None
    picker.undo()
    assert picker.area is moved
    assert len(control.data) == 1


def test_rounding_in_the_browser_is_no_change(bare_map: ipyleaflet.Map) -> None:
    picker = AreaPicker(shapely.box(3.7000001234, 51.19, 3.8, 51.2300004321), map=bare_map)
    before = picker.area
    _from_browser(picker._on_map.control, picker._on_map.control.data)
    assert picker.area is before
    assert not picker._history.can_undo


def test_a_second_drawing_tool_is_not_put_on_a_map(bare_map: ipyleaflet.Map) -> None:
    own = ipyleaflet.DrawControl()
    bare_map.add(own)
    picker = AreaPicker(BOX, map=bare_map)
    assert [one for one in bare_map.controls if isinstance(one, ipyleaflet.DrawControl)] == [own]
    assert picker._on_map.control is own
    assert len(own.data) == 1


def test_what_was_drawn_before_the_picker_came_is_its_area(bare_map: ipyleaflet.Map) -> None:
    own = ipyleaflet.DrawControl(data=[_new(shapely.box(*BOX))])
    bare_map.add(own)
    picker = AreaPicker(map=bare_map)
    assert picker.area is not None
    assert picker.area.bbox == pytest.approx(BOX)


def test_tiles_are_picked_and_dropped_by_clicks_on_the_grid(bare_map: ipyleaflet.Map) -> None:
    bare_map.set_state({"south": 50.5, "west": 3.0, "north": 51.5, "east": 4.5})
    picker = AreaPicker(map=bare_map)
    picker.grid.value = True
    drawn = {one["id"]: one for one in picker._on_map.grid.data["features"]}
    assert "31UES" in drawn
    shown = shapely.geometry.shape(drawn["31UES"]["geometry"])
    assert shown.symmetric_difference(tile_footprint("31UES")).area < 1e-3 * shown.area
    for tile in ("31UES", "31UFS"):
        picker._on_map.grid._handle_mouse_events(None, {"event": "click", "feature": drawn[tile]}, [])
    assert picker.area is not None
    assert picker.area.tiles == ("31UES", "31UFS")
    picker._on_map.grid._handle_mouse_events(None, {"event": "click", "feature": drawn["31UES"]}, [])
    assert picker.area.tiles == ("31UFS",)
    picker.grid.value = False
    assert picker._on_map.grid not in bare_map.layers


def test_the_view_of_the_map_becomes_the_area(bare_map: ipyleaflet.Map) -> None:
    picker = AreaPicker(map=bare_map)
    _press(picker, "Use the view of the map")
    assert "role='alert'" in picker.grid_message.value
    bare_map.set_state({"south": 50.5, "west": 3.0, "north": 51.5, "east": 4.5})
    _press(picker, "Use the view of the map")
    assert picker.area is not None
    assert picker.area.bbox == pytest.approx((3.0, 50.5, 4.5, 51.5))
    assert picker.area.kind == "bbox"


def test_an_area_is_saved_listed_used_and_forgotten() -> None:
    picker = AreaPicker(BOX, map=False)
    picker.saved.name.value = "my fields"
    _press(picker, "Save this area")
    assert list_areas() == ("my fields",)
    other = AreaPicker(map=False)
    assert other.saved.names.options == ("my fields",)
    _press(other, "Use the saved area")
    assert other.area is not None
    assert other.area.bbox == pytest.approx(BOX)
    assert other.area.kind == "bbox"
    # a name that is taken has to be confirmed
    picker.area = "Assenede"
    _press(picker, "Save this area")
    assert area("my fields").kind == "bbox"
    _press(picker, "Save this area")
    assert area("my fields").kind == "polygon"
    _press(picker, "Forget the saved area")
    assert list_areas() == ()


def test_a_saved_name_that_hides_a_place_is_said_in_the_picker() -> None:
    picker = AreaPicker(BOX, map=False)
    picker.saved.name.value = "Assenede"
    _press(picker, "Save this area")
    assert "not the place of that name" in " ".join(picker.saved.name.said)


def test_a_damaged_saved_file_does_not_take_the_picker_away(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "areas"
    folder.mkdir(parents=True)
    (folder / "broken.geojson").write_text("{")
    picker = AreaPicker(BOX, map=False)
    assert picker.area is not None
    assert "broken" in picker.saved.name.problem


def test_an_online_search_is_asked_only_when_it_was_chosen() -> None:
    asked: list[str] = []

    def geocoder(text: str) -> list[Hit]:
        asked.append(text)
        return [Hit("Lyon, Métropole de Lyon, France", (4.77, 45.7, 4.9, 45.81))]

    picker = AreaPicker(map=False, geocoder=geocoder)
    picker.places.name.value = "Gent"
    _press(picker, "Search the place")
    assert asked == []
    assert picker.area is not None
    assert picker.area.name.startswith("Gent")
    picker.places.online.value = True
    picker.places.name.value = "Lyon"
    _press(picker, "Search the place")
    assert asked == ["Lyon"]
    assert picker.area.name.startswith("Gent")
    assert picker.places._hits_row.layout.display == "flex"
    _press(picker, "Use this place")
    assert picker.area.name == "Lyon"
    assert picker.area.bbox == pytest.approx((4.77, 45.7, 4.9, 45.81))


def test_a_file_that_is_uploaded_becomes_the_area_and_can_be_chosen_again() -> None:
    picker = AreaPicker(map=False)
    content = json.dumps(area(BOX).to_geojson()).encode()
    file = {"name": "fields.geojson", "type": "", "size": len(content), "content": memoryview(content),
            "last_modified": datetime.now(UTC)}  # fmt: skip
    picker.upload.value = (file,)
    assert picker.area is not None
    assert picker.area.name == "fields"
    assert picker.upload.value == ()
    picker.upload.value = ({**file, "content": memoryview(b"{")},)
    assert "role='alert'" in picker.file_message.value
    assert picker.area.name == "fields"


def test_a_viewer_link_gives_the_area_and_its_product() -> None:
    picker = AreaPicker(map=False)
    picker.text.value = "https://viewer.terrascope.be/?bbox=3.6,51.1,3.9,51.3&date=2/6/2018&layer=CGS_S2_FAPAR"
    _press(picker, "Use as the area")
    assert picker.area is not None
    assert picker.area.bbox == pytest.approx((3.6, 51.1, 3.9, 51.3))
    assert picker.link.date.isoformat() == "2018-06-02"
    assert picker.product.id == "s2-fapar"
    assert "2018-06-02" in " ".join(picker.text.said)


def test_a_saved_notebook_shows_the_choice_as_text_and_picture() -> None:
    bundle = AreaPicker("Assenede", map=False)._repr_mimebundle_()
    assert "Assenede" in bundle["text/plain"]
    assert "31UES" in bundle["text/plain"]
    assert "<svg" in bundle["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in bundle


@pytest.mark.parametrize("own_map", [True, False])
def test_the_picture_of_a_saved_notebook_has_the_area_where_it_lies(own_map: bool) -> None:
    picker = AreaPicker(BOX, map=own_map)
    bundle = picker._repr_mimebundle_()
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).convert("RGB")).astype(int)
    blue = (abs(image - (0, 114, 178)).sum(axis=2) < 30).nonzero()
    width, height = blue[1].max() - blue[1].min(), blue[0].max() - blue[0].min()
    # web mercator keeps shapes: a degree of latitude is 1 / cos(51.2°) degrees of longitude
    assert width / height == pytest.approx(0.10 / (0.04 / np.cos(np.radians(51.21))), rel=0.06)
    if own_map:
        west, _, east, _ = picker.map.view_bounds
        assert blue[1].min() / image.shape[1] == pytest.approx((BOX[0] - west) / (east - west), abs=0.01)
    assert bundle[SAVED_MAP]["text"] == picker.describe()


def test_it_speaks_dutch_and_french() -> None:
    with options(language="nl"):
        assert "Kies een gebied" in AreaPicker(map=False).children[0].text
    with options(language="fr"):
        assert "Zone choisie" in AreaPicker(BOX, map=False).describe()


def test_every_field_has_a_label_and_every_button_a_text() -> None:
    for widget in _all(AreaPicker(BOX, map=False)):
        if isinstance(widget, TypedField):
            assert widget.label.strip()
            assert all(widget.actions)
        elif hasattr(widget, "description") and type(widget).__name__ not in ("HTML", "Message"):
            assert widget.description.strip(), type(widget).__name__


def test_a_shape_without_surface_is_refused_and_taken_off_the_map(bare_map: ipyleaflet.Map) -> None:
    picker = AreaPicker(BOX, map=bare_map)
    control = picker._on_map.control
    flat = shapely.Polygon([(3.0, 51.0), (3.1, 51.0), (3.2, 51.0)])
    _from_browser(control, [*control.data, _new(flat)])
    assert "role='alert'" in picker.grid_message.value
    assert [one.id for one in picker.area or ()] == ["1"]
    assert len(control.data) == 1


def test_closing_the_picker_leaves_the_map_as_it_was(bare_map: ipyleaflet.Map) -> None:
    picker = AreaPicker(BOX, map=bare_map)
    picker.close()
    assert bare_map.layers == ()
    assert not any(isinstance(one, ipyleaflet.DrawControl) for one in bare_map.controls)


def test_an_error_of_the_trait_names_what_can_be_given() -> None:
    with pytest.raises(AreaError, match="bbox"):
        AreaPicker(3.5, map=False)


def test_thousands_of_parcels_are_shown_plainer_and_kept_exact(bare_map: ipyleaflet.Map) -> None:
    shapes = [shapely.Point(3 + 0.01 * (i % 40), 50.5 + 0.01 * (i // 40)).buffer(0.004) for i in range(600)]
    picker = AreaPicker(shapes, map=bare_map)
    assert picker.area is not None
    assert len(picker.area) == 600
    assert picker.area.geometry.area == pytest.approx(shapely.union_all(shapes).area)
    drawn = picker._on_map.layer.data["features"]
    assert len(drawn) == 600
    assert sum(len(one["geometry"]["coordinates"][0]) for one in drawn) < shapely.get_num_coordinates(shapes).sum() / 2
    assert len(picker.features.options) == 500
    assert "600 areas" in picker.result.value


LINK = "https://viewer.terrascope.be/terrascope/?language=en&layer=CGS_S2_FAPAR&date=2/6/2018&bbox=3.6,51.1,3.9,51.3"


@pytest.mark.parametrize("how", ["value", "constructor"])
def test_a_viewer_link_given_in_code_works_as_if_it_were_pasted(how: str) -> None:
    picker = AreaPicker(LINK if how == "constructor" else None, map=False)
    if how == "value":
        picker.value = LINK
    assert picker.area is not None
    assert picker.area.bbox == pytest.approx((3.6, 51.1, 3.9, 51.3))
    assert picker.link.date.isoformat() == "2018-06-02"
    assert picker.product.id == "s2-fapar"
    picker.area = LINK.replace("3.6", "3.7")
    assert picker.area.bbox[0] == pytest.approx(3.7)


def test_a_map_that_is_given_goes_to_the_area_and_its_picture_has_the_outline() -> None:
    shown = Map(basemap="none")
    picker = AreaPicker((2.9, 50.75, 3.1, 50.9), map=shown)
    west, south, east, north = shown.view_bounds
    assert west < 2.9 < 3.1 < east
    assert south < 50.75 < 50.9 < north
    assert 0.2 / (east - west) > 0.1
    image = np.asarray(Image.open(io.BytesIO(shown.picture())).convert("RGB")).astype(int)
    _, columns = (abs(image - (0, 114, 178)).sum(axis=2) < 30).nonzero()
    assert (columns.max() - columns.min()) / image.shape[1] == pytest.approx(0.2 / (east - west), abs=0.01)
    picker.value = None
    plain = np.asarray(Image.open(io.BytesIO(shown.picture())).convert("RGB")).astype(int)
    assert not (abs(plain - (0, 114, 178)).sum(axis=2) < 30).any()
    picker.value = "31UFS"  # a tile is shown, but has no corners to drag
    drawn = np.asarray(Image.open(io.BytesIO(shown.picture())).convert("RGB")).astype(int)
    assert (abs(drawn - (0, 114, 178)).sum(axis=2) < 30).any()


def test_a_product_that_is_no_name_is_refused_and_the_old_one_kept() -> None:
    picker = AreaPicker(BOX, map=False, product="s2-ndvi")
    with pytest.raises(UnknownProductError, match="no name"):
        picker.product = 5
    assert picker.product.id == "s2-ndvi"


def test_closing_closes_all_it_is_made_of_and_leaves_a_given_map(bare_map: ipyleaflet.Map) -> None:
    other = Map()
    AreaPicker(BOX, map=other).close()
    for make in (
        lambda: AreaPicker(BOX),
        lambda: AreaPicker(BOX, map=False),
        lambda: AreaPicker(BOX, map=bare_map),
        lambda: AreaPicker(BOX, map=other),
        lambda: PeriodPicker("2018"),
        lambda: ProductPicker("s2-ndvi"),
        lambda: FilterPicker({"max_cloud": 20}),
    ):
        make().close()
        before = set(_instances)
        picker = make()
        if isinstance(picker, AreaPicker):
            picker.grid.value = True
        assert len(_instances) > len(before) + 10
        picker.close()
        picker.close()
        assert set(_instances) == before
        assert picker.value is not None
    for kept in (bare_map, other):
        assert kept.comm is not None
        assert not any(isinstance(one, ipyleaflet.DrawControl) for one in kept.controls)
        kept.set_state({"south": 50.5, "west": 3.0, "north": 51.5, "east": 4.5})


def test_a_drawing_tool_that_was_there_is_given_back_as_it_was(bare_map: ipyleaflet.Map) -> None:
    own = ipyleaflet.DrawControl(data=[_new(shapely.box(3, 50, 4, 51))])
    bare_map.add(own)
    before = {name: getattr(own, name) for name in ("polyline", "rectangle", "data")}
    picker = AreaPicker(BOX, map=bare_map)
    assert own.polyline == {}
    picker.close()
    assert own in bare_map.controls
    assert {name: getattr(own, name) for name in before} == before
    assert picker.area.bbox == BOX


@pytest.mark.parametrize(
    "end",
    [
        "",
        "del picker; gc.collect()",
        "picker._on_map.control.close(); del picker; gc.collect()",
        "picker._on_map.layer.close(); picker.close()",
        "picker.map.close(); del picker; gc.collect()",
        "picker.map.clear(); picker.close()",
        "import ipywidgets; ipywidgets.Widget.close_all()",
    ],
)
def test_a_picker_ends_without_a_word(end: str) -> None:
    code = "import gc\nimport terrascope_nb as ts\npicker = ts.AreaPicker((3, 50, 4, 51))\npicker.grid.value = True\n"
    ended = subprocess.run([sys.executable, "-c", code + end], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
