"""The explorer's panel: the pickers beside a map, and below them dates, scenes, bands and buttons, kept in step."""

from __future__ import annotations

import html
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import ipywidgets as widgets
import traitlets

from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.sources import Cql2
from terrascope_nb.errors import NothingFoundError, TerrascopeError
from terrascope_nb.extent.aoi import Aoi, AoiLike
from terrascope_nb.extent.period import Period, PeriodLike
from terrascope_nb.products.model import Product, in_language
from terrascope_nb.products.registry import get_product
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.panel import explorer_work as work
from terrascope_nb.widgets.panel.availability import Availability
from terrascope_nb.widgets.panel.closing import close_all, parts_of
from terrascope_nb.widgets.panel.explorer_words import filter_words
from terrascope_nb.widgets.panel.footprints import Footprints
from terrascope_nb.widgets.panel.results_table import ResultsTable
from terrascope_nb.widgets.parts.code_cell import CodeCell
from terrascope_nb.widgets.parts.field import button, row
from terrascope_nb.widgets.parts.section import Section
from terrascope_nb.widgets.parts.status_line import StatusLine
from terrascope_nb.widgets.pickers.area_picker import AreaPicker
from terrascope_nb.widgets.pickers.filter_picker import FilterPicker
from terrascope_nb.widgets.pickers.period_picker import PeriodPicker
from terrascope_nb.widgets.pickers.product_picker import ProductPicker
from terrascope_nb.words import language, say

_COLOURS = ("red", "green", "blue")


class FreshItems(traitlets.Instance[Items]):
    """Items that are searched for again before they are handed out, when the choices have changed since."""

    def get(self, obj: Any, cls: Any = None) -> Items | None:
        """Return them, fresh."""
        obj.refresh()
        found: Items | None = super().get(obj, cls)
        return found


