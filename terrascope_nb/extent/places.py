"""Belgian places, offline: municipalities, arrondissements, provinces and regions by name or NIS code.

The outlines are those of 2020 (581 municipalities) and generalised: good to search with, while their areas differ from
the published ones by several per cent, here and there by nearly twenty. Mergers of 1 January 2025 and postcodes are not
in them. Source: github.com/bmesuere/belgium-topojson (CC0-1.0), names and codes from Statbel (REFNIS 2019).
"""

from __future__ import annotations

import json
import lzma
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Literal

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from terrascope_nb.errors import UnknownPlaceError, near_misses

__all__ = ["Place", "PlaceKind", "border_lines", "find_place", "list_places"]

PlaceKind = Literal["municipality", "arrondissement", "province", "region", "country"]
STATE = "generalised boundaries of 2020; mergers of 1 January 2025 are not in them"
"""What to say of every outline."""
_COUNTRY = "01000"
_BRUSSELS = "04000"
# English names, and what people call the regions; the source has Dutch and French names only.
_ALIASES: dict[str, tuple[str, ...]] = {
    "11002": ("Antwerp",),
    "21004": ("Brussels", "City of Brussels", "Stad Brussel", "Ville de Bruxelles"),
    "31005": ("Bruges",),
    "35013": ("Ostend",),
    "44021": ("Ghent",),
    "10000": ("Antwerp", "Antwerp province", "province of Antwerp"),
    "20001": ("Flemish Brabant",),
    "20002": ("Walloon Brabant",),
    "30000": ("West Flanders",),
    "40000": ("East Flanders",),
    "02000": ("Vlaanderen", "Flandre", "Flanders", "Flemish Region"),
    "03000": ("Wallonië", "Wallonie", "Wallonia", "Région wallonne", "Walloon Region"),
    _BRUSSELS: (
        "Brussel", "Bruxelles", "Brussels", "Brussels Gewest", "Brussels Region", "Brussels-Capital Region",
        "Bruxelles-Capitale",
    ),
    _COUNTRY: ("België", "Belgique", "Belgium", "Belgien"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A Belgian place, as of 2020."""

    kind: PlaceKind
    """What it is."""
    nis: str
    """Five-digit code of Statbel."""
    name_nl: str
    """Dutch name."""
    name_fr: str
    """French name."""
    province: str = ""
    """NIS code of its province; empty in Brussels and for regions."""
    region: str = ""
    """NIS code of its region."""
    population: int | None = None
    """Inhabitants in 2020, for municipalities."""

    @property
    def name(self) -> str:
        """Both names where they differ."""
        return self.name_nl if self.name_nl == self.name_fr else f"{self.name_nl} / {self.name_fr}"

    @property
    def geometry(self) -> BaseGeometry:
        """Outline in EPSG:4326; provinces, regions and the country are the union of their municipalities."""
        return _outline(self.nis)

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}, NIS {self.nis})"


def list_places(kind: PlaceKind | None = "municipality") -> tuple[Place, ...]:
    """Return the places of a kind (all of them for None), ordered by NIS code.

    >>> len(list_places()), len(list_places("province")), len(list_places("region"))
    (581, 10, 3)
    """
    return tuple(place for _, place in sorted(_places().items()) if kind in (None, place.kind))


def find_place(text: str | int) -> Place:
    """Return the place of a name (Dutch, French, some English) or NIS code.

    Parameters
    ----------
    text : str or int
        Case, accents, hyphens and apostrophes do not matter; ``"Antwerpen"`` is the municipality, ``"provincie
        Antwerpen"`` the province.

    Raises
    ------
    UnknownPlaceError
        No such place, or several: the message lists them with their NIS codes.

    Examples
    --------
    >>> find_place("assenede").nis, find_place("'s Gravenbrakel").name_fr, find_place(43002).name
    ('43002', 'Braine-le-Comte', 'Assenede')
    """
    return matches(text)[0]


def matches(text: str | int) -> tuple[Place, ...]:
    """Return the place that is meant first, then larger places of the same name around it.

    Raises
    ------
    UnknownPlaceError
        As `find_place`.
    """
    asked = str(text).strip()
    if asked.isdecimal():
        return (_by_code(asked),)
    found = _by_name().get(_key(asked), ())
    if not found:
        raise _unknown(asked)
    smallest = [place for place in found if place.kind == "municipality"] or list(found)
    around = [place for place in found if place not in smallest]
    if len(smallest) == 1 and all(place.nis in (smallest[0].province, smallest[0].region) for place in around):
        return (smallest[0], *around)
    raise UnknownPlaceError(
        f"The place {asked!r} was asked for, which several places are called: {'; '.join(map(str, found))}. "
        "Ask by NIS code, or by the name in the other language.",
        name=asked,
        candidates=tuple(place.nis for place in found),
        ambiguous=True,
    )


def _by_code(code: str) -> Place:
    found = _places().get(code)
    if found is not None:
        return found
    if len(code) == 4:
        raise UnknownPlaceError(
            f"{code!r} was asked for, which looks like a postcode; postcodes are not in this package. Give the name of "
            "the municipality or its NIS code of five digits, like 'Assenede' or '43002'.",
            name=code,
            candidates=(),
        )
    raise UnknownPlaceError(
        f"The NIS code {code!r} was asked for; there is no such place in 2020 "
        "(a NIS code has five digits; codes of 2025 are not known). Give a name, like 'Assenede'; list_places() has all "
        "codes.",
        name=code,
        candidates=(),
    )


def _unknown(asked: str) -> UnknownPlaceError:
    names = {place_name: place for place in _places().values() for place_name in _names_of(place)}
    parts = [part.strip() for part in asked.split("-") if part.strip()]
    if len(parts) > 1 and all(_key(part) in _by_name() for part in parts):
        advice = f"Its parts are known: give them as a list, {parts!r}."
        near = parts
    else:
        by_key = {_key(name): name for name in names}
        near = [by_key[key] for key in near_misses(_key(asked), by_key)]
        advice = f"Did you mean {' or '.join(near)}?" if near else "list_places() gives all of them."
    return UnknownPlaceError(
        f"The place {asked!r} was asked for, but no Belgian municipality, province or region is called that "
        f"({STATE}). {advice}",
        name=asked,
        candidates=tuple(near),
    )


def _key(text: str) -> str:
    """Reduce a name to letters and single spaces, without accents; ``St`` is written out."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    words = re.sub(r"[^a-z0-9]+", " ", letters.replace("œ", "oe")).split()
    return " ".join({"st": "sint", "ste": "sainte"}.get(word, word) for word in words)


def _names_of(place: Place) -> list[str]:
    names = [place.name_nl, place.name_fr, place.name, *_ALIASES.get(place.nis, ())]
    if place.kind == "province":
        names.append(place.name_nl.removeprefix("Provincie "))
        names.append(re.sub(r"^Province (?:de |du |d')", "", place.name_fr))
    return names


@lru_cache(maxsize=1)
def _by_name() -> dict[str, tuple[Place, ...]]:
    found: dict[str, tuple[Place, ...]] = {}
    for _, place in sorted(_places().items()):
        for key in {_key(name) for name in _names_of(place)}:
            found[key] = (*found.get(key, ()), place)
            if key.startswith("sint "):
                # St is Sint in Dutch and Saint in French.
                found.setdefault("saint " + key[5:], found[key])
    return found


@lru_cache(maxsize=1)
def _places() -> dict[str, Place]:
    found: dict[str, Place] = {}
    for layer, kind in (
        ("provinces", "province"),
        ("arrondissements", "arrondissement"),
        ("municipalities", "municipality"),
    ):
        for shape in _topology()["objects"][layer]["geometries"]:
            row = shape["properties"]
            region = row["reg_nis"]
            found.setdefault(region, Place("region", region, row["reg_nl"], row["reg_fr"]))
            if "nis" in row:  # Brussels stands among the provinces without a code of one
                found[row["nis"]] = Place(
                    kind,  # type: ignore[arg-type]
                    row["nis"],
                    row["name_nl"],
                    row["name_fr"],
                    row.get("prov_nis", "") if kind != "province" else "",
                    region,
                    row.get("population"),
                )
    found[_COUNTRY] = Place("country", _COUNTRY, "België", "Belgique")
    return found


@lru_cache(maxsize=1)
def _topology() -> Mapping[str, Any]:
    packed = resources.files("terrascope_nb.extent").joinpath("data", "belgium_2020.json.xz").read_bytes()
    found: Mapping[str, Any] = json.loads(lzma.decompress(packed))
    return found


@lru_cache(maxsize=1)
def _arcs() -> list[np.ndarray]:
    """Decode the TopoJSON arcs: whole-number steps from point to point, times scale, plus an offset."""
    topology = _topology()
    scale, offset = np.array(topology["transform"]["scale"]), np.array(topology["transform"]["translate"])
    return [np.cumsum(np.array(arc), axis=0) * scale + offset for arc in topology["arcs"]]


def _ring(indices: list[int]) -> np.ndarray:
    """Join arcs to a ring; ``~i`` is arc i backwards, and each arc starts where the one before it ends."""
    arcs = _arcs()
    pieces = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in indices]
    return np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])


