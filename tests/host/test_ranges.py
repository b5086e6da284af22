"""Ranges of a file behind a real server: right bytes after every fault that passes, a named error after those that stay."""

from __future__ import annotations

import gzip
import logging
import os
import pickle
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError
from terrascope_nb.host import ranges
from terrascope_nb.host.crowd import Crowd, seconds_to_wait
from terrascope_nb.host.ranges import Version, fetch, fetch_each, headers_for, set_headers_for
from terrascope_nb.settings import options

DATA = os.urandom(300_000)


@pytest.fixture
def served(file_server):
    (file_server.root / "a.tif").write_bytes(DATA)
    with options(retries=3, timeout=10):
        yield file_server


@pytest.fixture
def hook():
    yield set_headers_for
    set_headers_for(None)


def once(*answers):
    """Misbehave in these ways, one request each, then behave."""
    left = list(answers)
    lock = threading.Lock()

    def misbehave(handler, asked, data):
        with lock:
            answer = left.pop(0) if left else None
        if answer is None:
            return False
        answer(handler, asked, data)
        return True

    return misbehave


def always(answer):
    def misbehave(handler, asked, data):
        answer(handler, asked, data)
        return True

    return misbehave


def status(code, **said):
    return lambda handler, asked, data: handler.reply(code, {k.replace("_", "-"): v for k, v in said.items()})


def drop(handler, asked, data):
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def part(handler, asked, data, *, claim=None, body=None, **said):
    stop = min(asked.last + 1, len(data))
    right = f"bytes {asked.first}-{stop - 1}/{len(data)}"
    body = data[asked.first : stop] if body is None else body
    handler.reply(206, {"Content-Range": right if claim is None else claim, **said}, body)


def cut(handler, asked, data):
    """Promise all and hang up after half."""
    stop = min(asked.last + 1, len(data))
    said = {"Content-Range": f"bytes {asked.first}-{stop - 1}/{len(data)}", "Content-Length": str(stop - asked.first)}
    handler.reply(206, said, data[asked.first : (asked.first + stop) // 2])
    handler.close_connection = True


def shorter(handler, asked, data):
    """Say the right range, and a length that fits the short body."""
    part(handler, asked, data, body=data[asked.first : asked.last - 5])


def zeros_elsewhere(handler, asked, data):
    part(handler, asked, data, claim=f"bytes 0-{asked.last - asked.first}/{len(data)}", body=bytes(len(data))[:1000])


def test_a_range_is_the_files_bytes_and_says_its_version(served):
    piece = fetch(served.url("a.tif"), 1000, 5000)
    assert piece.data == DATA[1000:5000]
    assert piece.version.size == len(DATA)
    assert piece.version.etag
    assert not piece.whole
    assert fetch(served.url("a.tif"), 299_000, 400_000).data == DATA[299_000:]


@pytest.mark.parametrize(
    "faults",
    [
        [status(503)], [status(500), status(502)], [status(429, Retry_After="0")], [drop], [drop, drop], [cut],
        [shorter], [zeros_elsewhere], [lambda h, a, d: part(h, a, d, claim="pixels 1-2/3")],
    ],
    ids=["503", "500-502", "429", "hang-up", "two hang-ups", "cut", "short", "another range", "no range"],
)  # fmt: skip
def test_a_fault_that_passes_costs_time_and_no_truth(served, faults):
    served.misbehave = once(*faults)
    assert fetch(served.url("a.tif"), 1000, 90_000).data == DATA[1000:90_000]
    assert len(served.asked) == len(faults) + 1


@pytest.mark.parametrize(
    ("answer", "error", "words", "tries"),
    [
        (status(401), AssetUnreachableError, "[Ss]ign in", 1),
        (status(403), AssetUnreachableError, "[Ss]ign in", 1),
        (status(404), AssetUnreachableError, "not there", 1),
        (status(418), AssetUnreachableError, "418", 1),
        (status(416), CorruptAssetError, "no byte", 1),
        (status(500), AssetUnreachableError, "2 tries.*500", 2),
        (status(429, Retry_After="0"), AssetUnreachableError, "429", 2),
        (drop, AssetUnreachableError, "no answer|broke", 2),
        (cut, AssetUnreachableError, "broke|bytes came", 2),
        (shorter, AssetUnreachableError, "came", 2),
        (zeros_elsewhere, AssetUnreachableError, "were asked for", 2),
        (status(302, Location="file:///etc/passwd"), AssetUnreachableError, "file:.*not followed", 1),
        (status(302, Location="ftp://127.0.0.1/a.tif"), AssetUnreachableError, "ftp:.*not followed", 1),
        (status(302), AssetUnreachableError, "not followed", 1),
        (status(302, Location="/a.tif"), AssetUnreachableError, "more than 5", 6),
        (
            lambda h, a, d: part(h, a, d, body=gzip.compress(d[a.first : a.last]), **{"Content-Encoding": "gzip"}),
            AssetUnreachableError, "packed as 'gzip'", 1,
        ),
        (
            lambda h, a, d: h.reply(200, {"Content-Type": "text/html; charset=utf-8"}, b"<form>who are you?</form>"),
            AssetUnreachableError, "web page.*[Ss]ign in", 1,
        ),
        (
            lambda h, a, d: h.reply(200, {"Content-Type": "image/tiff"}, b"\n<!DOCTYPE html><html>sign in</html>"),
            AssetUnreachableError, "web page", 1,
        ),
        (lambda h, a, d: h.reply(200, {}, bytes(17 * 2**20)), AssetUnreachableError, "does not know range", 1),
    ],
    ids=[
        "401", "403", "404", "418", "416", "500", "429", "hang-up", "cut", "short", "another range", "to a file",
        "to ftp", "to nowhere", "in a ring", "gzip", "login page", "login page as image", "whole large file",
    ],
)  # fmt: skip
def test_a_fault_that_stays_is_an_error_that_says_what_and_where(served, answer, error, words, tries):
    served.misbehave = always(answer)
    with options(retries=1), pytest.raises(error, match=words) as caught:
        fetch(served.url("a.tif"), 1000, 90_000)
    assert caught.value.facts["href"] == served.url("a.tif")
    assert served.url("a.tif") in str(caught.value)
    assert len(served.asked) == tries
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_server_that_is_not_there_is_named(free_port):
    with options(retries=0), pytest.raises(AssetUnreachableError, match="no answer"):
        fetch(f"http://127.0.0.1:{free_port}/a.tif", 0, 10)


@pytest.fixture
def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_a_small_file_that_comes_whole_is_cut_here(served):
    served.misbehave = always(lambda h, a, d: h.reply(200, {"ETag": '"1"'}, d))
    piece = fetch(served.url("a.tif"), 1000, 5000)
    assert piece.whole
    assert piece.data == DATA
    spans = [(0, 10), (200_000, 299_999), (5, 7)]
    assert dict(fetch_each(served.url("a.tif"), spans)) == {n: DATA[a:b] for n, (a, b) in enumerate(spans)}


def test_a_body_without_end_is_left(served):
    def endless(handler, asked, data):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(2**16))

    served.misbehave = always(endless)
    with pytest.raises(AssetUnreachableError, match="more than"):
        fetch(served.url("a.tif"), 0, 100)


def test_an_answer_that_drips_is_left(served, monkeypatch):
    monkeypatch.setattr(ranges, "_SLOWEST", 10**6)

    def drip(handler, asked, data):
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-99/{len(data)}")
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        for byte in data[:100]:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.1)

    served.misbehave = always(drip)
    began = time.monotonic()
    with options(retries=0, timeout=0.5), pytest.raises(AssetUnreachableError, match="too slowly"):
        fetch(served.url("a.tif"), 0, 100)
    assert time.monotonic() - began < 3


