from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.catalogue.expressions import cql2_filter, filter_json, named_properties
from terrascope_nb.errors import FilterError

NDVI = "S2A_20250516T104651_31UFS_NDVI_10M_V210"


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("eo:cloud_cover < 10", True),
        ('"eo:cloud_cover" < 4.5', False),
        ("properties.eo:cloud_cover < 10", True),
        ({"op": "<", "args": [{"property": "properties.eo:cloud_cover"}, 10]}, True),
        ({"op": "<", "args": [{"property": "eo:cloud_cover"}, 1]}, False),
        ("platform = 'sentinel-2a' AND sat:relative_orbit IN (51, 94)", True),
        ("id LIKE 'S2A%'", True),
        ("grid:code IS NULL", False),
        ("eo:snow_cover IS NULL", True),
        ("eo:snow_cover < 10", False),
        ("NOT (eo:snow_cover < 10)", False),
        ("eo:snow_cover < 10 OR eo:cloud_cover < 10", True),
        ("datetime > TIMESTAMP('2025-05-01T00:00:00Z')", True),
        ("S_INTERSECTS(geometry, POINT(5 51))", True),
        ("S_INTERSECTS(geometry, POINT(15 51))", False),
    ],
)
def test_cql2_means_what_the_standard_says(real_item, expression, holds):
    assert cql2_filter(expression)(real_item(NDVI)) is holds


@pytest.mark.parametrize("expression", ["eo:cloud_cover <", "", {"op": "x"}, {"a": 1}, "SELECT * FROM items"])
def test_what_is_no_cql2_is_an_error_with_an_example(expression):
    with pytest.raises(FilterError, match=r"is not CQL2.*Write for example"):
        cql2_filter(expression)


@pytest.mark.parametrize("expression", ["platform < 3", "eo:cloud_cover = 'low'", "eo:cloud_cover"])
def test_comparing_what_cannot_be_compared_is_an_error_not_an_empty_answer(real_item, expression):
    with pytest.raises(FilterError, match=NDVI):
        cql2_filter(expression)(real_item(NDVI))


def test_a_server_is_sent_plain_property_names():
    made = filter_json("properties.eo:cloud_cover < 10 AND platform = 'sentinel-2a'")
    assert made == {
        "op": "and",
        "args": [
            {"op": "<", "args": [{"property": "eo:cloud_cover"}, 10]},
            {"op": "=", "args": [{"property": "platform"}, "sentinel-2a"]},
        ],
    }


def test_the_properties_of_an_expression_are_known():
    names = named_properties("properties.processing:version = '200' OR NOT (id LIKE 'a%' AND eo:cloud_cover < 3)")
    assert names == {"processing:version", "id", "eo:cloud_cover"}


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_comparison_agrees_with_python(cloud, limit):
    import datetime as dt

    import pystac

    item = pystac.Item("x", None, None, dt.datetime(2020, 1, 1), {"eo:cloud_cover": cloud})
    expression = {"op": "<=", "args": [{"property": "eo:cloud_cover"}, limit]}
    assert cql2_filter(expression)(item) is (cloud <= limit)
