"""The explorer: choose, search, look at dates and scenes, select, see the size, load, and take the code along."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import traitlets

from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.query import search as search_items
from terrascope_nb.catalogue.snippet import read_cell, write_cell
from terrascope_nb.catalogue.sources import Cql2
from terrascope_nb.cube.progress import told_to
from terrascope_nb.errors import CellError, TerrascopeError
from terrascope_nb.extent.aoi import AoiLike
from terrascope_nb.extent.period import PeriodLike
from terrascope_nb.products.model import Product
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.panel import explorer_work as work
from terrascope_nb.widgets.panel.explorer_panel import ExplorerPanel
from terrascope_nb.widgets.parts.background import Cancel, Worker, heard
from terrascope_nb.widgets.parts.static_twin import with_twin
from terrascope_nb.words import say

if TYPE_CHECKING:
    import xarray as xr

_SETTLE = 0.3
"""Seconds after the last change before the size is worked out."""


class Explorer(ExplorerPanel):
    """Everything from a choice to a cube in one panel; made by `terrascope_nb.explore`.

    Attributes
    ----------
    items : Items
        A trait: the items that are kept.
    found : Items
        All items of the last search.
    cube : xarray.Dataset
        What was loaded; loads lazily when nobody has yet.
    code : str
        The cell that makes items and cube again.
    area, period, product, filters, bands, mask
        The choices; set them to choose.
    map : Map
        The map beside the panel.
    """

    loaded = traitlets.Any(None, allow_none=True)
    """The cube, once it was loaded for the items that are kept now; else None."""
    size = traitlets.Instance(work.Estimate, allow_none=True)
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
        self._source = source
        self._searcher: Worker[tuple[Items, list[str]]] = Worker("search")
        self._sizer: Worker[work.Estimate] = Worker("size")
        self._loader: Worker[tuple[Any, list[str]]] = Worker("load")
        super().__init__(product, area, period, filters=filters or {}, filter=filter, bands=bands, mask=mask, map=map)

    # -- what it does --------------------------------------------------------------------------------------------------

    def search(self) -> Items:
        """Search for what is chosen, show it, and return what was found.

        Raises
        ------
        NothingFoundError
            No product is chosen.
        TerrascopeError
            As `terrascope_nb.search`.
        """
        self._searcher.cancel()
        with heard(pass_on=True) as said:
            found = self._ask()
        self._found((found, said))
        return found

    def search_in_background(self) -> None:
        """Search as the button does: the panel says how it goes."""

        def ask(cancel: Cancel) -> tuple[Items, list[str]]:
            with heard() as said:
                found = self._ask()
            cancel.check()
            return found, said

        if self.product is None:
            self.status.tell(say("Choose a product first."), "warning")
            self.sections[1].unfold()
            return
        self.status.tell(say("Searching {product} …", product=self._product_name()), "busy")
        self._searcher.start(ask, self._found, self.say_error)

    def drop(self, *what: Any) -> None:
        """Leave days (``"2018-06-15"``) or single scenes out, by day or id."""
        asked = {str(one) for one in what}
        gone = [item.id for item in self.found if item.id in asked or work.day_of(item) in asked]
        self.table.dropped = list(dict.fromkeys([*self.table.dropped, *gone]))

    def keep(self, *what: Any) -> None:
        """Take days or single scenes in again."""
        asked = {str(one) for one in what}
        back = {item.id for item in self.found if item.id in asked or work.day_of(item) in asked}
        self.table.dropped = [one for one in self.table.dropped if one not in back]

    def keep_clear(self, percent: float) -> None:
        """Keep only the dates whose known clear share is at least so many percent."""
        low = [mark for mark in self.dates.marks if not math.isnan(mark.clear) and mark.clear < percent]
        self.table.dropped = [item_id for mark in low for item_id in mark.item_ids]

    @property
    def dropped(self) -> tuple[str, ...]:
        """Days and single scenes that were left out by hand."""
        days, singles = work.split_dropped(self.found, set(self.table.dropped))
        return (*days, *singles)

    def load(self) -> xr.Dataset:
        """Load the kept items, draw the cube on the map, and return it.

        Raises
        ------
        NothingFoundError
            Nothing is kept.
        TerrascopeError
            As `terrascope_nb.load`.
        """
        self._loader.cancel()
        with heard(pass_on=True) as said:
            cube = self._make_cube()
        self._loaded((cube, said))
        return cube

    def load_in_background(self) -> None:
        """Load as the button does: the panel shows how far it is, and may cancel."""
        whole = self._whole.value

        def make(cancel: Cancel) -> tuple[Any, list[str]]:
            with told_to(work.teller(self.status, cancel)), heard() as said:
                cube = self._make_cube()
                cancel.check()
                if whole:
                    cube = work.in_memory(cube)
            cancel.check()
            return cube, said

        if not self.items:
            self.status.tell(say("There is nothing to load: search first, and keep at least one date."), "warning")
            return
        self.status.tell(say("Loading {count} scenes …", count=len(self.items)), "busy")
        self._loader.start(make, self._loaded, self.say_error)

    @property
    def cube(self) -> xr.Dataset:
        """The cube of the kept items; loaded lazily when nobody has loaded it yet."""
        if self.loaded is None:
            self.loaded = self._make_cube()
        return self.loaded

    @property
    def code(self) -> str:
        """The cell that makes the kept items and the cube again, in a fresh kernel.

        Raises
        ------
        NothingFoundError
            No product is chosen.
        CellError
            Something in it cannot be written as text.
        """
        selection = work.selection_of(
            self.found,
            product=self._product_name(),
            area=self.area,
            period=self.period,
            filters=self.filters,
            source=self._source,
            dropped=set(self.table.dropped),
            load=self._load_options(),
        )
        if not self.found:
            return write_cell(selection)
        remark = say("{kept} of {count} scenes kept", kept=len(self.items or ()), count=len(self.found))
        return write_cell(selection, remark=remark)

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
        options = dict(told.load or {})
        bands, mask = options.pop("bands", None), options.pop("mask", None)
        if options:
            raise CellError(
                f"The cell loads with {', '.join(options)}, which the explorer does not offer. Leave it out, or run the cell."
            )
        filters = dict(told.filters)
        self._source = filters.pop("source", None)
        self.product, self.area, self.period, self.filters = told.product, told.area, told.period, filters
        if told.load is not None:
            self.mask = mask
            if bands is not None:
                self.bands = bands
        found = self.search()
        self.drop(*told.without)
        return found

    def cancel(self) -> None:
        """Stop whatever is under way."""
        busy = self._searcher.busy or self._loader.busy
        self._searcher.cancel()
        self._loader.cancel()
        if busy:
            self.status.tell(say("Cancelled."), "info")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until searching, loading, measuring and the size are done; False when they still are not after so long."""
        return all(one.wait(timeout) for one in (self._searcher, self._loader, self.dates, self._sizer))

    # -- the work --------------------------------------------------------------------------------------------------------

    def _ask(self) -> Items:
        return search_items(self._product_name(), self.area, self.period, **self.filters, source=self._source)

    def _load_options(self) -> dict[str, Any]:
        return {"bands": list(self.bands) or None, "mask": self.mask}

    def _make_cube(self) -> xr.Dataset:
        return work.make_cube(self.items or Items(()), self.area, self._load_options())

    def _found(self, answer: tuple[Items, list[str]]) -> None:
        self.loaded = self.size = None
        self.show_found(*answer)
        self._size_later()

    def _loaded(self, answer: tuple[Any, list[str]]) -> None:
        self.loaded = answer[0]
        self.show_cube(*answer)

    def _selected(self) -> None:
        self.loaded = None
        self.code_cell.code = ""
        self._size_later()

    def show_code(self) -> None:
        """Show the code below the panel."""
        try:
            self.code_cell.code = self.code
        except TerrascopeError as error:
            self.say_error(error)

    def _code_or_reason(self) -> str:
        try:
            return self.code
        except TerrascopeError as error:
            return error.message

    def _size_later(self) -> None:
        """Work out the size when choices have come to rest."""
        items, area, options = self.items, self.area, self._load_options()
        if not items:
            self._sizer.cancel()
            self.size = None
            self.say_size(say("Nothing is kept."))
            return

        def measure(cancel: Cancel) -> work.Estimate:
            if cancel.wait(_SETTLE):
                cancel.check()
            with heard():
                return work.estimate(items, area, options)

        self._sizer.start(measure, self._show_size, self._no_size)

    def _show_size(self, size: work.Estimate) -> None:
        self.size = size
        self.say_size(str(size))

    def _no_size(self, error: Exception) -> None:
        self.size = None
        self.say_size(work.reason_of(error))

    # -- without a browser -------------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """Return the choices, what was found and kept, the size and the code, in words."""
        pickers = (self.area_picker, self.product_picker, self.period_picker, self.filter_picker)
        lines = [picker.describe() for picker in pickers]
        if self.found:
            lines += [say("{kept} of {count} scenes kept", kept=len(self.items or ()), count=len(self.found))]
            if self.dropped:
                lines.append(say("Left out by hand: {names}", names=", ".join(self.dropped)))
            lines.append(self.dates.describe())
        if self.size is not None:
            lines.append(str(self.size))
        if self.product is not None:
            lines += ["", self._code_or_reason()]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.describe()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        from terrascope_nb.widgets.panel.calendar_picture import calendar_png, stacked  # Pillow, only to show

        parts = [self.map.picture()]
        if self.found:
            parts.append(calendar_png(self.dates.marks, self.dates.dropped))
        bundle = dict(super()._repr_mimebundle_(**options) or {})
        whole: dict[str, Any] = with_twin(bundle, self.model_id, self.describe(), stacked(parts))
        return whole

    def close(self) -> None:
        """Stop all work and leave the page."""
        for worker in (self._searcher, self._loader, self._sizer):
            worker.cancel()
        super().close()


