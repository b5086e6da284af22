"""Numbers as the reader's language writes them."""

from __future__ import annotations

from terrascope_nb.words import language

__all__ = ["spoken"]

_SIGNS: dict[str, dict[int, str]] = {
    "nl": str.maketrans({",": ".", ".": ","}),
    "fr": str.maketrans({",": "\u202f", ".": ","}),
}


def spoken(number: str) -> str:
    """Return an English number (``1,234.5``) with the signs of the reader's language.

    >>> from terrascope_nb.settings import options
    >>> with options(language="nl"):
    ...     spoken("1,234.5")
    '1.234,5'
    """
    return number.translate(_SIGNS.get(language(), {}))
