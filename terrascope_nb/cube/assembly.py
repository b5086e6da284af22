"""A plan becomes a lazy Dataset: one dask layer per variable, coordinates and attributes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.delayed import delayed
from dask.layers import ArrayBlockIdDep
from numpy.typing import NDArray

from terrascope_nb import __version__
from terrascope_nb.catalogue.access import open_href
from terrascope_nb.cube.accessors import register_accessors
from terrascope_nb.cube.blocks import is_masked, read_block, read_keeps
from terrascope_nb.cube.coordinates import grid_coordinates
from terrascope_nb.cube.placing import place
from terrascope_nb.cube.plan import PLAN_ATTRIBUTE, BandPlan, Edges, Plan, PlanText, Source
from terrascope_nb.errors import AccessError, GridError
from terrascope_nb.extent.years import write_years
from terrascope_nb.products.model import Product
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.window import own_reader

register_accessors()  # users of a cube expect `.rio` and `.odc`

_CHUNK = 2048
"""Pixels of a chunk's side: a whole multiple of the usual block sizes 256, 512 and 1024; smaller areas are one chunk."""
_LARGEST = 4096
"""Pixels of a chunk's side, at most, where bands of other pixel sizes (60 m) have larger blocks on the grid."""
_DIMS = ("time", "y", "x")
_AXIS_NUMBERS = (0, 1, 2)
"""The same, as dask tells axes apart."""


def assemble(plan: Plan, product: Product | None, chunks: Mapping[str, int] | None) -> xr.Dataset:
    """Return the lazy Dataset of a plan; reads nothing."""
    edges = Edges(chunk_edges(plan, chunks))
    # One key holds the plan for all tasks of all variables: a worker gets it once, and tasks stay tiny.
    shared = delayed(plan, name=f"terrascope-plan-{plan.token}", traverse=False)
    sizes = tuple(tuple(int(size) for size in np.diff(axis)) for axis in edges)
    text = PlanText(plan)
    times = np.array([step.time for step in plan.steps], "datetime64[ns]")
    years = write_years(1970 + int(year) for year in np.unique(times.astype("datetime64[Y]").astype("int64")))
    attribution = attribution_text(plan, product.attribution if product else "").replace("{year}", years)
    variables = {}
    digest = tokenize(sizes)[:8]
    # Where one band is asked for, dask joins it and the mask in one task; where several are, the mask is read once.
    keeps = (
        None
        if plan.mask is None
        else _layer(f"terrascope-keep-{plan.token}-{digest}", object, sizes, read_keeps, shared, None, edges, None)
    )
    for number, band in enumerate(plan.bands):
        masked = (keeps, _AXIS_NUMBERS) if keeps is not None and is_masked(plan, number) else (None, None)
        array = _layer(
            f"terrascope-{band.band.name}-{plan.token}-{digest}-{number}",
            band.dtype,
            sizes,
            read_block,
            *(shared, None, number, None, edges, None, *masked),
        )
        attributes = variable_attributes(plan, band, attribution)
        attributes[PLAN_ATTRIBUTE] = text
        # What it lies on is an encoding, as rioxarray writes it.
        variables[band.variable] = xr.Variable(_DIMS, array, attributes, {"grid_mapping": "spatial_ref"})
    return xr.Dataset(
        variables,
        coords=_coordinates(plan, times),
        attrs={
            "title": product.title["en"] if product else plan.product_id,
            "product": plan.product_id,
            "attribution": attribution,
            "source": f"{sum(len(step.scenes) for step in plan.steps)} items of {plan.product_id}",
            "history": f"loaded by terrascope_nb {__version__}",
            PLAN_ATTRIBUTE: text,
        },
    )


def _layer(name: str, dtype: Any, sizes: tuple[tuple[int, ...], ...], function: Any, *pairs: Any) -> Any:
    """Return the array whose blocks a function reads, given its arguments and last of all the block's place.

    As `dask.array.map_blocks` makes it of a function that asks for ``block_id``, in one go instead of two.
    """
    return da.blockwise(  # type: ignore[no-untyped-call]
        function,
        _AXIS_NUMBERS,
        *pairs,
        ArrayBlockIdDep(sizes),
        _AXIS_NUMBERS,
        name=name,
        dtype=dtype,
        meta=np.empty((0, 0, 0), dtype=dtype),
        align_arrays=False,
    )


