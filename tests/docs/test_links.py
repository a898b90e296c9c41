"""The documents lead where they say they lead."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Page, every_page, read

PAGES = every_page()
DECISIONS = sorted((ROOT / "docs" / "adr").glob("0*.md"))
FOLDERS = ("src", "script", "tests", "docs", "bench", "games", "web", "deploy")
FILE_NAME = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]+")


def ids(page: Page) -> str:
    return page.file


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_link_within_the_repository_leads_to_a_file_and_a_heading(page: Page):
    assert [link for link in page.links if not leads(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_no_link_leads_through_a_symbolic_link(page: Page):
    """Hosts of repositories show a page at a file's own path, and nothing below a link to a folder."""
    targets = [((ROOT / page.file).parent / link.partition("#")[0]) for link in page.links]
    assert [str(target) for target in targets if Path(os.path.normpath(target)) != target.resolve()] == []


def leads(page: Page, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (ROOT / page.file).parent / name if name else ROOT / page.file
    if not target.exists():
        return False
    return not anchor or (target.suffix == ".md" and anchor in Page(name, target.read_text()).anchors)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_every_file_that_is_named_exists(page: Page):
    """A page that still speaks of a file that has moved sends its reader into the woods."""
    if page.file in ("CHANGELOG.md", "docs/add-a-domain.md"):
        return  # history keeps its names; what the walk-through makes is not there yet
    named = [name for code in page.code for name in code.split() if FILE_NAME.fullmatch(name)]
    assert [name for name in named if not exists(name)] == []


def exists(name: str) -> bool:
    return "NNNN" in name or "NAME" in name or (ROOT / name).exists()


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_no_two_headings_of_a_page_share_an_anchor(page: Page):
    headings = [anchor for anchor, count in Counter(all_anchors(page)).items() if count > 1]
    assert headings == [] or page.file == "CHANGELOG.md"


def all_anchors(page: Page) -> list[str]:
    from script.reference.markdown import anchor

    return [anchor(heading) for heading in re.findall(r"^#+ +(.*?) *$", page.prose, re.MULTILINE)]


def test_every_document_is_led_to_by_another():
    led_to = {
        ((ROOT / page.file).parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in page.links
        if not link.startswith("#")
    }
    documents = [ROOT / page.file for page in PAGES if page.file.startswith("docs/")]
    assert [str(path) for path in documents if path.resolve() not in led_to] == []


def test_every_decision_stands_in_the_index_with_its_title_and_number():
    index = read("docs/adr/README.md")
    listed = re.findall(r"^- \[(\d{4})\]\((\S+)\) (.+)$", index.text, re.MULTILINE)
    assert sorted(listed) == [(path.name[:4], path.name, title(path)) for path in DECISIONS]


def title(decision: Path) -> str:
    first = decision.read_text().splitlines()[0]
    number, _, rest = first.removeprefix("# ").partition(". ")
    assert number.zfill(4) == decision.name[:4], first
    return rest


def test_no_two_decisions_share_a_number():
    numbers = [path.name[:4] for path in DECISIONS]
    assert numbers
    assert sorted(numbers) == sorted(set(numbers))
