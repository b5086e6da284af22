"""Memory for the bodies of answers, used again when nobody reads what lay in it.

Fresh pages cost as much as receiving what fills them: the system clears each one and takes it back afterwards.
"""

from __future__ import annotations

import mmap
import weakref

import numpy as np

_LARGE = 64 * 1024
"""Bytes of a body that has pages of memory of its own; also the step of their sizes."""
_LOOSE = 4
"""Steps by which memory that is used again may be larger than what is wanted."""
_MOST_FREE = 8 * 2**20
"""Bytes that wait to be used again, about; the rest goes back to the system at once."""

_free: dict[int, list[mmap.mmap]] = {}
"""Size -> memory that nobody reads; lists alone, as threads and the end of a body change them at any moment."""


def memory_for(size: int) -> memoryview:
    """Return memory of that many bytes, holding anything; it is used again once no view of it is left."""
    if size < _LARGE or not hasattr(mmap, "MAP_ANONYMOUS"):
        return memoryview(bytearray(size))
    steps = -(-size // _LARGE)
    pages = next(filter(None, map(_taken, range(steps, steps + _LOOSE))), None)
    if pages is None:
        pages = mmap.mmap(-1, steps * _LARGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    # All views of it hold this array, and it alone says when the last one is gone.
    body = np.frombuffer(pages, np.uint8)
    weakref.finalize(body, _give_back, pages).atexit = False
    return body.data[:size]


def _taken(steps: int) -> mmap.mmap | None:
    try:
        return _free[steps].pop()
    except (KeyError, IndexError):
        return None


def _give_back(pages: mmap.mmap) -> None:
    waiting = sum(steps * len(free) for steps, free in list(_free.items())) * _LARGE
    if waiting + len(pages) <= _MOST_FREE:
        _free.setdefault(len(pages) // _LARGE, []).append(pages)