def chunk_edges(
    plan: Plan, chunks: Mapping[str, int] | None
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return where chunks begin along time, y and x, with the end as last number.

    Raises
    ------
    GridError
        ``chunks`` names another dimension, or a size below 1.
    """
    if chunks is not None and not isinstance(chunks, Mapping):
        raise GridError(f"chunks={chunks!r}: give sizes by dimension, e.g. {{'y': 2048, 'x': 2048}}, or leave it out.")
    asked = dict(chunks or {})
    for name, size in asked.items():
        if name not in {"time", "y", "x"} or not isinstance(size, int) or (size < 1 and size != -1):
            raise GridError(
                f"chunks={dict(asked)!r}: give whole sizes (or -1 for all) for time, y and x, e.g. {{'y': 2048}}."
            )
    rows, cols = plan.grid.shape
    native = _native_chunks(plan) if max(rows, cols) > _CHUNK else (_CHUNK, _CHUNK)
    sides = []
    for name, length, side, offset in zip("yx", (rows, cols), native, _native_offset(plan), strict=True):
        whole = -1 if length <= _CHUNK else side
        sides.append(_edges(length, asked[name], 0) if name in asked else _edges(length, whole, offset))
    return _edges(len(plan.steps), asked.get("time", 1), 0), sides[0], sides[1]


def _edges(length: int, size: int, offset: int) -> tuple[int, ...]:
    """Cut ``length`` into pieces of ``size``, on multiples of ``size`` counted from ``-offset``."""
    if size == -1:
        return 0, length
    first = size - offset % size
    return (0, *range(first, length, size), length) if first < length else (0, length)


def _native_chunks(plan: Plan) -> tuple[int, int]:
    """Return rows and columns of a chunk that are whole multiples of the blocks of every band's first local file."""
    sides = [1, 1]
    for number, band in enumerate(plan.bands):
        sources = (scene.sources[number] for step in plan.steps for scene in step.scenes)
        source = next((one for one in sources if one is not None and not one.failed and one.variable is None), None)
        block = None if source is None else _block_of(source, plan.grid, band.resampling)
        if block is not None:
            sides = [math.lcm(side, size) for side, size in zip(sides, block, strict=True)]
    rows, cols = (side * -(-_CHUNK // side) if side <= _LARGEST else _CHUNK for side in sides)
    return rows, cols


def _block_of(source: Source, grid: PixelGrid, resampling: str) -> tuple[int, int] | None:
    """Return rows and columns of a native block in pixels of a grid; None = not known without asking a server."""
    try:
        href = open_href(source.ref)
        reader = own_reader(href, source.band_index) if href.startswith("/") else None
    except AccessError:
        return None  # whoever reads its pixels says so
    placed = None if reader is None else place(reader.info.grid, grid, resampling)
    if reader is None or placed is None:
        return None
    return reader.info.block[0] * placed[1], reader.info.block[1] * placed[1]


def _native_offset(plan: Plan) -> tuple[int, int]:
    """Return our first pixel in the first file's own pixels, so that chunks are cut where its blocks are."""
    for step in plan.steps:
        for scene in step.scenes:
            for source in scene.sources:
                at = source and source.grid and plan.grid.offset_in(source.grid)
                if at:
                    return at
    return 0, 0


def _coordinates(plan: Plan, times: NDArray[np.datetime64]) -> dict[str, Any]:
    coords: dict[str, Any] = {**grid_coordinates(plan.grid)}
    kind = "degrees" if str(coords["x"].attrs.get("units", "")).startswith("degree") else "metres"
    for name, attributes in _AXES[kind].items():
        coords[name].attrs.update(attributes)
    coords["time"] = xr.Variable("time", times, _TIME)
    coords["time"].encoding.update(units="microseconds since 1970-01-01", calendar="proleptic_gregorian", dtype="int64")
    ids = np.array([";".join(scene.item_id for scene in step.scenes) for step in plan.steps], dtype=object)
    coords["item_ids"] = xr.Variable("time", ids, {"long_name": "items that make up this time"})
    for name in ("clear_percent", "coverage_percent"):
        shares = np.array([getattr(step, name) for step in plan.steps], dtype="float32")
        if np.isfinite(shares).any():
            what = "clear" if name.startswith("clear") else "covered"
            coords[name] = xr.Variable(
                "time", shares, {"units": "percent", "long_name": f"share of the area that is {what}"}
            )
    return coords


_AXES = {
    "metres": {
        "y": {"standard_name": "projection_y_coordinate", "long_name": "northing of the pixel centre", "axis": "Y"},
        "x": {"standard_name": "projection_x_coordinate", "long_name": "easting of the pixel centre", "axis": "X"},
    },
    "degrees": {
        "y": {"standard_name": "latitude", "long_name": "latitude of the pixel centre", "axis": "Y"},
        "x": {"standard_name": "longitude", "long_name": "longitude of the pixel centre", "axis": "X"},
    },
}
_TIME = {"standard_name": "time", "long_name": "UTC time of the earliest scene", "axis": "T"}


def variable_attributes(plan: Plan, band: BandPlan, attribution: str) -> dict[str, Any]:
    """Return CF attributes of a variable, and those that the figures and indices use."""
    table = band.band
    attributes: dict[str, Any] = {
        "long_name": table.title.get("en", table.name),
        "product": plan.product_id,
        "band": table.name,
        "attribution": attribution,
    }
    decoded = plan.physical and table.kind == "measurement"
    if table.common_name:
        attributes["common_name"] = table.common_name
    if table.standard_name and decoded:
        attributes["standard_name"] = table.standard_name
    if table.center_wavelength_um is not None:
        attributes["radiation_wavelength_um"] = table.center_wavelength_um
    if table.kind == "measurement":
        attributes["units"] = (table.unit or "unknown") if decoded else "stored number"
    if not decoded:
        attributes["nodata"] = _number(band.fill, band.dtype)
        attributes["physical"] = "false" if table.kind == "measurement" else "classes"
    if table.classes and table.kind != "measurement":
        # CF wants the values in the variable's own type and the meanings as one text.
        attributes["flag_values"] = np.array([known.value for known in table.classes], dtype=band.dtype)
        attributes["flag_meanings"] = " ".join(known.name for known in table.classes)
        if all(known.color for known in table.classes):
            attributes["flag_colors"] = " ".join(str(known.color) for known in table.classes)
    return attributes


def _number(value: float, dtype: str) -> Any:
    return np.dtype(dtype).type(value) if np.dtype(dtype).kind == "f" else int(value)


def attribution_text(plan: Plan, sentence: str) -> str:
    """Return the product's sentence; items that tell their own lineage are not said to be the platform's work.

    >>> from types import SimpleNamespace
    >>> attribution_text(SimpleNamespace(lineages=("derived from X",)), "Contains data {year}, processed by VITO")
    'Contains data {year}; derived from X'
    """
    if not plan.lineages:
        return sentence
    return "; ".join(filter(None, (sentence.partition(", processed by")[0], *plan.lineages)))
