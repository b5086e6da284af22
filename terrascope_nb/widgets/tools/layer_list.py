"""`LayerList`: the layers of a map from top to bottom, each with a tick, its opacity and its place in the pile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipyleaflet
import ipywidgets as widgets

from terrascope_nb.errors import CubeError
from terrascope_nb.widgets.live_map.closing import close_whole
from terrascope_nb.widgets.parts.field import button, row
from terrascope_nb.widgets.tools.range_field import RangeField
from terrascope_nb.widgets.tools.tool import Tool, name_of, plain
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map


class LayerList(Tool):
    """See, hide, fade, order and remove the layers of a map.

    Parameters
    ----------
    shown : Map
    """

    def __init__(self, shown: Map) -> None:
        self.rows = widgets.VBox()
        self._of: tuple[Any, ...] | None = None
        super().__init__(shown, say("Layers"), [self.rows])
        self._fill()
        self.follow(shown, self._fill, ["layers"])

    def move(self, layer: Any, up: int = 1) -> None:
        """Move a layer up in the pile, or down with a negative number; a basemap stays below all others."""
        layers = [one for one in self.map.layers if one is not layer]
        if len(layers) == len(self.map.layers):
            raise CubeError(f"the map has no layer {getattr(layer, 'name', layer)!r} to move.")
        lowest = sum(1 for one in layers if one.base) if not layer.base else 0
        highest = len(layers) if not layer.base else sum(1 for one in layers if one.base)
        at = min(max(list(self.map.layers).index(layer) + up, lowest), highest)
        self.map.layers = (*layers[:at], layer, *layers[at:])

    def code(self) -> str:
        """Return the lines that give the layers this order, opacity and visibility."""
        name = name_of(self.map)
        order = ", ".join(f"{name}.layers[{number}]" for number in range(len(self.map.layers)))
        lines = [f"{name}.layers = ({order},)  # {self._names()}"]
        for number, layer in enumerate(self.map.layers):
            for trait in ("opacity", "visible"):
                value = getattr(layer, trait, None)
                if value is not None and value not in (1.0, True):
                    lines.append(f"{name}.layers[{number}].{trait} = {plain(value)!r}")
        return "\n".join(lines)

    def describe(self) -> str:
        """Return the layers from top to bottom as text."""
        return f"{self.title}: {self._names()}"

    def _names(self) -> str:
        return ", ".join(_title(layer) for layer in reversed(self.map.layers))

    def _fill(self, _: Any = None) -> None:
        if self._of == self.map.layers:
            return
        self._of = self.map.layers
        before, self.rows.children = self.rows.children, [self._row(layer) for layer in reversed(self.map.layers)]
        close_whole(before)
        self._code_changed()

    def _row(self, layer: ipyleaflet.Layer) -> widgets.HBox:
        title = _title(layer)
        fields: list[widgets.Widget] = []
        if layer.has_trait("visible"):
            tick = widgets.Checkbox(
                value=layer.visible, description=title, indent=False, layout=widgets.Layout(width="14em")
            )
            widgets.link((tick, "value"), (layer, "visible"))
            fields.append(tick)
        else:
            fields.append(widgets.Label(title, layout=widgets.Layout(width="14em")))
        if layer.has_trait("opacity"):
            slider = RangeField(say("Opacity"), value=layer.opacity, step=0.05)
            widgets.link((slider, "value"), (layer, "opacity"))
            fields.append(slider)
        fields += [
            button(say("Up"), lambda: self.move(layer, 1), tooltip=say("{layer}: up", layer=title)),
            button(say("Down"), lambda: self.move(layer, -1), tooltip=say("{layer}: down", layer=title)),
            button(say("Remove"), lambda: self.map.remove(layer), tooltip=say("{layer}: remove", layer=title)),
        ]
        for one in fields[-3:]:
            one.layout.min_width = "3.5em"
        return row(*fields)


def _title(layer: Any) -> str:
    return layer.name or type(layer).__name__
