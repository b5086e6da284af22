"""The pages of one answer of a STAC API, once each: loops, lost items and answers that are none are noticed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import pystac
from pystac_client import Client
from pystac_client.warnings import PystacClientWarning

from terrascope_nb.catalogue.api_io import our_errors
from terrascope_nb.errors import CatalogueReplyError, TerrascopeWarning


class Pages:
    """One paging through an answer.

    Parameters
    ----------
    client : pystac_client.Client
    url : str
        What messages call the server.
    asked : mapping
        Arguments of ``client.search``.
    """

    def __init__(self, client: Client, url: str, asked: Mapping[str, Any]) -> None:
        self._client, self._url = client, url
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PystacClientWarning)
            self._search = client.search(**asked)
        self.matched: int | None = None
        """How many items the server counts; known after the first page, None when it does not count."""

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        """Yield the item dictionaries of each page.

        Raises
        ------
        CatalogueReplyError
            An answer without items, or a link that leads back.
        """
        ids: set[tuple[Any, Any]] = set()
        links: set[str] = set()
        barren = 0
        page = self._first()
        self.matched = _count(page)
        while True:
            records = self._records(page)
            before = len(ids)
            ids.update((record.get("collection"), record.get("id")) for record in records)
            # A shift at a page border can repeat one short page; two pages without news are a circle.
            barren = barren + 1 if len(ids) == before else 0
            link = next((link for link in page.get("links") or () if link.get("rel") == "next"), None)
            if link is not None and (repr(link) in links or barren > 1):
                raise CatalogueReplyError(
                    f"{self._url} gives the same page again and again: after {len(ids)} items its link to the next page "
                    "leads back. Ask for a shorter period or a smaller area, and report it to whoever runs the server.",
                    url=self._url,
                    received=len(ids),
                )
            yield records
            if link is None or not records:
                break
            links.add(repr(link))
            page = self._next(link)
        self._compare(len(ids))

    def _first(self) -> dict[str, Any]:
        search = self._search
        return self._read(search.url, method=search.method, parameters=search.get_parameters())

    def _next(self, link: Mapping[str, Any]) -> dict[str, Any]:
        return self._read(pystac.Link.from_dict(dict(link)), parameters=self._search.get_parameters())

    def _read(self, source: Any, **how: Any) -> dict[str, Any]:
        # pystac-client's own paging takes any answer of status 200 for an empty last page, hence not its iterator.
        reader = self._client._stac_io  # noqa: SLF001
        assert reader is not None
        with our_errors(self._url):
            page = reader.read_json(source, **how)
            if self._client.modifier is not None:
                self._client.modifier(page)
            return page

    def _records(self, page: Mapping[str, Any]) -> list[dict[str, Any]]:
        records = page.get("features")
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise CatalogueReplyError(
                f"{self._url} was searched, but its answer holds no list of items: {str(dict(page))[:120]}. Check that "
                "the address is the root of a STAC API.",
                url=self._url,
            )
        return records

    def _compare(self, received: int) -> None:
        if self.matched is not None and received < self.matched:
            warnings.warn(
                f"{self._url} counts {self.matched} items for this search but gave {received}: the answer may be "
                "incomplete. Ask again, or for a shorter period.",
                TerrascopeWarning,
                stacklevel=2,
            )


def _count(page: Mapping[str, Any]) -> int | None:
    context = page.get("context")
    for value in (page.get("numberMatched"), context.get("matched") if isinstance(context, dict) else None):
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None
