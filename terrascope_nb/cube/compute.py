"""Work on a cube with a sign of life: compute, explain, failures."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import pandas as pd
import xarray as xr
from dask.base import is_dask_collection
from dask.callbacks import Callback

from terrascope_nb.cube.blocks import failure_topic, failures_of
from terrascope_nb.cube.budget import check_budget, size_text
from terrascope_nb.cube.gathering import gathered
from terrascope_nb.cube.medians import with_own_median
from terrascope_nb.cube.plan import Failure, Plan, Step, describe_plan, plan_of
from terrascope_nb.cube.progress import Meter
from terrascope_nb.cube.standing import why_lazy
from terrascope_nb.errors import CubeError
from terrascope_nb.host.limits import cores

Cube = TypeVar("Cube", xr.Dataset, xr.DataArray)


class _Progress(Callback):
    """Tell a meter of each finished dask task."""

    def __init__(self, meter: Meter) -> None:
        super().__init__(posttask=self._after)  # type: ignore[no-untyped-call]
        self.meter = meter

    def _after(self, *_: Any) -> None:
        self.meter.advance()


def compute(cube: Cube, *, progress: bool = True) -> Cube:
    """Return the cube with its values read into memory.

    Progress with the time left is shown for work over a second; interrupting the kernel (or Ctrl-C) stops it and leaves
    the lazy cube as it was.

    Parameters
    ----------
    cube : Dataset or DataArray
        What load() gave, or anything made of it.
    progress : bool
        False: stay quiet.

    Returns
    -------
    Same type, dims and attributes, values in memory.

    Raises
    ------
    MemoryBudgetError
        The result would not fit in the memory that is really available (container limits counted).
    AccessError
        A file could not be read; it is named.
    """
    check_budget(_lazy_bytes(cube), "Computing this cube", resolution=_resolution(cube))
    cube = with_own_median(cube)
    client = distributed_client()
    if client is not None:
        return cube.compute(scheduler=client)
    with Meter("reading", 0, show=progress) as meter, _Progress(meter):
        return gathered(cube, _threads(cube), meter.expect)


_WAITING = 16
"""Threads that wait for a server: most of their time is not spent on a core."""
_IN_FLIGHT = 2**28
"""Bytes of blocks that more threads than cores may hold."""


def _threads(cube: Any) -> int:
    """Return one thread per core, or more where files come from a server and blocks are small."""
    most = cores()
    for variable in cube.variables.values() if isinstance(cube, xr.Dataset) else [cube.variable]:
        layers = getattr(getattr(variable.data, "dask", None), "layers", {})
        for name in layers:
            node = layers[name].get(name) if str(name).startswith("terrascope-plan-") else None
            plan = getattr(node, "value", node)
            if isinstance(plan, Plan) and _is_remote(plan):
                block = 4 * min(plan.grid.shape[0], 2048) * min(plan.grid.shape[1], 2048)
                most = max(most, min(_WAITING, _IN_FLIGHT // (4 * block)))
    return most


def _is_remote(plan: Plan) -> bool:
    """Whether the first file has no local path."""
    sources = (source for step in plan.steps for scene in step.scenes for source in scene.sources)
    first = next((source for source in sources if source is not None), None)
    return first is not None and all(not href.startswith("/") for href in first.ref.hrefs)


def _lazy_bytes(cube: Any) -> int:
    variables = cube.variables.values() if isinstance(cube, xr.Dataset) else [cube.variable]
    return sum(int(v.nbytes) if is_dask_collection(v.data) else 0 for v in variables)


def _resolution(cube: Any) -> float:
    x = cube.coords.get("x")
    return abs(float(x.values[1] - x.values[0])) if x is not None and x.size > 1 else 10.0


def distributed_client() -> Any | None:
    """Return the Dask cluster's client that is in use here, or None."""
    import sys

    if "distributed" not in sys.modules:
        return None
    from distributed import default_client  # loaded already, so this costs nothing

    try:
        return default_client()  # type: ignore[no-untyped-call]
    except ValueError:
        return None


def _own_steps(cube: Any, plan: Plan) -> list[Step]:
    """Return the steps that are still in the cube after slicing in time."""
    if "time" not in cube.coords:
        return list(plan.steps)
    times = set(np.atleast_1d(cube["time"].values).astype("datetime64[ns]"))
    # Times of its own (a monthly mean) stand for all that went in.
    return [step for step in plan.steps if step.time in times] or list(plan.steps)


def _told_by_workers(token: str) -> list[Failure]:
    """Return the failures that the workers of the connected cluster have logged."""
    client = distributed_client()
    if client is None:
        return []
    return [Failure(*event) for _, event in client.get_events(failure_topic(token)) or ()]


class Explanation(str):
    """Text that shows itself as it is, in a cell and in print."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def explain(cube: xr.Dataset | xr.DataArray) -> Explanation:
    """Return what load() decided for a cube: grid, values, mask, what was left out, and the items of each time.

    Raises
    ------
    CubeError
        The cube carries no plan: it was not made by load(), or an operation dropped its attributes.
    """
    plan = plan_of(cube)
    if plan is None:
        raise CubeError(
            "This cube carries no record of how it was loaded: it was not made by load(), or an operation dropped its "
            "attributes. Explain the cube that load() gave, or keep attributes with xarray.set_options(keep_attrs=True)."
        )
    text = describe_plan(plan, steps=_own_steps(cube, plan))
    sizes = dict(zip(cube.dims, cube.shape, strict=True)) if isinstance(cube, xr.DataArray) else dict(cube.sizes)
    rows, cols = plan.grid.shape
    if (sizes.get("y", rows), sizes.get("x", cols)) != (rows, cols):
        text += f"\nnow        {sizes.get('y')} x {sizes.get('x')} of these pixels, {size_text(int(cube.nbytes))}"
    variables = [cube] if isinstance(cube, xr.DataArray) else cube.data_vars.values()
    return Explanation("\n".join([text, *(_path_line(variable) for variable in variables)]))


def _path_line(variable: xr.DataArray) -> str:
    """Say how composite(), time_series() and zonal_stats() come to the values of a variable."""
    why = why_lazy(variable)
    way = f"lazy: {why}" if why else "streams: the verbs read it straight from the files"
    return f"path       {variable.name} {way}"


def failures(cube: xr.Dataset | xr.DataArray) -> pd.DataFrame:
    """Return the files that could not be read for a cube loaded with ``on_error="skip"``.

    Missing and truncated files are found by load() itself. A file that turns out damaged inside is added when its
    pixels are read, by this process or by the workers of the Dask cluster it is connected to.

    Returns
    -------
    pandas.DataFrame
        Columns item, asset, href, reason; no rows when all was read.

    Raises
    ------
    CubeError
        The cube carries no plan, so nothing can tell what failed.
    """
    plan = plan_of(cube)
    if plan is None:
        raise CubeError(
            "This cube carries no record of how it was loaded, so nothing can tell which files failed. Ask for the "
            "failures of the cube that load() gave."
        )
    told = (*plan.failures, *failures_of(plan.token), *_told_by_workers(plan.token))
    found = {(f.item_id, f.asset): f for f in told}
    rows = [(f.item_id, f.asset, f.href, f.reason) for f in found.values()]
    return pd.DataFrame(rows, columns=["item", "asset", "href", "reason"])
