"""What would be warned in a cell is said in a widget, beside the field it is about."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from terrascope_nb.errors import TerrascopeWarning


@contextmanager
def overheard() -> Iterator[list[str]]:
    """Collect our warnings of a block as sentences; those of others go their way.

    >>> with overheard() as said:
    ...     warnings.warn("Two versions are mixed.", TerrascopeWarning)
    >>> said
    ['Two versions are mixed.']
    """
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TerrascopeWarning)
        yield said
    for one in caught:
        if issubclass(one.category, TerrascopeWarning):
            said.append(str(one.message))
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
