"""A map becomes files: a picture, a page, a GeoTIFF of the view, a layer for QGIS, a time lapse; whole or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from terrascope_nb.cube.files import export
from terrascope_nb.cube.view import cut_view
from terrascope_nb.errors import CubeError, ExportError
from terrascope_nb.extent.aoi import AoiLike
from terrascope_nb.extent.aoi import area as to_area
from terrascope_nb.extent.period import Period
from terrascope_nb.maps.basemap import Basemap
from terrascope_nb.maps.frames import write_gif, write_mp4
from terrascope_nb.maps.map_picture import MapSheet, Outline, SheetLayer, page_of, pdf_of, png_of
from terrascope_nb.maps.qgis import qml_of, vrt_of
from terrascope_nb.raster.tiling import Bounds, mercator_of
from terrascope_nb.services.viewer import viewer_link
from terrascope_nb.widgets.online import OnlineBasemap
from terrascope_nb.widgets.raster_layer import BasemapLayer, RasterLayer
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.map import Map

__all__ = ["map_link", "save_map", "sheet_of", "timelapse"]

KINDS = (".png", ".pdf", ".html", ".tif", ".vrt", ".gif", ".mp4")
_WIDTH = 900
_AROUND = 0.08
"""Share of an area that is shown around it."""


def save_map(
    shown: Map,
    path: str | os.PathLike[str],
    *,
    title: str = "",
    size: tuple[int, int] | None = None,
    layer: RasterLayer | str | None = None,
    times: Any = None,
    fps: float = 2.0,
    overwrite: bool = True,
) -> list[Path]:
    """Write what a map shows; the suffix says as what.

    Each file is written under a temporary name beside its own and moved when it is whole.

    Parameters
    ----------
    shown : Map
    path : path
        ``.png``, ``.pdf`` or ``.html``: the map with title, dates, scale bar, legend and sources. ``.tif``: the values of
        a layer in the view, at full resolution, as a COG. ``.vrt``: the same with a virtual raster and a style
        (``.qml``) beside it that QGIS takes by itself. ``.gif`` or ``.mp4``: the view through the dates of a layer.
    title : str
        The names of the layers when empty.
    size : (width, height), optional
        Pixels of the map, without title and legend.
    layer : RasterLayer or str, optional
        For ``.tif``, ``.vrt``, ``.gif`` and ``.mp4``: which; the uppermost that is visible when None.
    times : optional
        For a time lapse: which dates; see `timelapse`.
    fps : float
        For a time lapse: frames a second.
    overwrite : bool
        False: an existing file is an error.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ExportError
        Another suffix, a folder that is not there, a file that is (``overwrite=False``), a disk that is full.
    CubeError
        No layer is fit for it.
    MissingExtraError
        For ``.mp4``: the encoder is not installed.
    TerrascopeError
        A layer could not be read.
    """
    target = checked_path(path)
    match target.suffix.lower():
        case ".tif" | ".tiff":
            return _save_values(shown, target, chosen_layer(shown, layer), overwrite=overwrite)
        case ".vrt":
            return _save_for_qgis(shown, target, chosen_layer(shown, layer), overwrite=overwrite)
        case ".gif" | ".mp4":
            sheet = moving_sheet(sheet_of(shown, title=title, size=size), _moving(shown, layer), times)
            return [_save_lapse(sheet, target, fps, overwrite=overwrite)]
        case suffix:
            sheet = sheet_of(shown, title=title, size=size)
            data = png_of(sheet) if suffix == ".png" else pdf_of(sheet) if suffix == ".pdf" else page_of(sheet)
            with whole_file(target, overwrite=overwrite) as temporary:
                temporary.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
            return [target]


def timelapse(
    what: Any,
    path: str | os.PathLike[str],
    *,
    area: AoiLike | None = None,
    times: Any = None,
    fps: float = 2.0,
    title: str = "",
    size: tuple[int, int] | None = None,
    bands: Any = None,
    cmap: Any = None,
    vmin: Any = None,
    vmax: Any = None,
    dark: bool = False,
    overwrite: bool = True,
) -> Path:
    """Write the dates of a cube, or of a map's layer, as GIF or MP4 with date stamp, scale bar, legend and sources.

    The colours keep their meaning from the first frame to the last. Needs no browser.

    Parameters
    ----------
    what : Map, or anything that ``Map.add`` draws
        Of a map its view is taken, of other things their bounds.
    path : path
        ``.gif``, or ``.mp4`` (needs ``pip install 'terrascope-nb[video]'``).
    area : AoiLike, optional
        Show this area and draw its outline.
    times : optional
        Which dates: a `Period`, indices, or dates (the acquisitions of these days). All when None.
    fps : float
        Frames a second.
    title : str
    size : (width, height), optional
        Pixels of the map, without title and legend.
    bands, cmap, vmin, vmax
        As of ``Map.add``; not for a map, whose layers have their look.
    dark : bool
        For a dark page.
    overwrite : bool

    Returns
    -------
    Path

    Raises
    ------
    CubeError
        No dates, or none of those asked for.
    ExportError, MissingExtraError, TerrascopeError
        As `save_map`.

    Examples
    --------
    ``ts.timelapse(cube["NDVI"], "spring.gif", area="Assenede", times=ts.period("2018-04-01", "2018-06-30"))``
    """
    target = checked_path(path)
    if target.suffix.lower() not in (".gif", ".mp4"):
        raise ExportError(f"a time lapse to {target.name!r}: use .gif or .mp4.", path=target)
    from terrascope_nb.widgets.map import Map  # it imports this module when it saves

    if isinstance(what, Map):
        sheet, moving = sheet_of(what, title=title, size=size, area=area), _moving(what, None)
    else:
        layer = RasterLayer(_source_of(what, bands), cmap=cmap, vmin=vmin, vmax=vmax)
        around = to_area(area).bbox if area is not None else layer.source.bounds
        bounds = _widened(around)
        outlines = (_outline_of(area),) if area is not None else ()
        sheet = MapSheet(
            bounds, _size_for(bounds, size), (SheetLayer(layer.painter),), outlines, Basemap(), dark, title=title
        )
        moving = 0
    return _save_lapse(moving_sheet(sheet, moving, times), target, fps, overwrite=overwrite)


def map_link(shown: Map, layer: RasterLayer | str | None = None) -> str:
    """Return a link that opens the Terrascope viewer on what a map shows: view, product and date.

    Parameters
    ----------
    shown : Map
    layer : RasterLayer or str, optional
        Whose product and date; the uppermost visible one that has a product when None.

    Raises
    ------
    CubeError
        The map has no such layer.
    """
    if layer is not None:
        chosen: RasterLayer | None = chosen_layer(shown, layer)
    else:
        chosen = next((one for one in reversed(shown.rasters) if one.visible and one.source.attrs.get("product")), None)
    product = str(chosen.source.attrs.get("product", "")) or None if chosen is not None else None
    day = None if chosen is None or chosen.time is None else str(np.datetime_as_string(chosen.time, unit="D"))
    west, south, east, north = shown.view_bounds
    view = max(west, -180.0), max(south, -85.0), min(east, 180.0), min(north, 85.0)
    return viewer_link(view, product, day)


# -- what a map shows ------------------------------------------------------------------------------------------------


def sheet_of(
    shown: Map, *, title: str = "", size: tuple[int, int] | None = None, area: AoiLike | None = None
) -> MapSheet:
    """Return what a map shows as a sheet: its view or an area, visible layers, outlines, basemap, notes.

    Parameters
    ----------
    shown : Map
    title : str
    size : (width, height), optional
    area : AoiLike, optional
        In place of the map's view; its outline is drawn.
    """
    bounds = _widened(to_area(area).bbox) if area is not None else shown.view_bounds
    painted = [layer for layer in shown.layers if isinstance(layer, BasemapLayer) and layer.visible]
    grounds = [layer for layer in painted if layer.choices["ground"]]
    online = [layer for layer in shown.layers if isinstance(layer, OnlineBasemap) and getattr(layer, "visible", True)]
    notes = [say("The online map {name} is not in this picture; the offline map stands in for it.", name=layer.name)
             for layer in online]  # fmt: skip
    outlines = [one for layer in shown.layers for one in _outlines_of(layer)]
    if area is not None:
        outlines.append(_outline_of(area))
    return MapSheet(
        bounds=bounds,
        size=_size_for(bounds, size),
        layers=tuple(_sheet_layer(layer) for layer in shown.rasters if layer.visible),
        outlines=tuple(outlines),
        basemap=Basemap() if grounds or online else None,
        # A file is for paper and reports: dark only where somebody chose it, not where the lab happens to be.
        dark=any(layer.choices["dark"] and not layer.follows for layer in grounds),
        names_above=len(painted) > len(grounds),
        title=title,
        notes=(*shown.notes, *notes),
    )


def _sheet_layer(layer: RasterLayer) -> SheetLayer:
    index = layer.time_index % len(layer.times) if layer.times else None
    return SheetLayer(layer.painter, index, float(layer.opacity), layer.name)


def _outlines_of(layer: Any) -> Iterator[Outline]:
    """Give the shapes of ipyleaflet's vector layers that say them in Python: GeoJSON, polygons, lines, markers."""
    if not getattr(layer, "visible", True):
        return
    data = getattr(layer, "data", None)
    style = getattr(layer, "style", None)
    colour = str((style or {}).get("color") or getattr(layer, "color", None) or "#3388ff")
    colour = colour if colour.startswith("#") and len(colour) in (4, 7) else "#3388ff"
    if isinstance(data, Mapping) and "type" in data:
        yield Outline(data, colour, name=str(layer.name or ""))
    elif isinstance(getattr(layer, "locations", None), list) and layer.locations:
        rings = layer.locations if isinstance(layer.locations[0][0], (list, tuple)) else [layer.locations]
        lines = [[[lon, lat] for lat, lon in ring] for ring in rings]
        if "Polygon" in type(layer).__name__ or "Rectangle" in type(layer).__name__:
            lines = [[*line, line[0]] for line in lines]
        yield Outline({"type": "MultiLineString", "coordinates": lines}, colour, name=str(layer.name or ""))
    elif type(layer).__name__ in ("Marker", "CircleMarker", "Circle"):
        lat, lon = layer.location
        yield Outline({"type": "Point", "coordinates": [lon, lat]}, colour, name=str(layer.name or ""))


