"""Remote GeoTIFFs in several processes, and what is kept of them in memory and on disk."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from remote_files import cog, noise, truth

from terrascope_nb.errors import AssetUnreachableError
from terrascope_nb.raster import remote_cache
from terrascope_nb.raster.remote import forget_all, remote_reader
from terrascope_nb.raster.remote_cache import DiskShelf, GivenUpError, Shelf
from terrascope_nb.settings import get_settings, options


def test_a_reader_pickles_small_and_reads_in_another_process(file_server):
    path = cog(file_server.root / "a.tif", noise())
    reader = remote_reader(file_server.url(path))
    reader.read(0, 0, 0, 300, 300)
    packed = pickle.dumps(reader)
    assert len(packed) < 700
    code = "import pickle, sys; print(int(pickle.loads(sys.stdin.buffer.read()).read(0, 10, 10, 200, 200).sum()))"
    done = subprocess.run([sys.executable, "-c", code], input=packed, capture_output=True, check=True, timeout=60)
    assert int(done.stdout) == truth(path, (10, 10, 200, 200)).sum()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_processes_read_while_the_parent_reads(file_server):
    path = cog(file_server.root / "a.tif", noise())
    url, box = file_server.url(path), (50, 50, 650, 850)
    file_server.delay = 0.02
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            forget_all()
            remote_reader(url).read(0, *box)

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        with multiprocessing.get_context("fork").Pool(3) as pool:
            sums = pool.starmap(_sum, [(url, box)] * 9)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(sums) == {int(truth(path, box).sum())}


def _sum(url: str, box: tuple[int, int, int, int]) -> int:
    return int(remote_reader(url).read(0, *box).sum())


def test_nothing_is_written_to_disk_unless_a_size_is_named(file_server, tmp_path):
    path = cog(file_server.root / "a.tif", noise())
    with options(cache_dir=tmp_path / "cache"):
        remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600)
        assert get_settings().remote_cache_mb == 0
    assert not (tmp_path / "cache").exists()


def test_a_cache_on_disk_leaves_one_question_of_one_byte(file_server, tmp_path):
    path = cog(file_server.root / "a.tif", noise())
    with options(cache_dir=tmp_path / "cache", remote_cache_mb=10):
        first = remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600)
        forget_all()  # what a new process begins with
        file_server.forget()
        for _ in range(3):
            np.testing.assert_array_equal(remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600), first)
        assert [(asked.first, asked.last) for asked in file_server.asked] == [(0, 0)]
        cog(path, noise(seed=3))
        forget_all()
        got = remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600)
        np.testing.assert_array_equal(got, noise(seed=3)[0, :600, :600])
        forget_all()
        file_server.misbehave = lambda handler, asked, data: handler.reply(401) or True
        with pytest.raises(AssetUnreachableError):  # a right that was lost opens no cache
            remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600)
        modes = {file.stat().st_mode & 0o077 for file in (tmp_path / "cache" / "remote").iterdir()}
    assert modes == {0}


def test_a_damaged_or_unwritable_cache_is_no_cache(file_server, tmp_path):
    path = cog(file_server.root / "a.tif", noise())
    with options(cache_dir=tmp_path / "cache", remote_cache_mb=10):
        remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600)
        for file in (tmp_path / "cache" / "remote").iterdir():
            file.write_bytes(file.read_bytes()[:-1] + b"?")
        forget_all()
        np.testing.assert_array_equal(
            remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600), noise()[0, :600, :600]
        )
    (tmp_path / "file").touch()
    forget_all()
    with options(cache_dir=tmp_path / "file", remote_cache_mb=10):
        np.testing.assert_array_equal(
            remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600), noise()[0, :600, :600]
        )


def test_the_cache_on_disk_keeps_its_bounds_and_what_was_used_last(tmp_path):
    shelf = DiskShelf(tmp_path, 100_000)
    shelf.put(b"x" * 1000, "first")
    for number in range(300):
        shelf.put(os.urandom(1000), "many", number)
        assert shelf.get("first") is not None
        os.utime(shelf._path(("first",)))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 100_000
    assert shelf.get("many", 0) is None
    assert shelf.get("many", 299) is not None


def test_the_shelf_in_memory_keeps_its_bounds_and_asks_once_for_many():
    shelf: Shelf[int, bytes] = Shelf(1000)
    for number in range(50):
        assert shelf.claim([number])[2] == [number]
        shelf.put(number, bytes(100), 100)
        assert shelf.size <= 1000
    assert shelf.claim([49])[0] == {49: bytes(100)}
    assert shelf.claim([7])[2] == [7]
    _, coming, mine = shelf.claim([7, 8])
    assert list(coming) == [7]
    assert mine == [8]
    shelf.give_up([7, 8])
    with pytest.raises(GivenUpError):
        coming[7].result(timeout=1)
    shelf.claim([7])
    shelf.put(7, bytes(900), 900)  # larger than a quarter of the shelf
    assert shelf.claim([7])[2] == [7]


def test_the_shelf_keeps_what_was_announced_until_it_is_read_and_counts_it():
    shelf: Shelf[str, bytes] = Shelf(1000)
    assert shelf.announce({"a": 200, "b": 200}, 500) == ["a", "b"]
    assert shelf.announce({"c": 200}, 500) is None
    assert shelf.announce({"a": 200, "b": 200}, 500) == []
    assert shelf.has("a")
    assert not shelf.has("c")
    for key in "abvwxyz":
        shelf.claim([key] if key not in "ab" else [])
        shelf.put(key, bytes(200), 200)
    assert shelf.size <= 1000
    here, _, mine = shelf.claim(["a", "b", "v", "w"])
    assert list(here) == ["a", "b"]  # older than those that made place for them
    assert mine == ["v", "w"]
    assert shelf.announce({"c": 300, "d": 200}, 500) == ["c", "d"]
    shelf.give_up(["c"])
    assert shelf.announce({"e": 300}, 500) == ["e"]
    shelf.put("e", bytes(300), 300)  # larger than a quarter of the shelf: not kept, so not counted
    assert shelf.announce({"f": 300}, 500) == ["f"]


def test_what_was_announced_for_a_reader_that_was_stopped_takes_no_room_for_ever(monkeypatch):
    shelf: Shelf[str, bytes] = Shelf(1000)
    assert shelf.announce({"a": 200, "b": 200}, 400) == ["a", "b"]
    shelf.put("a", bytes(200), 200)
    assert shelf.announce({"c": 200}, 400) is None
    monkeypatch.setattr(remote_cache, "_SOON", 0.0)
    assert shelf.announce({"c": 300}, 400) is None  # b is still on its way
    assert shelf.announce({"c": 200}, 400) == ["c"]
    assert list(shelf.claim(["a"])[0]) == ["a"]
