"""Headers that are alike: all files of a band on a tile say the same but for where their blocks lie.

What a header means follows from the bytes that were looked at while it was parsed. The next file that has the same bytes
in the same places means the same, and comparing them takes a hundredth of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from terrascope_nb.raster.tiff import Source

T = TypeVar("T")

_MOST_BYTES = 16 * 1024
"""Longest header that is kept, so that a damaged or hostile one cannot fill the memory."""


@dataclass(frozen=True, slots=True)
class _Form(Generic[T]):
    """The bytes that decide what a header means."""

    pieces: tuple[tuple[int, bytes], ...]
    """Where each piece begins, and its bytes."""
    needs: int
    """Fewest bytes of a file that has such a header."""
    meaning: T
    """What was made of it."""


class Forms(Generic[T]):
    """What was made of headers, for the next files that have the same.

    Parameters
    ----------
    most : int
        How many are kept, of those that were used last.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        # The last used stands first. Replaced as a whole: threads need no lock then, and the worst that can happen is
        # that one is forgotten.
        self._forms: tuple[_Form[T], ...] = ()

    def find(self, source: Source) -> T | None:
        """Return what was made of a header with the same bytes; None = there was none."""
        begins = source.head.startswith
        forms = self._forms
        for n, form in enumerate(forms):
            for at, data in form.pieces:
                if not begins(data, at):
                    break
            else:
                if source.size >= form.needs:
                    if n:
                        self._forms = (form, *forms[:n], *forms[n + 1 :])
                    return form.meaning
        return None

    def keep(self, source: Source, meaning: T) -> None:
        """Keep what was made of the bytes that the source noted; nothing where they are many or lie far apart."""
        pieces: list[tuple[int, int]] = []
        for begin, end in sorted(source.noted):
            if pieces and begin <= pieces[-1][1]:
                pieces[-1] = pieces[-1][0], max(end, pieces[-1][1])
            else:
                pieces.append((begin, end))
        if pieces[-1][1] <= len(source.head) and sum(end - begin for begin, end in pieces) <= _MOST_BYTES:
            needs = max(source.promised, pieces[-1][1])
            form = _Form(tuple((begin, source.head[begin:end]) for begin, end in pieces), needs, meaning)
            self._forms = (form, *self._forms[: self._most - 1])
