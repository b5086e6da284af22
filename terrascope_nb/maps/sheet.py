"""What a picture of a map shows: bounds, layers with their dates, outlines, basemap, title; and what follows from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from terrascope_nb.errors import CubeError
from terrascope_nb.maps.basemap import ATTRIBUTION, Basemap, fit_bounds
from terrascope_nb.maps.sources import attribution_of
from terrascope_nb.maps.tiles import TilePainter
from terrascope_nb.raster.tiling import Bounds
from terrascope_nb.words import say

__all__ = ["MapSheet", "Outline", "SheetLayer", "check_size"]


@dataclass(frozen=True, slots=True)
class Outline:
    """Shapes drawn as lines."""

    geojson: Mapping[str, Any]
    """A geometry, a Feature or a FeatureCollection in longitude and latitude."""
    colour: str = "#1a1a1a"
    """``#rrggbb``."""
    width: float = 2.0
    """Pixels."""
    name: str = ""
    """What a person calls it; shown in the legend."""


@dataclass(frozen=True, slots=True)
class SheetLayer:
    """Data on a sheet."""

    painter: TilePainter
    """Source and look."""
    time: int | None = None
    """Index of the source's times; None = the last."""
    opacity: float = 1.0
    """0 to 1."""
    name: str = ""
    """What a person calls it; the source's name when empty."""

    @property
    def title(self) -> str:
        """Name for people."""
        return self.name or self.painter.source.name

    @property
    def date(self) -> np.datetime64 | None:
        """UTC time that is drawn."""
        times = self.painter.source.times
        return times[-1 if self.time is None else self.time] if times else None


@dataclass(frozen=True, slots=True)
class MapSheet:
    """All that a picture of a map shows."""

    bounds: Bounds
    """West, south, east, north in degrees; more is shown where the size has another shape."""
    size: tuple[int, int] = (900, 600)
    """Pixels of the map, without title and legend."""
    layers: tuple[SheetLayer, ...] = ()
    """From the lowest to the highest."""
    outlines: tuple[Outline, ...] = ()
    """Drawn above the data."""
    basemap: Basemap | None = None
    """Below the data; None = plain grey."""
    dark: bool = False
    """For a dark theme."""
    names_above: bool = False
    """Borders and names above the data."""
    title: str = ""
    """Chosen from the layers when empty."""
    notes: tuple[str, ...] = ()
    """Sentences that stand below the map and in its text twin."""
    moving: int | None = None
    """Number of the layer that a time lapse moves through time; its legend and sources then hold for ``times``."""
    times: tuple[int, ...] = ()
    """Indices of the times that it shows."""

    def __post_init__(self) -> None:
        check_size(self.size)

    def dates_of(self, number: int) -> list[np.datetime64]:
        """Return the UTC times that a layer shows."""
        layer = self.layers[number]
        if number == self.moving:
            return [layer.painter.source.times[time] for time in self.times]
        return [] if layer.date is None else [layer.date]

    @property
    def shown_bounds(self) -> Bounds:
        """What the map shows: west, south, east, north in degrees."""
        return fit_bounds(self.bounds, self.size)

    @property
    def heading(self) -> str:
        """The title, or the names of the layers."""
        return self.title or ", ".join(dict.fromkeys(layer.title for layer in self.layers)) or say("Map")

    @property
    def dates(self) -> tuple[str, ...]:
        """The days that are drawn, ISO, UTC."""
        times = [time for number in range(len(self.layers)) for time in self.dates_of(number)]
        return tuple(dict.fromkeys(str(np.datetime_as_string(time, unit="D")) for time in times))

    @property
    def attribution(self) -> str:
        """Where the data and the basemap come from, with the years of what is drawn."""
        return " · ".join(self.sources)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sentences of `attribution`, each once."""
        found = []
        for number, layer in enumerate(self.layers):
            source = layer.painter.source
            attrs = {**source.attrs, "attribution": source.attribution} if source.attribution else source.attrs
            # Without a date the place of the years stays empty.
            found.append(re.sub(r"\s+(?=[,.;])", "", attribution_of(attrs, self.dates_of(number))))
        if self.basemap is not None or self.names_above:
            found.append(ATTRIBUTION)
        return tuple(dict.fromkeys(sentence for sentence in found if sentence))


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return a size in pixels that a picture can have.

    Raises
    ------
    CubeError
        Less than 100 or more than 10 000 pixels wide or high.
    """
    width, height = (int(side) for side in size)
    if not (100 <= width <= 10_000 and 100 <= height <= 10_000):
        raise CubeError(f"size={size} was asked for; width and height are between 100 and 10000 pixels.")
    return width, height
