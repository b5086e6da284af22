"""`Map`: an ipyleaflet map that draws cubes, files and items, and shows a picture wherever it cannot be live."""

from __future__ import annotations

import base64
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipyleaflet
import ipywidgets
from traitlets import Instance, Tuple, default, observe

from terrascope_nb.errors import TerrascopeWarning
from terrascope_nb.extent.aoi import Aoi, AoiLike
from terrascope_nb.extent.aoi import area as area_of
from terrascope_nb.raster.tiling import Bounds
from terrascope_nb.widgets.live_map.basemap_layer import BasemapLayer
from terrascope_nb.widgets.live_map.basemaps import as_ground, basemap_of
from terrascope_nb.widgets.live_map.closing import close_whole, is_over
from terrascope_nb.widgets.live_map.handshake import front_end
from terrascope_nb.widgets.live_map.kernel_tiles import KernelTiles
from terrascope_nb.widgets.live_map.layer_names import NamedGeoJSON, NamedTiles
from terrascope_nb.widgets.live_map.map_notes import MapNotes
from terrascope_nb.widgets.live_map.online import OnlineBasemap
from terrascope_nb.widgets.live_map.picture import bounds_of_view, describe_map, view_of_bounds
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer
from terrascope_nb.widgets.live_map.sources import tile_source
from terrascope_nb.widgets.live_map.stills import MapStills
from terrascope_nb.widgets.live_map.view_bounds import check_view
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.tools.toolbox import Toolbox

__all__ = ["Map"]

SAVED_MAP = "application/vnd.terrascope-nb.map+json"
"""The part of the output that our JupyterLab extension reads; ``tokens.ts`` has the same name."""
_OUTLINE = {"color": "#c2410c", "weight": 2, "fillOpacity": 0.0}
_BELGIUM = [50.5, 4.5], 7
_WIDTH = 900
"""Pixels that a map is taken to be wide until a browser says how wide it is."""


def _layers_to_json(layers: tuple[Any, ...], _map: Any) -> list[str]:
    """Return the references that the front-end gets: stand-ins for our layers until our extension said hello."""
    live = front_end().present
    chosen = [layer if live or not hasattr(layer, "stand_in") else layer.stand_in for layer in layers]
    return ["IPY_MODEL_" + layer.model_id for layer in chosen]


