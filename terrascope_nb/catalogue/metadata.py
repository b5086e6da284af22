"""The metadata file of a product (INSPIRE, ISO 19115-2 XML): what it says about time, place, clouds and making."""

from __future__ import annotations

import datetime as dt
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from terrascope_nb.catalogue.xml_tree import moment, parse_tree, read_bounded, text_at
from terrascope_nb.errors import CorruptAssetError, UnreadableNameError
from terrascope_nb.products.names import parse_name

__all__ = ["Metadata", "parse_metadata", "read_metadata"]

_ROOTS = frozenset({"MI_Metadata", "MD_Metadata"})
_EPSG = re.compile(r"EPSG.*?[:/#]([0-9]{4,6})(?![0-9])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a product's metadata file says; None where it says nothing."""

    id: str
    """Identifier of the record, usually ``urn:eop:VITO:<collection>:<title>``."""
    title: str | None = None
    """Title of the product."""
    parent: str | None = None
    """Identifier of the collection."""
    abstract: str | None = None
    """What the product is, in the provider's words."""
    start: dt.datetime | None = None
    """First moment of the data, UTC."""
    end: dt.datetime | None = None
    """Last moment of the data, UTC."""
    created: dt.datetime | None = None
    """When the product was made, UTC; the date of the record where no creation date is given."""
    bbox: tuple[float, float, float, float] | None = None
    """West, south, east, north in degrees; west is larger than east across the date line."""
    crs: str | None = None
    """``EPSG:32631``."""
    cloud_cover: float | None = None
    """Percent, 0-100."""
    platform: str | None = None
    """As written."""
    version: str | None = None
    """Processing version without the V (``"210"``), from the record's edition, else from its title or identifier."""
    lineage: str | None = None
    """How it was made, in the provider's words."""
    sources: tuple[str, ...] = ()
    """Products it was made from."""
    notes: tuple[str, ...] = ()
    """What was in the file but could not be used."""


def read_metadata(path: str | os.PathLike[str]) -> Metadata:
    """Read the XML metadata of a product.

    Parameters
    ----------
    path : path
        Local file, such as ``S2A_20250516T104651_31UFS_NDVI_10M_V210.xml``.

    Returns
    -------
    Metadata

    Raises
    ------
    AssetUnreachableError
        The file is not there.
    CorruptAssetError
        It is broken, dangerous, or no ISO 19115 record.
    """
    return parse_metadata(read_bounded(Path(path)), where=str(path))


def parse_metadata(data: bytes, *, where: str = "metadata") -> Metadata:
    """Read XML metadata that is already in memory.

    Parameters
    ----------
    data : bytes
    where : str
        Path or address, for messages.

    Returns
    -------
    Metadata

    Raises
    ------
    CorruptAssetError
        It is broken, dangerous, or no ISO 19115 record.
    """
    root = parse_tree(data, where)
    record = _record(root)
    identifier = text_at(record, "{*}fileIdentifier") if record is not None else None
    if record is None or identifier is None:
        found = root.tag.rpartition("}")[2]
        reason = f"its root is {found!r} and it holds no ISO 19115 record with an identifier"
        raise CorruptAssetError(
            f"cannot read the metadata {where}: {reason}. A login page answers like this; check how it was fetched.",
            path=where,
            reason=reason,
        )
    notes: list[str] = []
    identification = record.find("{*}identificationInfo/*")
    info = record if identification is None else identification
    title = text_at(info, "{*}citation/{*}CI_Citation/{*}title")
    start, end = _period(info, notes)
    return Metadata(
        id=identifier,
        title=title,
        parent=text_at(record, "{*}parentIdentifier"),
        abstract=text_at(info, "{*}abstract"),
        start=start,
        end=end,
        created=_created(record, info, notes),
        bbox=_bbox(info, notes),
        crs=_crs(record, notes),
        cloud_cover=_cloud(record, notes),
        platform=text_at(
            record,
            "{*}acquisitionInformation//{*}MI_Platform/{*}identifier/*/{*}code",
            "{*}acquisitionInformation//{*}MI_Platform/{*}description",
        ),
        version=_version(info, title, identifier),
        lineage=text_at(record, "{*}dataQualityInfo//{*}LI_Lineage/{*}statement"),
        sources=tuple(
            title
            for source in record.iterfind("{*}dataQualityInfo//{*}LI_Lineage//{*}source")
            if (title := text_at(source, "*/{*}sourceCitation/{*}CI_Citation/{*}title", "*/{*}description"))
        ),
        notes=tuple(notes),
    )


def _record(root: Element) -> Element | None:
    """Find the record, which a catalogue service may have wrapped in its reply."""
    return next((element for element in root.iter() if element.tag.rpartition("}")[2] in _ROOTS), None)


def _moment(text: str | None, what: str, notes: list[str]) -> dt.datetime | None:
    when = moment(text)
    if text and when is None:
        notes.append(f"{what} {text!r} is no date")
    return when


def _period(info: Element, notes: list[str]) -> tuple[dt.datetime | None, dt.datetime | None]:
    extent = "{*}extent/{*}EX_Extent/{*}temporalElement//"
    instant = text_at(info, f"{extent}{{*}}TimeInstant/{{*}}timePosition")
    begin = text_at(info, f"{extent}{{*}}beginPosition", f"{extent}{{*}}begin//{{*}}timePosition") or instant
    finish = text_at(info, f"{extent}{{*}}endPosition", f"{extent}{{*}}end//{{*}}timePosition") or instant
    start, end = _moment(begin, "start", notes), _moment(finish, "end", notes)
    if start and end and end < start:
        notes.append(f"the end {finish} lies before the start {begin}")
    return start, end


def _created(record: Element, info: Element, notes: list[str]) -> dt.datetime | None:
    dates: dict[str, str] = {}
    for date in info.iterfind("{*}citation/{*}CI_Citation/{*}date/{*}CI_Date"):
        code = date.find("{*}dateType/{*}CI_DateTypeCode")
        kind = "" if code is None else (code.get("codeListValue") or "".join(code.itertext())).strip()
        dates[kind] = text_at(date, "{*}date") or ""
    stamp = dates.get("creation") or dates.get("publication") or text_at(record, "{*}dateStamp")
    return _moment(stamp, "creation date", notes)


def _number(text: str | None, what: str, low: float, high: float, notes: list[str]) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if low <= value <= high:
        return value
    notes.append(f"{what} {text!r} is no number from {low:g} to {high:g}")
    return None


def _bbox(info: Element, notes: list[str]) -> tuple[float, float, float, float] | None:
    box = info.find("{*}extent/{*}EX_Extent/{*}geographicElement/{*}EX_GeographicBoundingBox")
    if box is None:
        return None
    west = _number(text_at(box, "{*}westBoundLongitude"), "west", -180, 180, notes)
    south = _number(text_at(box, "{*}southBoundLatitude"), "south", -90, 90, notes)
    east = _number(text_at(box, "{*}eastBoundLongitude"), "east", -180, 180, notes)
    north = _number(text_at(box, "{*}northBoundLatitude"), "north", -90, 90, notes)
    if west is None or south is None or east is None or north is None:
        return None
    if south > north:
        notes.append(f"south {south} lies above north {north}")
        return None
    return west, south, east, north


def _cloud(record: Element, notes: list[str]) -> float | None:
    text = text_at(record, "{*}contentInfo//{*}cloudCoverPercentage")
    return _number(text, "cloud cover", 0, 100, notes)


def _crs(record: Element, notes: list[str]) -> str | None:
    code = text_at(record, "{*}referenceSystemInfo//{*}code")
    if code is None:
        return None
    match = _EPSG.search(f"{text_at(record, '{*}referenceSystemInfo//{*}codeSpace') or ''}:{code}")
    if match is None:
        notes.append(f"coordinate system {code!r} is no EPSG code")
        return None
    return f"EPSG:{match[1]}"


def _version(info: Element, title: str | None, identifier: str) -> str | None:
    edition = text_at(info, "{*}citation/{*}CI_Citation/{*}edition")
    if edition:
        return edition.removeprefix("V").removeprefix("v")
    for name in (title, identifier.rpartition(":")[2]):
        try:
            version = parse_name(name or "").version
        except UnreadableNameError:
            continue
        if version:
            return version
    return None
