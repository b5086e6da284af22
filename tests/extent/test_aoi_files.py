from __future__ import annotations

import json
import threading
import warnings
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely

from terrascope_nb.errors import AreaError, MissingCrsError
from terrascope_nb.extent.aoi import area

# The corners of a real parcel near Sint-Truiden, as its shapefile without .prj has them (metres, EPSG:32631).
PARCEL = (697496.1182, 5632460.925, 697921.4799, 5632751.183)
KML = """<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document>
<Folder><name>A</name><Placemark><name>veld 1</name><Polygon><outerBoundaryIs><LinearRing><coordinates>
3.70,51.20,7 3.71,51.20,7 3.71,51.21,7 3.70,51.20,7</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></Folder>
<Folder><name>B</name><Placemark><name>veld 2</name><ExtendedData><Data name="crop"><value>maize</value></Data>
</ExtendedData><Polygon><outerBoundaryIs><LinearRing><coordinates>
3.72,51.20,7 3.73,51.20,7 3.73,51.21,7 3.72,51.20,7</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></Folder>
</Document></kml>"""


@pytest.fixture
def table() -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(
        {"crop": ["maize", "beet"], "ha": [1.5, None], "id": [7, 9]},
        geometry=[shapely.box(100000, 190000, 100100, 190100), shapely.box(100200, 190000, 100300, 190100)],
        crs=31370,
    )


def zipped(path: Path, files: list[Path], folder: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.write(file, folder + file.name)
    return path


def shapefile(table: gpd.GeoDataFrame, folder: Path, name: str = "fields") -> list[Path]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyogrio's word about a table without CRS
        table.to_file(folder / f"{name}.shp")
    return sorted(folder.glob(f"{name}.*"))


@pytest.mark.parametrize("form", ["gpkg", "fgb", "parquet", "shp", "zip", "zip in folder", "gml"])
def test_a_file_of_any_format_gives_shapes_attributes_and_crs(
    form: str, table: gpd.GeoDataFrame, tmp_path: Path
) -> None:
    path = tmp_path / f"fields.{'zip' if 'zip' in form else form}"
    if form == "parquet":
        table.to_parquet(path)
    elif form.startswith("zip"):
        zipped(path, shapefile(table, tmp_path), "sub/folder/" if " " in form else "")
    else:
        table.to_file(path)
    found = area(path)
    assert found.crs == "EPSG:31370"
    assert found.name == "fields"
    features = sorted(found, key=lambda one: one.id)  # FlatGeobuf files features by place
    assert [one.id for one in features] == ["7", "9"]
    assert [one.properties["crop"] for one in features] == ["maize", "beet"]
    assert features[1].properties["ha"] is None
    for one, theirs in zip(features, table.geometry, strict=True):
        assert shapely.symmetric_difference(one.geometry, theirs).area < 1e-6
    assert area(str(path)).bbox == found.bbox


def test_geojson_files_keep_their_ids_and_mean_degrees(tmp_path: Path) -> None:
    path = tmp_path / "fields.geojson"
    box = shapely.geometry.mapping(shapely.box(4, 51, 4.1, 51.1))
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [
        {"type": "Feature", "id": "x1", "properties": {"crop": "maïs"}, "geometry": box}]}), encoding="utf-8")  # fmt: skip
    found = area(path)
    assert (found.crs, found.features[0].id, found.features[0].properties) == ("EPSG:4326", "x1", {"crop": "maïs"})


def test_a_geojson_file_in_metres_asks_for_its_crs(tmp_path: Path) -> None:
    path = tmp_path / "fields.geojson"
    path.write_text(json.dumps(shapely.geometry.mapping(shapely.box(*PARCEL))))
    with pytest.raises(MissingCrsError, match=r"cannot be degrees.*crs='EPSG:32631'"):
        area(path)
    assert area(path, crs=32631).bbox == pytest.approx((5.8034, 50.8100, 5.8095, 50.8127), abs=2e-4)


