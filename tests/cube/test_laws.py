"""Laws that hold for any numbers: decoding, cutting into chunks, and grids on files' own pixels."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.cube.assembly import _edges
from terrascope_nb.cube.geobox import choose_grid
from terrascope_nb.cube.plan import Coding
from terrascope_nb.cube.quality import grow
from terrascope_nb.cube.values import decode
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.raster.grid import PixelGrid

finite = st.floats(-1e4, 1e4, allow_nan=False)


@given(
    dtype=st.sampled_from(["uint8", "int8", "uint16", "int16", "uint32", "int32"]),
    order=st.sampled_from("<>"),
    scale=finite.filter(lambda number: abs(number) > 1e-6),
    offset=finite,
    nodata=st.none() | st.integers(-40000, 70000) | st.just(math.nan),
    data=st.data(),
)
def test_decoding_is_scale_times_stored_plus_offset_to_the_last_bit(dtype, order, scale, offset, nodata, data):
    ends = np.iinfo(dtype)
    numbers = data.draw(st.lists(st.integers(int(ends.min), int(ends.max)), min_size=1, max_size=20))
    low, high = sorted(data.draw(st.tuples(st.integers(-500, 500), st.integers(-500, 500))))
    valid = data.draw(st.none() | st.just((low, high)))
    stored = np.array(numbers, dtype=np.dtype(dtype).newbyteorder(order))
    got = decode(stored, Coding(scale, offset, nodata, ""), valid)
    for number, value in zip(numbers, got, strict=True):
        gone = number == nodata or (valid is not None and not low <= number <= high)
        expected = np.float32(np.nan) if gone else np.float32(number * scale + offset)
        assert (np.isnan(value) and gone) or value == expected
    assert got.dtype == "float32"


@given(length=st.integers(1, 9000), size=st.integers(1, 4000), offset=st.integers(-20000, 20000))
def test_chunks_cover_each_pixel_once_and_break_on_the_files_blocks(length, size, offset):
    edges = _edges(length, size, offset)
    assert edges[0] == 0
    assert edges[-1] == length
    assert all(0 < b - a <= size for a, b in itertools.pairwise(edges))
    assert all((edge + offset) % size == 0 for edge in edges[1:-1])


@given(
    size=st.sampled_from([10.0, 20.0, 60.0, 2.5]),
    left=st.floats(600000, 700000),
    bottom=st.floats(5600000, 5690000),
    width=st.floats(0.01, 9000),
    height=st.floats(0.01, 9000),
)
def test_a_grid_lies_on_the_files_pixels_holds_the_area_and_not_a_row_more(size, left, bottom, width, height):
    side = round(109800 / size)
    file = PixelGrid("EPSG:32631", (size, 0.0, 600000.0, 0.0, -size, 5700000.0), (side, side))
    area = make_area((left, bottom, left + width, bottom + height), crs=32631)
    grid, notes = choose_grid([file], area)
    west, south, east, north = grid.bounds
    assert not notes
    assert grid.offset_in(file) is not None
    slack = 2e-6 * size  # an edge this near to a border lies on it
    assert west <= left + slack
    assert east >= left + width - slack
    assert south <= bottom + slack
    assert north >= bottom + height - slack
    assert left - west < size + slack
    assert bottom - south < size + slack
    assert east - (left + width) < size + slack or grid.shape[1] == 1
    assert north - (bottom + height) < size + slack or grid.shape[0] == 1


@given(
    down=st.floats(0.1, 6),
    across=st.floats(0.1, 6),
    rows=st.integers(1, 12),
    cols=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_growing_reaches_every_pixel_in_the_ellipse_and_no_other(down, across, rows, cols, seed):
    dropped = np.random.default_rng(seed).random((rows, cols)) < 0.1
    at = np.argwhere(dropped)
    grown = grow(dropped, down, across)
    for row in range(rows):
        for col in range(cols):
            dy, dx = np.abs(at - (row, col)).T
            part = (dy / down) ** 2 + (dx / across) ** 2
            if not np.any(np.abs(part - 1) < 1e-6):
                assert grown[row, col] == bool((part <= 1).any())


@pytest.mark.parametrize("length", [1, 2047, 2048, 2049, 10980])
def test_the_whole_axis_is_one_chunk_when_asked(length):
    assert _edges(length, -1, 17) == (0, length)
