"""The basemaps on offer: painted offline, none, or one of an online service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipyleaflet

from terrascope_nb.errors import CubeError
from terrascope_nb.widgets.live_map.basemap_layer import BasemapLayer
from terrascope_nb.widgets.live_map.online import OnlineBasemap

_SHADES = {"none": None, "offline": None, "offline-light": False, "offline-dark": True}


def basemap_of(choice: Any, *, dark: bool, on_failure: Callable[[OnlineBasemap], None]) -> Any:
    """Return the layer of a choice; what is no name is taken as ipyleaflet takes it.

    Parameters
    ----------
    choice : str, or anything that ipyleaflet takes
    dark : bool
        The shade of an offline basemap that follows the theme.
    on_failure : callable
        Told an online basemap that does not load.

    Raises
    ------
    CubeError
        An offline basemap that nobody offers.
    """
    if not isinstance(choice, str):
        return choice
    if choice != "none" and not choice.startswith("offline"):
        return OnlineBasemap(choice, on_failure)
    if choice not in _SHADES:
        raise CubeError(
            f'basemap={choice!r} is asked for; offline ones are "offline", which follows the theme of the lab, '
            '"offline-light" and "offline-dark".'
        )
    shade = _SHADES[choice]
    return BasemapLayer(dark=dark if shade is None else shade, follows=shade is None)


def as_ground(layer: Any) -> Any:
    """Return a layer that knows it lies under all others."""
    if not isinstance(layer, ipyleaflet.Layer):
        layer = ipyleaflet.basemap_to_tiles(layer)
    layer.base = True
    return layer
