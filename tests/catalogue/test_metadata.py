from __future__ import annotations

import contextlib
import datetime as dt
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.catalogue.metadata import parse_metadata, read_metadata
from terrascope_nb.catalogue.xml_tree import MAX_BYTES
from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError

DATA = Path(__file__).parents[1] / "data" / "metadata"
INVENTED = DATA / "invented_S2A_20250516T104651_31UFS_NDVI_10M_V210.xml"
TEXT = INVENTED.read_text()
UTC = dt.UTC
MINIMAL = (
    '<MD_Metadata xmlns="http://www.isotc211.org/2005/gmd" xmlns:gco="http://www.isotc211.org/2005/gco">'
    "<fileIdentifier><gco:CharacterString>{}</gco:CharacterString></fileIdentifier></MD_Metadata>"
)


def read(old="", new=""):
    assert old in TEXT
    return parse_metadata(TEXT.replace(old, new).encode())


def test_a_product_s_metadata_is_read():
    found = read_metadata(INVENTED)
    assert found.id == "urn:eop:VITO:TERRASCOPE_S2_NDVI_V2:S2A_20250516T104651_31UFS_NDVI_10M_V210"
    assert found.parent == "urn:eop:VITO:TERRASCOPE_S2_NDVI_V2"
    assert found.title == "S2A_20250516T104651_31UFS_NDVI_10M_V210"
    assert found.abstract == "Normalised difference vegetation index, 10 m"
    assert found.start == found.end == dt.datetime(2025, 5, 16, 10, 46, 51, 24000, tzinfo=UTC)
    assert found.created == dt.datetime(2025, 5, 16, 19, 13, 58, 784000, tzinfo=UTC)
    assert found.bbox == (4.408715109637645, 50.42806601741749, 6.017025008525815, 51.44235231685392)
    assert (found.crs, found.cloud_cover, found.version, found.platform) == ("EPSG:32631", 4.547, "210", "sentinel-2a")
    assert found.lineage == "Derived from Sentinel-2 TOC reflectance"
    assert found.sources == ("S2A_20250516T104651_31UFS_TOC_V210",)
    assert found.notes == ()


def test_a_record_that_says_only_its_name_gives_none_elsewhere():
    found = parse_metadata(MINIMAL.format("urn:eop:VITO:X:S2A_20230220T074941_38SKG_TOC_V220").encode())
    assert found.version == "220"
    assert (found.title, found.start, found.end, found.bbox, found.cloud_cover, found.crs) == (None,) * 6
    assert parse_metadata(MINIMAL.format("anything").encode()).version is None


def test_a_record_wrapped_in_a_catalogue_reply_is_found():
    wrapped = f"<csw:Reply xmlns:csw='urn:csw'>{MINIMAL.format('inside')}</csw:Reply>"
    assert parse_metadata(wrapped.encode()).id == "inside"


def test_other_encodings_are_read():
    text = MINIMAL.format("café")
    assert parse_metadata(f'<?xml version="1.0" encoding="ISO-8859-1"?>{text}'.encode("latin-1")).id == "café"
    assert parse_metadata(text.encode("utf-16")).id == "café"


@pytest.mark.parametrize(
    ("code", "crs"),
    [
        ("urn:ogc:def:crs:EPSG::32631", "EPSG:32631"),
        ("urn:ogc:def:crs:EPSG:6.9:4326", "EPSG:4326"),
        ("http://www.opengis.net/def/crs/EPSG/0/32736", "EPSG:32736"),
        ("WGS 84 / UTM zone 31N (EPSG:32631)", "EPSG:32631"),
    ],
)
def test_the_coordinate_system_is_read_in_its_usual_spellings(code, crs):
    assert read(">32631<", f">{code}<").crs == crs


def test_a_number_that_is_no_epsg_code_is_not_taken_for_one():
    found = read(">EPSG<", ">WGS<")
    assert found.crs is None
    assert "32631" in found.notes[0]


def test_an_edition_is_the_version():
    assert (
        read("<gmd:date>\n            <gmd:CI_Date>", "<gmd:edition>V220</gmd:edition><gmd:date><gmd:CI_Date>").version
        == "220"
    )


def test_without_creation_date_the_publication_then_the_record_s_date_stands_in():
    assert read('codeListValue="creation"', 'codeListValue="revision"').created == dt.datetime(
        2025, 7, 2, 16, 46, 4, tzinfo=UTC
    )
    stamp = parse_metadata(TEXT.replace('="creation"', '="x"').replace('="publication"', '="x"').encode()).created
    assert stamp == dt.datetime(2025, 7, 2, 16, 46, 4, 453894, tzinfo=UTC)


