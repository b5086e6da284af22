"""A cell's text makes the same items again: run in a fresh namespace, read back, and never more than text."""

from __future__ import annotations

import ast
import json
import warnings
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st

from terrascope_nb.catalogue.offline import sample_archive
from terrascope_nb.catalogue.query import search
from terrascope_nb.catalogue.snippet import Selection, area_code, literal, read_cell, write_cell
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import CellError, TerrascopeWarning
from terrascope_nb.extent.aoi import Aoi, Feature
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.extent.period import period as make_period
from terrascope_nb.widgets.pickers.area_drawing import Ids, joined, without

BOX = (3.021, 50.813, 3.027, 50.818)


def run(text: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(text, "<cell>", "exec"), names)
    return names


@pytest.fixture(scope="module")
def fields() -> Aoi:
    return make_area(sample_archive() / "fields.geojson")


def test_a_cell_run_in_a_fresh_namespace_gives_the_same_items_and_the_same_numbers(fields):
    found = search("s2-ndvi", fields, "2018-05/2018-06", max_cloud=60, source="sample")
    days = [str(day) for day in found.by_day()]
    kept = found.without(days[1], found[3].id)
    assert len(kept) == len(found) - 2
    cube = load(kept, ["NDVI"], area=fields, mask="clear")
    text = write_cell(
        Selection(
            "s2-ndvi",
            fields,
            make_period("2018-05/2018-06"),
            {"max_cloud": 60, "source": "sample"},
            (days[1], found[3].id),
            {"bands": ["NDVI"], "mask": "clear"},
        ),
        remark=f"{len(kept)} items",
    )
    again = run(text)
    assert [item.id for item in again["items"]] == [item.id for item in kept]
    assert np.isfinite(cube["NDVI"].values).any()
    np.testing.assert_array_equal(again["cube"]["NDVI"].values, cube["NDVI"].values)
    np.testing.assert_array_equal(again["cube"]["time"].values, cube["time"].values)


def test_the_plain_cell_reads_plainly():
    text = write_cell(
        Selection(
            "s2-toc",
            make_area("Assenede"),
            make_period("2018-07"),
            {"max_cloud": 30},
            ("2018-07-05",),
            {"bands": ["red", "nir"], "mask": "clear"},
        )
    )
    assert text.splitlines() == [
        "import terrascope_nb as ts",
        "",
        'area = ts.area("Assenede")',
        'items = ts.search("s2-toc", area, "2018-07-01/2018-07-31", max_cloud=30)',
        'items = items.without("2018-07-05")',
        'cube = ts.load(items, ["red", "nir"], area=area, mask="clear")',
    ]


AREAS = {
    "bbox": lambda: make_area(BOX),
    "odd bbox": lambda: make_area((3.1 / 3, 50.1 / 0.99, 1.2, 51.0 + 1e-9)),
    "over 180": lambda: make_area((179.5, -17.0, -179.5, -16.0)),
    "tile": lambda: make_area("31UDS"),
    "place": lambda: make_area("Assenede"),
    "province": lambda: make_area("10000"),
    "point": lambda: make_area("POINT (3.02 50.81)"),
    "polygon": lambda: make_area(shapely.Point(3.02, 50.81).buffer(0.001)),
    "metres": lambda: make_area(shapely.box(501400, 5629100, 501500.123456789, 5629200), crs=32631),
    "named": lambda: make_area(shapely.Point(3.02, 50.81).buffer(0.001), name='my "field"\n2'),
    "two": lambda: make_area([shapely.Point(3.02, 50.81).buffer(0.001), shapely.Point(3.03, 50.82).buffer(0.001)]),
    "two in metres": lambda: make_area(
        [shapely.box(1e5, 2e5, 1.1e5, 2.1e5), shapely.box(3e5, 2e5, 3.1e5, 2.1e5)], crs=31370
    ),
}


@pytest.mark.parametrize("kind", AREAS)
def test_an_area_comes_back_to_the_last_digit(kind):
    area = AREAS[kind]()
    again = run(f"import terrascope_nb as ts\narea = {area_code(area)}")["area"]
    assert (again.kind, again.crs, len(again)) == (area.kind, area.crs, len(area))
    for mine, yours in zip(again, area, strict=True):
        assert shapely.to_wkb(mine.geometry) == shapely.to_wkb(yours.geometry)


def test_a_saved_name_does_not_stand_in_for_an_outline():
    from terrascope_nb.extent.saved import save_area

    save_area("yard", shapely.Point(3.02, 50.81).buffer(0.001), overwrite=True)
    assert "POLYGON" in area_code(make_area("yard"))


