"""Check and Report: what the doctor found, for a notebook, a terminal or a program."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warn", "problem"]
_COLOURS = {"ok": "#1a7f37", "warn": "#9a6700", "problem": "#b42318"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    """A word or two: ``network``, ``GDAL``."""
    status: Status
    """``ok``; ``warn``: works, but will surprise you; ``problem``: something will fail."""
    what: str
    """What was seen, in one sentence."""
    cure: str = ""
    """What to do about it, in one line; empty when ok."""

    def __post_init__(self) -> None:
        if (self.status != "ok") != bool(self.cure):
            raise ValueError(f"check {self.name}: a cure belongs to every warning and problem, and to nothing else")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything the doctor looked at, in a fixed order."""

    checks: tuple[Check, ...]
    """The checks."""
    seconds: float
    """How long it took."""
    title: str = "terrascope_nb"
    """Package and version."""

    @property
    def problems(self) -> tuple[Check, ...]:
        """The checks that found a problem."""
        return tuple(check for check in self.checks if check.status == "problem")

    @property
    def warnings(self) -> tuple[Check, ...]:
        """The checks that found something to know."""
        return tuple(check for check in self.checks if check.status == "warn")

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __len__(self) -> int:
        return len(self.checks)

    def __getitem__(self, name: str) -> Check:
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(f"no check is called {name!r}; there are: {', '.join(check.name for check in self.checks)}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries and lists, ready for JSON."""
        return {
            "title": self.title,
            "seconds": round(self.seconds, 2),
            "problems": len(self.problems),
            "warnings": len(self.warnings),
            "checks": [asdict(check) for check in self.checks],
        }

    def summary(self) -> str:
        """Return one line: how many problems and warnings, and how long it took."""
        if not self.problems and not self.warnings:
            found = "all well"
        else:
            found = f"{_count(len(self.problems), 'problem')}, {_count(len(self.warnings), 'warning')}"
        return f"{self.title}: {found} ({len(self.checks)} checks, {self.seconds:.1f} s)"

    def __repr__(self) -> str:
        width = max((len(check.name) for check in self.checks), default=0)
        lines = [self.summary()]
        for check in self.checks:
            lines.append(f"  {check.status:<7}  {check.name:<{width}}  {check.what}")
            if check.cure:
                lines.append(f"  {'':<7}  {'':<{width}}  cure: {check.cure}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        left = "style='text-align:left;vertical-align:top'"
        rows = []
        for check in self.checks:
            cure = f"<br><em>{html.escape(check.cure)}</em>" if check.cure else ""
            rows.append(
                f"<tr><td {left}><strong style='color:{_COLOURS[check.status]}'>{check.status}</strong></td>"
                f"<th scope='row' {left}>{html.escape(check.name)}</th><td {left}>{html.escape(check.what)}{cure}</td></tr>"
            )
        return f"<p>{html.escape(self.summary())}</p><table><tbody>{''.join(rows)}</tbody></table>"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number or 'no'} {noun}s"
