from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from terrascope_nb.settings import options


@pytest.fixture(autouse=True)
def own_config(tmp_path: Path) -> Iterator[Path]:
    """Saved areas of the person who runs the tests must neither be seen nor touched."""
    folder = tmp_path / "config"
    with options(config_dir=folder):
        yield folder
