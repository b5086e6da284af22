"""The engine under the verbs: pieces, sorting, decoding and formulas, each against a plain way to the same numbers."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import rasterio
import spyndex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from terrascope_nb.analysis.indices import Formula, spectral_index
from terrascope_nb.cube import composites, crew
from terrascope_nb.cube.blocks import fuse_step
from terrascope_nb.cube.compute import explain
from terrascope_nb.cube.decoding import blank, decoder_for
from terrascope_nb.cube.formula import Scratch, program_for
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.look import Look
from terrascope_nb.cube.on_grid import Piece
from terrascope_nb.cube.pieces import blocks_meet, cut
from terrascope_nb.cube.plan import Coding
from terrascope_nb.cube.preview import preview
from terrascope_nb.cube.ranks import comparisons, sort_columns
from terrascope_nb.cube.reduce import composite
from terrascope_nb.cube.stacks import How, group_times, reduce_block
from terrascope_nb.cube.standing import standing
from terrascope_nb.cube.stream import Stream
from terrascope_nb.cube.values import decode
from terrascope_nb.errors import GridError, NothingFoundError, UnknownBandError
from terrascope_nb.raster import blocks
from terrascope_nb.settings import get_settings


def in_order(columns):
    stack = np.concatenate([columns, columns[:1] * 0 - 1])
    return stack[sort_columns(stack)]


@pytest.mark.parametrize("length", range(1, 11))
def test_the_comparisons_sort_every_column_of_noughts_and_ones(length):
    """A network that sorts these sorts everything (Knuth's 0-1 principle)."""
    columns = np.array(list(itertools.product((0, 1), repeat=length)), dtype="int16").T.copy()
    assert (np.diff(in_order(columns), axis=0) >= 0).all()
    assert len(comparisons(length)) <= length * (length - 1) // 2


@given(st.integers(1, 130), st.integers(0, 2**32 - 1), st.sampled_from(["int16", "uint8", "float32"]))
def test_columns_of_any_length_are_sorted_as_numpy_does(length, seed, dtype):
    stack = np.random.default_rng(seed).integers(0, 99, (length, 40)).astype(dtype)
    np.testing.assert_array_equal(in_order(stack), np.sort(stack, axis=0))


CODINGS = [
    Coding(0.0001, 0.0, 32767, "item"), Coding(0.004, -0.08, 255, "item"), Coding(0.005, 0.0, 255, "item"),
    Coding(0.0001, -0.1, 0, "item"), Coding(1.0, 0.0, None, "item"), Coding(0.01, 0.0, 65535, "item"),
    Coding(1 / 3, 0.0, None, "item"), Coding(0.1234567, 3.3, 5, "item"), Coding(-0.5, 1.0, 7, "item"),
    Coding(2.5, 0.0, 1.5, "item"), Coding(1e-9, 0.0, None, "item"),
]  # fmt: skip


@pytest.mark.parametrize("coding", CODINGS, ids=str)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "float32"])
@pytest.mark.parametrize("valid_range", [None, (-3.0, 200.0), (0.5, 99.5)])
def test_the_quick_decoder_gives_the_very_numbers_of_decode(coding, dtype, valid_range):
    kind = np.dtype(dtype)
    if kind.itemsize <= 2:
        stored = np.arange(2 ** (8 * kind.itemsize)).astype(f"u{kind.itemsize}").view(kind)
    else:
        stored = np.random.default_rng(4).normal(0, 300, 5000).astype(kind)
        stored[:6] = [0, 5, 7, 1, -3, 100]
        if kind.kind == "f":
            stored[6:9] = [np.nan, np.inf, -np.inf]
    decoder = decoder_for(dtype, coding, valid_range)
    values, gone, spare = np.empty(stored.shape, "f4"), np.empty(stored.shape, bool), np.empty(stored.shape, bool)
    decoder.missing(stored, gone, spare)
    decoder.values(stored, values)
    blank(values, gone, np.empty(stored.shape, "i4"))
    wanted = decode(stored, coding, valid_range)
    np.testing.assert_array_equal(values, wanted)
    here = np.isfinite(wanted)
    np.testing.assert_array_equal(values[here].view("i4"), wanted[here].view("i4"))


def test_usual_codings_are_decoded_the_quick_way():
    assert all(decoder_for(dtype, coding, None).fraction for dtype, coding in zip(
        ("int16", "uint8", "uint8", "uint16"), CODINGS, strict=False))  # fmt: skip


BANDS = {"N", "R", "G", "B", "S1", "S2", "RE1", "RE2", "RE3", "N2", "A"}
INDICES = sorted(
    name for name, index in spyndex.indices.items()
    if all(band in BANDS or (band in spyndex.constants and spyndex.constants[band].default is not None)
           for band in index.bands)
)  # fmt: skip


