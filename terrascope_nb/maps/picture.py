"""A matplotlib figure that a notebook shows once, with any backend and without a screen."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from matplotlib.figure import Figure


class Picture(Figure):
    """A figure that is shown at the end of its cell, or where it is displayed, and not twice.

    It is not registered with pyplot: no window opens, nothing stays open, and a script on a machine without a screen
    makes and saves it like any other. In a notebook it behaves as figures do there: made in the middle of a cell or as
    its last line, assigned or not, one image appears. Displayed again, in another cell, it is shown again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_shown = False
        _await_end_of_cell(self)

    def _ipython_display_(self) -> None:
        from IPython.display import display  # only IPython calls this

        self.is_shown = True
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        display({"image/png": buffer.getvalue(), "text/plain": repr(self)}, raw=True)  # type: ignore[no-untyped-call]


_waiting: list[Picture] = []
_kept: ContextVar[bool] = ContextVar("terrascope_nb_kept", default=False)


@contextmanager
def kept_pictures() -> Iterator[None]:
    """Make pictures that no cell shows by itself, because a widget does; in any thread."""
    token = _kept.set(True)
    try:
        yield
    finally:
        _kept.reset(token)


def _await_end_of_cell(picture: Picture) -> None:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or not hasattr(shell, "kernel") or _kept.get():
        return
    if not _waiting:
        shell.events.register("post_execute", _show_waiting)
    _waiting.append(picture)


def _show_waiting() -> None:
    shell = sys.modules["IPython"].get_ipython()
    shell.events.unregister("post_execute", _show_waiting)
    pictures = list(_waiting)
    _waiting.clear()
    for picture in pictures:
        if not picture.is_shown:
            picture._ipython_display_()
