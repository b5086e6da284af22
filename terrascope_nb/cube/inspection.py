"""What the files of a cube are, before any pixel is read: whole or not, their grids and their types."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from terrascope_nb.catalogue.access import open_href
from terrascope_nb.cube.plan import BandPlan, Failure, Source, Step
from terrascope_nb.cube.values import fill_number
from terrascope_nb.errors import AccessError, GridError
from terrascope_nb.products.model import Band
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.header import read_header
from terrascope_nb.raster.info import FileInfo
from terrascope_nb.raster.window import RESAMPLING, read_info

Infos = dict[tuple[tuple[str, ...], int, str | None], FileInfo]
"""Hrefs, band and variable -> what the file says."""


def band_sources(steps: Sequence[Step]) -> list[Source]:
    """Return the files of all bands, without those of the quality band."""
    return [source for step in steps for scene in step.scenes for source in scene.sources if source is not None]


def checked_files(steps: Sequence[Step]) -> tuple[list[Step], list[Failure]]:
    """Find missing and truncated files before any pixel is read, so that every process knows of them."""
    failures: dict[tuple[str, str], Failure] = {}

    def check(source: Source | None) -> Source | None:
        if source is None:
            return None
        key = (source.ref.item_id, source.ref.key)
        if key not in failures:
            reason = _unreadable(source)
            if not reason:
                return source
            failures[key] = Failure(*key, source.ref.hrefs[0] if source.ref.hrefs else "", reason)
        return replace(source, failed=failures[key].reason)

    checked = [
        replace(
            step,
            scenes=tuple(
                replace(scene, sources=tuple(check(s) for s in scene.sources), quality=check(scene.quality))
                for scene in step.scenes
            ),
        )
        for step in steps
    ]
    return checked, list(failures.values())


def _unreadable(source: Source) -> str:
    try:
        href = open_href(source.ref)
        if href.startswith(("http://", "https://")):
            return ""
        if href.lower().endswith((".tif", ".tiff")):
            whole = read_header(href).is_complete()
            return "" if whole else f"{href} is cut off: its header promises more than the file holds"
        read_info(href, variable=source.variable)
    except AccessError as error:
        return str(error)
    return ""


def file_grids(steps: Sequence[Step], infos: Infos, *, skip: bool) -> list[PixelGrid]:
    """Return the grid of every band file: from the item, else from the file."""
    grids: list[PixelGrid] = []
    for source in band_sources(steps):
        if source.grid is not None:
            grids.append(source.grid)
        elif not source.failed:
            info = _info_of(source, infos, skip=skip)
            if info is not None and info.grid.crs:
                grids.append(info.grid)
    return grids


def _info_of(source: Source, infos: Infos, *, skip: bool = False) -> FileInfo | None:
    key = (source.ref.hrefs, source.band_index, source.variable)
    if key not in infos:
        try:
            infos[key] = read_info(open_href(source.ref), band=source.band_index, variable=source.variable)
        except AccessError as error:
            if skip:
                return None
            ref = source.ref
            facts = {**error.facts, "item": ref.item_id, "asset": ref.key}
            raise type(error)(f"{ref.item_id}, asset {ref.key}: {error.message}", **facts) from error
    return infos[key]


def check_resampling(resampling: str | Mapping[str, str] | None, named: Sequence[tuple[str, Band]]) -> None:
    """Refuse a resampling method for a band that is not loaded."""
    known = {"*", *(name for name, _ in named), *(band.name for _, band in named)}
    if isinstance(resampling, Mapping) and (unknown := sorted(set(resampling) - known)):
        raise GridError(
            f"resampling= names {', '.join(unknown)}, which is not loaded; there are {', '.join(name for name, _ in named)}, "
            'and "*" for all others.'
        )


def resampling_method(resampling: str | Mapping[str, str] | None, name: str, band: Band) -> str:
    """Return the resampling method of one band; classes are never averaged."""
    if isinstance(resampling, Mapping):
        method = resampling.get(name, resampling.get(band.name, resampling.get("*", "nearest")))
    else:
        method = resampling or "nearest"
    if method not in RESAMPLING:
        raise GridError(f"resampling={method!r} is unknown; there are {', '.join(RESAMPLING)}.")
    # An average of class numbers is another class.
    return method if band.kind == "measurement" or method == "mode" else "nearest"


def band_plan(
    name: str,
    band: Band,
    number: int,
    steps: Sequence[Step],
    infos: Infos,
    resampling: str,
    *,
    physical: bool,
    skip: bool,
) -> BandPlan:
    """Return type, fill and resampling of one variable; reads headers only where an item is silent and it matters."""
    if physical and band.kind == "measurement":
        return BandPlan(name, band, "float32", float("nan"), resampling)
    stored: list[tuple[str, float | None]] = []
    for scene in itertools.chain.from_iterable(step.scenes for step in steps):
        source = scene.sources[number]
        if source is None or source.failed:
            continue
        info = _info_of(source, infos, skip=skip) if source.dtype is None else None
        dtype = source.dtype or (info.dtype if info else "") or band.dtype
        said = (source.nodata, info.nodata if info else None, band.nodata)
        if dtype:
            stored.append((dtype, next((value for value in said if value is not None), None)))
    kinds = sorted({dtype for dtype, _ in stored}) or [band.dtype or "float32"]
    common = np.result_type(*kinds)
    return BandPlan(name, band, common.name, fill_number(band, common, stored), resampling)
