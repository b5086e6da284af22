"""GeoTIFFs behind a real server: rasterio's numbers for few requests."""

from __future__ import annotations

import itertools
import logging
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from remote_files import COLS, LEFT, ROWS, TOP, cog, noise, truth, write

from terrascope_nb.errors import AssetUnreachableError
from terrascope_nb.host.ranges import set_headers_for
from terrascope_nb.raster import remote
from terrascope_nb.raster.blocks import native_reader
from terrascope_nb.raster.gdal import GdalReader
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.remote import RemoteReader, forget_all, read_ahead, remote_reader
from terrascope_nb.raster.remote_cache import Shelf
from terrascope_nb.raster.remote_file import HEAD
from terrascope_nb.raster.window import open_reader, read_info, read_window

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


def test_a_header_longer_than_the_first_request_is_not_asked_for_again_when_pixels_are_read(file_server):
    path = write(file_server.root / "a.tif", noise(rows=1600, cols=1600), overviews=(), blockxsize=16, blockysize=16)
    reader = remote_reader(file_server.url(path))
    asked = [(asked.first, asked.last) for asked in file_server.asked]
    assert max(last for _, last in asked) > 10_000 * 8  # where each of 10,000 blocks lies, and how long it is
    file_server.forget()
    np.testing.assert_array_equal(reader.read(0, 800, 800, 810, 810), truth(path, (800, 800, 810, 810)))
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
