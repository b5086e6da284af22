"""`ViewArea`: the part of the map that is seen becomes the area of the next cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ipywidgets as widgets
import traitlets

from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.extent.aoi import area as to_area
from terrascope_nb.widgets.parts.field import button, row, status
from terrascope_nb.widgets.tools.tool import Tool
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map


class ViewArea(Tool):
    """Use what the map shows as an area.

    Parameters
    ----------
    shown : Map
    take : bool
        Take the view at once.

    Attributes
    ----------
    area : Aoi or None
        A trait: the view that was taken.
    """

    area = traitlets.Any(None)

    def __init__(self, shown: Map, *, take: bool = False) -> None:
        self.told = widgets.HTML()
        use = button(say("Use the current view as area"), self.take, primary=True)
        super().__init__(shown, say("View"), [row(use), self.told])
        if take:
            self.take()

    def take(self) -> Aoi:
        """Take the view of the map as it is now."""
        west, south, east, north = self.map.view_bounds
        self.area = to_area((round(west, 6), round(south, 6), round(east, 6), round(north, 6)))
        self.told.value = status(self.describe())
        self._code_changed()
        return self.area

    def code(self) -> str:
        """Return the line that makes this area."""
        box = self.area.bbox if self.area is not None else self.map.view_bounds
        return f"area = ts.area(({', '.join(f'{edge:.6f}' for edge in box)}))"

    def describe(self) -> str:
        """Return the area as text."""
        if self.area is None:
            return say("{title}: not used as area yet", title=self.title)
        west, south, east, north = (f"{edge:.4f}" for edge in self.area.bbox)
        return say("{west}°–{east}° east, {south}°–{north}° north, {size} km²", west=west, east=east, south=south,
                   north=north, size=f"{self.area.area_km2:,.1f}")  # fmt: skip
