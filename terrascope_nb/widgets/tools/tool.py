"""What every looking tool is made of: fields, a line that is read aloud, and a button that shows the tool's call as code."""

from __future__ import annotations

import html
import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np

from terrascope_nb.catalogue.snippet import literal
from terrascope_nb.errors import CubeError
from terrascope_nb.widgets.live_map.closing import close_whole, is_over
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer
from terrascope_nb.widgets.parts.field import Message, Picker, button, heading, row
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map

LayerLike = RasterLayer | str | int | None
"""A layer, its name, its number (the last is on top), or None: the one on top."""


class Tool(Picker):
    """A looking tool beside a map: usable by its traits without a browser, and able to write its own call.

    Parameters
    ----------
    shown : Map
        The map whose layers it works on.
    title : str
        What a person calls the tool.
    fields : sequence of widgets
        From top to bottom.
    """

    def __init__(self, shown: Map, title: str, fields: Sequence[widgets.Widget]) -> None:
        self.map = shown
        self.title = title
        self.message = Message()
        self._code = widgets.HTML()
        self._code_button = button(say("Code"), self._toggle_code, tooltip=say("{tool}: show as code", tool=title))
        self._closers: list[Callable[[], None]] = []
        super().__init__()
        self.children = (heading(title), *fields, row(self._code_button), self._code, self.message)
        self.add_class("terrascope-tool")

    @abstractmethod
    def code(self) -> str:
        """Return the call that brings this tool to where it is now."""

    def describe(self) -> str:
        """Return what the tool shows as text."""
        return f"{self.title}: {self.code()}"

    def close(self) -> None:
        """Take the tool off the map, with everything it put there."""
        if is_over(self):
            return
        # A tool that could not be made is closed by Python before it has anything to undo.
        for act in reversed(self.__dict__.pop("_closers", [])):
            act()
        parts = (*self.children, self.layout)
        widgets.VBox.close(self)  # a picker closes all it refers to; map and layers are not the tool's
        close_whole(parts)

    def when_closed(self, act: Callable[[], None]) -> None:
        """Do something when the tool goes."""
        self._closers.append(act)

    def follow(self, owner: Any, act: Callable[[Any], None], names: Sequence[str]) -> None:
        """Hear the traits of a layer or a map for as long as the tool is there."""
        owner.observe(act, list(names))
        self.when_closed(lambda: owner.unobserve(act, list(names)))

    def call(self, method: str, *positional: Any, **keywords: Any) -> str:
        """Return the text of a call of one of the map's tools; keywords that are None are left out."""
        arguments = [literal(plain(one)) for one in positional]
        arguments += [f"{name}={literal(plain(one))}" for name, one in keywords.items() if one is not None]
        return f"{name_of(self.map)}.tools.{method}({', '.join(arguments)})"

    def _toggle_code(self) -> None:
        if self._code.value:
            self._code.value = ""
        else:
            self._code.value = code_html(self.code())

    def _code_changed(self) -> None:
        """Write the code anew where it is open."""
        if self._code.value:
            self._code.value = code_html(self.code())


def take_off(shown: Map, what: Any) -> None:
    """Take a layer or a control that a tool made off its map, where it still is there, and close it."""
    if shown.comm is not None and what in (*shown.layers, *shown.controls):
        shown.remove(what)
    what.close()


def code_html(code: str) -> str:
    """Return code as a block that can be selected and scrolled with the keyboard."""
    return (
        f"<pre tabindex='0' role='region' aria-label='{html.escape(say('Code'), quote=True)}' style='margin:2px 0;"
        "padding:4px 8px;overflow:auto;line-height:1.4;user-select:all;color:var(--jp-content-font-color1, #212121);"
        "background:var(--jp-cell-editor-background, #f5f5f5);border:1px solid var(--jp-border-color1, #bdbdbd)'>"
        f"{html.escape(code)}</pre>"
    )


def plain(value: Any) -> Any:
    """Return a value with numpy's own types turned into Python's, as code is written with."""
    if isinstance(value, np.datetime64):
        return date_text(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return type(value)(plain(one) for one in value)
    return value


def date_text(time: np.datetime64) -> str:
    """Return a time as a day, with the hour where it is not midnight.

    >>> date_text(np.datetime64("2024-06-01T10:40:21")), date_text(np.datetime64("2024-06-01"))
    ('2024-06-01 10:40', '2024-06-01')
    """
    text = np.datetime_as_string(time.astype("datetime64[s]"), unit="m").replace("T", " ")
    return text.removesuffix(" 00:00")


def day_texts(times: Sequence[np.datetime64]) -> tuple[str, ...]:
    """Return times as days, with hour and minute where a day has several, with a number where these are equal too.

    >>> day_texts([np.datetime64(t) for t in ("2024-06-01T10:40", "2024-06-02T10:30", "2024-06-02T10:50")])
    ('2024-06-01', '2024-06-02 10:30', '2024-06-02 10:50')
    """
    days = [str(np.datetime_as_string(time.astype("datetime64[D]"))) for time in times]
    found: list[str] = []
    for day, time in zip(days, times, strict=True):
        text = day
        if days.count(day) > 1:
            text = str(np.datetime_as_string(time.astype("datetime64[m]"))).replace("T", " ")
        same = sum(1 for one in found if one == text or one.startswith(f"{text} ("))
        found.append(f"{text} ({same + 1})" if same else text)
    return tuple(found)


def name_of(shown: Any) -> str:
    """Return the name a notebook knows a map by, or ``m``."""
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None else None
    named = [(str(name), value) for name, value in list(getattr(running, "user_ns", {}).items()) if name[:1] != "_"]
    for name, value in named:
        if value is shown:
            return name
    for name, value in named:
        # The map of an explorer or a picker.
        if isinstance(value, widgets.Widget) and getattr(value, "map", None) is shown:
            return f"{name}.map"
    return "m"


def layer_of(shown: Map, layer: LayerLike) -> RasterLayer:
    """Return the data layer that is meant.

    Raises
    ------
    CubeError
        The map has no such layer, or none at all.
    """
    if isinstance(layer, RasterLayer):
        while layer not in shown.layers and layer.replaced_by is not None:
            layer = layer.replaced_by
        if layer not in shown.layers:
            raise CubeError(f"the layer {layer.name} is not on this map; add it with m.add(…), or name one that is.")
        return layer
    # What a tool made to compare with is no layer of the user's.
    layers = tuple(one for one in shown.rasters if not one.is_twin)
    if not layers:
        raise CubeError("this tool works on a data layer, and the map has none; add one with m.add(cube) first.")
    if layer is None:
        return next((one for one in reversed(layers) if one.visible), layers[-1])
    if isinstance(layer, int):
        if not -len(layers) <= layer < len(layers):
            raise CubeError(f"layer={layer} is asked for, but the map has {len(layers)} data layers.")
        return layers[layer]
    named = [one for one in layers if one.name == layer]
    if not named:
        names = [one.name for one in layers]
        raise CubeError(f"the map has no data layer {layer!r}; it has {', '.join(names)}.")
    return named[-1]
