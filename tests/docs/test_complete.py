"""Whatever a user of Overworld can meet stands in the documents, and the reference is what the code says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from cyclopts import App

from overworld.app import cli
from overworld.app.settings import Settings
from overworld.app.settings_tree import leaves
from overworld.domains.realtime.types import CloseCode
from overworld.kernel.events import Event
from overworld.kernel.identity import Scope
from overworld.kernel.refusals import Refusal
from script import build_docs
from script.reference import house
from script.reference.errors import Advice, unused
from script.reference.whole import events, refusals
from tests.docs.pages import ROOT, every_page

DOCUMENTS = [page for page in every_page() if page.file.startswith("docs/")]
TEXT = "\n".join(page.text for page in DOCUMENTS)
CODE = {code for page in DOCUMENTS for code in page.code}


@pytest.fixture(scope="module")
def described() -> house.Described:
    return house.described()


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return build_docs.pages()


@pytest.mark.slow
def test_the_reference_is_what_the_code_says(made):
    written = {file.name: file.read_text() for file in (ROOT / "docs" / "reference").glob("*.md")}
    stale = [name for name in made.keys() | written.keys() if made.get(name) != written.get(name)]
    assert stale == [], "run script/docs reference"


@pytest.mark.slow
def test_the_reference_is_the_same_when_it_is_made_again(made):
    assert build_docs.pages() == made


def test_every_route_is_described(described):
    assert described.document["paths"]
    missing = [path for path in described.document["paths"] if path not in CODE and f" {path}\n" not in TEXT]
    assert missing == []


def test_every_setting_is_described_and_says_what_it_is_for():
    settings = list(leaves(Settings()))
    assert settings
    assert [leaf.key for leaf in settings if leaf.key not in CODE] == []
    assert [leaf.key for leaf in settings if not leaf.description] == []


def test_every_event_is_described():
    topics = [kind.topic for kind in events()]
    assert topics
    assert [topic for topic in topics if f"## {topic}\n" not in TEXT] == []


def test_every_error_code_is_described():
    codes = [kind.code for kind in refusals()]
    assert codes
    assert [code for code in codes if code not in CODE] == []


def test_no_refusal_and_no_event_is_left_out_for_want_of_a_code():
    """A subclass that declares none would be answered with that of its parent."""
    known = {*refusals(), *events()}
    ours = [kind for base in (Refusal, Event) for kind in below(base) if kind.__module__.startswith("overworld.")]
    assert [kind for kind in ours if kind not in known] == []


def below(kind: type[Any]) -> Iterator[type[Any]]:
    children: list[type[Any]] = kind.__subclasses__()
    for child in children:
        yield child
        yield from below(child)


def test_every_close_code_is_described():
    assert [code.value for code in CloseCode if f"| {code.value} |" not in TEXT] == []


def test_every_metric_is_described(described):
    names = [metric.name for metric in described.metrics.described()]
    assert names
    assert [name for name in names if name not in CODE] == []


def test_every_command_is_described():
    commands = list(commands_of(cli.app, "overworld"))
    assert len(commands) > 5
    assert [command for command in commands if f"# {command}\n" not in TEXT] == []


def commands_of(app: App, name: str) -> Iterator[str]:
    for word in app:
        if not word.startswith("-"):
            yield f"{name} {word}"
            yield from commands_of(app[word], f"{name} {word}")


def test_no_document_names_a_setting_a_metric_or_a_code_that_does_not_exist(described):
    settings = {leaf.key for leaf in leaves(Settings())}
    metrics = {metric.name for metric in described.metrics.described()}
    known = settings | metrics | {name for metric in metrics for name in series(metric)}
    known |= {kind.code for kind in refusals()} | set(vars(Scope).values())
    sections = {name.partition(".")[0] for name in (*settings, *(kind.code for kind in refusals())) if "." in name}
    name = re.compile(rf"(?:{'|'.join(sections)})\.[a-z_]+|overworld_[a-z_]+")
    pages = [page for page in DOCUMENTS if "/adr/" not in page.file and page.file not in TABLES_AND_FILES]
    wrong = {(page.file, code) for page in pages for code in page.code if name.fullmatch(code) and code not in known}
    assert wrong == set()


# Names of tables are written alike: `accounts.device`, and so is what the walk-through makes.
TABLES_AND_FILES = ("docs/locks.md", "docs/add-a-domain.md")


def series(metric: str) -> list[str]:
    """What a metric is called when it is read."""
    return [f"{metric}{ending}" for ending in ("_total", "_bucket", "_sum", "_count")]


def test_advice_is_given_on_refusals_that_exist():
    assert unused(Advice.read()) == {}


@pytest.mark.slow
def test_a_page_that_differs_from_the_code_is_named_and_exits_1(made, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build_docs, "FOLDER", tmp_path)
    monkeypatch.setattr(build_docs, "pages", lambda: made)  # each time they are the same, as the test above has seen
    assert build_docs.main([]) == 0
    assert build_docs.main(["--check"]) == 0
    (tmp_path / "events.md").write_text("nothing\n")
    (tmp_path / "of-old.md").write_text("gone\n")
    capsys.readouterr()
    assert build_docs.main(["--check"]) == 1
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "docs/reference/events.md",
        "docs/reference/of-old.md",
    ]
