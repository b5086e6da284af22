"""A raster file read by GDAL: anything that `blocks` does not read itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window as GdalWindow

from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError, NotLoadableError
from terrascope_nb.raster.grid import PixelGrid, same_crs
from terrascope_nb.raster.info import FileInfo

_GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "60",
}

_DRIVERS = {".jp2": "JP2OpenJPEG", ".nc": "netCDF", ".nc4": "netCDF"}
"""Formats of the archive by ending; all else is GeoTIFF. GDAL left alone goes by content: a virtual raster called .tif
would lead it to any file."""


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


def _sign_in(href: str) -> dict[str, str]:
    """Return the option that carries the token for a file; of other headers GDAL would tell other servers too."""
    from terrascope_nb.host.ranges import headers_for  # HTTP libraries: not for those who read from a disk

    token = headers_for(href).get("Authorization")
    if token is None:
        return {}
    same_host = {"CPL_VSIL_CURL_AUTHORIZATION_HEADER_ALLOWED_IF_REDIRECT": "IF_SAME_HOST"}
    return {"GDAL_HTTP_HEADERS": f"Authorization: {token}", **same_host}


@contextmanager
def opened(href: str, variable: str | None, **options: Any) -> Iterator[Any]:
    """Open a file with GDAL for reading; errors name the file."""
    name = _gdal_name(href, variable)
    remote = href.lower().startswith(("http://", "https://"))
    ending = PurePosixPath(urlsplit(href).path if remote else href).suffix.lower()
    if not remote and not os.path.exists(href):  # noqa: PTH110 - hot path
        raise AssetUnreachableError(f"{href} does not exist.", href=href)
    with rasterio.Env(**_GDAL_OPTIONS, **(_sign_in(href) if remote else {})):
        try:
            dataset = rasterio.open(name, driver=_DRIVERS.get(ending, "GTiff"), **options)
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
    code, wkt = crs.to_epsg(), str(crs.to_wkt())
    if code is None and (likely := crs.to_epsg(confidence_threshold=20)):
        # NetCDF files write longitude before latitude, which makes EPSG:4326 look like another system.
        code = likely if same_crs(wkt, f"EPSG:{likely}") else None
    return f"EPSG:{code}" if code else wkt


def _has_mask(flags: Sequence[MaskFlags]) -> bool:
    """Return True for a mask that stands in the file; nodata and a band of opacity are told elsewhere."""
    return MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags


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
        levels=(
            (dataset.height, dataset.width),
            *((-(-dataset.height // factor), -(-dataset.width // factor)) for factor in dataset.overviews(band)),
        ),
        block=tuple(dataset.block_shapes[band - 1]),
        masked=_has_mask(dataset.mask_flag_enums[band - 1]),
    )


class GdalReader:
    """Reads regions of one band through an open dataset."""

    def __init__(self, href: str, dataset: Any, *, band: int, variable: str | None) -> None:
        self.info = _info(dataset, band)
        self._href = href
        self._dataset = dataset
        self._band = band
        self._variable = variable

    def read(self, level: int, top: int, left: int, bottom: int, right: int) -> NDArray[Any]:
        """Return the stored numbers of a region inside a level (0 = full resolution)."""
        with self._level(level) as dataset:
            stored: NDArray[Any] = dataset.read(self._band, window=GdalWindow(left, top, right - left, bottom - top))
            return stored

    def mask(self, level: int, top: int, left: int, bottom: int, right: int) -> NDArray[np.bool_]:
        """Return which pixels of a region mean something, as the file's own mask says it."""
        with self._level(level) as dataset:
            window = GdalWindow(left, top, right - left, bottom - top)
            means: NDArray[np.bool_] = dataset.read_masks(self._band, window=window) != 0
            return means

    @contextmanager
    def _level(self, level: int) -> Iterator[Any]:
        if level == 0:
            yield self._dataset
            return
        with opened(self._href, self._variable, overview_level=level - 1) as dataset:
            yield dataset


@contextmanager
def gdal_reader(href: str, *, band: int = 1, variable: str | None = None) -> Iterator[GdalReader]:
    """Open a file with GDAL; errors on the way name it.

    Raises
    ------
    AssetUnreachableError
        The file is not there or the server does not give it.
    CorruptAssetError
        It is no raster file, or reading fails half-way.
    NotLoadableError
        A container that cannot be read in windows; the message says what to take instead.
    """
    with opened(href, variable) as dataset:
        yield GdalReader(href, dataset, band=band, variable=variable)
