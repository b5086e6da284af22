"""The looking tools for several dates or layers: the time slider and comparing."""

from __future__ import annotations

import pytest

from terrascope_nb.errors import CubeError
from terrascope_nb.widgets.live_map.handshake import front_end


def test_the_time_slider_walks_over_the_real_dates_and_round(shown):
    tool = shown.tools.time_slider()
    assert tool.date == "2024-05-01"
    tool.step()
    assert (tool.date, shown.rasters[0].time_index) == ("2024-05-11 10:40", 1)
    tool.step()
    tool.step()
    assert (tool.date, tool.index) == ("2024-05-01", 0)
    tool.step(-1)
    assert tool.date == "2024-05-11 10:50"


def test_the_time_slider_follows_the_layer_and_refuses_what_is_not_there(shown):
    tool = shown.tools.time_slider("NDVI", date="2024-05-11T10:41")
    assert tool.index == 1
    shown.rasters[0].time_index = 2
    assert (tool.index, tool.slider.value) == (2, 2)
    with pytest.raises(CubeError, match="3 dates: 0 to 2"):
        tool.index = 3
    assert tool.index == 2


def test_the_next_date_is_read_before_it_is_asked_for(shown, monkeypatch):
    read_ahead = []
    monkeypatch.setattr(
        type(shown.rasters[0]), "prefetch", lambda self, index, *view: read_ahead.append((index, *view))
    )
    tool = shown.tools.time_slider()
    tool.playing = True
    assert tool.clock.playing
    tool.clock.value = 1
    assert shown.rasters[0].time_index == 1
    assert [index for index, *_ in read_ahead] == [1, 2]
    assert read_ahead[0][1] == shown.view_bounds


def test_two_dates_are_compared_with_one_stretch(shown):
    tool = shown.tools.compare(dates=("2024-05-01", "2024-05-11T10:50"))
    left, right = shown.rasters
    assert (left.time_index, right.time_index) == (0, 2)
    left.set_look(vmin=-0.5, vmax=0.5, cmap="magma")
    assert right.look == left.look
    tool.right_date.value = 1
    assert right.time_index == 1
    tool.close()
    assert shown.rasters == (left,)


def test_without_our_front_end_the_right_one_is_faded_with_it_a_bar_is_on_the_map(shown, monkeypatch):
    front = front_end()
    tool = shown.tools.compare(share=0.25)
    assert shown.rasters[1].opacity == 0.75
    monkeypatch.setattr(front, "present", True)
    assert shown.rasters[1].opacity == 1.0
    (control,) = [one for one in shown.controls if type(one).__name__ == "SwipeControl"]
    assert (control.left, control.right, control.share) == ([shown.rasters[0]], [shown.rasters[1]], 0.25)
    control.share = 0.6
    assert tool.share == 0.6
    tool.way = "fade"
    assert control not in shown.controls
    assert shown.rasters[1].opacity == 0.4
    tool.close()
    front.present = False


def test_products_of_other_units_keep_their_own_colours(shown, cube):
    warm = cube.NDVI.rename("T").assign_attrs(units="K")
    other = shown.add(warm, name="T", vmin=0.0, vmax=9.0)
    tool = shown.tools.compare("NDVI", "T")
    assert not tool.one_stretch
    assert other.look.vmax == 9.0
    assert "units differ" in tool.describe()
    tool.close()
    assert shown.rasters[1] is other


def test_comparing_again_compares_the_layer_and_not_its_twin(shown):
    (layer,) = shown.rasters
    first = shown.tools.compare(dates=(1, 2))
    second = shown.tools.compare(dates=(0, 1))
    assert second.left is layer
    assert len(shown.rasters) == 2
    assert first.right not in shown.layers
    assert shown.tools.time_slider().layer is layer
    assert shown.tools.time_slider(-1).layer is layer
    second.close()
    assert shown.rasters == (layer,)


def test_leaving_a_comparison_leaves_the_layers_as_they_were(shown, cube):
    (layer,) = shown.rasters
    layer.time_index = 1
    tool = shown.tools.compare(dates=(0, 2))
    assert layer.time_index == 0
    tool.close()
    assert layer.time_index == 1
    other = shown.add(cube["NDVI"], name="other", vmin=0.5, vmax=1.5, cmap="magma", time=2)
    look = other.look
    tool = shown.tools.compare("NDVI", "other", dates=(0, 0))
    assert other.look == layer.look
    tool.close()
    assert (other.time_index, other.look, other.vmax) == (2, look, 1.5)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"dates": ("2024-05-01",)}, "dates="),
        ({"dates": "2024-05-01"}, "dates="),
        ({"dates": (0, 99)}, "time=99"),
        ({"share": 7}, "share=7"),
        ({"way": "zz"}, "way='zz'"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused_and_leaves_the_map(shown, asked, said):
    before = shown.tools.compare()
    layers = shown.layers
    with pytest.raises(CubeError, match=said):
        shown.tools.compare(**asked)
    assert shown.layers == layers
    before.close()


@pytest.mark.parametrize("seconds", [-1, 0, "fast", float("nan")])
def test_a_pace_that_is_none_is_refused(shown, seconds):
    with pytest.raises(CubeError, match="seconds="):
        shown.tools.time_slider(seconds=seconds)
