"""The explorer: choose, search, look at dates and scenes, select, see the size, load, and take the code along."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import traitlets

from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.snippet import read_cell, write_cell
from terrascope_nb.catalogue.sources import Cql2
from terrascope_nb.cube.progress import told_to
from terrascope_nb.errors import CellError, NothingFoundError, TerrascopeError, TerrascopeWarning
from terrascope_nb.extent.aoi import AoiLike
from terrascope_nb.extent.period import PeriodLike
from terrascope_nb.products.model import Product
from terrascope_nb.products.registry import get_product
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.panel import explorer_work as work
from terrascope_nb.widgets.panel.availability_words import clear_share
from terrascope_nb.widgets.panel.explorer_panel import ExplorerPanel
from terrascope_nb.widgets.panel.explorer_words import choice_lines, code_text, found_lines, short_list
from terrascope_nb.widgets.parts.background import Cancel, Worker, heard
from terrascope_nb.widgets.parts.static_twin import with_twin
from terrascope_nb.words import say

if TYPE_CHECKING:
    import xarray as xr

_MINUTE = 60.0
"""Seconds that keep_clear waits for the quality flags."""
_PATIENCE = 2.0
"""Seconds that a text waits for the size."""
_SETTLE = 0.3
"""Seconds after the last change before the size is worked out."""


class Explorer(ExplorerPanel):
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
        self._ready = False
        self._source = source
        self.searched: work.Asked | None = None
        self._cancelled: work.Asked | None = None
        self._options: dict[str, Any] = {}
        self._at_least: float | None = None
        self._cloudy: frozenset[str] = frozenset()
        self._searcher: Worker[tuple[work.Asked, Items, list[str]]] = Worker("search")
        self._sizer: Worker[work.Estimate] = Worker("size")
        self._loader: Worker[tuple[Any, list[str]]] = Worker("load")
        super().__init__(product, area, period, filters=filters or {}, filter=filter, bands=bands, mask=mask, map=map)
        self.dates.observe(self._clear_measured, "measuring")
        self._ready = True

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
        asked = self._asked()
        with heard(pass_on=True) as said:
            found = asked.search()
        lost = self._found((asked, found, said))
        if lost:
            warnings.warn(
                f"{short_list(lost)} was left out by hand before; this search did not find it.",
                TerrascopeWarning,
                stacklevel=2,
            )
        return found

    def search_in_background(self) -> None:
        """Search as the button does: the panel says how it goes."""
        if self.product is None:
            self.status.tell(say("Choose a product first."), "warning")
            self.sections[1].unfold()
            return
        asked = self._asked()

        def ask(cancel: Cancel) -> tuple[work.Asked, Items, list[str]]:
            with heard() as said:
                found = asked.search()
            cancel.check()
            return asked, found, said

        self.status.tell(say("Searching {product} …", product=self._product_name()), "busy")
        self._searcher.start(ask, self._answered, self.say_error)

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
        self._at_least = percent
        if self.dates.measuring:
            self.status.tell(say("Waiting for the quality flags …"), "busy")
            self.dates.wait(_MINUTE)
        self.keep_clear_later(percent)

    def keep_clear_later(self, percent: float) -> None:
        """Do as `keep_clear`, but do not wait: flags that are being read are applied when they are there."""
        self._at_least = percent
        if self.dates.measuring:
            told = say("The cloudier dates are dropped as soon as the quality flags are read.")
            self.status.tell(told, "info")
            return
        self._apply_clear()

    def _clear_measured(self, change: Mapping[str, Any]) -> None:
        if self._at_least is not None and not change["new"]:
            self._apply_clear()

    def _apply_clear(self) -> None:
        percent, self._at_least = self._at_least, None
        if percent is None:
            return
        marks = self.dates.marks
        low = [mark for mark in marks if clear_share(mark) < percent]  # what nobody knows is no reason to drop
        by_hand = [one for one in self.table.dropped if one not in self._cloudy]
        self._cloudy = frozenset(one for mark in low for one in mark.item_ids) - frozenset(by_hand)
        self.table.dropped = [*by_hand, *sorted(self._cloudy)]
        kept = say("{kept} of {count} dates kept", kept=len(marks) - len(self.dates.dropped), count=len(marks))
        self.status.tell(kept, "done")

    @property
    def found(self) -> Items:
        """All items of the search for what is chosen."""
        self.refresh()
        return self.all_found

    @property
    def dropped(self) -> tuple[str, ...]:
        """Days and single scenes that were left out by hand."""
        days, singles = work.split_dropped(self.all_found, set(self.table.dropped))
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
        self.refresh()
        with heard(pass_on=True) as said:
            cube = self._make_cube()
        self._loaded((cube, said))
        return cube

    def load_in_background(self) -> None:
        """Load as the button does: the panel shows how far it is, and may cancel."""
        whole = self._whole.value
        if self.is_outdated:
            self.status.tell(self.notice(), "warning")
            return

        def make(cancel: Cancel) -> tuple[Any, list[str]]:
            with told_to(work.teller(self.status, cancel)), heard() as said:
                cube = self._make_cube()
                cancel.check()
                if whole:
                    cube = work.in_memory(cube)
            cancel.check()
            return cube, said

        if not self.kept:
            self.status.tell(say("There is nothing to load: search first, and keep at least one date."), "warning")
            return
        self.status.tell(say("Loading {count} scenes …", count=len(self.kept)), "busy")
        self._loader.start(make, self._loaded, self.say_error)

    @property
    def cube(self) -> xr.Dataset:
        """The cube of the kept items; loaded lazily when nobody has loaded it yet."""
        self.refresh()
        if self.loaded is None:
            self.loaded = self._make_cube()
        return self.loaded

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
        return self._code()

    def _code(self) -> str:
        """Return the code of the search that was made."""
        if self.searched is None:
            self._product_name()  # says so where there is none
            raise NothingFoundError(
                "The explorer has not searched yet, so there is no selection to write. Choose an area or a period, or "
                "call explorer.search()."
            )
        found = self.all_found
        selection = work.selection_of(found, self.searched, dropped=set(self.table.dropped), load=self._load_options())
        if not found:
            return write_cell(selection)
        remark = say("{kept} of {count} scenes kept", kept=len(self.kept), count=len(found))
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
        self.table.dropped = []  # the cell says itself what it leaves out
        found = self.search()
        self.drop(*told.without)
        return found

    def cancel(self) -> None:
        """Stop whatever is under way."""
        busy = self._searcher.busy or self._loader.busy
        if self._searcher.busy:
            self._cancelled = self._asked()
        self._searcher.cancel()
        self._loader.cancel()
        if busy:
            self.status.tell(say("Cancelled."), "info")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until searching, loading, measuring and the size are done; False when they still are not after so long."""
        return all(one.wait(timeout) for one in (self._searcher, self._loader, self.dates, self._sizer))

    # -- the work --------------------------------------------------------------------------------------------------------

    def _asked(self) -> work.Asked:
        return work.Asked(self._product_name(), self.area, self.period, self.filters, self._source)

    @property
    def is_outdated(self) -> bool:
        """Whether other things are chosen now than were searched for."""
        if self.searched is None:
            return False
        return self.product is None or self._asked() != self.searched

    def refresh(self) -> None:
        """Search for what is chosen now, when that was not searched for yet; not what was cancelled."""
        if not self._ready or self.product is None:
            return
        new = self.is_outdated if self.searched else self.area is not None or self.period is not None
        if new and (self._cancelled is None or self._asked() != self._cancelled):
            self.search()

    def _load_options(self) -> dict[str, Any]:
        # Bands and mask on the panel are those of the product that is chosen; what was found may be of another.
        if self.searched is None or (self.product is not None and self._product_name() == self.searched.product):
            self._options = {"bands": list(self.bands) or None, "mask": self.mask}
        return self._options

    def _make_cube(self) -> xr.Dataset:
        return work.make_cube(self.kept, self.searched.area if self.searched else None, self._load_options())

    def _answered(self, answer: tuple[work.Asked, Items, list[str]]) -> None:
        self._found(answer)  # the panel says what was lost

    def _found(self, answer: tuple[work.Asked, Items, list[str]]) -> list[str]:
        """Take the answer of a search; return what was left out by hand and is not in it."""
        asked, found, said = answer
        self._loader.cancel()
        same = self.searched is not None and self.searched.product == asked.product
        by_hand = set(self.table.dropped) - self._cloudy
        stays, lost = work.carried(self.all_found, by_hand, found, days=same)
        self.searched, self._cancelled, self._at_least = asked, None, None
        self._cloudy = frozenset(item.id for item in found if item.id in self._cloudy) - frozenset(stays)
        self.loaded = self.size = None
        if stays:
            days, singles = work.split_dropped(found, set(stays))
            said = [*said, say("Still left out by hand: {names}", names=short_list([*days, *singles]))]
        if lost:
            said = [*said, say("Left out by hand before, and not found now: {names}", names=short_list(lost))]
        self._load_options()
        self.show_found(found, said, [*stays, *sorted(self._cloudy)])
        self._size_later()
        return lost

    def _loaded(self, answer: tuple[Any, list[str]]) -> None:
        self.loaded = answer[0]
        self.show_cube(*answer)

    def _selected(self) -> None:
        if self._loader.busy:
            self._loader.cancel()
            self.status.tell(say("The selection has changed, so loading was stopped; load again."), "warning")
        self.loaded = None
        self.code_cell.code = ""
        self._size_later()

    def show_code(self) -> None:
        """Show the code below the panel."""
        if self.is_outdated:
            self.status.tell(self.notice(), "warning")
            return
        try:
            self.code_cell.code = self._code()
        except TerrascopeError as error:
            self.say_error(error)

    def _code_or_reason(self) -> str:
        try:
            return code_text(self._code())
        except TerrascopeError as error:
            return error.message

    def _size_later(self) -> None:
        """Work out the size when choices have come to rest."""
        if not self._ready:
            return
        if self.is_outdated:
            self._sizer.cancel()
            self.size = None
            self.say_size(self.notice())
            return
        items, area, options = self.kept, self.searched.area if self.searched else None, self._load_options()
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
        """Return the search, what was found and kept, the size and the code, in words; nothing is searched for."""
        asked = self.searched
        if asked is None:
            lines = list(choice_lines(self.product, self.area, self.period, self.filters, self.bands))
            return "\n".join([*lines, say("Nothing was searched for yet.")])
        bands = self._load_options()["bands"] or ()
        lines = list(choice_lines(get_product(asked.product), asked.area, asked.period, asked.filters, bands))
        if self.is_outdated:
            lines.insert(0, self.notice())
            lines.insert(1, say("Below is what was searched for before:"))
        if self.all_found:
            lines += found_lines(self)
            self._sizer.wait(_PATIENCE)
        else:
            lines.append(say("Nothing was found."))
        if self.size is not None:
            lines.append(str(self.size))
        return "\n".join([*lines, "", self._code_or_reason()])

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
        """Stop all work and leave the page."""
        for worker in (self._searcher, self._loader, self._sizer):
            worker.cancel()
        super().close()
