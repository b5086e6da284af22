from __future__ import annotations

import pytest

from terrascope_nb.host import bodies
from terrascope_nb.host.bodies import memory_for


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(bodies, "_free", {})


def _waiting():
    return sum(len(pages) for free in bodies._free.values() for pages in free)


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_000_000])
def test_memory_has_the_size_that_was_asked_for_and_can_be_written(size):
    memory = memory_for(size)
    memory[:] = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    assert len(memory) == size
    assert memory.tobytes()[:3] == bytes(range(min(size, 3)))


def test_memory_is_used_again_when_no_view_of_it_is_left():
    memory = memory_for(300_000)
    memory[:5] = b"first"
    part = memory[1:3]
    del memory
    assert _waiting() == 0
    other = memory_for(300_000)
    other[:5] = b"other"
    assert bytes(part) == b"ir"
    del part
    assert _waiting() == 5 * 65_536
    again = memory_for(290_000)
    assert _waiting() == 0
    assert bytes(again[:5]) == b"first"
    assert bytes(other[:5]) == b"other"


def test_a_small_body_takes_no_large_memory():
    memory = memory_for(2_000_000)
    del memory
    small = memory_for(100_000)
    assert _waiting() > 1_900_000
    assert len(small) == 100_000


def test_what_waits_to_be_used_again_has_a_bound():
    held = [memory_for(2**20) for _ in range(40)]
    held.clear()
    assert 0 < _waiting() <= bodies._MOST_FREE
