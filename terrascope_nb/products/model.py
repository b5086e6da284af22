"""Product, Band, Quality, Style and Variant: frozen dataclasses that check themselves, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from terrascope_nb.errors import TableError, UnknownBandError, near_misses

Kind = Literal["measurement", "classes", "flags"]
Text = Mapping[str, str]
"""The same text per language: keys ``en``, ``nl``, ``fr``."""


def in_language(text: Text, language: str) -> str:
    """Return a text in the language asked for, in English where it was not translated.

    >>> in_language({"en": "Water", "nl": "Water", "fr": "Eau"}, "fr")
    'Eau'
    """
    return text.get(language) or text["en"]


@dataclass(frozen=True, slots=True)
class FlagClass:
    """One class of a quality or map band."""

    value: int
    """The stored number."""
    name: str
    """Lower-case word, as used in ``mask=[...]`` and CF ``flag_meanings``."""
    title: Text
    """What a person reads."""
    color: str | None = None
    """``#rrggbb``, or None where no source gives one."""
    aliases: tuple[str, ...] = ()
    """Other names sources give the same class, also accepted in ``mask=[...]``."""


@dataclass(frozen=True, slots=True)
class BitField:
    """Some bits of a status map: ``(stored >> shift) & mask`` is looked up in ``values``."""

    name: str
    """Lower-case word, e.g. ``"state"``."""
    shift: int
    """Lowest bit of the field."""
    width: int
    """Number of bits."""
    values: Mapping[int, str]
    """Field value -> lower-case class name."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How a product says which pixels are good."""

    band: str
    """Name of the band that holds the flags."""
    kind: Literal["classes", "bits"]
    """Whole numbers are classes (SCL), or bits are fields (PROBA-V SM)."""
    presets: Mapping[str, tuple[str, ...]]
    """Preset -> class names to KEEP. For bits every name is ``field:value``; a pixel is kept when for each field that
    is named one of its named values holds."""
    fields: tuple[BitField, ...] = ()
    """The bit fields, when kind is ``bits``."""
    source: str = ""
    """Where the presets come from."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a band is drawn, in physical units."""

    cmap: str | None = None
    """A matplotlib colour map; perceptual and colour-blind safe."""
    vmin: float | None = None
    """Lower end of the colour bar, physical."""
    vmax: float | None = None
    """Upper end of the colour bar, physical."""
    decibel: bool = False
    """True: drawn as ``10 * log10(value)``; ``vmin`` and ``vmax`` stay in the physical (linear) unit."""
    source: str = ""
    """Where range and colours come from."""


@dataclass(frozen=True, slots=True)
class Band:
    """One named measurement of a product."""

    name: str
    """Name on the platform: ``B04``, ``NDVI``, ``SCL``."""
    title: Text
    """What a person reads; CF ``long_name`` is the English one."""
    kind: Kind = "measurement"
    """``measurement`` becomes physical float32; ``classes`` and ``flags`` stay integer."""
    common_name: str | None = None
    """STAC common name: ``red``, ``nir`` …"""
    aliases: tuple[str, ...] = ()
    """Other names a user or an older catalogue may use: ``B08A``, ``TOC-B04_10M``."""
    asset: str = ""
    """Key of the asset in today's STAC items; the name when empty."""
    index: int = 1
    """Number of the band inside its file, from 1, where several share a file and the item does not say."""
    file_content: tuple[str, ...] = ()
    """The CONTENT (and resolution) part of the file name: ``TOC-B04_10M``; one per resolution."""
    resolutions: tuple[float, ...] = ()
    """Pixel sizes on offer, in the unit of the product's grid (metres, or degrees), finest first."""
    dtype: str | None = None
    """Stored type; None = unknown."""
    scale: float | None = None
    """physical = stored * scale + offset; None = unknown."""
    offset: float | None = None
    """physical = stored * scale + offset; None = unknown."""
    nodata: float | None = None
    """Stored number that means nothing here; None = none declared or unknown."""
    valid_range: tuple[float, float] | None = None
    """Stored numbers outside become NaN; holds for this table's scale and offset only."""
    unit: str | None = None
    """Physical unit (UDUNITS); ``"1"`` where dimensionless, None = unknown."""
    standard_name: str | None = None
    """CF standard name, where CF has one."""
    center_wavelength_um: float | None = None
    """Centre of the spectral band, micrometres."""
    classes: tuple[FlagClass, ...] = ()
    """The classes, when kind is ``classes``."""
    style: Style = field(default_factory=Style)
    """How to draw it."""
    source: str = ""
    """Where the numbers come from."""
    note: str = ""
    """What a user must know about this band."""

    @property
    def asset_key(self) -> str:
        """Key of the asset in today's STAC items."""
        return self.asset or self.name

    def __post_init__(self) -> None:
        if self.valid_range is not None and self.valid_range[0] > self.valid_range[1]:
            raise TableError(f"band {self.name}: valid_range {self.valid_range} runs backwards")
        if self.scale == 0:
            raise TableError(f"band {self.name}: a scale of 0 would lose every value")
        if len({c.value for c in self.classes}) != len(self.classes):
            raise TableError(f"band {self.name}: a class value stands twice")


