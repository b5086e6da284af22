"""index_archive: first run, later runs, runs that go wrong, and two at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import geopandas
import pyarrow.parquet as pq
import pytest
from stac_geoparquet.arrow import stac_table_to_items

from terrascope_nb.catalogue import archive_store
from terrascope_nb.catalogue.archive import ArchiveIndex, index_archive, open_index
from terrascope_nb.catalogue.sources import Request
from terrascope_nb.errors import (
    CatalogueReplyError,
    CatalogueUnreachableError,
    NothingFoundError,
    UntrustedPathError,
)
from terrascope_nb.settings import options


@pytest.fixture(autouse=True)
def cache(tmp_path):
    with options(cache_dir=tmp_path / "cache"):
        yield tmp_path / "cache"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "MTDA"


@pytest.fixture
def add(root, put_tif):
    """Put one NDVI scene into the tree; gives its id."""

    def put(day="16", *, hour="10", tile="31UFS", version="V210", **how):
        stem = f"S2A_202505{day}T{hour}4651_{tile}"
        folder = root / f"TERRASCOPE_Sentinel2/NDVI_V2/2025/05/{day}/{stem}_NDVI_{version}"
        put_tif(folder / f"{stem}_NDVI_10M_{version}.tif", tile=tile, nodata=255, **how)
        settle(root)
        return f"{stem}_NDVI_10M_{version}"

    return put


def settle(root: Path) -> None:
    """Every folder gets a time of its own that is long past and tells how many entries it has."""
    for folder, names, files in os.walk(root):
        seconds = 1.6e9 + len(names) + len(files)
        if Path(folder).stat().st_mtime != seconds:
            os.utime(folder, (seconds, seconds))


def ids(index: ArchiveIndex) -> list[str]:
    return sorted(item.id for item in index.find(Request()).items)


def figures(index: ArchiveIndex) -> tuple[int, ...]:
    return tuple(index.report[name] for name in ("added", "removed", "updated", "unchanged"))


def test_a_second_run_reads_no_header_and_says_so(root, add, monkeypatch):
    add("16")
    add("17")
    assert figures(index_archive(root)) == (2, 0, 0, 0)

    def refuse(*_):
        raise AssertionError("a header was read though nothing has changed")

    monkeypatch.setattr("terrascope_nb.catalogue.archive_items.read_header", refuse)
    index = index_archive(root)
    assert figures(index) == (0, 0, 0, 2)
    assert index.report["folders_read"] == 0
    assert index.report["files"] == 2
    assert len(ids(index)) == 2


def test_only_the_changed_folder_is_read_again(root, add, monkeypatch):
    add("16")
    first = index_archive(root)
    new = add("17")
    read = []
    from terrascope_nb.catalogue import archive_items

    true = archive_items.read_header
    monkeypatch.setattr(archive_items, "read_header", lambda path: (read.append(path), true(path))[1])
    index = index_archive(root)
    assert len(read) == 1
    assert new in read[0].replace("_NDVI_V210/", "/")
    assert figures(index) == (1, 0, 0, 1)
    assert len(first) == 1
    assert len(index) == 2


def test_vanished_scenes_disappear(root, add):
    gone, stays = add("16"), add("17")
    index_archive(root)
    shutil.rmtree(next(root.rglob(gone.replace("_10M", ""))))
    settle(root)
    index = index_archive(root)
    assert figures(index) == (0, 1, 0, 1)
    assert ids(index) == [stays]


def test_a_whole_collection_that_vanishes_leaves_no_file_behind(root, add):
    add()
    place = index_archive(root).path
    shutil.rmtree(root / "TERRASCOPE_Sentinel2" / "NDVI_V2")
    settle(root)
    index = index_archive(root)
    assert figures(index) == (0, 1, 0, 0)
    assert len(index) == 0
    assert sorted(path.name for path in place.iterdir()) == ["folders.parquet", "index.json", "lock"]
    assert index.find(Request()).items == []


def test_a_replaced_file_updates_its_item(root, add, put_tif):
    name = add()
    index_archive(root)
    path = next(root.rglob(f"{name}.tif"))
    path.unlink()
    put_tif(path, dtype="int16", settled=False)
    os.utime(path.parent, (1.61e9, 1.61e9))
    index = index_archive(root)
    assert figures(index) == (0, 0, 1, 0)
    assert index.find(Request()).items[0].assets["NDVI"].extra_fields["data_type"] == "int16"


def test_a_folder_that_changed_just_now_is_looked_at_again(root, add, put_tif):
    """Two changes within one tick of the file system's clock bear the same time."""
    name = add()
    path = next(root.rglob(f"{name}.tif"))
    now = time.time()
    os.utime(path.parent, (now, now))
    index_archive(root)
    twin = put_tif(path.with_name(path.name.replace("NDVI_10M", "SCENECLASSIFICATION_20M")), settled=False)
    os.utime(twin.parent, (now, now))
    assert set(index_archive(root).find(Request()).items[0].assets) == {"NDVI", "SCL"}


