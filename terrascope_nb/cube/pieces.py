"""Where a window is cut, so that native blocks are read once and quality blocks are shared by neighbouring pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from terrascope_nb.cube.on_grid import Piece
from terrascope_nb.cube.plan import Source
from terrascope_nb.cube.standing import Standing
from terrascope_nb.cube.stream import Stream

_SIDE = 512
"""Pixels of a piece's side, at least, where the files' blocks are smaller."""
_SMALLEST = 128
"""Pixels of the side of blocks that are worth pieces of their own."""
_LOOSE = 1024
"""Pixels of a piece's side where the files are on another grid: their blocks lie across pieces."""
_WIDEST = 2048
"""Pixels of the side of an area that shares its quality mask."""
_WIDEST_REMOTE = 4096
"""The same where the files lie behind HTTP."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Rows and columns of the plan's grid where pieces begin, the end last; and how many pieces share a mask."""

    rows: tuple[int, ...]
    """Edges along y."""
    cols: tuple[int, ...]
    """Edges along x."""
    shared: tuple[int, ...]
    """Edges along y of areas that share their quality mask."""
    shared_cols: tuple[int, ...]
    """Edges along x of them."""

    def areas(self) -> Iterator[tuple[Piece, list[tuple[tuple[int, int], Piece]]]]:
        """Yield each area that shares a mask, and its pieces with their (row, column) numbers."""
        for top, bottom in zip(self.shared, self.shared[1:], strict=False):
            for left, right in zip(self.shared_cols, self.shared_cols[1:], strict=False):
                inside = [
                    ((i, j), Piece(y0, x0, y1 - y0, x1 - x0))
                    for i, (y0, y1) in enumerate(zip(self.rows, self.rows[1:], strict=False))
                    if top <= y0 < bottom
                    for j, (x0, x1) in enumerate(zip(self.cols, self.cols[1:], strict=False))
                    if left <= x0 < right
                ]
                yield Piece(top, left, bottom - top, right - left), inside


def cut(stream: Stream, standing: Standing) -> Cuts:
    """Return where to cut a variable's window: on the blocks of its first file and of its quality file."""
    fine = _block_of(stream, standing, standing.numbers[0])
    coarse = _block_of(stream, standing, None)
    edges, shared = [], []
    for axis, (first, last) in enumerate((standing.rows, standing.cols)):
        size, offset = fine[axis] if fine else (_LOOSE, 0)
        wide, _ = coarse[axis] if coarse else (size, 0)
        wide = wide if wide % size == 0 and wide <= _WIDEST else size
        edges.append(_edges(first, last, size, offset))
        # Behind HTTP, neighbouring blocks of one area come with one request.
        whole = stream.is_remote and last - first <= _WIDEST_REMOTE
        shared.append((first, last) if whole else _edges(first, last, wide, offset))
    return Cuts(edges[0], edges[1], shared[0], shared[1])


def cut_blocks(stream: Stream, standing: Standing) -> Cuts | None:
    """Return where `cut` would cut if every block were a piece; None where each is one, or blocks are too small for it."""
    sides = _block_of(stream, standing, standing.numbers[0], side=1)
    if sides is None or sides == _block_of(stream, standing, standing.numbers[0]):
        return None
    if min(size for size, _ in sides) < _SMALLEST:
        return None
    rows, cols = (
        _edges(first, last, size, offset)
        for (first, last), (size, offset) in zip((standing.rows, standing.cols), sides, strict=True)
    )
    return Cuts(rows, cols, (rows[0], rows[-1]), (cols[0], cols[-1]))


def is_on_grid(stream: Stream, standing: Standing) -> bool:
    """Whether the files' own pixels are those of the grid, or whole multiples of them."""
    return _block_of(stream, standing, standing.numbers[0]) is not None


def blocks_meet(stream: Stream, standing: Standing) -> bool:
    """Whether the blocks of all dates lie at the same places, so that one cut fits them all.

    Scenes of a radar have edges of their own, and so have neighbouring tiles. Behind HTTP, where looking would mean to wait
    for every header, the answer is True.
    """
    number = standing.numbers[0]
    how = standing.plan.bands[number].resampling
    found = set()
    for step in stream.steps:
        for scene in step.scenes:
            source = scene.sources[number]
            file = None if stream.is_remote or source is None else stream.file(source, how)
            if file is not None:
                rows, cols = (side * file.factor for side in file.reader.info.block)
                found.add((rows, cols, file.at[0] % rows, file.at[1] % cols))
    return stream.is_remote or len(found) < 2


def squares(standing: Standing) -> Iterator[Piece]:
    """Yield the window in large squares, wherever blocks lie."""
    for top in range(*standing.rows, _WIDEST):
        for left in range(*standing.cols, _WIDEST):
            yield Piece(top, left, min(_WIDEST, standing.rows[1] - top), min(_WIDEST, standing.cols[1] - left))


def _edges(first: int, last: int, size: int, offset: int) -> tuple[int, ...]:
    """Cut on multiples of ``size`` of the file, whose pixel at the grid's origin is ``offset``."""
    begin = first + size - (first + offset) % size
    return (first, *range(begin, last, size), last)


def _block_of(
    stream: Stream, standing: Standing, number: int | None, *, side: int = _SIDE
) -> list[tuple[int, int]] | None:
    """Return size in grid pixels and offset of the pieces that fit a file's blocks, along y and x."""
    for step in stream.steps:
        for scene in step.scenes:
            source: Source | None = scene.quality if number is None else scene.sources[number]
            how = "nearest" if number is None else standing.plan.bands[number].resampling
            file = None if source is None else stream.file(source, how)
            if file is not None:
                rows, cols = (side * file.factor for side in file.reader.info.block)
                if number is None:
                    return [(rows, file.at[0]), (cols, file.at[1])]
                # Small blocks go together, and strips as wide as the image are taken a few rows at a time.
                cols *= max(1, side // cols)
                rows *= max(1, side * side // min(cols, file.reader.info.grid.shape[1] * file.factor) // rows)
                return [(rows, file.at[0]), (cols, file.at[1])]
    return None
