"""Links of the Terrascope viewer: each generation is read, hostile ones are refused by name, what is written is read back."""

from __future__ import annotations

import contextlib
import html
import socket
from datetime import date, datetime
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.errors import PeriodError, TerrascopeError, TerrascopeWarning, UnknownProductError, ViewerLinkError
from terrascope_nb.extent.aoi import Aoi, area
from terrascope_nb.products.registry import get_product, list_products
from terrascope_nb.services.viewer import _layers, read_viewer_link, viewer_link
from terrascope_nb.settings import options

# From training slides of 2018 (numbers repaired), and from public code of 2025.
OF_2018 = "https://viewer.terrascope.be/terrascope/?language=en&layer=CGS_S2_FAPAR&date=2/6/2018&bbox=3.6,51.1,3.9,51.3&overlay=false"
OF_2025 = (
    "https://viewer.terrascope.be/?language=en&bbox=-105.28106099415182,40.204737550661235,-105.23939445065368,"
    "40.219963411726525&overlay=true&bgLayer=MapBox_Satellite&date=2025-04-23&layer=WORLDCOVER_2021_MAP"
)
START = "https://viewer.terrascope.be/?"


def test_a_link_of_2018_is_read():
    view = read_viewer_link(OF_2018)
    assert (view.product, view.layer, view.collection) == ("s2-fapar", "CGS_S2_FAPAR", "terrascope-s2-fapar-v2")
    assert view.date == date(2018, 6, 2)  # the second of June: the day comes first
    assert view.bbox == (3.6, 51.1, 3.9, 51.3)
    assert (view.language, view.overlay) == ("en", False)
    assert view.notes == ()


def test_a_link_of_2025_is_read():
    view = read_viewer_link(OF_2025)
    assert (view.product, view.collection, view.band) == ("worldcover", "esa-worldcover-map-10m-2021-v2", "MAP")
    assert view.bbox == (-105.28106099415182, 40.204737550661235, -105.23939445065368, 40.219963411726525)
    assert (view.date, view.overlay, view.background) == (date(2025, 4, 23), True, "MapBox_Satellite")


def test_todays_names_of_layers_are_collection_and_render():
    view = read_viewer_link(START + "bbox=31.3,48.9,33.7,49.7&date=2025-05-03&layer=terrascope-s2-ndvi-v2_ndvi")
    assert (view.product, view.collection, view.band) == ("s2-ndvi", "terrascope-s2-ndvi-v2", "NDVI")
    assert read_viewer_link(START + "layer=terrascope-s1-grd-sigma0-v1_vv-vh").product == "s1-sigma0"
    assert read_viewer_link(START + "layer=lcfm-lcm-10_map").product == "lcfm-lcm"


@pytest.mark.parametrize(
    "change",
    [
        lambda link: link.replace("bbox=", "box="),
        html.escape,
        lambda link: html.escape(html.escape(link)),
        lambda link: link.replace("&", "&#38;"),
        lambda link: f"  <{link}>\n",
        lambda link: link.replace("https", "http"),
        lambda link: link.replace("viewer.terrascope.be", "Viewer.Terrascope.BE:443"),
        lambda link: link.replace(",", "%2C").replace("2/6/2018", "02%2F06%2F2018"),
        lambda link: link.replace("2/6/2018", "2018-06-02"),
        lambda link: link.replace("2/6/2018", "2018-06-02T10:50:18.000Z"),
        lambda link: link.replace("language=en", "language=eng"),
        lambda link: link.replace("?", "#/?"),
        lambda link: link.replace("layer=CGS_S2_FAPAR", "LAYER=cgs_s2_fapar"),
        lambda link: link + "&utm_source=mail&bbox=3.6,51.1,3.9,51.3",
    ],
    ids=["box", "escaped", "escaped twice", "numbered", "in brackets", "http", "host", "percent", "iso", "moment",
         "eng", "fragment", "case", "repeated"],
)  # fmt: skip
def test_all_spellings_of_a_link_say_the_same(change):
    view, plain = read_viewer_link(change(OF_2018)), read_viewer_link(OF_2018)
    assert view.bbox == plain.bbox
    assert (view.product, view.date, view.language, view.overlay) == (
        plain.product,
        plain.date,
        plain.language,
        plain.overlay,
    )


@pytest.mark.parametrize(("name", "product"), [(known["name"], known["collection"]) for known in _layers()])
def test_every_listed_layer_leads_to_its_product(name, product):
    assert read_viewer_link(START + f"layer={name}").product == get_product(product).id
    known = next(one for one in _layers() if one["name"] == name)
    assert known["source"]
    if "band" in known:
        assert get_product(product).find_band(known["band"]).name == known["band"]


