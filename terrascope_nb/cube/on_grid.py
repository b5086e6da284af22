"""Files whose pixels are those of a plan's grid, rectangles of that grid, and what a mask keeps there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.raster.blocks import Region
from terrascope_nb.raster.info import FileInfo


@dataclass(frozen=True, slots=True)
class Piece:
    """A rectangle of the plan's grid."""

    top: int
    """First row."""
    left: int
    """First column."""
    rows: int
    """Number of rows."""
    cols: int
    """Number of columns."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.cols


@dataclass(frozen=True, slots=True)
class GridFile:
    """A file whose pixels are those of the plan's grid, or whole multiples of them."""

    reader: Any
    """Reads it: a `NativeReader` or a `RemoteReader`."""
    at: tuple[int, int]
    """Row and column of the grid's first pixel, in the file's pixels cut in ``factor`` x ``factor``."""
    factor: int
    """Grid pixels along one file pixel."""

    def covers(self, piece: Piece) -> bool:
        """Whether every pixel of a piece lies in the file."""
        top, left = self.at[0] + piece.top, self.at[1] + piece.left
        height, width = self.reader.info.grid.shape
        return (
            top >= 0
            and left >= 0
            and top + piece.rows <= height * self.factor
            and left + piece.cols <= width * self.factor
        )

    def part(self, piece: Piece) -> Piece | None:
        """Return what of a piece lies in the file; None = nothing."""
        height, width = (side * self.factor for side in self.reader.info.grid.shape)
        top, left = max(piece.top, -self.at[0]), max(piece.left, -self.at[1])
        bottom = min(piece.top + piece.rows, height - self.at[0])
        right = min(piece.left + piece.cols, width - self.at[1])
        return Piece(top, left, bottom - top, right - left) if top < bottom and left < right else None

    def region(self, piece: Piece) -> Region:
        """Return the file's pixels under a piece."""
        top, left = self.at[0] + piece.top, self.at[1] + piece.left
        bottom, right = top + piece.rows, left + piece.cols
        return top // self.factor, left // self.factor, -(-bottom // self.factor), -(-right // self.factor)

    def read(self, piece: Piece, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the stored numbers of a piece that the file covers, in ``out`` where that is possible."""
        factor = self.factor
        top, left = self.at[0] + piece.top, self.at[1] + piece.left
        stored: NDArray[Any] = self.reader.read(0, *self.region(piece), out=out if factor == 1 else None)
        if factor == 1:
            return stored
        return repeated(stored, factor, top % factor, left % factor, piece.shape)


def read_partly(
    file: GridFile, piece: Piece, out: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[np.bool_] | None, FileInfo] | None:
    """Read what a file has of a piece at its edge; the rest holds anything."""
    part = file.part(piece)
    if part is None:
        return None
    there = np.s_[part.top - piece.top :, part.left - piece.left :]
    stored = np.empty(piece.shape, file.reader.info.dtype) if out is None else out
    inside = np.zeros(piece.shape, dtype=bool)
    room = stored[there][: part.rows, : part.cols]
    found = file.read(part, room)
    if found is not room:
        room[...] = found
    inside[there][: part.rows, : part.cols] = True
    return stored, inside, file.reader.info


@dataclass(frozen=True, slots=True)
class LooseFile:
    """A file on another grid, of which each pixel of the plan's grid takes the nearest."""

    reader: Any
    """Reads it."""


def repeated(coarse: NDArray[Any], factor: int, row: int, col: int, shape: tuple[int, int]) -> NDArray[Any]:
    """Return each number repeated ``factor`` times in both directions, cut to a shape that starts at (row, col)."""
    fine = coarse.repeat(factor, axis=1).repeat(factor, axis=0)
    return fine[row : row + shape[0], col : col + shape[1]]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the mask keeps of one scene over an area; a composite holds this of all its dates."""

    bits: NDArray[np.uint8]
    """1 = keep, in the quality file's pixels or in those of the grid, eight pixels of a row in a byte."""
    width: int
    """Pixels of a row."""
    at: tuple[int, int]
    """Grid row and column of the first pixel (may lie before the area)."""
    factor: int
    """Grid pixels along one pixel of the mask."""

    @classmethod
    def of(cls, keep: NDArray[np.bool_], at: tuple[int, int], factor: int) -> Kept | None:
        """Return it for a mask (True = keep); None when that keeps nothing."""
        return cls(np.packbits(keep, axis=1), keep.shape[1], at, factor) if keep.any() else None

    def pixels(self) -> NDArray[np.bool_]:
        """Return it whole, in its own pixels."""
        return np.unpackbits(self.bits, axis=1, count=self.width).view(bool)

    def part(self, piece: Piece) -> NDArray[np.bool_] | bool:
        """Return it for a piece on the grid; True or False where all pixels are alike."""
        factor = self.factor
        row, col = piece.top - self.at[0], piece.left - self.at[1]
        rows = self.bits[row // factor : -(-(row + piece.rows) // factor)]
        whole = np.unpackbits(rows, axis=1, count=self.width).view(bool)
        coarse = whole[:, col // factor : -(-(col + piece.cols) // factor)]
        if coarse.all():
            return True
        if not coarse.any():
            return False
        return coarse if factor == 1 else repeated(coarse, factor, row % factor, col % factor, piece.shape)


Keeps = Sequence[Kept | None] | None
"""What the mask keeps of each scene of a step; None = the plan has no mask."""
