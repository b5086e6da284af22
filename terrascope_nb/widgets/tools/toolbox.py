"""`Toolbox`: the looking tools of a map, one call each, or all of them in a panel beside it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet, ref

import ipyleaflet
import ipywidgets as widgets

from terrascope_nb.errors import TerrascopeError
from terrascope_nb.widgets.live_map.closing import close_whole, is_over
from terrascope_nb.widgets.parts.field import Message, button, heading, row
from terrascope_nb.widgets.tools.bands import BandChooser
from terrascope_nb.widgets.tools.colour_bar import ColourBar
from terrascope_nb.widgets.tools.compare import Compare
from terrascope_nb.widgets.tools.inspect_pixel import PixelInspector
from terrascope_nb.widgets.tools.layer_list import LayerList
from terrascope_nb.widgets.tools.series_panel import SeriesPanel
from terrascope_nb.widgets.tools.stretch import Stretch
from terrascope_nb.widgets.tools.time_slider import TimeSlider
from terrascope_nb.widgets.tools.tool import LayerLike, Tool, take_off
from terrascope_nb.widgets.tools.view_area import ViewArea
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map

AnyTool = TypeVar("AnyTool", bound=Tool)


class Toolbox(widgets.VBox):  # type: ignore[misc]
    """The looking tools of a map, as ``m.tools``.

    Each method returns a tool: a widget to show below the map, that also works by its traits without a browser. Shown
    itself, the box is a row of buttons that open the tools one at a time.

    Parameters
    ----------
    shown : Map
    """

    def __init__(self, shown: Map) -> None:
        self._map = ref(shown)
        self.opened: Tool | None = None
        self._made: WeakSet[Tool] = WeakSet()
        self.message = Message()
        self._place = widgets.VBox()
        self._kinds: dict[str, Callable[[], Tool]] = {
            say("Time"): self.time_slider,
            say("Compare"): self.compare,
            say("Inspect"): self.inspect,
            say("Series"): self.series,
            say("Legend"): self.legend,
            say("Stretch"): self.stretch,
            say("Bands"): self.bands,
            say("Layers"): self.layers,
            say("View"): self.view_area,
        }
        super().__init__()
        buttons = [button(text, partial(self.open_tool, text)) for text in self._kinds]
        close = button(say("Close the tool"), self.close_tool)
        for one in (*buttons, close):
            one.layout.min_width = "4em"
        keys = heading("")  # has no text, and keeps the keys pressed here from the notebook
        keys.layout.display = "none"
        self.children = (keys, row(*buttons, close), self.message, self._place)
        self.add_class("terrascope-tools")
        self.add_class("tsnb-keys")

    @property
    def map(self) -> Map:
        """The map whose tools these are."""
        found = self._map()
        if found is None:
            raise TerrascopeError("the map of these tools is gone; make a new one with ts.Map().")
        return found

    def time_slider(self, layer: LayerLike = None, *, date: Any = None, seconds: float = 1.5) -> TimeSlider:
        """Step through the dates of a layer; see `TimeSlider`."""
        return self._remembered(TimeSlider(self.map, layer, date=date, seconds=seconds))

    def compare(
        self,
        left: LayerLike = None,
        right: LayerLike = None,
        *,
        dates: tuple[Any, Any] | None = None,
        way: str = "swipe",
        share: float = 0.5,
    ) -> Compare:
        """Compare two dates or two layers; see `Compare`."""
        return self._remembered(Compare(self.map, left, right, dates=dates, way=way, share=share))

    def inspect(self, lon: float | None = None, lat: float | None = None) -> PixelInspector:
        """Read what the layers hold at a place; see `PixelInspector`."""
        return self._remembered(PixelInspector(self.map, lon, lat))

    def series(self, layer: LayerLike = None, *, cube: Any = None, area: Any = None, draw: bool = True) -> SeriesPanel:
        """Ask a layer for its values over time; see `SeriesPanel`."""
        return self._remembered(SeriesPanel(self.map, layer, cube=cube, area=area, draw=draw))

    def legend(self, layer: LayerLike = None, *, on_map: bool = False) -> ColourBar:
        """Tell what the colours of a layer mean; see `ColourBar`.

        Parameters
        ----------
        layer : LayerLike
        on_map : bool
            Put it in the lower right corner of the map.
        """
        tool = ColourBar(self.map, layer)
        if on_map:
            control = ipyleaflet.WidgetControl(widget=tool.picture, position="bottomright")
            self.map.add(control)
            tool.when_closed(lambda: take_off(self.map, control))
        return self._remembered(tool)

    def stretch(
        self,
        layer: LayerLike = None,
        *,
        percentiles: tuple[float, float] | None = None,
        vmin: Any = None,
        vmax: Any = None,
        cmap: str | None = None,
    ) -> Stretch:
        """Choose which values get the first and last colour; see `Stretch`."""
        return self._remembered(Stretch(self.map, layer, percentiles=percentiles, vmin=vmin, vmax=vmax, cmap=cmap))

    def bands(self, layer: LayerLike = None, bands: Any = None, *, cube: Any = None) -> BandChooser:
        """Draw other bands of the cube a layer was made from; see `BandChooser`."""
        return self._remembered(BandChooser(self.map, layer, bands, cube=cube))

    def layers(self) -> LayerList:
        """List the layers, with opacity and order; see `LayerList`."""
        return self._remembered(LayerList(self.map))

    def view_area(self, *, take: bool = False) -> ViewArea:
        """Use what the map shows as an area; see `ViewArea`."""
        return self._remembered(ViewArea(self.map, take=take))

    def close(self) -> None:
        """Close the box and every tool it made."""
        if is_over(self):
            return
        for tool in list(self.__dict__.get("_made", ())):
            tool.close()
        parts = (*self.children, self.layout)
        super().close()
        close_whole(parts)

    def _remembered(self, tool: AnyTool) -> AnyTool:
        """Remember a tool, to close it with the map."""
        self._made.add(tool)
        return tool

    def open_tool(self, name: str) -> Tool | None:
        """Open a tool of the panel by the text of its button; the one before goes."""
        self.close_tool()
        try:
            self.opened = self._kinds[name]()
        except TerrascopeError as error:
            self.message.error(error.message)
            return None
        self._place.children = (self.opened,)
        return self.opened

    def close_tool(self) -> None:
        """Close the tool that is open in the panel, and take what it put on the map away."""
        self.message.clear()
        opened, self.opened = self.opened, None
        self._place.children = ()
        if opened is not None:
            opened.close()
