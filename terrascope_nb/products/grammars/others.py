"""Names of Sentinel-5P, WorldCover, Copernicus Global Land and Copernicus DEM files."""

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
    kept,
    precision_of,
    read_stamp,
    tail,
    write_stamp,
)

if TYPE_CHECKING:
    from terrascope_nb.products.names import Name


def _read_s5p(match: Match[str]) -> Fields:
    mode, level, product, stamp, layer, version, extension = match.groups()
    return {
        "missions": ("S5P",),
        "datetimes": (read_stamp(stamp),),
        "precision": precision_of(stamp),
        "content": layer or "",
        "product": product,
        "version": version,
        "extension": extension or "",
        "parts": kept(mode=mode, level=level),
    }


def _write_s5p(name: Name) -> str:
    stamp = write_stamp(name.datetimes[0], name.precision)
    version = f"V{name.version}"
    return joined("S5P", name.part("mode"), name.part("level"), name.product, stamp, name.content, version) + tail(name)


def _item_s5p(name: Name) -> str:
    """Item ids drop the mode and write the first day in full, as in S5P_L3_CO_TD_20200101_V100 (OpenSearch title)."""
    return joined("S5P_L3", name.product, write_stamp(name.datetimes[0], "day"), f"V{name.version}")


def _collection_s5p(name: Name) -> str | None:
    if not (name.version or "").startswith("2"):
        return None
    return f"terrascope-s5p-l3-{(name.product or '').replace('_', '-').lower()}-v2"


def _read_worldcover(match: Match[str]) -> Fields:
    year, version, tile, layer, extension = match.groups()
    return {
        "datetimes": (read_stamp(year),),
        "precision": "year",
        "tile": tile,
        "content": layer or "",
        "product": "WORLDCOVER",
        "resolution": 10,
        "version": version,
        "extension": extension or "",
    }


def _write_worldcover(name: Name) -> str:
    year = write_stamp(name.datetimes[0], "year")
    return joined(f"ESA_WorldCover_10m_{year}_v{name.version}", name.tile, name.content) + tail(name)


def _collection_worldcover(name: Name) -> str:
    # The quality layer belongs to the map; every other layer is a collection of its own.
    layer = {"": "map", "inputquality": "map"}.get(name.content.lower(), name.content.lower())
    return f"esa-worldcover-{layer}-10m-{name.datetimes[0].year}-v{(name.version or '')[:1]}"


def _read_cgls(match: Match[str]) -> Fields:
    product, stage, stamp, region, sensor, version, extension = match.groups()
    return {
        "datetimes": (read_stamp(stamp),),
        "precision": "minute",
        "product": product,
        "version": version,
        "extension": extension or "",
        "parts": kept(stage=stage, region=region, sensor=sensor),
    }


def _write_cgls(name: Name) -> str:
    stage = f"-{name.part('stage')}" if name.part("stage") else ""
    stamp = write_stamp(name.datetimes[0], "minute")
    where = f"{name.part('region')}_{name.part('sensor')}"
    return f"c_gls_{name.product}{stage}_{stamp}_{where}_V{name.version}{tail(name)}"


# Arc seconds x 10 -> the nominal pixel size the collections are named after (COP_DEM_GLO_30M_COG, ..._90M_COG).
_DEM_METRES = {"10": 30, "30": 90}
_DEM_SECONDS = {metres: seconds for seconds, metres in _DEM_METRES.items()}


def _read_dem(match: Match[str]) -> Fields:
    seconds, north, east, extension = match.groups()
    return {
        "tile": north + east,
        "content": "DEM",
        "product": "DEM",
        "resolution": _DEM_METRES[seconds],
        "extension": extension or "",
    }


def _write_dem(name: Name) -> str:
    tile = name.tile or ""
    seconds = _DEM_SECONDS[name.resolution or 0]
    return f"Copernicus_DSM_COG_{seconds}_{tile[:3]}_00_{tile[3:]}_00_DEM{tail(name)}"


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        kind="s5p-l3",
        prefixes=("S5P",),
        pattern=re.compile(
            r"S5P_(?:(?P<mode>OFFL|RPRO|NRTI|PAL_)_)?(?:(?P<level>L3)_)?(?P<product>[A-Z0-9]+_(?:TD|TM|TY))"
            r"_(?P<stamp>[0-9]{4}(?:[0-9]{2}){0,2})(?:_(?P<layer>[A-Z0-9]+))?_V(?P<version>[0-9]{3})"
            rf"{EXTENSION}"
        ),
        read=_read_s5p,
        write=_write_s5p,
        item=_item_s5p,
        collection=_collection_s5p,
        example="S5P_CO_TD_20200101_CO_V100.tif",
        source="OpenSearch product of TERRASCOPE_S5P_L3_CO_TD_V1, 2020-01-01; download notebook (SO2CBR, 2019)",
    ),
    Grammar(
        kind="worldcover",
        prefixes=("ESA",),
        pattern=re.compile(
            r"ESA_WorldCover_10m_(?P<year>[0-9]{4})_v(?P<version>[0-9]{3})_(?P<tile>[NS][0-9]{2}[EW][0-9]{3})"
            rf"(?:_(?P<layer>[A-Za-z][A-Za-z0-9]*))?{EXTENSION}"
        ),
        read=_read_worldcover,
        write=_write_worldcover,
        item=lambda name: _write_worldcover(bare(name, content=True)),
        collection=_collection_worldcover,
        example="ESA_WorldCover_10m_2021_v200_N00E006_Map.tif",
        source="WorldCover 2021 tile; Terrascope authentication page",
    ),
    Grammar(
        kind="cgls",
        prefixes=("c_g",),
        pattern=re.compile(
            r"c_gls_(?P<product>[A-Za-z0-9]+)(?:-(?P<stage>RT[0-9]))?_(?P<stamp>[0-9]{12})_(?P<region>[A-Z]+)"
            rf"_(?P<sensor>[A-Z0-9]+)_V(?P<version>[0-9]+\.[0-9]+\.[0-9]+){EXTENSION}"
        ),
        read=_read_cgls,
        write=_write_cgls,
        item=lambda name: _write_cgls(bare(name, content=True)),
        collection=lambda _: None,
        example="c_gls_FAPAR_200907100000_GLOBE_VGT_V2.0.1.nc",
        source="Copernicus Global Land netCDF files",
    ),
    Grammar(
        kind="cop-dem",
        prefixes=("Cop",),
        pattern=re.compile(
            r"Copernicus_DSM_COG_(?P<seconds>10|30)_(?P<north>[NS][0-9]{2})_00_(?P<east>[EW][0-9]{3})_00_DEM"
            rf"{EXTENSION}"
        ),
        read=_read_dem,
        write=_write_dem,
        item=lambda name: _write_dem(bare(name, content=True)),
        collection=lambda name: f"cop-dem-glo-{name.resolution}m-cog",
        example="Copernicus_DSM_COG_10_N37_00_W004_00_DEM.tif",
        source="OpenSearch product of COP_DEM_GLO_30M_COG",
    ),
)
