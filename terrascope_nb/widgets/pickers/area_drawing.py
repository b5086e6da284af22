"""Which shape is which: drawn, edited and deleted shapes become one area, whose ids survive editing, with undo."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from terrascope_nb.extent.aoi import Aoi, Feature, Kind, area
from terrascope_nb.extent.features import LONLAT

ID = "area_id"
"""Property in which a shape on the map carries its id; the map gives properties back with an edited shape."""
_MOST_CORNERS = 200
"""A shape with more corners is shown, but cannot be dragged: every corner would be a handle."""
_MOST_EDITABLE = 200
"""With more shapes than this none gets handles."""
_ROUNDED = 2e-6
"""The map gives coordinates back with six decimals."""
_MOST_STEPS = 50


class History:
    """What can be undone and redone: areas as they were, each a value that never changes."""

    def __init__(self) -> None:
        self._past: list[Aoi | None] = []
        self._future: list[Aoi | None] = []

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier area."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether something was undone."""
        return bool(self._future)

    def note(self, before: Aoi | None) -> None:
        """Remember the area that is about to be replaced."""
        self._past = [*self._past[-_MOST_STEPS + 1 :], before]
        self._future.clear()

    def undo(self, now: Aoi | None) -> Aoi | None:
        """Return the area before, and remember the one now for `redo`."""
        self._future.append(now)
        return self._past.pop()

    def redo(self, now: Aoi | None) -> Aoi | None:
        """Return the area that was undone."""
        self._past.append(now)
        return self._future.pop()