def _outline_of(area: AoiLike) -> Outline:
    found = to_area(area)
    return Outline(found.geometry.__geo_interface__, "#c2410c", name=found.name)


def _widened(bounds: Bounds) -> Bounds:
    west, south, east, north = bounds
    across, up = (east - west) * _AROUND, (north - south) * _AROUND
    return west - across, max(south - up, -85.0), east + across, min(north + up, 85.0)


def _size_for(bounds: Bounds, size: tuple[int, int] | None) -> tuple[int, int]:
    """Return a size of the shape of the bounds, where none is given."""
    if size is not None:
        return size
    (left, bottom), (right, top) = mercator_of(bounds[0], bounds[1]), mercator_of(bounds[2], bounds[3])
    ratio = (top - bottom) / max(right - left, 1e-9)
    return _WIDTH, int(min(max(round(_WIDTH * ratio), 300), 1200))


def chosen_layer(shown: Map, layer: RasterLayer | str | None) -> RasterLayer:
    """Return a layer of a map: the one that is named, else the uppermost visible one.

    Raises
    ------
    CubeError
        The map has no such layer.
    """
    if isinstance(layer, RasterLayer):
        return layer
    visible = [one for one in shown.rasters if one.visible]
    if layer is not None:
        visible = [one for one in shown.rasters if one.name == layer]
    if not visible:
        names = ", ".join(one.name for one in shown.rasters) or "none"
        wanted = f"the layer {layer!r}" if layer is not None else "a visible layer with data"
        raise CubeError(f"{wanted} was asked for; the map has: {names}. Add one with m.add(…).")
    return visible[-1]


