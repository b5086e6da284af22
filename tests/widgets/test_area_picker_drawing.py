"""The model of drawn areas, fed with what ipyleaflet's control really tells."""

from __future__ import annotations

import json
from typing import Any

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.extent.aoi import Aoi, area
from terrascope_nb.widgets.pickers.area_drawing import (
    ID,
    History,
    Ids,
    as_drawn,
    joined,
    on_the_map,
    reconciled,
    without,
)

BOX = shapely.box(3.70, 51.19, 3.80, 51.23)
OTHER = shapely.box(4.0, 51.0, 4.1, 51.1)


def _drawn(shape: Any, feature_id: str | None = None) -> dict[str, Any]:
    properties: dict[str, Any] = {"style": {"color": "#000"}}
    if feature_id:
        properties[ID] = feature_id
    # Leaflet's toGeoJSON rounds to six decimals.
    geometry = json.loads(shapely.to_geojson(shapely.set_precision(shape, 1e-6, mode="pointwise")))
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _control(found: Aoi | None) -> list[dict[str, Any]]:
    return [as_drawn(feature, {}) for feature in on_the_map(found)[0]]


def test_a_drawn_rectangle_is_one_area_with_an_id() -> None:
    found = reconciled(None, [_drawn(BOX)], Ids(), name="drawn")
    assert found is not None
    assert [feature.id for feature in found] == ["1"]
    assert (found.kind, found.name) == ("bbox", "drawn")
    assert found.bbox == pytest.approx(BOX.bounds)


def test_an_edited_shape_keeps_its_id_and_is_counted_once() -> None:
    ids = Ids()
    first = reconciled(None, [_drawn(BOX), _drawn(OTHER)], ids)
    assert first is not None
    moved = shapely.affinity.translate(BOX, 0.01, 0.0)
    entries = _control(first)
    entries[0]["geometry"] = json.loads(shapely.to_geojson(moved))
    # the family of known faults: the edited shape comes twice, once as it was and once without an id
    entries += [as_drawn(first.features[0], {}), _drawn(moved)]
    edited = reconciled(first, entries, ids)
    assert edited is not None
    assert [feature.id for feature in edited] == ["1", "2"]
    assert shapely.equals_exact(edited.features[0].geometry.normalize(), moved.normalize(), 1e-9)


def test_nothing_changes_when_the_control_only_rounds() -> None:
    exact = area(shapely.box(3.700000123, 51.19, 3.8, 51.230000456))
    told = [_drawn(feature.geometry, feature.id) for feature in exact]
    assert reconciled(exact, told, Ids()) is exact


def test_a_removed_shape_does_not_come_back_with_a_late_message() -> None:
    ids = Ids()
    first = reconciled(None, [_drawn(BOX), _drawn(OTHER)], ids)
    assert first is not None
    left = without(first, {"1"})
    late = [*_control(first), _drawn(shapely.box(5, 50, 5.1, 50.1))]
    found = reconciled(left, late, ids)
    assert found is not None
    assert [feature.id for feature in found] == ["2", "3"]


def test_a_shape_that_lost_its_id_is_known_by_its_outline() -> None:
    ids = Ids()
    first = reconciled(None, [_drawn(BOX), _drawn(OTHER)], ids)
    found = reconciled(first, [_drawn(OTHER)], ids)
    assert found is not None
    assert [feature.id for feature in found] == ["2"]


def test_draw_edit_delete_undo_leaves_exactly_one_area() -> None:
    ids, history = Ids(), History()
    drawn = reconciled(None, [_drawn(BOX)], ids)
    history.note(None)
    entries = _control(drawn)
    entries[0]["geometry"] = json.loads(shapely.to_geojson(shapely.affinity.translate(BOX, 0.02, 0)))
    edited = reconciled(drawn, entries, ids)
    history.note(drawn)
    deleted = reconciled(edited, [], ids)
    history.note(edited)
    assert deleted is None
    back = history.undo(deleted)
    assert back is edited
    assert [feature.id for feature in back] == ["1"]
    assert history.undo(back) is drawn
    assert history.redo(drawn) is edited


def test_an_id_is_not_used_again_after_its_shape_is_gone() -> None:
    ids = Ids()
    reconciled(None, [_drawn(BOX)], ids)
    found = reconciled(None, [_drawn(OTHER)], ids)
    assert found is not None
    assert found.features[0].id == "2"


def test_what_a_map_cannot_edit_stays_when_shapes_are_drawn() -> None:
    ids = Ids()
    tile = area("31UES")
    ids.note(tile)
    found = reconciled(tile, [_drawn(BOX)], ids)
    assert found is not None
    assert [feature.id for feature in found] == ["31UES", "1"]
    assert found.features[0].properties["tile"] == "31UES"
    assert found.kind == "polygon"
    left = reconciled(found, [], ids)
    assert left is not None
    assert [feature.id for feature in left] == ["31UES"]


def test_a_crossing_outline_is_mended() -> None:
    bow = shapely.Polygon([(3, 51), (4, 52), (4, 51), (3, 52)])
    with pytest.warns(UserWarning, match="invalid"):
        found = reconciled(None, [_drawn(bow)], Ids())
    assert found is not None
    assert found.geometry.is_valid


def test_a_rectangle_dragged_out_of_shape_clips() -> None:
    ids = Ids()
    drawn = reconciled(None, [_drawn(BOX)], ids)
    entries = _control(drawn)
    entries[0]["geometry"]["coordinates"][0][1][1] += 0.01
    found = reconciled(drawn, entries, ids)
    assert found is not None
    assert found.clips


def test_areas_are_joined_with_ids_of_their_own() -> None:
    ids = Ids()
    first = area((3.7, 51.1, 3.8, 51.2))
    ids.note(first)
    found = joined(first, area((4.7, 51.1, 4.8, 51.2)), ids)
    assert [feature.id for feature in found] == ["1", "2"]
    assert found.kind == "bbox"


def test_a_tile_that_is_there_is_not_added_again() -> None:
    ids = Ids()
    found = joined(joined(area("31UFS"), area("31UES"), ids), area("31UFS"), ids)
    assert [feature.id for feature in found] == ["31UFS", "31UES"]
    assert found.kind == "tile"
    assert set(found.tiles) == {"31UFS", "31UES"}


@given(st.lists(st.sampled_from(["draw", "move", "delete", "lose id", "twice"]), max_size=12))
def test_ids_are_unique_and_survive_whatever_is_done(steps: list[str]) -> None:
    ids = Ids()
    now: Aoi | None = None
    expected: list[str] = []
    for number, step in enumerate(steps):
        entries = _control(now)
        if step == "draw":
            entries.append(_drawn(shapely.box(number, 50, number + 0.5, 50.5)))
        elif step == "move" and entries:
            moved = shapely.affinity.translate(shapely.geometry.shape(entries[0]["geometry"]), 0, 0.001 * (number + 1))
            entries[0]["geometry"] = json.loads(shapely.to_geojson(moved))
        elif step == "delete" and entries:
            entries.pop(0)
            expected.pop(0)
        elif step == "lose id" and entries:
            entries[-1]["properties"].pop(ID)
        elif step == "twice" and entries:
            entries.append(dict(entries[-1]))
        now = reconciled(now, entries, ids)
        if step == "draw":
            assert now is not None
            expected.append(now.features[-1].id)
        assert [feature.id for feature in now or ()] == expected
        assert len(set(expected)) == len(expected)
