"""Tile ids and UTM squares: the Sentinel-2 tiling grid, rebuilt from its rule, with no network.

A tile is a 100 km square of MGRS (`zone, latitude band, column letter, row letter`) widened to 109.8 km so that
neighbours overlap: the upper-left corner is the square's corner moved outwards to a multiple of 60 m counted from the
equator and the zone's false origin, which is why `31UES` starts at x = 499 980 and `31TCN` at y = 5 300 040. The grid
holds 56 686 tiles; a square that two latitude bands share belongs to the band of its centre, and squares wholly covered
by a neighbouring zone are left out. Source: ESA, Sentinel-2 tiling grid
(S2A_OPER_GIP_TILPAR_MPC__20151209T095117_V20150622T000000_21000101T000000_B00.kml); the tables below give its tiles
exactly, the exceptions over Norway (31V, 32V) and Svalbard (31X to 37X) included.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import shapely
from pyproj import Transformer
from shapely import affinity

from terrascope_nb.errors import AreaError, UnknownPlaceError
from terrascope_nb.extent.lonlat import uncrossed

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

__all__ = ["Square", "is_tile", "tile_box", "tile_footprint", "tile_square", "tiles_of"]

TILE_SIZE = 109_800.0
"""Side of a tile in metres."""
SQUARE = 100_000
"""Side of an MGRS square in metres."""
_SNAP = 60
"""Corners lie on multiples of the coarsest pixel, 60 m."""

_COLUMNS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_ROWS = "ABCDEFGHJKLMNPQRSTUV"
_BANDS = "CDEFGHJKLMNPQRSTUVWX"
# South edge, in 100 km from the equator, of the first row of squares in each latitude band.
_BAND_STARTS = (-93, -80, -71, -62, -53, -44, -35, -27, -18, -9, 0, 9, 18, 27, 35, 44, 53, 62, 71, 80)
# (first row, westernmost column, easternmost column) of zones 2 to 59; a column is its west edge in 100 km. Where the
# number of columns is odd, zone 1 has one more in the west and zone 60 one less in the east.
_STRIPS = (
    (-93, 5, 5), (-91, 4, 5), (-81, 4, 6), (-71, 3, 6), (-60, 3, 7), (-47, 2, 7), (-29, 2, 8),
    (29, 2, 7), (47, 3, 7), (60, 3, 6), (71, 4, 6), (81, 4, 5), (91, 5, 5),
)  # fmt: skip
_TOP_ROW = 93
# (first row, last row, zone) -> columns, where Norway and Svalbard differ; None = the zone has no tile there.
_EXCEPTIONS: dict[tuple[int, int, int], tuple[int, int] | None] = {
    (63, 69, 31): (3, 5), (63, 70, 32): (2, 6),
    (79, 79, 31): (4, 7), (79, 79, 32): (5, 6), (79, 79, 33): (3, 7), (79, 79, 34): (5, 6), (79, 79, 35): (3, 7),
    (79, 79, 36): (5, 6), (79, 79, 37): (3, 6),
    (80, 80, 31): (4, 7), (80, 80, 33): (3, 7), (80, 80, 35): (3, 7), (80, 80, 37): (3, 6),
    (81, 85, 31): (4, 6), (81, 85, 33): (3, 6), (81, 85, 35): (3, 6), (81, 85, 37): (3, 5),
    (86, 90, 31): (4, 6), (86, 90, 33): (4, 6), (86, 90, 35): (4, 6),
    (91, 93, 33): (4, 5), (91, 93, 35): (4, 5), (91, 93, 37): (4, 5),
    (80, 93, 32): None, (80, 93, 34): None, (80, 93, 36): None,
}  # fmt: skip
_ID = re.compile(r"(?P<zone>\d{1,2})(?P<band>[C-HJ-NP-X])(?P<column>[A-HJ-NP-Z])(?P<row>[A-HJ-NP-V])")


class Square(NamedTuple):
    """One MGRS square, in whole 100 km."""

    zone: int
    """UTM zone, 1 to 60."""
    column: int
    """West edge: easting / 100 km, 1 to 8."""
    row: int
    """South edge: northing from the equator / 100 km, negative in the south."""

    @property
    def south(self) -> bool:
        """True south of the equator."""
        return self.row < 0

    @property
    def epsg(self) -> int:
        """EPSG code of its UTM zone."""
        return (32700 if self.south else 32600) + self.zone

    @property
    def band(self) -> str:
        """Latitude band of its centre, as the Sentinel-2 grid names it."""
        return _BANDS[bisect_right(_BAND_STARTS, self.row) - 1]

    @property
    def tile(self) -> str:
        """The Sentinel-2 tile id."""
        column = _COLUMNS[(self.zone - 1) % 3][self.column - 1]
        return f"{self.zone:02d}{self.band}{column}{_ROWS[(self.row + (0 if self.zone % 2 else 5)) % 20]}"

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) of the 109.8 km tile in metres of `epsg`."""
        left = float(math.floor(self.column * SQUARE / _SNAP) * _SNAP)
        top = float(math.ceil((self.row + 1) * SQUARE / _SNAP) * _SNAP)
        top += 10_000_000.0 if self.south else 0.0
        return left, top - TILE_SIZE, left + TILE_SIZE, top

    @property
    def exists(self) -> bool:
        """True when the Sentinel-2 grid holds a tile for this square."""
        columns = _columns_of(self.zone, self.row)
        return columns is not None and columns[0] <= self.column <= columns[1]


