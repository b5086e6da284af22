"""What one item says about itself: tile, version, orbit, cloud, and which of its assets holds a band.

STAC 1.0 and 1.1 are read alike (``proj:epsg`` or ``proj:code``, ``raster:bands`` or ``bands`` or plain asset fields),
an asset's own words win over the item's, and a null says nothing. What the properties leave out is read from the
parts of the item's id that no Terrascope name uses for anything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pystac

from terrascope_nb.catalogue.asset_facts import crs_code, transform_of
from terrascope_nb.products.model import Band

_TILE = re.compile(r"T?(\d{2}[C-HJ-NP-X][A-HJ-NP-Z]{2})")
_VERSION = re.compile(r"V\d{3}|V\d+(?:\.\d+)+", re.IGNORECASE)
_STAGE = re.compile(r"(?:^|[-_])(RT\d)(?=$|[-_])", re.IGNORECASE)
_RESOLUTION = re.compile(r"(\d{2,4})M|(\d{1,2})KM", re.IGNORECASE)
_MOMENT = re.compile(r"\d{8}T\d{6}Z")
_MISSION = re.compile(r"S[1-6][A-D]", re.IGNORECASE)
_DIRECTIONS = {
    "asc": "ascending", "ascending": "ascending",
    "dsc": "descending", "des": "descending", "desc": "descending", "descending": "descending",
}  # fmt: skip
CLEAR_PROPERTY = "terrascope_nb:clear"
"""Property in which a local index writes the percent of a scene's pixels that are clear."""
_PARTS = re.compile(r"[_:\s]")


def id_parts(item: pystac.Item) -> list[str]:
    """Parts of the item's id between underscores."""
    return _PARTS.split(item.id)


def utc(moment: datetime) -> datetime:
    """Return the same moment in UTC; a moment without a zone is taken as UTC (STAC asks for UTC)."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def interval_of(item: pystac.Item) -> tuple[datetime, datetime] | None:
    """First and last moment of the item in UTC, or None when it names neither."""
    if item.datetime is not None and "start_datetime" not in item.properties:
        return utc(item.datetime), utc(item.datetime)
    start, end = item.common_metadata.start_datetime, item.common_metadata.end_datetime
    known = [moment for moment in (start, end, item.datetime) if moment is not None]
    if not known:
        return None
    return utc(start or min(map(utc, known))), utc(end or max(map(utc, known)))


def time_of(item: pystac.Item) -> datetime | None:
    """Return the item's one time in UTC: ``datetime``, else the start of its interval."""
    if item.datetime is not None:
        return utc(item.datetime)
    interval = interval_of(item)
    return interval[0] if interval else None


def tile_of(item: pystac.Item) -> str | None:
    """MGRS tile, e.g. ``"31UFS"``, from ``grid:code``, ``mgrs:*``, ``s2:mgrs_tile`` or the id.

    Examples
    --------
    >>> import datetime, pystac
    >>> when = datetime.datetime(2025, 5, 16, tzinfo=datetime.UTC)
    >>> tile_of(pystac.Item("S2A_20250516T104651_31UFS_NDVI_10M_V210", None, None, when, {}))
    '31UFS'
    """
    properties = item.properties
    for text in (properties.get("grid:code"), properties.get("s2:mgrs_tile")):
        if isinstance(text, str) and (found := _TILE.fullmatch(text.removeprefix("MGRS-"))):
            return found[1]
    zone, band, square = (properties.get(f"mgrs:{key}") for key in ("utm_zone", "latitude_band", "grid_square"))
    if zone is not None and band and square:
        return f"{int(zone):02d}{band}{square}"
    return next((found[1] for part in id_parts(item) if (found := _TILE.fullmatch(part))), None)


def version_of(item: pystac.Item) -> str | None:
    """Return the processing version, ``"V210"`` or ``"RT6"``: ``processing:version``, else ``version``, else the id."""
    for key in ("processing:version", "version"):
        value = item.properties.get(key)
        if value not in (None, ""):
            text = str(value).strip()
            return f"V{text}" if text[:1].isdigit() else text.upper()
    if stage := _STAGE.search(item.id):
        return stage[1].upper()
    found = [part for part in id_parts(item) if _VERSION.fullmatch(part)]
    return found[-1].upper() if found else None


def named_resolution(item: pystac.Item) -> float | None:
    """Pixel size in metres that the item's id names (``_10M_``, ``_333M_``, ``_1KM_``), or None."""
    for part in id_parts(item):
        if found := _RESOLUTION.fullmatch(part):
            return float(found[1]) if found[1] else 1000.0 * float(found[2])
    return None


def resolution_of(item: pystac.Item) -> float | None:
    """Pixel size of the item in metres: what its id names, else ``gsd``, else its grid, else its finest asset.

    The id comes first because ``gsd`` is the instrument's number in STAC: a 20 m product may say 10.
    """
    named = named_resolution(item)
    if named is not None:
        return named
    gsd = item.properties.get("gsd")
    if isinstance(gsd, int | float) and gsd > 0:
        return float(gsd)
    own = _metres(item.properties.get("proj:transform"), crs_code(item.properties))
    return own if own is not None else min(_asset_resolutions(item), default=None)


def resolutions_of(item: pystac.Item) -> set[float]:
    """All pixel sizes in metres the item offers; only the one its id names, where it names one."""
    named = named_resolution(item)
    if named is not None:
        return {named}
    own = resolution_of(item)
    return {*_asset_resolutions(item), *(() if own is None else (own,))}


