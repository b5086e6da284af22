"""Time a map in a real JupyterLab: from the start of a cell to its first data tile on the screen, and to the last.

    python benchmarks/first_tile.py --file scene.tif

The clock of the browser runs from the command that runs the cell until a tile's picture is decoded and in the page. Each
round has a fresh kernel that has imported the map (`import terrascope_nb as ts; ts.Map`) and shown none; its second map
tells what a kernel that has drawn one needs. Without --file a full-size COG is made.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests" / "browser"), str(ROOT / "benchmarks")]

WATCH = """() => {
  const seen = new Set(document.querySelectorAll('.tnb-Tile-picture'));
  window.begun = performance.now();
  window.drawn = [];
  window.eyes?.disconnect();
  window.eyes = new MutationObserver(() => document.querySelectorAll('.tnb-Tile-picture').forEach(tile => {
    if (!seen.has(tile) && tile.naturalWidth) {
      seen.add(tile);
      window.drawn.push([performance.now() - window.begun, Number(tile.closest('.leaflet-layer').style.zIndex)]);
    }
  }));
  window.eyes.observe(document.body, {subtree: true, childList: true});
}"""


def time_cell(notebook, number: int) -> tuple[float, float, int]:
    """Return seconds to the first data tile, to the last, and how many there are."""
    notebook.page.evaluate(WATCH)
    notebook.run(number)
    notebook.page.wait_for_timeout(6000)
    data = [at / 1000 for at, order in notebook.page.evaluate("window.drawn") if order > 1]
    return min(data), max(data), len(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", help="a COG of 10980 x 10980 pixels")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    import rasterio
    from conftest import FLAGS, VIEWPORT
    from support.notebooks import Notebook
    from support.servers import find_chromium, serve_lab
    from support.watching import Watch
    from tiles import make_file

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = given.file or make_file(folder)
        with rasterio.open(path) as file:
            from pyproj import Transformer

            middle = file.transform * (file.width / 2, file.height / 2)
            lon, lat = Transformer.from_crs(file.crs, "EPSG:4326", always_xy=True).transform(*middle)
        cell = f"m = ts.Map(center=({lat}, {lon}), zoom=11)\nm.add({path!r})\nm"
        (folder / "lab").mkdir()
        found: dict[str, list[tuple[float, float, int]]] = {"first map of a kernel": [], "second map": []}
        with serve_lab(folder / "lab") as site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
            for _ in range(given.rounds):
                context = browser.new_context(viewport=VIEWPORT)
                notebook = Notebook(context.new_page(), site, Watch(context, site.origin))
                notebook.open_cells("import terrascope_nb as ts; ts.Map", cell, cell)
                notebook.run(0)
                for number, what in enumerate(found, start=1):
                    found[what].append(time_cell(notebook, number))
                notebook.shut_down_kernel()
                context.close()
            browser.close()
    for what, times in found.items():
        first, last = (statistics.median(one[k] for one in times) for k in (0, 1))
        print(f"{what}: first data tile after {first:.2f} s, all {times[0][2]} after {last:.2f} s "
              f"(median of {len(times)}; slowest {max(one[0] for one in times):.2f} and {max(one[1] for one in times):.2f} s)")  # fmt: skip


if __name__ == "__main__":
    main()
