"""The sample archive as a source: unpacked and indexed when it is first asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from terrascope_nb.catalogue.access import trust_archive
from terrascope_nb.catalogue.archive import ArchiveIndex, index_archive, open_index
from terrascope_nb.catalogue.sources import Found, Request, in_order, normal_collection
from terrascope_nb.catalogue.static import StaticSource
from terrascope_nb.errors import CatalogueError
from terrascope_nb.products.registry import find_variant, names_of
from terrascope_nb.sample.radar import COLLECTION as RADAR
from terrascope_nb.sample.unpack import unpack_sample

EXTENT = "640 m x 640 m of Flanders (3.02 E, 50.82 N), August 2017 to November 2018"
"""What the sample archive holds, for messages."""
_STANDS_FOR = "s1-sigma0"


def sample_archive() -> Path:
    """Return the root of the sample archive, unpacked into the user's cache and indexed where it is not yet.

    Returns
    -------
    Path
        The archive root: Sentinel-2 TOC and NDVI of 118 dates in Terrascope's folders, Sentinel-1 as plain STAC.

    Raises
    ------
    ExportError
        The cache folder cannot be written.
    """
    root = SampleSource().root
    trust_archive(root)
    return root


class SampleSource:
    """The sample archive, searched as one: the index of its Sentinel-2 tree and its static Sentinel-1 items.

    Raises
    ------
    ExportError
        The cache folder cannot be written.
    """

    name = "sample archive"

    def __init__(self) -> None:
        self.root = unpack_sample()
        self._index = _sample_index(self.root)
        self._radar = StaticSource(self.root / "stac")

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folder the items point at."""
        return (self.root,)

    def find(self, request: Request) -> Found:
        """Return what fits, in time; backscatter of the sample stands in for Terrascope's, and it is said."""
        found = self._index.find(request)
        if _asks_for_radar(request):
            radar = self._radar.find(replace(request, collections=(RADAR,)))
            notes = [*found.notes, *radar.notes]
            if radar.items:
                notes.append(
                    "The sample's Sentinel-1 is no Terrascope product: sigma0 at 20 m, from another processor."
                )
            items = in_order([*found.items, *radar.items])
            counts = (found.matched, radar.matched)
            matched = None if None in counts else sum(count or 0 for count in counts)
            shown = items if request.max_items is None else items[: request.max_items]
            complete = found.complete and radar.complete and len(shown) == len(items)
            found = Found(shown, matched, notes, complete)
        if not found.items:
            found.notes.append(f"The sample archive holds {EXTENT}, only.")
        return found


def _asks_for_radar(request: Request) -> bool:
    known = {normal_collection(name) for name in (RADAR, *names_of(find_variant(_STANDS_FOR)[1]))}
    return not request.collections or any(normal_collection(name) in known for name in request.collections)


def _sample_index(root: Path) -> ArchiveIndex:
    try:
        return open_index(root)
    except CatalogueError:
        return index_archive(root, quality=True)
