"""`TimeSlider`: the dates a layer really has, one by one or played, with the next one read ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import traitlets

from terrascope_nb.errors import CubeError
from terrascope_nb.widgets.live_map.raster_layer import time_index_of
from terrascope_nb.widgets.parts.field import button, row
from terrascope_nb.widgets.tools.range_field import RangeField
from terrascope_nb.widgets.tools.tool import LayerLike, Tool, day_texts, layer_of
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map


class TimeSlider(Tool):
    """Step through the acquisition dates of a layer.

    Parameters
    ----------
    shown : Map
    layer : LayerLike
        The layer on top by default.
    date : str or int, optional
        Show this date (the nearest one) or index at once.
    seconds : float
        Between two dates when playing.

    Attributes
    ----------
    index : int
        Which of the layer's times is shown, 0 for the first; a trait, bound to the layer both ways.
    playing : bool
        A trait; True plays on from where it is, and round.

    Raises
    ------
    CubeError
        The layer has no dates.
    """

    index = traitlets.Int(0)
    playing = traitlets.Bool(False)

    def __init__(self, shown: Map, layer: LayerLike = None, *, date: Any = None, seconds: float = 1.5) -> None:
        self.layer = layer_of(shown, layer)
        count = len(self.layer.times)
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < 3600:
            raise CubeError(
                f"seconds={seconds!r} is asked for; give how long each date stands, more than 0, such as 1.5."
            )
        if not count:
            raise CubeError(f"{self.layer.name} has no dates to step through; it is a layer of one moment.")
        self._texts = day_texts(self.layer.times)
        self.slider = RangeField(say("Date"), self._texts)
        self.clock = widgets.Play(min=0, max=count - 1, interval=round(seconds * 1000), show_repeat=False, repeat=True)
        before = button(say("Earlier"), lambda: self.step(-1), tooltip=say("The date before this one"))
        after = button(say("Later"), lambda: self.step(1), tooltip=say("The date after this one"))
        self._play = widgets.ToggleButton(
            value=False, description=say("Play"), icon="play", layout=widgets.Layout(width="auto", min_width="6em")
        )
        self.clock.layout.display = "none"  # the clock of the browser; its own buttons have no names
        super().__init__(
            shown,
            say("Time: {layer}", layer=self.layer.name),
            [self.slider, row(before, self._play, after), self.clock],
        )
        self.index = self.layer.time_index % count
        if date is not None:
            self.index = int(time_index_of(self.layer.source, date) or 0)
        self._show()
        self.slider.observe(lambda change: self.set_trait("index", int(change["new"])), "value")
        self.clock.observe(lambda change: self.set_trait("index", change["new"]), "value")
        widgets.link((self._play, "value"), (self, "playing"))
        self.follow(self.layer, self._on_layer, ["time_index"])

    @property
    def date(self) -> str:
        """The date that is shown, as text."""
        return self._texts[self.index]

    def step(self, count: int = 1) -> None:
        """Go some dates further, round at the ends."""
        self.index = (self.index + count) % len(self._texts)

    def code(self) -> str:
        """Return the call that shows this date."""
        return self.call("time_slider", self.layer.name, date=self.layer.times[self.index])

    def describe(self) -> str:
        """Return the date and its number as text."""
        return say("{title}: {date}, date {number} of {count}", title=self.title, date=self.date,
                   number=self.index + 1, count=len(self._texts))  # fmt: skip

    @traitlets.validate("index")
    def _within(self, proposal: Any) -> int:
        count = len(self._texts)
        if not -count <= proposal["value"] < count:
            raise CubeError(f"index={proposal['value']} is asked for, but there are {count} dates: 0 to {count - 1}.")
        return int(proposal["value"]) % count

    @traitlets.observe("index")
    def _on_index(self, _: Any) -> None:
        self._show()

    @traitlets.observe("playing")
    def _on_playing(self, change: Any) -> None:
        self.clock.value = self.index
        self.clock.playing = change["new"]
        self._play.icon = "pause" if change["new"] else "play"
        self._play.description = say("Stop") if change["new"] else say("Play")

    def _on_layer(self, change: Any) -> None:
        self.index = change["new"] % len(self._texts)

    def _show(self) -> None:
        self.layer.time_index = self.index
        self.slider.value = self.index
        if not self.playing:
            self.clock.value = self.index
        self.message.news([self.describe()])
        self._code_changed()
        following = (self.index + 1) % len(self._texts)
        if following != self.index:
            self.layer.prefetch(following, self.map.view_bounds, round(self.map.zoom))
