"""Files that come out of a cube: opened again with other libraries they hold the same values."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - registers .rio
import xarray as xr

from terrascope_nb import __version__
from terrascope_nb.cube import blocks, files
from terrascope_nb.cube.files import export
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import AccessError, CubeError, ExportError, TerrascopeWarning

FIRST, SECOND = "S2B_20180705T105029_31UFS_TOC_V210", "S2B_20180710T105029_31UFS_TOC_V210"


def path_of(item, key="B04") -> Path:
    return Path(item.assets[key].extra_fields["alternate"]["local"]["href"].removeprefix("file://"))


@pytest.fixture
def items(make_scene, rng):
    def values():
        reds = rng.integers(-100, 9000, (700, 600)).astype("int16")
        reds[rng.random(reds.shape) < 0.05] = 32767
        return {
            "B04": reds,
            "B08": rng.integers(0, 9000, (700, 600)).astype("int16"),
            "SCL": rng.choice([0, 4, 5, 9], (350, 300)).astype("uint8"),
        }

    return [make_scene(values()), make_scene(values(), time="20180710T105029")]


@pytest.fixture
def cube(items):
    return load(items, ["red", "nir"], mask="clear")


@pytest.fixture
def one(items):
    return load(items[:1], ["red", "nir"])


# ---- COG


def test_a_cog_holds_values_grid_nodata_names_units_and_source(one, tmp_path):
    (path,) = export(one, tmp_path / "one.tif")
    assert path == tmp_path / "one.tif"
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), one.red[0])
        np.testing.assert_array_equal(file.read(2), one.nir[0])
        assert file.crs.to_epsg() == 32631
        assert file.transform == one.rio.transform()
        assert file.dtypes == ("float32", "float32")
        assert np.isnan(file.nodata)
        assert file.descriptions == ("red", "nir")
        assert file.units == ("1", "1")
        assert file.scales == (1.0, 1.0)
        tags = file.tags()
        assert FIRST in tags["item_ids"]
        assert __version__ in tags["TIFFTAG_SOFTWARE"]
        assert "Copernicus" in tags["TIFFTAG_COPYRIGHT"]
        assert tags["TIFFTAG_DATETIME"] == "2018:07:05 10:50:29"
        assert FIRST in tags["terrascope_citation"]
        assert tags["product"] == "s2-toc"
        assert file.tags(1)["band"] == "B04"


def test_a_cog_is_laid_out_as_one(one, tmp_path):
    (path,) = export(one, tmp_path / "one.tif")
    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.block_shapes[0] == (512, 512)
        assert file.overviews(1) == [2]
        assert file.compression.name == "deflate"
    with rasterio.open(path, overview_level=0) as file:
        assert file.shape == (350, 300)
    # What a validator looks at: the headers of all levels stand before the pixels of the full resolution.
    with path.open("rb") as file:
        assert b"LAYOUT=IFDS_BEFORE_DATA" in file.read(400)


def test_rioxarray_opens_a_cog_as_the_cube(one, tmp_path):
    (path,) = export(one, tmp_path / "one.tif")
    with xr.open_dataset(path, engine="rasterio") as again:
        np.testing.assert_array_equal(again.band_data[0], one.red[0])
        np.testing.assert_array_equal(again.x, one.x)
        np.testing.assert_array_equal(again.y, one.y)
        assert again.rio.crs == one.rio.crs


def test_each_time_is_a_cog_of_its_own_with_the_time_in_the_name(cube, tmp_path):
    written = export(cube, tmp_path / "series.tif")
    assert [path.name for path in written] == ["series_20180705T105029.tif", "series_20180710T105029.tif"]
    for number, path in enumerate(written):
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(file.read(1), cube.red[number])
            assert file.tags()["item_ids"] == (FIRST, SECOND)[number]


def test_a_map_without_time_and_a_single_variable_can_be_exported(cube, tmp_path):
    mean = cube.red.mean("time")
    (path,) = export(mean, tmp_path / "mean.tif")
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), mean)
        assert file.crs.to_epsg() == 32631
    (path,) = export(cube.red.isel(time=0), tmp_path / "red.tif")
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), cube.red[0])
        assert FIRST in file.tags()["terrascope_citation"]


def test_an_export_goes_strip_by_strip_and_joins_them_right(one, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_STRIP", 123)
    (path,) = export(one, tmp_path / "one.tif")
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), one.red[0])


def test_stored_numbers_and_classes_keep_type_and_nodata(items, tmp_path):
    stored = load(items[:1], "red", physical=False)
    (path,) = export(stored, tmp_path / "stored.tif")
    with rasterio.open(path) as file:
        assert file.dtypes == ("int16",)
        assert file.nodata == 32767
        np.testing.assert_array_equal(file.read(1), stored.red[0])
    classes = load(items[:1], "SCL")
    (path,) = export(classes, tmp_path / "classes.tif")
    with rasterio.open(path) as file:
        assert file.dtypes == ("uint8",)
        assert file.nodata == 0
        np.testing.assert_array_equal(file.read(1), classes.SCL[0])


def test_classes_beside_measurements_keep_their_numbers(items, tmp_path):
    mixed = load(items[:1], ["red", "SCL"])
    (path,) = export(mixed, tmp_path / "mixed.tif")
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), mixed.red[0])
        np.testing.assert_array_equal(file.read(2), mixed.SCL[0])


def test_two_nodata_numbers_in_one_geotiff_are_refused_with_the_way_out(items, tmp_path):
    cube = load(items[:1], ["red", "SCL"], physical=False)
    with pytest.raises(ExportError, match=r"NetCDF"):
        export(cube, tmp_path / "both.tif")
    assert not list(tmp_path.glob("*.tif"))


def test_a_cube_in_degrees_is_placed_right(items, tmp_path):
    with pytest.warns(TerrascopeWarning, match="grid of"):
        cube = load(items[:1], "red", crs=4326, resolution=0.0005)
    (path,) = export(cube, tmp_path / "degrees.tif")
    with rasterio.open(path) as file:
        assert file.crs.to_epsg() == 4326
        np.testing.assert_array_equal(file.read(1), cube.red[0])
        assert file.xy(0, 0) == pytest.approx((float(cube.x[0]), float(cube.y[0])))


# ---- NetCDF and Zarr


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_netcdf_and_zarr_open_to_equal_values_and_say_all_that_is_known(items, tmp_path, suffix):
    cube = load(items, ["red", "SCL"], mask="clear", min_clear=10)
    (path,) = export(cube, tmp_path / f"cube{suffix}")
    with xr.open_dataset(path) as again:  # with the defaults, as most people do
        np.testing.assert_array_equal(again.red, cube.red, strict=True)
        np.testing.assert_array_equal(again.time, cube.time)
        np.testing.assert_array_equal(again.x, cube.x)
        np.testing.assert_array_equal(again.y, cube.y)
        np.testing.assert_array_equal(again.item_ids.astype(str), cube.item_ids.astype(str))
        np.testing.assert_array_equal(again.clear_percent, cube.clear_percent)
        assert again.red.dims == ("time", "y", "x")
        assert again.rio.crs.to_epsg() == 32631
        assert again.rio.transform() == cube.rio.transform()
        assert again.red.attrs["units"] == "1"
        assert again.red.attrs["long_name"] == "Red reflectance"
        assert again.attrs["Conventions"].startswith("CF-")
        assert __version__ in again.attrs["history"]
        assert FIRST in again.attrs["terrascope_citation"]
        assert "Copernicus" in again.attrs["attribution"]
        assert np.isnan(again.red.encoding["_FillValue"])
        assert not {"scale_factor", "add_offset"} & (set(again.red.encoding) | set(again.red.attrs))
        assert list(again.SCL.attrs["flag_values"]) == list(range(12))
        np.testing.assert_array_equal(again.SCL, cube.SCL, strict=True)  # 0 is the class no_data, not a hole


@pytest.mark.parametrize(
    ("crs", "names"),
    [(None, ("projection_y_coordinate", "projection_x_coordinate")), (4326, ("latitude", "longitude"))],
)
@pytest.mark.filterwarnings("ignore:load. grid of")
def test_the_axes_bear_the_names_that_cf_asks_for(items, tmp_path, crs, names):
    (path,) = export(load(items[:1], "red", crs=crs), tmp_path / "cube.nc")
    with xr.open_dataset(path) as again:
        assert (again.y.attrs["standard_name"], again.x.attrs["standard_name"]) == names
        assert [again[name].attrs["axis"] for name in ("time", "y", "x")] == ["T", "Y", "X"]
        assert again.x.attrs["units"] == ("metre" if crs is None else "degrees_east")


def test_gdal_reads_the_netcdf_file_too(one, tmp_path):
    (path,) = export(one, tmp_path / "one.nc")
    with rasterio.open(f'NETCDF:"{path}":red') as file:
        np.testing.assert_array_equal(file.read(1), one.red[0])
        assert file.crs.to_epsg() == 32631
        assert file.transform == one.rio.transform()


def test_stored_numbers_keep_their_nodata_in_netcdf(items, tmp_path):
    stored = load(items[:1], "red", physical=False)
    (path,) = export(stored, tmp_path / "stored.nc")
    with xr.open_dataset(path, mask_and_scale=False) as raw:
        assert raw.red.dtype == "int16"
        assert raw.red.attrs["_FillValue"] == 32767
        np.testing.assert_array_equal(raw.red, stored.red)


def test_pieces_of_a_cube_can_be_exported(cube, tmp_path):
    part = cube.isel(time=[1], y=slice(3, 99), x=slice(17, 60))
    for name in ("part.nc", "part.zarr"):
        (path,) = export(part, tmp_path / name)
        with xr.open_dataset(path) as again:
            np.testing.assert_array_equal(again.red, part.red)
            assert SECOND in again.attrs["terrascope_citation"]
            assert FIRST not in again.attrs["terrascope_citation"]


def test_an_exported_cube_is_not_changed_by_the_export(cube, tmp_path):
    before = cube.copy(deep=True)
    encoding = dict(cube.red.encoding)
    export(cube, tmp_path / "cube.nc")
    xr.testing.assert_identical(cube, before)
    assert cube.red.encoding == encoding


# ---- names, folders, formats


def test_the_format_can_be_said_where_the_name_does_not(one, tmp_path):
    (path,) = export(one, tmp_path / "cube.data", format="netcdf")
    with xr.open_dataset(path, engine="netcdf4") as again:
        np.testing.assert_array_equal(again.red, one.red)


@pytest.mark.parametrize("name", ["cube", "cube.png", "cube.shp"])
def test_an_unclear_format_is_an_error_that_lists_them(one, tmp_path, name):
    with pytest.raises(ExportError, match=r"\.tif, \.nc or \.zarr"):
        export(one, tmp_path / name)


def test_a_folder_that_does_not_exist_is_named(one, tmp_path):
    with pytest.raises(ExportError, match=r"nowhere does not exist"):
        export(one, tmp_path / "nowhere" / "cube.nc")


def test_a_cube_without_grid_is_refused(tmp_path):
    with pytest.raises(CubeError, match="grid"):
        export(xr.Dataset({"a": (("y", "x"), np.zeros((2, 2)))}), tmp_path / "a.tif")
    with pytest.raises(CubeError, match="no variable"):
        export(xr.Dataset(), tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".tif", ".nc", ".zarr"])
def test_nothing_is_overwritten_unless_asked(one, tmp_path, suffix):
    (path,) = export(one, tmp_path / f"cube{suffix}")
    with pytest.raises(ExportError, match=r"exists already.*overwrite=True") as caught:
        export(one * 2, path)
    assert caught.value.path == path
    with xr.open_dataset(path, engine="rasterio" if suffix == ".tif" else None) as again:
        np.testing.assert_array_equal(again.band_data[0] if suffix == ".tif" else again.red[0], one.red[0])


@pytest.mark.parametrize("suffix", [".tif", ".nc", ".zarr"])
def test_overwriting_replaces_the_file(one, tmp_path, suffix):
    (path,) = export(one, tmp_path / f"cube{suffix}")
    with xr.set_options(keep_attrs=True):
        doubled = one * 2
    export(doubled, path, overwrite=True)
    with xr.open_dataset(path, engine="rasterio" if suffix == ".tif" else None) as again:
        np.testing.assert_array_equal(again.band_data[0] if suffix == ".tif" else again.red[0], doubled.red[0])
    assert [file.name for file in tmp_path.iterdir() if file.name != "archive"] == [path.name]


def left_over(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name != "archive")


@pytest.mark.parametrize("suffix", [".tif", ".nc", ".zarr"])
@pytest.mark.parametrize("why", ["interrupted", "disk full"])
@pytest.mark.parametrize("before", [False, True], ids=["new", "over an old one"])
def test_an_export_that_stops_half_way_leaves_no_file_and_keeps_the_old_one(
    one, items, tmp_path, suffix, why, before, monkeypatch
):
    path = tmp_path / f"cube{suffix}"
    if before:
        export(one, path)
    reason = KeyboardInterrupt() if why == "interrupted" else OSError(errno.ENOSPC, "No space left on device")
    fast, calls = blocks.read_window, []

    def failing(*args, **kwargs):
        calls.append(1)
        if len(calls) > 3:
            raise reason
        return fast(*args, **kwargs)

    again = load(items[:1], ["red", "nir"], chunks={"y": 100, "x": 100})
    monkeypatch.setattr(files, "_STRIP", 128)
    monkeypatch.setattr(blocks, "read_window", failing)
    with pytest.raises(
        KeyboardInterrupt if why == "interrupted" else ExportError, match=None if why == "interrupted" else "space"
    ):
        export(again, path, overwrite=True)
    assert left_over(tmp_path) == ([path.name] if before else [])
    monkeypatch.setattr(blocks, "read_window", fast)
    if before:
        with xr.open_dataset(path, engine="rasterio" if suffix == ".tif" else None) as old:
            np.testing.assert_array_equal(old.band_data[0] if suffix == ".tif" else old.red[0], one.red[0])


@pytest.mark.parametrize("suffix", [".tif", ".nc", ".zarr"])
def test_a_bad_input_file_is_named_and_nothing_is_left(cube, items, tmp_path, suffix):
    path_of(items[0]).write_text("<html>")
    with pytest.raises(AccessError, match=FIRST):
        export(cube, tmp_path / f"cube{suffix}")
    assert left_over(tmp_path) == []
