"""Factories for the tests of this room: small GeoTIFFs, and STAC items shaped like the real ones beside them.

Nothing here is taken from the package: encodings and layouts are those of the real items in ``tests/data/items``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyproj
import pystac
import pytest
import rasterio
import shapely
from rasterio.enums import Resampling
from shapely.geometry import box, mapping

from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.sample.unpack import unpack_sample
from terrascope_nb.settings import options

LEFT, TOP = 600000.0, 5700000.0
"""Upper left corner of tile 31UFS in EPSG:32631."""


class Kind(NamedTuple):
    """How Terrascope stores one asset."""

    content: str
    size: float
    dtype: str
    scale: float | None
    offset: float | None
    nodata: float | None


def _toc(name: str, size: int) -> Kind:
    return Kind(f"TOC-{name}_{size}M", size, "int16", 0.0001, 0.0, 32767)


KINDS: dict[str, Kind] = {
    **{name: _toc(name, 10) for name in ("B02", "B03", "B04", "B08")},
    **{name: _toc(name, 20) for name in ("B05", "B06", "B07", "B8A", "B11", "B12")},
    "B01": _toc("B01", 60),
    "SCL": Kind("SCENECLASSIFICATION_20M", 20, "uint8", 1.0, 0.0, None),
    "AOT": Kind("AOT_60M", 60, "uint16", 0.001, 0.0, 32767),
    "RAA": Kind("RAA_60M", 60, "int16", 0.01, 0.0, 32767),
    "CLOUDMASK": Kind("CLOUDMASK_20M", 20, "uint8", 1.0, 0.0, 255),
    "NDVI": Kind("NDVI_10M", 10, "uint8", 0.004, -0.08, 255),
    "FAPAR": Kind("FAPAR_10M", 10, "uint8", 0.005, 0.0, 255),
    "LAI": Kind("LAI_10M", 10, "uint8", 0.04, 0.0, 255),
    "CCC": Kind("CCC_20M", 20, "uint8", None, None, None),
}
"""Asset key -> how it is stored, as the real items say it."""


def write_tif(
    path: Path,
    values: np.ndarray,
    *,
    size: float = 10,
    corner: tuple[float, float] = (LEFT, TOP),
    epsg: int | None = 32631,
    nodata: float | None = None,
    scale: float | None = None,
    offset: float | None = None,
    overviews: Iterable[int] = (),
    block: int = 256,
) -> Path:
    """Write one GeoTIFF; values of shape (rows, cols) or (bands, rows, cols)."""
    layers = values if values.ndim == 3 else values[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    profile: dict[str, Any] = {
        "driver": "GTiff", "count": layers.shape[0], "height": layers.shape[1], "width": layers.shape[2],
        "dtype": layers.dtype.name, "nodata": nodata, "compress": "deflate", "tiled": True, "blockxsize": block,
        "blockysize": block, "transform": rasterio.Affine(size, 0, corner[0], 0, -size, corner[1]),
    }  # fmt: skip
    if epsg is not None:
        profile["crs"] = f"EPSG:{epsg}"
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(layers)
        if scale is not None or offset is not None:
            dataset.scales = [1.0 if scale is None else scale] * len(layers)
            dataset.offsets = [0.0 if offset is None else offset] * len(layers)
        if overviews:
            dataset.build_overviews(list(overviews), Resampling.nearest)
    return path


def footprint(bounds: tuple[float, float, float, float], epsg: int) -> dict[str, Any]:
    """GeoJSON geometry in degrees of a box in another coordinate system."""
    to_degrees = pyproj.Transformer.from_crs(epsg, 4326, always_xy=True)
    edges = box(*bounds).segmentize((bounds[2] - bounds[0]) / 8)
    return mapping(shapely.transform(edges, lambda xy: np.column_stack(to_degrees.transform(*xy.T))))


EVERYTHING = ("scale", "offset", "nodata", "dtype", "grid")


def scene(
    root: Path,
    values: Mapping[str, np.ndarray],
    *,
    product: str = "TOC",
    collection: str | None = "",
    mission: str = "S2B",
    time: str = "20180705T105029",
    tile: str = "31UFS",
    version: str = "V210",
    orbit: int | None = 51,
    corner: tuple[float, float] = (LEFT, TOP),
    epsg: int = 32631,
    layout: str = "1.1",
    says: Iterable[str] = EVERYTHING,
    in_file: Iterable[str] = ("nodata",),
    changed: Mapping[str, Mapping[str, Any]] | None = None,
    https: str = "https://services.terrascope.be/download/Sentinel2",
    write: bool = True,
    overviews: Iterable[int] = (),
    resolution: str = "",
) -> pystac.Item:
    """Write a scene's files into Terrascope's folders and return its item.

    Parameters
    ----------
    values : asset key -> stored numbers
    layout : "1.1" (2025), "1.0" (2023: file names as keys, ``raster:bands``, ``alternate.MEP``) or "plain" (bare hrefs)
    says, in_file : what item and file say of each asset
    changed : asset key -> fields of `Kind` that differ from Terrascope's
    """
    known = {key: KINDS[key]._replace(**(changed or {}).get(key, {})) for key in values}
    name = f"{mission}_{time}_{tile}_{product}{resolution}_{version}"
    folder = f"{product}_V2/{time[:4]}/{time[4:6]}/{time[6:8]}/{name}"
    item = _item(name, values, known, mission, time, tile, version, orbit, corner, epsg, layout, collection, product)
    for key, stored in values.items():
        kind = known[key]
        path = root / "TERRASCOPE_Sentinel2" / folder / f"{mission}_{time}_{tile}_{kind.content}_{version}.tif"
        if write:
            tags = {word: getattr(kind, word) for word in in_file}
            write_tif(path, stored, size=kind.size, corner=corner, epsg=epsg, overviews=overviews, **tags)
        href = f"{https}/{folder}/{path.name}"
        fields = _fields(kind, stored.shape, corner, set(says), layout)
        if layout == "1.1":
            fields["bands"] = [{"name": key}]
            fields["alternate"] = {"local": {"href": f"file://{path}"}}
        elif layout == "1.0":
            fields["alternate"] = {"MEP": {"href": str(path)}}
        else:
            href = str(path)
        roles = ["data-mask"] if key == "SCL" else ["data"]
        asset = pystac.Asset(href, key, None, "image/tiff; application=geotiff", roles, fields)
        item.add_asset(path.name if layout == "1.0" else key, asset)
    return item


def _item(
    name: str,
    values: Mapping[str, np.ndarray],
    known: Mapping[str, Kind],
    mission: str,
    time: str,
    tile: str,
    version: str,
    orbit: int | None,
    corner: tuple[float, float],
    epsg: int,
    layout: str,
    collection: str | None,
    product: str,
) -> pystac.Item:
    first = next(iter(values))
    rows, cols = values[first].shape
    size = known[first].size
    bounds = (corner[0], corner[1] - rows * size, corner[0] + cols * size, corner[1])
    outline = footprint(bounds, epsg)
    moment = datetime.strptime(time, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    properties: dict[str, Any] = {"platform": f"sentinel-{mission[1:].lower()}"}
    if orbit is not None:
        properties |= {"sat:relative_orbit": orbit, "sat:orbit_state": "descending"}
    if layout == "1.1":
        properties |= {"proj:code": f"EPSG:{epsg}", "grid:code": f"MGRS-{tile}", "processing:version": version[1:]}
    elif layout == "1.0":
        properties |= {"proj:epsg": epsg}
    if collection == "":
        collection = f"terrascope-s2-{product.lower()}-v2"
    xs, ys = zip(*outline["coordinates"][0], strict=True)
    box_ = [min(xs), min(ys), max(xs), max(ys)]
    return pystac.Item(name, outline, box_, moment, properties, collection=collection)


def _fields(
    kind: Kind, shape: tuple[int, ...], corner: tuple[float, float], says: set[str], layout: str
) -> dict[str, Any]:
    numbers = {"scale": kind.scale, "offset": kind.offset, "nodata": kind.nodata, "data_type": kind.dtype}
    said = {name: value for name, value in numbers.items() if name.replace("data_type", "dtype") in says}
    said = {name: value for name, value in said.items() if value is not None}
    fields: dict[str, Any] = {}
    if layout == "1.1":
        fields |= {name if name in ("nodata", "data_type") else f"raster:{name}": v for name, v in said.items()}
    elif layout == "1.0" and said:
        fields["raster:bands"] = [said]
    if "grid" in says and layout != "plain":
        fields["proj:shape"] = list(shape)
        fields["proj:transform"] = [kind.size, 0.0, corner[0], 0.0, -kind.size, corner[1], 0.0, 0.0, 1.0]
    return fields


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """An archive root that local paths may lie under; nothing else may be asked."""
    folder = tmp_path / "archive"
    folder.mkdir()
    with options(archive_roots=(folder,), offline=True):
        yield folder


@pytest.fixture
def make_scene(root: Path) -> Callable[..., pystac.Item]:
    """`scene` with its files below `root`."""

    def make(values: Mapping[str, np.ndarray], **how: Any) -> pystac.Item:
        return scene(root, values, **how)

    return make


@pytest.fixture(scope="session")
def shared() -> Any:
    """`scene`, `write_tif`, `footprint` and `KINDS` for fixtures that live longer than a test."""

    class Shared(NamedTuple):
        scene: Callable[..., pystac.Item] = scene
        write_tif: Callable[..., Path] = write_tif
        footprint: Callable[..., dict[str, Any]] = footprint
        kinds: Mapping[str, Kind] = KINDS

    return Shared()


@pytest.fixture
def three_tiles(make_scene: Callable[..., pystac.Item], rng: np.random.Generator) -> Callable[..., list[pystac.Item]]:
    """Three tiles of one pass with gaps in each and flags of 20 m; ``cloud`` = rows and columns of the flags."""

    def make(cloud: tuple[slice, slice] | None = None) -> list[pystac.Item]:
        found = []
        for tile, shift in (("31UFS", 0), ("31UES", -300), ("31UET", -150)):
            bands = {}
            for name in ("B04", "B08"):
                values = rng.integers(0, 4000, (600, 600)).astype("int16")
                values[rng.random((600, 600)) < 0.3] = 32767
                bands[name] = values
            bands["SCL"] = rng.choice([4, 4, 5, 9, 0], (300, 300)).astype("uint8")
            if cloud is not None:
                bands["SCL"][cloud] = 9
            found.append(make_scene(bands, tile=tile, corner=(LEFT + 10 * shift, TOP)))
        return found

    return make


@pytest.fixture
def tif() -> Callable[..., Path]:
    """`write_tif`."""
    return write_tif


@pytest.fixture(scope="session")
def utm_box() -> Callable[..., Aoi]:
    """A bbox area in metres: frames, does not clip."""

    def make(left: float, bottom: float, right: float, top: float, epsg: int = 32631) -> Aoi:
        return make_area((left, bottom, right, top), crs=f"EPSG:{epsg}")

    return make


@pytest.fixture(scope="session")
def window_box(utm_box: Callable[..., Aoi]) -> Callable[..., Aoi]:
    """The area of a window of pixels, edges exactly on them."""

    def make(
        row: int, col: int, rows: int, cols: int, *, size: float = 10, corner: tuple[float, float] = (LEFT, TOP)
    ) -> Aoi:
        left, top = corner[0] + col * size, corner[1] - row * size
        return utm_box(left, top - rows * size, left + cols * size, top)

    return make


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that are the same at every run of the same test."""
    return np.random.default_rng(sum(map(ord, request.node.name)))


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_sample(tmp_path_factory.mktemp("sample") / "archive")


