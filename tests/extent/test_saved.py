from __future__ import annotations

import json
import threading
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from terrascope_nb.errors import AreaError, TerrascopeWarning, UnknownPlaceError
from terrascope_nb.extent.aoi import area
from terrascope_nb.extent.saved import list_areas, remove_area, save_area


def test_a_saved_area_is_used_again_by_its_name(own_config: Path) -> None:
    assert list_areas() == ()
    file = save_area("My fields", ["Assenede", "Evergem"])
    assert file.parent == own_config / "areas"
    again = area("my FIELDS")
    assert again.geometry.equals(area(["Assenede", "Evergem"]).geometry)
    assert [one.id for one in again] == ["43002", "44019"]
    assert again.features[0].properties["name"] == "Assenede"
    assert again.name == "My fields"
    assert "of 2020" in again.notes[0]
    assert list_areas() == ("My fields",)
    remove_area("my fields")
    assert list_areas() == ()


@pytest.mark.parametrize("what", [(4, 51, 5, 52), "31UDS", "Assenede", "POINT (4.2 51.1)"], ids=str)
def test_a_saved_area_clips_or_not_as_before(what: object) -> None:
    save_area("mine", what)
    assert area("mine").kind == area(what).kind
    assert area("mine").tiles == area(what).tiles
    assert area("mine").area_km2 == pytest.approx(area(what).area_km2, rel=1e-5)


def test_an_area_in_metres_is_kept_in_degrees_with_true_edges() -> None:
    table = gpd.GeoDataFrame({"crop": ["maize"]}, geometry=[shapely.box(100000, 190000, 160000, 200000)], crs=31370)
    save_area("lambert", table)
    again = area("lambert")
    assert again.crs == "EPSG:4326"
    left, bottom, right, top = again.bounds_in(31370)
    assert (left, bottom, right, top) == pytest.approx((100000, 190000, 160000, 200000), abs=0.1)


def test_an_area_over_180_degrees_is_saved_without_a_word() -> None:
    save_area("fiji", (179, -17, -179, -16))
    assert area("fiji").bbox == (179, -17, -179, -16)


def test_a_name_is_not_taken_twice_by_accident() -> None:
    save_area("fields", (4, 51, 5, 52))
    with pytest.raises(AreaError, match="overwrite=True"):
        save_area("FIELDS", (3, 51, 4, 52))
    save_area("Fields", (3, 51, 4, 52), overwrite=True)
    assert area("fields").bbox == (3, 51, 4, 52)
    assert list_areas() == ("Fields",)


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/passwd", "a/b", "a\\b", "..", ".hidden", "", " ", "x" * 81, "C:", "a\0b", "fields.gpkg", " a"],
)
def test_a_name_cannot_lead_out_of_the_folder(name: str, own_config: Path, tmp_path: Path) -> None:
    with pytest.raises(AreaError, match="letters, digits"):
        save_area(name, (4, 51, 5, 52))
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


@pytest.mark.parametrize("name", ["31UDS", "t31uds", "43002"])
def test_a_name_that_means_something_else_is_refused(name: str) -> None:
    with pytest.raises(AreaError, match="tile or a NIS code"):
        save_area(name, (4, 51, 5, 52))


def test_a_saved_name_goes_before_a_place() -> None:
    with pytest.warns(TerrascopeWarning, match="not the place of that name"):
        save_area("Gent", (4, 51, 5, 52))
    assert area("gent").kind == "bbox"
    remove_area("Gent")
    assert area("gent").features[0].id == "44021"


def test_names_in_any_script_are_kept_apart() -> None:
    for i, name in enumerate(("Ménil", "menil", "поле", "a b", "a-b", "a_b")):
        save_area(name, (4 + i / 10, 51, 5, 52))
    assert len(list_areas()) == 6
    assert area("поле").bbox[0] == pytest.approx(4.2)


def test_a_misspelt_saved_name_is_among_the_near_misses() -> None:
    save_area("my maize fields", (4, 51, 5, 52))
    with pytest.raises(UnknownPlaceError, match="Saved areas like it: my maize fields") as caught:
        area("my mais fields")
    assert "my maize fields" in caught.value.facts["candidates"]
    with pytest.raises(UnknownPlaceError, match="Did you mean my maize fields"):
        remove_area("my mais fields")


def test_a_damaged_file_is_named(own_config: Path) -> None:
    file = save_area("fields", (4, 51, 5, 52))
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(AreaError, match=r"fields\.geojson is damaged"):
        area("fields")
    with pytest.raises(AreaError, match="is damaged"):
        list_areas()


def test_an_area_that_cannot_be_read_leaves_nothing_behind(own_config: Path) -> None:
    with pytest.raises(AreaError):
        save_area("fields", "POLYGON EMPTY")
    assert list_areas() == ()
    assert not list(own_config.rglob("*.part"))


def test_a_reader_never_sees_half_a_file(own_config: Path) -> None:
    file = save_area("busy", "Belgium")
    wrong: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                json.loads(file.read_bytes())
            except ValueError as error:
                wrong.append(str(error))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        save_area("busy", "Flanders", overwrite=True)
    done.set()
    reader.join()
    assert not wrong
    assert [one.name for one in (own_config / "areas").iterdir()] == ["busy.geojson"]
