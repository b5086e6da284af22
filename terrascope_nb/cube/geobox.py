"""The pixel grid of a cube: the files' own where possible, a stated one otherwise."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from terrascope_nb.errors import AreaError, GridError
from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.extent.features import crs_text
from terrascope_nb.raster.grid import PixelGrid, Transform, same_crs

_METRES_PER_DEGREE = 111_320.0
"""Mean length of a degree of latitude (WGS84), for a resolution in degrees that matches one in metres."""
_SNAP = 1e-6
"""An edge this close to a pixel border (in pixels) lies on it."""


def grid_like(like: Any) -> PixelGrid:
    """Return the grid of a cube, a DataArray or an odc-geo GeoBox.

    Raises
    ------
    GridError
        The object has no regular georeferenced grid.
    """
    if isinstance(like, PixelGrid):
        return like
    geobox = getattr(like, "odc", None)
    geobox = getattr(geobox, "geobox", None) if geobox is not None else like
    if geobox is None or not hasattr(geobox, "affine") or geobox.crs is None:
        raise GridError(
            f"like= got a {type(like).__name__} without a regular georeferenced grid. "
            "Give a cube of load(), another array with a crs, or an odc-geo GeoBox."
        )
    code = geobox.crs.epsg
    crs = f"EPSG:{code}" if code else str(geobox.crs.wkt)
    rows, cols = geobox.shape
    return PixelGrid(crs, _six(geobox.affine), (int(rows), int(cols)))


def _six(affine: Any) -> Transform:
    a, b, c, d, e, f = (float(value) for value in tuple(affine)[:6])
    return a, b, c, d, e, f


def choose_grid(
    grids: Sequence[PixelGrid],
    area: Aoi | None,
    *,
    crs: Any = None,
    resolution: float | None = None,
) -> tuple[PixelGrid, list[str]]:
    """Return the grid of a cube, and what was decided for the user.

    Parameters
    ----------
    grids : sequence of PixelGrid
        The grid of each file that may be read.
    area : Aoi, optional
        What the grid must hold; None = everything the files hold.
    crs : str, int or CRS, optional
        Coordinate system asked for; None = that of the files.
    resolution : float, optional
        Pixel size asked for, in the unit of the crs; None = the finest of the files.

    Raises
    ------
    GridError
        The area does not touch any file, or the crs or the resolution makes no sense.
    """
    if not grids:
        raise GridError(
            "No file says where its pixels lie, so there is no grid to load on. Give like= or crs= and area=."
        )
    if resolution is not None and not (resolution > 0 and math.isfinite(resolution)):
        raise GridError(f"resolution={resolution!r} is no pixel size; give a positive number in the unit of the crs.")
    crs_of_each = [grid.crs for grid in grids]
    grids = list(dict.fromkeys({id(grid): grid for grid in grids}.values()))  # most files share one
    if area is not None:
        _check_touches(grids, area)
    notes: list[str] = []
    target = _known_crs(crs) if crs is not None else _native_crs(crs_of_each, grids, area, notes)
    native = [grid for grid in grids if same_crs(grid.crs, target)]
    if native and resolution is None:
        anchor = min(native, key=lambda grid: grid.resolution[1])
        return _snapped(anchor, _wanted_bounds(native, grids, area, target), whole=area is not None), notes
    size = resolution if resolution is not None else _matching_resolution(grids, target)
    finest = min(native, key=lambda grid: grid.resolution[1]) if native else None
    if finest is not None and _divides(finest, size):
        # A coarser or finer grid on the files' own corner: their pixels nest.
        left, top = finest.transform[2], finest.transform[5]
    else:
        left = top = 0.0
    if crs is not None or not native:
        notes.append(f"grid of {size:g} in {target}, edges on whole multiples of the pixel size")
    anchor = PixelGrid(target, (size, 0.0, left, 0.0, -size, top), (1, 1))
    return _snapped(anchor, _wanted_bounds(native, grids, area, target), whole=area is not None), notes


def _known_crs(crs: Any) -> str:
    try:
        return crs_text(crs)
    except AreaError as error:
        raise GridError(
            f"crs={crs!r} is no coordinate system that is known. Give an EPSG code, like crs=3857 or 'EPSG:31370'.",
            crs=crs,
        ) from error


def check_touches_like(grids: Sequence[PixelGrid], like: PixelGrid) -> None:
    """Raise a GridError when none of the files reaches the grid that was given; files of unknown place are not asked.

    Raises
    ------
    GridError
        The cube would be empty.
    """
    west, south, east, north = like.bounds
    for grid in set(grids):
        left, bottom, right, top = grid.bounds if same_crs(grid.crs, like.crs) else bounds_in(grid, like.crs)
        if left < east and right > west and bottom < north and top > south:
            return
    if grids:
        raise GridError(
            f"The grid of like= (x {west:.10g} to {east:.10g}, y {south:.10g} to {north:.10g} in {like.crs:.20}) does not "
            f"touch any of the {len(set(grids))} scenes to load. Give a grid that does, or search where it lies."
        )


def _divides(grid: PixelGrid, size: float) -> bool:
    ratio = size / grid.resolution[1]
    ratio = ratio if ratio >= 1 else 1 / ratio
    return grid.is_north_up and abs(ratio - round(ratio)) < 1e-9


def _native_crs(crs_of_each: Sequence[str], grids: Sequence[PixelGrid], area: Aoi | None, notes: list[str]) -> str:
    """Return the files' crs; of several the one that holds most of the area."""
    counts: Counter[str] = Counter(crs_of_each)
    if len(counts) == 1:
        return grids[0].crs
    if area is None:
        chosen = counts.most_common(1)[0][0]
    else:
        chosen = max(counts, key=lambda crs: (_shared_area(grids, area, crs), counts[crs], crs))
    others = ", ".join(sorted(set(counts) - {chosen}))
    notes.append(f"the files lie in {', '.join(sorted(counts))}; the cube is on {chosen}, files in {others} are warped")
    return chosen


