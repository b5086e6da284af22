from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
import shapely

from terrascope_nb.catalogue.items import Dropped, Items
from terrascope_nb.extent.aoi import area
from terrascope_nb.extent.period import period
from terrascope_nb.products.registry import get_product

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def items(make_item):
    found = [
        make_item(f"2020-05-{day:02}T10:40:31", tile=tile, cloud=cloud)
        for day, cloud in ((7, 1.0), (12, 60.0), (17, None), (22, 99.0))
        for tile in ("31UFS", "31UES")
    ]
    return Items(
        found,
        product=get_product("s2-ndvi"),
        area=area((4.3, 50.9, 4.9, 51.1), name="two tiles"),
        period=period("2020-05"),
        matched=30,
        dropped=[Dropped("S2A_old_V200", found[0].id, "version V200; the same scene is there as V210")],
        notes=["The server counts more."],
    )


def parsed(items):
    """Parse the whole of it as XML: no tag may be left open."""
    return ET.fromstring(f"<root>{items._repr_html_()}</root>")


def pictures(items):
    return list(parsed(items).iter(f"{SVG}svg"))


def test_the_text_says_n_of_n_and_has_a_row_an_item(items):
    text = repr(items)
    lines = text.splitlines()
    assert lines[0].startswith("8 of 30 items · s2-ndvi")
    assert sum("31UFS" in line for line in lines) == 4
    assert "Left out: 1" in text
    assert "Note: The server counts more." in text
    assert "–" in next(line for line in lines if "2020-05-17" in line), "unknown cloud is no number"


def test_a_long_table_shows_both_ends_and_says_how_many_are_between(make_item):
    items = Items([make_item(f"2020-{month:02}-{day:02}T10:40:31") for month in (3, 4) for day in range(1, 29)])
    lines = repr(items).splitlines()
    assert len(lines) < 30
    assert any("36 more" in line for line in lines)
    assert "2020-03-01" in lines[2]
    assert "2020-04-28" in lines[-1]


def test_nothing_found_is_shown_without_an_empty_picture():
    items = Items([], matched=0, notes=["No scene fits."])
    assert repr(items) == "0 of 0 items\nNote: No scene fits."
    assert pictures(items) == []
    assert "No scene fits." in items._repr_html_()


def test_the_strip_has_one_mark_per_date_with_its_own_words(items):
    strip = pictures(items)[1]
    marks = [rect for rect in strip.iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    titles = [mark.find(f"{SVG}title").text for mark in marks]
    assert len(marks) == 4
    assert titles[0] == "2020-05-07: 2 items, cloud 1.0 %, 100.0 % of the area"
    assert "cloud unknown" in titles[2]


def test_marks_are_coloured_by_cloud_and_unknown_is_hollow(items):
    marks = [rect for rect in pictures(items)[1].iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    fills = [mark.get("fill") for mark in marks]
    assert len(set(fills)) == 4
    assert fills[2] == "none"


def test_marks_stand_in_time(items):
    marks = [rect for rect in pictures(items)[1].iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    places = [float(mark.get("x")) for mark in marks]
    steps = [b - a for a, b in pairwise(places)]
    assert steps == pytest.approx([steps[0]] * 3, abs=0.3), "five days each"


def test_footprints_are_drawn_once_each_inside_the_frame(items):
    drawing = pictures(items)[0]
    _, _, width, height = map(float, drawing.get("viewBox").split())
    paths = list(drawing.iter(f"{SVG}path"))
    assert len(paths) == 3, "two tiles and the area, not eight"
    for path in paths:
        numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", path.get("d"))]
        assert all(-1 <= x <= width + 1 for x in numbers[::2])
        assert all(-1 <= y <= height + 1 for y in numbers[1::2])
    assert paths[0].find(f"{SVG}title").text == "31UFS: 4 items"


def test_north_is_up_and_east_is_right(make_item):
    items = Items([make_item(tile="31UFS"), make_item(tile="31UES"), make_item(tile="31UFT")])
    paths = list(pictures(items)[0].iter(f"{SVG}path"))

    def centre(path):
        numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", path.get("d"))]
        return sum(numbers[::2]) / len(numbers[::2]), sum(numbers[1::2]) / len(numbers[1::2])

    (ufs_x, ufs_y), (ues_x, _), (_, uft_y) = map(centre, paths)
    assert ues_x < ufs_x
    assert uft_y < ufs_y


def test_pictures_speak_to_screen_readers(items):
    for picture in pictures(items):
        assert picture.get("role") == "img"
        assert picture.get("aria-label")
        assert picture[0].tag == f"{SVG}title"
    assert "100 % of it covered" in pictures(items)[0].get("aria-label")


def test_lines_and_letters_follow_the_theme(items):
    html = items._repr_html_()
    assert "currentColor" in html
    for colour in ("black", "white", "#000", "#fff"):
        assert f'"{colour}"' not in html
    for picture in pictures(items):
        for text in picture.iter(f"{SVG}text"):
            assert text.get("fill") == "currentColor"


def test_what_a_catalogue_writes_cannot_become_a_tag(make_item):
    item = make_item()
    item.id = '<script>alert("x")</script>'
    item.properties["processing:version"] = "<img src=x onerror=alert(1)>"
    items = Items([item], dropped=[Dropped(item.id, item.id, "<b>because</b>")], notes=["<i>note</i>"])
    html = items._repr_html_()
    for tag in ("<script", "<img", "<b>", "<i>"):
        assert tag not in html
    parsed(items)


def test_an_area_of_a_point_and_a_footprint_of_many_vertices_are_drawn(make_item):
    item = make_item(footprint=shapely.Point(4.5, 51).buffer(0.5, 256))
    html = Items([item], area=area(shapely.Point(4.5, 51)))._repr_html_()
    assert "nan" not in html
    assert len(html) < 12_000


def test_a_single_date_and_an_item_without_footprint_are_drawn(make_item):
    item = make_item()
    item.geometry = item.bbox = None
    item.id = "plain"
    for key in ("grid:code", "mgrs:utm_zone"):
        del item.properties[key]
    assert len(pictures(Items([item]))) == 1
