"""A quick look at one item: a few blocks of each file, no cube, no GDAL where our reader will do."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pystac
from numpy.typing import NDArray

from terrascope_nb.cube.preview_choice import choose_layers
from terrascope_nb.cube.preview_reading import Bounds, Opened, choose_frame, open_all, read_all
from terrascope_nb.cube.selection import product_for, scene_of
from terrascope_nb.cube.values import choose_coding, decode, range_for
from terrascope_nb.errors import GridError, NothingFoundError
from terrascope_nb.products.model import Band
from terrascope_nb.raster.grid import PixelGrid


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """Small pictures of the bands of one item; shows itself in a notebook."""

    item_id: str
    """Id of the item."""
    names: tuple[str, ...]
    """Names of the bands and indices."""
    values: NDArray[Any]
    """(band, row, column): float32 values, NaN where not valid; the stored numbers of a class band."""
    grid: PixelGrid
    """Where the pixels lie: coordinate system, transform and shape."""
    classes: Band | None = None
    """The band, when it holds classes."""

    def __repr__(self) -> str:
        rows, cols = self.values.shape[1:]
        return f"<Preview of {self.item_id}: {', '.join(self.names)}, {rows} x {cols} pixels>"

    def to_rgba(self) -> NDArray[np.uint8]:
        """Return the picture (row, column, RGBA): three bands in colour, one in grey, classes in their colours.

        Each band is stretched from its 2nd to its 98th percentile; transparent where a band is not valid.
        """
        rgba = np.zeros((*self.values.shape[1:], 4), dtype="uint8")
        if self.classes is not None:
            for known in self.classes.classes:
                if known.color and known.value != self.classes.nodata:
                    colour = [int(known.color[i : i + 2], 16) for i in (1, 3, 5)]
                    rgba[self.values[0] == known.value] = (*colour, 255)
            return rgba
        valid = np.isfinite(self.values).all(axis=0)
        shown = self.values if len(self.values) == 3 else self.values[[0, 0, 0]]
        for number, band in enumerate(shown):
            if valid.any():
                low, high = np.percentile(band[valid], (2, 98))
                scaled = (band - low) * (255 / (high - low) if high > low else 0.0)
                rgba[..., number] = np.where(valid, np.clip(np.nan_to_num(scaled), 0, 255), 0)
        rgba[..., 3] = np.where(valid, 255, 0)
        return rgba

    def _repr_png_(self) -> bytes:
        return bytes(imagecodecs.png_encode(self.to_rgba()))


def preview(
    item: pystac.Item,
    bands: str | Sequence[str] | None = None,
    *,
    area: Any = None,
    bounds: Sequence[float] | None = None,
    size: int | None = 512,
    roots: Sequence[Path] = (),
) -> Preview:
    """Return a quick look at an item, or at an area of it: the files' own pixels, with no cube in between.

    Parameters
    ----------
    item : pystac.Item
        One of what `search` found.
    bands : str or sequence of str, optional
        Names as for `load`, or of spectral indices as for `spectral_index` (``"NDVI"``); a band of that name comes
        first. None = red, green and blue, or the product's first band.
    area : area, optional
        What `ts.area` takes: the look is the smallest block of the files' pixels that holds it, as far as they reach. A
        polygon clips as in `load`; a bbox, tile or point only frames.
    bounds : (left, bottom, right, top), optional
        The same, in the coordinate system of the item's files. Needs no library of geometry, so it is the quickest.
    size : int, optional
        About how many pixels the longer side has: of full resolution and overviews, the nearest to it is taken as it
        is. Files without overviews are read whole and thinned out. None = full resolution.
    roots : sequence of path
        Folders that local files may lie under besides the archive roots: ``items.roots`` of the search it came from.

    Returns
    -------
    Preview
        ``values`` (band, row, column), physical; shows itself as a picture. At full resolution the numbers are those of
        `load` and `spectral_index`. Coarser bands are repeated on the pixels of the finest.

    Raises
    ------
    UnknownBandError
        The product has no such band and spyndex no such index, or the item lacks a band of the index.
    NothingFoundError
        The item has no file of a band.
    GridError
        The area does not touch the item, or ``size`` or ``bounds`` is none.
    AccessError
        A file could not be opened or is damaged.

    Examples
    --------
    >>> import terrascope_nb as ts                                                     # doctest: +SKIP
    >>> ts.preview(items[0], "NDVI", area="Assenede")                                   # doctest: +SKIP
    """
    is_number = isinstance(size, numbers.Real) and not isinstance(size, bool) and math.isfinite(size)
    if size is not None and not (is_number and size >= 1):
        raise GridError(
            f"size={size!r} is no number of pixels; give a positive number, 512 for instance, or None for full resolution."
        )
    wanted, aoi = _wanted(area, bounds)
    product = product_for([item], None)
    layers = choose_layers(product, item, bands)
    needed = list({band.name: band for layer in layers for band in layer.bands}.values())
    scene = scene_of(item, needed, None, roots)
    missing = [band.name for band, source in zip(needed, scene.sources, strict=True) if source is None]
    if missing:
        raise NothingFoundError(f"{item.id} has no file of {', '.join(missing)}; it has {', '.join(item.assets)}.")
    files = open_all([source for source in scene.sources if source is not None])
    frame = choose_frame(files, wanted, None if size is None else int(size))
    seen = None
    if aoi is not None and aoi.clips:
        from terrascope_nb.cube.clipping import inside_area  # brings GDAL and geometry, which frames do without

        seen = inside_area(aoi, frame.grid)
    foreign = product is None or not product.bands
    values = {
        band.name: _values(band, file, stored, _both(inside, seen), foreign=foreign)
        for band, file, (stored, inside) in zip(needed, files, read_all(files, frame), strict=True)
    }
    return Preview(
        item.id,
        tuple(layer.name for layer in layers),
        np.stack([layer.of([values[band.name] for band in layer.bands]) for layer in layers]),
        frame.grid,
        layers[0].bands[0] if len(layers) == 1 and not layers[0].is_measured else None,
    )


def _wanted(area: Any, bounds: Any) -> tuple[Callable[[str], Bounds] | None, Any]:
    """Return what gives the box to be seen, and the area."""
    if area is not None and bounds is not None:
        raise GridError("area and bounds both say what to look at; give one of them.")
    if area is not None:
        from terrascope_nb.extent.aoi import area as make_area  # brings geometry and PROJ

        aoi = make_area(area)
        return aoi.bounds_in, aoi
    if bounds is None:
        return None, None
    try:
        box = tuple(float(edge) for edge in bounds)
    except (TypeError, ValueError):
        box = ()
    if len(box) != 4 or not all(map(math.isfinite, box)) or box[0] > box[2] or box[1] > box[3]:
        raise GridError(
            f"bounds={bounds!r} is no box; give (left, bottom, right, top) in the coordinate system of the files, or an "
            "area in degrees with area=."
        )
    return lambda _crs: box, None


def _both(one: NDArray[np.bool_] | None, other: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    return one if other is None else other if one is None else one & other


def _values(
    band: Band, file: Opened, stored: NDArray[Any], inside: NDArray[np.bool_] | None, *, foreign: bool
) -> NDArray[Any]:
    if band.kind == "measurement":
        coding = choose_coding(file.source, file.info, band, foreign=foreign)
        values = decode(stored, coding, range_for(coding, band))
        if inside is not None:
            values[~inside] = np.nan
        return values
    if inside is not None:
        stored = np.where(inside, stored, _nothing(band, file, stored.dtype))
    return stored


def _nothing(band: Band, file: Opened, kind: np.dtype[Any]) -> Any:
    """Return the number that stands for no class: nodata as item, file or table say it, else the largest of the type."""
    if kind.kind == "f":
        return kind.type(np.nan)
    ends = np.iinfo(kind)
    said = (file.source.nodata, file.info.nodata, band.nodata)
    fitting = [number for number in said if number is not None and ends.min <= number <= ends.max]
    return kind.type(fitting[0] if fitting else ends.max)
