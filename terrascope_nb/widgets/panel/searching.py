"""The search of an explorer: what is chosen now, what was asked, and asking in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from terrascope_nb.catalogue.items import Items
from terrascope_nb.widgets.panel.choices import Choices
from terrascope_nb.widgets.panel.explorer_work import Asked
from terrascope_nb.widgets.parts.background import Cancel, Worker, heard

Answer = tuple[Asked, Items, list[str]]
"""What was asked, what was found, and what there is to know about it."""


class Searching:
    """Asks for what is chosen, and knows the search that counts."""

    def __init__(self, choices: Choices, source: Any) -> None:
        self.source = source
        self.made: Asked | None = None
        self._choices = choices
        self._cancelled: Asked | None = None
        self._worker: Worker[Answer] = Worker("search")

    def asked(self) -> Asked:
        """Return the search for what is chosen now.

        Raises
        ------
        NothingFoundError
            No product is chosen.
        """
        chosen = self._choices
        return Asked(chosen.product_name, chosen.area, chosen.period, chosen.filters, self.source)

    @property
    def is_outdated(self) -> bool:
        """Whether other things are chosen now than were searched for."""
        if self.made is None:
            return False
        return self._choices.product is None or self.asked() != self.made

    @property
    def is_due(self) -> bool:
        """Whether there is something to search for that was not searched for yet, and was not cancelled."""
        chosen = self._choices
        if chosen.product is None:
            return False
        new = self.is_outdated if self.made else chosen.area is not None or chosen.period is not None
        return new and (self._cancelled is None or self.asked() != self._cancelled)

    def ask(self) -> tuple[Asked, Items]:
        """Search for what is chosen, here and now.

        Raises
        ------
        TerrascopeError
            As `terrascope_nb.search`.
        """
        self._worker.cancel()
        asked = self.asked()
        return asked, asked.search()

    def start(self, done: Callable[[Answer], None], failed: Callable[[Exception], None]) -> None:
        """Search in the background."""
        asked = self.asked()

        def ask(cancel: Cancel) -> Answer:
            with heard() as said:
                found = asked.search()
            cancel.check()
            return asked, found, said

        self._worker.start(ask, done, failed)

    def take(self, asked: Asked) -> None:
        """Let this search be the one that counts."""
        self.made, self._cancelled = asked, None

    def cancel(self) -> bool:
        """Stop searching; what is chosen now is not searched for by itself. True when a search was under way."""
        busy = self._worker.busy
        if busy:
            self._cancelled = self.asked()
        self._worker.cancel()
        return busy

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the search is done; False when it still is not after so many seconds."""
        return self._worker.wait(timeout)