def _shared_area(grids: Sequence[PixelGrid], area: Aoi, crs: str) -> float:
    """Return the share of the area that the files of one crs hold, to a thousandth."""
    from shapely import box, union_all  # only for areas over several zones

    wanted = area.in_crs(crs)
    shape = union_all([feature.geometry for feature in wanted.features])
    files = union_all([box(*grid.bounds) for grid in {g for g in grids if g.crs == crs}])
    # A share, since a square metre of a zone is not one of its neighbour; a point lies in a zone or does not.
    return round(shape.intersection(files).area / shape.area, 3) if shape.area else float(shape.intersects(files))


def _check_touches(grids: Sequence[PixelGrid], area: Aoi) -> None:
    for grid in set(grids):
        left, bottom, right, top = grid.bounds
        west, south, east, north = area.bounds_in(grid.crs)
        if west <= right and east >= left and south <= top and north >= bottom:
            return
    west, south, east, north = area.bbox
    raise GridError(
        f"The area ({west:.4f}, {south:.4f}, {east:.4f}, {north:.4f}) does not touch any of the "
        f"{len(set(grids))} scenes to load. Search with the same area, or check that x is longitude and y latitude.",
        bbox=area.bbox,
    )


def _wanted_bounds(
    native: Sequence[PixelGrid], grids: Sequence[PixelGrid], area: Aoi | None, crs: str
) -> tuple[float, float, float, float]:
    if area is not None:
        left, bottom, right, top = area.bounds_in(crs)
        return left, bottom, right, top
    boxes: list[tuple[float, float, float, float]] = [grid.bounds for grid in native]
    boxes += [bounds_in(grid, crs) for grid in grids if not same_crs(grid.crs, crs)]
    return (
        min(b[0] for b in boxes),
        min(b[1] for b in boxes),
        max(b[2] for b in boxes),
        max(b[3] for b in boxes),
    )


def bounds_in(grid: PixelGrid, crs: str) -> tuple[float, float, float, float]:
    """Return the bounds of a grid in another coordinate system, its edges followed closely."""
    import pyproj  # only where systems differ

    transformer = pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True)
    left, bottom, right, top = transformer.transform_bounds(*grid.bounds, densify_pts=51)
    return float(left), float(bottom), float(right), float(top)


def _matching_resolution(grids: Sequence[PixelGrid], crs: str) -> float:
    """Return the finest resolution of the files in the unit of another crs."""
    import pyproj  # only where a crs is asked for

    finest = min(grids, key=lambda grid: grid.resolution[1])
    size = finest.resolution[1]
    source, target = pyproj.CRS.from_user_input(finest.crs), pyproj.CRS.from_user_input(crs)
    if source.is_geographic == target.is_geographic:
        return size
    return size * _METRES_PER_DEGREE if source.is_geographic else size / _METRES_PER_DEGREE


def _snapped(anchor: PixelGrid, bounds: tuple[float, float, float, float], *, whole: bool) -> PixelGrid:
    """Return the smallest grid on the anchor's pixels that holds the bounds; at least one pixel.

    With ``whole`` False the pixels whose centre lies in the bounds are enough: a row beyond the last centre of the
    files would be empty.
    """
    if not anchor.is_north_up:
        raise GridError(
            "The files are rotated against their coordinate system; give crs= and resolution= for the cube."
        )
    a, _, c, _, e, f = anchor.transform
    if e > 0:  # a file that begins in the south; the cube begins in the north
        e, f = -e, f + e * anchor.shape[0]
        anchor = PixelGrid(anchor.crs, (a, 0.0, c, 0.0, e, f), anchor.shape)
    left, bottom, right, top = bounds
    columns = sorted(((left - c) / a, (right - c) / a))
    rows = sorted(((top - f) / e, (bottom - f) / e))
    if whole:
        col0, row0 = math.floor(columns[0] + _SNAP), math.floor(rows[0] + _SNAP)
        col1, row1 = math.ceil(columns[1] - _SNAP), math.ceil(rows[1] - _SNAP)
    else:
        col0, row0 = math.ceil(columns[0] - 0.5 - _SNAP), math.ceil(rows[0] - 0.5 - _SNAP)
        col1, row1 = math.ceil(columns[1] - 0.5 - _SNAP), math.ceil(rows[1] - 0.5 - _SNAP)
    return anchor.crop(row0, col0, max(row1 - row0, 1), max(col1 - col0, 1))
