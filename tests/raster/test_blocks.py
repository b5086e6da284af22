"""The block reader gives rasterio's numbers for every way a GeoTIFF may be packed that it accepts."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import Resampling

from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError
from terrascope_nb.raster.blocks import native_reader
from terrascope_nb.raster.window import open_reader, read_info

DATA = Path(__file__).parents[1] / "data"
ROWS, COLS = 150, 201


def numbers(dtype: str, count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(0, 9, (count, ROWS, COLS)), axis=2) + 100
    if np.dtype(dtype).kind == "u":
        walk = np.abs(walk)
    limit = np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else np.inf
    return np.minimum(walk, limit).astype(dtype)


def write(path: Path, values: np.ndarray, **profile: object) -> str:
    count = values.shape[0]
    with rasterio.open(
        path, "w", driver="GTiff", width=COLS, height=ROWS, count=count, dtype=values.dtype.name, crs="EPSG:32631",
        transform=rasterio.Affine(10, 0, 6e5, 0, -10, 5.7e6), **profile,
    ) as dataset:  # fmt: skip
        dataset.write(values)
        dataset.build_overviews([2, 4], Resampling.nearest)
    return str(path)


PACKINGS = [
    (dtype, compress, predictor)
    for dtype, compress, predictor in itertools.product(
        ["uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64"],
        ["none", "deflate", "lzw", "zstd", "lzma"],
        [1, 2, 3],
    )
    if not (predictor == 3 and dtype[0] != "f") and not (predictor > 1 and compress in {"none", "lzma"})
]


@pytest.mark.parametrize(("dtype", "compress", "predictor"), PACKINGS)
@settings(max_examples=6, deadline=None)
@given(
    tiled=st.booleans(),
    count=st.sampled_from([1, 3]),
    interleave=st.sampled_from(["pixel", "band"]),
    order=st.sampled_from(["LITTLE", "BIG"]),
    bigtiff=st.sampled_from(["YES", "NO"]),
    box=st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLS - 1), st.integers(1, ROWS), st.integers(1, COLS)),
    seed=st.integers(0, 99),
)
def test_every_packing_gives_rasterios_numbers(
    tmp_path_factory, dtype, compress, predictor, tiled, count, interleave, order, bigtiff, box, seed
):
    profile: dict[str, object] = {"interleave": interleave, "ENDIANNESS": order, "BIGTIFF": bigtiff}
    if compress != "none":
        profile["compress"] = compress
    if predictor > 1:
        profile["predictor"] = predictor
    profile |= {"tiled": True, "blockxsize": 64, "blockysize": 32} if tiled else {"blockysize": 17}
    path = write(tmp_path_factory.mktemp("packed") / "file.tif", numbers(dtype, count, seed), **profile)
    top, left = box[:2]
    bottom, right = min(top + box[2], ROWS), min(left + box[3], COLS)
    for band in range(1, count + 1):
        reader = native_reader(path, band)
        assert reader is not None
        with rasterio.open(path) as dataset:
            expected = dataset.read(band, window=((top, bottom), (left, right)))
        assert np.array_equal(reader.read(0, top, left, bottom, right), expected)
        with rasterio.open(path, overview_level=1) as dataset:
            overview = dataset.read(band)
        assert np.array_equal(reader.read(2, 0, 0, *overview.shape), overview)


@pytest.mark.parametrize("path", sorted(DATA.rglob("*.tif")), ids=lambda p: p.name)
def test_real_files_read_the_same_as_with_rasterio(path):
    with rasterio.open(path) as dataset:
        expected = dataset.read(1)
        grid = (dataset.crs and dataset.crs.to_epsg(), tuple(dataset.transform)[:6], dataset.nodata)
    with open_reader(str(path)) as reader:
        got = reader.read(0, 0, 0, *expected.shape)
        info = reader.info
    assert np.array_equal(got, expected, equal_nan=expected.dtype.kind == "f")
    if grid[0]:
        assert info.grid.crs == f"EPSG:{grid[0]}"
    assert info.grid.transform == pytest.approx(grid[1], rel=1e-12)
    assert info.nodata == grid[2] or (np.isnan(info.nodata) and np.isnan(grid[2]))


@pytest.mark.parametrize("nodata", [None, 7])
def test_a_block_that_was_never_written_reads_as_gdal_reads_it(tmp_path, nodata):
    path = tmp_path / "sparse.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=256, height=256, count=1, dtype="int16", crs="EPSG:32631", nodata=nodata,
        transform=rasterio.Affine(10, 0, 0, 0, -10, 0), tiled=True, blockxsize=64, blockysize=64, SPARSE_OK=True,
    ) as dataset:  # fmt: skip
        dataset.write(np.full((64, 64), 5, "int16"), 1, window=((64, 128), (64, 128)))
    with rasterio.open(path) as dataset:
        expected = dataset.read(1)
    reader = native_reader(str(path))
    assert reader is not None
    assert np.array_equal(reader.read(0, 0, 0, 256, 256), expected)


def test_what_is_not_understood_goes_to_gdal_with_the_same_numbers(tmp_path):
    path = write(
        tmp_path / "lerc.tif", numbers("float32", 1, 3), compress="lerc", tiled=True, blockxsize=64, blockysize=64
    )
    assert native_reader(path) is None
    with rasterio.open(path) as dataset:
        expected = dataset.read(1)
    with open_reader(path) as reader:
        assert np.array_equal(reader.read(0, 0, 0, ROWS, COLS), expected)


def test_bits_smaller_than_a_byte_go_to_gdal(tmp_path):
    path = write(tmp_path / "bits.tif", (numbers("uint8", 1, 1) > 100).astype("uint8"), NBITS=1)
    assert native_reader(path) is None
    assert read_info(path).dtype == "uint8"


def test_a_file_written_anew_is_read_anew(tmp_path):
    path = tmp_path / "changing.tif"
    for seed in (1, 2):
        values = numbers("int16", 1, seed)
        write(path, values, compress="deflate")
        reader = native_reader(str(path))
        assert reader is not None
        assert np.array_equal(reader.read(0, 0, 0, ROWS, COLS), values[0])
        path.unlink()


def test_a_flipped_byte_in_a_block_is_named_and_gives_no_numbers(tmp_path):
    path = Path(
        write(
            tmp_path / "flipped.tif",
            numbers("int16", 1, 4),
            compress="deflate",
            tiled=True,
            blockxsize=64,
            blockysize=64,
        )
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    for at in range(middle, middle + 200):
        data[at] ^= 0xFF
    path.write_bytes(bytes(data))
    reader = native_reader(str(path))
    assert reader is not None
    with pytest.raises(CorruptAssetError, match=r"flipped\.tif"):
        reader.read(0, 0, 0, ROWS, COLS)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(AssetUnreachableError, match=r"gone\.tif"):
        native_reader(str(tmp_path / "gone.tif"))
