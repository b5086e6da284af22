"""XML from elsewhere made into a tree: bounded in size and depth, no document type, no entities."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from terrascope_nb.errors import AssetUnreachableError, CorruptAssetError

MAX_BYTES = 8_000_000
"""Product metadata is 35-40 kB, a SAFE manifest 20 kB; what is larger is not ours to read."""
_MAX_DEPTH = 60


def read_bounded(path: Path) -> bytes:
    """Read a file of at most `MAX_BYTES`.

    Raises
    ------
    AssetUnreachableError
        It is not there, or may not be read.
    CorruptAssetError
        It is larger.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise AssetUnreachableError(
            f"cannot read {path}: {error.strerror or error}. Check the path and that the archive is mounted.",
            path=str(path),
            reason=str(error),
        ) from error
    if len(data) > MAX_BYTES:
        raise CorruptAssetError(
            f"{path} is larger than {MAX_BYTES // 1_000_000} MB: no product metadata is. Check that it is the right file.",
            path=str(path),
            reason="too large",
        )
    return data


def parse_tree(data: bytes, where: str) -> Element:
    """Parse XML into elements, named ``{namespace}tag``.

    Entities are where XML becomes dangerous (a few hundred bytes can unfold into gigabytes, or name a local file), and
    no metadata of ours needs a document type, so one that has it is refused before anything is unfolded.

    Parameters
    ----------
    data : bytes
    where : str
        Path or address, for messages.

    Raises
    ------
    CorruptAssetError
        Broken, too large, too deep, or with a document type.
    """
    if len(data) > MAX_BYTES:
        raise _corrupt(where, f"it is larger than {MAX_BYTES // 1_000_000} MB")
    builder = TreeBuilder()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAX_DEPTH:
            raise _corrupt(where, f"its elements are nested more than {_MAX_DEPTH} deep")
        builder.start(_braced(tag), {_braced(key): value for key, value in attributes.items()})

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_braced(tag))

    def refuse(*_: object) -> None:
        raise _corrupt(where, "it declares a document type, which is refused for safety")

    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise _corrupt(where, f"the XML is broken ({error})") from error
    return builder.close()


def _braced(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def _corrupt(where: str, reason: str) -> CorruptAssetError:
    return CorruptAssetError(
        f"cannot read the metadata {where}: {reason}. Fetch the file again, or go by the item instead.",
        path=where,
        reason=reason,
    )


def text_at(element: Element, *paths: str) -> str | None:
    """Return the first text found at one of the paths (ElementTree paths, ``{*}`` for any namespace)."""
    for path in paths:
        for found in element.iterfind(path):
            text = " ".join("".join(found.itertext()).split())
            if text:
                return text
    return None


def moment(text: str | None) -> dt.datetime | None:
    """Read an ISO date or time as UTC, which is what is meant where no zone is written; None if it is neither."""
    if not text:
        return None
    try:
        when = dt.datetime.fromisoformat(text)
        return when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None
