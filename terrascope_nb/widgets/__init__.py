"""The door in a notebook: the map, the pickers and the explorer."""

from __future__ import annotations

from importlib.util import find_spec as _find_spec

from terrascope_nb.errors import MissingExtraError as _MissingExtraError

if _missing := [name for name in ("anywidget", "ipyleaflet", "ipywidgets") if _find_spec(name) is None]:
    raise _MissingExtraError(
        f"Maps and widgets need {', '.join(_missing)}, not installed here. pip install 'terrascope-nb[lab]'",
        extra="lab",
    )
