"""What a person types, pastes, uploads or looks up becomes an area, with what was found on the way."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import requests
import shapely

from terrascope_nb.errors import AreaError, CatalogueReplyError, UnknownPlaceError
from terrascope_nb.extent.aoi import Aoi, AoiLike, area
from terrascope_nb.extent.aoi_files import SUFFIXES
from terrascope_nb.extent.mgrs import is_tile
from terrascope_nb.extent.places import find_place, list_places
from terrascope_nb.host.session import get_session
from terrascope_nb.services.viewer import ViewerView, read_viewer_link
from terrascope_nb.settings import get_settings
from terrascope_nb.widgets.parts.overheard import overheard
from terrascope_nb.words import say

ACCEPTED = ",".join((*SUFFIXES, ".shx", ".dbf", ".prj", ".cpg"))
"""What an upload button offers; a shapefile comes with its other files."""
MOST_UPLOADED = 9_000_000
"""Bytes. Jupyter servers cut the connection when one message is larger than 10 MiB, and text is a third larger."""
_BESIDE = (".shx", ".dbf", ".prj", ".cpg")
_NIS = re.compile(r"\(.*NIS (\d{5})\)\s*")
_NOMINATIM = "https://nominatim.openstreetmap.org/search"


@dataclass(frozen=True, slots=True)
class Read:
    """An area, and what was said while it was read."""

    area: Aoi
    """The area."""
    said: tuple[str, ...] = ()
    """Sentences for the person: what was mended or chosen."""
    link: ViewerView | None = None
    """The view behind a Terrascope viewer link, with its product and date; None for anything else."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A place that an online service found."""

    name: str
    """As the service writes it."""
    bbox: tuple[float, float, float, float]
    """West, south, east, north in degrees."""


def read_any(what: AoiLike, *, name: str | None = None) -> Read:
    """Return an area from anything that `area` reads, warnings as sentences.

    Raises
    ------
    AreaError
        As `area`.
    """
    with overheard() as said:
        found = area(what, name=name) if name else area(what)
    return Read(found, tuple(said))


def read_text(text: str) -> Read:
    """Return the area of a typed or pasted text.

    Parameters
    ----------
    text : str
        A Terrascope viewer link, or what `area` reads: bbox, WKT, GeoJSON, tile, place, NIS code, saved name, path.
        Several tiles or places may stand with commas between.

    Raises
    ------
    AreaError
        It is no area; the message says what can be written.
    """
    text = text.strip()
    if not text:
        how = say("Write a place, a tile such as 31UES, west, south, east, north in degrees, WKT or GeoJSON.")
        raise AreaError(f"{say('Nothing was typed.')} {how}")
    if is_link(text):
        return _read_link(text)
    tokens = [token for token in re.split(r"[\s,;]+", text) if token]
    if len(tokens) > 1 and all(is_tile(token) for token in tokens):
        return read_any(list(dict.fromkeys(tokens)))
    try:
        return read_any(text)
    except UnknownPlaceError as error:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if len(parts) > 1:
            return read_any(parts)
        raise _unknown(text, error) from error


def is_link(what: object) -> bool:
    """Tell whether something is a text that starts like an address of the web."""
    return isinstance(what, str) and re.match(r"\s*https?://", what, re.IGNORECASE) is not None


def _unknown(text: str, error: UnknownPlaceError) -> UnknownPlaceError:
    """Say in the reader's language that a text is nothing we know; several places of one name keep their list."""
    near = [str(one) for one in error.facts.get("candidates", ())]  # type: ignore[attr-defined]
    if error.facts.get("ambiguous"):
        return error
    said = say("{asked} is no place in Belgium, no tile, no saved area and no file.", asked=f"“{text:.80}”")
    how = say("Write a place, a tile such as 31UES, west, south, east, north in degrees, WKT or GeoJSON.")
    if near:
        said += " " + say("Did you mean {names}?", names=", ".join(near))
    return UnknownPlaceError(f"{said} {how}", name=text, candidates=tuple(near))


def _read_link(text: str) -> Read:
    """Return the area of a viewer link; the sentences name its product and date."""
    view = read_viewer_link(text)
    if view.area is None:
        raise AreaError(
            f"{say('The link shows no area.')} {say('Move the map of the viewer to your area and copy its link anew.')}"
        )
    shown = [part for part in (view.product, view.date and view.date.isoformat()) if part]
    told = (say("The link shows {what}.", what=", ".join(shown)),) if shown else ()
    read = read_any(view.area, name=say("viewer link"))
    return Read(read.area, (*read.said, *told, *view.notes), view)


