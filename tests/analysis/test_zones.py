from __future__ import annotations

import threading

import dask.array
import numpy as np
import pandas as pd
import pytest
import shapely
import xarray as xr
from exactextract import exact_extract
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import geometry_mask

from terrascope_nb.analysis import partials
from terrascope_nb.analysis.indices import spectral_index
from terrascope_nb.analysis.zones import time_series, zonal_stats
from terrascope_nb.cube.reduce import composite
from terrascope_nb.errors import CubeError, TerrascopeWarning
from terrascope_nb.extent.aoi import Aoi, Feature

LEFT, TOP = 600000.0, 5700000.0
DAYS = ("2018-06-28T10:50:29", "2018-07-05T10:50:29", "2018-07-08T10:40:31")


def area_of(**geometries):
    return Aoi(tuple(Feature(key, geometry) for key, geometry in geometries.items()), "EPSG:32631", "polygon", "fields")


def block(column, row, width, height):
    """A rectangle of whole pixels."""
    return shapely.box(LEFT + 10 * column, TOP - 10 * (row + height), LEFT + 10 * (column + width), TOP - 10 * row)


ROUND = shapely.Point(LEFT + 101.7, TOP - 83.2).buffer(47.1)
FIELDS = area_of(a=block(2, 3, 5, 4), b=ROUND, c=block(4, 4, 6, 2))


@pytest.fixture
def cube(make_cube):
    rng = np.random.default_rng(7)
    values = rng.normal(0.3, 0.2, (3, 16, 20)).astype("float32")
    values[0][rng.random((16, 20)) < 0.3] = np.nan
    values[1, 2:8] = np.nan
    attrs = {
        "NDVI": {"units": "1", "long_name": "vegetation index"},
        "LAI": {"units": "m2 m-2", "long_name": "leaf area"},
    }
    return make_cube({"NDVI": values, "LAI": values * 4 + 1}, times=DAYS, attrs=attrs)


def mask_of(cube, geometry):
    # Independent of our own code: rasterio's geometry_mask over the whole grid.
    return geometry_mask([geometry], cube.NDVI.shape[-2:], cube.NDVI.odc.geobox.transform, invert=True)


def test_numbers_equal_an_independent_mask_and_numpy(cube):
    table = time_series(
        cube, FIELDS, stats=("mean", "std", "min", "max", "sum", "median", "p10", "count", "valid_percent")
    )
    assert len(table) == 3 * 3 * 2
    for row in table.itertuples():
        geometry = next(f.geometry for f in FIELDS if f.id == row.feature)
        inside = cube[row.variable].sel(time=row.time).values[mask_of(cube, geometry)].astype("float64")
        valid = inside[np.isfinite(inside)]
        assert row.count == valid.size
        assert row.valid_percent == pytest.approx(100 * valid.size / inside.size)
        if valid.size == 0:
            assert np.isnan([row.mean, row.std, row.min, row.max, row.median, row.p10]).all()
            continue
        assert row.mean == pytest.approx(valid.mean(), rel=1e-12)
        assert row.std == pytest.approx(valid.std(ddof=0), rel=1e-9, abs=1e-12)
        assert (row.min, row.max) == (valid.min(), valid.max())
        assert row.sum == pytest.approx(valid.sum(), rel=1e-12)
        assert row.median == pytest.approx(np.median(valid), rel=1e-12)
        assert row.p10 == pytest.approx(np.percentile(valid, 10), rel=1e-12)


