"""Without the extra, widgets say what to install."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path

import pytest

import terrascope_nb
from terrascope_nb.errors import MissingExtraError


def test_what_is_missing_is_named_with_the_line_that_installs_it(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "ipyleaflet" else real(name, *rest)
    )
    with pytest.raises(MissingExtraError, match=r"need ipyleaflet.*pip install 'terrascope-nb\[lab\]'"):
        runpy.run_path(str(Path(terrascope_nb.__file__).parent / "widgets" / "__init__.py"))
