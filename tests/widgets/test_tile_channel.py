"""The kernel's end of the tile conversation: every tile answered once, unless nobody wants it any more."""

from __future__ import annotations

import threading
import time

import pytest

from terrascope_nb.raster.tiling import TileAddress
from terrascope_nb.widgets.live_map.tile_channel import TileChannel, ground_painters, painters


class Wire:
    """Keeps what was sent, and lets a test wait for it."""

    def __init__(self):
        self.sent = []
        self.there = threading.Condition()

    def send(self, content, buffers):
        with self.there:
            self.sent.append((dict(content), [bytes(part) for part in buffers]))
            self.there.notify_all()

    def wait_for(self, count, seconds=5.0):
        with self.there:
            assert self.there.wait_for(lambda: len(self.sent) >= count, seconds), self.sent
        return self.sent


def ask(name, z=3, x=4, y=2, **other):
    return {"msg": "tiles", "tiles": [{"id": name, "z": z, "x": x, "y": y, **other}]}


def test_a_tile_is_answered_with_its_picture():
    wire, asked = Wire(), []

    def paint(tile, _cancel):
        asked.append(tile)
        return b"picture"

    assert TileChannel(wire.send, paint).handle(ask("a", 3, 4, 2))
    assert wire.wait_for(1) == [({"msg": "tile", "id": "a", "state": "picture"}, [b"picture"])]
    assert asked == [TileAddress(3, 4, 2)]


def test_a_copy_of_the_world_is_the_world():
    wire, asked = Wire(), []
    channel = TileChannel(wire.send, lambda tile, _: asked.append(tile))
    channel.handle(ask("a", 2, 5, 1))
    channel.handle(ask("b", 2, -1, 1))
    wire.wait_for(2)
    assert {tile.x for tile in asked} == {1, 3}


def test_the_tiles_of_a_view_are_under_way_until_the_last_is_there():
    wire, counts = Wire(), []
    channel = TileChannel(wire.send, lambda *_: b"quick", lambda count, _: counts.append(count))
    channel.handle({"msg": "tiles", "tiles": [ask(f"t{n}", 4, n, 3)["tiles"][0] for n in range(15)]})
    wire.wait_for(15)
    end = time.monotonic() + 5
    while len(counts) < 16 and time.monotonic() < end:
        time.sleep(0.01)
    assert counts[0] == 15
    assert counts[-1] == 0


def test_data_do_not_wait_for_the_ground():
    wire, release = Wire(), threading.Event()
    ground = TileChannel(wire.send, lambda *_: release.wait(5) and b"ground", pool=ground_painters)
    for number in range(20):
        ground.handle(ask(f"g{number}", 6, number, 0))
    TileChannel(wire.send, lambda *_: b"data").handle(ask("a"))
    assert wire.wait_for(1)[0][0]["id"] == "a"
    release.set()
    wire.wait_for(21)


def test_where_nothing_is_the_answer_has_no_picture():
    wire = Wire()
    TileChannel(wire.send, lambda *_: None).handle(ask("a"))
    assert wire.wait_for(1) == [({"msg": "tile", "id": "a", "state": "empty"}, [])]


@pytest.mark.parametrize(
    "wrong",
    [{"z": -1}, {"z": 99}, {"y": 8}, {"x": "west"}, {"z": None}, {"z": float("inf")}],
    ids=["z", "deep", "y", "words", "none", "infinite"],
)
def test_a_tile_outside_the_world_is_empty_and_paints_nothing(wrong):
    wire = Wire()

    def paint(*_):
        raise AssertionError("painted")

    TileChannel(wire.send, paint).handle(ask("a", **wrong))
    assert wire.wait_for(1)[0][0]["state"] == "empty"


@pytest.mark.parametrize("tiles", [None, [None], ["a"], []])
def test_a_message_without_tiles_is_passed_over(tiles):
    wire = Wire()
    channel = TileChannel(wire.send, lambda *_: b"picture")
    assert channel.handle({"msg": "tiles", "tiles": tiles})
    channel.handle(ask("a"))
    assert [content["id"] for content, _ in wire.wait_for(1)] == ["a"]


def test_a_failure_is_answered_with_its_reason_and_without_secrets():
    wire = Wire()

    def paint(*_):
        raise OSError("https://x.org/a.tif?token=abc is gone")

    states = []
    TileChannel(wire.send, paint, lambda count, reason: states.append((count, reason))).handle(ask("a"))
    (content, buffers) = wire.wait_for(1)[0]
    assert content["state"] == "error"
    assert content["reason"] == "OSError: https://x.org/a.tif?token=*** is gone"
    assert buffers == []
    end = time.monotonic() + 5
    while states[-1] != (0, content["reason"]) and time.monotonic() < end:
        time.sleep(0.01)
    assert states[-1] == (0, content["reason"])


def test_a_cancelled_tile_stops_and_is_not_answered():
    wire, started, stopped = Wire(), threading.Event(), threading.Event()

    def paint(_tile, cancel):
        started.set()
        assert cancel.wait(5)
        stopped.set()
        return b"late"

    channel = TileChannel(wire.send, paint)
    channel.handle(ask("a"))
    assert started.wait(5)
    channel.handle({"msg": "cancel", "ids": ["a", "never asked"]})
    assert stopped.wait(5)
    assert channel.under_way == 0
    channel.handle({"msg": "ping"})
    assert wire.wait_for(1) == [({"msg": "pong"}, [])]


def test_tiles_that_wait_and_are_cancelled_are_never_painted():
    wire, release, painted = Wire(), threading.Event(), []

    def paint(tile, _cancel):
        painted.append(tile)
        release.wait(5)
        return b""

    workers = painters()._max_workers
    channel = TileChannel(wire.send, paint)
    names = [f"t{number}" for number in range(workers + 20)]
    for number, name in enumerate(names):
        channel.handle(ask(name, 6, number, 0))
    channel.handle({"msg": "cancel", "ids": names[workers:]})
    release.set()
    wire.wait_for(workers)
    time.sleep(0.1)
    assert len(painted) <= workers
    assert {content["id"] for content, _ in wire.sent} <= set(names[:workers])


def test_messages_on_many_threads_are_each_answered_once():
    wire = Wire()
    channel = TileChannel(wire.send, lambda tile, _: str(tile).encode())
    threads = [
        threading.Thread(target=lambda part=part: [channel.handle(ask(f"{part}-{n}", 8, n, part)) for n in range(40)])
        for part in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [content["id"] for content, _ in wire.wait_for(160)]
    assert len(names) == len(set(names)) == 160
    assert channel.under_way == 0


def test_other_messages_are_left_alone():
    assert not TileChannel(lambda *_: None, lambda *_: None).handle({"event": "load"})
