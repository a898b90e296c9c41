"""Help pages as plain text: what a terminal shows in bold, a pipe gets as the same letters, nothing is drawn in boxes.

The texts are the docstrings of the commands. A paragraph is filled to the width of the page; a block that is indented,
such as an example, is printed as it stands.
"""

from __future__ import annotations

from io import StringIO
from textwrap import fill, indent, wrap
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import ConsoleOptions

_WIDTH_MAX = 100
_LABEL_MAX = 26
_UNWRAPPED = 10_000


class PlainPages:
    """Writes the pages; the command line library hands it the parts one by one."""

    def render_usage(self, console: Console, options: ConsoleOptions, usage: Any) -> None:
        """The first line: how the command is called."""
        _print(console, f"Usage: {_plain(usage).removeprefix('Usage:').strip()}\n", bold=len("Usage:"))

    def render_description(self, console: Console, options: ConsoleOptions, description: Any) -> None:
        """What the command is for."""
        text = _plain(description)
        if text:
            _print(console, f"{filled(text, width=_width(console))}\n")

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        """A titled list of commands or options, in two columns."""
        if not panel.entries:
            return
        title = f"{_plain(panel.title)}:"
        _print(console, title, bold=len(title))
        rows = [(_label(entry, panel.format), _about(entry)) for entry in panel.entries]
        column = min(max(len(label) for label, _ in rows), _LABEL_MAX) + 4
        for label, about in rows:
            _print(console, _row(label, about, column=column, width=_width(console)), bold=len(label) + 2)
        _print(console, "")


def filled(text: str, *, width: int) -> str:
    """The text with its paragraphs filled to `width` columns; indented blocks stay as they are."""
    blocks = text.strip("\n").split("\n\n")
    return "\n\n".join(block if block.startswith(" ") else _fill(block, width) for block in blocks)


def _fill(block: str, width: int) -> str:
    """A paragraph, or a heading above an indented block."""
    lines = block.split("\n")
    first_indented = next((i for i, line in enumerate(lines) if line.startswith(" ")), len(lines))
    paragraph = fill(" ".join(lines[:first_indented]), width, break_long_words=False, break_on_hyphens=False)
    return "\n".join([paragraph, *lines[first_indented:]])


def _row(label: str, about: str, *, column: int, width: int) -> str:
    lines = wrap(about, max(20, width - column), break_long_words=False, break_on_hyphens=False)
    head = f"  {label}"
    if len(head) > column - 2 or not lines:
        return "\n".join([head, *(indent(line, " " * column) for line in lines)])
    return "\n".join([head.ljust(column) + lines[0], *(indent(line, " " * column) for line in lines[1:])])


def _label(entry: HelpEntry, kind: str) -> str:
    return ", ".join(entry.display_labels_with_metavar if kind == "parameter" else entry.display_labels)


def _about(entry: HelpEntry) -> str:
    parts = [" ".join(_plain(entry.description).split())]
    parts += [f"[{', '.join(entry.choices)}]"] if entry.choices else []
    parts += [f"[default: {entry.default}]"] if entry.default is not None else []
    parts += ["[required]"] if entry.required else []
    return " ".join(part for part in parts if part)


def _plain(text: Any) -> str:
    """The letters of whatever the library holds a text in, without line breaks of its making."""
    if text is None or isinstance(text, str):
        return (text or "").strip("\n")
    console = Console(file=StringIO(), width=_UNWRAPPED, no_color=True, force_terminal=False, highlight=False)
    with console.capture() as captured:
        console.print(text, end="")
    return "\n".join(line.rstrip() for line in captured.get().splitlines()).strip("\n")


def _width(console: Console) -> int:
    return min(console.width, _WIDTH_MAX)


def _print(console: Console, text: str, *, bold: int = 0) -> None:
    shown = Text(text)
    if bold and not console.no_color:
        shown.stylize("bold", 0, bold)
    console.print(shown, soft_wrap=True, highlight=False)