def test_numbers_equal_exactextract_where_the_rules_agree(cube, tmp_path):
    # On whole pixels a coverage-weighted mean and a mean of pixel centres are the same.
    table = time_series(cube.NDVI, area_of(a=block(2, 3, 5, 4), c=block(4, 4, 6, 2)))
    for step in range(3):
        file = tmp_path / f"{step}.tif"
        cube.NDVI.isel(time=step).drop_vars("item_ids").odc.write_cog(file)
        shapes = [
            {"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(f)}
            for f in (block(2, 3, 5, 4), block(4, 4, 6, 2))
        ]
        theirs = exact_extract(str(file), shapes, ["mean", "stdev", "count"])
        ours = table[table["time"] == cube.time.values[step]]
        for mine, other in zip(ours.itertuples(), theirs, strict=True):
            assert mine.count == other["properties"]["count"]
            if mine.count:
                assert mine.mean == pytest.approx(other["properties"]["mean"], rel=1e-9)
                assert mine.std == pytest.approx(other["properties"]["stdev"], rel=1e-6)


def test_the_table_is_long_complete_and_in_the_order_of_the_area(cube):
    table = time_series(cube, area_of(z=block(0, 0, 2, 2), a=block(5, 5, 2, 2)))
    assert list(table.columns) == ["feature", "time", "variable", "mean", "std", "count", "valid_percent"]
    assert table["feature"].tolist() == ["z"] * 6 + ["a"] * 6
    assert table["variable"].tolist() == ["NDVI", "LAI"] * 6
    assert table["time"].tolist() == [pd.Timestamp(day) for day in DAYS for _ in range(2)] * 2
    assert table["count"].dtype == np.int64
    assert table.attrs["units"] == {"NDVI": "1", "LAI": "m2 m-2"}
    assert table.attrs["long_name"]["LAI"] == "leaf area"
    assert "Sentinel data 2018" in table.attrs["attribution"]


def test_a_clouded_date_has_a_row_with_count_0_and_nan_never_a_0(cube):
    table = time_series(cube.NDVI, area_of(a=block(2, 3, 5, 4)))
    clouded = table.iloc[1]
    assert (clouded["count"], clouded["valid_percent"]) == (0, 0.0)
    assert np.isnan(clouded["mean"])
    assert np.isnan(clouded["std"])


def test_overlapping_features_each_have_all_their_pixels(cube):
    # One label raster for all would give the shared pixels to the last feature only.
    both = time_series(cube.NDVI, area_of(a=block(0, 0, 6, 6), b=block(3, 3, 6, 6)))
    alone = pd.concat(
        [time_series(cube.NDVI, area_of(**{k: g})) for k, g in {"a": block(0, 0, 6, 6), "b": block(3, 3, 6, 6)}.items()]
    )
    pd.testing.assert_frame_equal(both, alone.reset_index(drop=True))


chunk = st.integers(1, 20)


@settings(max_examples=25, deadline=None)
@given(chunk, chunk, chunk, st.integers(1, 400))
def test_chunks_never_change_a_number(t, y, x, slice_values):
    rng = np.random.default_rng(1)
    values = np.where(rng.random((5, 16, 20)) < 0.4, np.nan, rng.normal(1e4, 1, (5, 16, 20)))
    coords = {
        "time": pd.date_range("2020-01-01", periods=5),
        "y": TOP - 5 - 10.0 * np.arange(16),
        "x": LEFT + 5 + 10.0 * np.arange(20),
    }
    cube = xr.DataArray(values, dims=("time", "y", "x"), coords=coords, name="v").odc.assign_crs("EPSG:32631")
    stats = ("mean", "std", "min", "max", "median", "count", "valid_percent")
    whole = time_series(cube, FIELDS, stats=stats)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partials, "_SLICE_VALUES", slice_values)
        cut = time_series(cube.chunk({"time": t, "y": y, "x": x}), FIELDS, stats=stats)
    pd.testing.assert_frame_equal(whole, cut, rtol=1e-9)


def test_std_survives_large_values_with_small_differences(make_cube):
    values = (1e6 + np.array([0.0, 1.0] * 50).reshape(1, 10, 10)).astype("float64")
    table = time_series(make_cube({"v": values}, times=DAYS[:1]).chunk({"y": 3}), area_of(a=block(0, 0, 10, 10)))
    assert table["std"].item() == pytest.approx(0.5, rel=1e-9)


