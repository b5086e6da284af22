"""One line that says how large a cube would be, worked out when the choices have come to rest."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import traitlets

from terrascope_nb.catalogue.items import Items
from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.widgets.panel import explorer_work as work
from terrascope_nb.widgets.parts.background import Cancel, Worker, heard

_SETTLE = 0.3
"""Seconds after the last change before the size is worked out."""


class SizeLine(widgets.HTML):  # type: ignore[misc]  # ipywidgets is untyped
    """The size, or why nobody knows it, as a line that is read aloud."""

    size = traitlets.Instance(work.Estimate, allow_none=True)
    """How large the cube would be; None while nobody knows."""

    def __init__(self) -> None:
        self._worker: Worker[work.Estimate] = Worker("size")
        super().__init__()

    def measure(self, items: Items, area: Aoi | None, options: Mapping[str, Any]) -> None:
        """Work the size out in the background; no pixel is read."""

        def estimate(cancel: Cancel) -> work.Estimate:
            if cancel.wait(_SETTLE):
                cancel.check()
            with heard():
                return work.estimate(items, area, options)

        self._worker.start(estimate, self._show, self._fail)

    def tell(self, text: str) -> None:
        """Say instead why there is no size."""
        self._worker.cancel()
        self.size = None
        self._say(text)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the size is worked out; False when it still is not after so many seconds."""
        return self._worker.wait(timeout)

    def cancel(self) -> None:
        """Stop working it out."""
        self._worker.cancel()

    def _show(self, size: work.Estimate) -> None:
        self.size = size
        self._say(str(size))

    def _fail(self, error: Exception) -> None:
        self.size = None
        self._say(work.reason_of(error))

    def _say(self, text: str) -> None:
        colour = "var(--jp-ui-font-color1, #212121)"
        self.value = (
            f"<div role='status' style='padding:0 8px;line-height:1.4;color:{colour}'>{html.escape(text)}</div>"
        )
