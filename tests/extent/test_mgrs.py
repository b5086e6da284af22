from __future__ import annotations

import hashlib

import mgrs as independent
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from terrascope_nb.errors import AreaError, UnknownPlaceError
from terrascope_nb.extent.mgrs import Square, is_tile, tile_box, tile_footprint, tile_square, tiles_of

GRID = [
    square
    for zone in range(1, 61)
    for row in range(-100, 100)
    for column in range(10)
    if (square := Square(zone, column, row)).exists
]

# id, EPSG code, left, top: from proj:code, proj:bbox and proj:transform of real items and files.
KNOWN = [
    ("31UFS", 32631, 600000, 5700000),  # STAC item S2A_20250516T104651_31UFS_NDVI_10M_V210
    ("38SKG", 32638, 199980, 4200000),  # STAC item S2A_20230220T074941_38SKG_TOC_V210
    ("38TLK", 32638, 300000, 4500000),  # STAC item S2A_20230220T074941_38TLK_TOC_V210
    ("38TLL", 32638, 300000, 4600020),  # STAC item S2A_20230220T074941_38TLL_TOC_V210
    ("38TLM", 32638, 300000, 4700040),  # STAC item S2A_20230220T074941_38TLM_TOC_V210
    ("35HKC", 32735, 199980, 6300040),  # ESA product S2B 20211220T080341 T35HKC, southern hemisphere
    ("01CCV", 32701, 300000, 2000020),  # ESA tiling grid, first tile
]


@pytest.mark.parametrize(("tile", "epsg", "left", "top"), KNOWN, ids=[one[0] for one in KNOWN])
def test_a_tile_has_the_box_of_its_real_items(tile: str, epsg: int, left: float, top: float) -> None:
    assert tile_box(tile) == (epsg, (left, top - 109800, left + 109800, top))


def test_the_whole_grid_equals_the_one_esa_publishes() -> None:
    # sha256 over "id epsg left top" of the 56 686 placemarks of ESA's tiling grid, sorted by id, one a line
    # (S2A_OPER_GIP_TILPAR_MPC__20151209T095117_V20150622T000000_21000101T000000_B00.kml).
    lines = sorted(f"{one.tile} {one.epsg} {one.box[0]:.0f} {one.box[3]:.0f}" for one in GRID)
    assert len(lines) == 56686
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert digest == "aade06c9c32d7851a9813b2a05801bf0d5cc42d604a229477361b9e9efa924ff"


@settings(deadline=None)
@given(st.sampled_from(GRID))
def test_a_tile_id_gives_back_its_square(square: Square) -> None:
    assert tile_square(square.tile) == square
    assert tile_square(square.tile.lower()) == square
    assert tile_square("T" + square.tile) == square


@settings(deadline=None)
@given(st.sampled_from(GRID))
def test_a_tile_holds_its_mgrs_square(square: Square) -> None:
    left, bottom, right, top = square.box
    origin = 10_000_000 if square.south else 0
    assert left <= square.column * 100_000 < square.column * 100_000 + 100_000 <= right
    assert bottom <= square.row * 100_000 + origin < (square.row + 1) * 100_000 + origin <= top
    assert (left % 60, (top - origin) % 60) == (0, 0)


@settings(deadline=None)
@given(st.floats(-180, 179.999), st.floats(-79.9, 83.9))
def test_every_point_lies_in_a_tile_and_in_its_own_mgrs_square(lon: float, lat: float) -> None:
    found = tiles_of(shapely.Point(lon, lat))
    assert found
    name = independent.MGRS().toMGRS(lat, lon, MGRSPrecision=0)
    if is_tile(name):
        assert tile_square(name).tile in found


@settings(deadline=None, max_examples=40)
@given(st.floats(-180, 179.9), st.floats(-80, 83), st.floats(0.01, 1.5), st.floats(0.01, 1))
def test_tiles_of_a_box_equal_a_search_of_all_tiles_one_by_one(
    west: float, south: float, width: float, height: float
) -> None:
    shape = shapely.box(west, south, min(west + width, 180), south + height)
    found = set(tiles_of(shape))
    edges = shapely.get_coordinates(shapely.segmentize(shape, 0.01))
    # Only zones near by, since a transverse Mercator far from its meridian means nothing.
    middle = (shape.bounds[0] + shape.bounds[2]) / 2
    for square in GRID:
        apart = abs((6 * square.zone - 183 - middle + 180) % 360 - 180)
        if apart > 20 or square.south is not (south < 0) or (south < 0 < south + height):
            continue
        latitude = square.row * 0.9 + 0.45
        if abs(latitude - south) > 4:
            continue
        x, y = _to_utm(square.epsg).transform(edges[:, 0], edges[:, 1])
        ours = shapely.Polygon(np.column_stack([x, y]))
        box = shapely.box(*square.box)
        if ours.intersects(box) != (square.tile in found):
            # Within a metre of the edge the two ways of following an edge may differ.
            assert ours.distance(box.boundary) < 1


_UTM: dict[int, pyproj.Transformer] = {}


