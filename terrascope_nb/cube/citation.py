"""What a result was made of: items, versions, code, parameters and licences."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from terrascope_nb import __version__
from terrascope_nb.cube.compute import _own_steps
from terrascope_nb.cube.plan import Plan, plan_of
from terrascope_nb.errors import CubeError, UnknownProductError
from terrascope_nb.maps.sources import attribution_of
from terrascope_nb.products.registry import get_product


@dataclass(frozen=True, slots=True)
class Citation:
    """A provenance card; shows itself as text, `to_dict` and `to_json` for machines."""

    product: str
    """Our product id, or the collection of foreign items."""
    title: str
    """Name of the product."""
    attribution: str
    """Sentence to print beside a figure."""
    licence: str
    """Licence or terms, as far as a source states them."""
    items: tuple[str, ...]
    """Ids of the items of the times that are in the cube."""
    versions: tuple[str, ...]
    """Processing versions among them."""
    first: str
    """First day."""
    last: str
    """Last day."""
    code: str
    """Our version."""
    parameters: tuple[tuple[str, str], ...]
    """Arguments of load()."""
    sources: tuple[str, ...] = ()
    """Documents the product's numbers come from."""

    def to_dict(self) -> dict[str, Any]:
        """Return the card as plain types."""
        return {**asdict(self), "parameters": dict(self.parameters)}

    def to_json(self) -> str:
        """Return the card as JSON."""
        return json.dumps(self.to_dict(), indent=1)

    def __str__(self) -> str:
        days = self.first if self.first == self.last else f"{self.first} to {self.last}"
        versions = f", version {', '.join(self.versions)}" if self.versions else ""
        lines = [
            f"{self.title} ({self.product}){versions}, {len(self.items)} items, {days}.",
            self.attribution,
            f"Licence: {self.licence}" if self.licence else "",
            f"Made with {self.code}: load({', '.join(f'{name}={value}' for name, value in self.parameters)}).",
            f"Items: {'; '.join(self.items)}.",
        ]
        return "\n".join(line for line in lines if line)

    __repr__ = __str__


def cite(cube: xr.Dataset | xr.DataArray) -> Citation:
    """Return what a cube was made of.

    Raises
    ------
    CubeError
        The cube carries no record of its loading.
    """
    plan = plan_of(cube)
    if plan is None:
        raise CubeError(
            "This cube carries no record of how it was loaded, so it cannot be cited. Cite the cube that load() gave."
        )
    items, times = _items_and_times(cube, plan)
    days = sorted(str(np.datetime_as_string(time, unit="D")) for time in times)
    try:
        product = get_product(plan.product_id)
    except UnknownProductError:
        product = None
    return Citation(
        product=plan.product_id,
        title=product.title["en"] if product else plan.product_id,
        attribution=attribution_of(cube.attrs, times, items),
        licence=product.licence if product else "",
        items=items,
        versions=tuple(
            sorted({part for item in items for part in item.split("_") if part[:1] == "V" and part[1:].isdigit()})
        ),
        first=days[0] if days else "",
        last=days[-1] if days else "",
        code=f"terrascope_nb {__version__}",
        parameters=plan.parameters,
        sources=product.sources if product else (),
    )


def _items_and_times(cube: xr.Dataset | xr.DataArray, plan: Plan) -> tuple[tuple[str, ...], list[np.datetime64]]:
    """Return the items that a cube holds, and their times.

    The cube's own ``item_ids`` know best: they follow every selection, and joining two cubes joins them. A result with
    times of its own (a monthly mean) has none; all that was loaded went into it.
    """
    if "item_ids" in cube.coords and "time" in cube.coords:
        ids = ";".join(np.atleast_1d(cube["item_ids"].values).astype(str)).split(";")
        return tuple(dict.fromkeys(filter(None, ids))), list(np.atleast_1d(cube["time"].values))
    steps = _own_steps(cube, plan)
    return tuple(scene.item_id for step in steps for scene in step.scenes), [step.time for step in steps]