def _columns_of(zone: int, row: int) -> tuple[int, int] | None:
    """First and last column the grid has in a zone and row."""
    if not 1 <= zone <= 60 or not _STRIPS[0][0] <= row <= _TOP_ROW:
        return None
    for (first, last, where), columns in _EXCEPTIONS.items():
        if where == zone and first <= row <= last:
            return columns
    _, west, east = _STRIPS[bisect_right(_STRIPS, (row, 99, 99)) - 1]
    if (east - west) % 2 == 0:
        west, east = (west - 1, east) if zone == 1 else (west, east - 1) if zone == 60 else (west, east)
    return (west, east) if west <= east else None


def _parse(text: object) -> Square | None:
    """Read an MGRS square id of any case, with or without a leading ``T`` or zero; None when it is none."""
    if not isinstance(text, str):
        return None
    match = _ID.fullmatch(text.strip().upper().removeprefix("T"))
    if match is None or not 1 <= (zone := int(match["zone"])) <= 60:
        return None
    column = _COLUMNS[(zone - 1) % 3].find(match["column"]) + 1
    if column == 0:
        return None
    letter = (_ROWS.index(match["row"]) - (0 if zone % 2 else 5)) % 20
    band = _BANDS.index(match["band"])
    first = _BAND_STARTS[band]
    last = (*_BAND_STARTS, _TOP_ROW + 1)[band + 1] - 1
    # A square that straddles two bands is written with either letter, so the rows beside the band count too.
    for row in (*range(first, last + 1), first - 1, last + 1):
        if row % 20 == letter:
            return Square(zone, column, row)
    return None


def is_tile(text: object) -> bool:
    """Tell whether a text is the id of a Sentinel-2 tile (any case, a leading ``T`` allowed).

    >>> is_tile("31UDS"), is_tile("T31uds"), is_tile("Gent"), is_tile("31TDP")
    (True, True, False, False)
    """
    square = _parse(text)
    return square is not None and square.exists and square.band == _band_letter(str(text))


def _band_letter(text: str) -> str:
    match = _ID.fullmatch(text.strip().upper().removeprefix("T"))
    return match["band"] if match else ""


