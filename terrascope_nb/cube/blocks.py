"""One block of the cube: read, mask, decode and fuse the scenes of a time."""

from __future__ import annotations

import functools
import sys
import threading
from dataclasses import astuple
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrascope_nb.catalogue.access import open_href
from terrascope_nb.cube.plan import BandPlan, Failure, Plan, Source, Step
from terrascope_nb.cube.quality import keep_mask
from terrascope_nb.cube.values import choose_coding, decode, range_for, valid_numbers
from terrascope_nb.errors import AccessError, CorruptAssetError
from terrascope_nb.raster.grid import PixelGrid, same_crs
from terrascope_nb.raster.window import Window, read_window

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


def read_source(plan: Plan, source: Source, grid: PixelGrid, resampling: str) -> Window | None:
    """Read one file on a grid; None when it failed and the plan skips failures.

    Raises
    ------
    AccessError
        A subclass that names item, asset and place, when the plan raises on errors.
    """
    if source.failed:
        return None
    try:
        return read_window(
            open_href(source.ref),
            grid,
            resampling=resampling,
            band=source.band_index,
            variable=source.variable,
            nodata=source.nodata,
        )
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
    import rasterio
    import shapely
    from rasterio.features import geometry_mask

    inside: NDArray[np.bool_] = geometry_mask(
        [shapely.from_wkb(clip)], out_shape=grid.shape, transform=rasterio.Affine(*grid.transform), invert=True
    )
    inside.setflags(write=False)
    return inside


def fuse_step(plan: Plan, step: Step, number: int, grid: PixelGrid) -> NDArray[Any]:
    """Return one variable of one time on a piece of the cube's grid.

    Scenes are taken in order, and a pixel keeps the first value that is valid and that the mask keeps; so nodata or a
    cloud never covers a value.

    Returns
    -------
    numpy.ndarray, dtype of the variable, shape of the grid.
    """
    band = plan.bands[number]
    block = np.full(grid.shape, band.fill, dtype=band.dtype)
    todo = np.ones(grid.shape, dtype=bool) if plan.clip is None else clip_mask(plan.clip, grid).copy()
    masked = plan.mask is not None and (plan.mask_band is None or band.band.name != plan.mask_band.name)
    reader = functools.partial(read_source, plan)
    for scene in step.scenes:
        source = scene.sources[number]
        if source is None or not touches(source, grid):
            continue
        if not todo.any():
            break
        keep = keep_mask(plan, scene, grid, reader) if masked else None
        if keep is not None and not (keep & todo).any():
            continue
        window = reader(source, grid, band.resampling)
        if window is None:
            continue
        values, valid = _decoded(plan, band, source, window)
        take = todo & valid
        if keep is not None:
            take &= keep
        block[take] = _as_type(values[take], block.dtype, source)
        todo &= ~take
    return block


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


def _decoded(plan: Plan, band: BandPlan, source: Source, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    if plan.physical and band.band.kind == "measurement":
        coding = choose_coding(source, window.info, band.band, foreign=plan.foreign)
        values = decode(window.stored, coding, range_for(coding, band.band))
        return values, window.inside & np.isfinite(values)
    nodata = next((n for n in (source.nodata, window.info.nodata, band.band.nodata) if n is not None), None)
    return window.stored, window.inside & valid_numbers(window.stored, nodata, None)


def read_block(
    plan: Plan,
    number: int,
    edges: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]],
    block_id: tuple[int, int, int] | None = None,
) -> NDArray[Any]:
    """Return one dask block, shape (times, rows, columns); the task of the lazy cube.

    Parameters
    ----------
    edges : three tuples of int
        Where blocks begin along time, y and x, with the end as last number.
    """
    assert block_id is not None
    (t0, t1), (y0, y1), (x0, x1) = ((axis[i], axis[i + 1]) for axis, i in zip(edges, block_id, strict=True))
    grid = plan.grid.crop(y0, x0, y1 - y0, x1 - x0)
    return np.stack([fuse_step(plan, step, number, grid) for step in plan.steps[t0:t1]])
