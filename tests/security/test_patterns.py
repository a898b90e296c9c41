"""ReDoS: no regular expression of the product takes long over text that was made to make it."""

from __future__ import annotations

import ast
import importlib
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from types import ModuleType
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis.strategies import from_regex

import overworld
from overworld.platform.postgres import lint

SRC = Path(overworld.__file__).parent
FUNCTIONS = {"compile", "match", "search", "fullmatch", "findall", "finditer", "sub", "subn", "split"}
LENGTH = 16_384
# What tools read: files of the operator's own, and our own sources.
TEXTS_OF_OURS = ("app/doctor/", "app/kernel_cache.py", "app/definition.py", "platform/postgres/lint.py")
LENGTH_OF_OURS = 2_048
MOST_S = 0.1
COMMON = ("a", "0", "A", " ", "\t", "\n", ".", "-", "_", "/", ":", '"', "'", "=", "a.", "a-", "0.", "a a")
IN_FUNCTIONS = {
    "domains/accounts/external/providers/steam.py": {"root": "https://steamcommunity.com/openid"},
    "platform/postgres/lint.py": {"pattern": "|".join(f"(?:{each})" for each in lint._BREAKING)},
}
"""Names that a pattern is made of inside a function."""


def module_of(file: Path) -> ModuleType:
    parts = file.relative_to(SRC.parent).with_suffix("").parts
    return importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


def written_in(file: Path) -> Iterator[tuple[int, str, str | bytes, int]]:
    """Line, function, pattern and flags of each regular expression that a file writes down."""
    place = file.relative_to(SRC).as_posix()
    module: dict[str, Any] = vars(module_of(file)) | IN_FUNCTIONS.get(place, {})

    def value(part: ast.expr) -> Any:
        return eval(compile(ast.Expression(part), place, "eval"), module)  # noqa: S307 - our own source

    for node in ast.walk(ast.parse(file.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in {f"re.{each}" for each in FUNCTIONS}:
            given = [each.value for each in node.keywords if each.arg == "flags"]
            given += node.args[1:2] if called == "re.compile" else []
            yield node.lineno, called[3:], value(node.args[0]), int(value(given[0])) if given else 0
        elif called in {"Meta", "Parameter", "msgspec.Meta"}:
            yield from (
                (node.lineno, "search", value(each.value), 0) for each in node.keywords if each.arg == "pattern"
            )


FOUND = [
    (file.relative_to(SRC).as_posix(), *each)
    for file in sorted(SRC.rglob("*.py"))
    if "re." in (text := file.read_text()) or "pattern=" in text
    for each in written_in(file)
]


def pieces_of(pattern: str | bytes, flags: int) -> list[str]:
    """Words and characters of a pattern, and texts that it likes: what adversarial text is made of."""
    text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    words = re.findall(r"[A-Za-z0-9_]{2,}|[^\sA-Za-z0-9\\]", re.sub(r"\\[a-zA-Z]|\(\?P<\w+>", " ", text))
    chosen: list[str] = []

    @settings(max_examples=3, derandomize=True, database=None, phases=[Phase.generate])
    @given(from_regex(re.compile(text, flags & ~re.LOCALE), fullmatch=False))
    def choose(liked: str) -> None:
        chosen.append(liked[:200])

    choose()
    return list(dict.fromkeys([*words, *chosen, *COMMON]))


def attacks_on(pattern: str | bytes, flags: int, *, length: int) -> Iterator[str]:
    """Long texts that nearly match: one piece over and over, two in turn, and a beginning before them."""
    chance = random.Random(7)
    pieces = [each for each in pieces_of(pattern, flags) if each]
    pairs = [(chance.choice(pieces), chance.choice(pieces)) for _ in range(24)]
    bases = [*pieces, *(one + other for one, other in pairs)]
    for base in bases:
        whole = (base * (length // len(base) + 1))[:length]
        yield whole + "\x00!"
    for first in pieces[:5]:
        for base in ("a", "0", " "):
            yield first + base * length + "\x00!"


def taken_s(compiled: re.Pattern[Any], function: str, text: str) -> float:
    """Processor time of one use, the least of three that are long."""
    given: Any = text.encode("utf-8", "replace") if isinstance(compiled.pattern, bytes) else text
    run = getattr(compiled, function if function in {"fullmatch", "match", "search"} else "findall")
    least = float("inf")
    for _ in range(3):
        begun = process_time()
        run(given)
        least = min(least, process_time() - begun)
        if least < MOST_S:
            break
    return least


def use_of(place: str, line: int) -> str:
    """How a compiled pattern is used, by the name that it is given; the use that looks at most where there are more."""
    text = (SRC / place).read_text()
    named = re.match(r"\s*(?:self\.)?(\w+)", text.splitlines()[line - 1])
    uses = set(re.findall(rf"\b{named[1]}\.(\w+)\(", text)) if named else set()
    if uses and uses <= {"fullmatch", "match"}:
        return "match" if "match" in uses else "fullmatch"
    return "search" if not uses & {"findall", "sub", "subn", "split", "finditer"} else "findall"


def test_the_regular_expressions_of_the_product_are_found():
    assert len(FOUND) > 50
    assert {"domains/accounts/rules.py", "platform/observability/redaction.py"} <= {place for place, *_ in FOUND}
    assert sys.version_info >= (3, 11)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "line", "function", "pattern", "flags"), FOUND, ids=[f"{place}:{line}" for place, line, *_ in FOUND]
)
def test_a_pattern_takes_no_longer_over_a_text_that_was_made_for_it(place, line, function, pattern, flags):
    compiled = re.compile(pattern, flags)
    length = LENGTH_OF_OURS if place.startswith(TEXTS_OF_OURS) else LENGTH
    used = function if function != "compile" else use_of(place, line)
    for text in attacks_on(pattern, flags, length=length):
        assert taken_s(compiled, used, text) <= MOST_S, text[:80]
