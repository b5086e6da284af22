"""An archive of generated tiles, and their items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import odc.geo.xr  # noqa: F401 - registers .odc
import pystac
import pytest
import rioxarray  # noqa: F401 - registers .rio
from generated_tiles import SIDE, TILES, write_tile

from terrascope_nb.settings import options


@pytest.fixture(scope="session")
def archive(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tiles") / "archive"


@pytest.fixture(scope="session")
def tiles(archive, shared) -> dict[str, pystac.Item]:
    """The four tiles on disk, as items of one pass."""
    items = {}
    for tile in TILES:
        values = {"B04": np.empty((SIDE, SIDE), "int16")}
        item = shared.scene(archive, values, tile=tile.name, corner=tile.corner, epsg=tile.epsg, write=False)
        write_tile(Path(item.assets["B04"].extra_fields["alternate"]["local"]["href"].removeprefix("file://")), tile)
        items[tile.name] = item
    return items


@pytest.fixture(autouse=True)
def only_these_roots(archive, tmp_path):
    with options(archive_roots=(archive, tmp_path), offline=True):
        yield
