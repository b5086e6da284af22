"""How the text of a tool's code is run, and how a click on the map is told."""

from __future__ import annotations

import terrascope_nb as ts


def run(code, shown):
    """Run the text of a tool's code as the next cell would."""
    space = {"ts": ts, "m": shown}
    if code.startswith("m.tools"):
        return eval(code, space)
    exec(code, space)
    return space


def click(shown, lon, lat):
    """A click as the browser tells it."""
    shown._interaction_callbacks(event="interaction", type="click", coordinates=[lat, lon])
