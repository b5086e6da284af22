"""What a user names as a source becomes one: an address, a client, a folder, a file, an index, the sample archive."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from terrascope_nb.catalogue.sources import Source
from terrascope_nb.catalogue.static import StaticSource
from terrascope_nb.errors import CatalogueReplyError, NothingFoundError, TerrascopeWarning, redacted
from terrascope_nb.host.where import why_unreachable
from terrascope_nb.settings import get_settings

if TYPE_CHECKING:
    from terrascope_nb.catalogue.api import ApiSource
    from terrascope_nb.catalogue.archive import ArchiveIndex

SAMPLE = "sample"


def open_source(what: Any = None) -> Source:
    """Return something that can be searched.

    Parameters
    ----------
    what : None, str, path, pystac_client.Client or an object with ``find``
        None: the STAC API of the settings; where it does not answer, or ``offline`` is set, the index of a mounted
        archive root, else the sample archive. ``"sample"``: the sample archive. An ``http(s)`` address or a client: a
        STAC API. A path: an archive's index or root that was indexed, a folder of STAC JSON, an ItemCollection, or a
        parquet file.

    Returns
    -------
    Source

    Raises
    ------
    CatalogueReplyError
        It is none of these.

    Warns
    -----
    TerrascopeWarning
        The API is not asked, and something else is searched instead.
    """
    if what is None:
        return _default_source()
    if isinstance(what, str) and what.strip().lower() == SAMPLE:
        return _sample()
    if isinstance(what, str) and urlsplit(what).scheme.lower() in ("http", "https"):
        return _api(what)
    if isinstance(what, str | Path):
        return _from_path(Path(what).expanduser())
    if hasattr(what, "get_self_href") and hasattr(what, "search"):
        return _api(what)
    if callable(getattr(what, "find", None)):
        found: Source = what
        return found
    raise CatalogueReplyError(
        f"source={what!r:.80} cannot be searched. Give the address of a STAC API, a pystac_client.Client, a folder, a "
        '.json or .parquet file, an index, or "sample".',
        source=what,
    )


def roots_of(source: Source) -> Sequence[Path]:
    """Return the folders the items of a source may point at, as far as the user named them by choosing the source."""
    roots = getattr(source, "roots", None)
    if roots is None:
        root = getattr(source, "root", None)
        roots = () if root is None else (root,)
    return tuple(Path(root) for root in roots)


def name_of(source: Source) -> str:
    """Return what to call a source: its address, path or name."""
    for attribute in ("url", "name", "path", "root"):
        value = getattr(source, attribute, None)
        if value:
            return redacted(str(value))
    return type(source).__name__


def _default_source() -> Source:
    settings = get_settings()
    problem = why_unreachable(settings.stac_url)
    if not problem:
        return _api(settings.stac_url)
    for root in settings.archive_roots:
        index = _index_at(root)
        if index is not None:
            _say(f"{settings.stac_url} is not asked ({problem}): the index of {root} is searched instead.")
            return index
    _say(
        f"{settings.stac_url} is not asked ({problem}) and no archive root has an index: the small sample archive is "
        "searched instead (640 m x 640 m of Flanders, 2017-2018), good for trying things out only."
    )
    return _sample()


def _say(message: str) -> None:
    warnings.warn(redacted(message), TerrascopeWarning, stacklevel=5)


def _api(where: Any) -> Source:
    from terrascope_nb.catalogue.api import ApiSource  # pystac-client: 0.2 s that a local search need not pay

    return _api_at(where.rstrip("/")) if isinstance(where, str) else ApiSource(where)


@functools.lru_cache(maxsize=8)
def _api_at(url: str) -> ApiSource:
    """Return the one source for an address, so that the server's front page is read once."""
    from terrascope_nb.catalogue.api import ApiSource  # see above

    return ApiSource(url)


def _sample() -> Source:
    from terrascope_nb.catalogue.offline import SampleSource  # reads rasters; only where nothing else is there

    return SampleSource()


def _from_path(path: Path) -> Source:
    index = _index_at(path)
    return StaticSource(path) if index is None else index


def _index_at(path: Path) -> ArchiveIndex | None:
    """Return the index at a path, or None where there is none."""
    if not path.exists():
        return None
    from terrascope_nb.catalogue.archive import open_index  # pyarrow and raster headers; only where files are searched

    try:
        return open_index(path)
    except NothingFoundError:
        return None