def test_a_new_asset_of_later_scenes_does_not_disturb_the_older_ones(root, add, put_tif):
    """V220 brought CLOUDMASK: the table on the disk gets a new nested column."""
    old = add("16")
    index_archive(root)
    new = add("17", version="V220")
    mask = next(root.rglob(f"{new}.tif"))
    put_tif(mask.with_name(mask.name.replace("NDVI_10M", "CLOUDMASK_20M")), settled=False, pixel=20)
    settle(root)
    index = index_archive(root)
    items = {item.id: item for item in index.find(Request()).items}
    assert set(items[old].assets) == {"NDVI"}
    assert set(items[new].assets) == {"NDVI", "CLOUDMASK"}


def test_problems_of_unchanged_folders_stay_listed(root, add):
    add()
    (root / "notes.txt").write_text("x")
    settle(root)
    for _ in range(2):
        index = index_archive(root)
        assert [(problem.path, problem.reason[:12]) for problem in index.problems] == [("notes.txt", "unknown name")]
        assert index.report["problems"] == 1
    assert "1 files were not understood" in repr(index)


def test_measuring_later_adds_what_was_missing_and_a_plain_run_keeps_it(root, add, put_tif):
    name = add()
    path = next(root.rglob(f"{name}.tif"))
    scl = [[8, 9, 10, 4], [4, 4, 4, 4], [4, 4, 4, 4], [11, 4, 0, 0]]
    put_tif(path.with_name(path.name.replace("NDVI_10M", "SCENECLASSIFICATION_20M")), scl, pixel=20, settled=False)
    settle(root)
    plain = index_archive(root)
    assert "eo:cloud_cover" not in plain.find(Request()).items[0].properties
    assert plain.report["seconds_measuring"] == 0
    index = index_archive(root, quality=True)
    assert figures(index) == (0, 0, 1, 0)
    assert index.report["seconds_measuring"] > 0
    for later in (index, index_archive(root, quality=True), index_archive(root)):
        assert later.find(Request()).items[0].properties["eo:cloud_cover"] == pytest.approx(100 * 3 / 14, abs=1e-3)
    assert later.report["folders_read"] == 0


def test_measuring_does_not_read_a_folder_twice_or_count_an_item_twice(tmp_path, put_tif):
    """A product folder that holds only the sub-folder 10M has no file of its own that could have been measured."""
    folder = tmp_path / "MTDA/FAPAR_V2/2019/03/07/S2A_20190307T105021_31UFS_FAPAR_V210/10M"
    for content in ("FAPAR_10M", "SCENECLASSIFICATION_20M"):
        put_tif(folder / f"S2A_20190307T105021_31UFS_{content}_V210.tif")
    settle(tmp_path / "MTDA")
    for quality in (False, True, True, False):
        index = index_archive(tmp_path / "MTDA", quality=quality)
        assert (len(index), index.report["twice"], index.report["files"]) == (1, 0, 2)
    assert index.report["folders_read"] == 0


def test_unknown_cloud_passes_the_limit(root, add):
    add()
    assert len(index_archive(root).find(Request(max_cloud=5)).items) == 1


def test_an_archive_that_is_not_mounted_does_not_empty_its_index(root, add):
    add()
    index_archive(root)
    away = root.with_name("away")
    root.rename(away)
    with pytest.raises(CatalogueUnreachableError, match="cannot be walked"):
        index_archive(root)
    root.mkdir()  # the empty mount point
    with pytest.raises(CatalogueUnreachableError, match="Is it mounted"):
        index_archive(root)
    assert len(open_index(root)) == 1
    root.rmdir()
    away.rename(root)
    assert figures(index_archive(root)) == (0, 0, 0, 1)


def test_an_empty_folder_that_was_always_empty_is_an_empty_index(root):
    root.mkdir()
    index = index_archive(root)
    assert len(index) == 0
    assert index.find(Request()).items == []


