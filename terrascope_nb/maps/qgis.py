"""Styles and virtual rasters for QGIS: the colours of a look, so that a layer looks there as it does here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np
import rasterio

from terrascope_nb.maps.looks import Look, class_bytes

__all__ = ["qml_of", "vrt_of"]

_STEPS = 33
"""Colours of a ramp; between them QGIS interpolates."""
_GDAL_TYPES = {
    "uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32",
    "uint64": "UInt64", "int64": "Int64", "float32": "Float32", "float64": "Float64",
}  # fmt: skip


def qml_of(look: Look) -> str:
    """Return the style of a raster layer for QGIS 3 (a ``.qml`` file beside the raster is taken by itself).

    Parameters
    ----------
    look : Look
        A measurement becomes an interpolated ramp, classes a palette with names, three bands a colour picture. Values
        are physical; decibels are drawn by `Look`, and a style cannot compute them: the ramp is then put on the linear
        values.
    """
    root = Element("qgis", version="3.22.0", styleCategories="Symbology")
    pipe = SubElement(root, "pipe")
    # Pixels stay pixels, and QGIS does not choose ends of its own.
    SubElement(SubElement(pipe, "provider"), "resampling", enabled="false", maxOversampling="2",
               zoomedInResamplingMethod="nearestNeighbour", zoomedOutResamplingMethod="nearestNeighbour")  # fmt: skip
    if look.kind == "classes":
        _palette(pipe, look)
    elif look.kind == "rgb":
        _three_bands(pipe, look)
    else:
        _ramp(pipe, look)
    SubElement(root, "blendMode").text = "0"
    indent(root)
    doctype = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    return doctype + tostring(root, encoding="unicode") + "\n"


def _renderer(pipe: Element, kind: str, look: Look, **how: str) -> Element:
    facts: dict[str, str] = {"type": kind, "opacity": f"{look.opacity:g}", "alphaBand": "-1", **how}
    renderer = SubElement(pipe, "rasterrenderer", facts)
    SubElement(renderer, "rasterTransparency")
    origin = SubElement(renderer, "minMaxOrigin")
    SubElement(origin, "limits").text = "None"
    SubElement(origin, "extent").text = "WholeRaster"
    return renderer


def _palette(pipe: Element, look: Look) -> None:
    assert look.classes is not None
    palette = SubElement(_renderer(pipe, "paletted", look, band="1"), "colorPalette")
    for value, name, colour in zip(look.classes.values, look.classes.names, look.classes.colours, strict=True):
        red, green, blue, alpha = class_bytes(colour)
        SubElement(palette, "paletteEntry", value=str(value), label=name, alpha=str(alpha),
                   color=f"#{red:02x}{green:02x}{blue:02x}")  # fmt: skip


def _ramp(pipe: Element, look: Look) -> None:
    low, high = float(look.vmin), float(look.vmax)  # type: ignore[arg-type]
    ends = np.linspace(low, high, _STEPS)
    values = 10 ** (ends / 10) if look.decibel else ends
    renderer = _renderer(
        pipe, "singlebandpseudocolor", look, band="1", nodataColor="",
        classificationMin=_number(values[0]), classificationMax=_number(values[-1]),
    )  # fmt: skip
    shader = SubElement(
        SubElement(renderer, "rastershader"), "colorrampshader", colorRampType="INTERPOLATED", classificationMode="1",
        clip="0", minimumValue=_number(values[0]), maximumValue=_number(values[-1]), labelPrecision="4",
    )  # fmt: skip
    colours = look.with_changes(opacity=1.0).palette()
    for value, end, at in zip(values, ends, np.linspace(0, 255, _STEPS).round().astype(int), strict=True):
        red, green, blue, alpha = (int(part) for part in colours[at])
        label = f"{end:.4g}{' dB' if look.decibel else ''}"
        SubElement(shader, "item", value=_number(value), label=label, alpha=str(alpha),
                   color=f"#{red:02x}{green:02x}{blue:02x}")  # fmt: skip


def _three_bands(pipe: Element, look: Look) -> None:
    renderer = _renderer(pipe, "multibandcolor", look, redBand="1", greenBand="2", blueBand="3")
    lows, highs = np.broadcast_to(look.vmin, 3), np.broadcast_to(look.vmax, 3)
    for name, low, high in zip(("red", "green", "blue"), lows, highs, strict=True):
        stretch = SubElement(renderer, f"{name}ContrastEnhancement")
        SubElement(stretch, "minValue").text = _number(low)
        SubElement(stretch, "maxValue").text = _number(high)
        SubElement(stretch, "algorithm").text = "StretchToMinimumMaximum"


def _number(value: Any) -> str:
    return f"{float(value):.10g}"


def vrt_of(
    raster: str | os.PathLike[str],
    beside: str | os.PathLike[str],
    *,
    look: Look | None = None,
    names: Sequence[str] = (),
    units: str = "",
    metadata: Mapping[str, str] | None = None,
) -> str:
    """Return a GDAL virtual raster of a raster file: its pixels, with names, unit, classes and colours.

    Parameters
    ----------
    raster : path
        The file whose pixels are shown.
    beside : path
        Where the virtual raster will lie; a raster in the same folder is named relative to it, so that both can be moved.
    look : Look, optional
        Classes become category names and a colour table.
    names : sequence of str
        A description per band.
    units : str
    metadata : mapping, optional
        Attribution and the like.
    """
    source = Path(raster).absolute()
    near = source.parent == Path(beside).absolute().parent
    with rasterio.open(source) as file:
        root = Element("VRTDataset", rasterXSize=str(file.width), rasterYSize=str(file.height))
        if file.crs is not None:
            SubElement(
                root, "SRS", dataAxisToSRSAxisMapping="1,2" if not file.crs.is_geographic else "2,1"
            ).text = file.crs.to_wkt()
        SubElement(root, "GeoTransform").text = ", ".join(repr(number) for number in file.transform.to_gdal())
        if metadata:
            held = SubElement(root, "Metadata")
            for key, value in metadata.items():
                SubElement(held, "MDI", key=key).text = value
        for band in range(1, file.count + 1):
            _band(root, file, band, source.name if near else str(source), relative=near, look=look, names=names,
                  units=units)  # fmt: skip
        if factors := file.overviews(1):
            SubElement(root, "OverviewList", resampling="nearest").text = " ".join(map(str, factors))
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _band(
    root: Element,
    file: Any,
    number: int,
    name: str,
    *,
    relative: bool,
    look: Look | None,
    names: Sequence[str],
    units: str,
) -> None:
    dtype = file.dtypes[number - 1]
    element = SubElement(root, "VRTRasterBand", dataType=_GDAL_TYPES[dtype], band=str(number))
    text = names[number - 1] if number <= len(names) else file.descriptions[number - 1]
    if text:
        SubElement(element, "Description").text = text
    if units:
        SubElement(element, "UnitType").text = units
    nodata = file.nodatavals[number - 1]
    if nodata is not None:
        SubElement(element, "NoDataValue").text = "nan" if np.isnan(nodata) else f"{nodata:.17g}"
    scale, offset = file.scales[number - 1], file.offsets[number - 1]
    if (scale, offset) != (1.0, 0.0):
        SubElement(element, "Offset").text = repr(float(offset))
        SubElement(element, "Scale").text = repr(float(scale))
    if look is not None and look.classes is not None and dtype in ("uint8", "uint16"):
        _classes(element, look)
    else:
        SubElement(element, "ColorInterp").text = ("Red", "Green", "Blue")[number - 1] if file.count == 3 else "Gray"
    source = SubElement(element, "SimpleSource")
    SubElement(source, "SourceFilename", relativeToVRT="1" if relative else "0").text = name
    SubElement(source, "SourceBand").text = str(number)
    rows, cols = file.block_shapes[number - 1]
    SubElement(source, "SourceProperties", RasterXSize=str(file.width), RasterYSize=str(file.height),
               DataType=_GDAL_TYPES[dtype], BlockXSize=str(cols), BlockYSize=str(rows))  # fmt: skip
    for rectangle in ("SrcRect", "DstRect"):
        SubElement(source, rectangle, xOff="0", yOff="0", xSize=str(file.width), ySize=str(file.height))


def _classes(element: Element, look: Look) -> None:
    assert look.classes is not None
    SubElement(element, "ColorInterp").text = "Palette"
    named = dict(zip(look.classes.values, zip(look.classes.names, look.classes.colours, strict=True), strict=True))
    most = max(named)
    if most > 4095:  # a table of every number up to it would be longer than the picture
        return
    table, categories = SubElement(element, "ColorTable"), SubElement(element, "CategoryNames")
    for value in range(most + 1):
        name, colour = named.get(value, ("", ""))
        red, green, blue, alpha = class_bytes(colour) if colour else (0, 0, 0, 0)
        SubElement(table, "Entry", c1=str(red), c2=str(green), c3=str(blue), c4=str(alpha))
        SubElement(categories, "Category").text = name
