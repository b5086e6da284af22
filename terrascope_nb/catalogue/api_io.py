"""Requests to a STAC API through our session, and every way they fail as one of our errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pystac
import requests
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO

from terrascope_nb.errors import CatalogueError, CatalogueReplyError, CatalogueUnreachableError, TerrascopeError
from terrascope_nb.host.session import get_session

_NOT_STAC = (pystac.STACError, pystac.STACTypeError, ClientTypeError)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)


class ApiIo(StacApiIO):
    """pystac-client's input with our session, limits and errors."""

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        """Ask for one answer and return its text; anything but JSON with a good status is an error."""
        verb = (method or "GET").upper()
        as_body = {"json": parameters} if verb == "POST" else {"params": parameters}
        try:
            reply = get_session().request(verb, href, headers=headers, **as_body)  # type: ignore[arg-type]
        except requests.exceptions.RequestException as error:
            raise unreachable(href, error) from error
        if not reply.ok:
            raise refusal(href, reply.status_code, reply.text, reply.headers)
        text = reply.content.decode("utf-8", errors="replace")
        if text.lstrip()[:1] == "<":
            title = _TITLE.search(text)
            page = f" titled {title[1].strip()[:80]!r}" if title else ""
            raise CatalogueReplyError(
                f"{href} was asked for JSON, but answers with an HTML page{page}. Check the address of the STAC API "
                "(ts.get_settings().stac_url) and whether a proxy or login page stands in between.",
                url=href,
                status=reply.status_code,
            )
        return text

    def json_loads(self, txt: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Read JSON; an answer that broke off is an error that says so."""
        try:
            content = json.loads(txt, *args, **kwargs)
        except json.JSONDecodeError as error:
            raise CatalogueReplyError(
                f"The catalogue's answer is no complete JSON: it breaks at character {error.pos} of {len(txt)} "
                f"({error.msg}). Ask again; if it stays, report it to whoever runs the server.",
                received=len(txt),
            ) from error
        if not isinstance(content, dict):
            raise CatalogueReplyError(
                f"The catalogue's answer is JSON but no object: {txt[:80]!r}. Check that the address is a STAC API."
            )
        return content


@contextmanager
def our_errors(url: str) -> Iterator[None]:
    """Turn what pystac and pystac-client raise while they read an answer into our errors."""
    try:
        yield
    except TerrascopeError:
        raise
    except APIError as error:
        status = getattr(error, "status_code", None)
        raise (unreachable(url, error) if status is None else refusal(url, status, str(error), {})) from error
    except requests.exceptions.RequestException as error:
        raise unreachable(url, error) from error
    except (*_NOT_STAC, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CatalogueReplyError(
            f"{url} was asked as a STAC API, but its answer is none ({type(error).__name__}: {str(error)[:200]}). Check "
            "the address: it must be the root of the API.",
            url=url,
        ) from error


def unreachable(url: str, error: Exception) -> CatalogueUnreachableError:
    """Return the error for a server that gave no answer."""
    return CatalogueUnreachableError(
        f"{url} was asked, but gave no answer: {_innermost(error)}. Check the network and ts.doctor(), or search "
        'offline with source="sample" or an index of your own.',
        url=url,
        status=None,
    )


def refusal(url: str, status: int, text: str, headers: Mapping[str, str]) -> CatalogueError:
    """Return the error for a status that is not good."""
    said = " ".join(text.split())[:300]
    if status == 429:
        wait = headers.get("Retry-After")
        return CatalogueUnreachableError(
            f"{url} asks us to slow down (429) and still did after every retry. Wait "
            f"{f'{wait} s' if wait else 'a minute'} and search again.",
            url=url,
            status=status,
            retry_after=wait,
        )
    if status >= 500:
        return CatalogueUnreachableError(
            f"{url} was asked, but fails itself ({status}) after every retry: {said}. Try again later, or search "
            'offline with source="sample" or an index of your own.',
            url=url,
            status=status,
        )
    if status in (401, 403):
        return CatalogueReplyError(
            f"{url} refuses us ({status}): the collection needs an account. Ask for a public collection.",
            url=url,
            status=status,
        )
    return CatalogueReplyError(
        f"{url} does not accept what was asked ({status}): {said}. Check the address, the collection and the filter.",
        url=url,
        status=status,
    )


def _innermost(error: BaseException) -> str:
    inner = error
    while (deeper := inner.__cause__ or inner.__context__) is not None:
        inner = deeper
    return (str(inner) or type(inner).__name__)[:300]
