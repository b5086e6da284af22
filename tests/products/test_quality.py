"""A mask keeps exactly the pixels its name says, for classes and for bits."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from terrascope_nb.errors import MaskError
from terrascope_nb.products import MaskRule, class_named, get_product, keep_classes, list_products

SCL = get_product("s2-toc")
SM = get_product("probav-s10-toc")
EVERY_BYTE = np.arange(256, dtype=np.uint8)

# WorldCereal/worldcereal-classification, src/worldcereal/openeo/masking.py
INVALID = {0, 1, 3, 8, 9, 10, 11}


@pytest.mark.parametrize(
    ("mask", "kept"),
    [
        ("clear", set(range(12)) - INVALID),
        ("clear_strict", {4, 5, 6}),
        ("snow_ok", set(range(12)) - INVALID | {11}),
        ("land", {4, 5}),
        ("valid", set(range(2, 12))),
        ("vegetation", {4}),
        ("Vegetation", {4}),
        ("snow", {11}),
        (4, {4}),
        ("4", {4}),
        (["vegetation", "bare_soil"], {4, 5}),
        (["clear", "snow"], {2, 4, 5, 6, 7, 11}),
        (("land", 6), {4, 5, 6}),
        ("unclassified", {7}),
        ("not_vegetated", {5}),
        ("snow_or_ice", {11}),
        ("cirrus", {10}),
    ],
)
def test_scl_masks_keep_these_classes_and_nothing_else(mask, kept):
    rule = keep_classes(SCL, mask)
    assert set(np.flatnonzero(rule.apply(EVERY_BYTE))) == kept
    assert set(rule.values) == kept
    assert rule.band == "SCL"


@pytest.mark.parametrize("preset", sorted(SCL.quality.presets))
def test_no_scl_preset_keeps_nodata(preset):
    assert not keep_classes(SCL, preset).apply(np.zeros(1, np.uint8)).any()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "int64"])
def test_any_integer_type_gives_the_same_mask(dtype):
    stored = np.array([[0, 4, 5], [8, 11, 7]], dtype=dtype)
    kept = keep_classes(SCL, "clear").apply(stored)
    assert kept.dtype == bool
    assert kept.tolist() == [[False, True, True], [False, False, True]]


def test_a_strided_view_is_read_right():
    stored = np.array([[4, 0, 5, 0], [9, 0, 6, 0]], dtype=np.uint8)[:, ::2]
    assert keep_classes(SCL, "clear").apply(stored).tolist() == [[True, True], [False, True]]


def test_numbers_outside_a_byte_are_not_kept_by_wrapping_round():
    stored = np.array([4, 260, -252, 4 + 65536], dtype=np.int64)  # all are 4 modulo 256
    assert keep_classes(SCL, "vegetation").apply(stored).tolist() == [True, False, False, False]


@pytest.mark.parametrize("product", [SCL, SM], ids=["classes", "bits"])
def test_a_decoded_quality_band_is_refused_not_rounded(product):
    with pytest.raises(MaskError, match="whole numbers"):
        keep_classes(product, "clear").apply(np.array([4.0, np.nan], dtype=np.float32))


@pytest.mark.parametrize(
    ("stored", "state", "surface", "good"),
    [
        (0b11110011, "cloud", "sea", 4),  # 243, seen in a real file
        (0b11111011, "cloud", "land", 4),  # 251, seen in a real file
        (0b11111000, "clear", "land", 4),  # 248
        (0b11110000, "clear", "sea", 4),  # 240
        (0b11111001, "shadow", "land", 4),  # 249
        (0b11111010, "undefined", "land", 4),  # 250
        (0b11111100, "snow_ice", "land", 4),  # 252
        (0b00001000, "clear", "land", 0),  # 8
        (0b01101000, "clear", "land", 2),  # 104: near infrared and red
    ],
)
def test_status_map_bits_mean_what_was_worked_out_by_hand(stored, state, surface, good):
    value = np.array([stored], dtype=np.uint8)

    def holds(name: str) -> bool:
        return bool(keep_classes(SM, name).apply(value)[0])

    assert [word for word in ("clear", "shadow", "undefined", "cloud", "snow_ice") if holds(f"state:{word}")] == [state]
    assert [word for word in ("sea", "land") if holds(f"surface:{word}")] == [surface]
    assert sum(holds(f"{band}:good") for band in ("swir", "nir", "red", "blue")) == good
    assert sum(holds(f"{band}:bad") for band in ("swir", "nir", "red", "blue")) == 4 - good


def test_each_quality_bit_belongs_to_its_own_band():
    for band, stored in {"swir": 16, "nir": 32, "red": 64, "blue": 128}.items():
        kept = keep_classes(SM, f"{band}:good").apply(EVERY_BYTE)
        assert np.array_equal(kept, (EVERY_BYTE & stored) == stored)


@pytest.mark.parametrize(
    ("mask", "formula"),
    [
        ("clear", lambda v: v & 7 == 0),
        ("clear_land", lambda v: v & 15 == 8),
        ("clear_strict", lambda v: v & 0b11110111 == 0b11110000),
        ("snow_ok", lambda v: np.isin(v & 7, (0, 4))),
        ("land", lambda v: v & 8 == 8),
        (["clear", "land"], lambda v: v & 15 == 8),
        (["state:clear", "state:shadow", "red:good"], lambda v: np.isin(v & 7, (0, 1)) & (v & 64 == 64)),
    ],
    ids=["clear", "clear_land", "clear_strict", "snow_ok", "land", "two presets", "single flags"],
)
def test_status_map_masks_equal_the_formula_for_every_byte(mask, formula):
    assert np.array_equal(keep_classes(SM, mask).apply(EVERY_BYTE), formula(EVERY_BYTE))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32"])
def test_bits_are_read_in_any_integer_type(dtype):
    stored = np.array([243, 248], dtype=dtype)
    assert keep_classes(SM, "clear_land").apply(stored).tolist() == [False, True]


@given(st.lists(st.sampled_from([c.name for c in SCL.find_band("SCL").classes]), min_size=1, max_size=12))
def test_several_classes_keep_what_each_of_them_keeps(names):
    together = keep_classes(SCL, names).apply(EVERY_BYTE)
    apart = np.any([keep_classes(SCL, name).apply(EVERY_BYTE) for name in names], axis=0)
    assert np.array_equal(together, apart)
    assert keep_classes(SCL, names + names).values == keep_classes(SCL, names).values


@pytest.mark.parametrize("product", [p for p in list_products() if p.quality], ids=lambda p: p.id)
def test_every_preset_of_every_product_makes_a_rule(product):
    assert "clear" in product.quality.presets
    for preset in product.quality.presets:
        kept = keep_classes(product, preset).apply(EVERY_BYTE)
        assert 0 < kept.sum() < 256


def test_a_rule_is_hashable_and_crosses_process_borders():
    rule = keep_classes(SM, "clear_land")
    again = pickle.loads(pickle.dumps(rule))
    assert again == rule
    assert hash(again) == hash(rule)
    assert isinstance(rule, MaskRule)
    assert rule.asked == ("clear_land",)
    assert rule.names == ("state:clear", "surface:land")
    assert len(pickle.dumps(rule)) < 1000


@pytest.mark.parametrize(
    ("product", "wrong", "meant"),
    [
        (SCL, "cleer", "clear"),
        (SCL, "vegetaton", "vegetation"),
        (SCL, ["clear", "snwo"], "snow"),
        (SM, "clear_lnad", "clear_land"),
        (SM, "state:claer", "state:clear"),
    ],
)
def test_a_wrong_mask_gets_near_misses_and_the_list(product, wrong, meant):
    with pytest.raises(MaskError) as caught:
        keep_classes(product, wrong)
    message = str(caught.value)
    assert f"did you mean {meant}" in message
    assert "clear_strict" in message
    assert product.id in message
    assert isinstance(caught.value, ValueError)


def test_a_class_number_nobody_defined_is_an_error():
    with pytest.raises(MaskError, match="12"):
        keep_classes(SCL, 12)


def test_an_empty_mask_is_an_error_not_an_empty_picture():
    with pytest.raises(MaskError, match="keep nothing"):
        keep_classes(SCL, [])


@pytest.mark.parametrize("product_id", ["s1-sigma0", "probav-s10-ndvi", "cop-dem", "worldcover"])
def test_clear_without_a_quality_band_is_an_error(product_id):
    with pytest.raises(MaskError, match="no quality band") as caught:
        keep_classes(get_product(product_id), "clear")
    assert caught.value.product == product_id


def test_a_class_is_found_by_name_other_name_or_number():
    band = get_product("worldcover").find_band("MAP")
    assert class_named(band, "Cropland").value == 40
    assert class_named(band, 95).name == "mangroves"
    with pytest.raises(MaskError, match="did you mean cropland"):
        class_named(band, "croplnad")
    with pytest.raises(MaskError, match="no class known"):
        class_named(get_product("s2-toc").find_band("CLOUDMASK"), "cloud")
