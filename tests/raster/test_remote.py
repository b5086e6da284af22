"""GeoTIFFs behind a real server: rasterio's numbers, few requests, no zeros, whatever the server does."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import pickle
import struct
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.shutil import copy as copy_raster
from rasterio.windows import Window

from terrascope_nb.errors import AccessError, AssetUnreachableError, CorruptAssetError
from terrascope_nb.host.ranges import set_headers_for
from terrascope_nb.raster import remote
from terrascope_nb.raster.blocks import native_reader
from terrascope_nb.raster.gdal import GdalReader
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.remote import RemoteReader, forget_all, read_ahead, remote_reader
from terrascope_nb.raster.remote_cache import DiskShelf, GivenUpError, Shelf
from terrascope_nb.raster.remote_file import HEAD, MOST_PIECES
from terrascope_nb.raster.window import open_reader, read_info, read_window
from terrascope_nb.settings import get_settings, options

ROWS, COLS = 700, 900
LEFT, TOP = 600000.0, 5700000.0


@pytest.fixture(autouse=True)
def nothing_kept():
    forget_all()
    with options(retries=1, timeout=10):
        yield


def noise(dtype: str = "int16", rows: int = ROWS, cols: int = COLS, count: int = 1, seed: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 120, (count, rows, cols)).astype(dtype)


def write(path: Path, values: np.ndarray, *, overviews=(2, 4), **profile) -> Path:
    settings = {
        "driver": "GTiff", "count": values.shape[0], "height": values.shape[1], "width": values.shape[2],
        "dtype": values.dtype.name, "crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, LEFT, 0, -10, TOP),
        "tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate", **profile,
    }  # fmt: skip
    if not settings["tiled"]:
        settings.pop("blockxsize")
    with rasterio.open(path, "w", **settings) as dataset:
        dataset.write(values)
        if overviews:
            dataset.build_overviews(list(overviews), Resampling.nearest)
    return path


def truth(path: Path, box: tuple[int, int, int, int], band: int = 1, **how) -> np.ndarray:
    top, left, bottom, right = box
    with rasterio.open(path, **how) as dataset:
        return dataset.read(band, window=Window(left, top, right - left, bottom - top))


def cog(path: Path, values: np.ndarray, **profile) -> Path:
    """Write a cloud-optimised file as the archive has them."""
    plain = write(path.with_suffix(".plain.tif"), values, overviews=())
    with rasterio.open(plain) as dataset:
        how = {"BLOCKSIZE": 128, "COMPRESS": "DEFLATE", "PREDICTOR": "YES", **profile}
        copy_raster(dataset, path, driver="COG", **how)
    plain.unlink()
    return path


BOXES = [(0, 0, 1, 1), (100, 130, 420, 500), (650, 850, ROWS, COLS), (0, 0, ROWS, COLS)]
PACKINGS = {
    "deflate 2": {"predictor": 2},
    "lzw": {"compress": "lzw"},
    "zstd float 3": {"compress": "zstd", "predictor": 3, "dtype": "float32"},
    "packed not at all": {"compress": "none"},
    "strips": {"tiled": False, "blockysize": 17},
    "big endian BigTIFF": {"ENDIANNESS": "BIG", "BIGTIFF": "YES", "predictor": 2},
    "bands apart": {"interleave": "band"},
    "bands together": {"interleave": "pixel", "predictor": 2},
}


@pytest.mark.parametrize("packing", PACKINGS.values(), ids=PACKINGS)
def test_every_packing_gives_rasterios_numbers(file_server, packing):
    profile = dict(packing)
    values = noise(profile.pop("dtype", "int16"), count=3)
    path = write(file_server.root / "file.tif", values, **profile)
    for band, box in itertools.product((1, 3), BOXES):
        with open_reader(file_server.url(path), band=band) as reader:
            assert isinstance(reader, RemoteReader)
            got = reader.read(0, *box)
            half = reader.read(1, 10, 20, 300, 400)
        np.testing.assert_array_equal(got, truth(path, box, band))
        assert got.dtype.isnative
        np.testing.assert_array_equal(half, truth(path, (10, 20, 300, 400), band, overview_level=0))
    assert not any("bytes=0-16383" in asked.headers.get("Range", "") for asked in file_server.asked)  # GDAL's first


def test_info_and_windows_equal_those_of_the_local_file(file_server):
    path = cog(file_server.root / "a.tif", noise())
    assert read_info(file_server.url(path)) == read_info(str(path))
    for size, shape, left in [
        (10, (60, 70), 700.0),
        (20, (40, 30), 1000.0),
        (10, (300, 300), -500.0),
        (7, (99, 99), 33.0),
    ]:
        grid = PixelGrid("EPSG:32631", (size, 0.0, LEFT + left, 0.0, -size, TOP - 400.0), shape)
        here, there = read_window(str(path), grid), read_window(file_server.url(path), grid)
        np.testing.assert_array_equal(there.stored, here.stored)
        np.testing.assert_array_equal(there.inside, here.inside)


def test_numbers_may_be_read_into_an_array_of_the_caller(file_server):
    path = cog(file_server.root / "a.tif", noise())
    out = np.empty((50, 60), "int16")
    assert remote_reader(file_server.url(path)).read(0, 100, 100, 150, 160, out) is out
    np.testing.assert_array_equal(out, truth(path, (100, 100, 150, 160)))


@pytest.mark.parametrize("ingested", ["16384", "32768"], ids=["GDAL's default", "GDAL tuned"])
def test_a_window_costs_fewer_requests_and_bytes_than_with_gdal(file_server, ingested):
    box = (900, 800, 1400, 1300)  # two rows of two blocks of 512 pixels
    path = cog(file_server.root / "ours.tif", noise(rows=2500, cols=3000), BLOCKSIZE=512)
    twin = file_server.root / "gdals.tif"
    twin.write_bytes(path.read_bytes())
    ours = remote_reader(file_server.url(path)).read(0, *box)
    first = len(file_server.asked), file_server.sent
    file_server.forget()
    remote._blocks = Shelf(2**25)
    np.testing.assert_array_equal(remote_reader(file_server.url(path)).read(0, *box), ours)
    again = len(file_server.asked), file_server.sent
    file_server.forget()
    tuned = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES"}
    with rasterio.Env(**tuned, GDAL_INGESTED_BYTES_AT_OPEN=ingested):
        gdals = truth(file_server.url(twin), box)
    np.testing.assert_array_equal(ours, gdals)
    assert first[0] == 1 + 2  # the header, then each row of neighbours
    assert first[0] < len(file_server.asked)
    # What differs at the first visit is the bytes taken for the header: ours hold that of tiles of 256 pixels too.
    assert first[1] - HEAD + int(ingested) <= file_server.sent
    assert again[1] < file_server.sent
    assert again == (first[0] - 1, first[1] - HEAD)


def test_blocks_are_fetched_once_while_they_are_remembered(file_server):
    path = cog(file_server.root / "a.tif", noise())
    reader = remote_reader(file_server.url(path))
    first = reader.read(0, 300, 300, 600, 600)
    file_server.forget()
    np.testing.assert_array_equal(reader.read(0, 310, 310, 590, 590), first[10:290, 10:290])
    assert not file_server.asked


def test_a_small_file_costs_one_request(file_server):
    path = cog(file_server.root / "a.tif", noise(rows=100, cols=100))
    assert path.stat().st_size < HEAD
    np.testing.assert_array_equal(
        remote_reader(file_server.url(path)).read(0, 0, 0, 100, 100), noise(rows=100, cols=100)[0]
    )
    assert len(file_server.asked) == 1


def test_many_rows_are_in_flight_at_once(file_server):
    path = write(file_server.root / "a.tif", noise(rows=2000, cols=2600), overviews=())
    reader = remote_reader(file_server.url(path))
    file_server.forget()
    file_server.delay = 0.05
    np.testing.assert_array_equal(reader.read(0, 0, 1000, 2000, 1064), truth(path, (0, 1000, 2000, 1064)))
    assert file_server.most_at_once >= 8
    assert all(asked.last - asked.first < 2**22 for asked in file_server.asked)


def test_neighbours_come_together_and_far_blocks_apart():
    key = ("u", None, 0)
    near = list(remote._runs([(200_000, 210_000, key), (0, 1000, key), (60_000, 70_000, key)]))
    assert [run[:2] for run in near] == [(0, 70_000), (200_000, 210_000)]
    row = [(n * 10**6, (n + 1) * 10**6, key) for n in range(10)]
    assert [run[:2] for run in remote._runs(row)] == [(0, 4 * 10**6), (4 * 10**6, 8 * 10**6), (8 * 10**6, 10**7)]


def test_threads_that_read_the_same_files_get_the_same_numbers_for_one_header_each(file_server):
    paths = [cog(file_server.root / f"{n}.tif", noise(seed=n)) for n in range(4)]
    file_server.delay = 0.01
    pick = np.random.default_rng(1)
    jobs = []
    for _ in range(120):
        top, left = int(pick.integers(0, ROWS - 60)), int(pick.integers(0, COLS - 60))
        jobs.append((paths[int(pick.integers(4))], (top, left, top + 60, left + 60)))

    def check(job):
        path, box = job
        return np.array_equal(
            remote_reader(file_server.url(path)).read(0, *box), native_reader(str(path)).read(0, *box)
        )

    read_ahead(file_server.url(path) for path in paths)
    with ThreadPoolExecutor(24) as threads:
        assert all(threads.map(check, jobs))
    heads = [asked.path for asked in file_server.asked if asked.first == 0]
    assert len(heads) == len(set(heads)) == 4
    spans = [(asked.path, asked.first, asked.last) for asked in file_server.asked]
    assert len(spans) == len(set(spans))
    assert file_server.connections <= 64


def test_reading_ahead_says_nothing_of_what_is_not_there(file_server):
    read_ahead([file_server.url("gone.tif"), "/local/path.tif", file_server.url("other.nc")])
    with pytest.raises(AssetUnreachableError, match="not there"):
        remote_reader(file_server.url("gone.tif"))


def test_pieces_of_a_region_that_was_announced_cost_no_request_of_their_own(file_server):
    path = write(file_server.root / "a.tif", noise(), overviews=())
    reader = remote_reader(file_server.url(path))
    file_server.forget()
    reader.read_ahead(0, 0, 0, 256, 512)
    pieces = [reader.read(0, top, left, top + 64, left + 64) for top in range(0, 256, 64) for left in range(0, 512, 64)]
    whole = np.block([pieces[n : n + 8] for n in range(0, 32, 8)])
    np.testing.assert_array_equal(whole, truth(path, (0, 0, 256, 512)))
    assert 1 <= len(file_server.asked) <= 4


def test_what_is_announced_and_not_yet_read_keeps_a_bound(file_server, monkeypatch):
    monkeypatch.setattr(remote, "_MOST_EARLY", 60_000)
    monkeypatch.setattr(remote, "_MOST_UNREAD", 90_000)
    path = write(file_server.root / "a.tif", noise(), overviews=(), compress="none")  # 8192 bytes a block
    reader = remote_reader(file_server.url(path))
    file_server.forget()
    file_server.delay = 0.05
    rows = [(top, 0, top + 64, 256) for top in range(64, 640, 64)]  # four blocks each
    assert [reader.read_regions_ahead(0, [row], early=True) for row in rows[:3]] == [True, False, False]
    assert reader.read_regions_ahead(0, [rows[1]])  # read next
    assert not reader.read_regions_ahead(0, [rows[2]])
    assert reader.read_regions_ahead(0, [rows[0], rows[1]], early=True)  # on its way already
    np.testing.assert_array_equal(reader.read(0, *rows[0]), truth(path, rows[0]))
    assert reader.read_regions_ahead(0, [rows[2]])  # has the memory of what was read
    for row in rows:
        np.testing.assert_array_equal(reader.read(0, *row), truth(path, row))
    assert len(file_server.asked) == len(rows)


def test_a_failure_of_what_was_announced_is_told_to_who_reads(file_server):
    path = write(file_server.root / "a.tif", noise(), overviews=())
    reader = remote_reader(file_server.url(path))
    file_server.delay = 0.1
    file_server.misbehave = lambda handler, asked, data: handler.reply(403) or True
    reader.read_ahead(0, 0, 0, 256, 512)
    with pytest.raises(AssetUnreachableError, match="403"):
        reader.read(0, 192, 192, 256, 256)
    file_server.misbehave = None
    np.testing.assert_array_equal(reader.read(0, 192, 192, 256, 256), truth(path, (192, 192, 256, 256)))
    write(path, noise(seed=9), overviews=())
    reader.read_ahead(0, 300, 0, 400, 300)
    np.testing.assert_array_equal(reader.read(0, 300, 0, 400, 300), noise(seed=9)[0, 300:400, :300])


def test_an_address_with_a_query_is_a_geotiff_by_its_path(file_server):
    path = cog(file_server.root / "a.tif", noise())
    with open_reader(file_server.url(path) + "?version=3") as reader:
        assert isinstance(reader, RemoteReader)
        assert reader.read(0, 5, 5, 9, 9).tolist() == truth(path, (5, 5, 9, 9)).tolist()


@pytest.mark.parametrize("profile", [{"compress": "jpeg"}, {"crs": None}, {"compress": "lerc"}], ids=str)
def test_what_is_not_understood_here_is_left_to_gdal(file_server, profile):
    path = write(file_server.root / "a.tif", noise("uint8"), overviews=(), **profile)
    with open_reader(file_server.url(path)) as reader:
        assert isinstance(reader, GdalReader)
        np.testing.assert_array_equal(reader.read(0, 3, 4, 90, 80), truth(path, (3, 4, 90, 80)))


def test_gdal_shows_the_token_to_the_files_own_server_and_to_nobody_else(file_server, make_server, caplog):
    path = write(file_server.root / "a.tif", noise("uint8"), overviews=(), compress="jpeg")
    other = make_server(file_server.root)
    caplog.set_level(logging.DEBUG)
    set_headers_for(lambda url: {"Authorization": "Bearer s3cret"})
    try:
        with open_reader(file_server.url(path)) as reader:
            assert isinstance(reader, GdalReader)
            np.testing.assert_array_equal(reader.read(0, 3, 4, 90, 80), truth(path, (3, 4, 90, 80)))
        assert {asked.headers.get("Authorization") for asked in file_server.asked} == {"Bearer s3cret"}
        moved = file_server.root / "moved.tif"
        moved.write_bytes(path.read_bytes())
        elsewhere = other.url(moved, host="localhost")
        file_server.misbehave = lambda handler, asked, data: handler.reply(302, {"Location": elsewhere}) or True
        with open_reader(file_server.url(moved)) as reader:
            np.testing.assert_array_equal(reader.read(0, 3, 4, 90, 80), truth(path, (3, 4, 90, 80)))
    finally:
        set_headers_for(None)
    assert len(other.asked) > 2
    assert not any("Authorization" in asked.headers for asked in other.asked)
    assert "s3cret" not in caplog.text


def test_blocks_that_were_never_written_are_nodata_without_a_request(file_server):
    path = file_server.root / "a.tif"
    values = noise()
    values[:, :320] = -5
    write(path, values, nodata=-5, SPARSE_OK="TRUE", overviews=())
    reader = remote_reader(file_server.url(path))
    file_server.forget()
    assert (reader.read(0, 0, 0, 300, COLS) == -5).all()
    assert not file_server.asked
    np.testing.assert_array_equal(reader.read(0, 300, 0, 400, COLS), values[0, 300:400])


def test_a_nodata_of_nan_survives_reading_and_pickling(file_server):
    path = write(file_server.root / "a.tif", noise("float32"), nodata=float("nan"))
    reader = pickle.loads(pickle.dumps(remote_reader(file_server.url(path))))
    forget_all()
    np.testing.assert_array_equal(reader.read(0, 0, 0, 50, 50), truth(path, (0, 0, 50, 50)))


# Versions


def test_a_new_version_of_the_same_kind_is_read_anew_and_never_mixed(file_server):
    path = cog(file_server.root / "a.tif", noise(seed=1))
    reader = remote_reader(file_server.url(path))
    old = reader.read(0, 0, 0, 300, 300)
    cog(path, noise(seed=2))
    new = reader.read(0, 0, 0, 600, 600)  # a quarter of it is remembered from the old version
    np.testing.assert_array_equal(new, noise(seed=2)[0, :600, :600])
    assert not np.array_equal(new[:300, :300], old)


def test_a_file_that_becomes_another_is_refused(file_server):
    path = cog(file_server.root / "a.tif", noise())
    reader = remote_reader(file_server.url(path))
    cog(path, noise("uint8", rows=650))
    with pytest.raises(CorruptAssetError, match="another kind"):
        reader.read(0, 0, 0, 600, 600)
    assert read_info(file_server.url(path)).dtype == "uint8"


def test_a_file_that_changes_with_every_answer_is_refused(file_server):
    path = cog(file_server.root / "a.tif", noise())
    numbers = itertools.count()

    def restless(handler, asked, data):
        stop = min(asked.last + 1, len(data))
        said = {"Content-Range": f"bytes {asked.first}-{stop - 1}/{len(data)}", "ETag": f'"{next(numbers)}"'}
        handler.reply(206, said, data[asked.first : stop])
        return True

    file_server.misbehave = restless
    with pytest.raises(CorruptAssetError, match="changed"):
        remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600)


# Servers and files that mean harm


def test_a_server_that_gives_no_parts_gives_a_small_file_whole(file_server):
    path = cog(file_server.root / "a.tif", noise())

    def whole(handler, asked, data):
        handler.reply(200, {}, data)
        return True

    file_server.misbehave = whole
    np.testing.assert_array_equal(
        remote_reader(file_server.url(path)).read(0, 90, 90, 600, 600), noise()[0, 90:600, 90:600]
    )
    assert len(file_server.asked) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_file_for_signed_in_users_says_so_in_a_window(file_server, status):
    path = cog(file_server.root / "a.tif", noise())
    file_server.misbehave = lambda handler, asked, data: handler.reply(status) or True
    with pytest.raises(AssetUnreachableError, match=r"[Ss]ign in") as caught:
        read_window(file_server.url(path), PixelGrid("EPSG:32631", (10.0, 0.0, LEFT, 0.0, -10.0, TOP), (9, 9)))
    assert caught.value.facts["status"] == status
    assert len(file_server.asked) == 1


def test_a_login_page_behind_a_redirect_is_no_file(file_server):
    path = cog(file_server.root / "a.tif", noise())
    (file_server.root / "login").write_text("<!DOCTYPE html><html><form>sign in</form></html>")

    def guard(handler, asked, data):
        if asked.path.endswith(".tif"):
            handler.reply(302, {"Location": "/login"})
            return True
        return False

    file_server.misbehave = guard
    with pytest.raises(AssetUnreachableError, match="page to sign in"):
        read_info(file_server.url(path))


def test_a_break_in_the_middle_of_a_read_is_an_error_and_never_zeros(file_server):
    path = write(file_server.root / "a.tif", noise(), overviews=())
    reader = remote_reader(file_server.url(path))
    answers = itertools.count()

    def third_breaks(handler, asked, data):
        if next(answers) >= 2:
            handler.close_connection = True
            return True
        return False

    file_server.misbehave = third_breaks
    out = np.full((ROWS, 64), -99, "int16")
    remote._GAP, kept = 0, remote._GAP
    try:
        with pytest.raises(AssetUnreachableError, match="2 tries"):
            reader.read(0, 0, 512, ROWS, 576, out)
    finally:
        remote._GAP = kept
    assert not (out == 0).all(axis=1).any()
    file_server.misbehave = None
    np.testing.assert_array_equal(reader.read(0, 0, 512, ROWS, 576), truth(path, (0, 512, ROWS, 576)))


def test_an_empty_file_and_one_that_is_cut_off_are_named(file_server):
    (file_server.root / "empty.tif").touch()
    with pytest.raises(AccessError, match=r"empty\.tif"):
        read_info(file_server.url("empty.tif"))
    path = write(file_server.root / "cut.tif", noise(), overviews=())
    path.write_bytes(path.read_bytes()[:200_000])
    with pytest.raises(AccessError, match=r"cut\.tif"), open_reader(file_server.url(path)) as reader:
        reader.read(0, 0, 0, ROWS, COLS)


def tag_at(data: bytes, number: int) -> int:
    """Return where the value of a field of the first directory of a little-endian classic TIFF stands."""
    at = struct.unpack_from("<I", data, 4)[0]
    for n in range(struct.unpack_from("<H", data, at)[0]):
        if struct.unpack_from("<H", data, at + 2 + 12 * n)[0] == number:
            return at + 2 + 12 * n
    raise AssertionError(number)


def test_a_header_that_claims_giant_blocks_costs_no_memory(file_server):
    data = bytearray(write(file_server.root / "a.tif", noise(), overviews=()).read_bytes())
    counts = struct.unpack_from("<I", data, tag_at(data, 325) + 8)[0]
    struct.pack_into("<I", data, counts, len(data) - 1000)  # the first block is nearly the whole file
    (file_server.root / "greedy.tif").write_bytes(data)
    reader = remote_reader(file_server.url("greedy.tif"))
    file_server.forget()
    with pytest.raises(CorruptAssetError, match="claims a block"):
        reader.read(0, 0, 0, 10, 10)
    assert file_server.sent == 0
    np.testing.assert_array_equal(reader.read(0, 64, 64, 80, 80), noise()[0, 64:80, 64:80])


def test_a_header_that_is_scattered_over_a_huge_file_is_given_up_soon(file_server):
    """A server that makes up a file of a terabyte: one directory in each of its gigabytes."""
    size = 1 << 40

    def directory(at: int) -> bytes:
        entries = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (324, 16, 1, 5000)]
        entries += [(277, 3, 1, 1), (322, 4, 1, 64), (323, 4, 1, 64), (325, 16, 1, 4096)]
        body = struct.pack("<Q", len(entries)) + b"".join(struct.pack("<HHQQ", *entry) for entry in sorted(entries))
        return body + struct.pack("<Q", at + (1 << 30))

    def made_up(handler, asked, data):
        if asked.method == "HEAD":
            handler.reply(404)
            return True
        body = (
            b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) + directory(16) if asked.first == 0 else directory(asked.first)
        )
        length = min(asked.last + 1, size) - asked.first
        said = {"Content-Range": f"bytes {asked.first}-{asked.first + length - 1}/{size}"}
        handler.reply(206, said, body.ljust(length, b"\0")[:length])
        return True

    file_server.misbehave = made_up
    assert remote_reader(file_server.url("huge.tif")) is None
    assert len(file_server.asked) <= MOST_PIECES + 1
    assert file_server.sent < 8 * 2**20


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_header_ends_in_rasterios_numbers_or_a_named_error(file_server, seed):
    path = write(file_server.root / "a.tif", noise("uint8", 130, 150), overviews=(2,))
    data, pick = bytearray(path.read_bytes()), np.random.default_rng(seed)
    for at in pick.integers(0, 600, 3):
        data[at] = pick.integers(256)
    path.write_bytes(data)
    try:
        reader = remote_reader(file_server.url(path))
        if reader is None:
            return
        got = reader.read(0, 0, 0, *(min(side, 100) for side in reader.info.levels[0]))
    except AccessError as error:
        assert "a.tif" in str(error)  # noqa: PT017 - either end is right
        return
    local = native_reader(str(path))
    assert local is not None
    np.testing.assert_array_equal(got, local.read(0, 0, 0, *got.shape))


# Processes


def test_a_reader_pickles_small_and_reads_in_another_process(file_server):
    path = cog(file_server.root / "a.tif", noise())
    reader = remote_reader(file_server.url(path))
    reader.read(0, 0, 0, 300, 300)
    packed = pickle.dumps(reader)
    assert len(packed) < 700
    code = "import pickle, sys; print(int(pickle.loads(sys.stdin.buffer.read()).read(0, 10, 10, 200, 200).sum()))"
    done = subprocess.run([sys.executable, "-c", code], input=packed, capture_output=True, check=True, timeout=60)
    assert int(done.stdout) == truth(path, (10, 10, 200, 200)).sum()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forked_processes_read_while_the_parent_reads(file_server):
    path = cog(file_server.root / "a.tif", noise())
    url, box = file_server.url(path), (50, 50, 650, 850)
    file_server.delay = 0.02
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            forget_all()
            remote_reader(url).read(0, *box)

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        with multiprocessing.get_context("fork").Pool(3) as pool:
            sums = pool.starmap(_sum, [(url, box)] * 9)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert set(sums) == {int(truth(path, box).sum())}


def _sum(url: str, box: tuple[int, int, int, int]) -> int:
    return int(remote_reader(url).read(0, *box).sum())


# Caches


def test_nothing_is_written_to_disk_unless_a_size_is_named(file_server, tmp_path):
    path = cog(file_server.root / "a.tif", noise())
    with options(cache_dir=tmp_path / "cache"):
        remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600)
        assert get_settings().remote_cache_mb == 0
    assert not (tmp_path / "cache").exists()


def test_a_cache_on_disk_leaves_one_question_of_one_byte(file_server, tmp_path):
    path = cog(file_server.root / "a.tif", noise())
    with options(cache_dir=tmp_path / "cache", remote_cache_mb=10):
        first = remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600)
        forget_all()  # what a new process begins with
        file_server.forget()
        for _ in range(3):
            np.testing.assert_array_equal(remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600), first)
        assert [(asked.first, asked.last) for asked in file_server.asked] == [(0, 0)]
        cog(path, noise(seed=3))
        forget_all()
        got = remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600)
        np.testing.assert_array_equal(got, noise(seed=3)[0, :600, :600])
        forget_all()
        file_server.misbehave = lambda handler, asked, data: handler.reply(401) or True
        with pytest.raises(AssetUnreachableError):  # a right that was lost opens no cache
            remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600)
        modes = {file.stat().st_mode & 0o077 for file in (tmp_path / "cache" / "remote").iterdir()}
    assert modes == {0}


def test_a_damaged_or_unwritable_cache_is_no_cache(file_server, tmp_path):
    path = cog(file_server.root / "a.tif", noise())
    with options(cache_dir=tmp_path / "cache", remote_cache_mb=10):
        remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600)
        for file in (tmp_path / "cache" / "remote").iterdir():
            file.write_bytes(file.read_bytes()[:-1] + b"?")
        forget_all()
        np.testing.assert_array_equal(
            remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600), noise()[0, :600, :600]
        )
    (tmp_path / "file").touch()
    forget_all()
    with options(cache_dir=tmp_path / "file", remote_cache_mb=10):
        np.testing.assert_array_equal(
            remote_reader(file_server.url(path)).read(0, 0, 0, 600, 600), noise()[0, :600, :600]
        )


def test_the_cache_on_disk_keeps_its_bounds_and_what_was_used_last(tmp_path):
    shelf = DiskShelf(tmp_path, 100_000)
    shelf.put(b"x" * 1000, "first")
    for number in range(300):
        shelf.put(os.urandom(1000), "many", number)
        assert shelf.get("first") is not None
        os.utime(shelf._path(("first",)))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 100_000
    assert shelf.get("many", 0) is None
    assert shelf.get("many", 299) is not None


def test_the_shelf_in_memory_keeps_its_bounds_and_asks_once_for_many():
    shelf: Shelf[int, bytes] = Shelf(1000)
    for number in range(50):
        assert shelf.claim([number])[2] == [number]
        shelf.put(number, bytes(100), 100)
        assert shelf.size <= 1000
    assert shelf.claim([49])[0] == {49: bytes(100)}
    assert shelf.claim([7])[2] == [7]
    _, coming, mine = shelf.claim([7, 8])
    assert list(coming) == [7]
    assert mine == [8]
    shelf.give_up([7, 8])
    with pytest.raises(GivenUpError):
        coming[7].result(timeout=1)
    shelf.claim([7])
    shelf.put(7, bytes(900), 900)  # larger than a quarter of the shelf
    assert shelf.claim([7])[2] == [7]


def test_the_shelf_keeps_what_was_announced_until_it_is_read_and_counts_it():
    shelf: Shelf[str, bytes] = Shelf(1000)
    assert shelf.announce({"a": 200, "b": 200}, 500) == ["a", "b"]
    assert shelf.announce({"c": 200}, 500) is None
    assert shelf.announce({"a": 200, "b": 200}, 500) == []
    assert shelf.has("a")
    assert not shelf.has("c")
    for key in "abvwxyz":
        shelf.claim([key] if key not in "ab" else [])
        shelf.put(key, bytes(200), 200)
    assert shelf.size <= 1000
    here, _, mine = shelf.claim(["a", "b", "v", "w"])
    assert list(here) == ["a", "b"]  # older than those that made place for them
    assert mine == ["v", "w"]
    assert shelf.announce({"c": 300, "d": 200}, 500) == ["c", "d"]
    shelf.give_up(["c"])
    assert shelf.announce({"e": 300}, 500) == ["e"]
    shelf.put("e", bytes(300), 300)  # larger than a quarter of the shelf: not kept, so not counted
    assert shelf.announce({"f": 300}, 500) == ["f"]
