"""CQL2 expressions: read once, evaluated on items in this process, and levelled for a server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pystac

from terrascope_nb.errors import FilterError, MissingExtraError

VERSION_PROPERTIES = frozenset({"processing:version", "version", "id", "title"})
"""Properties by which an expression can name one of two twins."""


def cql2_filter(expression: str | Mapping[str, Any]) -> Callable[[pystac.Item], bool]:
    """Turn a CQL2 expression into a function of an item.

    Parameters
    ----------
    expression : str or mapping
        CQL2 text or CQL2 JSON. ``eo:cloud_cover`` and ``properties.eo:cloud_cover`` both name the property.

    Returns
    -------
    callable
        True where the expression holds; a comparison with a property the item lacks does not hold (SQL's null).

    Raises
    ------
    FilterError
        The expression cannot be read, or compares things that cannot be compared.
    MissingExtraError
        The library ``cql2`` is not installed.

    Examples
    --------
    >>> import datetime, pystac
    >>> item = pystac.Item("a", None, None, datetime.datetime(2025, 5, 16), {"eo:cloud_cover": 4.5})
    >>> cql2_filter("eo:cloud_cover < 10")(item), cql2_filter("gsd = 10")(item)
    (True, False)
    """
    parsed = _parse(expression)
    names = named_properties(expression)

    def holds(item: pystac.Item) -> bool:
        properties = dict(item.properties)
        if item.datetime is not None:
            properties["datetime"] = item.datetime.isoformat().replace("+00:00", "Z")
        record = {
            "type": "Feature", "id": item.id, "collection": item.collection_id,
            "geometry": item.geometry, "bbox": item.bbox, "properties": properties,
        }  # fmt: skip
        try:
            return bool(parsed.matches(record))
        except Exception as error:
            # The library raises a bare Exception both for a null and for things that cannot be compared.
            if any(properties.get(name, record.get(name)) is None for name in names):
                return False
            raise FilterError(
                f"The filter {_text(expression)} cannot be applied to {item.id}: {error}. Compare numbers with numbers "
                "and text with text.",
                filter=expression,
                item=item.id,
            ) from error

    return holds


def filter_json(expression: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return the expression as CQL2 JSON with plain property names, as the standard asks of a client."""
    levelled = _levelled(_parse(expression).to_json())
    assert isinstance(levelled, dict)
    return levelled


def named_properties(expression: str | Mapping[str, Any]) -> set[str]:
    """Names of the properties an expression uses, without the prefix ``properties.``."""
    return set(_names(filter_json(expression)))


def _parse(expression: str | Mapping[str, Any]) -> Any:
    try:
        import cql2  # a compiled library of 13 MB that only searches with a filter need
    except ImportError as error:
        raise MissingExtraError(
            "filter= needs the library cql2, which is not installed. Next: pip install cql2", extra="cql2"
        ) from error
    try:
        return cql2.Expr(dict(expression) if isinstance(expression, Mapping) else expression)
    except Exception as error:  # the library raises bare Exception for every kind of bad input
        raise FilterError(
            f"The filter {_text(expression)} is not CQL2: {_reason(error)}. Write for example "
            "\"eo:cloud_cover < 10 AND platform = 'sentinel-2a'\".",
            filter=expression,
        ) from error


def _text(expression: str | Mapping[str, Any]) -> str:
    text = expression if isinstance(expression, str) else json.dumps(dict(expression))
    return repr(text if len(text) <= 200 else text[:197] + "...")


def _reason(error: Exception) -> str:
    """Return the parser's complaint in one line; it draws a picture over several."""
    lines = str(error).strip().splitlines() or ["unreadable"]
    place = re.search(r"-->\s*\d+:(\d+)", lines[0])
    return f"at character {place[1]}: {lines[-1].strip(' =')[:120]}" if place else lines[0]


def _levelled(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: value.removeprefix("properties.") if key == "property" and isinstance(value, str) else _levelled(value)
            for key, value in node.items()
        }
    return [_levelled(part) for part in node] if isinstance(node, list) else node


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "property" and isinstance(value, str):
                yield value
            else:
                yield from _names(value)
    elif isinstance(node, list):
        for part in node:
            yield from _names(part)
