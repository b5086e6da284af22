"""Memory and cores truly ours: what a control group leaves us, not what the machine has."""

from __future__ import annotations

import functools
import os
from pathlib import Path

_NO_LIMIT = 1 << 60  # cgroup v1 writes a page-rounded LONG_MAX where there is no limit


def available_memory(*, root: Path = Path("/")) -> int:
    """Return how many bytes this process can still take before something stops it.

    That is the free memory of the machine, or less where a control group (a container, a notebook server, a batch job)
    sets a limit: the limit minus what is used, where file cache that the kernel would give back is not counted as used.
    Every level of the hierarchy counts, since a parent group's limit binds its children.

    Parameters
    ----------
    root : Path
        Where ``/proc`` and ``/sys`` are; another folder in tests.

    Returns
    -------
    int
        Bytes, never negative.

    Examples
    --------
    >>> available_memory() > 0
    True
    """
    import psutil  # only where memory is asked for: a preview does without

    room = [int(psutil.virtual_memory().available)]
    for folder in _levels(root, "memory"):
        for limit, used in (("memory.max", "memory.current"), ("memory.high", "memory.current")):
            room += _room(folder, limit, used, "inactive_file")
        room += _room(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    return max(0, min(room))


def cores(*, root: Path = Path("/")) -> int:
    """Return how many processor cores this process may keep busy, at least 1.

    The smaller of the cores it may run on (affinity) and the whole cores of a control group's quota.

    Parameters
    ----------
    root : Path
        Where ``/proc`` and ``/sys`` are; another folder in tests.

    Examples
    --------
    >>> cores() >= 1
    True
    """
    found = [float(_affinity())]
    for folder in _levels(root, "cpu"):
        quota, period = (_text(f"{folder}/cpu.max").split() or ["max", ""])[:2]
        if quota == "max":
            quota, period = _text(f"{folder}/cpu.cfs_quota_us"), _text(f"{folder}/cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            found.append(int(quota) / int(period))
    return max(1, int(min(found)))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _levels(root: Path, controller: str) -> tuple[str, ...]:
    """Folders of this process's control groups that rule `controller`, from the innermost to the outermost."""
    return _folders(root, controller, _text(f"{root}/proc/self/cgroup"))


@functools.lru_cache(maxsize=16)
def _folders(root: Path, controller: str, groups: str) -> tuple[str, ...]:
    """Return the folders of control groups; looked for again when the process is moved to others."""
    mount = root / "sys/fs/cgroup"
    found: dict[str, None] = {}
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            tops = [mount, mount / "unified"]
        elif controller in controllers.split(","):
            tops = [mount / controllers, mount / controller]
        else:
            continue
        # In a container the path may be the host's while only its last part is mounted: what is not here is skipped.
        inside = Path(path.strip().lstrip("/"))
        for top in tops:
            for part in (inside, *inside.parents):
                if ".." not in part.parts and (top / part).is_dir():
                    found[str(top / part)] = None
    return tuple(found)


def _room(folder: str, limit_file: str, used_file: str, cache_key: str) -> list[int]:
    limit = _text(f"{folder}/{limit_file}")
    if not limit.isdigit() or int(limit) >= _NO_LIMIT:
        return []
    used = _text(f"{folder}/{used_file}")
    if not used.isdigit():
        return []
    cache = 0
    for line in _text(f"{folder}/memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key == cache_key and value.strip().isdigit():
            cache = int(value)
    return [int(limit) - max(0, int(used) - cache)]


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - asked for every verb, and a Path takes longer
            return file.read().strip()
    except (OSError, UnicodeDecodeError):  # no such file on this kind of system, or not ours to read: no limit known
        return ""
