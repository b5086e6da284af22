"""Which indexes outside the cache folder this user made, so that reading them later trusts their archive again."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from pathlib import Path

from terrascope_nb.errors import TerrascopeWarning
from terrascope_nb.settings import get_settings


def remember(place: Path, root: Path) -> None:
    """Write down that the user made the index of an archive in a folder; a pair that is known stays as it is.

    Warns
    -----
    TerrascopeWarning
        The configuration folder cannot be written; the index then needs ``open_index(place, root=...)``.
    """
    known = _read()
    if known.get(str(place)) == str(root):
        return
    file = _file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(prefix=".", suffix=".part", dir=file.parent)  # only its owner may read it
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                json.dump({**known, str(place): str(root)}, out, indent=1)
            Path(part).replace(file)
        finally:
            Path(part).unlink(missing_ok=True)
    except OSError as error:
        warnings.warn(
            f"That the index in {place} is yours cannot be remembered: {file}: {error.strerror or error}. Open it with "
            f"open_index({str(place)!r}, root={str(root)!r}).",
            TerrascopeWarning,
            stacklevel=3,
        )


def is_own(place: Path, root: Path) -> bool:
    """Tell whether the user made the index in a folder, and of that archive."""
    return _read().get(str(place)) == str(root)


def _file() -> Path:
    return get_settings().config() / "indexes.json"


def _read() -> dict[str, str]:
    try:
        known = json.loads(_file().read_bytes())
    except (OSError, ValueError, RecursionError):  # none yet, or damaged: then nothing is trusted
        return {}
    return known if isinstance(known, dict) else {}
