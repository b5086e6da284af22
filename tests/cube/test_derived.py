from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from terrascope_nb.analysis.indices import spectral_index
from terrascope_nb.cube.blocks import fuse_step
from terrascope_nb.cube.derived import derived
from terrascope_nb.cube.loader import load
from terrascope_nb.cube.standing import DiffersError


@pytest.fixture(params=[1, 3], ids=["a time a chunk", "three"])
def cube(make_scene, rng, window_box, request):
    scenes = [
        make_scene(
            {
                **{name: rng.integers(1, 5000, (300, 280)).astype("int16") for name in ("B04", "B08")},
                "SCL": rng.integers(3, 9, (150, 140)).astype("uint8"),
            },
            time=f"201807{day:02d}T105029",
        )
        for day in (5, 10, 15, 20)
    ]
    chunks = {"y": 64, "x": 96, "time": request.param}
    return load(scenes, ["B04", "B08", "SCL"], area=window_box(10, 20, 200, 240), chunks=chunks)


FOLLOWED = {
    "a band": lambda cube, _: cube["B04"],
    "classes": lambda cube, _: cube["SCL"],
    "an index": lambda _, ndvi: ndvi,
    "a comparison": lambda _, ndvi: ndvi > 0.4,
    "two of them": lambda cube, ndvi: (ndvi > 0.1) & ~(cube["SCL"] == 8),
    "where": lambda cube, ndvi: ndvi.where(cube["SCL"] == 4),
    "where with another": lambda cube, ndvi: xr.where(cube["SCL"] == 4, ndvi, cube["B04"] * 2),
    "isin": lambda cube, _: cube["SCL"].isin([4, 5]),
    "not isin": lambda cube, ndvi: ndvi.where(~cube["SCL"].isin([3, 8])),
    "arithmetic": lambda cube, _: (cube["B08"] * 2.5 - 1) / (cube["B04"] + 6 * cube["B08"] ** 2),
    "functions": lambda cube, _: np.log10(cube["B04"]).clip(-2, 0).fillna(9).round(1).astype("float64"),
    "slices before": lambda cube, _: spectral_index(cube.isel(x=slice(5, 120), time=slice(1, None)), "NDVI"),
    "slices after": lambda _, ndvi: (ndvi * 2).isel(time=2, y=slice(60, 150)).isel(x=slice(90, 110)),
    "every second time": lambda cube, _: (cube["B04"] > 0.1).isel(time=slice(None, None, 2)),
    "a difference of dates": lambda _, ndvi: ndvi.isel(time=3) - ndvi.isel(time=0),
    "a difference to one date": lambda _, ndvi: ndvi - ndvi.isel(time=1),
    "a mask of one date": lambda cube, ndvi: ndvi.where(cube["SCL"].isel(time=1) != 8),
    "a slice of that": lambda _, ndvi: (ndvi - ndvi.isel(time=1)).isel(time=slice(1, None), x=slice(3, 200)),
    "an axis again": lambda cube, _: cube["B04"].isel(time=2).expand_dims("time") * 2,
    "another name": lambda _, ndvi: (ndvi + 1).rename("mine").assign_attrs(units="2"),
}


@pytest.mark.parametrize("how", FOLLOWED)
def test_what_is_worked_out_pixel_by_pixel_can_be_worked_out_anew(cube, how):
    array = FOLLOWED[how](cube, spectral_index(cube, "NDVI"))
    found = derived(array)
    assert found.grid.shape == array.shape[-2:]
    assert found.grid.transform[2] == pytest.approx(float(array.x[0]) - 5)
    assert found.grid.transform[5] == pytest.approx(float(array.y[0]) + 5)
    for time in range(array.sizes.get("time", 1)):
        given = [
            fuse_step(band.plan, band.plan.steps[band.steps[time % len(band.steps)]], band.number, found.grid)
            for band in found.bands
        ]
        with np.errstate(all="ignore"):
            values = found.apply(given)
        wanted = array.isel(time=time) if "time" in array.dims else array
        np.testing.assert_array_equal(values, wanted.values)
        assert values.dtype == array.dtype


NOT_FOLLOWED = {
    "in memory": lambda _, ndvi: ndvi.compute(),
    "a mean over time": lambda _, ndvi: ndvi.mean("time"),
    "a moving mean": lambda _, ndvi: ndvi.rolling(x=3).mean(),
    "a function of whole blocks": lambda _, ndvi: ndvi.copy(data=ndvi.data.map_blocks(lambda b: b - 1, dtype="f4")),
    "turned": lambda _, ndvi: ndvi.transpose("time", "x", "y"),
    "flipped": lambda _, ndvi: ndvi.isel(y=slice(None, None, -1)),
    "thinned": lambda _, ndvi: ndvi.isel(x=slice(None, None, 2)),
    "shifted": lambda _, ndvi: ndvi - ndvi.shift(x=1),
    "pixels of elsewhere": lambda _, ndvi: (
        ndvi.isel(x=slice(0, 9)).drop_vars("x") + ndvi.isel(x=slice(9, 18)).drop_vars("x")
    ),
    "another shape": lambda _, ndvi: ndvi - ndvi.isel(time=0, y=0),
    "a mask from memory": lambda _, ndvi: ndvi.where(np.ones(ndvi.shape, dtype=bool)),
    "coarser": lambda _, ndvi: ndvi.coarsen(x=2, y=2, boundary="trim").mean(),
    "joined": lambda _, ndvi: xr.concat([ndvi, ndvi], "time"),
    "a sum that goes on": lambda _, ndvi: ndvi.cumsum("x"),
}


@pytest.mark.parametrize("how", NOT_FOLLOWED)
def test_anything_else_is_told_apart(cube, how):
    array = NOT_FOLLOWED[how](cube, spectral_index(cube, "NDVI"))
    with pytest.raises(DiffersError):
        derived(array)


def test_a_graph_of_other_people_is_no_plan():
    dask = pytest.importorskip("dask.array")
    with pytest.raises(DiffersError):
        derived(xr.DataArray(dask.ones((2, 4, 4)), dims=("time", "y", "x")) > 0)
