"""What a raster file says of itself, whoever reads it."""

from __future__ import annotations

from dataclasses import dataclass

from terrascope_nb.raster.grid import PixelGrid


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What a file says of itself."""

    grid: PixelGrid
    """The full-resolution grid."""
    dtype: str
    """Stored type."""
    nodata: float | None
    """Stored number that means nothing here, if the file says one."""
    scale: float | None
    """Scale, if the file says one (GDAL's default of 1 counts as silence)."""
    offset: float | None
    """Offset, if the file says one (GDAL's default of 0 counts as silence)."""
    levels: tuple[tuple[int, int], ...] = ()
    """Rows and columns of the full resolution and of each overview, finest first."""
    block: tuple[int, int] = (0, 0)
    """Rows and columns of a native block."""
    masked: bool = False
    """True when the file has a mask of its own: its reader is a `MaskedReader`."""
