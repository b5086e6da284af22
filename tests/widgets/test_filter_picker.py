"""The filter picker without any browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from terrascope_nb.catalogue.query import search
from terrascope_nb.errors import FilterError
from terrascope_nb.settings import options
from terrascope_nb.widgets.pickers.filter_picker import FilterPicker

FIELD = (3.021, 50.813, 3.0275, 50.818)


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    with options(language="en"):
        yield


def _hidden(field: Any) -> bool:
    return field.layout.display == "none"


def test_it_has_a_value_without_any_browser() -> None:
    picker = FilterPicker({"max_cloud": 20, "platform": "S2A", "version": "latest"}, product="s2-ndvi")
    assert picker.filters == {"max_cloud": 20.0, "platform": "sentinel-2a"}
    assert picker.max_cloud.value == 20
    assert picker.platform.value == ("sentinel-2a",)


def test_nothing_chosen_is_nothing_asked() -> None:
    assert FilterPicker().filters == {}
    assert "none" in FilterPicker().describe()


def test_the_choice_is_what_search_takes() -> None:
    picker = FilterPicker(product="s2-ndvi")
    everything = search("s2-ndvi", FIELD, "2018", source="sample", **picker.filters)
    picker.max_cloud.value = 10
    few = search("s2-ndvi", FIELD, "2018", source="sample", **picker.filters)
    clouds = everything.to_dataframe()["cloud"]
    assert len(few) == int((clouds <= 10).sum())
    assert 0 < len(few) < len(everything)
    picker.filters = {}
    picker.platform.value = ("sentinel-2b",)
    only = search("s2-ndvi", FIELD, "2018", source="sample", **picker.filters).to_dataframe()
    assert set(only["platform"].str.lower()) == {"sentinel-2b"}


def test_fields_change_the_trait_and_the_trait_the_fields() -> None:
    picker = FilterPicker(product="s1-sigma0")
    seen: list[Any] = []
    picker.observe(lambda change: seen.append(change["new"]), "filters")
    picker.orbit_direction.value = "descending"
    assert picker.filters == {"orbit_direction": "descending"}
    picker.filters = {"orbit_direction": "ASC", "relative_orbit": [8, 51]}
    assert picker.orbit_direction.value == "ascending"
    assert picker.relative_orbit.value == "8, 51"
    assert seen[-1] == {"orbit_direction": "ascending", "relative_orbit": [8, 51]}


def test_what_has_no_field_is_kept() -> None:
    picker = FilterPicker({"tile": "31ues", "max_items": 5})
    picker.max_cloud.value = 40
    assert picker.filters == {"max_cloud": 40.0, "tile": "31UES", "max_items": 5}
    assert "31UES" in picker.describe()


def test_a_mistake_is_said_and_the_earlier_choice_stays() -> None:
    picker = FilterPicker({"relative_orbit": 8})
    picker.relative_orbit._handle_custom_msg({"action": 0, "text": "eight"}, [])
    assert picker.filters == {"relative_orbit": 8}
    assert "eight" in picker.relative_orbit.problem
    picker.relative_orbit._handle_custom_msg({"action": 0, "text": "900"}, [])
    assert picker.filters == {"relative_orbit": 8}
    for wrong in ({"max_cloud": 140}, {"clouds": 10}, {"version": "newest"}):
        with pytest.raises(FilterError):
            picker.filters = wrong
    assert picker.filters == {"relative_orbit": 8}


def test_a_product_offers_what_it_has() -> None:
    picker = FilterPicker(product="s2-ndvi")
    assert picker.platform.options == ("sentinel-2a", "sentinel-2b", "sentinel-2c")
    assert _hidden(picker.resolution)
    assert not _hidden(picker.max_cloud)
    picker.product = "s1-sigma0"
    assert picker.platform.options[0] == "sentinel-1a"
    assert _hidden(picker.max_cloud)
    picker.product = "probav-s10-toc"
    assert "333m" in [value for _, value in picker.resolution.options]
    assert not _hidden(picker.resolution)
    picker.resolution.value = "333m"
    assert picker.filters == {"resolution": "333m"}


def test_what_a_new_product_does_not_have_is_left_out_and_said() -> None:
    picker = FilterPicker(
        {"max_cloud": 20, "platform": "sentinel-2a", "orbit_direction": "ascending"}, product="s2-ndvi"
    )
    picker.product = "s1-sigma0"
    assert picker.filters == {"orbit_direction": "ascending"}
    assert "cloud" in picker.message.value


def test_a_cloud_cover_that_may_be_a_fraction_is_said_in_the_widget() -> None:
    picker = FilterPicker(product="s2-ndvi")
    picker.max_cloud.value = 0.2
    assert picker.filters == {"max_cloud": 0.2}
    assert "0.2 percent" in picker.message.value


def test_a_saved_notebook_shows_the_choice() -> None:
    bundle = FilterPicker({"max_cloud": 20})._repr_mimebundle_()
    assert "20" in bundle["text/plain"]
    with options(language="fr"):
        assert "Filtres" in FilterPicker({"max_cloud": 20}).describe()


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        5,
        "abc",
        {"max_cloud": "x"},
        {"max_cloud": [1]},
        {"orbit_direction": 5},
        {"platform": 5},
        {"platform": ["sentinel-2a", None]},
        {"version": []},
        {"tile": 5},
    ],
)
def test_filters_that_cannot_be_are_refused_by_name_and_the_old_ones_kept(wrong: Any) -> None:
    picker = FilterPicker({"max_cloud": 20})
    for name in ("value", "filters"):
        with pytest.raises(FilterError, match=r"give|there are|percentage"):
            setattr(picker, name, wrong)
        assert picker.filters == {"max_cloud": 20.0}
        assert picker.max_cloud.value == 20.0
