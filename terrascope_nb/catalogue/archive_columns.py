"""Rows of an index as Arrow columns in the layout of stac-geoparquet, and back as `pystac.Item`."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pystac
import shapely

from terrascope_nb.catalogue.archive_items import FOLDER, Row
from terrascope_nb.catalogue.item_facts import CLEAR_PROPERTY

_TEXT, _WHOLE, _NUMBER, _TIME = pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", tz="UTC")
_CORE = {
    "type": _TEXT,
    "stac_version": _TEXT,
    "stac_extensions": pa.list_(_TEXT),
    "id": _TEXT,
    "collection": _TEXT,
    "geometry": pa.binary(),
    "bbox": pa.struct([(name, _NUMBER) for name in ("xmin", "ymin", "xmax", "ymax")]),
    "links": pa.list_(pa.struct([("rel", _TEXT), ("href", _TEXT), ("type", _TEXT)])),
    "datetime": _TIME,
}
_PROPERTIES = {
    "start_datetime": _TIME,
    "end_datetime": _TIME,
    "created": _TIME,
    "mgrs:utm_zone": _WHOLE,
    "sat:absolute_orbit": _WHOLE,
    "sat:relative_orbit": _WHOLE,
    "gsd": _NUMBER,
    "eo:cloud_cover": _NUMBER,
    "eo:snow_cover": _NUMBER,
    CLEAR_PROPERTY: _NUMBER,
    "terrascope_nb:valid": _NUMBER,
}
"""Properties that are no text."""
_ASSET_FIELDS = {
    "roles": pa.list_(_TEXT),
    "file:size": _WHOLE,
    "nodata": _NUMBER,
    "raster:scale": _NUMBER,
    "raster:offset": _NUMBER,
    "gsd": _NUMBER,
    "proj:shape": pa.list_(_WHOLE),
    "proj:transform": pa.list_(_NUMBER),
}
"""Asset fields that are no text."""
_BAND_FIELDS = {"eo:center_wavelength": _NUMBER}
_TIMES = tuple(name for name, kind in {**_CORE, **_PROPERTIES}.items() if kind == _TIME)
_NO_PROPERTIES = frozenset({*_CORE, "assets", FOLDER})
_STAC_VERSION = "1.1.0"


def to_table(rows: Sequence[Row]) -> pa.Table:
    """Turn rows into a table whose columns hold what at least one of them has, in the order of `sort_keys`."""
    rows = [{"type": "Feature", "stac_version": _STAC_VERSION, "links": [], **row} for row in rows]
    schema = _schema(rows)
    table = pa.table(
        [pa.array([row.get(name) for row in rows], schema.field(name).type) for name in schema.names], schema
    )
    return table.take(pa.array(in_index_order(table)))


def _schema(rows: Iterable[Row]) -> pa.Schema:
    """Describe what the rows hold; a field that nobody has is no column, so that readers see few nulls."""
    properties: dict[str, pa.DataType] = {}
    assets: dict[str, dict[str, None]] = {}
    bands: dict[str, dict[str, None]] = {}
    software: dict[str, None] = {}
    for row in rows:
        for name in row:
            if name not in properties and name not in _CORE and name != "assets":
                properties[name] = _PROPERTIES.get(name, _TEXT)
        software.update(dict.fromkeys(row.get("processing:software") or ()))
        for key, asset in row["assets"].items():
            assets.setdefault(key, {}).update(dict.fromkeys(asset))
            for band in asset.get("bands", ()):
                bands.setdefault(key, {}).update(dict.fromkeys(band))
    if software:
        properties["processing:software"] = pa.struct([(name, _TEXT) for name in software])
    kinds = {
        key: pa.struct([(name, _asset_type(name, bands.get(key, {}))) for name in fields])
        for key, fields in assets.items()
    }
    return pa.schema([*_CORE.items(), *properties.items(), ("assets", pa.struct(list(kinds.items())))])


def _asset_type(name: str, bands: Iterable[str]) -> pa.DataType:
    if name == "bands":
        return pa.list_(pa.struct([(field, _BAND_FIELDS.get(field, _TEXT)) for field in bands]))
    return _ASSET_FIELDS.get(name, _TEXT)


def unified(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Return a schema that holds the fields of all, those inside assets too."""
    return pa.unify_schemas(list(schemas), promote_options="permissive")


