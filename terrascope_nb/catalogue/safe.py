"""A Sentinel-1 SAFE product: its manifest in short, and the quicklook of its preview folder; no pixels."""

from __future__ import annotations

import datetime as dt
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element

from terrascope_nb.catalogue.xml_tree import MAX_BYTES, moment, parse_tree, read_bounded, text_at
from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError

__all__ = ["SafeManifest", "read_quicklook", "read_safe"]

_MANIFEST = "manifest.safe"
_QUICKLOOK = "preview/quick-look.png"
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class SafeManifest:
    """What the manifest of a SAFE product says."""

    id: str
    """Name of the product without ``.SAFE``."""
    platform: str
    """``S1B``."""
    mode: str
    """``IW``, ``EW``, ``SM`` …"""
    product_type: str
    """``GRD``, ``SLC`` …"""
    polarisations: tuple[str, ...]
    """``("VV", "VH")``."""
    start: dt.datetime
    """First line, UTC."""
    end: dt.datetime
    """Last line, UTC."""
    orbit_direction: str
    """``ascending`` or ``descending``."""
    relative_orbit: int
    """1-175."""
    absolute_orbit: int
    """Counted from launch."""
    footprint: tuple[tuple[float, float], ...]
    """Closed ring of (longitude, latitude)."""
    processor: str
    """``Sentinel-1 IPF 003.31``."""
    measurements: tuple[str, ...]
    """Files with pixels, relative to the product."""
    quicklook: str | None
    """The picture in the preview folder, relative to the product; None where it is not there."""
    missing: tuple[str, ...]
    """Files the manifest lists that are not there."""

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north of the footprint, degrees; west is larger than east across the date line."""
        longitudes, latitudes = zip(*self.footprint, strict=True)
        west, east = min(longitudes), max(longitudes)
        if east - west > 180:
            west, east = min(lon for lon in longitudes if lon > 0), max(lon for lon in longitudes if lon <= 0)
        return west, min(latitudes), east, max(latitudes)

    @property
    def geometry(self) -> dict[str, object]:
        """The footprint as GeoJSON."""
        return {"type": "Polygon", "coordinates": [[list(point) for point in self.footprint]]}


def read_safe(path: str | os.PathLike[str]) -> SafeManifest:
    """Read the manifest of a SAFE product.

    Parameters
    ----------
    path : path
        The ``.SAFE`` folder, its ``manifest.safe``, or a zip that holds one product.

    Returns
    -------
    SafeManifest

    Raises
    ------
    AssetUnreachableError
        There is no such product here.
    CorruptAssetError
        The manifest is broken, or says less than a Sentinel-1 manifest does.
    """
    store = _open(path)
    return _summary(parse_tree(store.read(_MANIFEST), store.where), store)


def read_quicklook(path: str | os.PathLike[str]) -> bytes:
    """Read the quicklook of a SAFE product: a PNG in radar geometry, not on a map.

    Parameters
    ----------
    path : path
        As for `read_safe`.

    Returns
    -------
    bytes

    Raises
    ------
    AssetUnreachableError
        The product has no quicklook.
    CorruptAssetError
        It is no PNG, or too large for a quicklook.
    """
    store = _open(path)
    data = store.read(_QUICKLOOK)
    if not data.startswith(_PNG):
        raise CorruptAssetError(
            f"the quicklook of {store.where} is no PNG. Fetch the product again.", path=store.where, reason="no PNG"
        )
    return data


class _Folder:
    """A product unpacked in a folder."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self.where = str(folder)
        self._folder = folder

    def has(self, name: str) -> bool:
        # A manifest must not make us look outside its own product.
        inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
        return inside and (self._folder / name).is_file()

    def read(self, name: str) -> bytes:
        return read_bounded(self._folder / name)