def read_files(files: Iterable[Mapping[str, Any]]) -> Read:
    """Return the area of uploaded files, each a mapping with ``name`` and ``content`` (bytes).

    The files of one shapefile belong together; several areas become one with all their features.

    Raises
    ------
    AreaError
        No file of a known kind, a file that cannot be read, or more than a Jupyter server passes on.
    """
    uploaded = [(_plain_name(str(one["name"])), bytes(one["content"])) for one in files]
    if not uploaded:
        raise AreaError("No file was chosen. Choose GeoJSON, GeoPackage, a zipped shapefile, KML, GML, GPX or WKT.")
    if sum(len(content) for _, content in uploaded) > MOST_UPLOADED:
        raise AreaError(
            f"The files are larger than {MOST_UPLOADED / 1e6:g} MB together, which a Jupyter server does not pass on. Put "
            "the file beside the notebook and type its name instead."
        )
    mains = [name for name, _ in uploaded if PurePosixPath(name).suffix.lower() not in _BESIDE]
    if not mains:
        raise AreaError(
            f"Only {', '.join(name for name, _ in uploaded)} came, which are parts of a shapefile. Choose the .shp file "
            "too, all of them at once, or a zip of them."
        )
    with tempfile.TemporaryDirectory(prefix="terrascope-upload-") as folder:
        for name, content in uploaded:
            (Path(folder) / name).write_bytes(content)
        paths = [Path(folder) / name for name in mains]
        return read_any(paths[0] if len(paths) == 1 else paths)


def _plain_name(name: str) -> str:
    """Return the last part of a file name, so that no upload leads out of its folder."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    if last in ("", ".", ".."):
        raise AreaError(f"A file was uploaded under the name {name!r}, which is none. Rename it.")
    return last


def place_names() -> tuple[str, ...]:
    """Return every Belgian place as it is offered for choice: names, kind in the reader's language, and NIS code."""
    kinds = {
        "municipality": say("municipality"),
        "arrondissement": say("arrondissement"),
        "province": say("province"),
        "region": say("region"),
        "country": say("country"),
    }
    return tuple(f"{place.name} ({kinds[place.kind]}, NIS {place.nis})" for place in list_places(None))


def read_place(text: str) -> Read:
    """Return the outline of a Belgian place, offline.

    Parameters
    ----------
    text : str
        A name, a NIS code, or a line of `place_names`.

    Raises
    ------
    UnknownPlaceError
        No such place, or several; the message lists them.
    """
    told = _NIS.search(text)
    return read_any(find_place(told[1] if told else text))


def ask_online(text: str, *, url: str = _NOMINATIM) -> tuple[Hit, ...]:
    """Ask OpenStreetMap's Nominatim for a place; the text leaves this machine.

    Parameters
    ----------
    text : str
        What to look for.
    url : str
        Another server with the same interface.

    Returns
    -------
    tuple of Hit
        At most five, best first. The places are © OpenStreetMap contributors (ODbL).

    Raises
    ------
    UnknownPlaceError
        The service knows nothing of that name, or the setting ``offline`` is on.
    CatalogueReplyError
        The service gave no answer that can be read.
    """
    if get_settings().offline:
        raise UnknownPlaceError(
            f"{text!r} was to be looked up online, but the setting offline is on. Search a Belgian place instead.",
            name=text,
        )
    try:
        reply = get_session().get(url, params={"q": text, "format": "jsonv2", "limit": "5"})
        reply.raise_for_status()
        hits = tuple(_hit(one) for one in reply.json())
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise CatalogueReplyError(
            f"{text!r} was looked up at {url}, which did not answer as it should: {error}. Try again later, or search a "
            "Belgian place offline.",
            url=url,
        ) from error
    if not hits:
        raise UnknownPlaceError(
            f"{text!r} was looked up at {url}, which knows no such place. Write it in full.", name=text
        )
    return hits


def _hit(found: Mapping[str, Any]) -> Hit:
    # Nominatim writes south, north, west, east.
    south, north, west, east = (float(number) for number in found["boundingbox"])
    return Hit(str(found["display_name"]), (west, south, east, north))


def text_of(found: Aoi, ids: Sequence[str] = ()) -> str:
    """Return an area, or some of its features, as a text that `read_text` reads: a tile, a bbox or WKT.

    >>> text_of(area("31UES")), text_of(area((3.7, 51.1, 3.8, 51.2)))
    ('31UES', '3.7, 51.1, 3.8, 51.2')
    """
    chosen = [feature for feature in found.in_crs("EPSG:4326") if not ids or feature.id in ids]
    if found.kind == "tile":
        return ", ".join(feature.id for feature in chosen)
    if found.kind == "bbox" and len(chosen) == 1:
        return ", ".join(f"{number:.10g}" for number in chosen[0].geometry.bounds)
    shape = chosen[0].geometry if len(chosen) == 1 else shapely.union_all([feature.geometry for feature in chosen])
    return str(shapely.to_wkt(shape, rounding_precision=7, trim=True))
