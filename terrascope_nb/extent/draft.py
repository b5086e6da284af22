"""A draft is what a source said of an area; here it gets its coordinate system, its ids, and its faults mended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyproj
import shapely
from shapely.geometry.base import BaseGeometry

from terrascope_nb.errors import AreaError, MissingCrsError, near_misses
from terrascope_nb.extent import lonlat
from terrascope_nb.extent.features import (
    LONLAT,
    Aoi,
    Feature,
    Kind,
    crs_text,
    is_geographic,
    plain,
    transformer_between,
)
from terrascope_nb.extent.guesses import advice, candidates, numbers

__all__ = ["Draft", "finished"]

_MANY_VERTICES = 100_000
_NO_SURFACE = "For a single place give a point, 'POINT (4.2 51.1)'; else draw it anew or leave it out."
_LARGE_KM = 1000.0


@dataclass(slots=True)
class Draft:
    """Geometries and attributes as they were read, before anything is checked."""

    shapes: Sequence[BaseGeometry | None]
    """One per feature; None where the source had none."""
    source: str
    """What to call it in a message: the file name, ``"the WKT text"`` …"""
    properties: Sequence[dict[str, Any]] = ()
    """One per shape, or empty."""
    ids: Sequence[object] | None = None
    """Ids the source itself gives, None where it has none."""
    crs: str | None = None
    """What the source says; None when it says nothing."""
    lonlat: bool = False
    """True: without a CRS the format means longitude, latitude (GeoJSON), or we take it so (WKT, shapely, bbox)."""
    kind: Kind | None = None
    """``"bbox"`` or ``"tile"``; None = what the geometries are."""
    name: str = ""
    """Name unless the user gives one."""
    said: list[str] = field(default_factory=list)
    """What we chose for the user: becomes a warning and a note."""
    notes: list[str] = field(default_factory=list)
    """What is good to know: becomes a note."""
    origin: str = ""
    """The file it stands in; empty when it came from elsewhere."""


def finished(
    draft: Draft, *, crs: object = None, name: str | None = None, feature_id: str | None = None
) -> tuple[Aoi, list[str]]:
    """Turn a draft into an area, and tell what was chosen for the user on the way.

    Raises
    ------
    MissingCrsError
        The source says no coordinate system and none was given.
    AreaError
        Nothing is left to work with, or the numbers cannot be what they are said to be.
    """
    properties = [plain(one) for one in draft.properties] or [{} for _ in draft.shapes]
    ids = _ids(draft, properties, feature_id)
    shapes = np.array(list(draft.shapes), dtype=object)
    keep = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    _say_empty(draft, [one for one, kept in zip(ids, keep, strict=True) if not kept])
    shapes = _flat(draft, shapes[keep])
    wanted = _crs(draft, crs, shapes)
    if is_geographic(wanted):
        shapes = _on_the_globe(draft, shapes)
    else:
        _check_place(draft, shapes, wanted)
    shapes = _repaired(draft, shapes, [one for one, kept in zip(ids, keep, strict=True) if kept])
    kept = [(one, row) for one, row, k in zip(ids, properties, keep, strict=True) if k]
    features = tuple(Feature(one, shape, row) for (one, row), shape in zip(kept, shapes, strict=True))
    count = int(shapely.get_num_coordinates(shapes).sum())
    if count > _MANY_VERTICES:
        draft.notes.append(f"{count:,} vertices: shapely's simplify() would make everything that uses this area faster")
    kind: Kind = draft.kind or ("polygon" if (shapely.get_dimensions(shapes) == 2).any() else "point")
    _note_size(draft, Aoi(features, wanted, kind))
    origin = draft.origin if crs is None and feature_id is None else ""
    notes = (*draft.said, *draft.notes)
    return Aoi(features, wanted, kind, name or draft.name, notes, origin), draft.said


def _ids(draft: Draft, properties: list[dict[str, Any]], feature_id: str | None) -> list[str]:
    """Choose ids: the attribute that was named, else the source's own, else a unique attribute ``id``, else 1, 2, 3."""
    count = len(draft.shapes)
    own = draft.ids
    if feature_id is not None:
        columns = list(dict.fromkeys(key for row in properties for key in row))
        if feature_id not in columns:
            near = near_misses(feature_id, columns)
            raise AreaError(
                f"feature_id={feature_id!r} was asked for, but {draft.source} has "
                f"{'the attributes ' + ', '.join(columns) if columns else 'no attributes'}."
                f"{' Did you mean ' + ' or '.join(map(repr, near)) + '?' if near else ' Leave it out to number them.'}",
                columns=tuple(columns),
            )
        own = [row.get(feature_id) for row in properties]
    elif own is None or any(one is None for one in own):
        column = next((key for row in properties for key in row if key.lower() == "id"), None)
        values = [row.get(column) for row in properties] if column else []
        usable = bool(values) and None not in values and len({_text(v) for v in values}) == count
        own = values if usable else [None] * count
    texts = [_text(one) if one is not None else str(i) for i, one in enumerate(own, start=1)]
    return _unique(draft, texts)