class Ids:
    """Ids handed out in one picker: a number is never used for a second shape, also when the first is gone."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def note(self, found: Aoi | None) -> None:
        """Remember the ids of an area."""
        self.known.update(feature.id for feature in found or ())

    def fresh(self) -> str:
        """Return an id that no shape ever had."""
        number = 1 + max((int(one) for one in self.known if _is_count(one)), default=0)
        while str(number) in self.known:
            number += 1
        self.known.add(str(number))
        return str(number)


def _is_count(text: str) -> bool:
    """Tell a counted id from a code, such as the five digits of a municipality."""
    return text.isdecimal() and len(text) < 5


def is_editable(feature: Feature, kind: Kind) -> bool:
    """Tell whether a feature (in EPSG:4326) can be dragged by its corners on a map."""
    shape = feature.geometry
    corners = int(shapely.get_num_coordinates(shape))
    return kind in ("bbox", "polygon") and isinstance(shape, shapely.Polygon) and corners <= _MOST_CORNERS


def on_the_map(found: Aoi | None) -> tuple[tuple[Feature, ...], tuple[Feature, ...]]:
    """Return the features that a map can edit and those it can only show, both in EPSG:4326."""
    if found is None:
        return (), ()
    features = _in_degrees(found).features
    if len(features) > _MOST_EDITABLE:
        return (), features
    return (
        tuple(feature for feature in features if is_editable(feature, found.kind)),
        tuple(feature for feature in features if not is_editable(feature, found.kind)),
    )


def as_drawn(feature: Feature, style: Mapping[str, Any]) -> dict[str, Any]:
    """Return a feature as a drawing control holds it: GeoJSON with its id among the properties."""
    return {
        "type": "Feature",
        "id": feature.id,
        "properties": {ID: feature.id, "style": dict(style)},
        "geometry": json.loads(shapely.to_geojson(feature.geometry)),
    }


def reconciled(before: Aoi | None, drawn: Sequence[Mapping[str, Any]], ids: Ids, *, name: str = "") -> Aoi | None:
    """Return the area that a drawing control means, given the area it was shown.

    The control tells everything it holds after each change. A shape with a known id is that feature, moved or not; one
    with an id that was removed meanwhile stays removed; one told twice counts once; one without id is new.

    Parameters
    ----------
    before : Aoi or None
        The area as it was, with what the control does not hold.
    drawn : sequence of GeoJSON features
        What the control holds now.
    ids : Ids
        Gives new shapes their ids.
    name : str
        Name of an area that begins here.

    Returns
    -------
    Aoi or None
        `before` itself when nothing changed; None when nothing is left.

    Raises
    ------
    AreaError
        A shape without surface.
    """
    shown, _ = on_the_map(before)
    old = {feature.id: feature for feature in shown}
    told = _told(drawn, old, ids.known)
    changed = {key: _checked(shape) for key, shape in told.items() if key and not _same(shape, old[key].geometry)}
    added = [_checked(shape) for shape in _new_shapes(drawn, told, old)]
    if not changed and not added and len(told) == len(old):
        return before
    kept = []
    for feature in _in_degrees(before).features if before is not None else ():
        if feature.id in changed:
            kept.append(replace(feature, geometry=changed[feature.id]))
        elif feature.id in told or feature.id not in old:
            kept.append(feature)
    everything = (*kept, *(Feature(ids.fresh(), shape) for shape in added))
    if not everything:
        return None
    kind = _kind(before, everything, [*changed.values(), *added])
    return Aoi(everything, LONLAT, kind, before.name if before is not None and before.name else name)


def joined(before: Aoi | None, more: Aoi, ids: Ids) -> Aoi:
    """Return an area with another one added; features whose id is taken get a new one, a tile that is there stays one."""
    if before is None:
        return more
    common = before.crs if before.crs == more.crs else LONLAT
    first, second = (before, more) if before.crs == more.crs else (_in_degrees(before), _in_degrees(more))
    taken = {feature.id: feature for feature in before}
    news = []
    for feature in second:
        twin = taken.get(feature.id)
        if twin is not None and twin.properties.get("tile") and twin.properties == feature.properties:
            continue
        used = twin is not None or (_is_count(feature.id) and feature.id in ids.known)
        news.append(replace(feature, id=ids.fresh()) if used else feature)
    kind: Kind = before.kind if before.kind == more.kind else "polygon"
    names = dict.fromkeys(part.name for part in (before, more) if part.name)
    notes = dict.fromkeys((*before.notes, *more.notes))
    return Aoi((*first.features, *news), common, kind, ", ".join(names)[:80], tuple(notes))


def without(before: Aoi, gone: Collection[str]) -> Aoi | None:
    """Return an area without the features of these ids; None when nothing is left."""
    kept = tuple(feature for feature in before if feature.id not in gone)
    return Aoi(kept, before.crs, before.kind, before.name, before.notes) if kept else None


def replaced(before: Aoi, feature_id: str, by: Aoi) -> Aoi:
    """Return an area in which one feature has another shape and the same id."""
    there = _in_degrees(before)
    shape = _checked(by.geometry)  # polygons together with points have no outline of their own
    features = tuple(replace(f, geometry=shape) if f.id == feature_id else f for f in there)
    return Aoi(features, LONLAT, before.kind if before.kind == by.kind else "polygon", before.name, before.notes)


def is_rectangle(shape: BaseGeometry) -> bool:
    """Tell whether a shape is a rectangle along the meridians and parallels.

    >>> is_rectangle(shapely.box(3, 51, 4, 52)), is_rectangle(shapely.box(3, 51, 4, 52).buffer(0.1))
    (True, False)
    """
    return bool(shapely.equals(shape, shapely.box(*shape.bounds)) and shapely.get_num_coordinates(shape) == 5)


def _in_degrees(found: Aoi) -> Aoi:
    return found.in_crs(LONLAT)


def _id_of(entry: Mapping[str, Any]) -> str:
    properties = entry.get("properties") or {}
    return str(properties.get(ID) or "")


def _shape_of(entry: Mapping[str, Any]) -> BaseGeometry | None:
    geometry = entry.get("geometry")
    return shapely.geometry.shape(geometry) if geometry else None


def _told(
    drawn: Sequence[Mapping[str, Any]], old: Mapping[str, Feature], known: Collection[str]
) -> dict[str, BaseGeometry]:
    """Return the shape told for each known id; of two with one id the one that moved."""
    told: dict[str, BaseGeometry] = {}
    for entry in drawn:
        shape = _shape_of(entry)
        key = _id_of(entry)
        if shape is None or key not in old:
            continue
        if key not in told or _same(told[key], old[key].geometry):
            told[key] = shape
    for entry in drawn:
        shape = _shape_of(entry)
        if shape is None or (_id_of(entry) and _id_of(entry) in known):
            continue
        twin = next((key for key, f in old.items() if key not in told and _same(shape, f.geometry)), None)
        if twin is not None:
            told[twin] = shape
    return told


def _new_shapes(
    drawn: Sequence[Mapping[str, Any]], told: Mapping[str, BaseGeometry], old: Mapping[str, Feature]
) -> list[BaseGeometry]:
    """Return the shapes that are no known one, each once."""
    new: list[BaseGeometry] = []
    for entry in drawn:
        shape = _shape_of(entry)
        if shape is None or _id_of(entry):
            continue
        known = [*told.values(), *(old[key].geometry for key in told), *new]
        if not any(_same(shape, other) for other in known):
            new.append(shape)
    return new


def _same(one: BaseGeometry, other: BaseGeometry) -> bool:
    if shapely.get_num_coordinates(one) != shapely.get_num_coordinates(other):
        return False
    return bool(
        shapely.equals_exact(one, other, _ROUNDED) or shapely.equals_exact(one.normalize(), other.normalize(), _ROUNDED)
    )


def _checked(shape: BaseGeometry) -> BaseGeometry:
    """Return a drawn shape mended (a crossing outline, a longitude beyond 180 degrees)."""
    return area(shape).geometry


def _kind(before: Aoi | None, features: Sequence[Feature], fresh: Sequence[BaseGeometry]) -> Kind:
    if before is not None and not fresh:
        return before.kind
    was_frame = before is None or before.kind == "bbox"
    return "bbox" if was_frame and all(is_rectangle(feature.geometry) for feature in features) else "polygon"
