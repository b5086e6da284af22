"""Named areas of the user: save, list, remove; `area("my fields")` uses them again."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from pathlib import Path

from terrascope_nb.errors import AreaError, TerrascopeWarning, UnknownPlaceError, near_misses
from terrascope_nb.extent import places, shelf
from terrascope_nb.extent.aoi import AoiLike, area
from terrascope_nb.extent.mgrs import is_tile

__all__ = ["list_areas", "remove_area", "save_area"]


def save_area(name: str, what: AoiLike, *, overwrite: bool = False) -> Path:
    """Save an area under a name, for every notebook of this user.

    Parameters
    ----------
    name : str
        Letters, digits, spaces and hyphens; case does not matter when it is used again. A saved name goes before a
        place of the same name.
    what : AoiLike
        Anything `area` reads. It is kept in EPSG:4326, with its attributes.
    overwrite : bool
        True: replace an area of that name.

    Returns
    -------
    pathlib.Path
        The GeoJSON file, in the folder ``areas`` of the configuration folder.

    Raises
    ------
    AreaError
        The name is taken, or means something else (a tile, a NIS code); or the area cannot be read.

    Warns
    -----
    TerrascopeWarning
        A place has that name, which `area` no longer finds by it.
    """
    file = shelf.file_of(name)
    if is_tile(name) or name.isdecimal():
        raise AreaError(
            f"An area was to be saved as {name!r}, which means a tile or a NIS code. Choose another name.", name=name
        )
    if file.exists() and not overwrite:
        raise AreaError(
            f"An area was to be saved as {name!r}, and there is one of that name ({file}). Choose another name, or say "
            "overwrite=True.",
            name=name,
        )
    found = area(what)
    if _is_place(name):
        warnings.warn(
            f"From now on {name!r} means the area saved here, not the place of that name; remove_area({name!r}) gives "
            "the place back.",
            TerrascopeWarning,
            stacklevel=2,
        )
    data = found.to_geojson()
    data["name"] = name
    data["terrascope_nb"] = {
        "kind": found.kind,
        "notes": list(found.notes),
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return shelf.write(name, data)


def _is_place(name: str) -> bool:
    try:
        return bool(places.matches(name))
    except UnknownPlaceError:
        return False


def list_areas() -> tuple[str, ...]:
    """Return the names of the saved areas; ``area(name)`` gives one.

    Raises
    ------
    AreaError
        A saved file is damaged; the message names it.
    """
    return shelf.names()


def remove_area(name: str) -> None:
    """Forget a saved area.

    Raises
    ------
    UnknownPlaceError
        There is none of that name.
    """
    file = shelf.file_of(name)
    try:
        file.unlink()
    except FileNotFoundError as error:
        known = list_areas()
        near = near_misses(name, known)
        raise UnknownPlaceError(
            f"The saved area {name!r} was to be removed, but there is none. "
            f"{'Did you mean ' + ' or '.join(near) if near else 'There are: ' + (', '.join(known) or 'none')}.",
            name=name,
            candidates=tuple(near),
        ) from error