@pytest.mark.parametrize("bad", ["missing", "file"])
def test_no_folder_is_said(root, bad, tmp_path):
    if bad == "file":
        root.write_text("x")
    with pytest.raises(CatalogueUnreachableError, match="cannot be walked") as caught:
        index_archive(root)
    assert caught.value.root == root
    with pytest.raises(ValueError, match="workers=0"):
        index_archive(tmp_path, workers=0)


def test_a_folder_that_cannot_be_read_keeps_what_was_known(root, add, monkeypatch):
    """One server of the archive is away: its scenes must not vanish from the index."""
    kept, other = add("16"), add("17")
    index_archive(root)
    hidden = str(root / "TERRASCOPE_Sentinel2/NDVI_V2/2025/05/16")
    true_stat, true_scan = os.stat, os.scandir

    def stat(path, *args, **how):
        if str(path).startswith(hidden):
            raise PermissionError(13, "Permission denied", str(path))
        return true_stat(path, *args, **how)

    def scan(path="."):
        if str(path).startswith(hidden):
            raise PermissionError(13, "Permission denied", str(path))
        return true_scan(path)

    with monkeypatch.context() as patch:
        patch.setattr("terrascope_nb.catalogue.archive_walk.os.stat", stat)
        patch.setattr("terrascope_nb.catalogue.archive_walk.os.scandir", scan)
        index = index_archive(root)
    assert ids(index) == sorted([kept, other])
    assert any("cannot be read: Permission denied" in problem.reason for problem in index.problems)
    index = index_archive(root)
    assert figures(index) == (0, 0, 0, 2)
    assert index.problems == []


def test_links_out_of_the_archive_are_not_followed(root, add, tmp_path):
    add()
    outside = tmp_path / "outside"
    shutil.copytree(root / "TERRASCOPE_Sentinel2", outside)
    (root / "elsewhere").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / ".snapshot").mkdir()
    shutil.copytree(outside, root / ".snapshot" / "x")
    secret = next(outside.rglob("*.tif"))
    (root / secret.name).symlink_to(secret)
    index = index_archive(root)
    assert len(index) == 1
    assert sorted(problem.path for problem in index.problems) == sorted([".snapshot", secret.name, "elsewhere", "loop"])


def test_the_index_may_lie_inside_the_archive(root, add):
    add()
    for _ in range(2):
        index = index_archive(root, out=root / "index")
        assert len(index) == 1
        assert index.problems == []
    assert index.path == root / "index"


def test_one_folder_holds_the_index_of_one_archive(root, add, tmp_path):
    add()
    index_archive(root, out=tmp_path / "out")
    (tmp_path / "other").mkdir()
    with pytest.raises(CatalogueReplyError, match="already holds an index"):
        index_archive(tmp_path / "other", out=tmp_path / "out")


def test_progress_is_told(root, add):
    add("16")
    add("17")
    told = []
    index_archive(root, progress=lambda items, files: told.append((items, files)))
    assert told[-1] == (2, 2)


def test_any_number_of_threads_gives_the_same_index(root, add):
    for day in range(10, 30):
        add(str(day))
    found = [
        [item.to_dict() for item in index_archive(root, out=root.parent / f"w{n}", workers=n).find(Request()).items]
        for n in (1, 2, 7)
    ]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 20


def test_others_can_read_the_files(root, add):
    name = add()
    index = index_archive(root)
    path = index.path / "terrascope-s2-ndvi-v2.parquet"
    table = geopandas.read_parquet(path)
    assert table.crs.equals("EPSG:4326") or table.crs.to_epsg() == 4326
    assert table["id"].tolist() == [name]
    assert table.geometry.iloc[0].bounds == pytest.approx(index.find(Request()).items[0].bbox)
    (record,) = stac_table_to_items(pq.read_table(path))
    assert record["id"] == name
    ours = json.loads(json.dumps(index.find(Request()).items[0].to_dict()))
    theirs = json.loads(json.dumps(record).replace(".000000Z", "Z"))
    assert theirs["assets"] == ours["assets"]
    assert theirs["geometry"] == ours["geometry"]
    assert theirs["links"] == ours["links"]
    assert {key: value for key, value in theirs["properties"].items() if key != "terrascope_nb:folder"} == ours[
        "properties"
    ]


