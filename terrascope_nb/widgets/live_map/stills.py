"""Pictures of what a map shows, for wherever no browser draws it: saved notebooks, and labs without our extension."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from terrascope_nb.raster.tiling import Bounds
from terrascope_nb.widgets.live_map.kernel_tiles import KernelTiles
from terrascope_nb.widgets.live_map.map_notes import MapNotes
from terrascope_nb.widgets.live_map.picture import Still, compose
from terrascope_nb.widgets.live_map.tile_channel import painters, reason_of
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map

__all__ = ["MapStills"]


class MapStills:
    """Paints the layers of a map as pictures of its view; layers that fail are said on the map."""

    def __init__(self, shown: Map, notes: MapNotes) -> None:
        self._map = shown
        self._notes = notes
        self._lock = threading.Lock()
        self._wanted = False

    def paint(self, view: Bounds) -> list[tuple[KernelTiles, Still | None]]:
        """Return each visible layer with its picture of a view; None = it failed."""
        shown = self._map
        size = max(shown.pixels)
        found: list[tuple[KernelTiles, Still | None]] = []
        for layer in shown.layers:
            if isinstance(layer, KernelTiles) and layer.visible:
                try:
                    found.append((layer, layer.still(view, size)))
                    self._notes.tell(layer.model_id, "")
                except Exception as error:  # noqa: BLE001 one layer that fails is said on the map, the others are shown
                    found.append((layer, None))
                    self._notes.tell(layer.model_id, say("{name}: {reason}", name=layer.name, reason=reason_of(error)))
        return found

    def compose(self, view: Bounds, stills: list[tuple[KernelTiles, Still | None]]) -> bytes:
        """Return a PNG of the whole map: those pictures, the outlines of vector layers, the attribution."""
        shown = self._map
        others = [one for one in (*shown.layers, *shown.controls) if not isinstance(one, KernelTiles)]
        return compose(view, shown.pixels, stills, others)

    def keep(self, stills: list[tuple[KernelTiles, Still | None]]) -> None:
        """Leave the pictures with their layers, which show them where nothing is live."""
        for layer, still in stills:
            layer.keep_still(still, live=self._map.is_live)

    def follow(self) -> None:
        """Paint the present view anew on a thread of its own, once however often it is asked before it begins."""
        with self._lock:
            if self._wanted:
                return
            self._wanted = True
        painters().submit(self._follow)

    def _follow(self) -> None:
        with self._lock:
            self._wanted = False
        if not self._map.is_live:
            self.keep(self.paint(self._map.view_bounds))
