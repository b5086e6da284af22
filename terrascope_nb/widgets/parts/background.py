"""Work beside the main thread of a kernel: one piece at a time per place, cancelled by the next, its warnings heard."""

from __future__ import annotations

import contextvars
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TextIO, TypeVar

from terrascope_nb.errors import TerrascopeError, TerrascopeWarning

Made = TypeVar("Made")


class CancelledError(TerrascopeError):
    """The work was cancelled by who asked for it."""


class Cancel(threading.Event):
    """A wish to stop that work looks at."""

    def check(self) -> None:
        """Stop the work when it was asked to.

        Raises
        ------
        CancelledError
            It was cancelled.
        """
        if self.is_set():
            raise CancelledError("The work was cancelled.")


class Worker(Generic[Made]):
    """Runs one piece of work at a time in a thread; a new one cancels and outdates the one before."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._cancel: Cancel | None = None
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether work is under way that was not cancelled."""
        thread, cancel = self._thread, self._cancel
        return thread is not None and thread.is_alive() and cancel is not None and not cancel.is_set()

    def start(
        self,
        work: Callable[[Cancel], Made],
        done: Callable[[Made], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Begin a piece of work; whatever ran before is told to stop and its answer thrown away.

        Parameters
        ----------
        work : callable
            Given the `Cancel` it should look at.
        done, failed : callable
            Told the result or the error, in the thread; not called for what was cancelled or outdated.
        """
        cancel = Cancel()

        def run() -> None:
            try:
                result = work(cancel)
                if self._is_current(cancel):
                    done(result)
            except CancelledError:
                return
            except Exception as error:  # noqa: BLE001 - whatever went wrong is shown where the work was asked for
                if self._is_current(cancel):
                    failed(error)

        # The context carries the cell that asked, so that what the thread shows appears there.
        context = contextvars.copy_context()
        with self._lock:
            if self._cancel is not None:
                self._cancel.set()
            self._cancel = cancel
            self._thread = threading.Thread(
                target=context.run, args=(run,), name=f"terrascope-{self.name}", daemon=True
            )
            self._thread.start()

    def _is_current(self, cancel: Cancel) -> bool:
        with self._lock:
            return self._cancel is cancel and not cancel.is_set()

    def cancel(self) -> None:
        """Ask the work to stop; its answer no longer counts."""
        with self._lock:
            if self._cancel is not None:
                self._cancel.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until nothing runs; False when it still does after so many seconds."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        return thread is None or not thread.is_alive()


_heard: ContextVar[list[str] | None] = ContextVar("terrascope_nb_heard", default=None)
_hook_lock = threading.Lock()


@contextmanager
def heard(*, pass_on: bool = False) -> Iterator[list[str]]:
    """Collect what our functions warn of in this block, safely in any thread.

    `warnings.catch_warnings` changes the filters of the whole process and is not for threads; here only the showing of a
    warning is led aside, and only for the block's own context.

    Parameters
    ----------
    pass_on : bool
        True: the warnings are shown to the user as well.
    """
    messages: list[str] = []
    with _hook_lock:
        _hook()
    # Python shows a warning of one place and text once; here each counts anew.
    for module in [module for name, module in list(sys.modules.items()) if name.startswith("terrascope_nb.widgets")]:
        getattr(module, "__warningregistry__", {}).clear()
    token = _heard.set(messages)
    try:
        yield messages
    finally:
        _heard.reset(token)
        if pass_on:
            for message in messages:
                warnings.warn(message, TerrascopeWarning, stacklevel=4)


def _hook() -> None:
    """Lead warnings of a context that listens to its list; all others go where they went before."""
    before = warnings.showwarning
    if getattr(before, "terrascope_nb", False):
        return

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> Any:
        messages = _heard.get()
        if messages is not None and issubclass(category, TerrascopeWarning):
            messages.append(str(message))
        else:
            before(message, category, filename, lineno, file, line)

    show.terrascope_nb = True  # type: ignore[attr-defined]
    warnings.showwarning = show
