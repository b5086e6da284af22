"""How do time and memory grow from 10 to 2 000 dates, and how much slower is the first call than the next?

    python benchmarks/growth.py

Masked NDVI of 2 x 2 km; each number of dates and each job in a process of its own, three times. Writes growth.png among the
results and its numbers into results.md.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "loading"))

import report  # noqa: E402
import scenes  # noqa: E402 - it lies beside the loading benchmark
import workloads  # noqa: E402

JOBS = {
    "series": "fused: mean of the area on every date (`time_series`)",
    "lazy": "lazy: the same in plain xarray",
    "median": "fused: median composite",
}
DATES = (10, 50, 200, 500, 1000, 2000)


def one(job: str, dates: int, root: Path, seed: int) -> dict[str, float]:
    """Do a job twice in this process; return seconds of both calls, processor seconds of the first, memory."""
    from one_run import peak_mb

    import terrascope_nb as ts
    from tools import ours

    warnings.simplefilter("ignore")
    case = _case(dates, root, seed)
    items = ours.items_of(case, "load", "compute", "composite", "time_series", "spectral_index", "area")

    def run() -> Any:
        cube = ours.cube_of(case, items)
        if job == "lazy":
            ndvi = (cube["B08"] - cube["B04"]) / (cube["B08"] + cube["B04"])
            return ts.compute(ndvi.mean(("x", "y")), progress=False).values
        ndvi = ts.spectral_index(cube, "NDVI")
        if job == "median":
            return ts.composite(ndvi, "median").values
        return ts.time_series(ndvi, ts.area(case.bounds, crs="EPSG:32631"), stats=("mean",))

    before, found = peak_mb(), {}
    for name in ("first", "warm"):
        cpu, began = time.process_time(), time.perf_counter()
        run()
        found |= {name: time.perf_counter() - began, f"{name} cpu": time.process_time() - cpu}
        if name == "first":
            found |= {"peak": peak_mb(), "above": peak_mb() - before}
    return found


def _case(dates: int, root: Path, seed: int) -> workloads.Case:
    case = workloads.make_case("W2", root, scenes.SMALL, seed)
    left, bottom, _, _ = case.bounds
    first = dt.datetime(2016, 1, 1, 10, 46, 19, tzinfo=dt.UTC)
    items = [
        scenes.tile_item(
            scenes.SMALL,
            "31UFS",
            first + dt.timedelta(days=2 * n),
            {key: asset["href"] for key, asset in case.items[n % len(case.items)]["assets"].items()},
        )
        for n in range(dates)
    ]
    return replace(case, items=items, bounds=(left, bottom, left + 2000, bottom + 2000))


def measure(root: Path, seed: int, rounds: int) -> dict[str, dict[int, dict[str, float]]]:
    """Return job -> dates -> medians."""
    runs: dict[tuple[str, int], list[dict[str, float]]] = {}
    for number in range(rounds):
        for dates in DATES:
            for job in JOBS:
                command = [sys.executable, __file__, "--one", job, "--dates", str(dates), "--archive", str(root)]
                done = subprocess.run(
                    [*command, "--seed", str(seed + number)], capture_output=True, text=True, check=True
                )
                runs.setdefault((job, dates), []).append(json.loads(done.stdout.splitlines()[-1]))
    return {
        job: {
            dates: {name: statistics.median(run[name] for run in runs[job, dates]) for name in runs[job, dates][0]}
            for dates in DATES
        }
        for job in JOBS
    }


def draw(found: dict[str, dict[int, dict[str, float]]], path: Path) -> None:
    """Draw time and memory against the number of dates."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, (times, memory) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for job, words in JOBS.items():
        dates = list(found[job])
        label = words.replace("`", "")
        times.plot(dates, [found[job][n]["warm cpu"] for n in dates], marker="o", label=label)
        memory.plot(dates, [found[job][n]["peak"] for n in dates], marker="o", label=label)
    times.set(xlabel="dates", ylabel="processor seconds, warm call", xlim=0, ylim=0)
    memory.set(xlabel="dates", ylabel="peak memory, MB", xlim=0, ylim=0)
    memory.legend(loc="lower right", fontsize="small")
    figure.suptitle("Masked NDVI of 2 x 2 km")
    figure.savefig(path, dpi=120)


def write(found: dict[str, dict[int, dict[str, float]]], path: Path, command: str) -> None:
    """Write the numbers into results.md."""
    said = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {report.machine()}; load of the last 15 minutes {os.getloadavg()[2]:.1f}. "
    lines = [said + f"`{command}`: masked NDVI of 2 x 2 km, each row the median of processes of its own."]
    for job, words in JOBS.items():
        rows = [
            [
                f"{dates}",
                f"{one['first']:.2f}",
                f"{one['warm']:.2f}",
                f"{one['first cpu'] / one['warm cpu']:.2f}",
                f"{one['warm cpu']:.2f}",
                f"{1000 * one['warm cpu'] / dates:.1f}",
                f"{one['peak']:.0f}",
                f"{one['above']:.0f}",
            ]
            for dates, one in found[job].items()
        ]
        head = [
            "dates",
            "first call s",
            "warm call s",
            "first / warm (CPU)",
            "warm CPU s",
            "CPU ms per date",
            "peak MB",
        ]
        lines += ["", f"### {words}", "", *report.table([*head, "above imports MB"], rows)]
    report.put_section(path, "Growth", lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, default=None)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--write", type=Path, default=HERE / "results.md")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--one", choices=list(JOBS), help=argparse.SUPPRESS)
    parser.add_argument("--dates", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    root = (given.archive or given.results / "archive-small").resolve()
    if given.one:
        print(json.dumps(one(given.one, given.dates, root, given.seed)))
        return
    import archive  # rasterio and PROJ: not in the processes that are measured

    archive.build(root, scenes.SMALL)
    given.results.mkdir(parents=True, exist_ok=True)
    found = measure(root, given.seed, given.rounds)
    draw(found, given.results / "growth.png")
    write(found, given.write, f"python benchmarks/growth.py --rounds {given.rounds} --seed {given.seed}")
    for job, rows in found.items():
        for dates, row in rows.items():
            print(f"{job:8}{dates:6}", "  ".join(f"{name} {value:.2f}" for name, value in row.items()))


if __name__ == "__main__":
    main()
