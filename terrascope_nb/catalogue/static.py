"""A static source: a folder of STAC JSON, one ItemCollection or item, or a GeoParquet file of items."""

from __future__ import annotations

import threading
from pathlib import Path

import pystac

from terrascope_nb.catalogue.items_file import (
    JSON_ENDINGS,
    PARQUET_ENDINGS,
    is_item_collection,
    item_records,
    read_json,
    read_parquet,
    to_items,
)
from terrascope_nb.catalogue.sources import Found, Request, in_order, item_of, matcher
from terrascope_nb.errors import CatalogueReplyError

_CONTAINERS = frozenset({"Catalog", "Collection"})


class StaticSource:
    """Search STAC items that lie in files; they are read at the first search and kept.

    Parameters
    ----------
    path : path
        A folder (searched with all its sub-folders), a ``.json`` or ``.geojson`` file with an ItemCollection or an
        item, a catalogue or collection (its folder is searched), or a ``.parquet`` file.

    Raises
    ------
    CatalogueReplyError
        There is nothing at that path, or its ending is not known.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        if not self.path.exists():
            raise CatalogueReplyError(
                f"STAC items were asked from {self.path}, but there is nothing there. Check the path.", path=self.path
            )
        if self.path.is_file() and self.path.suffix.lower() not in JSON_ENDINGS | PARQUET_ENDINGS:
            raise CatalogueReplyError(
                f"STAC items were asked from {self.path}, a kind of file that holds none. Give a folder, a .json "
                "ItemCollection or a .parquet file.",
                path=self.path,
            )
        self._lock = threading.Lock()
        self._read: tuple[list[pystac.Item], list[str]] | None = None

    def __repr__(self) -> str:
        return f"StaticSource({str(self.path)!r})"

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folder whose files the items may point at, if the user named one.

        A file that was named stands for itself: only hrefs that are relative in it lead to files beside it.
        """
        return (self.path,)

    def find(self, request: Request) -> Found:
        """Return the items that fit, in time.

        Raises
        ------
        CatalogueReplyError
            The file, or every file of the folder, holds no items.
        """
        with self._lock:
            if self._read is None:
                self._read = self._read_all()
        items, notes = self._read
        fits = matcher(request)
        fitting = in_order(item for item in items if fits(item))
        shown = fitting if request.max_items is None else fitting[: request.max_items]
        return Found(shown, matched=len(fitting), notes=list(notes), complete=len(shown) == len(fitting))

    def _read_all(self) -> tuple[list[pystac.Item], list[str]]:
        folder = self.path
        if folder.is_file():
            items = _read_file(folder)
            if items is not None:
                return items, []
            folder = folder.parent
        found: list[pystac.Item] = []
        broken: list[str] = []
        for path in _files(folder):
            try:
                found += _read_file(path, strict=False) or ()
            except CatalogueReplyError as error:
                broken.append(f"{path.relative_to(folder)} ({error.__cause__})")
        if not found:
            raise CatalogueReplyError(
                f"{folder} was searched as a STAC folder, but none of its files holds STAC items"
                f"{f'; not readable: {broken[0]}' if broken else ''}. If it is an archive of Terrascope files, make an "
                "index first: ts.index_archive(folder).",
                path=folder,
            )
        notes = (
            [f"{len(broken)} of the files in {folder} could not be read: {'; '.join(broken[:3])}."] if broken else []
        )
        return found, notes


def _files(folder: Path) -> list[Path]:
    endings = JSON_ENDINGS | PARQUET_ENDINGS
    inside = (path for path in folder.rglob("*") if path.suffix.lower() in endings and path.is_file())
    return sorted(path for path in inside if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _read_file(path: Path, *, strict: bool = True) -> list[pystac.Item] | None:
    """Return the items of one file; None for a catalogue or collection, and for other JSON unless ``strict``."""
    try:
        if path.suffix.lower() in PARQUET_ENDINGS:
            return to_items(read_parquet(path)[0], path)
        content = read_json(path)
        if content.get("type") in _CONTAINERS:
            return None
        if content.get("type") == "Feature" and "assets" in content:
            return [item_of(content, href=str(path.absolute()))]
        if not strict and not is_item_collection(content):
            return None
        return to_items(item_records(content), path)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        pystac.STACError,
        pystac.STACTypeError,
        OSError,
        RecursionError,
    ) as error:
        raise CatalogueReplyError(
            f"{path} was read for STAC items, but holds none: {error}. Give a STAC item, an ItemCollection or a "
            "stac-geoparquet file.",
            path=path,
        ) from error
