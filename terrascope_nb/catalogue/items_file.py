"""Items in a file: a STAC ItemCollection with foreign members, or GeoParquet that holds each item's exact JSON."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pystac
import shapely
from shapely.geometry import mapping, shape

from terrascope_nb.catalogue import item_facts as facts
from terrascope_nb.catalogue.items import Dropped, Items
from terrascope_nb.catalogue.sources import footprint_of, item_of
from terrascope_nb.errors import CatalogueReplyError, ExportError
from terrascope_nb.extent.aoi import Aoi, Feature
from terrascope_nb.extent.period import Period
from terrascope_nb.products.model import Product
from terrascope_nb.products.registry import get_product, list_products

JSON_ENDINGS = frozenset({".json", ".geojson"})
PARQUET_ENDINGS = frozenset({".parquet", ".geoparquet"})
_MEMBER = "terrascope_nb"
_ITEM_COLUMN = "stac_item"
_FORMAT = 1


def write_items(items: Items, path: Path) -> Path:
    """Write items to a JSON or GeoParquet file, whole or not at all (see `Items.save`)."""
    ending = path.suffix.lower()
    if ending not in JSON_ENDINGS | PARQUET_ENDINGS:
        raise ExportError(
            f"Items cannot be saved as {path.name!r}: the ending says how. Use .json for a STAC ItemCollection or "
            ".parquet for GeoParquet.",
            path=path,
        )
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.stem}-", suffix=ending)
    except OSError as error:
        raise ExportError(
            f"Items cannot be saved as {path}: {error.strerror}. Choose a folder you may write to.", path=path
        ) from error
    os.close(handle)
    part = Path(name)
    try:
        (_write_json if ending in JSON_ENDINGS else _write_parquet)(items, part)
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        raise ExportError(f"Items cannot be saved as {path}: {error}. Free some space.", path=path) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def read_items(path: Path) -> Items:
    """Read items from a file (see `open_items`)."""
    if not path.is_file():
        raise CatalogueReplyError(f"There is no file {path} to read items from. Check the path.", path=path)
    try:
        if path.suffix.lower() in PARQUET_ENDINGS:
            records, known = read_parquet(path)
        else:
            content = read_json(path)
            records, known = item_records(content), content.get(_MEMBER) or {}
        return _build(to_items(records, path), known, path)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CatalogueReplyError(
            f"{path} was asked for items, but it is no STAC ItemCollection: {error}. Use a file that Items.save wrote "
            "or a FeatureCollection of STAC items.",
            path=path,
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the object a JSON file holds."""
    with path.open(encoding="utf-8") as file:
        content = json.load(file)
    if not isinstance(content, dict):
        raise TypeError("its top level is no object")
    return content


def is_item_collection(content: Mapping[str, Any]) -> bool:
    """Tell a collection of STAC items from other GeoJSON."""
    features = content.get("features") if content.get("type") == "FeatureCollection" else None
    return isinstance(features, list) and all(isinstance(one, dict) and "assets" in one for one in features)


