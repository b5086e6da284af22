"""One window of one file on a grid: the one place where pixels are read.

Pixels come in one of three ways, the first that fits:

* the grid is the file's own: a plain window, bit for bit;
* the grid is finer by a whole number (20 m on a 10 m grid): the window, each pixel repeated;
* anything else: the file's pixel that holds the centre of each grid pixel (``nearest``), taken from the coarsest
  overview that is still at least as fine as the grid; or GDAL's warper for the other resampling methods.

Nothing is ever filled in: ``inside`` says which pixels of the grid the file has at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.warp import reproject
from rasterio.windows import Window as GdalWindow

from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError, NotLoadableError
from terrascope_nb.raster.grid import PixelGrid, same_crs
from terrascope_nb.raster.lookup import centre_indices

RESAMPLING = ("nearest", "bilinear", "cubic", "average", "mode", "min", "max", "med", "q1", "q3", "lanczos")
"""Resampling methods on offer: GDAL's names."""

_GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "60",
}


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What a file says of itself."""

    grid: PixelGrid
    """The full-resolution grid."""
    dtype: str
    """Stored type."""
    nodata: float | None
    """Stored number that means nothing here, if the file says one."""
    scale: float | None
    """Scale, if the file says one (GDAL's default of 1 counts as silence)."""
    offset: float | None
    """Offset, if the file says one (GDAL's default of 0 counts as silence)."""
    overviews: tuple[int, ...] = ()
    """Decimation factors of the overviews."""
    block: tuple[int, int] = (0, 0)
    """Rows and columns of a native block."""


@dataclass(frozen=True, slots=True)
class Window:
    """Stored numbers on a grid."""

    stored: NDArray[Any]
    """Stored numbers, shape of the grid; 0 where not inside."""
    inside: NDArray[np.bool_]
    """True where the file has a pixel."""
    info: FileInfo
    """What the file says of itself."""


def _gdal_name(href: str, variable: str | None) -> str:
    lower = href.lower()
    if lower.endswith((".nc", ".nc4")):
        if lower.startswith(("http://", "https://")):
            raise NotLoadableError(
                f"{href} is a NetCDF file behind HTTPS, which cannot be read in windows. "
                "Download it first, or choose the product's GeoTIFF (COG) collection.",
                href=href,
            )
        return f'NETCDF:"{href}":{variable}' if variable else href
    if lower.endswith((".h5", ".hdf5", ".hdf", ".he5")):
        raise NotLoadableError(
            f"{href} is an HDF5 file without georeference that GDAL understands. "
            "Choose the product's GeoTIFF (COG) collection.",
            href=href,
        )
    return href


@contextmanager
def _opened(href: str, variable: str | None, **options: Any) -> Iterator[Any]:
    """Open a file with GDAL for reading; errors name the file."""
    name = _gdal_name(href, variable)
    remote = href.lower().startswith(("http://", "https://"))
    if not remote and not os.path.exists(href):  # noqa: PTH110 - hot path
        raise AssetUnreachableError(f"{href} does not exist.", href=href)
    with rasterio.Env(**_GDAL_OPTIONS):
        try:
            dataset = rasterio.open(name, **options)
        except RasterioError as error:
            if remote:
                raise AssetUnreachableError(
                    f"{href} did not open: {error}. The server may be down, or the file may need a signed-in user.",
                    href=href,
                ) from error
            raise CorruptAssetError(f"{href} is no readable raster file: {error}.", href=href) from error
        with dataset:
            try:
                yield dataset
            except RasterioError as error:
                raise CorruptAssetError(f"{href} is damaged: {error}.", href=href) from error


def _said(value: float | None, silent: float) -> float | None:
    return None if value is None or value == silent else float(value)


def _crs_text(crs: Any) -> str:
    if crs is None:
        return ""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt())


def _info(dataset: Any, band: int) -> FileInfo:
    tags = dataset.tags(band)
    nodata = dataset.nodatavals[band - 1]
    if nodata is None and "_FillValue" in tags:  # NetCDF
        nodata = float(tags["_FillValue"])
    return FileInfo(
        grid=PixelGrid(_crs_text(dataset.crs), tuple(dataset.transform)[:6], (dataset.height, dataset.width)),
        dtype=dataset.dtypes[band - 1],
        nodata=None if nodata is None else float(nodata),
        scale=_said(dataset.scales[band - 1], 1.0),
        offset=_said(dataset.offsets[band - 1], 0.0),
        overviews=tuple(dataset.overviews(band)),
        block=tuple(dataset.block_shapes[band - 1]),
    )


