"""Coordinate systems, axis order and the 180th meridian: what an area makes of them."""

from __future__ import annotations

import warnings

import geopandas as gpd
import pytest
import shapely
from shapely.geometry import mapping

from terrascope_nb.errors import AreaError, MissingCrsError, TerrascopeWarning
from terrascope_nb.extent.aoi import area

BELGIUM = shapely.box(4.0, 51.0, 4.5, 51.3)


# --- coordinate systems -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what", [(600000, 5590200, 601000, 5591000), "POINT (600000 5590200)", shapely.box(600000, 5590200, 601000, 5591000),
             mapping(shapely.box(600000, 5590200, 601000, 5591000))], ids=["bbox", "WKT", "shapely", "GeoJSON"],
)  # fmt: skip
def test_numbers_that_cannot_be_degrees_ask_for_the_crs_and_name_the_likely_zone(what: object) -> None:
    with pytest.raises(MissingCrsError, match=r"cannot be degrees.*50\.5° N.*zone 31, crs='EPSG:32631'") as caught:
        area(what)
    assert caught.value.facts["candidates"][0] == "EPSG:32631"
    found = area(what, crs=32631)
    assert found.crs == "EPSG:32631"
    assert 4.4 < found.bbox[0] < 4.5


def test_lambert_numbers_are_recognised_and_not_assumed() -> None:
    with pytest.raises(MissingCrsError, match="Belgian Lambert 72") as caught:
        area((104000, 190000, 105000, 191000))
    assert caught.value.facts["candidates"][0] == "EPSG:31370"


def test_the_hints_hold_all_of_belgium() -> None:
    from terrascope_nb.extent.guesses import candidates

    country = area("Belgium")
    for crs in ("EPSG:31370", "EPSG:3812", "EPSG:3857", "EPSG:3035", "EPSG:32631"):
        assert crs in candidates(country.bounds_in(crs)), crs


def test_a_table_without_crs_asks_for_it_even_when_the_numbers_fit_degrees() -> None:
    table = gpd.GeoDataFrame(geometry=[BELGIUM])
    with pytest.raises(MissingCrsError, match="if they are longitude and latitude, add crs='EPSG:4326'"):
        area(table)
    assert area(table, crs=4326).geometry.equals(BELGIUM)


def test_the_crs_of_a_table_is_kept_and_overridden_only_with_a_word() -> None:
    table = gpd.GeoDataFrame(geometry=[shapely.box(104000, 190000, 105000, 191000)], crs=31370)
    assert area(table).crs == "EPSG:31370"
    assert area(table).bbox == pytest.approx((3.7131, 51.0184, 3.7275, 51.0275), abs=2e-4)
    with pytest.warns(TerrascopeWarning, match="says EPSG:31370, but was read as EPSG:3812"):
        assert area(table, crs=3812).crs == "EPSG:3812"


def test_the_srid_of_a_shapely_geometry_is_its_crs() -> None:
    assert area(shapely.set_srid(shapely.box(104000, 190000, 105000, 191000), 31370)).crs == "EPSG:31370"


def test_metres_that_are_said_to_be_degrees_are_refused() -> None:
    with pytest.raises(AreaError, match="are none"):
        area((104000, 190000, 105000, 191000), crs=4326)


def test_metres_with_the_axes_swapped_are_refused_with_the_cure() -> None:
    with pytest.raises(AreaError, match=r"far from where.*write x first"):
        area((5700000, 600000, 5701000, 601000), crs=32631)


# --- axis order, wrap, 180 degrees --------------------------------------------------------------------------------


def test_latitude_first_is_refused_where_it_is_certain_and_corrected_in_the_message() -> None:
    with pytest.raises(AreaError, match=r"latitude first.*\(150\.9, -34, 151\.3, -33\.8\)") as caught:
        area((-34, 150.9, -33.8, 151.3))
    assert caught.value.facts["corrected"] == (150.9, -34, 151.3, -33.8)


def test_belgium_written_latitude_first_is_warned_of_and_never_swapped() -> None:
    with pytest.warns(TerrascopeWarning, match=r"off Somalia.*\(4, 51, 4\.3, 51\.2\).*Nothing was swapped"):
        found = area((51, 4, 51.2, 4.3))
    assert found.bbox == (51, 4, 51.2, 4.3)
    assert "Somalia" in found.notes[0]


@pytest.mark.parametrize(
    ("bbox", "fixed"),
    [
        ((5, 51, 4, 52), r"\(4, 51, 5, 52\)"),
        ((4, 52, 5, 51), r"\(4, 51, 5, 52\)"),
        ((5, 52, 4, 51), r"\(4, 51, 5, 52\)"),
    ],
)
def test_a_bbox_in_the_wrong_order_is_refused_with_the_right_one(bbox: tuple[float, ...], fixed: str) -> None:
    with pytest.raises(AreaError, match=fixed):
        area(bbox)


def test_a_longitude_of_minus_355_8_is_moved_with_a_word() -> None:
    # The platform's sample notebook asked for -355.8, from a map turned once round.
    with pytest.warns(TerrascopeWarning, match=r"-355\.8 to -355\.7.*moved to 4\.2 to 4\.3"):
        found = area((-355.8, 51.1, -355.7, 51.2))
    assert found.bbox == pytest.approx((4.2, 51.1, 4.3, 51.2), abs=1e-9)
    assert found.tiles == ("31UES",)


def test_a_bbox_over_180_degrees_is_two_degrees_wide_and_not_358() -> None:
    found = area((179, -17, -179, -16))
    assert found.area_km2 == pytest.approx(2 * area((178, -17, 179, -16)).area_km2, rel=1e-6)
    assert found.bbox == (179, -17, -179, -16)
    assert {tile[:2] for tile in found.tiles} == {"01", "60"}


def test_a_polygon_over_180_degrees_is_cut_with_a_word() -> None:
    with pytest.warns(TerrascopeWarning, match="crosses longitude 180"):
        jumping = area(shapely.Polygon([(179, -17), (-179, -17), (-179, -16), (179, -16)]))
    with pytest.warns(TerrascopeWarning, match="crosses longitude 180"):
        beyond = area(shapely.box(179, -17, 181, -16))
    assert jumping.geometry.equals(beyond.geometry)
    assert jumping.bbox == (179, -17, -179, -16)


def test_metres_over_180_degrees_come_back_cut() -> None:
    fiji = area((800000, 8000000, 900000, 8100000), crs=32760)
    assert fiji.bbox[0] > 170 > -170 > fiji.bbox[2]
    assert fiji.area_km2 == pytest.approx(10_000, rel=0.01)


def test_an_area_of_3000_km_is_read_and_said_to_be_large() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        europe = area((-15, 36, 25, 60))
    assert "large: about 2,980 x 2,654 km" in europe.notes[0]
    assert f"{len(europe.tiles)} tiles" in europe.notes[0]
    assert area((4, 51, 5, 52)).notes == ()
