"""One block of the cube: read, mask, decode and fuse the scenes of a time."""

from __future__ import annotations

import functools
import itertools
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.catalogue.access import open_href
from terrascope_nb.cube.decoding import blank, decoder_for
from terrascope_nb.cube.placing import joined, place, wanted_pieces
from terrascope_nb.cube.plan import BandPlan, Failure, Plan, Scene, Source, Step
from terrascope_nb.cube.quality import Keep, keep_mask
from terrascope_nb.cube.values import choose_coding, range_for, valid_numbers
from terrascope_nb.errors import AccessError, CorruptAssetError
from terrascope_nb.raster.blocks import NativeReader
from terrascope_nb.raster.grid import PixelGrid, same_crs
from terrascope_nb.raster.window import Window, lookup_for, own_reader, read_window, take

_AT_ONCE = 2**16
"""Pixels that are decoded at once: they and what is made of them fit in a core's cache."""
_STRIP = 2**21
"""Pixels that are read at once, at least, where a block is larger; a row of blocks is never cut."""
_Place = tuple[tuple[int, int], int]
_Read = TypeVar("_Read")
_Edges = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

_failures: dict[str, dict[tuple[str, str], Failure]] = {}
_failures_lock = threading.Lock()


def failures_of(token: str) -> tuple[Failure, ...]:
    """Return the files that failed while this process read blocks of a plan."""
    with _failures_lock:
        return tuple(_failures.get(token, {}).values())


def forget_failures(token: str) -> None:
    """Begin anew: what failed when an equal plan was loaded before may be there now."""
    with _failures_lock:
        _failures.pop(token, None)


def failure_topic(token: str) -> str:
    """Return the name under which workers of a cluster log the failures of a plan."""
    return f"terrascope-failures-{token}"


def _record(token: str, failure: Failure) -> None:
    key = failure.item_id, failure.asset
    with _failures_lock:
        known = _failures.setdefault(token, {})
        is_new = key not in known
        known[key] = failure
    if is_new and "distributed" in sys.modules:
        from distributed import get_worker  # loaded already where this runs on a worker

        try:
            worker = get_worker()
        except ValueError:
            return  # a thread of the user's own process
        worker.log_event(failure_topic(token), astuple(failure))


def read_source(
    plan: Plan, source: Source, grid: PixelGrid, resampling: str, wanted: Keep | None = None
) -> Window | None:
    """Read one file on a grid; None when it failed and the plan skips failures.

    Parameters
    ----------
    wanted : Keep, optional
        Which pixels matter; native blocks that hold none of them are not read, and what stands there means nothing.

    Raises
    ------
    AccessError
        A subclass that names item, asset and place, when the plan raises on errors.
    """

    def read(href: str) -> Window:
        reader, placed = _placed(source, href, grid, resampling)
        return _window(source, href, grid, resampling, wanted, reader, placed)

    return _guarded(plan, source, read)


def _placed(source: Source, href: str, grid: PixelGrid, resampling: str) -> tuple[Any, _Place | None]:
    """Return our reader of a file, and where the grid begins in it; None where GDAL reads it, or pixels are looked up."""
    if source.variable is not None or resampling != "nearest":
        return None, None
    reader = own_reader(href, source.band_index)
    return reader, None if reader is None else place(reader.info.grid, grid, resampling)


def _window(
    source: Source, href: str, grid: PixelGrid, resampling: str, wanted: Keep | None, reader: Any, placed: _Place | None
) -> Window:
    if reader is not None and reader.info.grid.crs and placed is None:
        return take(reader, lookup_for(reader.info.grid, reader.info.levels, grid))
    how = functools.partial(
        read_window,
        href,
        resampling=resampling,
        band=source.band_index,
        variable=source.variable,
        nodata=source.nodata,
        reader=reader,
    )
    if reader is not None and placed is not None and wanted is not None:
        pieces = wanted_pieces(reader.info.block, *placed, grid.shape, wanted)
        return how(grid) if pieces is None else joined(how, grid, pieces)
    return how(grid)


