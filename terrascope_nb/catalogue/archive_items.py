"""The files of one product folder become items: names tell what they are, headers how they are stored."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely

from terrascope_nb.catalogue import item_facts as facts
from terrascope_nb.catalogue.archive_assets import Asset, asset_of, collection_in, is_native, key_of, product_of
from terrascope_nb.catalogue.archive_footprint import UNKNOWN, Footprint, grid_footprint
from terrascope_nb.catalogue.archive_safe import SUFFIXES, safe_row
from terrascope_nb.errors import AccessError, CorruptAssetError, UnreadableNameError
from terrascope_nb.extent.lonlat import bbox_of
from terrascope_nb.extent.mgrs import is_tile, tile_footprint
from terrascope_nb.products.names import Name, parse_path
from terrascope_nb.raster.header import Header, read_header
from terrascope_nb.settings import Settings

Row = dict[str, Any]
"""One item as a row of the index: STAC properties at the top level, as stac-geoparquet has them."""
FOLDER = "terrascope_nb:folder"
"""Property that keeps the folder of an item, relative to the root, so that a changed folder can be replaced."""

_STAC = "https://stac-extensions.github.io"
_EXTENSIONS = {
    "eo:": f"{_STAC}/eo/v2.0.0/schema.json",
    "sat:": f"{_STAC}/sat/v1.0.0/schema.json",
    "product:": f"{_STAC}/product/v0.1.0/schema.json",
    "mgrs:": f"{_STAC}/mgrs/v1.0.0/schema.json",
    "grid:": f"{_STAC}/grid/v1.1.0/schema.json",
    "processing:": f"{_STAC}/processing/v1.2.0/schema.json",
    "file:": f"{_STAC}/file/v2.1.0/schema.json",
    "raster:": f"{_STAC}/raster/v2.0.0/schema.json",
    "proj:": f"{_STAC}/projection/v2.0.0/schema.json",
}
"""Prefix of a field -> the extension, in the versions today's catalogue serves."""
_PLATFORMS = {"S5P": "sentinel-5p", "PROBAV": "proba-v"}
_SOFTWARE = re.compile(r"(?P<name>[^:]{1,80}):(?P<version>\d[\w.]{0,30})")
_LATEST = 4_102_444_800
"""Beginning of the year 2100: a file's time that is later is an error of some clock."""
_DESCRIPTION, _SOFTWARE_TAG = "TIFFTAG_IMAGEDESCRIPTION", "TIFFTAG_SOFTWARE"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a product folder."""

    path: str
    """Relative to the product folder: ``x.tif`` or ``10M/x.tif``."""
    size: int
    """Bytes."""
    mtime_ns: int
    """Last change."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or folder that did not become part of an item, or not as it should, and why."""

    path: str
    """Relative to the root."""
    reason: str
    """A sentence."""
    may_pass: bool = False
    """Whether the same file may read well later without its folder changing: it may still be growing."""


@dataclass(slots=True)
class _Scene:
    """Files of one item while they are gathered."""

    id: str
    collection: str
    name: Name
    """The name of its first file that says the item by itself."""
    files: list[tuple[Entry, Name]] = field(default_factory=list)


Measure = Callable[[str, Mapping[str, Asset], Mapping[str, Header]], Mapping[str, Any]]
"""Collection, assets and their headers -> properties measured from the pixels, and perhaps ``footprint``."""


def read_folder(
    root: str, folder: str, files: Sequence[Entry], *, measure: Measure | None = None
) -> tuple[list[Row], list[Problem]]:
    """Turn the files of one folder into items.

    Parameters
    ----------
    root : str
        Absolute path of the archive.
    folder : str
        Relative to the root.
    files : sequence of Entry
        Files of the folder and of its sub-folders for resolutions.
    measure : callable, optional
        Measures cloud, clear and valid pixels and the true footprint from the scene classification.

    Returns
    -------
    rows : list of dict
        One for each item.
    problems : list of Problem
        Every file that is not whole, not readable or not understood.
    """
    problems: list[Problem] = []
    scenes = _scenes(root, folder, files, problems)
    rows = []
    for scene in scenes:
        row = _row(root, folder, scene, measure, problems)
        if row is not None:
            rows.append(row)
    return rows, problems


