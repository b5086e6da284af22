"""Tiles that a server painted already (WMTS, XYZ), fetched by the kernel and handed on as colours."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError, GridError
from terrascope_nb.raster.tiling import TILE, Bounds, Cancel, Kind, PixelValue, TileAddress, TilePixels, stop_if

_PLACES = {
    "z": "z", "x": "x", "y": "y", "tilematrix": "z", "tilecol": "x", "tilerow": "y", "time": "time",
}  # fmt: skip
_PLACE = re.compile(r"\{([A-Za-z_-]+)\}")
_MOST_BYTES = 16 * 2**20
"""Bytes of an answer; a tile is far smaller."""


class WebTiles:
    """A `TileSource` of pictures from a server.

    Parameters
    ----------
    template : str
        An http(s) address with ``{z}``, ``{x}`` and ``{y}`` (``{-y}`` counts from the south), or ``{TileMatrix}``,
        ``{TileCol}`` and ``{TileRow}``, and ``{time}`` where there are ``times``. Tiles of web Mercator, 256 pixels.
    name, attribution, bounds, times
        As `TileSource`.

    Raises
    ------
    GridError
        The template does not say where zoom, column and row go, or wants something else.
    """

    kind: Kind = "rgb"
    units = ""
    layer_names: tuple[str, ...] = ("red", "green", "blue")

    def __init__(
        self,
        template: str,
        *,
        name: str | None = None,
        attribution: str = "",
        bounds: Bounds = (-180.0, -85.0, 180.0, 85.0),
        times: Sequence[np.datetime64] = (),
        min_zoom: int = 0,
        max_zoom: int = 19,
    ) -> None:
        places = [place.lower() for place in _PLACE.findall(template)]
        wanted = {_PLACES.get(place.lstrip("-"), place) for place in places}
        if not {"z", "x", "y"} <= wanted or not wanted <= {"z", "x", "y", "time"} or (wanted >= {"time"} and not times):
            raise GridError(
                f"{template} is no address of map tiles: it needs {{z}}, {{x}} and {{y}} (or {{TileMatrix}}, {{TileCol}} "
                "and {TileRow}), {time} only with times, and no other braces. Fill in layer, style and subdomain."
            )
        self.template = template
        self.name = name or str(urlsplit(template).hostname or template)
        self.attribution = attribution
        self.bounds = bounds
        self.times = tuple(times)
        self.min_zoom = min_zoom
        self.max_zoom = max_zoom
        self.attrs: Mapping[str, Any] = {"stored_type": "uint8"}

    def address_of(self, tile: TileAddress, time: int | None = None) -> str:
        """Return the address of a tile."""
        when = "" if not self.times else np.datetime_as_string(self.times[-1 if time is None else time], unit="D")
        facts = {"z": tile.z, "x": tile.x, "y": tile.y, "-y": 2**tile.z - 1 - tile.y, "time": when}

        def fill(found: re.Match[str]) -> str:
            place = found[1].lower()
            return str(facts["-y"] if place == "-y" else facts[_PLACES[place]])

        return _PLACE.sub(fill, self.template)

    def read(
        self, tile: TileAddress, *, time: int | None = None, size: int = TILE, cancel: Cancel | None = None
    ) -> TilePixels:
        """Return the colours of a tile; see `TileSource.read`."""
        stop_if(cancel)
        picture = self._fetched(self.address_of(tile, time))
        stop_if(cancel)
        if picture.shape[:2] != (size, size):
            rows, cols = (np.arange(size) * side // size for side in picture.shape[:2])
            picture = picture[rows[:, None], cols]
        inside = picture[..., 3] > 0
        return TilePixels(tuple(np.ascontiguousarray(picture[..., band]) for band in range(3)), inside)

    def value_at(self, lon: float, lat: float, *, time: int | None = None) -> PixelValue:  # noqa: ARG002
        """Return nothing: a picture has colours and no values."""
        when = self.times[-1 if time is None else time] if self.times else None
        return PixelValue(None, "", "", when, self.name, ", ".join(self.layer_names), (None,) * 3)

    def sample(self, *, time: int | None = None, size: int = TILE) -> NDArray[Any]:  # noqa: ARG002
        """Return black and white: colours need no stretch."""
        return np.broadcast_to(np.array([0.0, 255.0], dtype="float32"), (3, 1, 2))

    def _fetched(self, address: str) -> NDArray[np.uint8]:
        import requests  # as above

        from terrascope_nb.host.session import get_session  # HTTP libraries: not for those who read from a disk

        try:
            answer = get_session().get(address)
        except requests.RequestException as error:
            raise AssetUnreachableError(f"{self.name} does not answer: {error}.", href=address) from error
        if answer.status_code in {204, 404}:
            return np.zeros((TILE, TILE, 4), dtype="uint8")
        if answer.status_code != 200:
            raise AssetUnreachableError(f"{self.name} answers {answer.status_code} for {address}.", href=address)
        if len(answer.content) > _MOST_BYTES:
            raise CorruptAssetError(f"{self.name} answers {len(answer.content)} bytes for one tile.", href=address)
        return decode_picture(answer.content, address)


def decode_picture(data: bytes, href: str) -> NDArray[np.uint8]:
    """Return RGBA of a PNG, JPEG or WebP picture.

    Raises
    ------
    CorruptAssetError
        It is none of these.
    """
    decoders = {
        b"\x89PNG": imagecodecs.png_decode,
        b"\xff\xd8\xff": imagecodecs.jpeg_decode,
        b"RIFF": imagecodecs.webp_decode,
    }
    decoder = next((one for start, one in decoders.items() if data.startswith(start)), None)
    if decoder is None:
        said = data[:80].decode("utf-8", "replace")
        raise CorruptAssetError(f"{href} is no picture; it begins {said!r}.", href=href)
    try:
        picture = np.asarray(decoder(data))
    except (ValueError, RuntimeError) as error:
        raise CorruptAssetError(f"{href} is a damaged picture: {error}.", href=href) from error
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype("uint8")
    if picture.ndim == 2:
        picture = picture[..., None]
    samples = picture.shape[2]
    alpha = picture[..., -1:] if samples in {2, 4} else np.full((*picture.shape[:2], 1), 255, dtype="uint8")
    colours = picture[..., :3] if samples >= 3 else picture[..., :1].repeat(3, axis=2)
    return np.concatenate([colours, alpha], axis=2)
