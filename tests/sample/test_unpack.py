"""Unpacking: whole or not at all, once, mended, safe with several processes, and clear when it cannot be done."""

from __future__ import annotations

import errno
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from terrascope_nb.errors import ExportError
from terrascope_nb.sample.contents import Contents
from terrascope_nb.sample.scenes import scene_files
from terrascope_nb.sample.unpack import MANIFEST, sample_version, unpack_sample
from terrascope_nb.settings import options


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture(autouse=True)
def three_scenes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """How files get onto the disk does not depend on how many they are."""

    def first_files(contents: Contents) -> Iterator[tuple[str, bytes]]:
        return itertools.islice(scene_files(contents), 39)

    monkeypatch.setattr("terrascope_nb.sample.unpack.scene_files", first_files)
    monkeypatch.setattr("terrascope_nb.sample.unpack.radar_files", lambda _: iter(()))


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    return unpack_sample(tmp_path / "archive")


def test_it_lands_in_the_configured_cache_under_its_version(tmp_path: Path) -> None:
    with options(cache_dir=tmp_path):
        assert unpack_sample() == tmp_path / "sample" / sample_version() / "archive"


def test_a_second_call_writes_nothing(unpacked: Path) -> None:
    before = snapshot(unpacked)
    assert unpack_sample(unpacked) == unpacked
    assert snapshot(unpacked) == before


def test_an_index_kept_in_the_archive_survives_a_second_call(unpacked: Path) -> None:
    (unpacked / "index.parquet").write_bytes(b"mine")
    unpack_sample(unpacked)
    assert (unpacked / "index.parquet").read_bytes() == b"mine"


def test_missing_and_cut_files_are_mended_and_the_rest_is_kept(unpacked: Path) -> None:
    sizes = {name: size for name, (size, _) in snapshot(unpacked).items()}
    first, second, *_ = sorted(path for path in unpacked.rglob("*.tif"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:100])
    (unpacked / "index.parquet").write_bytes(b"mine")
    unpack_sample(unpacked)
    after = {name: size for name, (size, _) in snapshot(unpacked).items()}
    assert after.pop("index.parquet") == 4
    assert after == sizes


def test_unpacking_gives_the_same_bytes_every_time(unpacked: Path, tmp_path: Path) -> None:
    again = unpack_sample(tmp_path / "again")
    assert snapshot(again).keys() == snapshot(unpacked).keys()
    for path in list(unpacked.rglob("*.tif"))[::10]:
        assert (again / path.relative_to(unpacked)).read_bytes() == path.read_bytes()


def test_a_folder_with_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(ExportError, match="not an empty folder") as caught:
        unpack_sample(tmp_path)
    assert caught.value.path == tmp_path
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_an_empty_folder_is_fine(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert (unpack_sample(tmp_path / "empty") / "README.md").is_file()


def test_an_archive_of_another_version_is_not_taken_for_this_one(unpacked: Path) -> None:
    manifest = json.loads((unpacked / MANIFEST).read_text())
    (unpacked / MANIFEST).write_text(json.dumps({**manifest, "version": "older"}))
    with pytest.raises(ExportError, match="this version of the sample"):
        unpack_sample(unpacked)


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "full"), (errno.EDQUOT, "quota"), (errno.EROFS, "Read-only")]
)
def test_a_disk_that_refuses_leaves_nothing_behind_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    write = Path.write_bytes

    def refuse_late(self: Path, data: bytes) -> int:
        if "NDVI" in self.name:
            raise OSError(number, os.strerror(number))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", refuse_late)
    with pytest.raises(ExportError, match=said) as caught:
        unpack_sample(tmp_path / "archive")
    assert "cache_dir" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_path_through_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot be unpacked"):
        unpack_sample(tmp_path / "file" / "archive")


def test_an_interrupted_unpacking_is_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("terrascope_nb.sample.unpack.radar_files", interrupt)
        with pytest.raises(KeyboardInterrupt):
            unpack_sample(tmp_path / "archive")
    assert list(tmp_path.iterdir()) == []
    assert (unpack_sample(tmp_path / "archive") / "fields.geojson").is_file()


def test_what_a_killed_process_left_is_swept_and_a_running_one_is_not(tmp_path: Path) -> None:
    killed, running = tmp_path / ".unpacking-1-dead", tmp_path / ".unpacking-2-busy"
    killed.mkdir()
    running.mkdir()
    two_hours_ago = time.time() - 7200
    os.utime(killed, (two_hours_ago, two_hours_ago))
    unpack_sample(tmp_path / "archive")
    assert sorted(path.name for path in tmp_path.iterdir()) == [running.name, "archive"]


def test_several_processes_at_once_end_with_one_whole_archive(tmp_path: Path) -> None:
    code = "import sys; from terrascope_nb.sample.unpack import unpack_sample; print(unpack_sample(sys.argv[1]))"
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "archive")], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=120)[0].strip() for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert answers == [str(tmp_path / "archive")] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]
    manifest = json.loads((tmp_path / "archive" / MANIFEST).read_text())
    sizes = {name: size for name, (size, _) in snapshot(tmp_path / "archive").items() if name != MANIFEST}
    assert sizes == manifest["files"]
