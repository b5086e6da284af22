"""ApiSource against small real servers of our own that honour, ignore and break what they are asked."""

from __future__ import annotations

import json
import time
import warnings

import pystac_client
import pytest
from shapely.geometry import Point, box

from terrascope_nb.catalogue.api import ApiSource
from terrascope_nb.catalogue.sources import Request
from terrascope_nb.errors import CatalogueReplyError, CatalogueUnreachableError, TerrascopeWarning
from terrascope_nb.extent.period import period, season
from terrascope_nb.settings import options

NDVI = ("terrascope-s2-ndvi-v2",)
ASKED = Request(collections=NDVI)


@pytest.fixture
def records(record):
    return [record(f"2020-05-{day:02}T10:40:31", cloud=float(day)) for day in range(1, 26)]


@pytest.fixture
def paged(page):
    """Return a search that gives what it has in pages of some size, whatever is asked."""

    def make(records, size=10, *, matched=None, overlap=0):
        def search(body):
            start = int(body.get("token", 0))
            after = start + size - overlap
            following = {"href": f"{make.url}/search", "method": "POST", "body": {**body, "token": str(after)}}
            last = start + size >= len(records)
            return page(records[start : start + size], matched=matched, following=None if last else following)

        return search

    return make


@pytest.fixture
def serve(stac_server, paged):
    def start(records, size=10, *, matched=None, overlap=0, **how):
        server = stac_server(paged(records, size, matched=matched, overlap=overlap), **how)
        paged.url = server.url
        return server

    return start


def ids(found):
    return [item.id for item in found.items]


def test_all_pages_are_read_and_counted(serve, records):
    server = serve(records, matched=25)
    found = ApiSource(server.url).find(ASKED)
    assert ids(found) == [record["id"] for record in records]
    assert (found.matched, found.complete, found.notes) == (25, True, [])


def test_hrefs_and_properties_come_through_untouched(serve, records):
    found = ApiSource(serve(records).url).find(ASKED)
    made = found.items[3].to_dict(include_self_link=True, transform_hrefs=False)
    assert made["assets"] == records[3]["assets"]
    assert made["properties"] == records[3]["properties"]


def test_items_repeated_over_page_borders_count_once_and_it_is_said(serve, records):
    found = ApiSource(serve(records, overlap=2).url).find(ASKED)
    assert ids(found) == [record["id"] for record in records]
    assert "twice" in found.notes[0]


def test_a_server_that_says_more_than_it_gives_is_not_believed_in_silence(serve, records):
    with pytest.warns(TerrascopeWarning, match=r"counts 300 items.*gave 25"):
        ApiSource(serve(records, matched=300).url).find(ASKED)


def test_a_border_repeat_that_pushed_an_item_out_is_noticed_by_the_count(serve, records):
    shifted = [*records[:10], *records[9:]]
    del shifted[15]
    with pytest.warns(TerrascopeWarning, match="may be incomplete"):
        found = ApiSource(serve(shifted, matched=25).url).find(ASKED)
    assert len(found.items) == 24


def test_page_one_for_ever_is_an_error(stac_server, page, records):
    def search(body):
        return page(records[:10], following={"href": f"{server.url}/search", "method": "POST", "body": body})

    server = stac_server(search)
    with pytest.raises(CatalogueReplyError, match="same page again and again") as caught:
        ApiSource(server.url).find(ASKED)
    assert caught.value.received == 10
    assert len(server.searches) <= 3


def test_page_one_for_ever_under_ever_new_tokens_is_an_error(stac_server, page, records):
    def search(body):
        token = str(int(body.get("token", 0)) + 1)
        link = {"href": f"{server.url}/search", "method": "POST", "body": {**body, "token": token}}
        return page(records[:10], following=link)

    server = stac_server(search)
    with pytest.raises(CatalogueReplyError, match="same page again and again"):
        ApiSource(server.url).find(ASKED)
    assert len(server.searches) <= 3


def test_max_items_stops_asking_and_says_there_are_more(serve, records):
    server = serve(records, matched=25)
    found = ApiSource(server.url).find(Request(collections=NDVI, max_items=12))
    assert ids(found) == [record["id"] for record in records[:12]]
    assert (found.matched, found.complete) == (25, False)
    assert len(server.searches) == 2


