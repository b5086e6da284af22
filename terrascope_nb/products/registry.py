"""Find a product by any of its names; a table is read when it is first needed, then kept."""

from __future__ import annotations

import functools
import html
import os
import re
import threading
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from terrascope_nb.errors import TableError, UnknownProductError, near_misses
from terrascope_nb.products.model import Product, Variant, in_language
from terrascope_nb.products.reader import read_product

if TYPE_CHECKING:
    import pandas as pd

_FAMILIES = (
    "sentinel-2", "sentinel-1", "proba-v", "spot-vgt", "cgls", "sentinel-3", "sentinel-5p", "worldcover", "worldcereal",
    "lcfm", "dem", "water", "flanders", "other",
)  # fmt: skip
_FOLDER = Path(__file__).parent / "tables"
"""A plain path: the package is always unpacked, and the first call of a process waits for it."""
_SOUND = re.compile(r"^terrascope-|-v\d+$")
"""What the platform adds to a short name to make a collection id."""
_lock = threading.RLock()


@functools.cache
def _names() -> tuple[str, ...]:
    """Names of all tables, shared ones with a leading ``_``."""
    return tuple(sorted(name.removesuffix(".toml") for name in os.listdir(_FOLDER) if name.endswith(".toml")))  # noqa: PTH208


@functools.cache
def _text(name: str) -> str:
    """Return the text of a table; reading is cheap, parsing is not."""
    with open(f"{_FOLDER}/{name}.toml", "rb", buffering=0) as file:  # noqa: PTH123 - the first call waits for it
        return file.read().decode().replace("\r\n", "\n")


@functools.cache
def _shared(name: str) -> Mapping[str, Any]:
    if name not in _names():
        raise TableError(f"a table asks for the shared table {name!r}, which is not there", name=name)
    return tomllib.loads(_text(name))


@functools.cache
def _parse(product_id: str) -> Product:
    product = read_product(_text(product_id), _shared, where=f"tables/{product_id}.toml")
    if product.id != product_id:
        raise TableError(f"tables/{product_id}.toml describes {product.id!r}: file and id must agree", name=product_id)
    return product


def _product(product_id: str) -> Product:
    with _lock:  # functools.cache alone could build two copies when two threads ask at once
        return _parse(product_id)


def _product_ids() -> list[str]:
    return [name for name in _names() if not name.startswith("_")]


def names_of(variant: Variant) -> tuple[str, ...]:
    """Return every name a variant is known by: collection ids, URN, the URN's tail, legacy types."""
    tail = (variant.opensearch.rsplit(":", 1)[-1],) if variant.opensearch else ()
    urn = (variant.opensearch,) if variant.opensearch else ()
    return (variant.collection, *variant.other_ids, *urn, *tail, *variant.legacy_types)


def _loose(name: str) -> str:
    """Return a name without case and with ``-`` for ``_``: test catalogues write the ids with underscores."""
    return name.lower().replace("_", "-")


@functools.cache
def _locate(name: str) -> tuple[str, int] | None:
    """Product id and variant number of a name: exactly first, then loosely."""
    loose, ids = _loose(name), _product_ids()
    if loose in ids:
        return loose, 0
    # No name means two products, so the table that a collection id sounds like is looked at first. Only tables whose text
    # ends a string with the name are parsed.
    for key in sorted(ids, key=_SOUND.sub("", loose).__ne__):
        if f'{name}"' in _text(key):
            for number, variant in enumerate(_product(key).variants):
                if name in names_of(variant):
                    return key, number
    for key in ids:
        if f'{loose}"' in _loose(_text(key)):
            for number, variant in enumerate(_product(key).variants):
                if loose in {_loose(known) for known in names_of(variant)}:
                    return key, number
    return None


def _unknown(name: str) -> UnknownProductError:
    known = [*_product_ids()]
    for product in list_products():
        known += [known_as for variant in product.variants for known_as in names_of(variant)]
    near = near_misses(name, known)
    # a family word ("ndvi", "worldcover") is no near spelling of an id, yet clear enough to help
    word = name.lower().strip()
    inside = [known_id for known_id in _product_ids() if word and word in known_id]
    hints = list(dict.fromkeys([*near, *inside]))[:6]
    hint = f" Did you mean {' or '.join(hints)}?" if hints else ""
    return UnknownProductError(
        f"no product {name!r}: it is none of our {len(_product_ids())} ids, and no collection id, URN or product type."
        f"{hint} list_products() shows them all.",
        product=name,
        near=tuple(hints),
    )


