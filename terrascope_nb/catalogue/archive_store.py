"""The files of an index: one stac-geoparquet file a collection, a table of what was seen, and a manifest.

Everything is written under a temporary name inside the index folder and moved when whole; the manifest comes last and
names size and time of every other file, so that an index that was interrupted, or written by two at once where locks do
not work, is noticed and made anew rather than trusted.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from terrascope_nb.catalogue.archive_columns import conformed, sort_keys, to_table, unified
from terrascope_nb.catalogue.archive_items import FOLDER, Problem, Row
from terrascope_nb.catalogue.archive_walk import FolderState, State
from terrascope_nb.errors import CatalogueReplyError

MANIFEST = "index.json"
"""Name of the manifest: a folder that holds one is an index."""
_STATE = "folders.parquet"
_LOCK = "lock"
_FORMAT = 1
_RUN = 2048
"""Items kept in memory before they are sorted and put aside."""
_PIECE = 2048
"""Items merged at once."""
_GROUP = 512
"""Items in a row group: what a search reads at least."""
_PROBLEM = pa.struct([("path", pa.string()), ("reason", pa.string()), ("may_pass", pa.bool_())])
_STATE_SCHEMA = pa.schema(
    [
        ("folder", pa.string()),
        ("mtime_ns", pa.int64()),
        ("files", pa.int64()),
        ("folders", pa.list_(pa.string())),
        ("problems", pa.list_(_PROBLEM)),
        ("measured", pa.bool_()),
    ]
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index says of itself."""

    root: str
    """Absolute path of the archive."""
    items: Mapping[str, int]
    """Collection -> number of items."""
    files: Mapping[str, tuple[int, int]]
    """File of the index -> size and time of change (ns)."""
    report: Mapping[str, Any]
    """Figures of the last run."""


@dataclass(slots=True)
class Changes:
    """How a collection differs from before."""

    added: int = 0
    removed: int = 0
    updated: int = 0
    items: int = 0
    twice: int = 0
    """Items that are in the archive more than once."""


