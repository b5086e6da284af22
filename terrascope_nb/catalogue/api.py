"""A STAC API as a source: asked through pystac-client, believed only where its items fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pystac
import shapely
from pystac_client import Client
from pystac_client.warnings import PystacClientWarning
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from terrascope_nb.catalogue.api_io import ApiIo, our_errors
from terrascope_nb.catalogue.api_pages import Pages
from terrascope_nb.catalogue.expressions import filter_json
from terrascope_nb.catalogue.sources import CEILING, Found, Request, in_order, item_of, matcher, request_area
from terrascope_nb.errors import CatalogueError, CatalogueReplyError, near_misses
from terrascope_nb.extent.mgrs import is_tile, tile_footprint

_PAGE = 100  # pages of 100 items are known to be answered (notes of the R client for Terrascope)
_MOST_VERTICES = 500
_IN_TIME = [{"field": "properties.datetime", "direction": "asc"}, {"field": "id", "direction": "asc"}]


@dataclass(slots=True)
class _Reading:
    """What came of one question."""

    items: list[pystac.Item] = field(default_factory=list)
    """Those that fit."""
    seen: set[tuple[str | None, str]] = field(default_factory=set)
    """All that came."""
    repeats: int = 0
    """How often an item came again."""
    misfits: int = 0
    """Items the server should have left out."""
    matched: int | None = 0
    """What the server counts."""
    complete: bool = True
    """False: there is more."""


class ApiSource:
    """Search a STAC API.

    Parameters
    ----------
    where : str or pystac_client.Client
        Root of the API, or a client that is open already (its own headers and modifiers are used).
    """

    def __init__(self, where: str | Client) -> None:
        self.url = where.rstrip("/") if isinstance(where, str) else str(where.get_self_href() or where.id)
        self._client = where if isinstance(where, Client) else None

    def __repr__(self) -> str:
        return f"ApiSource({self.url!r})"

    def find(self, request: Request) -> Found:
        """Return the items that fit, in time; each is checked here, whatever the server says it filters.

        Collections, days and the area are always sent; cloud cover, tile, orbit and a CQL2 expression only to a server
        that says it filters. A filter that is refused, or answered with nothing although the first page without it
        holds fitting items, is left to this process, and the notes say so.

        Raises
        ------
        CatalogueUnreachableError
            No answer, or 429 and 5xx to the end; ``status`` and ``url`` are attributes.
        CatalogueReplyError
            HTML, broken JSON, an unknown collection, pages without end, or a refusal.
        """
        client = self._open()
        notes: list[str] = []
        asked = self._asked(client, request)
        if request.filter is not None and "filter" not in asked:
            notes.append("The server does not filter by CQL2: all its items for area and period were checked here.")
        try:
            reading = self._read(client, request, asked)
        except CatalogueReplyError as error:
            status = getattr(error, "status", None)
            if status == 404:
                raise self._unknown_collection(client, request) or error from error
            if status != 400 or not asked.keys() & {"filter", "sortby"}:
                raise
            notes.append("The server refused filter or order: all its items for area and period were checked here.")
            reading = self._read(client, request, _plain(asked))
        if not reading.seen and "filter" in asked and self._swallows_filters(client, request, asked):
            notes.append("The server answers nothing once it gets a filter: all its items were checked here.")
            reading = self._read(client, request, _plain(asked))
        if not reading.seen and (unknown := self._unknown_collection(client, request)):
            raise unknown
        return _found(request, reading, notes)

    def _open(self) -> Client:
        if self._client is None:
            with our_errors(self.url), warnings.catch_warnings():
                warnings.simplefilter("ignore", PystacClientWarning)
                self._client = Client.open(self.url, stac_io=ApiIo())
        return self._client

    def _asked(self, client: Client, request: Request) -> dict[str, Any]:
        """Return the arguments of ``client.search``, the days left out."""
        asked: dict[str, Any] = {"limit": _PAGE}
        if request.collections:
            asked["collections"] = list(request.collections)
        outline = _server_area(request)
        if outline is not None:
            asked["intersects"] = mapping(outline)
        if _claims(client, "sort"):
            asked["sortby"] = _IN_TIME
        clauses = list(_clauses(request))
        if clauses and _claims(client, "filter"):
            asked["filter"] = clauses[0] if len(clauses) == 1 else {"op": "and", "args": clauses}
            asked["filter_lang"] = "cql2-json"
        return asked

    def _read(self, client: Client, request: Request, asked: Mapping[str, Any]) -> _Reading:
        fits, promised = matcher(request), matcher(_promised(request, asked))
        reading = _Reading()
        # Without a sorted answer the first in time are known only once all are here.
        most = request.max_items if "sortby" in asked else None
        ceiling = max(CEILING, request.max_items or 0)
        for span in request.period.per_span_stac() if request.period else [None]:
            pages = Pages(client, self.url, {**asked, "datetime": span} if span else asked)
            for number, page in enumerate(pages):
                if number == 0 and reading.matched is not None:
                    reading.matched = None if pages.matched is None else reading.matched + pages.matched
                for record in page:
                    self._take(record, reading, fits, promised)
                if (most is not None and len(reading.items) > most) or len(reading.seen) > ceiling:
                    reading.complete = False
                    return reading
        return reading

    def _take(
        self,
        record: dict[str, Any],
        reading: _Reading,
        fits: Callable[[pystac.Item], bool],
        promised: Callable[[pystac.Item], bool],
    ) -> None:
        key = (record.get("collection"), str(record.get("id")))
        if key in reading.seen:
            reading.repeats += 1
            return
        reading.seen.add(key)
        with our_errors(self.url):
            item = item_of(record)
        if fits(item):
            reading.items.append(item)
        elif not promised(item):
            reading.misfits += 1

    def _swallows_filters(self, client: Client, request: Request, asked: Mapping[str, Any]) -> bool:
        """Tell whether the first page without the filter holds items that fit with it."""
        plain = _plain(asked)
        if request.period:
            plain["datetime"] = request.period.to_stac()
        fits = matcher(request)
        with our_errors(self.url):
            return any(fits(item_of(record)) for record in next(iter(Pages(client, self.url, plain))))

    def _unknown_collection(self, client: Client, request: Request) -> CatalogueError | None:
        """Return the error that names a collection the server does not have; None when it has one of them."""
        missing = [name for name in request.collections if self._lacks(client, name)]
        if not missing or len(missing) < len(request.collections):
            return None
        with our_errors(self.url), warnings.catch_warnings():
            warnings.simplefilter("ignore", PystacClientWarning)
            there = [collection.id for collection in client.get_collections()]
        near = near_misses(missing[0], there)
        hint = f" Near: {', '.join(near)}." if near else ""
        return CatalogueReplyError(
            f"{self.url} has no collection {', '.join(missing)}; it has {len(there)} others.{hint} Ask for one of those "
            "or search another source.",
            url=self.url,
            status=404,
            collection=missing[0],
        )

    def _lacks(self, client: Client, name: str) -> bool:
        try:
            with our_errors(self.url), warnings.catch_warnings():
                warnings.simplefilter("ignore", PystacClientWarning)
                return client.get_collection(name) is None
        except CatalogueReplyError as error:
            if getattr(error, "status", None) == 404:
                return True
            raise


def _claims(client: Client, extension: str) -> bool:
    # Not Client.conforms_to: it knows v1.0 only, and servers of today announce sorting as v1.1.0.
    return any(uri.endswith(f"/item-search#{extension}") for uri in client.get_conforms_to())


def _found(request: Request, reading: _Reading, notes: list[str]) -> Found:
    if reading.misfits:
        notes.append(f"The server gave {reading.misfits} items that do not fit what it was asked; they were left out.")
    if reading.repeats:
        notes.append(f"The server gave {reading.repeats} items twice; each counts once.")
    items = in_order(reading.items)
    fitting, complete = len(items), reading.complete
    if request.max_items is not None and fitting > request.max_items:
        items, complete = items[: request.max_items], False
    return Found(items, matched=fitting if reading.complete else reading.matched, notes=notes, complete=complete)


def _plain(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name not in ("filter", "filter_lang", "sortby")}


def _server_area(request: Request) -> BaseGeometry | None:
    """Return the area to send: the request's own, a simpler one around it, or that of its tiles."""
    outline = request_area(request)
    if outline is None:
        tiles = [tile_footprint(tile) for tile in request.tile if is_tile(tile)]
        outline = shapely.union_all(tiles) if tiles and len(tiles) == len(request.tile) else None
    if outline is None or (_vertices(outline) <= _MOST_VERTICES and outline.geom_type != "GeometryCollection"):
        return outline
    hull = outline.convex_hull
    return hull if _vertices(hull) <= _MOST_VERTICES else outline.envelope


