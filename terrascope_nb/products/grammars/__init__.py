"""The grammars of Terrascope file and folder names: one row per family, with the document it comes from."""

from __future__ import annotations

from terrascope_nb.products.grammars import others, probav, sentinel1, sentinel2
from terrascope_nb.products.grammars.parts import Grammar

__all__ = ["GRAMMARS", "Grammar"]

GRAMMARS: tuple[Grammar, ...] = (*sentinel2.GRAMMARS, *sentinel1.GRAMMARS, *probav.GRAMMARS, *others.GRAMMARS)
