"""West, south, east and north in degrees: what two of them share, and how large one is on the map."""

from __future__ import annotations

from terrascope_nb.raster.tiling import Bounds, mercator_of


def touches(one: Bounds, other: Bounds) -> bool:
    """Return True when two bounds in degrees share a place; bounds beyond the date line count."""
    return any(
        one[0] + turn < other[2] and one[2] + turn > other[0] and one[1] < other[3] and one[3] > other[1]
        for turn in (-360.0, 0.0, 360.0)
    )


def common_bounds(one: Bounds, other: Bounds) -> Bounds | None:
    """Return what two bounds share, or None."""
    west, south, east, north = (
        max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])
    )  # fmt: skip
    return (west, south, east, north) if west < east and south < north else None


def span(bounds: Bounds) -> tuple[float, float]:
    """Return width and height in metres of EPSG:3857."""
    (left, bottom), (right, top) = mercator_of(bounds[0], bounds[1]), mercator_of(bounds[2], bounds[3])
    return max(right - left, 1e-6), max(top - bottom, 1e-6)