class _Zip:
    """A product in a zip, below one ``.SAFE`` folder."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._path = path
        with self._open() as archive:
            self._names = frozenset(archive.namelist())
        found = [name for name in self._names if PurePosixPath(name).name == _MANIFEST]
        if len(found) != 1:
            raise CorruptAssetError(
                f"{path} holds {len(found)} files {_MANIFEST}, where one SAFE product is wanted.",
                path=str(path),
                reason="not one product",
            )
        self._base = found[0].removesuffix(_MANIFEST)
        self.name = PurePosixPath(self._base).name or path.name.removesuffix(".zip")

    def _open(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._path)
        except zipfile.BadZipFile as error:
            raise CorruptAssetError(
                f"{self._path} is no whole zip file ({error}). Fetch it again.", path=str(self._path), reason=str(error)
            ) from error

    def has(self, name: str) -> bool:
        return f"{self._base}{name}" in self._names

    def read(self, name: str) -> bytes:
        if not self.has(name):
            raise _absent(self.where, name)
        try:
            with self._open() as archive, archive.open(f"{self._base}{name}") as file:
                data = file.read(MAX_BYTES + 1)
        except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, RuntimeError) as error:
            raise CorruptAssetError(
                f"{name} in {self.where} cannot be unpacked ({error}). Fetch it again.",
                path=self.where,
                reason=str(error),
            ) from error
        if len(data) > MAX_BYTES:
            raise CorruptAssetError(
                f"{name} in {self.where} unpacks to more than {MAX_BYTES // 1_000_000} MB: neither a manifest nor a "
                "quicklook does. Check that it is the right file.",
                path=self.where,
                reason="too large",
            )
        return data


def _absent(where: str, name: str) -> AssetUnreachableError:
    return AssetUnreachableError(
        f"{where} holds no {name}. Give a .SAFE folder, its {_MANIFEST}, or its zip.", path=where, reason=f"no {name}"
    )


def _open(path: str | os.PathLike[str]) -> _Folder | _Zip:
    place = Path(path).absolute()
    if place.name == _MANIFEST:
        place = place.parent
    if place.is_dir():
        return _Folder(place)
    if place.is_file() and place.suffix.lower() == ".zip":
        return _Zip(place)
    raise _absent(str(place), _MANIFEST)


def _summary(root: Element, store: _Folder | _Zip) -> SafeManifest:
    listed = [str(PurePosixPath(location.get("href", ""))) for location in root.iterfind(".//{*}fileLocation")]
    mode = _wanted(root, store, ".//{*}instrumentMode/{*}mode")
    family = _wanted(root, store, ".//{*}platform/{*}familyName")
    software = root.find(".//{*}metadataObject[@ID='processing']//{*}software")
    return SafeManifest(
        id=store.name.removesuffix(".SAFE"),
        platform=f"S{family.rpartition('-')[2]}{_wanted(root, store, './/{*}platform/{*}number')}",
        mode=mode,
        product_type=_wanted(root, store, ".//{*}productType"),
        polarisations=tuple(
            (found.text or "").strip() for found in root.iterfind(".//{*}transmitterReceiverPolarisation")
        ),
        start=_time(root, store, "startTime"),
        end=_time(root, store, "stopTime"),
        orbit_direction=_wanted(root, store, ".//{*}orbitProperties/{*}pass").lower(),
        relative_orbit=_orbit(root, store, "relativeOrbitNumber"),
        absolute_orbit=_orbit(root, store, "orbitNumber"),
        footprint=_footprint(_wanted(root, store, ".//{*}footPrint/{*}coordinates"), store.where),
        processor=" ".join((software.get("name", ""), software.get("version", ""))).strip()
        if software is not None
        else "",
        measurements=tuple(name for name in listed if name.startswith("measurement/")),
        quicklook=_QUICKLOOK if store.has(_QUICKLOOK) else None,
        missing=tuple(name for name in listed if not store.has(name)),
    )


def _lacking(where: str, what: str) -> CorruptAssetError:
    return CorruptAssetError(
        f"the manifest of {where} is no Sentinel-1 manifest: {what}. Fetch the product again.", path=where, reason=what
    )


def _wanted(root: Element, store: _Folder | _Zip, path: str) -> str:
    text = text_at(root, path)
    if text is None:
        raise _lacking(store.where, f"it has no {path.rpartition('}')[2]}")
    return text


def _time(root: Element, store: _Folder | _Zip, tag: str) -> dt.datetime:
    text = _wanted(root, store, f".//{{*}}acquisitionPeriod/{{*}}{tag}")
    when = moment(text)
    if when is None:
        raise _lacking(store.where, f"{tag} {text!r} is no date")
    return when


def _orbit(root: Element, store: _Folder | _Zip, tag: str) -> int:
    text = _wanted(root, store, f".//{{*}}orbitReference/{{*}}{tag}[@type='start']")
    if not text.isdecimal():
        raise _lacking(store.where, f"{tag} {text!r} is no number")
    return int(text)


def _footprint(text: str, where: str) -> tuple[tuple[float, float], ...]:
    """Read ``lat,lon lat,lon …``, the order of EPSG:4326 in GML, and close the ring."""
    try:
        points = [(float(lon), float(lat)) for lat, lon in (pair.split(",") for pair in text.split())]
    except ValueError:
        raise _lacking(where, f"the footprint {text[:60]!r} cannot be read") from None
    if len(points) < 3 or any(not (-180 <= lon <= 180 and -90 <= lat <= 90) for lon, lat in points):
        raise _lacking(where, f"the footprint {text[:60]!r} is no area on Earth")
    return (*points, points[0]) if points[0] != points[-1] else tuple(points)
