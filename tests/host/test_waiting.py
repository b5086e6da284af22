"""Threads that wait for a server: an interrupt ends what they wait for, and the interpreter leaves without them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from terrascope_nb.host.ranges import fetch
from terrascope_nb.host.waiting import WaitingThreads, carrying_stop, current_stop, result_of, stoppable
from terrascope_nb.settings import options


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes every question and answers none."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        yield server.getsockname()[1]


def test_the_interpreter_leaves_at_once_while_a_server_is_silent(silent):
    code = f"""
import time
from terrascope_nb.raster import remote
remote.read_ahead([f"http://127.0.0.1:{silent}/{{n}}.tif" for n in range(100)])
time.sleep(0.3)
print(time.time(), flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=True)
    assert time.time() - float(done.stdout) < 3
    assert not done.stderr


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_interrupt_ends_requests_that_get_no_answer(silent, scheme):
    url = f"{scheme}://127.0.0.1:{silent}/a.tif"  # more of them than may be with a server at once
    _ends_soon(lambda pool: [pool.submit(fetch, url, 0, 10) for _ in range(70)], 70)


def test_an_interrupt_ends_a_body_that_does_not_come():
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.tif"

        def ask(pool: WaitingThreads) -> list[Future[object]]:
            coming = pool.submit(fetch, url, 0, 10)
            line = server.accept()[0]
            line.sendall(b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9/20\r\nContent-Length: 10\r\n\r\n12")
            lines.append(line)
            return [coming]

        lines: list[socket.socket] = []
        _ends_soon(ask, 1)
        lines[0].close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue refuses")
def test_an_interrupt_ends_a_connection_that_is_being_made():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        full = socket.create_connection(server.getsockname())
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.tif"
        _ends_soon(lambda pool: [pool.submit(fetch, url, 0, 10) for _ in range(3)], 3)
        full.close()


def _ends_soon(begin: Callable[[WaitingThreads], list[Future[object]]], most: int) -> None:
    def interrupted() -> None:
        with stoppable():
            comings.extend(begin(WaitingThreads(most, "test-requests")))
            time.sleep(0.4)
            assert not any(coming.done() for coming in comings)
            raise KeyboardInterrupt

    comings: list[Future[object]] = []
    with options(retries=3, timeout=30), pytest.raises(KeyboardInterrupt):
        interrupted()
    began = time.monotonic()
    for coming in comings:
        with pytest.raises(KeyboardInterrupt):
            coming.result(20)
    assert time.monotonic() - began < 2


def test_a_pool_begins_no_more_threads_than_it_may_and_uses_them_again():
    pool = WaitingThreads(4, "test-pool")
    for _ in range(50):
        assert pool.submit(threading.current_thread).result().name == "test-pool-0"
        time.sleep(0.001)
    names = {coming.result() for coming in [pool.submit(_slow_name) for _ in range(40)]}
    assert names == {f"test-pool-{n}" for n in range(4)}
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 // 0).result()


def _slow_name() -> str:
    time.sleep(0.01)
    return threading.current_thread().name


def test_what_was_cancelled_before_it_began_is_not_done():
    pool, go, done = WaitingThreads(1, "test-cancel"), threading.Event(), []
    first = pool.submit(go.wait)
    second = pool.submit(done.append, 2)
    assert second.cancel()
    go.set()
    assert first.result()
    pool.submit(done.append, 3).result()
    assert done == [3]


def test_an_interrupt_reaches_every_thread_that_carries_the_sign_and_no_other():
    pool = WaitingThreads(4, "test-stop")
    never: Future[int] = Future()

    def wait_for_another() -> int:
        return result_of(never)

    def interrupted() -> None:
        with stoppable():
            with stoppable():  # inside, it is the same sign
                for task in (lambda: current_stop().pause(60), wait_for_another):
                    comings.append(pool.submit(task))
            raise KeyboardInterrupt

    comings: list[Future[object]] = []
    other = pool.submit(current_stop().pause, 0.5)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    for coming in comings:
        with pytest.raises(KeyboardInterrupt):
            coming.result(10)
    assert time.monotonic() - began < 5
    other.result()
    current_stop().check()


def test_an_interrupt_ends_what_another_thread_holds():
    ended, held = threading.Event(), threading.Event()

    def hold() -> None:
        with current_stop().ended_by(ended.set):
            held.set()
            assert ended.wait(20)

    def interrupted() -> None:
        with stoppable():
            thread = threading.Thread(target=carrying_stop(hold))
            thread.start()
            threads.append(thread)
            assert held.wait(20)
            raise KeyboardInterrupt

    threads: list[threading.Thread] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    threads[0].join(5)
    assert ended.is_set()


def test_an_error_stops_nothing():
    pool, go = WaitingThreads(1, "test-error"), threading.Event()

    def failing() -> Future[None]:
        with stoppable():
            comings.append(pool.submit(lambda: go.wait(20) and current_stop().check()))
            raise ValueError("wrong")

    comings: list[Future[object]] = []
    with pytest.raises(ValueError, match="wrong"):
        failing()
    go.set()
    assert comings[0].result() is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_is_kept_by_no_lock_of_its_parent():
    for sign in (current_stop(), None):
        with contextlib.nullcontext() if sign else stoppable(), (sign or current_stop())._lock:
            child = os.fork()
            if child == 0:
                signal.alarm(5)
                with current_stop().ended_by(threading.Event().set):
                    os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