def test_every_block_is_computed_once_and_blocks_without_a_feature_never(make_cube):
    seen: list[tuple[int, ...]] = []
    lock = threading.Lock()

    def read(block_info=None):
        with lock:
            seen.append(tuple(block_info[None]["chunk-location"]))
        return np.ones(block_info[None]["chunk-shape"], dtype="float32")

    chunks = ((1, 1, 1), (4, 4, 4, 4), (5, 5, 5, 5))
    lazy = dask.array.map_blocks(read, chunks=chunks, dtype="float32", meta=np.empty((0, 0, 0), "float32"))
    cube = make_cube({"red": np.zeros((3, 16, 20), "float32"), "nir": np.zeros((3, 16, 20), "float32")}, times=DAYS)
    cube["red"].data = lazy
    cube["nir"].data = lazy * 2
    cube["NDVI"] = spectral_index(cube, "NDVI")
    table = time_series(cube, area_of(a=block(0, 0, 3, 3), b=block(2, 1, 5, 2)))
    assert sorted(seen) == sorted({(t, 0, x) for t in range(3) for x in (0, 1)})
    assert table.loc[table["variable"] == "NDVI", "mean"].to_numpy() == pytest.approx(1 / 3)


def test_memory_stays_at_a_few_blocks(make_cube):
    live, peak, lock = [0], [0], threading.Lock()

    class Held(np.ndarray):
        def __del__(self):
            with lock:
                live[0] -= 1

    def read(block_info=None):
        with lock:
            live[0] += 1
            peak[0] = max(peak[0], live[0])
        return np.ones(block_info[None]["chunk-shape"], dtype="float32").view(Held)

    days = [f"2018-01-01T00:{minute:02d}" for minute in range(40)]
    cube = make_cube({"v": np.zeros((40, 4, 4), "float32")}, times=days)
    cube["v"].data = dask.array.map_blocks(
        read, chunks=((1,) * 40, (4,), (4,)), dtype="float32", meta=np.empty((0, 0, 0), "f4")
    )
    with dask.config.set(scheduler="threads", num_workers=2):
        time_series(cube, area_of(a=block(0, 0, 4, 4)), stats=("mean", "median"))
    assert peak[0] <= 6


def test_a_small_feature_takes_the_pixels_it_touches_and_says_so(cube):
    sliver = shapely.box(LEFT + 96, TOP - 97, LEFT + 104, TOP - 96)
    with pytest.warns(TerrascopeWarning, match=r"1 of 2 features hold no pixel centre.*: tiny"):
        table = time_series(cube.NDVI, area_of(tiny=sliver, a=block(0, 0, 2, 2)))
    expected = cube.NDVI.values[2, 9, 9:11].astype("float64").mean()
    assert table[(table["feature"] == "tiny") & (table["time"] == DAYS[2])]["mean"].item() == pytest.approx(expected)


def test_a_feature_outside_the_cube_keeps_its_rows_with_count_0_and_a_warning(cube):
    with pytest.warns(TerrascopeWarning, match="lie outside the cube; their count is 0: away"):
        table = time_series(cube.NDVI, area_of(a=block(0, 0, 2, 2), away=block(500, 500, 3, 3)))
    away = table[table["feature"] == "away"]
    assert away["count"].tolist() == [0, 0, 0]
    assert away["valid_percent"].tolist() == [0.0, 0.0, 0.0]
    assert away["mean"].isna().all()


def test_all_features_outside_still_give_a_table(cube):
    with pytest.warns(TerrascopeWarning, match="outside"):
        assert len(time_series(cube, area_of(away=block(500, 500, 3, 3)))) == 6


def test_what_the_cube_does_not_cover_counts_as_not_valid(cube):
    with pytest.warns(TerrascopeWarning, match="reach beyond the cube"):
        table = time_series(cube.NDVI, area_of(half=block(-5, 10, 10, 4)))
    last = table.iloc[2]
    assert (last["count"], last["valid_percent"]) == (20, 50.0)


def test_points_take_the_value_of_their_pixel(cube):
    table = time_series(cube.NDVI, area_of(p=shapely.Point(LEFT + 57, TOP - 133)))
    np.testing.assert_array_equal(table["mean"], cube.NDVI.values[:, 13, 5])
    assert set(table["std"].dropna()) == {0.0}


