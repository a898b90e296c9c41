"""Help pages: what every command explains, how wide, and that a pipe gets nothing but letters."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from cyclopts import App

from overworld.app.cli import app, main
from overworld.app.help_pages import filled

WIDTH = 80
ANSI = re.compile(r"\x1b\[")


def commands(of: App, *path: str) -> Iterator[tuple[str, ...]]:
    """Every command, also those that only hold others."""
    yield path
    for name in of:
        if not name.startswith("-"):
            yield from commands(of[name], *path, name)


EVERY = list(commands(app))
RUNNABLE = [path for path in EVERY if not any(other[: len(path)] == path and other != path for other in EVERY)]


def page(capsys, *path: str) -> str:
    with pytest.raises(SystemExit) as left:
        main([*path, "--help"])
    assert not left.value.code
    return str(capsys.readouterr().out)


def test_the_commands_are_those_of_the_product():
    have = {" ".join(path) for path in RUNNABLE}
    assert {"serve", "replay", "game check", "game test", "migrate plan", "migrate up"} <= have
    assert {"config show", "events lag", "doctor"} <= have


@pytest.mark.parametrize("path", EVERY, ids=" ".join)
def test_a_page_is_plain_letters_of_at_most_80_columns(capsys, path):
    shown = page(capsys, *path)
    assert shown.isascii()
    assert not ANSI.search(shown)
    assert [line for line in shown.splitlines() if len(line) > WIDTH] == []
    assert shown.startswith("Usage: overworld")


@pytest.mark.parametrize("path", RUNNABLE, ids=" ".join)
def test_a_command_explains_itself_with_an_example(capsys, path):
    shown = page(capsys, *path)
    first = shown.split("\n\n")[1]
    assert first.strip().endswith("."), first
    name = " ".join(("overworld", *path))
    assert re.search(rf"For example:\n(.*\n)*?  .*{name}", shown), shown
    assert all(about for about in re.findall(r"^  --\S+(?: [A-Z]+)? *(.*)$", shown, re.MULTILINE)), shown


@pytest.mark.parametrize("path", RUNNABLE, ids=" ".join)
def test_a_command_that_can_fail_says_what_its_exit_codes_mean(capsys, path):
    if path not in {("config", "show"), ("migrate", "plan")}:  # they have no more than every command
        assert "Exit codes: 0 " in page(capsys, *path)


def test_the_first_page_groups_the_commands_and_shows_examples_and_exit_codes(capsys):
    shown = page(capsys)
    titles = [line for line in shown.splitlines() if re.fullmatch(r"[A-Z].*:", line)]
    assert titles == [
        "Run a world:", "Make a game:", "Look after a server:", "Options:", "For example:", "Exit codes:",
    ]  # fmt: skip
    assert all(f"\n  {code} " in shown for code in ("0", "1", "2", "130"))


def test_no_command_at_all_shows_the_first_page(capsys):
    with pytest.raises(SystemExit) as left:
        main([])
    assert not left.value.code
    assert capsys.readouterr().out == page(capsys)


def test_paragraphs_are_filled_and_indented_blocks_kept():
    text = "One two three\nfour five.\n\nFor example:\n  a long example that is longer than the width\n\n  and another"
    assert filled(text, width=15) == (
        "One two three\nfour five.\n\nFor example:\n  a long example that is longer than the width\n\n  and another"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("no_color", "styled"), [("", True), ("1", False)])
def test_a_terminal_gets_titles_in_bold_unless_it_wants_none(tmp_path, no_color, styled):
    above, terminal = pty.openpty()
    environment = {**os.environ, "NO_COLOR": no_color, "TERM": "xterm", "COLUMNS": str(WIDTH)}
    command = [sys.executable, "-m", "overworld", "events", "--help"]
    ran = subprocess.run(  # noqa: S603
        command,
        cwd=tmp_path,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        check=False,
        timeout=60,
    )
    os.close(terminal)
    shown = os.read(above, 65_536).decode()
    os.close(above)
    assert ran.returncode == 0
    assert bool(ANSI.search(shown)) is styled, shown
    assert "\x1b[1mUsage:\x1b[0m" in shown if styled else "Usage: overworld events" in shown
