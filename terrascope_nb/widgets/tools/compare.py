"""`Compare`: two dates or two products side by side under a bar, or faded into each other, with one stretch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import ipywidgets as widgets
import traitlets

from terrascope_nb.errors import CubeError
from terrascope_nb.widgets.live_map.handshake import front_end
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer, time_index_of
from terrascope_nb.widgets.parts.field import WIDE, row
from terrascope_nb.widgets.tools.range_field import RangeField
from terrascope_nb.widgets.tools.swipe_control import SwipeControl
from terrascope_nb.widgets.tools.tool import LayerLike, Tool, day_texts, layer_of, take_off
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map


_comparing: WeakKeyDictionary[Any, Compare] = WeakKeyDictionary()
"""Map -> the comparison that is on it."""
_WAYS = ("swipe", "fade")


class Compare(Tool):
    """Compare two dates of a layer, or two layers; a map has one comparison, the next takes its place.

    Closed, it leaves the layers as they were before: date, opacity and colours.

    Parameters
    ----------
    shown : Map
    left : LayerLike
        The layer on top by default.
    right : LayerLike
        Another layer; without it, another date of ``left``.
    dates : (date or index, date or index), optional
        What is shown to the left and to the right; the first and the last by default when one layer is compared.
    way : {"swipe", "fade"}
        A bar on the map, or the right one faded over the left. Without our JupyterLab extension it is always "fade".
    share : float
        How much of the left one is seen, 0 to 1.

    Attributes
    ----------
    way, share
        Traits; setting them moves the comparison.
    left, right : RasterLayer

    Notes
    -----
    Both are drawn with one stretch when they are measurements of the same unit: a change of colours or ends of the left
    one is that of the right one as well, so that equal colours are equal values.

    Raises
    ------
    CubeError
        One layer that has a single date is compared with itself; dates that are no pair; a share that is none; a way
        that is not offered.
    """

    way = traitlets.Enum(_WAYS, "swipe")
    share = traitlets.Float(0.5)

    def __init__(
        self,
        shown: Map,
        left: LayerLike = None,
        right: LayerLike = None,
        *,
        dates: tuple[Any, Any] | None = None,
        way: str = "swipe",
        share: float = 0.5,
    ) -> None:
        _check(dates, way, share)
        self.left = layer_of(shown, left)
        self._made = right is None
        other = self.left if right is None else layer_of(shown, right)
        if not self._made and other is self.left:
            raise CubeError(
                f"{self.left.name} is on both sides; name another layer for the right side, or say dates=…."
            )
        for layer, date in zip((self.left, other), dates or (), strict=False):
            time_index_of(layer.source, date)
        last = _comparing.get(shown)
        if last is not None:
            last.close()
        self.right = _twin_of(self.left) if self._made else other
        self._were = [(one, one.time_index, one.look) for one in (self.left, self.right)]
        self.one_stretch = _comparable(self.left, self.right)
        self._control: SwipeControl | None = None
        self._before = self.right.opacity
        self.left_date, self.right_date = (_date_field(one, text) for one, text in self._sides())
        self.ways = widgets.ToggleButtons(
            options=[(say("Swipe"), "swipe"), (say("Fade"), "fade")], description=say("Way"), style=WIDE
        )
        self.slider = RangeField(say("Left share"))
        dates_row = [one for one in (self.left_date, self.right_date) if one is not None]
        super().__init__(shown, say("Compare"), [*([row(*dates_row)] if dates_row else []), self.ways, self.slider])
        self._set_dates(dates if dates is not None else (0, -1) if self._made else None)
        if self._made:
            shown.add(self.right, _above(shown, self.left))
        self._share_look()
        for trait in ("cmap", "revision"):
            self.follow(self.left, self._share_look, [trait])
        self.way, self.share = way, share
        widgets.link((self, "way"), (self.ways, "value"))
        widgets.link((self, "share"), (self.slider, "value"))
        self._show_dates()
        self.follow(self.left, self._on_layer, ["time_index", "name"])
        self.follow(self.right, self._on_layer, ["time_index", "name"])
        self.follow(shown, self._on_layers, ["layers"])
        self._apply()
        self.follow(front_end(), self._apply, ["present"])
        self.when_closed(self._leave_map)
        _comparing[shown] = self

    def code(self) -> str:
        """Return the call that compares so again."""
        dates = tuple(one.time for one in (self.left, self.right))
        has_dates = all(one is not None for one in dates)
        right = None if self._made else self.right.name
        options = {"way": self.way if self.way != "swipe" else None, "share": round(self.share, 3)}
        names = [self.left.name] if right is None else [self.left.name, right]
        return self.call("compare", *names, dates=dates if has_dates else None, **options)

    def describe(self) -> str:
        """Return what is left and right as text."""
        names = (self.left.name, self.left.name if self._made else self.right.name)
        left, right = (
            f"{name} {_date_of(one)}" if one.times else name
            for name, one in zip(names, (self.left, self.right), strict=True)
        )
        told = say("{title}: left {left}, right {right}", title=self.title, left=left, right=right)
        if not self.one_stretch:
            told += ". " + say("Their units differ, so each keeps its own colours.")
        return told

    def _sides(self) -> tuple[tuple[RasterLayer, str], tuple[RasterLayer, str]]:
        return (self.left, say("Left")), (self.right, say("Right"))

    def _set_dates(self, dates: tuple[Any, Any] | None) -> None:
        for layer, date in zip((self.left, self.right), dates or (), strict=False):
            index = time_index_of(layer.source, date)
            if index is not None:
                layer.time_index = index

    def _show_dates(self) -> None:
        for layer, field in ((self.left, self.left_date), (self.right, self.right_date)):
            if field is not None:
                field.value = layer.time_index % len(layer.times)
                widgets.link((field, "value"), (layer, "time_index"))

    def _share_look(self, _: Any = None) -> None:
        if self.one_stretch and self.right.look != self.left.look:
            self.right.show_look(self.left.look)

    def _on_layer(self, _: Any) -> None:
        self.message.news([self.describe()])
        self._code_changed()

    def _on_layers(self, _: Any) -> None:
        if self.left not in self.map.layers or self.right not in self.map.layers:
            self._drop_control()
            self.message.news([say("One of the two layers has left the map; compare anew.")])

    @traitlets.validate("share")
    def _within(self, proposal: Any) -> float:
        return min(max(float(proposal["value"]), 0.0), 1.0)

    @traitlets.observe("way", "share")
    def _on_change(self, _: Any) -> None:
        if self.children:
            self._apply()

    def _apply(self, _: Any = None) -> None:
        swipes = self.way == "swipe" and front_end().present
        if swipes and self._control is None:
            self.right.opacity = self._before
            self._control = SwipeControl(left=[self.left], right=[self.right], share=self.share)
            self._control.observe(lambda change: self.set_trait("share", change["new"]), "share")
            self.map.add(self._control)
        if not swipes:
            self._drop_control()
            self.right.opacity = self._before * (1 - self.share)
        if self._control is not None:
            self._control.share = self.share
        self.message.news([self.describe()])
        self._code_changed()

    def _drop_control(self) -> None:
        if self._control is not None:
            control, self._control = self._control, None
            take_off(self.map, control)

    def _leave_map(self) -> None:
        self._drop_control()
        if _comparing.get(self.map) is self:
            del _comparing[self.map]
        self.right.opacity = self._before
        for layer, time_index, _ in self._were:
            layer.time_index = time_index
        if self._made:
            take_off(self.map, self.right)
        elif self.one_stretch and self.right.look != self._were[1][2]:
            self.right.show_look(self._were[1][2])


def _check(dates: Any, way: str, share: Any) -> None:
    """Refuse what cannot be compared so."""
    if dates is not None and (isinstance(dates, str) or not hasattr(dates, "__len__") or len(dates) != 2):
        raise CubeError(f"dates={dates!r} is asked for; give two, for left and right, such as dates=(0, -1).")
    if way not in _WAYS:
        raise CubeError(f'way={way!r} is asked for; there are "swipe" and "fade".')
    if not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise CubeError(f"share={share!r} is asked for; give how much of the left one is seen, from 0 to 1.")


def _twin_of(layer: RasterLayer) -> RasterLayer:
    """Return a second layer of the same source, drawn the same way."""
    if len(layer.times) < 2:
        raise CubeError(f"{layer.name} has no two dates to compare; name another layer: m.tools.compare(left, right).")
    look = layer.look
    fixed: dict[str, Any] = {} if look.kind == "classes" else {"vmin": look.vmin, "vmax": look.vmax}
    twin = RasterLayer(layer.source, opacity=layer.opacity, name=say("{layer}, right", layer=layer.name), **fixed)
    twin.painter.set_look(look)
    twin.made_of = layer.made_of
    twin.is_twin = True
    return twin


def _comparable(left: RasterLayer, right: RasterLayer) -> bool:
    return (left.look.kind, left.source.units, left.look.decibel) == (
        right.look.kind, right.source.units, right.look.decibel,
    ) and (left.look.kind != "classes" or left.look.classes == right.look.classes)  # fmt: skip


def _above(shown: Map, layer: RasterLayer) -> int:
    return list(shown.layers).index(layer) + 1


def _date_of(layer: RasterLayer) -> str:
    return day_texts(layer.times)[layer.time_index % len(layer.times)]


def _date_field(layer: RasterLayer, text: str) -> widgets.Dropdown | None:
    if not layer.times:
        return None
    options = [(day, number) for number, day in enumerate(day_texts(layer.times))]
    return widgets.Dropdown(options=options, description=text, style=WIDE)
