"""The jobs that are timed: which items, which area, what is asked. Areas are drawn at random from a seed."""

from __future__ import annotations

import datetime as dt
import math
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import scenes

KEEP = (4, 5, 6, 7)
"""Classes of the scene classification that the mask keeps: vegetation, soil, water, unclassified."""

TITLES = {
    "W1": "first pixel: NDVI of 2 x 2 km, 1 date",
    "W2": "masked mean NDVI of 5 x 5 km, {dates} dates",
    "W3": "masked median composite, 4 bands, {km:g} x {km:g} km, {dates} dates",
    "W4": "maximum NDVI, whole tile, {dates} dates",
    "W5": "masked mean NDVI of {fields} fields, {dates} dates",
    "W6": "quick look of a whole tile, 3 bands at {pixel:g} m",
    "W7a": "masked median NDVI over the seam of two tiles, {km:g} x {km:g} km, {dates} dates",
    "W7b": "the same on a grid of 16 m in EPSG:3857",
    "W8": "W2 over HTTP, 20 ms per request",
    "W9": "Sentinel-1: mean of {dates} dates in dB, VV and VH, 10 x 10 km",
    "graph": "graph of {dates} items x 5 bands over a whole tile (no pixel read)",
}


@dataclass(frozen=True)
class Case:
    """One workload with its area drawn."""

    name: str
    title: str
    items: list[dict[str, Any]]
    """STAC items as dictionaries; hrefs are local paths or addresses."""
    bands: tuple[str, ...]
    """Bands that are asked for, without the quality band."""
    bounds: tuple[float, float, float, float]
    """Left, bottom, right, top in EPSG:32631 (W7b: in EPSG:3857)."""
    root: Path
    """The archive."""
    masked: bool = False
    epsg: int = 32631
    pixel: float = 10
    fields: tuple[tuple[tuple[float, float], ...], ...] = ()
    """Corners of the fields of W5, in EPSG:32631."""
    level: int = 0
    """Overview whose pixels these are; 0 = full resolution."""
    threads: int = 2
    """Threads that tools may use where they do not choose themselves."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the grid."""
        left, bottom, right, top = self.bounds
        # An overview of an odd number of pixels has half of one less.
        return int((top - bottom) / self.pixel + 1e-6), int((right - left) / self.pixel + 1e-6)

    @property
    def is_remote(self) -> bool:
        """True when the files lie behind HTTP."""
        return self.name == "W8"


@dataclass(frozen=True)
class _Scale:
    """How much of each workload is done."""

    w3_km: float
    w3_dates: int
    w4_dates: int
    fields: int
    field_dates: int
    w7_km: float
    w7_dates: int


_SCALES = {
    "small": _Scale(10, 12, 6, 200, 8, 10, 12),
    "full": _Scale(20, 24, 6, 1000, 24, 10, 12),
}


def make_case(name: str, root: Path, size: scenes.Size, seed: int, base: str = "", threads: int = 2) -> Case:
    """Return a workload with the area of a seed; ``base`` is the address of the server of W8."""
    draw, scale = random.Random(f"{name[:2]} {seed}"), _SCALES[size.name]
    items = scenes.read_items(root)
    fine = [item for item in items if "_31UFS_" in item["id"]]
    west = [item for item in items if "_31UES_" in item["id"]]
    tile = (scenes.LEFT, scenes.TOP - 10 * size.side, scenes.LEFT + 10 * size.side, scenes.TOP)
    ndvi, place = ("B04", "B08"), _Place(draw, tile)
    kind = name[:2] if name != "graph" else name
    if kind == "W1":
        clear = [item for n, item in enumerate(fine) if n % size.dates in (0, 1, 5)]
        case = Case(name, "", [draw.choice(clear)], ndvi, place.square(2), root)
    elif kind in ("W2", "W8"):
        draw = random.Random(f"W2 {seed}")
        case = Case(name, "", fine[:60], ndvi, _Place(draw, tile).square(5), root, masked=True)
    elif kind == "W3":
        case = Case(name, "", fine[: scale.w3_dates], scenes.BANDS, place.square(scale.w3_km), root, masked=True)
    elif kind == "W4":
        case = Case(name, "", fine[: scale.w4_dates], ndvi, tile, root)
    elif kind == "W5":
        fields = _fields(draw, tile, scale.fields)
        case = Case(name, "", fine[: scale.field_dates], ndvi, tile, root, masked=True, fields=fields)
    elif kind == "W6":
        pixel = 10 * 2**size.look
        case = Case(name, "", [draw.choice(fine)], ("B04", "B03", "B02"), tile, root, pixel=pixel, level=size.look)
    elif kind == "W7":
        both = west[: scale.w7_dates] + fine[: scale.w7_dates]
        edge = tile[0] + 10 * scenes.OVERLAP  # of the western tile
        seam = (edge - 5000, tile[1], edge + 5000, tile[3])
        case = Case(name, "", both, ndvi, _Place(draw, seam).square(scale.w7_km), root, masked=True)
        if name == "W7b":
            case = _in_mercator(case)
    elif kind == "W9":
        radar = [item for item in items if item["collection"] == scenes.S1]
        middle = (tile[0] + 1000, tile[1] + 12000, tile[0] + 19000, tile[3] - 2000)
        case = Case(name, "", radar, ("VV", "VH"), _Place(draw, middle).square(10), root)
    elif kind == "graph":
        case = Case(name, "", _as_many(fine, 500, size), (*scenes.BANDS, "SCL"), tile, root)
    else:
        raise KeyError(name)
    km = (case.bounds[2] - case.bounds[0]) / 1000 if name != "W7b" else scale.w7_km
    dates = len({item["properties"]["datetime"] for item in case.items})
    title = TITLES[name].format(dates=dates, km=km, fields=len(case.fields), pixel=case.pixel)
    return replace(case, title=title, items=_placed(case.items, base or str(root)), threads=threads)


