"""West, south, east and north in degrees: what two of them share, how large one is on the map, and what is no view."""

from __future__ import annotations

from typing import Any

from terrascope_nb.errors import CubeError
from terrascope_nb.raster.tiling import MOST_ZOOM, Bounds, mercator_of


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


def check_view(center: Any, zoom: Any) -> None:
    """Refuse a view that no map has, which leaflet would show as an empty one."""
    try:
        lat, lon = (0.0, 0.0) if center is None else (float(one) for one in center)
        inside = abs(lat) <= 90 and abs(lon) <= 360
    except (TypeError, ValueError):
        inside = False
    if not inside:
        raise CubeError(
            f"center={center!r} is asked for; give (latitude, longitude) in degrees, latitude from -90 to 90 and longitude "
            "from -180 to 180, such as center=(50.85, 4.35)."
        )
    if zoom is None:
        return
    if not isinstance(zoom, (int, float)) or not 0 <= zoom <= MOST_ZOOM:
        raise CubeError(f"zoom={zoom!r} is asked for; give a number from 0 (the world) to {MOST_ZOOM} (a house).")
