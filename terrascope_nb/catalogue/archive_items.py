"""The files of one product folder become items: names tell what they are, headers how they are stored."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from terrascope_nb.catalogue.archive_assets import asset_of, key_of, product_of
from terrascope_nb.catalogue.archive_footprint import UNKNOWN, Footprint, grid_footprint
from terrascope_nb.errors import CorruptAssetError, UnreadableNameError
from terrascope_nb.extent.mgrs import is_tile, tile_footprint
from terrascope_nb.products.names import Name, parse_path
from terrascope_nb.raster.header import Header, read_header
