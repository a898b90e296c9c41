"""The project's Markdown files, as the tests of the documents read them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from script.gates import project_files
from script.reference.markdown import anchor

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^(?P<fence>```+)(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=fence)\s*$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.*?) *$", re.MULTILINE)
_LINK = re.compile(r"\[((?:[^\]\[]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_TARGET = re.compile(r"\[([^\]]*)\]\([^)]*\)")


class Block(Struct, frozen=True):
    """A fenced block: its language, its text, and the last line before it that says something."""

    language: str
    text: str
    before: str


class Page(Struct, frozen=True):
    """One Markdown file; `file` is its path inside the repository."""

    file: str
    text: str

    @property
    def blocks(self) -> Iterator[Block]:
        """Its fenced blocks, in order."""
        for fence in _FENCE.finditer(self.text):
            lines = [line for line in self.text[: fence.start()].splitlines() if line.strip()]
            yield Block(fence["language"].strip(), fence["text"], lines[-1] if lines else "")

    @property
    def prose(self) -> str:
        """Everything outside fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def anchors(self) -> set[str]:
        """What links into this page may name. Two equal headings would not have one name everywhere."""
        return {anchor(_TARGET.sub(r"\1", heading)) for heading in _HEADING.findall(self.prose)}

    @property
    def links(self) -> list[str]:
        """Where its links lead, those to other hosts excepted."""
        found = (target for _, target in _LINK.findall(_CODE.sub("", self.prose)))
        return [target for target in found if "://" not in target and not target.startswith("mailto:")]

    @property
    def code(self) -> list[str]:
        """What stands in backticks within a line."""
        return _CODE.findall(self.prose)

    def rows(self, heading: str) -> list[list[str]]:
        """The cells of the tables below a heading, up to the next one of its level or higher."""
        level = next(line.split(" ")[0] for line in self.text.splitlines() if line.endswith(f"# {heading}"))
        below = self.text.partition(f"{level} {heading}\n")[2]
        section = re.split(rf"^#{{1,{len(level)}}} ", below, maxsplit=1, flags=re.MULTILINE)[0]
        lines = [line for line in section.splitlines() if line.startswith("|") and not line.startswith("|---")]
        return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def read(file: str) -> Page:
    """A page by its path inside the repository."""
    return Page(file, (ROOT / file).read_text())


def every_page() -> list[Page]:
    """All Markdown files of the project."""
    return [read(file) for file in sorted(project_files(ROOT)) if file.endswith(".md") and (ROOT / file).exists()]
