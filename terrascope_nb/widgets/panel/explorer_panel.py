"""The explorer's panel: where pickers, map, calendar, table, buttons and lines stand. What they do is handed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import ipywidgets as widgets

from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.panel.choices import Choices
from terrascope_nb.widgets.panel.kept_scenes import KeptScenes
from terrascope_nb.widgets.panel.size_line import SizeLine
from terrascope_nb.widgets.parts.code_cell import CodeCell
from terrascope_nb.widgets.parts.field import button, row
from terrascope_nb.widgets.parts.status_line import StatusLine
from terrascope_nb.words import say


@dataclass(frozen=True, slots=True)
class Actions:
    """What the buttons of the panel do."""

    search: Callable[[], None]
    """The button "Search"."""
    keep_clear: Callable[[float], None]
    """The button "Drop the cloudier dates", given the least clear share in percent."""
    load: Callable[[], None]
    """The button "Load"."""
    show_code: Callable[[], None]
    """The button "Code"."""


class ExplorerPanel:
    """Puts the parts of an explorer in their places.

    Parameters
    ----------
    choices, scenes, status, shown
        The pickers, what was found, the line that says what is going on, and the map beside them.
    actions : Actions
        What its buttons do.
    """

    def __init__(self, choices: Choices, scenes: KeptScenes, status: StatusLine, shown: Map, actions: Actions) -> None:
        self.size_line = SizeLine()
        self.code_cell = CodeCell()
        self.whole = widgets.Checkbox(value=False, indent=False, description=say("Read all values into memory now"))
        self.search_button = button(say("Search"), actions.search, primary=True)
        self.calendar = self._calendar(scenes, actions)
        self.results = widgets.VBox(
            [
                scenes.table,
                row(choices.band_field, choices.mask_field, self.whole),
                self.size_line,
                row(button(say("Load"), actions.load, primary=True), button(say("Code"), actions.show_code)),
            ],
            layout=widgets.Layout(display="none"),
        )
        left = widgets.VBox(
            [*choices.sections, row(self.search_button), status, self.calendar],
            layout=widgets.Layout(flex="1 1 360px", min_width="300px"),
        )
        self._beside = widgets.VBox([shown], layout=widgets.Layout(flex="2 1 480px", min_width="300px"))
        top = widgets.HBox([left, self._beside], layout=widgets.Layout(flex_flow="row wrap"))
        self.children = [top, self.results, self.code_cell]

    def _calendar(self, scenes: KeptScenes, actions: Actions) -> widgets.VBox:
        least = widgets.BoundedFloatText(
            value=50,
            min=0,
            max=100,
            step=5,
            description=say("At least clear, %"),
            tooltip=say("Of the part of the area that the scenes of a date cover"),
            style={"description_width": "9em"},
        )
        clearer = button(say("Drop the cloudier dates"), lambda: actions.keep_clear(least.value))
        return widgets.VBox([scenes.dates, row(least, clearer)], layout=widgets.Layout(display="none"))

    def show_results(self, there: bool) -> None:
        """Show calendar and table, or hide them where there is nothing in them."""
        self.results.layout.display = self.calendar.layout.display = "" if there else "none"

    def show_tools(self, shown: Map) -> None:
        """Show the looking tools under the map, with the dates open."""
        self._beside.children = (shown, shown.tools)
        shown.tools.open_tool(say("Time"))