def test_every_index_of_spyndex_has_the_same_bits_either_way(rng):
    """Formulas that need more than the four operations are left to spyndex."""
    bands = {name: rng.uniform(-0.05, 0.6, (30, 31)).astype("f4") for name in sorted(BANDS)}
    bands["N"][:3], bands["R"][:3] = 0, 0
    quick = 0
    for name in INDICES:
        index = spyndex.indices[name]
        letters = tuple(letter for letter in index.bands if letter in BANDS)
        constants = tuple((c, float(spyndex.constants[c].default)) for c in index.bands if c not in BANDS)
        formula = Formula(name, letters, constants)
        program = program_for(formula.text, letters, constants)
        if program is None or not letters:
            continue
        quick += 1
        named = {letter: bands[letter] for letter in letters}
        values = program.run(named, Scratch())
        with np.errstate(all="ignore"):
            wanted = spyndex.computeIndex(name, {**named, **dict(constants)})
        np.testing.assert_array_equal(values.view("i4"), np.asarray(wanted, "f4").view("i4"), err_msg=name)
    assert quick > 80


def test_days_fall_in_their_month_dekad_and_year():
    days = np.array(["2023-12-31", "2024-01-01", "2024-01-10", "2024-01-11", "2024-01-31", "2024-02-29"], "M8[ns]")
    firsts, groups = group_times(days, "dekad")
    assert list(firsts.astype("M8[D]").astype(str)) == [
        "2023-12-21", "2024-01-01", "2024-01-11", "2024-01-21", "2024-02-21",
    ]  # fmt: skip
    assert groups == [[0], [1, 2], [3], [4], [5]]
    assert group_times(days, "year")[1] == [[0], [1, 2, 3, 4, 5]]


@pytest.fixture
def cube(three_tiles, window_box):
    """Three tiles of one pass, blocks of 256, flags of 20 m, a hole in each."""
    found = three_tiles()
    return load(found, ["B04", "B08", "SCL"], area=window_box(30, -280, 520, 700), mask="clear")


def stream_of(cube):
    found = standing(cube["B04"])
    return found, Stream(found.plan, [found.plan.steps[number] for number in found.steps])


