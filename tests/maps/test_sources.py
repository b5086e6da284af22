from __future__ import annotations

import numpy as np
import pytest

from terrascope_nb.maps.sources import attribution_of


def days(*text):
    return np.array(text, dtype="datetime64[ns]")


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        (
            "Contains modified Copernicus Sentinel data 2017-2019, processed by VITO",
            "Contains modified Copernicus Sentinel data 2018, processed by VITO",
        ),
        (
            "Contains modified Copernicus Sentinel data 2017, 2018; and more",
            "Contains modified Copernicus Sentinel data 2018; and more",
        ),
        ("Contains modified Copernicus Sentinel data [2017]", "Contains modified Copernicus Sentinel data 2018"),
        ("Contains modified Copernicus Sentinel data {year}", "Contains modified Copernicus Sentinel data 2018"),
        ("© ESA WorldCover project 2021", "© ESA WorldCover project 2021"),
    ],
)
def test_the_years_are_those_of_what_is_drawn(stated, shown):
    assert attribution_of({"attribution": stated}, days("2018-07-05")) == shown


def test_without_dates_the_stated_years_stay():
    stated = "Contains modified Copernicus Sentinel data 2017-2019"
    assert attribution_of({"attribution": stated}) == stated
    assert attribution_of({"attribution": stated}, days("NaT")) == stated


def test_when_the_sentence_is_lost_the_product_gives_it():
    assert "Copernicus Sentinel data 2020" in attribution_of({"product": "s2-ndvi"}, days("2020-01-01"))


def test_when_all_attributes_are_lost_a_sentinel_item_id_is_enough():
    shown = attribution_of({}, days("2020-01-01"), ["S2A_20200101T105441_31UFS_TOC_V210"])
    assert shown == "Contains modified Copernicus Sentinel data 2020"


def test_nothing_is_claimed_for_data_of_unknown_origin():
    assert attribution_of({}, days("2020-01-01")) == ""
    assert attribution_of({"product": "no such product"}, days("2020-01-01"), ["LC08_20200101"]) == ""


def test_years_are_written_short():
    drawn = days("2016-05-01", "2017-01-01", "2018-01-01", "NaT", "2020-01-01", "2018-12-31")
    assert attribution_of({"attribution": "Sentinel data {year}"}, drawn) == "Sentinel data 2016-2018, 2020"