def test_features_keep_their_ids_and_attributes(fields):
    again = run(f"import terrascope_nb as ts\narea = {area_code(fields)}")["area"]
    assert [one.id for one in again] == [one.id for one in fields]
    assert [one.properties for one in again] == [one.properties for one in fields]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner, inner)
        ),
        max_leaves=8,
    )
)
def test_every_literal_reads_back_equal(value):
    assert eval(literal(value)) == value


def test_text_cannot_break_out_of_a_cell():
    nasty = '"); import os; os.abort(); ("'
    text = write_cell(Selection(nasty, filters={"filter": nasty}, without=(nasty,)), remark="a\nimport os")
    selection = read_cell(text)
    assert (selection.product, selection.filters, selection.without) == (nasty, {"filter": nasty}, (nasty,))


def test_a_cell_reads_back_into_the_form_it_came_from(fields):
    first = Selection(
        "s2-ndvi",
        fields,
        make_period("04-01/09-30 2018-2020"),
        {
            "max_cloud": 30.5,
            "platform": ["S2A", "S2B"],
            "filter": {"op": "<", "args": [{"property": "eo:cloud_cover"}, 10]},
        },
        ("2018-04-05", "S2A_20180405T104020_31UDS_NDVI_10M_V000"),
        {"bands": ["NDVI"], "mask": "clear", "min_clear": 20},
    )
    text = write_cell(first)
    second = read_cell(text)
    assert write_cell(second) == text
    assert (second.product, second.period, dict(second.filters)) == (first.product, first.period, dict(first.filters))
    assert second.without == first.without
    assert dict(second.load) == dict(first.load)


def test_a_cell_written_by_hand_is_understood():
    selection = read_cell(
        "import terrascope_nb as nb\nitems = nb.search('s2-toc', (3, 50, 4, 51), '2018').without('2018-05-01')\n"
        "cube = nb.load(items, bands='red')\n"
    )
    assert selection.area.bbox == (3, 50, 4, 51)
    assert selection.without == ("2018-05-01",)
    assert selection.load == {"bands": "red"}


@pytest.mark.parametrize(
    "text",
    [
        "x = = 1",
        "x = 1",
        "import terrascope_nb as ts\nitems = ts.search(open('secret').read())",
        "import terrascope_nb as ts\nitems = ts.search(name)",
        "import terrascope_nb as ts\nts.search('s2-toc')\nts.search('s2-ndvi')",
        "import os\nos.remove('x')",
    ],
)
def test_what_is_no_plain_search_is_refused_in_words(text):
    with pytest.raises(CellError, match="cell"):
        read_cell(text)


def test_an_object_cannot_be_written():
    with pytest.raises(CellError, match="object"):
        write_cell(Selection("s2-toc", filters={"source": object()}))


def test_without_takes_days_dates_and_ids_and_says_what_it_left_out():
    found = search("s2-ndvi", BOX, "2018-06", source="sample")
    days = sorted({item.datetime.date() for item in found})
    kept = found.without(days[0], str(days[1]), found[-1].id)
    assert {item.datetime.date() for item in kept} == set(days[2:-1])
    assert {gone.item_id for gone in kept.dropped if gone.reason == "left out by hand"} == {
        item.id for item in found if item.id not in {one.id for one in kept}
    }
    assert json.dumps(kept.to_geojson())


def test_without_says_what_it_does_not_know():
    found = search("s2-ndvi", BOX, "2018-06", source="sample")
    with pytest.warns(TerrascopeWarning, match="1999-01-01"):
        assert len(found.without("1999-01-01", date(1999, 1, 2))) == len(found)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(found.without()) == len(found)


def test_without_reads_days_as_people_write_them_and_lists_of_them():
    found = search("s2-ndvi", BOX, "2018-06", source="sample")
    first, second = sorted({item.datetime.date() for item in found})[:2]
    loose = f"{first.year}-{first.month}-{first.day}"
    assert loose != str(first)
    kept = found.without(loose, [f"{second:%Y/%m/%d}"])
    assert [item.id for item in kept] == [item.id for item in found.without(first, second)]
    assert len(kept) < len(found)
    with pytest.warns(TerrascopeWarning, match="2018-02-30.*2018-06-15"):
        assert len(found.without("2018-02-30")) == len(found)


def read_back(code: str) -> tuple[list[object], dict[str, object]]:
    call = ast.parse(code).body[0].value
    return [ast.literal_eval(one) for one in call.args], {one.arg: ast.literal_eval(one.value) for one in call.keywords}


