"""`SwipeControl`: a bar on the map, to its left some layers, to its right others; moved by pointer, keyboard or Python."""

from __future__ import annotations

from typing import Any

import ipyleaflet
import traitlets
from ipywidgets import widget_serialization

from terrascope_nb.widgets.live_map.handshake import MODULE
from terrascope_nb.words import say


class SwipeControl(ipyleaflet.Control):  # type: ignore[misc]
    """Clips layers that are on the map; they stay layers of the map, and come back whole when the control goes.

    ``ipyleaflet.SplitMapControl`` takes layers over, draws them a second time, and breaks when the map gets another
    layer. This control needs our JupyterLab extension.
    """

    _model_module = traitlets.Unicode(MODULE).tag(sync=True)
    _model_module_version = traitlets.Unicode("*").tag(sync=True)
    _model_name = traitlets.Unicode("TerrascopeSwipeModel").tag(sync=True)
    _view_module = traitlets.Unicode(MODULE).tag(sync=True)
    _view_module_version = traitlets.Unicode("*").tag(sync=True)
    _view_name = traitlets.Unicode("TerrascopeSwipeView").tag(sync=True)

    left = traitlets.List(traitlets.Instance(ipyleaflet.Layer)).tag(sync=True, **widget_serialization)
    right = traitlets.List(traitlets.Instance(ipyleaflet.Layer)).tag(sync=True, **widget_serialization)
    share = traitlets.Float(0.5, help="Where the bar is, 0 at the left edge to 1 at the right.").tag(sync=True)
    label = traitlets.Unicode(help="What a screen reader calls the bar.").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        traits.setdefault("label", say("Bar between the two layers"))
        super().__init__(**traits)

    @traitlets.validate("share")
    def _on_the_map(self, proposal: Any) -> float:
        return min(max(float(proposal["value"]), 0.0), 1.0)