def tile_square(tile: str) -> Square:
    """Return the MGRS square of a Sentinel-2 tile.

    Raises
    ------
    UnknownPlaceError
        The text is no tile of the Sentinel-2 grid; the message names the tile that covers the square, if any.
    """
    square = _parse(tile)
    if square is not None and square.exists and square.band == _band_letter(tile):
        return square
    if square is not None and square.exists:
        raise UnknownPlaceError(
            f"Tile {tile!r} was asked for. It is an MGRS square, but the Sentinel-2 grid files it under the latitude "
            f"band of its centre: ask for {square.tile!r}.",
            name=tile,
            candidates=(square.tile,),
        )
    if square is not None:
        near = [found for found in (square._replace(column=c).tile for c in range(1, 9)) if is_tile(found)]
        raise UnknownPlaceError(
            f"Tile {tile!r} was asked for. It is an MGRS square, but the Sentinel-2 grid has no tile there because a "
            f"neighbouring zone covers it; this row of zone {square.zone} has {', '.join(near) or 'none'}. "
            "Ask with a bbox or a polygon to see which tiles it touches.",
            name=tile,
            candidates=tuple(near),
        )
    raise UnknownPlaceError(
        f"Tile {tile!r} was asked for, but a tile id is a UTM zone, a band and two letters, like '31UDS' (zones 01-60, "
        "bands C-X without I and O). Check the letters, or give a bbox or a place.",
        name=tile,
        candidates=(),
    )


def tile_box(tile: str) -> tuple[int, tuple[float, float, float, float]]:
    """Return EPSG code and (left, bottom, right, top) in metres of the 109.8 km square of a tile.

    >>> tile_box("31UFS")
    (32631, (600000.0, 5590200.0, 709800.0, 5700000.0))

    Raises
    ------
    UnknownPlaceError
        The text is no tile of the Sentinel-2 grid.
    """
    square = tile_square(tile)
    return square.epsg, square.box


def tile_footprint(tile: str) -> BaseGeometry:
    """Return the outline of a tile in degrees, its edges followed every 2 km.

    Parameters
    ----------
    tile : str
        Tile id such as ``"31UDS"``.

    Returns
    -------
    shapely.Polygon
        Longitude, latitude (EPSG:4326); a MultiPolygon cut at 180 degrees where the tile crosses it.

    Raises
    ------
    UnknownPlaceError
        The text is no tile of the Sentinel-2 grid.

    Examples
    --------
    >>> [round(v, 2) for v in tile_footprint("31UDS").bounds]
    [1.56, 50.46, 3.14, 51.45]
    """
    square = tile_square(tile)
    ring = shapely.segmentize(shapely.box(*square.box), TILE_SIZE / 55)
    # Degrees from the central meridian never jump, so the outline is whole before it is cut.
    relative = shapely.transform(ring, lambda xy: _relative(xy, square.south))
    return uncrossed(affinity.translate(relative, xoff=_meridian(square.zone)))[0]


def tiles_of(geometry: BaseGeometry) -> tuple[str, ...]:
    """Return the Sentinel-2 tiles whose 109.8 km square touches a geometry, sorted.

    Because tiles overlap by 9.8 km, and zones by more, a small area may lie whole in several tiles.

    Parameters
    ----------
    geometry : shapely geometry
        Longitude, latitude in degrees (EPSG:4326).

    Returns
    -------
    tuple of str
        Empty north of about 84.6 degrees and south of about 83.9 degrees, where the grid ends.

    Raises
    ------
    AreaError
        It is no shapely geometry.

    Examples
    --------
    >>> tiles_of(shapely.Point(3.75, 51.2))
    ('31UES',)
    """
    if not isinstance(geometry, shapely.Geometry):
        raise AreaError(
            f"Tiles were asked for of {geometry!r:.80}, which is no shapely geometry. Use ts.area({geometry!r:.80}).tiles."
        )
    if geometry.is_empty:
        return ()
    found: set[str] = set()
    west, south, east, north = geometry.bounds
    rows, columns, bounds = _templates()
    touched_rows = (bounds[:, 1] <= north) & (bounds[:, 3] >= south)
    for zone in range(1, 61):
        meridian = _meridian(zone)
        for turn in (-360.0, 0.0, 360.0):
            shift = turn - meridian
            near = touched_rows & (bounds[:, 0] <= east + shift) & (bounds[:, 2] >= west + shift)
            squares = [
                square
                for square in (Square(zone, int(c), int(r)) for r, c in zip(rows[near], columns[near], strict=True))
                if square.exists
            ]
            if squares:
                found.update(_touched(geometry, squares, shift, bounds[near]))
    return tuple(sorted(found))


