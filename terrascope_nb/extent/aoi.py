"""An area from a bbox, GeoJSON, WKT, a file, a table, a tile, a place or a saved name."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from terrascope_nb.errors import AreaError, TerrascopeWarning, UnknownPlaceError, near_misses
from terrascope_nb.extent import mgrs, places, shelf
from terrascope_nb.extent.aoi_files import SUFFIXES, from_file, from_geojson, from_table
from terrascope_nb.extent.draft import Draft, finished
from terrascope_nb.extent.features import LONLAT, Aoi, Feature, Kind, crs_text, is_geographic

__all__ = ["Aoi", "AoiLike", "Feature", "Kind", "area"]

AoiLike = Any
"""Aoi, bbox, WKT, GeoJSON, path, shapely geometry, GeoDataFrame, GeoSeries, tile, place, NIS code, saved name, or a list
of these."""

_WKT = re.compile(
    r"\s*(SRID\s*=\s*(?P<srid>\d+)\s*;)?\s*"
    r"(MULTI)?(POINT|LINESTRING|POLYGON|GEOMETRYCOLLECTION|LINEARRING)\s*(Z|M|ZM)?\s*(\(|EMPTY)",
    re.IGNORECASE,
)
_FOUR = re.compile(r"[\[(]?\s*" + r"\s*[,;\s]\s*".join([r"([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)"] * 4) + r"\s*[\])]?")
_EXAMPLES = (
    "a bbox (west, south, east, north), WKT, GeoJSON, a file, a shapely geometry, a GeoDataFrame, a tile '31UDS', a "
    "place 'Assenede', a NIS code, or a saved name"
)


def area(what: AoiLike, *, crs: object = None, name: str | None = None, feature_id: str | None = None) -> Aoi:
    """Return an area of interest from nearly anything that says where.

    A text is tried in this order: GeoJSON, WKT, four numbers, a tile, a NIS code, a file (it has a folder or an ending
    such as ``.gpkg``), a saved area, a place. Nothing is asked of any server.

    Parameters
    ----------
    what : bbox, str, Path, dict, shapely geometry, GeoDataFrame, GeoSeries, int, Aoi, or a list of these
        A bbox is ``(west, south, east, north)`` in degrees; west > east crosses 180 degrees. ``"31UDS"`` is a
        Sentinel-2 tile, ``"Assenede"`` a Belgian place (a `Place` will do too), ``"43002"`` its NIS code. A layer of a GeoPackage is named as
        ``"fields.gpkg|layername=parcels"``.
    crs : str, int or CRS, optional
        Coordinate system of the numbers, when `what` does not say it. GeoJSON, WKT, shapely and bbox are EPSG:4326
        unless said; files and tables must say theirs.
    name : str, optional
        What to call it; the file's or place's name when None.
    feature_id : str, optional
        Attribute that names the features; else the source's own ids, else a unique attribute ``id``, else 1, 2, …

    Returns
    -------
    Aoi
        Features with their attributes, in the coordinate system of the source. Polygons clip what is loaded, a bbox, a
        tile, points and lines do not.

    Raises
    ------
    MissingCrsError
        A file or table without coordinate system, or numbers that cannot be degrees; the message names likely ones.
    UnknownPlaceError
        A text that is no place, tile, file or saved area; the message has near misses.
    AreaError
        Empty geometry, swapped axes, an unreadable file …

    Warns
    -----
    TerrascopeWarning
        Something was mended or chosen: an invalid polygon, a longitude round the world, ids used twice.

    Examples
    --------
    >>> area((3.70, 51.19, 3.80, 51.23)).tiles
    ('31UES',)
    >>> area("Assenede").features[0].properties["nis"]
    '43002'
    """
    if isinstance(what, Aoi) and crs is None and name is None and feature_id is None:
        return what
    found, said = _read(what, crs, name, feature_id)
    for message in dict.fromkeys(said):
        warnings.warn(f"{message}.", TerrascopeWarning, stacklevel=2)
    return found


def _read(what: AoiLike, crs: object, name: str | None, feature_id: str | None) -> tuple[Aoi, list[str]]:
    if isinstance(what, Aoi):
        if crs is not None and crs_text(crs) != what.crs:
            raise AreaError(
                f"An Aoi was given together with crs={crs!r}, but it says its own ({what.crs}). "
                "To change it use .in_crs(…)."
            )
        draft = _from_aoi(what)
    elif isinstance(what, Sequence | np.ndarray) and not isinstance(what, str | bytes) and not _is_bbox(what, crs):
        return _from_list(list(what), crs, name, feature_id)
    else:
        draft = _draft(what, crs)
    return finished(draft, crs=crs, name=name, feature_id=feature_id)


def _draft(what: AoiLike, crs: object) -> Draft:
    if isinstance(what, str):
        return _from_text(what, crs)
    if isinstance(what, Path):
        return _from_file(what)
    if isinstance(what, Mapping):
        return from_geojson(what, "the GeoJSON")
    if isinstance(what, BaseGeometry):
        srid = int(shapely.get_srid(what))
        return Draft([what], "the shapely geometry", crs=crs_text(srid) if srid else None, lonlat=True)
    if isinstance(what, Sequence | np.ndarray) and not isinstance(what, bytes):
        return _from_bbox([float(value) for value in what], crs)
    if hasattr(what, "crs") and hasattr(what, "geometry") and hasattr(what, "index"):
        return from_table(what, f"the {type(what).__name__}")
    if isinstance(what, int | np.integer) and not isinstance(what, bool):
        return _from_place(int(what))
    if isinstance(what, places.Place):
        return _from_place(what.nis)
    if hasattr(what, "__geo_interface__"):
        return from_geojson(what.__geo_interface__, f"the {type(what).__name__}")
    raise AreaError(
        f"An area was asked for from a {type(what).__name__} ({what!r:.80}), which says no place. Give {_EXAMPLES}.",
        value=what,
    )


def _is_bbox(what: Sequence[Any] | np.ndarray, crs: object) -> bool:
    """Tell a bbox from a list of areas; whole numbers of five digits without a crs are NIS codes."""
    numbers = [isinstance(value, Real) and not isinstance(value, bool) for value in what]
    if not any(numbers):
        return False
    if crs is None and all(isinstance(value, int | np.integer) and 10_000 <= value <= 99_999 for value in what):
        return False
    if len(numbers) != 4 or not all(numbers) or not np.isfinite([float(value) for value in what]).all():
        raise AreaError(
            f"An area was asked for from {what!r:.80}; a bbox has four finite numbers, (west, south, east, north).",
            value=what,
        )
    return True


def _from_bbox(numbers: list[float], crs: object) -> Draft:
    west, south, east, north = numbers
    shown = f"the bbox ({', '.join(f'{number:.10g}' for number in numbers)})"
    if north < south:
        raise AreaError(
            f"An area was asked for from {shown}, whose south is above its north. The order is (west, south, east, "
            f"north): did you mean ({min(west, east):g}, {north:g}, {max(west, east):g}, {south:g})?",
            bbox=tuple(numbers),
        )
    draft = Draft([shapely.box(west, south, east, north)], shown, lonlat=True, kind="bbox", name="bbox")
    if west > east:
        over = crs is None or is_geographic(crs_text(crs))
        width = east + 360.0 - west
        if not over or not 0.0 < width <= 180.0 or max(abs(west), abs(east)) > 180.0:
            raise AreaError(
                f"An area was asked for from {shown}, whose west is east of its east"
                f"{f' (over longitude 180 it would be {width:g} degrees wide)' if over else ''}. The order is (west, "
                f"south, east, north): did you mean ({east:g}, {south:g}, {west:g}, {north:g})?",
                bbox=tuple(numbers),
            )
        draft.shapes = [shapely.union(shapely.box(west, south, 180, north), shapely.box(-180, south, east, north))]
        draft.notes.append("crosses longitude 180")
    return draft


def _from_text(text: str, crs: object) -> Draft:
    text = text.strip()
    if not text:
        raise AreaError(f"An area was asked for from an empty text. Give {_EXAMPLES}.")
    if text.startswith(("{", "[{")):
        return _from_json(text)
    if match := _WKT.match(text):
        return _from_wkt(text, match["srid"])
    if match := _FOUR.fullmatch(text):
        return _from_bbox([float(number) for number in match.groups()], crs)
    if mgrs.is_tile(text):
        tile = mgrs.tile_square(text).tile
        epsg, box = mgrs.tile_box(tile)
        shape = shapely.box(*box)
        return Draft([shape], f"the tile {tile}", [{"tile": tile}], [tile], f"EPSG:{epsg}", kind="tile", name=tile)
    if text.isdecimal():
        return _from_place(text)
    if re.match(r"[a-z][a-z0-9+.-]+://", text, re.IGNORECASE):
        raise AreaError(
            f"An area was asked for from the address {text!r:.100}; an area is read from this machine only. Download "
            "the file, or give its bbox.",
            value=text,
        )
    path, _, layer = text.partition("|layername=")
    # "Gent / Gand" is how a place with two names is shown, so a slash between spaces is no folder.
    if layer or Path(path).suffix.lower() in SUFFIXES or "/" in text.replace(" / ", "") or "\\" in text:
        return _from_file(Path(path), layer or None)
    saved = shelf.read(text)
    if saved is not None:
        return _from_saved(saved, text)
    return _from_place(text)


def _from_file(path: Path, layer: str | None = None) -> Draft:
    path = path.expanduser()
    draft = from_file(path, layer)
    draft.origin = f"{path.absolute()}|layername={layer}" if layer else str(path.absolute())
    return draft


def _from_json(text: str) -> Draft:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise AreaError(
            f"An area was asked for from a text that starts like GeoJSON, but is none: {error}. Mend it, or give the "
            "file it came from."
        ) from error
    if isinstance(data, list):
        data = {"type": "FeatureCollection", "features": data}
    return from_geojson(data, "the GeoJSON text")


def _from_wkt(text: str, srid: str | None) -> Draft:
    try:
        shape = shapely.from_wkt(text.partition(";")[2] if srid else text)
    except shapely.errors.GEOSException as error:
        raise AreaError(
            f"An area was asked for from the WKT {text!r:.60}, which cannot be read: {error}. Close every bracket and "
            "ring, and write x before y.",
            value=text,
        ) from error
    return Draft([shape], "the WKT text", crs=f"EPSG:{srid}" if srid else None, lonlat=True)


def _from_place(asked: str | int) -> Draft:
    try:
        place, *around = places.matches(asked)
    except UnknownPlaceError as error:
        if isinstance(asked, int) or asked.isdecimal() or error.facts.get("ambiguous"):
            raise
        raise _nowhere(asked, error) from error
    draft = Draft(
        [place.geometry],
        f"the place {place}",
        [
            {
                "nis": place.nis,
                "name": place.name,
                "name_nl": place.name_nl,
                "name_fr": place.name_fr,
                "kind": place.kind,
            }
        ],
        [place.nis],
        LONLAT,
        name=place.name,
        notes=[f"{place.kind}, NIS {place.nis}; {places.STATE}"],
    )
    if around:
        larger = " and ".join(f"a {one.kind} ({one.name}, NIS {one.nis})" for one in around)
        draft.said.append(f"{asked!r} is also {larger}; the municipality was taken, its NIS code is {place.nis}")
    return draft


def _nowhere(asked: str, error: UnknownPlaceError) -> UnknownPlaceError:
    """Say that a text is nothing we know, with the saved areas among the near misses and a tile's own reason."""
    if re.fullmatch(r"T?\d{1,2}[A-Za-z]{3}", asked):
        try:
            mgrs.tile_square(asked)
        except UnknownPlaceError as no_tile:
            return no_tile
    saved = near_misses(asked, shelf.names())
    hint = f" Saved areas like it: {', '.join(saved)}." if saved else ""
    return UnknownPlaceError(
        f"{error.message}{hint} It is no saved area and no file either; an area can be {_EXAMPLES}.",
        name=asked,
        candidates=(*saved, *error.facts.get("candidates", ())),  # type: ignore[misc]
    )


