"""What was aimed at, and whether a run reached it."""

from __future__ import annotations

from dataclasses import dataclass

ODC, TUNED, HAND, EXACT, LIMIT = "odc_dask", "odc_tuned", "rasterio_hand", "exactextract_zones", "decode_limit"
LAZY, VERBS = "ours_lazy", "ours_verbs"
PEERS = (TUNED, HAND)
"""Of these the fastest counts."""


@dataclass(frozen=True)
class Target:
    """One aim: ours against others, at least so many times as fast (or, against the limit, at most so many times its time)."""

    workload: str
    ours: str
    against: tuple[str, ...]
    """Tools, the fastest of which counts; none = memory or seconds of ours alone."""
    measure: str
    """``call``, ``warm``, ``process``, ``peak``, ``above`` (MB above what the imports took)."""
    number: float
    at_most: bool = False
    beside_result: bool = False
    """The size of the result is allowed on top (MB)."""

    def text(self) -> str:
        """Return it in words."""
        who = "lazy" if self.ours == LAZY else "fused"
        if not self.against:
            unit = "s" if self.measure == "call" else "MB"
            what = {"peak": "peak memory", "above": "memory above imports", "call": "time"}[self.measure]
            return f"{who} {what} ≤ {'result + ' if self.beside_result else ''}{self.number:g} {unit}"
        names = {ODC: "odc-stac", EXACT: "exactextract", LIMIT: "the decode limit"}
        other = names.get(self.against[0], "the fastest peer") if len(self.against) == 1 else "the fastest peer"
        kind = {"call": "", "warm": "warm ", "process": "cold process "}[self.measure]
        return f"{who} {kind}{'≤' if self.at_most else '≥'} {self.number:g} × {other}"


def _fused(workload: str, odc: float, peer: float, limit: float | None = None) -> list[Target]:
    found = [Target(workload, VERBS, (ODC,), "call", odc), Target(workload, VERBS, PEERS, "call", peer)]
    return found + ([Target(workload, VERBS, (LIMIT,), "call", limit, at_most=True)] if limit else [])


TARGETS = [
    Target("W1", LAZY, (ODC,), "process", 1.7),
    Target("W1", VERBS, (ODC,), "process", 6),
    Target("W1", VERBS, (ODC,), "warm", 4),
    Target("W1", VERBS, PEERS, "warm", 2.5),
    Target("W1", VERBS, (LIMIT,), "warm", 1.5, at_most=True),
    Target("W1", VERBS, (), "peak", 110, at_most=True),
    Target("W2", LAZY, (ODC,), "call", 2.5),
    *_fused("W2", 6, 3, 1.0),
    Target("W2", VERBS, (), "above", 60, at_most=True),
    Target("W3", LAZY, (ODC,), "call", 1.5),
    *_fused("W3", 8, 3, 1.3),
    Target("W3", VERBS, (), "peak", 300, at_most=True),
    Target("W4", LAZY, (ODC,), "call", 1.5),
    *_fused("W4", 2.8, 1.6, 1.3),
    Target("W4", VERBS, (), "above", 100, at_most=True, beside_result=True),
    *_fused("W5", 6, 3.5, 0.7),
    Target("W5", VERBS, (EXACT,), "call", 7),
    Target("W5", VERBS, (), "peak", 150, at_most=True),
    Target("W6", VERBS, (ODC,), "warm", 8),
    Target("W6", VERBS, (ODC,), "process", 8),
    Target("W6", VERBS, PEERS, "warm", 2),
    Target("W6", VERBS, (), "peak", 100, at_most=True),
    *_fused("W7a", 5, 2.8),
    *_fused("W7b", 5, 3.8),
    Target("W7a", VERBS, (), "peak", 200, at_most=True),
    Target("W7b", VERBS, (), "peak", 200, at_most=True),
    *_fused("W8", 3.8, 2),
    *_fused("W9", 3, 2, 1.3),
    Target("W9", VERBS, (), "peak", 300, at_most=True),
    Target("graph", LAZY, (), "call", 0.5, at_most=True),
]
