"""Choose filters: cloud, orbit, platform and version, as keyword arguments of a search."""

from __future__ import annotations

import html
from collections.abc import Mapping
from numbers import Real
from typing import Any

import ipywidgets as widgets
import traitlets

from terrascope_nb.catalogue.choices import read_choices
from terrascope_nb.errors import FilterError
from terrascope_nb.products.model import Product
from terrascope_nb.widgets.parts.field import (
    LONG,
    WIDE,
    Message,
    Picker,
    button,
    heading,
    hint,
    row,
    status,
)
from terrascope_nb.widgets.parts.overheard import overheard
from terrascope_nb.widgets.parts.typed_field import TypedField
from terrascope_nb.widgets.pickers.product_picker import product_named
from terrascope_nb.words import say

_PLATFORMS = {
    "sentinel-1": ("sentinel-1a", "sentinel-1b", "sentinel-1c", "sentinel-1d"),
    "sentinel-2": ("sentinel-2a", "sentinel-2b", "sentinel-2c"),
    "sentinel-3": ("sentinel-3a", "sentinel-3b"),
}
"""Satellites of the families that have several; Copernicus space segment, ESA."""
_SEES_CLOUD = ("sentinel-2", "sentinel-3", "proba-v", "spot-vgt", "cgls", "water", "flanders", "other")
"""Families of optical scenes; radar and yearly maps have no cloud cover."""
_NAMES = ("max_cloud", "orbit_direction", "relative_orbit", "platform", "version", "resolution", "tile", "max_items")

_KINDS: dict[str, tuple[str, Any]] = {
    "max_cloud": ("it is a percentage from 0 to 100. For 20 % give max_cloud=20", Real),
    "orbit_direction": ("there are 'ascending' and 'descending'", str),
    "platform": ("give names such as 'sentinel-2a'", str),
    "tile": ("give tiles such as '31UES'", str),
    "version": ("there are 'latest', 'all' and 'consistent'", str),
}
"""What a filter is, in words, and the type of its values."""


class FiltersTrait(traitlets.Dict):
    """Keyword arguments of a search."""

    def validate(self, _: Any, value: Any) -> dict[str, Any]:
        """Read what was given.

        Raises
        ------
        FilterError
            It is no mapping of names to values.
        """
        if not isinstance(value, Mapping):
            raise FilterError(
                f"The filters were to be {value!r:.80}; give a dict such as {{'max_cloud': 20}}, or {{}} for none.",
                value=value,
            )
        return dict(value)


