"""The GeoTIFF header reader, compared with GDAL and attacked with damaged files."""

from __future__ import annotations

import io
import math
import os
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.enums import Resampling
from rasterio.transform import Affine

from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError
from terrascope_nb.raster.header import Header, read_header, tile_ranges

REAL = sorted((Path(__file__).parents[1] / "data" / "archive_tree").rglob("*.tif"))
UTM = Affine(10.0, 0.0, 600000.0, 0.0, -10.0, 5700000.0)
NOT_TAGS = {"AREA_OR_POINT", "TIFFTAG_RESOLUTIONUNIT", "TIFFTAG_XRESOLUTION", "TIFFTAG_YRESOLUTION"}


def write(path, shape=(100, 120), dtype="int16", *, crs="EPSG:32631", transform=UTM, count=1, overviews=(), **options):
    """Write a GeoTIFF with values of our own; options go to GDAL."""
    after = {key: options.pop(key) for key in ("tags", "scale", "offset", "gcps") if key in options}
    profile = {"driver": "GTiff", "height": shape[0], "width": shape[1], "count": count, "dtype": dtype}
    with rasterio.open(path, "w", crs=crs, transform=transform, **profile, **options) as target:
        rows = np.arange(shape[0] * shape[1]).reshape(shape) % 120
        for band in range(1, count + 1):
            target.write(rows.astype(dtype), band)
        if "tags" in after:
            target.update_tags(**after["tags"])
        if "scale" in after:
            target.scales, target.offsets = (after["scale"],) * count, (after["offset"],) * count
        if "gcps" in after:
            target.gcps = (after["gcps"], crs)
    if overviews:
        with rasterio.open(path, "r+") as target:
            target.build_overviews(list(overviews), Resampling.nearest)
    return path


def assert_same_as_gdal(path: Path) -> None:
    header = read_header(path)
    with rasterio.open(path) as gdal:
        assert (header.width, header.height, header.count) == (gdal.width, gdal.height, gdal.count)
        assert header.dtype == gdal.dtypes[0]
        assert header.crs == (None if gdal.crs is None else f"EPSG:{gdal.crs.to_epsg()}")
        if header.transform is None:
            assert gdal.transform == Affine.identity()
        else:
            assert header.transform == pytest.approx(tuple(gdal.transform)[:6], abs=1e-12, rel=1e-15)
        if gdal.nodata is None:
            assert header.nodata is None
        else:
            assert header.nodata == pytest.approx(gdal.nodata, nan_ok=True)
        assert ((1.0 if header.scale is None else header.scale), header.offset or 0.0) == (
            gdal.scales[0],
            gdal.offsets[0],
        )
        assert header.block == gdal.block_shapes[0]
        assert [round(header.width / width) for width, _ in header.overviews] == gdal.overviews(1)
        assert dict(header.tags) == {key: value for key, value in gdal.tags().items() if key not in NOT_TAGS}
    assert header.size == path.stat().st_size
    assert header.is_complete()


@pytest.mark.parametrize("path", REAL, ids=[path.name for path in REAL])
def test_real_terrascope_files_read_as_gdal_reads_them(path):
    assert_same_as_gdal(path)


def test_there_are_real_files_to_compare_with():
    assert len(REAL) >= 20


