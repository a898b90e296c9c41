"""The documents lead where they say they lead."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_within_the_repository_leads_to_a_file(document: Path):
    targets = [target.partition("#")[0] for target in LINK.findall(document.read_text()) if "://" not in target]
    assert [target for target in targets if target and not (document.parent / target).exists()] == []


def test_every_decision_stands_in_the_index():
    index = (ROOT / "docs" / "adr" / "README.md").read_text()
    decisions = [path.name for path in (ROOT / "docs" / "adr").glob("0*.md")]
    assert decisions
    assert [name for name in decisions if f"]({name})" not in index] == []


def test_no_two_decisions_share_a_number():
    numbers = [path.name[:4] for path in (ROOT / "docs" / "adr").glob("0*.md")]
    assert sorted(numbers) == sorted(set(numbers))
