"""The site is built without a warning, and a page of it asks no other host for anything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.browser import launched, visiting
from script.reference.site import on_page_markdown
from tests.docs.pages import ROOT

LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\ssrc=["']?(?:https?:)?//"""
    r"""|<link\b(?![^>]*rel=["']?canonical)[^>]*?\shref=["']?(?:https?:)?//""",
    re.IGNORECASE,
)
LOADED_BY_STYLES = re.compile(r"""@import\s|url\(\s*["']?(?:https?:)?//""", re.IGNORECASE)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.slow
def test_its_pages_and_styles_load_nothing_from_elsewhere(site):
    pages, styles = list(site.rglob("*.html")), list(site.rglob("*.css"))
    assert len(pages) > 50
    assert styles
    assert [page.name for page in pages if LOADED.search(page.read_text())] == []
    assert [style.name for style in styles if LOADED_BY_STYLES.search(style.read_text())] == []


@pytest.mark.slow
def test_no_page_holds_a_diagram_for_which_the_theme_would_fetch_a_script(site):
    """Its script loads mermaid from a public host as soon as it sees an element of that class."""
    assert [page.name for page in site.rglob("*.html") if re.search(r'class="[^"]*\bmermaid\b', page.read_text())] == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="script/need chromium")
async def test_a_browser_that_reads_it_asks_this_machine_alone(site):
    async with launched() as browser:
        for name in ("index.html", "architecture.html", "reference/http.html"):
            async with visiting(browser, (site / name).as_uri()) as visit:
                await visit.page.wait_for_load_state("networkidle")
                assert "Overworld" in await visit.page.title()
                assert visit.hosts - {""} == set()


class PageOf:
    """A page of mkdocs as far as it is asked."""

    def __init__(self, src_uri: str) -> None:
        self.file = self
        self.src_uri = src_uri


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[the ledger](../concepts/ledger.md)", "[the ledger](../concepts/ledger.md)"),
        ("[`src/a.py`](../../src/a.py)", "`src/a.py`"),
        ("[the game](../../games/ore/game.toml)", "the game (`games/ore/game.toml`)"),
        ("[out](https://example.org/a)", "[out](https://example.org/a)"),
        ("```md\n[the game](../../game.toml)\n```", "```md\n[the game](../../game.toml)\n```"),
    ],
)
def test_links_to_code_become_the_names_of_files_on_the_site(written, shown):
    assert on_page_markdown(written, page=PageOf("concepts/x.md")) == shown
