"""A map becomes files: a picture, a page, a GeoTIFF of the view, a layer for QGIS, a time lapse; whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from terrascope_nb.cube.files import export
from terrascope_nb.cube.view import cut_view
from terrascope_nb.maps.qgis import qml_of, vrt_of
from terrascope_nb.maps.sheet_files import page_of, pdf_of, png_of
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer
from terrascope_nb.widgets.saving.lapse import moving_sheet, save_lapse
from terrascope_nb.widgets.saving.map_sheet import chosen_layer, map_link, moving_number, sheet_of
from terrascope_nb.widgets.saving.own_files import check_not_read, companion_error, digest, is_ours, written_note
from terrascope_nb.widgets.saving.whole_files import checked_path, exists_error, unwritten_error, whole_file

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map

__all__ = ["map_link", "save_map"]


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

    Each file is written under a temporary name beside its own and moved when it is whole. A file that the map is drawn
    from is never written over, and beside a ``.vrt`` only what an earlier save of it wrote.

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
        Another suffix, a folder that is not there, a file that is (``overwrite=False``) or that the map reads, a file
        beside a ``.vrt`` that is not its own, a disk that is full.
    CubeError
        No layer is fit for it.
    MissingExtraError
        For ``.mp4``: the encoder is not installed.
    TerrascopeError
        A layer could not be read.
    """
    target = checked_path(path)
    check_not_read(shown, target)
    match target.suffix.lower():
        case ".tif" | ".tiff":
            return _save_values(shown, target, chosen_layer(shown, layer), overwrite=overwrite)
        case ".vrt":
            return _save_for_qgis(shown, target, chosen_layer(shown, layer), overwrite=overwrite)
        case ".gif" | ".mp4":
            sheet = moving_sheet(sheet_of(shown, title=title, size=size), moving_number(shown, layer), times)
            return [save_lapse(sheet, target, fps, overwrite=overwrite)]
        case suffix:
            sheet = sheet_of(shown, title=title, size=size)
            data = png_of(sheet) if suffix == ".png" else pdf_of(sheet) if suffix == ".pdf" else page_of(sheet)
            with whole_file(target, overwrite=overwrite) as temporary:
                temporary.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
            return [target]


def _save_values(shown: Map, target: Path, layer: RasterLayer, *, overwrite: bool) -> list[Path]:
    return export(_view_of(shown, layer), target, overwrite=overwrite)


def _view_of(shown: Map, layer: RasterLayer) -> Any:
    index = layer.time_index % len(layer.times) if layer.times else None
    return cut_view(layer.source, shown.view_bounds, time=index)


def _save_for_qgis(shown: Map, target: Path, layer: RasterLayer, *, overwrite: bool) -> list[Path]:
    beside = [target.with_suffix(".tif"), target.with_suffix(".qml")]
    taken = [path for path in (*beside, target) if path.exists()]
    if taken and not overwrite:
        raise exists_error(taken[0])
    for path in beside:
        check_not_read(shown, path)
        if path.exists() and not is_ours(path, target):
            raise companion_error(path, target)
    view = _view_of(shown, layer)
    facts = {"TIFFTAG_COPYRIGHT": layer.source.attribution, "layer": layer.name}
    if layer.time is not None:
        facts["TIFFTAG_DATETIME"] = str(np.datetime_as_string(layer.time, unit="s")).replace("T", " ").replace("-", ":")
    try:
        # All three are made in a folder of their own and moved together: what fails leaves the old ones as they were.
        with tempfile.TemporaryDirectory(prefix=f".{target.stem}-", dir=target.parent) as folder:
            values, style, virtual = (Path(folder) / path.name for path in (*beside, target))
            export(view, values)
            style.write_text(qml_of(layer.look), encoding="utf-8")
            facts |= written_note({path.name: digest(path) for path in (values, style)})
            text = vrt_of(values, virtual, look=layer.look, names=layer.source.layer_names,
                          units=_gdal_unit(layer.source.units),
                          metadata={key: text for key, text in facts.items() if text})  # fmt: skip
            virtual.write_text(text, encoding="utf-8")
            for made in (values, style, virtual):
                made.replace(target.with_name(made.name))
    except OSError as error:
        raise unwritten_error(target, error) from error
    return [target, *beside]


def _gdal_unit(units: str) -> str:
    return "" if units == "1" else units
