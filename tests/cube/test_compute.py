"""Computing with a sign of life, and stopping cleanly."""

from __future__ import annotations

import pickle
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from terrascope_nb.cube import blocks, progress
from terrascope_nb.cube.compute import compute
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.progress import Meter


@pytest.fixture
def series(make_scene):
    scenes = [
        make_scene({"B04": np.full((30, 30), day, "int16")}, time=f"201807{day:02d}T105029") for day in range(1, 9)
    ]
    return load(scenes, "B04", chunks={"y": 10})


def test_compute_gives_what_xarray_gives_in_memory(series):
    got = compute(series)
    xr.testing.assert_identical(got, series.compute())
    assert isinstance(got.B04.data, np.ndarray)
    xr.testing.assert_identical(compute(series.B04), series.B04.compute())
    xr.testing.assert_identical(compute(series.B04.mean("time")), series.B04.mean("time").compute())


def test_what_is_in_memory_already_is_given_back(series):
    done = compute(series)
    xr.testing.assert_identical(compute(done), done)


class Screen:
    """A terminal that remembers."""

    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.fixture
def screen(monkeypatch):
    made = Screen()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=made, modules=sys.modules))
    monkeypatch.setattr(progress, "_FIRST_AFTER", 0.0)
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    return made


def test_a_long_computation_says_how_far_it_is_and_how_long_it_will_take(series, screen, monkeypatch):
    fast = blocks.read_window
    monkeypatch.setattr(blocks, "read_window", lambda *a, **k: (time.sleep(0.1), fast(*a, **k))[1])
    compute(series)
    shares = [int(share) for share in re.findall(r"reading: (\d+) %", screen.text)]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert re.search(r"\(\d+ of 2\d\), \d+ s left", screen.text)
    assert re.search(r"done after (2\d) of \1, \d+\.\d s\n$", screen.text)


def test_compute_can_be_quiet(series, screen):
    compute(series, progress=False)
    assert not screen.text


def test_a_log_is_not_filled_with_progress(series, capsys, monkeypatch):
    monkeypatch.setattr(progress, "_FIRST_AFTER", 0.0)
    compute(series)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_the_line_tells_the_rest_from_the_pace(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with Meter("reading", 40, show=False) as meter:
        now[0] += 10
        meter.advance(10)
        assert meter.line() == "reading: 25 % (10 of 40), 30 s left"
        now[0] += 30
        meter.advance(30)
        assert meter.line() == "reading: 100 % (40 of 40)"


def test_cancelling_is_said_and_leaves_the_lazy_cube_usable(series, screen, monkeypatch):
    fast, calls = blocks.read_window, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return fast(*args, **kwargs)

    monkeypatch.setattr(blocks, "read_window", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compute(series)
    assert "cancelled after" in screen.text
    assert len(calls) < 24
    monkeypatch.setattr(blocks, "read_window", fast)
    assert float(compute(series).B04.max()) == np.float32(0.0008)


SLOW = """
import pickle, sys, time
from terrascope_nb.cube import blocks
from terrascope_nb.cube.compute import compute
fast = blocks.read_window
def slow(*a, **k):
    time.sleep(0.8)
    return fast(*a, **k)
blocks.read_window = slow
cube = pickle.load(open(sys.argv[1], "rb"))
print("begun", flush=True)
try:
    compute(cube)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def test_interrupting_a_process_stops_within_a_block(series, tmp_path):
    (tmp_path / "cube.pickle").write_bytes(pickle.dumps(series))
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path / "cube.pickle")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "begun\n"
        time.sleep(1.0)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "stopped\n"
        process.wait(timeout=20)
        took = time.monotonic() - begin
    assert process.returncode == 0
    assert took < 6  # all 24 blocks would have taken about 9 s more