def test_every_layer_that_documents_name_leads_to_a_product():
    documented = [
        "CGS_S2_RADIOMETRY",
        "CGS_S2_NIR",
        "CGS_S2_NDVI",
        "CGS_S2_LAI",
        "CGS_S2_FCOVER",
        "CGS_S2_FAPAR",
        "CGS_S1_GRD_SIGMA0",
        "CGS_S1_COHERENCE",
        "WORLDCOVER_2020_MAP",
        "WORLDCOVER_2021_MAP",
        "WORLDCOVER_2020_S2_TCC",
        "WORLDCOVER_2021_S2_FCC",
        "TERRASCOPE_S5P_L3_HCHO_TD_V2",
        "PROBAV_S10_TOC_COLOR",
        "esa-worldcover-s2rgbnir-10m-2021-v2_tcc",
    ]
    assert [name for name in documented if read_viewer_link(START + f"layer={name}").product is None] == []


def test_a_layer_nobody_knows_is_kept_and_said():
    view = read_viewer_link(START + "layer=VITO_NEW_THING&bbox=1,2,3,4")
    assert (view.layer, view.product) == ("VITO_NEW_THING", None)
    assert any("VITO_NEW_THING" in note for note in view.notes)
    with options(language="fr"):
        assert any("couche" in note for note in read_viewer_link(START + "layer=VITO_NEW_THING").notes)


def test_a_link_without_area_or_layer_says_so():
    view = read_viewer_link("https://viewer.terrascope.be/")
    assert (view.area, view.period, view.product) == (None, None, None)
    assert len(view.notes) == 2


def test_area_and_period_go_straight_into_a_search():
    view = read_viewer_link(OF_2018)
    assert isinstance(view.area, Aoi)
    assert view.area.bbox == view.bbox
    assert view.period.contains(datetime.fromisoformat("2018-06-02T10:50:00+00:00"))
    assert not view.period.contains(datetime.fromisoformat("2018-06-03T00:00:00+00:00"))


HOSTILE = {
    "other host": "https://viewer.terrascope.be.evil.example/?bbox=1,2,3,4",
    "host in user": "https://viewer.terrascope.be@evil.example/?bbox=1,2,3,4",
    "user": "https://me:secret@viewer.terrascope.be/?bbox=1,2,3,4",
    "port": "https://viewer.terrascope.be:8443/?bbox=1,2,3,4",
    "bad port": "https://viewer.terrascope.be:x/?bbox=1,2,3,4",
    "bad bracket": "https://[viewer.terrascope.be/?bbox=1,2,3,4",
    "script": "javascript:alert(1)//viewer.terrascope.be/?bbox=1,2,3,4",
    "file": "file://viewer.terrascope.be/etc/passwd",
    "three numbers": START + "bbox=1,2,3",
    "five numbers": START + "bbox=1,2,3,4,5",
    "words": START + "bbox=a,b,c,d",
    "nan": START + "bbox=nan,2,3,4",
    "inf": START + "bbox=-inf,2,inf,4",
    "huge": START + "bbox=1e999,2,3,4",
    "underscore": START + "bbox=1_0,2,30,4",
    "arabic digits": START + "bbox=" + quote("١,٢,٣,٤"),
    "turned round": START + "bbox=4,2,3,5",
    "north below": START + "bbox=1,5,3,4",
    "beyond": START + "bbox=1,2,300,4",
    "pole": START + "bbox=1,2,3,95",
    "no such day": START + "date=31/2/2018",
    "american": START + "date=6/13/2018",
    "no date": START + "date=yesterday",
    "bad moment": START + "date=2018-06-02Tnoon",
    "digits": START + "date=" + "9" * 60,
    "markup": START + "layer=<img src=x onerror=alert(1)>".replace(" ", "%20"),
    "newline": START + "layer=CGS%0AS2",
    "path": START + "layer=../../etc/passwd",
    "two boxes": START + "bbox=1,2,3,4&bbox=1,2,3,5",
    "box and bbox": START + "bbox=1,2,3,4&box=5,6,7,8",
    "blanks": "have a look at https://viewer.terrascope.be/?bbox=1,2,3,4",
    "long": START + "bbox=1,2,3,4&x=" + "a" * 10_000,
    "empty": "",
    "null": "https://viewer.terrascope.be/?bbox=1,2,3,4\0",
}


