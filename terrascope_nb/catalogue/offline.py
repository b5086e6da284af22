"""The sample archive as a source: unpacked and indexed when it is first asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from terrascope_nb.catalogue.archive import ArchiveIndex, index_archive, open_index
from terrascope_nb.catalogue.sources import Found, Request, Source, in_order
from terrascope_nb.catalogue.static import StaticSource
from terrascope_nb.errors import CatalogueError
from terrascope_nb.sample.unpack import unpack_sample


class JoinedSource:
    """Several sources searched as one.

    Parameters
    ----------
    sources : sequence of Source
    roots : sequence of path
        Folders that their items may point at.
    name : str
        What to call it.
    """

    def __init__(self, sources: Sequence[Source], *, roots: Sequence[Path] = (), name: str = "") -> None:
        self._sources = tuple(sources)
        self.roots, self.name = tuple(roots), name

    def __repr__(self) -> str:
        return f"JoinedSource({self.name!r})"

    def find(self, request: Request) -> Found:
        """Return what fits in any of them, in time."""
        answers = [source.find(request) for source in self._sources]
        items = in_order(item for answer in answers for item in answer.items)
        counts = [answer.matched for answer in answers]
        shown = items if request.max_items is None else items[: request.max_items]
        return Found(
            shown,
            matched=None if None in counts else sum(count or 0 for count in counts),
            notes=[note for answer in answers for note in answer.notes],
            complete=all(answer.complete for answer in answers) and len(shown) == len(items),
        )


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
    root = unpack_sample()
    _sample_index(root)
    return root


def sample_source() -> JoinedSource:
    """Return the sample archive as something that can be searched."""
    root = unpack_sample()
    return JoinedSource([_sample_index(root), StaticSource(root / "stac")], roots=[root], name="sample archive")


def _sample_index(root: Path) -> ArchiveIndex:
    try:
        return open_index(root)
    except CatalogueError:
        return index_archive(root, quality=True)
