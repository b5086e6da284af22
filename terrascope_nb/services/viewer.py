"""Links of viewer.terrascope.be, of several generations: a link becomes area, product and date, and back."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date as Date  # noqa: N812 - `date` is the name users give
from datetime import datetime
from functools import lru_cache
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit
from warnings import warn

from terrascope_nb.errors import PeriodError, TerrascopeWarning, UnknownBandError, UnknownProductError, ViewerLinkError
from terrascope_nb.extent.aoi import Aoi, AoiLike
from terrascope_nb.extent.aoi import area as to_area
from terrascope_nb.extent.period import Period
from terrascope_nb.extent.period import period as to_period
from terrascope_nb.products.model import Product, Variant
from terrascope_nb.products.registry import find_variant, get_product
from terrascope_nb.words import LANGUAGES, language, say

__all__ = ["ViewerView", "read_viewer_link", "viewer_link"]

HOST = "viewer.terrascope.be"
_LONGEST = 4000
_NAMES = {
    "bbox": "bbox", "box": "bbox", "layer": "layer", "layers": "layer", "date": "date", "time": "date",
    "language": "language", "lang": "language", "overlay": "overlay", "bglayer": "background",
}  # fmt: skip
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_AMPERSAND = re.compile(r"&(?:amp|#38|#x26);", re.IGNORECASE)
_LAYER = re.compile(r"[A-Za-z0-9][\w.:-]{0,119}", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9][\w .:-]{0,59}", re.ASCII)
_DAY_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_LANGUAGE_WORDS = {"eng": "en", "nld": "nl", "dut": "nl", "fra": "fr", "fre": "fr"}

Bbox = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class ViewerView:
    """What a link of the viewer shows."""

    bbox: Bbox | None = None
    """West, south, east, north in degrees."""
    layer: str | None = None
    """Name of the layer as the link has it, known or not."""
    product: str | None = None
    """Id of the product behind the layer; None = the layer is in no table, see `notes`."""
    collection: str | None = None
    """The collection behind the layer: for products with several, the one that is meant."""
    band: str | None = None
    """The band that the layer shows, where it shows one."""
    date: Date | None = None
    """Day, UTC."""
    language: str | None = None
    """``en``, ``nl`` or ``fr``."""
    overlay: bool | None = None
    """Whether streets and names lie above the layer."""
    background: str | None = None
    """The viewer's own name of the background."""
    notes: tuple[str, ...] = ()
    """What could not be read, and what was chosen."""

    @property
    def area(self) -> Aoi | None:
        """The area that is shown, as everything here takes it."""
        return None if self.bbox is None else to_area(self.bbox)

    @property
    def period(self) -> Period | None:
        """The day, as a period."""
        return None if self.date is None else to_period(self.date, self.date)


def read_viewer_link(link: str) -> ViewerView:
    """Return area, product and date of a link that was copied from the Terrascope viewer.

    Parameters
    ----------
    link : str
        ``https://viewer.terrascope.be/…``, of any generation: ``bbox=`` or ``box=``, dates as ``2/6/2018`` (day first) or
        ``2025-04-23``, layers ``CGS_S2_FAPAR``, ``WORLDCOVER_2021_MAP`` or ``<collection>_<render>``, ampersands written
        ``&amp;``. Nothing is fetched.

    Returns
    -------
    ViewerView
        A layer that no table knows is kept in ``layer``; ``product`` is None then and ``notes`` says so.

    Raises
    ------
    ViewerLinkError
        No link of the viewer, or a box or date in it that cannot be.

    Examples
    --------
    >>> view = read_viewer_link("https://viewer.terrascope.be/?bbox=3.6,51.1,3.9,51.3&date=2/6/2018&layer=CGS_S2_FAPAR")
    >>> view.product, view.date.isoformat(), view.bbox
    ('s2-fapar', '2018-06-02', (3.6, 51.1, 3.9, 51.3))
    """
    given = _parameters(link)
    notes: list[str] = []
    layer = given.get("layer")
    if layer is not None and not _LAYER.fullmatch(layer):
        raise _error(f"its layer {_short(layer)} is no name of a layer (letters, digits, '_', '-', '.' and ':').")
    variant, band = _behind(layer) if layer else (None, None)
    if layer and variant is None:
        notes.append(say("The layer {layer} is in no product table; choose the product yourself.", layer=layer))
    if layer is None:
        notes.append(say("The link names no layer."))
    bbox = _bbox(given["bbox"]) if "bbox" in given else None
    if bbox is None:
        notes.append(say("The link shows no area."))
    background = given.get("background")
    if background is not None and not _WORD.fullmatch(background):
        background = None
        notes.append(say("The background in the link is no name and is left out."))
    return ViewerView(
        bbox=bbox,
        layer=layer,
        product=variant[0].id if variant else None,
        collection=variant[1].collection if variant else None,
        band=band,
        date=_date(given["date"]) if "date" in given else None,
        language=_language(given.get("language", "")),
        overlay={"true": True, "false": False}.get(given.get("overlay", "").lower()),
        background=background,
        notes=tuple(notes),
    )


