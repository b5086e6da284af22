"""Where paths lead, against `os.path.realpath`, while links change between two calls."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.catalogue import real_paths
from terrascope_nb.catalogue.access import AssetRef, open_href
from terrascope_nb.catalogue.real_paths import resolve_file
from terrascope_nb.errors import AssetUnreachableError


@pytest.fixture
def archive(tmp_path):
    """An archive with a folder and a link to it, and a folder outside that has a file of the same name."""
    for place in ("MTDA/day", "MTDA/other", "outside"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "x.tif").write_text(place)
    (tmp_path / "MTDA" / "latest").symlink_to(tmp_path / "MTDA" / "day")
    return tmp_path / "MTDA"


def ref_of(archive, path):
    return AssetRef("item", "x", (str(path),), (), (str(archive),))


def test_a_linked_folder_that_is_turned_outwards_between_two_calls_is_refused(archive):
    ref = ref_of(archive, archive / "latest" / "x.tif")
    assert open_href(ref) == str(archive / "day" / "x.tif")
    (archive / "latest").unlink()
    (archive / "latest").symlink_to(archive.parent / "outside")
    with pytest.raises(AssetUnreachableError):
        open_href(ref)
    (archive / "latest").unlink()
    (archive / "latest").symlink_to(archive / "other")
    assert open_href(ref) == str(archive / "other" / "x.tif")


def test_a_folder_that_becomes_a_link_outwards_between_two_calls_is_refused(archive):
    ref = ref_of(archive, archive / "day" / "x.tif")
    assert open_href(ref) == str(archive / "day" / "x.tif")
    (archive / "day").rename(archive / "before")
    (archive / "day").symlink_to(archive.parent / "outside")
    with pytest.raises(AssetUnreachableError):
        open_href(ref)


def test_a_folder_above_that_becomes_a_link_outwards_between_two_calls_is_refused(archive):
    (archive / "day" / "deep").mkdir()
    (archive / "day" / "deep" / "x.tif").write_bytes(b"")
    (archive.parent / "outside" / "deep").mkdir()
    (archive.parent / "outside" / "deep" / "x.tif").write_bytes(b"")
    refs = [ref_of(archive, archive / name / "deep" / "x.tif") for name in ("day", "latest")]
    assert {open_href(ref) for ref in refs} == {str(archive / "day" / "deep" / "x.tif")}
    (archive / "day").rename(archive / "before")
    (archive / "day").symlink_to(archive.parent / "outside")
    for ref in refs:
        with pytest.raises(AssetUnreachableError):
            open_href(ref)


def test_a_file_that_becomes_a_link_outwards_is_refused_while_its_folder_is_remembered(archive):
    ref = ref_of(archive, archive / "day" / "x.tif")
    assert open_href(ref) == str(archive / "day" / "x.tif")
    (archive / "day" / "x.tif").unlink()
    (archive / "day" / "x.tif").symlink_to(archive.parent / "outside" / "x.tif")
    with pytest.raises(AssetUnreachableError):
        open_href(ref)


def test_a_folder_that_moved_out_behind_a_link_is_refused_after_a_second(archive, monkeypatch):
    ref = ref_of(archive, archive / "day" / "x.tif")
    assert open_href(ref) == str(archive / "day" / "x.tif")
    (archive / "day").rename(archive.parent / "moved")  # the same folder of the disk, and no longer below the root
    (archive / "day").symlink_to(archive.parent / "moved")
    later = time.monotonic() + 1.001
    monkeypatch.setattr(real_paths.time, "monotonic", lambda: later)
    with pytest.raises(AssetUnreachableError):
        open_href(ref)


paths = st.sampled_from(["a/x", "b/x", "a/b/x", "a/../b/x", "a//x", "b/y", "a", "b/.", "a/x/x", "c/x"])
targets = st.sampled_from(["one", "two", "one/b", "a", "b", "gone", "../elsewhere"])


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "one/b", "two/x"]), targets, paths), max_size=12))
def test_whatever_links_become_a_path_leads_where_realpath_says(tmp_path_factory, moves):
    base = tmp_path_factory.mktemp("links")
    for place in ("root/one", "root/two", "elsewhere"):
        (base / place).mkdir(parents=True)
        (base / place / "x").write_text(place)
    root = base / "root"
    for link, target, path in moves:
        if (root / link).is_symlink() or (root / link).is_file():
            (root / link).unlink()
        (root / link).symlink_to(root / target)
        for asked in (path, "a/x", "b/x"):
            found, state = resolve_file(f"{root}/{asked}")
            assert found == os.path.realpath(f"{root}/{asked}")
            assert (state is not None) == Path(found).exists()
            if state is not None:
                assert not stat.S_ISLNK(state.st_mode)
                assert os.path.samestat(state, Path(found).stat())


def test_few_folders_are_remembered(tmp_path):
    for number in range(real_paths._MOST + 10):
        (tmp_path / str(number)).mkdir()
        resolve_file(f"{tmp_path}/{number}/x")
    assert len(real_paths._folders) <= real_paths._MOST


def test_files_of_one_folder_ask_the_disk_for_its_place_once(archive, monkeypatch):
    asked = []
    realpath = os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda path: asked.append(str(path)) or realpath(path))
    for number in range(20):
        (archive / "other" / f"{number}.tif").write_bytes(b"")
        assert resolve_file(f"{archive}/other/{number}.tif")[0] == f"{archive}/other/{number}.tif"
    assert asked == [f"{archive}/other"]
