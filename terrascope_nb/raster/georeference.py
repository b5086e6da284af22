"""Where a GeoTIFF says it lies: its geokeys, pixel sizes and tie points become a system and a transform (OGC 19-008)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from terrascope_nb.raster.grid import Transform
from terrascope_nb.raster.tiff import Field, Layout

_SCALE, _TIE_POINTS, _MATRIX, _GEO_KEYS = 33550, 33922, 34264, 34735
GEO_TAGS = frozenset({_SCALE, _TIE_POINTS, _MATRIX, _GEO_KEYS})
"""TIFF tags that say where a file lies."""

_MODEL_TYPE, _RASTER_TYPE, _GEOGRAPHIC, _ANGULAR_UNIT = 1024, 1025, 2048, 2054
_PROJECTED, _LINEAR_UNIT, _VERTICAL = 3072, 3076, 4096
_DEGREE, _METRE, _PIXEL_IS_POINT = 9102, 9001, 2


def geo_keys(layout: Layout, fields: Mapping[int, Field]) -> dict[int, int]:
    """Return the keys whose value is one short number, which are all we use."""
    values = layout.numbers(fields, _GEO_KEYS)
    if not values:
        return {}
    if len(values) < 4 or len(values) < 4 + 4 * values[3]:
        layout.source.fail("its list of geokeys is shorter than it claims")
    quads = (values[n : n + 4] for n in range(4, 4 + 4 * values[3], 4))
    return {key: value for key, elsewhere, count, value in quads if elsewhere == 0 and count == 1}


def crs_of(keys: Mapping[int, int]) -> str | None:
    """Return the EPSG code that the keys name; None where they name none, or more than a plain code says."""
    model = keys.get(_MODEL_TYPE)
    if _VERTICAL in keys:  # a compound system
        return None
    if model == 1 and keys.get(_LINEAR_UNIT, _METRE) == _METRE:
        code = keys.get(_PROJECTED, 0)
    elif model == 2 and keys.get(_ANGULAR_UNIT, _DEGREE) == _DEGREE:
        code = keys.get(_GEOGRAPHIC, 0)
    else:
        return None
    # 32767 means defined by further keys; below 1024 lie GeoTIFF's own numbers.
    return f"EPSG:{code}" if 1024 <= code < 32767 else None


def transform_of(layout: Layout, fields: Mapping[int, Field], keys: Mapping[int, int]) -> Transform | None:
    """Return the transform to the outer corners of pixels; None without georeference or with control points only."""
    scale, ties = layout.numbers(fields, _SCALE), layout.numbers(fields, _TIE_POINTS)
    if len(scale) >= 2 and scale[0] and scale[1]:
        if len(ties) < 6:
            return None
        # GDAL takes a file with a negative pixel height for north up as well.
        a, b, d, e = float(scale[0]), 0.0, 0.0, -abs(float(scale[1]))
        c, f = ties[3] - ties[0] * a, ties[4] - ties[1] * e
    else:
        matrix = layout.numbers(fields, _MATRIX)
        if len(matrix) != 16:
            return None
        a, b, _, c, d, e, _, f = matrix[:8]
    if keys.get(_RASTER_TYPE) == _PIXEL_IS_POINT:
        c, f = c - (a + b) / 2, f - (d + e) / 2
    found = (float(a), float(b), float(c), float(d), float(e), float(f))
    if not all(map(math.isfinite, found)) or found[0] * found[4] == found[1] * found[3]:
        layout.source.fail(f"its georeference {found} maps pixels to nowhere")
    return found
