"""`BandChooser`: which three bands of a cube are red, green and blue, or which one is drawn alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import ipywidgets as widgets
import traitlets
import xarray as xr

from terrascope_nb.errors import CubeError
from terrascope_nb.widgets.live_map.raster_layer import RasterLayer
from terrascope_nb.widgets.parts.field import WIDE, attempt, button, row
from terrascope_nb.widgets.tools.tool import LayerLike, Tool, layer_of
from terrascope_nb.words import say

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map


def combinations() -> Mapping[str, tuple[str, str, str]]:
    """Return the combinations that are offered, by the common names of their bands."""
    return {
        say("True colour"): ("red", "green", "blue"),
        say("Vegetation in red"): ("nir", "red", "green"),
        say("Moisture and fields"): ("swir16", "nir", "red"),
        say("Bare soil and burnt"): ("swir22", "nir", "green"),
    }


class BandChooser(Tool):
    """Draw other bands of the cube a layer was made from; the layer keeps its place, date and opacity.

    Another layer takes its place: it is called after its bands, unless the layer got a name from a person. Tools that
    are asked for the layer before work on the one that took its place.

    Parameters
    ----------
    shown : Map
    layer : LayerLike
        The layer on top by default.
    bands : sequence of three str, or one, optional
        Draw these at once: names of variables, or common names.
    cube : xarray.Dataset, optional
        Where the bands are; without it, what the layer was made from.

    Attributes
    ----------
    bands : tuple of str
        A trait; setting it draws.

    Raises
    ------
    CubeError
        There is no cube with bands behind the layer, or it lacks a band.
    """

    bands = traitlets.Tuple()

    def __init__(
        self, shown: Map, layer: LayerLike = None, bands: Sequence[str] | None = None, *, cube: xr.Dataset | None = None
    ) -> None:
        self.layer = layer_of(shown, layer)
        self.cube = cube if cube is not None else getattr(self.layer, "made_of", None)
        if not isinstance(self.cube, xr.Dataset):
            raise CubeError(
                f"{self.layer.name} was not made from a cube with several bands, so there is nothing to combine. Add a "
                'whole cube, m.add(cube, bands=("B04", "B03", "B02")), or say cube=….'
            )
        self._names = [str(name) for name, one in self.cube.data_vars.items() if one.ndim >= 2]
        shown_now = [name for name in self.layer.source.layer_names if name in self._names] or self._names[:1]
        self.fields = tuple(
            widgets.Dropdown(options=self._options(), description=text, style=WIDE)
            for text in (say("Red"), say("Green"), say("Blue"))
        )
        offered = [
            button(text, partial(self.choose, wanted))
            for text, wanted in combinations().items()
            if all(self._find(one) for one in wanted)
        ]
        use = button(say("Draw these bands"), lambda: self.choose([field.value for field in self.fields]), primary=True)
        super().__init__(
            shown,
            say("Bands: {layer}", layer=self.layer.name),
            [*([row(*offered)] if offered else []), row(*self.fields), row(use)],
        )
        self.set_trait("bands", tuple(shown_now))
        self._show()
        self.observe(lambda _: self._draw(), "bands")
        if bands is not None:
            self.bands = self._known(bands)

    def choose(self, bands: Sequence[str]) -> None:
        """Draw other bands; what cannot be is said in the tool's line."""

        def act() -> None:
            wanted = self._known(bands)
            if wanted == self.bands and layer_of(self.map, self.layer) is not self.layer:
                self._draw()  # another tool drew other bands meanwhile
            self.bands = wanted

        attempt(act, self.message)

    def code(self) -> str:
        """Return the call that draws these bands."""
        return self.call("bands", self.layer.name, self.bands)

    def _known(self, bands: Sequence[str]) -> tuple[str, ...]:
        wanted = [bands] if isinstance(bands, str) else list(bands)
        if len(wanted) not in (1, 3):
            raise CubeError(f"give three bands for red, green and blue, or one to draw alone; {len(wanted)} are given.")
        found = []
        for band in wanted:
            name = self._find(band)
            if name is None:
                raise CubeError(f"the cube has no band {band!r}; it has {', '.join(self._names)}.")
            found.append(name)
        return tuple(found)

    def _find(self, band: str) -> str | None:
        if band in self._names:
            return band
        assert isinstance(self.cube, xr.Dataset)
        return next((name for name in self._names if self.cube[name].attrs.get("common_name") == band), None)

    def _options(self) -> list[tuple[str, str]]:
        assert isinstance(self.cube, xr.Dataset)
        common = {name: str(self.cube[name].attrs.get("common_name", "")) for name in self._names}
        return [(f"{name} ({common[name]})" if common[name] not in {"", name} else name, name) for name in self._names]

    def _draw(self) -> None:
        assert isinstance(self.cube, xr.Dataset)
        old = layer_of(self.map, self.layer)
        at = self.map.layers.index(old)
        single = len(self.bands) == 1
        made: RasterLayer = self.map.add(
            self.cube[self.bands[0]] if single else self.cube, at, bands=None if single else self.bands,
            name=old.name if old.named else None,
            opacity=old.opacity, visible=old.visible, time=old.time_index if old.times else None,
        )  # fmt: skip
        made.made_of = self.cube
        old.replaced_by = made
        self.map.remove(old)
        old.close()
        self.layer = made
        self._show()
        self._code_changed()

    def _show(self) -> None:
        for field, name in zip(self.fields, self.bands if len(self.bands) == 3 else self.bands * 3, strict=True):
            field.value = name
