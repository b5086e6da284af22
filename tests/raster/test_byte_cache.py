from __future__ import annotations

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from terrascope_nb.raster.byte_cache import ByteCache


def test_what_was_used_last_is_kept_up_to_the_bytes():
    cache = ByteCache(10, len)
    for key in "abc":
        cache.get(key, lambda: b"1234")
    assert cache.n_bytes == 8
    assert not cache.has("a")
    assert cache.has("b")
    cache.get("b", pytest.fail)
    cache.get("d", lambda: b"1234")
    assert cache.has("b")
    assert not cache.has("c")
    cache.clear()
    assert (cache.n_bytes, len(cache)) == (0, 0)


def test_what_is_too_large_is_handed_out_and_not_kept():
    cache = ByteCache(3, len)
    assert cache.get("a", lambda: b"1234") == b"1234"
    assert cache.n_bytes == 0


def test_eight_threads_make_a_thing_once():
    cache, made, go = ByteCache(100, len), [], threading.Event()

    def make():
        go.wait(5)
        made.append(1)
        return b"x"

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(cache.get, "a", make) for _ in range(8)]
        go.set()
        assert [one.result() for one in waiting] == [b"x"] * 8
    assert made == [1]


def test_an_error_is_told_to_all_who_wait_and_is_not_kept():
    cache, go = ByteCache(100, len), threading.Event()

    def fail():
        go.wait(5)
        raise OSError("gone")

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(cache.get, "a", fail) for _ in range(2)]
        go.set()
        for one in waiting:
            with pytest.raises(OSError, match="gone"):
                one.result()
    assert cache.get("a", lambda: b"there") == b"there"


def test_a_cancelled_maker_cancels_nobody_else():
    cache, begun, go = ByteCache(100, len), threading.Event(), threading.Event()

    def cancelled():
        begun.set()
        go.wait(5)
        raise CancelledError

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.get, "a", cancelled)
        begun.wait(5)
        second = pool.submit(cache.get, "a", lambda: b"mine")
        go.set()
        with pytest.raises(CancelledError):
            first.result()
        assert second.result() == b"mine"
