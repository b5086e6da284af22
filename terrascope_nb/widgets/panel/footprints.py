"""The outlines of items as one layer of a map, lit by the page itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipyleaflet
import shapely
from shapely.geometry import mapping

from terrascope_nb.catalogue.item_facts import time_of
from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.sources import footprint_of
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map

_STYLE = {"color": "#d81b60", "weight": 1.5, "opacity": 0.9, "fillOpacity": 0.0}
_LIT = {"color": "#d81b60", "weight": 4, "opacity": 1.0, "fillOpacity": 0.25}


class Footprints(ipyleaflet.GeoJSON):  # type: ignore[misc]  # ipyleaflet is untyped
    """Outlines of items on an ipyleaflet map; one under the pointer is lit with no word to the kernel.

    Outlines are not filled: of a hundred scenes of one tile the ground stays in sight.

    Parameters
    ----------
    items : Items
        What `search` found; an item without a footprint has no outline.

    Examples
    --------
    >>> import terrascope_nb as ts                                                     # doctest: +SKIP
    >>> m.add(Footprints(ts.search("s2-ndvi", "Assenede", "2018-06")))                  # doctest: +SKIP
    """

    def __init__(self, items: Items | None = None, **traits: Any) -> None:
        super().__init__(data=_data(Items(())), hover_style=_LIT, name=say("Footprints"), **traits)
        self.items = Items(())
        self._ids: list[str] = []
        self._tree: shapely.STRtree | None = None
        if items is not None:
            self.show_items(items)

    def show_items(self, items: Items) -> None:
        """Show other items."""
        self.items = items
        known = [(item.id, outline) for item in items if (outline := footprint_of(item)) is not None]
        self._ids = [item_id for item_id, _ in known]
        self._tree = shapely.STRtree([outline for _, outline in known])
        self.data = _data(items)

    def at(self, lon: float, lat: float) -> tuple[str, ...]:
        """Return the ids of all scenes whose outline holds a point, in the order they were found."""
        if self._tree is None:
            return ()
        found = self._tree.query(shapely.Point(lon, lat), predicate="intersects")
        return tuple(self._ids[number] for number in sorted(found))


def look_at(shown: Map, items: Items) -> None:
    """Move a map to where items are; items without a box leave it where it is."""
    boxes = [item.bbox for item in items if item.bbox]
    if boxes:
        from terrascope_nb.widgets.live_map.picture import view_of_bounds  # Pillow, which the map has loaded anyway

        west, south, east, north = zip(*boxes, strict=True)
        shown.center, shown.zoom = view_of_bounds((min(west), min(south), max(east), max(north)), (600, 480))


def _data(items: Items) -> dict[str, Any]:
    features = []
    for item in items:
        outline = footprint_of(item)
        if outline is None:
            continue
        moment = time_of(item)
        features.append(
            {
                "type": "Feature",
                "id": item.id,
                "geometry": mapping(outline),
                # The map reads the style of each outline from here.
                "properties": {"time": moment.isoformat() if moment else "", "style": _STYLE},
            }
        )
    return {"type": "FeatureCollection", "features": features}