@pytest.mark.parametrize("link", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_link_is_refused_by_name(link):
    with pytest.raises(ViewerLinkError) as caught:
        read_viewer_link(link)
    assert isinstance(caught.value, TerrascopeError)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("what", [None, 7, b"https://viewer.terrascope.be/", ["x"]])
def test_what_is_no_text_is_refused(what):
    with pytest.raises(ViewerLinkError):
        read_viewer_link(what)


@given(st.text(max_size=300))
def test_no_text_does_worse_than_the_named_error(text):
    for link in (text, START + text, START + "bbox=" + text, START + "date=" + text, START + "layer=" + text):
        with contextlib.suppress(ViewerLinkError):
            read_viewer_link(link)


EDGES = st.tuples(
    st.floats(-180, 179, allow_nan=False), st.floats(-89, 88, allow_nan=False),
    st.floats(0.001, 1, allow_nan=False), st.floats(0.001, 1, allow_nan=False),
).map(lambda edge: (edge[0], edge[1], edge[0] + edge[2], edge[1] + edge[3]))  # fmt: skip
LINKED = sorted({get_product(known["collection"]).id for known in _layers()})


@given(
    EDGES, st.sampled_from(LINKED), st.dates(date(2014, 1, 1), date(2030, 12, 31)), st.sampled_from(["en", "nl", "fr"]),
    st.sampled_from([True, False, None]), st.sampled_from([None, "OSM", "MapBox_Satellite"]), st.booleans(),
)  # fmt: skip
def test_what_is_written_is_read_back(bbox, product, day, language, overlay, background, escaped):
    link = viewer_link(bbox, product, day, language=language, overlay=overlay, background=background)
    view = read_viewer_link(html.escape(link) if escaped else link)
    assert view.bbox == bbox
    assert (view.product, view.date, view.language) == (product, day, language)
    assert (view.overlay, view.background, view.notes) == (overlay, background, ())
    again = viewer_link(view.area, None, view.date, layer=view.layer, language=view.language, overlay=view.overlay,
                        background=view.background)  # fmt: skip
    assert again == link


@given(EDGES, st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,60}", fullmatch=True))
def test_a_layer_nobody_knows_survives_the_round_trip(bbox, layer):
    assert read_viewer_link(viewer_link(bbox, layer=layer)).layer == layer


def test_another_reader_of_addresses_finds_the_same():
    parts = parse_qs(urlsplit(viewer_link("Assenede", "s2-fapar", "2025-06-02", language="nl")).query)
    assert parts["date"] == ["2025-06-02"]
    assert parts["language"] == ["nl"]
    assert parts["layer"] == ["terrascope-s2-fapar-v2_fapar"]
    assert tuple(map(float, parts["bbox"][0].split(","))) == area("Assenede").bbox


def test_the_day_chooses_between_the_maps_of_two_years():
    assert "layer=WORLDCOVER_2020_MAP" in viewer_link(product="worldcover", date="2020-07-01")
    assert "layer=esa-worldcover-map-10m-2021-v2_map" in viewer_link(product="worldcover", date="2021-07-01")
    assert "layer=WORLDCOVER_2020_MAP" in viewer_link(product="esa-worldcover-map-10m-2020-v1")


@pytest.mark.parametrize("product", [one.id for one in list_products() if one.id not in LINKED][:3])
def test_a_product_without_a_documented_layer_gives_a_link_and_a_warning(product):
    with pytest.warns(TerrascopeWarning, match="No document names"):
        link = viewer_link((1.0, 2.0, 3.0, 4.0), product, "2024-01-01")
    assert read_viewer_link(link).layer is None


def test_the_language_is_the_readers_own():
    with options(language="fr"):
        assert "language=fr" in viewer_link()


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"layer": "a&b=c"}, ViewerLinkError),
        ({"background": "<b>"}, ViewerLinkError),
        ({"language": "de"}, ViewerLinkError),
        ({"product": "no-such-thing"}, UnknownProductError),
        ({"date": "2024"}, PeriodError),
        ({"date": "31/2/2024"}, PeriodError),
    ],
)
def test_what_the_viewer_could_not_show_is_refused(how, error):
    with pytest.raises(error):
        viewer_link((1.0, 2.0, 3.0, 4.0), **how)


def test_nothing_is_fetched(monkeypatch):
    monkeypatch.setattr(socket, "socket", None)
    assert read_viewer_link(viewer_link((1.0, 2.0, 3.0, 4.0), "s2-fapar")).product == "s2-fapar"
