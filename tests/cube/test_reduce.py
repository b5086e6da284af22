"""Streamed composites and series against the lazy cube and against numpy on the raw files."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import warnings

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import rioxarray  # noqa: F401 - exactextract asks the array for its crs
import shapely
import xarray as xr
from exactextract import exact_extract

from terrascope_nb.analysis import zones
from terrascope_nb.analysis.indices import spectral_index
from terrascope_nb.cube import composites
from terrascope_nb.cube import reduce as verbs
from terrascope_nb.cube import stream as stream_module
from terrascope_nb.cube.blocks import failures_of
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.reduce import composite, time_series, zonal_stats
from terrascope_nb.cube.standing import standing
from terrascope_nb.errors import CorruptAssetError, CubeError, MemoryBudgetError, TerrascopeWarning
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.settings import get_settings

LEFT, TOP = 600000.0, 5700000.0
SIDE = 320
DAYS = (3, 5, 8, 10, 13, 15, 18, 25)
HOWS = ("median", "mean", "min", "max", "sum", "count", "first", "last", "p10", "p75")


def holes(rng, shape, share=0.1, nodata=32767):
    values = rng.integers(-50, 6000, shape).astype("int16")
    values[rng.random(shape) < share] = nodata
    return values


def flags(rng, side, *, clouds=0.4):
    """Blobs of cloud, so that some native blocks and some dates are cloudy altogether."""
    coarse = rng.random((side // 16, side // 16)) < clouds
    scl = np.where(coarse.repeat(16, 0).repeat(16, 1), 9, 4).astype("uint8")
    scl[rng.random(scl.shape) < 0.02] = 0
    return scl


@pytest.fixture
def scenes(make_scene, rng):
    """Eight dates of one tile; one is overcast."""
    found = []
    for day in DAYS:
        scl = np.full((160, 160), 9, "uint8") if day == 13 else flags(rng, 160)
        found.append(
            make_scene(
                {
                    "B04": holes(rng, (SIDE, SIDE)), "B08": holes(rng, (SIDE, SIDE)),
                    "B11": holes(rng, (160, 160)), "SCL": scl,
                },
                time=f"201807{day:02d}T105029",
            )
        )  # fmt: skip
    return found


@pytest.fixture
def two_tiles(make_scene, rng):
    """Four dates of two tiles of one pass that overlap by 120 pixels."""
    found = []
    for day in DAYS[:4]:
        for tile, shift in (("31UFS", 0), ("31UES", -200)):
            found.append(
                make_scene(
                    {"B04": holes(rng, (SIDE, SIDE), 0.3), "B08": holes(rng, (SIDE, SIDE), 0.3), "SCL": flags(rng, 160)},
                    time=f"201807{day:02d}T105029", tile=tile, corner=(LEFT + shift * 10, TOP),
                )
            )  # fmt: skip
    return found


@pytest.fixture
def polygon():
    ring = [(LEFT + 137, TOP - 90), (LEFT + 2900, TOP - 400), (LEFT + 2500, TOP - 2980), (LEFT + 300, TOP - 2000)]
    return make_area(shapely.Polygon(ring), crs="EPSG:32631")


CASES = {
    "plain": ("scenes", {}),
    "masked": ("scenes", {"mask": "clear"}),
    "buffered": ("scenes", {"mask": "clear", "mask_buffer": 45}),
    "clipped": ("scenes", {"mask": "clear", "area": "polygon"}),
    "window": ("scenes", {"mask": "clear", "area": (LEFT + 170, TOP - 2910, LEFT + 2990, TOP - 330)}),
    "odd window": ("scenes", {"mask": "clear", "area": (LEFT + 10, TOP - 3190, LEFT + 3170, TOP - 10)}),
    "beyond the tile": ("scenes", {"mask": "clear", "area": (LEFT - 500, TOP - 1000, LEFT + 1500, TOP + 300)}),
    "two tiles": ("two_tiles", {"mask": "clear", "area": (LEFT - 1000, TOP - 2000, LEFT + 2000, TOP - 100)}),
    "two tiles, clipped": ("two_tiles", {"mask": "clear", "area": "polygon"}),
    "two tiles apart": ("two_tiles", {"mask": "clear", "mosaic": None}),
    "coarser": ("scenes", {"mask": "clear", "resolution": 20}),
    "other grid": ("scenes", {"mask": "clear", "crs": "EPSG:3857", "resolution": 16}),
    "averaged": ("scenes", {"mask": "clear", "resolution": 40, "resampling": "average"}),
}


def loaded(request, name, bands=("B04", "B08")):
    fixture, how = CASES[name]
    how = dict(how)
    where = how.pop("area", None)
    if where == "polygon":
        where = request.getfixturevalue("polygon")
    elif where is not None:
        where = make_area(where, crs="EPSG:32631")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TerrascopeWarning)
        return load(request.getfixturevalue(fixture), list(bands), area=where, **how)


@pytest.mark.parametrize("case", CASES)
def test_a_streamed_composite_is_numpys_of_the_lazy_values(request, case):
    """numpy's own reductions on the computed cube: nothing of the verbs takes part in what is expected."""
    cube = loaded(request, case)
    cube = cube.assign(NDVI=spectral_index(cube, "NDVI"))
    assert all(standing(cube[name]) for name in cube)
    values = cube.compute()
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for how, rule in {
            "median": np.nanmedian, "max": np.nanmax, "min": np.nanmin, "mean": np.nanmean,
            "p10": lambda v, axis: np.nanpercentile(v, 10, axis=axis),
        }.items():  # fmt: skip
            made = composite(cube, how)
            for name in cube:
                assert isinstance(made[name].data, np.ndarray)
                assert made[name].dtype == "float32"
                rows = np.s_[:] if how != "p10" else np.s_[100:108]  # numpy takes its time for percentiles
                wanted = rule(values[name].values[:, rows], axis=0)
                if how in ("median", "max", "min"):
                    np.testing.assert_array_equal(made[name].values, wanted)
                else:
                    np.testing.assert_allclose(made[name].values[rows], wanted, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("at_once", [1, 3000])
def test_a_median_on_another_grid_is_the_same_however_few_rows_are_worked_on(request, at_once, monkeypatch):
    cube = loaded(request, "other grid")
    cube = cube.assign(NDVI=spectral_index(cube, "NDVI"))
    monkeypatch.setattr(composites, "_TAKEN", at_once)
    monkeypatch.setattr(stream_module, "_TAKEN", at_once // 2)
    streamed = composite(cube, "median", count=True)
    lazy = composite(cube.map(lambda v: v + np.float32(0), keep_attrs=True), "median", count=True)
    for name in streamed:
        np.testing.assert_array_equal(streamed[name].values, lazy[name].values, err_msg=name)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("case", ["masked", "two tiles", "other grid"])
def test_streamed_and_lazy_are_the_same_bit_for_bit(request, case, how):
    cube = loaded(request, case)
    cube = cube.assign(NDVI=spectral_index(cube, "NDVI"))
    streamed = composite(cube, how, count=True)
    lazy = composite(cube.map(lambda v: v + np.float32(0), keep_attrs=True), how, count=True)
    assert lazy.chunks
    for name in streamed:
        np.testing.assert_array_equal(streamed[name].values, lazy[name].values, err_msg=name)
        assert streamed[name].dtype == lazy[name].dtype


def test_the_median_is_that_of_the_raw_files(scenes):
    """From the stored numbers up: read by rasterio, masked, scaled and reduced here."""
    made = composite(load(scenes, ["B04"], mask="clear"), "median", count=True)
    layers = []
    for item in sorted(scenes, key=lambda one: one.datetime):
        with rasterio.open(item.assets["B04"].extra_fields["alternate"]["local"]["href"].removeprefix("file://")) as f:
            stored = f.read(1)
        with rasterio.open(item.assets["SCL"].extra_fields["alternate"]["local"]["href"].removeprefix("file://")) as f:
            keep = np.isin(f.read(1).repeat(2, 0).repeat(2, 1), (2, 4, 5, 6, 7))
        layers.append(np.where(keep & (stored != 32767), (stored * 1e-4).astype("float32"), np.nan))
    stack = np.stack(layers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        np.testing.assert_array_equal(made["B04"].values, np.nanmedian(stack, axis=0))
    np.testing.assert_array_equal(made["B04_count"].values, np.isfinite(stack).sum(axis=0))


def test_a_slice_of_the_cube_is_streamed_as_that_slice(scenes):
    cube = load(scenes, ["B04", "B08"], mask="clear")
    part = spectral_index(cube, "EVI" if "B02" in cube else "SAVI").isel(
        time=[6, 1, 4], y=slice(33, 290), x=slice(7, 300)
    )
    expected = np.full(part.shape[1:], np.nan, "float32")
    for layer in part.compute().values:
        expected[np.isfinite(layer)] = layer[np.isfinite(layer)]
    np.testing.assert_array_equal(composite(part, "last").values, expected)


def test_composites_of_every_month_dekad_and_year(scenes):
    cube = load(scenes, ["B04"], mask="clear")["B04"]
    dekads = composite(cube, "max", every="dekad")
    assert list(dekads["time"].values.astype("datetime64[D]").astype(str)) == ["2018-07-01", "2018-07-11", "2018-07-21"]
    first = cube.sel(time=slice("2018-07-01", "2018-07-10T23:59")).compute()
    assert first.sizes["time"] == 4
    np.testing.assert_array_equal(dekads[0].values, first.max("time").values)
    np.testing.assert_array_equal(composite(cube, "max", every="month")[0].values, cube.max("time").values)
    np.testing.assert_array_equal(composite(cube, "max", every="year")[0].values, cube.max("time").values)
    with pytest.raises(ValueError, match="dekad"):
        composite(cube, "max", every="week")


def test_a_composite_keeps_place_attributes_and_credit(scenes):
    cube = load(scenes, ["B04"], mask="clear")
    made = composite(cube, "median")
    assert made["B04"].dims == ("y", "x")
    assert made["B04"].odc.geobox == cube["B04"].odc.geobox
    assert made["B04"].attrs["cell_methods"] == "time: median"
    assert made["B04"].attrs["attribution"] == cube["B04"].attrs["attribution"]
    one = composite(cube["B04"], "mean", count=True)
    assert one.name == "B04"
    assert one["count"].max() <= len(DAYS)


def test_classes_and_cubes_without_dates_are_told(scenes):
    cube = load(scenes, ["B04", "SCL"])
    with pytest.warns(TerrascopeWarning, match="SCL"):
        made = composite(cube, "median")
    assert list(made) == ["B04"]
    with pytest.raises(CubeError, match="classes"):
        composite(cube[["SCL"]], "median")
    with pytest.raises(CubeError, match="time"):
        composite(cube[["B04"]].isel(time=0, drop=True), "median")
    with pytest.raises(ValueError, match="median"):
        composite(cube, "medain")


def test_stored_numbers_are_reduced_without_their_nodata(scenes):
    cube = load(scenes, ["B04"], physical=False)
    made = composite(cube, "max").compute()
    values = cube["B04"].values.astype("float32")
    values[values == 32767] = np.nan
    np.testing.assert_array_equal(made["B04"].values, np.nanmax(values, axis=0))


def test_a_composite_too_large_is_refused(scenes, monkeypatch):
    cube = load(scenes, ["B04"])
    monkeypatch.setattr("terrascope_nb.cube.budget.available_memory", lambda: 10_000)
    with pytest.raises(MemoryBudgetError):
        composite(cube, "median")


# -- series and zones ----------------------------------------------------------------------------------------------


def many(shapes):
    names = [str(number) for number in range(len(shapes))]
    return make_area(gpd.GeoDataFrame({"id": names}, geometry=shapes, crs="EPSG:32631"))


def fields(rng, n=25):
    shapes = []
    for _ in range(n):
        x, y = LEFT + rng.uniform(100, 3000), TOP - rng.uniform(100, 3000)
        shapes.append(shapely.Point(x, y).buffer(rng.uniform(4, 260), quad_segs=3))
    return shapes


@pytest.mark.parametrize("case", CASES)
def test_a_streamed_series_is_the_lazy_one(request, case, rng):
    cube = loaded(request, case)
    cube = cube.assign(NDVI=spectral_index(cube, "NDVI"))
    where = many(fields(rng))
    stats = ("mean", "std", "min", "max", "sum", "median", "p90", "count", "valid_percent")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TerrascopeWarning)
        for area in (where, make_area((LEFT - 900, TOP - 3100, LEFT + 3100, TOP + 200), crs="EPSG:32631")):
            streamed, lazy = time_series(cube, area, stats=stats), zones.time_series(cube, area, stats=stats)
            pd.testing.assert_frame_equal(streamed, lazy, rtol=1e-9, atol=1e-9)
            assert streamed.attrs == lazy.attrs
            assert streamed["count"].sum() > 0


def test_means_are_those_of_exactextract_on_whole_pixels(scenes):
    """Boxes on pixel borders: area weights are 0 or 1 there, so the rules agree."""
    cube = load(scenes, ["B04"], mask="clear")
    boxes = [
        shapely.box(LEFT + 100 * i, TOP - 130 * i - 700, LEFT + 100 * i + 500, TOP - 130 * i) for i in range(1, 12)
    ]
    table = zonal_stats(cube, many(boxes), stats=("mean", "count"))
    values = cube["B04"].values
    for step in range(len(DAYS)):
        layer = xr.DataArray(values[step], dims=("y", "x"), coords={"y": cube["y"], "x": cube["x"]}, name="v")
        layer = layer.rio.write_crs("EPSG:32631").rio.write_nodata(np.nan)
        wanted = [
            one["properties"]
            for one in exact_extract(
                layer.rio.set_spatial_dims("x", "y"),
                [{"type": "Feature", "geometry": shapely.geometry.mapping(b), "properties": {}} for b in boxes],
                ["mean", "count"],
            )
        ]
        got = table[table["time"] == cube["time"].values[step]]
        np.testing.assert_allclose(got["count"], [one["count"] for one in wanted])
        np.testing.assert_allclose(
            got["mean"], [np.nan if one["mean"] is None else one["mean"] for one in wanted], rtol=1e-6
        )


def test_zones_of_one_time_have_no_date_too_many(scenes, polygon):
    cube = load(scenes, ["B04"], mask="clear").isel(time=2)
    pd.testing.assert_frame_equal(zonal_stats(cube, polygon), zones.zonal_stats(cube, polygon), rtol=1e-9)


def test_a_streaming_verb_makes_no_graph_of_arrays(scenes, polygon, monkeypatch):
    cube = load(scenes, ["B04", "B08"], mask="clear")
    monkeypatch.setattr(verbs, "reduce_lazily", None)
    monkeypatch.setattr(verbs, "_lazily", None)
    monkeypatch.setattr("terrascope_nb.cube.blocks.read_block", None)
    time_series(spectral_index(cube, "NDVI"), polygon)
    composite(cube, "median")


def test_a_series_and_zones_of_a_loaded_cube_bring_no_gdal(scenes, tmp_path):
    """Importing it takes longer than a small series; the cube knows its grid, and pixel centres are found without it."""
    (tmp_path / "items.json").write_text(json.dumps([item.to_dict() for item in scenes]))
    code = f"""
        import json, pathlib, sys, pystac, shapely, terrascope_nb as ts
        items = [pystac.Item.from_dict(one) for one in json.loads(pathlib.Path({str(tmp_path / "items.json")!r}).read_text())]
        ts.set_options(archive_roots={[str(root) for root in get_settings().archive_roots]!r})
        cube = ts.load(items, ["B04", "B08"], mask="clear")
        fields = ts.area(shapely.Point({LEFT + 1500}, {TOP - 1500}).buffer(700), crs="EPSG:32631")
        heavy = "rasterio osgeo odc.geo.xr rioxarray geopandas fiona pyogrio scipy spyndex matplotlib".split()
        clipped = ts.load(items, ["B04"], mask="clear", area=fields)
        for some in (cube, clipped, ts.spectral_index(cube, "NDVI"), cube.isel(x=slice(20, 200)), cube * 2, cube.compute()):
            assert ts.time_series(some, fields)["count"].sum() > 0
            assert ts.zonal_stats(some, fields, stats=("mean", "p10", "count"))["count"].sum() > 0
        print([name for name in heavy if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


# -- push-down -----------------------------------------------------------------------------------------------------


def test_dates_and_blocks_that_the_mask_removes_are_never_read(scenes, hidden):
    cube = load(scenes, ["B04", "B08"], mask="clear")
    overcast = scenes[DAYS.index(13)]
    paths = [
        path
        for asset in ("B04", "B08")
        if (path := overcast.assets[asset].extra_fields["alternate"]["local"]["href"].removeprefix("file://"))
    ]
    expected = composite(cube, "median").compute()
    from pathlib import Path

    with hidden(map(Path, paths)):
        xr.testing.assert_identical(composite(cube, "median"), expected)
        whole = (LEFT, TOP - 3200, LEFT + 3200, TOP)
        table = time_series(cube, make_area(whole, crs="EPSG:32631"))
    assert (table.loc[table["time"].dt.day == 13, "count"] == 0).all()


def test_a_quality_block_is_read_once_for_all_bands_and_pieces(scenes, monkeypatch):
    cube = load(scenes, ["B04", "B08"], mask="clear")
    seen = []
    original = stream_module.Stream.kept
    monkeypatch.setattr(
        stream_module.Stream,
        "kept",
        lambda self, scene, area: seen.append(scene.item_id) or original(self, scene, area),
    )
    composite(cube, "median")
    assert sorted(seen) == sorted(item.id for item in scenes)


# -- faults --------------------------------------------------------------------------------------------------------


def test_a_damaged_file_is_named_or_skipped_and_listed(scenes, hidden):
    from pathlib import Path

    path = Path(scenes[0].assets["B04"].extra_fields["alternate"]["local"]["href"].removeprefix("file://"))
    strict, lenient = load(scenes, ["B04"], mask="clear"), load(scenes, ["B04"], mask="clear", on_error="skip")
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes(len(data) // 4) + data[middle + len(data) // 4 :])
    with pytest.raises(CorruptAssetError, match=scenes[0].id):
        composite(strict, "median")
    made = composite(lenient, "median")
    lazy = composite(lenient["B04"] + np.float32(0), "median")
    np.testing.assert_array_equal(made["B04"].values, lazy.values)
    assert {f.item_id for f in failures_of(standing(lenient["B04"]).plan.token)} == {scenes[0].id}


def test_an_interrupt_ends_the_work(scenes, monkeypatch):
    cube = load(scenes, ["B04"])
    calls = []

    def interrupted(*_args, **_how):
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr("terrascope_nb.cube.composites.Look", interrupted)
    with pytest.raises(KeyboardInterrupt):
        composite(cube, "median")
    assert len(calls) <= 4
