"""What is chosen in an explorer: area, product, period and filters in sections that fold; and the bands and mask to load."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from terrascope_nb.catalogue.sources import Cql2
from terrascope_nb.errors import NothingFoundError, TerrascopeError
from terrascope_nb.extent.aoi import Aoi, AoiLike
from terrascope_nb.extent.period import Period, PeriodLike
from terrascope_nb.products.model import Product, in_language
from terrascope_nb.products.registry import get_product
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.panel.explorer_words import filter_words
from terrascope_nb.widgets.parts.section import Section
from terrascope_nb.widgets.pickers.area_picker import AreaPicker
from terrascope_nb.widgets.pickers.filter_picker import FilterPicker
from terrascope_nb.widgets.pickers.period_picker import PeriodPicker
from terrascope_nb.widgets.pickers.product_picker import ProductPicker
from terrascope_nb.words import language, say


class Choices:
    """The pickers of an explorer; the product that is chosen leads filters, bands and mask.

    Parameters
    ----------
    product, area, period, filters, filter, bands, mask
        What to begin with.
    shown_on : Map
        The map that the area is drawn on.
    """

    def __init__(
        self,
        product: str | Product | None,
        area: AoiLike | None,
        period: PeriodLike | None,
        *,
        filters: Mapping[str, Any],
        filter: Cql2 | None,  # noqa: A002 - the word of search()
        bands: str | Sequence[str] | None,
        mask: str | None,
        shown_on: Map,
    ) -> None:
        self._filter = filter
        self._asked_product = product if isinstance(product, str) else None
        self._asked_mask = mask
        self._wanted_bands = (bands,) if isinstance(bands, str) else None if bands is None else tuple(bands)
        self.area_picker = AreaPicker(area, map=shown_on)
        # The map stands beside the panel; the picker draws on it from here.
        self.area_picker.children = [child for child in self.area_picker.children if child is not shown_on]
        self.product_picker = ProductPicker(product, loadable=True)
        self.period_picker = PeriodPicker(period)
        self.filter_picker = FilterPicker(filters, product=self.product)
        self.sections = (
            Section(say("Area"), [self.area_picker], opened=area is None),
            Section(say("Product"), [self.product_picker], opened=area is not None and product is None),
            Section(say("Period"), [self.period_picker]),
            Section(say("Filters"), [self.filter_picker]),
        )
        self.band_field = widgets.SelectMultiple(options=[], rows=4, description=say("Bands"))
        self.mask_field = widgets.Dropdown(options=[(say("no mask"), "")], value="", description=say("Mask"))
        self.product_picker.observe(lambda _: self._follow_product(), "product")
        self._follow_product()
        self.summarise()

    def observe(
        self, *, to_search: Callable[[], None], to_load: Callable[[], None], link: Callable[[Any], None]
    ) -> None:
        """Hear of what a person chooses.

        Parameters
        ----------
        to_search, to_load : callable
            Called when something else is chosen to search for, or other bands or another mask to load.
        link : callable
            Given the link of the viewer that was pasted, or None.
        """
        for picker, name in (
            (self.area_picker, "area"),
            (self.product_picker, "product"),
            (self.period_picker, "period"),
            (self.filter_picker, "filters"),
        ):
            picker.observe(lambda _: to_search(), name)
        for field in (self.band_field, self.mask_field):
            field.observe(lambda _: to_load(), "value")
        self.area_picker.observe(lambda change: link(change["new"]), "link")

    @property
    def area(self) -> Aoi | None:
        """The area; set it to anything `terrascope_nb.area` reads."""
        found: Aoi | None = self.area_picker.area
        return found

    @area.setter
    def area(self, what: AoiLike | None) -> None:
        self.area_picker.area = what

    @property
    def period(self) -> Period | None:
        """The period; set it to anything `terrascope_nb.period` reads."""
        found: Period | None = self.period_picker.period
        return found

    @period.setter
    def period(self, what: PeriodLike | None) -> None:
        self.period_picker.period = what

    @property
    def product(self) -> Product | None:
        """The product; set it to any of its names."""
        found: Product | None = self.product_picker.product
        return found

    @product.setter
    def product(self, what: str | Product | None) -> None:
        self._asked_product = what if isinstance(what, str) else None
        self.product_picker.product = what

    @property
    def product_name(self) -> str:
        """The name that the product was asked by, else its id.

        Raises
        ------
        NothingFoundError
            No product is chosen.
        """
        if self.product is None:
            raise NothingFoundError(
                'The explorer has no product yet. Choose one, in the panel or with explorer.product = "s2-ndvi".'
            )
        if self._asked_product is not None and get_product(self._asked_product) is self.product:
            return self._asked_product
        return self.product.id

    @property
    def filters(self) -> dict[str, Any]:
        """Further keyword arguments of the search."""
        asked = dict(self.filter_picker.filters)
        return asked if self._filter is None else {**asked, "filter": self._filter}

    @filters.setter
    def filters(self, what: Mapping[str, Any]) -> None:
        asked = dict(what)
        self._filter = asked.pop("filter", None)
        self.filter_picker.filters = asked

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands that are loaded; set them by any of their names."""
        return tuple(self.band_field.value)

    @bands.setter
    def bands(self, names: str | Sequence[str]) -> None:
        asked = (names,) if isinstance(names, str) else tuple(names)
        if self.product is not None:
            asked = tuple(self.product.find_band(name).name for name in asked)
        self.band_field.value = asked

    @property
    def mask(self) -> str | None:
        """The preset of quality flags that is kept; None = no mask."""
        return self.mask_field.value or None

    @mask.setter
    def mask(self, preset: str | None) -> None:
        self.mask_field.value = preset or ""

    def _follow_product(self) -> None:
        """Offer the filters, bands and masks that the product has."""
        found = self.product
        self.filter_picker.product = found
        if found is not None:
            self.area_picker.product = found
        known = () if found is None else tuple(band.name for band in found.bands)
        wanted = found.default_bands if found is not None else ()
        if self._wanted_bands is not None and found is not None:
            wanted, self._wanted_bands = self._wanted_bands, None
        self.band_field.options = known
        self.band_field.value = () if found is None else tuple(found.find_band(name).name for name in wanted)
        presets = [] if found is None or found.quality is None else list(found.quality.presets)
        self.mask_field.options = [(say("no mask"), ""), *((preset, preset) for preset in presets)]
        self.mask_field.value = self._asked_mask if self._asked_mask in presets else ""

    def summarise(self) -> None:
        """Say on the closed sections what is chosen in them."""
        area, product = self.area, self.product
        name = "" if area is None else area.name or area.kind
        texts = (
            say("none chosen") if area is None else say("{name}, {size} km²", name=name, size=f"{area.area_km2:.3g}"),
            say("none chosen") if product is None else in_language(product.title, language()),
            say("all dates") if self.period is None else str(self.period),
            filter_words(self.filters) or say("none"),
        )
        for section, text in zip(self.sections, texts, strict=True):
            section.summarise(text)

    def take_link(self, link: Any) -> tuple[str, bool]:
        """Choose product and day that a link of the viewer shows; its area is chosen already.

        Returns
        -------
        (str, bool)
            What was taken and what the link does not say, in words; and whether it said all.
        """
        told, missing = [], []
        try:
            if link.product is not None:
                self.product = link.collection or link.product
                told.append(in_language(self.product.title, language()) if self.product is not None else link.product)
        except TerrascopeError as error:
            missing.append(error.message)
        if link.period is not None:
            self.period = link.period
            told.append(str(link.date))
        lines = [say("Taken from the viewer link: {what}.", what=", ".join([say("area"), *told]))]
        if link.product is None:
            missing.append(say("The link names no product that is known here; choose one."))
        if link.period is None:
            missing.append(say("The link names no date; choose a period."))
        return "\n".join([*lines, *missing, say("Search to see what there is.")]), not missing
