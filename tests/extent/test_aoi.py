from __future__ import annotations

import json
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio.coords
import shapely
from shapely.geometry import mapping

from terrascope_nb.errors import AreaError, TerrascopeWarning, UnknownPlaceError
from terrascope_nb.extent.aoi import area
from terrascope_nb.extent.places import list_places

BELGIUM = shapely.box(4.0, 51.0, 4.5, 51.3)


def feature(shape: shapely.Geometry | None, **more: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {}, "geometry": None if shape is None else mapping(shape), **more}


def collection(*features: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features), **more}


@pytest.mark.parametrize(
    "what",
    [
        BELGIUM,
        BELGIUM.wkt,
        "SRID=4326;" + BELGIUM.wkt,
        mapping(BELGIUM),
        feature(BELGIUM),
        collection(feature(BELGIUM)),
        json.dumps(collection(feature(BELGIUM))),
        json.dumps(mapping(BELGIUM)),
        {"type": "GeometryCollection", "geometries": [mapping(BELGIUM)]},
        gpd.GeoDataFrame(geometry=[BELGIUM], crs=4326),
        gpd.GeoSeries([BELGIUM], crs=4326),
        [BELGIUM],
    ],
    ids=["shapely", "WKT", "EWKT", "geometry", "Feature", "FeatureCollection", "text", "geometry text", "collection",
         "GeoDataFrame", "GeoSeries", "list"],
)  # fmt: skip
def test_every_way_to_say_a_polygon_gives_the_same_area(what: object) -> None:
    found = area(what)
    assert found.kind == "polygon"
    assert found.crs == "EPSG:4326"
    assert found.geometry.equals(BELGIUM)
    assert found.notes == ()


@pytest.mark.parametrize(
    "what",
    [(4, 51, 4.5, 51.3), [4, 51, 4.5, 51.3], np.array([4, 51, 4.5, 51.3]), "4,51,4.5,51.3", "[4.0, 51.0, 4.5, 51.3]",
     "4 51 4.5 51.3", rasterio.coords.BoundingBox(4, 51, 4.5, 51.3)],
    ids=["tuple", "list", "array", "text", "brackets", "spaces", "BoundingBox"],
)  # fmt: skip
def test_every_way_to_say_a_bbox_gives_the_same_frame(what: object) -> None:
    found = area(what)
    assert found.kind == "bbox"
    assert found.bbox == (4, 51, 4.5, 51.3)


def test_an_area_is_given_back_as_it_is() -> None:
    one = area("Assenede")
    assert area(one) is one
    assert area(one, name="mine").name == "mine"
    with pytest.raises(AreaError, match=r"use \.in_crs"):
        area(one, crs=32631)


def test_the_outdated_crs_member_of_geojson_is_followed() -> None:
    data = collection(
        feature(shapely.box(104000, 190000, 105000, 191000)),
        crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::31370"}},
    )
    assert area(data).crs == "EPSG:31370"
    with pytest.raises(AreaError, match="names no coordinate system"):
        area(collection(feature(BELGIUM), crs={"type": "link"}))
    crs84 = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    assert area(collection(feature(BELGIUM), crs=crs84)).crs == "EPSG:4326"


# --- geometry -----------------------------------------------------------------------------------------------------


def test_a_bow_tie_is_mended_with_a_word_and_keeps_both_wings() -> None:
    with pytest.warns(TerrascopeWarning, match=r"1 invalid geometry.*Self-intersection.*mended"):
        found = area("POLYGON ((4 51, 5 52, 5 51, 4 52, 4 51))")
    assert found.geometry.is_valid
    assert found.geometry.area == pytest.approx(0.5)


def test_a_hole_outside_its_ring_does_not_become_a_line() -> None:
    with pytest.warns(TerrascopeWarning, match="mended"):
        found = area("POLYGON ((4 51, 5 51, 5 52, 4 52, 4 51), (4.5 51.5, 4.5 51.5, 4.5 51.5, 4.5 51.5))")
    assert found.geometry.geom_type in {"Polygon", "MultiPolygon"}


