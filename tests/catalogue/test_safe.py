from __future__ import annotations

import datetime as dt
import re
import zipfile
from pathlib import Path

import pytest

from terrascope_nb.catalogue.safe import read_quicklook, read_safe
from terrascope_nb.catalogue.xml_tree import MAX_BYTES
from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError
from terrascope_nb.products.names import parse_name

NAME = "S1B_IW_GRDH_1SDV_20210401T052623_20210401T052648_026269_032297_ECC8"
MANIFEST = (Path(__file__).parents[1] / "data" / "metadata" / f"{NAME}.manifest.safe").read_bytes()
PNG = b"\x89PNG\r\n\x1a\n rest"
UTC = dt.UTC


@pytest.fixture
def safe(tmp_path):
    folder = tmp_path / f"{NAME}.SAFE"
    (folder / "preview").mkdir(parents=True)
    (folder / "manifest.safe").write_bytes(MANIFEST)
    return folder


def zipped(folder, **extra):
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, str(file.relative_to(folder.parent)))
        for name, data in extra.items():
            archive.writestr(name, data)
    return path


def test_a_real_manifest_is_read(safe):
    found = read_safe(safe)
    assert found.id == NAME
    assert (found.platform, found.mode, found.product_type, found.polarisations) == ("S1B", "IW", "GRD", ("VV", "VH"))
    assert found.start == dt.datetime(2021, 4, 1, 5, 26, 23, 794457, tzinfo=UTC)
    assert found.end == dt.datetime(2021, 4, 1, 5, 26, 48, 793373, tzinfo=UTC)
    assert (found.orbit_direction, found.relative_orbit, found.absolute_orbit) == ("descending", 168, 26269)
    assert found.processor == "Sentinel-1 IPF 003.31"
    assert len(found.measurements) == 2
    assert read_safe(safe / "manifest.safe") == found


def test_the_name_of_the_product_is_known_from_inside_its_folder(safe, monkeypatch):
    monkeypatch.chdir(safe)
    assert read_safe("manifest.safe").id == NAME


def test_the_manifest_agrees_with_the_name_and_the_orbit_arithmetic(safe):
    found, name = read_safe(safe), parse_name(f"{NAME}.SAFE")
    assert (found.platform, found.product_type) == (name.mission, name.product)
    assert tuple(when.replace(microsecond=0) for when in (found.start, found.end)) == name.datetimes
    assert found.absolute_orbit == int(name.part("absolute_orbit"))
    # ESA: relative orbit of Sentinel-1B = (absolute orbit - 27) mod 175 + 1.
    assert found.relative_orbit == (found.absolute_orbit - 27) % 175 + 1


def test_the_footprint_is_longitude_first_and_closed(safe):
    found = read_safe(safe)
    west, south, east, north = found.bbox
    assert (west, south, east, north) == (8.772268, 45.614502, 12.446052, 47.512238)  # the Alps, not the Gulf of Aden
    assert found.footprint[0] == found.footprint[-1]
    assert len(found.footprint) == 5
    assert found.geometry["coordinates"][0][0] == [12.040968, 45.614502]


def test_a_footprint_over_the_date_line_keeps_a_narrow_box(safe):
    moved = re.sub(
        rb"<gml:coordinates>.*?</gml:coordinates>",
        b"<gml:coordinates>-17,179.5 -17,-178 -15,-178.5 -15,179</gml:coordinates>",
        MANIFEST,
    )
    (safe / "manifest.safe").write_bytes(moved)
    assert read_safe(safe).bbox == (179.0, -17.0, -178.0, -15.0)


def test_an_absent_quicklook_is_none_and_asking_for_it_is_an_error(safe):
    found = read_safe(safe)
    assert found.quicklook is None
    assert "preview/quick-look.png" in found.missing
    with pytest.raises(AssetUnreachableError, match=r"quick-look\.png"):
        read_quicklook(safe)


def test_the_quicklook_is_read(safe):
    (safe / "preview" / "quick-look.png").write_bytes(PNG)
    assert read_safe(safe).quicklook == "preview/quick-look.png"
    assert "preview/quick-look.png" not in read_safe(safe).missing
    assert read_quicklook(safe) == PNG
    (safe / "preview" / "quick-look.png").write_bytes(b"<html>")
    with pytest.raises(CorruptAssetError, match="no PNG"):
        read_quicklook(safe)


def test_a_zip_reads_like_the_folder(safe):
    (safe / "preview" / "quick-look.png").write_bytes(PNG)
    path = zipped(safe)
    assert read_safe(path) == read_safe(safe)
    assert read_quicklook(path) == PNG


def test_a_zip_without_one_product_is_refused(safe, tmp_path):
    with pytest.raises(CorruptAssetError, match="holds 2"):
        read_safe(zipped(safe, **{"other.SAFE/manifest.safe": MANIFEST}))
    broken = tmp_path / "broken.zip"
    broken.write_bytes(zipped(safe).read_bytes()[:2000])
    with pytest.raises(CorruptAssetError, match="no whole zip"):
        read_safe(broken)


def test_a_zip_that_unfolds_into_gigabytes_is_stopped(safe):
    (safe / "preview" / "quick-look.png").write_bytes(PNG + b"\0" * (MAX_BYTES + 1))
    path = zipped(safe)
    assert path.stat().st_size < 50_000
    with pytest.raises(CorruptAssetError, match="unpacks to more"):
        read_quicklook(path)


def test_damage_inside_a_zip_is_named(safe):
    path = zipped(safe)
    data = bytearray(path.read_bytes())
    data[200:260] = b"\0" * 60
    path.write_bytes(data)
    with pytest.raises(CorruptAssetError, match=r"manifest\.safe"):
        read_safe(path)


def test_what_is_no_safe_product_is_refused(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\0")
    for path in (tmp_path, tmp_path / "a.tif", tmp_path / "gone.SAFE", tmp_path / "gone.zip"):
        with pytest.raises(AssetUnreachableError, match=r"manifest\.safe"):
            read_safe(path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (rb"<s1:pass>.*?</s1:pass>", b"", "pass"),
        (rb">168<", b">many<", "many"),
        (rb"<safe:startTime>.*?<", b"<safe:startTime>soon<", "soon"),
        (rb"45.614502,12.040968", b"45.614502", "footprint"),
        (rb"45.614502,12.040968", b"95,12.040968", "no area"),
        (rb"(</?)safe:footPrint", rb"\1safe:other", "coordinates"),
        (rb"<xfdu:XFDU ", b"<!DOCTYPE x><xfdu:XFDU ", "document type"),
    ],
)
def test_a_manifest_that_says_too_little_is_refused(safe, old, new, said):
    changed = re.sub(old, new, MANIFEST)
    assert changed != MANIFEST
    (safe / "manifest.safe").write_bytes(changed)
    with pytest.raises(CorruptAssetError, match=said) as caught:
        read_safe(safe)
    assert caught.value.path == str(safe)


def test_a_manifest_does_not_make_us_look_outside_the_product(safe):
    (safe.parent / "secret.png").write_bytes(PNG)
    changed = MANIFEST.replace(b"./preview/quick-look.png", b"../secret.png").replace(
        b"./preview/map-overlay.kml", b"/etc/passwd"
    )
    (safe / "manifest.safe").write_bytes(changed)
    assert {"../secret.png", "/etc/passwd"} <= set(read_safe(safe).missing)
