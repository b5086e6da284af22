from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import shapely

from terrascope_nb.extent.aoi import area


def test_an_area_shows_name_size_crs_and_tiles_in_a_line() -> None:
    first = repr(area((3.70, 51.19, 3.80, 51.23))).splitlines()[0]
    assert first == "<Aoi 'bbox' bbox, 1 feature, 31.10 km², EPSG:4326, tiles 31UES>"
    assert "note: municipality, NIS 43002; generalised boundaries of 2020" in repr(area("Assenede"))
    assert "no area" in repr(area("POINT (4.2 51.1)"))
    assert "1.00 ha" in repr(area((104000, 190000, 104100, 190100), crs=31370))


def test_the_page_holds_a_picture_and_the_figures() -> None:
    page = area("Assenede")._repr_html_()
    for word in ("Assenede", "km²", "31UES", "EPSG:4326", "pixels outside become NaN", "2020"):
        assert word in page
    picture = ET.fromstring(re.search(r"<svg.*?</svg>", page, re.DOTALL)[0])  # type: ignore[index]
    assert picture.get("role") == "img"
    assert picture.findall(".//{http://www.w3.org/2000/svg}path")


def test_the_picture_has_the_proportions_of_the_place() -> None:
    page = area((4.0, 60.0, 6.0, 61.0))._repr_html_()
    width, height = (int(value) for value in re.search(r"width='(\d+)' height='(\d+)'", page).groups())  # type: ignore[union-attr]
    # At 60 degrees north two degrees of longitude are about as long as one of latitude.
    assert width == pytest.approx(height, rel=0.05)


def test_names_and_ids_cannot_write_into_the_page() -> None:
    nasty = "<script>alert(1)</script>"
    one = {
        "type": "Feature",
        "id": nasty,
        "properties": {},
        "geometry": shapely.geometry.mapping(shapely.box(4, 51, 5, 52)),
    }
    page = area(one, name=nasty + "'\"")._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_points_and_lines_are_drawn() -> None:
    assert "<circle" in area("POINT (4.2 51.1)")._repr_html_()
    assert "fill='none'" in area("LINESTRING (4.2 51.1, 4.3 51.2)")._repr_html_()


def test_an_area_over_180_degrees_is_drawn_in_one_piece() -> None:
    page = area((179, -17, -179, -16))._repr_html_()
    numbers = [float(x) for x in re.findall(r"[ML](-?[\d.]+),", page)]
    assert min(numbers) >= 0
    assert max(numbers) <= 140


def test_thousands_of_parcels_make_a_small_page() -> None:
    x, y = np.meshgrid(np.linspace(3.5, 4.5, 60), np.linspace(50.5, 51.5, 60))
    many = area(list(shapely.box(x, y, x + 0.01, y + 0.01).ravel()))
    assert len(many) == 3600
    assert len(many._repr_html_()) < 100_000
