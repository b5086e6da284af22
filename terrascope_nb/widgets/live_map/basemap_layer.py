"""The offline basemap below or above the data of a map, as a layer."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import numpy as np

from terrascope_nb.maps.basemap import ATTRIBUTION, Basemap, fit_bounds
from terrascope_nb.maps.tiles import encode_png
from terrascope_nb.raster.tiling import Bounds, TileAddress
from terrascope_nb.widgets.live_map.kernel_tiles import KernelTiles
from terrascope_nb.widgets.live_map.tile_channel import ground_painters
from terrascope_nb.widgets.live_map.view_bounds import span
from terrascope_nb.words import say

__all__ = ["BasemapLayer"]


class BasemapLayer(KernelTiles):
    """Land, water, borders and names, painted in the kernel: no address is asked.

    Parameters
    ----------
    dark, labels, ground : bool
        As of `terrascope_nb.maps.basemap.Basemap.png`; without ``ground`` names alone lie above imagery.
    follows : bool
        A map may set `dark` as the theme of the lab changes.
    """

    pool = staticmethod(ground_painters)

    def __init__(
        self, *, dark: bool = False, labels: bool = True, ground: bool = True, follows: bool = False, **traits: Any
    ) -> None:
        self.basemap = _shared_basemap()
        self.follows = follows
        self._choices = {"dark": dark, "labels": labels, "ground": ground}
        traits.setdefault("name", say("Map") if ground else say("Names"))
        traits.setdefault("attribution", ATTRIBUTION)
        traits.setdefault("base", ground)
        super().__init__(max_native_zoom=self.basemap.max_zoom, **traits)

    @property
    def dark(self) -> bool:
        """True when it is painted for a dark theme; setting it paints it again."""
        return self._choices["dark"]

    @dark.setter
    def dark(self, dark: bool) -> None:
        if dark != self._choices["dark"]:
            self._choices = {**self._choices, "dark": dark}
            self.repaint()

    @property
    def choices(self) -> dict[str, bool]:
        """What it draws: ``dark``, ``labels``, ``ground``."""
        return dict(self._choices)

    def paint(self, tile: TileAddress, cancel: threading.Event) -> bytes | None:  # noqa: ARG002 each tile takes ~10 ms
        """Return a tile as PNG."""
        return self.basemap.png(tile, **self._choices)

    def still(self, bounds: Bounds, size: int) -> tuple[bytes, Bounds] | None:
        """Return a PNG of some bounds."""
        width, height = span(bounds)
        scale = size / max(width, height)
        shape = max(round(width * scale), 1), max(round(height * scale), 1)
        picture = self.basemap.picture(bounds, shape, **self._choices)
        return encode_png(np.asarray(picture)), fit_bounds(bounds, shape)


@lru_cache(maxsize=1)
def _shared_basemap() -> Basemap:
    """Return the one basemap of this process: what one map painted serves the next."""
    return Basemap()
