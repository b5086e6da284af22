"""Many pieces of work on all cores, with a sign of life, an end at the first error and at an interrupt."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from terrascope_nb.cube.progress import Meter
from terrascope_nb.host.limits import cores

Task = TypeVar("Task")


def work(do: Callable[[Task], None], tasks: Iterable[Task], total: int, what: str) -> None:
    """Do every task, in their order as far as threads allow; tasks are taken when a thread is free.

    Raises
    ------
    Whatever a task raises first, or KeyboardInterrupt; no further task is begun then.
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

    threads = min(cores(), total)
    with Meter(what, total) as meter:
        if threads < 2:
            keep_going(meter)
            return
        with ThreadPoolExecutor(threads) as pool:
            try:
                for running in [pool.submit(keep_going, meter) for _ in range(threads)]:
                    running.result()
            except BaseException:
                stop.set()
                raise
