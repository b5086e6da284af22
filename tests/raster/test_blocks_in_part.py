"""Blocks that are decoded no further than the last wanted row: rasterio's numbers all the same."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from terrascope_nb.errors import CorruptAssetError
from terrascope_nb.raster import blocks
from terrascope_nb.raster.blocks import native_reader
from terrascope_nb.settings import options


@pytest.fixture(
    scope="module", params=[("int16", 2), ("int16", 1), ("uint8", 2), ("float32", 3), ("uint16", 2)], ids=str
)
def path(request, tmp_path_factory):
    dtype, predictor = request.param
    target = tmp_path_factory.mktemp("part") / "part.tif"
    values = np.random.default_rng(3).normal(90, 40, (2, 700, 600)).clip(0, 250).astype(dtype)
    with rasterio.open(
        target, "w", driver="GTiff", count=2, height=700, width=600, dtype=dtype, compress="deflate", tiled=True,
        blockxsize=256, blockysize=256, predictor=predictor, crs="EPSG:32631", interleave="band",
        transform=rasterio.Affine(10, 0, 600000, 0, -10, 5700000),
    ) as file:  # fmt: skip
        file.write(values)
    return target


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("whole", [True, False])
def test_any_region_is_rasterios_wherever_decoding_ends(path, whole, data):
    top, left = data.draw(st.integers(0, 699)), data.draw(st.integers(0, 599))
    bottom, right = data.draw(st.integers(top + 1, 700)), data.draw(st.integers(left + 1, 600))
    band = data.draw(st.integers(1, 2))
    found = native_reader(str(path), band, whole_blocks=whole).read(0, top, left, bottom, right)
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(found, file.read(band, window=Window(left, top, right - left, bottom - top)))


def test_a_block_that_breaks_off_before_the_wanted_row_is_damaged(path):
    reader = native_reader(str(path))
    data = path.read_bytes()
    offset = int(blocks._known_ranges(reader.state, 0)[0][0])
    try:
        path.write_bytes(data[: offset + 40] + bytes(5000) + data[offset + 5040 :])
        with pytest.raises(CorruptAssetError, match="damaged"):
            native_reader(str(path)).read(0, 0, 0, 100, 100)
    finally:
        path.write_bytes(data)


def test_one_wrong_bit_is_found_by_the_checksum_unless_the_user_gave_that_up(path):
    reader = native_reader(str(path))
    data = path.read_bytes()
    offsets, counts = blocks._known_ranges(reader.state, 0)
    at = int(offsets[0]) + int(counts[0]) - 2  # in the checksum itself: every number would decode
    right = reader.read(0, 0, 0, 10, 10)
    try:
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(CorruptAssetError, match="damaged"):
            native_reader(str(path)).read(0, 0, 0, 10, 10)
        with options(whole_blocks=False):
            np.testing.assert_array_equal(native_reader(str(path)).read(0, 0, 0, 10, 10), right)
            with pytest.raises(CorruptAssetError, match="damaged"):  # all rows are wanted: all is checked
                native_reader(str(path)).read(0, 0, 0, 256, 10)
    finally:
        path.write_bytes(data)
