"""A text field with the buttons that act on it, and under it what is wrong or was found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anywidget
import traitlets

from terrascope_nb.widgets.parts.field import attempt
from terrascope_nb.widgets.parts.page_files import STATIC


class TypedField(anywidget.AnyWidget):
    """A text field whose text and button come in one message.

    With a text field and a button of ipywidgets the button is heard before the last letters when the kernel is slow.

    Parameters
    ----------
    label : str
        What the field is for.
    actions : mapping of str to callable
        Text of each button and what it does; Enter does the first. An error of ours is shown under the field.
    placeholder : str
        What may be written.
    options : sequence of str
        Texts that are offered while typing.
    main : bool
        Whether the first button stands out.
    """

    _esm = STATIC / "typed_field.js"
    _css = STATIC / "typed_field.css"

    label = traitlets.Unicode().tag(sync=True)
    actions = traitlets.List(traitlets.Unicode()).tag(sync=True)
    placeholder = traitlets.Unicode().tag(sync=True)
    options = traitlets.List(traitlets.Unicode()).tag(sync=True)
    main = traitlets.Bool(True).tag(sync=True)
    value = traitlets.Unicode().tag(sync=True)
    """The text; it comes when the field is left, and with every action."""
    problem = traitlets.Unicode().tag(sync=True)
    """What is wrong with the text, read aloud at once."""
    said = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """What was found or chosen."""

    def __init__(
        self,
        label: str,
        actions: Mapping[str, Callable[[], object]],
        *,
        placeholder: str = "",
        options: Sequence[str] = (),
        main: bool = True,
    ) -> None:
        self._acts = list(actions.values())
        super().__init__(label=label, actions=list(actions), placeholder=placeholder, options=list(options), main=main)
        self.layout.width = "auto"
        self.on_msg(self._asked)

    def press(self, text: str) -> None:
        """Do what the button of that text does.

        Raises
        ------
        ValueError
            There is no such button.
        """
        attempt(self._acts[self.actions.index(text)], self)

    def error(self, text: str) -> None:
        """Say what is wrong with what was typed."""
        self.said = []
        self.problem = text

    def news(self, lines: Sequence[str]) -> None:
        """Say what was found or chosen; nothing clears the line."""
        self.problem = ""
        self.said = list(lines)

    def clear(self) -> None:
        """Say nothing any more."""
        self.news([])

    def no_error(self) -> None:
        """Take an error away, and leave news."""
        self.problem = ""

    def _asked(self, _: Any, content: Any, __: Any) -> None:
        number, text = content.get("action"), content.get("text")
        if isinstance(number, int) and 0 <= number < len(self._acts) and isinstance(text, str):
            self.value = text
            attempt(self._acts[number], self)
