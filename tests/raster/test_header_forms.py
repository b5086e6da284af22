"""Headers that are alike are parsed once; whatever differs between two files is still seen."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin

from terrascope_nb.errors import CorruptAssetError
from terrascope_nb.raster import header as headers
from terrascope_nb.raster.header import read_header, read_header_and_ranges, tile_ranges
from terrascope_nb.raster.header_forms import Forms

REAL = sorted((Path(__file__).parents[1] / "data" / "archive_tree").rglob("*.tif"))


@pytest.fixture(autouse=True)
def parsed(monkeypatch):
    """No header is known yet; the list grows by one for each that is parsed."""
    found, parse = [], headers._parsed
    monkeypatch.setattr(headers, "_forms", Forms(64))
    monkeypatch.setattr(headers, "_parsed", lambda layout: (found.append(layout.source.name), parse(layout))[1])
    return found


def write(path, seed, *, tags=None, scale=None, left=600000, cloud=True, **options):
    """Write a compressed file whose blocks have another length with each seed; with overviews when it is for the cloud."""
    profile = {"driver": "GTiff", "height": 300, "width": 400, "count": 1, "dtype": "int16", "crs": "EPSG:32631"}
    profile |= {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate", "nodata": -1} | options
    shape = profile["height"], profile["width"]
    values = np.random.default_rng(seed).integers(0, 50 + 300 * seed, shape).astype(profile["dtype"])
    plain = path.with_suffix(".plain.tif") if cloud else path
    with rasterio.open(plain, "w", transform=from_origin(left, 5700000, 10, 10), **profile) as target:
        target.update_tags(**(tags or {}))
        if scale:
            target.scales = (scale,)
        target.write(np.broadcast_to(values, (profile["count"], *shape)))
    if cloud:
        rasterio.shutil.copy(plain, path, driver="COG", blocksize=128, compress="deflate", overviews="IGNORE_EXISTING")
    return path


def assert_as_gdal_says(path):
    header = read_header(path)
    with rasterio.open(path) as gdal:
        assert (header.width, header.height, header.count) == (gdal.width, gdal.height, gdal.count)
        assert (header.dtype, header.nodata) == (gdal.dtypes[0], gdal.nodata)
        assert header.crs == f"EPSG:{gdal.crs.to_epsg()}"
        assert header.transform == tuple(gdal.transform)[:6]
        assert header.block == gdal.block_shapes[0]
        assert (header.scale or 1.0) == gdal.scales[0]
        assert [round(header.width / width) for width, _ in header.overviews] == gdal.overviews(1)
        tags = {
            name: value for name, value in gdal.tags().items() if name not in {"AREA_OR_POINT", "OVR_RESAMPLING_ALG"}
        }
        assert {name: value for name, value in header.tags.items() if name != "OVR_RESAMPLING_ALG"} == tags
        for number, level in enumerate(header.levels):
            assert_blocks_as_gdal_says(gdal, path, level, number)
    assert header.size == path.stat().st_size
    assert header.is_complete()
    assert not header.is_complete(header.data_end - 1)


def assert_blocks_as_gdal_says(gdal, path, level, number):
    offsets, counts = tile_ranges(path, level)
    down, across = -(-level.height // level.block[0]), -(-level.width // level.block[1])
    for n, found in enumerate(zip(offsets.tolist(), counts.tolist(), strict=True)):
        band, y, x = n // (down * across) + 1, n // across % down, n % across
        told = [
            gdal.get_tag_item(f"BLOCK_{what}_{x}_{y}", "TIFF", bidx=band, ovr=number - 1 if number else None)
            for what in ("OFFSET", "SIZE")
        ]
        assert [int(text) for text in told] == list(found)


def test_files_that_are_alike_are_parsed_once_and_each_says_what_gdal_says_of_it(tmp_path, parsed):
    for seed in range(1, 6):
        tags = {"TIFFTAG_DATETIME": f"2023:01:0{seed} 10:46:19", "orbit": f"{seed}", "lineage": "a & b"}
        assert_as_gdal_says(write(tmp_path / f"{seed}.tif", seed, tags=tags))
    assert len(parsed) == 1


def test_times_are_those_of_each_file(tmp_path, parsed):
    paths = [
        write(tmp_path / f"{day}.tif", 1, tags={"TIFFTAG_DATETIME": f"2023:01:0{day} 10:46:19", "day": str(day)})
        for day in (1, 2)
    ]
    assert [dict(read_header(path).tags) for path in paths] == [
        {"TIFFTAG_DATETIME": "2023:01:01 10:46:19", "day": "1"},
        {"TIFFTAG_DATETIME": "2023:01:02 10:46:19", "day": "2"},
    ]
    assert len(parsed) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"left": 600010}, {"nodata": -2}, {"scale": 0.5}, {"cloud": True}, {"dtype": "uint16", "nodata": 1},
        {"crs": "EPSG:32632"}, {"compress": "lzw"}, {"BIGTIFF": "YES"}, {"ENDIANNESS": "BIG"}, {"tiled": False},
        {"predictor": 2}, {"blockxsize": 64}, {"count": 2}, {"count": 2, "interleave": "band"},
    ],
    ids=str,
)  # fmt: skip
def test_a_file_that_differs_is_seen_to_differ(tmp_path, change):
    first = write(tmp_path / "first.tif", 1, cloud=False)
    other = write(tmp_path / "other.tif", 1, **{"cloud": False, **change})
    for path in (first, other, first):
        assert_as_gdal_says(path)


def test_the_ranges_that_come_with_a_header_are_those_of_the_full_resolution(tmp_path):
    for seed in (1, 2):
        path = write(tmp_path / f"{seed}.tif", seed)
        header, ranges = read_header_and_ranges(path)
        assert header == read_header(path)
        for found, wanted in zip(ranges, tile_ranges(path, header.levels[0]), strict=True):
            np.testing.assert_array_equal(found, wanted)


def outcome(data: bytes) -> str:
    try:
        return repr(read_header(io.BytesIO(data)))
    except CorruptAssetError as error:
        return f"{error.reason}"


@given(which=st.integers(0, 2), cut=st.floats(0.5, 1), flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255))))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_seen_as_well_when_the_undamaged_header_is_known(which, cut, flips):
    whole = (REAL[0], REAL[4], REAL[-1])[which].read_bytes()
    data = bytearray(whole)
    for where, value in flips:
        data[int(where * (len(data) - 1))] = value
    damaged = bytes(data[: int(cut * len(data)) + 1])
    headers._forms = Forms(64)
    alone = outcome(damaged)
    headers._forms = Forms(64)
    outcome(whole)
    assert outcome(damaged) == alone


def test_every_truncation_is_seen_when_the_whole_file_is_known():
    data = REAL[-1].read_bytes()
    alone = []
    for length in range(len(data)):
        headers._forms = Forms(64)
        alone.append(outcome(data[:length]))
    outcome(data)
    assert [outcome(data[:length]) for length in range(len(data))] == alone


def test_every_byte_counts_as_much_when_the_file_is_known():
    data = REAL[4].read_bytes()
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 0x15]) + data[at + 1 :]
        headers._forms = Forms(64)
        alone = outcome(changed)
        headers._forms = Forms(64)
        outcome(data)
        assert outcome(changed) == alone, f"byte {at}"


def test_only_so_many_headers_are_kept_and_none_that_is_long(tmp_path, monkeypatch, parsed):
    monkeypatch.setattr(headers, "_forms", Forms(3))
    paths = [write(tmp_path / f"{n}.tif", 1, left=600000 + 10 * n, cloud=False) for n in range(5)]
    for path in [*paths, paths[2], paths[0], paths[2], paths[4]]:
        read_header(path)
    assert [Path(name).stem for name in parsed] == ["0", "1", "2", "3", "4", "0"]  # 3 was used longest ago
    assert len(headers._forms._forms) == 3
    del parsed[:]
    small = {"height": 2, "width": 2, "tiled": False, "compress": "none", "interleave": "pixel", "cloud": False}
    for n_bands, times in ((5000, 2), (1000, 1)):  # the type of each band takes four bytes
        path = write(tmp_path / "many.tif", 1, count=n_bands, **small)
        assert read_header(path) == read_header(path)
        assert len(parsed) == times
        del parsed[:]
