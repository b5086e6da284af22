"""unpack_sample(): the sample archive on disk, whole or not at all."""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path, PurePosixPath

from terrascope_nb.errors import ExportError
from terrascope_nb.sample.contents import packed_bytes, read_contents
from terrascope_nb.sample.radar import radar_files
from terrascope_nb.sample.scenes import scene_files
from terrascope_nb.settings import get_settings

MANIFEST = ".sample.json"
"""Lies in the archive root; lists every file with its size, written last."""
_LAYOUT = 1  # raise it when names, tags or encodings change, so that nobody keeps an archive of the old kind
_PARTIAL = ".unpacking-"
_STALE_SECONDS = 3600


def unpack_sample(folder: str | Path | None = None) -> Path:
    """Return the root of the sample archive, unpacked when it is not there yet.

    118 real Sentinel-2 scenes over 640 m x 640 m of Flanders in Terrascope's folders (TOC and NDVI), 109 Sentinel-1
    scenes as a static STAC folder, and ``fields.geojson``; the README in the root says where they come from. 11 MB and
    about two seconds the first time; checked by name and size, and mended, at every later call. Several processes may
    call it at once.

    Parameters
    ----------
    folder : path, optional
        Where to put the archive: a folder that does not exist, is empty, or holds this sample. The user's cache by
        default.

    Returns
    -------
    Path
        The archive root, absolute.

    Raises
    ------
    ExportError
        The folder cannot be written, the disk is full, or the folder holds something else. ``path`` and ``reason``
        are attributes.
    """
    root = _cache_root() if folder is None else Path(folder).expanduser().absolute()
    expected = _read_manifest(root)
    if expected is not None and not _damaged(root, expected):
        return root
    ours = folder is None or expected is not None
    if not ours and root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise ExportError(
            f"The sample archive cannot be unpacked into {root}: that is not an empty folder, nor this version of the "
            "sample. Name a new or empty folder.",
            path=root,
            reason="not empty",
        )
    try:
        _unpack(root)
    except OSError as error:
        raise _unwritable(root, error) from error
    return root


def find_sample() -> Path | None:
    """Return the root of the sample archive in the user's cache when it is there and whole; None otherwise."""
    root = _cache_root()
    expected = _read_manifest(root)
    return root if expected is not None and not _damaged(root, expected) else None


def _cache_root() -> Path:
    return (get_settings().cache() / "sample" / sample_version() / "archive").absolute()


@functools.cache
def sample_version() -> str:
    """Return a short text that changes whenever the content of the sample archive does."""
    digest = hashlib.sha256(f"layout {_LAYOUT}".encode())
    digest.update(packed_bytes())
    for _, content in _documents():
        digest.update(content)
    return digest.hexdigest()[:12]


def _documents() -> Iterator[tuple[str, bytes]]:
    data = files("terrascope_nb.sample").joinpath("data")
    for name in ("README.md", "fields.geojson"):
        yield name, data.joinpath(name).read_bytes()


def _archive_files() -> Iterator[tuple[str, bytes]]:
    contents = read_contents(packed_bytes())
    yield from _documents()
    yield from scene_files(contents)
    yield from radar_files(contents)


def _unpack(root: Path) -> None:
    """Write everything beside the root, then move it there in one step; mend a root that is there but damaged."""
    root.parent.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    partial = root.parent / f"{_PARTIAL}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        partial.mkdir()
        sizes: dict[str, int] = {}
        for name, content in _archive_files():
            path = partial / PurePosixPath(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            sizes[name] = len(content)
        manifest = {"version": sample_version(), "files": sizes}
        (partial / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        try:
            partial.rename(root)  # also replaces an empty folder
        except OSError:
            if not root.is_dir():
                raise
            # Another process was first, or files went missing: the same bytes go in one by one, no moment without them.
            for name in [*sizes, MANIFEST]:
                target = root / PurePosixPath(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                (partial / PurePosixPath(name)).replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sweep(root: Path) -> None:
    """Remove what killed processes left behind."""
    for left in root.parent.glob(f"{_PARTIAL}*"):
        try:
            stale = time.time() - left.stat().st_mtime > _STALE_SECONDS
        except FileNotFoundError:
            continue
        if stale:
            shutil.rmtree(left, ignore_errors=True)


def _read_manifest(root: Path) -> dict[str, int] | None:
    """Return file -> size of an archive of this version; None when there is none."""
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("version") != sample_version():
        return None
    sizes: dict[str, int] = manifest["files"]
    return sizes


def _damaged(root: Path, expected: dict[str, int]) -> bool:
    for name, size in expected.items():
        try:
            if (root / name).stat().st_size != size:
                return True
        except OSError:
            return True
    return False


def _unwritable(root: Path, error: OSError) -> ExportError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        reason = "the disk or your quota is full (about 15 MB are needed)"
    else:
        reason = error.strerror or str(error)
    return ExportError(
        f"The sample archive cannot be unpacked into {root}: {reason}. Make room or write rights there, name another "
        "folder, or set the option cache_dir.",
        path=root,
        reason=reason,
    )
