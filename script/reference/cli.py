"""`cli.md`: every command, as its help tells it."""

from __future__ import annotations

import re
import sys
from unittest.mock import patch

from overworld.app import cli
from script.reference.markdown import page, prose

_INTRO = """The command line, in a checkout as `script/overworld`. `overworld COMMAND --help` says the same as this
page."""
# The title is the page's own, and a list of all commands follows the table of contents.
_OPENING = re.compile(r"\A.*?## Table of Contents\n+(?: *- [^\n]*\n)+", re.DOTALL)
_INDENTED = re.compile(r"\n+((?:^  +[^\s*-][^\n]*\n)+)", re.MULTILINE)
_HEADING = re.compile(r"^(#+) ", re.MULTILINE)


def build() -> str:
    """The page."""
    with patch.object(sys, "argv", ["overworld"]):  # usage lines name whatever runs, which here may be a test
        written = cli.app.generate_docs(include_hidden=False)
    body = _INDENTED.sub(r"\n\n```text\n\1```\n", _OPENING.sub("", written, count=1)).strip()
    return page("Command line", _INTRO, _exit_codes(), _without_sudden_depth(body))


def _exit_codes() -> str:
    codes = next(part for part in (cli.__doc__ or "").split("\n\n") if part.startswith("Exit codes"))
    return prose(codes)


def _without_sudden_depth(body: str) -> str:
    """No heading may lie more than one level below the one before it."""
    depth = 1

    def mend(heading: re.Match[str]) -> str:
        nonlocal depth
        depth = min(len(heading[1]), depth + 1)
        return "#" * depth + " "

    return _HEADING.sub(mend, body)
