"""The fields of the area picker: where they stand and what they show. What they do is handed in."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.widgets.parts.field import LONG, WIDE, Message, button, heading, hint, row, status
from terrascope_nb.widgets.parts.typed_field import TypedField
from terrascope_nb.widgets.pickers import area_inputs as inputs
from terrascope_nb.widgets.pickers.area_drawing import History
from terrascope_nb.widgets.pickers.area_facts import AreaFacts, area_text, facts_html
from terrascope_nb.widgets.pickers.area_places import PlaceSearch
from terrascope_nb.widgets.pickers.area_saved import SavedAreas
from terrascope_nb.words import say

_MOST_LISTED = 500
"""Areas that are listed one by one."""


@dataclass(frozen=True, slots=True)
class AreaActions:
    """What a person does with the fields."""

    get: Callable[[], Aoi | None]
    """Return the area."""
    take: Callable[[inputs.Read], None]
    """Take an area that was read, found or saved."""
    use_text: Callable[[], None]
    """Make what is typed the area."""
    add_text: Callable[[], None]
    """Add what is typed to the area."""
    use_files: Callable[[Sequence[Mapping[str, Any]]], None]
    """Read files that were uploaded."""
    use_view: Callable[[], None]
    """Make the view of the map the area."""
    mark: Callable[[], None]
    """Hear that others of the list are marked."""
    show_grid: Callable[[bool], None]
    """Show the tiles to click on, or hide them."""
    undo: Callable[[], None]
    """The button "Undo"."""
    redo: Callable[[], None]
    """The button "Redo"."""
    remove_marked: Callable[[], None]
    """The button "Remove the marked ones"."""
    edit_marked: Callable[[], None]
    """The button "Edit the marked one as text"."""
    clear: Callable[[], None]
    """The button "Remove all"."""


class AreaFields:
    """Text, places, files, the list of areas with its buttons, and what is known of the area."""

    def __init__(self, act: AreaActions, geocoder: Callable[[str], Sequence[inputs.Hit]]) -> None:
        self._act = act
        self.text = TypedField(
            say("Area"),
            {say("Use as the area"): act.use_text, say("Add to the area"): act.add_text},
            placeholder=say("Place, tile, bbox, WKT, GeoJSON, viewer link or file name"),
        )
        self.places = PlaceSearch(act.take, geocoder)
        self.saved = SavedAreas(act.get, act.take)
        self.file_message: Message = Message()
        self.upload = widgets.FileUpload(
            accept=inputs.ACCEPTED,
            multiple=True,
            description=say("Upload a file"),
            layout=widgets.Layout(width="auto"),
        )
        self.upload.observe(lambda change: act.use_files(change["new"]), "value")
        self.features = widgets.SelectMultiple(description=say("Areas"), options=[], rows=3, layout=LONG, style=WIDE)
        self.features.observe(lambda _: act.mark(), "value")
        self.grid = widgets.Checkbox(
            value=False,
            indent=False,
            description=say("Show the Sentinel-2 tiles to click on"),
            layout=widgets.Layout(width="auto"),
        )
        self.grid.observe(lambda change: act.show_grid(bool(change["new"])), "value")
        self.grid_message = Message()
        self.undo_button = button(say("Undo"), act.undo)
        self.redo_button = button(say("Redo"), act.redo)
        self.remove_button = button(say("Remove the marked ones"), act.remove_marked)
        self.edit_button = button(say("Edit the marked one as text"), act.edit_marked)
        self.clear_button = button(say("Remove all"), act.clear)
        self.result = widgets.HTML()

    def beside(self, shown: Any, *, inside: bool) -> list[widgets.Widget]:
        """Return the fields, with a map ``inside`` beside them where there is room for both; None = there is no map."""
        fields = [
            self.text,
            self.places,
            row(self.upload, hint(say("GeoJSON, GeoPackage, zipped shapefile, KML, GML, GPX or WKT, up to 9 MB"))),
            self.file_message,
            row(self.features),
            row(self.undo_button, self.redo_button, self.remove_button, self.edit_button, self.clear_button),
            self.result,
            self.saved,
        ]
        if shown is None:
            return [heading(say("Choose an area")), *fields]
        text = say("Draw with the tools at the left edge of the map, which also edit and delete, or type the area.")
        view = button(say("Use the view of the map"), self._act.use_view)
        beside = [hint(text), row(self.grid, view), self.grid_message, *([shown] if inside else [])]
        title = heading(say("Choose an area"))
        if not inside:
            return [title, widgets.VBox([*beside, *fields])]
        columns = [
            widgets.VBox(part, layout=widgets.Layout(flex="1 1 27em", min_width="0")) for part in (fields, beside)
        ]
        return [title, row(*columns, align="flex-start")]

    def show_list(self, found: Aoi | None, history: History) -> None:
        """List the areas there are; those that were marked stay so."""
        features = tuple(found or ())
        marked = set(self.features.value)
        listed = features[:_MOST_LISTED]
        self.features.options = [(_line(one, found), one.id) for one in listed]
        self.features.value = tuple(one.id for one in listed if one.id in marked)
        self.features.rows = min(max(len(features), 2), 8)
        self.undo_button.disabled = not history.can_undo
        self.redo_button.disabled = not history.can_redo
        for one in (self.remove_button, self.edit_button, self.clear_button):
            one.disabled = not features

    def show_facts(self, found: Aoi | None, facts: AreaFacts | None) -> None:
        """Show what is known of the area."""
        if found is None or facts is None:
            self.result.value = status(html.escape(say("No area chosen yet.")))
            return
        count = len(found)
        more = [say("{count} areas; the list has the first {shown}", count=count, shown=_MOST_LISTED)]
        self.result.value = status(facts_html(facts, more if count > _MOST_LISTED else ()))


def _line(one: Any, of: Any) -> str:
    size = area_text(Aoi((one,), of.crs).area_km2)
    name = str(one.properties.get("name") or "")
    return f"{one.id}: {name}, {size}" if name and name != one.id else f"{one.id}: {size}"