def _touched(geometry: BaseGeometry, squares: list[Square], shift: float, bounds: np.ndarray) -> list[str]:
    """Test the squares of one zone in its own UTM metres, where they are true squares."""
    west, south, east, north = bounds[:, 0].min(), bounds[:, 1].min(), bounds[:, 2].max(), bounds[:, 3].max()
    part = affinity.translate(geometry, xoff=shift)
    x0, y0, x1, y1 = part.bounds
    if x0 < west or x1 > east or y0 < south or y1 > north:
        if not part.is_valid:
            part = shapely.make_valid(part, method="structure", keep_collapsed=False)
        part = shapely.intersection(part, shapely.box(west, south, east, north))
    # 0.05 degrees of a straight line bend by less than 2 m in UTM.
    part = shapely.segmentize(part, 0.05)
    tiles: list[str] = []
    for is_south in (False, True):
        group = [square for square in squares if square.south is is_south]
        if group:
            metres = shapely.transform(part, partial(_relative, south=is_south, inverse=True))
            shapely.prepare(metres)
            hits = shapely.intersects(metres, shapely.box(*np.array([square.box for square in group]).T))
            tiles.extend(square.tile for square, hit in zip(group, hits, strict=True) if hit)
    return tiles


@lru_cache(maxsize=1)
def _templates() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and (west, south, east, north) from the central meridian of every square any zone has.

    The shape of a square does not depend on its zone, so some 700 of them stand for all 56 686 tiles.
    """
    # Zones 1, 31, 33, 35 and 37 are wider than the others; 2 stands for the rest.
    kinds = (1, 2, 31, 32, 33, 35, 37)
    first, last = _STRIPS[0][0], _TOP_ROW
    cells = sorted(
        {
            (row, column)
            for zone in kinds
            for row in range(first, last + 1)
            if (found := _columns_of(zone, row)) is not None
            for column in range(found[0], found[1] + 1)
        }
    )
    side = np.linspace(0.0, TILE_SIZE, 9)
    zero, full = np.zeros(9), np.full(9, TILE_SIZE)
    dx, dy = np.concatenate([side, side, zero, full]), np.concatenate([zero, full, side, side])
    bounds = np.empty((len(cells), 4))
    for is_south in (False, True):
        which = np.array([(row < 0) is is_south for row, _ in cells])
        boxes = np.array([Square(2, column, row).box for row, column in cells])[which]
        points = np.column_stack([(boxes[:, :1] + dx).ravel(), (boxes[:, 1:2] + dy).ravel()])
        x, y = np.moveaxis(_relative(points, is_south).reshape(*boxes.shape[:1], -1, 2), -1, 0)
        # The margin covers what the edges bend between the points taken.
        bounds[which] = np.stack([x.min(1) - 0.02, y.min(1) - 0.02, x.max(1) + 0.02, y.max(1) + 0.02], axis=1)
    return np.array([row for row, _ in cells]), np.array([column for _, column in cells]), bounds


def _meridian(zone: int) -> float:
    return 6.0 * zone - 183.0


@lru_cache(maxsize=4)
def _transformer(south: bool) -> Transformer:
    """UTM metres of a zone <-> degrees from its central meridian, the same for every zone."""
    north_origin = 10_000_000 if south else 0
    utm = f"+proj=tmerc +lat_0=0 +lon_0=0 +k=0.9996 +x_0=500000 +y_0={north_origin} +ellps=WGS84 +units=m +no_defs"
    return Transformer.from_crs(utm, "+proj=longlat +ellps=WGS84 +no_defs", always_xy=True)


def _relative(xy: np.ndarray, south: bool, *, inverse: bool = False) -> np.ndarray:
    """Points (n, 2) in UTM metres as degrees from the central meridian, or back."""
    direction = "INVERSE" if inverse else "FORWARD"
    return np.column_stack(_transformer(south).transform(xy[:, 0], xy[:, 1], direction=direction))
