"""Names of Sentinel-2 products, their files and the folders of the first collection."""

from __future__ import annotations

import re
from re import Match
from typing import TYPE_CHECKING

from terrascope_nb.products.grammars.parts import (
    EXTENSION,
    STAMP,
    Fields,
    Grammar,
    joined,
    kept,
    read_stamp,
    spelled,
    tail,
    write_stamp,
)

if TYPE_CHECKING:
    from terrascope_nb.products.names import Name

# Files that stand beside a product without naming it (Terrascope FAQ 2018 and 2020, file names).
_BESIDE = frozenset({"SCENECLASSIFICATION", "CLOUDMASK", "SHADOWMASK", "AOT", "WVP", "SZA", "VZA", "RAA", "CGS"})
# Product -> resolutions on offer in metres; () = the item id carries none. Source: OpenSearch collection list (format
# and resolution), STAC ids S2A_20250516T104651_31UFS_NDVI_10M_V210 and S2C_20260807T104621_31TCN_TOC_V220.
_S2_RESOLUTIONS: dict[str, tuple[int, ...]] = {
    "TOC": (),
    "NDVI": (10,),
    "FAPAR": (10, 20),
    "FCOVER": (10, 20),
    "LAI": (10, 20),
    "CCC": (20,),
    "CWC": (20,),
}
_S2_WATER = frozenset({"RHOW", "CHL", "SPM", "TUR"})


def _usual(content: str) -> str:
    """Spell a band as delivered files do: the FAQ writes B08A, files B8A."""
    product, dash, band = content.partition("-B")
    if not dash:
        return content
    return f"{product}-B{int(band[:-1])}A" if band[-1] == "A" else f"{product}-B{int(band):02}"


def _read_s2(match: Match[str]) -> Fields:
    mission, stamp, zulu, tile, written, quicklook, resolution, version, op, extension = match.groups()
    if quicklook and op:
        raise ValueError("two marks of a quicklook in one name")
    content = _usual(written)
    product = content.partition("-")[0]
    return {
        "missions": (mission,),
        "datetimes": (read_stamp(stamp),),
        "tile": tile,
        "content": content,
        "product": None if product in _BESIDE else product,
        "resolution": int(resolution) if resolution else None,
        "version": version,
        "is_quicklook": bool(quicklook) or (op or "").endswith("QL"),
        "extension": extension or "",
        "parts": kept(zulu=zulu, content=spelled(written, content), op=op),
    }


def _write_s2(name: Name) -> str:
    written = name.part("content")
    return joined(
        name.missions[0],
        write_stamp(name.datetimes[0], "second") + name.part("zulu"),
        name.tile,
        written if written and _usual(written) == name.content else name.content,
        "QUICKLOOK" if name.is_quicklook and not name.part("op") else "",
        f"{name.resolution:02}M" if name.resolution is not None else "",
        f"V{name.version}",
        name.part("op"),
    ) + tail(name)


def _item_s2(name: Name) -> str | None:
    on_offer = _S2_RESOLUTIONS.get(name.product or "")
    if on_offer is None:
        return None
    own = name.resolution if name.content == name.product else None
    from_folder = name.item_resolution if name.item_resolution in on_offer else None
    resolution = own or from_folder or (on_offer[0] if len(on_offer) == 1 else None)
    if on_offer and resolution is None:
        return None
    return joined(
        name.missions[0],
        write_stamp(name.datetimes[0], "second") + name.part("zulu"),
        name.tile,
        name.product,
        f"{resolution}M" if on_offer else "",
        f"V{name.version}",
    )


def _collection_s2(name: Name) -> str | None:
    if name.product in _S2_RESOLUTIONS:
        return f"terrascope-s2-{name.product.lower()}-v2"
    return f"terrascope-s2-{name.product.lower()}-v1" if name.product in _S2_WATER else None


def _read_s2_legacy(match: Match[str]) -> Fields:
    mission, stamp, tile, version, sub = match.groups()
    return {
        "missions": (mission,),
        "datetimes": (read_stamp(stamp),),
        "tile": tile,
        "content": "CGS",
        "version": version,
        "parts": (("sub", sub),),
    }


def _write_s2_legacy(name: Name) -> str:
    stamp = write_stamp(name.datetimes[0], "second")
    return f"{name.missions[0]}_{stamp}Z_{name.tile}_CGS_V{name.version}_{name.part('sub')}"


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        kind="s2",
        prefixes=("S2A", "S2B", "S2C", "S2D"),
        pattern=re.compile(
            rf"(?P<mission>S2[A-D])_(?P<stamp>{STAMP})(?P<zulu>Z)?_(?P<tile>[0-9]{{2}}[A-Z]{{3}})"
            r"_(?P<content>[A-Z][A-Z0-9]*(?:-B[0-9]{1,2}A?)?)(?P<quicklook>_QUICKLOOK)?"
            r"(?:_(?P<resolution>[0-9]{2})M)?_V(?P<version>[0-9]{3})"
            rf"(?:_(?P<op>(?:[0-9]{{2}}M_)?(?:[A-Z]{{2}}_)?[A-Z]{{2}}))?{EXTENSION}"
        ),
        read=_read_s2,
        write=_write_s2,
        item=_item_s2,
        collection=_collection_s2,
        example="S2A_20250516T104651_31UFS_NDVI_10M_V210.tif",
        source="Terrascope FAQ (2018 and 2020); OpenSearch and STAC answers 2020-2026",
    ),
    Grammar(
        kind="s2-legacy-folder",
        prefixes=("S2A", "S2B", "S2C", "S2D"),
        pattern=re.compile(
            rf"(?P<mission>S2[A-D])_(?P<stamp>{STAMP})Z_(?P<tile>[0-9]{{2}}[A-Z]{{3}})"
            r"_CGS_V(?P<version>[0-9]{3})_(?P<sub>[0-9]{3})"
        ),
        read=_read_s2_legacy,
        write=_write_s2_legacy,
        item=lambda _: None,
        collection=lambda _: None,
        example="S2A_20191128T075251Z_36MZE_CGS_V102_000",
        source="OpenSearch answer of 2020 for CGS_S2_FAPAR",
    ),
)
