"""`Clicks`: one tool at a time hears the clicks on a map, and a person sees which."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import ipywidgets as widgets

from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map

_hearing: WeakKeyDictionary[Any, Clicks] = WeakKeyDictionary()
"""Map -> the one that hears its clicks now."""


class Clicks:
    """Hands the clicks on a map to a tool while its button is down.

    Parameters
    ----------
    shown : Map
    act : callable
        Told longitude and latitude in degrees.
    """

    def __init__(self, shown: Map, act: Callable[[float, float], object]) -> None:
        self.map, self._act = shown, act
        self.toggle = widgets.ToggleButton(
            value=False, description=say("Click on the map"), icon="crosshairs",
            tooltip=say("While this is pressed, a click on the map is for this tool."),
            layout=widgets.Layout(width="auto", min_width="10em"),
        )  # fmt: skip
        self.toggle.observe(self._on_toggle, "value")
        shown.on_interaction(self._on_interaction)
        self.toggle.value = True

    def close(self) -> None:
        """Hear no clicks any more."""
        self.toggle.value = False
        self.map.on_interaction(self._on_interaction, remove=True)

    def _on_toggle(self, change: Any) -> None:
        before = _hearing.get(self.map)
        if change["new"]:
            _hearing[self.map] = self
            if before is not None and before is not self:
                before.toggle.value = False
            self._show_cursor("crosshair")
        elif before is self:
            del _hearing[self.map]
            self._show_cursor("grab")

    def _show_cursor(self, cursor: str) -> None:
        if self.map.comm is not None:
            before = self.map.default_style
            self.map.default_style = {"cursor": cursor}
            before.close()

    def _on_interaction(self, **event: Any) -> None:
        if event.get("type") == "click" and self.toggle.value and event.get("coordinates"):
            lat, lon = event["coordinates"]
            self._act((lon + 180.0) % 360.0 - 180.0, lat)