def item_records(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the item dictionaries of an ItemCollection or of a single item."""
    if content.get("type") == "Feature" and "assets" in content:
        return [dict(content)]
    if not is_item_collection(content):
        raise ValueError(f"a {content.get('type') or 'JSON object'} without STAC items")
    return list(content["features"])


def read_parquet(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the item dictionaries of a parquet file (ours or stac-geoparquet), and what we wrote beside them."""
    import pyarrow as pa  # 0.2 s, only where a parquet file is read
    import pyarrow.parquet as pq

    try:
        names = pq.read_schema(path).names
        if _ITEM_COLUMN in names:
            table = pq.read_table(path, columns=[_ITEM_COLUMN])
            known = json.loads((table.schema.metadata or {}).get(_MEMBER.encode(), b"{}"))
            return [json.loads(text) for text in table[_ITEM_COLUMN].to_pylist()], known
        from stac_geoparquet.arrow import stac_table_to_items  # only for files that others wrote

        return list(stac_table_to_items(pq.read_table(path))), {}
    except pa.ArrowException as error:
        raise ValueError(f"it is no parquet file ({error})") from error


def to_items(records: Iterable[Mapping[str, Any]], path: Path) -> list[pystac.Item]:
    """Turn dictionaries into items; one with relative hrefs and no address of its own gets the file's."""
    found = []
    for record in records:
        try:
            item = item_of(dict(record))
        except (pystac.STACError, pystac.STACTypeError) as error:
            raise ValueError(f"{record.get('id')!r} is no STAC item ({str(error)[:120]})") from error
        if item.get_self_href() is None and any(_is_relative(asset.href) for asset in item.assets.values()):
            item.set_self_href(str(path.absolute()))
        found.append(item)
    return found


def _is_relative(href: str) -> bool:
    return "://" not in href and not href.startswith(("/", "file:"))


def _write_json(items: Items, path: Path) -> None:
    collection = {
        "type": "FeatureCollection",
        "features": [_record(item) for item in items],
        _MEMBER: _describe(items),
    }
    with path.open("w", encoding="utf-8") as file:
        json.dump(collection, file, default=str)


def _write_parquet(items: Items, path: Path) -> None:
    import pyarrow as pa  # 0.2 s, only where a parquet file is written
    import pyarrow.parquet as pq

    outlines = [footprint_of(item) for item in items]
    columns = {
        name: pa.array([read(item) for item in items], type=kind)
        for name, read, kind in (
            ("id", lambda item: item.id, pa.string()),
            ("time", facts.time_of, pa.timestamp("us", tz="UTC")),
            ("tile", facts.tile_of, pa.string()),
            ("platform", facts.platform_of, pa.string()),
            ("version", facts.version_of, pa.string()),
            ("resolution", facts.resolution_of, pa.float64()),
            ("cloud", facts.cloud_of, pa.float64()),
        )
    }
    columns["geometry"] = pa.array([None if one is None else shapely.to_wkb(one) for one in outlines], type=pa.binary())
    columns[_ITEM_COLUMN] = pa.array([json.dumps(_record(item)) for item in items], type=pa.string())
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": []}},
    }
    table = pa.table(columns).replace_schema_metadata(
        {"geo": json.dumps(geo), _MEMBER: json.dumps(_describe(items), default=str)}
    )
    pq.write_table(table, path, compression="zstd")


def _record(item: pystac.Item) -> dict[str, Any]:
    return item.to_dict(include_self_link=True, transform_hrefs=False)


def _describe(items: Items) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "product": items.product.id if items.product else None,
        "area": _describe_area(items.area) if items.area else None,
        "period": _describe_period(items.period) if items.period else None,
        "matched": items.matched,
        "dropped": [asdict(gone) for gone in items.dropped],
        "notes": list(items.notes),
        "source": items.source,
    }


def _describe_area(area: Aoi) -> dict[str, Any]:
    features = [
        {"id": feature.id, "geometry": mapping(feature.geometry), "properties": feature.properties} for feature in area
    ]
    return {"name": area.name, "kind": area.kind, "crs": area.crs, "notes": list(area.notes), "features": features}


def _describe_period(period: Period) -> list[list[str | None]]:
    return [[day.isoformat() if day else None for day in span] for span in period.spans]


def _build(items: list[pystac.Item], known: Mapping[str, Any], path: Path) -> Items:
    area, period = known.get("area"), known.get("period")
    return Items(
        items,
        product=_product(known.get("product")),
        area=None if area is None else _read_area(area),
        period=None if period is None else _read_period(period),
        matched=known.get("matched"),
        dropped=[Dropped(**gone) for gone in known.get("dropped", ())],
        notes=known.get("notes", ()),
        source=known.get("source") or str(path),
    )


def _product(product_id: str | None) -> Product | None:
    # A file may come from another version of this package; the items speak for themselves then.
    known = {product.id for product in list_products()}
    return get_product(product_id) if product_id in known else None


def _read_area(record: Mapping[str, Any]) -> Aoi:
    features = tuple(
        Feature(id=one["id"], geometry=shape(one["geometry"]), properties=one["properties"])
        for one in record["features"]
    )
    return Aoi(
        features=features,
        crs=record["crs"],
        kind=record["kind"],
        name=record["name"],
        notes=tuple(record["notes"]),
    )


def _read_period(spans: Iterable[Iterable[str | None]]) -> Period:
    days = [tuple(date.fromisoformat(day) if day else None for day in span) for span in spans]
    return Period(tuple((first, last) for first, last in days))