def test_a_shapefile_without_prj_asks_for_its_crs_and_names_the_zone(tmp_path: Path) -> None:
    files = shapefile(gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.box(*PARCEL)], crs=32631), tmp_path)
    (tmp_path / "fields.prj").unlink()
    with pytest.raises(MissingCrsError, match=r"fields\.shp, which does not say.*50\.8° N.*zone 31") as caught:
        area(tmp_path / "fields.shp")
    assert caught.value.facts["candidates"] == ("EPSG:32631", "EPSG:32632")
    found = area(tmp_path / "fields.shp", crs="EPSG:32631")
    assert found.tiles == ("31UFS",)
    archive = zipped(tmp_path / "f.zip", [file for file in files if file.suffix != ".prj"])
    with pytest.raises(MissingCrsError, match=r"f\.zip, which does not say"):
        area(archive)
    assert area(archive, crs=32631).bbox == found.bbox


def test_degrees_without_prj_are_asked_for_too(tmp_path: Path) -> None:
    shapefile(gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.box(4, 51, 5, 52)], crs=4326), tmp_path)
    (tmp_path / "fields.prj").unlink()
    with pytest.raises(MissingCrsError, match="add crs='EPSG:4326'"):
        area(tmp_path / "fields.shp")


def test_the_folders_of_a_kml_belong_together(tmp_path: Path) -> None:
    path = tmp_path / "fields.kml"
    path.write_text(KML, encoding="utf-8")
    found = area(path)
    assert found.crs == "EPSG:4326"
    assert [one.properties["Name"] for one in found] == ["veld 1", "veld 2"]
    assert found.features[1].properties == {"Name": "veld 2", "crop": "maize"}
    assert not found.features[0].geometry.has_z
    assert found.features[0].geometry.bounds == (3.7, 51.2, 3.71, 51.21)
    assert [one.id for one in area(path, feature_id="Name")] == ["veld 1", "veld 2"]
    kmz = tmp_path / "fields.kmz"
    with zipfile.ZipFile(kmz, "w") as archive:
        archive.writestr("doc.kml", KML)
    assert area(kmz).bbox == found.bbox


def test_several_layers_are_not_guessed(table: gpd.GeoDataFrame, tmp_path: Path) -> None:
    path = tmp_path / "farm.gpkg"
    table.to_file(path, layer="parcels")
    table.iloc[:1].to_file(path, layer="barns")
    pyogrio.write_dataframe(pd.DataFrame({"note": ["a table without geometry"]}), path, layer="notes")
    with pytest.raises(AreaError, match=r"2 layers: parcels, barns.*'farm\.gpkg\|layername=parcels'") as caught:
        area(path)
    assert caught.value.facts["layers"] == ("parcels", "barns")
    assert len(area(f"{path}|layername=barns")) == 1
    with pytest.raises(AreaError, match="Did you mean parcels"):
        area(f"{path}|layername=parcel")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("bad.geojson", b"{", "is no JSON"),
        ("bad.json", b"\xff\xfe\x00", "is no JSON"),
        ("list.json", b"[1, 2]", "holds a list"),
        ("bad.gpkg", b"xx", "cannot be read as a vector file"),
        ("bad.kml", b"<kml", "cannot be read|no layer"),
        ("bad.zip", b"xx", "is no zip"),
        ("bad.parquet", b"xx", "is no GeoParquet"),
        ("bad.wkt", b"POLYGON((", "is no WKT"),
        ("bad.shp", b"\0" * 120, "cannot be read as a vector file"),
    ],
)
def test_a_damaged_file_is_named(name: str, content: bytes, match: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AreaError, match=match) as caught:
        area(tmp_path / name)
    assert name in str(caught.value)


def test_a_file_that_is_not_there_gets_its_neighbours(table: gpd.GeoDataFrame, tmp_path: Path) -> None:
    table.to_file(tmp_path / "fields.gpkg")
    with pytest.raises(AreaError, match=r"is not there\. Did you mean fields\.gpkg"):
        area(tmp_path / "field.gpkg")
    with pytest.raises(AreaError, match="relative paths start at"):
        area("no/such/thing.geojson")
    with pytest.raises(AreaError, match="is a folder"):
        area(tmp_path)