def file_of(collection: str) -> str:
    """Return the name of the file that holds a collection."""
    return f"{quote(collection, safe='')}.parquet"


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an index.

    Raises
    ------
    FileNotFoundError
        The folder holds no index.
    CatalogueReplyError
        It is no manifest of ours, or of a later version of this package.
    """
    text = (folder / MANIFEST).read_text(encoding="utf-8")
    try:
        said = json.loads(text)
        known = said["format"] == _FORMAT
        manifest = Manifest(
            str(said["root"]),
            {str(name): int(count) for name, count in said["items"].items()},
            {str(name): (int(size), int(mtime)) for name, (size, mtime) in said["files"].items()},
            dict(said["report"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CatalogueReplyError(
            f"{folder / MANIFEST} is no manifest of an index: {error!r}. Remove the folder and index the archive again.",
            path=folder,
        ) from error
    if not known:
        raise CatalogueReplyError(
            f"{folder / MANIFEST} was written by another version of this package. Remove the folder and index the "
            "archive again.",
            path=folder,
        )
    return manifest


def read_state(folder: Path) -> dict[str, FolderState]:
    """Read what the last walk saw."""
    with pq.ParquetFile(folder / _STATE) as file:
        table = file.read(columns=_STATE_SCHEMA.names)
    columns = {name: table[name].to_pylist() for name in _STATE_SCHEMA.names}
    return {
        name: FolderState(mtime_ns, files, tuple(folders), tuple(Problem(**said) for said in problems), measured)
        for name, mtime_ns, files, folders, problems, measured in zip(*columns.values(), strict=True)
    }


def read_problems(folder: Path) -> list[Problem]:
    """Read only the files that were not understood."""
    with pq.ParquetFile(folder / _STATE) as file:
        found = pc.list_flatten(file.read(columns=["problems"])["problems"])
    return [Problem(**said) for said in found.to_pylist()]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Wait until no other process writes this index, and keep others waiting meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a+b") as file:
        try:
            import fcntl  # not on Windows, where archives are not mounted

            fcntl.flock(file, fcntl.LOCK_EX)
        except (ImportError, OSError):
            # Some network file systems have no locks; the manifest then tells when two runs got mixed.
            pass
        yield


class Writer:
    """Gathers rows, puts them aside sorted, and at the end merges them with what stays of the old index."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for left in folder.glob(".new-*"):
            shutil.rmtree(left, ignore_errors=True)
        self._aside = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
        self._rows: dict[str, list[Row]] = {}
        self._runs: dict[str, list[Path]] = {}
        self._fresh: list[str] = []
        self._gone: list[str] = []
        self._items: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._aside, ignore_errors=True)

    def add(self, rows: Iterable[Row]) -> None:
        """Take rows of any collections."""
        for row in rows:
            waiting = self._rows.setdefault(row["collection"], [])
            waiting.append(row)
            if len(waiting) >= _RUN:
                self._put_aside(row["collection"])

    def _put_aside(self, collection: str) -> None:
        rows = self._rows.pop(collection, [])
        if rows:
            runs = self._runs.setdefault(collection, [])
            path = self._aside / f"{quote(collection, safe='')}-{len(runs)}.run"
            pq.write_table(to_table(rows), path, row_group_size=_GROUP // 4, compression="lz4")
            runs.append(path)

    def merge(self, state: State, staying: Iterable[str], old: Sequence[str]) -> dict[str, Changes]:
        """Merge new rows with those that stay; nothing of the old index is touched yet.

        Parameters
        ----------
        state : mapping
            What the walk saw, kept for the next.
        staying : iterable of str
            Folders whose rows of the old index stay; all others go.
        old : sequence of str
            Collections of the old index.

        Returns
        -------
        dict
            Collection -> changes.
        """
        for collection in list(self._rows):
            self._put_aside(collection)
        kept = pa.array(sorted(staying), pa.string())
        changes: dict[str, Changes] = {}
        for collection in sorted({*old, *self._runs}):
            with ExitStack() as files:
                before = None
                if collection in old:
                    before = files.enter_context(_Source(self._folder / file_of(collection), kept))
                runs = [files.enter_context(_Source(path, None)) for path in self._runs.get(collection, [])]
                changes[collection] = change = _changes(before, runs)
                if change.items and (runs or (before is not None and before.dropped)):
                    _merge(runs if before is None else [before, *runs], self._aside / file_of(collection))
                    self._fresh.append(file_of(collection))
        _write_state(self._aside / _STATE, state)
        self._fresh.append(_STATE)
        self._items = {name: change.items for name, change in changes.items() if change.items}
        self._gone = [file_of(name) for name, change in changes.items() if not change.items]
        return changes

    def publish(self, root: str, report: Mapping[str, Any]) -> None:
        """Move everything merged into place; the manifest last."""
        for name in self._fresh:
            (self._aside / name).replace(self._folder / name)
        for name in self._gone:
            (self._folder / name).unlink(missing_ok=True)
        files = {name: identity(self._folder / name) for name in (*map(file_of, self._items), _STATE)}
        said = {"format": _FORMAT, "root": root, "items": self._items, "files": files, "report": dict(report)}
        fresh = self._aside / MANIFEST
        fresh.write_text(json.dumps(said, indent=1), encoding="utf-8")
        fresh.replace(self._folder / MANIFEST)


def identity(path: Path) -> tuple[int, int]:
    """Return size and time of change of a file."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def is_whole(folder: Path, manifest: Manifest) -> bool:
    """Return True when every file of the index is the one its manifest was written for."""
    try:
        return all(identity(folder / name) == tuple(known) for name, known in manifest.files.items())
    except FileNotFoundError:
        return False


class _Source:
    """A sorted table in a file, read piece by piece from its beginning to its end."""

    def __init__(self, path: Path, kept: pa.Array | None) -> None:
        self._file = pq.ParquetFile(path)
        self.schema = self._file.schema_arrow
        light = self._file.read(columns=["id", "bbox", "datetime", FOLDER])
        stays = np.ones(light.num_rows, bool) if kept is None else pc.is_in(light[FOLDER], kept).to_numpy()
        self.rows = np.flatnonzero(stays)
        self.cells, self.times = (keys[self.rows] for keys in sort_keys(light))
        self.ids = light["id"]
        self.dropped = light.num_rows - len(self.rows)
        groups = [self._file.metadata.row_group(n).num_rows for n in range(self._file.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(groups)]).astype(np.int64)
        self._piece: tuple[int, int, pa.Table] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # An open file that is removed leaves a trace on a network file system.
        self._file.close()

    def take(self, rows: NDArray[np.int64]) -> pa.Table:
        """Return rows by number; a piece read for the last call is used again."""
        first, last = np.searchsorted(self._starts, (rows.min(), rows.max()), side="right") - 1
        if self._piece is None or self._piece[:2] != (first, last):
            self._piece = (int(first), int(last), self._file.read_row_groups(list(range(first, last + 1))))
        return self._piece[2].take(pa.array(rows - self._starts[first]))


def _changes(before: _Source | None, runs: Sequence[_Source]) -> Changes:
    fresh: set[str] = set()
    total = 0
    for run in runs:
        fresh.update(run.ids.to_pylist())
        total += len(run.rows)
    if before is None:
        return Changes(added=len(fresh), items=total, twice=total - len(fresh))
    stays = set(before.ids.take(pa.array(before.rows)).to_pylist())
    went = set(before.ids.to_pylist()) - stays
    total += len(before.rows)
    return Changes(
        added=len(fresh - went - stays),
        removed=len(went - fresh),
        updated=len(fresh & (went | stays)),
        items=total,
        twice=total - len(fresh | stays),
    )


def _merge(sources: Sequence[_Source], path: Path) -> None:
    """Write all rows of sorted sources, sorted, without holding more than a piece of each."""
    from stac_geoparquet.arrow import to_parquet  # brings pandas along, which a search does not need

    schema = unified(source.schema for source in sources)
    cells, times = (np.concatenate([getattr(source, key) for source in sources]) for key in ("cells", "times"))
    owner = np.repeat(np.arange(len(sources)), [len(source.rows) for source in sources])
    rows = np.concatenate([source.rows for source in sources])
    order = np.lexsort((rows, owner, times, cells))

    def batches() -> Iterator[pa.RecordBatch]:
        for start in range(0, len(order), _PIECE):
            piece = order[start : start + _PIECE]
            owners = owner[piece]
            used = np.unique(owners)
            tables = [conformed(sources[n].take(rows[piece[owners == n]]), schema) for n in used]
            # Where each row of the piece is in the tables put one after another.
            place = np.empty(len(piece), np.int64)
            place[np.argsort(owners, kind="stable")] = np.arange(len(piece))
            yield from pa.concat_tables(tables).take(pa.array(place)).combine_chunks().to_batches(_GROUP)

    to_parquet(pa.RecordBatchReader.from_batches(schema, batches()), path, compression="zstd")


def _write_state(path: Path, state: State) -> None:
    names = sorted(state)
    columns: dict[str, list[Any]] = {"folder": names}
    for key in ("mtime_ns", "files", "folders", "measured"):
        columns[key] = [getattr(state[name], key) for name in names]
    columns["problems"] = [
        [{"path": p.path, "reason": p.reason, "may_pass": p.may_pass} for p in state[name].problems] for name in names
    ]
    pq.write_table(
        pa.table({f.name: pa.array(columns[f.name], f.type) for f in _STATE_SCHEMA}), path, compression="zstd"
    )