def test_an_interrupted_run_leaves_the_old_index_whole(root, add, monkeypatch):
    add("16")
    place = index_archive(root).path
    add("17")
    with monkeypatch.context() as patch:
        patch.setattr(
            "stac_geoparquet.arrow.to_parquet", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "disk full"))
        )
        with pytest.raises(OSError, match="disk full"):
            index_archive(root)
    assert len(open_index(root)) == 1
    assert not list(place.glob(".new-*"))
    (place / ".new-left-by-a-crash").mkdir()
    assert figures(index_archive(root)) == (1, 0, 0, 1)
    assert not list(place.glob(".new-*"))


def test_a_half_moved_index_is_made_anew(root, add, monkeypatch):
    """The power fails between two moves: the manifest does not fit, and nothing of it is believed."""
    add("16")
    place = index_archive(root).path
    add("17")

    def stop_before_the_manifest(self, *_):
        for name in self._fresh[:1]:
            (self._aside / name).replace(self._folder / name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archive_store.Writer, "publish", stop_before_the_manifest)
        with pytest.raises(KeyboardInterrupt):
            index_archive(root)
    assert len(open_index(root).find(Request()).items) in (1, 2)  # one file is whole and newer than the manifest
    index = index_archive(root)
    assert len(ids(index)) == len(index) == 2
    assert index.report["folders_read"] > 1
    assert index.report["twice"] == 0
    (place / "folders.parquet").unlink()
    assert len(ids(index_archive(root))) == 2
    state = place / "folders.parquet"
    known = state.stat()
    state.write_bytes(b"x" * known.st_size)
    os.utime(state, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert len(ids(index_archive(root))) == 2


def test_two_runs_at_once_in_threads_and_processes_leave_a_whole_index(root, add):
    for day in range(10, 22):
        add(str(day))
    with ThreadPoolExecutor(3) as pool:
        for index in pool.map(lambda _: index_archive(root), range(3)):
            assert len(index) == 12
    code = (
        "import sys; from terrascope_nb.settings import set_options; "
        "from terrascope_nb.catalogue.archive import index_archive; "
        "set_options(cache_dir=sys.argv[1]); print(len(index_archive(sys.argv[2])))"
    )
    cache = root.parent / "both"
    runs = [
        subprocess.Popen([sys.executable, "-c", code, cache, root], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert [int(run.communicate(timeout=120)[0]) for run in runs] == [12, 12]
    with options(cache_dir=cache):
        index = open_index(root)
        assert len(ids(index)) == 12
        assert archive_store.is_whole(index.path, archive_store.read_manifest(index.path))


def test_open_index_finds_it_by_the_archive_or_by_its_own_folder(root, add, tmp_path):
    with pytest.raises(NothingFoundError, match="no index"):
        open_index(root)
    add()
    index = index_archive(root)
    assert open_index(root).path == open_index(index.path).path == index.path
    assert open_index(root).root == root
    other = index_archive(root, out=tmp_path / "out")
    assert open_index(tmp_path / "out").path == other.path
    with pytest.raises(CatalogueReplyError, match="not of"):
        open_index(tmp_path / "out", root=tmp_path)
    for text in ("{", "[]", '{"format": 99, "root": "/", "items": {}, "files": {}, "report": {}}'):
        (tmp_path / "out" / "index.json").write_text(text)
        with pytest.raises(CatalogueReplyError):
            open_index(tmp_path / "out")


def test_only_a_root_that_the_user_named_is_trusted(root, add, tmp_path):
    """An index from somebody else may name any folder of this machine."""
    from terrascope_nb.catalogue.access import asset_ref, open_href

    add()
    index = index_archive(root, out=tmp_path / "shared")
    assert index.roots == (root,)
    assert open_index(tmp_path / "shared").roots == (root,)  # this user made it
    with options(config_dir=tmp_path / "somebody else"):
        assert open_index(tmp_path / "shared").roots == ()
    assert open_index(tmp_path / "shared", root=root).roots == (root,)
    assert index_archive(root).roots == open_index(root).roots == (root,)
    manifest = tmp_path / "shared" / "index.json"
    manifest.write_text(manifest.read_text().replace(str(root), "/"))
    hostile = open_index(tmp_path / "shared")
    (item,) = hostile.find(Request()).items
    with pytest.raises(UntrustedPathError):
        open_href(asset_ref(item, "NDVI", roots=hostile.roots))


def test_items_open_through_their_trusted_root(root, add):
    from terrascope_nb.catalogue.access import asset_ref, open_href

    name = add()
    index = index_archive(root)
    (item,) = index.find(Request()).items
    assert open_href(asset_ref(item, "NDVI", roots=index.roots)).endswith(f"{name}.tif")