def _asset_resolutions(item: pystac.Item) -> set[float]:
    found: set[float | None] = set()
    for asset in item.assets.values():
        if "thumbnail" in (asset.roles or ()):
            continue
        gsd = asset.extra_fields.get("gsd")
        found.add(float(gsd) if isinstance(gsd, int | float) else None)
        crs = crs_code(asset.extra_fields) or crs_code(item.properties)
        found.add(_metres(asset.extra_fields.get("proj:transform"), crs))
    return {value for value in found if value}


def platform_of(item: pystac.Item) -> str | None:
    """Platform in lower case (``"sentinel-2a"``), from the properties or the mission in the id."""
    platform = item.properties.get("platform")
    if isinstance(platform, str) and platform:
        return platform.lower()
    missions = [part.upper() for part in id_parts(item) if _MISSION.fullmatch(part)]
    return normal_platform(missions[0]) if missions else None


def normal_platform(text: str) -> str:
    """One spelling per platform: ``S2A``, ``Sentinel-2A`` and ``sentinel-2a`` become ``"sentinel-2a"``."""
    if _MISSION.fullmatch(text):
        return f"sentinel-{text[1:].lower()}"
    return text.strip().lower()


def cloud_of(item: pystac.Item) -> float | None:
    """Cloud cover of the scene in percent; None when unknown (absent, null or outside 0-100)."""
    return _percent(item.properties.get("eo:cloud_cover"))


def clear_of(item: pystac.Item) -> float | None:
    """Clear pixels of the scene in percent, where an index measured them (`CLEAR_PROPERTY`); else None."""
    return _percent(item.properties.get(CLEAR_PROPERTY))


def _percent(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0.0 <= value <= 100.0 else None


def normal_direction(text: str) -> str | None:
    """``"ascending"`` or ``"descending"`` for any spelling in use (``ASC``, ``DSC``), else None."""
    return _DIRECTIONS.get(text.strip().lower())


def orbit_direction_of(item: pystac.Item) -> str | None:
    """``"ascending"`` or ``"descending"``, from ``sat:orbit_state`` or the id; None when unknown."""
    state = item.properties.get("sat:orbit_state")
    if isinstance(state, str) and (known := normal_direction(state)):
        return known
    return next((known for part in id_parts(item) if (known := normal_direction(part))), None)


def relative_orbit_of(item: pystac.Item) -> int | None:
    """Relative orbit, from ``sat:relative_orbit`` or the part of a Sentinel-1 id after the direction."""
    value = item.properties.get("sat:relative_orbit")
    if isinstance(value, int | float | str) and str(value).removesuffix(".0").isdigit():
        return int(float(value))
    parts = id_parts(item)
    for part, following in pairwise(parts):
        if normal_direction(part) and following.isdigit():
            return int(following)
    return None


def content_of(item: pystac.Item) -> str:
    """Return the id without its version and the ``Z``: equal for all versions of one scene, and only for them.

    Examples
    --------
    >>> import datetime, pystac
    >>> when = datetime.datetime(2017, 1, 3, tzinfo=datetime.UTC)
    >>> content_of(pystac.Item("S2A_20170103T104432Z_31UFS_FAPAR_10M_V101", None, None, when, {}))
    'S2A_20170103T104432_31UFS_FAPAR_10M'
    """
    parts = [part for part in _PARTS.split(_STAGE.sub("", item.id)) if not _VERSION.fullmatch(part)]
    return "_".join(part[:-1] if _MOMENT.fullmatch(part) else part for part in parts)


def find_asset(item: pystac.Item, band: Band) -> str | None:
    """Key of the asset that holds a band, or None.

    Tried in this order: the key, the asset's title, the names of its bands (``bands``, ``eo:bands``), the content part
    of its file name. Case is ignored; a thumbnail is never taken.
    """
    wanted = [band.asset_key, band.name, *band.aliases]
    for name in map(str.lower, wanted):
        for key, asset in item.assets.items():
            if key.lower() == name and not _is_thumbnail(asset):
                return key
    names = {name.lower() for name in wanted}
    assets = {key: asset for key, asset in item.assets.items() if not _is_thumbnail(asset)}
    for key, asset in assets.items():
        if (asset.title or "").lower() in names:
            return key
    for key, asset in assets.items():
        if any(str(entry.get("name", "")).lower() in names for entry in _bands(asset.extra_fields)):
            return key
    contents = [content.lower() for content in (*band.file_content, *wanted)]
    return next((key for content in contents for key, asset in assets.items() if _in_name(content, asset.href)), None)


def _is_thumbnail(asset: pystac.Asset) -> bool:
    return "thumbnail" in (asset.roles or ())


def _in_name(content: str, href: str) -> bool:
    stem = f"_{href.rsplit('/', 1)[-1].rsplit('.', 1)[0].lower()}_"
    return f"_{content}_" in stem and not href.lower().endswith((".xml", ".json"))


def _bands(fields: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for key in ("bands", "eo:bands"):
        yield from (entry for entry in fields.get(key) or () if isinstance(entry, Mapping))


def _metres(transform: Any, crs: str | None) -> float | None:
    # UTM, web mercator and ETRS89-LAEA are in metres. Items of 2023 name no system; pixels of 1 degree and more do not
    # occur, so a step of 1 and more is in metres there too.
    numbers = transform_of(transform)
    if numbers is None or (crs is not None and not re.fullmatch(r"EPSG:32[67]\d\d|EPSG:3857|EPSG:3035", crs)):
        return None
    return abs(numbers[0]) if crs is not None or abs(numbers[0]) >= 1 else None