def _guarded(plan: Plan, source: Source, read: Callable[[str], _Read]) -> _Read | None:
    """Give the place of a file to a function; None when it failed and the plan skips failures."""
    if source.failed:
        return None
    try:
        return read(open_href(source.ref))
    except AccessError as error:
        failed = error
    ref = source.ref
    if plan.on_error == "skip":
        _record(plan.token, Failure(ref.item_id, ref.key, ref.hrefs[0] if ref.hrefs else "", str(failed)))
        return None
    # Raised anew, without what lies behind: errors of GDAL and of codecs do not survive the trip from a Dask worker,
    # and would take ours with them.
    named = {"item", "asset"} <= set(failed.facts)
    raise type(failed)(
        failed.message
        if named
        else f"{ref.item_id}, asset {ref.key}: {failed.message} "
        'Load with on_error="skip" to get NaN there and the file in failures(cube).',
        **{**failed.facts, "item": ref.item_id, "asset": ref.key},
    )


def read_keep(plan: Plan, scene: Scene, grid: PixelGrid) -> Keep | None:
    """Return what the plan's mask keeps of a scene; None = nothing.

    Where the quality file's pixels are whole multiples of the grid's, they are kept as they are: they weigh a fourth or
    less, and so travel between processes.
    """
    assert plan.mask is not None
    quality, keep = scene.quality, None
    if quality is None or not touches(quality, grid):
        return None
    if not plan.mask_buffer and quality.variable is None:
        rule = plan.mask

        def read(href: str) -> Keep | None:
            reader = own_reader(href, quality.band_index)
            placed = None if reader is None else place(reader.info.grid, grid, "nearest")
            if reader is None or placed is None or placed[1] == 1:
                return None
            (row, col), factor = placed
            first = row // factor, col // factor
            last = -(-(row + grid.shape[0]) // factor), -(-(col + grid.shape[1]) // factor)
            height, width = reader.info.grid.shape
            if first[0] < 0 or first[1] < 0 or last[0] > height or last[1] > width:
                return None
            return Keep(rule.apply(reader.read(0, *first, *last)), factor, (row % factor, col % factor))

        keep = _guarded(plan, quality, read)
    if keep is None:
        fine = keep_mask(plan, scene, grid, functools.partial(read_source, plan))
        keep = None if fine is None else Keep(fine, 1, (0, 0))
    return keep if keep is not None and keep.pixels.any() else None


def touches(source: Source, grid: PixelGrid) -> bool:
    """Return False when the item says that the file lies beside the grid."""
    if source.grid is None or not same_crs(source.grid.crs, grid.crs):
        return True
    left, bottom, right, top = source.grid.bounds
    west, south, east, north = grid.bounds
    return left < east and right > west and bottom < north and top > south


@functools.lru_cache(maxsize=64)
def clip_mask(clip: bytes, grid: PixelGrid) -> NDArray[np.bool_]:
    """Return True where a pixel's centre lies inside the area (GDAL's rule, and that of Terrascope's parcel masks)."""
    import shapely  # only for a clip

    from terrascope_nb.cube.clipping import shape_mask

    inside = shape_mask(shapely.from_wkb(clip), grid)
    inside.setflags(write=False)
    return inside


def is_masked(plan: Plan, number: int) -> bool:
    """Whether the plan's mask holds for a band: not for the quality band itself."""
    return plan.mask is not None and (plan.mask_band is None or plan.bands[number].band.name != plan.mask_band.name)


def fuse_step(
    plan: Plan, step: Step, number: int, grid: PixelGrid, keeps: Sequence[Keep | None] | None = None
) -> NDArray[Any]:
    """Return one variable of one time on a piece of the cube's grid.

    Scenes are taken in order, and a pixel keeps the first value that is valid and that the mask keeps; so nodata or a
    cloud never covers a value.

    Parameters
    ----------
    keeps : sequence of Keep, optional
        What the mask keeps of each scene, where it was read already; else it is read here.

    Returns
    -------
    numpy.ndarray, dtype of the variable, shape of the grid.
    """
    band = plan.bands[number]
    clip = None if plan.clip is None else clip_mask(plan.clip, grid)
    todo = None if clip is None else Keep(clip, 1, (0, 0))
    block: NDArray[Any] | None = None
    for rank, scene in enumerate(step.scenes):
        source = scene.sources[number]
        if source is None or not touches(source, grid):
            continue
        if todo is not None and not todo.pixels.any():
            break
        keep = None
        if is_masked(plan, number):
            keep = keeps[rank] if keeps is not None else read_keep(plan, scene, grid)
            if keep is None:
                continue
        wanted = keep if todo is None else todo if keep is None else todo.both(keep)
        if wanted is not None and not wanted.pixels.any():
            continue
        last = rank + 1 == len(step.scenes)
        if plan.physical and band.band.kind == "measurement":
            values = _read_values(plan, band, source, grid, wanted)
            if values is None:
                continue
            if block is None:
                block = values
            else:
                np.copyto(block, values, where=np.isnan(block))
            left = None if last else np.isnan(block)
        else:
            window = read_source(plan, source, grid, band.resampling, wanted)
            if window is None:
                continue
            block = np.full(grid.shape, band.fill, dtype=band.dtype) if block is None else block
            take = _valid(band, source, window)
            if wanted is not None:
                take &= wanted.over(0, grid.shape[0], grid.shape[1])
            block[take] = _as_type(window.stored[take], block.dtype, source)
            left = None if last else ~take if todo is None else todo.pixels & ~take
        if left is not None:
            todo = Keep(left if clip is None else left & clip, 1, (0, 0))
    return np.full(grid.shape, band.fill, dtype=band.dtype) if block is None else block


def _as_type(values: NDArray[Any], dtype: np.dtype[Any], source: Source) -> NDArray[Any]:
    """Return numbers in the cube's type; never another number because the item names the wrong type."""
    fitting = values.astype(dtype, copy=False)
    if not np.can_cast(values.dtype, dtype, "safe") and not np.array_equal(fitting, values):
        raise CorruptAssetError(
            f"{source.ref.item_id}, asset {source.ref.key}: the item says {source.dtype} and the file holds {values.dtype} "
            f"numbers that {dtype} cannot hold. Load it without stored types: physical=True.",
            item=source.ref.item_id,
            asset=source.ref.key,
        )
    return fitting


def _valid(band: BandPlan, source: Source, window: Window) -> NDArray[np.bool_]:
    """Return where a stored number of a class band, or of a cube of stored numbers, is not nodata."""
    nodata = next((n for n in (source.nodata, window.info.nodata, band.band.nodata) if n is not None), None)
    return window.inside & valid_numbers(window.stored, nodata, None)


def _read_values(
    plan: Plan, band: BandPlan, source: Source, grid: PixelGrid, wanted: Keep | None
) -> NDArray[np.float32] | None:
    """Return physical values of one file, NaN where not valid, not wanted or not in the file; None when it failed.

    A file with our grid's pixels is read a few rows of blocks at a time, so that no stored numbers of all are held.
    """

    def read(href: str) -> NDArray[np.float32]:
        reader, placed = _placed(source, href, grid, band.resampling)
        values = np.empty(grid.shape, dtype="float32")
        for top, bottom in _strips(reader, placed, grid):
            some = values[top:bottom]
            kept = wanted if wanted is None or bottom - top == grid.shape[0] else wanted.rows(top, bottom)
            if kept is not None and not kept.pixels.any():
                some.view("int32").fill(-1)  # the NaN that `blank` writes
                continue
            at = None if placed is None else ((placed[0][0] + top, placed[0][1]), placed[1])
            part = grid.crop(top, 0, bottom - top, grid.shape[1])
            window = _window(source, href, part, band.resampling, kept, reader, at)
            _write_values(plan, band, source, window, kept, some)
        return values

    return _guarded(plan, source, read)


def _strips(reader: Any, placed: _Place | None, grid: PixelGrid) -> Iterator[tuple[int, int]]:
    """Yield first and last+1 of rows that are read at once: whole rows of blocks, or all where that is not known."""
    rows, cols = grid.shape
    if placed is None or not isinstance(reader, NativeReader):  # a server is asked for all at once
        yield 0, rows
        return
    high = reader.info.block[0] * placed[1]
    high *= max(1, _STRIP // (high * cols))
    edges = [0, *range(high - placed[0][0] % high, rows, high), rows]
    yield from itertools.pairwise(edges)


def _write_values(
    plan: Plan, band: BandPlan, source: Source, window: Window, wanted: Keep | None, values: NDArray[np.float32]
) -> None:
    """Write physical values of a window, NaN where not valid, not wanted or not in the file; in one pass."""
    coding = choose_coding(source, window.info, band.band, foreign=plan.foreign)
    stored = (
        window.stored if window.stored.dtype.isnative else window.stored.astype(window.stored.dtype.newbyteorder("="))
    )
    decoder = decoder_for(stored.dtype.name, coding, range_for(coding, band.band))
    rows, cols = stored.shape
    inside = None if window.inside.all() else window.inside
    height = min(rows, max(1, _AT_ONCE // cols))
    gone, spare = np.empty((2, height, cols), dtype=bool)
    bits = np.empty((height, cols), dtype="int32")
    for top in range(0, rows, height):
        bottom = min(top + height, rows)
        n = bottom - top
        decoder.missing(stored[top:bottom], gone[:n], spare[:n])
        if inside is not None:
            np.logical_or(gone[:n], np.logical_not(inside[top:bottom], out=spare[:n]), out=gone[:n])
        if wanted is not None:
            np.logical_or(gone[:n], np.logical_not(wanted.over(top, bottom, cols), out=spare[:n]), out=gone[:n])
        decoder.values(stored[top:bottom], values[top:bottom])
        if decoder.fraction is None:  # a scale may lead beyond what float32 holds
            np.logical_or(gone[:n], ~np.isfinite(values[top:bottom]), out=gone[:n])
        blank(values[top:bottom], gone[:n], bits[:n])


def read_keeps(
    plan: Plan,
    edges: _Edges,
    block_id: tuple[int, int, int] | None = None,
) -> tuple[tuple[Keep | None, ...], ...]:
    """Return what the mask keeps of each scene of each time of a block: read once, for all bands."""
    steps, grid = _part(plan, edges, block_id)
    return tuple(
        tuple(read_keep(plan, scene, grid) if any(scene.sources) else None for scene in step.scenes) for step in steps
    )


def read_block(
    plan: Plan,
    number: int,
    edges: _Edges,
    keeps: tuple[tuple[Keep | None, ...], ...] | None = None,
    block_id: tuple[int, int, int] | None = None,
) -> NDArray[Any]:
    """Return one dask block, shape (times, rows, columns); the task of the lazy cube.

    Parameters
    ----------
    edges : three tuples of int
        Where blocks begin along time, y and x, with the end as last number.
    keeps : tuple, optional
        What `read_keeps` gave for the same block.
    """
    steps, grid = _part(plan, edges, block_id)
    known = keeps or (None,) * len(steps)
    layers = [fuse_step(plan, step, number, grid, keep) for step, keep in zip(steps, known, strict=True)]
    return layers[0][None] if len(layers) == 1 else np.stack(layers)


def _part(plan: Plan, edges: _Edges, block_id: tuple[int, int, int] | None) -> tuple[tuple[Step, ...], PixelGrid]:
    """Return the times and the pixels of a block."""
    assert block_id is not None
    (t0, t1), (y0, y1), (x0, x1) = ((axis[i], axis[i + 1]) for axis, i in zip(edges, block_id, strict=True))
    return plan.steps[t0:t1], plan.grid.crop(y0, x0, y1 - y0, x1 - x0)