def _scenes(root: str, folder: str, files: Iterable[Entry], problems: list[Problem]) -> list[_Scene]:
    scenes: dict[str, _Scene] = {}
    shared: list[tuple[Entry, Name]] = []
    for entry in files:
        where = _join(folder, entry.path)
        try:
            name = parse_path(f"{root}/{where}")
        except UnreadableNameError as error:
            problems.append(Problem(where, f"unknown name: {getattr(error, 'reason', error)}"))
            continue
        problems += [Problem(where, note) for note in name.notes]
        item_id = name.item_id
        if item_id is None:
            shared.append((entry, name))
            continue
        scene = scenes.get(item_id)
        if scene is None:
            scene = scenes[item_id] = _Scene(item_id, "", name)
        scene.collection = scene.collection or name.collection or ""
        scene.files.append((entry, name))
    # A scene classification beside the folders 10M and 20M belongs to the items of both.
    for entry, name in shared:
        same = [scene for scene in scenes.values() if _moment(scene.name) == _moment(name)]
        for scene in same:
            scene.files.append((entry, name))
        if not same:
            problems.append(Problem(_join(folder, entry.path), "name and folder do not tell which item it belongs to"))
    return list(scenes.values())


def _join(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder else path


def _moment(name: Name) -> tuple[object, ...]:
    return name.missions, name.datetimes, name.tile, name.version


def _row(root: str, folder: str, scene: _Scene, measure: Measure | None, problems: list[Problem]) -> Row | None:
    collection = scene.collection or collection_in(_join(root, folder)) or ""
    if not collection:
        problems += [
            Problem(_join(folder, e.path), "its name belongs to no collection known here") for e, _ in scene.files
        ]
        return None
    container = next((entry for entry, name in scene.files if name.extension.lower() in SUFFIXES), None)
    if container is not None:
        return _container(root, folder, scene, collection, container, problems)
    if not any(name.is_raster for _, name in scene.files):
        problems += [Problem(_join(folder, e.path), "beside it there is no raster file") for e, _ in scene.files]
        return None
    headers: dict[str, Header] = {}
    assets: dict[str, Asset] = {}
    for entry, name in _native_first(collection, scene.files):
        key = key_of(collection, name)
        if key in assets:
            key = f"{key}_{name.resolution}M" if name.resolution else f"{key}_{entry.path}"
        header = _header(root, folder, entry, name, problems)
        if header is not None:
            headers[key] = header
        assets[key] = asset_of(collection, name, f"{root}/{_join(folder, entry.path)}", entry.size, header)
    row: Row = {"id": scene.id, "collection": collection, FOLDER: folder, "assets": assets}
    row |= _times(scene) | _of_name(scene.name) | _of_grid(assets, scene) | _of_tags(headers)
    outline = _footprint(assets, headers, scene.name)
    if measure is not None:
        try:
            measured = dict(measure(collection, assets, headers))
        except CorruptAssetError as error:
            problems.append(Problem(folder, f"its classification cannot be read: {error}"))
        else:
            outline = measured.pop("footprint", outline)
            row |= measured
    return _closed(row, outline)


def _closed(row: Row, outline: Footprint) -> Row:
    row["geometry"] = outline.wkb
    row["bbox"] = dict(zip(("xmin", "ymin", "xmax", "ymax"), outline.bbox, strict=True))
    row["stac_extensions"] = _extensions(row)
    row["links"] = _links(row["collection"])
    return row


def _container(
    root: str, folder: str, scene: _Scene, collection: str, entry: Entry, problems: list[Problem]
) -> Row | None:
    """Return the item of a product that is one folder or zip with a manifest."""
    where = _join(folder, entry.path)
    try:
        told, outline, missing = safe_row(f"{root}/{where}", entry.size)
    except AccessError as error:
        problems.append(Problem(where, str(error), may_pass=True))
        return None
    if missing:
        cut = f"its manifest lists {len(missing)} files that are not there, the first {missing[0]}"
        problems.append(Problem(where, cut, may_pass=True))
    row: Row = {"id": scene.id, "collection": collection, FOLDER: folder}
    return _closed(row | _times(scene) | _of_name(scene.name) | told, outline)


def _native_first(collection: str, files: Iterable[tuple[Entry, Name]]) -> list[tuple[Entry, Name]]:
    """By name; a resampled copy of a band after the band itself, so that the key is the band's."""
    return sorted(files, key=lambda pair: (not is_native(collection, pair[1]), pair[0].path))


def _header(root: str, folder: str, entry: Entry, name: Name, problems: list[Problem]) -> Header | None:
    if name.extension.lower() not in ("tif", "tiff"):
        return None
    where = _join(folder, entry.path)
    try:
        header = read_header(f"{root}/{where}")
    except AccessError as error:
        problems.append(Problem(where, getattr(error, "reason", "") or str(error), may_pass=True))
        return None
    if not header.is_complete():
        cut = f"truncated: its data end at byte {header.data_end}, the file at byte {header.size}"
        problems.append(Problem(where, cut, may_pass=True))
    return header


def _times(scene: _Scene) -> Row:
    changed = max(entry.mtime_ns for entry, _ in scene.files) // 10**9
    created = dt.datetime.fromtimestamp(min(max(changed, 0), _LATEST), tz=dt.UTC)
    moment = scene.name.datetime
    if moment is None:
        # STAC wants a time even of what has none (a height model): the file's own.
        return {"created": created, "datetime": created}
    following = _following(moment, scene.name.precision)
    interval = {"start_datetime": moment, "end_datetime": following - dt.timedelta(microseconds=1)} if following else {}
    return {"created": created, "datetime": moment, **interval}


def _following(moment: dt.datetime, precision: str) -> dt.datetime | None:
    """Return when the day, month or year after that of a name begins; None for an exact time."""
    if precision not in ("day", "month", "year") or moment.year >= dt.MAXYEAR:
        return None
    if precision == "day":
        return moment + dt.timedelta(days=1)
    if precision == "month":
        return (moment.replace(day=1) + dt.timedelta(days=31)).replace(day=1)
    return moment.replace(year=moment.year + 1, month=1, day=1)


def _of_name(name: Name) -> Row:
    found: Row = {}
    if name.mission:
        found["platform"] = _PLATFORMS.get(name.mission) or facts.normal_platform(name.mission)
        if found["platform"].startswith("sentinel-"):
            found["constellation"] = found["platform"][: len("sentinel-1")]
    if name.product:
        found["product:type"] = name.product
    if name.version:
        found["processing:version"] = name.version
    if name.tile and is_tile(name.tile):
        found["grid:code"] = f"MGRS-{name.tile}"
        found["mgrs:utm_zone"] = int(name.tile[:2])
        found["mgrs:latitude_band"], found["mgrs:grid_square"] = name.tile[2], name.tile[3:]
    if name.orbit_direction:
        found["sat:orbit_state"] = name.orbit_direction
    if name.relative_orbit is not None:
        found["sat:relative_orbit"] = name.relative_orbit
    return found


def _of_grid(assets: Mapping[str, Asset], scene: _Scene) -> Row:
    """Return the crs all rasters share, and the finest pixel of the data."""
    found: Row = {}
    codes = {asset["proj:code"] for asset in assets.values() if "proj:code" in asset}
    if len(codes) == 1:
        found["proj:code"] = codes.pop()
        for asset in assets.values():
            asset.pop("proj:code", None)
    sizes = [asset["gsd"] for asset in assets.values() if "gsd" in asset and "data" in asset["roles"]]
    sizes = sizes or [float(name.resolution) for _, name in scene.files if name.resolution]
    if sizes:
        found["gsd"] = min(sizes)
    return found


def _of_tags(headers: Mapping[str, Header]) -> Row:
    """Return software and lineage where all files of the item say the same."""
    found: Row = {}
    software = {header.tags.get(_SOFTWARE_TAG) for header in headers.values()}
    if len(software) == 1 and (match := _SOFTWARE.fullmatch(software.pop() or "")):
        found["processing:software"] = {match["name"]: match["version"]}
    # One file's description is of that file; one that several files share is of the item.
    described = {header.tags.get(_DESCRIPTION) for header in headers.values()}
    if len(headers) > 1 and len(described) == 1 and (lineage := described.pop()):
        found["processing:lineage"] = lineage
    return found


def _footprint(assets: Mapping[str, Asset], headers: Mapping[str, Header], name: Name) -> Footprint:
    """Outline of the finest raster whose header says where it lies; else of the tile in the name."""
    ranked = sorted(headers, key=lambda key: (assets[key]["roles"] != ["data"], assets[key].get("gsd", 1e9), key))
    for key in ranked:
        header = headers[key]
        if header.crs and header.transform is not None:
            found = grid_footprint(header.crs, header.transform, header.width, header.height)
            if found is not None:
                return found
    if name.tile and is_tile(name.tile):
        tile = tile_footprint(name.tile)
        return Footprint(shapely.to_wkb(tile), bbox_of(np.array([tile])))
    return UNKNOWN


@functools.lru_cache(maxsize=256)
def _address(collection: str) -> str | None:
    product = product_of(collection)
    known = product is not None and any(v.collection == collection and v.in_stac for v in product.variants)
    return f"{Settings().stac_url}/collections/{collection}" if known else None


def _links(collection: str) -> list[dict[str, str]]:
    """Return the link to the collection that STAC asks for; none where the catalogue has no such collection."""
    address = _address(collection)
    return [{"rel": "collection", "href": address, "type": "application/json"}] if address else []


def _extensions(row: Row) -> list[str]:
    used = {key.partition(":")[0] + ":" for key in row if ":" in key}
    for asset in row["assets"].values():
        used.update(key.partition(":")[0] + ":" for key in asset if ":" in key)
        for band in asset.get("bands", ()):
            used.update(key.partition(":")[0] + ":" for key in band if ":" in key)
    return [address for prefix, address in _EXTENSIONS.items() if prefix in used]
