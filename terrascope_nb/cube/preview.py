"""A quick look at one item from its overviews: a few blocks of each file, no cube, no GDAL where our reader will do."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pystac
from numpy.typing import NDArray

from terrascope_nb.catalogue.access import open_href
from terrascope_nb.cube.plan import Source
from terrascope_nb.cube.selection import bands_of, product_for, scene_of
from terrascope_nb.cube.values import choose_coding, decode, range_for
from terrascope_nb.errors import GridError, NothingFoundError, UnknownBandError
from terrascope_nb.host.limits import cores
from terrascope_nb.products.model import Band, Product
from terrascope_nb.raster.blocks import native_reader

_TRUE_COLOUR = ("red", "green", "blue")


@dataclass(frozen=True, slots=True, eq=False)
class Preview:
    """Small pictures of the bands of one item; shows itself in a notebook."""

    item_id: str
    """Id of the item."""
    names: tuple[str, ...]
    """Names of the bands."""
    values: NDArray[Any]
    """(band, row, column): float32 values, NaN where not valid; the stored numbers of a class band."""
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
                if known.color:
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
    item: pystac.Item, bands: str | Sequence[str] | None = None, *, size: int = 512, roots: Sequence[Path] = ()
) -> Preview:
    """Return a quick look at an item.

    Parameters
    ----------
    item : pystac.Item
        One of what `search` found.
    bands : str or sequence of str, optional
        Names as for `load`; None = red, green and blue, or the product's first band.
    size : int
        About how many pixels the longer side has: the overview nearest to it is taken as it is. Files without
        overviews are read whole and thinned out.
    roots : sequence of path
        Folders that local files may lie under besides the archive roots: ``items.roots`` of the search it came from.

    Returns
    -------
    Preview
        ``values`` (band, row, column), physical; shows itself as a picture.

    Raises
    ------
    UnknownBandError
        The product has no such band.
    NothingFoundError
        The item has no file of a band.
    GridError
        ``size`` is no number of pixels.
    AccessError
        A file could not be opened or is damaged.
    """
    if size < 1:
        raise GridError(f"size={size!r} is no number of pixels; give a positive number, 512 for instance.")
    product = product_for([item], None)
    named = _bands(product, item, bands)
    scene = scene_of(item, [band for _, band in named], None, roots)
    missing = [name for (name, _), source in zip(named, scene.sources, strict=True) if source is None]
    if missing:
        raise NothingFoundError(f"{item.id} has no file of {', '.join(missing)}; it has {', '.join(item.assets)}.")
    foreign = product is None or not product.bands
    look = functools.partial(_look, size=size, foreign=foreign)
    sources = [source for source in scene.sources if source is not None]
    if len(named) == 1:
        layers = [look(sources[0], named[0][1])]
    else:
        with ThreadPoolExecutor(cores()) as pool:
            layers = list(pool.map(look, sources, [band for _, band in named]))
    shape = max((layer.shape for layer in layers), key=math.prod)
    values = np.stack([_fitted(layer, shape) for layer in layers])
    only = named[0][1]
    classes = only if len(named) == 1 and only.kind != "measurement" else None
    return Preview(item.id, tuple(name for name, _ in named), values, classes)


def _bands(product: Product | None, item: pystac.Item, asked: Any) -> list[tuple[str, Band]]:
    if asked is not None:
        return bands_of(product, [item], asked)
    try:
        return bands_of(product, [item], _TRUE_COLOUR)
    except UnknownBandError:
        return bands_of(product, [item], None)[:1]


def _look(source: Source, band: Band, *, size: int, foreign: bool) -> NDArray[Any]:
    href = open_href(source.ref)
    native = None
    if source.variable is None and not href.startswith(("http://", "https://")):
        native = native_reader(href, source.band_index)
    if native is not None:
        opened: Any = nullcontext(native)
    else:
        from terrascope_nb.raster.window import open_reader  # brings GDAL, which most files do not need

        opened = open_reader(href, band=source.band_index, variable=source.variable)
    with opened as reader:
        info = reader.info
        sides = [max(level) for level in info.levels]
        level = min(range(len(sides)), key=lambda number: abs(math.log(sides[number] / size)))
        stored = _thinned(reader, level, max(1, sides[level] // size) if len(sides) == 1 else 1)
    if band.kind != "measurement":
        return stored
    coding = choose_coding(source, info, band, foreign=foreign)
    values: NDArray[Any] = decode(stored, coding, range_for(coding, band))
    return values


def _thinned(reader: Any, level: int, every: int) -> NDArray[Any]:
    """Read a level, or every n-th row and column of it, a row of blocks at a time."""
    height, width = reader.info.levels[level]
    if every == 1:
        whole: NDArray[Any] = reader.read(level, 0, 0, height, width)
        return whole
    strip = max(every, reader.info.block[0]) // every * every
    parts = [
        reader.read(level, top, 0, min(top + strip, height), width)[::every, ::every] for top in range(0, height, strip)
    ]
    return np.concatenate(parts)


def _fitted(layer: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Repeat or pick pixels so that bands of several resolutions lie on each other."""
    if layer.shape == shape:
        return layer
    rows, cols = (np.arange(wanted) * there // wanted for wanted, there in zip(shape, layer.shape, strict=True))
    fitted: NDArray[Any] = layer[rows[:, None], cols]
    return fitted
