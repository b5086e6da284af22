"""Choose an area: draw it, type it, paste it, upload it, pick tiles, search a place, or take a saved one."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import traitlets

from terrascope_nb.errors import AreaError
from terrascope_nb.extent.aoi import Aoi, AoiLike, area
from terrascope_nb.products.model import Product
from terrascope_nb.widgets.parts.field import Picker, attempt
from terrascope_nb.widgets.parts.overheard import overheard
from terrascope_nb.widgets.pickers import area_drawing as drawing
from terrascope_nb.widgets.pickers import area_inputs as inputs
from terrascope_nb.widgets.pickers.area_facts import AreaFacts, facts_html, facts_lines, facts_of
from terrascope_nb.widgets.pickers.area_fields import AreaActions, AreaFields
from terrascope_nb.widgets.pickers.product_picker import product_named
from terrascope_nb.words import say

if TYPE_CHECKING:
    import ipyleaflet


class AreaTrait(traitlets.TraitType[Any, Any]):
    """An `Aoi` or None; anything that `terrascope_nb.area` reads becomes one."""

    info_text = "an area, or anything terrascope_nb.area reads"

    def validate(self, _: Any, value: AoiLike) -> Aoi | None:
        """Read what was given.

        Raises
        ------
        AreaError
            It is no area.
        """
        if value is None:
            return None
        return inputs.read_text(value).area if inputs.is_link(value) else area(value)


class AreaPicker(Picker):
    """Choose an area on a map or by typing; the choice is in `area`.

    Parameters
    ----------
    value : area, optional
        Anything `terrascope_nb.area` reads, or a link of the Terrascope viewer; the choice to begin with, to which the
        map goes. Nothing of a browser is needed.
    map : ipyleaflet.Map or False, optional
        The map to draw on, shown wherever you show it; when None one of its own with the offline basemap, shown in the
        picker; no map at all when False.
    product : str or Product, optional
        What the bytes per date are estimated for; see the trait `product`.
    geocoder : callable, optional
        Function from a text to a sequence of `Hit`, asked instead of OpenStreetMap's service where a person chose to
        search online.

    Attributes
    ----------
    area : Aoi or None
        A trait: observe it, or set it to anything `terrascope_nb.area` reads. Setting it changes the fields and the map.
    product : Product or None
        A trait, set by name too.
    facts : AreaFacts or None
        km², tiles and bytes per date of the area.
    link : ViewerView or None
        A trait: what a pasted Terrascope viewer link shows, with its date; its product becomes `product`.

    Examples
    --------
    >>> picker = AreaPicker((3.70, 51.19, 3.80, 51.23), map=False)
    >>> picker.area.tiles
    ('31UES',)
    >>> picker.area = "31UFS"
    >>> picker.facts.tiles
    ('31UFS',)
    """

    area = AreaTrait(default_value=None, allow_none=True)
    product = traitlets.Any(default_value=None, allow_none=True)
    link = traitlets.Any(default_value=None, allow_none=True)

    def __init__(
        self,
        value: AoiLike | None = None,
        *,
        map: ipyleaflet.Map | bool | None = None,  # noqa: A002 - the word people know
        product: str | Product | None = "s2-toc",
        geocoder: Callable[[str], Sequence[inputs.Hit]] | None = None,
    ) -> None:
        self._history = drawing.History()
        self._ids = drawing.Ids()
        self._stepping = True  # what it begins with is no step to undo
        self._editing = ""
        super().__init__()
        fields = self._fields = AreaFields(self._actions(), geocoder or inputs.ask_online)
        self.text, self.places, self.saved, self.features = fields.text, fields.places, fields.saved, fields.features
        self.upload, self.file_message = fields.upload, fields.file_message
        self.grid, self.grid_message, self.result = fields.grid, fields.grid_message, fields.result
        self.undo_button, self.redo_button = fields.undo_button, fields.redo_button
        self.map = _map_for(map)
        self._has_own_map = self.map is not None and self.map is not map
        self._on_map = self._bind_map()
        self.observe(self._area_changed, "area")
        self.observe(self._product_changed, "product")
        self.product = product
        drawn = list(self._on_map.control.data) if self._on_map is not None else []
        if value is not None:
            self._given(value)
        elif drawn:
            self.area = drawing.reconciled(None, drawn, self._ids)
            if self.area is not None and self._has_own_map:
                self._on_map.zoom_to(self.area)
        self._stepping = False
        self.children = fields.beside(self.map, inside=self._has_own_map)
        self._show()

    # what it holds

    @property
    def value(self) -> Aoi | None:
        """The area."""
        return self.area  # type: ignore[no-any-return]

    @value.setter
    def value(self, what: AoiLike | None) -> None:
        if what is None:
            self.area = None
        else:
            self._given(what)

    def _given(self, what: AoiLike) -> None:
        """Take what was given in code: a viewer link works as if it were pasted, and the map goes there."""
        if inputs.is_link(what):
            self._take(inputs.read_text(what))
            return
        self.area = what
        if self._on_map is not None:
            self._on_map.zoom_to(self.area)

    @property
    def facts(self) -> AreaFacts | None:
        """km², tiles and bytes per date; None without an area."""
        return None if self.area is None else facts_of(self.area, self.product)

    @traitlets.validate("product")
    def _read_product(self, proposal: Mapping[str, Any]) -> Product | None:
        return product_named(proposal["value"])

    def describe(self) -> str:
        """Return the area as text: outline, size, tiles, bytes per date."""
        if self.area is None:
            return say("Area: none chosen")
        facts = self.facts
        assert facts is not None  # there is an area
        bounds = ", ".join(f"{number:.4f}" for number in self.area.bbox)
        lines = [*facts_lines(facts), say("West, south, east, north: {bounds}", bounds=bounds)]
        return "\n  ".join([say("Area chosen: {name}", name=self.area.name or self.area.kind), *lines])

    def _html(self) -> str:
        if self.area is None:
            return f"<p>{html.escape(self.describe())}</p>"
        facts = self.facts
        assert facts is not None  # there is an area
        return f"{self.area._repr_html_()}{facts_html(facts)}"

    def _png(self) -> bytes | None:
        if self.area is None:
            return None
        from terrascope_nb.widgets.pickers.area_picture import area_png  # Pillow, only when something is shown

        if not self._has_own_map:
            return area_png(self.area)
        shown = base64.b64decode(self.map._repr_mimebundle_()["image/png"])
        return area_png(self.area, under=shown, bounds=self.map.view_bounds)

    # what a person can do, from buttons and from code alike

    def undo(self) -> None:
        """Go back to the area before the last change; nothing happens when there is none."""
        self._step(self._history.can_undo, self._history.undo)

    def redo(self) -> None:
        """Do again what was undone."""
        self._step(self._history.can_redo, self._history.redo)

    def remove(self, *feature_ids: str) -> None:
        """Take features out of the area, by their ids."""
        if self.area is not None:
            self.area = drawing.without(self.area, feature_ids)

    def add(self, what: AoiLike) -> None:
        """Add an area to the one there is.

        Raises
        ------
        AreaError
            It is no area.
        """
        self._take(inputs.read_any(what), add=True)

    def _leave(self) -> None:
        """Take what was drawn off the map."""
        if self._on_map is not None:
            self._on_map.close()
            self._on_map = None

    def _kept(self) -> tuple[Any, ...]:
        return () if self._has_own_map else (self.map,)

    # the parts

    def _actions(self) -> AreaActions:
        return AreaActions(
            get=lambda: self.area,
            take=self._take,
            use_text=self._use_text,
            add_text=lambda: self._use_text(add=True),
            use_files=lambda files: self._heard(lambda: self._use_files(files), self.file_message),
            use_view=lambda: self._heard(self._use_view, self.grid_message),
            mark=self._show_map,
            show_grid=self._show_grid,
            undo=self.undo,
            redo=self.redo,
            remove_marked=self._remove_marked,
            edit_marked=self._edit_marked,
            clear=lambda: setattr(self, "area", None),
        )

    def _bind_map(self) -> Any:
        if self.map is None:
            return None
        from terrascope_nb.widgets.pickers.area_on_map import AreaOnMap  # ipyleaflet, only where there is a map

        return AreaOnMap(self.map, on_drawn=self._drawn, on_tile=self._tile_clicked, on_grid=self._tile_hovered)

    # one way in for every change

    def _take(self, read: inputs.Read, *, add: bool = False, zoom: bool = True) -> None:
        self.area = drawing.joined(self.area, read.area, self._ids) if add else read.area
        if read.link is not None:
            self.link = read.link
            if read.link.product is not None:
                self.product = read.link.product
        if zoom and self._on_map is not None:
            self._on_map.zoom_to(read.area)

    def _area_changed(self, change: Mapping[str, Any]) -> None:
        self._ids.note(change["new"])
        if not self._stepping:
            self._history.note(change["old"])
        self._show()

    def _step(self, possible: bool, go: Callable[[Aoi | None], Aoi | None]) -> None:
        if not possible:
            return
        self._stepping = True
        try:
            self.area = go(self.area)
        finally:
            self._stepping = False

    def _product_changed(self, _: Any) -> None:
        self._show_facts()

    # what the fields do

    def _use_text(self, add: bool = False) -> None:
        read = inputs.read_text(self.text.value)
        if self._editing and not add and self.area is not None and self._editing in {one.id for one in self.area}:
            self.area = drawing.replaced(self.area, self._editing, read.area)
            self._editing = ""
        else:
            self._take(read, add=add)
        self.text.news(read.said)

    def _use_files(self, files: Sequence[Mapping[str, Any]]) -> None:
        if not files:
            return
        try:
            read = inputs.read_files(files)
        finally:
            with self._silently():
                self.upload.value = ()  # so that the same file can be chosen again
        self._take(read)
        self.file_message.news(
            [say("Read from {names}.", names=", ".join(str(one["name"]) for one in files)), *read.said]
        )

    def _use_view(self) -> None:
        view = self._on_map.bounds
        if view is None:
            raise AreaError(say("The map has not been shown yet, so it has no view."))
        self._take(inputs.read_any(tuple(round(number, 5) for number in view), name=say("map view")), zoom=False)

    def _remove_marked(self) -> None:
        self.remove(*self.features.value)

    def _edit_marked(self) -> None:
        marked = self.features.value
        if self.area is None or len(marked) != 1:
            self.text.error(say("Mark one area in the list to edit it as text."))
            return
        self._editing = marked[0]
        self.text.value = inputs.text_of(self.area, marked)
        self.text.news([say("Change the text above and press Use as the area: area {id} keeps its id.", id=marked[0])])

    # what the map does

    def _drawn(self, shapes: list[dict[str, Any]]) -> None:
        def take() -> None:
            before = self.area
            with overheard() as said:
                now = drawing.reconciled(before, shapes, self._ids, name=say("drawn area"))
            if now is before:
                self._show_map()
            else:
                self.area = now
                self.grid_message.news(said)

        if not attempt(take, self.grid_message):
            self._show_map()  # the shape that cannot be used is taken off the map

    def _tile_clicked(self, tile: str) -> None:
        def take() -> None:
            if self.area is not None and tile in {one.id for one in self.area}:
                self.remove(tile)
            else:
                self._take(inputs.read_any(tile), add=self.area is not None and self.area.kind == "tile", zoom=False)

        self._heard(take, self.grid_message)

    def _tile_hovered(self, tile: str) -> None:
        self.grid_message.news([say("Tile {tile}", tile=tile) if tile else say("Zoom in to see the tiles.")])

    def _show_grid(self, on: bool) -> None:
        if self._on_map is not None:
            self.grid_message.clear()
            self._on_map.show_grid(on)

    # showing

    def _show(self) -> None:
        with self._silently():
            self._fields.show_list(self.area, self._history)
        self._show_map()
        self._show_facts()

    def _show_map(self) -> None:
        if self._on_map is not None and not self._is_quiet:
            self._on_map.show(self.area, self.features.value)

    def _show_facts(self) -> None:
        self._fields.show_facts(self.area, self.facts)


def _map_for(asked: Any) -> Any:
    if asked is False:
        return None
    if asked is None or asked is True:
        from terrascope_nb.widgets.live_map.map import Map  # the offline basemap, only when no map was given

        return Map(center=(50.8, 4.5), zoom=7, height="400px")
    return asked
