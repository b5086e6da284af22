"""What was measured, as tables: on the screen while it runs, and in results.md."""

from __future__ import annotations

import argparse
import datetime as dt
import importlib.metadata
import os
import platform
import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import scenes
import targets
import workloads

_NAMES = {
    "decode_limit": "decode limit", "rasterio_hand": "rasterio by hand", "odc_dask": "odc-stac, dask",
    "odc_tuned": "odc-stac, tuned", "stackstac_dask": "stackstac", "exactextract_zones": "exactextract",
    "ours_lazy": "terrascope_nb, lazy", "ours_verbs": "terrascope_nb, fused",
    "ours_unchecked": "terrascope_nb, fused, unchecked",
}  # fmt: skip
_LIBRARIES = (
    "terrascope-nb", "odc-stac", "odc-loader", "stackstac", "rasterio", "exactextract", "bottleneck", "xarray", "dask",
    "numpy", "imagecodecs",
)  # fmt: skip

Rounds = dict[str, list[dict[str, Any]]]


def name_of(tool: str) -> str:
    """Return a tool's name for people."""
    return _NAMES[tool]


def good(rounds: Rounds, tool: str) -> list[dict[str, Any]]:
    """Return the rounds of a tool that gave a result."""
    return [one for one in rounds.get(tool, ()) if "error" not in one]


def median(rounds: Rounds, tool: str, measure: str) -> float | None:
    """Return the median of a measure over the rounds."""
    values = [one[measure] for one in good(rounds, tool) if one.get(measure) is not None]
    return statistics.median(values) if values else None


def ratio(rounds: Rounds, ours: str, others: Sequence[str], measure: str) -> float | None:
    """Return how many times as long the fastest of the others takes: the median of the rounds' own ratios."""
    found = []
    for number, mine in enumerate(rounds.get(ours, ())):
        theirs = [
            rounds[other][number][measure]
            for other in others
            if other in rounds and rounds[other][number].get(measure) is not None
        ]
        if theirs and mine.get(measure):
            found.append(min(theirs) / mine[measure])
    return statistics.median(found) if found else None


def _checks(rounds: Rounds, tool: str) -> str:
    said = list(dict.fromkeys(one["check"] for one in good(rounds, tool) if "check" in one))
    failed = [one["error"] for one in rounds[tool] if "error" in one]
    return "; ".join([*said[:2], *failed[:1]])


def workload_rows(rounds: Rounds) -> list[list[str]]:
    """Return a row per tool: times, memory, ratios, and whether the result is right."""
    rows = []
    for tool in rounds:
        cells = [name_of(tool)]
        for measure, digits in (("call", 3), ("warm", 3), ("process", 2), ("cpu", 2), ("peak", 0), ("above", 0)):
            value = median(rounds, tool, measure)
            cells.append("" if value is None else f"{value:.{digits}f}")
        for ours in ("ours_lazy", "ours_verbs"):
            for measure in ("warm" if median(rounds, ours, "warm") is not None else "call", "cpu"):
                times = ratio(rounds, ours, (tool,), measure)
                cells.append("" if times is None or tool == ours else f"{times:.2f}")
        if any("requests" in one for one in good(rounds, tool)):
            asked, sent = median(rounds, tool, "requests"), median(rounds, tool, "bytes")
            cells.append(f"{asked:.0f} requests, {(sent or 0) / 1e6:.0f} MB; {_checks(rounds, tool)}")
        else:
            cells.append(_checks(rounds, tool))
        rows.append(cells)
    return rows


HEAD = [
    "tool",
    "call s",
    "warm s",
    "process s",
    "CPU s",
    "peak MB",
    "above imports MB",
    "/ lazy",
    "CPU / lazy",
    "/ fused",
    "CPU / fused",
    "result",
]


