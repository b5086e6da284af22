"""The tables that are read without spyndex say what spyndex says."""

from __future__ import annotations

import subprocess
import sys

import pytest
import spyndex

from terrascope_nb.analysis import formulas


@pytest.fixture(params=["tables", "imported"])
def source(request, monkeypatch):
    """Read the tables, and what spyndex gives where its tables are not found."""
    read = (formulas.indices, formulas.constants, formulas.letters_of_bands)
    for one in read:
        one.cache_clear()
    if request.param == "imported":
        monkeypatch.setattr(formulas, "_read", lambda name: None)
    yield request.param
    for one in read:
        one.cache_clear()


def test_every_index_parameter_and_band_is_that_of_spyndex(source):
    assert set(formulas.indices()) == set(spyndex.indices)
    for name, index in formulas.indices().items():
        told = spyndex.indices[name]
        assert (index.short_name, index.long_name, list(index.bands), index.formula, index.reference) == (
            told.short_name, told.long_name, list(told.bands), told.formula, told.reference
        )  # fmt: skip
    assert {name: one.default for name, one in formulas.constants().items()} == {
        name: one.default for name, one in spyndex.constants.items()
    }
    letters = formulas.letters_of_bands()
    assert letters.all == set(spyndex.bands)
    for letter, band in spyndex.bands.items():
        if [spyndex.bands[other].common_name for other in spyndex.bands].count(band.common_name) == 1:
            assert letters.of(band.common_name, {}) == letter
    assert {letters.of(name, {}) for name in ("B04", "TOC-B04_10M", "red", "B4A")} == {"R", None}
    assert [letters.of(name, {}) for name in ("B08", "B8A", "B08A", "VV")] == ["N", "N2", "N2", "VV"]


def test_an_index_is_found_without_importing_spyndex():
    code = (
        "import sys; from terrascope_nb.analysis.formulas import find_index; "
        "print(find_index('ndvi').formula, 'spyndex' in sys.modules, 'requests' in sys.modules, 'xarray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["(N-R)/(N+R)", "False", "False", "False"]
