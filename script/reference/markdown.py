"""Markdown as the reference pages write it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MADE = "<!-- Made by script/build_docs.py from the code; `script/docs reference` writes it again. -->"


def page(title: str, *parts: str) -> str:
    """A whole page; parts are separated by an empty line, empty ones are left out."""
    return "\n\n".join([f"# {title}", MADE, *filter(None, parts)]) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or nothing when there are no rows."""
    lines = [_row(row) for row in rows]
    return "\n".join([_row(header), "|" + "---|" * len(header), *lines]) if lines else ""


def code(text: object) -> str:
    """A text in backticks; nothing when it is empty."""
    return f"`{text}`" if str(text) else ""


def codes(texts: Iterable[object]) -> str:
    """Texts in backticks, separated by commas."""
    return ", ".join(map(code, texts))


def prose(docstring: str | None) -> str:
    """A docstring as paragraphs."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", (docstring or "").strip()))


def sentence(text: str) -> str:
    """A text that begins with a capital letter and ends with a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + "." * (not text.endswith((".", ":", "!")))


def anchor(heading: str) -> str:
    """What a heading is called in links, alike on repository pages and on the site."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("\n", " ").replace("|", r"\|") for cell in cells) + " |"
