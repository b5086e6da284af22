"""An area's draft from GeoJSON, or from a vector file of any format GDAL or geopandas reads."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, get_args

import numpy as np
import shapely
from shapely.geometry import shape as shape_of
from shapely.geometry.base import BaseGeometry

from terrascope_nb.errors import AreaError, near_misses
from terrascope_nb.extent.draft import Draft
from terrascope_nb.extent.features import Kind, crs_text, plain
from terrascope_nb.extent.file_kinds import check_kind, unpack_member, without_schema

__all__ = ["SUFFIXES", "from_file", "from_geojson"]

SUFFIXES = (
    ".geojson", ".json", ".gpkg", ".shp", ".zip", ".kml", ".kmz", ".fgb", ".parquet", ".geoparquet", ".gml", ".gpx", ".wkt",
)  # fmt: skip
"""Endings that make a text a file name."""
_KML_DISPLAY = {"tessellate", "extrude", "visibility", "altitudeMode", "drawOrder", "icon"}
_INSIDE_ZIP = (".shp", ".gpkg", ".geojson", ".kml", ".fgb", ".json")
_GEOMETRIES = {
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection",
}  # fmt: skip


def from_geojson(data: Mapping[str, Any], source: str) -> Draft:
    """Return the draft of a GeoJSON object of any type; its outdated ``crs`` member is followed.

    A member ``"terrascope_nb": {"kind": "bbox"}`` says that the shapes are a frame, as saved areas and written cells do.

    Raises
    ------
    AreaError
        The object is no GeoJSON.
    """
    kind = data.get("type")
    if kind == "FeatureCollection":
        features = data.get("features")
    elif kind == "Feature":
        features = [data]
    elif kind in _GEOMETRIES:
        features = [{"geometry": data}]
    else:
        raise AreaError(
            f"An area was asked for from {source}, whose type is {kind!r}; GeoJSON has FeatureCollection, Feature or a "
            "geometry such as Polygon. Give one of these.",
            source=source,
        )
    if not isinstance(features, list) or not all(isinstance(one, Mapping) for one in features):
        raise AreaError(f"An area was asked for from {source}, a FeatureCollection whose features are no list of them.")
    return Draft(
        shapes=[_geometry(one.get("geometry"), f"feature {i} of {source}") for i, one in enumerate(features, start=1)],
        source=source,
        properties=[dict(one.get("properties") or {}) for one in features],
        ids=[one.get("id") for one in features],
        crs=_named_crs(data.get("crs"), source),
        lonlat=True,
        kind=_named_kind(data.get("terrascope_nb")),
        name=str(data.get("name") or ""),
    )


def _named_kind(ours: object) -> Kind | None:
    """Return the kind our own member says: GeoJSON has no word for a frame."""
    told = ours.get("kind") if isinstance(ours, Mapping) else None
    return next((kind for kind in get_args(Kind) if kind == told), None)


def _geometry(data: Any, source: str) -> BaseGeometry | None:
    if data is None:
        return None
    try:
        return shape_of(data)
    except (shapely.errors.ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise AreaError(
            f"An area was asked for from {source}, whose geometry cannot be read: {error}. "
            "Its coordinates must be nested as GeoJSON has it, a ring closed and of four positions or more.",
            source=source,
        ) from error


def _named_crs(member: object, source: str) -> str | None:
    if member is None:
        return None
    name = member.get("properties", {}).get("name") if isinstance(member, Mapping) else None
    if not isinstance(name, str):
        raise AreaError(
            f"An area was asked for from {source}, whose 'crs' {member!r} names no coordinate system. Take it out (then "
            "it is EPSG:4326) or give crs=.",
            source=source,
        )
    return crs_text(name)


def from_file(path: Path, layer: str | None = None) -> Draft:
    """Return the draft of a vector file.

    Parameters
    ----------
    path : Path
        GeoJSON, GeoPackage, shapefile (zipped too), KML, KMZ, FlatGeobuf, GML, GPX, WKT or GeoParquet.
    layer : str, optional
        Which layer, for files with several.

    Raises
    ------
    AreaError
        The file is not there, cannot be read, holds nothing, or holds several layers.
    """
    if not path.exists():
        here = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        near = near_misses(path.name, here)
        hint = f"Did you mean {' or '.join(near)}?" if near else "Check the name; relative paths start at"
        raise AreaError(
            f"An area was asked for from the file {str(path)!r}, which is not there. "
            f"{hint}{'' if near else f' {Path.cwd()}.'}",
            path=path,
        )
    suffix = path.suffix.lower()
    if path.is_dir() and suffix != ".gdb":
        raise AreaError(f"An area was asked for from {str(path)!r}, which is a folder. Name one file in it.", path=path)
    if suffix == ".wkt":
        return Draft([_wkt(path.read_text(encoding="utf-8"), path.name)], path.name, lonlat=True, name=path.stem)
    if suffix in {".geojson", ".json"}:
        draft = from_geojson(_json(path), path.name)
    elif suffix in {".parquet", ".geoparquet"}:
        draft = _from_parquet(path)
    elif suffix == ".zip":
        draft = _from_zip(path, layer)
    else:
        draft = _from_gdal(path, layer)
    draft.name = path.stem.removesuffix(".shp")
    return draft


def _wkt(text: str, source: str) -> BaseGeometry:
    try:
        return shapely.from_wkt(text)
    except shapely.errors.GEOSException as error:
        raise AreaError(f"An area was asked for from {source}, which is no WKT: {error}.", source=source) from error


def _json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:  # also text that is no UTF-8, and brackets in brackets without end
        raise AreaError(
            f"An area was asked for from the file {path.name}, which is no JSON: {error}. Write it anew.", path=path
        ) from error
    if not isinstance(data, Mapping):
        raise AreaError(f"An area was asked for from {path.name}, which holds a {type(data).__name__}, not GeoJSON.")
    return data


def _from_parquet(path: Path) -> Draft:
    import geopandas as gpd  # heavy, and only GeoParquet needs it: GDAL's wheels cannot read it

    try:
        table = gpd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise AreaError(
            f"An area was asked for from the file {path.name}, which is no GeoParquet: {error}", path=path
        ) from error
    return from_table(table, path.name)


def from_table(table: Any, source: str) -> Draft:
    """Return the draft of a GeoDataFrame or GeoSeries; an index that is more than row numbers gives the ids."""
    frame = table if hasattr(table, "columns") else None
    shapes = table.geometry
    index = list(table.index)
    counted = index == list(range(len(index)))
    rows = [{} for _ in index] if frame is None else frame.drop(columns=shapes.name).to_dict("records")
    return Draft(
        shapes=list(shapes.array),
        source=source,
        properties=rows,
        ids=None if counted else index,
        crs=None if table.crs is None else crs_text(table.crs),
    )


def _from_gdal(path: Path, layer: str | None) -> Draft:
    import pyogrio  # imports pandas and geopandas when they are there, which a search has no need of
    from pyogrio.errors import DataLayerError, DataSourceError

    check_kind(path)
    target: str | bytes = str(path.resolve())
    if path.suffix.lower() == ".gml":
        target = without_schema(path.read_bytes())
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(target) if kind is not None or layer]
        chosen = _layers(path, layers, layer)
        read = [pyogrio.raw.read(target, layer=one, force_2d=True) for one in chosen]
    except (DataSourceError, DataLayerError) as error:
        raise AreaError(
            f"An area was asked for from the file {path.name}, which cannot be read as a vector file: {str(error).partition(';')[0].rstrip('.')}. "
            "Use GeoJSON, GeoPackage, a (zipped) shapefile, KML, FlatGeobuf or GeoParquet.",
            path=path,
        ) from error
    shapes: list[BaseGeometry | None] = []
    rows: list[dict[str, Any]] = []
    for meta, _, wkb, columns in read:
        shapes.extend(np.array([], dtype=object) if wkb is None else shapely.from_wkb(wkb))
        names = [str(name) for name in meta["fields"]]
        rows.extend(dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))
        if not names:
            rows.extend({} for _ in range(len(shapes) - len(rows)))
    if path.suffix.lower() in {".kml", ".kmz"}:
        rows = _without_display(rows)
    crs = {meta["crs"] for meta, *_ in read}
    return Draft(
        shapes=shapes,
        source=path.name,
        properties=rows,
        crs=crs_text(crs.pop()) if len(crs) == 1 and None not in crs else None,
    )


def _without_display(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out how a KML wants to be drawn, and attributes that no feature has."""
    rows = [plain(row) for row in rows]
    used = {key for row in rows for key, value in row.items() if value is not None} - _KML_DISPLAY
    return [{key: value for key, value in row.items() if key in used} for row in rows]


