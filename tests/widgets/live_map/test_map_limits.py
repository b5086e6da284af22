"""What may stand in a name, what a map or a layer cannot be, and decibels."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from halves import Halves

from terrascope_nb.errors import CubeError, TerrascopeWarning
from terrascope_nb.extent.aoi import area
from terrascope_nb.widgets.live_map.basemap_layer import BasemapLayer
from terrascope_nb.widgets.live_map.map import Map
from terrascope_nb.widgets.live_map.online import OnlineBasemap
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer, time_index_of

HOSTILE = '<img src=x onerror="alert(1)"> & &lt;b&gt; S2_A<1>'


def named_layers():
    shown = Map()
    raster = shown.add(Halves(), name=HOSTILE, vmin=0, vmax=1)
    outline = shown.add(area((4.2, 50.2, 4.8, 50.8)), name=HOSTILE)
    own = Halves()
    own.name = HOSTILE
    from_source = shown.add(own, vmin=0, vmax=1)
    ground = BasemapLayer(name=HOSTILE)
    online = OnlineBasemap("OpenStreetMap.Mapnik")
    online.name = HOSTILE
    stand_ins = [one.stand_in for one in (raster, from_source, ground)]
    return [raster, outline, from_source, ground, online, *stand_ins]


def test_a_name_reaches_the_page_without_markup_and_python_as_it_was_given():
    for layer in named_layers():
        sent = layer.get_state()["name"]
        assert not set("<>") & set(sent), type(layer)
        assert "&lt;" not in sent
        assert "S2_A‹1›" in sent
        assert layer.name == HOSTILE


def test_a_new_name_is_sent_without_markup_too(monkeypatch):
    layer = RasterLayer(Halves(), vmin=0, vmax=1)
    sent = []
    monkeypatch.setattr(layer, "_send", lambda message, **_: sent.append(message))
    monkeypatch.setattr(layer.stand_in, "_send", lambda message, **_: sent.append(message))
    layer.name = HOSTILE
    names = [message["state"]["name"] for message in sent if "name" in message.get("state", {})]
    assert len(names) == 2
    assert not set("<>") & set("".join(names))


@pytest.mark.parametrize(
    ("name", "value"), [("time_index", 99), ("vmin", 5), ("vmax", "much"), ("cmap", "no such colours")]
)
def test_a_trait_that_cannot_be_keeps_what_it_was(name, value):
    layer = RasterLayer(Halves(), vmin=0, vmax=1)
    before = getattr(layer, name)
    with pytest.raises(CubeError):
        setattr(layer, name, value)
    assert getattr(layer, name) == before
    assert layer.describe()
    assert layer.value_at(4.2, 50.5).value == 0.25
    layer.set_look(cmap="magma")


@pytest.mark.parametrize("asked", [(98, 2), (-5, 200), (2, 2), 5, (1, 2, 3), ("a", "b"), (float("nan"), 98)])
def test_percentiles_that_cannot_be_are_refused(asked):
    shown = Map()
    with pytest.raises(CubeError, match=r"percentiles=.* 0 to 100"):
        shown.add(Halves(), percentiles=asked)
    with pytest.raises(CubeError, match=r"percentiles=.* 0 to 100"):
        RasterLayer(Halves(), vmin=0, vmax=1).set_look(percentiles=asked)


@pytest.mark.parametrize("asked", [3, -0.1, "half", None])
def test_an_opacity_that_is_no_share_is_refused(asked):
    with pytest.raises(CubeError, match="opacity="):
        Map().add(Halves(), opacity=asked, vmin=0, vmax=1)
    layer = RasterLayer(Halves(), opacity=np.float32(0.25), vmin=0, vmax=1)
    with pytest.raises(CubeError, match=r"opacity=.* give a share from 0"):
        layer.opacity = asked
    assert layer.opacity == 0.25


@pytest.mark.parametrize(
    "view", [{"center": (91, 5)}, {"center": (50, 500)}, {"center": 5}, {"zoom": -3}, {"zoom": 99}, {"zoom": "near"}]
)
def test_a_view_beside_the_earth_is_refused(view):
    with pytest.raises(CubeError, match=f"{next(iter(view))}="):
        Map(**view)


@pytest.mark.parametrize(
    "asked",
    [
        datetime(2024, 5, 16, 23, tzinfo=timezone(timedelta(hours=-2))),
        pd.Timestamp("2024-05-16T23:00", tz="America/Noronha"),
        "2024-05-16T23:00-02:00",
    ],
)
def test_a_time_with_a_zone_is_that_time_in_utc(asked):
    source = Halves()
    source.times = tuple(np.array(["2024-05-15", "2024-05-19"], dtype="datetime64[ns]"))
    assert time_index_of(source, "2024-05-16T23:00") == 0
    assert time_index_of(source, asked) == 1
    with pytest.raises(CubeError, match="time="):
        time_index_of(source, "NaT")


@pytest.mark.parametrize(("text", "said"), [("", "empty"), ("fields.geojson", "ts.area"), ("a/b.gpkg", "ts.area")])
def test_a_text_that_is_no_raster_says_what_to_do(text, said):
    with pytest.raises(CubeError, match=said):
        Map().add(text)


def test_a_layer_out_of_sight_says_so():
    shown = Map(center=(0, 100), zoom=8)
    shown.add(Halves(), vmin=0, vmax=1)
    assert "outside the view" in shown.describe()
    shown.center = (50.5, 4.5)
    assert "outside the view" not in shown.describe()


class Radar(Halves):
    """Backscatter: 0.25 and 0.75 in linear power, drawn in decibels."""

    name, layer_names = "Radar", ("VV",)
    attrs = {"product": "s1-sigma0", "band": "VV", "units": "1"}  # noqa: RUF012

    def sample(self, *, time=None, size=256):
        return np.linspace(0.01, 0.5, 101, dtype="float32")


def test_a_value_is_told_in_the_unit_of_the_legend_and_as_it_is_in_the_cube():
    layer = RasterLayer(Radar())
    assert layer.look.decibel
    found = layer.value_at(4.2, 50.5)
    assert found.value == 0.25
    assert found.text == "-6.02 dB (0.25 linear)"  # 10 log10(0.25) = -6.0206


def test_ends_in_linear_power_where_decibels_are_meant_give_a_warning():
    shown = Map()
    with pytest.warns(TerrascopeWarning, match=r"decibels, and Radar holds -20 to -3.01 dB"):
        layer = shown.add(Radar(), vmin=0, vmax=0.3)
    layer.set_look(vmin=-25, vmax=0)
    with pytest.warns(TerrascopeWarning, match="one colour"):
        layer.set_look(vmin=0, vmax=0.3)
