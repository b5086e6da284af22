"""One updating line for work that takes longer than a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self

_FIRST_AFTER = 0.8
"""Seconds of silence before the first line: quick work stays quiet."""
_EVERY = 0.25
"""Seconds between two lines."""


_listener: ContextVar[Callable[[Meter], None] | None] = ContextVar("terrascope_nb_meter_listener", default=None)


@contextmanager
def told_to(listener: Callable[[Meter], None]) -> Iterator[None]:
    """Tell a function of every step of the work in this block, in place of writing a line.

    The function is called with the `Meter` at its start and after each piece, in the thread that does the work; an error
    it raises stops the work.
    """
    before = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(before)


def _notebook_display() -> Any | None:
    """Return IPython's display function when a kernel runs this code, else None."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython  # there already, since a kernel has loaded it

    shell = get_ipython()
    if shell is None or type(shell).__name__ != "ZMQInteractiveShell":
        return None
    from IPython.display import display

    return display


class Meter:
    """Count pieces of work and say how far it is, with the time left.

    In a notebook one output is updated; in a terminal one line is rewritten; otherwise (a log, a test) nothing is
    printed. Used as a context manager; thread-safe.
    """

    def __init__(self, what: str, total: int, *, show: bool = True) -> None:
        self.what = what
        self.total = total
        self.done = 0
        self._show = show
        self._lock = threading.Lock()
        self._handle: Any = None
        self._display: Any = None
        self._tell: Callable[[Meter], None] | None = None
        self._begin = self._shown = 0.0

    def __enter__(self) -> Self:
        self._begin = time.monotonic()
        self._tell = _listener.get()
        if self._tell is not None:
            self._show = False
            self._tell(self)
        self._display = _notebook_display() if self._show else None
        return self

    def expect(self, pieces: int) -> None:
        """Say how many pieces there are, when that is known at last."""
        self.total = pieces

    def advance(self, pieces: int = 1) -> None:
        """Say that pieces are done."""
        with self._lock:
            self.done += pieces
            now = time.monotonic()
            if now - self._begin >= _FIRST_AFTER and now - self._shown >= _EVERY:
                self._shown = now
                self._write(self.line())
        if self._tell is not None:
            self._tell(self)

    def line(self) -> str:
        """Return the line as it stands: share done, pieces, seconds left."""
        spent = time.monotonic() - self._begin
        left = spent / self.done * (self.total - self.done) if self.done else float("nan")
        share = 100 * self.done / max(self.total, 1)
        rest = f", {left:.0f} s left" if self.done and left >= 0.5 else ""
        return f"{self.what}: {share:.0f} % ({self.done} of {self.total}){rest}"

    def _write(self, text: str) -> None:
        if not self._show:
            return
        if self._display is not None:
            content = {"text/plain": text}
            if self._handle is None:
                self._handle = self._display(content, raw=True, display_id=True)
            else:
                self._handle.update(content, raw=True)
        elif sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[2K{text}")
            sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not (self._shown and self._show):
            return
        spent = time.monotonic() - self._begin
        end = "done" if kind is None else "cancelled" if kind is KeyboardInterrupt else "stopped by an error"
        self._write(f"{self.what}: {end} after {self.done} of {self.total}, {spent:.1f} s")
        if self._display is None and sys.stderr.isatty():
            sys.stderr.write("\n")