def _layers(path: Path, layers: list[str], layer: str | None) -> list[str]:
    if layer is not None and layer not in layers:
        near = near_misses(layer, layers)
        raise AreaError(
            f"Layer {layer!r} was asked for from {path.name}, which has {', '.join(layers) or 'none'}."
            f"{' Did you mean ' + near[0] + '?' if near else ''}",
            layers=tuple(layers),
        )
    if layer is not None:
        return [layer]
    # The folders of a KML are its layers, and belong together.
    if len(layers) > 1 and path.suffix.lower() not in {".kml", ".kmz"}:
        raise AreaError(
            f"An area was asked for from {path.name}, which has {len(layers)} layers: {', '.join(layers)}. "
            f"Say which: '{path.name}|layername={layers[0]}'.",
            layers=tuple(layers),
        )
    if not layers:
        raise AreaError(f"An area was asked for from {path.name}, which has no layer with geometry. Check the file.")
    return layers


def _from_zip(path: Path, layer: str | None) -> Draft:
    """Read the one vector file inside a zip; it is unpacked, so that what was checked is what is read."""
    try:
        with zipfile.ZipFile(path) as archive, tempfile.TemporaryDirectory() as folder:
            file = unpack_member(archive, _inside(path, archive), Path(folder))
            draft = from_file(file, layer)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # damaged, packed strangely, a password
        raise AreaError(
            f"An area was asked for from the file {path.name}, which is no zip: {error}.", path=path
        ) from error
    draft.source = path.name
    return draft


def _inside(path: Path, archive: zipfile.ZipFile) -> str:
    """Name the one vector file inside a zip."""
    names = [name for name in archive.namelist() if not name.startswith("__MACOSX/")]
    for suffix in _INSIDE_ZIP:
        found = [name for name in names if PurePosixPath(name.lower()).suffix == suffix]
        if len(found) == 1:
            return found[0]
        if found:
            raise AreaError(
                f"An area was asked for from {path.name}, which holds {len(found)} files: {', '.join(found)}. "
                "Zip one of them alone, with the files that belong to it.",
                files=tuple(found),
            )
    raise AreaError(
        f"An area was asked for from {path.name}, which holds {', '.join(names[:5]) or 'nothing'} and no shapefile, "
        "GeoPackage, GeoJSON or KML. Zip the .shp with its .shx, .dbf and .prj.",
        files=tuple(names),
    )
