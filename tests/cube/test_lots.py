"""Features in several pieces, taken together, against the values of whole pieces and against numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.features import geometry_mask

from terrascope_nb.analysis.partials import Partial, Statistics, Zone, finish_block
from terrascope_nb.cube.blocks import fuse_step
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.lots import LotLook, Target, lots_of
from terrascope_nb.cube.on_grid import Piece
from terrascope_nb.cube.reduce import time_series
from terrascope_nb.cube.standing import standing
from terrascope_nb.cube.stream import Stream
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.raster import blocks

STATS = Statistics.of(["mean", "std", "min", "max", "sum", "median", "count"])


@pytest.fixture(params=[False, True], ids=["whole", "clipped"])
def cube(request, three_tiles, window_box):
    """Three tiles of one pass, flags of 20 m, a hole in each; a polygon's pixels or all."""
    found = three_tiles(cloud=np.s_[100:200, 50:250])
    area = window_box(30, -280, 520, 700)
    if request.param:
        area = make_area(shapely.Point(600700.0, 5697100.0).buffer(2300), crs="EPSG:32631")
    return load(found, ["B04", "B08"], area=area, mask="clear")


def drawn_zone(rng, piece):
    """Some features in a piece, which may overlap, as runs along its rows; among them whole rectangles."""
    features, first, length, offsets, total = [], [], [], [], 0
    for feature in range(int(rng.integers(1, 5))):
        top, left = int(rng.integers(0, piece.rows)), int(rng.integers(0, piece.cols))
        high, wide = int(rng.integers(1, piece.rows - top + 1)), int(rng.integers(1, piece.cols - left + 1))
        ragged = rng.random() < 0.5
        features.append(feature)
        offsets.append(total)
        for row in range(top, top + high):
            begin = left + (int(rng.integers(0, wide)) if ragged else 0)
            first.append(row * piece.cols + begin)
            length.append(left + wide - begin)
            total += length[-1]
    return Zone(np.array(features), np.array(offsets), np.array(first), np.array(length))


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_lot_has_the_bits_of_the_whole_pieces_it_is_taken_from(cube, seed, alone):
    rng = np.random.default_rng(seed)
    found = standing(cube["B04"])
    stream = Stream(found.plan, [found.plan.steps[number] for number in found.steps])
    rows, cols = found.plan.grid.shape
    step, pieces = stream.steps[0], []
    for _ in range(int(rng.integers(1, 6))):
        top, left = int(rng.integers(0, rows)), int(rng.integers(0, cols))
        pieces.append(
            Piece(
                top,
                left,
                int(rng.integers(1, min(300, rows - top) + 1)),
                int(rng.integers(1, min(300, cols - left) + 1)),
            )
        )
    zones = [drawn_zone(rng, piece) for piece in pieces]
    targets = [Target.of(zone, piece) for zone, piece in zip(zones, pieces, strict=True)]
    lots = lots_of(targets, 0, alone=alone)
    assert [target for lot in lots for target in lot.targets] == targets
    features = np.arange(lots[-1].places.stop)
    made = Partial.empty(features, 1, STATS)
    keeps = [stream.kept(scene, Piece(0, 0, rows, cols)) for scene in step.scenes]
    for lot in lots:
        measured = LotLook(stream, step, lot, keeps).measured((0,), None)
        if measured is not None:
            lot.write(made, 0, *measured, STATS)
    table = finish_block([made], (1, len(features)), STATS)[0]
    place = 0
    for zone, piece in zip(zones, pieces, strict=True):
        grid = found.plan.grid.crop(piece.top, piece.left, piece.rows, piece.cols)
        whole = fuse_step(found.plan, step, 0, grid).ravel()
        for values in np.split(whole[zone.flat()], zone.offsets[1:]):
            valid = values[np.isfinite(values)].astype("f8")
            expected = [len(valid)] + [np.nan] * 6
            if len(valid):
                expected[1:] = [valid.mean(), valid.std(), valid.min(), valid.max(), valid.sum(), np.median(valid)]
            np.testing.assert_allclose(table[place], expected, rtol=1e-12, atol=1e-12)
            place += 1


def test_a_block_without_a_pixel_that_is_wanted_and_kept_is_not_read(make_scene, rng, monkeypatch):
    """Field by field, not by rectangles around them: counted on the raw files."""
    side, block, files = 1200, 256, {}
    for day in ("20180703", "20180705", "20180708"):
        scl = np.where(rng.random((30, 30)) < 0.6, 9, 4).astype("uint8").repeat(20, 0).repeat(20, 1)
        scene = make_scene(
            {"B04": rng.integers(1, 4000, (side, side)).astype("int16"), "SCL": scl}, time=f"{day}T105029"
        )
        files[scene] = np.isin(scl, (2, 4, 5, 6, 7)).repeat(2, 0).repeat(2, 1)
    corners = rng.uniform(200, 11_500, (40, 2))
    fields = [shapely.Point(600000 + x, 5700000 - y).buffer(rng.uniform(30, 190)) for x, y in corners]
    drawn = geometry_mask(fields, (side, side), rasterio.Affine(10, 0, 600000, 0, -10, 5700000), invert=True)
    expected = {
        (Path(scene.assets["B04"].extra_fields["alternate"]["local"]["href"]).name, row * -(-side // block) + col)
        for scene, kept in files.items()
        for row in range(-(-side // block))
        for col in range(-(-side // block))
        if (kept & drawn)[row * block : (row + 1) * block, col * block : (col + 1) * block].any()
    }
    seen = []
    plain = blocks.decode_part

    def watched(header, band, spot, data, there, name, **more):
        if "B04" in name:
            seen.append((Path(name).name, spot.number))
        return plain(header, band, spot, data, there, name, **more)

    cube = load(list(files), ["B04"], mask="clear")
    monkeypatch.setattr(blocks, "decode_part", watched)
    table = time_series(cube, make_area(fields, crs="EPSG:32631"), stats=("mean", "count"))
    assert sorted(seen) == sorted(expected)
    assert len(expected) < 3 * 25
    assert table["count"].sum() > 0


def test_only_what_is_asked_is_worked_out():
    made = Partial.empty(np.arange(3), 2, Statistics.of(["mean", "max"]))
    assert (made.squares, made.low, made.values) == (None, None, ())
    assert made.high is not None
    assert Statistics.of(["max", "mean"]).computed == ("count", "mean", "max")


def test_places_of_one_feature_are_joined_as_numpy_joins_their_values(rng):
    """A feature in many blocks, another in one, a third in none."""
    stats = Statistics.of(["mean", "std", "min", "max", "sum", "p10"])
    features = np.array([2, 0, 2, 2, 0, 2])
    parts = [rng.normal(5000, 1, size).astype("f4") for size in (4, 3, 0, 700, 5, 1)]
    whole = Partial.empty(features, 1, stats)
    for place, values in enumerate(parts):
        if len(values):
            moments = (
                len(values),
                values.mean(dtype="f8"),
                values.var(dtype="f8") * len(values),
                values.min(),
                values.max(),
            )
            whole.write(0, np.s_[place : place + 1], moments)
            whole.values[place][0] = values
    table = finish_block([whole], (1, 4), stats)[0]
    for feature in range(4):
        own = [values for number, values in zip(features, parts, strict=True) if number == feature]
        every = np.concatenate(own).astype("f8") if own else np.zeros(0)
        expected = [len(every)] + [np.nan] * 6
        if len(every):
            ends = every.min(), every.max(), every.sum(), np.percentile(every, 10)
            expected[1:] = [every.mean(), every.std(), *ends]
        np.testing.assert_allclose(table[feature], expected, rtol=1e-10)
