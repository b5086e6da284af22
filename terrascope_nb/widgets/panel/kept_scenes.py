"""The scenes of a search and which of them are kept: calendar, table and outlines on the map, always in step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from terrascope_nb.catalogue.items import Items
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.panel.availability import Availability
from terrascope_nb.widgets.panel.explorer_work import day_of, split_dropped
from terrascope_nb.widgets.panel.footprints import Footprints
from terrascope_nb.widgets.panel.results_table import ResultsTable


class KeptScenes:
    """What a search found, in a calendar of days and a table of scenes; what is dropped in one is dropped in all.

    Parameters
    ----------
    shown_on : Map
        The map that outlines are drawn on.
    on_change : callable
        Called when scenes were dropped or taken in again.
    """

    def __init__(self, shown_on: Map, on_change: Callable[[], None]) -> None:
        self.found = self.kept = Items(())
        self._on_change = on_change
        self._syncing = False
        self.dates = Availability()
        self.footprints = Footprints()
        shown_on.add(self.footprints)
        self.table = ResultsTable(footprints=self.footprints, map=shown_on)
        self.dates.observe(self._days_changed, "dropped")
        self.table.observe(self._scenes_changed, "dropped")

    def show(self, found: Items, dropped: Collection[str] = ()) -> None:
        """Show the answer of a search, and what of it is left out."""
        self.found = found
        self.footprints.show_items(found)
        with self._together():
            self.table.show_items(found, dropped)
            self.dates.show_items(found)
            self.dates.dropped = split_dropped(found, set(dropped))[0]
        self.kept = found.without(*dropped)

    @property
    def dropped(self) -> tuple[str, ...]:
        """Days all of whose scenes are left out, and ids of single scenes."""
        days, singles = split_dropped(self.found, set(self.table.dropped))
        return (*days, *singles)

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
        gone = {item.id for item in self.found if day_of(item) in now - before}
        back = {item.id for item in self.found if day_of(item) in before - now}
        kept = [one for one in self.table.dropped if one not in back]
        self._drop_exactly([*kept, *(one for one in gone if one not in kept)])

    def _scenes_changed(self, change: Mapping[str, Any]) -> None:
        if not self._syncing:
            self._drop_exactly(change["new"])

    def _drop_exactly(self, dropped: Collection[str]) -> None:
        gone = set(dropped)
        with self._together():
            self.table.dropped = [item.id for item in self.found if item.id in gone]
            self.dates.dropped = split_dropped(self.found, gone)[0]
        self.kept = self.found.without(*self.table.dropped)
        self._on_change()
