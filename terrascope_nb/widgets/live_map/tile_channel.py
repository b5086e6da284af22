"""The kernel's end of the conversation about map tiles: asked over the widget's comm, answered from a small pool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from terrascope_nb.errors import redacted
from terrascope_nb.host.limits import cores
from terrascope_nb.raster.tiling import MOST_ZOOM, TileAddress

Send = Callable[[Mapping[str, Any], Sequence[bytes]], None]
"""Sends a message with binary parts to the front-end."""
Paint = Callable[[TileAddress, threading.Event], "bytes | None"]
"""Paints a tile as PNG; None = nothing is there. Looks at the event to know when to stop."""


@lru_cache(maxsize=1)
def painters() -> ThreadPoolExecutor:
    """Return the threads that paint, shared by all maps of this process: two to four."""
    return ThreadPoolExecutor(max_workers=min(max(cores(), 2), 4), thread_name_prefix="terrascope-tiles")


@lru_cache(maxsize=1)
def ground_painters() -> ThreadPoolExecutor:
    """Return the thread that paints basemaps: data never wait for the ground they lie on."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="terrascope-ground")


@dataclass(slots=True, eq=False)
class Job:
    """One tile that was asked for."""

    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set once nobody wants the tile."""
    future: Future[None] | None = None
    """The work; None until it was handed over."""


class TileChannel:
    """Answers requests for tiles, each exactly once; safe for messages that come on several threads.

    Parameters
    ----------
    send : callable
        Sends an answer.
    paint : callable
        Paints a tile.
    changed : callable
        Told the number of tiles under way and the reason of the last failure (empty after a success), on any thread.
    pool : callable
        Gives the threads that paint.
    """

    def __init__(
        self,
        send: Send,
        paint: Paint,
        changed: Callable[[int, str], None] = lambda *_: None,
        pool: Callable[[], ThreadPoolExecutor] = painters,
    ) -> None:
        self._send, self._paint, self._changed, self._pool = send, paint, changed, pool
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        self._reason = ""

    def handle(self, content: Mapping[str, Any]) -> bool:
        """Take a message of the front-end; False when it is not about tiles."""
        kind = content.get("msg")
        if kind == "tiles":
            self._ask(content.get("tiles") or ())
        elif kind == "cancel":
            self.cancel(str(name) for name in content.get("ids", ()))
        elif kind == "ping":
            self._send({"msg": "pong"}, ())
        else:
            return False
        return True

    @property
    def under_way(self) -> int:
        """Tiles that wait or are being painted."""
        return len(self._jobs)

    def cancel(self, names: Any = None) -> None:
        """Stop the work on some tiles, or on all; they are not answered."""
        with self._lock:
            gone = [self._jobs.pop(name, None) for name in (list(self._jobs) if names is None else names)]
        for job in gone:
            if job is not None:
                job.cancelled.set()
                if job.future is not None:
                    job.future.cancel()
        self._tell()

    def _ask(self, tiles: Iterable[Mapping[str, Any]]) -> None:
        wanted: list[tuple[str, TileAddress, Job]] = []
        for one in tiles:
            if not isinstance(one, Mapping):
                continue
            name, tile = str(one.get("id", "")), _address(one)
            if tile is None:
                self._send({"msg": "tile", "id": name, "state": "empty"}, ())
            else:
                wanted.append((name, tile, Job()))
        with self._lock:  # all of them before the first is painted: a view is under way until its last tile is there
            self._jobs.update({name: job for name, _, job in wanted})
        self._tell()
        for name, tile, job in wanted:
            try:
                job.future = self._pool().submit(self._work, name, tile, job)
            except RuntimeError:  # the interpreter is shutting down
                self._finish(name)

    def _work(self, name: str, tile: TileAddress, job: Job) -> None:
        if job.cancelled.is_set():
            return
        reason = ""
        picture = None
        try:
            picture = self._paint(tile, job.cancelled)
        except CancelledError:
            if job.cancelled.is_set():
                return
            reason = "cancelled"
        except Exception as error:  # noqa: BLE001 whatever went wrong is shown on the map, where the tile should be
            reason = reason_of(error)
        if not self._finish(name):
            return
        self._reason = reason
        if reason:
            self._send({"msg": "tile", "id": name, "state": "error", "reason": reason}, ())
        elif picture is None:
            self._send({"msg": "tile", "id": name, "state": "empty"}, ())
        else:
            self._send({"msg": "tile", "id": name, "state": "picture"}, (picture,))
        self._tell()

    def _finish(self, name: str) -> bool:
        with self._lock:
            return self._jobs.pop(name, None) is not None

    def _tell(self) -> None:
        self._changed(len(self._jobs), self._reason)


def reason_of(error: BaseException) -> str:
    """Return what a person reads on a tile that could not be painted.

    >>> reason_of(ValueError("no such file"))
    'ValueError: no such file'
    """
    words = redacted(str(error)).strip()
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _address(content: Mapping[str, Any]) -> TileAddress | None:
    """Return the tile that is asked for, with columns of the world's copies turned into the world's own."""
    try:
        z, x, y = (int(content[key]) for key in ("z", "x", "y"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not 0 <= z <= MOST_ZOOM or not 0 <= y < 2**z:
        return None
    return TileAddress(z, x % 2**z, y)
