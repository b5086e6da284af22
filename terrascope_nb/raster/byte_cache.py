"""A cache that is bounded in bytes and makes each thing once, however many threads ask for it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class ByteCache(Generic[T]):
    """Keeps what was used last, up to a number of bytes.

    Parameters
    ----------
    most : int
        Bytes. What is larger is handed out and not kept.
    size_of : callable
        Bytes of a thing.
    """

    def __init__(self, most: int, size_of: Callable[[T], int]) -> None:
        self.most = most
        self.n_bytes = 0
        self._size_of = size_of
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._making: dict[Hashable, Future[T]] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is kept under a key, or make it; threads that ask meanwhile wait for the one that makes it.

        What goes wrong is raised for all who wait, but a cancelled maker cancels nobody else: another makes it then.
        """
        while True:
            with self._lock:
                found = self._kept.get(key)
                if found is not None:
                    self._kept.move_to_end(key)
                    return found[0]
                future = self._making.get(key)
                if future is None:
                    mine: Future[T] = Future()
                    self._making[key] = mine
            if future is None:
                return self._make(key, make, mine)
            try:
                return future.result()
            except CancelledError:
                continue

    def _make(self, key: Hashable, make: Callable[[], T], mine: Future[T]) -> T:
        try:
            made = make()
        except BaseException as error:
            with self._lock:
                self._making.pop(key, None)
            mine.set_exception(error)
            raise
        with self._lock:
            self._making.pop(key, None)
            self._keep(key, made)
        mine.set_result(made)
        return made

    def _keep(self, key: Hashable, made: T) -> None:
        size = self._size_of(made)
        if size > self.most:
            return
        self._kept[key] = made, size
        self.n_bytes += size
        while self.n_bytes > self.most:
            _, (_, gone) = self._kept.popitem(last=False)
            self.n_bytes -= gone

    def has(self, key: Hashable) -> bool:
        """Return True when a thing is kept."""
        with self._lock:
            return key in self._kept

    def clear(self) -> None:
        """Forget all that is kept."""
        with self._lock:
            self._kept.clear()
            self.n_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.most, self._size_of)
