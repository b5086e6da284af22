"""Choose a product: what it shows in plain words, its unit, legend, pixel size and the years there are."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import traitlets

from terrascope_nb.errors import UnknownProductError
from terrascope_nb.products.model import Band, Product, Variant, in_language
from terrascope_nb.products.registry import get_product, list_products
from terrascope_nb.settings import get_settings
from terrascope_nb.widgets.parts.field import LONG, WIDE, Message, Picker, heading, row, status
from terrascope_nb.widgets.pickers.numbers import spoken as spoken_number
from terrascope_nb.words import language, say

_STEPS = 16
"""Colours of a legend's bar."""
_MOST_BANDS = 16


class ProductTrait(traitlets.TraitType[Any, Any]):
    """A `Product` or None; any of its names becomes one."""

    info_text = "a product, or any of its names"

    def validate(self, _: Any, value: str | Product | None) -> Product | None:
        """Find what was named.

        Raises
        ------
        UnknownProductError
            No such product.
        """
        return product_named(value)


def product_named(value: str | Product | None) -> Product | None:
    """Return the product of a name; None stays None.

    Raises
    ------
    UnknownProductError
        No such product, or something that is no name.
    """
    if value is not None and not isinstance(value, str | Product):
        raise UnknownProductError(
            f"The product {value!r:.80} was asked for, which is a {type(value).__name__} and no name. Give a name such as "
            "'s2-ndvi'; terrascope_nb.list_products() lists them.",
            product=value,
        )
    return None if value is None else get_product(value)


class ProductPicker(Picker):
    """Choose what to look at; the choice is in `product`.

    Parameters
    ----------
    value : str or Product, optional
        Our id (``"s2-ndvi"``), a collection id, or any name `terrascope_nb.get_product` knows.
    loadable : bool
        True: offer only products whose pixels can be loaded.

    Attributes
    ----------
    product : Product or None
        A trait: observe it, or set it to any name.

    Examples
    --------
    >>> picker = ProductPicker("s2-ndvi")
    >>> picker.product.id
    's2-ndvi'
    >>> picker.search.value = "worldcover"
    >>> "worldcover" in [key for _, key in picker.list.options]
    True
    """

    product = ProductTrait(default_value=None, allow_none=True)

    def __init__(self, value: str | Product | None = None, *, loadable: bool = False) -> None:
        self._offered = [one for one in list_products() if not (loadable and one.not_loadable)]
        super().__init__()
        self.message: Message = Message()
        self.search = widgets.Text(
            description=say("Search"), placeholder=say("vegetation, radar, land cover …"), layout=LONG, style=WIDE
        )
        self.search.observe(lambda _: self._heard(self._list_them, self.message), "value")
        self.list = widgets.Select(description=say("Product"), options=[], rows=8, layout=LONG, style=WIDE)
        self.list.observe(lambda change: self._heard(lambda: self._chosen(change["new"]), self.message), "value")
        self.card = widgets.HTML()
        self.children = [heading(say("Choose a product")), row(self.search), row(self.list), self.message, self.card]
        self.observe(self._changed, "product")
        self.product = value
        self._list_them()
        self._show()

    @property
    def value(self) -> Product | None:
        """The product."""
        return self.product  # type: ignore[no-any-return]

    @value.setter
    def value(self, what: str | Product | None) -> None:
        self.product = what

    def describe(self) -> str:
        """Return the product as text: what it shows, unit, pixel size, years."""
        found = self.product
        if found is None:
            return say("Product: none chosen")
        spoken = language()
        lines = [
            say("Product: {title} ({id})", title=in_language(found.title, spoken), id=found.id),
            f"  {in_language(found.description, spoken)}",
            *(f"  {_band_line(band)}" for band in found.bands[:_MOST_BANDS]),
            *(f"  {line}" for line in _availability(found)),
        ]
        return "\n".join(lines)

    def _html(self) -> str:
        return card_html(self.product) if self.product is not None else f"<p>{html.escape(self.describe())}</p>"

    def _chosen(self, product_id: str | None) -> None:
        if product_id is not None:
            self.product = product_id

    def _changed(self, _: Mapping[str, Any]) -> None:
        self._list_them()
        self._show()

    def _list_them(self) -> None:
        words = self.search.value.casefold().split()
        spoken = language()
        fitting = [one for one in self._offered if all(word in _searched(one) for word in words)]
        # The options alone would mark their first line for a moment, in which an arrow key has nowhere to go.
        with self._silently(), self.list.hold_sync():
            offered = tuple((f"{in_language(one.title, spoken)} ({one.id})", one.id) for one in fitting)
            if self.list.options != offered:  # a list that is sent again forgets what a person marked meanwhile
                self.list.options = offered
            here = self.product is not None and self.product.id in {one.id for one in fitting}
            self.list.value = self.product.id if here else None
        if not fitting:
            self.message.news([say("No product has these words; try fewer or others.")])
        elif words:
            self.message.news([say("{count} products", count=len(fitting))])
        else:
            self.message.clear()

    def _show(self) -> None:
        self.card.value = status(
            html.escape(say("Product: none chosen")) if self.product is None else card_html(self.product)
        )


