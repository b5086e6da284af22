"""Statistics of features straight from the files: only the blocks under a feature, only what the mask keeps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.analysis.partials import Partial, Statistics, Zone, cut_zones, finish_block
from terrascope_nb.analysis.pixels import Pixels
from terrascope_nb.cube.ahead import Backlog, Queue, ready
from terrascope_nb.cube.crew import work
from terrascope_nb.cube.lots import Lot, LotLook, Target, lots_of
from terrascope_nb.cube.on_grid import Keeps, Piece
from terrascope_nb.cube.pieces import Cuts, cut, cut_blocks
from terrascope_nb.cube.plan import Source, Step
from terrascope_nb.cube.standing import Standing
from terrascope_nb.cube.stream import Stream

_WIDE = 2**32
"""More than the columns of any grid."""
_AT_ONCE, _EXPECTED = 8, 32
"""Dates whose headers are asked for before anything else, and ahead of the one that is got ready, when the files lie
behind HTTP: more by and by, for the first dates are worked on meanwhile."""


@dataclass(frozen=True, slots=True)
class _Area:
    """Features that share their quality mask."""

    piece: Piece
    """The rectangle that holds them."""
    lots: list[Lot]
    """What to read in it."""


def stream_zones(
    variables: Mapping[str, Standing], pixels: Sequence[Pixels], stats: Statistics
) -> dict[str, NDArray[np.float64]]:
    """Return name -> array (time, feature, statistic) of variables that are read together.

    Parameters
    ----------
    variables : mapping of name to Standing
        All of one window.
    pixels : sequence of Pixels
        Of each feature, on the grid of the window.
    """
    first = next(iter(variables.values()))
    steps = [first.plan.steps[number] for number in first.steps]
    stream = Stream(first.plan, steps)
    numbers = tuple(dict.fromkeys(number for variable in variables.values() for number in variable.numbers))
    if stream.expect(numbers, 0, 1):  # what `cut` opens, side by side
        stream.expect(numbers, 1, _AT_ONCE)  # while it waits
    areas = _areas(cut(stream, first), cut_blocks(stream, first), pixels, alone=stream.is_remote)
    targets = [target for area in areas for lot in area.lots for target in lot.targets]
    features = np.concatenate([np.zeros(0, "int64"), *(target.features for target in targets)])
    found = {name: Partial.empty(features, len(steps), stats) for name in variables}
    backlog = Backlog(stream)

    def prepare(task: tuple[int, int]) -> _Ready:
        number, place = task
        made = _prepared(stream, steps[number], areas[place], variables)
        backlog.add(task, made.queues)
        return made

    def do(task: tuple[tuple[int, int], Callable[[], _Ready]]) -> None:
        (number, place), made = task[0], task[1]()
        for look, lot in _looks(stream, steps[number], areas[place], made, backlog):
            for name, variable in variables.items():
                values = look.measured(variable.numbers, variable.formula)
                if values is not None:
                    lot.write(found[name], number, *values, stats)
        backlog.done(made.queues)

    def tasks() -> Iterator[tuple[int, int]]:
        for number in range(len(steps)):
            if stream.is_remote:
                stream.expect(numbers, number, number + min(_AT_ONCE + number, _EXPECTED))
            for place in range(len(areas)):
                yield number, place

    with ready(tasks(), prepare, remote=stream.is_remote) as coming:
        work(do, coming, len(steps) * len(areas), "reading the features")
    # Places in one order, whatever they were read in, so that a sum is always rounded alike.
    corners = [target.piece.top * _WIDE + target.piece.left for target in targets for _ in target.features]
    order = np.argsort(np.array(corners, dtype="int64"), kind="stable")
    shape = len(steps), len(pixels)
    return {name: finish_block([part.ordered(order)], shape, stats) for name, part in found.items()}


def _areas(cuts: Cuts, blocks: Cuts | None, pixels: Sequence[Pixels], *, alone: bool) -> list[_Area]:
    zones = _zones(cuts, pixels)
    smaller = _targets_of_blocks(cuts, blocks, pixels)
    areas: list[_Area] = []
    first = 0
    for _, pieces in cuts.areas():
        targets: list[Target] = []
        for place, piece in pieces:
            if place in zones:
                whole = Target.of(zones[place], piece)
                # Of scattered pixels some blocks hold none that the mask keeps: those are not read.
                targets += [whole] if whole.pick is None else smaller.get(place, [whole])
        if targets:
            lots = lots_of(targets, first, alone=alone)
            first = lots[-1].places.stop
            areas.append(_Area(_hull([target.piece for target in targets]), lots))
    return areas


def _zones(cuts: Cuts, pixels: Sequence[Pixels]) -> dict[tuple[int, int], Zone]:
    return cut_zones(pixels, np.diff(cuts.rows).tolist(), np.diff(cuts.cols).tolist())


def _targets_of_blocks(
    cuts: Cuts, blocks: Cuts | None, pixels: Sequence[Pixels]
) -> dict[tuple[int, int], list[Target]]:
    """Return the targets of every block, by the number of the piece that holds it."""
    found: dict[tuple[int, int], list[Target]] = {}
    if blocks is not None:
        for (row, col), zone in _zones(blocks, pixels).items():
            top, left = blocks.rows[row], blocks.cols[col]
            piece = Piece(top, left, blocks.rows[row + 1] - top, blocks.cols[col + 1] - left)
            outer = bisect_right(cuts.rows, top) - 1, bisect_right(cuts.cols, left) - 1
            found.setdefault(outer, []).append(Target.of(zone, piece))
    return found


def _hull(pieces: Sequence[Piece]) -> Piece:
    top, left = min(p.top for p in pieces), min(p.left for p in pieces)
    bottom, right = max(p.top + p.rows for p in pieces), max(p.left + p.cols for p in pieces)
    return Piece(top, left, bottom - top, right - left)


@dataclass(frozen=True, slots=True)
class _Ready:
    """An area at one step whose mask was read, and what is read next asked for."""

    keeps: Keeps
    """What the mask keeps."""
    is_empty: bool
    """True: the mask keeps nothing that is wanted."""
    queues: list[Queue]
    """What to read of each file behind HTTP."""


def _prepared(stream: Stream, step: Step, area: _Area, variables: Mapping[str, Standing]) -> _Ready:
    keeps: Keeps = None
    if stream.plan.mask is not None:
        keeps = [stream.kept(scene, area.piece) for scene in step.scenes]
        if not any(keeps) and all(stream.is_masked(n) for s in variables.values() for n in s.numbers):
            return _Ready(keeps, True, [])
    queues: dict[tuple[int, Source], Queue] = {}
    if stream.is_remote:
        numbers = dict.fromkeys(number for variable in variables.values() for number in variable.numbers)
        for place, lot in enumerate(area.lots):
            look = LotLook(stream, step, lot, keeps)
            for number in numbers:
                if (source := look.wanted(number)) is not None:
                    queue = queues.get((number, source))
                    if queue is None:
                        resampling = stream.plan.bands[number].resampling
                        queue = queues[number, source] = Queue(source, resampling)
                    queue.pieces.append((place, lot.targets[0].piece))
    return _Ready(keeps, False, list(queues.values()))


def _looks(
    stream: Stream, step: Step, area: _Area, prepared: _Ready, backlog: Backlog
) -> Iterator[tuple[LotLook, Lot]]:
    for place, lot in enumerate(() if prepared.is_empty else area.lots):
        backlog.before(place, prepared.queues)
        yield LotLook(stream, step, lot, prepared.keeps), lot
