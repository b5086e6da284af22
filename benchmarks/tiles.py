"""Time one map tile of a full-size COG: ours, rio-tiler and localtileserver in turn, on the same file in the same run.

    python benchmarks/tiles.py --file scene.tif --peers /path/to/venv/bin/python

The peers live in an environment of their own (pip install rio-tiler localtileserver). Every engine keeps its file open and
its own block cache warm, as in a map that is being panned; pictures and pixels that we could keep are thrown away, so that
every tile is looked up, taken out of the blocks, coloured and packed anew. Ours is checked against rasterio: each pixel of
each tile must have the colour of the very pixel of the file's overview that holds its centre.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ZOOMS = (9, 11, 13, 14)
LOW, HIGH, CMAP = 0, 3000, "viridis"
"""The stretch in stored numbers, so that all three draw the same."""

PEERS = r"""
import base64, json, sys, time
engine, path, low, high, cmap = sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
if engine == "rio-tiler":
    from rio_tiler.colormap import cmap as maps
    from rio_tiler.io import Reader
    reader, colours = Reader(path), maps.get(cmap)
    def tile(z, x, y):
        image = reader.tile(x, y, z, tilesize=256)
        image.rescale(in_range=((low, high),))
        return image.render(img_format="PNG", colormap=colours)
else:
    from localtileserver import TileClient
    client = TileClient(path)
    def tile(z, x, y):
        return bytes(client.tile(z, x, y, indexes=[1], colormap=cmap, vmin=low, vmax=high))
print("ready", flush=True)
for line in sys.stdin:
    z, x, y = json.loads(line)
    begin = time.perf_counter()
    png = tile(z, x, y)
    print(json.dumps([time.perf_counter() - begin, base64.b64encode(png).decode()]), flush=True)
