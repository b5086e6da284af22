"""The product picker without any browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import pytest

from terrascope_nb.errors import UnknownProductError
from terrascope_nb.products.registry import get_product, list_products
from terrascope_nb.settings import options
from terrascope_nb.widgets.pickers.area_facts import area_text
from terrascope_nb.widgets.pickers.product_picker import ProductPicker, card_html, legend_html


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    with options(language="en"):
        yield


def test_it_has_a_value_without_any_browser() -> None:
    picker = ProductPicker("terrascope-s2-ndvi-v2")
    assert picker.product is get_product("s2-ndvi")
    assert picker.list.value == "s2-ndvi"


def test_setting_the_trait_changes_the_list_and_tells_observers() -> None:
    picker = ProductPicker()
    seen: list[Any] = []
    picker.observe(lambda change: seen.append(change["new"].id), "product")
    picker.product = "worldcover"
    assert picker.list.value == "worldcover"
    picker.list.value = "s2-toc"
    assert picker.product.id == "s2-toc"
    assert seen == ["worldcover", "s2-toc"]
    with pytest.raises(UnknownProductError):
        picker.product = "s2-nvdi"
    assert picker.product.id == "s2-toc"


def test_all_products_are_offered_until_a_word_is_searched() -> None:
    picker = ProductPicker("s2-ndvi")
    assert len(picker.list.options) == len(list_products())
    picker.search.value = "radar"
    ids = [key for _, key in picker.list.options]
    assert "s1-sigma0" in ids
    assert "s2-toc" not in ids
    # what was chosen stays chosen, although it is not in the list
    assert picker.product.id == "s2-ndvi"
    assert picker.list.value is None
    picker.search.value = "no such word"
    assert picker.list.options == ()
    assert "words" in picker.message.value
    picker.search.value = ""
    assert picker.list.value == "s2-ndvi"


def test_a_word_of_another_language_finds_it_too() -> None:
    picker = ProductPicker()
    picker.search.value = "landbedekking"
    assert "worldcover" in [key for _, key in picker.list.options]


def test_only_products_that_can_be_loaded_are_offered_when_asked() -> None:
    ids = {key for _, key in ProductPicker(loadable=True).list.options}
    assert ids == {one.id for one in list_products() if not one.not_loadable}
    assert ids != {one.id for one in list_products()}


@pytest.mark.parametrize("product", list_products(), ids=lambda one: one.id)
@pytest.mark.parametrize("language", ["en", "nl", "fr"])
def test_every_product_has_a_card_in_every_language(product: Any, language: str) -> None:
    with options(language=language):
        card = card_html(product)
    assert product.description[language][:20] in card.replace("&#x27;", "'").replace("&quot;", '"').replace(
        "&amp;", "&"
    )
    assert product.variants[0].collection in card


def test_the_legend_has_the_colours_and_ends_of_the_style() -> None:
    band = get_product("s2-ndvi").find_band("NDVI")
    legend = legend_html(band)
    colours = re.findall(r"#[0-9a-f]{6}", legend)
    expected = mpl.colormaps["YlGn"]
    assert colours[0] == mpl.colors.to_hex(expected(0.0))
    assert colours[-1] == mpl.colors.to_hex(expected(1.0))
    assert "-0.08" in legend
    assert "0.92" in legend


def test_the_legend_of_classes_names_each() -> None:
    band = get_product("worldcover").find_band("MAP")
    with options(language="fr"):
        legend = legend_html(band)
    for one in band.classes:
        assert one.color is not None
        assert one.color in legend
    assert "Prairies" in legend


def test_a_backscatter_legend_is_in_decibels_as_the_map_draws_it() -> None:
    legend = legend_html(get_product("s1-sigma0").find_band("VV"))
    assert "-25" in legend
    assert "3 dB" in legend


def test_files_of_a_mount_are_seen(tmp_path: Any) -> None:
    folder = tmp_path / get_product("s2-ndvi").variants[0].local_roots[0]
    folder.mkdir(parents=True)
    with options(archive_roots=(tmp_path,)):
        assert "are on this machine" in ProductPicker("s2-ndvi").describe()
    # A sample, an index or a server may have them, so nothing is said.
    assert "on this machine" not in ProductPicker("s2-ndvi").describe()


def test_a_saved_notebook_shows_the_choice() -> None:
    bundle = ProductPicker("s2-ndvi")._repr_mimebundle_()
    assert "s2-ndvi" in bundle["text/plain"]
    assert "How green the land is" in bundle["text/html"]
    assert ProductPicker()._repr_mimebundle_()["text/plain"] == "Product: none chosen"


@pytest.mark.parametrize("wrong", [5, 5.0, [], object(), b"s2-ndvi"])
def test_what_is_no_name_is_refused_and_the_old_product_kept(wrong: Any) -> None:
    picker = ProductPicker("s2-ndvi")
    with pytest.raises(UnknownProductError, match="no name"):
        picker.value = wrong
    assert picker.product.id == "s2-ndvi"


def test_dutch_and_french_are_written_as_they_are_there() -> None:
    for language, until, note in (("nl", "tot vandaag", "[in het Engels]"), ("fr", "à aujourd'hui", "[en anglais]")):
        with options(language=language):
            told = ProductPicker("s2-ndvi").describe()
            assert until in told
            assert "au aujourd" not in told
            assert f"{note} In version V200" in told
            label = re.search("aria-label='([^']*)'", legend_html(get_product("s2-ndvi").bands[0]))[1]
            assert re.search(r"\d,\d", label)
            assert "." not in label
            assert area_text(1234.5) in ("1.234 km²", "1\u202f234 km²")
            assert area_text(0.25) == "25,00 ha"
    assert area_text(0.25) == "25.00 ha"