@pytest.fixture
def sample(sample_root: Path) -> Iterator[Path]:
    """The sample archive as the only trusted root."""
    with options(archive_roots=(sample_root,), offline=True):
        yield sample_root


@pytest.fixture(scope="session")
def scenes_of() -> Callable[[Path, str, str], list[pystac.Item]]:
    """Items made from nothing but file names: the item is silent, so file and table speak."""

    def make(folder: Path, pattern: str, collection: str) -> list[pystac.Item]:
        items = []
        for path in sorted(folder.glob(pattern)):
            parts = path.name.split("_")
            moment = datetime.strptime(parts[1].rstrip("Z"), "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            item = pystac.Item(path.name, None, None, moment, {}, collection=collection)
            for file in sorted(path.glob("*.tif")):
                content = file.name.split("_")[3]
                key = "SCL" if content.startswith("SCENE") else content.rsplit("-", 1)[-1]
                item.add_asset(key, pystac.Asset(str(file), media_type="image/tiff", roles=["data"]))
            items.append(item)
        return items

    return make


@pytest.fixture
def hidden() -> Callable[[Iterable[Path]], contextlib.AbstractContextManager[None]]:
    """Put garbage in the place of files for a while: whoever reads them fails."""

    @contextlib.contextmanager
    def hide(paths: Iterable[Path]) -> Iterator[None]:
        kept = {path: path.read_bytes() for path in paths}
        try:
            for path in kept:
                path.write_bytes(b"not a raster")
            yield
        finally:
            for path, data in kept.items():
                path.write_bytes(data)

    return hide


@pytest.fixture
def secret(tmp_path) -> Path:
    """A readable raster outside the archive root."""
    path = tmp_path / "private" / "secret.tif"
    path.parent.mkdir()
    with rasterio.open(
        path, "w", driver="GTiff", width=8, height=8, count=1, dtype="int16", crs="EPSG:32631",
        transform=rasterio.Affine(10, 0, 600000, 0, -10, 5700000),
    ) as file:  # fmt: skip
        file.write(np.full((8, 8), 4242, "int16"), 1)
    return path
