"""A search and a load as the text of a cell, and back: exact, escaped, and run nowhere here."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry import mapping

from terrascope_nb.errors import CellError, TerrascopeError, redacted
from terrascope_nb.extent.aoi import Aoi
from terrascope_nb.extent.aoi import area as make_area
from terrascope_nb.extent.period import Period
from terrascope_nb.extent.period import period as make_period

_WIDTH = 100
"""Characters of a line of code before its arguments go one below the other."""
_LONG = 4000
"""Characters of an outline after which a saved name stands in its place, where there is one."""
_LEGIBLE = 400
"""Characters of an outline after which the file it was read from stands in its place, while that says the same."""


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What was searched, left out and loaded."""

    product: str
    """Id of the product, or of a collection."""
    area: Aoi | None = None
    """Where."""
    period: Period | None = None
    """When."""
    filters: Mapping[str, Any] = field(default_factory=dict)
    """Further keyword arguments of search(): ``max_cloud``, ``version``, ``source`` …"""
    without: tuple[str, ...] = ()
    """Days (``"2018-06-15"``) and item ids that were left out by hand."""
    load: Mapping[str, Any] | None = None
    """Keyword arguments of load() besides items and area; None = the cell only searches."""


def write_cell(selection: Selection, *, remark: str = "") -> str:
    """Return the text of a cell that makes the same items, and the same cube, in a fresh kernel.

    Parameters
    ----------
    selection : Selection
    remark : str
        One line of comment for the search, e.g. how many items it found.

    Returns
    -------
    str
        Python, one statement a thought; every value is written as a literal, so nothing in it can run.

    Raises
    ------
    CellError
        A value cannot be written as a literal, or an area not exactly.

    Examples
    --------
    >>> print(write_cell(Selection("s2-ndvi", period=make_period("2018-06"), without=("2018-06-05",))))
    import terrascope_nb as ts
    <BLANKLINE>
    items = ts.search("s2-ndvi", period="2018-06-01/2018-06-30")
    items = items.without("2018-06-05")
    """
    lines = ["import terrascope_nb as ts", ""]
    if selection.area is not None:
        lines.append(f"area = {area_code(selection.area)}")
    if remark:
        lines.append(f"# {' '.join(remark.split())}")
    found = [literal(selection.product)]
    if selection.area is not None:
        found.append("area")
    if selection.period is not None:
        when = literal(str(selection.period))
        found.append(when if selection.area is not None else f"period={when}")
    lines.append(_call("items = ts.search", found, selection.filters))
    if selection.without:
        lines.append(_call("items = items.without", [literal(name) for name in selection.without], {}))
    if selection.load is not None:
        options = dict(selection.load)
        bands = options.pop("bands", None)
        given = ["items"] if bands is None else ["items", literal(bands)]
        framed = ["area=area"] if selection.area is not None else []
        lines.append(_call("cube = ts.load", given + framed, options))
    return "\n".join(lines)


def area_code(area: Aoi) -> str:
    """Return the plainest Python expression that makes exactly this area again.

    A place or tile by its name, a box by its numbers, one outline as WKT, several as GeoJSON. Too long to read, it is
    named by the file it came from while that holds the same outlines and ids, or by its saved name. The number that
    a single box got while it was drawn is not kept.

    Raises
    ------
    CellError
        No text gives the same outline.
    """
    for what, keywords in _ways(area):
        try:
            again = make_area(what, **keywords)
        except TerrascopeError:
            continue
        if _same(again, area):
            return _call("ts.area", [literal(what)], keywords)
    raise CellError(
        f"The area {area.name or area.bbox} cannot be written as text. Save it with save_area and use its name."
    )


