"""A mark per date: clear and covered shares of the area, against numpy on the raw classification."""

from __future__ import annotations

import math
import threading
from datetime import date

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from rasterio.features import geometry_mask

from terrascope_nb.catalogue.item_facts import cloud_of
from terrascope_nb.catalogue.items import Items
from terrascope_nb.catalogue.query import search
from terrascope_nb.cube.dates import catalogue_marks, flags_plan, measured_marks
from terrascope_nb.cube.progress import Meter, told_to
from terrascope_nb.errors import MaskError
from terrascope_nb.extent.aoi import area as make_area

CLEAR = (2, 4, 5, 6, 7)


@pytest.fixture(scope="module")
def field():
    return make_area(shapely.Point(3.0235, 50.8155).buffer(0.002))


@pytest.fixture(scope="module")
def items(field):
    return search("s2-ndvi", field, "2018-05/2018-07", source="sample")


def raw_clear(items, field) -> dict[date, float]:
    """Clear percent of the field per day, from the files with rasterio alone (one tile, one pass a day)."""
    project = pyproj.Transformer.from_crs(4326, 32631, always_xy=True).transform
    shape = shapely.transform(field.geometry, lambda xy: np.column_stack(project(*xy.T)))
    found = {}
    for item in items:
        href = next(a.href for k, a in item.assets.items() if "SCENECLASSIFICATION" in a.href or "SCL" in k)
        with rasterio.open(href) as file:
            inside = geometry_mask([shape], file.shape, file.transform, invert=True)
            found[item.datetime.date()] = 100 * np.isin(file.read(1)[inside], CLEAR).mean()
    return found


def test_flags_over_the_area_give_the_clear_share_that_numpy_counts(items, field):
    marks = catalogue_marks(items)
    measured = {mark.day: mark for mark in measured_marks(flags_plan(items), marks)}
    truth = raw_clear(items, field)
    assert set(measured) == set(truth)
    assert {mark.clear_from for mark in measured.values()} == {"flags"}
    for day, share in truth.items():
        assert measured[day].clear == pytest.approx(share, abs=1e-9)
        assert measured[day].coverage == pytest.approx(100)
    # The scene's own cloud cover is another number: the area is not the scene.
    assert any(abs(mark.clear - measured[mark.day].clear) > 1 for mark in marks)


def test_the_catalogue_gives_marks_at_once_and_says_what_they_are(items):
    marks = catalogue_marks(items)
    assert [mark.day for mark in marks] == sorted({item.datetime.date() for item in items})
    assert [identity for mark in marks for identity in mark.item_ids] == [item.id for item in items]
    for mark, item in zip(marks, items, strict=True):
        assert (mark.clear, mark.clear_from) == (item.properties["terrascope_nb:clear"], "index")
        assert mark.version == "V000"


def test_without_an_index_of_quality_the_cloud_cover_of_the_catalogue_counts(items):
    plain = [item.clone() for item in items]
    for item in plain:
        del item.properties["terrascope_nb:clear"]
    plain[0].properties["eo:cloud_cover"] = None
    marks = catalogue_marks(Items(plain, product=items.product, area=items.area))
    assert math.isnan(marks[0].clear)
    for mark, item in zip(marks[1:], plain[1:], strict=True):
        assert (mark.clear, mark.clear_from) == (100 - cloud_of(item), "catalogue")


def test_a_cancelled_measurement_begins_nothing_further(items):
    cancel = threading.Event()
    marks = catalogue_marks(items)
    got = []
    for mark in measured_marks(flags_plan(items), marks, cancel=cancel, workers=1):
        got.append(mark)
        cancel.set()
    assert 1 <= len(got) <= 3 < len(marks)


def test_what_cannot_be_measured_is_said(items, field):
    with pytest.raises(MaskError, match="Without an area"):
        flags_plan(search("s2-ndvi", None, "2018-06", source="sample"))
    with pytest.raises(MaskError, match="s1-sigma0 has no quality band"):
        flags_plan(search("s1-sigma0", field, "2018-06", source="sample"))


def test_a_product_without_cloud_cover_has_marks_without_a_share(field):
    marks = catalogue_marks(search("s1-sigma0", field, "2018-06", source="sample"))
    assert marks
    assert all(math.isnan(mark.clear) and mark.clear_from == "" for mark in marks)


def test_a_listener_is_told_of_every_piece_and_may_stop_the_work():
    heard = []
    with told_to(lambda meter: heard.append((meter.what, meter.done, meter.total))), Meter("counting", 2) as meter:
        meter.advance()
        meter.advance()
    assert heard == [("counting", 0, 2), ("counting", 1, 2), ("counting", 2, 2)]

    class StopError(Exception):
        pass

    def stop(meter: Meter) -> None:
        if meter.done:
            raise StopError

    with pytest.raises(StopError), told_to(stop), Meter("counting", 2) as meter:
        meter.advance()