def _text(value: object) -> str:
    """Write an id; 7.0 is 7, since a column with a gap makes floats of whole numbers."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _unique(draft: Draft, texts: list[str]) -> list[str]:
    counted = Counter(texts)
    twice = [text for text, count in counted.items() if count > 1]
    if not twice:
        return texts
    taken, seen, found = set(texts), Counter[str](), []
    for text in texts:
        seen[text] += 1
        new = text
        number = seen[text]
        while number > 1 and new in taken:
            new = f"{text}-{number}"
            number += 1
        taken.add(new)
        found.append(new)
    shown = ", ".join(twice[:3]) + (" …" if len(twice) > 3 else "")
    draft.said.append(f"{draft.source} uses an id more than once ({shown}); a number was added, as in {twice[0]}-2")
    return found


def _say_empty(draft: Draft, ids: list[str]) -> None:
    if len(ids) == len(draft.shapes):
        what = "no feature" if not draft.shapes else "only empty geometry"
        raise AreaError(
            f"An area was asked for from {draft.source}, which holds {what}. Check the source, or give a bbox, a "
            "polygon or a place.",
            source=draft.source,
        )
    if ids:
        shown = ", ".join(ids[:5]) + (" …" if len(ids) > 5 else "")
        draft.said.append(f"{len(ids)} of {len(draft.shapes)} features of {draft.source} have no geometry ({shown})"
                          " and were left out")  # fmt: skip


def _flat(draft: Draft, shapes: np.ndarray) -> np.ndarray:
    if shapely.has_z(shapes).any():
        draft.notes.append("heights (Z) were left out")
        shapes = shapely.force_2d(shapes)
    if not np.isfinite(shapely.get_coordinates(shapes)).all():
        raise AreaError(
            f"An area was asked for from {draft.source}, but a coordinate in it is not a number (NaN or infinite). "
            "Mend the source.",
            source=draft.source,
        )
    for i, shape in enumerate(shapes):
        if shape.geom_type == "GeometryCollection":
            shapes[i] = _only_highest(draft, shape)
    return shapes


def _only_highest(draft: Draft, collection: BaseGeometry) -> BaseGeometry:
    parts = shapely.get_parts(collection)
    while any(part.geom_type == "GeometryCollection" for part in parts):
        parts = shapely.get_parts(parts)
    depth = shapely.get_dimensions(parts)
    if (depth < depth.max()).any():
        draft.said.append(
            f"a geometry collection of {draft.source} mixes polygons, lines and points; only the "
            f"{('points', 'lines', 'polygons')[depth.max()]} are used"
        )
    return shapely.union_all(parts[depth == depth.max()])


def _crs(draft: Draft, asked: object, shapes: np.ndarray) -> str:
    said = None if asked is None else crs_text(asked)
    own = None if draft.crs is None else crs_text(draft.crs)
    if said is not None:
        if own is not None and own != said:
            draft.said.append(f"{draft.source} says {_short(own)}, but was read as {_short(said)} because crs= says so")
        return said
    if own is not None:
        return own
    bounds = _bounds(shapes)
    if not draft.lonlat:
        raise MissingCrsError(
            f"An area was asked for from {draft.source}, which does not say its coordinate system "
            f"(numbers {numbers(bounds)}). {advice(bounds)}",
            source=draft.source,
            bounds=bounds,
            candidates=candidates(bounds),
        )
    if (abs(bounds[0]) > 360 or abs(bounds[2]) > 360 or abs(bounds[1]) > 90 or abs(bounds[3]) > 90) and (
        lonlat.likely_swapped(bounds) != "certain"
    ):
        raise MissingCrsError(
            f"An area was asked for from {draft.source}, taken as degrees (EPSG:4326) since it says no coordinate "
            f"system, but its numbers {numbers(bounds)} cannot be degrees. {advice(bounds)}",
            source=draft.source,
            bounds=bounds,
            candidates=candidates(bounds),
        )
    return LONLAT


def _bounds(shapes: np.ndarray) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(value) for value in shapely.total_bounds(shapes))
    return x0, y0, x1, y1


def _short(crs: str) -> str:
    return crs if len(crs) < 40 else pyproj.CRS(crs).name


def _on_the_globe(draft: Draft, shapes: np.ndarray) -> np.ndarray:
    """Check degrees for swapped axes and out-of-range numbers, then unwrap and cut at 180 degrees."""
    bounds = _bounds(shapes)
    x0, y0, x1, y1 = bounds
    swapped = lonlat.likely_swapped(bounds)
    if swapped == "certain":
        raise AreaError(
            f"An area was asked for from {draft.source} with longitudes {x0:g} to {x1:g} and latitudes {y0:g} to "
            f"{y1:g}, but no latitude is beyond 90. It was written latitude first: swap the two, which gives "
            f"({y0:g}, {x0:g}, {y1:g}, {x1:g}) as (west, south, east, north).",
            bounds=bounds,
            corrected=(y0, x0, y1, x1),
        )
    if max(abs(x0), abs(x1)) > 360 or max(abs(y0), abs(y1)) > 90:
        raise AreaError(
            f"An area was asked for from {draft.source} in degrees, but its numbers {numbers(bounds)} are none. "
            f"{advice(bounds)}",
            bounds=bounds,
        )
    if swapped == "belgium":
        draft.said.append(
            f"{draft.source} lies at longitude {x0:g} to {x1:g}, latitude {y0:g} to {y1:g}, off Somalia. If Belgium is "
            f"meant, it was written latitude first: ({y0:g}, {x0:g}, {y1:g}, {x1:g}) is (west, south, east, north). "
            "Nothing was swapped"
        )
    if x0 >= -180 and x1 <= 180 and x1 - x0 <= 180:
        return shapes
    moved = crossed = chosen = 0
    for i, shape in enumerate(shapes):
        west, _, east, _ = shape.bounds
        shapes[i], did_cross = lonlat.uncrossed(lonlat.unwrapped(shape)[0])
        moved, crossed = moved + (east <= -180 or west >= 180), crossed + did_cross
        # Numbers beyond 180 say themselves which way round; a jump from 179 to -179 has to be read one way.
        chosen += did_cross and west >= -180 and east <= 180
    if moved:
        x2, _, x3, _ = _bounds(shapes)
        draft.said.append(
            f"longitudes {x0:g} to {x1:g} of {draft.source} run round the world; moved to {x2:g} to {x3:g}"
        )
    if crossed:
        way = " (read as the shorter way round)" if chosen else ""
        draft.said.append(f"{draft.source} crosses longitude 180{way} and was cut there")
    return shapes


def _check_place(draft: Draft, shapes: np.ndarray, crs: str) -> None:
    """Refuse projected numbers that lie far from where their coordinate system is used."""
    use = pyproj.CRS(crs).area_of_use
    if use is None:
        return
    x0, y0, x1, y1 = _bounds(shapes)
    to_degrees = transformer_between(crs, LONLAT)

    def outside(x: float, y: float) -> bool:
        lon, lat = to_degrees.transform(x, y)
        # Ten degrees of grace: neighbouring UTM zones are often used on purpose.
        width = (use.east - use.west) % 360 or 360
        return not (use.south - 10 <= lat <= use.north + 10 and (lon - use.west + 10) % 360 <= width + 20)

    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    if not outside(x, y):
        return
    hint = " Swapped (y first) they would fit: write x first." if not outside(y, x) else " Check crs=."
    lon, lat = to_degrees.transform(x, y)
    where = f"longitude {lon:.1f}, latitude {lat:.1f}" if np.isfinite([lon, lat]).all() else "no place on Earth"
    raise AreaError(
        f"An area was asked for from {draft.source} in {_short(crs)} with numbers {numbers((x0, y0, x1, y1))}, which "
        f"is {where}, far from where that coordinate system is used ({use.name.partition('.')[0]}).{hint}",
        bounds=(x0, y0, x1, y1),
        crs=crs,
    )


def _repaired(draft: Draft, shapes: np.ndarray, ids: list[str]) -> np.ndarray:
    broken = np.flatnonzero(~shapely.is_valid(shapes))
    if len(broken):
        reason = shapely.is_valid_reason(shapes[broken[0]])
        shapes[broken] = shapely.make_valid(shapes[broken], method="structure", keep_collapsed=False)
        lost = [ids[i] for i in broken if shapes[i].is_empty]
        if lost:
            raise AreaError(
                f"An area was asked for from {draft.source}, but feature {lost[0]} has no surface ({reason}). "
                f"{_NO_SURFACE}",
                ids=tuple(lost),
            )
        shown = ", ".join(ids[i] for i in broken[:3]) + (" …" if len(broken) > 3 else "")
        draft.said.append(f"{len(broken)} invalid geometr{'y' if len(broken) == 1 else 'ies'} of {draft.source} "
                          f"({shown}: {reason}) mended; see whether the outline is what you meant")  # fmt: skip
    flat = (shapely.get_dimensions(shapes) == 2) & (shapely.area(shapes) == 0)
    if flat.any():
        raise AreaError(
            f"An area was asked for from {draft.source}, but feature {ids[int(np.argmax(flat))]} has no surface: its "
            f"corners lie on one line. {_NO_SURFACE}",
            source=draft.source,
        )
    return shapes


def _note_size(draft: Draft, aoi: Aoi) -> None:
    west, south, east, north = aoi.bbox
    east += 360.0 if east < west else 0.0
    middle = np.radians((south + north) / 2)
    width, height = (east - west) * 111.32 * float(np.cos(middle)), (north - south) * 110.57
    if max(width, height) >= _LARGE_KM:
        order = "; if less was meant, check the order (west, south, east, north)" if aoi.kind == "bbox" else ""
        draft.notes.append(
            f"large: about {width:,.0f} x {height:,.0f} km, {len(aoi.tiles):,} tiles of Sentinel-2{order}"
        )
