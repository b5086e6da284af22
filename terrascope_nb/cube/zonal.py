"""Statistics of features straight from the files: only the blocks under a feature, only what the mask keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.analysis.partials import Partial, Statistics, Zone, cut_zones, finish_block, reduce_picked
from terrascope_nb.analysis.pixels import Pixels
from terrascope_nb.cube.ahead import Backlog, Queue, ready
from terrascope_nb.cube.crew import work
from terrascope_nb.cube.look import Look
from terrascope_nb.cube.pieces import Cuts, cut
from terrascope_nb.cube.plan import Source, Step
from terrascope_nb.cube.standing import Standing
from terrascope_nb.cube.stream import Keeps, Piece, Stream

_AT_ONCE, _EXPECTED = 8, 32
"""Dates whose headers are asked for before anything else, and ahead of the one that is got ready, when the files lie behind
HTTP."""


@dataclass(frozen=True, slots=True)
class _Target:
    """The pixels of all features in one piece, as tight as they lie."""

    piece: Piece
    """The rectangle that holds them."""
    pick: NDArray[np.int64] | None
    """Their numbers in that rectangle; None = all of it, one feature."""
    zone: Zone
    """Which feature each belongs to."""


@dataclass(frozen=True, slots=True)
class _Area:
    """Targets that share their quality mask."""

    piece: Piece
    """The rectangle that holds them."""
    targets: list[_Target] = field(default_factory=list)
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
    areas = _areas(cut(stream, first), pixels)
    found: dict[str, list[list[Partial]]] = {name: [[] for _ in steps] for name in variables}
    backlog = Backlog(stream)

    def prepare(task: tuple[int, int]) -> _Ready:
        number, place = task
        made = _prepared(stream, steps[number], areas[place], variables)
        backlog.add(task, made.queues)
        return made

    def do(task: tuple[tuple[int, int], Callable[[], _Ready]]) -> None:
        (number, place), made = task[0], task[1]()
        for name, partial in _reduced(stream, steps[number], areas[place], variables, stats, made, backlog):
            found[name][number].append(partial)
        backlog.done(made.queues)

    def tasks() -> Iterator[tuple[int, int]]:
        for number in range(len(steps)):
            if stream.is_remote:
                stream.expect(numbers, number, number + _EXPECTED)
            for place in range(len(areas)):
                yield number, place

    with ready(tasks(), prepare, remote=stream.is_remote) as coming:
        work(do, coming, len(steps) * len(areas), "reading the features")
    shape = 1, len(pixels)
    return {
        name: np.concatenate([finish_block(_sorted(parts), shape, stats) for parts in per_step])
        for name, per_step in found.items()
    }


def _sorted(parts: list[Partial]) -> list[Partial]:
    """Put the pieces in one order, so that a sum does not depend on which thread was first."""
    return sorted(parts, key=lambda part: part.place)


def _areas(cuts: Cuts, pixels: Sequence[Pixels]) -> list[_Area]:
    zones = cut_zones(pixels, np.diff(cuts.rows).tolist(), np.diff(cuts.cols).tolist())
    areas = []
    for _, pieces in cuts.areas():
        targets = [_target(zones[place], piece) for place, piece in pieces if place in zones]
        if targets:
            areas.append(_Area(_hull([target.piece for target in targets]), targets))
    return areas


def _target(zone: Zone, piece: Piece) -> _Target:
    flat = zone.flat()
    rows, cols = np.divmod(flat, piece.cols)
    top, left = int(rows.min()), int(cols.min())
    height, width = int(rows.max()) + 1 - top, int(cols.max()) + 1 - left
    tight = Piece(piece.top + top, piece.left + left, height, width)
    if len(zone.features) == 1 and len(flat) == height * width:
        return _Target(tight, None, zone)
    return _Target(tight, (rows - top) * width + cols - left, zone)


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
        for place, target in enumerate(area.targets):
            look = Look(stream, step, target.piece, keeps, target.pick)
            for number in numbers:
                if (source := look.wanted(number)) is not None:
                    queue = queues.get((number, source))
                    if queue is None:
                        resampling = stream.plan.bands[number].resampling
                        queue = queues[number, source] = Queue(source, resampling)
                    queue.pieces.append((place, target.piece))
    return _Ready(keeps, False, list(queues.values()))


def _reduced(
    stream: Stream,
    step: Step,
    area: _Area,
    variables: Mapping[str, Standing],
    stats: Statistics,
    prepared: _Ready,
    backlog: Backlog,
) -> Iterator[tuple[str, Partial]]:
    for place, target in enumerate(() if prepared.is_empty else area.targets):
        backlog.before(place, prepared.queues)
        look = Look(stream, step, target.piece, prepared.keeps, target.pick)
        for name, variable in variables.items():
            values = look.result(variable.numbers, variable.formula)
            if values is not None:
                at = target.piece.top, target.piece.left
                yield name, reduce_picked(values.reshape(-1), target.zone, stats, at)
