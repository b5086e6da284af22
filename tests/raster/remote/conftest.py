"""Nothing is kept from one test to the next."""

from __future__ import annotations

import pytest

from terrascope_nb.raster.remote import forget_all
from terrascope_nb.settings import options


@pytest.fixture(autouse=True)
def nothing_kept():
    forget_all()
    with options(retries=1, timeout=10):
        yield
