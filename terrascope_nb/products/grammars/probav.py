"""Names of PROBA-V tiles and segments."""

from __future__ import annotations

import re
from re import Match
from typing import TYPE_CHECKING

from terrascope_nb.products.grammars.parts import (
    EXTENSION,
    Fields,
    Grammar,
    bare,
    joined,
    read_stamp,
    tail,
    write_stamp,
)

if TYPE_CHECKING:
    from terrascope_nb.products.names import Name

_LAYER = "NDVI|RADIOMETRY|SM|TIME|GEOMETRY"
_METRES = {"100M": 100, "333M": 333, "1KM": 1000}
_SIZES = {metres: text for text, metres in _METRES.items()}
_PROBAV_FORMATS = {"tif": "cog", "tiff": "cog", "hdf5": "hdf"}


def _read_probav(match: Match[str]) -> Fields:
    product, tile, stamp, size, before, version, after, extension = match.groups()
    if before and after:
        raise ValueError("two layers in one name")
    return {
        "missions": ("PROBAV",),
        "datetimes": (read_stamp(stamp),),
        "precision": "day",
        "tile": tile,
        "content": before or after or "",
        "product": product,
        "resolution": _METRES[size],
        "version": version,
        "extension": extension or "",
        # Collection 1 puts the layer after the version, Collection 2 before it.
        "parts": (("layer", "last"),) if after else (),
    }


def _write_probav(name: Name) -> str:
    last = name.part("layer") == "last"
    return joined(
        "PROBAV",
        name.product,
        name.tile,
        write_stamp(name.datetimes[0], "day"),
        _SIZES[name.resolution or 0],
        "" if last else name.content,
        f"V{name.version}",
        name.content if last else "",
    ) + tail(name)


def _read_segment(match: Match[str]) -> Fields:
    product, stamp, camera, size, version, extension = match.groups()
    return {
        "missions": ("PROBAV",),
        "datetimes": (read_stamp(stamp.replace("_", "T")),),
        "product": product,
        "resolution": _METRES[size] if size else None,
        "version": version,
        "extension": extension or "",
        "parts": (("camera", camera),),
    }


def _write_segment(name: Name) -> str:
    return joined(
        "PROBAV",
        name.product,
        write_stamp(name.datetimes[0], "second").replace("T", "_"),
        name.part("camera"),
        _SIZES[name.resolution] if name.resolution is not None else "",
        f"V{name.version}",
    ) + tail(name)


def _collection_probav(name: Name) -> str | None:
    """Name the collection; the catalogue has no Collection 1."""
    form = _PROBAV_FORMATS.get(name.extension.lower())
    if form is None or not (name.version or "").startswith("2"):
        return None
    size = _SIZES[name.resolution] if name.resolution else ""
    return joined("terrascope_probav", name.product, size, form, "v2").replace("_", "-").lower()


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        kind="probav",
        prefixes=("PRO",),
        pattern=re.compile(
            r"PROBAV_(?P<product>(?:S1|S5|S10)_(?:TOC|TOA)(?:_NDVI)?)_(?:(?P<tile>X[0-9]{2}Y[0-9]{2})_)?"
            rf"(?P<stamp>[0-9]{{8}})_(?P<size>100M|333M|1KM)(?:_(?P<before>{_LAYER}))?_V(?P<version>[0-9]{{3}})"
            rf"(?:_(?P<after>{_LAYER}))?{EXTENSION}"
        ),
        read=_read_probav,
        write=_write_probav,
        item=lambda name: _write_probav(bare(name, content=False)),
        collection=_collection_probav,
        example="PROBAV_S10_TOC_X35Y12_20190801_333M_GEOMETRY_V201.TIFF",
        source="answers of the PROBA-V MEP catalogue, 2016 (Collection 1); Collection 2 COG names of the openEO tests",
    ),
    Grammar(
        kind="probav-segment",
        prefixes=("PRO",),
        pattern=re.compile(
            r"PROBAV_(?P<product>L1C|L2A)_(?P<stamp>[0-9]{8}_[0-9]{6})_(?P<camera>[0-9])"
            rf"(?:_(?P<size>100M|333M|1KM))?_V(?P<version>[0-9]{{3}}){EXTENSION}"
        ),
        read=_read_segment,
        write=_write_segment,
        item=lambda name: _write_segment(bare(name, content=True)),
        collection=_collection_probav,
        example="PROBAV_L2A_20140321_150455_3_333M_V101.HDF5",
        source="Collection 1 names in public PROBA-V readers; that Collection 2 keeps the form is assumed",
    ),
)
