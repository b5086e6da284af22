"""What was fetched once: a bounded shelf in memory that asks once for many, and a bounded one on disk when it is named."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Generic, TypeVar

from terrascope_nb.host.exchange import Bytes
from terrascope_nb.settings import get_settings

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_SOON = 20.0
"""Seconds after which nobody is expected to read what was announced."""
_DIGEST = 16
"""Bytes before the content of a file on disk that tell a damaged one."""


class GivenUpError(Exception):
    """Whoever wanted to fetch something stopped before it was there."""


class Shelf(Generic[Key, Value]):
    """Values in memory, those nobody waits for forgotten first, least used first; what one fetches, others wait for."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._fresh: OrderedDict[Key, tuple[Value, int]] = OrderedDict()  # announced and not yet read
        self._came: dict[Key, float] = {}
        self._bytes = 0
        self._coming: dict[Key, Future[Value]] = {}
        self._unread: dict[Key, int] = {}
        self._unread_bytes = 0

    def has(self, key: Key) -> bool:
        """Whether a value is here or on its way."""
        return key in self._kept or key in self._coming or key in self._fresh

    def announce(self, sizes: Mapping[Key, int], most_unread: int) -> list[Key] | None:
        """Return what is neither here nor on its way, which the caller now must `put` or `give_up`.

        None when, with it, more than ``most_unread`` bytes would have been announced that nobody has claimed yet: these
        would take memory, or be forgotten before they are read.
        """
        with self._lock:
            mine = [key for key in sizes if not self.has(key)]
            if mine and self._unread_bytes + sum(sizes[key] for key in mine) > most_unread:
                self._leave_old()
                if self._unread_bytes + sum(sizes[key] for key in mine) > most_unread:
                    return None
            for key in mine:
                self._coming[key] = Future()
                self._unread[key] = sizes[key]
                self._unread_bytes += sizes[key]
        return mine

    def _read(self, key: Key) -> None:
        self._unread_bytes -= self._unread.pop(key, 0)
        self._came.pop(key, None)
        if key in self._fresh:
            self._kept[key] = self._fresh.pop(key)

    def _leave_old(self) -> None:
        """Count what came long ago as read: whoever wanted it was stopped."""
        before = time.monotonic() - _SOON
        for key in [key for key, came in self._came.items() if came <= before]:
            self._read(key)

    def claim(self, keys: Iterable[Key]) -> tuple[dict[Key, Value], dict[Key, Future[Value]], list[Key]]:
        """Return what is here, what others fetch, and what the caller now must `put` or `give_up`."""
        here, coming, mine = {}, {}, []
        with self._lock:
            for key in keys:
                self._read(key)
                if key in self._kept:
                    self._kept.move_to_end(key)
                    here[key] = self._kept[key][0]
                elif key in self._coming:
                    coming[key] = self._coming[key]
                else:
                    self._coming[key] = Future()
                    mine.append(key)
        return here, coming, mine

    def put(self, key: Key, value: Value, size: int) -> None:
        """Keep a value that was claimed, and give it to those who wait."""
        with self._lock:
            future = self._coming.pop(key, None)
            is_fresh = key in self._unread
            if size > self._most // 4:
                self._read(key)
            else:
                if is_fresh:
                    self._came[key] = time.monotonic()
                else:
                    self._drop(key)
                (self._fresh if is_fresh else self._kept)[key] = value, size
                self._bytes += size
            while self._bytes > self._most:
                self._drop(next(iter(self._kept or self._fresh)))
        if future is not None:
            future.set_result(value)

    def give_up(self, keys: Iterable[Key], error: BaseException | None = None) -> None:
        """Tell those who wait that a claimed value does not come."""
        for key in keys:
            with self._lock:
                self._read(key)
                future = self._coming.pop(key, None)
            if future is not None:
                future.set_exception(error if isinstance(error, Exception) else GivenUpError())

    def drop(self, key: Key) -> None:
        """Forget a value."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: Key) -> None:
        self._read(key)
        found = self._kept.pop(key, None)
        if found is not None:
            self._bytes -= found[1]

    @property
    def size(self) -> int:
        """Bytes kept."""
        return self._bytes


class DiskShelf:
    """Bytes by name in a folder of the cache, the least used removed first when there are too many.

    Several processes may use one folder. What cannot be read or written counts as not there: a cache that fails must
    not fail the work.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._written = most_bytes  # so that the first write looks how full the folder is
        self._lock = threading.Lock()

    def get(self, *name: object) -> bytes | None:
        """Return what was kept under a name, or None."""
        path = self._path(name)
        with contextlib.suppress(OSError):
            data = path.read_bytes()
            if data[:_DIGEST] == _digest(data[_DIGEST:]):
                os.utime(path)
                return data[_DIGEST:]
            path.unlink()
        return None

    def put(self, data: Bytes, *name: object) -> None:
        """Keep bytes under a name; readable by this user alone, for they may need rights to be had."""
        path = self._path(name)
        with contextlib.suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix="new-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(_digest(data))
                    file.write(data)
                os.replace(temporary, path)  # noqa: PTH105 - text from mkstemp
            except BaseException:
                os.unlink(temporary)  # noqa: PTH108
                raise
        with self._lock:
            self._written += len(data) + _DIGEST
            full = self._written > self._most // 16
            if full:
                self._written = 0
        if full:
            self._prune()

    def drop(self, *name: object) -> None:
        """Forget what was kept under a name."""
        with contextlib.suppress(OSError):
            self._path(name).unlink()

    def _prune(self) -> None:
        found = []
        with contextlib.suppress(OSError):
            for entry in os.scandir(self._folder):
                with contextlib.suppress(OSError):  # another process may prune too
                    state = entry.stat()
                    found.append((state.st_mtime_ns, state.st_size, entry.path))
        # What may be written until the next look must fit too.
        excess = sum(size for _, size, _ in found) - self._most * 15 // 16
        for _, size, path in sorted(found):
            if excess <= 0:
                break
            with contextlib.suppress(OSError):
                os.unlink(path)  # noqa: PTH108
            excess -= size

    def _path(self, name: tuple[object, ...]) -> Path:
        return self._folder / hashlib.blake2b(repr(name).encode(), digest_size=20).hexdigest()


def _digest(data: Bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


_disk: DiskShelf | None = None
_disk_key: tuple[Path, int] | None = None


def disk_shelf() -> DiskShelf | None:
    """Return the shelf on disk, or None where ``settings.remote_cache_mb`` names no size (the default)."""
    global _disk, _disk_key  # made anew when the settings change
    settings = get_settings()
    if settings.remote_cache_mb <= 0:
        return None
    key = settings.cache() / "remote", settings.remote_cache_mb
    if _disk is None or _disk_key != key:
        _disk, _disk_key = DiskShelf(key[0], key[1] * 2**20), key
    return _disk


def _start_anew() -> None:
    global _disk  # noqa: PLW0603 - its lock may have been held by a thread of the parent
    _disk = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