"""

FIRST = r"""
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
import matplotlib, numpy, pyproj, pystac, rasterio, xarray
from terrascope_nb.maps.looks import look_of
from terrascope_nb.maps.tiles import TilePainter
from terrascope_nb.raster.tiling import tiles_over
from terrascope_nb.widgets.live_map.sources import tile_source
begin = time.perf_counter()
source = tile_source(sys.argv[1])
painter = TilePainter(source, look_of(source))
west, south, east, north = source.bounds
tiles = tiles_over(((2 * west + east) / 3, (2 * south + north) / 3, (west + 2 * east) / 3, (south + 2 * north) / 3), 12)
middle = tiles[len(tiles) // 2]
tiles = tiles_over((middle.bounds_lonlat[0] - 0.1, middle.bounds_lonlat[1] - 0.05, middle.bounds_lonlat[2] + 0.1, middle.bounds_lonlat[3] + 0.05), 12)[:15]
painter.png(tiles[0])
first = time.perf_counter() - begin
with ThreadPoolExecutor(2) as pool:
    list(pool.map(painter.png, tiles))
print(json.dumps([first, time.perf_counter() - begin, len(tiles)]))
"""

PAN = r"""
import json, os, sys
import psutil
from terrascope_nb.maps.looks import look_of
from terrascope_nb.maps.tiles import TilePainter
from terrascope_nb.raster import pyramid
from terrascope_nb.raster.tiling import tiles_over
from terrascope_nb.widgets.live_map.sources import tile_source
source = tile_source(sys.argv[1])
painter = TilePainter(source, look_of(source))
tiles = tiles_over(source.bounds, 14)
tiles = tiles[:: max(1, len(tiles) // 500)][:500]  # all over the file, row by row
me, held, kept = psutil.Process(), [], []
painter.png(tiles[0])
start = me.memory_info().rss
for tile in tiles:
    painter.png(tile)
    held.append(me.memory_info().rss - start)
    kept.append(painter.n_bytes + pyramid.blocks.n_bytes)
print(json.dumps([max(held), held[249], held[-1], max(kept), len(tiles)]))
"""


class Peer:
    """Another engine in a process of its own."""

    def __init__(self, python: str, engine: str, path: str) -> None:
        self.name = engine
        self.process = subprocess.Popen(
            [python, "-c", PEERS, engine, path, str(LOW), str(HIGH), CMAP],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        if self.process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{engine} does not start in {python}")

    def tile(self, tile) -> tuple[float, bytes]:
        self.process.stdin.write(json.dumps([tile.z, tile.x, tile.y]) + "\n")
        self.process.stdin.flush()
        seconds, png = json.loads(self.process.stdout.readline())
        return seconds, base64.b64decode(png)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)


class Ours:
    """Our engine, with nothing kept but the decoded blocks (or not even these)."""

    name = "terrascope_nb"

    def __init__(self, path: str) -> None:
        from terrascope_nb.maps.looks import Look
        from terrascope_nb.maps.tiles import render_png
        from terrascope_nb.raster import pyramid
        from terrascope_nb.raster.cog_tiles import CogTiles

        self.source = CogTiles(path, decode=self._as_stored)
        self.look = Look("measurement", cmap=CMAP, vmin=float(LOW), vmax=float(HIGH))
        self._render, self._blocks = render_png, pyramid.blocks

    def _as_stored(self, stored):
        values = stored.astype("float32")
        if self.source.info.nodata is not None:
            values[stored == self.source.info.nodata] = float("nan")
        return values

    def tile(self, tile, *, cold: bool = False) -> tuple[float, bytes]:
        if cold:
            self._blocks.clear()
        begin = time.perf_counter()
        png = self._render(self.source.read(tile), self.look)
        return time.perf_counter() - begin, png


def expected(path: str, tile, level: int):
    """Return the colours that the tile must have, and where that is beyond doubt; by PROJ, rasterio and matplotlib alone."""
    import matplotlib as mpl
    import numpy as np
    import pyproj
    import rasterio
    from matplotlib.colors import Normalize

    with rasterio.open(path, **({"overview_level": level - 1} if level else {})) as dataset:
        left, _, right, top = tile.bounds_mercator
        step = (np.arange(256) + 0.5) / 256 * (right - left)
        to_file = pyproj.Transformer.from_crs("EPSG:3857", dataset.crs, always_xy=True)
        cols, rows = ~dataset.transform @ to_file.transform(*np.meshgrid(left + step, top - step))
        inside = (rows >= 0) & (rows < dataset.height) & (cols >= 0) & (cols < dataset.width)
        r0, r1 = int(rows[inside].min()), int(rows[inside].max()) + 1
        c0, c1 = int(cols[inside].min()), int(cols[inside].max()) + 1
        stored = dataset.read(1, window=((r0, r1), (c0, c1)))
        numbers = np.zeros((256, 256), dtype=stored.dtype)
        numbers[inside] = stored[rows[inside].astype(int) - r0, cols[inside].astype(int) - c0]
        valid = inside & (numbers != dataset.nodata)
    sure = np.minimum(np.abs(rows - np.round(rows)), np.abs(cols - np.round(cols))) > 1e-4
    colours = mpl.colormaps[CMAP](Normalize(LOW, HIGH)(numbers.astype("float32")), bytes=True)
    colours[~valid] = 0
    return colours, sure


def opened(png: bytes):
    import numpy as np
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def make_file(folder: Path) -> str:
    """Write a COG of 10980 x 10980 pixels of smooth noise, as an acquisition of Sentinel-2 has them."""
    import numpy as np
    import rasterio
    from rasterio.shutil import copy

    path = folder / "tiles-10980.tif"
    if path.exists():
        return str(path)
    folder.mkdir(parents=True, exist_ok=True)
    rng, side = np.random.default_rng(1), 10980
    fields = rng.integers(300, 2600, (side // 60, side // 60)).astype("float32")
    profile = {"driver": "GTiff", "count": 1, "height": side, "width": side, "dtype": "int16", "nodata": 32767,
               "crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 600000, 0, -10, 5700000)}  # fmt: skip
    plain = folder / "plain.tif"
    with rasterio.open(plain, "w", **profile) as dataset:
        for row in range(len(fields)):
            strip = fields[row].repeat(60) + 60 * rng.standard_normal((60, side), dtype="float32")
            dataset.write(strip.astype("int16"), 1, window=((60 * row, 60 * row + 60), (0, side)))
    copy(plain, path, driver="COG", compress="deflate", predictor=2, blocksize=512, overview_resampling="average")
    plain.unlink()
    return str(path)


def main() -> None:
    """Run all and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", help="a COG of one band of whole numbers in UTM; one is made when left out")
    parser.add_argument("--peers", default=sys.executable, help="the python that has rio-tiler and localtileserver")
    parser.add_argument("--folder", type=Path, default=Path("results"), help="where a file is made")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tiles", type=int, default=5, help="tiles per zoom")
    asked = parser.parse_args()
    path = asked.file or make_file(asked.folder)

    from terrascope_nb.raster.tiling import tiles_over

    ours = Ours(path)
    peers = [Peer(asked.peers, engine, path) for engine in ("rio-tiler", "localtileserver")]
    west, south, east, north = ours.source.bounds
    heart = (
        west + (east - west) * 0.3,
        south + (north - south) * 0.3,
        east - (east - west) * 0.3,
        north - (north - south) * 0.3,
    )
    print(f"{path}\n{'zoom':>4} {'level':>5} {'ours':>9} {'ours, no blocks kept':>21} {'rio-tiler':>11} {'localtileserver':>16}"
          f" {'x':>6} {'x':>6}  {'checked':>8} {'bytes':>8}  (median ms per tile; least of ours, rio-tiler, localtileserver)")  # fmt: skip
    for zoom in ZOOMS:
        tiles = tiles_over(heart, zoom)
        tiles = tiles[:: max(1, len(tiles) // asked.tiles)][: asked.tiles]
        taken: dict[str, list[float]] = {"ours": [], "cold": [], **{peer.name: [] for peer in peers}}
        right = total = size = 0
        for tile in tiles:
            for engine in (ours, *peers):  # warm
                engine.tile(tile)
            for _ in range(asked.rounds):
                seconds, png = ours.tile(tile)
                taken["ours"].append(seconds)
                for peer in peers:
                    taken[peer.name].append(peer.tile(tile)[0])
                taken["cold"].append(ours.tile(tile, cold=True)[0])
            colours, sure = expected(path, tile, ours.source.level_for(zoom))
            same = (opened(png) == colours).all(axis=-1) | (colours[..., 3] == 0) & (opened(png)[..., 3] == 0)
            right, total, size = right + int(same[sure].sum()), total + int(sure.sum()), size + len(png)
        ms = {name: statistics.median(times) * 1e3 for name, times in taken.items()}
        least = ", ".join(f"{min(taken[name]) * 1e3:.2f}" for name in ("ours", "rio-tiler", "localtileserver"))
        print(f"{zoom:4} {ours.source.level_for(zoom):5} {ms['ours']:9.2f} {ms['cold']:21.2f} {ms['rio-tiler']:11.2f} "
              f"{ms['localtileserver']:16.2f} {ms['rio-tiler'] / ms['ours']:6.1f} {ms['localtileserver'] / ms['ours']:6.1f}  "
              f"{100 * right / total:7.3f}% {size // len(tiles):8}  ({least})", flush=True)  # fmt: skip
        if right != total:
            raise SystemExit("a tile has other colours than the file says")
    for peer in peers:
        peer.close()
    print("\nfrom a path to pictures, in a new process whose libraries are loaded (seconds)")
    for _ in range(3):
        first, view, count = json.loads(subprocess.check_output([sys.executable, "-c", FIRST, path], text=True))
        print(f"  first tile {first:.3f}, whole view of {count} tiles {view:.3f}")
    most, half, end, kept, count = json.loads(subprocess.check_output([sys.executable, "-c", PAN, path], text=True))
    print(f"\nmemory while {count} tiles are panned: at most {most / 2**20:.0f} MB more than after the first tile "
          f"({half / 2**20:.0f} half way, {end / 2**20:.0f} at the end); kept on purpose {kept / 2**20:.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
