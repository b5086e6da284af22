"""Whose a file is: what a map is drawn from, and what an earlier save of ours wrote, is told from what a person keeps."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import rasterio

from terrascope_nb.cube.plan import Plan
from terrascope_nb.errors import ExportError

if TYPE_CHECKING:
    from terrascope_nb.widgets.live_map.map import Map

__all__ = ["check_not_read", "companion_error", "digest", "is_ours", "written_note"]

_WRITTEN = "terrascope_nb_files"
"""Entry of a virtual raster's metadata: the files written with it and their SHA-256."""
_ENTRY = re.compile(rf'<MDI key="{_WRITTEN}">([^<]*)</MDI>')


def check_not_read(shown: Map, target: Path) -> None:
    """Refuse to write over a file that a layer of the map is drawn from.

    Raises
    ------
    ExportError
        The map reads that file.
    """
    if not target.exists():
        return
    for layer in shown.rasters:
        for file in map(Path, _files_of(layer.source)):
            if file.exists() and file.samefile(target):
                raise ExportError(
                    f"{target} was to be written, but the layer {layer.name!r} of this map is drawn from it. Choose "
                    "another name.",
                    path=target,
                )


def _files_of(source: Any) -> Iterator[str]:
    """Give the local files that a source of tiles reads."""
    href = getattr(source, "href", None)
    if isinstance(href, str) and (file := _local(href)):
        yield file
        with rasterio.open(file) as opened:  # a virtual raster names others
            yield from opened.files
    for plan in {id(band.plan): band.plan for band in getattr(source, "_bands", ())}.values():
        yield from _files_of_plan(plan)
    for array in getattr(source, "_arrays", ()):
        if file := _local(str(array.encoding.get("source", ""))):
            yield file


def _files_of_plan(plan: Plan) -> Iterator[str]:
    for step in plan.steps:
        for scene in step.scenes:
            for source in (*scene.sources, scene.quality):
                if source is not None:
                    yield from filter(None, map(_local, source.ref.hrefs))


def _local(href: str) -> str:
    """Return the path of a local file; empty for anything else."""
    parts = urlsplit(href)
    if parts.scheme == "file":
        return unquote(parts.path)
    return "" if "://" in href else href


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def written_note(files: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata by which `is_ours` knows the files of a virtual raster again: name -> `digest`."""
    return {_WRITTEN: json.dumps(dict(files), sort_keys=True)}


def is_ours(path: Path, virtual: Path) -> bool:
    """Tell whether a file beside a virtual raster is what was written together with it, to the last byte."""
    try:
        found = _ENTRY.search(virtual.read_text(encoding="utf-8"))
        return found is not None and json.loads(html.unescape(found[1])).get(path.name) == digest(path)
    except (OSError, ValueError, AttributeError):
        return False


def companion_error(path: Path, virtual: Path) -> ExportError:
    """Return the error that a file beside a virtual raster is somebody's own."""
    return ExportError(
        f"{virtual} was to be written, which puts {path.name} beside it, but there is a {path.name} that an earlier "
        f"save of {virtual.name} did not write, or that was changed since. Choose another name, or move {path} away.",
        path=path,
    )