CASES = {
    "plain": {},
    "tiled": {"tiled": True, "blockxsize": 32, "blockysize": 16},
    "strips-of-one-row": {"blockysize": 1, "compress": "lzw"},
    "odd-strips": {"blockysize": 7, "compress": "deflate"},
    "bigtiff": {"BIGTIFF": "YES", "tiled": True, "blockxsize": 16, "blockysize": 16},
    "big-endian": {"ENDIANNESS": "BIG", "compress": "deflate", "nodata": 32767},
    "big-endian-bigtiff": {"ENDIANNESS": "BIG", "BIGTIFF": "YES", "compress": "deflate", "scale": 0.5, "offset": -3.0},
    "bands-apart": {"count": 3, "interleave": "band", "compress": "deflate"},
    "bands-together": {"count": 4, "interleave": "pixel", "compress": "deflate"},
    "predictor-2": {"compress": "deflate", "predictor": 2, "tiled": True, "blockxsize": 64, "blockysize": 64},
    "predictor-3": {"dtype": "float32", "compress": "zstd", "predictor": 3, "nodata": math.nan},
    "overviews": {"overviews": (2, 4, 8), "compress": "deflate", "shape": (300, 400)},
    "sparse": {"SPARSE_OK": "TRUE", "tiled": True, "blockxsize": 16, "blockysize": 16},
    "scale-and-offset": {"dtype": "uint8", "nodata": 255, "scale": 0.004, "offset": -0.08, "compress": "lzw"},
    "nodata-min-float": {"dtype": "float32", "nodata": -3.4028234663852886e38, "compress": "lzw"},
    "nodata-minus-infinity": {"dtype": "float64", "nodata": -math.inf, "compress": "lzw"},
    "texts": {
        "tags": {"TIFFTAG_SOFTWARE": "ours 1.0", "TIFFTAG_COPYRIGHT": "© all & sundry", "quote": 'a "b" <c> & d\n'},
        "compress": "lzw",
    },
    "degrees": {"crs": "EPSG:4326", "transform": Affine(1 / 112, 0, 3.0, 0, -1 / 112, 51.5), "compress": "lzw"},
    "rotated": {"transform": Affine(8.0, 6.0, 600000.0, 6.0, -8.0, 5700000.0), "compress": "lzw"},
    "south-up": {"transform": Affine(10.0, 0.0, 6e5, 0.0, 10.0, 5.6e6), "compress": "lzw"},
    "lambert": {"crs": "EPSG:31370", "compress": "lzw"},
    "laea": {"crs": "EPSG:3035", "compress": "lzw"},
    "web-mercator": {"crs": "EPSG:3857", "compress": "lzw"},
    **{
        name: {"dtype": name, "compress": "lzw"}
        for name in ("int8", "uint8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
    },
    "complex64": {"dtype": "complex64", "compress": "lzw"},
    "one-bit": {"dtype": "uint8", "NBITS": 1, "compress": "lzw"},
}


@pytest.mark.parametrize("options", CASES.values(), ids=CASES)
def test_generated_files_read_as_gdal_reads_them(options, tmp_path):
    assert_same_as_gdal(write(tmp_path / "a.tif", **options))


def test_pixel_is_point_is_moved_to_the_corner(tmp_path):
    path = write(tmp_path / "point.tif", tags={"AREA_OR_POINT": "Point"}, compress="lzw")
    with rasterio.open(path) as gdal:
        assert gdal.tags()["AREA_OR_POINT"] == "Point"
    assert read_header(path).transform == tuple(UTM)[:6]
    assert_same_as_gdal(path)


def test_a_cloud_optimised_file_with_all_its_overviews(tmp_path):
    path = tmp_path / "cog.tif"
    profile = {"driver": "COG", "height": 3000, "width": 2500, "count": 1, "dtype": "uint8", "crs": "EPSG:32631"}
    with rasterio.open(path, "w", transform=UTM, blocksize=256, compress="deflate", nodata=255, **profile) as target:
        target.write(np.random.default_rng(1).integers(0, 250, (1, 3000, 2500), dtype="uint8"))
    assert_same_as_gdal(path)
    header = read_header(path)
    assert header.overviews[0] == (1250, 1500)
    assert header.block == (256, 256)
    assert header.tiled


def test_tile_ranges_lead_to_the_pixels(tmp_path):
    path = write(tmp_path / "raw.tif", tiled=True, blockxsize=16, blockysize=16, shape=(40, 50))
    header = read_header(path)
    offsets, counts = tile_ranges(path, header.levels[0])
    assert len(offsets) == 3 * 4
    assert set(counts.tolist()) == {16 * 16 * 2}
    data = path.read_bytes()
    with rasterio.open(path) as gdal:
        pixels = gdal.read(1)
    for n, offset in enumerate(offsets.tolist()):
        row, col = divmod(n, 4)
        tile = np.frombuffer(data[offset : offset + 512], "<i2").reshape(16, 16)
        inside = pixels[row * 16 : row * 16 + 16, col * 16 : col * 16 + 16]
        np.testing.assert_array_equal(tile[: inside.shape[0], : inside.shape[1]], inside)
    assert header.data_end == int((offsets + counts).max())


def test_an_open_file_does_as_well_as_a_path(tmp_path):
    path = write(tmp_path / "a.tif", overviews=(2, 4))
    with path.open("rb") as file:
        assert read_header(file) == read_header(path)
        offsets, _ = tile_ranges(file, read_header(path).levels[1])
    np.testing.assert_array_equal(offsets, tile_ranges(path, read_header(path).levels[1])[0])


@pytest.mark.parametrize("crs", ["+proj=utm +zone=31 +ellps=bessel", "EPSG:32631+5773", None], ids=str)
def test_a_system_without_a_plain_code_is_said_to_be_unknown(crs, tmp_path):
    path = write(tmp_path / "a.tif", crs=crs)
    assert read_header(path).crs is None


def test_control_points_are_no_grid(tmp_path):
    gcps = [GroundControlPoint(0, 0, 3, 51), GroundControlPoint(0, 120, 4, 51), GroundControlPoint(100, 0, 3, 50)]
    path = write(tmp_path / "gcp.tif", crs="EPSG:4326", transform=None, gcps=gcps)
    assert read_header(path).transform is None


def test_what_is_not_declared_is_none(tmp_path):
    header = read_header(write(tmp_path / "a.tif"))
    assert (header.nodata, header.scale, header.offset) == (None, None, None)


def test_scale_one_that_is_written_down_differs_from_none(tmp_path):
    """Rasterio cannot tell the two apart."""
    header = read_header(write(tmp_path / "a.tif", scale=1.0, offset=-7.0))
    assert (header.scale, header.offset) == (1.0, -7.0)


def test_a_truncated_file_is_not_complete(tmp_path):
    path = write(tmp_path / "a.tif", shape=(400, 400), compress="deflate")
    data = path.read_bytes()
    header = read_header(path)
    assert header.is_complete()
    assert not header.is_complete(len(data) - 1)
    cut = io.BytesIO(data[:-1])
    assert not read_header(cut).is_complete()


def test_every_truncation_of_a_real_file_is_noticed():
    data = REAL[-1].read_bytes()
    for length in range(len(data)):
        try:
            header = read_header(io.BytesIO(data[:length]))
        except CorruptAssetError:
            continue
        assert not header.is_complete() or length >= header.data_end


@pytest.mark.parametrize(
    "data",
    [b"", b"II", b"II*\0", b"MM\0*\0\0\0\0", b"\x89HDF\r\n\x1a\n" * 9, b"<html>" * 99, b"II*\0" + b"\xff" * 99],
    ids=["empty", "two-bytes", "no-directory", "zero-directory", "hdf5", "html", "directory-far-away"],
)
def test_what_is_no_tiff_is_named_corrupt(data, tmp_path):
    path = tmp_path / "x.tif"
    path.write_bytes(data)
    with pytest.raises(CorruptAssetError, match=r"x\.tif is no readable GeoTIFF") as caught:
        read_header(path)
    assert caught.value.href == str(path)
    assert caught.value.reason


def test_a_missing_file_a_folder_and_a_pipe_are_unreachable(tmp_path):
    pipe = tmp_path / "pipe.tif"
    os.mkfifo(pipe)
    for path in (tmp_path / "none.tif", tmp_path, pipe, "nul\0l.tif"):
        with pytest.raises(AssetUnreachableError):
            read_header(path)


def classic(entries, *, body=b"", following=0):
    """A classic little-endian TIFF with one directory at byte 8 and ``body`` behind it."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", following) + body


SMALL = {256: 16, 257: 16, 258: 8, 259: 1, 273: 8, 277: 1, 278: 16, 279: 16}


def tiff(following=0, body=b"", extra=(), **changes):
    fields = SMALL | {int(key[1:]): value for key, value in changes.items()}
    return classic([*((tag, 4, 1, value) for tag, value in fields.items()), *extra], following=following, body=body)


def test_the_hand_made_file_is_right_before_it_is_spoilt():
    assert read_header(io.BytesIO(tiff(body=bytes(300)))).width == 16


HOSTILE = {
    "ring-of-directories": tiff(following=8),
    "huge-image": tiff(t256=2**31 - 1, t257=2**31 - 1, t278=1),
    "no-width": tiff(t256=0),
    "million-bands": tiff(t277=2**32 - 1, extra=[(284, 4, 1, 2)]),
    "strip-list-past-the-end": tiff(t257=1600, extra=[(273, 4, 2**30, 64)]),
    "too-many-bits-values": tiff(extra=[(258, 3, 2**31, 8)]),
    "geokeys-past-the-end": tiff(extra=[(34735, 3, 60000, 8)]),
    "geokeys-that-lie": tiff(extra=[(34735, 3, 4, 8)], body=b"\xff" * 64),
    "endless-text": tiff(extra=[(42112, 2, 2**32 - 1, 8)]),
    "text-that-is-a-number-type": tiff(extra=[(42113, 12, 1, 8)], body=bytes(300)),
    "nodata-that-is-no-number": tiff(extra=[(42113, 2, 4, int.from_bytes(b"abc\0", "little"))], body=bytes(300)),
    "scale-of-nan": tiff(extra=[(33550, 12, 2, 134), (33922, 12, 6, 134)], body=struct.pack("<8d", *[math.nan] * 8)),
    "rows-per-strip-0": tiff(t278=0),
    "unknown-sample-format": tiff(extra=[(339, 4, 1, 77)]),
    "bits-missing-meaning": tiff(t258=24),
    "unknown-field-type": tiff(extra=[(256, 99, 1, 16)]),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_header_costs_an_error_and_no_time(data):
    began = time.process_time()
    with pytest.raises(CorruptAssetError):
        read_header(io.BytesIO(data))
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "text",
    ["<Item " * 150_000, "<Item a" + "b" * 900_000, '<Item name="' * 80_000, "<Item x>" * 120_000, "a=" * 400_000],
    ids=["open-items", "long-word", "open-quotes", "items-without-end", "equals"],
)
def test_metadata_made_to_slow_a_pattern_down_does_not(text):
    data = tiff(extra=[(42112, 2, len(text), 8 + 2 + 9 * 12 + 4)], body=text.encode())
    began = time.process_time()
    read_header(io.BytesIO(data))
    assert time.process_time() - began < 1.0


def samples() -> list[bytes]:
    return [path.read_bytes() for path in (REAL[0], REAL[4], REAL[-1])]


def check_sane(data: bytes) -> None:
    try:
        header = read_header(io.BytesIO(data))
    except CorruptAssetError:
        return
    assert isinstance(header, Header)
    assert header.width > 0
    assert header.height > 0
    assert header.data_end >= 0
    np.dtype(header.dtype)


@given(which=st.integers(0, 2), cut=st.floats(0, 1), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255))))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_damage_gives_an_error_or_a_header(which, cut, flips):
    data = bytearray(samples()[which])
    for where, value in flips:
        data[int(where * (len(data) - 1))] = value
    check_sane(bytes(data[: int(cut * len(data)) + 1]))


@given(st.binary(max_size=400), st.sampled_from([b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0"]))
@settings(max_examples=300, deadline=None)
def test_noise_behind_a_true_beginning_gives_an_error_or_a_header(noise, beginning):
    check_sane(beginning + struct.pack("<I", 8) + noise)
