"""What a product says about itself, as text and as HTML."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from terrascope_nb.products.model import Band, Product


def _encoding(band: Band) -> str:
    """How stored numbers become values, in a few words."""
    if band.kind != "measurement":
        return f"{len(band.classes)} classes" if band.classes else "flags, as stored"
    if band.scale is None:
        return "scale from the item"
    offset = "" if not band.offset else f" {'-' if band.offset < 0 else '+'} {abs(band.offset):g}"
    return f"stored * {band.scale:g}{offset}" if band.scale != 1 or offset else "as stored"


def _rows(product: Product) -> list[tuple[str, str]]:
    """Label and text of each line that has something to say."""
    stac = [v.collection for v in product.variants if v.in_stac]
    rest = [v.collection for v in product.variants if not v.in_stac]
    rows = [
        ("collections", ", ".join(stac)),
        ("not in STAC", ", ".join(rest)),
        ("masks", ", ".join(product.quality.presets) if product.quality else ""),
        ("cannot be loaded", product.not_loadable),
        ("gaps", product.gaps),
        ("attribution", product.attribution),
        ("licence", product.licence),
    ]
    return [(label, text) for label, text in rows if text]


def describe(product: Product) -> str:
    """Return the product as a few lines of text.

    Examples
    --------
    >>> from terrascope_nb.products import get_product
    >>> print(describe(get_product("s2-ndvi")).splitlines()[0])
    s2-ndvi: Sentinel-2 NDVI
    """
    lines = [f"{product.id}: {product.title['en']}", f"  {product.description['en']}"]
    if not product.bands:
        lines.append("  bands: known to the items only")
    for band in product.bands:
        common = f" ({band.common_name})" if band.common_name else ""
        unit = f" [{band.unit}]" if band.unit else ""
        lines.append(f"  {band.name}{common}: {band.title['en']}{unit}, {_encoding(band)}")
    return "\n".join([*lines, *(f"  {label}: {text}" for label, text in _rows(product))])


def describe_html(product: Product) -> str:
    """Return the product as an HTML card."""
    cell = "<td style='text-align:left'>{}</td>".format
    heads = ("band", "common name", "what", "unit", "encoding", "note")
    body = "".join(
        "<tr>"
        + "".join(
            cell(html.escape(text))
            for text in (
                band.name,
                band.common_name or "",
                band.title["en"],
                band.unit or "",
                _encoding(band),
                band.note,
            )
        )
        + "</tr>"
        for band in product.bands
    )
    head = "".join(f"<th style='text-align:left'>{name}</th>" for name in heads)
    bands = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if product.bands else ""
    facts = "".join(f"<li><b>{label}</b>: {html.escape(text)}</li>" for label, text in _rows(product))
    return (
        f"<h4>{html.escape(product.title['en'])} <code>{product.id}</code></h4>"
        f"<p>{html.escape(product.description['en'])}</p>{bands}<ul>{facts}</ul>"
    )
