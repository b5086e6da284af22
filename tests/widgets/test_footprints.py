"""Outlines of scenes: where they lie, and which of them lie on a place."""

from __future__ import annotations

import datetime as dt
import json

import pystac
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.catalogue.items import Items
from terrascope_nb.widgets.panel.footprints import Footprints

NOW = dt.datetime(2018, 6, 1, tzinfo=dt.UTC)


def scene(name: str, shape) -> pystac.Item:
    geometry = None if shape is None else shapely.geometry.mapping(shape)
    return pystac.Item(name, geometry, None if shape is None else list(shape.bounds), NOW, {})


@pytest.fixture(scope="module")
def items() -> Items:
    holed = shapely.box(0, 0, 4, 4) - shapely.box(1, 1, 2, 2)
    return Items(
        [scene("a", shapely.box(0, 0, 2, 2)), scene("b", holed), scene("c", shapely.box(3, 3, 5, 5)), scene("d", None)]
    )


def test_every_scene_with_a_footprint_has_an_outline_under_its_id(items):
    data = Footprints(items).data
    assert [feature["id"] for feature in data["features"]] == ["a", "b", "c"]
    for feature, item in zip(data["features"], items, strict=False):
        assert shapely.geometry.shape(feature["geometry"]).equals(shapely.geometry.shape(item.geometry))
    assert json.dumps(data)


def test_all_scenes_under_a_place_are_listed_holes_left_out(items):
    outlines = Footprints(items)
    assert outlines.at(0.5, 0.5) == ("a", "b")
    assert outlines.at(1.5, 1.5) == ("a",)
    assert outlines.at(3.5, 3.5) == ("b", "c")
    assert outlines.at(9, 9) == ()
    assert Footprints().at(0, 0) == ()


@given(st.floats(-1, 6), st.floats(-1, 6))
def test_the_scenes_at_a_place_are_those_shapely_finds_one_by_one(lon, lat):
    shapes = {"a": shapely.box(0, 0, 2, 2), "c": shapely.box(1, 1, 5, 5)}
    found = Footprints(Items([scene(name, shape) for name, shape in shapes.items()])).at(lon, lat)
    assert found == tuple(name for name, shape in shapes.items() if shape.intersects(shapely.Point(lon, lat)))


def test_other_items_replace_the_outlines(items):
    outlines = Footprints(items)
    outlines.show_items(items[:1])
    assert [feature["id"] for feature in outlines.data["features"]] == ["a"]
    assert outlines.at(3.5, 3.5) == ()
