"""A calendar of the dates there are: how clear each is and what of the area it covers, its quicklook, kept or dropped."""

from __future__ import annotations

import io
import math
import time
import warnings
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import anywidget
import numpy as np
import traitlets
from numpy.typing import NDArray

from terrascope_nb.catalogue.items import Items
from terrascope_nb.cube.dates import DateMark, catalogue_marks, check_measurable, flags_plan, measured_marks
from terrascope_nb.cube.preview import Preview, preview
from terrascope_nb.errors import TerrascopeError, TerrascopeWarning
from terrascope_nb.extent.aoi import AoiLike
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.products.model import Product
from terrascope_nb.widgets.panel.availability_words import calendar_words, clear_share, date_words, origin_words
from terrascope_nb.widgets.parts.background import Cancel, Worker
from terrascope_nb.widgets.parts.page_files import STATIC, module_of
from terrascope_nb.widgets.parts.static_twin import with_twin
from terrascope_nb.words import say

_EVERY = 0.4
"""Seconds between two updates of the marks while they are measured."""
_PATIENCE = 3.0
"""Seconds that a picture or text of the calendar waits for flags that are being read."""
_FEW = 100
"""Dates up to which waiting is worth it."""
_MOST = 40
"""Dates that are told in words before the rest is counted."""
_QUICKLOOK = 320
"""Longest side of a quicklook in pixels, about."""


