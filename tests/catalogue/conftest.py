"""Real-shaped items, and small real HTTP servers that behave as badly as servers do."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pystac
import pytest
from shapely.geometry import mapping

from terrascope_nb.extent.mgrs import tile_box, tile_footprint
from terrascope_nb.settings import options

ITEMS = Path(__file__).parents[1] / "data" / "items"
TEMPLATE = json.loads((ITEMS / "S2A_20250516T104651_31UFS_NDVI_10M_V210.json").read_text())
COLLECTIONS = {
    "NDVI": "terrascope-s2-ndvi-v2",
    "FAPAR": "terrascope-s2-fapar-v2",
    "TOC": "terrascope-s2-toc-v2",
}


def real_shaped(
    when: str = "2020-05-07T10:40:31",
    *,
    tile: str = "31UFS",
    version: str = "210",
    product: str = "NDVI",
    resolution: int | None = 10,
    mission: str = "S2A",
    cloud: float | None = 4.5,
    z: bool = False,
    footprint: Any = None,
    **properties: Any,
) -> dict[str, Any]:
    """Return a STAC dictionary in the layout stac.terrascope.be serves, for another scene."""
    record = copy.deepcopy(TEMPLATE)
    stamp = when.replace("-", "").replace(":", "") + ("Z" if z else "")
    size = f"_{resolution}M" if resolution else ""
    record["id"] = f"{mission}_{stamp}_{tile}_{product}{size}_V{version}"
    record["collection"] = COLLECTIONS[product]
    outline = tile_footprint(tile) if footprint is None else footprint
    record["geometry"] = json.loads(json.dumps(mapping(outline)))
    record["bbox"] = list(outline.bounds)
    epsg, (left, bottom, right, top) = tile_box(tile)
    old = record["properties"]
    old.update(
        {
            "title": record["id"],
            "datetime": f"{when}.024000Z",
            "start_datetime": f"{when}.024000Z",
            "end_datetime": f"{when}.024000Z",
            "platform": f"sentinel-{mission[1:].lower()}",
            "grid:code": f"MGRS-{tile}",
            "mgrs:utm_zone": int(tile[:2]),
            "mgrs:latitude_band": tile[2],
            "mgrs:grid_square": tile[3:],
            "processing:version": version,
            "product:type": product,
            "proj:code": f"EPSG:{epsg}",
            "proj:bbox": [left, bottom, right, top],
            "eo:cloud_cover": cloud,
        }
    )
    if cloud is None:
        del old["eo:cloud_cover"]
    old.update(properties)
    text = json.dumps(record["assets"])
    for old_text, new_text in (
        ("2025/05/16", when[:10].replace("-", "/")),
        ("S2A_20250516T104651_31UFS", f"{mission}_{stamp}_{tile}"),
        ("_NDVI_10M_", f"_NDVI{size}_"),
        ("_V210", f"_V{version}"),
        ("NDVI", product),
    ):
        text = text.replace(old_text, new_text)
    record["assets"] = json.loads(text)
    for link in record["links"]:
        if link["rel"] == "self":
            link["href"] = f"https://stac.terrascope.be/collections/{record['collection']}/items/{record['id']}"
    return record


@pytest.fixture(scope="session")
def record() -> Callable[..., dict[str, Any]]:
    return real_shaped


@pytest.fixture
def make_item() -> Callable[..., pystac.Item]:
    return lambda *args, **how: pystac.Item.from_dict(real_shaped(*args, **how))


@pytest.fixture
def real_item() -> Callable[[str], pystac.Item]:
    return lambda name: pystac.Item.from_dict(json.loads((ITEMS / f"{name}.json").read_text()))


@dataclass
class Server:
    """A running server: where it is, and what it was asked."""

    url: str
    asked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    @property
    def searches(self) -> list[dict[str, Any]]:
        return [body for _, path, body in self.asked if path.startswith("/search")]


Answer = Callable[[str, str, dict[str, Any]], tuple[int, dict[str, str], bytes]]


@pytest.fixture
def http_server() -> Iterator[Callable[[Answer], Server]]:
    """Start servers whose every answer is a function of (method, path, body)."""
    running: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> Server:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                server.asked.append((self.command, self.path, body))
                status, headers, content = answer(self.command, self.path, body)
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                if "Content-Length" not in headers:
                    self.send_header("Content-Length", str(len(content)))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.end_headers()
                    self.wfile.write(content)

            do_GET = do_POST = do_HEAD = reply  # noqa: N815 - names the base class asks for

            def log_message(self, *args: object) -> None:
                pass

        made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        made.daemon_threads = True
        running.append(made)
        server = Server(f"http://127.0.0.1:{made.server_port}")
        threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
        return server

    yield start
    for made in running:
        made.shutdown()
        made.server_close()


CONFORMS = {
    "core": "https://api.stacspec.org/v1.0.0/core",
    "search": "https://api.stacspec.org/v1.0.0/item-search",
    "collections": "https://api.stacspec.org/v1.0.0/collections",
    "sort": "https://api.stacspec.org/v1.1.0/item-search#sort",  # as stac-fastapi 7 announces it
    "filter": "https://api.stacspec.org/v1.0.0/item-search#filter",
}


@pytest.fixture
def stac_server(http_server: Callable[[Answer], Server]) -> Callable[..., Server]:
    """Start a small STAC API; ``search`` makes the answer to a search from the body, ``conforms`` says what it claims."""

    def start(
        search: Callable[[dict[str, Any]], Any],
        *,
        conforms: tuple[str, ...] = ("core", "search", "collections", "sort"),
        collections: tuple[str, ...] = tuple(COLLECTIONS.values()),
    ) -> Server:
        def answer(method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
            if path in ("", "/"):
                return 200, {}, json.dumps(landing()).encode()
            if path.startswith("/search"):
                made = search(body)
                return made if isinstance(made, tuple) else (200, {}, json.dumps(made).encode())
            if path == "/collections":
                listed = [collection(name) for name in collections]
                return 200, {}, json.dumps({"collections": listed, "links": []}).encode()
            name = path.rsplit("/", 1)[-1]
            if path.startswith("/collections/") and name in collections:
                return 200, {}, json.dumps(collection(name)).encode()
            return 404, {}, b'{"code": "NotFoundError"}'

        def landing() -> dict[str, Any]:
            return {
                "type": "Catalog",
                "id": "test",
                "stac_version": "1.1.0",
                "description": "test",
                "conformsTo": [CONFORMS[name] for name in conforms],
                "links": [
                    {"rel": "self", "href": server.url},
                    {"rel": "root", "href": server.url},
                    {"rel": "data", "href": f"{server.url}/collections"},
                    {"rel": "search", "href": f"{server.url}/search", "method": "POST"},
                ],
            }

        server = http_server(answer)
        return server

    return start


def collection(name: str) -> dict[str, Any]:
    return {
        "type": "Collection",
        "id": name,
        "stac_version": "1.1.0",
        "description": name,
        "license": "other",
        "links": [],
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
    }


def page(records: list[dict[str, Any]], *, matched: int | None = None, following: dict[str, Any] | None = None) -> Any:
    """Return one page of an answer."""
    made: dict[str, Any] = {"type": "FeatureCollection", "features": records, "links": []}
    if matched is not None:
        made["numberMatched"] = matched
    if following is not None:
        made["links"].append({"rel": "next", **following})
    return made


@pytest.fixture(name="page")
def _page() -> Callable[..., Any]:
    return page


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    """Fail fast: the tests' servers are on this machine."""
    with options(retries=0, timeout=5):
        yield


