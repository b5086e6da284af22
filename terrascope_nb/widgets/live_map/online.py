"""Online basemaps, as a choice: one whose tiles fail tells the map, which puts the offline one in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipyleaflet
import xyzservices
from traitlets import Unicode

from terrascope_nb.errors import CubeError, near_misses
from terrascope_nb.widgets.live_map.closing import is_over
from terrascope_nb.widgets.live_map.handshake import MODULE
from terrascope_nb.widgets.live_map.layer_names import NamedTiles

__all__ = ["OnlineBasemap", "online_names"]

_ENOUGH = 3
"""So many failed tiles, and more than came, mean that a basemap does not load."""


class OnlineBasemap(NamedTiles):
    """A basemap from the network. The browser asks its server for tiles.

    Parameters
    ----------
    choice : str or xyzservices.TileProvider
        A name such as ``"OpenStreetMap.Mapnik"``; `online_names` lists those that need no key.
    on_failure : callable, optional
        Called once, with this layer, when its tiles do not load.
    """

    _model_module = Unicode(MODULE).tag(sync=True)
    _model_module_version = Unicode("*").tag(sync=True)
    _model_name = Unicode("TerrascopeOnlineModel").tag(sync=True)
    _view_module = Unicode(MODULE).tag(sync=True)
    _view_module_version = Unicode("*").tag(sync=True)
    _view_name = Unicode("TerrascopeOnlineView").tag(sync=True)

    def __init__(
        self, choice: str | xyzservices.TileProvider, on_failure: Callable[[OnlineBasemap], None] = lambda _: None
    ) -> None:
        provider = provider_of(choice) if isinstance(choice, str) else choice
        self._choices = {
            "url": provider.build_url(), "name": str(provider.name), "base": True,
            "attribution": str(provider.get("html_attribution") or provider.get("attribution") or ""),
            "max_zoom": int(provider.get("max_zoom", 18)),
        }  # fmt: skip
        self._on_failure: Callable[[OnlineBasemap], None] | None = on_failure
        self._stand_in: ipyleaflet.TileLayer | None = None
        super().__init__(**self._choices)
        self.on_msg(self._on_message)

    @property
    def stand_in(self) -> ipyleaflet.TileLayer:
        """The same as an ordinary layer, for where our extension is not there."""
        if self._stand_in is None:
            self._stand_in = NamedTiles(**self._choices)
        return self._stand_in

    def close(self) -> None:
        """Leave the map, with what stood in for it."""
        if is_over(self):
            return
        if self._stand_in is not None:
            self._stand_in.close()
        super().close()

    def _on_message(self, _widget: Any, content: Mapping[str, Any], _buffers: Any) -> None:
        if content.get("msg") != "tileerror":
            return
        failed, loaded = int(content.get("failed", 0)), int(content.get("loaded", 0))
        if failed >= _ENOUGH and failed > loaded and self._on_failure is not None:
            told, self._on_failure = self._on_failure, None
            told(self)


def online_names() -> list[str]:
    """Return the names of online basemaps that need no key."""
    return sorted(name for name, one in xyzservices.providers.flatten().items() if not one.requires_token())


def provider_of(name: str) -> xyzservices.TileProvider:
    """Return an online basemap by its name.

    Raises
    ------
    CubeError
        Nobody offers one of that name; near misses are named.
    """
    known = xyzservices.providers.flatten()
    plain = {one.lower(): one for one in known}
    if name.lower() not in plain:
        near = near_misses(name, ["offline", "offline-dark", "none", *online_names()])
        raise CubeError(
            f"basemap={name!r} is asked for, but there is none of that name. "
            + (f"Near: {', '.join(near)}. " if near else "")
            + 'Use "offline", "offline-dark", "none" or a name such as "OpenStreetMap.Mapnik".'
        )
    return known[plain[name.lower()]]
