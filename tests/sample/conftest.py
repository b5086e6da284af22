"""The sample archive, unpacked once for the tests of this room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from terrascope_nb.sample.unpack import unpack_sample


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_sample(tmp_path_factory.mktemp("sample") / "archive")


@pytest.fixture(scope="session")
def origin() -> dict[str, np.ndarray]:
    """Numbers straight from the netCDF files (see tests/data/sample_extract/README.md)."""
    path = Path(__file__).parents[1] / "data/sample_extract/extract.npz"
    with np.load(path) as npz:
        return dict(npz)
