"""An asset becomes something we can open: a local mount or HTTPS, chosen when it is read, never outside the roots."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urljoin, urlsplit

import pystac

from terrascope_nb.catalogue.real_paths import TrustedRoots, is_below, resolve_file
from terrascope_nb.errors import AssetUnreachableError, UntrustedPathError
from terrascope_nb.settings import get_settings

Access = Literal["local", "https", "untrusted", "missing"]

# Addresses drop a leading TERRASCOPE_ of the archive's folder, else they are alike. Source: hrefs and alternates of STAC
# items S2A_20250516T104651_31UFS_NDVI_10M_V210 and S2C_20260807T104621_31TCN_TOC_V220; the WORLDCOVER pair in the
# platform's documentation page "Authentication".
_PLATFORM_ROOT = "/data/MTDA"
_DOWNLOAD = re.compile(r"https://services\.terrascope\.be/download/(?!open/)(?P<folder>[^/?#]+)/(?P<rest>[^?#]+)")
_DROPPED_PREFIX = "TERRASCOPE_"
_FIRST_ALTERNATES = ("local", "MEP")
_OUTSIDE = "it lies outside the archive roots"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class AssetRef:
    """Every trusted way to open one asset, the nearest first."""

    item_id: str
    """Id of the item."""
    key: str
    """Key of the asset in the item."""
    hrefs: tuple[str, ...]
    """Absolute local paths, then http(s) addresses."""
    skipped: tuple[str, ...] = ()
    """Why other hrefs of the asset are not used, a sentence each."""
    roots: tuple[str, ...] = ()
    """The folders the local paths are allowed under, and files allowed one by one, without symbolic links."""


@dataclass(slots=True)
class _Ways:
    """Hrefs gathered so far."""

    roots: TrustedRoots
    local: dict[str, None]
    remote: dict[str, None]
    skipped: dict[str, None]
    beside: dict[str, None]
    """Files that are trusted one by one: relative hrefs of a catalogue file the user named."""

    def add(self, href: str, item: pystac.Item | None) -> None:
        if _CONTROL.search(unquote(href)):
            self.skip(href, "it holds a control character")
            return
        if href.startswith("/"):
            self.add_path(href, href)
            return
        try:
            parts = urlsplit(href)
        except ValueError as error:
            self.skip(href, f"it is no address ({error})")
            return
        scheme = parts.scheme.lower()
        if scheme in ("http", "https") and not parts.hostname:
            self.skip(href, "it names no server")
        elif scheme in ("http", "https"):
            self.remote[href] = None
            for path in _archive_paths(href, self.roots):
                if self.is_trusted(path):
                    self.local[path] = None
        elif scheme == "file":
            if parts.netloc.lower() not in ("", "localhost"):
                self.skip(href, f"it lies on another machine ({parts.netloc})")
            else:
                self.add_path(unquote(parts.path), href)
        elif scheme == "s3":
            self.skip(href, "s3:// is not offered to users of the platform")
        elif scheme:
            self.skip(href, f"{scheme}: is neither file, http nor https")
        else:
            self.add_relative(href, None if item is None else item.get_self_href())

    def add_relative(self, href: str, base: str | None) -> None:
        if base is None:
            self.skip(href, "it is relative and the item does not say where it lies itself")
        elif urlsplit(base).scheme.lower() in ("http", "https"):
            self.add(urljoin(base, href), None)
        else:
            own = Path(unquote(urlsplit(base).path) if base.startswith("file:") else base)
            path = str(own.absolute().parent / href)
            if self._is_beside(own, path):
                self.beside[os.path.realpath(path)] = None
                self.local[path] = None
            else:
                self.add_path(path, href)

    def _is_beside(self, own: Path, path: str) -> bool:
        """Tell whether a catalogue file among the roots leads from one file in its folder to another."""
        files = [str(Path(root).parent) for root in self.roots if Path(root).is_file()]
        return is_below(os.path.realpath(own), files) and is_below(os.path.realpath(path), files)

    def add_path(self, path: str, href: str) -> None:
        if path.startswith(("/vsi", "//")):
            self.skip(href, "it is no plain path")
            return
        candidates = [path]
        if path.startswith(_PLATFORM_ROOT + "/"):
            candidates += [f"{root}{path[len(_PLATFORM_ROOT) :]}" for root in self.roots]
        nowhere = True
        for candidate in candidates:
            if self.is_trusted(candidate):
                self.local[candidate] = None
                nowhere = False
        if nowhere:
            allowed = ", ".join(self.roots) or "none is configured"
            self.skip(href, f"{_OUTSIDE} ({allowed})")

    def is_trusted(self, path: str) -> bool:
        # Resolving links asks the disk, and several hrefs lead to one path.
        return path in self.local or self.roots.hold(path)

    def skip(self, href: str, why: str) -> None:
        self.skipped[f"{href!r}: {why}"] = None


def asset_ref(item: pystac.Item, key: str, *, roots: Iterable[str | Path] = ()) -> AssetRef:
    """Gather every trusted way to open an asset; nothing is opened and no server asked.

    Parameters
    ----------
    item : pystac.Item
    key : str
        Key of the asset in the item.
    roots : iterable of path
        Trusted folders besides ``settings.archive_roots``; a catalogue file is trusted for its relative hrefs only. What
        `trusted_roots` gave is taken as it is: for many references the settings and folders are looked at once.

    Returns
    -------
    AssetRef
        Local candidates come from ``alternate.local``, ``alternate.MEP``, other alternates, a ``file://`` or plain
        href, and the platform's rule between download address and archive folder; each lies below a root once symbolic
        links and ``..`` are resolved. ``skipped`` says why others are not used.

    Raises
    ------
    AssetUnreachableError
        The item has no such asset; the message lists those it has.
    """
    asset = item.assets.get(key)
    if asset is None:
        raise AssetUnreachableError(
            f"{item.id} has no asset {key!r}; it has {', '.join(item.assets) or 'none'}.",
            item=item.id,
            asset=key,
            hrefs=(),
        )
    ways = _Ways(trusted_roots(roots), {}, {}, {}, {})
    for href in _hrefs(asset):
        ways.add(href, item)
    return AssetRef(item.id, key, (*ways.local, *ways.remote), tuple(ways.skipped), _all_roots(ways))


def _all_roots(ways: _Ways) -> tuple[str, ...]:
    shared = ways.roots.plain
    return (*shared, *ways.beside) if ways.beside else shared


def open_href(ref: AssetRef) -> str:
    """Decide now what to open: the first local file that is there, else the first address.

    Parameters
    ----------
    ref : AssetRef

    Returns
    -------
    str
        An absolute local path without symbolic links, or an http(s) address.

    Raises
    ------
    UntrustedPathError
        The catalogue names nothing but paths outside the archive roots.
    AssetUnreachableError
        Nothing local is there and no address may be asked; the message names item, asset and everything tried.
    """
    for href in ref.hrefs:
        if href.startswith("/"):
            path, state = resolve_file(href)
            # Checked again: a link may have been changed since the reference was made.
            if (is_below(path, ref.roots) or path in ref.roots) and _is_readable(path, state):
                return path
    offline = get_settings().offline
    for href in ref.hrefs:
        if not href.startswith("/") and not offline:
            return href
    if not ref.hrefs and any(_OUTSIDE in why for why in ref.skipped):
        raise UntrustedPathError(
            f"The catalogue says {ref.key} of {ref.item_id} is at {'; '.join(ref.skipped)}. It was not opened. If you "
            "trust that folder, add it: ts.set_options(archive_roots=[...]).",
            item=ref.item_id,
            asset=ref.key,
            skipped=ref.skipped,
        )
    tried = "; ".join(
        f"{href}: {'not there or not readable' if href.startswith('/') else 'offline is set'}" for href in ref.hrefs
    )
    cure = ", or unset offline" if offline else ""
    others = f" Not used: {'; '.join(ref.skipped)}." if ref.skipped else ""
    raise AssetUnreachableError(
        f"{ref.key} of {ref.item_id} cannot be opened: {tried or 'no usable href'}.{others} Check that the archive is "
        f"mounted (ts.doctor()){cure}.",
        item=ref.item_id,
        asset=ref.key,
        hrefs=ref.hrefs,
        skipped=ref.skipped,
    )


def access_of(item: pystac.Item, key: str | None = None, *, roots: Iterable[str | Path] = ()) -> Access:
    """Return how an asset would be read now: ``"local"``, ``"https"`` (not asked whether it answers), ``"untrusted"`` or ``"missing"``.

    Without a key the item's first asset with the role ``data`` speaks for the item.
    """
    if key is None:
        by_role = (name for name, asset in item.assets.items() if "data" in (asset.roles or ()))
        key = next(by_role, next(iter(item.assets), None))
    if key is None or key not in item.assets:
        return "missing"
    try:
        return "local" if open_href(asset_ref(item, key, roots=roots)).startswith("/") else "https"
    except UntrustedPathError:
        return "untrusted"
    except AssetUnreachableError:
        return "missing"


_searched: dict[Path, None] = {}
"""Archive trees that this process searched because its user named them, and the sample archive."""


def trust_archive(root: str | Path) -> None:
    """Open local paths below an archive tree for the rest of this process.

    For a tree the user named as an archive (an index, the sample): its items stay readable in a plain list, which does
    not remember the search they came from. Never for a folder that a catalogue names.
    """
    _searched[Path(root)] = None


def trusted_roots(roots: Iterable[str | Path] = ()) -> TrustedRoots:
    """Return the folders local paths may lie under, links resolved.

    They are ``settings.archive_roots``, ``roots``, and the archive trees given to `trust_archive`. Roots that were
    resolved before are given back as they are.
    """
    if isinstance(roots, TrustedRoots):
        return roots
    every = [*get_settings().archive_roots, *_searched, *roots]
    return TrustedRoots(dict.fromkeys(os.path.realpath(Path(root).expanduser()) for root in every))


def _hrefs(asset: pystac.Asset) -> Iterator[str]:
    stated = asset.extra_fields.get("alternate")
    alternates = stated if isinstance(stated, dict) else {}
    names = [name for name in _FIRST_ALTERNATES if name in alternates]
    for name in [*names, *(name for name in alternates if name not in names)]:
        href = alternates[name].get("href") if isinstance(alternates[name], dict) else None
        if isinstance(href, str) and href:
            yield href
    if asset.href:
        yield asset.href


def _archive_paths(href: str, roots: Sequence[str]) -> Iterator[str]:
    """Yield where the archive keeps the file of a download address."""
    found = _DOWNLOAD.fullmatch(href)
    if found is None:
        return
    folder, rest = unquote(found["folder"]), unquote(found["rest"])
    for root in roots:
        for name in (_DROPPED_PREFIX + folder, folder):
            yield f"{root}/{name}/{rest}"


def _is_readable(path: str, state: os.stat_result | None) -> bool:
    # Plain files and folders only: a pipe or a device would block the reader.
    return state is not None and stat.S_IFMT(state.st_mode) in (stat.S_IFREG, stat.S_IFDIR) and os.access(path, os.R_OK)
