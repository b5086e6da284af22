"""What tasks need of a server is asked for while earlier tasks are worked on: small threads wait, the cores compute."""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from terrascope_nb.cube.on_grid import Piece
from terrascope_nb.cube.plan import Source
from terrascope_nb.cube.stream import Stream
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
    added = 0
    for task in tasks:
        queue.append((task, pool.submit(prepare, task)))
        added += 1
        # The first that is ready is worked on at once; two for each that is taken, and the queue grows all the same.
        if len(queue) > _AHEAD or (added >= 2 and queue[0][1].done()):
            first, coming = queue.popleft()
            added = 0
            yield first, partial(result_of, coming)
    for last, coming in queue:
        yield last, partial(result_of, coming)


@dataclass(slots=True)
class Queue:
    """What is read of one file behind HTTP, in the order it is read in."""

    source: Source
    """The file."""
    resampling: str
    """That of its band."""
    pieces: list[tuple[int, Piece]] = field(default_factory=list)
    """What was not asked for yet, each with the number of its target."""

    def ask(self, stream: Stream, *, early: bool) -> bool:
        """Ask for as many of the next pieces as there is memory for, neighbouring blocks together; False = not for all."""
        count = len(self.pieces)
        while count:
            next_ones = [piece for _, piece in self.pieces[:count]]
            if stream.read_ahead(self.source, next_ones, self.resampling, early=early):
                break
            count = 0 if early else count // 2
        del self.pieces[:count]
        return not self.pieces


class Backlog:
    """What is to be asked for ahead and waits until there is memory for it; what is read first comes first."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._waiting: list[tuple[tuple[int, int], int, Queue]] = []

    def add(self, task: tuple[int, int], queues: Sequence[Queue]) -> None:
        """Ask for what a task reads, now or when it is its turn."""
        with self._lock:
            for number, queue in enumerate(queues):
                heapq.heappush(self._waiting, (task, number, queue))
            self._go_on()

    def done(self, queues: Sequence[Queue]) -> None:
        """Ask for what there is memory for by now, and for nothing more of a task whose queues these are."""
        with self._lock:
            for queue in queues:
                queue.pieces.clear()
            self._go_on()

    def _go_on(self) -> None:
        while self._waiting and self._waiting[0][2].ask(self._stream, early=True):
            heapq.heappop(self._waiting)

    def before(self, target: int, queues: Sequence[Queue]) -> None:
        """See to it that what is read of a target next is on its way, when there is memory for it."""
        with self._lock:
            for queue in queues:
                while queue.pieces and queue.pieces[0][0] < target:
                    del queue.pieces[0]
                if queue.pieces and queue.pieces[0][0] == target:
                    queue.ask(self._stream, early=False)
