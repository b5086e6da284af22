"""One tool, one workload, one fresh process: prints one line of JSON and saves the result for the comparison."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import resource
import statistics
import time
import warnings
from pathlib import Path

import scenes
import workloads


def peak_mb() -> float:
    """Return the most memory this process ever held; unlike ru_maxrss it does not count the parent's."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    kilobytes = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tool")
    parser.add_argument("workload")
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--size", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--base", default="", help="address of the server of W8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warm", type=int, default=0, help="calls after the first")
    parser.add_argument("--out", type=Path, required=True, help="where to save the result")
    parser.add_argument("--started", type=float, required=True, help="time.time() when this process was asked for")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    size = {"small": scenes.SMALL, "full": scenes.FULL}[given.size]
    case = workloads.make_case(given.workload, given.archive, size, given.seed, given.base, given.threads)

    # Preparing (items as the tool takes them) is the same for all and not counted; imports are, in `process`.
    before = time.perf_counter()
    tool = importlib.import_module(f"tools.{given.tool}")
    imported = time.perf_counter() - before
    prepared = [tool.prepare(case)] if hasattr(tool, "prepare") else []
    memory = peak_mb()
    seconds = []
    for _ in range(1 + given.warm):
        cpu, began = time.process_time(), time.perf_counter()
        result = tool.run(case, *prepared)
        seconds.append((time.perf_counter() - began, time.process_time() - cpu))
        if len(seconds) == 1:
            process, peak = time.time() - given.started, peak_mb()
    import numpy as np  # not before: a tool pays for its own imports

    np.save(given.out, np.asarray(result))
    warm = [wall for wall, _ in seconds[1:]]
    print(json.dumps({
        "call": seconds[0][0], "cpu": seconds[0][1], "process": process, "import": imported, "peak": peak,
        "above": peak - memory, "warm": statistics.median(warm) if warm else None,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
