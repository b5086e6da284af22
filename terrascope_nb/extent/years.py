"""Years as a sentence of attribution names them."""

from __future__ import annotations

from collections.abc import Iterable


def write_years(years: Iterable[int]) -> str:
    """Return years as short as possible: those that follow each other as a span.

    >>> write_years([2018, 2017, 2020, 2017])
    '2017-2018, 2020'
    """
    spans: list[list[int]] = []
    for year in sorted(set(years)):
        if spans and year == spans[-1][-1] + 1:
            spans[-1] = [spans[-1][0], year]
        else:
            spans.append([year])
    return ", ".join("-".join(map(str, span)) for span in spans)