# -- values ----------------------------------------------------------------------------------------------------------


def _save_values(shown: Map, target: Path, layer: RasterLayer, *, overwrite: bool) -> list[Path]:
    return export(_view_of(shown, layer), target, overwrite=overwrite)


def _view_of(shown: Map, layer: RasterLayer) -> Any:
    index = layer.time_index % len(layer.times) if layer.times else None
    return cut_view(layer.source, shown.view_bounds, time=index)


def _save_for_qgis(shown: Map, target: Path, layer: RasterLayer, *, overwrite: bool) -> list[Path]:
    values, style = target.with_suffix(".tif"), target.with_suffix(".qml")
    taken = [path.name for path in (values, style, target) if path.exists()]
    if taken and not overwrite:
        raise _exists(target.with_name(taken[0]))
    view = _view_of(shown, layer)
    export(view, values, overwrite=True)
    facts = {"TIFFTAG_COPYRIGHT": layer.source.attribution, "layer": layer.name}
    if layer.time is not None:
        facts["TIFFTAG_DATETIME"] = str(np.datetime_as_string(layer.time, unit="s")).replace("T", " ").replace("-", ":")
    with whole_file(style, overwrite=True) as temporary:
        temporary.write_text(qml_of(layer.look), encoding="utf-8")
    with whole_file(target, overwrite=True) as temporary:
        text = vrt_of(values, target, look=layer.look, names=layer.source.layer_names, units=_gdal_unit(layer.source.units),
                      metadata={key: text for key, text in facts.items() if text})  # fmt: skip
        temporary.write_text(text, encoding="utf-8")
    return [target, values, style]


