"""How big a load will be, and what to do about it."""

from __future__ import annotations

from terrascope_nb.errors import MemoryBudgetError
from terrascope_nb.host.limits import available_memory

_SHARE = 0.8
"""Part of the available memory that a result may take; the rest is for the work on it."""


def size_text(n_bytes: float) -> str:
    """Return a size for people.

    >>> size_text(482_000_000)
    '482 MB'
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes / 1e3:.3g} kB"


def fits(n_bytes: int, available: int) -> bool:
    """Tell whether a result leaves room for the work on it."""
    return n_bytes <= _SHARE * available


def check_budget(n_bytes: int, what: str, *, resolution: float, unit: str = "") -> None:
    """Refuse what does not fit in memory, before anything is read.

    Raises
    ------
    MemoryBudgetError
        ``needed`` and ``available`` are attributes, in bytes; the message gives three ways out.
    """
    available = available_memory()
    if fits(n_bytes, available):
        return
    raise MemoryBudgetError(
        f"{what} needs {size_text(n_bytes)} of memory, but {size_text(available)} is available here. Ways out: "
        f"a coarser grid (resolution={resolution * 4:g} needs a sixteenth); a smaller area, fewer bands or a shorter "
        "period; or keep it lazy and reduce it first (time_series, a mean over time, or export, which work piece by piece).",
        needed=n_bytes,
        available=available,
        unit=unit,
    )
