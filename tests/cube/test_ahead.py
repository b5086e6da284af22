"""Tasks are got ready ahead and come in their order; an error comes with its task, and nothing goes on after the end."""

from __future__ import annotations

import threading
import time

import pytest

from terrascope_nb.cube import ahead
from terrascope_nb.cube.ahead import ready


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