class Map(ipyleaflet.Map):  # type: ignore[misc]
    """A map for a notebook: cubes, files and items over an offline basemap; everything of `ipyleaflet.Map` works too.

    Tiles are painted in the kernel and sent over the widget's own channel: no port, proxy or setting is needed, and the
    browser asks no other server unless an online basemap is chosen. Where our JupyterLab extension is missing, pictures
    of the view are shown instead; a saved notebook keeps a picture and a text.

    Parameters
    ----------
    center : (latitude, longitude), optional
        As ipyleaflet has it. Without center, zoom and area the map goes to the first data that are added.
    zoom : float, optional
    area : AoiLike, optional
        Show this area: anything that `terrascope_nb.area` takes.
    basemap : str, dict, xyzservices.TileProvider or ipyleaflet.TileLayer
        ``"offline"`` (painted from data in the package, light or dark as the lab is), ``"offline-light"``,
        ``"offline-dark"``, ``"none"``, or an online one by its name, such as ``"OpenStreetMap.Mapnik"``.
    height : str
        As CSS has it.
    tools : bool
        Put the looking tools in the upper right corner; ``m.tools`` has them in any case.
    **traits
        Other traits of `ipyleaflet.Map`, such as ``scroll_wheel_zoom``.

    Raises
    ------
    CubeError
        A basemap that nobody offers, a center beside the earth, a zoom that no map has.

    Examples
    --------
    >>> m = Map(center=(50.85, 4.35), zoom=9)
    >>> m.rasters
    ()
    """

    layers = Tuple().tag(
        trait=Instance(ipyleaflet.Layer), sync=True, to_json=_layers_to_json,
        from_json=ipywidgets.widget_serialization["from_json"],
    )  # fmt: skip

    @default("layers")
    def _default_layers(self) -> tuple[Any, ...]:
        layers: tuple[Any, ...] = super()._default_layers()
        return layers

    def __init__(
        self,
        center: tuple[float, float] | list[float] | None = None,
        zoom: float | None = None,
        *,
        area: AoiLike | None = None,
        basemap: Any = "offline",
        height: str = "500px",
        tools: bool = False,
        **traits: Any,
    ) -> None:
        self._tools: Toolbox | None = None
        self._said = MapNotes(self)
        self._stills = MapStills(self, self._said)
        self._own: list[ipyleaflet.Control] = []
        self._front = front_end()
        check_view(center, zoom)
        self._follows = center is None and zoom is None and area is None
        view: tuple[Any, float] = _BELGIUM
        traits.setdefault("layout", ipywidgets.Layout(height=height))
        if area is not None:
            view = view_of_bounds(area_of(area).bbox, (_WIDTH, _height_of(traits["layout"])))
        super().__init__(
            center=list(center) if center is not None else view[0], zoom=zoom if zoom is not None else view[1],
            basemap=self._basemap_of(basemap), scroll_wheel_zoom=traits.pop("scroll_wheel_zoom", True), **traits,
        )  # fmt: skip
        if isinstance(basemap, str) and basemap == "none":
            self.layers = ()
        self._home = list(self.center), self.zoom
        self._add_controls()
        if tools:
            self._put(ipyleaflet.WidgetControl(widget=self.tools, position="topright", max_width=520))
        self._front.observe(self._on_front_end, names=["present", "trouble"])
        self._front.observe(self._on_theme, names=["dark"])
        self._on_front_end(None)

    # -- what is on the map -----------------------------------------------------------------------------------------

    def add(
        self,
        what: Any,
        index: int | None = None,
        *,
        name: str | None = None,
        bands: Any = None,
        cmap: Any = None,
        vmin: Any = None,
        vmax: Any = None,
        percentiles: tuple[float, float] | None = None,
        opacity: float = 1.0,
        time: Any = None,
        visible: bool = True,
    ) -> Any:
        """Draw data, or put a layer or control of ipyleaflet on the map.

        Parameters
        ----------
        what : Aoi, xarray.DataArray, xarray.Dataset, path, URL, pystac.Item, (item, asset), tile source, or a layer or control
            A cube's variable, an index made from it, three bands of a Dataset, any georeferenced xarray, a COG, a scene;
            of an area the outline.
        index : int, optional
            Place in the pile of layers; the top by default.
        name : str, optional
            What the layer is called.
        bands : sequence of three, or one, optional
            Which variables or assets to draw.
        cmap : str or matplotlib Colormap, optional
            Without it, ``vmin`` and ``vmax``, the product's style holds.
        vmin, vmax : float, or three for a colour picture, optional
            In the unit of the legend: decibels for radar backscatter, whatever the cube itself holds.
        percentiles : (low, high), optional
            0-100; take the ends of the colours from the data.
        opacity : float
            0 to 1.
        time : int, str or numpy.datetime64, optional
            Which date: index, or a date of which the nearest is taken (UTC; a time with a zone is turned into it). The
            last by default.
        visible : bool

        Returns
        -------
        RasterLayer
            What was made of data; of an area an `ipyleaflet.GeoJSON`. For a layer or control of ipyleaflet: the map, as
            ipyleaflet does.

        Raises
        ------
        CubeError, AccessError
            It cannot be drawn; the message says why and what to do.
        """
        if isinstance(what, (ipyleaflet.Layer, ipyleaflet.Control)) or hasattr(what, "as_leaflet_layer"):
            return super().add(what, index)
        if isinstance(what, Aoi):
            outline = NamedGeoJSON(data=what.to_geojson(), name=name or what.name or say("Area"), style=_OUTLINE)
            super().add(outline, index)
            return outline
        source = what if _is_source(what) else tile_source(what, bands=bands, name=name)
        layer = RasterLayer(
            source, cmap=cmap, vmin=vmin, vmax=vmax, percentiles=percentiles, time=time, opacity=opacity,
            visible=visible, name=name or source.name,
        )  # fmt: skip
        if self._follows:
            self._follows = False
            self.center, self.zoom = view_of_bounds(
                source.bounds, (_WIDTH, _height_of(self.layout)), most=source.max_zoom
            )
            self._home = list(self.center), self.zoom
        layer.made_of = what
        layer.named = name is not None
        super().add(layer, index)
        return layer

    @property
    def tools(self) -> Toolbox:
        """The looking tools: ``m.tools.time_slider()``, ``m.tools.compare()`` …; shown itself, a row of buttons."""
        if self._tools is None:
            from terrascope_nb.widgets.tools.toolbox import Toolbox  # loads pandas and dask, not needed for a map

            self._tools = Toolbox(self)
        return self._tools

    @property
    def rasters(self) -> tuple[RasterLayer, ...]:
        """The layers that draw data, from the lowest to the highest."""
        return tuple(layer for layer in self.layers if isinstance(layer, RasterLayer))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the map has to say: a basemap that does not load, an extension of another version."""
        return self._said.sentences

    def set_basemap(self, basemap: Any) -> None:
        """Put another basemap under everything; takes what ``Map(basemap=…)`` takes."""
        above = tuple(layer for layer in self.layers if not layer.base)
        new = self._basemap_of(basemap)
        self._said.tell("basemap", "")
        self.layers = above if isinstance(basemap, str) and basemap == "none" else (as_ground(new), *above)
        if self.attribution_control_instance in self.controls:  # leaflet would keep the attribution of the old one
            self.set_trait("attribution_control", False)
            self.set_trait("attribution_control", True)

    # -- where it looks ----------------------------------------------------------------------------------------------

    @property
    def view_bounds(self) -> Bounds:
        """What is seen: (west, south, east, north) in degrees; without a browser, what would be seen."""
        if self.south != self.north:
            return self.west, self.south, self.east, self.north
        return bounds_of_view(self.center, self.zoom, self.pixels)

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height of the view; without a browser, what they are taken to be."""
        if self.right > self.left and self.bottom > self.top and self.right < 2**40:
            return max(round(self.right - self.left), 1), max(round(self.bottom - self.top), 1)
        return _WIDTH, _height_of(self.layout)

    @property
    def is_live(self) -> bool:
        """Whether our JupyterLab extension draws it."""
        return bool(self._front.present)

    def go_home(self) -> None:
        """Show again what the map showed at first."""
        self.center, self.zoom = list(self._home[0]), self._home[1]

    # -- without a browser -------------------------------------------------------------------------------------------

    def describe(self) -> str:
        """Return what the map shows, in words: area, layers, dates, range of the colours."""
        return describe_map(self)

    def picture(self) -> bytes:
        """Return a PNG of the view: basemap, data, outlines of vector layers, attribution."""
        view = self.view_bounds
        return self._stills.compose(view, self._stills.paint(view))

    def save(
        self,
        path: Any,
        *,
        title: str = "",
        size: tuple[int, int] | None = None,
        layer: RasterLayer | str | None = None,
        times: Any = None,
        fps: float = 2.0,
        overwrite: bool = True,
    ) -> list[Path]:
        """Write what the map shows as .png, .pdf, .html, .tif, .vrt, .gif or .mp4.

        Parameters
        ----------
        path, title, size, layer, times, fps, overwrite
            See `terrascope_nb.widgets.saving.map_files.save_map`.

        Returns
        -------
        list of Path
            What was written.
        """
        from terrascope_nb.widgets.saving.map_files import save_map  # who never saves needs no drawing of pages

        return save_map(self, path, title=title, size=size, layer=layer, times=times, fps=fps, overwrite=overwrite)

    def viewer_link(self, layer: Any = None) -> str:
        """Return a link that opens the Terrascope viewer on this view, product and date; `layer` says whose."""
        from terrascope_nb.widgets.saving.map_files import map_link  # as for save

        return map_link(self, layer)

    def close(self) -> None:
        """Take the map out of the notebook and stop painting for it; its tools, controls and data layers go with it."""
        if is_over(self):
            return
        self._front.unobserve(self._on_front_end, names=["present", "trouble"])
        self._front.unobserve(self._on_theme, names=["dark"])
        if self._tools is not None:
            self._tools.close()
        made = [layer for layer in self.layers if isinstance(layer, (KernelTiles, NamedGeoJSON, NamedTiles))]
        own = [self._said.control, *self._own, self.zoom_control_instance, self.attribution_control_instance]
        parts = (self.layout, self.style, self.default_style, self.dragging_style)
        super().close()
        close_whole([*made, *own, *parts])

    def _repr_mimebundle_(self, **options: Any) -> Any:
        data = super()._repr_mimebundle_(**options)
        if data is None:
            return data
        view = self.view_bounds
        stills = self._stills.paint(view)
        self._stills.keep(stills)
        twin = self.describe()
        data["text/plain"] = twin
        data["image/png"] = base64.b64encode(self._stills.compose(view, stills)).decode("ascii")
        data[SAVED_MAP] = {"model_id": self.model_id, "text": twin, "saved": say("Picture of the map as it was saved.")}
        return data

    # -- the other end -----------------------------------------------------------------------------------------------

    def _on_front_end(self, _change: Any) -> None:
        self._said.tell("front_end", self._front.trouble)
        if self._front.present:
            self.send_state("layers")
            for layer in self.layers:
                if isinstance(layer, KernelTiles):
                    layer.take_still()

    def _on_theme(self, _change: Any) -> None:
        """Give the shade of the lab to a basemap that has none of its own."""
        for layer in self.layers:
            if isinstance(layer, BasemapLayer) and layer.follows:
                layer.dark = self._front.dark

    @observe("layers")
    def _on_layers(self, _change: Any) -> None:
        for number, layer in enumerate(self.layers, start=1):
            if isinstance(layer, KernelTiles):
                layer.order = number
                layer.observe(self._on_view, names=["revision"])

    @observe("bounds")
    def _on_view(self, _change: Any) -> None:
        """Without our extension the pictures of the layers follow the view, the date and the colours."""
        if self._front.present:
            return
        self._stills.follow()

    # -- controls and notes ------------------------------------------------------------------------------------------

    def _add_controls(self) -> None:
        home = ipywidgets.Button(
            icon="home", tooltip=say("Home"), layout=ipywidgets.Layout(width="30px", height="30px", padding="0")
        )
        home.on_click(lambda _: self.go_home())
        self._put(ipyleaflet.WidgetControl(widget=home, position="topleft"))
        self._put(ipyleaflet.FullScreenControl(position="topleft"))
        self._put(ipyleaflet.ScaleControl(position="bottomleft", imperial=False))

    def _put(self, control: ipyleaflet.Control) -> None:
        """Put a control on the map that goes with it."""
        self._own.append(control)
        super().add(control)

    def _basemap_of(self, choice: Any) -> Any:
        return basemap_of(choice, dark=self._front.dark, on_failure=self._on_basemap_failure)

    def _on_basemap_failure(self, layer: OnlineBasemap) -> None:
        if layer not in self.layers:
            return
        self.set_basemap("offline")
        said = say("The basemap {name} does not load; the offline one is shown instead.", name=layer.name)
        self._said.tell("basemap", said)
        warnings.warn(said, TerrascopeWarning, stacklevel=2)


def _is_source(what: Any) -> bool:
    return all(hasattr(what, name) for name in ("read", "sample", "value_at", "bounds", "kind", "times"))


def _height_of(layout: ipywidgets.Layout) -> int:
    """Return a layout's height in pixels; 500 where it is not in pixels."""
    text = str(layout.height or "")
    return int(float(text[:-2])) if text.endswith("px") and text[:-2].replace(".", "", 1).isdigit() else 500
