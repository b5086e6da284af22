"""Regressions of a review: nothing is lost by an export, cited wrongly or failed in silence."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

import terrascope_nb as ts
from terrascope_nb.cube.plan import plan_of
from terrascope_nb.errors import CubeError, ExportError, GridError


@pytest.fixture(scope="module")
def items() -> ts.Items:
    return ts.search("s2-toc", None, "2018-07", source="sample")


@pytest.fixture(autouse=True)
def _sample_is_trusted() -> None:
    ts.sample_archive()  # every test forgets which archives were searched


@pytest.fixture(scope="module")
def cube(items) -> xr.Dataset:
    return ts.load(items[:3], ["red", "nir"])


def test_export_never_replaces_a_folder_that_is_no_zarr_store(cube, tmp_path):
    for name, kind in (("results", "netcdf"), ("data", "zarr"), ("map.tif", "cog")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "thesis.txt").write_text("years of work")
        with pytest.raises(ExportError, match="folder"):
            ts.export(cube.isel(time=0), folder, format=kind, overwrite=True)
        assert (folder / "thesis.txt").read_text() == "years of work"


def test_a_zarr_store_is_replaced_when_asked(cube, tmp_path):
    target = tmp_path / "cube.zarr"
    ts.export(cube, target)
    ts.export(cube.isel(time=[0]), target, overwrite=True)
    assert xr.open_zarr(target).sizes["time"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["cube.zarr"]


def test_files_of_one_second_do_not_overwrite_each_other(cube, tmp_path):
    two = cube.isel(time=[0, 1]).assign_coords(
        time=np.array(["2018-07-05T10:54:27.000000", "2018-07-05T10:54:27.000001"], "datetime64[ns]")
    )
    written = ts.export(two, tmp_path / "a.tif")
    assert len(set(written)) == 2
    for number, path in enumerate(written):
        with rasterio.open(path) as dataset:
            assert np.array_equal(dataset.read(1), two["red"][number].values, equal_nan=True)


def test_no_file_is_written_when_one_of_them_exists(cube, tmp_path):
    last = ts.export(cube, tmp_path / "a.tif")[-1]
    for path in tmp_path.iterdir():
        if path != last:
            path.unlink()
    with pytest.raises(ExportError, match="nothing was written"):
        ts.export(cube, tmp_path / "a.tif")
    assert list(tmp_path.iterdir()) == [last]


@pytest.mark.parametrize("scale", [0.0, float("nan"), float("inf")])
def test_a_scale_that_would_lose_every_value_is_not_believed(items, scale):
    item = items[0].clone()
    item.assets["B04"].extra_fields["raster:scale"] = scale
    got = ts.load([item], ["B04"])["B04"].values
    expected = ts.load(items[:1], ["B04"])["B04"].values
    assert np.array_equal(got, expected, equal_nan=True)


def test_failures_of_a_cube_without_a_plan_is_an_error():
    with pytest.raises(CubeError, match="no record"):
        ts.failures(xr.DataArray([1.0]))


def test_joined_cubes_cite_the_items_of_both(items):
    early = ts.load(ts.search("s2-toc", None, "2017-08", source="sample"), ["red"])
    late = ts.load(items[:3], ["red"])
    card = ts.cite(xr.concat([early, late], "time"))
    assert set(card.items) == {*ts.cite(early).items, *ts.cite(late).items}
    assert (card.first[:4], card.last[:4]) == ("2017", "2018")
    assert "2017" in card.attribution
    assert "2018" in card.attribution


def test_a_monthly_mean_cites_all_that_went_in(cube):
    card = ts.cite(cube["red"].resample(time="MS").mean(keep_attrs=True))
    assert card.items == ts.cite(cube).items
    assert "Items: S2" in str(card)


def test_a_composite_cites_all_that_went_in(cube):
    card = ts.cite(ts.composite(cube["red"], "mean"))
    assert card.items == ts.cite(cube).items


def test_the_rio_accessor_is_there_without_a_further_import(cube):
    assert cube["red"].rio.crs.to_epsg() == 32631


@pytest.mark.filterwarnings("default")  # what the cluster's own threads warn of at shutdown is not ours
def test_a_block_damaged_inside_is_listed_on_a_cluster_too(items, tmp_path):
    from distributed import Client, LocalCluster

    item = items[0].clone()
    source = Path(item.assets["B04"].href.removeprefix("file://"))
    data = bytearray(source.read_bytes())
    with rasterio.open(source) as dataset:
        height, width = dataset.shape
    from terrascope_nb.raster.header import read_header, tile_ranges

    header = read_header(source)
    offsets, counts = tile_ranges(source, header.levels[0])
    for at in range(int(offsets[0]) + 8, int(offsets[0]) + int(counts[0])):
        data[at] ^= 0x5A
    broken = tmp_path / source.name
    broken.write_bytes(bytes(data))
    item.assets["B04"].href = f"file://{broken}"
    with ts.options(archive_roots=[tmp_path, source.parent]):
        lazy = ts.load([item], ["B04", "B08"], on_error="skip")
        assert len(ts.failures(lazy)) == 0  # the header is whole; only reading tells
        with (
            LocalCluster(
                n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
            ) as cluster,
            Client(cluster),
        ):
            done = ts.compute(lazy)
            failed = ts.failures(done)
    assert failed["asset"].tolist() == ["B04"]
    assert done["B04"].shape[1:] == (height, width)
    assert np.isnan(done["B04"].values).all()
    assert np.isfinite(done["B08"].values).all()


def test_the_plan_says_what_items_are_derived_from(cube):
    plan = plan_of(cube)
    assert plan is not None
    assert "not a Terrascope product" in plan.lineages[0]
    assert "processed by VITO" not in cube.attrs["attribution"]
    assert dataclasses.asdict(plan)["lineages"] == plan.lineages
    assert dt.date.fromisoformat(ts.cite(cube).first).year == 2018


@pytest.mark.parametrize("chunks", ["auto", 512])
def test_chunks_without_dimensions_are_refused_in_words(items, chunks):
    with pytest.raises(GridError, match="by dimension"):
        ts.load(items[:1], ["red"], chunks=chunks)
