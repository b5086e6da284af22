"""One exploration: choices, search, selection, size and cube, kept in step with each other and with the panel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from terrascope_nb.catalogue.items import Items
from terrascope_nb.errors import TerrascopeError
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.panel import explorer_work as work
from terrascope_nb.widgets.panel.choices import Choices
from terrascope_nb.widgets.panel.clear_dates import ClearDates
from terrascope_nb.widgets.panel.drawn_cube import DrawnCube
from terrascope_nb.widgets.panel.explorer_code import cell_of
from terrascope_nb.widgets.panel.explorer_panel import Actions, ExplorerPanel
from terrascope_nb.widgets.panel.explorer_words import short_list
from terrascope_nb.widgets.panel.footprints import look_at
from terrascope_nb.widgets.panel.kept_scenes import KeptScenes
from terrascope_nb.widgets.panel.loading import Loaded, Loading
from terrascope_nb.widgets.panel.searching import Answer, Searching
from terrascope_nb.widgets.parts.status_line import StatusLine
from terrascope_nb.words import say

if TYPE_CHECKING:
    import xarray as xr


class Exploration:
    """What follows when something is chosen, found, dropped or loaded; it never searches by itself.

    Parameters
    ----------
    choices : Choices
        What is chosen.
    source : Any
        Where it searches; None = the usual catalogue.
    shown : Map
        The map beside the panel.
    on_kept : callable
        Given the items that are kept whenever these are others.

    Attributes
    ----------
    loaded : xarray.Dataset or None
        The cube, once it was loaded for the items that are kept now.
    """

    def __init__(self, choices: Choices, source: Any, shown: Map, on_kept: Callable[[Items], None]) -> None:
        self.loaded: xr.Dataset | None = None
        self._on_kept = on_kept
        self._answer: tuple[str, str] = ("", "info")
        self.map = shown
        self.choices = choices
        self.scenes = KeptScenes(shown, self._kept_changed)
        self.status = StatusLine(on_cancel=self.cancel)
        self.clear = ClearDates(self.scenes, self.status)
        buttons = Actions(
            search=self.search_in_background,
            keep_clear=self.clear.keep_later,
            load=self.load_in_background,
            show_code=self.show_code,
        )
        self.panel = ExplorerPanel(choices, self.scenes, self.status, shown, buttons)
        self.searching = Searching(choices, source)
        self.loading = Loading(choices, self.searching, self.scenes)
        self.drawn = DrawnCube(shown)
        choices.observe(to_search=self._choices_changed, to_load=self._selected, link=self._link_pasted)
        self.scenes.dates.observe(lambda change: self.drawn.show_day(change["new"]), "selected")

    # -- searching -------------------------------------------------------------------------------------------------------

    def search_in_background(self) -> None:
        """Search as the button does: the panel says how it goes."""
        if self.choices.product is None:
            self.status.tell(say("Choose a product first."), "warning")
            self.choices.sections[1].unfold()
            return
        self.status.tell(say("Searching {product} …", product=self.choices.product_name), "busy")
        self.searching.start(self._answered, self.say_error)

    def _answered(self, answer: Answer) -> None:
        self.take(answer)  # the panel says what was lost

    @property
    def is_outdated(self) -> bool:
        """Whether other things are chosen now than were searched for."""
        return self.searching.is_outdated

    def take(self, answer: Answer) -> list[str]:
        """Take the answer of a search; return what was left out by hand and is not in it."""
        asked, found, said = answer
        self.loading.cancel()
        same = self.searching.made is not None and self.searching.made.product == asked.product
        stays, lost = work.carried(self.scenes.found, self.clear.by_hand, found, days=same)
        cloudy = self.clear.dropped_of(found, stays)
        self.searching.take(asked)
        self.loaded = None
        self.panel.size_line.size = None
        if stays:
            days, singles = work.split_dropped(found, set(stays))
            said = [*said, say("Still left out by hand: {names}", names=short_list([*days, *singles]))]
        if lost:
            said = [*said, say("Left out by hand before, and not found now: {names}", names=short_list(lost))]
        self._show_found(found, said, [*stays, *cloudy])
        self._size_later()
        return lost

    def _show_found(self, found: Items, said: Sequence[str], dropped: Sequence[str]) -> None:
        self.scenes.show(found, dropped)
        self._on_kept(self.scenes.kept)
        self.panel.show_results(bool(found))
        self.panel.code_cell.code = ""
        notes = [*said, *found.notes]
        if not found:
            self._tell_answer("\n".join(notes) or say("Nothing was found."), "warning")
            return
        if self.choices.area is None:
            look_at(self.map, found)
        several = say("{count} scenes on {dates} dates", count=len(found), dates=len(self.scenes.dates.dates))
        self._tell_answer("\n".join([several, *notes]), "warning" if said else "done")

    def _tell_answer(self, text: str, kind: str) -> None:
        self._answer = (text, kind)
        self.status.tell(text, kind)
        if self.is_outdated:
            self.status.tell(f"{text}\n{self.notice()}", "warning")

    # -- choosing and selecting -------------------------------------------------------------------------------------------

    def notice(self) -> str:
        """Return what is said while other things are chosen than were searched for."""
        return say("The choices have changed; search again to see what there is.")

    def _choices_changed(self) -> None:
        """Say in the closed sections what is chosen, and that what is shown was another choice."""
        self.choices.summarise()
        if self.status.kind != "busy":
            if self.is_outdated:
                self.status.tell(self.notice(), "warning")
            elif self.status.text == self.notice():
                self.status.tell(*self._answer)
        self.panel.code_cell.code = ""
        self._size_later()

    def _link_pasted(self, link: Any) -> None:
        if link is not None:
            told, whole = self.choices.take_link(link)
            self.status.tell(told, "info" if whole else "warning")

    def _kept_changed(self) -> None:
        self._on_kept(self.scenes.kept)
        self._selected()

    def _selected(self) -> None:
        """Forget what was loaded of other scenes, other bands or with another mask."""
        if self.loading.busy:
            self.loading.cancel()
            self.status.tell(say("The selection has changed, so loading was stopped; load again."), "warning")
        self.loaded = None
        self.panel.code_cell.code = ""
        self._size_later()

    def _size_later(self) -> None:
        """Work out the size when choices have come to rest."""
        line = self.panel.size_line
        if self.is_outdated:
            line.tell(self.notice())
        elif self.scenes.kept:
            line.measure(self.scenes.kept, self.loading.area, self.loading.options)
        else:
            line.tell(say("Nothing is kept."))

    # -- loading ---------------------------------------------------------------------------------------------------------

    def load_in_background(self) -> None:
        """Load as the button does: the panel shows how far it is, and may cancel."""
        if self.is_outdated:
            self.status.tell(self.notice(), "warning")
            return
        if not self.scenes.kept:
            self.status.tell(say("There is nothing to load: search first, and keep at least one date."), "warning")
            return
        self.status.tell(say("Loading {count} scenes …", count=len(self.scenes.kept)), "busy")
        self.loading.start(self.status, self.take_cube, self.say_error, whole=self.panel.whole.value)

    def cube(self) -> xr.Dataset:
        """Return the cube of the kept items; loaded lazily when nobody has loaded it yet."""
        if self.loaded is None:
            self.loaded = self.loading.make_cube()
        return self.loaded

    def take_cube(self, answer: Loaded) -> None:
        """Take what was loaded: draw it on the map, and say so."""
        cube, said = answer
        self.loaded = cube
        told = say(
            "Loaded. The cube is explorer.cube: {times} dates, {names}.",
            times=cube.sizes["time"],
            names=", ".join(map(str, cube.data_vars)),
        )
        try:
            self.drawn.draw(cube, self.choices.product_name)
            self.panel.show_tools(self.map)
        except TerrascopeError as error:
            said = [*said, say("It is not drawn on the map: {reason}", reason=error.message)]
        self.status.tell("\n".join([told, *said]), "warning" if said else "done")

    # -- code ------------------------------------------------------------------------------------------------------------

    def code(self) -> str:
        """Return the code of the search that was made."""
        if self.searching.made is None:
            _ = self.choices.product_name  # says so where there is none
        return cell_of(self.searching.made, self.scenes, self.loading.options)

    def show_code(self) -> None:
        """Show the code below the panel."""
        if self.is_outdated:
            self.status.tell(self.notice(), "warning")
            return
        try:
            self.panel.code_cell.code = self.code()
        except TerrascopeError as error:
            self.say_error(error)

    def say_error(self, error: Exception) -> None:
        """Say what went wrong, and what to do."""
        self.status.tell(work.reason_of(error), "error")

    # -- all of it -------------------------------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Stop whatever is under way."""
        searches, loads = self.searching.cancel(), self.loading.cancel()
        if searches or loads:
            self.status.tell(say("Cancelled."), "info")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until searching, loading, measuring and the size are done; False when they still are not after so long."""
        return all(one.wait(timeout) for one in (self.searching, self.loading, self.scenes.dates, self.panel.size_line))

    def stop(self) -> None:
        """Stop all work without a word."""
        for one in (self.searching, self.loading, self.panel.size_line):
            one.cancel()
