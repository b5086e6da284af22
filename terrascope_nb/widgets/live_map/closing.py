"""Closing widgets whole: with what they are made of, once, and in silence when Python itself is going."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import ipywidgets

from terrascope_nb.widgets.parts.field import EDGED, LONG

__all__ = ["close_whole", "is_over"]

_PARTS = ("children", "layout", "style", "default_style", "dragging_style", "widget")
_SHARED = (EDGED, LONG)
"""Layouts that many fields have."""


def is_over(widget: Any) -> bool:
    """Return True when nothing is left to close: it was closed, never was whole, or Python is going.

    ipywidgets closes every widget again as Python forgets it, at the end in any order.
    """
    return sys is None or sys.is_finalizing() or getattr(widget, "comm", None) is None


def close_whole(widgets: Iterable[Any]) -> None:
    """Close widgets and all they hold: children, layouts, styles."""
    waiting = list(widgets)
    while waiting:
        one = waiting.pop()
        if not isinstance(one, ipywidgets.Widget) or one.comm is None or one in _SHARED:
            continue
        for name in _PARTS:
            part = getattr(one, name, None)
            waiting.extend(part if isinstance(part, tuple | list) else [part])
        one.close()