class Availability(anywidget.AnyWidget):
    """The dates of a search as a calendar of buttons; keyboard and screen reader usable, with the same as a table.

    Parameters
    ----------
    items : Items
        What `search` found; nothing is asked again.
    area : area, optional
        What the shares are of; None = the area that was searched.
    measure : bool, optional
        None: the clear share of the area is read from the quality band where that lies on this machine, else the
        catalogue's cloud cover stands. True: also over HTTPS. False: never.

    Examples
    --------
    >>> import terrascope_nb as ts                                                     # doctest: +SKIP
    >>> dates = ts.Availability(ts.search("s2-ndvi", "Assenede", "2018-06"))            # doctest: +SKIP
    >>> dates.drop("2018-06-15")                                                       # doctest: +SKIP
    >>> cube = ts.load(dates.kept)                                                     # doctest: +SKIP
    """

    _esm = module_of("keys.js", "nodes.js", "availability.js")
    _css = STATIC / "availability.css"

    dates = traitlets.List(traitlets.Dict()).tag(sync=True)
    """One entry a day: date, clear (percent, of the covered part where it was measured on the area; or None), clear_from ("flags", "index", "catalogue" or ""), coverage, version,
    items (how many) and text (a sentence)."""
    selected = traitlets.Unicode("").tag(sync=True)
    """The day whose quicklook is shown, ``"2018-06-15"``; empty = none."""
    dropped = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """The days that are left out."""
    picture = traitlets.Bytes(b"").tag(sync=True)
    """PNG of the selected day."""
    picture_text = traitlets.Unicode("").tag(sync=True)
    """What the picture shows, or why there is none."""
    note = traitlets.Unicode("").tag(sync=True)
    """Where the clear shares come from, and how far measuring is."""
    measuring = traitlets.Bool(False).tag(sync=True)
    """Whether quality bands are being read."""
    share = traitlets.Float(0.0).tag(sync=True)
    """How much of them is read, 0-1."""
    words = traitlets.Dict().tag(sync=True)
    """What buttons and headings say, in the reader's language."""

    def __init__(
        self, items: Items | None = None, area: AoiLike | None = None, *, measure: bool | None = None, **traits: Any
    ) -> None:
        super().__init__(words=calendar_words(), **traits)
        self.items = Items(())
        self._marks: dict[date, DateMark] = {}
        self._measurer: Worker[None] = Worker("availability")
        self._looker: Worker[tuple[bytes, str]] = Worker("quicklook")
        self.on_msg(self._on_message)
        self.observe(self._on_selected, "selected")
        if items is not None:
            self.show_items(items, area, measure=measure)

    def show_items(self, items: Items, area: AoiLike | None = None, *, measure: bool | None = None) -> None:
        """Show other items: marks from the catalogue at once, measured ones as they come."""
        self._measurer.cancel()
        self._looker.cancel()
        if area is not None and (found := make_area(area)) is not items.area:
            items = _over(items, found)
        self.items = items
        marks = catalogue_marks(items)
        self._marks = {mark.day: mark for mark in marks}
        with self.hold_sync():
            self.measuring, self.share = False, 0.0
            self.selected, self.picture, self.picture_text = "", b"", ""
            self.dropped = []
            self.dates = [_entry(mark) for mark in marks]
            self.note = origin_words(marks)
        if measure is not False and marks:
            self.measure(remote=bool(measure))

    def measure(self, *, remote: bool = False) -> None:
        """Read the quality band over the area for every date, in the background; `cancel` stops it.

        Parameters
        ----------
        remote : bool
            True: also files behind HTTPS.
        """
        try:
            check_measurable(self.items)
        except TerrascopeError:
            return  # the note says where the shares come from
        items, marks = self.items, self._marks
        self.measuring, self.share = True, 0.0
        self.note = say("Reading the quality flags of {count} dates …", count=len(self._marks))
        self._measurer.start(
            lambda cancel: self._measure(items, marks, remote, cancel), lambda _: self._measured(), self._unmeasured
        )

    def _measure(self, items: Items, marks: dict[date, DateMark], remote: bool, cancel: Cancel) -> None:
        try:
            plan = flags_plan(items, remote=remote)
        except TerrascopeError:
            return  # no file of the quality band is here: what the catalogue says stands
        shown = time.monotonic()
        for count, mark in enumerate(measured_marks(plan, list(marks.values()), cancel=cancel), start=1):
            cancel.check()
            marks[mark.day] = mark
            if time.monotonic() - shown >= _EVERY:
                self.share = count / len(plan.steps)
                self.dates = [_entry(one) for one in marks.values()]
                shown = time.monotonic()
        cancel.check()

    def _measured(self) -> None:
        marks = list(self._marks.values())
        with self.hold_sync():
            self.dates = [_entry(mark) for mark in marks]
            self.measuring, self.share, self.note = False, 1.0, origin_words(marks)

    def _unmeasured(self, error: Exception) -> None:
        self.measuring = False
        self.note = say("The quality flags could not be read: {reason}", reason=error)

    def cancel(self) -> None:
        """Stop measuring; what was measured stays."""
        self._measurer.cancel()
        if self.measuring:
            self._measured()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until measuring and the quicklook are done; False when they still are not after so many seconds."""
        return self._measurer.wait(timeout) and self._looker.wait(timeout)

    @property
    def marks(self) -> tuple[DateMark, ...]:
        """What is known of each date."""
        return tuple(self._marks.values())

    @property
    def kept(self) -> Items:
        """The items of the dates that are kept."""
        gone, _ = self.items.meant(self.dropped)
        return self.items.without(gone)

    def drop(self, *days: str | date) -> None:
        """Leave days out.

        Warns
        -----
        TerrascopeWarning
            Nothing was found on a day.
        """
        self.dropped = sorted({*self.dropped, *self._days(days)})

    def keep(self, *days: str | date) -> None:
        """Take days in again; as `drop`."""
        again = self._days(days)
        self.dropped = [day for day in self.dropped if day not in again]

    def _days(self, names: Iterable[str | date]) -> set[str]:
        ids, unknown = self.items.meant(names)
        if unknown:
            warnings.warn(
                f"{', '.join(unknown)} is none of the {len(self._marks)} dates that were found, so nothing changed for it. "
                "Days are written as 2018-06-15.",
                TerrascopeWarning,
                stacklevel=3,
            )
        meant = set(ids)
        return {mark.day.isoformat() for mark in self._marks.values() if meant & set(mark.item_ids)}

    def settle(self) -> bool:
        """Wait a moment for flags that are being read, when they are few; False when they still are not."""
        if self.measuring and len(self._marks) <= _FEW:
            self._measurer.wait(_PATIENCE)
        return not self.measuring

    @property
    def told_marks(self) -> tuple[DateMark, ...]:
        """What may be told of each date: while flags are being read, no clear share of the catalogue."""
        if not self.measuring:
            return self.marks
        return tuple(
            mark if mark.clear_from == "flags" else replace(mark, clear=math.nan, clear_from="") for mark in self.marks
        )

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, dict) and content.get("do") == "cancel":
            self.cancel()

    def _on_selected(self, change: Any) -> None:
        self.picture = b""
        day = change["new"]
        members = self.items.by_day().get(date.fromisoformat(day)) if day else None
        if not members:
            self._looker.cancel()
            self.picture_text = ""
            return
        self.picture_text = say("Reading the quicklook of {date} …", date=day)
        self._looker.start(lambda _: _quicklook(members), self._looked, self._unlooked)

    def _looked(self, found: tuple[bytes, str]) -> None:
        with self.hold_sync():
            self.picture, self.picture_text = found

    def _unlooked(self, error: Exception) -> None:
        self.picture_text = say("There is no quicklook: {reason}", reason=error)

    def describe(self, most: int = _MOST) -> str:
        """Return the calendar in words: a line a date, so many at most."""
        self.settle()
        lines = [say("{kept} of {count} dates kept", kept=len(self._marks) - len(self.dropped), count=len(self._marks))]
        for mark in self.marks[:most]:
            state = say("dropped") if mark.day.isoformat() in self.dropped else say("kept")
            lines.append(f"{date_words(mark, measuring=self.measuring)}, {state}")
        if len(self._marks) > most:
            lines.append(say("… and {count} more dates", count=len(self._marks) - most))
        return "\n".join([*lines, self.note])

    def _repr_mimebundle_(self, **options: Any) -> Any:
        from terrascope_nb.widgets.panel.calendar_picture import calendar_png  # Pillow: only when somebody looks

        self.settle()
        picture = calendar_png(self.told_marks, self.dropped)
        return with_twin(super()._repr_mimebundle_(**options), self.model_id, self.describe(), picture)

    def close(self) -> None:
        """Stop all work and leave the page."""
        self._measurer.cancel()
        self._looker.cancel()
        super().close()


def _over(items: Items, area: Any) -> Items:
    return Items(
        items,
        product=items.product,
        area=area,
        period=items.period,
        matched=items.matched,
        dropped=items.dropped,
        notes=items.notes,
        source=items.source,
        roots=items.roots,
    )


def _entry(mark: DateMark) -> dict[str, Any]:
    return {
        "date": mark.day.isoformat(),
        "clear": None if math.isnan(clear_share(mark)) else round(clear_share(mark), 1),
        "clear_from": mark.clear_from,
        "coverage": None if math.isnan(mark.coverage) else round(mark.coverage, 1),
        "version": mark.version,
        "items": len(mark.item_ids),
        "text": date_words(mark),
    }


def _quicklook(members: Items) -> tuple[bytes, str]:
    """Return the first scene of a day as PNG, in the product's colours, and what it is."""
    from PIL import Image  # comes with matplotlib; only a person who looks needs it

    found = preview(members[0], size=_QUICKLOOK, roots=members.roots)
    picture = Image.fromarray(_coloured(found, members.product))
    picture.thumbnail((_QUICKLOOK, _QUICKLOOK))
    out = io.BytesIO()
    picture.save(out, "PNG")
    text = say("Quicklook of the whole scene {item} ({bands})", item=found.item_id, bands=", ".join(found.names))
    if len(members) > 1:
        text += " " + say("and {count} more of that day", count=len(members) - 1)
    return out.getvalue(), text


def _coloured(found: Preview, product: Product | None) -> NDArray[np.uint8]:
    if len(found.names) != 1 or found.classes is not None or product is None:
        return found.to_rgba()
    import xarray as xr  # these two only for a person who looks

    from terrascope_nb.maps.colour import colouring_of

    layer = xr.DataArray(
        found.values[0], name=found.names[0], attrs={"product": product.id, "band": found.names[0]}, dims=("y", "x")
    )
    rgba = colouring_of(layer, found.values[0]).to_rgba(found.values[0])
    rgba[~np.isfinite(found.values[0]), 3] = 0
    return rgba
