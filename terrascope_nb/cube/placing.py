"""Where a piece of the cube's grid lies in a file, and which native blocks of it are worth reading."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.cube.quality import Keep
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.window import Window, whole_factors

Piece = tuple[int, int, int, int]
"""``(top, left, bottom, right)`` in pixels of a grid."""


def wanted_pieces(
    block: tuple[int, int], at: tuple[int, int], factor: int, shape: tuple[int, int], wanted: Keep
) -> list[Piece] | None:
    """Return the pieces of a grid whose native blocks hold a wanted pixel; None = all of it is to be read.

    Parameters
    ----------
    block : tuple of int
        Rows and columns of a native block.
    at, factor
        Where the grid begins in the file, in its pixels cut in ``factor`` x ``factor``.
    shape : tuple of int
        Rows and columns of the grid.
    wanted : Keep
        Which pixels matter.
    """
    if wanted.pixels.all():
        return None
    down, across = (
        _block_edges(start, length, side * factor) for start, length, side in zip(at, shape, block, strict=True)
    )
    pieces: list[Piece] = []
    for top, bottom in itertools.pairwise(down):
        for left, right in itertools.pairwise(across):
            if not wanted.holds(top, left, bottom, right):
                continue
            if pieces and pieces[-1][0] == top and pieces[-1][3] == left:
                pieces[-1] = (top, pieces[-1][1], bottom, right)  # neighbours are read at once
            else:
                pieces.append((top, left, bottom, right))
    whole = [(top, 0, bottom, shape[1]) for top, bottom in itertools.pairwise(down)]
    return None if pieces == whole else pieces


def _block_edges(offset: int, length: int, size: int) -> tuple[int, ...]:
    first = size - offset % size
    return (0, *range(first, length, size), length) if first < length else (0, length)


def place(file_grid: PixelGrid, grid: PixelGrid, resampling: str) -> tuple[tuple[int, int], int] | None:
    """Return where a grid begins in a file whose pixels are its own or whole multiples, and the multiple."""
    for factor in whole_factors(file_grid, grid, resampling):
        at = grid.offset_in(file_grid, factor) if file_grid.crs else None
        if at is not None:
            return at, factor
    return None


def joined(read: Callable[[PixelGrid], Window], grid: PixelGrid, pieces: list[Piece]) -> Window:
    """Return the pixels of some pieces of a grid; the rest holds anything and is not inside."""
    stored: NDArray[Any] | None = None
    inside = np.zeros(grid.shape, dtype=bool)
    for top, left, bottom, right in pieces:
        window = read(grid.crop(top, left, bottom - top, right - left))
        if stored is None:
            stored, info = np.zeros(grid.shape, dtype=window.stored.dtype), window.info
        there = np.s_[top:bottom, left:right]
        stored[there], inside[there] = window.stored, window.inside
    assert stored is not None
    return Window(stored, inside, info)
