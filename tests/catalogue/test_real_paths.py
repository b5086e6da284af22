"""Where paths lead, against `os.path.realpath`, while links change between two calls."""

from __future__ import annotations

import os
import shutil
import stat
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


def _put(path):
    path.parent.mkdir()
    path.write_bytes(b"")


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
    _put(archive / "day" / "deep" / "x.tif")
    _put(archive.parent / "outside" / "deep" / "x.tif")
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


def test_a_folder_that_moved_out_behind_a_link_is_refused(archive):
    _put(archive / "day" / "deep" / "x.tif")
    refs = [ref_of(archive, archive / name / "x.tif") for name in ("day", "latest", "day/deep", "latest/deep")]
    for ref in refs:
        open_href(ref)
    (archive / "day").rename(archive.parent / "moved")  # the same folder of the disk, and no longer below the root
    (archive / "day").symlink_to(archive.parent / "moved")
    for ref in refs:
        with pytest.raises(AssetUnreachableError):
            open_href(ref)


def test_another_folder_with_the_number_of_one_that_is_gone_is_refused(archive):
    ref = ref_of(archive, archive / "day" / "x.tif")
    assert open_href(ref) == str(archive / "day" / "x.tif")
    number = (archive / "day").stat().st_ino
    shutil.rmtree(archive / "day")
    made = [archive.parent / "outside" / str(n) for n in range(50)]
    for folder in made:
        folder.mkdir()
    # Most disks give the number again at once; where this one does not, any folder outside has to be refused.
    outside = next((folder for folder in made if folder.stat().st_ino == number), made[0])
    (outside / "x.tif").write_bytes(b"")
    (archive / "day").symlink_to(outside)
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


@pytest.mark.parametrize("spelling", ["/", "/..", "/day/..", "/latest/../day", "//day", "/day (deleted)", "/x\udcff"])
def test_odd_spellings_lead_where_realpath_says(archive, spelling):
    (archive / "day (deleted)").mkdir()
    for path in (f"{archive}{spelling}", f"{archive}{spelling}/x.tif", f"{archive}/latest{spelling}"):
        assert resolve_file(path)[0] == os.path.realpath(path), path
    assert resolve_file("/x")[0] == "/x"
    assert resolve_file("/")[0] == "/"


def test_no_descriptor_is_left_open(archive):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("day/x.tif", "latest/x.tif", "day/none", "none/x", "day/x.tif/y"):
        for _ in range(20):
            resolve_file(f"{archive}/{path}")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_a_file_in_a_plain_folder_takes_no_look_at_each_folder_on_the_way(archive, monkeypatch):
    monkeypatch.setattr(os.path, "realpath", None)
    assert resolve_file(f"{archive}/latest/x.tif")[0] == f"{archive}/day/x.tif"


def test_systems_without_such_descriptors_give_the_same(archive, monkeypatch):
    monkeypatch.setattr(real_paths, "_FOLDER", 0)
    found, state = resolve_file(f"{archive}/latest/x.tif")
    assert found == f"{archive}/day/x.tif"
    assert state is not None
