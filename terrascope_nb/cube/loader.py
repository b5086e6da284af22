"""load(): items become a lazy Dataset (time, y, x) with physical values, NaN where not valid."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import pystac
import shapely
import xarray as xr

from terrascope_nb.catalogue import versions  # noqa: F401 - `without_twins` needs it, and the first call is not to wait
from terrascope_nb.catalogue.access import trusted_roots
from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.sources import footprint_of
from terrascope_nb.cube.assembly import assemble
from terrascope_nb.cube.blocks import forget_failures
from terrascope_nb.cube.budget import check_budget, size_text
from terrascope_nb.cube.clearness import choose_steps, measure_all, measure_footprints
from terrascope_nb.cube.geobox import check_touches_like, choose_grid, grid_like
from terrascope_nb.cube.inspection import (
    Infos,
    band_plan,
    band_sources,
    check_resampling,
    checked_files,
    file_grids,
    resampling_method,
)
from terrascope_nb.cube.mosaic import group_scenes, step_times
from terrascope_nb.cube.plan import Plan, Step, token_of
from terrascope_nb.cube.selection import bands_of, list_items, product_for, scene_of, without_twins
from terrascope_nb.errors import (
    GridError,
    MaskError,
    NothingFoundError,
    TerrascopeWarning,
)
from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.products.model import Band, Product
from terrascope_nb.products.quality import MaskRule, keep_classes
from terrascope_nb.raster.grid import PixelGrid


def load(
    items: Iterable[pystac.Item],
    bands: str | Sequence[str] | None = None,
    *,
    area: Any = None,
    like: Any = None,
    resolution: float | None = None,
    crs: str | int | None = None,
    mask: str | int | Sequence[str | int] | None = None,
    mask_buffer: float = 0,
    min_clear: float = 0,
    min_coverage: float = 0,
    mosaic: Literal["day"] | None = "day",
    physical: bool = True,
    resampling: str | Mapping[str, str] | None = None,
    chunks: Mapping[str, int] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
) -> xr.Dataset:
    """Return a lazy cube of physical values.

    Parameters
    ----------
    items : Items or iterable of pystac.Item
        What `search` found. Older versions of a scene are dropped unless ``mosaic=None``.
    bands : str or sequence of str, optional
        Names (``"B04"``), common names (``"red"``) or aliases; variables bear the names given. None = the product's
        usual bands.
    area : area, optional
        What `ts.area` takes. A polygon clips (pixels whose centre lies outside become NaN), a bbox, tile or point only
        frames. None = whole scenes.
    like : Dataset, DataArray or odc.geo GeoBox, optional
        Use this pixel grid; excludes ``resolution`` and ``crs``.
    resolution : float, optional
        Pixel size in the unit of the crs; None = the finest of the bands, on the files' own pixels.
    crs : str or int, optional
        Coordinate system, ``"EPSG:3857"`` or 3857; None = that of the files (of several, the one with most of the area).
    mask : str or sequence, optional
        Which quality flags to keep: a preset (``"clear"``) or class names. The quality band itself is never masked.
    mask_buffer : float
        Metres around what the mask removes that are removed as well.
    min_clear, min_coverage : float
        Percent (0-100) of the area that must be clear, or covered at all, for a date to stay; decided from the quality
        band before any other band is read. ``min_clear`` counts what ``mask`` keeps, or the preset ``"clear"``.
    mosaic : "day" or None
        ``"day"``: scenes of one pass fuse, a valid pixel first, never nodata over a value. None: one time per item.
    physical : bool
        True: float32 values, scale, offset and nodata from the item, else the file, else the product table, applied
        once; stored numbers outside the table's valid range become NaN. False: the stored numbers.
    resampling : str or mapping of band to str, optional
        Used only where a file's grid is not the cube's; ``"nearest"`` unless said, always ``"nearest"`` for classes.
    chunks : mapping, optional
        Chunk sizes for ``time``, ``y``, ``x``; by default one chunk per time for areas up to 2048 pixels, else 1 x 2048 x
        2048 (or the next whole multiple of the files' blocks), cut where the blocks are.
    on_error : "raise" or "skip"
        ``"skip"``: an unreadable file gives NaN and is listed by `failures`.

    Returns
    -------
    xarray.Dataset
        Dask-backed, dims always (time, y, x); ``time`` is the UTC time of the earliest fused scene, ``item_ids`` names
        the scenes of each time. Class bands stay integer with CF ``flag_values`` and ``flag_meanings``.

    Raises
    ------
    NothingFoundError
        No item, or no date that is clear enough.
    UnknownBandError, MaskError, NotLoadableError, GridError
        What was asked does not exist for this product; the message says what does.
    MemoryBudgetError
        A single time would not fit in memory.
    AccessError
        A file could not be opened or is damaged (at load where its header is needed, else when pixels are read).

    Examples
    --------
    >>> import terrascope_nb as ts                                                     # doctest: +SKIP
    >>> items = ts.search("s2-toc", "Assenede", "2018-07", max_cloud=30)                # doctest: +SKIP
    >>> cube = ts.load(items, ["red", "nir"], area="Assenede", mask="clear")            # doctest: +SKIP
    """
    _check_arguments(min_clear, min_coverage, mask_buffer, mosaic, on_error, like, resolution, crs)
    found, roots = list_items(items)
    product = product_for(found, items.product if isinstance(items, Items) else None)
    found, dropped = without_twins(found, product, fuse=mosaic is not None)
    named = bands_of(product, found, bands)
    check_resampling(resampling, named)
    rule, quality = _mask_rule(product, mask, min_clear, min_coverage)
    aoi = None if area is None else make_area(area)

    groups = group_scenes(found, mosaic, dateless=bool(product and product.dateless))
    only_bands, trusted = [band for _, band in named], trusted_roots(roots)
    steps = [
        Step(time, tuple(scene_of(item, only_bands, quality, trusted) for item in group))
        for time, group in zip(step_times(groups), groups, strict=True)
    ]
    _check_present(steps, named, found)
    if mask is not None or min_clear > 0:
        _check_quality(steps, quality, product)
    elif all(scene.quality is None for step in steps for scene in step.scenes):
        rule = quality = None  # coverage can be had from the footprints
    skip = on_error == "skip"
    steps, failed = checked_files(steps) if skip else (steps, [])

    infos: Infos = {}
    notes: list[str] = []
    if like is not None:
        grid = grid_like(like)
        check_touches_like([source.grid for source in band_sources(steps) if source.grid is not None], grid)
    else:
        grids = file_grids(steps, infos, skip=skip)
        grid, notes = choose_grid(grids, aoi, crs=crs, resolution=resolution)
    for note in notes:
        warnings.warn(f"load: {note}", TerrascopeWarning, stacklevel=2)

    variables = tuple(
        band_plan(
            name, band, number, steps, infos, resampling_method(resampling, name, band), physical=physical, skip=skip
        )
        for number, (name, band) in enumerate(named)
    )
    plan = Plan(
        token="",
        product_id=product.id if product else (found[0].collection_id or "items"),
        grid=grid,
        bands=variables,
        steps=tuple(steps),
        physical=physical,
        mask=rule,
        mask_band=quality,
        mask_buffer=float(mask_buffer),
        clip=_clip(aoi, grid),
        on_error=on_error,
        foreign=product is None or not product.bands,
        notes=tuple(notes),
        dropped=tuple(dropped),
        failures=tuple(failed),
        roots=roots,
        lineages=tuple(sorted({str(text) for item in found if (text := item.properties.get("processing:lineage"))})),
        parameters=_parameters(bands=bands, area=aoi, resolution=resolution, crs=crs, mask=mask, mask_buffer=mask_buffer,
                               min_clear=min_clear, min_coverage=min_coverage, mosaic=mosaic, physical=physical,
                               resampling=resampling, on_error=on_error),
    )  # fmt: skip
    per_time = plan.n_bytes // max(len(plan.steps), 1)
    rows, cols = grid.shape
    check_budget(
        per_time,
        f"One time of this cube ({rows} x {cols} pixels, {len(variables)} variables; {size_text(plan.n_bytes)} in all)",
        resolution=grid.resolution[1],
    )
    if min_clear > 0 or min_coverage > 0:
        plan = _filtered(plan, min_clear, min_coverage, found, aoi)
    if mask is None:
        plan = replace(plan, mask=None)
    plan = replace(plan, token=token_of(plan))
    forget_failures(plan.token)
    return assemble(plan, product, chunks)


def _check_arguments(
    min_clear: float,
    min_coverage: float,
    mask_buffer: float,
    mosaic: Any,
    on_error: Any,
    like: Any,
    resolution: Any,
    crs: Any,
) -> None:
    for name, value in (("min_clear", min_clear), ("min_coverage", min_coverage)):
        if not 0 <= value <= 100:
            raise MaskError(f"{name}={value!r} is no percentage; give a number from 0 to 100.")
    if not 0 <= mask_buffer < math.inf:
        raise MaskError(f"mask_buffer={mask_buffer!r} is no distance; give metres, 0 for none.")
    if mosaic not in ("day", None):
        raise GridError(f'mosaic={mosaic!r} is unknown; "day" fuses the scenes of one pass, None keeps every item.')
    if on_error not in ("raise", "skip"):
        raise ValueError(f'on_error={on_error!r} is unknown; give "raise" or "skip".')
    if like is not None and (resolution is not None or crs is not None):
        raise GridError("like= gives the whole pixel grid; leave resolution and crs out.")


def _mask_rule(
    product: Product | None, mask: Any, min_clear: float, min_coverage: float
) -> tuple[MaskRule | None, Band | None]:
    wanted = mask if mask is not None else "clear" if min_clear > 0 or min_coverage > 0 else None
    if wanted is None:
        return None, None
    if product is None or product.quality is None:
        if mask is None and min_clear <= 0:
            return None, None  # coverage comes from the footprints then
        name = product.id if product else "this collection"
        raise MaskError(
            f"mask={mask!r}, min_clear={min_clear:g} were asked for, but {name} has no quality band that we know of, so "
            "nothing can tell clear pixels from others. Leave both out, or mask with a cube of another product."
        )
    rule = keep_classes(product, wanted)
    return rule, product.find_band(rule.band)


def _check_present(steps: Sequence[Step], named: Sequence[tuple[str, Band]], items: Sequence[pystac.Item]) -> None:
    scenes = [scene for step in steps for scene in step.scenes]
    for number, (name, band) in enumerate(named):
        without = [scene.item_id for scene in scenes if scene.sources[number] is None]
        if len(without) == len(scenes):
            raise NothingFoundError(
                f"None of the {len(items)} items has an asset for {name} ({band.name}); "
                f"{items[0].id} has {', '.join(items[0].assets)}.",
                band=name,
            )
        if without:
            warnings.warn(
                f"{len(without)} of {len(scenes)} items have no asset for {name} ({band.name}) and leave it empty "
                f"(e.g. {without[0]}).",
                TerrascopeWarning,
                stacklevel=3,
            )


def _check_quality(steps: Sequence[Step], quality: Band | None, product: Product | None) -> None:
    without = [scene.item_id for step in steps for scene in step.scenes if scene.quality is None]
    total = sum(len(step.scenes) for step in steps)
    if len(without) == total:
        raise MaskError(
            f"A mask was asked for, but none of the {total} items has the quality band "
            f"{quality.name if quality else ''} of {product.id if product else ''} (e.g. {without[0]}). "
            "Leave the mask out, or choose items that carry it."
        )
    if without:
        warnings.warn(
            f"{len(without)} of {total} items have no quality band and are masked whole (e.g. {without[0]}).",
            TerrascopeWarning,
            stacklevel=3,
        )


def _clip(aoi: Aoi | None, grid: PixelGrid) -> bytes | None:
    """Return the area as WKB in the grid's crs, when it is a polygon."""
    if aoi is None or not aoi.clips:
        return None
    from terrascope_nb.cube.clipping import clip_shape

    return bytes(shapely.to_wkb(clip_shape(aoi.in_crs(grid.crs), grid)))


def _filtered(plan: Plan, min_clear: float, min_coverage: float, items: Sequence[pystac.Item], aoi: Aoi | None) -> Plan:
    if plan.mask is not None:
        measured = measure_all(plan)
    else:
        footprints = {item.id: footprint_of(item) for item in items}
        measured = measure_footprints(plan.steps, footprints, aoi.geometry if aoi else None)
    kept, dropped = choose_steps(plan, min_clear=min_clear, min_coverage=min_coverage, measured=measured)
    return replace(plan, steps=tuple(kept), dropped=(*plan.dropped, *dropped))


def _parameters(**given: Any) -> tuple[tuple[str, str], ...]:
    return tuple((name, _short(value)) for name, value in given.items() if value is not None)


def _short(value: Any) -> str:
    """Return an argument as text; an area as its name or box, since its vertices are not for reading."""
    if isinstance(value, Aoi):
        return repr(value.name) if value.name else repr(tuple(round(degrees, 5) for degrees in value.bbox))
    return repr(value)
