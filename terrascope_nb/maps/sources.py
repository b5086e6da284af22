"""The sentence that says where the data of a picture come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from terrascope_nb.errors import UnknownProductError
from terrascope_nb.extent.years import write_years
from terrascope_nb.products.registry import get_product

# Legal notice on the use of Copernicus Sentinel data: "Contains modified Copernicus Sentinel data [Year]".
_COPERNICUS = "Contains modified Copernicus Sentinel data {year}"
_SENTINEL_ITEM = re.compile(r"^S(?:[123][A-D]|5P)_")
_YEARS = re.compile(r"(?<=Sentinel data )\[?\d{4}(?:(?:\s*[,;–-]\s*|\s+and\s+)\d{4})*\]?")


def attribution_of(attrs: Mapping[Any, Any], times: Any = None, item_ids: Any = ()) -> str:
    """Return the attribution sentence of what is drawn, with the years of what is drawn.

    Parameters
    ----------
    attrs : mapping
        Attributes of a variable or a table: ``attribution``, else ``product``.
    times : array of datetime64, optional
        The dates that are drawn; a cube of ten years drawn for one day names one year.
    item_ids : sequence of str
        Ids of the source items, used when the attributes are lost: a Sentinel name says enough.

    Returns
    -------
    str
        Empty when nothing says where the data come from.
    """
    drawn = pd.DatetimeIndex([] if times is None else np.atleast_1d(times)).year.dropna()
    years = write_years(int(year) for year in drawn)
    sentence = str(attrs.get("attribution", "")) or _from_product(attrs)
    if not sentence and any(_SENTINEL_ITEM.match(str(one)) for one in np.atleast_1d(item_ids)):
        sentence = _COPERNICUS
    sentence = sentence.replace("{year}", years).strip()
    return _YEARS.sub(years, sentence) if years else sentence


def _from_product(attrs: Mapping[Any, Any]) -> str:
    try:
        return get_product(str(attrs["product"])).attribution if attrs.get("product") else ""
    except UnknownProductError:
        return ""
