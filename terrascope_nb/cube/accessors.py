"""`.rio` and `.odc` on every xarray object, as their libraries register them, loaded when first used.

Both bring GDAL, which a cube of GeoTIFFs can do without: importing them takes as long as reading a small area.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import xarray as xr

_LIBRARIES = {"rio": "rioxarray", "odc": "odc.geo.xr"}
"""Accessor -> the module that registers it."""


class _Later:
    """Stands for an accessor until its library takes the place."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, found: Any, owner: type) -> Any:
        # xarray asks a class whether it has a name already, and warns when a library takes it: we stand aside.
        if found is not None:
            importlib.import_module(_LIBRARIES[self._name])
            if getattr(owner, self._name, None) is not None:
                return getattr(found, self._name)
        raise AttributeError(f"{owner.__name__!r} has no attribute {self._name!r}")


def register_accessors() -> None:
    """Give xarray's objects the accessors, unless their libraries did so already."""
    for name, library in _LIBRARIES.items():
        if library not in sys.modules:
            stand_in = _Later(name)
            for kind in (xr.DataArray, xr.Dataset):
                if name not in vars(kind):
                    setattr(kind, name, stand_in)
