"""docs/security.md names tests that are there, for every attack that it names and for every file of attacks."""

from __future__ import annotations

import ast
import re

from tests.docs.pages import ROOT, read

PAGE = read("docs/security.md")
ROW = re.compile(r"^\| (?P<attack>[^|]+) \| (?P<promise>[^|]+) \| (?P<tests>`tests/[^|]+) \|$", re.MULTILINE)
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ATTACKS = (
    *(
        "credential stuffing",
        "user enumeration by answer",
        "user enumeration by time",
        "token forgery",
        "refresh replay",
    ),
    *("session fixation", "ids of others", "mass assignment", "scope escalation", "header injection", "ReDoS"),
    *("oversized and nested bodies", "path traversal", "image bombs", "SSRF", "log injection", "leaks"),
)


def names_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}


def attacks() -> str:
    """The section with the table."""
    return PAGE.text.partition("\n## Attacks")[2].partition("\n## ")[0]


def test_every_test_that_is_named_is_there():
    named = NAMED.findall(PAGE.text)
    assert len(named) > 50
    assert [f"{file}::{name}" for file, name in named if name not in names_of(file)] == []


def test_every_attack_that_is_named_has_tests():
    rows = [line for line in attacks().splitlines() if line.startswith("| ")][1:]
    assert len(rows) > len(ATTACKS)
    assert [row for row in rows if not (found := ROW.match(row)) or not NAMED.findall(found["tests"])] == []


def test_every_attack_that_there_is_to_be_is_named():
    assert set(ATTACKS) <= {row["attack"] for row in ROW.finditer(PAGE.text)}


def test_every_file_of_attacks_is_named():
    files = {f"tests/security/{file.name}" for file in (ROOT / "tests" / "security").glob("test_*.py")}
    assert files == {file for file, _ in NAMED.findall(PAGE.text) if file.startswith("tests/security/")}