def explore(
    product: str | Product | None = None,
    area: AoiLike | None = None,
    period: PeriodLike | None = None,
    *,
    max_cloud: float | None = None,
    tile: str | Sequence[str] | None = None,
    resolution: float | str | None = None,
    orbit_direction: str | None = None,
    relative_orbit: int | Sequence[int] | None = None,
    platform: str | Sequence[str] | None = None,
    version: str | None = None,
    filter: Cql2 | None = None,  # noqa: A002 - the word of search()
    max_items: int | None = None,
    source: Any = None,
    bands: str | Sequence[str] | None = None,
    mask: str | None = "clear",
    without: Sequence[str] = (),
    map: Map | None = None,  # noqa: A002 - the word of every widget that stands beside a map
) -> Explorer:
    """Return a panel to choose, search, look, select and load; with choices given it has searched already.

    Parameters
    ----------
    product, area, period, max_cloud, tile, resolution, orbit_direction, relative_orbit, platform, version, filter, max_items, source
        As `terrascope_nb.search`; whatever is given is chosen already.
    bands, mask
        What to load, as `terrascope_nb.load`; None = the product's usual bands. A product without quality flags is not
        masked.
    without : sequence of str
        Days and item ids to leave out.
    map : Map, optional
        The map to use; one of its own when None.

    Returns
    -------
    Explorer
        ``items``, ``area``, ``period``, ``product``, ``cube`` and ``code`` are there for the next cell, with or without a
        browser.

    Raises
    ------
    TerrascopeError
        A choice that was given cannot be meant, or the search failed.

    Examples
    --------
    >>> explorer = explore("s2-ndvi", (3.02, 50.81, 3.03, 50.82), "2018-06", source="sample")
    >>> len(explorer.items)
    9
    """
    given = {
        "max_cloud": max_cloud, "tile": tile, "resolution": resolution, "orbit_direction": orbit_direction,
        "relative_orbit": relative_orbit, "platform": platform, "version": version, "max_items": max_items,
    }  # fmt: skip
    filters = {name: value for name, value in given.items() if value is not None}
    explorer = Explorer(
        product, area, period, filters=filters, filter=filter, source=source, bands=bands, mask=mask, map=map
    )
    if product is not None and (area is not None or period is not None):
        explorer.search()
        if without:
            explorer.drop(*without)
    return explorer
