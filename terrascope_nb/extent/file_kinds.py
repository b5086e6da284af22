"""A vector file is what its ending says, by its first bytes, before GDAL sees it.

GDAL goes by content: a file named ``fields.kml`` may be a virtual layer (VRT) that opens other files or addresses.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePosixPath

from terrascope_nb.errors import AreaError

_MAGIC = {
    ".gpkg": (b"SQLite format 3\x00", "a GeoPackage"),
    ".shp": (b"\x00\x00\x27\x0a", "a shapefile"),
    ".fgb": (b"fgb", "a FlatGeobuf"),
    ".kmz": (b"PK\x03\x04", "a KMZ"),
}
_ROOTS = {
    ".kml": (("kml",), "a KML"),
    ".gml": (("FeatureCollection", "GMLFeatureCollection", "SpatialDataset"), "a GML"),
    ".gpx": (("gpx",), "a GPX"),
}
_HEAD = 65536
"""Bytes within which the root element of an XML file starts."""
_PROLOGUE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?>(?:<\?.*?\?>|<!--.*?-->)\s*+)*+<(?:[\w.-]+:)?([\w.-]+)[\s/>]", re.DOTALL
)
_SCHEMA = re.compile(rb"""([\w.-]+:)?(?:noNamespaceS|s)chemaLocation\s*=\s*("[^"]*"|'[^']*')""")
_MOST_UNPACKED = 2 * 1024**3
_SHAPEFILE = (".shp", ".shx", ".dbf", ".prj", ".cpg")


def check_kind(path: Path) -> None:
    """Raise AreaError unless a file is of the kind its ending says.

    Raises
    ------
    AreaError
        It is another kind of file, or of a kind that is not read.
    """
    suffix = path.suffix.lower()
    if suffix == ".gdb" and path.is_dir() and (path / "a00000001.gdbtable").is_file():
        return
    if suffix in _MAGIC:
        magic, kind = _MAGIC[suffix]
        with path.open("rb") as file:
            if file.read(len(magic)) != magic:
                raise _other(path.name, kind)
        if suffix == ".kmz":
            _check_kmz(path)
    elif suffix in _ROOTS:
        check_xml(path.read_bytes(), suffix, path.name)
    else:
        raise AreaError(
            f"An area was asked for from the file {path.name}, which cannot be read as a vector file: its ending is "
            f"{suffix or 'missing'}. Use GeoJSON, GeoPackage, a (zipped) shapefile, KML, FlatGeobuf or GeoParquet.",
            path=path,
        )


def check_xml(content: bytes, suffix: str, name: str) -> None:
    """Raise AreaError unless XML has the root element its ending promises and leads to no other file."""
    roots, kind = _ROOTS[suffix]
    found = _PROLOGUE.match(content[:_HEAD])
    if found is None or found[1].decode("ascii", "replace") not in roots:
        raise _other(name, kind)
    if b"<OGRVRT" in content or b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise AreaError(
            f"An area was asked for from {name}, {kind} file that brings in other files (a document type or a virtual "
            "layer). It was not opened. Write it anew as GeoJSON or GeoPackage.",
            source=name,
        )


def without_schema(content: bytes) -> bytes:
    """Return a GML without the address of its schema, which GDAL would download."""
    return _SCHEMA.sub(b"", content)


def unpack_member(archive: zipfile.ZipFile, member: str, folder: Path) -> Path:
    """Write one vector file of a zip, with the files that belong to it, to a folder under plain names.

    Raises
    ------
    AreaError
        It is too large, or cannot be unpacked.
    """
    wanted = PurePosixPath(member)
    belongs = [info for info in archive.infolist() if _belongs(PurePosixPath(info.filename), wanted)]
    if sum(info.file_size for info in belongs) > _MOST_UNPACKED:
        raise AreaError(f"An area was asked for from {member} in a zip, which is larger than 2 GB. Unpack it first.")
    for info in belongs:
        (folder / f"area{PurePosixPath(info.filename).suffix.lower()}").write_bytes(archive.read(info))
    return folder / f"area{wanted.suffix.lower()}"


def _belongs(one: PurePosixPath, wanted: PurePosixPath) -> bool:
    if wanted.suffix.lower() != ".shp":
        return one == wanted
    return one.with_suffix("") == wanted.with_suffix("") and one.suffix.lower() in _SHAPEFILE


def _check_kmz(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            inside = [info for info in archive.infolist() if info.filename.lower().endswith(".kml")]
            if sum(info.file_size for info in inside) > _MOST_UNPACKED:
                raise AreaError(f"An area was asked for from {path.name}, which is larger than 2 GB unpacked.")
            for info in inside:
                check_xml(archive.read(info), ".kml", f"{info.filename} in {path.name}")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise _other(path.name, "a KMZ") from error
    if not inside:
        raise _other(path.name, "a KMZ")


def _other(name: str, kind: str) -> AreaError:
    return AreaError(
        f"An area was asked for from the file {name}, which cannot be read as a vector file: by its content it is not "
        f"{kind}. Check where it came from, or write it anew as GeoJSON or GeoPackage.",
        source=name,
    )
