"""Turn the text of a product table (TOML) into a `Product`; a key nobody knows is an error, not a shrug.

A table may say ``use = ["_scl"]``: the shared table's plain keys are defaults, its bands follow the product's own (and
fill up one of the same name), and its quality is taken over. ``[band_defaults]`` and ``[variant_defaults]`` fill what the table's own bands and variants
leave out; ``"unknown"`` (no source says it) or ``"none"`` (there is none) takes a default away again.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any

from terrascope_nb.errors import TableError, near_misses
from terrascope_nb.products.model import Band, BitField, FlagClass, Product, Quality, Style, Variant

_LISTS = ("bands", "variants")
_ABSENT = ("unknown", "none")


@functools.cache
def _keys(kind: type) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))


def _checked(kind: type, given: Mapping[str, Any], where: str, *, extra: Sequence[str] = ()) -> dict[str, Any]:
    """Give the keys back with lists as tuples; refuse a key the dataclass does not have."""
    known = _keys(kind).union(extra)
    for key in given:
        if key not in known:
            near = near_misses(key, known)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise TableError(f"{where}: no key {key!r} in a {kind.__name__}.{hint}", key=key)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}


def _joined(own: Sequence[Mapping[str, Any]], shared: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Own entries first, each filled up from the shared one of the same name; the other shared ones follow."""
    by_name = {entry.get("name"): entry for entry in shared}
    names = {entry.get("name") for entry in own}
    filled = [{**by_name.get(entry.get("name"), {}), **entry} for entry in own]
    return [*filled, *(entry for entry in shared if entry.get("name") not in names)]


def _class(given: Mapping[str, Any], where: str) -> FlagClass:
    return FlagClass(**_checked(FlagClass, given, f"{where}, class {given.get('value')}"))


def _band(given: Mapping[str, Any], where: str) -> Band:
    where = f"{where}, band {given.get('name')}"
    given = {key: value for key, value in given.items() if value not in _ABSENT}
    values = _checked(Band, given, where)
    values["classes"] = tuple(_class(item, where) for item in given.get("classes", ()))
    if "style" in given:
        values["style"] = Style(**_checked(Style, given["style"], f"{where}, style"))
    return Band(**values)


def _quality(given: Mapping[str, Any], where: str) -> Quality:
    values = _checked(Quality, given, f"{where}, quality")
    values["presets"] = {name: tuple(kept) for name, kept in given.get("presets", {}).items()}
    values["fields"] = tuple(
        # TOML keys are text; field values are numbers.
        BitField(**{**_checked(BitField, item, where), "values": {int(k): v for k, v in item["values"].items()}})
        for item in given.get("fields", ())
    )
    return Quality(**values)


def read_product(text: str, shared: Callable[[str], Mapping[str, Any]], *, where: str) -> Product:
    """Return the product a table describes.

    Parameters
    ----------
    text : str
        The TOML.
    shared : callable
        Gives the parsed shared table of a name in ``use``.
    where : str
        Name of the table, for messages.

    Returns
    -------
    Product

    Raises
    ------
    TableError
        The table is no TOML, has an unknown key, or contradicts itself.
    """
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{where}: not readable as TOML: {error}") from error
    band_defaults = given.pop("band_defaults", {})
    variant_defaults = given.pop("variant_defaults", {})
    given["bands"] = [{**band_defaults, **band} for band in given.get("bands", ())]
    given["variants"] = [{**variant_defaults, **variant} for variant in given.get("variants", ())]
    for name in given.pop("use", ()):
        for key, value in shared(name).items():
            if key in _LISTS:
                given[key] = _joined(given[key], value)
            else:
                given.setdefault(key, value)
    try:
        return _product(given, where)
    except TypeError as error:  # a required key is missing: the dataclasses say which
        raise TableError(f"{where}: {error}") from error


def _product(given: Mapping[str, Any], where: str) -> Product:
    values = _checked(Product, given, where)
    values.setdefault("default_bands", ())
    values["bands"] = tuple(_band(item, where) for item in given["bands"])
    values["variants"] = tuple(
        Variant(**_checked(Variant, item, f"{where}, variant {item.get('collection')}")) for item in given["variants"]
    )
    if "quality" in given:
        values["quality"] = _quality(given["quality"], where)
    return Product(**values)
