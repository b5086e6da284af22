"""Tasks are got ready ahead and come in their order; an error comes with its task, and nothing goes on after the end."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from concurrent.futures import Future
from functools import partial
from types import SimpleNamespace

import pytest

from terrascope_nb.cube import ahead, clearness, preview_reading
from terrascope_nb.cube.ahead import Backlog, Queue, ready
from terrascope_nb.cube.crew import work
from terrascope_nb.host.ranges import fetch, fetch_each
from terrascope_nb.settings import options


@pytest.mark.parametrize("remote", [True, False])
def test_tasks_come_in_order_with_what_was_prepared(remote):
    def prepare(task: int) -> int:
        time.sleep(0.001 * (task % 7))
        return task * task

    with ready(range(100), prepare, remote=remote) as coming:
        assert [(task, made()) for task, made in coming] == [(task, task * task) for task in range(100)]


def test_what_waits_for_a_server_is_prepared_by_others_no_further_than_some_tasks_ahead():
    prepared: list[str] = []
    taken: list[int] = []

    def tasks():
        for task in range(100):
            assert task - len(taken) <= ahead._AHEAD
            yield task

    with ready(tasks(), lambda task: prepared.append(threading.current_thread().name), remote=True) as coming:
        for task, made in coming:
            made()
            taken.append(task)
    assert len(prepared) == 100
    assert all(name.startswith("terrascope-ahead") for name in prepared)


def test_what_lies_on_a_disk_is_prepared_by_who_takes_it():
    with ready(range(3), lambda _: threading.get_ident(), remote=False) as coming:
        assert {made() for _, made in coming} == {threading.get_ident()}


def test_an_error_comes_with_its_task_and_the_rest_is_left():
    begun: list[int] = []

    def prepare(task: int) -> int:
        begun.append(task)
        time.sleep(0.01)
        if task == 3:
            raise ValueError(task)
        return task

    def take() -> None:
        with ready(range(1000), prepare, remote=True) as coming:
            for task, made in coming:
                assert made() == task

    with pytest.raises(ValueError, match="3"):
        take()
    count = len(begun)
    assert count <= 3 + 2 * ahead._AHEAD + 1
    time.sleep(0.05)
    assert len(begun) == count


def with_ahead(ask, total):
    with ready(range(total), ask, remote=True) as coming:
        work(lambda task: task[1](), coming, total, "waiting", remote=True)


def in_a_preview(ask, total):
    preview_reading._run([partial(ask, task) for task in range(total)], 16)


def while_flags_are_measured(ask, total):
    clearness.measure_all(SimpleNamespace(steps=range(total)))


@pytest.mark.parametrize("total", [1, 40])
@pytest.mark.parametrize("run", [with_ahead, in_a_preview, while_flags_are_measured])
def test_the_stop_button_ends_work_that_waits_for_a_silent_server(run, total, monkeypatch):
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.tif"

        def ask(task: int) -> object:
            return fetch(url, 0, 10) if task % 2 else dict(fetch_each(url, [(0, 10), (20, 30)]))

        monkeypatch.setattr(clearness, "measure_step", lambda plan, step: ask(step))
        # Whoever started the tests in the background may have had the signal ignored.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        began = time.monotonic()
        try:
            with options(retries=3, timeout=30), pytest.raises(KeyboardInterrupt):
                run(ask, total)
        finally:
            signal.signal(signal.SIGINT, before)
    assert time.monotonic() - began < 2.5


class _Asked:
    """Stands for the reading of files: says what it was asked for, as far as there is room."""

    def __init__(self, room):
        self.room, self.asked = room, []

    def read_ahead(self, source, pieces, resampling, *, early):
        if self.room < len(pieces):
            return False
        self.room -= len(pieces)
        self.asked.append(source)
        return True


def test_what_found_no_room_is_asked_for_when_there_is_some_in_the_order_it_is_read():
    stream = _Asked(room=2)
    backlog = Backlog(stream)
    queues = {task: Queue(f"file {task}", "nearest", [(0, None), (1, None)]) for task in range(4)}
    for task in (0, 3, 1, 2):
        backlog.add((task, 0), [queues[task]])
    assert stream.asked == ["file 0"]
    for task in (0, 1):
        stream.room += 2
        backlog.done([queues[task]])
    assert stream.asked == ["file 0", "file 1", "file 2"]
    # Of what is read by now nothing more is asked for.
    stream.room += 2
    backlog.done([queues[3]])
    assert stream.asked == ["file 0", "file 1", "file 2"]


class _AtOnce:
    """A pool whose work is done when it is given."""

    def __init__(self, *_, **__):
        pass

    def submit(self, task, *arguments):
        coming = Future()
        coming.set_result(task(*arguments))
        return coming

    def shutdown(self, **_):
        pass


def test_the_first_that_is_ready_is_worked_on_at_once_and_more_are_got_ready_each_time(monkeypatch):
    monkeypatch.setattr(ahead, "ThreadPoolExecutor", _AtOnce)
    begun = []
    with ready(range(60), lambda task: begun.append(task) or -task, remote=True) as coming:
        lead = []
        for number, (task, made) in enumerate(coming):
            assert (task, made()) == (number, -number)
            lead.append(len(begun) - number - 1)
    assert lead[:3] == [1, 2, 3]
    assert max(lead) == ahead._AHEAD
    assert begun == list(range(60))
