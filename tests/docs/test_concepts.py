"""The worked examples in the documents come out as they are written there."""

from __future__ import annotations

import doctest

import pytest

from tests.docs.pages import Page, every_page

PAGES = [page for page in every_page() if page.file.startswith("docs/") and ">>> " in page.text]
CONCEPTS = [page for page in every_page() if page.file.startswith("docs/concepts/")]


def examples(page: Page) -> str:
    """The examples of a page as one session; later ones use what earlier ones made."""
    return "\n".join(block.text for block in page.blocks if block.language == "python" and ">>> " in block.text)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.file)
def test_its_examples_come_out_as_they_are_written(page: Page):
    told: list[str] = []
    session = doctest.DocTestParser().get_doctest(examples(page), {}, page.file, page.file, 0)
    assert session.examples
    assert doctest.DocTestRunner().run(session, out=told.append).failed == 0, "".join(told)


@pytest.mark.parametrize("page", CONCEPTS, ids=lambda page: page.file)
def test_each_concept_shows_something_and_says_where_its_code_is_and_why(page: Page):
    assert list(page.blocks)
    assert any("/src/" in link for link in page.links)
    assert any("adr/" in link for link in page.links)
    assert len(page.text.splitlines()) <= 110, "a concept is read in one or two screens"