class FilterPicker(Picker):
    """Choose which scenes count; ``ts.search(product, area, period, **picker.filters)`` takes the choice.

    Parameters
    ----------
    value : mapping, optional
        Keyword arguments of `terrascope_nb.search`: ``max_cloud``, ``orbit_direction``, ``relative_orbit``, ``platform``,
        ``version``, ``resolution``, ``tile``, ``max_items``.
    product : str or Product, optional
        What is searched: its satellites and pixel sizes are offered. Also a trait.

    Attributes
    ----------
    filters : dict
        A trait: observe it, or set it. It holds only what differs from search's own defaults.
    product : Product or None
        A trait, set by name too.

    Examples
    --------
    >>> picker = FilterPicker({"max_cloud": 20}, product="s2-ndvi")
    >>> picker.version.value = "all"
    >>> picker.filters
    {'max_cloud': 20.0, 'version': 'all'}
    """

    filters = FiltersTrait()
    product = traitlets.Any(default_value=None, allow_none=True)

    def __init__(self, value: Mapping[str, Any] | None = None, *, product: str | Product | None = None) -> None:
        super().__init__()
        self._build()
        self.observe(self._changed, "filters")
        self.observe(self._product_changed, "product")
        self.product = product
        self.filters = dict(value or {})
        self._offer()
        self._show()

    @property
    def value(self) -> dict[str, Any]:
        """The filters."""
        return self.filters

    @value.setter
    def value(self, what: Mapping[str, Any]) -> None:
        self.set_trait("filters", what)

    @traitlets.validate("product")
    def _read_product(self, proposal: Mapping[str, Any]) -> Product | None:
        return product_named(proposal["value"])

    @traitlets.validate("filters")
    def _read_filters(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        return _checked(proposal["value"], self.product)

    def describe(self) -> str:
        """Return the filters as text."""
        if not self.filters:
            return say("Filters: none; of two versions of a scene the newest")
        told = "; ".join(f"{_label(name)}: {_said(value)}" for name, value in self.filters.items())
        return say("Filters: {told}", told=told)

    def _html(self) -> str:
        return f"<p>{html.escape(self.describe())}</p>"

    def _build(self) -> None:
        self.message: Message = Message()
        self.max_cloud = widgets.BoundedFloatText(
            value=100, min=0, max=100, step=5, description=say("Most cloud, %"), layout=_narrow(), style=WIDE
        )
        self.cloud_hint = hint(say("Cloud cover of the whole scene; 100 = any"))
        self.orbit_direction = widgets.Dropdown(
            description=say("Orbit direction"),
            options=[
                (say("any"), ""),
                (say("ascending"), "ascending"),
                (say("descending"), "descending"),
            ],
            layout=_narrow(),
            style=WIDE,
        )
        self.relative_orbit = TypedField(
            say("Relative orbits"),
            {say("Use these orbits"): self._use_fields},
            placeholder=say("any, or numbers such as 8, 51"),
            main=False,
        )
        self.platform = widgets.SelectMultiple(
            description=say("Satellites"), options=[], rows=3, layout=_narrow(), style=WIDE
        )
        self.platform_hint = hint(say("None marked = any; Ctrl or Shift marks several"))
        self.version = widgets.Dropdown(
            description=say("Versions"),
            options=[
                (say("the newest of each scene"), "latest"),
                (say("scenes of one version only"), "consistent"),
                (say("all versions"), "all"),
            ],
            layout=LONG,
            style=WIDE,
        )
        self.resolution = widgets.Dropdown(description=say("Pixel size"), options=[], layout=_narrow(), style=WIDE)
        for field in (self.max_cloud, self.orbit_direction, self.platform, self.version, self.resolution):
            field.observe(lambda _: self._heard(self._use_fields, self.message), "value")
        self.result = widgets.HTML()
        self.children = [
            heading(say("Choose filters")),
            row(self.max_cloud, self.cloud_hint),
            row(self.orbit_direction),
            self.relative_orbit,
            row(self.platform, self.platform_hint),
            row(self.resolution),
            row(self.version),
            self.message,
            row(self.result, button(say("No filters"), lambda: setattr(self, "filters", {}))),
        ]

    def _use_fields(self) -> None:
        """Read all fields; what they do not know of (a tile, a most) stays."""
        asked: dict[str, Any] = {
            "max_cloud": None if self.max_cloud.value >= 100 else self.max_cloud.value,
            "orbit_direction": self.orbit_direction.value or None,
            "relative_orbit": _orbits(self.relative_orbit.value),
            "platform": list(self.platform.value) or None,
            "version": self.version.value,
            "resolution": self.resolution.value or None,
        }
        with overheard() as said:
            self.filters = {**{k: v for k, v in self.filters.items() if k not in asked}, **asked}
        self.message.news(said)

    def _product_changed(self, _: Any) -> None:
        """Leave out what cannot be asked of the new product, and say so."""
        gone = [name for name in self.filters if not self._fits(name)]
        if gone:
            self.filters = {name: value for name, value in self.filters.items() if name not in gone}
            self.message.news(
                [say("Left out, since this product has none: {names}", names=", ".join(map(_label, gone)))]
            )
        self._offer()
        self._show()

    def _fits(self, name: str) -> bool:
        if self.product is None:
            return True
        if name == "max_cloud":
            return self.product.family in _SEES_CLOUD
        if name == "platform":
            known = _PLATFORMS.get(self.product.family, ())
            return all(one in known for one in _several(self.filters["platform"]))
        if name == "resolution":
            return str(self.filters["resolution"]) in {one.resolution for one in self.product.variants}
        return True

    def _offer(self) -> None:
        """Offer what the product has."""
        product = self.product
        family = product.family if product is not None else ""
        platforms = list(_PLATFORMS.get(family, () if product is not None else sum(_PLATFORMS.values(), ())))
        sizes = (
            dict.fromkeys(one.resolution for one in product.variants if one.resolution) if product is not None else {}
        )
        with self._silently():
            self.platform.options = [
                *platforms,
                *(one for one in _several(self.filters.get("platform")) if one not in platforms),
            ]
            chosen = self.filters.get("resolution")
            more = [] if chosen is None or str(chosen) in sizes else [str(chosen)]
            self.resolution.options = [(say("the product's own"), ""), *((one, one) for one in (*sizes, *more))]
        _show_if(self.platform, bool(self.platform.options))
        _show_if(self.platform_hint, bool(self.platform.options))
        _show_if(self.resolution, len(self.resolution.options) > 1)
        _show_if(self.max_cloud, product is None or family in _SEES_CLOUD)
        _show_if(self.cloud_hint, product is None or family in _SEES_CLOUD)

    def _changed(self, _: Mapping[str, Any]) -> None:
        self.message.no_error()
        self.relative_orbit.no_error()
        self._offer()
        self._show()

    def _show(self) -> None:
        now = self.filters
        with self._silently():
            self.max_cloud.value = now.get("max_cloud", 100.0)
            self.orbit_direction.value = now.get("orbit_direction", "")
            self.relative_orbit.value = ", ".join(map(str, _several(now.get("relative_orbit"))))
            self.platform.value = tuple(_several(now.get("platform")))
            self.version.value = now.get("version", "latest")
            self.resolution.value = str(now.get("resolution", ""))
        self.result.value = status(html.escape(self.describe()))


def _checked(asked: Mapping[str, Any], product: Product | None) -> dict[str, Any]:
    """Return filters as search reads them, without those that say nothing.

    Raises
    ------
    FilterError
        An argument that search does not take here, or that cannot be meant.
    """
    unknown = [name for name in asked if name not in _NAMES]
    if unknown:
        raise FilterError(
            f"The filter {unknown[0]!r} was asked for; here are {', '.join(_NAMES)}. Give others to search() itself.",
            name=unknown[0],
        )
    for name, value in asked.items():
        wanted, kinds = _KINDS.get(name, ("", object))
        one_only = name in ("max_cloud", "orbit_direction", "version")
        if value is not None and not all(isinstance(one, kinds) for one in ([value] if one_only else _several(value))):
            raise FilterError(f"{name}={value!r:.80} cannot be: {wanted}.", name=name, value=value)
    # Without a product the checks are those of any: s2-toc has no sizes of its own to choose from.
    read = read_choices(
        product or "s2-toc",
        None,
        None,
        max_cloud=asked.get("max_cloud"),
        tile=asked.get("tile"),
        resolution=asked.get("resolution"),
        orbit_direction=asked.get("orbit_direction"),
        relative_orbit=asked.get("relative_orbit"),
        platform=asked.get("platform"),
        version=asked.get("version") or "latest",
        filter=None,
        max_items=asked.get("max_items"),
    )
    kept: dict[str, Any] = {
        "max_cloud": read.max_cloud,
        "orbit_direction": read.before.orbit_direction,
        "relative_orbit": _one_or_list(read.before.relative_orbit),
        "platform": _one_or_list(read.before.platform),
        "version": None if read.version == "latest" else read.version,
        "resolution": asked.get("resolution"),
        "tile": _one_or_list(read.before.tile),
        "max_items": read.max_items,
    }
    return {name: value for name, value in kept.items() if value is not None}


def _orbits(text: str) -> list[int] | None:
    parts = text.replace(",", " ").split()
    wrong = next((part for part in parts if not part.isdecimal()), None)
    if wrong is not None:
        raise FilterError(f"{wrong!r} is no orbit number. Write whole numbers with commas between, such as 8, 51.")
    return [int(part) for part in parts] or None


def _several(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple | set) else (value,)


def _one_or_list(values: tuple[Any, ...]) -> Any:
    return None if not values else values[0] if len(values) == 1 else list(values)


def _narrow() -> widgets.Layout:
    """Return a layout of its own, since some fields are hidden and others are not."""
    return widgets.Layout(width="auto", flex="0 1 24em")


def _show_if(field: widgets.Widget, wanted: bool) -> None:
    field.layout.display = None if wanted else "none"


def _label(name: str) -> str:
    return {
        "max_cloud": say("most cloud, %"),
        "orbit_direction": say("orbit direction"),
        "relative_orbit": say("relative orbits"),
        "platform": say("satellites"),
        "version": say("versions"),
        "resolution": say("pixel size"),
        "tile": say("tiles"),
        "max_items": say("at most"),
    }[name]


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
