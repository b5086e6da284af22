"""Pictures and pages of a map: whole, true, and telling what they are."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import ipyleaflet
import pytest
from PIL import Image

import terrascope_nb as ts
from terrascope_nb.errors import ExportError
from terrascope_nb.widgets.live_map.basemap_layer import BasemapLayer
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.saving.map_sheet import sheet_of


def test_a_png_holds_the_map_and_tells_what_it_is(shown, tmp_path):
    (path,) = shown.save(tmp_path / "map.png", title="Fields")
    with Image.open(path) as image:
        assert image.size[0] > 900
        told = image.text["Description"]
    assert told.startswith("Fields: a map from")
    assert "My layer" in told


@pytest.mark.parametrize(("suffix", "start"), [(".pdf", b"%PDF"), (".html", b"<!DOCTYPE html>"), (".PNG", b"\x89PNG")])
def test_the_suffix_says_what_is_written(shown, tmp_path, suffix, start):
    (path,) = shown.save(str(tmp_path / f"map{suffix}"))
    assert path.read_bytes().startswith(start)
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("name", "why"), [("map", "use one of"), ("map.jpg", "use one of"), ("nowhere/map.png", "does not exist")]
)
def test_a_path_that_cannot_be_is_refused(shown, tmp_path, name, why):
    with pytest.raises(ExportError, match=why):
        shown.save(tmp_path / name)
    assert not (tmp_path / name).exists()


def test_overwriting_is_the_users_choice(shown, tmp_path):
    path = tmp_path / "map.png"
    path.write_bytes(b"mine")
    for name in ("map.png", "map.vrt"):
        (tmp_path / name).write_bytes(b"mine")
        with pytest.raises(ExportError, match="overwrite=True"):
            shown.save(tmp_path / name, overwrite=False)
        assert (tmp_path / name).read_bytes() == b"mine"
    shown.save(path)
    assert path.read_bytes() != b"mine"


@pytest.mark.parametrize("name", ["map.png", "map.pdf", "map.html", "map.tif", "map.vrt"])
def test_a_layer_that_cannot_be_read_leaves_the_old_file_and_no_half_one(dn_file, tmp_path, name):
    m = Map()
    layer = m.add(str(dn_file), vmin=0.0, vmax=1.0)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).write_bytes(b"old")
    layer.source._own_decode(1)

    def broken(*_args, **_kwargs):
        raise ts.TerrascopeError("the file is gone")

    layer.source.finish = broken
    with pytest.raises(ts.TerrascopeError, match="the file is gone"):
        m.save(folder / name)
    assert (folder / name).read_bytes() == b"old"
    assert [file.name for file in folder.iterdir()] == [name]


def test_a_folder_that_may_not_be_written_is_named(shown, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ExportError, match="No space left"):
        shown.save(tmp_path / "map.png")
    assert list(tmp_path.glob("*map*")) == []


def test_the_sheet_holds_what_the_map_shows(shown):
    west, south, east, north = shown.view_bounds
    ring = [[west, south], [east, south], [east, north], [west, south]]
    shown.add(
        ipyleaflet.GeoJSON(data={"type": "Polygon", "coordinates": [ring]}, style={"color": "#123456"}, name="drawn")
    )
    shown.add(ipyleaflet.Polygon(locations=[(south, west), (north, west), (north, east)], name="polygon"))
    shown.add(ipyleaflet.Marker(location=(south, west)))
    hidden = ipyleaflet.GeoJSON(data={"type": "Polygon", "coordinates": [ring]}, visible=False, name="hidden")
    shown.add(hidden)
    shown.add(BasemapLayer(ground=False))
    shown.rasters[0].opacity = 0.4
    sheet = sheet_of(shown)
    assert sheet.bounds == shown.view_bounds
    assert [(layer.name, layer.opacity) for layer in sheet.layers] == [("My layer", 0.4)]
    assert [outline.name for outline in sheet.outlines] == ["drawn", "polygon", ""]
    assert sheet.outlines[0].colour == "#123456"
    assert sheet.names_above
    assert sheet.basemap is not None
    shown.rasters[0].visible = False
    assert sheet_of(shown).layers == ()
    assert sheet_of(Map(basemap="offline-dark")).dark
    assert sheet_of(Map(basemap="none")).basemap is None


def test_what_is_drawn_by_hand_is_saved_and_empty_layers_are_not_named(shown):
    west, south, east, north = shown.view_bounds
    line = {"type": "LineString", "coordinates": [[west, south], [east, north]]}
    drawing = ipyleaflet.DrawControl()
    drawing.data = [{"type": "Feature", "properties": {}, "geometry": line}]
    shown.add(drawing)
    shown.add(ipyleaflet.GeoJSON(data={"type": "FeatureCollection", "features": []}, name="empty"))
    (outline,) = sheet_of(shown).outlines
    assert outline.name == "drawn area"
    assert outline.geojson["features"][0]["geometry"] == line


def test_an_online_map_is_replaced_and_said(dn_file, tmp_path):
    m = Map(basemap="OpenStreetMap.Mapnik")
    sheet = sheet_of(m)
    assert sheet.basemap is not None
    assert any("online map" in note for note in sheet.notes)


def test_a_map_becomes_a_link_of_the_viewer_and_back(cube):
    m = Map()
    m.add(cube, time="2018-07-05")
    view = ts.read_viewer_link(m.viewer_link())
    assert (view.product, view.date) == ("s2-ndvi", date(2018, 7, 5))
    assert view.bbox == m.view_bounds
    assert Map(area=view.area).view_bounds[0] <= view.bbox[0]
    bare = ts.read_viewer_link(Map(center=(0, 0), zoom=0).viewer_link())
    assert (bare.product, bare.date) == (None, None)
    assert bare.bbox == (-180.0, -85.0, 180.0, 85.0)
