"""What is going on, in one line: words, seconds, a bar and a button to cancel; spoken by screen readers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from terrascope_nb.widgets.parts.page_files import STATIC
from terrascope_nb.words import say


class StatusLine(anywidget.AnyWidget):
    """One line that says what is going on; empty when nothing is."""

    _esm = STATIC / "status.js"
    _css = STATIC / "status.css"

    text = traitlets.Unicode("").tag(sync=True)
    """What to say."""
    kind = traitlets.Enum(("info", "busy", "done", "warning", "error"), "info").tag(sync=True)
    """How it is meant; ``"busy"`` counts the seconds."""
    share = traitlets.Float(-1.0).tag(sync=True)
    """How much is done, 0-1; negative when nobody knows."""
    words = traitlets.Dict().tag(sync=True)
    """The line's own words."""

    def __init__(self, on_cancel: Callable[[], None] | None = None, **traits: Any) -> None:
        words = {"cancel": say("Cancel") if on_cancel else "", "seconds": say("{seconds} s")}
        super().__init__(words=words, **traits)
        if on_cancel is not None:
            self.on_msg(lambda _, content, __: on_cancel() if content.get("do") == "cancel" else None)

    def tell(self, text: str, kind: str = "info", share: float = -1.0) -> None:
        """Say something, in one message."""
        with self.hold_sync():
            self.text, self.kind, self.share = text, kind, share

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/plain"] = self.text or say("Nothing is going on")
        return bundle
