"""Where a file of the archive stands: its folders, and its address on the mount and on the download server."""

from __future__ import annotations

import posixpath
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from terrascope_nb.products.grammars.parts import write_stamp
from terrascope_nb.products.names import Name, build_name

__all__ = ["archive_path", "download_url", "local_path"]

ARCHIVE_ROOT = "/data/MTDA"
DOWNLOAD_ROOT = "https://services.terrascope.be/download"

# First folders below the archive root -> first folders below the download address. Pairs seen: STAC items
# S2A_20250516T104651_31UFS_NDVI_10M_V210 and S2C_20260807T104621_31TCN_TOC_V220 (Sentinel2), Terrascope download
# notebook (Sentinel5P), Terrascope authentication page (WORLDCOVER), LCFM STAC builder of VITO (LCFM), OpenSearch
# products of CGS_S1_GRD_SIGMA0_L1 of 2019-03-07 (local) and 2020-03-15 (download). Sentinel1 follows the rule of the
# others: the prefix TERRASCOPE_ is dropped. What is not here is unknown: /download/open/, PROBA-V, DEM, Sentinel3.
_ROOTS = {
    "TERRASCOPE_Sentinel1": "Sentinel1",
    "TERRASCOPE_Sentinel2": "Sentinel2",
    "TERRASCOPE_Sentinel5P": "Sentinel5P",
    "WORLDCOVER": "WORLDCOVER",
    "LCFM": "LCFM",
    "CGS_S1/CGS_S1_GRD_SIGMA0_L1": "CGS_S1_GRD_SIGMA0_L1",
}
# Sentinel-2 product -> whether a folder 10M or 20M stands below the product's folder. CCC and CWC: unknown.
_SUB_FOLDERS = {"TOC": False, "NDVI": False, "FAPAR": True, "FCOVER": True, "LAI": True}
_S1_ROOTS = {
    "s1-sigma0": "CGS_S1/CGS_S1_GRD_SIGMA0_L1",
    "s1-coherence": "TERRASCOPE_Sentinel1/SLC_COHERENCE",
}


def download_url(path: str | PurePosixPath, *, root: str = ARCHIVE_ROOT) -> str | None:
    """Return the download address of a file on the mount.

    Parameters
    ----------
    path : str or path
        Absolute local path or ``file:`` address.
    root : str
        Where the archive is mounted.

    Returns
    -------
    str or None
        None where no source says how the address goes, or the path is not below the root.

    Examples
    --------
    >>> download_url("file:///data/MTDA/TERRASCOPE_Sentinel2/NDVI_V2/2025/05/16/a.tif")
    'https://services.terrascope.be/download/Sentinel2/NDVI_V2/2025/05/16/a.tif'
    >>> download_url("/data/MTDA/TIFFDERIVED/a.tif") is None
    True
    """
    text = str(path)
    if text.startswith("file:"):
        split = urlsplit(text)
        if split.netloc not in {"", "localhost"}:
            return None
        text = unquote(split.path)
    below = _below(text, root)
    if below is None:
        return None
    for local, remote in _ROOTS.items():
        if below.startswith(f"{local}/"):
            return f"{DOWNLOAD_ROOT}/{remote}/{quote(below.removeprefix(f'{local}/'))}"
    return None


def local_path(url: str, *, root: str = ARCHIVE_ROOT) -> str | None:
    """Return where a file of the download server stands on the mount; whether it is there is not looked at.

    Parameters
    ----------
    url : str
        Address below ``https://services.terrascope.be/download``.
    root : str
        Where the archive is mounted.

    Returns
    -------
    str or None
        None for another server, an address no source explains, or one that climbs out of the root.

    Examples
    --------
    >>> local_path("https://services.terrascope.be/download/Sentinel2/NDVI_V2/2025/05/16/a.tif")
    '/data/MTDA/TERRASCOPE_Sentinel2/NDVI_V2/2025/05/16/a.tif'
    >>> local_path("https://services.terrascope.be/download/Sentinel2/../../../etc/passwd") is None
    True
    """
    try:
        split = urlsplit(url)
    except ValueError:
        return None
    server = urlsplit(DOWNLOAD_ROOT)
    if (split.scheme, split.netloc) != (server.scheme, server.netloc):
        return None
    below = _below(unquote(split.path), server.path)
    if below is None:
        return None
    for local, remote in _ROOTS.items():
        if below.startswith(f"{remote}/"):
            return f"{root.rstrip('/')}/{local}/{below.removeprefix(f'{remote}/')}"
    return None


def _below(path: str, root: str) -> str | None:
    """Return the path relative to the root, None when it is not plainly below it."""
    prefix = f"{root.rstrip('/')}/"
    if not path.startswith(prefix) or "\\" in path or any(ord(letter) < 32 for letter in path):
        return None
    # A path that changes when it is normalised holds .., . or //, and says less than it seems to.
    return path.removeprefix(prefix) if posixpath.normpath(path) == path else None


def archive_path(name: Name) -> PurePosixPath | None:
    """Return where a file, or a product's folder, stands below the archive root.

    Parameters
    ----------
    name : Name
        From `parse_path`, or from `parse_name` where the name tells product and resolution itself. A name without
        extension is a folder or item id and gives the folder.

    Returns
    -------
    PurePosixPath or None
        Relative to the archive root; None where the folders are unknown or the name does not tell.

    Examples
    --------
    >>> from terrascope_nb.products.names import parse_name
    >>> str(archive_path(parse_name("S2A_20190307T105021_31UFS_FAPAR_20M_V210.tif")))
    'TERRASCOPE_Sentinel2/FAPAR_V2/2019/03/07/S2A_20190307T105021_31UFS_FAPAR_V210/20M/S2A_20190307T105021_31UFS_FAPAR_20M_V210.tif'
    """
    if name.kind == "s2":
        folder = _s2_folder(name)
    elif name.kind in _S1_ROOTS:
        folder = PurePosixPath(_S1_ROOTS[name.kind]) / _day(name) / (name.item_id or "")
    else:
        folder = None
    if folder is None or not name.is_file:
        return folder
    return folder / build_name(name)


def _day(name: Name) -> str:
    day = write_stamp(name.datetime, "day") if name.datetime else ""
    return f"{day[:4]}/{day[4:6]}/{day[6:]}"


def _s2_folder(name: Name) -> PurePosixPath | None:
    """Folder of the second collection; the first one (names with a Z) had other roots."""
    has_sub_folder = _SUB_FOLDERS.get(name.product or "")
    if has_sub_folder is None or name.item_id is None or name.part("zulu"):
        return None
    scene, _, version = name.item_id.rpartition("_")
    resolution = ""
    if scene.rpartition("_")[2] != name.product:
        scene, _, resolution = scene.rpartition("_")
    folder = PurePosixPath(f"TERRASCOPE_Sentinel2/{name.product}_V2/{_day(name)}/{scene}_{version}")
    return folder / resolution if has_sub_folder else folder
