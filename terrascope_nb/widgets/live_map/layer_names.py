"""Names of layers as the page gets them: leaflet puts them into its list of layers as HTML, so they may hold no markup."""

from __future__ import annotations

import re
from typing import Any

import ipyleaflet
from traitlets import Unicode

__all__ = ["NamedGeoJSON", "NamedOverlay", "NamedTiles", "harmless", "layer_name"]

_MARKUP = str.maketrans({"<": "‹", ">": "›"})
_REFERENCE = re.compile(r"&(?=#|\w+;)")


def harmless(name: str) -> str:
    """Return a name that reads the same as text and as HTML.

    >>> harmless("a <b> & c &lt;")
    'a ‹b› & c ＆lt;'
    """
    return _REFERENCE.sub("＆", name.translate(_MARKUP))


def _to_json(name: str, _layer: Any) -> str:
    return harmless(name)


def layer_name() -> Any:
    """Return the trait ``name`` of a layer, which keeps what a person wrote and sends what is harmless."""
    return Unicode("").tag(sync=True, to_json=_to_json)


class NamedGeoJSON(ipyleaflet.GeoJSON):  # type: ignore[misc]
    """Shapes whose name may come from a file or a catalogue."""

    name = layer_name()


class NamedOverlay(ipyleaflet.ImageOverlay):  # type: ignore[misc]
    """A picture whose name may come from a file or a catalogue."""

    name = layer_name()


class NamedTiles(ipyleaflet.TileLayer):  # type: ignore[misc]
    """Tiles of a server whose name may come from a file or a catalogue."""

    name = layer_name()
