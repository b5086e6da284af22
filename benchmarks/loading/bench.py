"""Time our tool and its peers, interleaved, on one generated archive; print ratios and write results.md.

    python benchmarks/loading/bench.py                 # a small archive, a few minutes
    python benchmarks/loading/bench.py --full          # full-size tiles: 17 GB and an hour or two

Every run is a process of its own (the page cache is warm, no result is kept). Every round draws new areas from the seed, and
each tool's result is compared with that of rasterio in the same round. Ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import archive
import comparison
import report
import scenes

HERE = Path(__file__).parent
REFERENCE = "rasterio_exact"
TOOLS = {
    "W1": "decode_limit rasterio_hand odc_dask stackstac_dask ours_lazy ours_verbs ours_unchecked",
    "W2": "decode_limit rasterio_hand odc_dask odc_tuned stackstac_dask ours_lazy ours_verbs ours_unchecked",
    "W3": "decode_limit rasterio_hand odc_dask odc_tuned ours_lazy ours_verbs",
    "W4": "decode_limit rasterio_hand odc_dask stackstac_dask ours_lazy ours_verbs",
    "W5": "decode_limit rasterio_hand odc_dask exactextract_zones ours_verbs ours_unchecked",
    "W6": "decode_limit rasterio_hand odc_dask ours_verbs",
    "W7a": "decode_limit rasterio_hand odc_dask odc_tuned ours_lazy ours_verbs ours_unchecked",
    "W7b": "rasterio_hand odc_dask odc_tuned ours_lazy ours_verbs",
    "W8": "rasterio_hand odc_dask odc_tuned ours_lazy ours_verbs",
    "W9": "decode_limit rasterio_hand odc_dask odc_tuned ours_lazy ours_verbs ours_unchecked",
    "graph": "odc_dask ours_lazy",
}
WARM = {"W1": 5, "W6": 5}
"""Calls after the first, where the warm one counts."""


def one(tool: str, workload: str, seed: int, given: argparse.Namespace, base: str, folder: Path) -> dict[str, Any]:
    """Run a tool on a workload in a fresh process; return what it measured, or the error."""
    out = folder / f"{workload}-{tool}.npy"
    command = [
        sys.executable, str(HERE / "one_run.py"), tool, workload, "--archive", str(given.archive), "--size", given.size,
        "--seed", str(seed), "--threads", str(given.threads), "--warm", str(WARM.get(workload, 0)), "--out", str(out),
        "--base", base if workload == "W8" else "", "--started", str(time.time()),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": str(given.threads)}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=given.timeout, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no result after {given.timeout:g} s"}
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no message"])[-1][:200]}
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if workload == "W8":
        measured |= _counted(base)
    return measured


@contextlib.contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve the archive with 20 ms per request; give the address."""
    process = subprocess.Popen([sys.executable, str(HERE / "server.py"), str(root)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


def _counted(base: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{base}/counted") as answer:
        return dict(json.load(answer))


def measure(given: argparse.Namespace, base: str, folder: Path) -> dict[str, Any]:
    """Run everything; return workload -> tool -> rounds."""
    raw = given.results / "loading.json"
    found: dict[str, Any] = json.loads(raw.read_text()) if given.add else {}
    for workload in given.workloads:
        rounds: dict[str, list[dict[str, Any]]] = found.get(workload) or {
            tool: [] for tool in TOOLS[workload].split() if tool not in given.without
        }
        tools, before = [*rounds], max(map(len, rounds.values()))
        for number in range(before, before + given.rounds):
            seed = given.seed + number
            # What the others are compared with; it also fills the page cache.
            first = one(REFERENCE if workload != "graph" else tools[0], workload, seed, given, base, folder)
            if "error" in first:
                raise SystemExit(f"{workload}: no reference to compare with: {first['error']}")
            # The order changes from round to round: who runs first finds another state of the machine.
            for tool in random.Random(seed).sample(tools, len(tools)):
                rounds[tool].append(one(tool, workload, seed, given, base, folder))
            for tool in tools:
                comparison.compare(rounds[tool][-1], folder, workload, tool, REFERENCE)
            for leftover in folder.iterdir():
                leftover.unlink()
        found[workload] = rounds
        print(report.workload_text(workload, rounds, given), flush=True)
        raw.write_text(json.dumps(found, indent=1))
        report.write(given.write, found, given)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="full-size tiles and scenes")
    parser.add_argument("--archive", type=Path, default=None, help="where the archive is, or is to be made")
    parser.add_argument("--workloads", default=",".join(TOOLS), help="of: " + ", ".join(TOOLS))
    parser.add_argument("--without", default="", help="tools to leave out, with commas between")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--add", action="store_true", help="further rounds to those among the results, of the same seed"
    )
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="folder for the archive and the raw figures"
    )
    parser.add_argument("--write", type=Path, default=HERE.parent / "results.md", help="where the tables go")
    given = parser.parse_args()
    size = scenes.FULL if given.full else scenes.SMALL
    given.size = size.name
    given.workloads = [name for name in given.workloads.split(",") if name]
    given.without = given.without.split(",")
    given.seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    given.archive = (given.archive or given.results / f"archive-{size.name}").resolve()
    print(f"archive ({size.name}) ...", flush=True)
    archive.build(given.archive, size)
    print(f"seed {given.seed}, {given.rounds} rounds, {given.threads} threads", flush=True)
    given.results.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, served(given.archive) as base:
        found = measure(given, base, Path(folder))
    print(report.targets_text(found))


if __name__ == "__main__":
    main()
