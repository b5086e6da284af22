"""`ColourBar`: what the colours of a layer mean, following every change of its look."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import numpy as np

from terrascope_nb.maps.looks import Look
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer
from terrascope_nb.widgets.tools.tool import LayerLike, Tool, layer_of
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map

_STOPS = 33
_TEXT = "color:var(--jp-ui-font-color1, #212121);background:var(--jp-layout-color1, #ffffff)"


class ColourBar(Tool):
    """The colour bar, the classes or the three bands of a layer.

    Parameters
    ----------
    shown : Map
    layer : LayerLike
        The layer on top by default.
    """

    def __init__(self, shown: Map, layer: LayerLike = None) -> None:
        self.layer = layer_of(shown, layer)
        self.picture = widgets.HTML()
        super().__init__(shown, say("Legend: {layer}", layer=self.layer.name), [self.picture])
        self._draw()
        self.follow(self.layer, self._draw, ["cmap", "revision", "name"])

    def code(self) -> str:
        """Return the call that shows this legend."""
        return self.call("legend", self.layer.name)

    def describe(self) -> str:
        """Return the meaning of the colours as text."""
        return f"{self.title}: {look_text(self.layer.look)}"

    def _draw(self, _: Any = None) -> None:
        self.picture.value = legend_html(self.layer)


def legend_html(layer: RasterLayer) -> str:
    """Return the legend of a layer as HTML that stands alone."""
    look = layer.look
    if look.classes is not None:
        body = "".join(
            _patch(colour, name) for colour, name in zip(look.classes.colours, look.classes.names, strict=True)
        )
        body = f"<ul style='list-style:none;margin:0;padding:0'>{body}</ul>"
    elif look.kind == "rgb":
        body = "".join(
            _patch(colour, f"{name}: {low} – {high}")
            for colour, name, low, high in zip(
                ("#d00000", "#00a000", "#0000d0"), look.bands, *_ends(look), strict=False
            )
        )
        body = f"<ul style='list-style:none;margin:0;padding:0'>{body}</ul>"
    else:
        body = _bar(look)
    return f"<div style='{_TEXT};padding:4px 8px;line-height:1.4;font-size:12px'>{body}</div>"


def look_text(look: Look) -> str:
    """Return what colours mean, as a sentence."""
    if look.classes is not None:
        return ", ".join(look.classes.names)
    low, high = _ends(look)
    if look.kind == "rgb":
        return ", ".join(f"{name} {a} – {b}" for name, a, b in zip(look.bands, low, high, strict=False))
    return say("{label}: {low} to {high}, colours {cmap}", label=look.label, low=low[0], high=high[0], cmap=look.cmap)


def _bar(look: Look) -> str:
    palette = look.palette()[np.linspace(0, 255, _STOPS).astype(int)]
    stops = ", ".join(f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in palette[:, :3])
    (low, *_), (high, *_) = _ends(look)
    assert isinstance(look.vmin, float)
    assert isinstance(look.vmax, float)
    middle = f"{(look.vmin + look.vmax) / 2:.4g}"
    label, told = html.escape(look.label), html.escape(look_text(look), quote=True)
    return (
        f"<div>{label}</div><div role='img' aria-label='{told}' style='height:14px;min-width:180px;"
        f"border:1px solid var(--jp-border-color1, #bdbdbd);background:linear-gradient(to right, {stops})'></div>"
        f"<div style='display:flex;justify-content:space-between'><span>{low}</span><span>{middle}</span>"
        f"<span>{high}</span></div>"
    )


def _ends(look: Look) -> tuple[list[str], list[str]]:
    count = max(len(look.bands), 1) if look.kind == "rgb" else 1
    low, high = (np.broadcast_to(np.asarray(end, dtype="float64"), (count,)) for end in (look.vmin, look.vmax))
    return [f"{one:.4g}" for one in low], [f"{one:.4g}" for one in high]


def _patch(colour: str, name: str) -> str:
    return (
        f"<li><span aria-hidden='true' style='display:inline-block;width:12px;height:12px;margin-right:6px;"
        f"border:1px solid var(--jp-border-color1, #bdbdbd);background:{html.escape(colour, quote=True)}'></span>"
        f"{html.escape(name)}</li>"
    )
