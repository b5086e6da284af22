"""How many requests one server gets from us at once, and how long it is left alone when it asks for that."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from terrascope_nb.host.waiting import LOOK, current_stop

MOST_AT_ONCE = 64
"""Requests in flight. At 20 ms each, 64 blocks in flight fill a line of 1 GB/s; 16 took 2.2 times, 32 took 1.3 times as
long for the blocks of 120 files, and more brought nothing."""
_FEWEST = 4
_PAUSE = 0.2
"""Seconds without new requests when the server names none."""
_PATIENCE = 60.0
"""Seconds; a server that asks us to come back later than this is asked again after this time."""


class Crowd:
    """The requests that are with one server."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._inside = 0
        self._most = float(MOST_AT_ONCE)
        self._closed_until = 0.0

    @contextmanager
    def place(self) -> Iterator[Crowd]:
        """Wait for a place and hold it."""
        stop = current_stop()
        with self._change:
            while True:
                stop.check()
                closed = self._closed_until - time.monotonic()
                if closed <= 0 and self._inside < int(self._most):
                    break
                self._change.wait(min(closed, LOOK) if closed > 0 else LOOK)
            self._inside += 1
        try:
            yield self
        finally:
            with self._change:
                self._inside -= 1
                self._change.notify()

    def slow_down(self, seconds: float) -> None:
        """Halve the crowd, and let nobody in for some time: the server says that it is busy."""
        with self._change:
            now = time.monotonic()
            if now >= self._closed_until:  # answers to one crowd count once
                self._most = max(_FEWEST, self._most / 2)
            self._closed_until = max(self._closed_until, now + max(seconds, _PAUSE))

    def went_well(self) -> None:
        """Let the crowd grow by one for each crowd that went well."""
        if self._most < MOST_AT_ONCE:
            with self._change:
                self._most = min(MOST_AT_ONCE, self._most + 1 / self._most)


def seconds_to_wait(retry_after: str | None) -> float:
    """Return the seconds that a Retry-After header asks for, at most a minute.

    >>> seconds_to_wait("7"), seconds_to_wait("86400"), seconds_to_wait(None), seconds_to_wait("soon")
    (7.0, 60.0, 0.0, 0.0)
    """
    if not retry_after:
        return 0.0
    if retry_after.strip().isdecimal():
        return min(float(retry_after), _PATIENCE)
    try:
        moment = parsedate_to_datetime(retry_after)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (aware - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), _PATIENCE)