def _vertices(outline: BaseGeometry) -> int:
    return int(shapely.get_num_coordinates(outline))


def _clauses(request: Request) -> Iterator[dict[str, Any]]:
    """Yield what a server may filter by; an item that does not know a property comes along and is checked here."""
    if request.max_cloud is not None:
        yield _or_null("<=", "eo:cloud_cover", [request.max_cloud])
    if request.tile:
        yield _or_null("=", "grid:code", [f"MGRS-{tile}" for tile in request.tile])
    if request.relative_orbit:
        yield _or_null("=", "sat:relative_orbit", list(request.relative_orbit))
    if request.orbit_direction:
        yield _or_null("=", "sat:orbit_state", [request.orbit_direction])
    if request.filter is not None:
        yield filter_json(request.filter)


def _or_null(operator: str, name: str, values: list[Any]) -> dict[str, Any]:
    choices = [{"op": operator, "args": [{"property": name}, value]} for value in values]
    return {"op": "or", "args": [*choices, {"op": "isNull", "args": [{"property": name}]}]}


def _promised(request: Request, asked: Mapping[str, Any]) -> Request:
    """Return the part of a request that the server, as it was asked, should have filtered exactly."""
    outline = request_area(request)
    exact = outline is not None and _server_area(request) is outline
    return replace(
        request,
        bbox=None,
        geometry=outline if exact else None,
        tile=(),
        resolution=None,
        orbit_direction=None,
        relative_orbit=(),
        platform=(),
        max_cloud=request.max_cloud if "filter" in asked else None,
        filter=request.filter if "filter" in asked else None,
    )
