"""The part of the area picker that looks up a place: in Belgium offline, elsewhere online only when a person asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ipywidgets as widgets

from terrascope_nb.widgets.parts.field import LONG, WIDE, attempt, button, row
from terrascope_nb.widgets.parts.typed_field import TypedField
from terrascope_nb.widgets.pickers.area_inputs import Hit, Read, place_names, read_any, read_place
from terrascope_nb.words import say


class PlaceSearch(widgets.VBox):  # type: ignore[misc]
    """Municipalities, provinces and regions of Belgium, with no network.

    Parameters
    ----------
    take : callable
        Is given the place that was chosen.
    geocoder : callable
        Asked instead when the box "online" is ticked: from a text to hits.
    """

    def __init__(self, take: Callable[[Read], None], geocoder: Callable[[str], Sequence[Hit]]) -> None:
        self._take, self._geocoder = take, geocoder
        self._found: tuple[Hit, ...] = ()
        self.name = TypedField(
            say("Belgian place"),
            {say("Search the place"): self.search},
            placeholder=say("Municipality, province or NIS code"),
            options=place_names(),
            main=False,
        )
        self.online = widgets.Checkbox(
            value=False,
            indent=False,
            description=say("Search online instead: the text goes to nominatim.openstreetmap.org"),
            layout=widgets.Layout(width="auto"),
        )
        self.hits = widgets.Dropdown(description=say("Found online"), options=[], layout=LONG, style=WIDE)
        self._hits_row = row(self.hits, button(say("Use this place"), lambda: attempt(self.use, self.name)))
        self._offer(())
        super().__init__(
            [
                self.name,
                self.online,
                self._hits_row,
            ]
        )

    def search(self) -> None:
        """Look up what was typed.

        Raises
        ------
        UnknownPlaceError
            No such place.
        """
        self._offer(())
        if self.online.value:
            self._offer(self._geocoder(self.name.value.strip()))
            self.name.news([say("Places © OpenStreetMap contributors; choose one of those found.")])
            return
        read = read_place(self.name.value)
        self._take(read)
        self.name.news([*read.said, *read.area.notes])

    def use(self) -> None:
        """Take the bounds of a place that was found online."""
        hit = self._found[self.hits.value]
        self._take(read_any(hit.bbox, name=hit.name.partition(",")[0]))

    def _offer(self, found: Sequence[Hit]) -> None:
        self._found = tuple(found)
        self.hits.options = [(hit.name, number) for number, hit in enumerate(self._found)]
        self.hits.value = 0 if self._found else None
        self._hits_row.layout.display = "flex" if self._found else "none"
