"""What is typed, uploaded or asked online, and the figures shown before any search, against other sources."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import pyproj
import pytest
import shapely

from terrascope_nb.catalogue.query import search
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import AreaError, CatalogueReplyError, UnknownPlaceError
from terrascope_nb.extent.aoi import area
from terrascope_nb.settings import options
from terrascope_nb.widgets.pickers.area_facts import facts_lines, facts_of
from terrascope_nb.widgets.pickers.area_inputs import (
    MOST_UPLOADED,
    ask_online,
    place_names,
    read_files,
    read_place,
    read_text,
    text_of,
)

BOX = (3.70, 51.19, 3.80, 51.23)
FIELD = (3.021, 50.813, 3.0275, 50.818)


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path) -> Iterator[None]:
    with options(config_dir=tmp_path / "config", language="en"):
        yield


@pytest.mark.parametrize(
    ("text", "tiles"),
    [
        ("31UES", ("31UES",)),
        ("31UES, 31ufs", ("31UES", "31UFS")),
        ("3.70, 51.19, 3.80, 51.23", ("31UES",)),
        ("POLYGON((3.7 51.19, 3.8 51.19, 3.8 51.23, 3.7 51.19))", ("31UES",)),
        ('{"type": "Point", "coordinates": [3.75, 51.2]}', ("31UES",)),
        ("Assenede, Evergem", ("31UES",)),
        ("43002", ("31UES",)),
    ],
)
def test_a_text_becomes_an_area(text: str, tiles: tuple[str, ...]) -> None:
    assert read_text(text).area.tiles == tiles


@pytest.mark.parametrize("text", ["", "  ", "nowhere, at all", "https://example.org/fields.geojson", "POLYGON((3 51"])
def test_a_text_that_is_none_is_an_error_of_ours(text: str) -> None:
    with pytest.raises((AreaError, ValueError)) as caught:
        read_text(text)
    assert str(caught.value)


def test_what_was_mended_is_said() -> None:
    read = read_text("POLYGON((3 51, 4 52, 4 51, 3 52, 3 51))")
    assert any("mended" in sentence for sentence in read.said)


@pytest.mark.parametrize("what", ["31UES", BOX, "Assenede", "POINT (3.75 51.2)"])
def test_the_text_of_an_area_is_read_back(what: Any) -> None:
    found = area(what)
    back = read_text(text_of(found)).area
    assert back.kind == found.kind
    assert shapely.hausdorff_distance(back.geometry, found.geometry) < 1e-6


def test_every_place_of_the_list_can_be_chosen() -> None:
    names = place_names()
    assert len(names) > 600
    for name in names[::40]:
        assert read_place(name).area.area_km2 > 1


def test_places_are_offered_in_the_readers_language() -> None:
    with options(language="nl"):
        (line,) = [name for name in place_names() if "43002" in name]
        assert line == "Assenede (gemeente, NIS 43002)"
        assert read_place(line).area.features[0].id == "43002"


def test_a_place_of_several_is_asked_by_its_line() -> None:
    with pytest.raises(UnknownPlaceError, match="NIS"):
        read_place("Saint-Nicolas")
    (line,) = [name for name in place_names() if "62093" in name]
    assert read_place(line).area.features[0].id == "62093"


def _upload(folder: Path, *names: str) -> list[dict[str, Any]]:
    return [{"name": name, "content": memoryview((folder / name).read_bytes())} for name in names]


def test_the_files_of_a_shapefile_are_uploaded_together(tmp_path: Path) -> None:
    table = gpd.GeoDataFrame({"crop": ["maize"]}, geometry=[shapely.box(100_000, 190_000, 101_000, 191_000)], crs=31370)
    table.to_file(tmp_path / "fields.shp")
    names = [path.name for path in tmp_path.glob("fields.*")]
    found = read_files(_upload(tmp_path, *names)).area
    assert found.crs == "EPSG:31370"
    assert found.features[0].properties["crop"] == "maize"
    with pytest.raises(AreaError, match=r"\.shp"):
        read_files(_upload(tmp_path, "fields.dbf", "fields.prj"))


def test_several_files_become_one_area_with_all_features(tmp_path: Path) -> None:
    for name, shift in (("one.geojson", 0.0), ("two.geojson", 0.5)):
        shape = shapely.affinity.translate(shapely.box(*BOX), shift)
        (tmp_path / name).write_text(shapely.to_geojson(shape))
    found = read_files(_upload(tmp_path, "one.geojson", "two.geojson")).area
    assert len(found) == 2


def test_an_upload_does_not_leave_its_folder(tmp_path: Path) -> None:
    content = json.dumps(area(BOX).to_geojson()).encode()
    target = tmp_path / "stolen.geojson"
    found = read_files([{"name": f"../../../../..{target}", "content": content}]).area
    assert found.name == "stolen"
    assert not target.exists()


def test_an_upload_that_a_server_would_cut_is_refused_in_words() -> None:
    with pytest.raises(AreaError, match="beside the notebook"):
        read_files([{"name": "big.geojson", "content": bytes(MOST_UPLOADED + 1)}])


def test_a_place_asked_online_is_read_as_nominatim_writes_it(
    make_server: Callable[[Path], Any], tmp_path: Path
) -> None:
    # The form of a reply of Nominatim (jsonv2): boundingbox is south, north, west, east, as text.
    reply = [
        {"display_name": "Lyon, France", "boundingbox": ["45.70", "45.81", "4.77", "4.90"], "osm_type": "relation"}
    ]
    (tmp_path / "search").write_text(json.dumps(reply))
    (tmp_path / "nothing").write_text("[]")
    (tmp_path / "broken").write_text("<html>")
    server = make_server(tmp_path)
    (hit,) = ask_online("Lyon", url=server.url("search"))
    assert (hit.name, hit.bbox) == ("Lyon, France", (4.77, 45.70, 4.90, 45.81))
    assert "q=Lyon" in server.asked[0].path
    with pytest.raises(UnknownPlaceError):
        ask_online("Lyon", url=server.url("nothing"))
    with pytest.raises(CatalogueReplyError):
        ask_online("Lyon", url=server.url("broken"))
    asked = len(server.asked)
    with options(offline=True), pytest.raises(UnknownPlaceError, match="offline"):
        ask_online("Lyon", url=server.url("search"))
    assert len(server.asked) == asked


def test_the_area_is_that_of_the_ellipsoid() -> None:
    facts = facts_of(area("Assenede"))
    exact, _ = pyproj.Geod(ellps="WGS84").geometry_area_perimeter(area("Assenede").geometry)
    assert facts.km2 == pytest.approx(abs(exact) / 1e6, rel=1e-3)


@pytest.mark.parametrize(("product", "bands"), [("s2-ndvi", None), ("s2-toc", None), ("s2-toc", ["B04", "B11"])])
def test_the_bytes_per_date_are_those_of_a_cube_that_is_loaded(product: str, bands: list[str] | None) -> None:
    facts = facts_of(area(FIELD), product, bands=bands)
    items = search(product, FIELD, "2018-06", source="sample")
    cube = load(items, bands, area=FIELD)
    per_date = (
        sum(variable.nbytes for variable in cube.data_vars.values() if "time" in variable.dims) / cube.sizes["time"]
    )
    assert facts.bytes_per_date == pytest.approx(per_date, rel=0.05)
    assert facts.shape == pytest.approx((cube.sizes["y"], cube.sizes["x"]), abs=2)


def test_a_size_in_degrees_and_a_size_nobody_knows_are_told_apart() -> None:
    # ESA's WorldCover files have 36 000 pixels for 3 degrees, in one byte each
    degrees = facts_of(area((3.0, 50.0, 3.5, 51.0)), "worldcover")
    assert degrees.shape == pytest.approx((12_000, 6_000), abs=1)
    assert degrees.bytes_per_date == pytest.approx(72e6, rel=1e-3)
    unknown = facts_of(area(BOX), "corsa-majortom-flanders")
    assert unknown.bytes_per_date is None
    assert "after a search" in facts_lines(unknown)[-1]


def test_an_area_over_180_degrees_and_one_of_a_continent_have_figures() -> None:
    over = facts_of(area((179.9, 10.0, -179.9, 10.1)), "s2-ndvi")
    assert over.shape is not None
    assert over.shape[1] == pytest.approx(2190, rel=0.02)
    europe = facts_of(area((-10, 36, 30, 60)), "s2-ndvi")
    assert europe.bytes_per_date is not None
    assert europe.bytes_per_date > 1e11
