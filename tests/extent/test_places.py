from __future__ import annotations

import lzma
from importlib import resources

import geopandas as gpd
import pyogrio
import pyproj
import pytest
import shapely

from terrascope_nb.errors import UnknownPlaceError
from terrascope_nb.extent.mgrs import tile_box, tiles_of
from terrascope_nb.extent.places import find_place, list_places

DATA = resources.files("terrascope_nb.extent").joinpath("data", "belgium_2020.json.xz")


@pytest.fixture(scope="module")
def by_gdal() -> gpd.GeoDataFrame:
    """The same file, read by GDAL's TopoJSON driver instead of by us."""
    table = pyogrio.read_dataframe(lzma.decompress(DATA.read_bytes()), layer="municipalities")
    return table.set_index("nis").set_crs(4326)


def test_every_outline_equals_what_gdal_reads(by_gdal: gpd.GeoDataFrame) -> None:
    assert len(by_gdal) == len(list_places()) == 581
    for place in list_places():
        theirs = by_gdal.geometry[place.nis]
        assert place.geometry.is_valid
        assert place.geometry.geom_type in {"Polygon", "MultiPolygon"}
        repaired = shapely.make_valid(theirs, method="structure", keep_collapsed=False)
        assert shapely.symmetric_difference(place.geometry, repaired).area < 1e-12, place
        assert (place.name_nl, place.name_fr) == (by_gdal.name_nl[place.nis], by_gdal.name_fr[place.nis])


def test_every_municipality_lies_in_the_tiles_it_is_said_to_touch(by_gdal: gpd.GeoDataFrame) -> None:
    # Independent of tiles_of: the outline in metres of the tile's zone, by GDAL and geopandas, against the square.
    metres = {epsg: by_gdal.geometry.make_valid().segmentize(0.001).to_crs(epsg) for epsg in (32631, 32632)}
    # Every tile within two columns and rows of Belgium.
    names = [
        *(f"31U{column}{row}" for column in "CDEFG" for row in "PQRSTU"),
        *(f"32U{column}{row}" for column in "LM" for row in "VABCD"),
    ]
    candidates = {tile: tile_box(tile) for tile in names}
    for place in list_places():
        said = set(tiles_of(place.geometry))
        assert said, place
        truly = {
            tile for tile, (epsg, box) in candidates.items() if metres[epsg][place.nis].intersects(shapely.box(*box))
        }
        assert said == truly, place


@pytest.mark.parametrize(
    ("name", "tiles"),
    [
        ("Assenede", ("31UES",)),
        ("De Panne", ("31UDS",)),
        ("Knokke-Heist", ("31UES", "31UET")),
        ("Namur", ("31UFR", "31UFS")),
        ("Eupen", ("31UGS", "32ULB")),
        ("Arlon", ("31UFQ", "31UFR", "31UGQ", "31UGR")),
    ],
)
def test_known_municipalities_lie_in_known_tiles(name: str, tiles: tuple[str, ...]) -> None:
    assert tiles_of(find_place(name if name != "Namur" else 92094).geometry) == tiles


@pytest.mark.parametrize(
    ("asked", "nis"),
    [
        ("Assenede", "43002"),
        ("ASSENEDE", "43002"),
        ("43002", "43002"),
        (43002, "43002"),
        ("Gand", "44021"),
        ("gent", "44021"),
        ("Ghent", "44021"),
        ("Gent / Gand", "44021"),
        ("Liege", "62063"),
        ("Luik", "62063"),
        ("sint niklaas", "46021"),
        ("St.-Niklaas", "46021"),
        ("'s-Gravenbrakel", "55004"),
        ("Braine-le-Comte", "55004"),
        ("Heist op den Berg", "12014"),
        ("provincie antwerpen", "10000"),
        ("Province de Liège", "60000"),
        ("Oost-Vlaanderen", "40000"),
        ("East Flanders", "40000"),
        ("Hainaut", "50000"),
        ("Arrondissement Eeklo", "43000"),
        ("Vlaanderen", "02000"),
        ("Wallonie", "03000"),
        ("Brussels Hoofdstedelijk Gewest", "04000"),
        ("Région de Bruxelles-Capitale", "04000"),
        ("02000", "02000"),
        ("België", "01000"),
    ],
    ids=str,
)
def test_a_place_is_found_by_its_names_in_any_spelling(asked: str | int, nis: str) -> None:
    assert find_place(asked).nis == nis


