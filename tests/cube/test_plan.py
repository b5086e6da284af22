"""What load() recorded: kept through slicing, computing, pickling, files and other processes."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pystac
import pytest
import xarray as xr

from terrascope_nb.cube.citation import cite
from terrascope_nb.cube.compute import compute, explain, failures
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.plan import PLAN_ATTRIBUTE, plan_of, token_of
from terrascope_nb.errors import CorruptAssetError, CubeError
from terrascope_nb.products.model import Band
from terrascope_nb.products.quality import MaskRule

FIRST, SECOND = "S2B_20180705T105029_31UFS_TOC_V210", "S2B_20180710T105029_31UFS_TOC_V220"


def path_of(item, key="B04") -> Path:
    return Path(item.assets[key].extra_fields["alternate"]["local"]["href"].removeprefix("file://"))


@pytest.fixture
def items(make_scene, rng):
    def values():
        return {
            "B04": rng.integers(0, 9000, (40, 60)).astype("int16"),
            "B08": rng.integers(0, 9000, (40, 60)).astype("int16"),
            "SCL": rng.choice([4, 5, 9], (20, 30)).astype("uint8"),
        }

    return [make_scene(values()), make_scene(values(), time="20180710T105029", version="V220")]


@pytest.fixture
def cube(items):
    return load(items, ["red", "nir"], mask="clear", mask_buffer=10)


# ---- it is kept


WAYS = {
    "as it is": lambda cube: cube,
    "isel": lambda cube: cube.isel(time=slice(0, 2), x=slice(3, 30)),
    "sel": lambda cube: cube.sel(time="2018-07-05"),
    "one time": lambda cube: cube.isel(time=0),
    "compute": lambda cube: cube.compute(),
    "our compute": compute,
    "persist": lambda cube: cube.persist(),
    "rechunk": lambda cube: cube.chunk({"x": 7}),
    "copy": lambda cube: cube.copy(deep=True),
    "deepcopy": copy.deepcopy,
    "pickle": lambda cube: pickle.loads(pickle.dumps(cube)),
    "one variable": lambda cube: cube.red,
    "two variables": lambda cube: cube[["red", "nir"]],
    "assign": lambda cube: cube.assign(ratio=cube.nir / cube.red),
    "where": lambda cube: cube.where(cube.red > 0.1),
    "rename": lambda cube: cube.rename(red="rood"),
    "transpose": lambda cube: cube.transpose("y", "x", "time"),
    "mean with attributes": lambda cube: cube.mean("time", keep_attrs=True),
    "concat": lambda cube: xr.concat([cube.isel(time=[0]), cube.isel(time=[1])], "time"),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_the_plan_survives(cube, way):
    after = way(cube)
    plan = plan_of(after)
    assert plan is not None
    assert plan.token == plan_of(cube).token
    assert FIRST in str(explain(after))


def test_the_attribute_is_plain_text_for_whoever_does_not_know_it(cube):
    text = cube.attrs[PLAN_ATTRIBUTE]
    assert isinstance(text, str)
    assert json.loads(json.dumps(cube.red.attrs | {"plan": text}, default=str))["plan"] == str(text)
    assert "s2-toc: red, nir; 2 times from 2 items; 40 x 60 pixels of 10 in EPSG:32631" in text


def test_a_cube_can_be_written_with_xarray_alone(cube, tmp_path):
    path = tmp_path / "plain.nc"
    cube.to_netcdf(path)
    with xr.open_dataset(path) as again:
        np.testing.assert_array_equal(again.red, cube.red)
        np.testing.assert_array_equal(again.time, cube.time)
        np.testing.assert_array_equal(again.item_ids, cube.item_ids)
        assert again.attrs[PLAN_ATTRIBUTE] == str(cube.attrs[PLAN_ATTRIBUTE])
        assert plan_of(again) is None  # a text is a text: the record itself lives in the session
        with pytest.raises(CubeError, match="no record"):
            explain(again)


def test_a_cube_can_be_written_to_zarr_with_xarray_alone(cube, tmp_path):
    cube.to_zarr(tmp_path / "plain.zarr", zarr_format=2)
    with xr.open_zarr(tmp_path / "plain.zarr") as again:
        np.testing.assert_array_equal(again.red, cube.red)


@pytest.mark.parametrize("what", [xr.Dataset(), xr.DataArray([1.0]), xr.Dataset({"a": ("x", [1.0])})])
def test_what_was_not_loaded_here_cannot_be_explained_or_cited(what):
    with pytest.raises(CubeError, match="no record"):
        explain(what)
    with pytest.raises(CubeError, match="no record"):
        cite(what)
    with pytest.raises(CubeError, match="no record"):
        failures(what)


# ---- what it says


def test_explain_tells_grid_values_mask_and_the_items_of_each_time(cube):
    text = str(explain(cube))
    for part in (
        "s2-toc", "40 x 60 pixels of 10, EPSG:32631, x 600000..600600, y 5699600..5700000", "physical", "red = B04",
        "nearest", "item says scale 0.0001", "vegetation", "10 m around", f"2018-07-05T10:50:29  {FIRST}",
        f"2018-07-10T10:50:29  {SECOND}",
    ):  # fmt: skip
        assert part in text, part
    assert repr(explain(cube)) == text


def test_explain_tells_the_times_and_pixels_that_are_left(cube):
    text = str(explain(cube.isel(time=[1], x=slice(0, 10))))
    assert FIRST not in text
    assert SECOND in text
    assert "40 x 10" in text


def test_cite_names_items_versions_code_parameters_and_licence(cube):
    card = cite(cube)
    assert card.product == "s2-toc"
    assert card.items == (FIRST, SECOND)
    assert card.versions == ("V210", "V220")
    assert (card.first, card.last) == ("2018-07-05", "2018-07-10")
    assert "2018" in card.attribution
    assert "Copernicus" in card.attribution
    assert card.code.startswith("terrascope_nb ")
    parameters = dict(card.parameters)
    assert parameters["bands"] == "['red', 'nir']"
    assert parameters["mask"] == "'clear'"
    assert parameters["mask_buffer"] == "10"
    assert json.loads(card.to_json())["items"] == [FIRST, SECOND]
    for part in (FIRST, "V210, V220", "mask='clear'", card.attribution):
        assert part in str(card)


def test_cite_names_only_what_is_left(cube):
    card = cite(cube.red.sel(time="2018-07-10"))
    assert card.items == (SECOND,)
    assert card.versions == ("V220",)
    assert card.first == card.last == "2018-07-10"


def test_the_years_in_the_attribution_are_those_of_the_data(make_scene):
    scenes = [make_scene({"B04": np.ones((2, 2), "int16")}, time=f"{year}0705T105029") for year in (2016, 2018, 2019)]
    assert "data 2016, 2018-2019" in load(scenes, "B04").attrs["attribution"]
    assert "data 2018-2019" in load(scenes[1:], "B04").B04.attrs["attribution"]
    assert "2016" not in load(scenes[1:], "B04").B04.attrs["attribution"]


def test_units_names_and_items_are_on_the_cube(cube):
    assert cube.red.attrs["units"] == "1"
    assert cube.red.attrs["standard_name"] == "surface_bidirectional_reflectance"
    assert cube.red.attrs["long_name"] == "Red reflectance"
    assert cube.red.attrs["product"] == "s2-toc"
    assert cube.item_ids.values.tolist() == [FIRST, SECOND]
    assert cube.time.attrs["standard_name"] == "time"


# ---- tokens


def again_from_json(items) -> list[pystac.Item]:
    return [pystac.Item.from_dict(json.loads(json.dumps(item.to_dict(include_self_link=False)))) for item in items]


def test_equal_loads_have_equal_tokens_and_dask_names(items):
    how = {"mask": "clear", "area": (4.4385, 51.4385, 4.4440, 51.4420)}
    one = load(items, ["red", "nir"], **how)
    for other in (load(items, ["red", "nir"], **how), load(again_from_json(items), ["red", "nir"], **how)):
        assert plan_of(other).token == plan_of(one).token
        assert other.red.data.name == one.red.data.name
        assert other.nir.data.name == one.nir.data.name
    assert one.red.data.name != one.nir.data.name


CHANGES = [
    {"mask": "vegetation"}, {"mask": None}, {"mask_buffer": 20}, {"resolution": 20}, {"physical": False},
    {"area": (4.4385, 51.4385, 4.4441, 51.4420)}, {"mosaic": None}, {"on_error": "skip"}, {"resampling": "average"},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_loads_that_differ_have_other_dask_names(items, change):
    how = {"mask": "clear", "area": (4.4385, 51.4385, 4.4440, 51.4420)}
    one, other = load(items, "red", **how), load(items, "red", **{**how, **change})
    assert other.red.data.name != one.red.data.name


def test_chunks_alone_change_the_dask_names(items):
    one, other = load(items, "red"), load(items, "red", chunks={"x": 7})
    assert other.red.data.name != one.red.data.name


def other_than(value):
    """Return another value for a field of a plan."""
    if isinstance(value, tuple):
        return (*value, value[0] if value else "more")
    if isinstance(value, np.datetime64):
        return value + np.timedelta64(1, "us")
    return {str: f"{value}x", bool: not value, bytes: b"x"}.get(type(value), 7)


def changed(whole):
    """Yield a copy of a plan, or of a part of it, with another value for each field of it and of its first parts."""
    for field in fields(whole):
        value = getattr(whole, field.name)
        if field.name != "token" and not is_dataclass(value):
            yield field.name, replace(whole, **{field.name: other_than(value)})
        inner, rest = (value[0], value[1:]) if isinstance(value, tuple) and value else (value, None)
        if is_dataclass(inner) and not isinstance(inner, Band | MaskRule):  # those are checked by their own tables
            for name, made in changed(inner):
                yield f"{field.name}.{name}", replace(whole, **{field.name: made if rest is None else (made, *rest)})


def test_whatever_changes_in_a_plan_changes_its_token(cube):
    plan = plan_of(cube)
    tokens = {"": token_of(plan)}
    for name, made in changed(plan):
        tokens[name] = token_of(made)
    assert len(set(tokens.values())) == len(tokens)
    assert {"steps.scenes.sources.ref.hrefs", "steps.scenes.quality.grid.shape", "bands.dtype"} <= set(tokens)
    assert len(tokens) > 50


def test_copies_of_a_plan_have_its_token(cube):
    plan = plan_of(cube)
    for copied in (copy.deepcopy(plan), pickle.loads(pickle.dumps(plan)), replace(plan, token="other")):
        assert token_of(copied) == plan.token


def test_a_change_in_an_item_changes_the_token(items):
    one = plan_of(load(items, "red")).token
    items[0].assets["B04"].extra_fields["raster:scale"] = 0.0002
    assert plan_of(load(items, "red")).token != one


SCRIPT = """
import json, pickle, sys, numpy as np, pystac
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.compute import compute, explain
from terrascope_nb.cube.plan import plan_of
from terrascope_nb.settings import set_options
cube = pickle.load(open(sys.argv[1], "rb"))
values = compute(cube)                       # nothing is configured here: the cube carries the roots it may read
assert "EPSG:32631" in str(explain(cube))
np.savez(sys.argv[2], red=values.red, nir=values.nir)
set_options(archive_roots=[sys.argv[4]], offline=True)
items = [pystac.Item.from_dict(one) for one in json.load(open(sys.argv[3]))]
print(plan_of(load(items, ["red", "nir"], mask="clear", mask_buffer=10)).token)
"""


def test_another_process_reads_the_same_numbers_and_makes_the_same_token(cube, items, root, tmp_path):
    (tmp_path / "cube.pickle").write_bytes(pickle.dumps(cube))
    (tmp_path / "items.json").write_text(json.dumps([item.to_dict(include_self_link=False) for item in items]))
    files = [str(tmp_path / name) for name in ("cube.pickle", "values.npz", "items.json")]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *files, str(root)], capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONHASHSEED": "12345"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "values.npz") as values:
        np.testing.assert_array_equal(values["red"], cube.red)
        np.testing.assert_array_equal(values["nir"], cube.nir)
    assert done.stdout.split()[-1] == plan_of(cube).token


# ---- a Dask cluster


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
        ) as made,
        distributed.Client(made),
    ):
        yield made


@pytest.mark.filterwarnings("default")  # what the cluster's own threads warn of at shutdown is not ours
def test_workers_of_a_cluster_give_the_same_numbers_and_errors(cube, items, cluster):
    expected = cube.compute(scheduler="synchronous")
    got = compute(cube)
    xr.testing.assert_identical(got.drop_attrs(), expected.drop_attrs())
    assert plan_of(got).token == plan_of(cube).token

    lenient = load(items, "red", on_error="skip")
    path_of(items[1]).write_text("<html>gone</html>")
    with pytest.raises(CorruptAssetError, match=rf"{SECOND}, asset B04") as caught:
        compute(load(items, "red"))
    assert caught.value.item == SECOND
    result = compute(lenient)
    assert np.isnan(result.red[1]).all()
    assert np.isfinite(result.red[0]).all()