def find_variant(name: str) -> tuple[Product, Variant]:
    """Return the product a name belongs to, and the variant (collection) it means.

    Parameters
    ----------
    name : str
        Our id (the first variant is meant), a STAC collection id, a URN or its tail, or a legacy product type. Names
        are tried exactly, then in any case and with ``_`` for ``-``.

    Returns
    -------
    tuple of Product and Variant

    Raises
    ------
    UnknownProductError
        No such name; the message gives near misses.

    Examples
    --------
    >>> product, variant = find_variant("terrascope-probav-s10-toc-333m-cog-v2")
    >>> product.id, variant.resolution
    ('probav-s10-toc', '333m')
    """
    found = _locate(name.strip())
    if found is None:
        raise _unknown(name)
    product = _product(found[0])
    return product, product.variants[found[1]]


def get_product(name: str | Product) -> Product:
    """Return the product of that name.

    Parameters
    ----------
    name : str or Product
        Our id (``"s2-ndvi"``), a STAC collection id, an OpenSearch URN or its tail, or a legacy product type
        (``"CGS_S2_FAPAR_10M"``). A product is given back as it is.

    Returns
    -------
    Product

    Raises
    ------
    UnknownProductError
        No such name; the message gives near misses.

    Examples
    --------
    >>> get_product("urn:eop:VITO:TERRASCOPE_S2_NDVI_V2").id
    's2-ndvi'
    """
    return name if isinstance(name, Product) else find_variant(name)[0]


def product_of_collection(collection_id: str) -> Product | None:
    """Return the product a collection belongs to, or None when the tables do not know the collection.

    Examples
    --------
    >>> product_of_collection("terrascope-s2-ndvi-v2").id
    's2-ndvi'
    >>> product_of_collection("my-own-collection") is None
    True
    """
    found = _locate(collection_id)
    return None if found is None else _product(found[0])


class ProductList(Sequence[Product]):
    """Products in the order of the archive's families; shows itself as a table."""

    __slots__ = ("_products",)

    def __init__(self, products: Sequence[Product]) -> None:
        self._products = tuple(products)

    @overload
    def __getitem__(self, index: int) -> Product: ...
    @overload
    def __getitem__(self, index: slice) -> ProductList: ...
    def __getitem__(self, index: int | slice) -> Product | ProductList:
        found = self._products[index]
        return ProductList(found) if isinstance(found, tuple) else found

    def __len__(self) -> int:
        return len(self._products)

    def __iter__(self) -> Iterator[Product]:
        return iter(self._products)

    def rows(self, language: str = "en") -> list[dict[str, str | int]]:
        """Return one dictionary a product: id, title, family, collections, bands."""
        return [
            {
                "id": product.id,
                "title": in_language(product.title, language),
                "family": product.family,
                "collections": len(product.variants),
                "bands": " ".join(band.name for band in product.bands),
            }
            for product in self
        ]

    def to_dataframe(self, language: str = "en") -> pd.DataFrame:
        """Return the table as a pandas DataFrame, one row a product, indexed by our id."""
        import pandas as pd  # heavy, and only this method wants it

        return pd.DataFrame(self.rows(language)).set_index("id")

    def __repr__(self) -> str:
        rows = self.rows()
        width = max((len(str(row["id"])) for row in rows), default=2)
        lines = [f"{row['id']!s:<{width}}  {row['title']}" for row in rows]
        return "\n".join([f"{len(rows)} products", *lines])

    def _repr_html_(self) -> str:
        rows = self.rows()
        heads = ("id", "title", "family", "collections", "bands")
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in heads)
        body = "".join(
            "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(str(row[n]))}</td>" for n in heads) + "</tr>"
            for row in rows
        )
        return f"<p>{len(rows)} products</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


@functools.cache
def list_products() -> ProductList:
    """Return all products, Sentinel-2 first; shows itself as a table.

    Returns
    -------
    ProductList
        A sequence of `Product`; ``to_dataframe()`` gives a pandas table.

    Examples
    --------
    >>> "s2-ndvi" in [product.id for product in list_products()]
    True
    """
    return ProductList(sorted(map(_product, _product_ids()), key=_place))


def _place(product: Product) -> tuple[int, str]:
    return (_FAMILIES.index(product.family), product.id)


def products_that_say(word: str) -> list[Product]:
    """Return the products with a word in their tables, in the order of `list_products`; no other table is read.

    >>> "s2-ndvi" in [product.id for product in products_that_say("NDVI")]
    True
    """
    shared = [name for name in _names() if name.startswith("_") and word in _text(name)]
    found = [name for name in _product_ids() if any(said in _text(name) for said in (word, *shared))]
    return sorted(map(_product, found), key=_place)