def _from_saved(data: Mapping[str, Any], name: str) -> Draft:
    draft = from_geojson(data, f"the saved area {name!r}")
    ours = data.get("terrascope_nb")
    if isinstance(ours, Mapping):
        draft.notes = [str(note) for note in ours.get("notes", ())]
    return draft


def _from_aoi(aoi: Aoi) -> Draft:
    return Draft(
        [feature.geometry for feature in aoi],
        f"the area {aoi.name!r}",
        [feature.properties for feature in aoi],
        [feature.id for feature in aoi],
        aoi.crs,
        kind=aoi.kind,
        name=aoi.name,
        notes=list(aoi.notes),
    )


def _from_list(many: list[AoiLike], crs: object, name: str | None, feature_id: str | None) -> tuple[Aoi, list[str]]:
    """Put several areas together; in EPSG:4326 unless they all share another coordinate system."""
    if not many:
        raise AreaError(f"An area was asked for from an empty list. Give {_EXAMPLES}.")
    read = [_read(one, crs, None, feature_id) for one in many]
    systems = {found.crs for found, _ in read}
    common = systems.pop() if len(systems) == 1 else LONLAT
    parts = [found.in_crs(common) for found, _ in read]
    kinds = {part.kind for part in parts}
    plain = len(parts) == len({feature.id for part in parts for feature in part})
    features = [feature for part in parts for feature in part]
    joined = Draft(
        [feature.geometry for feature in features],
        "the list",
        [feature.properties for feature in features],
        # Ids that only count (1, 1, 1 …) are counted again over the whole list.
        [feature.id for feature in features] if plain else [_id_in(i, f) for i, f in enumerate(features, start=1)],
        common,
        kind=kinds.pop() if len(kinds) == 1 else None,
        name=", ".join(dict.fromkeys(part.name for part in parts if part.name))[:80],
        said=[message for _, said in read for message in said],
        notes=list(dict.fromkeys(note for (found, said) in read for note in found.notes if note not in said)),
    )
    return finished(joined, name=name)


def _id_in(number: int, feature: Feature) -> str:
    return str(number) if feature.id == "1" else feature.id