def workload_text(workload: str, rounds: Rounds, given: argparse.Namespace) -> str:
    """Return a workload's table for the screen."""
    rows = [HEAD, *workload_rows(rounds)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(
            c.ljust(w) if i in (0, len(HEAD) - 1) else c.rjust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(["", f"{workload}: {_title(workload, given)}", *lines])


def _title(workload: str, given: argparse.Namespace) -> str:
    size = scenes.FULL if given.full else scenes.SMALL
    return workloads.make_case(workload, given.archive, size, given.seed, "http://127.0.0.1").title


def verdicts(found: dict[str, Rounds]) -> list[list[str]]:
    """Return a row per target: workload, what was aimed at, what was measured, reached or not."""
    rows = []
    for target in targets.TARGETS:
        rounds = found.get(target.workload)
        if rounds is None:
            continue
        value, text = _measured(target, rounds)
        if value is None:
            rows.append([target.workload, target.text(), "not measured", ""])
            continue
        limit = target.number + (_result_mb(rounds, target.ours) if target.beside_result else 0.0)
        reached = value <= limit if target.at_most else value >= target.number
        rows.append([target.workload, target.text(), text, "reached" if reached else "not reached"])
    return rows


def _measured(target: targets.Target, rounds: Rounds) -> tuple[float | None, str]:
    if not target.against:
        value = median(rounds, target.ours, target.measure)
        unit = "s" if target.measure == "call" else "MB"
        return value, "" if value is None else f"{value:.2f} {unit}" if unit == "s" else f"{value:.0f} {unit}"
    times = ratio(rounds, target.ours, target.against, target.measure)
    if times is not None and target.at_most:
        times = 1 / times
    return times, "" if times is None else f"{times:.2f} ×"


def _result_mb(rounds: Rounds, tool: str) -> float:
    return max((one.get("size", 0.0) for one in good(rounds, tool)), default=0.0)


def targets_text(found: dict[str, Rounds]) -> str:
    """Return the targets for the screen."""
    rows = verdicts(found)
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)


def write(path: Path, found: dict[str, Rounds], given: argparse.Namespace) -> None:
    """Write the tables into the part of results.md that is about loading; other parts stay."""
    lines = [
        *_preface(given, _count(found.values())),
        "",
        "### Targets",
        "",
        *table(["", "target", "measured", ""], verdicts(found)),
    ]
    for workload, rounds in found.items():
        title = f"### {workload}: {_title(workload, given)}; rounds: {_count([rounds])}"
        lines += ["", title, "", *table(HEAD, workload_rows(rounds))]
    put_section(path, "Loading", lines)


def _count(several: Iterable[Rounds]) -> str:
    """Return how many rounds some workloads had."""
    counts = sorted({len(one) for rounds in several for one in rounds.values()})
    return " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))


def put_section(path: Path, title: str, lines: Sequence[str]) -> None:
    """Put a section of second level in place of the one of that title, or at the end."""
    text = path.read_text() if path.exists() else "# Benchmarks\n\nWritten by `make bench`; not by hand.\n"
    begin, end = f"<!-- {title} -->", f"<!-- end of {title} -->"
    section = "\n".join([begin, f"## {title}", "", *lines, end])
    if begin in text:
        text = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: section, text, flags=re.DOTALL)
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    path.write_text(text)


def machine() -> str:
    """Return cores, memory and system, without names."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores ({platform.machine()}), {pages * size / 2**30:.0f} GB of memory, {platform.system()}"


def versions() -> str:
    """Return the versions of Python and of the libraries."""
    found = [f"Python {platform.python_version()}"]
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def _preface(given: argparse.Namespace, rounds: str) -> list[str]:
    size = scenes.FULL if given.full else scenes.SMALL
    command = "python benchmarks/loading/bench.py" + (" --full" if given.full else "") + f" --seed {given.seed}"
    load = os.getloadavg()[2]
    busy = [
        "**The machine was busy with other work: seconds and their ratios are disturbed, processor seconds less so.**",
        "",
    ]
    return [
        *(busy if load > 1.5 * given.threads else []),
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()}; load of the last 15 minutes {load:.1f}. {versions()}.",
        "",
        (
            f"`{command}`: {size.name} archive (tiles of {size.side} x {size.side}, scenes of {size.radar[1]} x "
            f"{size.radar[0]} pixels, generated), {rounds} rounds with areas drawn anew from the seed, "
            f"{given.threads} threads. Tools are interleaved, each run is a process of its own, "
            "the page cache is warm, no result is kept."
        ),
        "",
        (
            "*call*: items given, result in memory, first call of a fresh process after imports. *warm*: later calls in that "
            "process. *process*: from the start of Python to the first result. *peak*: most memory the process held; *above "
            "imports*: what of it came after them. */ lazy*, */ fused*: how many times as long the tool takes as ours "
            "(warm where there is a warm column), median of the rounds; *CPU /* is the same in processor seconds, which others' work "
            "on the machine disturbs less. *fused*: a verb that streams; for W1 and W6 `preview`. *result*: compared with rasterio's in each round. The "
            "decode limit decodes the native blocks under the area and does nothing else."
        ),
    ]  # fmt: skip


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]