def read_info(href: str, *, band: int = 1, variable: str | None = None) -> FileInfo:
    """Return what a file says of itself.

    Raises
    ------
    AssetUnreachableError
        The file is not there or the server does not give it.
    CorruptAssetError
        The file is no raster file.
    NotLoadableError
        A container that cannot be read in windows; the message says what to take instead.
    """
    with _opened(href, variable) as dataset:
        return _info(dataset, band)


def read_window(
    href: str,
    grid: PixelGrid,
    *,
    resampling: str = "nearest",
    band: int = 1,
    variable: str | None = None,
    nodata: float | None = None,
) -> Window:
    """Return the stored numbers of a file on a grid.

    Parameters
    ----------
    href : str
        Local path or https URL, already checked by the caller.
    grid : PixelGrid
        Where numbers are wanted; may lie partly or wholly outside the file.
    resampling : str
        One of `RESAMPLING`; used only where the grid is not the file's own.
    band : int
        Band of the file, from 1.
    variable : str, optional
        Name of the variable in a NetCDF file.
    nodata : float, optional
        Stored number that must not take part in an average; the file's own when None.

    Returns
    -------
    Window
        ``stored`` has the file's dtype and the grid's shape.

    Raises
    ------
    AssetUnreachableError, CorruptAssetError, NotLoadableError
        As `read_info`; a read that fails half-way is a `CorruptAssetError`, never zeros.
    """
    with _opened(href, variable) as dataset:
        info = _info(dataset, band)
        if not info.grid.crs:
            raise CorruptAssetError(f"{href} says no coordinate system, so it cannot be placed on a grid.", href=href)
        for factor in _whole_factors(info.grid, grid, resampling):
            at = grid.offset_in(info.grid, factor)
            if at is not None:
                return _repeated(dataset, info, grid, at, factor, band)
        if resampling != "nearest":
            return _warped(dataset, info, grid, resampling, band, nodata)
    return _nearest(href, info, grid, band, variable)


def _whole_factors(file_grid: PixelGrid, grid: PixelGrid, resampling: str) -> list[int]:
    """1, and how many grid pixels fit in a file pixel when that is a whole number and pixels may be repeated."""
    if not (file_grid.is_north_up and grid.is_north_up):
        return []
    ratio = abs(file_grid.transform[0] / grid.transform[0])
    if resampling == "nearest" and 1.5 < ratio < 1000 and abs(ratio - round(ratio)) < 1e-6:
        return [round(ratio)]
    return [1]


