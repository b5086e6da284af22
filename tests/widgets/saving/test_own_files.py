"""Files that a map reads, and neighbours that are not ours, are never written over."""

from __future__ import annotations

from pathlib import Path

import pytest

import terrascope_nb as ts
from terrascope_nb.errors import ExportError
from terrascope_nb.widgets.live_map.map import Map


@pytest.mark.parametrize("name", ["dn.tif", "dn.vrt", "link.tif"])
def test_a_file_that_the_map_reads_is_never_written_over(shown, dn_file, tmp_path, name):
    (tmp_path / "link.tif").symlink_to(dn_file)
    before = dn_file.read_bytes()
    with pytest.raises(ExportError, match="is drawn from it"):
        shown.save(tmp_path / name)
    assert dn_file.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["dn.tif", "link.tif"]


def test_a_cube_still_on_disk_is_never_written_over(tmp_path):
    items = ts.search("s2-ndvi", (3.021, 50.813, 3.027, 50.818), "2018-06", source="sample")
    m = Map()
    m.add(ts.load(items, ["NDVI"], area=(3.021, 50.813, 3.027, 50.818))["NDVI"])
    (href,) = {source.ref.hrefs[0] for source in m.rasters[0].source._bands[0].plan.steps[0].scenes[0].sources}
    (tmp_path / "mine.tif").symlink_to(href)
    with pytest.raises(ExportError, match="is drawn from it"):
        m.save(tmp_path / "mine.tif")


def test_an_opened_file_is_never_written_over(dn_file):
    rioxarray = pytest.importorskip("rioxarray")
    m = Map()
    m.add(rioxarray.open_rasterio(dn_file, chunks=64), name="opened")
    before = dn_file.read_bytes()
    with pytest.raises(ExportError, match="is drawn from it"):
        m.save(dn_file)
    assert dn_file.read_bytes() == before


@pytest.mark.parametrize("suffix", [".tif", ".qml"])
def test_what_lies_beside_a_virtual_raster_is_left_unless_we_wrote_it(shown, tmp_path, suffix):
    mine = tmp_path / f"own{suffix}"
    mine.write_bytes(b"mine")
    with pytest.raises(ExportError, match=f"own{suffix}.*Choose another name"):
        shown.save(tmp_path / "own.vrt")
    assert mine.read_bytes() == b"mine"
    assert not (tmp_path / "own.vrt").exists()
    mine.unlink()
    shown.save(tmp_path / "own.vrt")
    shown.save(tmp_path / "own.vrt")  # our own files are replaced
    mine.write_bytes(mine.read_bytes() + b" changed in QGIS")
    with pytest.raises(ExportError, match="changed since"):
        shown.save(tmp_path / "own.vrt")
    assert mine.read_bytes().endswith(b"changed in QGIS")


def test_a_save_for_qgis_that_fails_leaves_the_three_files_as_they_were(shown, tmp_path, monkeypatch):
    shown.save(tmp_path / "own.vrt")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    shown.rasters[0].set_look(vmax=0.5)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ExportError, match="No space left"):
        shown.save(tmp_path / "own.vrt")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