def _many(folder: Path) -> Path:
    features = [
        {"type": "Feature", "id": f"field-{number}", "properties": {},
         "geometry": {"type": "Polygon", "coordinates": [[[3 + number / 7, 51], [3.1 + number / 7, 51], [3.1, 51.3], [3 + number / 7, 51]]]}}
        for number in range(4)
    ]  # fmt: skip
    path = folder / "fields.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def test_a_box_drawn_second_is_still_written_as_its_numbers() -> None:
    box = Aoi((Feature("2", shapely.box(3.01, 50.81, 3.03, 50.83)),), "EPSG:4326", "bbox", "drawn area")
    assert area_code(box) == 'ts.area((3.01, 50.81, 3.03, 50.83), name="drawn area")'


def test_several_boxes_and_tiles_are_written_by_numbers_and_names() -> None:
    boxes = make_area([(3.0, 50.8, 3.02, 50.82), (3.01, 50.81, 3.03, 50.83)])
    assert area_code(boxes) == "ts.area([(3.0, 50.8, 3.02, 50.82), (3.01, 50.81, 3.03, 50.83)])"
    assert area_code(make_area(["31UDS", "31UES"])) == 'ts.area(["31UDS", "31UES"])'


_BOXES = st.builds(lambda w, s, x, y: (w, s, w + x, s + y), st.floats(-179.9, 179.0), st.floats(-79, 79),
                   st.floats(0.001, 0.9), st.floats(0.001, 0.9))  # fmt: skip
_ADDED = st.one_of(
    _BOXES,
    _BOXES.map(lambda box: (179.5, box[1], -179.5, box[3])),
    _BOXES.map(lambda box: shapely.Point(box[:2]).buffer(box[2] - box[0], quad_segs=2)),
    _BOXES.map(lambda box: shapely.Point(box[:2])),
    st.sampled_from(["31UDS", "31UES", "32ULB", "01UBT", "Assenede", "43002"]),
    st.sampled_from([31370, 32631]).map(lambda crs: make_area(shapely.box(5e5, 2e5, 5.1e5, 2.1e5)
                    if crs == 31370 else shapely.box(5e5, 5.6e6, 5.1e5, 5.61e6), crs=crs)),
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@example(added=[(0.0, 0.0, 0.5, 0.5), "Assenede"], gone={0})  # what is left keeps the name that it had with the other
@given(added=st.lists(_ADDED, min_size=1, max_size=4), gone=st.sets(st.integers(0, 3), max_size=3))
def test_every_area_a_picker_can_hold_is_written_and_read_back(added, gone):
    ids, area = Ids(), None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TerrascopeWarning)
        for one in added:
            area = joined(area, make_area(one), ids)
            ids.note(area)
        left = without(area, [area.features[number].id for number in gone if number < len(area)])
        area = left or area
        again = run(f"import terrascope_nb as ts\narea = {area_code(area)}")["area"]
    assert (again.kind, again.crs, len(again), again.name) == (area.kind, area.crs, len(area), area.name)
    assert all(mine.geometry.equals_exact(yours.geometry, 0.0) for mine, yours in zip(again, area, strict=True))
    if len(area) > 1:
        assert [one.id for one in again] == [one.id for one in area]


def test_long_outlines_are_named_by_their_file(tmp_path: Path) -> None:
    path = _many(tmp_path)
    assert area_code(make_area(path)) == f'ts.area("{path}")'
    assert read_back(area_code(make_area(str(path), name="mine"))) == ([str(path)], {"name": "mine"})


@pytest.mark.parametrize("change", ["gone", "moved", "renamed"])
def test_a_file_that_says_something_else_by_now_is_not_named(tmp_path: Path, change: str) -> None:
    path = _many(tmp_path)
    chosen = make_area(path)
    data = json.loads(path.read_text(encoding="utf-8"))
    if change == "moved":
        data["features"][2]["geometry"]["coordinates"][0][1][0] += 1e-9
    if change == "renamed":
        data["features"][2]["id"] = "another"
    path.write_text(json.dumps(data), encoding="utf-8")
    if change == "gone":
        path.unlink()
    code = area_code(chosen)
    assert str(path) not in code
    (what,), keywords = read_back(code)
    again = make_area(what, **keywords)
    assert [one.id for one in again] == [one.id for one in chosen]
    assert all(mine.geometry.equals(yours.geometry) for mine, yours in zip(again, chosen, strict=True))
