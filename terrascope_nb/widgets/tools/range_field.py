"""`RangeField`: a slider that has a name for screen readers, which those of ipywidgets 8 lack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from terrascope_nb.widgets.parts.page_files import STATIC


class RangeField(anywidget.AnyWidget):
    """A slider over numbers, or over a list of texts of which ``value`` is the index.

    Parameters
    ----------
    label : str
        The name, shown and spoken.
    texts : sequence of str, optional
        What to show for each whole number from 0; without it, 0 to 1 is shown as percent.
    **traits
    """

    _esm = STATIC / "range.js"
    _css = STATIC / "range.css"

    label = traitlets.Unicode().tag(sync=True)
    value = traitlets.CFloat(0.0).tag(sync=True)
    min = traitlets.CFloat(0.0).tag(sync=True)
    max = traitlets.CFloat(1.0).tag(sync=True)
    step = traitlets.CFloat(0.01).tag(sync=True)
    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    continuous = traitlets.Bool(True, help="False: the value is sent when the slider is let go.").tag(sync=True)

    def __init__(self, label: str, texts: Sequence[str] = (), **traits: Any) -> None:
        if texts:
            traits = {"step": 1, "max": len(texts) - 1, "continuous": False, **traits}
        super().__init__(label=label, texts=list(texts), **traits)

    @traitlets.validate("value")
    def _within(self, proposal: Any) -> float:
        return min(max(float(proposal["value"]), self.min), self.max)
