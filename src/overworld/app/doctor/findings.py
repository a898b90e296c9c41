"""What a check says: fine, a warning or a problem; what was found; and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct


class Level(StrEnum):
    """How bad it is: a server does not start or must not run with a `problem`; it can live with a `warning`."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(Struct, frozen=True):
    """One check's outcome; `advice` is what to do, empty where all is well."""

    check: str
    level: Level
    found: str
    advice: str = ""


def ok(check: str, found: str) -> Finding:
    """All is well."""
    return Finding(check, Level.OK, found)


def warning(check: str, found: str, advice: str) -> Finding:
    """It works, and may not for long or not well."""
    return Finding(check, Level.WARNING, found, advice)


def problem(check: str, found: str, advice: str) -> Finding:
    """It does not work."""
    return Finding(check, Level.PROBLEM, found, advice)


def lines(findings: Sequence[Finding]) -> list[str]:
    """A line for each finding, and one below it for what to do."""
    width = max(len(finding.check) for finding in findings)
    shown: list[str] = []
    for finding in findings:
        head = f"{finding.level:<7}  {finding.check:<{width}}  "
        shown.append(head + finding.found)
        if finding.advice:
            shown.append(f"{'':<7}  {'':<{width}}  -> {finding.advice}")
    return shown


def summary(findings: Sequence[Finding]) -> str:
    """One line for all."""
    count = _counted(findings)
    parts = [f"{count[level]} {level}{'s' * (count[level] != 1)}" for level in (Level.PROBLEM, Level.WARNING)]
    return f"{len(findings)} checks: {', '.join(parts)}"


def as_json(findings: Sequence[Finding], *, version: str) -> dict[str, Any]:
    """The findings as programs read them."""
    count = _counted(findings)
    return {
        "version": version,
        "checks": [msgspec.structs.asdict(finding) for finding in findings],
        "ok": count[Level.OK],
        "warnings": count[Level.WARNING],
        "problems": count[Level.PROBLEM],
    }


def code_of(findings: Sequence[Finding]) -> int:
    """The exit code: 1 when there is a problem."""
    return int(any(finding.level is Level.PROBLEM for finding in findings))


def _counted(findings: Sequence[Finding]) -> Counter[Level]:
    return Counter(finding.level for finding in findings)
