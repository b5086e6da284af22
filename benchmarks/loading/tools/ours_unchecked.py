"""terrascope_nb, fused, unchecked: the verbs with `whole_blocks` off, which decode a block no further than is wanted."""

from __future__ import annotations

from typing import Any

from workloads import Case

import terrascope_nb as ts
from tools import ours_verbs


def prepare(case: Case) -> list[Any]:
    """Return the items as the tool takes them, and load the libraries; not timed."""
    ts.set_options(whole_blocks=False)
    return ours_verbs.prepare(case)


def run(case: Case, items: list[Any]) -> Any:
    """Return the result of a workload."""
    return ours_verbs.run(case, items)
