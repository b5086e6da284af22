"""A map layer whose tiles the kernel paints: traits, answers, state, and the still picture for where no tiles can come."""

from __future__ import annotations

import base64
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import ipyleaflet
from traitlets import CFloat, CInt, Dict, List, Unicode, observe

from terrascope_nb.raster.tiling import MOST_ZOOM, Bounds, TileAddress
from terrascope_nb.widgets.live_map.closing import is_over
from terrascope_nb.widgets.live_map.handshake import MODULE
from terrascope_nb.widgets.live_map.layer_names import NamedOverlay, layer_name
from terrascope_nb.widgets.live_map.tile_channel import TileChannel, painters
from terrascope_nb.widgets.parts.abstract import AbstractWidget
from terrascope_nb.words import say

__all__ = ["KernelTiles"]

TIMEOUT = 60.0
"""Seconds after which the map says that a tile does not come."""


class KernelTiles(ipyleaflet.TileLayer, metaclass=AbstractWidget):  # type: ignore[misc]
    """Tiles painted in the kernel, asked for over the widget's comm: no address, no port, no proxy.

    A subclass gives `paint` and `still`. Where our JupyterLab extension is not there, a map sends `stand_in` instead.
    """

    _model_module = Unicode(MODULE).tag(sync=True)
    _model_module_version = Unicode("*").tag(sync=True)
    _model_name = Unicode("TerrascopeTilesModel").tag(sync=True)
    _view_module = Unicode(MODULE).tag(sync=True)
    _view_module_version = Unicode("*").tag(sync=True)
    _view_name = Unicode("TerrascopeTilesView").tag(sync=True)

    name = layer_name()
    url = Unicode("").tag(sync=True)
    revision = CInt(0, help="Raised when all tiles have to be painted again.").tag(sync=True)
    order = CInt(1, help="Height in the pile of tile layers.").tag(sync=True)
    timeout = CFloat(TIMEOUT, help="Seconds to wait for a tile.").tag(sync=True)
    note = Unicode(help="A sentence that stands on the map for as long as it is set.").tag(sync=True)
    words = Dict(help="Sentences of the extension in the reader's language.").tag(sync=True)
    still_url = Unicode(help="Picture for a notebook that is opened without its kernel.").tag(sync=True)
    still_bounds: Any = List(help="[[south, west], [north, east]] of that picture.").tag(sync=True)
    status = Unicode("ready", help='"ready", "loading" or "error: …"; kept in the kernel.')
    error = Unicode(help="Why the last tile failed; empty after one that came.")

    def __init__(self, **traits: Any) -> None:
        traits.setdefault("words", _words())
        traits.setdefault("max_zoom", MOST_ZOOM)
        self._channel = TileChannel(self._answer, self.paint, self._on_progress, self.pool)
        self._stand_in: ipyleaflet.ImageOverlay | None = None
        self._late_still: tuple[Any, str] | None = None
        self._state_lock = threading.Lock()
        super().__init__(**traits)
        self.on_msg(self._on_message)

    pool = staticmethod(painters)
    """Gives the threads that paint."""

    @abstractmethod
    def paint(self, tile: TileAddress, cancel: threading.Event) -> bytes | None:
        """Return a tile as PNG, or None where nothing is."""

    @abstractmethod
    def still(self, bounds: Bounds, size: int) -> tuple[bytes, Bounds] | None:
        """Return a PNG in EPSG:3857 of some bounds in degrees, and its own bounds; None where nothing is."""

    @property
    def stand_in(self) -> ipyleaflet.ImageOverlay:
        """An image overlay that any ipyleaflet can show; `keep_still` gives it its picture."""
        if self._stand_in is None:
            self._stand_in = NamedOverlay(
                url=_EMPTY, name=self.name, opacity=self.opacity, visible=self.visible, pane="tilePane",
                attribution=self.attribution or "", base=self.base,
            )  # fmt: skip
        return self._stand_in

    def keep_still(self, still: tuple[bytes, Bounds] | None, *, live: bool) -> None:
        """Keep the picture of a view, in the layer itself (``live``: for a saved notebook) or in its stand-in."""
        url, corners = _EMPTY, [[0.0, 0.0], [0.0, 0.0]]
        if still is not None:
            west, south, east, north = still[1]
            url = "data:image/png;base64," + base64.b64encode(still[0]).decode("ascii")
            corners = [[south, west], [north, east]]
        if live:
            with self._state_lock:
                self._late_still = corners, url
        else:
            stand_in = self.stand_in
            with stand_in.hold_sync():
                stand_in.bounds, stand_in.url = corners, url

    def take_still(self) -> None:
        """Keep for a saved notebook the picture that stood in so far."""
        if self._stand_in is not None and self._stand_in.url != _EMPTY:
            with self._state_lock:
                self._late_still = self._stand_in.bounds, self._stand_in.url

    def _send_still(self) -> None:
        """Give the front-end the picture that it is to save; it is large, and the tiles of the view go first."""
        with self._state_lock:
            late, self._late_still = self._late_still, None
        if late is not None:
            with self.hold_sync():
                self.still_bounds, self.still_url = late

    def repaint(self) -> None:
        """Have every tile on the map painted again; the old ones stay until the new ones are there."""
        self._channel.cancel()
        self.revision += 1

    def describe(self) -> str:
        """Return what the layer shows, in words."""
        return str(self.name) + ("" if self.visible else f" ({say('hidden')})")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.describe()}>"

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, str]:
        # A layer is seen on a map; alone in a cell it has nothing to draw on.
        return {"text/plain": repr(self)}

    def close(self) -> None:
        """Stop painting and leave the map."""
        if is_over(self):
            return
        self._channel.cancel()
        if self._stand_in is not None:
            self._stand_in.close()
        super().close()

    @observe("opacity", "visible", "name")
    def _on_stand_in_trait(self, change: Any) -> None:
        if self._stand_in is not None:
            setattr(self._stand_in, change["name"], change["new"])

    def _on_message(self, _widget: Any, content: Mapping[str, Any], _buffers: Any) -> None:
        self._channel.handle(content)

    def _answer(self, content: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        if self.comm is not None:
            self.send(dict(content), list(buffers))

    def _on_progress(self, under_way: int, reason: str) -> None:
        with self._state_lock:
            self.error = reason
            self.status = f"error: {reason}" if reason else "loading" if under_way else "ready"
        if not under_way:
            self._send_still()


_EMPTY = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def _words() -> dict[str, str]:
    """Return what the extension says; braces are filled in by the extension."""
    return {
        "map": say("Map"),
        "loading": say("{name}: loading {count} tiles"),
        "ready": say("{name}: shown"),
        "failed": say("{name}: {reason}"),
        "busy": say("{name}: waiting for the kernel, which is busy"),
        "timeout": say("no answer within {seconds} s"),
        "gone": say("The kernel that draws this map is gone. Run the cell again."),
        "retry": say("Try again"),
    }