@pytest.fixture
def put_tif() -> Callable[..., Path]:
    """Write a small GeoTIFF on the grid of a Sentinel-2 tile, as an archive has it."""

    def put(
        path: Path,
        pixels: Any = None,
        *,
        tile: str = "31UFS",
        pixel: float = 10.0,
        dtype: str = "uint8",
        settled: bool = True,
        **profile: Any,
    ) -> Path:
        import numpy as np
        import rasterio
        from rasterio.transform import from_origin

        epsg, (left, _, _, top) = tile_box(tile)
        stored = np.full((8, 8), 100, dtype) if pixels is None else np.asarray(pixels)
        count = stored.shape[0] if stored.ndim == 3 else 1
        options = {
            "crs": f"EPSG:{epsg}", "transform": from_origin(left, top, pixel, pixel), "compress": "deflate", **profile
        }  # fmt: skip
        tags = options.pop("tags", {})
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = {"height": stored.shape[-2], "width": stored.shape[-1], "count": count, "dtype": stored.dtype}
        with rasterio.open(path, "w", driver="GTiff", **shape, **options) as file:
            file.write(stored if count > 1 else stored.reshape(1, *stored.shape[-2:]))
            file.update_tags(**tags)
        if settled:  # a folder that changed just now is looked at again whatever its time says
            os.utime(path.parent, (1.6e9, 1.6e9))
        return path

    return put
