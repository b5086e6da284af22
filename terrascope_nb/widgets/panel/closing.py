"""Ending a panel with all it is made of, so that nothing of it stays alive in kernel and page."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import ipywidgets as widgets

from terrascope_nb.widgets.live_map.handshake import front_end

_ROOMS = ("terrascope_nb.widgets.pickers", "terrascope_nb.widgets.panel")


def parts_of(widget: widgets.Widget) -> list[widgets.Widget]:
    """Return all widgets that one is made of, itself first: what it shows and what it keeps for later."""
    # The word of our extension, and layouts that stand in a module, are one for the whole kernel.
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("terrascope_nb.widgets")]
    seen = {id(one) for one in (front_end(), *(one for module in modules for one in vars(module).values()))}
    found: list[widgets.Widget] = []
    waiting = [widget]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        found.append(one)
        waiting += _widgets_in(vars(one))  # the values of its traits are among these
    return found


def _widgets_in(value: Any) -> Iterator[widgets.Widget]:
    if isinstance(value, widgets.Widget):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _widgets_in(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _widgets_in(one)
    elif type(value).__module__.startswith(_ROOMS):
        yield from _widgets_in(list(getattr(value, "__dict__", {}).values()))  # what works for a picker or a panel


def close_all(parts: Iterable[widgets.Widget]) -> None:
    """Close widgets and let nobody hear of them any more."""
    for one in parts:
        one.unobserve_all()
        if one.comm is not None:
            one.close()
