"""A cube becomes files: COG, NetCDF or Zarr, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import dask
import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from rasterio.windows import Window

from terrascope_nb import __version__
from terrascope_nb.cube.citation import cite
from terrascope_nb.cube.compute import compute, distributed_client
from terrascope_nb.cube.geobox import grid_like
from terrascope_nb.cube.plan import PLAN_ATTRIBUTE, PlanText, plan_of
from terrascope_nb.errors import CubeError, ExportError
from terrascope_nb.host.limits import cores
from terrascope_nb.raster.grid import PixelGrid

Format = Literal["cog", "netcdf", "zarr"]
_BY_SUFFIX: dict[str, Format] = {".tif": "cog", ".tiff": "cog", ".nc": "netcdf", ".nc4": "netcdf", ".zarr": "zarr"}
_STRIP = 2048
"""Rows written at a time, so that a COG of a whole tile needs little memory."""


def export(
    cube: xr.Dataset | xr.DataArray,
    path: str | os.PathLike[str],
    *,
    format: Format | None = None,  # noqa: A002 - the word users look for
    overwrite: bool = False,
) -> list[Path]:
    """Write a cube to COG, NetCDF or Zarr and return the files.

    Each file is written under a temporary name beside its own and moved when it is whole, so a file of the final name
    is never half written.

    Parameters
    ----------
    cube : Dataset or DataArray
        Dims (time, y, x) or (y, x), with a coordinate system.
    path : path
        ``.tif`` (a COG per time; with several times the time is added to the name), ``.nc`` or ``.zarr``.
    format : {"cog", "netcdf", "zarr"}, optional
        Where the suffix does not say it.
    overwrite : bool
        False: an existing file is an error.

    Returns
    -------
    list of Path
        What was written. Values, crs, units, nodata (NaN for physical values), source ids, the code version and the
        attribution are in the files.

    Raises
    ------
    ExportError
        Unknown format, file exists, disk full or folder not writable.
    CubeError
        The cube has no regular grid.
    """
    target = Path(path).expanduser()
    kind = format or _BY_SUFFIX.get(target.suffix.lower())
    if kind not in {"cog", "netcdf", "zarr"}:
        raise ExportError(
            f"export to {target.name!r}: the format is not clear from {target.suffix!r}. "
            'Use .tif, .nc or .zarr, or say format="cog", "netcdf" or "zarr".'
        )
    dataset = _as_dataset(cube)
    grid = _grid_of(dataset)
    if not target.parent.is_dir():
        raise ExportError(f"export to {target}: the folder {target.parent} does not exist. Make it first.", path=target)
    if kind == "cog":
        return _cogs(dataset, grid, target, overwrite=overwrite)
    with _whole(target, overwrite=overwrite) as temporary:
        if kind == "netcdf":
            _netcdf(dataset, temporary)
        else:
            _zarr(dataset, temporary)
    return [target]


def _as_dataset(cube: xr.Dataset | xr.DataArray) -> xr.Dataset:
    if isinstance(cube, xr.Dataset):
        if not cube.data_vars:
            raise CubeError("This cube has no variable to export.")
        return cube
    name = str(cube.name or "values")
    dataset = cube.to_dataset(name=name)
    dataset.attrs = {k: v for k, v in cube.attrs.items() if k in {"product", "attribution", PLAN_ATTRIBUTE}}
    return dataset


def _grid_of(dataset: xr.Dataset) -> PixelGrid:
    import odc.geo.xr  # noqa: F401 - registers the accessor that knows the grid

    try:
        return grid_like(dataset)
    except Exception as error:
        raise CubeError(
            f"This cube has no regular grid that a file could carry ({error}). "
            "Export a cube of load(), or give it a crs with rioxarray's write_crs."
        ) from error


@contextlib.contextmanager
def _whole(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary name; move it to the target when the block ends well, remove it otherwise."""
    if target.exists() and not overwrite:
        raise ExportError(f"{target} exists already. Choose another name, or say overwrite=True.", path=target)
    if target.is_dir() and not _is_zarr(target):
        raise ExportError(
            f"{target} is a folder that is no Zarr store, and it is not replaced by a file. Choose another name.",
            path=target,
        )
    unique = uuid.uuid4().hex[:8]
    temporary = target.with_name(f".{target.stem}-{unique}{target.suffix}")
    aside = target.with_name(f".{target.stem}-{unique}-old{target.suffix}")
    try:
        yield temporary
        if target.is_dir():  # a folder cannot be replaced in one step: keep the old one until the new one stands
            target.replace(aside)
        try:
            temporary.replace(target)
        except OSError:
            if aside.exists():
                aside.replace(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    except OSError as error:
        if isinstance(error, ExportError):
            raise
        # Reading errors are OSErrors too and already say which input file is at fault.
        if type(error).__module__.startswith("terrascope_nb"):
            raise
        raise ExportError(
            f"{target} could not be written: {error}. Nothing was left under that name. "
            "Check the free space and your write rights there.",
            path=target,
        ) from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


def _is_zarr(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (".zgroup", ".zmetadata", "zarr.json"))


def _plain(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with attributes and encodings that any file format takes."""
    plain = dataset.copy()
    plan = plan_of(dataset)
    plain.attrs = {k: _text(v) for k, v in dataset.attrs.items()}
    plain.attrs["Conventions"] = "CF-1.10"
    plain.attrs["history"] = f"written by terrascope_nb {__version__}"
    if plan is not None:
        plain.attrs["terrascope_citation"] = str(cite(dataset))
    for name in plain.variables:
        variable = plain[name].variable
        variable.attrs = {k: _text(v) for k, v in dataset[name].attrs.items()}
        variable.encoding = {}
        if name in plain.data_vars:
            nodata = variable.attrs.pop("nodata", None)
            if variable.dtype.kind == "f":
                variable.encoding["_FillValue"] = variable.dtype.type(np.nan)
            elif nodata is not None and nodata in np.atleast_1d(variable.attrs.get("flag_values", ())):
                # A class of its own (no_data): as a fill it would make fractions of all classes where the file is opened.
                variable.attrs["nodata"] = nodata
            elif nodata is not None:
                variable.encoding["_FillValue"] = nodata
            if "spatial_ref" in plain.coords:
                variable.encoding["grid_mapping"] = "spatial_ref"
            # Named here, spatial_ref is a coordinate for whoever opens the file with xarray's defaults, and the crs is known.
            aside = [str(n) for n in plain.coords if n not in plain.dims and {*plain[n].dims} <= {*variable.dims}]
            if aside:
                variable.encoding["coordinates"] = " ".join(aside)
        elif variable.dtype.kind == "f":
            variable.encoding["_FillValue"] = None
        elif variable.dtype.kind == "O":  # texts; neither format stores Python objects
            plain[name] = plain[name].astype(str)
    if "time" in plain.coords:
        plain["time"].encoding.update(
            units="microseconds since 1970-01-01", calendar="proleptic_gregorian", dtype="int64"
        )
    return plain


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, PlanText) else value


@contextlib.contextmanager
def _own_threads() -> Iterator[None]:
    """Compute on threads that have ended when the block does, so that none still writes into a file being removed.

    A cluster, where one is in use, keeps the work.
    """
    if distributed_client() is not None:
        yield
        return
    with ThreadPoolExecutor(cores()) as pool, dask.config.set(scheduler="threads", pool=pool):
        yield


def _netcdf(dataset: xr.Dataset, path: Path) -> None:
    plain = _plain(dataset)
    for name in plain.data_vars:
        plain[name].encoding.update(zlib=True, complevel=4, shuffle=True)
    with _own_threads():
        plain.to_netcdf(path, engine="netcdf4", format="NETCDF4")


def _zarr(dataset: xr.Dataset, path: Path) -> None:
    plain = _plain(dataset)
    # Chunks of a clipped window may be uneven, which Zarr does not know.
    even = {dim: min(2048, size) if dim in {"y", "x"} else 1 for dim, size in plain.sizes.items()}
    for name in plain.data_vars:
        plain[name] = plain[name].chunk({dim: even[dim] for dim in plain[name].dims})
    # Version 2 is what GDAL, QGIS and older libraries read.
    with _own_threads():
        plain.to_zarr(path, mode="w-", zarr_format=2, consolidated=True)


def _cogs(dataset: xr.Dataset, grid: PixelGrid, target: Path, *, overwrite: bool) -> list[Path]:
    if "time" not in dataset.dims:
        return [_cog(dataset, grid, target, overwrite=overwrite)]
    if dataset.sizes["time"] == 1:
        return [_cog(dataset.isel(time=0), grid, target, overwrite=overwrite)]
    times = dataset["time"].values.astype("datetime64[ns]")
    # Seconds are enough for names, unless neighbours of one instant were asked not to fuse.
    unit: Literal["s", "us"] = "s" if len(set(times.astype("datetime64[s]"))) == len(times) else "us"
    stamps = [str(np.datetime_as_string(time, unit=unit)).replace("-", "").replace(":", "") for time in times]
    targets = [target.with_name(f"{target.stem}_{stamp.replace('.', '_')}{target.suffix}") for stamp in stamps]
    taken = [path.name for path in targets if path.exists()]
    if taken and not overwrite:
        raise ExportError(
            f"{', '.join(taken[:3])} exist{'s' if len(taken) == 1 else ''} already in {target.parent}; nothing was written. "
            "Choose another name, or say overwrite=True.",
            path=target,
        )
    return [_cog(dataset.isel(time=number), grid, path, overwrite=overwrite) for number, path in enumerate(targets)]


def _cog(dataset: xr.Dataset, grid: PixelGrid, target: Path, *, overwrite: bool) -> Path:
    """Write one time as a cloud-optimised GeoTIFF, one band per variable."""
    names = list(dataset.data_vars)
    dtype = np.result_type(*(dataset[name].dtype for name in names))
    if dtype == np.float64:
        dtype = np.dtype("float32") if all(dataset[n].dtype.itemsize <= 4 for n in names) else dtype
    nodata = {dataset[name].attrs.get("nodata") for name in names} - {None} if dtype.kind != "f" else {float("nan")}
    if len(nodata) > 1:
        raise ExportError(
            f"{', '.join(map(str, names))} have different nodata numbers ({sorted(map(str, nodata))}), and a GeoTIFF holds one. "
            "Export them apart, or to NetCDF."
        )
    rows, cols = grid.shape
    profile = {
        "driver": "GTiff", "height": rows, "width": cols, "count": len(names), "dtype": dtype.name, "crs": grid.crs,
        "transform": rasterio.Affine(*grid.transform), "nodata": next(iter(nodata), None), "tiled": True,
        "blockxsize": 512, "blockysize": 512, "compress": "deflate", "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    with _whole(target, overwrite=overwrite) as temporary:
        raw = temporary.with_suffix(".raw.tif")
        try:
            with rasterio.open(raw, "w", **profile) as file:
                _describe(file, dataset, names)
                for top in range(0, rows, _STRIP):
                    strip = compute(dataset.isel(y=slice(top, top + _STRIP)))
                    for band, name in enumerate(names, start=1):
                        values = strip[name].transpose("y", "x").values.astype(dtype, copy=False)
                        file.write(values, band, window=Window(0, top, cols, values.shape[0]))
            rasterio.shutil.copy(
                raw, temporary, driver="COG", compress="DEFLATE", predictor="YES",
                overview_resampling="nearest", bigtiff="IF_SAFER",
            )  # fmt: skip
        except rasterio.errors.RasterioError as error:
            raise ExportError(f"{target} could not be written: {error}.", path=target) from error
        finally:
            raw.unlink(missing_ok=True)
    return target


def _describe(file: Any, dataset: xr.Dataset, names: list[Any]) -> None:
    tags = {
        "TIFFTAG_SOFTWARE": f"terrascope_nb {__version__}",
        "TIFFTAG_COPYRIGHT": str(dataset.attrs.get("attribution", "")),
        "product": str(dataset.attrs.get("product", "")),
    }
    if "item_ids" in dataset.coords:
        tags["item_ids"] = ";".join(np.atleast_1d(dataset["item_ids"].values).astype(str))
    if "time" in dataset.coords and dataset["time"].ndim == 0:
        tags["TIFFTAG_DATETIME"] = (
            str(np.datetime_as_string(dataset["time"].values, unit="s")).replace("-", ":").replace("T", " ")
        )
    if plan_of(dataset) is not None:
        tags["terrascope_citation"] = str(cite(dataset))
    file.update_tags(**tags)
    for band, name in enumerate(names, start=1):
        file.set_band_description(band, str(name))
        attributes = dataset[name].attrs
        file.update_tags(band, **{k: str(attributes[k]) for k in ("units", "long_name", "band") if k in attributes})
    file.units = [str(dataset[name].attrs.get("units", "")) for name in names]