@pytest.mark.parametrize(
    ("what", "match"),
    [
        ("POLYGON EMPTY", "only empty geometry"),
        (shapely.Point(), "only empty geometry"),
        (feature(None), "only empty geometry"),
        (collection(), "no feature"),
        (gpd.GeoDataFrame(geometry=[], crs=4326), "no feature"),
        ("POLYGON ((4 51, 5 52", "cannot be read"),
        ("POLYGON ((4 51, 5 52, 4 51))", "no surface"),
        ("POLYGON ((4 51, 5 52, 4.5 51.5, 4 51))", "no surface"),
        ((4, 51, 4, 51), r"no surface.*POINT \(4\.2 51\.1\)"),
        ((4, 51, 4, 52), "no surface"),
        ((float("nan"), 51, 5, 52), "four finite numbers"),
        ((4, 51, 5), "four finite numbers"),
        ((4, 51, 5, "52"), "four finite numbers"),
        (shapely.LineString([(4, 51), (float("inf"), 52)]), "not a number"),
        ({"type": "Topology"}, "GeoJSON has FeatureCollection"),
        ({"type": "FeatureCollection", "features": 3}, "no list"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, "geometry cannot be read"),
        ({"type": "Feature", "geometry": {"type": "Circle"}}, "geometry cannot be read"),
        ("{'type': 'Polygon'}", "starts like GeoJSON"),
        ("https://viewer.terrascope.be/?bbox=1", "on this machine|this machine only"),
        ("", "empty text"),
        ([], "empty list"),
        (None, "NoneType"),
        (True, "bool"),
        (4.5, "float"),
        (b"POINT (4 51)", "bytes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_area_is_refused_with_the_way_out(what: object, match: str) -> None:
    with pytest.raises(AreaError, match=match):
        area(what)


def test_features_without_geometry_are_left_out_with_a_word() -> None:
    data = collection(feature(BELGIUM, id="a"), feature(None, id="b"), feature(shapely.box(5, 51, 5.1, 51.1), id="c"))
    with pytest.warns(TerrascopeWarning, match=r"1 of 3 features.*\(b\).*left out"):
        found = area(data)
    assert [one.id for one in found] == ["a", "c"]


def test_heights_are_left_out() -> None:
    found = area("POLYGON Z ((4 51 9, 4.5 51 9, 4.5 51.3 9, 4 51.3 9, 4 51 9))")
    assert not found.geometry.has_z
    assert found.notes == ("heights (Z) were left out",)


def test_a_mixed_collection_keeps_its_polygons_with_a_word() -> None:
    with pytest.warns(TerrascopeWarning, match="only the polygons are used"):
        found = area(shapely.GeometryCollection([shapely.Point(3, 50), BELGIUM, shapely.GeometryCollection([BELGIUM])]))
    assert found.geometry.equals(BELGIUM)


def test_many_vertices_are_noted() -> None:
    found = area(shapely.segmentize(BELGIUM, 0.000015))
    assert "vertices: shapely's simplify() would make" in found.notes[0]


# --- ids and attributes -------------------------------------------------------------------------------------------


def test_attributes_are_kept_as_plain_values() -> None:
    table = gpd.GeoDataFrame(
        {"crop": ["maize", None], "ha": [1.5, np.nan], "n": np.array([1, 2], dtype="int32")},
        geometry=[BELGIUM, shapely.box(5, 51, 5.1, 51.1)],
        crs=4326,
    )
    first, second = area(table)
    assert first.properties == {"crop": "maize", "ha": 1.5, "n": 1}
    assert second.properties["ha"] is None
    assert json.dumps(area(table).to_geojson())


PAIR = (BELGIUM, shapely.box(5, 51, 5.1, 51.1))


@pytest.mark.parametrize(
    ("what", "ids"),
    [
        (collection(*(feature(one) for one in PAIR)), ["1", "2"]),
        (collection(*(feature(one, id=f"p{i}") for i, one in enumerate(PAIR))), ["p0", "p1"]),
        (collection(*(feature(one, properties={"ID": 7 + i}) for i, one in enumerate(PAIR))), ["7", "8"]),
        (collection(*(feature(one, properties={"id": 7}) for one in PAIR)), ["1", "2"]),
        (collection(*(feature(one, id=i, properties={"id": 9 - i}) for i, one in enumerate(PAIR))), ["0", "1"]),
        (gpd.GeoDataFrame(geometry=list(PAIR), crs=4326), ["1", "2"]),
        (gpd.GeoDataFrame(geometry=list(PAIR), index=["x", "y"], crs=4326), ["x", "y"]),
        (gpd.GeoDataFrame({"id": [3.0, 4.0]}, geometry=list(PAIR), crs=4326), ["3", "4"]),
        ([BELGIUM, PAIR[1]], ["1", "2"]),
        (["Assenede", "Evergem"], ["43002", "44019"]),
    ],
    ids=["counted", "GeoJSON id", "attribute", "not unique", "id before attribute", "table", "index", "float", "list",
         "places"],
)  # fmt: skip
def test_features_get_stable_ids(what: object, ids: list[str]) -> None:
    assert [one.id for one in area(what)] == ids


def test_an_attribute_can_name_the_features() -> None:
    data = collection(*(feature(one, id=i, properties={"field": f"veld {i}"}) for i, one in enumerate(PAIR)))
    assert [one.id for one in area(data, feature_id="field")] == ["veld 0", "veld 1"]
    assert area("Assenede", feature_id="name").features[0].id == "Assenede"
    with pytest.raises(AreaError, match=r"has the attributes field\. Did you mean 'field'"):
        area(data, feature_id="fields")
    with pytest.raises(AreaError, match="no attributes"):
        area(BELGIUM, feature_id="field")


def test_ids_used_twice_are_made_unique_with_a_word() -> None:
    data = collection(
        *(feature(one, id=text) for one, text in zip((*PAIR, *PAIR), ("a", "a", "a-2", "a"), strict=True))
    )
    with pytest.warns(TerrascopeWarning, match=r"more than once \(a\)"):
        found = area(data)
    assert [one.id for one in found] == ["a", "a-3", "a-2", "a-4"]


# --- texts --------------------------------------------------------------------------------------------------------


def test_a_tile_is_a_frame_of_its_own_square() -> None:
    found = area("t31uds")
    assert (found.kind, found.name, found.features[0].id) == ("tile", "31UDS", "31UDS")
    assert found.area_km2 == pytest.approx(109.8**2, rel=0.002)


def test_a_wrong_tile_says_why_and_not_that_it_is_no_place() -> None:
    with pytest.raises(UnknownPlaceError, match="ask for '31UDP'"):
        area("31TDP")
    with pytest.raises(UnknownPlaceError, match="a tile id is a UTM zone"):
        area("31UIS")


def test_a_place_says_the_state_of_its_outline() -> None:
    found = area("Assenede")
    assert found.kind == "polygon"
    assert "generalised boundaries of 2020; mergers of 1 January 2025 are not in them" in found.notes[0]
    assert found.features[0].properties["kind"] == "municipality"


def test_a_town_that_shares_its_name_with_a_province_is_taken_with_a_word() -> None:
    with pytest.warns(TerrascopeWarning, match=r"also a province.*NIS 10000.*municipality was taken"):
        assert area("Antwerpen").features[0].id == "11002"
    with pytest.warns(TerrascopeWarning, match="also a region"):
        assert area("Brussel").features[0].id == "21004"


def test_codes_may_be_numbers_and_lists() -> None:
    assert area(43002).name == "Assenede"
    assert [one.id for one in area([43002, 44021])] == ["43002", "44021"]
    # Four codes are four places, unless a crs says that they are metres.
    assert len(area([43002, 44021, 44019, 11002])) == 4
    assert area([40000, 20000, 90000, 30000], crs=31370).kind == "bbox"


def test_all_places_of_a_kind_are_an_area() -> None:
    provinces = area(list_places("province"))
    assert [one.id for one in provinces][:2] == ["10000", "20001"]
    assert provinces.bbox == pytest.approx(area("Belgium").bbox)
    assert len(provinces.notes) == 10
    assert "… and 4 more in .notes" in repr(provinces)
    assert provinces._repr_html_().count("<li>") == 7


def test_an_unknown_text_says_what_an_area_can_be() -> None:
    with pytest.raises(UnknownPlaceError, match=r"Did you mean Assenede.*no saved area and no file.*a tile '31UDS'"):
        area("Asenede")
    with pytest.raises(UnknownPlaceError, match="postcodes"):
        area("9960")
    with pytest.raises(UnknownPlaceError, match="several places"):
        area("Limburg")


def test_a_list_of_different_systems_meets_in_degrees() -> None:
    lambert = gpd.GeoDataFrame(geometry=[shapely.box(104000, 190000, 105000, 191000)], crs=31370)
    both = area([lambert, "Assenede"])
    assert both.crs == "EPSG:4326"
    assert [one.id for one in both] == ["1", "43002"]
    assert area([lambert, lambert]).crs == "EPSG:31370"
    assert area([(4, 51, 4.1, 51.1), (4.2, 51, 4.3, 51.1)]).kind == "bbox"
    assert area([(4, 51, 4.1, 51.1), "Assenede"]).kind == "polygon"


def test_a_warning_points_at_the_line_of_the_user() -> None:
    with pytest.warns(TerrascopeWarning) as caught:
        area((51, 4, 51.2, 4.3))
    assert caught[0].filename == __file__


def test_a_bbox_wider_than_half_the_world_is_not_called_the_shorter_way() -> None:
    with pytest.warns(TerrascopeWarning, match="crosses longitude 180 and was cut there"):
        wide = area((-200.0, 0.0, 0.0, 1.0))
    assert wide.bbox == (160.0, 0.0, 0.0, 1.0)
    jumping = shapely.Polygon([(179, 0), (-179, 0), (-179, 1), (179, 1)])
    with pytest.warns(TerrascopeWarning, match="read as the shorter way round"):
        area(jumping)
