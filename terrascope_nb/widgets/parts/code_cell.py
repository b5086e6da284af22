"""The text of a cell to copy: shown as it is, with a button that puts it on the clipboard."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from terrascope_nb.widgets.parts.page_files import STATIC, module_of
from terrascope_nb.words import say


class CodeCell(anywidget.AnyWidget):
    """Code that a person can copy, by button or by hand."""

    _esm = module_of("keys.js", "code.js")
    _css = STATIC / "code.css"

    code = traitlets.Unicode("").tag(sync=True)
    """The text; empty: nothing is shown."""
    words = traitlets.Dict().tag(sync=True)
    """What the button says."""

    def __init__(self, code: str = "", **traits: Any) -> None:
        words = {
            "title": say("Code of this selection"),
            "copy": say("Copy"),
            "copied": say("Copied. Paste it into a cell."),
            "failed": say("The browser does not allow copying here: mark the text and copy it."),
        }
        super().__init__(code=code, words=words, **traits)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/plain"] = self.code
        return bundle
