"""`Stretch`: which values get the first and the last colour, by percentile or fixed, and which colour map lies between."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np

from terrascope_nb.errors import CubeError
from terrascope_nb.widgets.live_map.closing import close_whole
from terrascope_nb.widgets.parts.field import WIDE, attempt, button, row
from terrascope_nb.widgets.tools.tool import LayerLike, Tool, layer_of
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map

MAPS = ("viridis", "cividis", "magma", "inferno", "gray", "YlGn", "YlOrBr", "Blues", "RdYlGn", "RdBu", "terrain")
"""Colour maps that are offered; any other of matplotlib may be given in code."""
_PERCENTILES = ((0, 100), (1, 99), (2, 98), (5, 95))


class Stretch(Tool):
    """Stretch the colours of a measurement or of a colour picture.

    Parameters
    ----------
    shown : Map
    layer : LayerLike
        The layer on top by default.
    percentiles : (low, high), optional
        0-100, of the date that is shown.
    vmin, vmax : float, optional
        Fixed ends instead, in the unit of the legend: decibels for radar backscatter.
    cmap : str, optional

    Raises
    ------
    CubeError
        The layer shows classes; ends that run backwards; an unknown colour map.
    """

    def __init__(
        self,
        shown: Map,
        layer: LayerLike = None,
        *,
        percentiles: tuple[float, float] | None = None,
        vmin: Any = None,
        vmax: Any = None,
        cmap: str | None = None,
    ) -> None:
        self.layer = layer_of(shown, layer)
        if self.layer.look.kind == "classes":
            raise CubeError(f"{self.layer.name} shows classes; their colours are not stretched.")
        self.percentiles: tuple[float, float] | None = None
        unit = " (dB)" if self.layer.look.decibel else ""
        self.low = widgets.FloatText(description=say("From") + unit, style=WIDE)
        self.high = widgets.FloatText(description=say("To") + unit, style=WIDE)
        names = MAPS if self.layer.cmap in {*MAPS, ""} else (self.layer.cmap, *MAPS)
        self.maps = widgets.Dropdown(options=names, description=say("Colours"), style=WIDE)
        shares = [
            button(
                f"{a}–{b} %", partial(self.set, percentiles=(a, b)),
                tooltip=say("From percentile {low} to percentile {high}", low=a, high=b),
            )
            for a, b in _PERCENTILES
        ]  # fmt: skip
        fixed = button(say("Use these values"), lambda: self.set(vmin=self.low.value, vmax=self.high.value))
        fields = [row(self.low, self.high, fixed), row(*shares)]
        if self.layer.look.kind == "measurement":
            fields.append(self.maps)
        super().__init__(shown, say("Stretch: {layer}", layer=self.layer.name), fields)
        if percentiles is not None or vmin is not None or vmax is not None or cmap is not None:
            self._apply(percentiles=percentiles, vmin=vmin, vmax=vmax, cmap=cmap)
        self._show()
        self.maps.observe(self._on_map, "value")
        self.follow(self.layer, self._show, ["cmap", "revision"])
        self.when_closed(lambda: close_whole([self.maps]))

    def set(
        self, *, percentiles: tuple[float, float] | None = None, vmin: Any = None, vmax: Any = None, cmap: Any = None
    ) -> None:
        """Stretch anew; what cannot be is said in the tool's line."""
        attempt(lambda: self._apply(percentiles=percentiles, vmin=vmin, vmax=vmax, cmap=cmap), self.message)

    def code(self) -> str:
        """Return the call that stretches so again."""
        look = self.layer.look
        cmap = self.layer.cmap or None
        if self.percentiles is not None:
            return self.call("stretch", self.layer.name, percentiles=self.percentiles, cmap=cmap)
        return self.call("stretch", self.layer.name, vmin=look.vmin, vmax=look.vmax, cmap=cmap)

    def _apply(self, *, percentiles: Any, vmin: Any, vmax: Any, cmap: Any) -> None:
        before = self.percentiles
        if percentiles is not None or vmin is not None or vmax is not None:
            self.percentiles = percentiles
        try:
            self.layer.set_look(percentiles=percentiles, vmin=vmin, vmax=vmax, cmap=cmap)
        except CubeError:
            self.percentiles = before
            raise

    def _on_map(self, change: Any) -> None:
        self._heard(lambda: self._apply(percentiles=None, vmin=None, vmax=None, cmap=change["new"]), self.message)

    def _show(self, _: Any = None) -> None:
        look = self.layer.look
        with self._silently():
            # A colour picture may have three ends; the fields show the first and set all.
            self.low.value = float(f"{float(np.ravel(look.vmin)[0]):.6g}")
            self.high.value = float(f"{float(np.ravel(look.vmax)[0]):.6g}")
            if self.layer.cmap:
                if self.layer.cmap not in self.maps.options:
                    self.maps.options = (self.layer.cmap, *self.maps.options)
                self.maps.value = self.layer.cmap
        self._code_changed()
