"""A part of a panel under a button that opens and closes it and tells what is chosen in it."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets


class Section(widgets.VBox):  # type: ignore[misc]
    """A button with a title and a summary; what is below it shows while it is open.

    Parameters
    ----------
    title : str
        What the part is for.
    children : sequence of widgets
        What it holds.
    opened : bool
        Whether it is open at first.
    """

    def __init__(self, title: str, children: Sequence[widgets.Widget], *, opened: bool = False) -> None:
        self.title = title
        self._summary = ""
        self.switch = widgets.Button(layout=widgets.Layout(width="auto", height="auto"))
        self.switch.add_class("tsnb-section")
        self.switch.on_click(lambda _: self.unfold(not self.opened))
        self.body = widgets.VBox(list(children), layout=widgets.Layout(padding="0 0 8px 8px"))
        super().__init__()
        self.opened: bool = opened
        self.unfold(opened)

    def unfold(self, opened: bool = True) -> None:
        """Show what it holds, or hide it."""
        self.opened = opened
        # What is hidden is not in the page at all, so that neither keyboard nor screen reader meets it.
        self.children = (self.switch, self.body) if opened else (self.switch,)
        self._title()

    def summarise(self, text: str) -> None:
        """Say what is chosen in it."""
        self._summary = text
        self._title()

    def _title(self) -> None:
        chosen = f": {self._summary}" if self._summary else ""
        self.switch.description = f"{'▾' if self.opened else '▸'} {self.title}{chosen}"
        self.switch.tooltip = self.switch.description[2:]

    def __repr__(self) -> str:
        return f"{self.title}: {self._summary}"
