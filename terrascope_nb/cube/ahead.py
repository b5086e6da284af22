"""What tasks need of a server is asked for while earlier tasks are worked on: small threads wait, the cores compute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from terrascope_nb.host.waiting import carrying_stop, result_of, stoppable

Task = TypeVar("Task")
Ready = TypeVar("Ready")

_AHEAD = 16
"""Tasks that are got ready before one is worked on, each by a thread that waits most of its time. What they ask for and
nobody has read yet has a bound of its own (`raster.remote`)."""


@contextmanager
def ready(
    tasks: Iterable[Task], prepare: Callable[[Task], Ready], *, remote: bool
) -> Iterator[Iterator[tuple[Task, Callable[[], Ready]]]]:
    """Give an iterator over tasks and over functions that return what `prepare` makes of each, in their order.

    Parameters
    ----------
    remote : bool
        True: prepared ahead by threads of their own. False: by whoever calls the function.
    """
    if not remote:
        yield ((task, partial(prepare, task)) for task in tasks)
        return
    pool = ThreadPoolExecutor(_AHEAD, thread_name_prefix="terrascope-ahead")
    try:
        with stoppable():
            yield _in_order(pool, tasks, carrying_stop(prepare))
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor, tasks: Iterable[Task], prepare: Callable[[Task], Ready]
) -> Iterator[tuple[Task, Callable[[], Ready]]]:
    queue: deque[tuple[Task, Future[Ready]]] = deque()
    for task in tasks:
        queue.append((task, pool.submit(prepare, task)))
        if len(queue) > _AHEAD:
            first, coming = queue.popleft()
            yield first, partial(result_of, coming)
    for last, coming in queue:
        yield last, partial(result_of, coming)