def border_lines() -> dict[PlaceKind, list[np.ndarray]]:
    """Return the lines that part municipalities, provinces and Belgium from the rest: (n, 2) degrees, each line once.

    A line between two municipalities of one province stands under ``"municipality"``, one between two provinces (or
    Brussels) under ``"province"``, the outer ones under ``"country"``.

    >>> {kind: len(lines) > 10 for kind, lines in border_lines().items()}
    {'country': True, 'province': True, 'municipality': True}
    """
    sides: dict[int, list[str]] = {}
    for shape in _topology()["objects"]["municipalities"]["geometries"]:
        province = shape["properties"].get("prov_nis") or shape["properties"]["reg_nis"]
        polygons = [shape["arcs"]] if shape["type"] == "Polygon" else shape["arcs"]
        for arc in {index if index >= 0 else ~index for rings in polygons for ring in rings for index in ring}:
            sides.setdefault(arc, []).append(province)
    found: dict[PlaceKind, list[np.ndarray]] = {"country": [], "province": [], "municipality": []}
    for arc, provinces in sides.items():
        kind: PlaceKind = "country" if len(provinces) == 1 else "municipality"
        found["province" if len(set(provinces)) > 1 else kind].append(_arcs()[arc])
    return found


@lru_cache(maxsize=2)
def _shapes(layer: str) -> dict[str, Mapping[str, Any]]:
    return {one["properties"]["nis"]: one for one in _topology()["objects"][layer]["geometries"]}


@lru_cache(maxsize=1024)
def _outline(nis: str) -> BaseGeometry:
    # Arrondissements have outlines of their own: their codes are of 2019, those beside the municipalities older.
    shape = _shapes("municipalities").get(nis) or _shapes("arrondissements").get(nis)
    if shape is None:
        return _dissolved(nis)
    polygons = [shape["arcs"]] if shape["type"] == "Polygon" else shape["arcs"]
    parts = [shapely.Polygon(_ring(rings[0]), [_ring(ring) for ring in rings[1:]]) for rings in polygons]
    found: BaseGeometry = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    # Quantising made a few outlines touch themselves; this keeps polygons and moves no surface.
    return found if found.is_valid else shapely.make_valid(found, method="structure", keep_collapsed=False)


def _dissolved(nis: str) -> BaseGeometry:
    members = [
        code
        for code, shape in _shapes("municipalities").items()
        if nis == _COUNTRY or nis in (shape["properties"].get(key) for key in ("prov_nis", "reg_nis"))
    ]
    return shapely.union_all([_outline(code) for code in members])
