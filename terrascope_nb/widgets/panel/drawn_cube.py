"""The cube that an explorer loaded, on its map: one layer with its legend, in place of the one before."""

from __future__ import annotations

from typing import Any

from terrascope_nb.widgets.live_map.map import Map

_COLOURS = ("red", "green", "blue")


class DrawnCube:
    """Draws one cube after the other on a map."""

    def __init__(self, shown_on: Map) -> None:
        self._map = shown_on
        self.layer: Any = None
        self.legend: Any = None

    def draw(self, cube: Any, name: str) -> None:
        """Draw a cube as a colour picture where it has the bands, else its first variable."""
        self._remove_layer()
        if self.legend is not None:
            self.legend.close()
            self.legend = None
        names = [str(one) for one in cube.data_vars]
        colours = [_variable_of(cube, one) for one in _COLOURS]
        if all(colours):
            self.layer = self._map.add(cube, bands=colours, name=name)
        else:
            self.layer = self._map.add(cube[names[0]], name=f"{name} {names[0]}")
        self.legend = self._map.tools.legend(self.layer, on_map=True)

    def show_day(self, day: str) -> None:
        """Show a day, where it is in the cube."""
        if self.layer is None or not day:
            return
        days = [str(moment)[:10] for moment in self.layer.times]
        if day in days:
            self.layer.time_index = days.index(day)

    def close(self, *, take_off: bool) -> None:
        """End the legend, and take the layer off a map that stays."""
        if self.legend is not None:
            self.legend.close()
        if take_off and self.layer is not None and self.layer in self._map.layers:
            self._map.remove(self.layer)

    def _remove_layer(self) -> None:
        if self.layer is not None and self.layer in self._map.layers:
            self._map.remove(self.layer)
        self.layer = None


def _variable_of(cube: Any, common: str) -> str | None:
    for name, variable in cube.data_vars.items():
        if common in (str(name), variable.attrs.get("common_name")):
            return str(name)
    return None