def _repeated(dataset: Any, info: FileInfo, grid: PixelGrid, at: tuple[int, int], factor: int, band: int) -> Window:
    """Read the file's own pixels, each repeated ``factor`` times in both directions."""
    rows, cols = grid.shape
    height, width = info.grid.shape
    stored = np.zeros((rows, cols), dtype=info.dtype)
    inside = np.zeros((rows, cols), dtype=bool)
    row0, col0 = max(at[0], 0), max(at[1], 0)
    row1, col1 = min(at[0] + rows, height * factor), min(at[1] + cols, width * factor)
    if row0 < row1 and col0 < col1:
        top, left = row0 // factor, col0 // factor
        bottom, right = -(-row1 // factor), -(-col1 // factor)
        piece = dataset.read(band, window=GdalWindow(left, top, right - left, bottom - top))
        if factor > 1:
            piece = piece.repeat(factor, axis=0).repeat(factor, axis=1)
            piece = piece[row0 - top * factor : row1 - top * factor, col0 - left * factor : col1 - left * factor]
        there = np.s_[row0 - at[0] : row1 - at[0], col0 - at[1] : col1 - at[1]]
        stored[there] = piece
        inside[there] = True
    return Window(stored, inside, info)


def _nearest(href: str, info: FileInfo, grid: PixelGrid, band: int, variable: str | None) -> Window:
    """Take, for each grid pixel, the file's pixel that holds its centre."""
    level, level_grid = _overview_for(info, grid)
    options = {} if level is None else {"overview_level": level}
    with _opened(href, variable, **options) as dataset:
        if level is not None:
            level_grid = _level_grid(info.grid, dataset.height, dataset.width)
        rows, cols = centre_indices(grid, level_grid)
        height, width = level_grid.shape
        inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        stored = np.zeros(grid.shape, dtype=info.dtype)
        if inside.any():
            used_rows, used_cols = rows[inside], cols[inside]
            top, left = int(used_rows.min()), int(used_cols.min())
            bottom, right = int(used_rows.max()) + 1, int(used_cols.max()) + 1
            piece = dataset.read(band, window=GdalWindow(left, top, right - left, bottom - top))
            stored[inside] = piece[used_rows - top, used_cols - left]
    return Window(stored, inside, info)


def _level_grid(full: PixelGrid, height: int, width: int) -> PixelGrid:
    """Return the grid of an overview: the same ground cut in fewer pixels."""
    a, b, c, d, e, f = full.transform
    down, across = full.shape[0] / height, full.shape[1] / width
    return PixelGrid(full.crs, (a * across, b * down, c, d * across, e * down, f), (height, width))


def _overview_for(info: FileInfo, grid: PixelGrid) -> tuple[int | None, PixelGrid]:
    """Choose the coarsest overview that is still at least as fine as the grid."""
    if not info.overviews:
        return None, info.grid
    wanted = _ground_ratio(info.grid, grid)
    # An overview has whole pixels only, so its true factor is a little below the one it is called by.
    sides = info.grid.shape
    true = [max(side / -(-side // factor) for side in sides) for factor in info.overviews]
    fitting = [level for level, factor in enumerate(true) if factor <= wanted * (1 + 1e-6)]
    return (fitting[-1] if fitting else None), info.grid


def _ground_ratio(file_grid: PixelGrid, grid: PixelGrid) -> float:
    """How many file pixels lie along one grid pixel (the smaller of the two directions)."""
    if same_crs(file_grid.crs, grid.crs):
        file_y, file_x = file_grid.resolution
        grid_y, grid_x = grid.resolution
        return min(grid_y / file_y, grid_x / file_x)
    rows, cols = grid.shape
    middle = grid.crop(rows // 2, cols // 2, 2, 2)
    row_index, col_index = centre_indices(middle, file_grid, whole=False)
    across = float(np.hypot(col_index[0, 1] - col_index[0, 0], row_index[0, 1] - row_index[0, 0]))
    down = float(np.hypot(col_index[1, 0] - col_index[0, 0], row_index[1, 0] - row_index[0, 0]))
    return min(across, down) if np.isfinite(across) and np.isfinite(down) else 1.0


def _warped(dataset: Any, info: FileInfo, grid: PixelGrid, resampling: str, band: int, nodata: float | None) -> Window:
    """Let GDAL resample; nodata takes no part, and a pixel counts as inside when its centre is."""
    missing = info.nodata if nodata is None else nodata
    rows, cols = centre_indices(grid, info.grid)
    inside = (rows >= 0) & (rows < info.grid.shape[0]) & (cols >= 0) & (cols < info.grid.shape[1])
    source, source_transform = _source_piece(dataset, info, grid, band)
    stored = np.zeros(grid.shape, dtype=info.dtype)
    if source is not None:
        reproject(
            source,
            stored,
            src_transform=source_transform,
            src_crs=info.grid.crs,
            dst_transform=rasterio.Affine(*grid.transform),
            dst_crs=grid.crs,
            resampling=Resampling[resampling],
            src_nodata=missing,
            dst_nodata=missing,
            init_dest_nodata=True,
        )
    return Window(stored, inside, info)


def _source_piece(dataset: Any, info: FileInfo, grid: PixelGrid, band: int) -> tuple[NDArray[Any] | None, Any]:
    """Read the part of the file under the grid, with a margin for the resampling kernel."""
    rows, cols = centre_indices(grid.pad(2), info.grid)
    height, width = info.grid.shape
    ratio = max(1.0, _ground_ratio(info.grid, grid))
    margin = int(3 * ratio) + 3
    top, bottom = max(int(rows.min()) - margin, 0), min(int(rows.max()) + margin + 1, height)
    left, right = max(int(cols.min()) - margin, 0), min(int(cols.max()) + margin + 1, width)
    if top >= bottom or left >= right:
        return None, None
    window = GdalWindow(left, top, right - left, bottom - top)
    piece = dataset.read(band, window=window)
    return piece, rasterio.Affine(*info.grid.crop(top, left, 1, 1).transform)
