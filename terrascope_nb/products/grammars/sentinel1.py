"""Names of Sentinel-1 sigma0, coherence and the SAFE folders of ESA."""

from __future__ import annotations

import re
from re import Match
from typing import TYPE_CHECKING

from terrascope_nb.products.grammars.parts import (
    DIRECTIONS,
    EXTENSION,
    STAMP,
    Fields,
    Grammar,
    bare,
    joined,
    kept,
    read_stamp,
    spelled,
    tail,
    write_stamp,
)

if TYPE_CHECKING:
    from terrascope_nb.products.names import Name

_LONG = {"ascending": "ASCENDING", "descending": "DESCENDING"}
_SHORT = {"ascending": "ASC", "descending": "DSC"}


def _written_direction(name: Name) -> str:
    written = name.part("direction")
    return written if DIRECTIONS.get(written) == name.orbit_direction else _SHORT[name.orbit_direction or ""]


def _written_orbit(name: Name) -> str:
    written = name.part("orbit")
    return written if written and int(written) == name.relative_orbit else str(name.relative_orbit)


def _read_sigma0(match: Match[str]) -> Fields:
    mission, mode, pol, stamp, direction, orbit, hash_, version, band, extension = match.groups()
    return {
        "missions": (mission,),
        "datetimes": (read_stamp(stamp),),
        "content": band or "",
        "product": "SIGMA0",
        "version": version,
        "orbit_direction": DIRECTIONS[direction],
        "relative_orbit": int(orbit),
        "extension": extension or "",
        "parts": kept(mode=mode, polarisation=pol, hash=hash_, orbit=spelled(orbit, str(int(orbit)))),
    }


def _write_sigma0(name: Name) -> str:
    return joined(
        name.missions[0],
        name.part("mode"),
        "GRDH_SIGMA0",
        name.part("polarisation"),
        write_stamp(name.datetimes[0], "second"),
        _LONG[name.orbit_direction or ""],
        _written_orbit(name),
        name.part("hash"),
        f"V{name.version}",
        name.content,
    ) + tail(name)


def _read_coherence(match: Match[str]) -> Fields:
    first, second, stamp1, stamp2, direction, orbit, version, band, extension = match.groups()
    heading = DIRECTIONS[direction]
    return {
        "missions": (first, second),
        "datetimes": (read_stamp(stamp1), read_stamp(stamp2)),
        "content": band or "",
        "product": "COHERENCE",
        "version": version,
        "orbit_direction": heading,
        "relative_orbit": int(orbit),
        "extension": extension or "",
        "parts": kept(direction=spelled(direction, _SHORT[heading]), orbit=spelled(orbit, str(int(orbit)))),
    }


def _write_coherence(name: Name) -> str:
    return joined(
        *name.missions,
        "Coherence",
        *(write_stamp(when, "second") for when in name.datetimes),
        _written_direction(name),
        _written_orbit(name),
        f"V{name.version}",
        name.content,
    ) + tail(name)


def _read_safe(match: Match[str]) -> Fields:
    mission, mode, type_, level, pol, start, stop, orbit, take, id_, extension = match.groups()
    return {
        "missions": (mission,),
        "datetimes": (read_stamp(start), read_stamp(stop)),
        "product": type_[:3],
        "extension": extension or "",
        "parts": kept(
            mode=mode, type=type_, level=level, polarisation=pol, absolute_orbit=orbit, data_take=take, hash=id_
        ),
    }


def _write_safe(name: Name) -> str:
    content = f"{name.part('type')}_{name.part('level')}{name.part('polarisation')}"
    stamps = "_".join(write_stamp(when, "second") for when in name.datetimes)
    orbit = f"{name.part('absolute_orbit')}_{name.part('data_take')}_{name.part('hash')}"
    return f"{name.missions[0]}_{name.part('mode')}_{content}_{stamps}_{orbit}{tail(name)}"


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        kind="s1-sigma0",
        prefixes=("S1A", "S1B", "S1C", "S1D"),
        pattern=re.compile(
            rf"(?P<mission>S1[A-D])_(?P<mode>IW|EW|SM)_GRDH_SIGMA0_(?P<polarisation>[A-Z]{{2}})_(?P<stamp>{STAMP})"
            r"_(?P<direction>ASCENDING|DESCENDING)_(?P<orbit>[0-9]{1,3})_(?P<hash>[0-9A-F]{4})_V(?P<version>[0-9]{3})"
            rf"(?:_(?P<band>VV|VH|HH|HV|angle))?{EXTENSION}"
        ),
        read=_read_sigma0,
        write=_write_sigma0,
        item=lambda name: _write_sigma0(bare(name, content=False)),
        collection=lambda _: "terrascope-s1-grd-sigma0-v1",
        example="S1A_IW_GRDH_SIGMA0_DV_20190307T172435_ASCENDING_88_B705_V110_VV.tif",
        source="OpenSearch product of CGS_S1_GRD_SIGMA0_L1, 2019-03-07",
    ),
    Grammar(
        kind="s1-coherence",
        prefixes=("S1A", "S1B", "S1C", "S1D"),
        pattern=re.compile(
            rf"(?P<first>S1[A-D])_(?P<second>S1[A-D])_Coherence_(?P<stamp1>{STAMP})_(?P<stamp2>{STAMP})"
            r"_(?P<direction>ASC|DSC|DES|DESC)_(?P<orbit>[0-9]{1,3})_V(?P<version>[0-9]{3})"
            rf"(?:_(?P<band>VV|VH))?{EXTENSION}"
        ),
        read=_read_coherence,
        write=_write_coherence,
        item=lambda name: _write_coherence(bare(name, content=False)),
        collection=lambda _: "terrascope-s1-slc-coherence-v1",
        example="S1A_S1B_Coherence_20200330T173247_20200405T173221_ASC_161_V110_VV.tif",
        source="OpenSearch product of TERRASCOPE_S1_SLC_COHERENCE_V1, 2020-04-05",
        dated_by_last=True,
    ),
    Grammar(
        kind="s1-safe",
        prefixes=("S1A", "S1B", "S1C", "S1D"),
        pattern=re.compile(
            r"(?P<mission>S1[A-D])_(?P<mode>S[1-6]|IW|EW|WV|EN|N[1-6])_(?P<type>RAW_|SLC_|SL1_|GRD[FHM_]|OCN_)"
            r"_(?P<level>[0-2][SAN_])(?P<polarisation>[SD][HV]|HH|HV|VV|VH)"
            rf"_(?P<start>{STAMP})_(?P<stop>{STAMP})_(?P<orbit>[0-9]{{6}})_(?P<take>[0-9A-F]{{6}})_(?P<hash>[0-9A-F]{{4}})"
            rf"{EXTENSION}"
        ),
        read=_read_safe,
        write=_write_safe,
        item=lambda name: _write_safe(bare(name, content=True)),
        collection=lambda name: {"GRD": "sentinel-1-grd", "SLC": "sentinel-1-slc"}.get(name.product or ""),
        example="S1B_IW_GRDH_1SDV_20210401T052623_20210401T052648_026269_032297_ECC8.SAFE",
        source="ESA Sentinel-1 Product Definition, naming convention; manifest of the example",
    ),
)