def test_exactly_max_items_is_complete(serve, records):
    found = ApiSource(serve(records, matched=25).url).find(Request(collections=NDVI, max_items=25))
    assert (len(found.items), found.complete, found.matched) == (25, True, 25)


def test_a_server_that_does_not_sort_is_read_to_its_end_before_the_first_are_chosen(serve, records):
    server = serve(list(reversed(records)), conforms=("core", "search", "collections"))
    found = ApiSource(server.url).find(Request(collections=NDVI, max_items=3))
    assert ids(found) == [record["id"] for record in records[:3]]
    assert all("sortby" not in body for body in server.searches)


def test_a_ceiling_ends_an_answer_without_end(stac_server, page, records, monkeypatch):
    monkeypatch.setattr("terrascope_nb.catalogue.api.CEILING", 50)

    def search(body):
        n = int(body.get("token", 0))
        fresh = [{**record, "id": f"{record['id']}_{n}"} for record in records]
        link = {"href": f"{server.url}/search", "method": "POST", "body": {**body, "token": str(n + 1)}}
        return page(fresh, following=link)

    server = stac_server(search)
    found = ApiSource(server.url).find(ASKED)
    assert not found.complete
    assert len(server.searches) == 3


def test_what_is_asked_is_whole_utc_days_a_true_area_and_time_order(serve, records):
    server = serve(records)
    field = box(5.0, 51.0, 5.1, 51.1)
    ApiSource(server.url).find(Request(collections=NDVI, geometry=field, period=period("2020-05")))
    body = server.searches[0]
    assert body["datetime"] == "2020-05-01T00:00:00Z/2020-05-31T23:59:59.999999Z"
    assert box(*field.bounds).equals(__import__("shapely").geometry.shape(body["intersects"]))
    assert body["collections"] == list(NDVI)
    assert [part["field"] for part in body["sortby"]] == ["properties.datetime", "id"]


def test_every_stretch_of_a_season_is_asked_and_the_time_between_is_not(serve, records):
    server = serve(records)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ApiSource(server.url).find(Request(collections=NDVI, period=season("04-01", "05-31", [2019, 2020])))
    assert [body["datetime"][:10] for body in server.searches if "token" not in body] == ["2019-04-01", "2020-04-01"]


def test_an_area_of_very_many_vertices_is_sent_as_a_simpler_one_and_checked_here(serve, record):
    ring = Point(5, 51).buffer(0.5, 2000).difference(Point(5, 51).buffer(0.2, 200))
    inside = record("2020-05-01T10:40:31", footprint=box(4.9, 50.95, 5.1, 51.05))
    on_it = record("2020-05-02T10:40:31", footprint=box(5.25, 50.95, 5.35, 51.05))
    server = serve([inside, on_it])
    found = ApiSource(server.url).find(Request(collections=NDVI, geometry=ring))
    assert ids(found) == [on_it["id"]]
    assert len(json.dumps(server.searches[0]["intersects"])) < 20_000
    assert found.notes == [], "the server did what it was asked"


def test_a_tile_alone_is_asked_as_its_square(serve, records):
    server = serve(records)
    ApiSource(server.url).find(Request(collections=NDVI, tile=("31UFS",)))
    assert server.searches[0]["intersects"]["type"] == "Polygon"


def test_a_server_without_filters_gets_none_and_the_answer_is_the_same(serve, records):
    server = serve(records)
    found = ApiSource(server.url).find(Request(collections=NDVI, max_cloud=5, filter="eo:cloud_cover > 2"))
    assert [item.properties["eo:cloud_cover"] for item in found.items] == [3, 4, 5]
    assert all("filter" not in body for body in server.searches)
    assert "does not filter" in found.notes[0]


FILTERS = ("core", "search", "collections", "sort", "filter")


def test_a_server_that_ignores_filters_is_caught_and_it_is_said(serve, records):
    server = serve(records, conforms=FILTERS)
    found = ApiSource(server.url).find(Request(collections=NDVI, filter="eo:cloud_cover <= 5"))
    assert len(found.items) == 5
    assert server.searches[0]["filter"]["op"] == "<="
    assert "20 items that do not fit" in found.notes[0]


