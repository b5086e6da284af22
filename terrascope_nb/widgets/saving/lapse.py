"""`timelapse`: the dates of a cube or of a map's layer, one after the other, as GIF or MP4."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import numpy as np

from terrascope_nb.errors import CubeError, ExportError
from terrascope_nb.extent.aoi import AoiLike
from terrascope_nb.extent.aoi import area as to_area
from terrascope_nb.extent.period import Period
from terrascope_nb.maps.basemap import Basemap
from terrascope_nb.maps.frames import write_gif, write_mp4
from terrascope_nb.maps.sheet import MapSheet, SheetLayer
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer
from terrascope_nb.widgets.saving.map_sheet import moving_number, outline_of, sheet_of, size_for, widened
from terrascope_nb.widgets.saving.whole_files import checked_path, whole_file

__all__ = ["moving_sheet", "save_lapse", "timelapse"]


def timelapse(
    what: Any,
    path: str | os.PathLike[str],
    *,
    area: AoiLike | None = None,
    times: Any = None,
    fps: float = 2.0,
    title: str = "",
    size: tuple[int, int] | None = None,
    bands: Any = None,
    cmap: Any = None,
    vmin: Any = None,
    vmax: Any = None,
    dark: bool = False,
    overwrite: bool = True,
) -> Path:
    """Write the dates of a cube, or of a map's layer, as GIF or MP4 with date stamp, scale bar, legend and sources.

    The colours keep their meaning from the first frame to the last. Needs no browser.

    Parameters
    ----------
    what : Map, or anything that ``Map.add`` draws
        Of a map its view is taken, of other things their bounds.
    path : path
        ``.gif``, or ``.mp4`` (needs ``pip install 'terrascope-nb[video]'``).
    area : AoiLike, optional
        Show this area and draw its outline.
    times : optional
        Which dates: a `Period`, indices, or dates (the acquisitions of these days). All when None.
    fps : float
        Frames a second.
    title : str
    size : (width, height), optional
        Pixels of the map, without title and legend.
    bands, cmap, vmin, vmax
        As of ``Map.add``; not for a map, whose layers have their look.
    dark : bool
        For a dark page.
    overwrite : bool

    Returns
    -------
    Path

    Raises
    ------
    CubeError
        No dates, or none of those asked for.
    ExportError, MissingExtraError, TerrascopeError
        As `save_map`.

    Examples
    --------
    ``ts.timelapse(cube["NDVI"], "spring.gif", area="Assenede", times=ts.period("2018-04-01", "2018-06-30"))``
    """
    target = checked_path(path)
    if target.suffix.lower() not in (".gif", ".mp4"):
        raise ExportError(f"a time lapse to {target.name!r}: use .gif or .mp4.", path=target)
    from terrascope_nb.widgets.live_map.map import Map  # it imports this module when it saves

    if isinstance(what, Map):
        sheet, moving = sheet_of(what, title=title, size=size, area=area), moving_number(what, None)
    else:
        layer = RasterLayer(_source_of(what, bands), cmap=cmap, vmin=vmin, vmax=vmax)
        around = to_area(area).bbox if area is not None else layer.source.bounds
        bounds = widened(around)
        outlines = (outline_of(area),) if area is not None else ()
        sheet = MapSheet(
            bounds, size_for(bounds, size), (SheetLayer(layer.painter),), outlines, Basemap(), dark, title=title
        )
        moving = 0
    return save_lapse(moving_sheet(sheet, moving, times), target, fps, overwrite=overwrite)


def moving_sheet(sheet: MapSheet, moving: int, times: Any = None) -> MapSheet:
    """Return a sheet that moves through the dates of one of its layers.

    Raises
    ------
    CubeError
        The layer has no dates, or none of those asked for.
    """
    source = sheet.layers[moving].painter.source
    return dataclasses.replace(sheet, moving=moving, times=_indices(source.times, times, source.name))


def _indices(known: Sequence[np.datetime64], wanted: Any, name: str) -> tuple[int, ...]:
    if not known:
        raise CubeError(f"a time lapse was asked for, but {name} has no dates.")
    order = sorted(range(len(known)), key=lambda index: known[index])
    if wanted is None:
        return tuple(order)
    if isinstance(wanted, Period):
        found = [index for index in order if wanted.contains(_moment(known[index]))]
    else:
        asked: list[Any] = list(wanted) if isinstance(wanted, Iterable) and not isinstance(wanted, str) else [wanted]
        found = []
        for one in asked:
            if isinstance(one, (int, np.integer)):
                if not -len(known) <= one < len(known):
                    raise CubeError(
                        f"times={int(one)} was asked for; {name} has {len(known)} dates, 0 to {len(known) - 1}."
                    )
                found.append(int(one) % len(known))
            else:
                day = _day_of(one)
                same = [index for index in order if known[index].astype("datetime64[D]") == day]
                if not same:
                    raise CubeError(f"times={one!r} was asked for; {name} has no acquisition on that day.")
                found += same
    if not found:
        first, last = (str(np.datetime_as_string(known[index], unit="D")) for index in (order[0], order[-1]))
        raise CubeError(f"no date of {name} is among those asked for; it has {len(known)}, from {first} to {last}.")
    return tuple(dict.fromkeys(found))


def _day_of(asked: Any) -> np.datetime64:
    try:
        return np.datetime64(asked, "D")
    except (ValueError, TypeError) as error:
        raise CubeError(
            f"times={asked!r:.80} was asked for, which is no date. Give dates like '2018-07-05', numbers of times, or a "
            "period: ts.period('2018-07').",
            times=asked,
        ) from error


def _moment(time: np.datetime64) -> Any:
    return time.astype("datetime64[us]").item().replace(tzinfo=UTC)


def save_lapse(sheet: MapSheet, target: Path, fps: float, *, overwrite: bool) -> Path:
    """Write a moving sheet as GIF or MP4, as the suffix says; return the path."""
    with whole_file(target, overwrite=overwrite) as temporary:
        (write_gif if target.suffix.lower() == ".gif" else write_mp4)(sheet, temporary, fps=fps)
    return target


def _source_of(what: Any, bands: Any) -> Any:
    from terrascope_nb.widgets.live_map.sources import tile_source  # it loads dask

    return tile_source(what, bands=bands)
