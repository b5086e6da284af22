"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from terrascope_nb.errors import ExportError

__all__ = ["KINDS", "checked_path", "exists_error", "unwritten_error", "whole_file"]

KINDS = (".png", ".pdf", ".html", ".tif", ".vrt", ".gif", ".mp4")
"""Suffixes that a map is written as."""


def checked_path(path: str | os.PathLike[str]) -> Path:
    """Return a path that a map can be written to.

    Raises
    ------
    ExportError
        A suffix that says nothing, or a folder that is not there.
    """
    target = Path(path).expanduser()
    if target.suffix.lower() not in (*KINDS, ".tiff"):
        raise ExportError(
            f"the map was to be written as {target.name!r}; use one of {', '.join(KINDS)} at the end.", path=target
        )
    if not target.parent.is_dir():
        raise ExportError(f"{target}: the folder {target.parent} does not exist. Make it first.", path=target)
    return target


@contextlib.contextmanager
def whole_file(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a temporary name beside a file's own; move it there when the block ends well, remove it otherwise.

    Raises
    ------
    ExportError
        The file is there and may not be replaced, or it could not be written.
    """
    if target.exists() and not overwrite:
        raise exists_error(target)
    temporary = target.with_name(f".{target.stem}-{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        if (why := unwritten_error(target, error)) is error:
            raise
        raise why from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def unwritten_error(target: Path, error: OSError) -> Exception:
    """Return the error that a file could not be written; what could not be read says so itself."""
    if type(error).__module__.startswith("terrascope_nb"):
        return error
    return ExportError(
        f"{target} could not be written: {error}. Nothing was left under that name. "
        "Check the free space and your write rights there.",
        path=target,
    )


def exists_error(target: Path) -> ExportError:
    """Return the error that a file is there already."""
    return ExportError(f"{target} exists already. Choose another name, or say overwrite=True.", path=target)
