"""Memory and cores under control groups of both kinds, read from a fake /proc and /sys."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from terrascope_nb.host.limits import available_memory, cores

MB = 1024 * 1024


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(autouse=True)
def a_large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    free = psutil.virtual_memory()._replace(available=64_000 * MB)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    monkeypatch.setattr("terrascope_nb.host.limits._affinity", lambda: 16)


def test_without_control_groups_the_free_memory_of_the_machine_counts(tmp_path: Path) -> None:
    assert available_memory(root=tmp_path) == 64_000 * MB
    assert cores(root=tmp_path) == 16


def test_a_v2_limit_counts_and_reclaimable_file_cache_is_not_used_memory(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{8000 * MB}\n",
            "sys/fs/cgroup/memory.current": f"{5000 * MB}\n",
            "sys/fs/cgroup/memory.stat": f"anon 1\nactive_file {999 * MB}\ninactive_file {2000 * MB}\n",
        },
    )
    assert available_memory(root=tmp_path) == 5000 * MB


def test_the_limit_of_a_parent_group_binds_too(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/user.slice/jupyter-ann.service\n",
            "sys/fs/cgroup/user.slice/memory.max": f"{2000 * MB}\n",
            "sys/fs/cgroup/user.slice/memory.current": f"{500 * MB}\n",
            "sys/fs/cgroup/user.slice/jupyter-ann.service/memory.max": "max\n",
            "sys/fs/cgroup/user.slice/jupyter-ann.service/memory.current": f"{100 * MB}\n",
        },
    )
    assert available_memory(root=tmp_path) == 1500 * MB


def test_memory_high_counts_since_above_it_everything_crawls(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "max\n",
            "sys/fs/cgroup/memory.high": f"{300 * MB}\n",
            "sys/fs/cgroup/memory.current": f"{100 * MB}\n",
        },
    )
    assert available_memory(root=tmp_path) == 200 * MB


def test_a_v1_limit_counts_and_its_huge_number_for_no_limit_does_not(tmp_path: Path) -> None:
    v1 = {
        "proc/self/cgroup": "5:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n",
        # As in a container: the host's path is not mounted, its content is the top folder.
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{4000 * MB}\n",
        "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{3000 * MB}\n",
        "sys/fs/cgroup/memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {1000 * MB}\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    }
    write(tmp_path, v1)
    assert available_memory(root=tmp_path) == 2000 * MB
    assert cores(root=tmp_path) == 2

    write(tmp_path, {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"})
    write(tmp_path, {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n"})
    assert available_memory(root=tmp_path) == 64_000 * MB
    assert cores(root=tmp_path) == 16


@pytest.mark.parametrize(("cpu_max", "expected"), [("max 100000", 16), ("400000 100000", 4), ("50000 100000", 1)])
def test_a_v2_quota_limits_the_cores_and_never_below_one(tmp_path: Path, cpu_max: str, expected: int) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": cpu_max + "\n"})
    assert cores(root=tmp_path) == expected


def test_more_used_than_allowed_is_zero_and_not_negative(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "100\n",
            "sys/fs/cgroup/memory.current": "200\n",
        },
    )
    assert available_memory(root=tmp_path) == 0


def test_a_path_that_climbs_out_of_the_mount_is_not_followed(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/../outside\n",
            "sys/fs/outside/memory.max": "10\n",
            "sys/fs/outside/memory.current": "1\n",
            "sys/fs/cgroup/memory.max": "max\n",
        },
    )
    assert available_memory(root=tmp_path) == 64_000 * MB


def test_unreadable_or_odd_files_mean_no_limit_rather_than_a_crash(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "", "sys/fs/cgroup/cpu.max": ""})
    (tmp_path / "sys/fs/cgroup/memory.current").mkdir()
    assert available_memory(root=tmp_path) == 64_000 * MB
    assert cores(root=tmp_path) == 16


def test_the_real_machine_answers_at_most_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert 0 < available_memory() <= psutil.virtual_memory().total
    assert 1 <= cores() <= (os.cpu_count() or 1)
