"""GeoTIFFs behind a real server: no zeros and no giant reads, whatever server and file do."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
from remote_files import COLS, LEFT, ROWS, TOP, cog, noise, truth, write

from terrascope_nb.errors import AccessError, AssetUnreachableError, CorruptAssetError
from terrascope_nb.raster import remote
from terrascope_nb.raster.blocks import native_reader
from terrascope_nb.raster.grid import PixelGrid
from terrascope_nb.raster.remote import remote_reader
from terrascope_nb.raster.remote_file import MOST_PIECES
from terrascope_nb.raster.window import open_reader, read_info, read_window


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
