"""A layer of a map: data of a tile source in colours."""

from __future__ import annotations

import html
import math
import re
import threading
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from traitlets import Any as AnyTrait
from traitlets import CInt, Float, Unicode, observe, validate

from terrascope_nb.errors import CubeError, TerrascopeError, TerrascopeWarning
from terrascope_nb.maps.looks import Look, ends_beside, look_of
from terrascope_nb.maps.tiles import TilePainter
from terrascope_nb.raster.tiling import Bounds, PixelValue, TileAddress, TileSource, tiles_over
from terrascope_nb.widgets.live_map.kernel_tiles import KernelTiles
from terrascope_nb.widgets.live_map.tile_channel import painters
from terrascope_nb.widgets.live_map.view_bounds import common_bounds, span, touches
from terrascope_nb.words import say

__all__ = ["RasterLayer"]

_ZONE = re.compile(r"T.*(Z|[+-]\d\d:?\d\d)$")


class _Opacity(Float[float, Any]):
    """A share from 0 to 1; anything else is refused with what to give instead, so that what there was stays."""

    def validate(self, _obj: Any, value: Any) -> float:
        """Return the share as a plain number."""
        return _checked_opacity(value)


class RasterLayer(KernelTiles):
    """Data on a map, painted in the kernel from the overviews of files or from an array.

    Parameters
    ----------
    source : TileSource
        See `terrascope_nb.widgets.live_map.sources.tile_source`.
    cmap, vmin, vmax, percentiles
        See `set_look`; without them the product's style holds.
    time : int or str or numpy.datetime64, optional
        Index in `times`, or a date of which the nearest is taken; the last by default.
    cache_mb : float
        Megabytes of pixels kept, so that another look is painted without reading.
    **traits
        As of `ipyleaflet.TileLayer`: ``name``, ``opacity``, ``visible`` …

    Attributes
    ----------
    source : TileSource
    painter : TilePainter
    made_of : Any
        What the map was given to draw.
    named : bool
        Whether a person chose the name.
    replaced_by : RasterLayer or None
        What took its place on the map.
    is_twin : bool
        Whether a tool made it of another layer.
    """

    opacity = _Opacity(1.0).tag(sync=True)
    time_index = CInt(-1, help="Which of `times` is shown; negative counts from the end.")
    cmap = Unicode(help="Name of the colour map; empty for classes and colour pictures.")
    vmin = AnyTrait(help="Value in the first colour, or one per band; setting it paints again.")
    vmax = AnyTrait(help="Value in the last colour, or one per band; setting it paints again.")

    def __init__(
        self,
        source: TileSource,
        *,
        cmap: Any = None,
        vmin: Any = None,
        vmax: Any = None,
        percentiles: tuple[float, float] | None = None,
        time: Any = None,
        cache_mb: float = 64,
        **traits: Any,
    ) -> None:
        self.source = source
        self.made_of: Any = None
        self.named = False
        self.replaced_by: RasterLayer | None = None
        self.is_twin = False
        _checked_opacity(traits.get("opacity", 1.0))  # before anything is read
        index = time_index_of(source, time)
        look = look_of(source, cmap=cmap, vmin=vmin, vmax=vmax, percentiles=percentiles, time=index)
        self.painter = TilePainter(source, look, cache_mb=cache_mb)
        self._follows_look = False
        west, south, east, north = source.bounds
        traits.setdefault("name", source.name)
        traits.setdefault("attribution", html.escape(source.attribution))  # leaflet takes it as HTML
        super().__init__(
            bounds=[[south, west], [north, east]], min_native_zoom=source.min_zoom, max_native_zoom=source.max_zoom,
            **traits,
        )  # fmt: skip
        self._show_look()
        if index is not None:
            self.time_index = index
        if vmin is not None or vmax is not None:
            self._warn_of_ends()

    @property
    def times(self) -> tuple[np.datetime64, ...]:
        """UTC times that can be shown."""
        return self.source.times

    @property
    def time(self) -> np.datetime64 | None:
        """The time that is shown; None for data without dates."""
        return self.times[self._index] if self._index is not None else None

    @property
    def look(self) -> Look:
        """How values become colours."""
        return self.painter.look

    def set_look(
        self, *, cmap: Any = None, vmin: Any = None, vmax: Any = None, percentiles: tuple[float, float] | None = None
    ) -> None:
        """Paint with other colours or ends, from the pixels that were read already.

        Parameters
        ----------
        cmap : str or matplotlib Colormap, optional
        vmin, vmax : float, or three for a colour picture, optional
            In the unit of the legend: decibels where `look` says ``decibel``, as for radar backscatter.
        percentiles : (low, high), optional
            0-100, of the time that is shown.

        Raises
        ------
        CubeError
            An unknown colour map, or ends that run backwards.
        """
        if percentiles is not None:
            found = look_of(self.source, percentiles=percentiles, time=self._index)
            vmin, vmax = found.vmin if vmin is None else vmin, found.vmax if vmax is None else vmax
        self.show_look(self.look.with_changes(cmap=cmap, vmin=vmin, vmax=vmax))
        if vmin is not None or vmax is not None:
            self._warn_of_ends()

    def show_look(self, look: Look) -> None:
        """Paint with a look that another layer has, or that this one had."""
        self.painter.set_look(look)
        self._show_look()
        self.repaint()

    def value_at(self, lon: float, lat: float) -> PixelValue:
        """Return what the file's own pixel at a place holds, at the time that is shown.

        Where the legend is in decibels ``text`` says both: decibels, and the linear ``value``.
        """
        found = self.source.value_at(lon, lat, time=self._index)
        if not self.look.decibel or not isinstance(found.value, (int, float)):
            return found
        linear = f"{found.value:.5g}"
        if found.value <= 0:
            return replace(found, text=say("{value} linear, no decibels", value=linear))
        decibels = f"{10 * math.log10(found.value):.2f}"
        return replace(found, text=say("{decibels} dB ({value} linear)", decibels=decibels, value=linear))

    def prefetch(self, time_index: int, bounds: Bounds | None = None, zoom: int | None = None) -> None:
        """Read a view at another time into the cache, in the background.

        Parameters
        ----------
        time_index : int
        bounds : (west, south, east, north), optional
            The view; the whole layer by default.
        zoom : int, optional
            The zoom of the map; the coarsest of the layer by default.
        """
        z = min(max(zoom if zoom is not None else self.source.min_zoom, self.source.min_zoom), self.source.max_zoom)
        index = self._checked(time_index)
        for tile in tiles_over(bounds or self.source.bounds, z)[:64]:
            painters().submit(self._keep, tile, index)

    def paint(self, tile: TileAddress, cancel: threading.Event) -> bytes | None:
        """Return a tile as PNG, or None beside the data."""
        if not touches(tile.bounds_lonlat, self.source.bounds):
            return None
        return self.painter.png(tile, self._index, cancel)

    def still(self, bounds: Bounds, size: int) -> tuple[bytes, Bounds] | None:
        """Return a PNG of the part of some bounds that holds data."""
        part = common_bounds(bounds, self.source.bounds)
        if part is None:
            return None
        share = max(span(part)) / max(span(bounds))
        return self.painter.overlay(part, max(int(size * share * 0.999), 1), self._index)

    def describe(self) -> str:
        """Return what the layer shows, in words: name, date, classes or range of the colours."""
        look, parts = self.look, [self.name]
        if self.time is not None:
            day = np.datetime_as_string(self.time.astype("datetime64[s]"), unit="m").replace("T", " ")
            number, count = self.time_index % len(self.times) + 1, len(self.times)
            parts.append(say("{day} UTC, date {number} of {count}", day=day, number=number, count=count))
        if look.classes is not None:
            parts.append(say("{count} classes", count=len(look.classes.names)))
        elif look.kind == "rgb":
            parts.append(say("colours from {bands}", bands=", ".join(look.bands)))
        else:
            low, high = f"{look.vmin:.6g}", f"{look.vmax:.6g}"
            parts.append(
                say("{label}: {low} to {high}, colours {cmap}", label=look.label, low=low, high=high, cmap=look.cmap)
            )
        if self.opacity < 1:
            parts.append(say("opacity {percent} %", percent=round(100 * self.opacity)))
        if not self.visible:
            parts.append(say("hidden"))
        if self.error:
            parts.append(self.error)
        return ", ".join(parts)

    def _show_look(self) -> None:
        """Let the traits say what the look is."""
        look = self.look
        self._follows_look = True
        try:
            with self.hold_trait_notifications():
                self.cmap = look.cmap if look.kind == "measurement" else ""
                self.vmin, self.vmax = (None, None) if look.kind == "classes" else (look.vmin, look.vmax)
        finally:
            self._follows_look = False

    def _warn_of_ends(self) -> None:
        """Say that ends in decibels lie beside the values, as those of linear power do."""
        try:
            said = ends_beside(self.source, self.look, self._index)
        except (TerrascopeError, OSError):
            return  # what cannot be read says so where it is drawn
        if said:
            warnings.warn(said, TerrascopeWarning, stacklevel=4)

    @validate("cmap", "vmin", "vmax")
    def _fit_look(self, proposal: Any) -> Any:
        """Refuse a look that cannot be before the trait has it, so that what there was stays."""
        if not self._follows_look:
            self.look.with_changes(**{proposal["trait"].name: proposal["value"]})
        return proposal["value"]

    @observe("cmap", "vmin", "vmax")
    def _on_look_trait(self, change: Any) -> None:
        if not self._follows_look and change["new"] != getattr(self.look, change["name"]):
            self.set_look(**{change["name"]: change["new"]})

    @validate("time_index")
    def _fit_time(self, proposal: Any) -> int:
        """Refuse a time that is not there before the trait has it, so that the old one stays."""
        self._checked(proposal["value"])
        return int(proposal["value"])

    @observe("time_index")
    def _on_time(self, _change: Any) -> None:
        self.repaint()

    @property
    def _index(self) -> int | None:
        return self._checked(self.time_index) if self.times else None

    def _checked(self, index: int) -> int:
        count = len(self.times)
        if count and not -count <= index < count:
            raise CubeError(f"time_index={index} is asked for, but {self.name} has {count} times: 0 to {count - 1}.")
        return index % count if count else 0

    def _keep(self, tile: TileAddress, index: int) -> None:
        self.painter.pixels(tile, index if self.times else None)


