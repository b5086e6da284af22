"""The grammars of Terrascope file and folder names, one table row per family, each with the document it comes from."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from re import Match, Pattern
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from terrascope_nb.products.names import Name

UTC = dt.UTC
_EXTENSION = r"(?:\.(?P<extension>tif|tiff|TIF|TIFF|xml|XML|jp2|png|json|hdf5|HDF5|nc|VRG|SAFE|zip|SAFE\.zip))?"
_STAMP = r"[0-9]{8}T[0-9]{6}"
_SHORT = {"ascending": "ASC", "descending": "DSC"}
_LONG = {"ascending": "ASCENDING", "descending": "DESCENDING"}
_DIRECTIONS = {
    "ASC": "ascending",
    "ASCENDING": "ascending",
    "DSC": "descending",
    "DES": "descending",
    "DESC": "descending",
    "DESCENDING": "descending",
}
# Files that stand beside a Sentinel-2 product without naming it (FAQ of 2020, section on file names).
_WITHOUT_PRODUCT = frozenset(
    {"SCENECLASSIFICATION", "CLOUDMASK", "SHADOWMASK", "AOT", "WVP", "SZA", "VZA", "RAA", "CGS"}
)
_NOMINAL_DEM = {"10": 30, "30": 90}
_DIGITS = {"second": 15, "minute": 12, "day": 8, "month": 6, "year": 4}
_PRECISIONS = {digits: precision for precision, digits in _DIGITS.items()}

Fields = dict[str, Any]
Parts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Grammar:
    """How one family of names is read and written."""

    kind: str
    """What `Name.kind` says."""
    prefixes: tuple[str, ...]
    """First three characters of the names it can read: the grammar is looked up by them."""
    pattern: Pattern[str]
    """Matches the whole name."""
    read: Callable[[Match[str]], Fields]
    """Match -> fields of the Name; a ValueError means an impossible date."""
    write: Callable[[Name], str]
    """Name -> text."""
    example: str
    """A real name."""
    source: str
    """Where the grammar comes from."""


def read_stamp(text: str) -> dt.datetime:
    """Date and time (UTC) of ``20200507T104031``, ``202005071040``, ``20200507``, ``202005`` or ``2020``."""
    # Slices, not strptime: this runs for every file of an archive of a million.
    digits = text.replace("T", "")
    return dt.datetime(
        int(digits[0:4]),
        int(digits[4:6] or 1),
        int(digits[6:8] or 1),
        int(digits[8:10] or 0),
        int(digits[10:12] or 0),
        int(digits[12:14] or 0),
        tzinfo=UTC,
    )


def write_stamp(when: dt.datetime, precision: str) -> str:
    """Write a date as a name does: `read_stamp` backwards."""
    text = f"{when.year:04}{when.month:02}{when.day:02}"
    if precision == "second":
        return f"{text}T{when.hour:02}{when.minute:02}{when.second:02}"
    return f"{text}{when.hour:02}{when.minute:02}"[: _DIGITS[precision]]


def _kept(**pairs: str | None) -> Parts:
    return tuple((key, value) for key, value in pairs.items() if value)


def _tail(name: Name) -> str:
    return f".{name.extension}" if name.extension else ""


def _direction(written: str, canonical: dict[str, str]) -> tuple[str, str | None]:
    """Return the direction, and its spelling where that is not what this family usually writes."""
    direction = _DIRECTIONS[written]
    return direction, (written if canonical[direction] != written else None)


def _orbit(written: str) -> tuple[int, str | None]:
    orbit = int(written)
    return orbit, (written if str(orbit) != written else None)


# Sentinel-2 ---------------------------------------------------------------------------------------------------------


def _read_s2(match: Match[str]) -> Fields:
    mission, stamp, zulu, tile, written, quicklook, resolution, version, op, extension = match.groups()
    product, dash, band = written.partition("-B")
    content = written
    if dash:
        # The FAQ writes B08A, delivered files B8A; B2 was never seen but means B02.
        number = band.rstrip("A")
        content = f"{product}-B{int(number)}A" if band.endswith("A") else f"{product}-B{int(number):02}"
    parts = _kept(zulu=zulu, written=written if written != content else None, op=op)
    return {
        "missions": (mission,),
        "datetimes": (read_stamp(stamp),),
        "tile": tile,
        "content": content,
        "product": None if product in _WITHOUT_PRODUCT else product,
        "resolution": int(resolution) if resolution else None,
        "version": version,
        "is_quicklook": bool(quicklook) or (op or "").endswith("QL"),
        "extension": extension or "",
        "parts": parts if not quicklook else (*parts, ("quicklook", "content")),
    }


def _write_s2(name: Name) -> str:
    resolution = f"_{name.resolution:02}M" if name.resolution is not None else ""
    quicklook = "_QUICKLOOK" if name.part("quicklook") else ""
    op = f"_{name.part('op')}" if name.part("op") else ""
    return (
        f"{name.missions[0]}_{write_stamp(name.datetimes[0], 'second')}{name.part('zulu')}_{name.tile}"
        f"_{name.part('written') or name.content}{quicklook}{resolution}_V{name.version}{op}{_tail(name)}"
    )


def _read_s2_legacy(match: Match[str]) -> Fields:
    mission, stamp, tile, version, sub = match.groups()
    return {
        "missions": (mission,),
        "datetimes": (read_stamp(stamp),),
        "tile": tile,
        "content": "CGS",
        "version": version,
        "parts": (("zulu", "Z"), ("sub", sub)),
    }


def _write_s2_legacy(name: Name) -> str:
    stamp = write_stamp(name.datetimes[0], "second")
    return f"{name.missions[0]}_{stamp}Z_{name.tile}_CGS_V{name.version}_{name.part('sub')}"


_S2 = ("S2A", "S2B", "S2C", "S2D")

GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        kind="s2",
        prefixes=_S2,
        pattern=re.compile(
            rf"(?P<mission>S2[A-D])_(?P<stamp>{_STAMP})(?P<zulu>Z)?_(?P<tile>[0-9]{{2}}[A-Z]{{3}})"
            r"_(?P<content>[A-Z][A-Z0-9]*(?:-B[0-9]{1,2}A?)?)(?P<quicklook>_QUICKLOOK)?"
            r"(?:_(?P<resolution>[0-9]{2})M)?_V(?P<version>[0-9]{3})"
            rf"(?:_(?P<op>(?:[0-9]{{2}}M_)?(?:[A-Z]{{2}}_)?[A-Z]{{2}}))?{_EXTENSION}",
            re.ASCII,
        ),
        read=_read_s2,
        write=_write_s2,
        example="S2A_20250516T104651_31UFS_NDVI_10M_V210.tif",
        source="Terrascope FAQ (2018 and 2020); OpenSearch and STAC answers 2018-2026",
    ),
    Grammar(
        kind="s2-legacy-folder",
        prefixes=_S2,
        pattern=re.compile(
            rf"(?P<mission>S2[A-D])_(?P<stamp>{_STAMP})Z_(?P<tile>[0-9]{{2}}[A-Z]{{3}})"
            r"_CGS_V(?P<version>[0-9]{3})_(?P<sub>[0-9]{3})",
            re.ASCII,
        ),
        read=_read_s2_legacy,
        write=_write_s2_legacy,
        example="S2A_20191128T075251Z_36MZE_CGS_V102_000",
        source="OpenSearch answer of 2020 for CGS_S2_FAPAR",
    ),
)