def _to_utm(epsg: int) -> pyproj.Transformer:
    return _UTM.setdefault(epsg, pyproj.Transformer.from_crs(4326, epsg, always_xy=True))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(GRID))
def test_a_footprint_is_the_tile_itself(square: Square) -> None:
    outline = tile_footprint(square.tile)
    assert outline.is_valid
    west, _, east, _ = outline.bounds
    assert west >= -180
    assert east <= 180
    middle = _to_utm(square.epsg).transform(
        (square.box[0] + square.box[2]) / 2, (square.box[1] + square.box[3]) / 2, direction="INVERSE"
    )
    assert outline.contains(shapely.Point(middle))
    assert square.tile in tiles_of(outline)


def test_the_footprint_of_31uds_follows_its_bent_edges() -> None:
    epsg, (left, bottom, right, top) = tile_box("31UDS")
    outline = tile_footprint("31UDS")
    x = np.linspace(left, right, 200)
    lon, lat = _to_utm(epsg).transform(x, np.full(200, top), direction="INVERSE")
    metres = shapely.distance(outline.boundary, shapely.points(lon, lat)) * 111_000
    assert metres.max() < 1  # with the four corners alone it would be hundreds of metres
    straight = shapely.Polygon(
        [
            _to_utm(epsg).transform(*xy, direction="INVERSE")
            for xy in [(left, bottom), (left, top), (right, top), (right, bottom)]
        ]
    )
    assert shapely.distance(straight.boundary, shapely.points(lon, lat)).max() * 111_000 > 200


def test_belgium_touches_the_ten_tiles_terrascope_lists_and_three_of_the_edge() -> None:
    from terrascope_nb.extent.places import find_place

    listed = {"31UDS", "31UES", "31UFS", "31UGS", "31UET", "31UFT", "31UER", "31UFR", "31UGR", "31UFQ"}
    assert set(tiles_of(find_place("Belgium").geometry)) - listed == {"31UGQ", "32ULA", "32ULB"}
    assert listed <= set(tiles_of(find_place("Belgium").geometry))


def test_an_area_over_two_zones_touches_tiles_of_both() -> None:
    assert tiles_of(shapely.box(6.0, 50.6, 6.2, 50.65)) == ("31UGS", "32ULB")


def test_an_area_over_180_degrees_touches_tiles_on_both_sides() -> None:
    cut = shapely.union_all([shapely.box(179.9, -17, 180, -16.9), shapely.box(-180, -17, -179.9, -16.9)])
    assert {tile[:2] for tile in tiles_of(cut)} == {"01", "60"}
    # The same area, written past 180, touches the same tiles.
    assert tiles_of(shapely.box(179.9, -17, 180.1, -16.9)) == tiles_of(cut)


@pytest.mark.parametrize(
    ("lon", "lat", "zone"),
    [(5.3, 60.4, "32"), (2.9, 60.4, "31"), (15.6, 78.2, "33"), (11.0, 78.9, "33"), (25.0, 80.0, "35")],
    ids=["Bergen", "North Sea", "Longyearbyen", "Ny-Ålesund", "Nordaustlandet"],
)
def test_norway_and_svalbard_use_their_wide_zones(lon: float, lat: float, zone: str) -> None:
    assert zone in {tile[:2] for tile in tiles_of(shapely.Point(lon, lat))}
    if lat > 72:
        assert not {tile[:2] for tile in tiles_of(shapely.Point(lon, lat))} & {"32", "34", "36"}


def test_the_poles_have_no_tile() -> None:
    assert tiles_of(shapely.Point(0, 89)) == ()
    assert tiles_of(shapely.Point(0, -89)) == ()
    assert tiles_of(shapely.Point()) == ()


def test_the_whole_world_touches_every_tile() -> None:
    assert len(tiles_of(shapely.box(-180, -90, 180, 90))) == 56686


def test_a_square_named_after_its_other_band_says_which_tile_to_ask_for() -> None:
    assert not is_tile("31TDP")
    with pytest.raises(UnknownPlaceError, match="ask for '31UDP'") as caught:
        tile_box("31TDP")
    assert caught.value.facts["candidates"] == ("31UDP",)


def test_a_square_that_a_neighbouring_zone_covers_says_so() -> None:
    # 31UBS lies west of the first column the grid keeps at that latitude.
    with pytest.raises(UnknownPlaceError, match="neighbouring zone covers it"):
        tile_box("31UBS")


@pytest.mark.parametrize("text", ["31UIS", "61UDS", "00UDS", "31YDS", "31UJS", "31UDZ", "Gent", "", "31UD", "31UDSS"])
def test_a_text_that_is_no_tile_is_refused(text: str) -> None:
    assert not is_tile(text)
    with pytest.raises(UnknownPlaceError, match="was asked for"):
        tile_footprint(text)


def test_is_tile_takes_anything() -> None:
    assert not is_tile(None)
    assert not is_tile(31)


def test_tiles_of_a_text_points_to_area() -> None:
    with pytest.raises(AreaError, match=r"Use ts\.area\('Gent'\)\.tiles"):
        tiles_of("Gent")  # type: ignore[arg-type]
