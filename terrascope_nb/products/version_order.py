"""Versions made sortable: by a product's own order first, by number otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

_VERSION = re.compile(r"([A-Za-z]*)[ _-]?([0-9]+(?:\.[0-9]+)*)", re.ASCII)
VersionKey = tuple[int, int, str, tuple[int, ...]]


def version_key(version: str | int | None, order: Sequence[str] = ()) -> VersionKey:
    """Make a version sortable, oldest first.

    Parameters
    ----------
    version : str, int or None
        ``"V210"``, ``"210"``, ``210``, ``"RT6"``, ``"2.0.1"``; None or unreadable text sorts before all.
    order : sequence of str
        Known order, oldest first, as in the product's table. It wins over the numbers; a version that is not in it
        takes its place among them by its number.

    Returns
    -------
    tuple
        To compare with other keys made with the same order.

    Examples
    --------
    >>> sorted(["V220", "V102", "210", "V200"], key=version_key)
    ['V102', 'V200', '210', 'V220']
    >>> version_key("RT6") > version_key("RT0")
    True
    >>> sorted(["V1", "V2"], key=lambda v: version_key(v, ("V2", "V1")))
    ['V2', 'V1']
    """
    return _version_key("" if version is None else str(version), tuple(order))


@lru_cache(maxsize=4096)
def _version_key(text: str, order: tuple[str, ...]) -> VersionKey:
    mine = _read_version(text)
    listed = [_read_version(known) for known in order]
    if mine in listed:
        return (listed.index(mine), 0, *mine)
    older = [place for place, known in enumerate(listed) if known[0] == mine[0] and known[1] < mine[1]]
    return (max(older, default=-1), 1, *mine)


def _read_version(text: str) -> tuple[str, tuple[int, ...]]:
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        return "", ()
    letters = match[1].upper()
    return ("" if letters == "V" else letters), tuple(int(number) for number in match[2].split("."))