def _ways(area: Aoi) -> list[tuple[Any, dict[str, Any]]]:
    first = area.features[0]
    named = {"name": area.name} if area.name else {}
    system = {} if area.crs == "EPSG:4326" else {"crs": area.crs}
    ways: list[tuple[Any, dict[str, Any]]] = []
    if len(area) == 1:
        if area.kind == "tile":
            ways.append((area.name, {}))
        if "nis" in first.properties:
            ways += [(area.name, {}), (str(first.properties["nis"]), named)]
        if area.kind == "bbox":
            ways.append((tuple(float(edge) for edge in first.geometry.bounds), system | _unless(named, "bbox")))
            ways.append((tuple(area.bbox), _unless(named, "bbox")))
        ways.append((shapely.to_wkt(first.geometry, rounding_precision=-1), system | named))
    elif area.kind == "tile":
        tiles = [one.id for one in area.features]
        ways.append((tiles, _unless(named, ", ".join(tiles)[:80])))
    elif area.kind == "bbox" and not system:
        ways.append(([tuple(map(float, one.geometry.bounds)) for one in area.features], _unless(named, "bbox")))
    features = [
        {
            "type": "Feature",
            "id": one.id,
            "properties": _literal_parts(one.properties),
            "geometry": _as_lists(mapping(one.geometry)),
        }
        for one in area.features
    ]
    whole = {"type": "FeatureCollection", "features": features}
    ways.append((whole, system | named))
    ways.append(
        ({"type": "FeatureCollection", "terrascope_nb": {"kind": area.kind}, "features": features}, system | named)
    )
    length = len(literal(features))
    if area.name and length > _LONG:
        ways.insert(0, (area.name, {}))
    if area.origin and length > _LEGIBLE:
        ways.insert(0, (area.origin, _unless(named, Path(area.origin.partition("|")[0]).stem)))
    return ways


def _unless(named: dict[str, Any], default: str) -> dict[str, Any]:
    return {} if named.get("name") == default else named


def _literal_parts(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: value if isinstance(value, str | int | float | bool | None) else str(value)
        for key, value in properties.items()
    }


def _as_lists(geometry: Mapping[str, Any]) -> dict[str, Any]:
    def lists(part: Any) -> Any:
        return [lists(one) for one in part] if isinstance(part, tuple | list) else part

    if "geometries" in geometry:
        return {"type": geometry["type"], "geometries": [_as_lists(part) for part in geometry["geometries"]]}
    return {"type": geometry["type"], "coordinates": lists(geometry["coordinates"])}


def _same(one: Aoi, other: Aoi) -> bool:
    return (
        one.kind == other.kind
        and one.crs == other.crs
        and len(one) == len(other)
        and all(mine.geometry.equals_exact(yours.geometry, 0.0) for mine, yours in zip(one, other, strict=True))
        and (_is_drawn_box(other) or [mine.id for mine in one] == [yours.id for yours in other])
    )


def _is_drawn_box(area: Aoi) -> bool:
    return area.kind == "bbox" and len(area) == 1 and area.features[0].id.isdecimal()


def literal(value: Any) -> str:
    r"""Return a value as Python text that reads back equal.

    >>> literal('say "when"'), literal((1, 2.5)), literal(None)
    ('\'say "when"\'', '(1, 2.5)', 'None')

    Raises
    ------
    CellError
        It is no text, number, date or list of these.
    """
    if isinstance(value, str):
        shown = repr(str(value))
        return f'"{shown[1:-1]}"' if shown[0] == "'" and '"' not in shown else shown
    if value is None or isinstance(value, bool | int | float):
        if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):  # noqa: PLR0124 - NaN
            return f'float("{value}")'
        return repr(value)
    if isinstance(value, date):
        return literal(value.isoformat())
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(key)}: {literal(part)}" for key, part in value.items()) + "}"
    if isinstance(value, Sequence | set | frozenset):
        parts = [literal(part) for part in (sorted(value) if isinstance(value, set | frozenset) else value)]
        if isinstance(value, tuple):
            return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
        return f"[{', '.join(parts)}]"
    if hasattr(value, "__fspath__"):
        return literal(value.__fspath__())
    raise CellError(
        f"{value!r:.80} ({type(value).__name__}) cannot be written into a cell. Give it as text, numbers or a path.",
        value=value,
    )


