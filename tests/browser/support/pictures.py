"""A screenshot whose colours can be read."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image


class Shot:
    """A picture of a page or of one element; pixels count from its upper left corner."""

    def __init__(self, png: bytes) -> None:
        self.image = Image.open(io.BytesIO(png)).convert("RGB")
        self.array = np.asarray(self.image)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.image.size

    def colour(self, x: float, y: float) -> tuple[int, int, int]:
        """Return red, green and blue of the pixel that holds a point."""
        red, green, blue = self.array[math.floor(y), math.floor(x)]
        return int(red), int(green), int(blue)

    def colours(self) -> int:
        """Return how many different colours there are: a blank has one."""
        return len(np.unique(self.array.reshape(-1, 3), axis=0))

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.image.save(path)


def pixel_of(
    lon: float, lat: float, center: tuple[float, float], zoom: float, size: tuple[float, float]
) -> tuple[float, float]:
    """Return where a map of `size` pixels, centred on (lat, lon) `center`, draws a place: the web-mercator formulas."""

    def world(lon: float, lat: float) -> tuple[float, float]:
        scale = 256 * 2**zoom
        sine = math.sin(math.radians(lat))
        return (lon + 180) / 360 * scale, (0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)) * scale

    x, y = world(lon, lat)
    middle_x, middle_y = world(center[1], center[0])
    return x - middle_x + size[0] / 2, y - middle_y + size[1] / 2