def test_an_area_in_degrees_is_taken_to_the_grid_of_the_cube(cube):
    degrees = FIELDS.in_crs("EPSG:4326")
    pd.testing.assert_frame_equal(time_series(cube, degrees), time_series(cube, FIELDS))


def test_a_cube_in_degrees_works_too(make_cube):
    values = np.arange(12, dtype="float32").reshape(1, 3, 4)
    cube = make_cube({"v": values}, times=DAYS[:1], crs="EPSG:4326", corner=(4.0, 51.0), resolution=0.1)
    named = cube.rename({name: new for name, new in (("longitude", "x"), ("latitude", "y")) if name in cube.dims})
    for one in (cube, named):
        assert time_series(one, (4.1, 50.8, 4.3, 51.0))["mean"].item() == pytest.approx((1 + 2 + 5 + 6) / 4)


def test_anything_that_says_an_area_is_taken(cube):
    whole = time_series(cube.NDVI, shapely.to_geojson(FIELDS.in_crs("EPSG:4326").features[1].geometry))
    assert whole["count"].tolist() == time_series(cube.NDVI, area_of(b=ROUND))["count"].tolist()


def test_zonal_stats_of_a_cube_without_dates_has_no_time(make_cube):
    cube = make_cube({"height": np.arange(16, dtype="float32").reshape(4, 4)})
    table = zonal_stats(cube, area_of(a=block(1, 1, 2, 2)))
    assert table["time"].isna().all()
    assert table["mean"].item() == 7.5
    with pytest.raises(CubeError, match="zonal_stats"):
        time_series(cube, area_of(a=block(1, 1, 2, 2)))


def test_one_date_selected_from_a_cube_keeps_its_time(cube):
    one = time_series(cube.NDVI.isel(time=2), FIELDS)
    whole = time_series(cube.NDVI, FIELDS)
    assert one["time"].tolist() == [pd.Timestamp(DAYS[2])] * 3
    assert one["mean"].tolist() == whole[whole["time"] == DAYS[2]]["mean"].tolist()


def test_a_dateless_layer_beside_dated_ones_has_one_row(cube):
    both = cube[["NDVI"]].assign(height=cube.LAI.isel(time=0, drop=True))
    table = zonal_stats(both, area_of(a=block(0, 0, 2, 2)))
    assert table["variable"].tolist() == ["NDVI"] * 3 + ["height"]
    assert pd.isna(table["time"].iloc[3])


def test_classes_have_no_mean_and_the_cure_works(cube):
    classes = (
        xr.where(cube.NDVI > 0.3, 4, 6)
        .astype("uint8")
        .assign_attrs(flag_values=[4, 6], flag_meanings="vegetation water")
    )
    with pytest.raises(CubeError, match=r"cube\['SCL'\] == 4"):
        time_series(classes.rename("SCL"), FIELDS)
    with pytest.warns(TerrascopeWarning, match="SCL holds classes"):
        table = time_series(cube.assign(SCL=classes), FIELDS)
    assert set(table["variable"]) == {"NDVI", "LAI"}
    share = time_series(cube.assign(SCL=classes)["SCL"] == 4, area_of(a=block(0, 0, 4, 4)))
    assert share["mean"].iloc[2] == pytest.approx((classes.values[2, :4, :4] == 4).mean())


def test_stored_numbers_leave_nodata_out(make_cube):
    stored = np.array([[[100, 255], [200, 255]]], dtype="uint8")
    cube = make_cube({"v": stored}, times=DAYS[:1], attrs={"v": {"nodata": 255, "physical": "false"}})
    row = time_series(cube, area_of(a=block(0, 0, 2, 2))).iloc[0]
    assert (row["mean"], row["count"], row["valid_percent"]) == (150.0, 2, 50.0)


