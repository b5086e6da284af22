"""The part of the area picker that saves, lists, reuses and forgets named areas."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets as widgets

from terrascope_nb.errors import AreaError
from terrascope_nb.extent import saved
from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.widgets.parts.field import EDGED, LONG, WIDE, attempt, button, row
from terrascope_nb.widgets.parts.overheard import overheard
from terrascope_nb.widgets.parts.typed_field import TypedField
from terrascope_nb.widgets.pickers.area_inputs import Read, read_any
from terrascope_nb.words import say


class SavedAreas(widgets.VBox):  # type: ignore[misc]
    """Named areas of this user, the same in every notebook.

    Parameters
    ----------
    get : callable
        Gives the area to save; None when there is none.
    take : callable
        Is given a saved area that was chosen.
    """

    def __init__(self, get: Callable[[], Aoi | None], take: Callable[[Read], None]) -> None:
        self._get, self._take = get, take
        self._asked = ""
        self.names = widgets.Dropdown(description=say("Saved areas"), options=[], layout=LONG, style=WIDE)
        self.name = TypedField(
            say("Name"), {say("Save this area"): self.save}, placeholder=say("my fields"), main=False
        )
        super().__init__(
            [
                row(
                    self.names,
                    button(say("Use the saved area"), lambda: attempt(self.use, self.name)),
                    button(say("Forget the saved area"), lambda: attempt(self.forget, self.name)),
                ),
                self.name,
            ],
            layout=EDGED,
        )
        attempt(self.refresh, self.name)  # one damaged file must not take the picker away

    def use(self) -> None:
        """Choose the saved area of the list."""
        if self.names.value is None:
            raise AreaError(say("There is no saved area yet."))
        self._take(read_any(self.names.value))

    def save(self) -> None:
        """Save the area under the name typed; a name that is taken has to be confirmed."""
        found = self._get()
        name = self.name.value.strip()
        if found is None:
            raise AreaError(say("There is no area to save yet."))
        replaces = name.casefold() in {known.casefold() for known in saved.list_areas()}
        if replaces and self._asked != name:
            self._asked = name
            text = say("There is an area {name} already; press Save this area again to replace it.", name=name)
            self.name.news([text])
            return
        self._asked = ""
        with overheard() as said:
            file = saved.save_area(name, found, overwrite=replaces)
        self.refresh(name)
        self.name.news([say("Saved as {name} for all your notebooks ({file}).", name=name, file=file), *said])

    def forget(self) -> None:
        """Remove the saved area of the list."""
        if self.names.value is None:
            raise AreaError(say("There is no saved area yet."))
        name = self.names.value
        saved.remove_area(name)
        self.refresh()
        self.name.news([say("The saved area {name} is forgotten.", name=name)])

    def refresh(self, chosen: str = "") -> None:
        """List the saved areas anew.

        Raises
        ------
        AreaError
            A saved file is damaged.
        """
        names = saved.list_areas()
        self.names.options = names
        self.names.value = next((name for name in names if name.casefold() == chosen.casefold()), None) or (
            names[0] if names else None
        )