class _Place:
    """Draws squares inside a box, edges on multiples of 20 m."""

    def __init__(self, draw: random.Random, box: tuple[float, float, float, float]) -> None:
        self._draw, self._box = draw, box

    def square(self, km: float) -> tuple[float, float, float, float]:
        left, bottom, right, top = self._box
        x = left + 20 * self._draw.randint(0, max(0, int((right - left - 1000 * km) // 20)))
        y = bottom + 20 * self._draw.randint(0, max(0, int((top - bottom - 1000 * km) // 20)))
        return x, y, x + 1000 * km, y + 1000 * km


_Ring = tuple[tuple[float, float], ...]


def _fields(draw: random.Random, tile: tuple[float, float, float, float], count: int) -> tuple[_Ring, ...]:
    """Return the corners of rotated rectangles of one to nine hectares that do not overlap."""
    taken: dict[tuple[int, int], _Ring] = {}
    while len(taken) < count:
        x, y = draw.uniform(tile[0] + 500, tile[2] - 500), draw.uniform(tile[1] + 500, tile[3] - 500)
        cell = int(x // 500), int(y // 500)
        # One per cell of 500 m, and none that reaches out of it, so no two can meet.
        taken.setdefault(cell, _field(draw, 500 * cell[0] + 250, 500 * cell[1] + 250))
    return tuple(taken.values())


def _field(draw: random.Random, x: float, y: float) -> _Ring:
    wide, high, turn = draw.uniform(80, 400), draw.uniform(60, 250), draw.uniform(0, math.pi)
    c, s = math.cos(turn), math.sin(turn)
    corners = ((-wide, -high), (wide, -high), (wide, high), (-wide, high), (-wide, -high))
    return tuple((round(x + (c * u - s * v) / 2, 2), round(y + (s * u + c * v) / 2, 2)) for u, v in corners)


def _in_mercator(case: Case) -> Case:
    from pyproj import Transformer

    bounds = Transformer.from_crs(32631, 3857, always_xy=True).transform_bounds(*case.bounds)
    left, bottom, right, top = (16.0 * round(edge / 16.0) for edge in bounds)
    return replace(case, bounds=(left, bottom, right, top), epsg=3857, pixel=16)


def _as_many(items: list[dict[str, Any]], count: int, size: scenes.Size) -> list[dict[str, Any]]:
    """Return items of further dates that lead to the same files."""
    first = dt.datetime(2018, 1, 1, 10, 46, 19, tzinfo=dt.UTC)
    return [
        scenes.tile_item(
            size, "31UFS", first + dt.timedelta(days=5 * n),
            {key: asset["href"] for key, asset in items[n % len(items)]["assets"].items()},
        )
        for n in range(count)
    ]  # fmt: skip


def _placed(items: list[dict[str, Any]], base: str) -> list[dict[str, Any]]:
    return [
        {**item, "assets": {k: {**a, "href": a["href"].replace("{root}", base)} for k, a in item["assets"].items()}}
        for item in items
    ]