def test_another_version_is_refused(served):
    known = fetch(served.url("a.tif"), 0, 10).version
    (served.root / "a.tif").write_bytes(os.urandom(len(DATA)))
    with pytest.raises(CorruptAssetError, match="changed") as caught:
        fetch(served.url("a.tif"), 10, 20, version=known)
    assert caught.value.facts["changed"]


@pytest.mark.parametrize(
    ("other", "agrees"),
    [
        (Version(5, '"a"', "monday"), True), (Version(5, 'W/"a"', "monday"), True), (Version(5, "", "monday"), True),
        (Version(5, '"a"', ""), True), (Version(6, '"a"', "monday"), False), (Version(5, '"b"', "monday"), False),
        (Version(5, '"a"', "tuesday"), False),
    ],
)  # fmt: skip
def test_versions_agree_when_nothing_that_both_say_differs(other, agrees):
    assert Version(5, '"a"', "monday").agrees_with(other) is agrees


def test_many_spans_are_in_flight_at_once_over_few_connections(served):
    served.delay = 0.05
    spans = [(n * 2000, n * 2000 + 1500) for n in range(140)]
    began = time.monotonic()
    got = dict(fetch_each(served.url("a.tif"), spans))
    assert time.monotonic() - began < 140 * 0.05 / 8
    assert got == {n: DATA[a:b] for n, (a, b) in enumerate(spans)}
    assert 16 < served.most_at_once <= 64
    assert served.connections <= 64
    before = served.connections
    fetch(served.url("a.tif"), 0, 10)
    assert served.connections == before


