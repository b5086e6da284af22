"""What every picker is made of: labelled fields, messages that are read aloud, and a twin in text."""

from __future__ import annotations

import base64
import html
import sys
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import anywidget
import ipywidgets as widgets
import traitlets

from terrascope_nb.errors import TerrascopeError
from terrascope_nb.widgets.parts.abstract import AbstractWidget
from terrascope_nb.widgets.parts.page_files import STATIC, module_of
from terrascope_nb.words import say

WIDE = {"description_width": "10em"}
"""Style of fields that stand under each other, so that they line up."""
_SHARED: list[widgets.Layout] = []


def shared_layout(**rules: str) -> widgets.Layout:
    """Return a layout for many fields, which is not closed with one of them."""
    _SHARED.append(widgets.Layout(**rules))
    return _SHARED[-1]


LONG = shared_layout(width="auto", flex="1 1 20em", max_width="60em")
"""Layout of a field that takes the room there is in its row."""
_EDGE = "var(--jp-border-color1, #bdbdbd)"
EDGED = shared_layout(border=f"1px solid {_EDGE}", padding="6px 8px", margin="4px 0")
"""Layout of a part with a line around it."""
_ERROR = "var(--jp-error-color1, #d32f2f)"
_WARN = "var(--jp-warn-color1, #f57c00)"
_TEXT = "var(--jp-ui-font-color1, #212121)"


class Says(Protocol):
    """Where something can be said: a line of its own, or one that belongs to a field."""

    def error(self, text: str) -> None:
        """Say what is wrong."""

    def no_error(self) -> None:
        """Take an error away."""


class Message(widgets.HTML):  # type: ignore[misc]
    """A line under a field: an error is announced at once by a screen reader, news when it is done reading."""

    def error(self, text: str) -> None:
        """Say what is wrong with what was typed."""
        self._show([text], "alert", _ERROR)

    def news(self, lines: Sequence[str]) -> None:
        """Say what was found or chosen; nothing clears the line."""
        self._show(list(lines), "status", _WARN)

    def clear(self) -> None:
        """Say nothing any more."""
        self.value = ""

    def no_error(self) -> None:
        """Take an error away, and leave news."""
        if "role='alert'" in self.value:
            self.clear()

    def _show(self, lines: list[str], role: str, edge: str) -> None:
        body = "<br>".join(html.escape(line) for line in lines)
        self.value = (
            f"<div role='{role}' style='border-left:4px solid {edge};padding:0 0 0 8px;line-height:1.4;color:{_TEXT};"
            f"overflow-wrap:anywhere'>{body}</div>"
            if lines
            else ""
        )


def status(body: str) -> str:
    """Return HTML that a screen reader tells when it changes; the body is HTML already."""
    return f"<div role='status' style='line-height:1.4;color:{_TEXT}'>{body}</div>"


class Heading(anywidget.AnyWidget):
    """The title of a picker; with it the keys pressed in the picker are no commands of the notebook."""

    _esm = module_of("keys.js", "heading.js")
    _css = STATIC / "heading.css"

    text = traitlets.Unicode().tag(sync=True)


def heading(text: str) -> Heading:
    """Return the title of a picker."""
    return Heading(text=text)


def hint(text: str) -> widgets.HTML:
    """Return a sentence that helps with the fields below it."""
    return widgets.HTML(f"<div style='line-height:1.4;color:{_TEXT}'>{html.escape(text)}</div>")


def button(text: str, on_click: Callable[[], object], *, tooltip: str = "", primary: bool = False) -> widgets.Button:
    """Return a button with a text, wide enough for it."""
    made = widgets.Button(
        description=text,
        tooltip=tooltip or text,
        button_style="primary" if primary else "",
        layout=widgets.Layout(width="auto", min_width="6em"),
    )
    made.on_click(lambda _: on_click())
    return made


def attempt(act: Callable[[], object], message: Says) -> bool:
    """Do what a person asks; an error is said in the message, and what there was stays. True when it went well."""
    try:
        act()
    except TerrascopeError as error:
        message.error(error.message)
        return False
    message.no_error()
    return True


def row(*children: widgets.Widget, align: str = "center") -> widgets.HBox:
    """Return fields beside each other, going on below where there is no room."""
    return widgets.HBox(children, layout=widgets.Layout(flex_flow="row wrap", align_items=align))


def close_parts(whole: widgets.Widget, *, but: Sequence[widgets.Widget | None] = ()) -> None:
    """Close what a widget is made of: children, fields, layouts and styles; not those shared with other widgets."""
    seen = {id(one) for one in (*_SHARED, *but, whole)}
    waiting = [whole]
    while waiting:
        one = waiting.pop()
        values = [getattr(one, name) for name in one.keys if one.has_trait(name)]
        if one is whole:  # a field of its own may be hidden just now
            values += vars(whole).values()
        for part in (part for value in values for part in (value if isinstance(value, list | tuple) else (value,))):
            if isinstance(part, widgets.Widget) and id(part) not in seen:
                seen.add(id(part))
                waiting.append(part)
        if one is not whole:
            one.unobserve_all()
            one.close()


class Picker(widgets.VBox, metaclass=AbstractWidget):  # type: ignore[misc]
    """A widget for one choice, that has its value without any browser and shows it as text where there is none."""

    def __init__(self, **options: Any) -> None:
        # One per thread: what a person does in the page meanwhile is heard all the same.
        self._quiet = threading.local()
        super().__init__(**options)
        self.add_class("tsnb-keys")

    @property
    def _is_quiet(self) -> bool:
        """Whether this thread sets fields itself just now."""
        return bool(getattr(self._quiet, "depth", 0))

    @contextmanager
    def _silently(self) -> Iterator[None]:
        """Set fields without hearing them."""
        self._quiet.depth = getattr(self._quiet, "depth", 0) + 1
        try:
            yield
        finally:
            self._quiet.depth -= 1

    def _heard(self, act: Callable[[], None], message: Says) -> None:
        """Do what a field asks, unless the field was set by the picker itself."""
        if not self._is_quiet:
            attempt(act, message)

    def close(self) -> None:
        """End the widget and all it is made of; its choice can still be read."""
        # ipywidgets closes again what is forgotten, and that may be when half of Python is gone already.
        if self.comm is None or sys.is_finalizing():
            return
        self._leave()
        self.unobserve_all()
        close_parts(self, but=self._kept())
        super().close()

    def _leave(self) -> None:
        """Undo what was done outside the widget."""

    def _kept(self) -> Sequence[widgets.Widget | None]:
        """Return parts that belong to somebody else."""
        return ()

    @abstractmethod
    def describe(self) -> str:
        """Return the choice as text, for people who do not see the widget."""

    def _html(self) -> str:
        """Return the choice as it stands in a notebook that is opened without a kernel."""
        return f"<pre>{html.escape(self.describe())}</pre>"

    def __repr__(self) -> str:
        return self.describe()

    def _png(self) -> bytes | None:
        """Return a picture of the choice; None where words say it all."""
        return None

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        from terrascope_nb.widgets.live_map.map import SAVED_MAP  # ipyleaflet, only when something is shown

        text, png = self.describe(), self._png()
        bundle = dict(super()._repr_mimebundle_(**options) or {})
        bundle |= {"text/plain": text, "text/html": self._html()}
        if png is not None:
            bundle["image/png"] = base64.b64encode(png).decode("ascii")
        # Our JupyterLab extension shows this where no kernel brings the widget back.
        saved = say("The choice as it was when it was saved.")
        bundle[SAVED_MAP] = {"model_id": self.model_id, "text": text, "saved": saved}
        return bundle