def _gdal_unit(units: str) -> str:
    return "" if units == "1" else units


# -- time ------------------------------------------------------------------------------------------------------------


def _moving(shown: Map, layer: RasterLayer | str | None) -> int:
    """Return the number of the layer that moves: the one named, else the uppermost visible one with several dates."""
    visible = [one for one in shown.rasters if one.visible]
    wanted = chosen_layer(shown, layer) if layer is not None else None
    for number in reversed(range(len(visible))):
        if visible[number] is wanted or (wanted is None and len(visible[number].times) > 1):
            return number
    raise CubeError(
        f"the layer {wanted.name!r} is hidden; a time lapse shows what the map shows." if wanted is not None else
        "a time lapse was asked for, but no visible layer has several dates. Add a cube with several times."
    )  # fmt: skip


def moving_sheet(sheet: MapSheet, moving: int, times: Any = None) -> MapSheet:
    """Return a sheet that moves through the dates of one of its layers.

    Raises
    ------
    CubeError
        The layer has no dates, or none of those asked for.
    """
    source = sheet.layers[moving].painter.source
    return dataclasses.replace(sheet, moving=moving, times=_indices(source.times, times, source.name))


def _indices(known: Sequence[np.datetime64], wanted: Any, name: str) -> tuple[int, ...]:
    if not known:
        raise CubeError(f"a time lapse was asked for, but {name} has no dates.")
    order = sorted(range(len(known)), key=lambda index: known[index])
    if wanted is None:
        return tuple(order)
    if isinstance(wanted, Period):
        found = [index for index in order if wanted.contains(_moment(known[index]))]
    else:
        asked: list[Any] = [wanted] if isinstance(wanted, (str, int, np.integer, np.datetime64)) else list(wanted)
        found = []
        for one in asked:
            if isinstance(one, (int, np.integer)):
                if not -len(known) <= one < len(known):
                    raise CubeError(
                        f"times={int(one)} was asked for; {name} has {len(known)} dates, 0 to {len(known) - 1}."
                    )
                found.append(int(one) % len(known))
            else:
                day = np.datetime64(one, "D")
                same = [index for index in order if known[index].astype("datetime64[D]") == day]
                if not same:
                    raise CubeError(f"times={one!r} was asked for; {name} has no acquisition on that day.")
                found += same
    if not found:
        first, last = (str(np.datetime_as_string(known[index], unit="D")) for index in (order[0], order[-1]))
        raise CubeError(f"no date of {name} is among those asked for; it has {len(known)}, from {first} to {last}.")
    return tuple(dict.fromkeys(found))


def _moment(time: np.datetime64) -> Any:
    return time.astype("datetime64[us]").item().replace(tzinfo=UTC)


def _save_lapse(sheet: MapSheet, target: Path, fps: float, *, overwrite: bool) -> Path:
    with whole_file(target, overwrite=overwrite) as temporary:
        (write_gif if target.suffix.lower() == ".gif" else write_mp4)(sheet, temporary, fps=fps)
    return target


# -- files -----------------------------------------------------------------------------------------------------------


def checked_path(path: str | os.PathLike[str]) -> Path:
    """Return a path that a map can be written to.

    Raises
    ------
    ExportError
        A suffix that says nothing, or a folder that is not there.
    """
    target = Path(path).expanduser()
    if target.suffix.lower() not in (*KINDS, ".tiff"):
        raise ExportError(
            f"the map was to be written as {target.name!r}; use one of {', '.join(KINDS)} at the end.", path=target
        )
    if not target.parent.is_dir():
        raise ExportError(f"{target}: the folder {target.parent} does not exist. Make it first.", path=target)
    return target


def _exists(target: Path) -> ExportError:
    return ExportError(f"{target} exists already. Choose another name, or say overwrite=True.", path=target)


@contextlib.contextmanager
def whole_file(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary name beside a file's own; move it there when the block ends well, remove it otherwise.

    Raises
    ------
    ExportError
        The file is there and may not be replaced, or it could not be written.
    """
    if target.exists() and not overwrite:
        raise _exists(target)
    temporary = target.with_name(f".{target.stem}-{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        if type(error).__module__.startswith("terrascope_nb"):  # what could not be read says so itself
            raise
        raise ExportError(
            f"{target} could not be written: {error}. Nothing was left under that name. "
            "Check the free space and your write rights there.",
            path=target,
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _source_of(what: Any, bands: Any) -> Any:
    from terrascope_nb.widgets.sources import tile_source  # it loads dask

    return tile_source(what, bands=bands)
