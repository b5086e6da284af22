"""Keep only the dates that are clear enough, once it is measured how clear they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from terrascope_nb.catalogue.items import Items
from terrascope_nb.widgets.panel.availability_words import clear_share
from terrascope_nb.widgets.panel.kept_scenes import KeptScenes
from terrascope_nb.widgets.parts.status_line import StatusLine
from terrascope_nb.words import say

_MINUTE = 60.0
"""Seconds that `ClearDates.keep` waits for the quality flags."""


class ClearDates:
    """Drops dates as too cloudy, and knows them from those that were dropped by hand."""

    def __init__(self, scenes: KeptScenes, status: StatusLine) -> None:
        self._scenes, self._status = scenes, status
        self._at_least: float | None = None
        self._cloudy: frozenset[str] = frozenset()
        scenes.dates.observe(self._measured, "measuring")

    def keep(self, percent: float) -> None:
        """Drop the dates below so many percent; flags that are being read are waited for, a minute at most."""
        self._at_least = percent
        if self._scenes.dates.measuring:
            self._status.tell(say("Waiting for the quality flags …"), "busy")
            self._scenes.dates.wait(_MINUTE)
        self.keep_later(percent)

    def keep_later(self, percent: float) -> None:
        """Drop them as soon as their flags are read."""
        self._at_least = percent
        if self._scenes.dates.measuring:
            told = say("The cloudier dates are dropped as soon as the quality flags are read.")
            self._status.tell(told, "info")
            return
        self._apply()

    @property
    def by_hand(self) -> list[str]:
        """Ids of the scenes that were dropped, but not as cloudy."""
        return [one for one in self._scenes.table.dropped if one not in self._cloudy]

    def dropped_of(self, found: Items, by_hand: Collection[str]) -> list[str]:
        """Begin with another search: return which of its scenes were dropped as cloudy before, and not by hand."""
        self._at_least = None
        self._cloudy = frozenset(item.id for item in found if item.id in self._cloudy) - frozenset(by_hand)
        return sorted(self._cloudy)

    def _measured(self, change: Mapping[str, Any]) -> None:
        if self._at_least is not None and not change["new"]:
            self._apply()

    def _apply(self) -> None:
        percent, self._at_least = self._at_least, None
        if percent is None:
            return
        dates = self._scenes.dates
        low = [mark for mark in dates.marks if clear_share(mark) < percent]  # what nobody knows is no reason to drop
        by_hand = self.by_hand
        self._cloudy = frozenset(one for mark in low for one in mark.item_ids) - frozenset(by_hand)
        self._scenes.table.dropped = [*by_hand, *sorted(self._cloudy)]
        count = len(dates.marks)
        self._status.tell(say("{kept} of {count} dates kept", kept=count - len(dates.dropped), count=count), "done")
