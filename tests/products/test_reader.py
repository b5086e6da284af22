"""A table with a mistake is refused with the place and the cure."""

from __future__ import annotations

import pytest

from terrascope_nb.errors import TableError
from terrascope_nb.products.model import in_language
from terrascope_nb.products.reader import read_product

SHARED = {
    "_more": {
        "family": "shared-family",
        "licence": "shared licence",
        "bands": [
            {"name": "A", "title": {"en": "shared A"}, "scale": 2.0, "offset": 1.0},
            {
                "name": "Q",
                "title": {"en": "Quality"},
                "kind": "classes",
                "classes": [{"value": 1, "name": "good", "title": {"en": "Good"}}],
            },
        ],
        "quality": {"band": "Q", "kind": "classes", "presets": {"clear": ["good"]}},
    }
}
GOOD = """
id = "x"
{top}
default_bands = ["A"]
[title]
en = "X"
[description]
en = "An x."
[variant_defaults]
cadence = "day"
[[variants]]
collection = "x-v1"
[[variants]]
collection = "x-v2"
cadence = "month"
[band_defaults]
dtype = "uint8"
unit = "1"
[[bands]]
name = "A"
title = {{ en = "A" }}
{band}
"""


def read(top: str = "", band: str = ""):
    return read_product(GOOD.format(top=top, band=band), SHARED.__getitem__, where="x.toml")


def test_defaults_fill_what_bands_and_variants_leave_out():
    product = read(band='dtype = "int16"')
    assert (product.bands[0].dtype, product.bands[0].unit) == ("int16", "1")
    assert [variant.cadence for variant in product.variants] == ["day", "month"]


@pytest.mark.parametrize("word", ["unknown", "none"])
def test_unknown_takes_a_default_away(word):
    assert read(band=f'unit = "{word}"').bands[0].unit is None


def test_a_shared_table_adds_bands_quality_and_defaults_but_never_overrides():
    product = read('use = ["_more"]\nlicence = "own"')
    assert [band.name for band in product.bands] == ["A", "Q"]
    assert product.bands[0].title["en"] == "A"
    assert product.bands[0].scale == 2.0
    assert product.quality.presets == {"clear": ("good",)}
    assert (product.family, product.licence) == ("shared-family", "own")


def test_the_shared_table_is_not_changed_by_being_used():
    before = repr(SHARED)
    read('use = ["_more"]')
    read('use = ["_more"]')
    assert repr(SHARED) == before


@pytest.mark.parametrize(
    ("top", "band", "words"),
    [
        ("titel = 1", "", "no key 'titel'"),
        ("", "nodta = 3", "nodata"),
        ("", "scale = 0.0\noffset = 0.0", "scale of 0"),
        ("", "valid_range = [9, 1]", "backwards"),
        ("", 'style = { cmpa = "gray" }', "cmap"),
        ('alternatives = ["resolution"', "", "not readable as TOML"),
        (
            "",
            'classes = [{ value = 1, name = "a", title = { en = "a" } }, { value = 1, name = "b", title = { en = "b" } }]',
            "twice",
        ),
    ],
    ids=["unknown key", "unknown band key", "zero scale", "range", "style", "no toml", "class twice"],
)
def test_a_mistake_in_a_table_is_named(top, band, words):
    with pytest.raises(TableError, match=words):
        read(top, band)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('default_bands = ["A"]', 'default_bands = ["B"]', "default band B"),
        ('[[bands]]\nname = "A"', '[[bands]]\nname = "A"\ntitle = { en = "A" }\n[[bands]]\nname = "A"', "stands twice"),
        ('[title]\nen = "X"', '[title]\nnl = "X"', "without English"),
        (
            '[[variants]]\ncollection = "x-v1"\n[[variants]]\ncollection = "x-v2"\ncadence = "month"\n',
            "",
            "no collection",
        ),
        ('id = "x"\n', "", "id"),
        ('collection = "x-v1"', 'opensearch = "x-v1"', "collection"),
    ],
    ids=["default band", "band twice", "no English", "no variants", "no id", "variant without collection"],
)
def test_a_table_that_contradicts_itself_is_refused(old, new, words):
    text = GOOD.format(top="", band="")
    assert old in text
    with pytest.raises(TableError, match=words):
        read_product(text.replace(old, new), SHARED.__getitem__, where="x.toml")


def test_a_preset_of_a_class_that_is_not_there_is_refused():
    shared = {"_more": {**SHARED["_more"], "quality": {"band": "Q", "kind": "classes", "presets": {"clear": ["bad"]}}}}
    with pytest.raises(TableError, match=r"clear.*bad"):
        read_product(GOOD.format(top='use = ["_more"]', band=""), shared.__getitem__, where="x.toml")


def test_a_text_without_translation_is_given_in_english():
    assert in_language({"en": "Water"}, "fr") == "Water"
    assert in_language({"en": "Water", "fr": "Eau"}, "fr") == "Eau"