def conformed(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table with all columns and nested fields of the schema, null where it had none."""
    table = table.combine_chunks()
    columns = [
        _fitted(_whole(table[field.name]), field.type) if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]  # fmt: skip
    return pa.table(columns, schema)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])


def _fitted(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type.equals(kind):
        return array
    if pa.types.is_struct(kind):
        # By hand: Arrow's own cast wants the same fields in the same order before version 19.
        here = {array.type.field(n).name: child for n, child in enumerate(array.flatten())}
        children = [
            _fitted(here[field.name], field.type) if field.name in here else pa.nulls(len(array), field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=array.is_null())
    if pa.types.is_list(kind):
        return pa.array(array.to_pylist(), kind)
    return array.cast(kind)


def in_index_order(table: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the row numbers in the order of the index: neighbours in space, then time, then id."""
    cells, times = sort_keys(table)
    ids = pc.rank(table["id"]).to_numpy()
    return np.lexsort((ids, times, cells))


def sort_keys(table: pa.Table) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.int64]]]:
    """Return cell of the globe (one degree) and time of each row: a search in a small area reads few pieces."""
    box = {name: numbers(pc.struct_field(table["bbox"], name)) for name in ("xmin", "ymin", "xmax", "ymax")}
    lon, lat = (box["xmin"] + box["xmax"]) / 2, (box["ymin"] + box["ymax"]) / 2
    cells = np.floor(np.nan_to_num(lat, nan=-100.0) + 90) * 360 + np.floor(np.nan_to_num(lon) + 180)
    return cells.astype(np.int64), pc.fill_null(table["datetime"].cast(_WHOLE), 0).to_numpy()


def numbers(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a column of numbers with NaN for null."""
    return np.asarray(pc.fill_null(column.cast(_NUMBER), math.nan).to_numpy())


def to_items(table: pa.Table) -> list[pystac.Item]:
    """Turn rows back into items; nulls are left out, and NaN is written as STAC writes it."""
    columns = {name: table[name].to_pylist() for name in table.column_names if name not in ("geometry", FOLDER)}
    properties = [name for name in columns if name not in _NO_PROPERTIES]
    outlines = table["geometry"].to_pylist()
    items = []
    for n in range(table.num_rows):
        box = tuple(columns["bbox"][n].values())
        item = pystac.Item(
            id=columns["id"][n],
            geometry=_outline(outlines[n]),
            bbox=None if math.isnan(box[0]) else list(box),
            datetime=columns["datetime"][n],
            properties={name: _plain(columns[name][n]) for name in properties if columns[name][n] is not None},
            stac_extensions=columns["stac_extensions"][n],
            collection=columns["collection"][n],
        )
        for link in columns["links"][n]:
            item.add_link(pystac.Link(link["rel"], link["href"], media_type=link["type"]))
        item.assets = {key: _asset(fields, item) for key, fields in columns["assets"][n].items() if fields is not None}
        items.append(item)
    return items


def _asset(fields: Mapping[str, Any], owner: pystac.Item) -> pystac.Asset:
    told = {name: _plain(value) for name, value in fields.items() if value is not None}
    asset = pystac.Asset(
        told.pop("href"),
        title=told.pop("title", None),
        media_type=told.pop("type", None),
        roles=told.pop("roles", None),
        extra_fields=told,
    )
    asset.owner = owner
    return asset


def _plain(value: Any) -> Any:
    """Return a value as STAC's JSON has it; the commonest kinds first, this runs 200 times an item."""
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind is float:
        return value if math.isfinite(value) else "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if kind is list:
        return [_plain(inner) for inner in value] if value and type(value[0]) is dict else value
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ").replace(".000000Z", "Z")
    if kind is dict:
        return {name: _plain(inner) for name, inner in value.items() if inner is not None}
    return value


def _outline(wkb: bytes) -> dict[str, Any] | None:
    """GeoJSON of an outline, None for an empty one."""
    known = _geojson(wkb)
    return None if known is None else dict(known)


@functools.lru_cache(maxsize=1024)
def _geojson(wkb: bytes) -> Mapping[str, Any] | None:
    # shapely writes coordinates as tuples, which cannot be changed, so that the items of a tile may share them.
    outline = shapely.from_wkb(wkb)
    return None if outline.is_empty else shapely.geometry.mapping(outline)
