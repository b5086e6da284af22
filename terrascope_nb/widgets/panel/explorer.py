"""The explorer: choose, search, look at dates and scenes, select, see the size, load, and take the code along."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import traitlets

from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.snippet import read_cell
from terrascope_nb.catalogue.sources import Cql2
from terrascope_nb.errors import TerrascopeWarning
from terrascope_nb.extent.aoi import Aoi, AoiLike
from terrascope_nb.extent.period import Period, PeriodLike
from terrascope_nb.products.model import Product
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.panel.choices import Choices
from terrascope_nb.widgets.panel.closing import close_all, parts_of
from terrascope_nb.widgets.panel.exploration import Exploration
from terrascope_nb.widgets.panel.explorer_code import choose
from terrascope_nb.widgets.panel.explorer_words import exploration_text, short_list
from terrascope_nb.widgets.panel.explorer_work import Asked, Estimate
from terrascope_nb.widgets.parts.background import heard
from terrascope_nb.widgets.parts.static_twin import with_twin

if TYPE_CHECKING:
    import xarray as xr


class FreshItems(traitlets.Instance[Items]):
    """Items that are searched for again before they are handed out, when the choices have changed since."""

    def get(self, obj: Any, cls: Any = None) -> Items | None:
        """Return them, fresh."""
        obj.refresh()
        found: Items | None = super().get(obj, cls)
        return found


class Explorer(widgets.VBox):  # type: ignore[misc]  # ipywidgets is untyped
    """Everything from a choice to a cube in one panel; made by `terrascope_nb.explore`.

    Attributes
    ----------
    items : Items
        A trait: the items that are kept.
    found : Items
        All items of that search, those that were left out too.
    searched : Asked or None
        The search that was made. Items, cube, code and size are of this one; asking for them from code searches again
        when something else is chosen by now.
    cube : xarray.Dataset
        What was loaded; loads lazily when nobody has yet.
    code : str
        The cell that makes items and cube again.
    area, period, product, filters, bands, mask
        The choices; set them to choose.
    map : Map
        The map beside the panel.
    """

    items = FreshItems(Items)
    """The items that are kept of what is chosen now; asking for them searches again when the choices have changed."""
    size = traitlets.Instance(Estimate, allow_none=True)
    """How large the cube would be; None while nobody knows."""

    def __init__(
        self,
        product: str | Product | None = None,
        area: AoiLike | None = None,
        period: PeriodLike | None = None,
        *,
        filters: Mapping[str, Any] | None = None,
        filter: Cql2 | None = None,  # noqa: A002 - the word of search()
        source: Any = None,
        bands: str | Sequence[str] | None = None,
        mask: str | None = "clear",
        map: Map | None = None,  # noqa: A002 - the word of every widget that stands beside a map
    ) -> None:
        self._ready = self._closed = False
        self._own_map = map is None
        super().__init__()
        self.items = Items(())
        self.map = Map(area=area) if map is None and area is not None else map or Map()
        self._choices = Choices(
            product, area, period, filters=filters or {}, filter=filter, bands=bands, mask=mask, shown_on=self.map
        )
        self._exploration = Exploration(self._choices, source, self.map, self._kept_changed)
        scenes, panel = self._exploration.scenes, self._exploration.panel
        self.dates, self.table, self.footprints = scenes.dates, scenes.table, scenes.footprints
        self.status, self.code_cell = self._exploration.status, panel.code_cell
        self.area_picker, self.product_picker = self._choices.area_picker, self._choices.product_picker
        self.period_picker, self.filter_picker = self._choices.period_picker, self._choices.filter_picker
        self.sections = self._choices.sections
        self.children = panel.children
        self.add_class("tsnb-explorer")
        panel.size_line.observe(lambda change: setattr(self, "size", change["new"]), "size")
        self._ready = True

    def _kept_changed(self, kept: Items) -> None:
        self.items = kept

    # -- the choices -----------------------------------------------------------------------------------------------------

    @property
    def area(self) -> Aoi | None:
        """The area; set it to anything `terrascope_nb.area` reads."""
        return self._choices.area

    @area.setter
    def area(self, what: AoiLike | None) -> None:
        self._choices.area = what

    @property
    def period(self) -> Period | None:
        """The period; set it to anything `terrascope_nb.period` reads."""
        return self._choices.period

    @period.setter
    def period(self, what: PeriodLike | None) -> None:
        self._choices.period = what

    @property
    def product(self) -> Product | None:
        """The product; set it to any of its names."""
        return self._choices.product

    @product.setter
    def product(self, what: str | Product | None) -> None:
        self._choices.product = what

    @property
    def filters(self) -> dict[str, Any]:
        """Further keyword arguments of the search."""
        return self._choices.filters

    @filters.setter
    def filters(self, what: Mapping[str, Any]) -> None:
        self._choices.filters = what

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands that are loaded."""
        return self._choices.bands

    @bands.setter
    def bands(self, names: str | Sequence[str]) -> None:
        self._choices.bands = names

    @property
    def mask(self) -> str | None:
        """The preset of quality flags that is kept; None = no mask."""
        return self._choices.mask

    @mask.setter
    def mask(self, preset: str | None) -> None:
        self._choices.mask = preset

    # -- searching -------------------------------------------------------------------------------------------------------

    def search(self) -> Items:
        """Search for what is chosen, show it, and return what was found.

        Raises
        ------
        NothingFoundError
            No product is chosen.
        TerrascopeError
            As `terrascope_nb.search`.
        """
        with heard(pass_on=True) as said:
            asked, found = self._exploration.searching.ask()
        lost = self._exploration.take((asked, found, said))
        if lost:
            warnings.warn(
                f"{short_list(lost)} was left out by hand before; this search did not find it.",
                TerrascopeWarning,
                stacklevel=2,
            )
        return found

    def search_in_background(self) -> None:
        """Search as the button does: the panel says how it goes."""
        self._exploration.search_in_background()

    @property
    def searched(self) -> Asked | None:
        """The search that was made."""
        return self._exploration.searching.made

    @property
    def is_outdated(self) -> bool:
        """Whether other things are chosen now than were searched for."""
        return self._exploration.is_outdated

    def refresh(self) -> None:
        """Search for what is chosen now, when that was not searched for yet; not what was cancelled."""
        if self._ready and self._exploration.searching.is_due:
            self.search()

    # -- selecting -------------------------------------------------------------------------------------------------------

    @property
    def found(self) -> Items:
        """All items of the search for what is chosen."""
        self.refresh()
        return self.all_found

    @property
    def all_found(self) -> Items:
        """All items of the search that was made."""
        return self._exploration.scenes.found

    @property
    def kept(self) -> Items:
        """Those of them that are kept."""
        return self._exploration.scenes.kept

    @property
    def dropped(self) -> tuple[str, ...]:
        """Days and single scenes that were left out by hand."""
        return self._exploration.scenes.dropped

    def drop(self, *what: Any) -> None:
        """Leave days (``"2018-06-15"``) or single scenes out, by day or id.

        Warns
        -----
        TerrascopeWarning
            Nothing that was found has that day or id.
        """
        gone = self._meant(what)
        self.table.dropped = list(dict.fromkeys([*self.table.dropped, *gone]))

    def keep(self, *what: Any) -> None:
        """Take days or single scenes in again; as `drop`."""
        back = self._meant(what)
        self.table.dropped = [one for one in self.table.dropped if one not in back]

    def _meant(self, what: Sequence[Any]) -> tuple[str, ...]:
        found = self.found
        ids, unknown = found.meant(what)
        if unknown:
            warnings.warn(
                f"{short_list(unknown)}: no scene of the {len(found)} that were found has that day or id, so nothing "
                "changed for it. Days are written as 2018-06-15.",
                TerrascopeWarning,
                stacklevel=3,
            )
        return ids

    def keep_clear(self, percent: float) -> None:
        """Keep only the dates whose clear share is at least so many percent; what was dropped by hand stays out.

        The share is that of the part of the area that the scenes of a date cover. Where the quality flags are being
        read, that is waited for, a minute at most; what is read later is applied when it comes.
        """
        self.refresh()
        self._exploration.clear.keep(percent)

    def keep_clear_later(self, percent: float) -> None:
        """Do as `keep_clear`, but do not wait: flags that are being read are applied when they are there."""
        self._exploration.clear.keep_later(percent)

    # -- loading ---------------------------------------------------------------------------------------------------------

    def load(self) -> xr.Dataset:
        """Load the kept items, draw the cube on the map, and return it.

        Raises
        ------
        NothingFoundError
            Nothing is kept.
        TerrascopeError
            As `terrascope_nb.load`.
        """
        self._exploration.loading.cancel()
        self.refresh()
        with heard(pass_on=True) as said:
            cube = self._exploration.loading.make_cube()
        self._exploration.take_cube((cube, said))
        return cube

    def load_in_background(self) -> None:
        """Load as the button does: the panel shows how far it is, and may cancel."""
        self._exploration.load_in_background()

    @property
    def loaded(self) -> xr.Dataset | None:
        """The cube, once it was loaded for the items that are kept now; else None."""
        return self._exploration.loaded

    @property
    def cube(self) -> xr.Dataset:
        """The cube of the kept items; loaded lazily when nobody has loaded it yet."""
        self.refresh()
        return self._exploration.cube()

    def cancel(self) -> None:
        """Stop whatever is under way."""
        self._exploration.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until searching, loading, measuring and the size are done; False when they still are not after so long."""
        return self._exploration.wait(timeout)

    # -- code and words --------------------------------------------------------------------------------------------------

    @property
    def code(self) -> str:
        """The cell that makes the kept items and the cube again, in a fresh kernel.

        Raises
        ------
        NothingFoundError
            Nothing was searched for yet.
        CellError
            Something in it cannot be written as text.
        """
        self.refresh()
        return self._exploration.code()

    def use_code(self, text: str) -> Items:
        """Choose what the text of a cell says, search for it and drop what it drops; nothing of the text is run.

        Parameters
        ----------
        text : str
            What `code` gave, or the like written by hand.

        Raises
        ------
        CellError
            It is no such cell, or loads in a way this panel does not offer.
        TerrascopeError
            As `search`.
        """
        told = read_cell(text)
        choose(self._choices, self._exploration.searching, told)
        self.table.dropped = []  # the cell says itself what it leaves out
        found = self.search()
        self.drop(*told.without)
        return found

    def show_code(self) -> None:
        """Show the code below the panel."""
        self._exploration.show_code()

    def describe(self) -> str:
        """Return the search, what was found and kept, the size and the code, in words; nothing is searched for."""
        return exploration_text(self._exploration)

    def __repr__(self) -> str:
        return self.describe()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        from terrascope_nb.widgets.panel.calendar_picture import calendar_png, stacked  # Pillow, only to show

        parts = [self.map.picture()]
        if self.all_found:
            self.dates.settle()
            parts.append(calendar_png(self.dates.told_marks, self.dates.dropped))
        bundle = dict(super()._repr_mimebundle_(**options) or {})
        whole: dict[str, Any] = with_twin(bundle, self.model_id, self.describe(), stacked(parts))
        return whole

    def close(self) -> None:
        """Stop all work and leave the page with all parts; a map that was given stays, without what was drawn on it."""
        if self._closed or not self._ready:  # an explorer that could not be made has nothing to end
            return
        self._closed = True
        self._exploration.stop()
        parts = parts_of(self)
        self.dates.close()
        self.area_picker.close()
        self._exploration.drawn.close(take_off=not self._own_map)
        if not self._own_map:
            if self.footprints in self.map.layers:
                self.map.remove(self.footprints)
            staying = {id(one) for one in parts_of(self.map)}
            parts = [one for one in parts if id(one) not in staying]
        close_all(one for one in reversed(parts) if one is not self)
        self.unobserve_all()
        super().close()
