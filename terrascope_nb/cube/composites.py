"""Composites straight from the files, piece by piece, in the memory of the result and a few pieces."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.cube.crew import work
from terrascope_nb.cube.decoding import Decoder
from terrascope_nb.cube.look import Look
from terrascope_nb.cube.on_grid import Keeps, Piece
from terrascope_nb.cube.pieces import blocks_meet, cut, is_on_grid, squares
from terrascope_nb.cube.plan import Source, Step
from terrascope_nb.cube.stacks import How, Layer, Running, rank_stored, rank_values, reduce_layers
from terrascope_nb.cube.standing import Standing
from terrascope_nb.cube.stream import Stream
from terrascope_nb.host.limits import available_memory, cores

_STACKS = 0.25
"""Part of the available memory that the dates of all pieces at work may take."""
_HEADERS = 256
"""Dates whose headers are asked for at once, when the files lie behind HTTP."""
_AHEAD = 4
"""Dates of a piece that are fetched at once, when the files lie behind HTTP."""
_SIDE_BY_SIDE = 2**25
"""Bytes of the dates of a piece that are read at a time, where that is no less than a date for each core."""
_RANKED = 64
"""Rows that are ranked at once."""
_TAKEN = 2**17
"""Pixels that are taken at once of files on another grid."""
_SUMMED = 2**16
"""Pixels of all dates that are added at once: their sums stay in the cache of a core."""


@dataclass(slots=True)
class _Area:
    """Pieces that share their quality masks, which are read by the thread that comes first and go with the last."""

    piece: Piece
    left: int
    keeps: list[Keeps] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def masks(self, stream: Stream) -> list[Keeps]:
        with self.lock:
            if self.keeps is None:
                stream.read_quality_ahead(self.piece)
                self.keeps = [
                    None if stream.plan.mask is None else [stream.kept(scene, self.piece) for scene in step.scenes]
                    for step in stream.steps
                ]
            return self.keeps

    def leave(self) -> None:
        with self.lock:
            self.left -= 1
            if not self.left:
                self.keeps = []


def stream_composites(
    variables: Mapping[str, Standing], groups: Sequence[Sequence[int]], how: How, *, count: bool
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.uint16] | None]]:
    """Return name -> composite and, when asked for, number of valid values, both (group, y, x).

    Parameters
    ----------
    variables : mapping of name to Standing
        All of one window.
    groups : sequence of sequences of int
        Which of the window's steps make each composite.
    """
    first = next(iter(variables.values()))
    stream = Stream(first.plan, [first.plan.steps[number] for number in first.steps])
    shape = len(groups), first.rows[1] - first.rows[0], first.cols[1] - first.cols[0]
    results = {
        name: (np.empty(shape, dtype="float32"), np.empty(shape, dtype="uint16") if count else None)
        for name in variables
    }
    if how.percent is not None and not is_on_grid(stream, first):
        _rank_side_by_side(stream, variables, groups, how, results)
        return results
    if how.percent is None and not blocks_meet(stream, first):
        _run_side_by_side(stream, variables, groups, how, results, count=count)
        return results
    decoders = {name: _common(stream, variable, how) for name, variable in variables.items()}
    most = max(map(len, groups))
    height = _height(most) if how.percent is not None else None
    tasks = []
    cuts = cut(stream, first)
    if stream.is_remote:
        numbers = dict.fromkeys(number for variable in variables.values() for number in variable.numbers)
        stream.expect(tuple(numbers), 0, _HEADERS)
    for piece, inside in cuts.areas():
        parts = [part for _, whole in inside for part in _split(whole, height)]
        area = _Area(piece, len(parts))
        tasks += [(area, part) for part in parts]
    names = list(variables)

    def do(task: tuple[_Area, Piece]) -> None:
        area, piece = task
        looks = [Look(stream, step, piece, keeps) for step, keeps in zip(stream.steps, area.masks(stream), strict=True)]
        at = np.s_[piece.top - first.rows[0] :, piece.left - first.cols[0] :]
        for name, variable in variables.items():
            for number, group in enumerate(groups):
                chosen = [looks[step] for step in group]
                turn = _in_turn(stream, chosen, variable, piece, last=name == names[-1])
                made = _made(stream, turn, len(chosen), variable, decoders[name], how, piece, count=count)
                for whole, part in zip(results[name], made, strict=True):
                    if whole is not None:
                        whole[number][at][: piece.rows, : piece.cols] = part
        area.leave()

    work(do, tasks, len(tasks), "making the composite", remote=stream.is_remote)
    return results


def _rank_side_by_side(
    stream: Stream,
    variables: Mapping[str, Standing],
    groups: Sequence[Sequence[int]],
    how: How,
    results: Mapping[str, tuple[NDArray[np.float32], NDArray[np.uint16] | None]],
) -> None:
    """Rank files on another grid: one large piece after the other, its dates and then its rows on all cores.

    The blocks of such files lie across the pieces, so that small pieces would have them decoded several times.
    """
    assert how.percent is not None
    percent = how.percent
    first = next(iter(variables.values()))
    for piece, _ in cut(stream, first).areas():
        at = np.s_[piece.top - first.rows[0] :, piece.left - first.cols[0] :]
        for name, variable in variables.items():
            for number, group in enumerate(groups):
                stack = _stacked(stream, variable, [stream.steps[step] for step in group], piece)
                wholes = [None if w is None else w[number][at][: piece.rows, : piece.cols] for w in results[name]]

                def rank(
                    rows: slice, stack: NDArray[np.float32] = stack, wholes: Sequence[NDArray[Any] | None] = wholes
                ) -> None:
                    for whole, part in zip(wholes, rank_values(stack[:, rows], percent, stream.scratch), strict=True):
                        if whole is not None:
                            whole[rows] = part

                rows = [slice(top, min(top + _RANKED, piece.rows)) for top in range(0, piece.rows, _RANKED)]
                work(rank, rows, len(rows), "making the composite")


def _run_side_by_side(
    stream: Stream,
    variables: Mapping[str, Standing],
    groups: Sequence[Sequence[int]],
    how: How,
    results: Mapping[str, tuple[NDArray[np.float32], NDArray[np.uint16] | None]],
    *,
    count: bool,
) -> None:
    """Reduce files whose blocks lie at different places: in large pieces, some dates at a time on all cores."""
    first = next(iter(variables.values()))
    for piece in squares(first):
        at = np.s_[piece.top - first.rows[0] :, piece.left - first.cols[0] :]
        at_once = min(max(cores(), _SIDE_BY_SIDE // (4 * piece.rows * piece.cols)), max(map(len, groups)))
        rooms = stream.scratch.take("rooms", (at_once, *piece.shape), np.float32)
        for name, variable in variables.items():
            for number, group in enumerate(groups):
                running = Running.begin(how, piece.shape, stream.scratch, count=count)
                steps = [stream.steps[step] for step in group]
                for begin in range(0, len(steps), at_once):
                    _add_side_by_side(stream, variable, steps[begin : begin + at_once], piece, rooms, running)
                for whole, part in zip(results[name], running.result(), strict=True):
                    if whole is not None:
                        whole[number][at][: piece.rows, : piece.cols] = part


def _add_side_by_side(
    stream: Stream,
    variable: Standing,
    steps: Sequence[Step],
    piece: Piece,
    rooms: NDArray[np.float32],
    running: Running,
) -> None:
    """Add the values of a piece on some dates, as many as there are rooms: first date by date, then row by row."""
    layers: list[Layer] = [None] * len(steps)

    def fill(number: int) -> None:
        layers[number] = _values(stream, variable, steps[number], piece, rooms[number])

    def add(rows: slice) -> None:
        running.rows(rows).add([None if layer is None else layer[rows] for layer in layers], stream.scratch)

    work(fill, range(len(steps)), len(steps), "reading the dates")
    high = max(1, _SUMMED // piece.cols)
    parts = [slice(top, min(top + high, piece.rows)) for top in range(0, piece.rows, high)]
    work(add, parts, len(parts), "making the composite")


def _values(stream: Stream, variable: Standing, step: Step, piece: Piece, room: NDArray[np.float32]) -> Layer:
    """Return the values of a piece at a step, in the room."""
    look = Look(stream, step, piece, _keeps(stream, step, piece), room=None if variable.formula else room)
    return look.result(variable.numbers, variable.formula, room)


def _keeps(stream: Stream, step: Step, piece: Piece) -> Keeps:
    return None if stream.plan.mask is None else [stream.kept(scene, piece) for scene in step.scenes]


def _sources(stream: Stream, variable: Standing, step: Step) -> Iterator[tuple[Source, str]]:
    """Yield the files of a variable at a step, and how each is resampled."""
    for number in variable.numbers:
        for scene in step.scenes:
            source = scene.sources[number]
            if source is not None:
                yield source, stream.plan.bands[number].resampling


def _stacked(stream: Stream, variable: Standing, steps: Sequence[Step], piece: Piece) -> NDArray[np.float32]:
    """Return the values of a piece (time, y, x), NaN where not valid."""
    stack = np.empty((len(steps), *piece.shape), dtype="float32")

    def fill(number: int) -> None:
        step = steps[number]
        keeps = _keeps(stream, step, piece)
        # Pixels that are taken of files on another grid need no more memory than those of a few rows.
        loose = all(stream.is_loose(source, how) for source, how in _sources(stream, variable, step))
        stream.hold(piece if loose else None)
        for part in _split(piece, _TAKEN if loose else None):
            room = stack[number, part.top - piece.top :][: part.rows]
            if Look(stream, step, part, keeps).result(variable.numbers, variable.formula, room) is None:
                room[...] = np.nan
        stream.hold(None)

    work(fill, range(len(steps)), len(steps), "reading the dates", remote=stream.is_remote)
    return stack


def _common(stream: Stream, variable: Standing, how: How) -> Decoder | None:
    return stream.common_decoder(variable.numbers[0]) if how.percent is not None and not variable.formula else None


def _height(most: int) -> int:
    """Return how many pixels of a piece may be stacked over so many dates."""
    return max(1, int(_STACKS * available_memory() / cores() / (4 * most)))


def _split(piece: Piece, pixels: int | None) -> Iterator[Piece]:
    rows = piece.rows if pixels is None else max(1, min(piece.rows, pixels // piece.cols))
    for top in range(0, piece.rows, rows):
        yield Piece(piece.top + top, piece.left, min(rows, piece.rows - top), piece.cols)


def _in_turn(stream: Stream, looks: Sequence[Look], variable: Standing, piece: Piece, *, last: bool) -> Iterator[Look]:
    """Yield the dates of a piece; behind HTTP the next ones are fetched meanwhile.

    A date lets its values go when the next is asked for, and its masks too when no other variable needs them (``last``).
    """
    begun = 0
    for place, look in enumerate(looks):
        while stream.is_remote and begun < min(len(looks), place + _AHEAD):
            for number in variable.numbers:
                if (source := looks[begun].wanted(number)) is not None:
                    stream.read_ahead(source, [piece], stream.plan.bands[number].resampling)
            begun += 1
        yield look
        look.forget(masks=last)


def _made(
    stream: Stream,
    looks: Iterator[Look],
    most: int,
    variable: Standing,
    decoder: Decoder | None,
    how: How,
    piece: Piece,
    *,
    count: bool,
) -> tuple[NDArray[Any], NDArray[np.uint16] | None]:
    scratch = stream.scratch
    if how.percent is None:
        layers = (look.result(variable.numbers, variable.formula) for look in looks)
        return reduce_layers(layers, most, piece.shape, how, scratch, count=count)
    stack = scratch.take("stack", (most, *piece.shape), np.float32 if decoder is None else decoder.dtype)
    filled = 0
    if decoder is not None:
        for look in looks:
            filled += look.stored(variable.numbers[0], decoder, stack[filled])
        return rank_stored(stack[:filled], decoder, how.percent, scratch)
    for look in looks:
        filled += look.result(variable.numbers, variable.formula, stack[filled]) is not None
    return rank_values(stack[:filled], how.percent, scratch)