def _call(name: str, positional: Sequence[str], keywords: Mapping[str, Any]) -> str:
    arguments = [*positional, *(f"{key}={literal(value)}" for key, value in keywords.items() if value is not None)]
    line = f"{name}({', '.join(arguments)})"
    if len(line) <= _WIDTH or len(arguments) == 1:
        return line
    return f"{name}(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"


def read_cell(text: str) -> Selection:
    r"""Return the selection that the text of a cell makes; nothing of it is run.

    Understood are ``ts.area``, ``ts.period``, ``ts.search``, ``.without`` and ``ts.load`` with literal arguments, and
    names given to them: what `write_cell` writes, and the like written by hand.

    Raises
    ------
    CellError
        The text is no Python, holds no search, or computes an argument.
    TerrascopeError
        An area or period in it cannot be read.

    Examples
    --------
    >>> read_cell('import terrascope_nb as ts\nitems = ts.search("s2-ndvi", period="2018-06")').period
    <Period 2018-06-01/2018-06-30 (whole days, UTC)>
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise CellError(f"The cell is no Python: {redacted(str(error))}. Copy it whole.") from error
    reader = _Reader()
    for statement in tree.body:
        reader.take(statement)
    if reader.product is None:
        raise CellError("The cell holds no ts.search(...). Copy the cell that makes the items.")
    return Selection(
        reader.product, reader.area, reader.period, reader.filters, tuple(dict.fromkeys(reader.without)), reader.load
    )


_SEARCH = ("product", "area", "period")
_LOAD = ("items", "bands")


class _Reader:
    """Walk the statements of a cell and keep what they say."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.modules: set[str] = {"ts", "terrascope_nb"}
        self.product: str | None = None
        self.area: Aoi | None = None
        self.period: Period | None = None
        self.filters: dict[str, Any] = {}
        self.without: list[str] = []
        self.load: dict[str, Any] | None = None

    def take(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import):
            self.modules |= {name.asname or name.name for name in statement.names if name.name == "terrascope_nb"}
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            value = self.value(statement.value)
            if isinstance(statement.targets[0], ast.Name):
                self.names[statement.targets[0].id] = value
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            self.value(statement.value)

    def value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            if node.id not in self.names:
                raise CellError(f"The cell uses {node.id}, which it does not make. Copy the line that makes it too.")
            return self.names[node.id]
        if isinstance(node, ast.Call):
            return self._called(node)
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError) as error:
            raise CellError(
                f"The cell computes {ast.unparse(node)!r:.80}; only texts, numbers and lists of them can be read back."
            ) from error

    def _called(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Name) and node.func.id == "float" and len(node.args) == 1:
            return float(self.value(node.args[0]))
        if not isinstance(node.func, ast.Attribute):
            raise CellError(f"The cell calls {ast.unparse(node.func)!r:.80}, which cannot be read back.")
        what = node.func.attr
        ours = isinstance(node.func.value, ast.Name) and node.func.value.id in self.modules
        if what == "without" and not ours:
            self.value(node.func.value)
            self.without += [str(self.value(part)) for part in node.args]
            return "items"
        if not ours or what not in ("area", "period", "search", "load"):
            raise CellError(f"The cell calls {ast.unparse(node.func)!r:.80}, which cannot be read back.")
        given = [self.value(part) for part in node.args]
        named = {word.arg: self.value(word.value) for word in node.keywords if word.arg}
        if what == "area":
            return make_area(*given, **named)
        if what == "period":
            return make_period(*given, **named)
        if what == "search":
            self._search({**dict(zip(_SEARCH, given, strict=False)), **named})
            return "items"
        self.load = {**dict(zip(_LOAD, given, strict=False)), **named}
        del self.load["items"]
        self.load.pop("area", None)
        return "cube"

    def _search(self, asked: dict[str, Any]) -> None:
        if self.product is not None:
            raise CellError("The cell searches twice; copy one search at a time.")
        self.product = str(asked.pop("product", ""))
        area, period = asked.pop("area", None), asked.pop("period", None)
        self.area = None if area is None else make_area(area)
        self.period = None if period is None else make_period(period)
        self.filters = asked
