"""Terrascope file and folder names: read into a Name, written back exactly."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePath

from terrascope_nb.errors import UnreadableNameError
from terrascope_nb.products.grammars import GRAMMARS, Grammar
from terrascope_nb.products.grammars.parts import Parts, write_stamp
from terrascope_nb.products.registry import product_of_collection
from terrascope_nb.products.version_order import version_key

__all__ = ["Name", "build_name", "parse_name", "parse_path", "stac_id_of", "version_key"]

_BY_PREFIX: dict[str, tuple[Grammar, ...]] = {
    prefix: tuple(g for g in GRAMMARS if prefix in g.prefixes) for grammar in GRAMMARS for prefix in grammar.prefixes
}
_BY_KIND: dict[str, Grammar] = {grammar.kind: grammar for grammar in GRAMMARS}
_DATED_BY_LAST = frozenset(grammar.kind for grammar in GRAMMARS if grammar.dated_by_last)

# File content -> asset key, where they differ (STAC item S2C_20260807T104621_31TCN_TOC_V220).
_BAND_OF_CONTENT = {"SCENECLASSIFICATION": "SCL"}
_SEVERAL_BANDS = frozenset({"RADIOMETRY", "GEOMETRY", "CGS"})
_RASTERS = frozenset({"tif", "tiff", "jp2", "nc", "hdf5"})


@dataclass(frozen=True, slots=True)
class Name:
    """What a file or folder name says; `build_name` writes it back."""

    kind: str
    """Which grammar reads it: ``s2``, ``s1-sigma0``, ``probav`` …"""
    missions: tuple[str, ...] = ()
    """Platforms as written: ``("S2A",)``; two for a coherence pair."""
    datetimes: tuple[dt.datetime, ...] = ()
    """Every moment in the name, UTC, in the order of the name."""
    precision: str = "second"
    """How exact they are: ``second``, ``minute``, ``day``, ``month`` or ``year``."""
    tile: str | None = None
    """MGRS tile ``31UFS``, PROBA-V tile ``X18Y02``, or corner ``N00E006``."""
    content: str = ""
    """What is inside: ``TOC-B04``, ``NDVI``, ``SCENECLASSIFICATION``, ``VV`` …, B08A spelled B8A."""
    product: str | None = None
    """``TOC``, ``NDVI``, ``SIGMA0`` …; None where the name alone does not say (SCL). Follows from the rest."""
    resolution: int | None = None
    """Pixel size in metres, as far as the name says."""
    version: str | None = None
    """``"210"``, ``"2.0.1"``; without the V."""
    is_quicklook: bool = False
    """A picture for people, not data."""
    orbit_direction: str | None = None
    """``ascending`` or ``descending``."""
    relative_orbit: int | None = None
    """1-175 for Sentinel-1."""
    extension: str = ""
    """``tif``, as written, without the dot; empty for a folder or an item id."""
    parts: Parts = ()
    """Pieces without a field of their own, and spellings that differ from the usual one."""
    item_resolution: int | None = None
    """Resolution of the product the file belongs to, where `parse_path` saw it in the folders."""
    notes: tuple[str, ...] = ()
    """Contradictions `parse_path` saw between folders and file."""

    @property
    def mission(self) -> str | None:
        """The platform; the later one of a pair."""
        return self.missions[-1] if self.missions else None

    @property
    def datetime(self) -> dt.datetime | None:
        """The moment that dates the item, UTC; of a coherence pair the second one, as its folder does."""
        if not self.datetimes:
            return None
        return self.datetimes[-1] if self.kind in _DATED_BY_LAST else self.datetimes[0]

    @property
    def band(self) -> str | None:
        """Asset key of the data in the file (``B04``, ``SCL``, ``NDVI``, ``VV``); None for folders, XML, quicklooks."""
        if not self.is_raster or self.content in _SEVERAL_BANDS or not self.content:
            return None
        return _BAND_OF_CONTENT.get(self.content) or self.content.rpartition("-")[2]

    @property
    def file_content(self) -> str:
        """Content and resolution as catalogues title a file: ``TOC-B04_10M``."""
        return f"{self.content}_{self.resolution}M" if self.kind == "s2" and self.resolution else self.content

    @property
    def is_file(self) -> bool:
        """Whether the name has an extension."""
        return bool(self.extension)

    @property
    def is_raster(self) -> bool:
        """Whether it names a grid of data: neither folder, XML nor quicklook."""
        return not self.is_quicklook and self.extension.lower() in _RASTERS

    @property
    def item_id(self) -> str | None:
        """The STAC id of the item it belongs to, None where name and folders do not tell."""
        grammar = _BY_KIND.get(self.kind)
        return grammar.item(self) if grammar else None

    @property
    def collection(self) -> str | None:
        """The STAC collection id, None where there is none or the name does not tell."""
        grammar = _BY_KIND.get(self.kind)
        return grammar.collection(self) if grammar else None

    @property
    def product_id(self) -> str | None:
        """Our product id, ``s2-ndvi``, None where no table has the collection."""
        return _product_id(self.collection) if self.collection else None

    def part(self, key: str) -> str:
        """One of `parts`, or the empty string."""
        for have, value in self.parts:
            if have == key:
                return value
        return ""


@lru_cache(maxsize=256)
def _product_id(collection: str) -> str | None:
    product = product_of_collection(collection)
    return product.id if product else None


def parse_name(text: str) -> Name:
    """Read a Terrascope file name, folder name or item id.

    Parameters
    ----------
    text : str
        One name, without folders.

    Returns
    -------
    Name

    Raises
    ------
    UnreadableNameError
        No documented grammar reads it, or its date is impossible; use ``.text`` and ``.reason``.

    Examples
    --------
    >>> name = parse_name("S2B_20180705T105029Z_31UFS_TOC-B08A_20M_V102.tif")
    >>> name.band, name.resolution, name.version, name.datetime.isoformat()
    ('B8A', 20, '102', '2018-07-05T10:50:29+00:00')
    >>> build_name(name)
    'S2B_20180705T105029Z_31UFS_TOC-B08A_20M_V102.tif'
    """
    for grammar in _BY_PREFIX.get(text[:3], ()):
        match = grammar.pattern.fullmatch(text)
        if match is not None:
            try:
                return Name(kind=grammar.kind, **grammar.read(match))
            except ValueError as error:
                raise _unreadable(text, f"it fits the form but is impossible ({error})") from None
    raise _unreadable(text, "it follows none of the documented grammars")


def _unreadable(text: str, reason: str) -> UnreadableNameError:
    shown = text if len(text) <= 120 else f"{text[:117]}..."
    alike = [grammar for grammar in GRAMMARS if any(prefix[:2] == text[:2] for prefix in grammar.prefixes)]
    return UnreadableNameError(
        f"cannot read the name {shown!r}: {reason}. Names look like "
        f"{' or '.join(grammar.example for grammar in alike or GRAMMARS[::3])}.",
        text=text,
        reason=reason,
    )


def build_name(name: Name) -> str:
    """Write a name: `parse_name` backwards.

    ``content``, not ``product`` or ``band``, decides what is written for Sentinel-2.

    Raises
    ------
    UnreadableNameError
        The fields make no name that could be read again.

    Examples
    --------
    >>> import dataclasses
    >>> ndvi = parse_name("S2A_20250516T104651_31UFS_NDVI_10M_V210.tif")
    >>> build_name(dataclasses.replace(ndvi, version="220", extension=""))
    'S2A_20250516T104651_31UFS_NDVI_10M_V220'
    """
    grammar = _BY_KIND.get(name.kind)
    if grammar is None:
        raise UnreadableNameError(
            f"cannot write a name of kind {name.kind!r}; kinds are {', '.join(_BY_KIND)}",
            text="",
            reason="unknown kind",
        )
    try:
        text = grammar.write(name)
    except (IndexError, KeyError) as error:
        raise UnreadableNameError(
            f"cannot write a name of kind {name.kind!r}: a piece is missing; a whole one is {grammar.example}",
            text="",
            reason=str(error),
        ) from None
    if not grammar.pattern.fullmatch(text):
        raise _unreadable(text, f"the fields make no {name.kind} name")
    return text


def parse_path(path: str | PurePath) -> Name:
    """Read a file together with the folders it stands in.

    A scene classification says its product only through its folder; so does a FAPAR quicklook its resolution.
    Folders and file that contradict each other (a date, tile or version) are said in ``notes``, never an error.

    Parameters
    ----------
    path : str or path
        Local path, ``file:`` address or download address; folders above the product folder may be missing.

    Returns
    -------
    Name

    Raises
    ------
    UnreadableNameError
        The last part of the path is no Terrascope name.

    Examples
    --------
    >>> scl = parse_path("NDVI_V2/2020/05/07/S2A_20200507T104031_31UGS_NDVI_V210/"
    ...                  "S2A_20200507T104031_31UGS_SCENECLASSIFICATION_20M_V210.tif")
    >>> scl.product, scl.band, scl.item_id
    ('NDVI', 'SCL', 'S2A_20200507T104031_31UGS_NDVI_10M_V210')
    """
    folder_text, _, last = str(path).replace("\\", "/").rstrip("/").rpartition("/")
    if _SUB_FOLDER.fullmatch(last):
        folder, sub, notes = _read_folders(f"{folder_text}/{last}")
        if folder is None:
            raise _unreadable(str(path), f"{last} stands in no product folder")
        return replace(folder, item_resolution=sub, notes=notes)
    name = parse_name(last)
    folder, sub, notes = _read_folders(folder_text)
    if folder is None:
        notes = tuple(_day_notes(folder_text, name))
        return replace(name, notes=notes) if notes else name
    notes = (*notes, *_disagreements(folder, name))
    return replace(name, product=name.product or folder.product, item_resolution=sub or folder.resolution, notes=notes)


@lru_cache(maxsize=4096)
def _read_folders(text: str) -> tuple[Name | None, int | None, tuple[str, ...]]:
    """Product folder, resolution of the sub-folder and contradictions among the folders themselves."""
    above, _, last = text.rpartition("/")
    sub = None
    if _SUB_FOLDER.fullmatch(last):
        sub = int(last[:2])
        above, _, last = above.rpartition("/")
    try:
        folder = parse_name(last)
    except UnreadableNameError:
        return None, sub, ()
    notes: list[str] = []
    higher, _, legacy = above.rpartition("/")
    if legacy[:3] in _BY_PREFIX:
        try:
            outer = parse_name(legacy)
        except UnreadableNameError:
            outer = None
        if outer is not None:
            notes.extend(_disagreements(outer, folder))
            above = higher
    notes.extend(_day_notes(above, folder))
    return folder, sub, tuple(notes)


_DAY = re.compile(r"(?:^|/)(?:((?:19|20)[0-9]{2})(?:/([0-9]{2})(?:/([0-9]{2}))?)?|([0-9]{8}))$")
_SUB_FOLDER = re.compile(r"[0-9]{2}M")


def _day_notes(folder: str, name: Name) -> list[str]:
    match = _DAY.search(folder)
    if match is None or name.datetime is None:
        return []
    folders = match[4] or "".join(part for part in match.groups()[:3] if part)
    said = write_stamp(name.datetime, name.precision if name.precision in {"year", "month"} else "day")
    digits = min(len(folders), len(said))
    return [] if folders[:digits] == said[:digits] else [f"the folders say {folders}, the name {said}"]


def _disagreements(folder: Name, name: Name) -> list[str]:
    """Say what a folder's name and the name inside it tell differently."""
    notes = []
    for field in ("missions", "tile", "product", "version", "orbit_direction", "relative_orbit"):
        outer, inner = getattr(folder, field), getattr(name, field)
        if outer and inner and outer != inner:
            notes.append(f"the folder says {field} {_shown(outer)}, the file {_shown(inner)}")
    coarser = min(folder.precision, name.precision, key=("year", "month", "day", "minute", "second").index)
    outer_dates = [write_stamp(when, coarser) for when in folder.datetimes]
    inner_dates = [write_stamp(when, coarser) for when in name.datetimes]
    if outer_dates and inner_dates and outer_dates != inner_dates:
        notes.append(f"the folder says {', '.join(outer_dates)}, the file {', '.join(inner_dates)}")
    return notes


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def stac_id_of(what: Name | str | PurePath, *, resolution: int | None = None) -> str:
    """Return the STAC item id that a file, folder or name belongs to.

    Ids of biophysical products carry the resolution, their folders do not; ids of TOC carry none.

    Parameters
    ----------
    what : Name, name or path
    resolution : int, optional
        Metres, 10 or 20, where neither name nor folders tell.

    Raises
    ------
    UnreadableNameError
        No name, or it does not tell (a scene classification without its folder, FAPAR without a resolution).

    Examples
    --------
    >>> stac_id_of("S2A_20200507T104031_31UGS_NDVI_V210")
    'S2A_20200507T104031_31UGS_NDVI_10M_V210'
    >>> stac_id_of("S2A_20190307T105021_31UFS_FAPAR_V210", resolution=20)
    'S2A_20190307T105021_31UFS_FAPAR_20M_V210'
    >>> stac_id_of("S2C_20260807T104621_31TCN_TOC-B04_10M_V220.tif")
    'S2C_20260807T104621_31TCN_TOC_V220'
    """
    name = what if isinstance(what, Name) else parse_path(what)
    if resolution is not None:
        name = replace(name, item_resolution=resolution)
    found = name.item_id
    if found is None:
        text = build_name(name)
        raise UnreadableNameError(
            f"cannot tell the item of {text!r}: the name does not say its product or resolution. "
            "Give the whole path with the product folder, or resolution=.",
            text=text,
            reason="product or resolution missing",
        )
    return found
