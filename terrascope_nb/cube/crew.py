"""Many pieces of work on all cores, with a sign of life, an end at the first error and at an interrupt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from terrascope_nb.cube.progress import Meter
from terrascope_nb.host.limits import cores
from terrascope_nb.host.waiting import carrying_stop, stoppable

Task = TypeVar("Task")


_REMOTE = 16
"""Threads that wait for a server: most of their time is not spent on a core."""


def work(do: Callable[[Task], None], tasks: Iterable[Task], total: int, what: str, *, remote: bool = False) -> None:
    """Do every task, in their order as far as threads allow; tasks are taken when a thread is free.

    Parameters
    ----------
    total : int
        Number of tasks.
    what : str
        What is done, for the line that says how far it is.
    remote : bool
        True: the tasks mostly wait for a server, so more threads than cores are worth it.

    Raises
    ------
    Whatever a task raises first, or KeyboardInterrupt, which ends what tasks wait for from a server too; no further task
    is begun then.
    """
    stop, lock, waiting = threading.Event(), threading.Lock(), iter(tasks)

    def keep_going(meter: Meter) -> None:
        while not stop.is_set():
            with lock:
                task = next(waiting, stop)
            if task is stop:
                return
            try:
                do(task)  # type: ignore[arg-type]
            except BaseException:
                stop.set()
                raise
            meter.advance()

    threads = min(max(cores(), _REMOTE) if remote else cores(), total)
    with Meter(what, total) as meter:
        if threads < 2:
            with stoppable():
                keep_going(meter)
            return
        with ThreadPoolExecutor(threads) as pool, stoppable():
            try:
                for running in [pool.submit(carrying_stop(keep_going), meter) for _ in range(threads)]:
                    running.result()
            except BaseException:
                stop.set()
                raise