def viewer_link(
    area: AoiLike | None = None,
    product: str | Product | None = None,
    date: str | Date | datetime | None = None,
    *,
    layer: str | None = None,
    language: str | None = None,
    overlay: bool | None = True,
    background: str | None = None,
) -> str:
    """Return a link that opens the Terrascope viewer on an area, a product and a day.

    Parameters
    ----------
    area : AoiLike, optional
        Its bbox is shown.
    product : str or Product, optional
        Our id or a collection id. Where no document names its layer in the viewer, the link goes without, with a warning.
    date : str, date or datetime, optional
        ISO, UTC.
    layer : str, optional
        The viewer's own name of a layer, in place of a product.
    language : {"en", "nl", "fr"}, optional
        Yours when not given.
    overlay : bool, optional
        Streets and names above the layer; None = as the viewer has it.
    background : str, optional
        The viewer's own name of a background, such as ``"MapBox_Satellite"``.

    Returns
    -------
    str

    Raises
    ------
    UnknownProductError
        No such product.
    ViewerLinkError
        A layer or background that is no name, or a language the viewer does not speak.
    PeriodError
        A date that cannot be read, or more than one day.

    Examples
    --------
    >>> viewer_link((3.6, 51.1, 3.9, 51.3), "s2-fapar", "2025-06-02", language="en")
    'https://viewer.terrascope.be/?language=en&bbox=3.6,51.1,3.9,51.3&overlay=true&date=2025-06-02&layer=terrascope-s2-fapar-v2_fapar'
    """
    day = _one_day(date)
    parts: dict[str, str] = {"language": _checked_language(language)}
    if area is not None:
        parts["bbox"] = ",".join(repr(float(edge)) for edge in to_area(area).bbox)
    if overlay is not None:
        parts["overlay"] = "true" if overlay else "false"
    if background is not None:
        parts["bgLayer"] = _checked(background, _WORD, "background")
    if day is not None:
        parts["date"] = day.isoformat()
    if layer is None and product is not None:
        layer = _layer_of(product, day)
        if layer is None:
            name = product if isinstance(product, str) else product.id
            warn(
                f"No document names the viewer's layer of {name!r}: the link shows area and date, and the layer is for you "
                "to choose there, or to give as layer=.",
                TerrascopeWarning,
                stacklevel=2,
            )
    if layer is not None:
        parts["layer"] = _checked(layer, _LAYER, "layer")
    return f"https://{HOST}/?{urlencode(parts, safe=',:', quote_via=quote)}"


# -- reading ---------------------------------------------------------------------------------------------------------


def _error(why: str, link: object = None) -> ViewerLinkError:
    return ViewerLinkError(
        f"A link of the Terrascope viewer was expected, but {why} Copy the address of https://{HOST} anew, or give the area "
        "itself.",
        href=_short(link) if isinstance(link, str) else None,
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:79] + "…")


def _parameters(link: str) -> dict[str, str]:
    """Return the parameters of a link under the names of today."""
    if not isinstance(link, str):
        raise _error(f"{type(link).__name__} is no text.")
    text = link.strip().strip("<>").strip()
    if len(text) > _LONGEST:
        raise _error(f"this text has {len(text)} characters; the viewer's links have some hundreds.")
    for _ in range(2):  # escaped twice when copied from a page that was escaped already
        text = _AMPERSAND.sub("&", text)
    if any(ord(letter) < 32 or letter.isspace() for letter in text):
        raise _error(f"{_short(text)} holds blanks or control characters.")
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise _error(f"{_short(text)} is no address ({error}).", text) from error
    if (
        parts.scheme not in ("http", "https")
        or host != HOST
        or port not in (None, 80, 443)
        or parts.username is not None
    ):
        raise _error(f"{_short(text)} is no address of {HOST}.", text)
    fragment = parts.fragment.partition("?")[2] or parts.fragment
    found: dict[str, str] = {}
    for name, written in (*parse_qsl(parts.query, keep_blank_values=True), *parse_qsl(fragment)):
        known = _NAMES.get(name.strip().lower())
        value = unquote(written).strip()  # escaped twice by some mail programs
        if known is None or not value:
            continue
        if found.setdefault(known, value) != value:
            raise _error(f"it gives {name} twice: {_short(found[known])} and {_short(value)}.", text)
    return found


