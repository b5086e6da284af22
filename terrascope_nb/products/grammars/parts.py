"""What every grammar of names shares: dates, extensions, orbit directions, and the row that describes a family."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from re import Match, Pattern
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from terrascope_nb.products.names import Name

STAMP = r"[0-9]{8}T[0-9]{6}"
EXTENSION = r"(?:\.(?P<extension>tif|tiff|TIF|TIFF|xml|XML|jp2|png|json|hdf5|HDF5|nc|VRG|SAFE|zip|SAFE\.zip))?"
DIRECTIONS = {
    "ASC": "ascending",
    "ASCENDING": "ascending",
    "DSC": "descending",
    "DES": "descending",
    "DESC": "descending",
    "DESCENDING": "descending",
}
_DIGITS = {"minute": 12, "day": 8, "month": 6, "year": 4}
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
    item: Callable[[Name], str | None]
    """Name -> STAC item id, None where the name does not tell."""
    collection: Callable[[Name], str | None]
    """Name -> STAC collection id, None where there is none or the name does not tell."""
    example: str
    """A real name."""
    source: str
    """Where the grammar comes from."""
    dated_by_last: bool = False
    """The last of several moments dates the item, not the first."""


def read_stamp(text: str) -> dt.datetime:
    """Read ``20200507T104031``, ``202005071040``, ``20200507``, ``202005`` or ``2020`` as UTC.

    Raises
    ------
    ValueError
        There is no such date.
    """
    # Slices, not strptime: this runs for every file of an archive of a million.
    time = 9 if text[8:9] == "T" else 8
    return dt.datetime(
        int(text[0:4]),
        int(text[4:6] or 1),
        int(text[6:8] or 1),
        int(text[time : time + 2] or 0),
        int(text[time + 2 : time + 4] or 0),
        int(text[time + 4 : time + 6] or 0),
        tzinfo=dt.UTC,
    )


def precision_of(text: str) -> str:
    """Tell how exact a stamp is: ``second``, ``minute``, ``day``, ``month`` or ``year``."""
    return _PRECISIONS.get(len(text), "second")


def write_stamp(when: dt.datetime, precision: str) -> str:
    """Write a date as a name does: `read_stamp` backwards."""
    text = f"{when.year:04}{when.month:02}{when.day:02}"
    if precision == "second":
        return f"{text}T{when.hour:02}{when.minute:02}{when.second:02}"
    return f"{text}{when.hour:02}{when.minute:02}"[: _DIGITS[precision]]


def kept(**pairs: str | None) -> Parts:
    """Keep the pieces of a name that are there."""
    return tuple((key, value) for key, value in pairs.items() if value)


def spelled(written: str, usual: str) -> str | None:
    """Return how a piece was written, where that is not the usual way."""
    return None if written == usual else written


def joined(*pieces: object) -> str:
    """Put the pieces that are there together with underscores."""
    return "_".join(str(piece) for piece in pieces if piece not in (None, ""))


def tail(name: Name) -> str:
    """Return the extension with its dot, or nothing."""
    return f".{name.extension}" if name.extension else ""


def bare(name: Name, *, content: bool) -> Name:
    """Drop the extension, and the content unless it is part of the item's name."""
    return replace(name, extension="", content=name.content if content else "", is_quicklook=False)
