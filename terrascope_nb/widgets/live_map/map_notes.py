"""What a map has to say, as a control on it: a basemap that does not load, an extension of another version."""

from __future__ import annotations

import html

import ipyleaflet
import ipywidgets

_HEAD = (
    '<div role="status" style="padding:4px 10px;background:var(--jp-layout-color1,#fff);'
    'color:var(--jp-ui-font-color1,#212121);border-left:4px solid var(--jp-warn-color1,#f57c00);line-height:1.4">'
)


class MapNotes:
    """The sentences that stand on a map, one for each thing they are about; the control is there while there is one."""

    def __init__(self, shown: ipyleaflet.Map) -> None:
        self._shown = shown
        self._said: dict[str, str] = {}
        self.control: ipyleaflet.WidgetControl | None = None
        """What shows them; None before the first one."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is said now."""
        return tuple(self._said.values())

    def tell(self, about: str, text: str) -> None:
        """Put a sentence on the map, or with an empty text take it away."""
        if self._said.get(about, "") == text:
            return
        self._said = {key: note for key, note in {**self._said, about: text}.items() if note}
        if self.control is None:
            self.control = ipyleaflet.WidgetControl(widget=ipywidgets.HTML(), position="bottomright", max_width=420)
        lines = "".join(f"<div>{html.escape(note)}</div>" for note in self.sentences)
        self.control.widget.value = f"{_HEAD}{lines}</div>"
        on_map = self.control in self._shown.controls
        if lines and not on_map:
            self._shown.add(self.control)
        elif on_map and not lines:
            self._shown.remove(self.control)