def test_a_zone_is_turned_into_utc_and_a_missing_one_means_utc():
    assert read("beginPosition>2025-05-16T10:46:51.024Z", "beginPosition>2025-05-16T12:46:51+02:00").start.hour == 10
    assert read("beginPosition>2025-05-16T10:46:51.024Z", "beginPosition>2025-05-16").start == dt.datetime(
        2025, 5, 16, tzinfo=UTC
    )


@pytest.mark.parametrize(
    ("old", "new", "field", "note"),
    [
        (">4.547<", ">140<", "cloud_cover", "140"),
        (">4.547<", ">NaN<", "cloud_cover", "NaN"),
        (">4.547<", ">none<", "cloud_cover", "none"),
        (">50.42806601741749<", ">95<", "bbox", "95"),
        (">50.42806601741749<", ">60<", "bbox", "above"),
        ("beginPosition>2025-05-16T10:46:51.024Z", "beginPosition>yesterday", "start", "yesterday"),
        ("beginPosition>2025-05-16T10:46:51.024Z", "beginPosition>0001-01-01T00:00:00+14:00", "start", "0001"),
        (">32631<", ">Lambert<", "crs", "Lambert"),
    ],
)
def test_a_value_that_cannot_be_is_left_out_and_said(old, new, field, note):
    found = read(old, new)
    assert getattr(found, field) is None
    assert note in found.notes[0]


def test_an_end_before_the_start_is_said():
    assert "before" in read("endPosition>2025-05-16", "endPosition>2024-05-16").notes[0]


BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><MD_Metadata>&j;</MD_Metadata>"
)
LOCAL_FILE = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><MD_Metadata><fileIdentifier>&f;</fileIdentifier></MD_Metadata>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not xml",
        TEXT[:900].encode(),
        TEXT.encode()[:-20],
        b"<html><body>Log in</body></html>",
        b"<!DOCTYPE html><html><body>Log in</body></html>",
        b"<MD_Metadata/>",
        b"\xff\xfe\x00",
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b"<a><b></a></b>",
        b"<x:a/>",
        b"<a>" * 100_000,
        BILLION_LAUGHS.encode(),
        BILLION_LAUGHS.encode("utf-16"),
        LOCAL_FILE.encode(),
        b"<a>" + b" " * MAX_BYTES + b"</a>",
    ],
    ids=[
        "empty", "text", "cut", "end missing", "html", "html with doctype", "no identifier", "bytes", "encoding", "crossed",
        "prefix", "deep", "billion laughs", "billion laughs in utf-16", "external entity", "large",
    ],
)  # fmt: skip
def test_broken_or_dangerous_xml_is_refused_with_the_file_s_name(data, tmp_path):
    path = tmp_path / "broken.xml"
    path.write_bytes(data)
    with pytest.raises(CorruptAssetError, match=r"broken\.xml") as caught:
        read_metadata(path)
    assert caught.value.path == str(path)
    assert len(str(caught.value)) < 600


def test_the_secret_of_an_external_entity_is_never_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("TOPSECRET")
    with pytest.raises(CorruptAssetError) as caught:
        parse_metadata(LOCAL_FILE.replace("/etc/passwd", str(secret)).encode())
    assert "TOPSECRET" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AssetUnreachableError, match=r"gone\.xml"):
        read_metadata(tmp_path / "gone.xml")
    with pytest.raises(AssetUnreachableError):
        read_metadata(tmp_path)


@given(st.integers(0, len(TEXT) - 1), st.binary(min_size=1, max_size=3))
def test_damaged_metadata_is_read_or_refused_but_never_crashes(place, junk):
    data = TEXT.encode()
    with contextlib.suppress(CorruptAssetError):
        parse_metadata(data[:place] + junk + data[place + len(junk) :])


def test_the_fixture_agrees_with_the_real_item_it_was_invented_from():
    item = json.loads((DATA.parent / "items" / "S2A_20250516T104651_31UFS_NDVI_10M_V210.json").read_text())
    found, properties = read_metadata(INVENTED), item["properties"]
    assert found.title == item["id"]
    assert found.cloud_cover == properties["eo:cloud_cover"]
    assert found.version == properties["processing:version"]
    assert found.crs == properties["proj:code"]
    assert found.bbox == tuple(item["bbox"])
    assert found.start == dt.datetime.fromisoformat(properties["start_datetime"])
