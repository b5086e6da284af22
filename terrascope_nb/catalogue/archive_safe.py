"""A Sentinel-1 SAFE product of the archive becomes an item by its manifest: searchable, no grid of pixels."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

import numpy as np
import shapely

from terrascope_nb.catalogue import item_facts as facts
from terrascope_nb.catalogue.archive_footprint import Footprint
from terrascope_nb.catalogue.safe import SafeManifest, read_safe
from terrascope_nb.extent.lonlat import bbox_of, uncrossed

SUFFIXES = ("safe", "zip", "safe.zip")
"""Extensions, in lower case, of a product that is one folder or one zip."""


def safe_row(path: str, size: int) -> tuple[dict[str, Any], Footprint, tuple[str, ...]]:
    """Read a SAFE folder or zip.

    Parameters
    ----------
    path : str
        Absolute path.
    size : int
        Bytes of a zip; 0 for a folder.

    Returns
    -------
    row : dict
        Assets and properties of the item, those the manifest tells.
    footprint : Footprint
    missing : tuple of str
        Files the manifest lists that are not there.

    Raises
    ------
    AccessError
        There is no manifest, or it is damaged.
    """
    manifest = read_safe(path)
    row = {
        "assets": _assets(path, size, manifest),
        "datetime": manifest.start,
        "start_datetime": manifest.start,
        "end_datetime": manifest.end,
        "platform": facts.normal_platform(manifest.platform),
        "constellation": "sentinel-1",
        "product:type": manifest.product_type,
        "sat:orbit_state": manifest.orbit_direction,
        "sat:relative_orbit": manifest.relative_orbit,
        "sat:absolute_orbit": manifest.absolute_orbit,
    }
    outline, _ = uncrossed(shapely.Polygon(manifest.footprint))
    return row, Footprint(shapely.to_wkb(outline), bbox_of(np.array([outline]))), manifest.missing


def _assets(path: str, size: int, manifest: SafeManifest) -> dict[str, dict[str, Any]]:
    href = "file://" + quote(path)
    if os.path.isfile(path):  # noqa: PTH113 - one call for each product of an archive
        return {"SAFE": {"href": href, "roles": ["data"], "type": "application/zip", "file:size": size}}
    assets: dict[str, dict[str, Any]] = {
        "SAFE": {"href": href, "roles": ["data"]},
        "safe-manifest": {"href": f"{href}/manifest.safe", "roles": ["metadata"], "type": "application/xml"},
    }
    if manifest.quicklook:
        assets["QUICKLOOK"] = {
            "href": f"{href}/{quote(manifest.quicklook)}", "roles": ["thumbnail"], "type": "image/png"
        }  # fmt: skip
    return assets