@pytest.mark.parametrize("name", ["Brussel", "Bruxelles", "Brussels", "Antwerpen", "Anvers", "Namur", "Luik"])
def test_a_name_of_town_and_province_means_the_town(name: str) -> None:
    assert find_place(name).kind == "municipality"


@pytest.mark.parametrize(
    ("name", "codes"),
    [("Saint-Nicolas", ("46021", "62093")), ("Limburg", ("63046", "70000")), ("Limbourg", ("63046", "70000"))],
)
def test_a_name_of_two_far_places_is_not_guessed(name: str, codes: tuple[str, ...]) -> None:
    with pytest.raises(UnknownPlaceError, match="several places") as caught:
        find_place(name)
    assert caught.value.facts["candidates"] == codes
    assert all(code in str(caught.value) for code in codes)


def test_every_municipality_is_found_by_its_code_and_its_dutch_name() -> None:
    for place in list_places():
        assert find_place(place.nis) == place
        if place.name_nl not in {"Limburg", "Saint-Nicolas"}:
            assert find_place(place.name_nl) == place


@pytest.mark.parametrize("code", ["9960", 9960, 1000])
def test_a_postcode_is_said_to_be_missing(code: str | int) -> None:
    with pytest.raises(UnknownPlaceError, match=r"postcodes are not in this package.*NIS"):
        find_place(code)


def test_a_misspelt_name_gets_its_near_misses_and_the_year_of_the_data() -> None:
    with pytest.raises(UnknownPlaceError, match=r"of 2020; mergers of 1 January 2025.*Did you mean Assenede") as caught:
        find_place("Asenede")
    assert caught.value.facts["candidates"][0] == "Assenede"


def test_a_municipality_merged_in_2025_names_its_known_parts() -> None:
    with pytest.raises(UnknownPlaceError, match=r"\['Beveren', 'Kruibeke', 'Zwijndrecht'\]"):
        find_place("Beveren-Kruibeke-Zwijndrecht")


def test_an_unknown_code_is_refused() -> None:
    with pytest.raises(UnknownPlaceError, match="five digits"):
        find_place("43999")


@pytest.mark.parametrize(("kind", "count"), [("province", 10), ("region", 3), ("arrondissement", 43), (None, 638)])
def test_list_places_lists_each_kind(kind: str | None, count: int) -> None:
    found = list_places(kind)  # type: ignore[arg-type]
    assert len(found) == len({place.nis for place in found}) == count


def test_larger_places_are_made_of_their_municipalities() -> None:
    geod = pyproj.Geod(ellps="WGS84")

    def km2(shape: shapely.Geometry) -> float:
        return sum(
            abs(geod.geometry_area_perimeter(shapely.orient_polygons(part))[0]) / 1e6
            for part in shapely.get_parts(shape)
        )

    whole = km2(find_place("België").geometry)
    # Statbel: 30 689 km² in all, 13 626 in Flanders, 16 901 in Wallonia, 162 in Brussels (land cover 2023).
    assert whole == pytest.approx(30689, rel=0.001)
    assert sum(km2(place.geometry) for place in list_places("region")) == pytest.approx(whole, rel=1e-4)
    assert sum(km2(place.geometry) for place in list_places("arrondissement")) == pytest.approx(whole, rel=1e-4)
    assert km2(find_place("Flanders").geometry) == pytest.approx(13626, rel=0.01)
    assert km2(find_place("Wallonia").geometry) == pytest.approx(16901, rel=0.01)
    brussels = find_place("04000").geometry
    assert sum(brussels.contains(place.geometry.representative_point()) for place in list_places()) == 19


def test_a_place_says_what_it_is() -> None:
    assert str(find_place("Gent")) == "Gent / Gand (municipality, NIS 44021)"
    assert find_place("Assenede").population == 14296
