"""The packed sample: its arrays, its times, and the rule that tells which satellite took a scene."""

from __future__ import annotations

import io
import lzma
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

TILE = "31UDS"
CRS = "EPSG:32631"
LEFT, TOP = 501360.0, 5629680.0
"""Upper left corner of the patch, metres in `CRS`."""
BANDS_10M = ("B02", "B03", "B04", "B08")
BANDS_20M = ("B05", "B06", "B07", "B8A", "B11", "B12")
POLARISATIONS = ("VV", "VH")
PACKED_NAME = "patch.npz.xz"

_ANCHOR = date(2018, 7, 5)
_SATELLITE_OF_DAY = {0: "S2B", 5: "S2A", 3: "S2B", 8: "S2A"}


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """Everything the sample archive is made of, as stored numbers."""

    times: tuple[datetime, ...]
    """Sensing time of each Sentinel-2 scene, UTC, one scene a day."""
    bands: Mapping[str, NDArray[np.uint16]]
    """Reflectance x 10000, 0 = nothing; (time, y, x) per band, 64x64 at 10 m or 32x32 at 20 m."""
    scl: NDArray[np.uint8]
    """Scene classification of Sen2Cor, (time, y, x), 32x32 at 20 m."""
    radar_times: tuple[datetime, ...]
    """Time of each Sentinel-1 scene, UTC."""
    radar: Mapping[str, NDArray[np.int32]]
    """Backscatter sigma0 as dB x 10000, 0 = nothing; (time, y, x), 32x32 at 20 m."""


def satellite(day: date) -> str:
    """Return which Sentinel-2 satellite passed over tile 31UDS on a day.

    The patch does not say it. Each satellite comes back every 10 days, the two are 5 days apart, and the tile lies in
    two orbits: R051 (days 0 and 5 of the cycle) and R094 (days 3 and 8). The cycle is anchored at the Terrascope
    product ``S2B_20180705T105029Z_31UFS`` of orbit R051.

    Raises
    ------
    ValueError
        Neither satellite passed on that day.

    Examples
    --------
    >>> satellite(date(2018, 7, 5)), satellite(date(2018, 7, 3))
    ('S2B', 'S2A')
    """
    phase = (day - _ANCHOR).days % 10
    if phase not in _SATELLITE_OF_DAY:
        raise ValueError(f"no Sentinel-2 pass over {TILE} on {day}: day {phase} of the cycle is not 0, 3, 5 or 8")
    return _SATELLITE_OF_DAY[phase]


def packed_bytes() -> bytes:
    """Return the packed file as it lies in the package."""
    return files("terrascope_nb.sample").joinpath("data", PACKED_NAME).read_bytes()


def read_contents(packed: bytes) -> Contents:
    """Return the arrays of a packed sample, bit for bit as they were before packing."""
    with np.load(io.BytesIO(lzma.decompress(packed)), allow_pickle=False) as npz:
        stacks = {name: npz[name] for name in npz.files}
    at_10m, at_20m, radar = (unfold(stacks[name]) for name in ("s2_10m", "s2_20m", "s1_20m"))
    return Contents(
        times=_times(stacks["s2_time"]),
        bands={
            name: stack.astype(np.uint16)
            for names, group in ((BANDS_10M, at_10m), (BANDS_20M, at_20m))
            for name, stack in zip(names, group, strict=True)
        },
        scl=stacks["scl"],
        radar_times=_times(stacks["s1_time"]),
        radar=dict(zip(POLARISATIONS, radar, strict=True)),
    )


def fold(stored: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return numbers as byte planes of the steps between neighbours: nearly the same thing, far easier to compress.

    Parameters
    ----------
    stored : ndarray of int32, shape (…, x), steps along x below 2**23

    Returns
    -------
    ndarray of uint8, shape (3, …, x)
        Low, middle and high byte of each step, its sign in the lowest bit.
    """
    steps = np.diff(stored, axis=-1, prepend=np.int32(0)).astype(np.int32)
    unsigned = ((steps << 1) ^ (steps >> 31)).astype(np.uint32)
    if unsigned.max(initial=0) >= 1 << 24:
        raise ValueError("a step between neighbours is too large for three bytes")
    return np.stack([(unsigned >> shift).astype(np.uint8) for shift in (0, 8, 16)])


def unfold(planes: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the numbers that `fold` took apart."""
    low, middle, high = planes.astype(np.int32)
    unsigned = low | middle << 8 | high << 16
    steps = (unsigned >> 1) ^ -(unsigned & 1)
    return np.cumsum(steps, axis=-1, dtype=np.int32)


def _times(seconds: NDArray[np.int64]) -> tuple[datetime, ...]:
    return tuple(datetime.fromtimestamp(int(second), UTC) for second in seconds)