def _bbox(text: str) -> Bbox:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise _error(f"its box {_short(text)} is not four numbers: west,south,east,north.")
    west, south, east, north = (float(part) for part in parts)
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise _error(
            f"its box {_short(text)} is no area of the Earth: west below east within 180 degrees, south below north within 90."
        )
    return west, south, east, north


def _date(text: str) -> Date:
    """Return the day: today's ISO dates and moments, or day/month/year as until about 2020."""
    try:
        if match := _DAY_FIRST.fullmatch(text):
            day, month, year = (int(part) for part in match.groups())
            return Date(year, month, day)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text[:10], re.ASCII) and (len(text) == 10 or text[10] in "T "):
            if len(text) > 10:
                datetime.fromisoformat(text)
            return Date.fromisoformat(text[:10])
    except ValueError as error:
        raise _error(f"its date {_short(text)} is no day ({error}).") from error
    raise _error(f"its date {_short(text)} is neither day/month/year nor year-month-day.")


def _language(text: str) -> str | None:
    short = _LANGUAGE_WORDS.get(text.lower(), text.lower())
    return short if short in LANGUAGES else None


# -- layers and products ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _layers() -> tuple[Mapping[str, Any], ...]:
    text = resources.files("terrascope_nb.services").joinpath("viewer_layers.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["layers"])


def _behind(layer: str) -> tuple[tuple[Product, Variant] | None, str | None]:
    """Return the product, the variant and the band behind the name of a layer."""
    for known in _layers():
        if str(known["name"]).lower() == layer.lower():
            return find_variant(str(known["collection"])), known.get("band")
    found = _variant(layer)
    if found is not None:
        return found, None
    # Today's names are <collection>_<render key>; a render key may hold underscores of its own.
    for cut in (match.start() for match in reversed(list(re.finditer("_", layer)))):
        found = _variant(layer[:cut])
        if found is not None and "-" in layer[:cut]:
            return found, _band(found[0], layer[cut + 1 :])
    return None, None


def _variant(name: str) -> tuple[Product, Variant] | None:
    try:
        return find_variant(name)
    except UnknownProductError:
        return None


def _band(product: Product, key: str) -> str | None:
    try:
        return product.find_band(key).name
    except UnknownBandError:
        return None


def _layer_of(product: str | Product, day: Date | None) -> str | None:
    """Return the viewer's layer of a product: of the collection that is named, else of the day, else the first."""
    wanted = get_product(product)
    ours = [known for known in _layers() if find_variant(str(known["collection"]))[0].id == wanted.id]
    if isinstance(product, str) and product != wanted.id:
        collection = find_variant(product)[1].collection
        ours = [known for known in ours if known["collection"] == collection]
    elif day is not None:
        of_day = [known for known in ours if _holds(find_variant(str(known["collection"]))[1], day)]
        ours = of_day or ours
    return str(ours[0]["name"]) if ours else None


def _holds(variant: Variant, day: Date) -> bool:
    return (variant.start or "0000") <= day.isoformat() <= (variant.end or "9999")


# -- writing ---------------------------------------------------------------------------------------------------------


def _one_day(date: str | Date | datetime | None) -> Date | None:
    if date is None:
        return None
    spans = to_period(date).spans
    if len(spans) != 1 or spans[0][0] is None or spans[0][0] != spans[0][1]:
        raise PeriodError(f"date={date!r} was asked for; the viewer shows one day. Give one, such as '2025-06-02'.")
    return spans[0][0]


def _checked(text: str, form: re.Pattern[str], what: str) -> str:
    if not isinstance(text, str) or not form.fullmatch(text):
        raise _error(f"{what}={_short(str(text))} is no name the viewer could have.")
    return text


def _checked_language(chosen: str | None) -> str:
    if chosen is not None and chosen not in LANGUAGES:
        raise _error(f"language={_short(str(chosen))} is none of {', '.join(LANGUAGES)}.")
    return chosen or language()
