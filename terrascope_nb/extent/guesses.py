"""Which coordinate system numbers without one may be in: a hint for the user, never an assumption."""

from __future__ import annotations

import pyproj

__all__ = ["advice", "candidates", "numbers"]

Bounds = tuple[float, float, float, float]
LONLAT = "EPSG:4326"
# (name, code, x range, y range): what Belgium becomes in each, widened.
_GUESSES = (
    ("Belgian Lambert 72", "EPSG:31370", (0, 310_000), (0, 260_000)),
    ("Belgian Lambert 2008", "EPSG:3812", (500_000, 810_000), (500_000, 760_000)),
    ("Web Mercator", "EPSG:3857", (200_000, 800_000), (6_200_000, 6_800_000)),
    ("ETRS89 / LAEA Europe", "EPSG:3035", (3_700_000, 4_200_000), (2_800_000, 3_300_000)),
)


def numbers(bounds: Bounds) -> str:
    """Write the range of the numbers."""
    return f"x {bounds[0]:.10g} to {bounds[2]:.10g}, y {bounds[1]:.10g} to {bounds[3]:.10g}"


def candidates(bounds: Bounds) -> tuple[str, ...]:
    """Return coordinate systems that numbers like these are common in, likeliest first; never more than a hint."""
    x0, y0, x1, y1 = bounds
    if max(abs(x0), abs(x1)) <= 360 and max(abs(y0), abs(y1)) <= 90:
        return (LONLAT,)
    found = [code for _, code, xs, ys in _GUESSES if xs[0] <= x0 and x1 <= xs[1] and ys[0] <= y0 and y1 <= ys[1]]
    utm = [] if _utm_latitude(bounds) is None else ["EPSG:32631", "EPSG:32632"]
    # UTM over Belgium has northings that no other of these has; elsewhere the others are likelier.
    return tuple(utm + found if _utm_in_belgium(bounds) else found + utm)


def _utm_latitude(bounds: Bounds) -> float | None:
    """Latitude that northings of the northern hemisphere stand for; None when the numbers are no UTM metres."""
    x0, y0, x1, y1 = bounds
    if not (x0 >= 100_000 and x1 <= 900_000 and y0 >= 0 and y1 <= 9_400_000):
        return None
    return float(pyproj.Transformer.from_crs(32631, 4326, always_xy=True).transform(500_000, (y0 + y1) / 2)[1])


def _utm_in_belgium(bounds: Bounds) -> bool:
    latitude = _utm_latitude(bounds)
    return latitude is not None and 49.0 <= latitude <= 52.0


def advice(bounds: Bounds) -> str:
    """Say what the numbers look like and what to do."""
    names = {code: name for name, code, _, _ in _GUESSES}
    likely = candidates(bounds)
    if likely == (LONLAT,):
        return "They fit degrees: if they are longitude and latitude, add crs='EPSG:4326'."
    latitude = _utm_latitude(bounds)
    hints = []
    if latitude is not None:
        hints.append(
            f"UTM metres at about {latitude:.1f}° N, whose zone the numbers do not tell "
            f"({'over Belgium' if _utm_in_belgium(bounds) else 'for example'} zone 31, crs='EPSG:32631', west of 6° E, "
            "and zone 32, crs='EPSG:32632', east of it)"
        )
    hints += [f"{names[code]} (crs='{code}')" for code in likely if code in names]
    if not _utm_in_belgium(bounds):
        hints.reverse()
    looks = f"They look like {'; or '.join(hints)}. " if hints else ""
    return f"{looks}Ask whoever made it, or look at the source in a map, and add crs=."
