"""A tour in Markdown as a program: its commands run in order in one shell, and what it says they print is compared.

A block of `bash` or `sh` holds commands; a block of `json` or `text` right after it holds what they print. JSON is
compared by its shape: the same keys, values of the same types, and a few that must be equal. Of text each line has to
be among those printed, in that order, and `...` in it stands for anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from tests.docs.pages import Page

COMMANDS = ("bash", "sh")
SHOWN = ("json", "text")
_EXACT = (".status", ".accepted", ".code")


class Step(Struct, frozen=True):
    """The commands of one block, and what they should print: the kind and the text, empty where nothing is said."""

    commands: str
    kind: str = ""
    shown: str = ""


def steps(page: Page) -> list[Step]:
    """The steps of a tour."""
    found: list[Step] = []
    was_command = False
    for block in page.blocks:
        if block.language in COMMANDS:
            found.append(Step(block.text))
        elif was_command and block.language in SHOWN:
            found[-1] = Step(found[-1].commands, block.language, block.text)
        was_command = block.language in COMMANDS
    return found


def with_ports(text: str, ports: Mapping[int, int]) -> str:
    """The text with the ports of its addresses replaced by those in use."""
    return re.sub(r"(?<=127\.0\.0\.1:)\d{4}\b", lambda port: str(ports.get(int(port[0]), port[0])), text)


def differences(step: Step, printed: str) -> list[str]:
    """Where what was printed is not what is shown, a line each."""
    if step.kind == "json":
        try:
            got = msgspec.json.decode(printed)
        except msgspec.DecodeError as error:
            return [f"no JSON ({error}): {printed}"]
        return list(_shapes(msgspec.json.decode(step.shown), got, "$"))
    return list(_lines(step.shown.splitlines(), printed.splitlines()))


def _shapes(shown: Any, got: Any, at: str) -> Iterator[str]:
    if isinstance(shown, dict) and isinstance(got, dict):
        if shown.keys() != got.keys():
            yield f"{at}: shown {sorted(shown)}, got {sorted(got)}"
        for name in shown.keys() & got.keys():
            yield from _shapes(shown[name], got[name], f"{at}.{name}")
    elif isinstance(shown, list) and isinstance(got, list):
        if bool(shown) != bool(got):
            yield f"{at}: shown {shown}, got {got}"
        for i, one in enumerate(got if shown else []):
            yield from _shapes(shown[0], one, f"{at}.{i}")
    elif _kind(shown) != _kind(got):
        yield f"{at}: shown {shown!r}, got {got!r}"
    elif at.endswith(_EXACT) and shown != got:
        yield f"{at}: shown {shown}, got {got}"


def _kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def _lines(shown: Sequence[str], printed: Sequence[str]) -> Iterator[str]:
    left = iter(printed)
    for line in filter(str.strip, shown):
        wanted = re.compile(r"\s*" + ".*".join(_words(part) for part in line.strip().split("...")) + r"\s*")
        if not any(wanted.fullmatch(one) for one in left):
            yield f"not printed, or not in this order: {line.strip()}"


def _words(text: str) -> str:
    """Columns may be as wide as they need to be."""
    return r"\s+".join(map(re.escape, re.split(r"\s+", text)))
