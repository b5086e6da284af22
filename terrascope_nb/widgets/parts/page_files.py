"""JavaScript and style of our widgets for the page: plain files, which import nothing from each other and need no build."""

from __future__ import annotations

from pathlib import Path

STATIC = Path(__file__).parents[1] / "static"
"""The folder they stand in."""


def module_of(*names: str) -> str:
    """Return one JavaScript module of several files; what stands in the first ones is known in the last.

    >>> module_of("keys.js", "heading.js").count("export default")
    1
    """
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in names)
