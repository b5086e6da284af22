"""What a class leaves to its subclasses is asked for when it is made, not when a person meets it."""

from __future__ import annotations

import pytest

from terrascope_nb.widgets.live_map.kernel_tiles import KernelTiles
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.parts.field import Picker
from terrascope_nb.widgets.tools.tool import Tool


@pytest.mark.parametrize(
    ("make", "missing"),
    [(KernelTiles, ("paint", "still")), (Picker, ("describe",)), (lambda: Tool(Map(), "Tool", []), ("code",))],
    ids=["layer", "picker", "tool"],
)
def test_a_half_class_cannot_be_made(make, missing):
    with pytest.raises(TypeError, match="abstract") as refused:
        make()
    assert all(name in str(refused.value) for name in missing)


def test_a_class_that_gives_what_is_missing_can_be_made():
    class Words(Picker):
        def describe(self) -> str:
            return "words"

    made = Words()
    assert repr(made) == "words"
    made.close()
