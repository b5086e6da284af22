"""What the lazy cube asks of dask and of the files: how many tasks, and which blocks."""

from __future__ import annotations

import collections
import itertools
import pickle

import dask
import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terrascope_nb.cube import blocks
from terrascope_nb.cube.blocks import read_block, read_keeps
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.quality import Keep
from terrascope_nb.raster import blocks as raster_blocks

CLEAR, CLOUD = 4, 9
SIDE = 1024


def href_of(item, key):
    return item.assets[key].extra_fields["alternate"]["local"]["href"].removeprefix("file://")


@pytest.fixture
def scenes(make_scene, rng):
    """Three dates of 4 x 4 blocks of 256; clear in the upper left block alone, everywhere, and nowhere."""
    flags = [np.full((SIDE // 2, SIDE // 2), CLOUD, "uint8") for _ in range(3)]
    flags[0][:100, :128] = CLEAR
    flags[1][...] = CLEAR
    values = {
        "B04": rng.integers(1, 5000, (SIDE, SIDE)).astype("int16"),
        "B08": rng.integers(1, 5000, (SIDE, SIDE)).astype("int16"),
        "B11": rng.integers(1, 5000, (SIDE // 2, SIDE // 2)).astype("int16"),
    }
    return [
        make_scene({**values, "SCL": flag}, time=f"201807{day:02d}T105029")
        for day, flag in zip((5, 10, 15), flags, strict=True)
    ]


@pytest.fixture
def decoded(monkeypatch):
    """Count how often each block of each file is decoded."""
    count = collections.Counter()
    plain = raster_blocks.NativeReader.read

    def counting(self, level, top, left, bottom, right, *args, **kwargs):
        rows, cols = self.header.levels[level].block
        for row, col in itertools.product(
            range(top // rows, -(-bottom // rows)), range(left // cols, -(-right // cols))
        ):
            count[self.state.path, level, row, col] += 1
        return plain(self, level, top, left, bottom, right, *args, **kwargs)

    monkeypatch.setattr(raster_blocks.NativeReader, "read", counting)
    return count


def ndvi(cube):
    return (cube["B08"] - cube["B04"]) / (cube["B08"] + cube["B04"])


def tasks_of(array):
    (optimised,) = dask.optimize(array)
    return [key for key in dict(optimised.__dask_graph__()) if "terrascope-plan" not in str(key)]


def test_no_block_is_decoded_twice_whatever_is_made_of_the_bands(scenes, decoded):
    cube = load(scenes, ["B04", "B08", "B11"], mask="clear", chunks={"y": 512, "x": 512})
    dask.compute(ndvi(cube).data, cube["B11"].data)
    assert decoded
    assert max(decoded.values()) == 1
    flags = {path for path, *_ in decoded if "SCENECLASSIFICATION" in path}
    assert flags == {href_of(item, "SCL") for item in scenes}


@pytest.mark.parametrize("mask", [None, "clear"])
def test_a_few_rows_of_blocks_at_a_time_are_the_whole(scenes, window_box, decoded, monkeypatch, mask):
    area = window_box(37, 141, 700, 801)
    whole = load(scenes, ["B04", "B11"], mask=mask, area=area).compute()
    read = dict(decoded)
    decoded.clear()
    monkeypatch.setattr(blocks, "_STRIP", 1)
    parts = load(scenes, ["B04", "B11"], mask=mask, area=area).compute()
    for name in whole.data_vars:
        np.testing.assert_array_equal(parts[name].values.view("i4"), whole[name].values.view("i4"))
    assert dict(decoded) == read
    assert np.isfinite(whole["B04"]).any()


def test_blocks_that_the_mask_removes_are_not_decoded(scenes, decoded):
    load(scenes, ["B04", "B11"], mask="clear").compute()
    per_file = collections.Counter(path for path, *_ in decoded)
    assert [per_file[href_of(item, "B04")] for item in scenes] == [1, 16, 0]
    assert [per_file[href_of(item, "B11")] for item in scenes] == [1, 4, 0]


def test_one_task_per_date_and_chunk_reads_mask_and_all_bands_of_an_index(scenes):
    cube = load(scenes, ["B04", "B08"], mask="clear", chunks={"y": 512, "x": 1024})
    assert len(tasks_of(ndvi(cube).data)) == 3 * 2
    assert len(tasks_of(cube["B04"].data)) == 3 * 2


def test_bands_asked_for_apart_share_the_task_that_reads_the_mask(scenes):
    cube = load(scenes, ["B04", "B08"], mask="clear", chunks={"y": 512, "x": 1024})
    (optimised,) = dask.optimize(cube)
    tasks = [key for key in dict(optimised.__dask_graph__()) if "terrascope-plan" not in str(key)]
    assert len(tasks) == 3 * 2 * (1 + 2)


def test_the_quality_band_itself_waits_for_no_mask(scenes, decoded):
    cube = load(scenes, ["SCL"], mask="clear")
    np.testing.assert_array_equal(np.unique(cube["SCL"].values), [CLEAR, CLOUD])
    assert max(decoded.values()) == 1


@pytest.mark.parametrize(("factor", "at"), [(1, (0, 0)), (2, (1, 1)), (2, (0, 1)), (3, (2, 0))])
def test_rows_of_a_mask_are_those_of_the_whole(rng, factor, at):
    keep = Keep(rng.random((9, 8)) < 0.5, factor, at)
    rows, cols = 9 * factor - at[0], 8 * factor - at[1]
    for top, bottom in itertools.combinations(range(rows + 1), 2):
        np.testing.assert_array_equal(
            keep.rows(top, bottom).over(0, bottom - top, cols), keep.over(0, rows, cols)[top:bottom]
        )


def test_a_mask_travels_light(scenes):
    cube = load(scenes, ["B04"], mask="clear")
    plan = cube.attrs["terrascope_plan"].plan
    edges = ((0, 1, 2, 3), (0, SIDE), (0, SIDE))
    first = read_keeps(plan, edges, (0, 0, 0))
    assert len(pickle.dumps(first)) < SIDE * SIDE / 3  # 20 m pixels, not 10 m
    assert read_keeps(plan, edges, (2, 0, 0)) == ((None,),)
    again = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(
        read_block(plan, 0, edges, again, (0, 0, 0)), read_block(plan, 0, edges, None, (0, 0, 0))
    )


def test_tasks_are_small(scenes):
    (optimised,) = dask.optimize(load(scenes, ["B04", "B08"], mask="clear").to_array().data)
    graph = dict(optimised.__dask_graph__())
    sizes = [len(pickle.dumps(task)) for key, task in graph.items() if "terrascope-plan" not in str(key)]
    assert max(sizes) < 3000


def test_a_small_area_is_one_chunk_wherever_it_lies(make_scene, window_box):
    item = make_scene({"B04": np.ones((2400, 2300), "int16")})
    small = load([item], ["B04"], area=window_box(1500, 1600, 700, 600))
    assert small["B04"].chunks == ((1,), (700,), (600,))
    large = load([item], ["B04"], area=window_box(10, 20, 2380, 2270))
    assert large["B04"].chunks == ((1,), (2038, 342), (2028, 242))


def test_chunks_are_whole_multiples_of_the_blocks_of_all_bands(make_scene, decoded):
    """60 m blocks of 256 pixels are 1536 on the grid of 10 m."""
    item = make_scene({"B04": np.ones((3960, 30), "int16"), "B01": np.ones((660, 5), "int16")})
    cube = load([item], ["B04", "B01"], resolution=10)
    assert cube["B04"].chunks[1] == (3072, 888)
    cube.compute()
    assert max(decoded.values()) == 1


@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_masked_windows_equal_rasterios_whatever_is_left_unread(make_scene, window_box, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    rows, cols = 700, 640
    coarse = rng.choice([CLEAR, CLOUD], size=(rows // 100, cols // 80), p=[0.3, 0.7])
    flags = np.kron(coarse, np.ones((50, 40), "uint8")).astype("uint8")
    name = f"{rng.integers(10**6):06d}"
    item = make_scene(
        {
            "B04": rng.choice([32767, *range(1, 900)], size=(rows, cols)).astype("int16"),
            "B11": rng.integers(1, 900, (rows // 2, cols // 2)).astype("int16"),
            "SCL": flags,
        },
        time=f"20180705T{name}" if name < "240000" and name[2] < "6" and name[4] < "6" else "20180705T105029",
    )
    top, left = 2 * data.draw(st.integers(0, 300)), data.draw(st.integers(0, 600))
    high, wide = data.draw(st.integers(1, rows - top)), data.draw(st.integers(1, cols - left))
    chunks = data.draw(st.sampled_from([None, {"y": 100, "x": 130}]))
    cube = load([item], ["B04", "B11"], area=window_box(top, left, high, wide), mask="clear", chunks=chunks)
    keep = np.repeat(np.repeat(flags == CLEAR, 2, 0), 2, 1)[top : top + high, left : left + wide]
    for key, factor in (("B04", 1), ("B11", 2)):
        with rasterio.open(href_of(item, key)) as file:
            stored = file.read(1).repeat(factor, 0).repeat(factor, 1)[top : top + high, left : left + wide]
        wanted = np.where(keep & (stored != 32767), np.float32(stored * 1e-4), np.float32("nan"))
        np.testing.assert_array_equal(cube[key].values[0], wanted)


@given(st.integers(1, 5), st.integers(0, 9), st.integers(0, 9), st.data())
def test_a_kept_part_is_the_part_of_what_is_kept(factor, row, col, data):
    row, col = row % factor, col % factor
    pixels = np.random.default_rng(row).random((7, 8)) < 0.4
    fine = pixels.repeat(factor, 0).repeat(factor, 1)[row:, col:]
    keep = Keep(pixels, factor, (row, col))
    cols = data.draw(st.integers(1, fine.shape[1]))
    top = data.draw(st.integers(0, fine.shape[0] - 1))
    bottom = data.draw(st.integers(top + 1, fine.shape[0]))
    np.testing.assert_array_equal(keep.over(top, bottom, cols), fine[top:bottom, :cols])
    assert keep.holds(top, 0, bottom, cols) or not fine[top:bottom, :cols].any()
