"""A time series as a person sees it in a tool: a picture, and a table with words for its columns and a CSV file."""

from __future__ import annotations

import base64
import html
import io
from typing import Any

import pandas as pd

from terrascope_nb.words import say


def words_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of `time_series` that a person reads, under words they read."""
    words = {
        "time": say("Date (UTC)"),
        "variable": say("Band"),
        "mean": say("Mean"),
        "std": say("Standard deviation"),
        "count": say("Valid pixels"),
        "valid_percent": say("Valid %"),
    }
    return table[list(words)].rename(columns=words)


def picture_html(table: pd.DataFrame, title: str) -> str:
    """Return the series as a picture, told in words for who does not see it."""
    from terrascope_nb.maps.picture import kept_pictures  # matplotlib loads when the first series is drawn
    from terrascope_nb.maps.series_figure import plot_series

    buffer = io.BytesIO()
    with kept_pictures():
        plot_series(table, title=title).savefig(buffer, format="png", dpi=110)
    picture = base64.b64encode(buffer.getvalue()).decode("ascii")
    told = html.escape(f"{title}. {_summary(table)}", quote=True)
    return f"<img alt='{told}' style='max-width:100%;background:#ffffff' src='data:image/png;base64,{picture}'>"


def _summary(table: pd.DataFrame) -> str:
    seen = table[table["count"] > 0]
    return say("{count} dates with a value, mean from {low} to {high}", count=len(seen),
               low=f"{seen['mean'].min():.4g}", high=f"{seen['mean'].max():.4g}")  # fmt: skip


def numbers_html(table: pd.DataFrame, csv: str, name: str, units: str) -> str:
    """Return the numbers as a table, with a link that saves all of them as CSV."""
    data = base64.b64encode(csv.encode("utf-8")).decode("ascii")
    shown = words_of(table)
    head = "".join(
        f"<th scope='col' style='padding:0 8px;text-align:left'>{html.escape(one)}</th>" for one in shown.columns
    )
    rows = "".join(
        "<tr>" + "".join(f"<td style='padding:0 8px'>{_cell(value)}</td>" for value in row) + "</tr>"
        for row in shown.itertuples(index=False)
    )
    label = html.escape(say("Table of the series"), quote=True)
    file = html.escape(f"{name}_series.csv", quote=True)
    return (
        "<div style='color:var(--jp-ui-font-color1, #212121);line-height:1.4'>"
        f"<a download='{file}' href='data:text/csv;base64,{data}' style='color:var(--jp-content-link-color, #1565c0);"
        f"text-decoration:underline'>{html.escape(say('Save as CSV'))}</a> <span>{html.escape(units)}</span>"
        f"<div tabindex='0' role='region' aria-label='{label}' style='max-height:160px;overflow:auto'>"
        f"<table style='border-collapse:collapse'><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></div>"
    )


def _cell(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, float):
        return "–" if value != value else f"{value:.4g}"  # noqa: PLR0124 - NaN
    return html.escape(str(value))
