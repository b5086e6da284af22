"""A table of a time series as curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from terrascope_nb.errors import CubeError
from terrascope_nb.maps.canvas import write_sources
from terrascope_nb.maps.colour import LINES, short_label
from terrascope_nb.maps.picture import Picture
from terrascope_nb.maps.sources import attribution_of

_MARKERS = "osD^vPX*"
_MOST_CURVES = len(LINES)
_MOST_BANDS = 2
_WELL_SEEN = 75.0
"""Percent of the feature that is valid, from which on a point is drawn full."""
_NOTES = {
    "partly": f"Hollow: less than {_WELL_SEEN:g} % of the pixels valid.",
    "spread": "Band: mean ± standard deviation of the pixels.",
}


def plot_series(
    table: pd.DataFrame,
    *,
    variable: str | None = None,
    value: str = "mean",
    min_valid: float = 0.0,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Return curves of a time series table: time to the right, one curve per feature, one panel per variable.

    Points stand at their true dates and are joined over dates without a valid pixel. A hollow point rests on less than
    75 % of its feature. The band is one standard deviation of the pixels, drawn for one or two features. More than
    eight features become thin curves with the median of the features.

    Parameters
    ----------
    table : pandas.DataFrame
        As `time_series` gives it: columns ``feature``, ``time``, ``variable`` and statistics; unit, names and
        attribution from ``table.attrs``. One read back from CSV works, without them.
    variable : str, optional
        Draw this one only.
    value : str
        The column to draw: ``mean``, ``median``, ``p90`` …
    min_valid : float
        Leave out points that rest on less than this percentage (0-100) of their feature; the figure says how many.
    title : str, optional
        Instead of the variable's long name.
    ax : matplotlib Axes, optional
        Draw here (one variable only) instead of in a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    CubeError
        The table lacks a column, the variable, or dates.
    """
    chosen = _check(table, variable, value)
    kept = chosen[chosen["valid_percent"] >= min_valid] if min_valid > 0 else chosen
    dropped = int(chosen[value].notna().sum() - kept[value].notna().sum())
    names = list(dict.fromkeys(chosen["variable"]))
    if ax is not None and len(names) > 1:
        raise CubeError(f"{len(names)} variables ({', '.join(names)}) do not fit in one ax; say variable=….")
    figure, panels = _panels(len(names), ax)
    for panel, name in zip(panels, names, strict=True):
        _draw(panel, kept[kept["variable"] == name], value)
        attrs = {key: table.attrs.get(key, {}).get(name) for key in ("units", "long_name")}
        word = name if value == "mean" else f"{name}, {value}"
        panel.set_ylabel(short_label(word, attrs), fontsize=9)
        panel.set_title(attrs["long_name"] or name, fontsize=9, loc="left")
    features = list(dict.fromkeys(chosen["feature"].astype(str)))
    if title or len(features) == 1:
        figure.suptitle(title or features[0], fontsize=11)
    if ax is None:
        if len(features) > 1:
            figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8, frameon=False)
        notes = [f"Left out for less than {min_valid:g} % valid pixels: {dropped} points."] if dropped else []
        drawn = {artist.get_gid() for panel in panels for artist in (*panel.lines, *panel.collections)}
        notes += [text for gid, text in _NOTES.items() if gid in drawn]
        valid = kept.loc[kept[value].notna()]
        write_sources(figure, " ".join(notes), attribution_of(table.attrs, valid["time"].to_numpy()))
    return figure


def _check(table: pd.DataFrame, variable: str | None, value: str) -> pd.DataFrame:
    if not isinstance(table, pd.DataFrame):
        raise CubeError(
            f"a series is drawn from a table; this is {type(table).__module__}.{type(table).__name__}. Make the table "
            "with time_series(cube, area)."
        )
    for column in ("feature", "time", "variable", value):
        if column not in table.columns:
            raise CubeError(
                f"a series needs a column {column!r}; the table has {', '.join(map(str, table.columns))}. "
                "Take the table of time_series, and name the statistic to draw with value=….",
                column=column,
            )
    chosen = table if variable is None else table[table["variable"] == variable]
    if variable is not None and chosen.empty:
        raise CubeError(
            f"the table has no variable {variable!r}; it has {', '.join(dict.fromkeys(table['variable'].astype(str)))}."
        )
    chosen = chosen.assign(time=pd.to_datetime(chosen["time"]))
    if chosen["time"].isna().all():
        raise CubeError("the table has no dates, so there is no series to draw; it is a table of one moment.")
    if "valid_percent" not in chosen.columns:
        chosen = chosen.assign(valid_percent=np.where(chosen[value].notna(), 100.0, 0.0))
    return chosen


def _panels(count: int, ax: Axes | None) -> tuple[Figure, list[Axes]]:
    if ax is not None:
        figure = ax.get_figure(root=True)
        assert figure is not None
        return figure, [ax]
    figure = Picture(figsize=(8.4, 1.3 + 2.7 * count), dpi=110, layout="constrained")
    return figure, list(figure.subplots(count, 1, squeeze=False, sharex=True).ravel())


def _draw(panel: Axes, rows: pd.DataFrame, value: str) -> None:
    groups = [(str(name), group.sort_values("time")) for name, group in rows.groupby("feature", sort=False)]
    many = len(groups) > _MOST_CURVES
    for number, (name, group) in enumerate(groups):
        seen = group[group[value].notna()]
        if many:
            panel.plot(seen["time"], seen[value], color=LINES[0], alpha=0.25, linewidth=0.7, gid="feature")
        else:
            _draw_curve(panel, seen, value, name, number)
            if value == "mean" and "std" in seen.columns and len(groups) <= _MOST_BANDS:
                low, high = seen["mean"] - seen["std"], seen["mean"] + seen["std"]
                panel.fill_between(seen["time"], low, high, color=LINES[number], alpha=0.15, linewidth=0, gid="spread")
    if many:
        middle = rows.groupby("time")[value].median().dropna()
        label = f"median of {len(groups)} features"
        panel.plot(middle.index, middle.to_numpy(), color="black", linewidth=1.6, marker="o", markersize=3, label=label)
    locator = AutoDateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    panel.xaxis.set_major_locator(locator)
    panel.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    panel.tick_params(labelsize=8)
    panel.grid(color="#e6e6e6", linewidth=0.6)
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _draw_curve(panel: Axes, seen: pd.DataFrame, value: str, name: str, number: int) -> None:
    colour, marker = LINES[number], _MARKERS[number]
    panel.plot(
        seen["time"],
        seen[value],
        color=colour,
        linewidth=1.1,
        marker=marker,
        markersize=4,
        label=name,
        gid="feature",
    )
    partly = seen[seen["valid_percent"] < _WELL_SEEN]
    if len(partly):
        style: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": colour, "markersize": 4}
        panel.plot(partly["time"], partly[value], linestyle="none", marker=marker, gid="partly", **style)
