"""An explorer that has searched the sample."""

from __future__ import annotations

import pytest
from explored import BOX

from terrascope_nb.widgets.panel.beginning import explore


@pytest.fixture
def explorer():
    made = explore("s2-ndvi", BOX, "2018-06", source="sample")
    yield made
    made.wait(30)
    made.close()