class ExplorerPanel(widgets.VBox):  # type: ignore[misc]  # ipywidgets is untyped
    """What is seen of an explorer; `Explorer` does the work."""

    items = FreshItems(Items)
    """The items that are kept of what is chosen now; asking for them searches again when the choices have changed."""

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
        map: Map | None,  # noqa: A002 - the word of every widget that stands beside a map
    ) -> None:
        self._syncing = False
        self._filter = filter
        self._asked_product = product if isinstance(product, str) else None
        self._asked_mask = mask
        self._wanted_bands = (bands,) if isinstance(bands, str) else None if bands is None else tuple(bands)
        self._layer: Any = None
        self._legend: Any = None
        self._closed = False
        self._answer: tuple[str, str] = ("", "info")
        self._own_map = map is None
        self.kept = self.all_found = Items(())
        super().__init__()
        self.items = self.all_found
        self.map = Map(area=area) if map is None and area is not None else map or Map()
        self._build(product, area, period, filters)
        self._product_changed()
        self._choices_changed()

    # -- what the work answers to ----------------------------------------------------------------------------------------

    def search_in_background(self) -> None:
        """Answer the button "Search"."""
        raise NotImplementedError

    def load_in_background(self) -> None:
        """Answer the button "Load"."""
        raise NotImplementedError

    def show_code(self) -> None:
        """Answer the button "Code"."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Answer the button "Cancel"."""
        raise NotImplementedError

    def keep_clear(self, percent: float) -> None:
        """Keep only the dates that are so clear."""
        raise NotImplementedError

    def keep_clear_later(self, percent: float) -> None:
        """Answer the button "Drop the cloudier dates"."""
        raise NotImplementedError

    @property
    def is_outdated(self) -> bool:
        """Whether other things are chosen now than were searched for."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Search for what is chosen now, when that was not searched for yet."""
        raise NotImplementedError

    def _size_later(self) -> None:
        """Work out the size when choices have come to rest."""
        raise NotImplementedError

    def _selected(self) -> None:
        """Hear that other items are kept, or other bands or another mask chosen."""
        raise NotImplementedError

    # -- the choices ---------------------------------------------------------------------------------------------------

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
        """The bands that are loaded."""
        return tuple(self._bands.value)

    @bands.setter
    def bands(self, names: str | Sequence[str]) -> None:
        asked = (names,) if isinstance(names, str) else tuple(names)
        if self.product is not None:
            asked = tuple(self.product.find_band(name).name for name in asked)
        self._bands.value = asked

    @property
    def mask(self) -> str | None:
        """The preset of quality flags that is kept; None = no mask."""
        return self._mask.value or None

    @mask.setter
    def mask(self, preset: str | None) -> None:
        self._mask.value = preset or ""

    # -- what it shows

    def _product_name(self) -> str:
        if self.product is None:
            raise NothingFoundError(
                'The explorer has no product yet. Choose one, in the panel or with explorer.product = "s2-ndvi".'
            )
        if self._asked_product is not None and get_product(self._asked_product) is self.product:
            return self._asked_product
        return self.product.id

    def show_found(self, found: Items, said: Sequence[str], dropped: Collection[str] = ()) -> None:
        """Show the answer of a search, and what of it stays left out."""
        self.all_found = found
        self.footprints.show_items(found)
        with self._together():
            self.table.show_items(found, dropped)
            self.dates.show_items(found)
            self.dates.dropped = work.split_dropped(found, set(dropped))[0]
        self.kept = self.items = found.without(*dropped)
        self._results.layout.display = self._calendar.layout.display = "" if found else "none"
        self.code_cell.code = ""
        notes = [*said, *found.notes]
        if not found:
            self._tell_answer("\n".join(notes) or say("Nothing was found."), "warning")
            return
        self._look_at(found)
        several = say("{count} scenes on {dates} dates", count=len(found), dates=len(self.dates.dates))
        self._tell_answer("\n".join([several, *notes]), "warning" if said else "done")

    def _tell_answer(self, text: str, kind: str) -> None:
        self._answer = (text, kind)
        self.status.tell(text, kind)
        if self.is_outdated:
            self.status.tell(f"{text}\n{self.notice()}", "warning")

    def notice(self) -> str:
        """Return what is said while other things are chosen than were searched for."""
        return say("The choices have changed; search again to see what there is.")

    def _look_at(self, found: Items) -> None:
        if self.area is not None:
            return
        boxes = [item.bbox for item in found if item.bbox]
        if boxes:
            from terrascope_nb.widgets.live_map.picture import view_of_bounds  # Pillow, which the map has loaded anyway

            west, south, east, north = zip(*boxes, strict=True)
            view = view_of_bounds((min(west), min(south), max(east), max(north)), (600, 480))
            self.map.center, self.map.zoom = view

    def show_cube(self, cube: Any, said: Sequence[str]) -> None:
        """Draw what was loaded, and say so."""
        told = say(
            "Loaded. The cube is explorer.cube: {times} dates, {names}.",
            times=cube.sizes["time"],
            names=", ".join(map(str, cube.data_vars)),
        )
        try:
            self._draw(cube)
        except TerrascopeError as error:
            said = [*said, say("It is not drawn on the map: {reason}", reason=error.message)]
        self.status.tell("\n".join([told, *said]), "warning" if said else "done")

    def _draw(self, cube: Any) -> None:
        """Put the cube on the map with its legend, in place of the one before."""
        if self._layer is not None and self._layer in self.map.layers:
            self.map.remove(self._layer)
        self._layer = None
        if self._legend is not None:
            self._legend.close()
            self._legend = None
        names = [str(name) for name in cube.data_vars]
        colours = [self._variable_of(cube, name) for name in _COLOURS]
        if all(colours):
            self._layer = self.map.add(cube, bands=colours, name=self._product_name())
        else:
            self._layer = self.map.add(cube[names[0]], name=f"{self._product_name()} {names[0]}")
        self._legend = self.map.tools.legend(self._layer, on_map=True)
        self._beside.children = (self.map, self.map.tools)
        self.map.tools.open_tool(say("Time"))

    def _variable_of(self, cube: Any, common: str) -> str | None:
        for name, variable in cube.data_vars.items():
            if common in (str(name), variable.attrs.get("common_name")):
                return str(name)
        return None

    # -- the panel -------------------------------------------------------------------------------------------------------

    def _build(self, product: Any, area: Any, period: Any, filters: Mapping[str, Any]) -> None:
        self.area_picker = AreaPicker(area, map=self.map)
        # The map stands beside the panel; the picker draws on it from here.
        self.area_picker.children = [child for child in self.area_picker.children if child is not self.map]
        self.product_picker = ProductPicker(product, loadable=True)
        self.period_picker = PeriodPicker(period)
        self.filter_picker = FilterPicker(filters, product=self.product)
        self.sections = (
            Section(say("Area"), [self.area_picker], opened=area is None),
            Section(say("Product"), [self.product_picker], opened=area is not None and product is None),
            Section(say("Period"), [self.period_picker]),
            Section(say("Filters"), [self.filter_picker]),
        )
        self.status = StatusLine(on_cancel=self.cancel)
        self.dates = Availability()
        self.footprints = Footprints()
        self.map.add(self.footprints)
        self.table = ResultsTable(footprints=self.footprints, map=self.map)
        self.code_cell = CodeCell()
        self._search_button = button(say("Search"), self.search_in_background, primary=True)
        self._bands = widgets.SelectMultiple(options=[], rows=4, description=say("Bands"))
        self._mask = widgets.Dropdown(options=[(say("no mask"), "")], value="", description=say("Mask"))
        self._whole = widgets.Checkbox(value=False, indent=False, description=say("Read all values into memory now"))
        self._clear = widgets.BoundedFloatText(
            value=50,
            min=0,
            max=100,
            step=5,
            description=say("At least clear, %"),
            tooltip=say("Of the part of the area that the scenes of a date cover"),
            style={"description_width": "9em"},
        )
        self._size_text = widgets.HTML()
        self._results = widgets.VBox(
            [
                self.table,
                row(self._bands, self._mask, self._whole),
                self._size_text,
                row(
                    button(say("Load"), self.load_in_background, primary=True),
                    button(say("Code"), self.show_code),
                ),
            ],
            layout=widgets.Layout(display="none"),
        )
        clearer = button(say("Drop the cloudier dates"), lambda: self.keep_clear_later(self._clear.value))
        self._calendar = widgets.VBox([self.dates, row(self._clear, clearer)], layout=widgets.Layout(display="none"))
        left = widgets.VBox(
            [*self.sections, row(self._search_button), self.status, self._calendar],
            layout=widgets.Layout(flex="1 1 360px", min_width="300px"),
        )
        self._beside = widgets.VBox([self.map], layout=widgets.Layout(flex="2 1 480px", min_width="300px"))
        top = widgets.HBox([left, self._beside], layout=widgets.Layout(flex_flow="row wrap"))
        self.children = [top, self._results, self.code_cell]
        self.add_class("tsnb-explorer")
        self.dates.observe(self._days_changed, "dropped")
        self.dates.observe(self._day_chosen, "selected")
        self.table.observe(self._scenes_changed, "dropped")
        self.product_picker.observe(lambda _: self._product_changed(), "product")
        for picker, name in (
            (self.area_picker, "area"),
            (self.product_picker, "product"),
            (self.period_picker, "period"),
            (self.filter_picker, "filters"),
        ):
            picker.observe(lambda _: self._choices_changed(), name)
        self.area_picker.observe(lambda change: self._link_pasted(change["new"]), "link")
        for field in (self._bands, self._mask):
            field.observe(lambda _: self._selected(), "value")

    def _product_changed(self) -> None:
        found = self.product
        self.filter_picker.product = found
        if found is not None:
            self.area_picker.product = found
        known = () if found is None else tuple(band.name for band in found.bands)
        wanted = found.default_bands if found is not None else ()
        if self._wanted_bands is not None and found is not None:
            wanted, self._wanted_bands = self._wanted_bands, None
        with self.hold_trait_notifications():
            self._bands.options = known
            self._bands.value = () if found is None else tuple(found.find_band(name).name for name in wanted)
            presets = [] if found is None or found.quality is None else list(found.quality.presets)
            self._mask.options = [(say("no mask"), ""), *((preset, preset) for preset in presets)]
            self._mask.value = self._asked_mask if self._asked_mask in presets else ""

    def _choices_changed(self) -> None:
        """Say in the closed sections what is chosen, and that what is shown was another choice."""
        spoken = language()
        area, product = self.area, self.product
        name = "" if area is None else area.name or area.kind
        texts = (
            say("none chosen") if area is None else say("{name}, {size} km²", name=name, size=f"{area.area_km2:.3g}"),
            say("none chosen") if product is None else in_language(product.title, spoken),
            say("all dates") if self.period is None else str(self.period),
            filter_words(self.filters) or say("none"),
        )
        for section, text in zip(self.sections, texts, strict=True):
            section.summarise(text)
        if self.status.kind != "busy":
            if self.is_outdated:
                self.status.tell(self.notice(), "warning")
            elif self.status.text == self.notice():
                self.status.tell(*self._answer)
        self.code_cell.code = ""
        self._size_later()

    def _link_pasted(self, link: Any) -> None:
        """Choose product and day that a link of the viewer shows, and say so; its area is chosen already."""
        if link is None:
            return
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
        self.status.tell(
            "\n".join([*lines, *missing, say("Search to see what there is.")]), "warning" if missing else "info"
        )

    @contextmanager
    def _together(self) -> Iterator[None]:
        self._syncing = True
        try:
            yield
        finally:
            self._syncing = False

    def _days_changed(self, change: Mapping[str, Any]) -> None:
        if self._syncing:
            return
        before, now = set(change["old"] or ()), set(change["new"])
        gone = {item.id for item in self.all_found if work.day_of(item) in now - before}
        back = {item.id for item in self.all_found if work.day_of(item) in before - now}
        kept = [one for one in self.table.dropped if one not in back]
        self._select([*kept, *(one for one in gone if one not in kept)])

    def _day_chosen(self, change: Mapping[str, Any]) -> None:
        """Show the chosen day on the map too, where it is loaded."""
        if self._layer is None or not change["new"]:
            return
        days = [str(moment)[:10] for moment in self._layer.times]
        if change["new"] in days:
            self._layer.time_index = days.index(change["new"])

    def _scenes_changed(self, change: Mapping[str, Any]) -> None:
        if not self._syncing:
            self._select(change["new"])

    def _select(self, dropped: Collection[str]) -> None:
        """Drop exactly these scenes, everywhere."""
        with self._together():
            gone = set(dropped)
            self.table.dropped = [item.id for item in self.all_found if item.id in gone]
            self.dates.dropped = work.split_dropped(self.all_found, gone)[0]
        self.kept = self.items = self.all_found.without(*self.table.dropped)
        self._selected()

    def say_size(self, text: str) -> None:
        """Say how large the cube would be, or why nobody knows."""
        colour = "var(--jp-ui-font-color1, #212121)"
        self._size_text.value = (
            f"<div role='status' style='padding:0 8px;line-height:1.4;color:{colour}'>{html.escape(text)}</div>"
        )

    def say_error(self, error: Exception) -> None:
        """Say what went wrong, and what to do."""
        self.status.tell(work.reason_of(error), "error")

    def close(self) -> None:
        """Leave the page with all parts; a map that was given stays, without what was drawn on it."""
        if self._closed:
            return
        self._closed = True
        parts = parts_of(self)
        self.dates.close()
        self.area_picker.close()
        if self._legend is not None:
            self._legend.close()
        if not self._own_map:
            for layer in (self.footprints, self._layer):
                if layer is not None and layer in self.map.layers:
                    self.map.remove(layer)
            staying = {id(one) for one in parts_of(self.map)}
            parts = [one for one in parts if id(one) not in staying]
        close_all(one for one in reversed(parts) if one is not self)
        self.unobserve_all()
        super().close()