def time_index_of(source: TileSource, time: Any) -> int | None:
    """Return the index of a time, given as index or as a date of which the nearest is meant; None without dates."""
    if not source.times:
        return None
    count = len(source.times)
    if time is None:
        return count - 1
    if isinstance(time, (int, np.integer)):
        if not -count <= time < count:
            raise CubeError(f"time={time} is asked for, but {source.name} has {count} times: 0 to {count - 1}.")
        return int(time) % count
    try:
        wanted = np.datetime64(_in_utc(time), "ns")
    except (TypeError, ValueError) as error:
        raise CubeError(f"time={time!r} is neither a date such as '2024-06-01' nor an index.") from error
    if np.isnat(wanted):
        raise CubeError(f"time={time!r} is no date; give one such as '2024-06-01', or an index.")
    apart = [abs((one.astype("datetime64[ns]") - wanted).astype("int64")) for one in source.times]
    return int(np.argmin(apart))


def _in_utc(time: Any) -> Any:
    """Return a time without its zone, as it is in UTC; numpy knows no zones."""
    if isinstance(time, str) and _ZONE.search(time):
        time = datetime.fromisoformat(time)
    if isinstance(time, datetime) and time.tzinfo is not None:
        return time.astimezone(UTC).replace(tzinfo=None)
    return time


def _checked_opacity(opacity: Any) -> float:
    if not isinstance(opacity, (int, float, np.number)) or not 0 <= opacity <= 1:
        raise CubeError(
            f"opacity={opacity!r} is asked for; give a share from 0 (not seen) to 1 (nothing seen through)."
        )
    return float(opacity)
