"""Results as a table: sortable, each row kept or dropped, and lit together with its footprint in the page itself."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Iterable
from typing import Any

import anywidget
import traitlets
from ipywidgets import Widget, widget_serialization

from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.items_text import show_text
from terrascope_nb.errors import TerrascopeWarning
from terrascope_nb.widgets.parts.page_files import STATIC, module_of
from terrascope_nb.words import say

_HOVER = {"weight": 4, "fillOpacity": 0.25}


def table_words() -> dict[str, str]:
    """Return the fixed words of the table; the page fills in what stands in braces."""
    return {
        "title": say("Scenes found"),
        "keep": say("Keep"),
        "keep_one": say("Keep {item}"),
        "time": say("Time (UTC)"),
        "tile": say("Tile"),
        "version": say("Version"),
        "platform": say("Satellite"),
        "cloud": say("Cloud %"),
        "coverage": say("Area covered %"),
        "access": say("Read from"),
        "id": say("Scene"),
        "summary": say("{kept} of {count} scenes kept"),
        "here": say("{count} scenes lie at this place:"),
        "all": say("Show all scenes"),
        "sort": say("Sort by {column}"),
        "local": say("this machine"),
        "https": "HTTPS",
        "missing": say("nowhere"),
        "untrusted": say("outside the archive"),
        "none": say("No scene was found."),
    }


class ResultsTable(anywidget.AnyWidget):
    """The scenes of a search as an accessible table.

    Parameters
    ----------
    items : Items
        What `search` found.
    footprints : Footprints, optional
        The layer whose outlines light up with the rows, and rows with them; the page does that by itself, with no word
        to the kernel.

    Examples
    --------
    >>> import terrascope_nb as ts                                                     # doctest: +SKIP
    >>> table = ResultsTable(ts.search("s2-ndvi", "Assenede", "2018-06"))               # doctest: +SKIP
    """

    _esm = module_of("keys.js", "nodes.js", "results.js")
    _css = STATIC / "results.css"

    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    """One entry a scene: id, time, tile, version, platform, cloud, coverage, access."""
    highlighted = traitlets.Unicode("").tag(sync=True)
    """Id of the scene that is lit, in the table and on the map; set it to light one from Python."""
    dropped = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Ids of the scenes that are left out."""
    here = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Ids of all scenes under the last click on the map; empty: the table shows all."""
    layer = traitlets.Instance(Widget, allow_none=True).tag(sync=True, **widget_serialization)
    """The layer with the footprints."""
    map = traitlets.Instance(Widget, allow_none=True).tag(sync=True, **widget_serialization)
    """The map it lies on."""
    hover_style = traitlets.Dict(_HOVER).tag(sync=True)
    """How a lit footprint is drawn."""
    words = traitlets.Dict().tag(sync=True)
    """What headings say, in the reader's language."""

    def __init__(self, items: Items | None = None, *, footprints: Any = None, map: Any = None, **traits: Any) -> None:  # noqa: A002 - the word of every widget that stands beside a map
        super().__init__(words=table_words(), layer=footprints, map=map, **traits)
        self.items = Items(())
        if items is not None:
            self.show_items(items)

    def show_items(self, items: Items, dropped: Collection[str] = ()) -> None:
        """Show other items."""
        self.items = items
        with self.hold_sync():
            self.highlighted, self.here, self.dropped = "", [], list(dropped)
            self.rows = [_row(items.row(item)) for item in items]

    @property
    def selected(self) -> tuple[str, ...]:
        """Ids of the scenes that are kept, in the order they were found."""
        gone = set(self.dropped)
        return tuple(item.id for item in self.items if item.id not in gone)

    @property
    def kept(self) -> Items:
        """The items that are kept."""
        return self.items.without(*self.dropped)

    def drop(self, *ids: str) -> None:
        """Leave scenes out."""
        known, unknown = self.items.meant(ids)
        if unknown:
            warnings.warn(
                f"{', '.join(unknown)} is none of the {len(self.items)} scenes that were found, so nothing was dropped for it.",
                TerrascopeWarning,
                stacklevel=2,
            )
        self.dropped = [*self.dropped, *(one for one in known if one not in self.dropped)]

    def keep(self, *ids: str) -> None:
        """Take scenes in again."""
        self.dropped = [one for one in self.dropped if one not in ids]

    def show_here(self, ids: Iterable[str]) -> None:
        """Show only these scenes, as a click on the map does; nothing = all."""
        self.here = list(ids)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/plain"] = show_text(self.items)
            data["text/html"] = self.items._repr_html_()
        return bundle


def _row(row: dict[str, Any]) -> dict[str, Any]:
    shown = {key: row[key] for key in ("id", "tile", "version", "platform", "access")}
    shown["time"] = row["time"].strftime("%Y-%m-%d %H:%M") if row["time"] else ""
    for key in ("cloud", "coverage"):
        shown[key] = None if math.isnan(row[key]) else round(row[key], 1)
    return shown