def test_a_server_that_ignores_area_and_period_is_caught_too(serve, records):
    found = ApiSource(serve(records).url).find(
        Request(collections=NDVI, geometry=box(5, 51, 5.1, 51.1), period=period("2020-05-03/2020-05-04"))
    )
    assert len(found.items) == 2
    assert "do not fit" in found.notes[0]
    nothing = ApiSource(serve(records).url).find(Request(collections=NDVI, geometry=box(15, 51, 15.1, 51.1)))
    assert nothing.items == []


def test_a_server_that_answers_a_filter_with_nothing_and_200_is_caught(stac_server, page, records):
    # rustac's memory mode does this; the count alone would pass wrongly.
    server = stac_server(lambda body: page([] if "filter" in body else records), conforms=FILTERS)
    found = ApiSource(server.url).find(Request(collections=NDVI, filter="eo:cloud_cover <= 5"))
    assert len(found.items) == 5
    assert "answers nothing once it gets a filter" in found.notes[0]


def test_an_honest_nothing_costs_one_more_question_and_stays_nothing(stac_server, page, records):
    server = stac_server(lambda body: page([] if "filter" in body else records), conforms=FILTERS)
    found = ApiSource(server.url).find(Request(collections=NDVI, filter="eo:cloud_cover > 90"))
    assert (found.items, found.matched, found.notes) == ([], 0, [])
    assert len(server.searches) == 2


def test_a_refused_filter_is_left_out_and_checked_here(stac_server, page, records):
    def search(body):
        return (400, {}, b'{"description": "unknown property"}') if "filter" in body else page(records)

    found = ApiSource(stac_server(search, conforms=FILTERS).url).find(
        Request(collections=NDVI, filter="eo:cloud_cover <= 5")
    )
    assert len(found.items) == 5
    assert "refused" in found.notes[0]


def test_items_without_a_property_come_along_when_the_server_filters_by_it(serve, records):
    server = serve(records, conforms=FILTERS)
    ApiSource(server.url).find(Request(collections=NDVI, relative_orbit=(51,), tile=("31UFS",), max_cloud=20))
    text = json.dumps(server.searches[0]["filter"])
    assert text.count("isNull") == 3


def test_html_instead_of_an_api_says_so(http_server):
    server = http_server(lambda *_: (200, {"Content-Type": "text/html"}, b"<html><title>Log in</title></html>"))
    with pytest.raises(CatalogueReplyError, match="HTML page titled 'Log in'"):
        ApiSource(server.url).find(ASKED)


def test_html_in_the_middle_of_an_api_says_so(stac_server):
    server = stac_server(lambda body: (200, {"Content-Type": "text/html"}, b"\n <!DOCTYPE html><p>Gateway</p>"))
    with pytest.raises(CatalogueReplyError, match=r"HTML page.*/search|/search.*HTML page"):
        ApiSource(server.url).find(ASKED)


def test_json_that_is_no_api_says_so(http_server):
    server = http_server(lambda *_: (200, {}, b'{"hello": "world"}'))
    with pytest.raises(CatalogueReplyError, match="as a STAC API, but its answer is none"):
        ApiSource(server.url).find(ASKED)


@pytest.mark.parametrize("reply", [{"message": "oops"}, {"type": "FeatureCollection"}, {"features": None}, [], "x"])
def test_an_answer_without_items_is_not_taken_for_nothing_found(stac_server, reply):
    with pytest.raises(CatalogueReplyError):
        ApiSource(stac_server(lambda body: reply).url).find(ASKED)


def test_an_item_that_is_none_says_so(stac_server, page):
    with pytest.raises(CatalogueReplyError, match="its answer is none"):
        ApiSource(stac_server(lambda body: page([{"id": "a", "type": "Feature"}])).url).find(ASKED)


def test_json_that_breaks_off_says_where(stac_server):
    server = stac_server(lambda body: (200, {}, b'{"type": "FeatureCollection", "features": [{"id": '))
    with pytest.raises(CatalogueReplyError, match=r"breaks at character \d+ of \d+"):
        ApiSource(server.url).find(ASKED)


def test_an_answer_shorter_than_announced_says_so(stac_server):
    server = stac_server(lambda body: (200, {"Content-Length": "5000", "Connection": "close"}, b'{"type": '))
    with options(timeout=0.5), pytest.raises((CatalogueUnreachableError, CatalogueReplyError)):
        ApiSource(server.url).find(ASKED)


