"""Threads that wait for servers: what is begun within `stoppable` ends at an interrupt, and none holds up the exit."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Made = TypeVar("Made")

LOOK = 0.25
"""Seconds after which a thread that waits for another looks whether it is to stop."""


class Stop:
    """A sign for many threads that nobody wants their work any more; what they wait in is ended for them."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._ends: dict[object, Callable[[], None]] = {}

    def set(self) -> None:
        """Say so."""
        with self._lock:
            self._event.set()
            ends = list(self._ends.values())
        for end in ends:
            end()

    def check(self) -> None:
        """Raise KeyboardInterrupt in the thread that asks, once it is to stop."""
        if self._event.is_set():
            raise KeyboardInterrupt

    def pause(self, seconds: float) -> None:
        """Sleep, no longer than until it is to stop."""
        self._event.wait(seconds)
        self.check()

    def ended_by(self, end: Callable[[], None]) -> AbstractContextManager[None]:
        """Do something that may wait for long; ``end``, called by another thread, makes it fail with an OSError."""
        return _Held(self._lock, self._event, self._ends, end)


class _Held:
    """What may wait for long; a class, since it is made for every request."""

    __slots__ = ("_end", "_ends", "_event", "_lock")

    def __init__(
        self,
        lock: threading.Lock,
        event: threading.Event,
        ends: dict[object, Callable[[], None]],
        end: Callable[[], None],
    ) -> None:
        self._lock, self._event, self._ends, self._end = lock, event, ends, end

    def __enter__(self) -> None:
        with self._lock:
            if self._event.is_set():
                raise KeyboardInterrupt
            self._ends[self] = self._end

    def __exit__(self, *_: object) -> None:
        with self._lock:
            del self._ends[self]


_current: ContextVar[Stop | None] = ContextVar("terrascope_nb_stop", default=None)
_nobody = Stop()
"""The sign of those whom nobody stops."""


def _start_anew() -> None:
    global _nobody  # noqa: PLW0603 - a lock that a thread of the parent held is of no use to its child
    _nobody = Stop()
    _current.set(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


def current_stop() -> Stop:
    """Return the sign that this thread has to obey."""
    return _current.get() or _nobody


@contextmanager
def stoppable() -> Iterator[None]:
    """Stop what was begun in here, by any thread that carries the sign (`carrying_stop`), when this is interrupted."""
    stop = _current.get() or Stop()
    before = _current.set(stop)
    try:
        yield
    except Exception:
        raise
    except BaseException:
        stop.set()
        raise
    finally:
        _current.reset(before)


def carrying_stop(task: Callable[Given, Made]) -> Callable[Given, Made]:
    """Return a task that obeys, in whatever thread it runs, the sign of the thread that calls this."""
    stop = _current.get()

    def carried(*arguments: Given.args, **options: Given.kwargs) -> Made:
        before = _current.set(stop)
        try:
            return task(*arguments, **options)
        finally:
            _current.reset(before)

    return carried


def result_of(coming: Future[Made]) -> Made:
    """Return what another thread makes; an interrupt of this thread's work ends the waiting too."""
    stop = current_stop()
    while not coming.done():
        stop.check()
        try:
            return coming.result(LOOK)
        except TimeoutError:
            continue  # ours, or the result: then it is done
    return coming.result()


class WaitingThreads:
    """A pool whose threads end with the interpreter: what still waits then, nobody waits for."""

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._todo: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._free = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._begun = 0

    def submit(self, task: Callable[Given, Made], *arguments: Given.args, **options: Given.kwargs) -> Future[Made]:
        """Do a task in a thread of the pool, which obeys the sign of the thread that asks."""
        coming: Future[Made] = Future()
        self._todo.put((coming, functools.partial(carrying_stop(task), *arguments, **options)))
        if not self._free.acquire(blocking=False):
            with self._lock:
                if self._begun < self._most:
                    name = f"{self._name}-{self._begun}"
                    threading.Thread(target=self._serve, name=name, daemon=True).start()
                    self._begun += 1
        return coming

    def _serve(self) -> None:
        while True:
            self._do(*self._todo.get())
            self._free.release()

    @staticmethod
    def _do(coming: Future[Any], task: Callable[[], Any]) -> None:
        if not coming.set_running_or_notify_cancel():
            return
        try:
            made = task()
        except BaseException as error:  # noqa: BLE001 - whoever asked is told
            coming.set_exception(error)
        else:
            coming.set_result(made)