@dataclass(frozen=True, slots=True)
class Variant:
    """One collection of a product: a version, a cadence or a resolution."""

    collection: str
    """STAC collection id (case sensitive); where none is known, the oldest name there is (see ``in_stac``)."""
    in_stac: bool = True
    """False: no STAC collection of this id is known; it lives in the older catalogues or on disk only."""
    opensearch: str | None = None
    """URN in the older catalogue."""
    other_ids: tuple[str, ...] = ()
    """Other collection ids it was seen under, e.g. with underscores."""
    legacy_types: tuple[str, ...] = ()
    """Product types of the oldest catalogue, e.g. ``CGS_S2_FAPAR_10M``."""
    resolution: str | None = None
    """``"100m"``, ``"333m"``, ``"1km"`` … where collections differ by it."""
    cadence: str | None = None
    """``"day"``, ``"5-day"``, ``"dekad"``, ``"month"``, ``"year"``, ``"once"``; None = per acquisition."""
    file_format: str | None = None
    """``"GeoTIFF"``, ``"HDF5"``, ``"NetCDF"``, ``"SAFE"``; None = unknown."""
    local_roots: tuple[str, ...] = ()
    """Folders below the archive root, e.g. ``TERRASCOPE_Sentinel2/NDVI_V2``."""
    start: str | None = None
    """First day, ISO."""
    end: str | None = None
    """Last day, ISO; None = goes on or unknown."""
    title: str = ""
    """Title the platform gives the collection."""
    source: str = ""
    """Where this comes from."""


@dataclass(frozen=True, slots=True)
class Product:
    """One thing Terrascope offers: bands, units, quality, style, variants."""

    id: str
    """Our id: ``s2-ndvi``."""
    title: Text
    """Name for people."""
    description: Text
    """One plain-language sentence."""
    bands: tuple[Band, ...]
    """All bands with a known name; empty when only the items know them."""
    default_bands: tuple[str, ...]
    """What ``load(items)`` gives when no band is named."""
    variants: tuple[Variant, ...]
    """The collections, the one ``search(id)`` asks for first."""
    quality: Quality | None = None
    """None: no quality band; masking is an error that says so."""
    family: str = ""
    """``sentinel-2``, ``sentinel-1``, ``proba-v`` …; chooses the attribution sentence."""
    version_order: tuple[str, ...] = ()
    """Twin order, oldest first (``V200 V210 V220``; ``RT0 … RT6``); versions not listed are ordered by number."""
    alternatives: tuple[str, ...] = ()
    """Item properties that make items alternatives of each other rather than neighbours, e.g. ``resolution``."""
    dateless: bool = False
    """True: search needs no period."""
    not_loadable: str = ""
    """Why ``load`` refuses, and what to do; empty = loadable."""
    missing_bands: Mapping[str, str] = field(default_factory=dict)
    """Bands people ask for that are not delivered -> why."""
    gaps: str = ""
    """Gaps in the series a user must know of."""
    attribution: str = ""
    """Sentence for figures; ``{year}`` stands for the years of the data."""
    licence: str = ""
    """Licence or terms, as far as a source states them."""
    notebook: str = ""
    """Sample notebook, relative to ``notebooks/``."""
    sources: tuple[str, ...] = ()
    """Where the table comes from."""

    def find_band(self, name: str) -> Band:
        """Return the band of that name, common name, alias or asset key (any case).

        Raises
        ------
        UnknownBandError
            The message explains a band that is not delivered, or lists the bands there are.
        """
        wanted = name.lower()
        for band in self.bands:
            if band.name.lower() == wanted:
                return band
        for band in self.bands:
            if wanted in {other.lower() for other in (band.common_name or "", band.asset_key, *band.aliases)}:
                return band
        # a file may hold several bands (RADIOMETRY): its name then means none of them
        in_file = [band for band in self.bands if wanted in {content.lower() for content in band.file_content}]
        if len(in_file) == 1:
            return in_file[0]
        for missing, why in self.missing_bands.items():
            if missing.lower() == wanted:
                raise UnknownBandError(f"{self.id} has no band {missing}: {why}", product=self.id, band=name)
        names = [b.name for b in self.bands]
        near = near_misses(name, [*names, *(b.common_name for b in self.bands if b.common_name)])
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UnknownBandError(
            f"{self.id} has no band {name!r}; it has {', '.join(names) or 'no band known beforehand'}.{hint}",
            product=self.id,
            band=name,
        )

    def __repr__(self) -> str:
        from terrascope_nb.products.cards import describe  # cards needs this module's types

        return describe(self)

    def _repr_html_(self) -> str:
        from terrascope_nb.products.cards import describe_html  # cards needs this module's types

        return describe_html(self)

    def __post_init__(self) -> None:
        names = [band.name for band in self.bands]
        if len(set(names)) != len(names):
            raise TableError(f"product {self.id}: a band name stands twice")
        for name in self.default_bands:
            if name not in names:
                raise TableError(f"product {self.id}: default band {name} is not among its bands")
        if self.quality and self.bands and self.quality.band not in names:
            raise TableError(f"product {self.id}: quality band {self.quality.band} is not among its bands")
        if not self.variants:
            raise TableError(f"product {self.id}: no collection")
        for text in (self.title, self.description, *(band.title for band in self.bands)):
            if not text.get("en"):
                raise TableError(f"product {self.id}: a text without English: {dict(text)}")
        self._check_presets()

    def _check_presets(self) -> None:
        if self.quality is None:
            return
        if self.quality.kind == "bits":
            known = {f"{field.name}:{word}" for field in self.quality.fields for word in field.values.values()}
        else:
            known = {c.name for band in self.bands if band.name == self.quality.band for c in band.classes}
        for preset, names in self.quality.presets.items():
            if unknown := set(names) - known:
                raise TableError(f"product {self.id}: mask {preset!r} keeps {sorted(unknown)}, which are no classes")
