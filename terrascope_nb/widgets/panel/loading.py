"""Loading the kept scenes of an explorer: with which bands and mask, at once or in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from terrascope_nb.cube.progress import told_to
from terrascope_nb.widgets.panel import explorer_work as work
from terrascope_nb.widgets.panel.choices import Choices
from terrascope_nb.widgets.panel.kept_scenes import KeptScenes
from terrascope_nb.widgets.panel.searching import Searching
from terrascope_nb.widgets.parts.background import Cancel, Worker, heard
from terrascope_nb.widgets.parts.status_line import StatusLine

if TYPE_CHECKING:
    import xarray as xr

    from terrascope_nb.extent.aoi import Aoi

Loaded = tuple[Any, list[str]]
"""The cube, and what there is to know about it."""


class Loading:
    """Makes the cube of what was searched for and is kept."""

    def __init__(self, choices: Choices, searching: Searching, scenes: KeptScenes) -> None:
        self._choices, self._searching, self._scenes = choices, searching, scenes
        self._options: dict[str, Any] = {}
        self._worker: Worker[Loaded] = Worker("load")

    @property
    def options(self) -> dict[str, Any]:
        """Bands and mask, as `terrascope_nb.load` takes them."""
        # Bands and mask on the panel are those of the product that is chosen; what was found may be of another.
        chosen, made = self._choices, self._searching.made
        if made is None or (chosen.product is not None and chosen.product_name == made.product):
            self._options = {"bands": list(chosen.bands) or None, "mask": chosen.mask}
        return self._options

    @property
    def area(self) -> Aoi | None:
        """The area that was searched."""
        made = self._searching.made
        return made.area if made else None

    def make_cube(self) -> xr.Dataset:
        """Return the lazy cube.

        Raises
        ------
        TerrascopeError
            As `terrascope_nb.load`.
        """
        return work.make_cube(self._scenes.kept, self.area, self.options)

    def start(
        self, status: StatusLine, done: Callable[[Loaded], None], failed: Callable[[Exception], None], *, whole: bool
    ) -> None:
        """Load in the background; the line says how far it is. With ``whole`` all values are read."""

        def make(cancel: Cancel) -> Loaded:
            with told_to(work.teller(status, cancel)), heard() as said:
                cube = self.make_cube()
                cancel.check()
                if whole:
                    cube = work.in_memory(cube)
            cancel.check()
            return cube, said

        self._worker.start(make, done, failed)

    @property
    def busy(self) -> bool:
        """Whether a cube is being loaded in the background."""
        return self._worker.busy

    def cancel(self) -> bool:
        """Stop loading. True when a cube was being loaded."""
        busy = self._worker.busy
        self._worker.cancel()
        return busy

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until loading is done; False when it still is not after so many seconds."""
        return self._worker.wait(timeout)
