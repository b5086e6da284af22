"""The code of an explorer: the cell that makes its selection again, and choosing what such a cell says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from terrascope_nb.catalogue.snippet import Selection, write_cell
from terrascope_nb.errors import CellError, NothingFoundError
from terrascope_nb.widgets.panel.choices import Choices
from terrascope_nb.widgets.panel.explorer_work import Asked, selection_of
from terrascope_nb.widgets.panel.kept_scenes import KeptScenes
from terrascope_nb.widgets.panel.searching import Searching
from terrascope_nb.words import say


def cell_of(asked: Asked | None, scenes: KeptScenes, options: Mapping[str, Any]) -> str:
    """Return the cell of a search that was made, and of what is kept and loaded of it.

    Raises
    ------
    NothingFoundError
        Nothing was searched for yet.
    CellError
        Something in it cannot be written as text.
    """
    if asked is None:
        raise NothingFoundError(
            "The explorer has not searched yet, so there is no selection to write. Choose an area or a period, or "
            "call explorer.search()."
        )
    found = scenes.found
    selection = selection_of(found, asked, dropped=set(scenes.table.dropped), load=options)
    if not found:
        return write_cell(selection)
    return write_cell(selection, remark=say("{kept} of {count} scenes kept", kept=len(scenes.kept), count=len(found)))


def choose(choices: Choices, searching: Searching, told: Selection) -> None:
    """Choose what a cell says, as `read_cell` read it, and search where it does.

    Raises
    ------
    CellError
        It loads in a way the explorer does not offer.
    TerrascopeError
        A choice that cannot be meant.
    """
    options = dict(told.load or {})
    bands, mask = options.pop("bands", None), options.pop("mask", None)
    if options:
        raise CellError(
            f"The cell loads with {', '.join(options)}, which the explorer does not offer. Leave it out, or run the cell."
        )
    filters = dict(told.filters)
    searching.source = filters.pop("source", None)
    choices.product, choices.area, choices.period, choices.filters = told.product, told.area, told.period, filters
    if told.load is not None:
        choices.mask = mask
        if bands is not None:
            choices.bands = bands