def card_html(product: Product) -> str:
    """Return what a person should know of a product before choosing it, with the legend of its first bands."""
    spoken = language()
    shown = [band for band in product.bands if band.name in product.default_bands][:4]
    rest = [band for band in product.bands if band not in shown][: _MOST_BANDS - len(shown)]
    bands = "".join(f"<li>{html.escape(_band_line(band))}{legend_html(band)}</li>" for band in shown)
    bands += "".join(f"<li>{html.escape(_band_line(band))}</li>" for band in rest)
    more = len(product.bands) - len(shown) - len(rest)
    bands += f"<li>{html.escape(say('{count} more bands', count=more))}</li>" if more > 0 else ""
    facts = "".join(f"<li>{html.escape(line)}</li>" for line in _availability(product))
    return (
        f"<strong>{html.escape(in_language(product.title, spoken))}</strong> <code>{product.id}</code>"
        f"<p style='margin:4px 0;max-width:60em'>{html.escape(in_language(product.description, spoken))}</p>"
        f"<ul style='margin:4px 0;padding-left:1.4em'>{bands}{facts}</ul>"
    )


def legend_html(band: Band) -> str:
    """Return the colours of a band with their values or class names; empty when no colours are known."""
    spoken = language()
    if any(one.color for one in band.classes):
        cells = "".join(
            f"<span style='display:inline-block;margin-right:1em;white-space:nowrap'><span aria-hidden='true' style='"
            f"display:inline-block;width:1em;height:1em;background:{one.color};border:1px solid var(--jp-border-color1, "
            f"#bdbdbd);vertical-align:text-bottom'></span> {html.escape(in_language(one.title, spoken))}</span>"
            for one in band.classes
            if one.color
        )
        return f"<div>{cells}</div>"
    style = band.style
    if not style.cmap or style.vmin is None or style.vmax is None or band.kind != "measurement":
        return ""
    import matplotlib as mpl  # heavy, and only for the legend

    colours = [mpl.colors.to_hex(mpl.colormaps[style.cmap](step / (_STEPS - 1))) for step in range(_STEPS)]
    ends, unit = (style.vmin, style.vmax), "" if band.unit in (None, "1") else f" {band.unit}"
    if style.decibel:
        ends, unit = (10 * math.log10(style.vmin), 10 * math.log10(style.vmax)), " dB"
    low, high = (spoken_number(f"{end:.3g}") for end in ends)
    label = say("Colours from {low} to {high}{unit}", low=low, high=high, unit=unit)
    return (
        f"<div style='display:flex;gap:.5em;align-items:center'><span>{low}</span><span role='img' "
        f"aria-label='{html.escape(label, quote=True)}' style='display:inline-block;width:12em;height:1em;"
        f"background:linear-gradient(to right, {', '.join(colours)})'></span><span>{high}{html.escape(unit)}</span></div>"
    )


def _band_line(band: Band) -> str:
    unit = "" if band.unit in (None, "1") else f" [{band.unit}]"
    size = ", ".join(_size_text(one) for one in band.resolutions)
    title = in_language(band.title, language())
    return f"{band.name}: {title}{unit}{f', {size}' if size else ''}"


def _size_text(size: float) -> str:
    return spoken_number(f"{size:g} m" if size >= 1 else f"≈ {size * 111_320:.0f} m ({size:.4g}°)")


def _availability(product: Product) -> list[str]:
    """Return the years, pixel sizes and places a product is on offer in, as sentences."""
    lines = []
    for variant in product.variants[:8]:
        facts = ", ".join(part for part in (variant.resolution, _cadence(variant)) if part)
        lines.append(
            say(
                "{years}: {collection}{facts}",
                years=_years(variant),
                collection=variant.collection
                if variant.in_stac
                else say("{name} (not in the catalogue)", name=variant.collection),
                facts=f" ({facts})" if facts else "",
            )
        )
    if len(product.variants) > 8:
        lines.append(say("{count} more collections", count=len(product.variants) - 8))
    roots = get_settings().archive_roots
    # Only a mount is looked for: a sample, an index or another server may have its files all the same.
    if any((root / part).is_dir() for variant in product.variants for part in variant.local_roots for root in roots):
        lines.append(say("Its files are on this machine."))
    if product.gaps:
        lines.append(_as_english(product.gaps))
    if product.not_loadable:
        lines.append(say("It can be searched but not loaded: {why}", why=_as_english(product.not_loadable)))
    return lines


def _years(variant: Variant) -> str:
    if not variant.start and not variant.end:
        return say("years not stated")
    if not variant.end:
        return say("{first} until today", first=variant.start)
    return say("{first} to {last}", first=variant.start or "…", last=variant.end)


def _as_english(note: str) -> str:
    """Return a note of the tables, which stand in English; said so in another language."""
    return note if language() == "en" else say("[in English] {note}", note=note)


def _cadence(variant: Variant) -> str:
    names = {
        "day": say("daily"),
        "5-day": say("every five days"),
        "dekad": say("every ten days"),
        "month": say("monthly"),
        "year": say("yearly"),
        "once": say("once"),
    }
    return names.get(variant.cadence or "", variant.cadence or "")


def _searched(product: Product) -> str:
    """Return every word a person may look for, in all languages."""
    texts = [product.id, product.family, *product.title.values(), *product.description.values()]
    for band in product.bands:
        texts += [band.name, band.common_name or "", *band.title.values()]
    texts += [variant.collection for variant in product.variants]
    return " ".join(texts).casefold()