@given(st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_window_has_the_bits_of_the_lazy_block(cube, data):
    found, stream = stream_of(cube)
    rows, cols = found.plan.grid.shape
    top, left = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    piece = Piece(top, left, data.draw(st.integers(1, rows - top)), data.draw(st.integers(1, cols - left)))
    grid = found.plan.grid.crop(piece.top, piece.left, piece.rows, piece.cols)
    step = stream.steps[0]
    keeps = [stream.kept(scene, piece) for scene in step.scenes]
    look = Look(stream, step, piece, keeps)
    for number in (0, 1):
        wanted = fuse_step(found.plan, step, number, grid)
        values = look.values(number)
        values = np.full(look.shape, np.nan, "f4") if values is None else values
        np.testing.assert_array_equal(values, wanted)
        decoder = stream.common_decoder(number)
        out = np.empty(piece.shape, decoder.dtype)
        if Look(stream, step, piece, keeps).stored(number, decoder, out):
            decoded = decode(out, decoder.coding, None)
            np.testing.assert_array_equal(decoded, wanted)
        else:
            assert np.isnan(wanted).all()


def test_pieces_tile_the_window_on_the_files_blocks(cube):
    found, stream = stream_of(cube)
    cuts = cut(stream, found)
    seen = np.zeros(found.plan.grid.shape, int)
    for area, inside in cuts.areas():
        for _, piece in inside:
            seen[piece.top : piece.top + piece.rows, piece.left : piece.left + piece.cols] += 1
            assert area.top <= piece.top
            assert piece.left + piece.cols <= area.left + area.cols
    assert (seen == 1).all()
    at = stream.file(stream.steps[0].scenes[0].sources[0], "nearest").at
    assert all((row + at[0]) % 256 == 0 for row in cuts.rows[1:-1])
    assert all((col + at[1]) % 256 == 0 for col in cuts.cols[1:-1])


@pytest.fixture
def radar(make_scene, rng, window_box):
    """Four dates whose scenes begin at other places, so that no cut fits the blocks of all."""
    found = []
    for date, (right, down) in enumerate([(0, 0), (-70, -90), (-200, 30), (-131, -255)]):
        values = rng.integers(0, 4000, (800, 900)).astype("int16")
        values[rng.random(values.shape) < 0.3] = 32767
        corner = 600000.0 + 10 * right, 5700000.0 - 10 * down
        found.append(make_scene({"B04": values}, time=f"2024050{date + 1}T100000", corner=corner))
    return load(found, ["B04"], area=window_box(20, 10, 600, 500))


@pytest.mark.parametrize("how", ["mean", "sum", "min", "max", "first", "last", "count"])
@pytest.mark.parametrize("at_once", [0, 2**25])
def test_dates_whose_blocks_do_not_meet_make_the_composite_of_the_lazy_values(radar, how, at_once, monkeypatch):
    monkeypatch.setattr(composites, "_SIDE_BY_SIDE", at_once)  # 0: as many dates as there are cores
    variable = radar["B04"]
    assert not blocks_meet(stream_of(radar)[1], standing(variable))
    made = composite(variable, how, count=True)
    wanted, number = reduce_block(variable.values, How.of(how))
    np.testing.assert_array_equal(made.values, wanted)
    np.testing.assert_array_equal(made["count"].values, number)


@pytest.fixture
def backscatter(make_scene, rng, window_box):
    """Floats that stand for themselves, in two scenes a date that begin anywhere and have holes of two kinds."""
    found = []
    for date, (right, down) in enumerate([(0, 0), (-70, -90), (-200, 30)]):
        for tile, more in (("31UFS", 0), ("31UES", -60)):
            values = rng.random((700, 800)).astype("float32")
            values[rng.random(values.shape) < 0.2] = 0
            values[rng.random(values.shape) < 0.1] = np.nan
            corner = 600000.0 + 10 * (right + more), 5700000.0 - 10 * down
            found.append(
                make_scene(
                    {"B04": values}, time=f"2024050{date + 1}T100000", tile=tile, corner=corner,
                    changed={"B04": {"dtype": "float32", "nodata": 0}}, says=("nodata", "dtype", "grid"),
                )
            )  # fmt: skip
    return load(found, ["B04"], area=window_box(20, 10, 500, 400))


@pytest.mark.parametrize("how", ["mean", "sum", "max", "last"])
def test_floats_that_are_the_values_already_make_the_composite_of_the_lazy_values(backscatter, how):
    variable, (found, stream) = backscatter["B04"], stream_of(backscatter)
    source = stream.steps[0].scenes[0].sources[0]
    assert not blocks_meet(stream, found)
    assert stream.decoder(0, source, stream.file(source, "nearest").reader.info).keeps_numbers
    lazy = variable.values
    assert 0 < np.isnan(lazy).mean() < 0.2
    made = composite(variable, how, count=True)
    wanted, number = reduce_block(lazy, How.of(how))
    np.testing.assert_array_equal(made.values, wanted)
    np.testing.assert_array_equal(made["count"].values, number)
    plain = {"mean": np.nanmean, "sum": np.nansum, "max": np.nanmax}.get(how)
    if plain is not None:
        some = ~np.isnan(lazy).all(axis=0)
        np.testing.assert_allclose(made.values[some], plain(lazy[:, some].astype("float64"), axis=0), rtol=1e-6)


def test_no_block_is_decoded_twice_where_blocks_of_the_dates_do_not_meet(radar, monkeypatch):
    seen = []
    plain = blocks.decode_part

    def watched(header, band, spot, data, there, name, **more):
        seen.append((name, spot.number))
        return plain(header, band, spot, data, there, name, **more)

    monkeypatch.setattr(blocks, "decode_part", watched)
    composite(radar["B04"], "mean")
    assert len(seen) == len(set(seen)) > 4 * 4


def test_one_cut_fits_dates_of_one_tile(make_scene, rng, window_box):
    scenes = [
        make_scene({"B04": rng.integers(0, 9, (600, 600)).astype("int16")}, time=f"2024050{day}T100000")
        for day in (1, 2)
    ]
    cube = load(scenes, ["B04"], area=window_box(20, 10, 300, 300))
    assert blocks_meet(stream_of(cube)[1], standing(cube["B04"]))


def test_work_ends_at_the_first_error_and_says_it():
    begun = []
    gate = threading.Event()

    def do(number: int) -> None:
        begun.append(number)
        gate.wait(0.01)
        if number == 3:
            raise OSError("three")

    with pytest.raises(OSError, match="three"):
        crew.work(do, range(1000), 1000, "counting")
    assert len(begun) < 20


def test_explain_tells_which_way_a_verb_takes(cube):
    cube = cube.assign(NDVI=spectral_index(cube, "NDVI"), bright=(cube["B04"] * 2))
    text = str(explain(cube))
    assert "path       B04 streams" in text
    assert "path       NDVI streams" in text
    assert "path       bright lazy: its values were changed after load()" in text
    assert "path       SCL lazy: it holds stored numbers or classes" in text


MEMORY = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    import numpy as np, pystac, rasterio
    from datetime import datetime, timedelta, UTC
    from terrascope_nb.analysis.indices import spectral_index
    from terrascope_nb.cube.loader import load
    from terrascope_nb.cube.reduce import composite
    from terrascope_nb.settings import set_options
    root, dates, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    set_options(archive_roots=(root,), offline=True)
    items = []
    for day in range(dates):
        item = pystac.Item(f"S2A_{day}_31UFS_TOC_V210", None, None, datetime(2020, 1, 1, 10, tzinfo=UTC) +
                           timedelta(days=day), {}, collection="terrascope-s2-toc-v2")
        for key in ("B04", "B08"):
            item.add_asset(key, pystac.Asset(str(root / f"{key}.tif"), media_type="image/tiff", roles=["data"]))
        items.append(item)
    cube = load(items, ["B04", "B08"])
    composite(spectral_index(cube, "NDVI") if how == "max" else cube[["B04"]], how)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    """
)


@pytest.mark.parametrize(("how", "allowed"), [("max", 12_000), ("mean", 12_000), ("median", 90 * 2 * 512 + 20_000)])
def test_memory_stays_flat_from_10_to_100_dates(root, rng, how, allowed, tif):
    """A cube of 100 dates is 840 MB here; a median keeps the stored numbers of one block per core and date (kB)."""
    for key in ("B04", "B08"):
        tif(root / f"{key}.tif", rng.integers(0, 3000, (1024, 1024)).astype("int16"), nodata=32767, block=512)
    peaks = [
        int(
            subprocess.run(
                [sys.executable, "-c", MEMORY, str(root), str(dates), how],
                check=True, capture_output=True, text=True, env={**os.environ, "MALLOC_ARENA_MAX": "2"},
            ).stdout
        )
        for dates in (10, 100)
    ]  # fmt: skip
    assert peaks[1] - peaks[0] < allowed


# -- preview -------------------------------------------------------------------------------------------------------


def test_a_preview_is_the_overview_as_rasterio_reads_it(make_scene, rng):
    bands = {name: rng.integers(0, 4000, (800, 800)).astype("int16") for name in ("B02", "B03", "B04")}
    bands["B04"][:40] = 32767
    item = make_scene(bands, overviews=(2, 4, 8))
    look = preview(item, size=220)
    assert look.names == ("red", "green", "blue")
    assert look.values.shape == (3, 200, 200)
    for name, values in zip(("B04", "B03", "B02"), look.values, strict=True):
        path = item.assets[name].extra_fields["alternate"]["local"]["href"].removeprefix("file://")
        with rasterio.open(path, overview_level=1) as file:
            stored = file.read(1)
        wanted = np.where(stored == 32767, np.nan, (stored * 1e-4).astype("f4"))
        np.testing.assert_array_equal(values, wanted)
    assert look._repr_png_()[:4] == b"\x89PNG"
    assert (look.to_rgba()[:10, :, 3] == 0).all()


def test_a_preview_of_classes_has_their_colours(make_scene, rng):
    item = make_scene({"SCL": rng.choice([4, 9], (400, 400)).astype("uint8")}, overviews=(2,))
    look = preview(item, "SCL", size=200)
    assert look.values.dtype == "uint8"
    green = tuple(int(look.classes.classes[4].color[i : i + 2], 16) for i in (1, 3, 5))
    assert tuple(look.to_rgba()[look.values[0] == 4][0]) == (*green, 255)


def test_a_file_without_overviews_is_thinned_out(make_scene, rng):
    values = rng.integers(0, 4000, (700, 600)).astype("int16")
    look = preview(make_scene({"B04": values}), "B04", size=100)
    np.testing.assert_array_equal(look.values[0], (values[::7, ::7] * 1e-4).astype("f4"))


def test_previews_that_cannot_be_made_are_told(make_scene, rng):
    item = make_scene({"B04": rng.integers(0, 4000, (100, 100)).astype("int16")})
    with pytest.raises(GridError):
        preview(item, "B04", size=0)
    with pytest.raises(UnknownBandError):
        preview(item, "B99")
    with pytest.raises(NothingFoundError, match="B08"):
        preview(item, "B08")


def test_a_preview_needs_neither_xarray_nor_gdal_nor_geometry(make_scene, tmp_path):
    item = make_scene({"B04": np.arange(40_000).reshape(200, 200).astype("int16")})
    (tmp_path / "item.json").write_text(json.dumps(item.to_dict()))
    code = f"""
        import json, pathlib, sys, pystac, terrascope_nb as ts
        item = pystac.Item.from_dict(json.loads(pathlib.Path({str(tmp_path / "item.json")!r}).read_text()))
        ts.set_options(archive_roots={[str(root) for root in get_settings().archive_roots]!r})
        assert ts.preview(item, "B04").values.shape == (1, 200, 200)
        heavy = "xarray dask distributed rasterio pandas geopandas shapely pyproj psutil spyndex matplotlib".split()
        print([name for name in heavy if name in sys.modules])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_a_composite_of_one_pixel_is_no_special_case(cube):
    one = cube[["B04"]].isel(y=slice(100, 101), x=slice(300, 301))
    assert composite(one, "first")["B04"].shape == (1, 1)