def test_a_span_past_the_end_is_an_error_and_leaves_the_pool_usable(served):
    with pytest.raises(CorruptAssetError, match="ends before"):
        dict(fetch_each(served.url("a.tif"), [(0, 10), (len(DATA) - 5, len(DATA) + 5)]))
    assert dict(fetch_each(served.url("a.tif"), [(0, 10), (20, 30)]))[1] == DATA[20:30]


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(served):
    served.misbehave = once(status(429, Retry_After="1"))
    began = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(fetch, served.url("a.tif"), 0, 10)
        time.sleep(0.3)
        others = [threads.submit(fetch, served.url("a.tif"), n, n + 10) for n in range(3)]
        assert first.result().data == DATA[:10]
        assert [other.result().data for other in others] == [DATA[n : n + 10] for n in range(3)]
    assert time.monotonic() - began >= 1.0
    assert len(served.asked) == 5


def test_a_crowd_halves_when_the_server_is_busy_and_grows_when_all_goes_well():
    crowd = Crowd()
    crowd.slow_down(0.0)
    crowd.slow_down(0.0)  # of the same crowd

    def holders(seconds: float) -> int:
        inside, most, lock = 0, 0, threading.Lock()

        def hold(_: int) -> None:
            nonlocal inside, most
            with crowd.place():
                with lock:
                    inside += 1
                    most = max(most, inside)
                time.sleep(seconds)
                with lock:
                    inside -= 1

        with ThreadPoolExecutor(70) as threads:
            list(threads.map(hold, range(140)))
        return most

    assert holders(0.02) == 32
    for _ in range(5000):
        crowd.went_well()
    assert 48 < holders(0.05) <= 64


def test_retry_after_may_be_a_moment():
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    assert 15 < seconds_to_wait(soon) <= 20
    assert seconds_to_wait(format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)) == 0


@pytest.mark.parametrize("said", ["-5", "soon", "Mon, 01 Jan 2024 00:00:00 +99999999999999", "Mon, 01 Jan 99999 00:00"])
def test_retry_after_that_says_no_time_counts_for_nothing(said):
    assert seconds_to_wait(said) == 0


def test_retry_after_of_many_digits_is_a_minute():
    assert seconds_to_wait("9" * 5000) == 60


def test_headers_are_asked_for_each_request_and_go_to_the_files_own_server_alone(served, make_server, hook, caplog):
    other = make_server(served.root)
    tokens = iter(["first", "second", "third"])
    seen = []

    def give(url):
        seen.append(url)
        return {"Authorization": f"Bearer {next(tokens)}"}

    hook(give)
    caplog.set_level(logging.DEBUG)
    fetch(served.url("a.tif"), 0, 10)
    fetch(served.url("a.tif"), 10, 20)
    assert [asked.headers["Authorization"] for asked in served.asked] == ["Bearer first", "Bearer second"]
    served.misbehave = always(status(302, Location=other.url("a.tif")))
    assert fetch(served.url("a.tif"), 20, 30).data == DATA[20:30]
    assert served.asked[-1].headers["Authorization"] == "Bearer third"
    assert "Authorization" not in other.asked[-1].headers
    assert seen == [served.url("a.tif")] * 3
    assert "Bearer" not in caplog.text


def test_a_server_that_was_led_away_from_chooses_no_address_for_the_token(served, make_server, hook):
    other = make_server(served.root)
    hook(lambda url: {"Authorization": "Bearer s3cret"})
    served.misbehave = once(status(302, Location=other.url("a.tif")))
    other.misbehave = always(status(302, Location=served.url("a.tif?chosen=1")))
    assert fetch(served.url("a.tif"), 0, 10).data == DATA[:10]
    assert ["Authorization" in asked.headers for asked in served.asked] == [True, False]
    assert "Authorization" not in other.asked[0].headers


def test_a_refusal_does_not_repeat_the_token(served, hook):
    hook(lambda url: {"Authorization": "Bearer s3cret"})
    served.misbehave = always(status(401))
    with pytest.raises(AssetUnreachableError) as caught:
        fetch(served.url("a.tif"), 0, 10)
    assert b"s3cret" not in pickle.dumps(caught.value)
    hook(lambda url: {"Authorization": "Bearer s3cret\r\nX: y"})
    with pytest.raises(AssetUnreachableError, match="Authorization") as caught:
        headers_for(served.url("a.tif"))
    assert "s3cret" not in str(caught.value)
    hook(lambda url: {"X: y\r\nAuthorization": "Bearer s3cret"})
    with pytest.raises(AssetUnreachableError, match="cannot be sent"):
        headers_for(served.url("a.tif"))


def test_https_does_not_lead_to_http():
    with pytest.raises(AssetUnreachableError, match="https to http"):
        ranges._next("https://a.example/x", "https://a.example/x", "http://a.example/x")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_connections_of_its_own(served):
    spans = [(n * 1000, n * 1000 + 500) for n in range(20)]
    assert len(dict(fetch_each(served.url("a.tif"), spans))) == 20
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writes, b"y" if dict(fetch_each(served.url("a.tif"), spans))[3] == DATA[3000:3500] else b"n")
        finally:
            os._exit(0)
    assert os.read(reads, 1) == b"y"
    os.waitpid(child, 0)
    assert fetch(served.url("a.tif"), 0, 10).data == DATA[:10]