def test_infinite_values_are_not_valid(make_cube):
    cube = make_cube({"v": np.float32([[[1, np.inf], [-np.inf, 3]]])}, times=DAYS[:1])
    row = time_series(cube, area_of(a=block(0, 0, 2, 2))).iloc[0]
    assert (row["mean"], row["count"]) == (2.0, 2)


@pytest.mark.parametrize("name", ["p101", "average", "valid", "p-1", ""])
def test_a_statistic_that_is_none_is_refused_before_anything_is_read(cube, name):
    lazy = cube.chunk().map(lambda v: v.copy(data=v.data.map_blocks(lambda _: 1 / 0, meta=v.data._meta)))
    with pytest.raises(ValueError, match="there are mean"):
        time_series(lazy, FIELDS, stats=("mean", name))


def test_a_further_dimension_says_to_select(cube):
    with pytest.raises(CubeError, match="select one step"):
        time_series(cube.NDVI.expand_dims(ensemble=2), FIELDS)


def test_a_cube_on_disk_that_is_not_chunked_is_not_read_whole(cube, tmp_path, monkeypatch):
    cube.drop_vars("item_ids").to_netcdf(tmp_path / "cube.nc")
    with xr.open_dataset(tmp_path / "cube.nc", decode_coords="all") as opened:
        table = time_series(opened.NDVI, FIELDS)
        assert not isinstance(opened.NDVI.variable._data, np.ndarray)
    pd.testing.assert_frame_equal(table, time_series(cube.NDVI, FIELDS), check_exact=True)


def test_blocks_may_be_reduced_by_other_processes(cube):
    ndvi = spectral_index(cube.rename(NDVI="nir", LAI="red").chunk({"time": 1, "y": 8}), "NDVI")
    here = time_series(ndvi, FIELDS, stats=("mean", "p90", "count"))
    with dask.config.set(scheduler="processes", num_workers=1):
        pd.testing.assert_frame_equal(time_series(ndvi, FIELDS, stats=("mean", "p90", "count")), here)


@pytest.mark.parametrize("key", ["flag_values", "flag_masks", "flag_meanings"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_classes_are_told_by_their_attributes_whatever_the_dtype(make_cube, key, dtype):
    classes = np.full((1, 4, 4), 4, dtype="uint8")
    flags = {"SCL": {key: "vegetation" if key == "flag_meanings" else [4], "nodata": 0}}
    cube = make_cube({"SCL": classes}, times=("2018-07-05",), attrs=flags)
    scl = cube.SCL.where(cube.SCL > 0).assign_attrs(cube.SCL.attrs).astype(dtype, keep_attrs=True)
    with pytest.raises(CubeError, match="only classes"):
        time_series(scl, area_of(a=block(0, 0, 4, 4)))


def test_the_mean_of_a_comparison_of_classes_is_a_fraction_though_it_keeps_their_attributes(make_cube):
    classes = np.array([[[4, 4, 0, 5]] * 4], dtype="uint8")
    cube = make_cube({"SCL": classes}, times=("2018-07-05",))
    vegetation = (cube.SCL == 4).assign_attrs(flag_values=[0, 4, 5], flag_meanings="none vegetation soil", nodata=0)
    row = time_series(vegetation, area_of(a=block(0, 0, 4, 4))).iloc[0]
    assert (row["mean"], row["count"]) == (0.5, 16)


def test_a_composite_takes_fractions_and_refuses_class_numbers_of_any_dtype(make_cube):
    cube = make_cube({"SCL": np.array([[[4, 0]] * 2, [[4, 4]] * 2], dtype="uint8")}, times=("2018-07-05", "2018-07-10"))
    flags = {"flag_values": [0, 4], "flag_meanings": "none vegetation", "nodata": 0}
    with pytest.raises(CubeError, match="only classes"):
        composite(cube.SCL.where(cube.SCL > 0).assign_attrs(flags), "mean")
    share = composite((cube.SCL == 4).assign_attrs(flags), "mean")
    np.testing.assert_array_equal(share.values, [[1.0, 0.5]] * 2)
    assert zonal_stats(share, area_of(a=block(0, 0, 2, 2)))["mean"].tolist() == [0.75]
