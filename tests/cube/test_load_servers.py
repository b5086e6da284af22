"""Files behind a server: asked only where the mount has none, named when it fails, never zeros."""

from __future__ import annotations

import http.server
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from terrascope_nb.cube.compute import compute, failures
from terrascope_nb.cube.loader import load
from terrascope_nb.errors import AccessError, AssetUnreachableError
from terrascope_nb.raster import gdal
from terrascope_nb.settings import options

BAD = "S2B_20180710T105029_31UFS_TOC_V210"


def path_of(item, key="B04") -> Path:
    return Path(item.assets[key].extra_fields["alternate"]["local"]["href"].removeprefix("file://"))


def reds(side=600) -> np.ndarray:
    return np.random.default_rng(4).integers(1, 9000, (side, side)).astype("int16")


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder with ranges, or fails in a way a test chooses."""

    daemon_threads = True
    folder: Path
    mode = "good"
    asked: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        mode, path = self.server.mode, self.server.folder / self.path.rsplit("/", 1)[-1]
        self.server.asked.append(f"{self.command} {self.path} {self.headers.get('Range', '')}")
        data = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        broken = mode == "breaks" and start > 0
        if mode.isdecimal() or broken:
            self.send_response(int(mode) if mode.isdecimal() else 500)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if mode == "page":
            data, found = b"<html>Please sign in</html>", None
        part = data[start : int(found[2]) + 1 if found and found[2] else None] if found else data
        self.send_response(206 if found else 200)
        self.send_header("Content-Type", "text/html" if mode == "page" else "image/tiff")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        if found:
            self.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(data)}")
        self.end_headers()
        if body:
            self.wfile.write(part)


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setitem(gdal._GDAL_OPTIONS, "GDAL_HTTP_MAX_RETRY", "0")  # patience is not what is tested here
    folder = tmp_path / "served"
    folder.mkdir()
    with Server(("127.0.0.1", 0), Handler) as made:
        made.folder, made.asked = folder, []
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def remote_pair(make_scene, server):
    """The first scene lies on the mount; of the second the mount has nothing and the server has the file."""
    values = {"B04": reds(), "SCL": np.full((300, 300), 4, "uint8")}
    https = f"http://127.0.0.1:{server.server_port}/files"
    items = [make_scene(values, https=https), make_scene(values, https=https, time="20180710T105029")]
    for key in values:
        path = path_of(items[1], key)
        path.rename(server.folder / path.name)
    with options(offline=False, retries=0):
        yield items


def test_where_the_mount_has_no_file_the_server_is_asked(remote_pair, server):
    cube = compute(load(remote_pair, ["B04", "SCL"], mask="clear"))
    expected = (reds() * 0.0001).astype("float32")
    np.testing.assert_array_equal(cube.B04[0], expected)
    np.testing.assert_array_equal(cube.B04[1], expected)
    assert server.asked
    assert not any("20180705" in line for line in server.asked)  # what the mount has is read there


def test_the_place_is_chosen_when_pixels_are_read_not_when_the_cube_is_made(remote_pair, server):
    cube = load(remote_pair, "B04")
    path_of(remote_pair[0]).rename(server.folder / path_of(remote_pair[0]).name)  # the mount goes away
    np.testing.assert_array_equal(compute(cube).B04[0], (reds() * 0.0001).astype("float32"))
    assert any("20180705" in line for line in server.asked)


def test_only_ranges_of_a_remote_file_are_fetched(make_scene, server, window_box):
    values = {"B04": np.random.default_rng(1).integers(0, 9000, (3000, 3000)).astype("int16")}
    item = make_scene(values, https=f"http://127.0.0.1:{server.server_port}/files")
    path_of(item).rename(server.folder / path_of(item).name)
    with options(offline=False, retries=0):
        compute(load([item], "B04", area=window_box(1000, 1000, 20, 20)))
    fetched = 0
    for line in server.asked:
        if found := re.search(r"GET .*bytes=(\d+)-(\d+)", line):
            fetched += int(found[2]) - int(found[1]) + 1
    assert 0 < fetched < (server.folder / path_of(item).name).stat().st_size / 4


@pytest.mark.parametrize("mode", ["500", "404", "403", "401", "page", "breaks"])
def test_a_failing_server_is_named_and_gives_no_zeros(remote_pair, server, mode):
    server.mode = mode
    with pytest.raises(AccessError, match=BAD) as caught:
        compute(load(remote_pair, "B04"))
    assert caught.value.item == BAD
    assert caught.value.asset == "B04"
    assert f"127.0.0.1:{server.server_port}" in str(caught.value)


@pytest.mark.parametrize("mode", ["500", "page", "breaks"])
def test_a_failing_server_can_be_skipped(remote_pair, server, mode):
    server.mode = mode
    result = compute(load(remote_pair, ["B04", "SCL"], on_error="skip"))
    np.testing.assert_array_equal(result.B04[0], (reds() * 0.0001).astype("float32"))
    assert np.isnan(result.B04[1]).all()
    # The little SCL comes whole with its header, before the server breaks.
    assert sorted(failures(result).asset) == (["B04"] if mode == "breaks" else ["B04", "SCL"])
    assert set(failures(result).item) == {BAD}


@pytest.mark.parametrize("physical", [True, False])
def test_a_silent_item_behind_a_failing_server_can_be_skipped_too(make_scene, server, physical):
    # Grid and type would have to come from the header that the server does not give.
    https = f"http://127.0.0.1:{server.server_port}/files"
    items = [
        make_scene({"B04": reds(40), "SCL": np.full((20, 20), 4, "uint8")}, https=https, time=time, says=())
        for time in ("20180705T105029", "20180710T105029")
    ]
    for key in ("B04", "SCL"):
        path = path_of(items[1], key)
        path.rename(server.folder / path.name)
    server.mode = "500"
    with options(offline=False, retries=0):
        result = compute(load(items, ["B04", "SCL"], on_error="skip", physical=physical))
    assert sorted(failures(result).asset) == ["B04", "SCL"]
    expected = (reds(40) * 0.0001).astype("float32") if physical else reds(40)
    np.testing.assert_array_equal(result.B04[0], expected)
    gone = np.isnan(result.B04[1]) if physical else result.B04[1] == 32767
    assert gone.all()


def test_a_failure_over_the_network_is_in_the_failures_before_and_after_slicing(remote_pair, server):
    server.mode = "500"
    cube = load(remote_pair, "B04", on_error="skip")
    result = compute(cube.isel(time=[1], y=slice(10, 20)))
    assert np.isnan(result.B04).all()
    assert failures(result).item.tolist() == [BAD]


def test_offline_never_asks_a_server(remote_pair, server):
    with options(offline=True), pytest.raises(AssetUnreachableError, match="offline"):
        compute(load(remote_pair, "B04"))
    assert not server.asked


def test_a_remote_virtual_raster_cannot_borrow_local_pixels(make_scene, server, secret):
    item = make_scene({"B04": reds(8)}, https=f"http://127.0.0.1:{server.server_port}/files", write=False)
    (server.folder / path_of(item).name).write_text(
        f"""<VRTDataset rasterXSize="8" rasterYSize="8"><SRS>EPSG:32631</SRS>
        <GeoTransform>600000, 10, 0, 5700000, 0, -10</GeoTransform>
        <VRTRasterBand dataType="Int16" band="1"><SimpleSource><SourceFilename relativeToVRT="0">{secret}</SourceFilename>
        <SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""
    )
    with options(offline=False, retries=0), pytest.raises(AccessError):
        compute(load([item], "B04"))