def test_a_zip_with_nothing_or_too_much_is_refused(table: gpd.GeoDataFrame, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(AreaError, match=r"holds readme\.txt and no shapefile"):
        area(tmp_path / "empty.zip")
    both = zipped(tmp_path / "both.zip", shapefile(table, tmp_path, "one") + shapefile(table, tmp_path, "two"))
    with pytest.raises(AreaError, match=r"2 files: one\.shp, two\.shp"):
        area(both)
    # What a Mac adds beside the real files is no second shapefile.
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:
        for file in shapefile(table, tmp_path, "one"):
            archive.write(file, file.name)
            archive.writestr(f"__MACOSX/._{file.name}", "")
    assert len(area(tmp_path / "mac.zip")) == 2


def test_an_empty_layer_is_refused(table: gpd.GeoDataFrame, tmp_path: Path) -> None:
    table.iloc[:0].to_file(tmp_path / "none.gpkg")
    with pytest.raises(AreaError, match="holds no feature"):
        area(tmp_path / "none.gpkg")


def test_dates_in_a_file_become_text_in_geojson(table: gpd.GeoDataFrame, tmp_path: Path) -> None:
    table["sown"] = pd.to_datetime(["2018-04-01", None])
    table.to_file(tmp_path / "fields.gpkg")
    found = area(tmp_path / "fields.gpkg")
    assert found.features[0].properties["sown"].startswith("2018-04-01")
    assert found.features[1].properties["sown"] is None
    json.dumps(found.to_geojson(), allow_nan=False)


def test_a_wkt_file_means_degrees_as_a_wkt_text_does(tmp_path: Path) -> None:
    (tmp_path / "a.wkt").write_text("POLYGON ((4 51, 5 51, 5 52, 4 51))")
    assert area(tmp_path / "a.wkt").crs == "EPSG:4326"


def test_looking_up_a_place_loads_no_table_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys, terrascope_nb.extent.aoi as a; a.area('Assenede').tiles; a.area('POINT (4 51)'); "
        "print([m for m in ('pandas', 'geopandas', 'pyogrio', 'pyarrow', 'xarray', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


VRT = """<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource>{}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"""


@pytest.mark.parametrize("ending", ["kml", "gpkg", "shp", "gpx", "gml", "fgb", "geojson", "kmz", "tab"])
@pytest.mark.parametrize("in_zip", [False, True])
def test_a_virtual_layer_under_another_name_is_not_followed(tmp_path: Path, ending: str, in_zip: bool) -> None:
    secret = tmp_path / "secret.geojson"
    secret.write_text(json.dumps(shapely.geometry.mapping(shapely.box(3, 51, 4, 52))))
    path = tmp_path / f"x.{ending}"
    path.write_text(VRT.format(secret))
    if in_zip:
        path = zipped(tmp_path / "x.zip", [path])
    with pytest.raises(AreaError):
        area(path)


def test_a_virtual_layer_behind_an_honest_root_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "x.kml"
    path.write_text(f'<kml xmlns="http://www.opengis.net/kml/2.2">{VRT.format("/etc/hostname")}</kml>')
    with pytest.raises(AreaError, match="brings in other files"):
        area(path)


def test_the_schema_a_gml_names_is_not_asked_for(table: gpd.GeoDataFrame, tmp_path: Path) -> None:
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *words: object) -> None:
            pass

    path = tmp_path / "fields.gml"
    table.to_file(path)
    path.with_suffix(".xsd").unlink()
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        text = path.read_text()
        address = f"http://127.0.0.1:{server.server_port}/fields.xsd"
        assert "fields.xsd" in text
        path.write_text(text.replace("fields.xsd", address))
        assert len(area(path, crs="EPSG:31370")) == 2
        server.shutdown()
    assert asked == []