def test_a_server_error_that_stays_says_the_status(stac_server):
    server = stac_server(lambda body: (500, {}, b'{"description": "boom"}'))
    with options(retries=1), pytest.raises(CatalogueUnreachableError, match=r"\(500\).*boom") as caught:
        ApiSource(server.url).find(ASKED)
    assert caught.value.status == 500
    assert len(server.searches) == 2
    assert isinstance(caught.value, OSError)


def test_a_server_error_that_passes_is_not_seen(stac_server, page, records):
    server = stac_server(lambda body: (503, {}, b"") if len(server.searches) == 1 else page(records))
    with options(retries=2):
        assert len(ApiSource(server.url).find(ASKED).items) == 25


def test_429_is_waited_out_as_long_as_retry_after_says(stac_server, page, records):
    server = stac_server(lambda body: (429, {"Retry-After": "1"}, b"") if len(server.searches) == 1 else page(records))
    start = time.monotonic()
    with options(retries=2):
        assert len(ApiSource(server.url).find(ASKED).items) == 25
    assert 1 <= time.monotonic() - start < 5


def test_429_to_the_end_says_how_long_to_wait(stac_server):
    server = stac_server(lambda body: (429, {"Retry-After": "7200"}, b""))
    with pytest.raises(CatalogueUnreachableError, match=r"slow down.*7200 s") as caught:
        ApiSource(server.url).find(ASKED)
    assert (caught.value.status, caught.value.retry_after) == (429, "7200")


@pytest.mark.parametrize("status", [401, 403])
def test_a_protected_collection_says_that_it_needs_an_account(stac_server, status):
    with pytest.raises(CatalogueReplyError, match="account"):
        ApiSource(stac_server(lambda body: (status, {}, b"{}")).url).find(ASKED)


@pytest.mark.parametrize("answer", ["nothing", "404"])
def test_an_unknown_collection_is_named_with_near_misses(stac_server, page, answer):
    server = stac_server(lambda body: page([]) if answer == "nothing" else (404, {}, b"{}"))
    with pytest.raises(
        CatalogueReplyError, match=r"no collection terrascope-s2-ndvi-v3.*terrascope-s2-ndvi-v2"
    ) as caught:
        ApiSource(server.url).find(Request(collections=("terrascope-s2-ndvi-v3",)))
    assert caught.value.status == 404
    assert caught.value.collection == "terrascope-s2-ndvi-v3"


def test_nothing_found_in_a_known_collection_is_no_error(stac_server, page):
    found = ApiSource(stac_server(lambda body: page([], matched=0)).url).find(ASKED)
    assert (found.items, found.matched) == ([], 0)


def test_no_server_at_all_says_so_at_once():
    start = time.monotonic()
    with pytest.raises(CatalogueUnreachableError, match="gave no answer"):
        ApiSource("http://127.0.0.1:9/").find(ASKED)
    assert time.monotonic() - start < 5


def test_a_server_that_never_answers_is_given_up(http_server):
    server = http_server(lambda *_: time.sleep(2) or (200, {}, b"{}"))
    with options(timeout=0.3), pytest.raises(CatalogueUnreachableError, match="timed out"):
        ApiSource(server.url).find(ASKED)


def test_a_client_of_the_users_own_is_used_with_its_modifier(serve, records):
    def sign(page_or_item):
        for feature in page_or_item.get("features", []):
            feature["assets"]["NDVI"]["href"] += "?signed"

    client = pystac_client.Client.open(serve(records).url, modifier=sign)
    found = ApiSource(client).find(ASKED)
    assert len(found.items) == 25
    assert found.items[0].assets["NDVI"].href.endswith("?signed")


def test_errors_of_the_users_own_client_are_ours(stac_server):
    client = pystac_client.Client.open(stac_server(lambda body: (500, {}, b"boom")).url)
    with pytest.raises(CatalogueUnreachableError, match="500"):
        ApiSource(client).find(ASKED)


def test_an_area_over_180_degrees_is_asked_in_two_parts(serve, records):
    server = serve(records)
    ApiSource(server.url).find(Request(collections=NDVI, bbox=(179, -10, -179, 10)))
    assert server.searches[0]["intersects"]["type"] == "MultiPolygon"
