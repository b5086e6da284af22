"""Where saved areas lie on disk: one GeoJSON file each, written whole or not at all."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from terrascope_nb.errors import AreaError, ExportError
from terrascope_nb.settings import get_settings

__all__ = ["file_of", "names", "read", "write"]

_NAME = re.compile(r"\w[\w -]{0,79}")


def folder() -> Path:
    """Return the folder of saved areas (not created)."""
    return get_settings().config() / "areas"


def is_name(text: str) -> bool:
    """Tell whether a text could be the name of a saved area: letters, digits, spaces, hyphens, at most 80."""
    return _NAME.fullmatch(text) is not None and text == text.strip()


def file_of(name: str) -> Path:
    """Return the file of a saved area, whatever the case of its name.

    Raises
    ------
    AreaError
        The name could lead out of the folder, or is empty or too long.
    """
    if not is_name(name):
        raise AreaError(
            f"An area was asked for under the name {name!r}; a name has letters, digits, spaces and hyphens, starts "
            "with a letter or digit and has at most 80 of them. Choose another.",
            name=name,
        )
    # Case folded, since some file systems see no case; percent signs keep every other name apart.
    return folder() / f"{quote(name.casefold(), safe=' ')}.geojson"


def names() -> tuple[str, ...]:
    """Return the names of all saved areas, in alphabetical order."""
    found = [str(_load(file).get("name", file.stem)) for file in folder().glob("*.geojson")]
    return tuple(sorted(found, key=str.casefold))


def read(name: str) -> Mapping[str, Any] | None:
    """Return what was saved under a name; None when nothing was.

    Raises
    ------
    AreaError
        The file is damaged.
    """
    if not is_name(name):
        return None
    file = file_of(name)
    return _load(file) if file.is_file() else None


def _load(file: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise AreaError(
            f"A saved area was asked for, but its file {file} is damaged ({error}). Remove the file and save it anew.",
            path=file,
        ) from error
    if not isinstance(found, Mapping):
        raise AreaError(f"A saved area was asked for, but its file {file} holds no GeoJSON. Remove it and save anew.")
    return found


def write(name: str, data: Mapping[str, Any]) -> Path:
    """Write an area under a temporary name and move it in place when it is whole."""
    file = file_of(name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=file.parent)
    except OSError as error:
        raise ExportError(
            f"An area was to be saved as {name!r} in {file.parent}, which is not possible: {error.strerror or error}. Set "
            "TERRASCOPE_NB_CONFIG_DIR to a folder of yours.",
            path=file,
        ) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(data, out, allow_nan=False)
        Path(temporary).replace(file)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return file
